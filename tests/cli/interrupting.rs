//! Ctrl-C and TERM to commands that change something in one step: nothing is left half-done.
//!
//! Each command is kept from going on at the place before its step, by a lock that the
//! test holds, a pipe that nobody writes to, or one that nobody reads.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::time::Duration;

use cl_bus::Bus;
use cl_storage::durable::Mode;
use cl_storage::lock::HeldLock;
use cl_storage::marker::{self, Marker};
use cl_storage::run_info::RunStatus;
use cl_testkit::patience::until;
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{CHILD, PROJECT, Place, TASK, add_run, ended};

const BOTH: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

/// Sends a signal and checks how a shell would see the end.
#[track_caller]
fn end(mut child: Child, signal: Signal, code: i32) {
    kill_process(pid(&child), signal).unwrap();
    let status = child.wait().unwrap();
    let seen = status.code().or(status.signal().map(|signal| 128 + signal));
    assert_eq!(seen, Some(code));
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Waits until the command has opened `path`.
fn wait_for_open(child: &Child, path: &std::path::Path) {
    let folder = format!("/proc/{}/fd", child.id());
    until("the file to be opened", || {
        let open = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| target == path)
    });
}

/// Waits until something stands in a pipe that is too small for all of it.
fn wait_for_output(pipe: impl std::os::fd::AsFd) {
    until("output in the pipe", || {
        rustix::io::ioctl_fionread(&pipe).unwrap() > 0
    });
}

/// Returns so many run ids that are not there, as one selector.
fn strangers(count: usize) -> String {
    let ids: Vec<String> = (1..=count)
        .map(|number| format!("20260101-0000590000-{number}-1"))
        .collect();
    ids.join(",")
}

#[test]
fn a_synthesis_that_is_interrupted_leaves_the_file_as_it_was() {
    let place = Place::new();
    let run = add_run(&place.task(TASK), 1, ended(RunStatus::Completed, 0));
    fs::write(run.output(), "An answer.").unwrap();
    fs::write(place.work().join("out.md"), "before").unwrap();
    let before = place.files();
    for (signal, code) in BOTH {
        // What is missing is told before anything is written, to somebody who does not read.
        let runs = format!("{},{}", run.id(), strangers(1500));
        let child = place.start(&format!(
            "output synthesize --project {PROJECT} --task {TASK} --runs {runs} --out out.md"
        ));
        wait_for_output(child.stderr.as_ref().unwrap());
        end(child, signal, code);
        assert_eq!(place.files(), before);
    }
}

#[test]
fn a_quorum_that_is_interrupted_decides_nothing() {
    let place = Place::new();
    place.task(TASK);
    let before = place.files();
    for (signal, code) in BOTH {
        let runs = strangers(3500);
        let mut child = place.start(&format!(
            "review quorum --project {PROJECT} --runs {runs} --required 1"
        ));
        // Those that nobody knows are told of before the result, to somebody who does not read.
        wait_for_output(child.stderr.as_ref().unwrap());
        let mut out = child.stdout.take().unwrap();
        end(child, signal, code);
        let mut said = String::new();
        std::io::Read::read_to_string(&mut out, &mut said).unwrap();
        assert_eq!(said, "");
        assert_eq!(place.files(), before);
    }
}

#[test]
fn a_shell_setup_that_is_interrupted_changes_no_file() {
    let place = Place::new();
    let rc = place.work().join("rc");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &rc, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let before = place.files();
    for verb in ["install", "uninstall"] {
        for (signal, code) in BOTH {
            let child = place.start(&format!("shell-setup {verb} --shell bash --rc-file rc"));
            // It sleeps nowhere but where it opens the pipe.
            let stat = format!("/proc/{}/stat", child.id());
            until("the command to wait", || {
                fs::read_to_string(&stat).is_ok_and(|stat| stat.contains("(run-agent) S "))
            });
            end(child, signal, code);
            assert_eq!(place.files(), before);
        }
    }
}

#[test]
fn an_uncancel_that_is_interrupted_has_happened_and_told_nothing_half() {
    let place = Place::new();
    let task = place.task(TASK);
    let given_up = marker::Cancellation {
        at: jiff::Timestamp::UNIX_EPOCH,
        reason: "no".to_owned(),
        superseded_by: None,
    };
    for (signal, code) in BOTH {
        marker::cancel(&task, &given_up).unwrap();
        let bus = HeldLock::acquire(&task.bus(), Mode::Shared, Duration::ZERO).unwrap();
        let child = place.start(&format!("task uncancel {TASK} --project {PROJECT}"));
        wait_for_open(&child, &task.bus());
        end(child, signal, code);
        drop(bus);
        assert!(!Marker::Cancelled.path(&task).exists());
        assert_eq!(fs::read(task.bus()).unwrap(), b"");
        let again = place.run(&format!("task uncancel {TASK} --project {PROJECT}"));
        assert!(again.err.contains("is not cancelled"), "{}", again.err);
        again.ok();
    }
    assert!(
        Bus::new(task.bus())
            .all()
            .unwrap()
            .into_messages()
            .is_empty()
    );
}

#[test]
fn an_unblock_that_is_interrupted_lifts_nothing() {
    let place = Place::new();
    place.task(TASK);
    let task = place.task(CHILD);
    fs::write(task.config(), format!("depends_on:\n    - {TASK}\n")).unwrap();
    let lock = place
        .root
        .path()
        .join(format!(".conductor/dependencies/{PROJECT}.lock"));
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = HeldLock::acquire(&lock, Mode::Shared, Duration::ZERO).unwrap();
    let before = place.files();
    for (signal, code) in BOTH {
        let child = place.start(&format!("task unblock {CHILD} --project {PROJECT}"));
        wait_for_open(&child, &lock);
        end(child, signal, code);
        assert_eq!(place.files(), before);
    }
    drop(held);
    let line = format!("task unblock {CHILD} --project {PROJECT}");
    assert!(place.run(&line).ok().contains("no longer waits"));
}
