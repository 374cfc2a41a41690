//! A command dies while it promotes facts.

use cl_bus::facts::{Sheet, SheetPlace};
use cl_storage::ProjectId;
use cl_testkit::run_agent::crashes;
use cl_testkit::scenario::PROJECT;

use crate::rig::{Rig, WAITING};

/// Kills a promotion at `point`, which leaves so many of the new facts; the next one adds the rest.
#[track_caller]
fn check(point: &str, left: usize) {
    let rig = Rig::new(WAITING);
    rig.task().ensure().unwrap();
    let promote = || {
        rig.scenario
            .command(&["facts", "promote", "--project", PROJECT])
    };
    let project = rig
        .scenario
        .root()
        .project(&ProjectId::parse(PROJECT).unwrap());
    let place = SheetPlace::of_project(&project.unwrap());
    let facts = || Sheet::read(&place).unwrap().facts().len();
    rig.post("old");
    promote().ok();
    rig.post("new\nof two lines");
    rig.post("newer");
    let killed = promote().crash_at(point).run();
    assert_eq!(killed.code, None, "{killed:#?}");
    assert_eq!(crashes(rig.scenario.path()), [point.to_owned()]);
    assert_eq!(facts(), 1 + left);
    promote().ok();
    assert_eq!(facts(), 3);
}

#[test]
fn before_the_sheet_is_replaced() {
    check("replace-before-rename", 0);
}

#[test]
fn after_the_sheet_was_replaced() {
    check("replace-before-folder-sync", 2);
}
