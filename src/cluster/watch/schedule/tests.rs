use super::Outcome::{Broken, Ended, Expired, Idle, ListRefused, WatchRefused};
use super::*;

const SECOND: u64 = 1_000;

/// A list at the same version.
const LISTED: Outcome = Outcome::Listed { is_new: false };

fn unavailable(status: u16, retry_after: Option<u64>) -> Refusal {
    Refusal::Unavailable {
        status: StatusCode::from_u16(status).expect("must be a status"),
        retry_after: retry_after.map(Duration::from_secs),
        message: "later".into(),
    }
}

fn denied() -> Refusal {
    Refusal::Forbidden("no".to_owned())
}

fn lost() -> Refusal {
    Refusal::Unreachable("connection reset".into())
}

/// Formats the next request as `step least-most`, in milliseconds, with a mark if it is reported.
fn line(next: &Next) -> String {
    let step = match next.step {
        Step::List => "list",
        Step::Watch => "watch",
    };
    let [least, most] = next.wait.map(|wait| wait.as_millis());
    let mark = if next.refusal.is_some() { " !" } else { "" };
    format!("{step} {least}-{most}{mark}")
}

/// Returns what follows each outcome. Each has the milliseconds since the last watch started.
fn follow(schedule: &mut Schedule, outcomes: Vec<(Outcome, u64)>) -> Vec<String> {
    let next = |(outcome, since)| line(&schedule.next(outcome, Duration::from_millis(since)));
    outcomes.into_iter().map(next).collect()
}

fn new() -> Schedule {
    Schedule::new(INTERVAL)
}

#[test]
fn each_outcome_has_its_next_request() {
    for (outcome, since, expected) in [
        (LISTED, u64::MAX, "watch 0-0"),
        (LISTED, 400, "watch 600-600"),
        (ListRefused(lost()), 5, "list 50-500 !"),
        (ListRefused(denied()), 5, "list 2500-5000 !"),
        (ListRefused(unavailable(429, None)), 5, "list 50-500 !"),
        (
            ListRefused(unavailable(429, Some(7))),
            5,
            "list 7000-7500 !",
        ),
        (
            ListRefused(unavailable(503, Some(9_999))),
            5,
            "list 300000-300500 !",
        ),
        (
            ListRefused(Refusal::Invalid("410".into())),
            5,
            "list 50-500 !",
        ),
        (
            WatchRefused(unavailable(429, Some(7))),
            5,
            "watch 7000-7500 !",
        ),
        (WatchRefused(unavailable(503, None)), 5, "watch 995-995 !"),
        (WatchRefused(unavailable(504, None)), 5, "list 50-500 !"),
        (WatchRefused(unavailable(500, None)), 5, "list 50-500 !"),
        (
            WatchRefused(Refusal::Invalid("400".into())),
            5,
            "list 50-500 !",
        ),
        (
            WatchRefused(Refusal::NotFound("404".into())),
            5,
            "list 50-500 !",
        ),
        (WatchRefused(Refusal::Unauthorized), 5, "watch 995-995 !"),
        (WatchRefused(denied()), 5, "watch 2500-5000 !"),
        (WatchRefused(lost()), 5, "list 50-500 !"),
        (Expired, 5, "list 0-0"),
        (Ended, 5, "watch 995-995"),
        (Ended, 40 * SECOND, "watch 0-1000"),
        (Idle, 120 * SECOND, "list 0-1000"),
        (Broken(lost()), 5, "list 50-500 !"),
        (
            Broken(Refusal::Answer("no JSON".into())),
            40 * SECOND,
            "list 50-500 !",
        ),
    ] {
        let case = format!("{outcome:?} after {since} ms");
        let next = new().next(outcome, Duration::from_millis(since));
        assert_eq!(line(&next), expected, "{case}");
    }
}

