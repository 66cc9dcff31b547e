use self::world::{World, entries, settings};
use super::*;
use crate::registration::state::rate::REWRITES;

mod end;
mod model;
mod world;

/// Returns a world whose service is registered and needs nothing.
fn registered() -> World {
    let mut world = World::new();
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("done", "announce: announce"),
        ("done", "idle: -"),
    ]);
    assert!(world.state.is_registered());
    world
}

#[test]
fn registers_once_the_pod_is_seen_and_the_service_is_healthy() {
    registered();
    World::new().rows(&[("healthy", "unseen: -"), ("seen", "register: register")]);
    World::new().rows(&[
        ("seen", "idle: -"),
        ("unhealthy", "idle: -"),
        ("seen", "idle: -"),
    ]);
}

#[test]
fn the_first_write_is_spread() {
    let mut world = World::new();
    let jitter = Duration::from_secs(1);
    world.state = State::new(
        entries(None),
        Settings {
            jitter,
            ..settings()
        },
    );
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "waiting: 0 to 1000 ms"),
        ("seen", "waiting: -"),
        ("due", "register: register"),
    ]);
}

#[test]
fn a_steady_state_writes_nothing_and_drift_is_repaired() {
    let mut world = registered();
    world.rows(&[
        ("seen", "idle: -"),
        ("older", "idle: -"),
        ("healthy", "idle: -"),
        ("wiped", "register: register"),
        ("seen", "register: -"),
        ("done", "announce: announce"),
        ("done", "idle: -"),
    ]);
}

#[test]
fn a_registration_that_does_not_stay_is_contested_and_heals() {
    let mut world = registered();
    for _ in 0..2 {
        world.rows(&[
            ("wiped", "register: register"),
            ("done", "announce: announce"),
            ("done", "idle: -"),
        ]);
    }
    // The bucket of 6 is empty, and one more write is allowed each 5 seconds.
    world.rows(&[
        ("wiped", "waiting: 5000 to 5000 ms"),
        ("wiped", "waiting: -"),
    ]);
    world.rows(&[
        ("5 s later", "register: register"),
        ("done", "waiting: 5000 to 5000 ms"),
    ]);
    assert!(!world.state.services()[0].is_contested());
    world.rows(&[("5 s later", "announce: announce"), ("done", "idle: -")]);
    world.now += Duration::from_mins(1);
    world.rows(&[
        ("wiped", "register: register"),
        ("done", "announce: announce"),
        ("done", "idle: -"),
        ("wiped", "waiting: 300000 to 300000 ms"),
    ]);
    assert!(world.state.services()[0].is_contested());
    world.rows(&[
        ("300 s later", "register: register"),
        ("done", "announce: announce"),
    ]);
    world.rows(&[("done", "idle: -")]);
    assert!(world.state.is_registered() && !world.state.services()[0].is_contested());
    // Once a write has stayed for five minutes, a change is repaired at once again.
    world.now += Duration::from_mins(5);
    world.rows(&[("seen", "idle: -"), ("wiped", "register: register")]);
}

#[test]
fn a_webhook_that_strips_our_annotations_is_given_a_few_writes() {
    let mut world = World::new();
    world.rows(&[("seen", "idle: -"), ("healthy", "register: register")]);
    let mut writes = 1;
    let mut event = "stripped";
    while world.now < Duration::from_mins(4) {
        let row = world.row(event);
        let wait = row
            .split_once("waiting: ")
            .and_then(|(_, wait)| wait.split_once(" to "));
        event = "stripped";
        if let Some((wait, _)) = wait {
            world.now += Duration::from_millis(wait.parse().unwrap());
            event = "due";
        } else {
            writes += 1;
        }
    }
    assert_eq!(writes, 1 + REWRITES, "the next one is after five minutes");
    let service = &world.state.services()[0];
    assert!(service.is_contested() && !world.state.is_registered());
    let key = service.rate().contested_key();
    assert_eq!(key, Some("micro.mu/service-greeter"));
}

#[test]
fn an_unhealthy_service_is_taken_away_and_comes_back() {
    let mut world = registered();
    world.rows(&[
        ("unhealthy", "deregister: deregister"),
        ("healthy", "deregister: -"),
        ("done", "register: register"),
        ("unhealthy", "register: -"),
        ("done", "deregister: deregister"),
        ("done", "idle: -"),
    ]);
    assert!(!world.state.is_registered());
    world.rows(&[
        ("healthy", "register: register"),
        ("done", "waiting: 5000 to 5000 ms"),
        ("5 s later", "announce: announce"),
    ]);
}

