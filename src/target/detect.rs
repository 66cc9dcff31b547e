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

use super::options::Protocol;

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
    answered: Option<Wire>,
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
    /// Whether the wire was tried on a suspicion that did not come true.
    pub fn is_wrong_guess(self) -> bool {
        matches!(self, Self::NotGrpc | Self::Nothing)
    }
}

// === impl Memory ===

impl Memory {
    /// The wire to begin a check with. A hint (`MICRO_SERVER`) orders, never decides.
    pub fn first(self, hint: Option<Protocol>) -> Wire {
        match (self.answered, hint) {
            (Some(wire), _) => wire,
            (None, Some(Protocol::Grpc)) => Wire::Grpc,
            (None, Some(Protocol::GrpcHealth)) => Wire::GrpcHealth,
            (None, _) => Wire::Mucp,
        }
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
        };
        let (memory, next) = match (wire, lesson) {
            (_, Lesson::Answered) => (remember(wire), None),
            (Wire::Mucp, Lesson::Settings) => (Self { answered: None }, Some(Wire::Grpc)),
            (Wire::Mucp, Lesson::Closed) if self.answered == Some(Wire::Mucp) => (self, None),
            (Wire::Mucp, Lesson::Closed) => (self, Some(Wire::Grpc)),
            (Wire::Grpc, Lesson::NotServed) => (remember(Wire::Grpc), Some(Wire::GrpcHealth)),
            (Wire::GrpcHealth, Lesson::NotServed) => (remember(Wire::Grpc), Some(Wire::Grpc)),
            (Wire::Grpc | Wire::GrpcHealth, Lesson::NotGrpc) => (self, Some(Wire::Mucp)),
            _ => (self, None),
        };
        (memory, next.filter(|next| !tried.0[*next as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Lesson::{Answered, Closed, NotGrpc, NotServed, Nothing, Settings};

    /// Plays one check: what each attempted wire teaches, in the order of attempts.
    fn check(memory: Memory, lessons: &[(Wire, Lesson)]) -> Memory {
        let (mut memory, mut tried) = (memory, Tried::default());
        let mut next = Some(memory.first(None));
        for (wire, lesson) in lessons {
            assert_eq!(next, Some(*wire), "before {lesson:?}");
            (memory, next) = memory.learn(&mut tried, *wire, *lesson);
        }
        assert_eq!(next, None, "after {lessons:?}");
        memory
    }

    #[test]
    fn finds_and_remembers_what_answers() {
        const M: Wire = Wire::Mucp;
        const G: Wire = Wire::Grpc;
        const H: Wire = Wire::GrpcHealth;
        let knows = |wire| Memory {
            answered: Some(wire),
        };
        let nothing = Memory::default();
        for (before, lessons, after) in [
            (nothing, &[(M, Answered)][..], knows(M)),
            (nothing, &[(M, Settings), (G, Answered)], knows(G)),
            (nothing, &[(M, Closed), (G, Answered)], knows(G)),
            (nothing, &[(M, Nothing)], nothing),
            // A gRPC service without Debug: the standard health service, if it has that.
            (
                nothing,
                &[(M, Settings), (G, NotServed), (H, Answered)],
                knows(H),
            ),
            (
                nothing,
                &[(M, Settings), (G, NotServed), (H, NotServed)],
                knows(G),
            ),
            (knows(G), &[(G, NotServed), (H, NotServed)], knows(G)),
            (knows(H), &[(H, Answered)], knows(H)),
            (knows(H), &[(H, NotServed), (G, Answered)], knows(G)),
            // A restart changes nothing; another program on the port does.
            (knows(G), &[(G, Nothing)], knows(G)),
            (knows(G), &[(G, NotGrpc), (M, Answered)], knows(M)),
            (knows(H), &[(H, NotGrpc), (M, Answered)], knows(M)),
            (knows(G), &[(G, NotGrpc), (M, Settings)], nothing),
            (knows(M), &[(M, Nothing)], knows(M)),
            (knows(M), &[(M, Closed)], knows(M)),
            (knows(M), &[(M, Settings), (G, Answered)], knows(G)),
            // One lost coin toss is no verdict, and no loop.
            (nothing, &[(M, Closed), (G, NotGrpc)], nothing),
            (nothing, &[(M, Closed), (G, Nothing)], nothing),
        ] {
            assert_eq!(check(before, lessons), after, "{before:?} {lessons:?}");
        }
    }

    #[test]
    fn a_hint_orders_only_what_is_unknown() {
        let knows_mucp = Memory {
            answered: Some(Wire::Mucp),
        };
        assert_eq!(Memory::default().first(Some(Protocol::Grpc)), Wire::Grpc);
        assert_eq!(Memory::default().first(Some(Protocol::Mucp)), Wire::Mucp);
        assert_eq!(knows_mucp.first(Some(Protocol::Grpc)), Wire::Mucp);
    }
}
