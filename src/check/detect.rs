//! `--protocol=auto`: which wire to try next, and what to remember.
//!
//! ```text
//!        SETTINGS, TLS that refuses HTTP/1.1,
//!            or closed before any byte                  Debug is not served
//!    mucp ───────────────────────────────────▶ grpc ───────────────────────▶ grpc-health
//!      ▲                                        │ ▲                           │
//!      └──────────── not gRPC at all ───────────┘ └──── not served either ────┘
//! ```
//!
//! mucp comes first because a gRPC server rejects HTTP/1.1 at once and unharmed,
//! while gRPC to a mucp server is a coin toss: answered 37–80 % of the time by
//! v1.18–v4.10. For the same reason one mucp answer outweighs everything but SETTINGS.
//!
//! A wire that was hinted at or has answered before comes first instead, until a check ends
//! without an answer. Then mucp comes first and that wire last, until something answers.

use crate::check::options::Protocol;

/// A wire to ask on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wire {
    /// `Debug.Health` over HTTP/1.1.
    Mucp,
    /// `Debug.Health` over gRPC.
    Grpc,
    /// `grpc.health.v1.Health/Check`.
    GrpcHealth,
}

/// What one attempt taught, whatever the verdict was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lesson {
    /// This wire is served here.
    Answered,
    /// gRPC answered that it does not have this method.
    NotServed,
    /// HTTP/2 SETTINGS came back on HTTP/1.1, or TLS refused HTTP/1.1
    /// (`no_application_protocol`).
    Settings,
    /// The connection was closed before any byte.
    Closed,
    /// Something answered that is not gRPC, or TLS refused HTTP/2.
    NotGrpc,
    /// Nothing: refused, cut short, neither wire, or no TLS at all.
    Nothing,
}

/// What is known of a target's protocol.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// The wire that the service was probably started with.
    hint: Option<Wire>,
    /// The wire that answered last.
    answered: Option<Wire>,
    /// Whether the latest check ended without an answer.
    doubted: bool,
}

/// The wires that one check has tried, so that it tries none twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried([bool; 3]);

// === impl Wire ===

impl Wire {
    /// The flag's value for this wire.
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
    /// Whether a verdict with this lesson is reported instead of an earlier one of the same
    /// check: if its wire got further. SETTINGS on mucp only say which wire to try, and a
    /// wire tried on a suspicion that did not come true says less than what led to it.
    pub fn outweighs(self, earlier: Self) -> bool {
        let weight = |lesson| match lesson {
            Self::Settings => 0,
            Self::Closed | Self::NotGrpc | Self::Nothing => 1,
            Self::NotServed => 2,
            Self::Answered => 3,
        };
        // Of two services that are not served, the standard one is asked last.
        weight(self) > weight(earlier) || self == Self::NotServed
    }
}

// === impl Memory ===

impl Memory {
    /// Nothing but a hint (`MICRO_SERVER`), which orders and never decides.
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

    /// The wire to begin a check with.
    pub fn first(self) -> Wire {
        let expected = if self.doubted { None } else { self.expected() };
        expected.unwrap_or(Wire::Mucp)
    }

    fn expected(self) -> Option<Wire> {
        self.answered.or(self.hint)
    }

    /// Learns that a check ended without an answer, at its deadline for instance.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    /// What answered last; `None` until something has.
    pub fn answered(self) -> Option<Wire> {
        self.answered
    }

    /// Learns from an attempt: the new memory and the wire to try next, if any.
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
            // One port may serve both, with an answer of its own to HTTP/1.1.
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

    /// Plays one check: what each attempted wire teaches, in the order of attempts. Returns
    /// the memory after it and the wire whose verdict is reported.
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
            // The same one, which breaks gRPC: SETTINGS on mucp are no reason.
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
            // One lost coin toss is no verdict, and no loop.
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