#[test]
fn a_removal_waits_for_nothing_that_concerns_the_registration() {
    for (answer, wait) in [
        ("403", "waiting: 5000 to 5500 ms"),
        ("422 labels", "waiting: 300000 to 330000 ms"),
    ] {
        let mut world = registered();
        world.rows(&[
            ("wiped", "register: register"),
            (answer, wait),
            ("listed", "waiting: -"),
            ("unhealthy", "idle: -"),
            // The wait is kept for the registration.
            (
                "healthy",
                &wait.replace("5500", "5000").replace("330000", "300000"),
            ),
        ]);
    }
    let mut world = registered();
    world.rows(&[
        ("drifted", "repair: repair"),
        ("422 labels", "waiting: 300000 to 330000 ms"),
        ("unhealthy", "deregister: deregister"),
    ]);
}

#[test]
fn a_list_is_believed_even_if_its_version_goes_back() {
    registered().rows(&[("older", "idle: -"), ("restored", "register: register")]);
}

#[test]
fn every_refusal_has_its_wait() {
    for (answer, expected) in [
        ("401", "waiting: 0 to 0 ms"),
        ("403", "waiting: 5000 to 5500 ms"),
        ("422 policy", "waiting: 5000 to 5500 ms"),
        ("422 labels", "waiting: 300000 to 330000 ms"),
        ("409 hook", "waiting: 5000 to 5500 ms"),
        ("409", "waiting: 10 to 100 ms"),
        ("429 after 7", "waiting: 7000 to 7500 ms"),
        ("503", "waiting: 50 to 500 ms"),
        ("away", "waiting: 50 to 500 ms"),
        ("404", "gone: -"),
        ("422 uid", "gone: -"),
    ] {
        World::new().rows(&[
            ("seen", "idle: -"),
            ("healthy", "register: register"),
            (answer, expected),
        ]);
    }
}

#[test]
fn waits_grow_to_a_limit_and_start_again() {
    let mut world = World::new();
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("away", "waiting: 50 to 500 ms"),
    ]);
    for (answer, wait) in [
        ("503", "waiting: 100 to 1000 ms"),
        ("401", "waiting: 200 to 2000 ms"),
        ("away", "waiting: 400 to 4000 ms"),
        ("403", "waiting: 80000 to 88000 ms"),
    ] {
        world.now += Duration::from_mins(1);
        world.rows(&[("due", "register: register"), (answer, wait)]);
    }
    world.now += Duration::from_mins(1);
    world.rows(&[
        ("due", "register: register"),
        ("done", "announce: announce"),
        ("away", "waiting: 50 to 500 ms"),
    ]);
}

#[test]
fn writes_are_limited_whatever_the_server_answers() {
    for answer in ["409", "401", "503", "403", "429 after 0"] {
        let mut world = World::new();
        world.rows(&[("seen", "idle: -"), ("healthy", "register: register")]);
        let mut writes = 1;
        // The shortest wait each time, for a minute.
        let mut event = answer;
        while world.now < Duration::from_mins(1) {
            let row = world.row(event);
            let wait = row
                .split_once("waiting: ")
                .and_then(|(_, wait)| wait.split_once(" to "));
            writes += usize::from(row.ends_with(": register"));
            event = match wait {
                Some((from, _)) => {
                    world.now += Duration::from_millis(from.parse().unwrap());
                    "due"
                }
                None if row.ends_with("read") => "read",
                None => answer,
            };
        }
        assert!(writes <= 18, "{answer}: {writes} writes in a minute");
    }
}

#[test]
fn a_conflict_is_read_before_it_is_tried_again() {
    World::new().rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("409", "waiting: 10 to 100 ms"),
        ("due", "waiting: read"),
        ("read", "register: register"),
    ]);
}

#[test]
fn a_pod_that_goes_is_taken_away_for_good() {
    for event in ["terminating", "stop"] {
        let mut world = registered();
        world.rows(&[
            (event, "deregister: deregister"),
            ("healthy", "deregister: -"),
            ("done", "gone: -"),
            ("healthy", "gone: -"),
            ("wiped", "gone: -"),
        ]);
    }
    let mut world = World::new();
    world.rows(&[("seen", "idle: -"), ("stop", "gone: -")]);
}