#[test]
fn a_version_that_the_server_keeps_refusing_is_given_up() {
    let mut schedule = new();
    let busy = || (WatchRefused(unavailable(503, None)), 2 * SECOND);
    let outcomes = vec![busy(), busy(), busy(), busy(), (LISTED, 3 * SECOND), busy()];
    assert_eq!(
        follow(&mut schedule, outcomes),
        [
            "watch 50-500 !",
            "watch 100-1000 !",
            "watch 200-2000 !",
            "list 400-4000 !",
            "watch 0-0",
            "watch 800-8000 !",
        ]
    );
    // A watch that was accepted ends the count, but not the back-off.
    schedule.begun();
    assert_eq!(follow(&mut schedule, vec![busy()]), ["watch 1600-16000 !"]);
}

#[test]
fn a_back_off_grows_to_its_bound_and_ends_after_a_steady_watch() {
    let mut schedule = new();
    let lost = || (ListRefused(lost()), 5);
    let waits = follow(&mut schedule, (0..9).map(|_| lost()).collect());
    assert_eq!(waits[0], "list 50-500 !");
    assert_eq!(waits[5], "list 1600-16000 !");
    assert_eq!(waits[6..], ["list 3000-30000 !"; 3]);
    schedule.begun();
    let short = follow(&mut schedule, vec![(Broken(self::lost()), 29 * SECOND)]);
    assert_eq!(short, ["list 3000-30000 !"]);
    let steady = follow(&mut schedule, vec![(Broken(self::lost()), 30 * SECOND)]);
    assert_eq!(steady, ["list 50-500 !"]);
    // The time that passes without a watch is no steady watch.
    let waits = follow(
        &mut schedule,
        vec![(ListRefused(self::lost()), 60 * SECOND)],
    );
    assert_eq!(waits, ["list 100-1000 !"]);
}

#[test]
fn a_missing_permission_has_a_longer_back_off() {
    let mut schedule = new();
    let waits = follow(
        &mut schedule,
        (0..8).map(|_| (ListRefused(denied()), 5)).collect(),
    );
    assert_eq!(
        waits[..3],
        [
            "list 2500-5000 !",
            "list 5000-10000 !",
            "list 10000-20000 !"
        ]
    );
    assert_eq!(waits[6..], ["list 150000-300000 !"; 2]);
    schedule.begun();
    let waits = follow(&mut schedule, vec![(ListRefused(denied()), 5)]);
    assert_eq!(waits, ["list 2500-5000 !"]);
}

#[test]
fn a_version_that_expires_again_and_again_is_reported_at_last() {
    let lists = |is_new| {
        let rounds = (0..4).flat_map(|_| {
            [
                (Expired, 2 * SECOND),
                (Outcome::Listed { is_new }, 2 * SECOND),
            ]
        });
        let mut schedule = new();
        let mut waits = follow(&mut schedule, rounds.collect());
        waits.extend(follow(&mut schedule, vec![(Expired, 60 * SECOND)]));
        waits.into_iter().step_by(2).collect::<Vec<_>>()
    };
    assert_eq!(
        lists(false),
        [
            "list 0-0",
            "list 50-500",
            "list 100-1000 !",
            "list 200-2000 !",
            "list 0-0",
        ]
    );
    assert_eq!(lists(true), ["list 0-0"; 5]);
}

#[test]
fn watches_that_end_soon_keep_the_pace() {
    let ends = || (0..7).map(|_| (Ended, 200)).collect();
    assert_eq!(follow(&mut new(), ends()), ["watch 800-800"; 7]);
    let mut slow = Schedule::new(Duration::from_secs(30));
    let waits = follow(&mut slow, ends());
    assert_eq!(
        waits[..3],
        ["watch 800-800", "watch 1800-1800", "watch 3800-3800"]
    );
    assert_eq!(waits[5..], ["watch 29800-29800"; 2]);
}

#[test]
fn versions_are_numbers() {
    for (version, than, expected) in [
        ("9", "10", true),
        ("10", "10", false),
        ("11", "10", false),
        ("a", "10", false),
        ("9", "", false),
    ] {
        assert_eq!(is_older(version, than), expected, "{version} {than}");
    }
}
