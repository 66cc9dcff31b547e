//! Decides for `--protocol=auto` which wire to try next, and which wire to remember.
//!
//! ```text
//!        SETTINGS, TLS that refuses HTTP/1.1,
//!            or closed before any byte                  Debug is not served
//!    mucp ───────────────────────────────────▶ grpc ───────────────────────▶ grpc-health
//!      ▲                                        │ ▲                           │
//!      └──────────── not gRPC at all ───────────┘ └──── not served either ────┘
//! ```
//!
//! mucp comes first because a gRPC server rejects HTTP/1.1 at once and unharmed. gRPC to a mucp
//! server is unreliable: v1.18–v4.10 answer 37–80 % of such calls. For the same reason one mucp
//! answer outweighs every outcome but SETTINGS.
//!
//! A wire that was hinted at or has answered before comes first instead, until a check ends without
//! an answer. Then mucp comes first and that wire last, until a wire answers.

use crate::check::options::Protocol;

/// A wire to check the service on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wire {
    /// `Debug.Health` over HTTP/1.1.
    Mucp,
    /// `Debug.Health` over gRPC.
    Grpc,
    /// `grpc.health.v1.Health/Check`.
    GrpcHealth,
}

/// The outcome of one attempt, whatever the verdict was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lesson {
    /// The service answered on this wire.
    Answered,
    /// The server answered over gRPC that it does not have this method.
    NotServed,
    /// HTTP/2 SETTINGS came back on HTTP/1.1, or TLS refused HTTP/1.1
    /// (`no_application_protocol`).
    Settings,
    /// The connection was closed before any byte.
    Closed,
    /// The server answered with another protocol than gRPC, or its TLS refused HTTP/2.
    NotGrpc,
    /// The attempt gave no clue: refused, cut short, neither wire, or no TLS at all.
    Nothing,
}

/// The knowledge about a target's protocol.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// The wire that the service was probably started with.
    hint: Option<Wire>,
    /// The wire that answered last.
    answered: Option<Wire>,
    /// The latest check ended without an answer.
    doubted: bool,
}

/// The wires that one check has tried, so that it tries no wire twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried([bool; 3]);

// === impl Wire ===

impl Wire {
    /// Returns the flag's value for this wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mucp => "mucp",
            Self::Grpc => "grpc",
            Self::GrpcHealth => "grpc-health",
        }
    }
}

// === impl Lesson ===

impl Lesson {
    /// Decides whether a verdict with this outcome is reported instead of an earlier one of the
    /// same check. It is if its wire got further. SETTINGS on mucp only say which wire to try. A
    /// wire that was tried on a wrong suspicion says less than the attempt that raised it.
    pub fn outweighs(self, earlier: Self) -> bool {
        let weight = |lesson| match lesson {
            Self::Settings => 0,
            Self::Closed | Self::NotGrpc | Self::Nothing => 1,
            Self::NotServed => 2,
            Self::Answered => 3,
        };
        // Of two services that are not served, the one that was tried last is reported.
        weight(self) > weight(earlier) || self == Self::NotServed
    }
}

// === impl Memory ===

impl Memory {
    /// Creates a memory with only a hint (`MICRO_SERVER`), which orders the attempts and never
    /// decides.
    pub fn new(hint: Option<Protocol>) -> Self {
        let hint = hint.and_then(|hint| match hint {
            Protocol::Grpc => Some(Wire::Grpc),
            Protocol::GrpcHealth => Some(Wire::GrpcHealth),
            Protocol::Mucp => Some(Wire::Mucp),
            Protocol::Auto => None,
        });
        Self {
            hint,
            ..Self::default()
        }
    }

    /// Returns the wire to begin a check with.
    pub fn first(self) -> Wire {
        let expected = if self.doubted { None } else { self.expected() };
        expected.unwrap_or(Wire::Mucp)
    }

    fn expected(self) -> Option<Wire> {
        self.answered.or(self.hint)
    }

    /// Records that a check ended without an answer, for example at its deadline.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Returns the wire that answered last; `None` until one has.
    pub fn answered(self) -> Option<Wire> {
        self.answered
    }

