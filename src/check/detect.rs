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
pub(crate) enum Wire {
    /// `Debug.Health` over HTTP/1.1.
    Mucp,
    /// `Debug.Health` over gRPC.
    Grpc,
    /// `grpc.health.v1.Health/Check`.
    GrpcHealth,
}

/// The outcome of one attempt, whatever the verdict was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
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
    NoClue,
}

/// The knowledge about a target's protocol.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Memory {
    /// The wire that the service was probably started with.
    hint: Option<Wire>,
    /// The wire that answered last.
    answered: Option<Wire>,
    /// The latest check ended without an answer.
    unanswered: bool,
}

/// The wires that one check has tried, so that it tries no wire twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts([bool; 3]);

// === impl Wire ===

impl Wire {
    /// Returns the flag's value for this wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mucp => "mucp",
            Self::Grpc => "grpc",
            Self::GrpcHealth => "grpc-health",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// Decides whether a verdict with this outcome is reported instead of an earlier one of the
    /// same check. It is if its wire got further. SETTINGS on mucp only say which wire to try. A
    /// wire that was tried on a wrong suspicion says less than the attempt that raised it.
    pub(crate) fn outweighs(self, earlier: Self) -> bool {
        let weight = |outcome| match outcome {
            Self::Settings => 0,
            Self::Closed | Self::NotGrpc | Self::NoClue => 1,
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
    pub(crate) fn new(hint: Option<Protocol>) -> Self {
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
    pub(crate) fn first(self) -> Wire {
        let expected = if self.unanswered {
            None
        } else {
            self.expected()
        };
        expected.unwrap_or(Wire::Mucp)
    }

    fn expected(self) -> Option<Wire> {
        self.answered.or(self.hint)
    }

    /// Records that a check ended without an answer, for example at its deadline.
    pub(crate) fn note_no_answer(&mut self) {
        self.unanswered = true;
    }

    /// Returns the wire that answered last; `None` until one has.
    pub(crate) fn answered(self) -> Option<Wire> {
        self.answered
    }

    /// Learns from an attempt. Returns the new memory and the wire to try next, if any.
    pub(crate) fn learn(
        self,
        attempts: &mut Attempts,
        wire: Wire,
        outcome: Outcome,
    ) -> (Self, Option<Wire>) {
        attempts.0[wire as usize] = true;
        let remember = |wire| Self {
            answered: Some(wire),
            unanswered: false,
            ..self
        };
        let (memory, next) = match (wire, outcome) {
            (_, Outcome::Answered) => (remember(wire), None),
            (Wire::Mucp, Outcome::Settings) => {
                let forgotten = Self {
                    answered: None,
                    ..self
                };
                (forgotten, Some(Wire::Grpc))
            }
            // One port may serve both protocols, and answer HTTP/1.1 in its own way.
            (Wire::Mucp, Outcome::NoClue) if self.unanswered => (self, self.expected()),
            (Wire::Mucp, Outcome::Closed) if self.answered == Some(Wire::Mucp) => (self, None),
            (Wire::Mucp, Outcome::Closed) => (self, Some(Wire::Grpc)),
            (Wire::Grpc, Outcome::NotServed) => (remember(Wire::Grpc), Some(Wire::GrpcHealth)),
            (Wire::GrpcHealth, Outcome::NotServed) => (remember(Wire::Grpc), Some(Wire::Grpc)),
            (Wire::Grpc | Wire::GrpcHealth, Outcome::NotGrpc) => (self, Some(Wire::Mucp)),
            _ => (self, None),
        };
        let next = next.filter(|next| !attempts.0[*next as usize]);
        let unanswered = memory.unanswered || (next.is_none() && outcome == Outcome::NoClue);
        (
            Self {
                unanswered,
                ..memory
            },
            next,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Answered, Closed, NoClue, NotGrpc, NotServed, Settings};

    const M: Wire = Wire::Mucp;
    const G: Wire = Wire::Grpc;
    const H: Wire = Wire::GrpcHealth;

    const UNKNOWN: Memory = Memory {
        hint: None,
        answered: None,
        unanswered: false,
    };

    fn knows(wire: Wire) -> Memory {
        Memory {
            answered: Some(wire),
            ..UNKNOWN
        }
    }

    fn unanswered(memory: Memory) -> Memory {
        Memory {
            unanswered: true,
            ..memory
        }
    }

    /// Plays one check, given the outcomes on its wires in the order of the attempts. Returns the
    /// memory after it and the wire whose verdict is reported.
    fn check(memory: Memory, outcomes: &[(Wire, Outcome)]) -> (Memory, Wire) {
        let (mut memory, mut attempts) = (memory, Attempts::default());
        let mut next = Some(memory.first());
        let mut reported = None;
        for (wire, outcome) in outcomes {
            assert_eq!(next, Some(*wire), "before {outcome:?}");
            (memory, next) = memory.learn(&mut attempts, *wire, *outcome);
            if reported.is_none_or(|(_, earlier)| outcome.outweighs(earlier)) {
                reported = Some((*wire, *outcome));
            }
        }
        assert_eq!(next, None, "after {outcomes:?}");
        (memory, reported.unwrap().0)
    }

    #[test]
    fn remembers_the_wire_that_answers_and_reports_the_furthest_one() {
        let unknown = UNKNOWN;
        for (before, outcomes, after, reported) in [
            (unknown, &[(M, Answered)][..], knows(M), M),
            (unknown, &[(M, Settings), (G, Answered)], knows(G), G),
            (unknown, &[(M, Closed), (G, Answered)], knows(G), G),
            (unknown, &[(M, NoClue)], unanswered(unknown), M),
            // A gRPC service without Debug: the standard health service, if it has that.
            (
                unknown,
                &[(M, Settings), (G, NotServed), (H, Answered)],
                knows(H),
                H,
            ),
            (
                unknown,
                &[(M, Settings), (G, NotServed), (H, NotServed)],
                knows(G),
                H,
            ),
            (
                unknown,
                &[(M, Settings), (G, NotServed), (H, NotGrpc)],
                knows(G),
                G,
            ),
            (
                unknown,
                &[(M, Settings), (G, NotServed), (H, NoClue)],
                unanswered(knows(G)),
                G,
            ),
            (
                unknown,
                &[(M, Closed), (G, NotServed), (H, NoClue)],
                unanswered(knows(G)),
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
            (knows(G), &[(G, NotGrpc), (M, Settings)], unknown, G),
            (
                knows(H),
                &[(H, NotGrpc), (M, Settings), (G, NotGrpc)],
                unknown,
                H,
            ),
            (knows(G), &[(G, NotGrpc), (M, Closed)], knows(G), G),
            (
                knows(G),
                &[(G, NotGrpc), (M, NoClue)],
                unanswered(knows(G)),
                G,
            ),
            (unknown, &[(M, Settings), (G, NotGrpc)], unknown, G),
            (
                unknown,
                &[(M, Settings), (G, NoClue)],
                unanswered(unknown),
                G,
            ),
            // One unreliable gRPC attempt is no verdict, and no loop.
            (unknown, &[(M, Closed), (G, NotGrpc)], unknown, M),
            (unknown, &[(M, Closed), (G, NoClue)], unanswered(unknown), M),
            (knows(M), &[(M, NoClue)], unanswered(knows(M)), M),
            (knows(M), &[(M, Closed)], knows(M), M),
        ] {
            assert_eq!(
                check(before, outcomes),
                (after, reported),
                "{before:?} {outcomes:?}"
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
                    (&[(G, NoClue)][..], ENDED),
                    (&[(M, NoClue), (G, NoClue)], ENDED),
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
                    (&[(M, NoClue), (G, Answered)], ENDED),
                    (&[(G, Answered)], ENDED),
                ],
                knows(G),
            ),
            (
                hinted(Protocol::Grpc),
                &[
                    (&[(G, NoClue)], ENDED),
                    (&[(M, NoClue), (G, Answered)], ENDED),
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
            for (outcomes, is_late) in checks {
                if *is_late {
                    assert!(outcomes.is_empty(), "the first attempt is the late one");
                    memory.note_no_answer();
                } else {
                    memory = check(memory, outcomes).0;
                }
            }
            assert_eq!(memory, after, "{before:?} {checks:?}");
        }
        let mut late = knows(G);
        late.note_no_answer();
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
