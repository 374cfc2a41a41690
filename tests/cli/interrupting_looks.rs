//! Commands that only look, ended by a signal while they do.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use cl_storage::run_info::RunStatus;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, TASK, add_run, ended, eventually};

/// Ends `line` while it reads its configuration, and returns the code that a shell shows.
fn interrupted(place: &Place, line: &str, signal: Signal) -> Option<i32> {
    let pipe = place.path().join("config.pipe");
    rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let before = place.files();
    let mut child = place.start(&format!("{line} --config {}", pipe.display()));
    let mut writer = None;
    // Opening succeeds when somebody reads, and as long as it is open there is no end.
    eventually(|| {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        writer = File::options()
            .write(true)
            .custom_flags(flags)
            .open(&pipe)
            .ok();
        writer.is_some()
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(place.files(), before, "{line}");
    std::fs::remove_file(&pipe).unwrap();
    status.code().or(status.signal().map(|signal| 128 + signal))
}

#[test]
fn a_signal_ends_commands_that_look_and_nothing_is_left() {
    for line in [
        "usage",
        "usage --json --by day",
        "ps",
        "status --activity",
        "doctor",
        "doctor storage",
        "doctor processes",
        "doctor agents",
        "doctor agents --live",
    ] {
        let place = Place::new();
        add_run(&place.task(TASK), 1, ended(RunStatus::Completed, 0));
        assert_eq!(interrupted(&place, line, Signal::INT), Some(130), "{line}");
        assert_eq!(interrupted(&place, line, Signal::TERM), Some(143), "{line}");
    }
}
