use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
}

fn account() -> Account {
    Account::unknown(&AccountKey::parse("claude", "work").unwrap())
}

fn report(state: WindowState, used: Option<f64>, reset: Option<i64>) -> WindowReport {
    WindowReport {
        window: "five_hour".to_owned(),
        state,
        used_percent: used,
        resets_at: reset.map(at),
        source: Source::Event,
    }
}

fn rejected(reset: Option<i64>) -> WindowReport {
    report(WindowState::Rejected, None, reset)
}

const JITTER: Duration = Duration::from_secs(50);

#[track_caller]
fn check_until(account: &Account, now: i64, expected: Option<i64>) {
    let until = account.closure(None, JITTER, at(now)).map(|c| c.until);
    let minutes = until.map(|until| (until.as_second() - 1_800_000_000) / 60);
    assert_eq!(minutes, expected, "{account:#?}");
}

#[test]
fn a_closed_window_opens_shortly_after_its_reset() {
    let mut known = account();
    known.report(&[rejected(Some(180))], at(0));
    let closed = known.closure(None, JITTER, at(0)).unwrap();
    assert_eq!(closed.until, at(180).checked_add(JITTER).unwrap());
    assert_eq!(closed.resets_at, Some(at(180)));
    check_until(&known, 179, Some(180));
    check_until(&known, 181, None);
}

#[test]
fn waits_are_a_minute_at_least_and_the_window_at_most() {
    let mut soon = account();
    let almost = WindowReport {
        resets_at: Some(at(0).checked_add(Duration::from_secs(1)).unwrap()),
        ..rejected(None)
    };
    soon.report(&[almost], at(0));
    check_until(&soon, 0, Some(1));
    let mut late = account();
    late.report(&[rejected(Some(9999))], at(0));
    check_until(&late, 0, Some(5 * 60 + 5));
}

#[test]
fn an_unknown_reset_is_tried_after_a_quarter_of_an_hour_doubling_to_one() {
    let mut known = account();
    let mut now = 0;
    for expected in [15, 30, 60, 60] {
        // A reset that is over already is none.
        known.report(&[rejected((expected > 15).then_some(-1))], at(now));
        check_until(&known, now, Some(now + expected));
        now += expected + 1;
    }
}

#[test]
fn tasks_that_meet_a_limit_together_count_it_once() {
    let mut known = account();
    for _ in 0..6 {
        known.report(&[rejected(None)], at(0));
    }
    assert_eq!(known.windows[0].probes, 1);
    check_until(&known, 0, Some(15));
    // The one that hears of the reset tells the others.
    known.report(&[rejected(Some(120))], at(0));
    check_until(&known, 0, Some(120));
}

#[test]
fn a_reset_that_does_not_hold_is_not_hammered() {
    let mut known = account();
    let mut now = 0;
    for _ in 0..4 {
        known.report(&[rejected(Some(now + 1))], at(now));
        now += 2;
    }
    check_until(&known, now - 2, Some(now - 2 + 15));
}

#[test]
fn an_attempt_that_is_served_opens_what_was_closed_before_it() {
    let mut known = account();
    known.report(&[rejected(Some(180))], at(0));
    known.served(at(0), at(5));
    check_until(&known, 5, Some(180));
    known.served(at(10), at(11));
    check_until(&known, 11, None);
    assert_eq!(known.windows[0].source, Source::Probe);
    assert_eq!(known.windows[0].state, WindowState::Ok);
}

#[test]
fn a_warning_closes_only_above_the_percentage_asked_for() {
    let mut known = account();
    known.report(&[report(WindowState::Warning, Some(91.5), Some(60))], at(0));
    check_until(&known, 0, None);
    assert!(known.closure(Some(92), JITTER, at(0)).is_none());
    let parked = known.closure(Some(90), JITTER, at(0)).unwrap();
    assert_eq!(parked.parked_at_percent, Some(91.5));
    assert!(known.closure(Some(90), JITTER, at(61)).is_none());
}

#[test]
fn three_failures_in_a_row_degrade_for_ever_longer_times() {
    let mut known = account();
    let mut now = 0;
    for expected in [5, 10, 20, 40, 60, 60] {
        for _ in 0..3 {
            known.attempted(Some(FailureKind::ApiTransient), at(now));
        }
        assert_eq!(known.degraded_until(at(now)), Some(at(now + expected)));
        now += expected;
        assert_eq!(known.degraded_until(at(now)), None);
    }
    known.attempted(Some(FailureKind::Cancelled), at(now));
    assert!(known.health.failures > 0, "a stop says nothing");
    known.attempted(Some(FailureKind::AgentCrash), at(now));
    assert_eq!(known.health, Health::default(), "it was started and served");
}

#[test]
fn the_file_survives_a_round_trip_and_damage_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path()).unwrap();
    let ledger = Ledger::of(&root);
    let key = AccountKey::parse("claude", "me@example.com").unwrap();
    assert_eq!(ledger.read(&key).unwrap(), None);
    let change = |account: &mut Account| {
        account.report(&[report(WindowState::Warning, Some(81.25), Some(9))], at(0));
    };
    let written = ledger.update(&key, change).unwrap();
    assert_eq!(ledger.read(&key).unwrap(), Some(written.clone()));
    assert_eq!(ledger.all().0, [written]);
    let path = ledger.folder().join(key.file_name());
    std::fs::write(&path, "version: 1\nagent: [").unwrap();
    assert_eq!(ledger.all().1.len(), 1);
    assert_eq!(ledger.update(&key, change).unwrap().windows.len(), 1);
    std::fs::write(&path, "version: 2\nagent: x\n").unwrap();
    ledger.update(&key, change).unwrap_err();
    assert!(ledger.clear(&key).unwrap());
    assert!(!ledger.clear(&key).unwrap());
}

#[test]
fn names_stay_in_the_folder() {
    for (agent, account) in [
        ("", "a"),
        ("claude", ""),
        ("claude", "../x"),
        ("claude", ".x"),
        ("a@b", "x"),
        ("claude", "a/b"),
    ] {
        AccountKey::parse(agent, account).unwrap_err();
    }
}
