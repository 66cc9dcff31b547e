//! Explores every interleaving of the real [`State`] with its environment, up to a bound, and checks
//! the invariants of the registration in each state that is reached.
//!
//! The search is breadth-first over whole worlds: one or two sidecars, the pod on the server, the
//! watch events that are still to come, the requests in flight and their answers. The environment has
//! a budget of events: verdicts, a foreign writer, stripping webhooks, refusals, lost answers and lost
//! watch events, deletion, replacement, a restored etcd, a restart and a stop. From each world a quiet
//! environment follows, in which nothing else happens: it must end soon, with few writes, and right.
//!
//! A breadth-first search of our own fits better than a general model checker: liveness with a bound
//! is then a run of the real code, and the shortest trace to a violation is found first.

use std::collections::{HashSet, VecDeque};

use self::world::{Scenario, World};

mod environment;
mod fingerprint;
mod quiet;
mod world;

/// The bounds of a search.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// The number of events of the environment.
    events: u32,
    /// The number of steps in a trace.
    depth: usize,
}

/// Explores a scenario. Returns the number of worlds and the length of the longest trace.
fn explore(scenario: Scenario, bounds: Bounds) -> (usize, usize) {
    let first = World::new(scenario, bounds.events);
    let mut known = HashSet::from([first.fingerprint()]);
    let mut queue = VecDeque::from([first]);
    let mut depth = 0;
    while let Some(world) = queue.pop_front() {
        world.ends_well();
        if world.trace.len() == bounds.depth {
            continue;
        }
        for next in world.steps() {
            if known.insert(next.fingerprint()) {
                depth = depth.max(next.trace.len());
                queue.push_back(next);
            }
        }
    }
    (known.len(), depth)
}

#[expect(
    clippy::print_stdout,
    reason = "the figures stand in docs/decisions.md"
)]
fn explore_all(bounds: Bounds) {
    let mut worlds = 0;
    for scenario in Scenario::ALL {
        let (count, depth) = explore(scenario, bounds);
        println!("{scenario:?}: {count} worlds, depth {depth}");
        worlds += count;
    }
    println!("{worlds} worlds with {bounds:?}");
    assert!(worlds > 1000, "the search reached only {worlds} worlds");
}

/// `just model` sets the variables, and searches further than `cargo test`.
#[test]
fn the_invariants_hold_in_every_world() {
    let number = |name, default| {
        let text = std::env::var(name);
        text.map_or(default, |text| text.parse().expect("it must be a number"))
    };
    explore_all(Bounds {
        events: u32::try_from(number("MODEL_EVENTS", 2)).unwrap(),
        depth: number("MODEL_DEPTH", 8),
    });
}
