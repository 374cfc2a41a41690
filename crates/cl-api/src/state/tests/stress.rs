//! After any changes, the index shows what a fresh look shows.

use std::collections::BTreeMap;

use cl_storage::marker::{self, Marker};
use cl_storage::queue;
use cl_storage::run_info::{self, RunStatus};
use cl_storage::task_config::TaskConfig;
use cl_storage::{Clock as _, SystemClock, TaskDir};
use cl_testkit::patience;
use cl_view::Survey;
use cl_wire::TaskRow;

use super::fixture::*;
use crate::state::index::Index;
use crate::state::watches::system_notifier;

/// Numbers that are the same in every test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn fresh(fixture: &Fixture) -> BTreeMap<String, TaskRow> {
    let survey = Survey::of_root(&fixture.root, SystemClock.now()).unwrap();
    by_name(survey.rows.into_iter())
}

fn shown(index: &Index) -> BTreeMap<String, TaskRow> {
    by_name(index.view().tasks().map(|entry| entry.row.clone()))
}

fn by_name(rows: impl Iterator<Item = TaskRow>) -> BTreeMap<String, TaskRow> {
    rows.map(|row| (format!("{}/{}", row.project_id, row.task_id), row))
        .collect()
}

/// Does something to the root, as owners, commands and users do.
fn change(fixture: &Fixture, dice: &mut Dice, number: usize) {
    let project = ["p", "q", "r"][dice.below(3)];
    let name = format!("t{:03}", dice.below(25));
    let task = fixture
        .root
        .task(&project_id(project), &task_id(&name))
        .unwrap();
    if !task.exists() {
        task.ensure().unwrap();
        return;
    }
    match dice.below(14) {
        0 => std::fs::remove_dir_all(task.path()).unwrap(),
        1 => std::fs::remove_dir_all(fixture.root.path().join("r")).unwrap_or_default(),
        2 => drop(add_run(&task, RunStatus::Running)),
        3 => drop(add_run(&task, RunStatus::Failed)),
        4 => drop(add_run(&task, RunStatus::Completed)),
        5 => marker::create_done(&task).unwrap(),
        6 => marker::clear(&task, Marker::Done).unwrap(),
        7 => {
            let other = task_id(&format!("t{:03}", dice.below(25)));
            marker::cancel(&task, &given_up(Some(other)))
                .map(drop)
                .unwrap();
        }
        8 => marker::clear(&task, Marker::Cancelled).unwrap(),
        9 => depend(&task, dice),
        10 => std::fs::write(task.prompt(), format!("number {number}")).unwrap(),
        11 => accept(&fixture.root, &task),
        12 => drop(queue::drop_entries(&fixture.root, task.project(), task.id()).unwrap()),
        _ => end_a_run(&task),
    }
}

fn depend(task: &TaskDir, dice: &mut Dice) {
    let some = (0..=dice.below(2)).map(|_| task_id(&format!("t{:03}", dice.below(25))));
    let others = some.filter(|id| id != task.id());
    let list: Vec<String> = others.map(|id| format!("\n- {id}")).collect();
    std::fs::write(task.config(), format!("depends_on:{}\n", list.concat())).unwrap();
    TaskConfig::read(task).unwrap();
}

fn end_a_run(task: &TaskDir) {
    if let Some(run) = task.runs().unwrap().pop() {
        run_info::update(&run, |info| {
            (info.status, info.phase, info.exit_code) = (RunStatus::Completed, None, 0);
        })
        .unwrap();
    }
}

#[track_caller]
fn check(seed: u64) {
    let fixture = Fixture::new();
    let mut dice = Dice(seed);
    for number in 0..60 {
        change(&fixture, &mut dice, number);
    }
    let index = fixture.index(system_notifier(), restless());
    for number in 0..400 {
        change(&fixture, &mut dice, number);
    }
    let last = std::cell::RefCell::default();
    let agrees = patience::within(patience::PATIENCE, || {
        *last.borrow_mut() = (shown(&index), fresh(&fixture));
        let (shown, fresh) = &*last.borrow();
        (shown == fresh).then_some(())
    });
    let (shown, fresh) = last.into_inner();
    if agrees.is_none() {
        for (name, row) in &fresh {
            assert_eq!(shown.get(name), Some(row), "seed {seed}");
        }
        assert_eq!(shown.len(), fresh.len(), "seed {seed}");
    }
}

#[test]
fn after_random_changes_it_shows_what_a_fresh_look_shows() {
    for seed in [1, 2, 3] {
        check(seed);
    }
}