    /// Learns from an attempt. Returns the new memory and the wire to try next, if any.
    pub fn learn(self, tried: &mut Tried, wire: Wire, lesson: Lesson) -> (Self, Option<Wire>) {
        tried.0[wire as usize] = true;
        let remember = |wire| Self {
            answered: Some(wire),
            doubted: false,
            ..self
        };
        let (memory, next) = match (wire, lesson) {
            (_, Lesson::Answered) => (remember(wire), None),
            (Wire::Mucp, Lesson::Settings) => {
                let forgot = Self {
                    answered: None,
                    ..self
                };
                (forgot, Some(Wire::Grpc))
            }
            // One port may serve both protocols, and answer HTTP/1.1 in its own way.
            (Wire::Mucp, Lesson::Nothing) if self.doubted => (self, self.expected()),
            (Wire::Mucp, Lesson::Closed) if self.answered == Some(Wire::Mucp) => (self, None),
            (Wire::Mucp, Lesson::Closed) => (self, Some(Wire::Grpc)),
            (Wire::Grpc, Lesson::NotServed) => (remember(Wire::Grpc), Some(Wire::GrpcHealth)),
            (Wire::GrpcHealth, Lesson::NotServed) => (remember(Wire::Grpc), Some(Wire::Grpc)),
            (Wire::Grpc | Wire::GrpcHealth, Lesson::NotGrpc) => (self, Some(Wire::Mucp)),
            _ => (self, None),
        };
        let next = next.filter(|next| !tried.0[*next as usize]);
        let doubted = memory.doubted || (next.is_none() && lesson == Lesson::Nothing);
        (Self { doubted, ..memory }, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Lesson::{Answered, Closed, NotGrpc, NotServed, Nothing, Settings};

    const M: Wire = Wire::Mucp;
    const G: Wire = Wire::Grpc;
    const H: Wire = Wire::GrpcHealth;

    const NOTHING: Memory = Memory {
        hint: None,
        answered: None,
        doubted: false,
    };

    fn knows(wire: Wire) -> Memory {
        Memory {
            answered: Some(wire),
            ..NOTHING
        }
    }

    fn doubts(memory: Memory) -> Memory {
        Memory {
            doubted: true,
            ..memory
        }
    }

    /// Plays one check, given the outcomes on its wires in the order of the attempts. Returns the
    /// memory after it and the wire whose verdict is reported.
    fn check(memory: Memory, lessons: &[(Wire, Lesson)]) -> (Memory, Wire) {
        let (mut memory, mut tried) = (memory, Tried::default());
        let mut next = Some(memory.first());
        let mut reported = None;
        for (wire, lesson) in lessons {
            assert_eq!(next, Some(*wire), "before {lesson:?}");
            (memory, next) = memory.learn(&mut tried, *wire, *lesson);
            if reported.is_none_or(|(_, earlier)| lesson.outweighs(earlier)) {
                reported = Some((*wire, *lesson));
            }
        }
        assert_eq!(next, None, "after {lessons:?}");
        (memory, reported.unwrap().0)
    }

    #[test]
    fn finds_and_remembers_what_answers_and_reports_the_furthest_wire() {
        let nothing = NOTHING;
        for (before, lessons, after, reported) in [
            (nothing, &[(M, Answered)][..], knows(M), M),
            (nothing, &[(M, Settings), (G, Answered)], knows(G), G),
            (nothing, &[(M, Closed), (G, Answered)], knows(G), G),
            (nothing, &[(M, Nothing)], doubts(nothing), M),
            // A gRPC service without Debug: the standard health service, if it has that.
            (
                nothing,
                &[(M, Settings), (G, NotServed), (H, Answered)],
                knows(H),
                H,
            ),
            (
                nothing,
                &[(M, Settings), (G, NotServed), (H, NotServed)],
                knows(G),
                H,
            ),
            (
                nothing,
                &[(M, Settings), (G, NotServed), (H, NotGrpc)],
                knows(G),
                G,
            ),
            (
                nothing,
                &[(M, Settings), (G, NotServed), (H, Nothing)],
                doubts(knows(G)),
                G,
            ),
            (
                nothing,
                &[(M, Closed), (G, NotServed), (H, Nothing)],
                doubts(knows(G)),
                G,
            ),
            (knows(G), &[(G, NotServed), (H, NotServed)], knows(G), H),
            (knows(H), &[(H, Answered)], knows(H), H),
            (knows(H), &[(H, NotServed), (G, Answered)], knows(G), G),
            // Another program on the port.
            (knows(G), &[(G, NotGrpc), (M, Answered)], knows(M), M),
            (knows(H), &[(H, NotGrpc), (M, Answered)], knows(M), M),
            (knows(M), &[(M, Settings), (G, Answered)], knows(G), G),
            // The same program with a broken gRPC: SETTINGS on mucp are not the reason.
            (knows(G), &[(G, NotGrpc), (M, Settings)], nothing, G),
            (
                knows(H),
                &[(H, NotGrpc), (M, Settings), (G, NotGrpc)],
                nothing,
                H,
            ),
            (knows(G), &[(G, NotGrpc), (M, Closed)], knows(G), G),
            (knows(G), &[(G, NotGrpc), (M, Nothing)], doubts(knows(G)), G),
            (nothing, &[(M, Settings), (G, NotGrpc)], nothing, G),
            (nothing, &[(M, Settings), (G, Nothing)], doubts(nothing), G),
            // One unreliable gRPC attempt is no verdict, and no loop.
            (nothing, &[(M, Closed), (G, NotGrpc)], nothing, M),
            (nothing, &[(M, Closed), (G, Nothing)], doubts(nothing), M),
            (knows(M), &[(M, Nothing)], doubts(knows(M)), M),
            (knows(M), &[(M, Closed)], knows(M), M),
        ] {
            assert_eq!(
                check(before, lessons),
                (after, reported),
                "{before:?} {lessons:?}"
            );
        }
    }

    #[test]
    fn a_wire_that_fails_is_tried_last_until_something_answers() {
        /// The check ended at its deadline, in the attempt after these.
        const LATE: bool = true;
        const ENDED: bool = false;
        let hinted = |protocol| Memory::new(Some(protocol));
        for (before, checks, after) in [
            // A restart changes nothing that lasts.
            (
                knows(G),
                &[
                    (&[(G, Nothing)][..], ENDED),
                    (&[(M, Nothing), (G, Nothing)], ENDED),
                    (&[(M, Settings), (G, Answered)], ENDED),
                    (&[(G, Answered)], ENDED),
                ][..],
                knows(G),
            ),
            // Another program came, which keeps silent on HTTP/2's preface.
            (
                knows(G),
                &[(&[], LATE), (&[(M, Answered)], ENDED)],
                knows(M),
            ),
            (
                knows(H),
                &[(&[], LATE), (&[], LATE), (&[(M, Answered)], ENDED)],
                knows(M),
            ),
            // A port that answers HTTP/1.1 in its own words, and gRPC too.
            (
                knows(G),
                &[
                    (&[], LATE),
                    (&[(M, Nothing), (G, Answered)], ENDED),
                    (&[(G, Answered)], ENDED),
                ],
                knows(G),
            ),
            (
                hinted(Protocol::Grpc),
                &[
                    (&[(G, Nothing)], ENDED),
                    (&[(M, Nothing), (G, Answered)], ENDED),
                ],
                Memory {
                    hint: Some(G),
                    ..knows(G)
                },
            ),
            // The hint was wrong.
            (
                hinted(Protocol::Grpc),
                &[(&[], LATE), (&[(M, Answered)], ENDED)],
                Memory {
                    hint: Some(G),
                    ..knows(M)
                },
            ),
            (
                hinted(Protocol::GrpcHealth),
                &[(&[(H, NotServed), (G, NotServed)], ENDED)],
                Memory {
                    hint: Some(H),
                    ..knows(G)
                },
            ),
        ] {
            let mut memory = before;
            for (lessons, is_late) in checks {
                if *is_late {
                    assert!(lessons.is_empty(), "the first attempt is the late one");
                    memory.doubt();
                } else {
                    memory = check(memory, lessons).0;
                }
            }
            assert_eq!(memory, after, "{before:?} {checks:?}");
        }
        let mut late = knows(G);
        late.doubt();
        assert_eq!((late.first(), late.answered()), (M, Some(G)));
    }

    #[test]
    fn a_hint_orders_only_what_is_unknown() {
        let first = |hint| Memory::new(Some(hint)).first();
        assert_eq!(first(Protocol::Grpc), G);
        assert_eq!(first(Protocol::GrpcHealth), H);
        assert_eq!(first(Protocol::Mucp), M);
        assert_eq!(first(Protocol::Auto), M);
        let knows_mucp = Memory {
            hint: Some(G),
            ..knows(M)
        };
        assert_eq!(knows_mucp.first(), M);
    }
}
