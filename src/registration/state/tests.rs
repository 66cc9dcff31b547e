use self::world::{World, entries};
use super::*;

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
    world.state = State::new(entries(None), OnForeign::Adopt, Duration::from_secs(1));
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
fn repairs_against_another_writer_are_slowed_down() {
    let mut world = registered();
    for _ in 0..2 {
        world.rows(&[
            ("wiped", "register: register"),
            ("done", "announce: announce"),
            ("done", "idle: -"),
        ]);
    }
    world.rows(&[
        ("wiped", "waiting: 5000 to 5000 ms"),
        ("wiped", "waiting: -"),
        ("5 s later", "register: register"),
    ]);
}

#[test]
fn an_unhealthy_service_is_taken_away_and_comes_back() {
    let mut world = registered();
    world.rows(&[
        ("unhealthy", "deregister: deregister"),
        ("healthy", "deregister: -"),
        ("done", "register: register"),
        ("unhealthy", "register: -"),
        ("done", "waiting: 5000 to 5000 ms"),
        ("5 s later", "deregister: deregister"),
        ("done", "idle: -"),
    ]);
    assert!(!world.state.is_registered());
}

#[test]
fn every_refusal_has_its_wait() {
    for (answer, expected) in [
        ("401", "waiting: 0 to 0 ms"),
        ("403", "waiting: 5000 to 5500 ms"),
        ("422 policy", "waiting: 5000 to 5500 ms"),
        ("422 labels", "waiting: 300000 to 330000 ms"),
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
fn a_failed_write_does_not_count_as_a_repair() {
    let mut world = World::new();
    world.rows(&[("seen", "idle: -"), ("healthy", "register: register")]);
    for wait in [
        "waiting: 50 to 500 ms",
        "waiting: 100 to 1000 ms",
        "waiting: 200 to 2000 ms",
        "waiting: 400 to 4000 ms",
    ] {
        world.rows(&[("503", wait), ("due", "register: register")]);
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
        ("503", "waiting: 100 to 500 ms"),
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
}

#[test]
fn another_writers_unhealthy_service_is_left_after_three_removals() {
    let mut world = World::new();
    world.rows(&[("foreign", "idle: -"), ("healthy", "idle: -")]);
    assert!(world.state.is_registered());
    world.rows(&[("unhealthy", "deregister: deregister"), ("done", "idle: -")]);
    for _ in 0..2 {
        world.now += Duration::from_secs(30);
        world.rows(&[("foreign", "deregister: deregister"), ("done", "idle: -")]);
    }
    world.now += Duration::from_secs(30);
    world.rows(&[("foreign", "idle: -"), ("seen", "idle: -")]);
    assert_eq!(world.state.foreign_rewrites, 3);
    // A healthy service ends the fight, and the count begins again.
    world.rows(&[
        ("healthy", "idle: -"),
        ("unhealthy", "deregister: deregister"),
    ]);
}
