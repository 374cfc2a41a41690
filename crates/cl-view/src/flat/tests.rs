use super::*;

/// Describes runs: `id task status start-end <parent ~previous`.
fn runs(text: &str) -> Vec<FlatRun> {
    text.split(';')
        .map(str::trim)
        .filter(|run| !run.is_empty())
        .map(run)
        .collect()
}

fn id(number: &str) -> RunId {
    RunId::parse(&format!(
        "20260101-000000{:04}-7-1",
        number.parse::<u32>().unwrap()
    ))
    .unwrap()
}

fn time(text: &str) -> Option<Timestamp> {
    let second = text.parse().ok()?;
    Timestamp::from_second(second).ok()
}

fn run(text: &str) -> FlatRun {
    let mut words = text.split_whitespace();
    let (number, task) = (words.next().unwrap(), words.next().unwrap());
    let status = match words.next().unwrap() {
        "r" => RunStatus::Running,
        "c" => RunStatus::Completed,
        "f" => RunStatus::Failed,
        other => panic!("{other}"),
    };
    let (start, end) = words.next().unwrap().split_once('-').unwrap();
    let mut run = FlatRun {
        id: id(number),
        task_id: TaskId::parse_existing(task).unwrap(),
        agent: "a".to_owned(),
        status,
        exit_code: 0,
        start_time: time(start),
        end_time: time(end),
        parent_run_id: None,
        previous_run_id: None,
    };
    for link in words {
        match link.split_at(1) {
            ("<", parent) => run.parent_run_id = Some(id(parent)),
            ("~", previous) => run.previous_run_id = Some(id(previous)),
            other => panic!("{other:?}"),
        }
    }
    run
}

const ALL: Wanted = Wanted {
    active_only: false,
    task: None,
    task_limit: 0,
};

fn active() -> Wanted {
    Wanted {
        active_only: true,
        ..ALL
    }
}

fn selected(task: &str, limit: usize) -> Wanted {
    Wanted {
        active_only: true,
        task: Some(TaskId::parse_existing(task).unwrap()),
        task_limit: limit,
    }
}

/// Expects the numbers of the runs that are chosen, whatever their order before.
#[track_caller]
fn check(text: &str, wanted: &Wanted, expected: &[u32]) {
    let mut all = runs(text);
    for _ in 0..2 {
        let chosen = choose(all.clone(), wanted);
        let numbers: Vec<u32> = chosen
            .iter()
            .map(|run| run.id.as_str()[15..19].parse().unwrap())
            .collect();
        assert_eq!(numbers, expected);
        all.reverse();
    }
}

#[test]
fn without_a_filter_all_are_there_by_start_then_id() {
    check(
        "3 a c 1-2; 1 a c 5-6; 2 b c 5-6; 4 b r --",
        &ALL,
        &[4, 3, 1, 2],
    );
    check("", &ALL, &[]);
    check("", &active(), &[]);
}

#[test]
fn active_runs_come_with_ancestors_and_descendants() {
    let text = "1 root c 1-9; 2 mid c 2-8 <1; 3 leaf r 3- <2; 4 side c 4-5 <3; \
        5 other c 1-2; 6 below c 5-6 <4";
    check(text, &active(), &[1, 2, 3, 4, 6]);
}

#[test]
fn what_a_run_has_replaced_brings_what_it_launched() {
    // 1 was restarted as 2, and had launched 3.
    let text = "1 a f 1-2; 2 a r 3- ~1; 3 b c 1-2 <1; 4 c c 1-2 <99";
    check(text, &active(), &[1, 3, 2]);
}

#[test]
fn ancestors_bring_nothing_that_they_launched_besides() {
    let text = "1 a c 1-9; 2 b r 2- <1; 3 c c 3-4 <1";
    // 3 connects its task to another one, which nothing else does; 4 does not.
    check(text, &active(), &[1, 2, 3]);
    check("1 a c 1-9; 2 a r 2- <1; 3 a c 3-4 <1", &active(), &[1, 2]);
}

