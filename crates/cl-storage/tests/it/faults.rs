//! A disk that refuses: old content or new, never a part, and an error that is told.
//!
//! Each test asks the armed fault whether it landed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cl_storage::durable::{self, Mode};
use cl_storage::fault::{Armed, Fault, arm};
use cl_storage::lock;
use cl_storage::record::RecordError;
use cl_storage::run_info::{self, RunInfo};
use cl_storage::task_state::TaskState;

use crate::place;

/// Arms a fault for what is below `folder`.
fn arm_in(folder: &Path, operation: &str, error: &str) -> Armed {
    arm(Fault::new(operation, error).on(folder).times(1))
}

/// Every step of making or replacing a file, and whether the new content is there when it failed.
const STEPS: [(&str, &str, bool); 6] = [
    ("create", "ENOSPC", false),
    ("append", "ENOSPC", false),
    ("append", "EDQUOT", false),
    ("FileContent", "EIO", false),
    ("rename", "EACCES", false),
    ("ReplacedEntry", "EIO", true),
];

#[test]
fn a_file_is_the_old_or_the_new_one_whichever_step_fails() {
    for (operation, error, is_new) in STEPS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        durable::replace(&path, b"old", Mode::Shared).unwrap();
        let armed = arm_in(folder.path(), operation, error);
        durable::replace(&path, b"new content", Mode::Shared).unwrap_err();
        assert_eq!(armed.fired(), 1, "{operation}");
        let expected: &[u8] = if is_new { b"new content" } else { b"old" };
        assert_eq!(fs::read(&path).unwrap(), expected, "{operation}");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "no temporary file is left after {operation}");
        durable::replace(&path, b"next", Mode::Shared).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"next");
    }
}

#[test]
fn a_new_file_is_whole_or_missing_whichever_step_fails() {
    for (operation, error, is_there) in STEPS {
        let operation = operation.replace("ReplacedEntry", "CreatedEntry");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let armed = arm_in(folder.path(), &operation, error);
        durable::create_new(&path, b"content", Mode::Shared).unwrap_err();
        assert_eq!(armed.fired(), 1, "{operation}");
        assert_eq!(path.exists(), is_there, "{operation}");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, usize::from(is_there), "{operation}");
    }
}

#[test]
fn short_and_interrupted_writes_make_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let fault = Fault::new("append", "EINTR").on(folder.path());
    let armed = arm(fault.after_bytes(1).times(6));
    durable::replace(&path, b"content", Mode::Shared).unwrap();
    assert_eq!(armed.fired(), 6);
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

#[test]
fn a_record_that_cannot_be_written_keeps_what_it_said() {
    for (operation, error, is_new) in STEPS {
        let place = place();
        let started = "2026-01-01T00:00:00Z".parse().unwrap();
        let info = RunInfo::preparing(&place.run, "scripted", started);
        run_info::create(&place.run, &info).unwrap();
        let armed = arm_in(place.run.path(), operation, error);
        run_info::update(&place.run, |info| info.exit_code = 7).unwrap_err();
        assert_eq!(armed.fired(), 1, "{operation}");
        let found = RunInfo::read(&place.run).unwrap().unwrap();
        assert_eq!(found.exit_code == 7, is_new, "{operation}");
        run_info::update(&place.run, |info| info.exit_code = 8).unwrap();
        let found = RunInfo::read(&place.run).unwrap().unwrap();
        assert_eq!(found.exit_code, 8);
    }
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_not_missing() {
    let place = place();
    assert_eq!(TaskState::read(&place.task).unwrap(), None);
    TaskState::default().write(&place.task).unwrap();
    let armed = arm_in(place.task.path(), "read", "EIO");
    let error = TaskState::read(&place.task).unwrap_err();
    assert_eq!(armed.fired(), 1);
    assert!(matches!(error, RecordError::Io { .. }), "{error:?}");
    assert!(TaskState::read(&place.task).unwrap().is_some());
}

#[test]
fn a_removal_that_fails_keeps_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "x").unwrap();
    let armed = arm_in(folder.path(), "remove", "EROFS");
    durable::remove(&path).unwrap_err();
    assert_eq!(armed.fired(), 1);
    assert!(path.exists());
    let armed = arm_in(folder.path(), "RemovedEntry", "EIO");
    durable::remove(&path).unwrap_err();
    assert_eq!(armed.fired(), 1, "a removal that may come back is told");
    durable::remove(&path).unwrap();
}

#[test]
fn without_locks_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l");
    let armed = arm_in(folder.path(), "lock", "ENOLCK");
    let wait = Duration::from_mins(1);
    let outcome = lock::with_lock_file(&path, wait, || panic!("nobody holds the lock"));
    assert_eq!(armed.fired(), 1);
    assert!(
        !outcome.unwrap_err().is_timeout(),
        "nobody else is to blame"
    );
    lock::with_lock_file(&path, wait, || ()).unwrap();
}