#[test]
fn a_stop_waits_for_nothing() {
    World::new().rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("403", "waiting: 5000 to 5500 ms"),
        ("stop", "gone: -"),
    ]);
    let mut world = registered();
    world.rows(&[
        ("stop", "deregister: deregister"),
        ("503", "waiting: 100 to 200 ms"),
        ("due", "deregister: deregister"),
        ("done", "gone: -"),
    ]);
}

#[test]
fn another_pod_of_the_name_is_not_ours() {
    registered().rows(&[("another", "gone: -")]);
    registered().rows(&[("vanished", "gone: -")]);
    registered().rows(&[("replaced", "gone: -")]);
    World::new().rows(&[
        ("healthy", "unseen: -"),
        ("vanished", "unseen: -"),
        ("seen", "register: register"),
    ]);
    // A sidecar whose pod does not exist stops at once, and one that never saw the pod tries.
    World::new().rows(&[("vanished", "unseen: -"), ("stop", "gone: -")]);
    World::new().rows(&[("stop", "unseen: -"), ("vanished", "gone: -")]);
}

#[test]
fn another_writer_that_registers_an_unhealthy_service_again_and_again_is_contested() {
    let mut world = World::new();
    world.rows(&[("foreign", "idle: -"), ("healthy", "idle: -")]);
    assert!(world.state.is_registered());
    world.rows(&[("unhealthy", "deregister: deregister"), ("done", "idle: -")]);
    for _ in 0..REWRITES {
        world.now += Duration::from_secs(30);
        world.rows(&[("foreign", "deregister: deregister"), ("done", "idle: -")]);
    }
    world.now += Duration::from_secs(30);
    world.rows(&[
        ("foreign", "waiting: 270000 to 270000 ms"),
        ("seen", "waiting: -"),
    ]);
    assert_eq!(world.state.services()[0].foreign_rewrites(), 1 + REWRITES);
    // A healthy service ends the fight, and the count begins again.
    world.rows(&[
        ("healthy", "idle: -"),
        ("unhealthy", "deregister: deregister"),
    ]);
}

#[test]
fn the_end_leaves_every_wait_and_honours_retry_after_up_to_its_limit() {
    let mut world = registered();
    world.rows(&[
        ("unhealthy", "deregister: deregister"),
        ("429 after 45", "waiting: 45000 to 45500 ms"),
        ("terminating", "deregister: deregister"),
        // The limit is 5 s, and the last attempt comes half a second before.
        ("429 after 45", "waiting: 4500 to 4500 ms"),
        ("stop", "waiting: -"),
        ("due", "deregister: deregister"),
        ("done", "gone: -"),
    ]);
    // The answer to a registration that was in flight is followed by the removal at once.
    let mut world = World::new();
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("stop", "register: -"),
        ("away", "waiting: 0 to 0 ms"),
        // The server may have taken the write.
        ("due", "waiting: read"),
        ("read", "gone: -"),
    ]);
}

#[test]
fn a_write_over_a_foreign_node_counts_once_however_often_it_is_refused() {
    let mut world = World::new();
    world.rows(&[
        ("foreign", "idle: -"),
        ("unhealthy", "deregister: deregister"),
    ]);
    for _ in 0..3 {
        world.now += Duration::from_mins(1);
        world.row("503");
        world.rows(&[("due", "deregister: deregister")]);
    }
    assert_eq!(world.state.services()[0].foreign_rewrites(), 0);
    world.rows(&[("done", "idle: -")]);
    assert_eq!(world.state.services()[0].foreign_rewrites(), 1);
}

#[test]
fn a_service_is_registered_only_once_it_is_announced() {
    let mut world = World::new();
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("done", "announce: announce"),
    ]);
    assert!(!world.state.is_registered());
}

#[test]
fn an_event_after_a_restore_is_believed_though_our_write_had_a_later_version() {
    registered().rows(&[
        ("drifted", "repair: repair"),
        ("done", "idle: -"),
        ("restored", "register: register"),
        ("403", "waiting: 5000 to 5500 ms"),
        ("terminating", "gone: -"),
    ]);
}