#[test]
fn each_task_without_a_connection_gets_its_latest_one() {
    let text = "1 a r 1-; 2 b c 2-3 <1; 3 b c 4-5 <1; 4 b c 6-7; 5 c c 1-2";
    let with = choose(runs(text), &active());
    assert!(with.iter().any(|run| run.id == id("3")));
    // Below what is seeded everything is shown anyway; here the parent is not active.
    let text = "1 a c 1-9; 9 z r 1-; 2 b c 2-3 <1; 3 b c 4-5 <1; 4 b c 6-7";
    check(text, &active(), &[1, 9, 3]);
}

#[test]
fn an_idle_project_shows_the_latest_of_each_task() {
    let text = "1 a c 1-2; 2 a c 3-4; 3 b c 1-2 <1; 4 b c 5-6; 5 b c 6-7 <4; 6 b c 6-8 <2";
    // 6 is the latest of b and connects it; 2 is the latest of a.
    check(text, &active(), &[2, 6]);
    // Leaves of the same task say nothing; those of others do.
    let text = "1 a c 1-9; 2 a c 2-3 <1; 3 b c 2-3 <1; 4 a c 2-4 <1; 5 b c 2-5 <4";
    check(text, &active(), &[1, 3, 4, 5]);
}

#[test]
fn all_runs_of_a_selected_task_or_the_latest() {
    let text = "1 a c 1-2; 2 a c 3-4; 3 a c 5-6; 4 b c 1-2";
    let only = |limit| Wanted {
        active_only: false,
        ..selected("a", limit)
    };
    check(text, &only(0), &[1, 2, 3]);
    check(text, &only(1), &[3]);
    check(text, &only(9), &[1, 2, 3]);
    check(text, &selected("nobody", 1), &[]);
    // Later is what ended later, then what began later.
    check("1 a c 1-9; 2 a c 3-4; 3 a c 4-9", &only(1), &[3]);
}

#[test]
fn a_selected_task_and_what_runs_are_both_there() {
    let text = "1 a c 1-2; 2 b r 3-; 3 c c 1-2";
    check(text, &selected("a", 1), &[1, 2]);
}

#[test]
fn the_way_up_from_a_selected_task_is_completed() {
    // c's latest run was launched by 4 of b, which itself says nothing of where b belongs:
    // 3 does and is older than 4; 6 is an unrelated newer one.
    let text = "1 a c 1-9; 3 b c 2-3 <1; 4 b c 4-5; 5 c c 5-6 <4; 6 b c 20-21 <7; 7 x c 19-20";
    let only = Wanted {
        active_only: false,
        ..selected("c", 1)
    };
    check(text, &only, &[1, 3, 4, 5]);
    // Without an older one the latest is taken.
    let text = "1 a c 1-9; 4 b c 4-5; 5 c c 5-6 <4; 6 b c 20-21 <7; 7 x c 19-20";
    check(text, &only, &[4, 5, 7, 6]);
    // One that is on the way already is enough.
    let text = "1 a c 1-9; 3 b c 2-3 <1; 4 b c 4-5 ~3; 5 c c 5-6 <4; 6 b c 4-5 <1";
    check(text, &only, &[1, 3, 4, 5]);
}

#[test]
fn runs_that_are_gone_are_no_trouble() {
    let text = "1 a r 1- <98 ~99; 2 b c 1-2 <98";
    check(text, &active(), &[1]);
}

#[test]
fn rings_end() {
    let text = "1 a r 1- <2 ~2; 2 b c 1-2 <1 ~1; 3 b c 1-2 <3";
    check(text, &active(), &[1, 2]);
}

#[test]
fn a_long_chain_of_restarts_stays_bounded_by_its_links() {
    let mut text = String::from("0 a c 0-1;");
    for n in 1..2000 {
        use std::fmt::Write as _;
        write!(text, "{n} a c {n}-{} ~{};", n + 1, n - 1).unwrap();
    }
    let only = Wanted {
        active_only: false,
        ..selected("a", 1)
    };
    assert_eq!(choose(runs(&text), &only).len(), 2000);
}
