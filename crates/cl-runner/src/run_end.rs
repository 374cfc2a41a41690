//! The event that tells of the end of a run, from the run's record.

use std::ops::ControlFlow;

use cl_bus::{Bus, Draft, Entry, Found, Query};
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{FailureKind, RunDir};

use crate::notice::post_once;

const STOPPED: &str = "RUN_STOP";
const CRASHED: &str = "RUN_CRASH";

/// Returns the kind of the event and its text, without what the agent printed.
pub(crate) fn event(run: &RunDir, info: &RunInfo) -> (&'static str, String) {
    let is_stopped = info
        .failure
        .as_ref()
        .is_some_and(|failure| failure.kind == FailureKind::Cancelled);
    let has_crashed = info.status == RunStatus::Failed && !is_stopped;
    // Such a code is no reason.
    let is_unexplained = has_crashed && info.exit_code <= 0;
    let why = match info.error_summary.as_str() {
        summary if is_unexplained && !summary.is_empty() => format!(": {summary}"),
        _ => String::new(),
    };
    let how = if info.status == RunStatus::Completed && info.exit_code < 0 {
        format!(
            "run ended, its exit code is not known: {}",
            info.error_summary
        )
    } else {
        format!("run stopped with code {}{why}", info.exit_code)
    };
    let mut body = format!(
        "{how}\nrun_dir: {}\noutput: {}",
        run.path().display(),
        run.output().display()
    );
    if is_stopped {
        body.push_str("\nstopped: true");
    }
    (if has_crashed { CRASHED } else { STOPPED }, body)
}

/// Posts the event of `run` for whoever can say it once only.
pub(crate) fn post(run: &RunDir, info: &RunInfo) {
    let (kind, body) = event(run, info);
    let draft = Draft::new(kind, info.project_id.clone(), body);
    let draft = draft.task(info.task_id.clone()).run(info.run_id.clone());
    post_once(run.task(), &draft);
}

/// Posts the event of a run whose supervisor died between its record and the event.
///
/// Only for the owner of a lost task, and for its latest run.
/// Returns whether it was missing.
pub(crate) fn post_if_missing(run: &RunDir, info: &RunInfo) -> bool {
    if info.status == RunStatus::Running || info.supervisor_pid.is_none() {
        return false;
    }
    let mut is_told = false;
    let looked = Bus::new(run.task().bus()).for_each(&Query::default(), |found| {
        is_told = matches!(&found, Found::Entry(Entry { message, .. })
            if message.run_id == run.id().as_str()
                && [STOPPED, CRASHED].contains(&message.kind.as_str()));
        if is_told {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    // If it could not be looked for, it is not known to be missing.
    let is_missing = looked.is_ok() && !is_told;
    if is_missing {
        post(run, info);
    }
    is_missing
}
