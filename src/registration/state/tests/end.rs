//! Tests of the end: the pod is being deleted, or the sidecar stops.

use super::*;

#[test]
fn the_longest_retry_after_does_not_panic() {
    let mut world = registered();
    world.rows(&[
        ("stop", "deregister: deregister"),
        ("429 after ever", "waiting: 4500 to 4500 ms"),
        ("5 s later", "deregister: deregister"),
        ("429 after ever", "waiting: 300000 to 300000 ms"),
    ]);
}

#[test]
fn a_removal_that_does_not_stay_is_slowed_down_whatever_the_verdicts_are() {
    let mut world = registered();
    world.rows(&[("stop", "deregister: deregister")]);
    for _ in 0..REWRITES {
        world.now += Duration::from_secs(30);
        world.rows(&[("ignored", "deregister: deregister")]);
    }
    world.rows(&[
        ("ignored", "waiting: 300000 to 300000 ms"),
        ("healthy", "waiting: -"),
    ]);
    world.now += Duration::from_secs(30);
    world.rows(&[
        ("due", "waiting: 270000 to 270000 ms"),
        ("healthy", "waiting: -"),
    ]);
    assert!(world.state.services()[0].is_contested());
}

#[test]
fn the_end_has_a_second_attempt_even_if_the_bucket_is_empty() {
    let mut world = registered();
    world.rows(&[
        ("unhealthy", "deregister: deregister"),
        ("done", "idle: -"),
        ("healthy", "register: register"),
        ("done", "announce: announce"),
        ("done", "idle: -"),
        ("drifted", "repair: repair"),
        ("done", "idle: -"),
        ("unhealthy", "waiting: 5000 to 5000 ms"),
    ]);
    world.rows(&[
        ("stop", "deregister: deregister"),
        ("away", "waiting: 100 to 200 ms"),
        ("due", "deregister: deregister"),
    ]);
}
