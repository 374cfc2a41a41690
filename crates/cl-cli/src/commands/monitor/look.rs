//! Looking: what the decision weighs, and whether anything has changed at all.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::marker::{self, Marker, Presence};
use cl_storage::owner::OwnerState;
use cl_storage::run_info::RunInfo;
use cl_storage::snapshot::TaskView;
use cl_storage::status::TaskStatus;
use cl_storage::{LayoutError, Root, TaskDir};
use jiff::Timestamp;

use super::decide::{self, View};
use super::post::Memory;

/// Settings that the look at a task depends on.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) stale_after: Duration,
    pub(super) retry_delay: Duration,
    pub(super) max_launches: u32,
    pub(super) finalize_on_output: bool,
}

/// A task as the monitor sees it.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) view: View,
    /// What is remembered of it, corrected by what was seen.
    pub(super) memory: Memory,
    /// Tells one wish to stop from another, for telling of each once.
    pub(super) marker: String,
}

/// Looks at `task`.
pub(super) fn look(
    root: &Root,
    task: &TaskDir,
    memory: &Memory,
    settings: &Settings,
    now: Timestamp,
) -> Result<Sight, LayoutError> {
    let found = TaskView::read(root, task, now)?;
    let memory = corrected(memory, &found);
    let stop = Marker::StopRequested.path(task);
    let is_marked = stop.symlink_metadata().is_ok();
    let is_by_monitor = marker::is_stopped_by_monitor(task);
    let has_wish = found
        .state
        .as_ref()
        .is_some_and(|state| state.stop.is_some());
    // A marker that is over lets go of the wish that came with it.
    let is_stopped = found.markers.stop_requested != Presence::Absent || (has_wish && !is_marked);
    let is_lost = found.owner_state == OwnerState::Lost;
    let view = View {
        status: found.status,
        claim: found.claim,
        is_active: found.is_active(),
        is_lost,
        is_stale: is_stale(&found, settings.stale_after, now),
        is_cancelled: found.markers.cancelled != Presence::Absent,
        is_stopped: is_stopped && !is_by_monitor,
        is_being_stopped: false,
        is_damaged: !found.problems.is_empty() || found.markers.done == Presence::NotAFile,
        has_final_answer: settings.finalize_on_output
            && found.status == TaskStatus::Completed
            && found
                .latest_run()
                .is_some_and(|run| has_answer(&run.run.output())),
        launches: memory.launches,
        max_launches: settings.max_launches,
        not_before: not_before(&found, &memory, settings.retry_delay),
        has_room: true,
        now,
    };
    let view = View {
        // A folder without a launch is one that somebody prepares, or a new task.
        status: if found.runs.is_empty() && view.status == TaskStatus::Unknown {
            TaskStatus::Idle
        } else {
            view.status
        },
        ..view
    };
    let marker = std::fs::read_to_string(&stop).unwrap_or_default();
    Ok(Sight {
        view,
        memory,
        marker,
    })
}

/// Forgets the starts of a task that somebody else has started since.
fn corrected(memory: &Memory, found: &TaskView) -> Memory {
    let launch_id = found.state.as_ref().map(|state| state.launch_id.as_str());
    let is_ours = memory.launch_id.is_empty() || launch_id == Some(memory.launch_id.as_str());
    if is_ours {
        memory.clone()
    } else {
        Memory::default()
    }
}

/// Returns when a task may be started again.
fn not_before(found: &TaskView, memory: &Memory, retry_delay: Duration) -> Option<Timestamp> {
    let result = found.state.as_ref().and_then(|state| state.result.as_ref());
    let limit = found.failure().and_then(|failure| failure.retry_at);
    if memory.launches == 0 {
        return limit;
    }
    let ended_at = result
        .map(|result| result.ended_at)
        .or(memory.launched_at)?;
    // One that worked for long before it failed is in no crash loop.
    let worked_for_long = memory
        .launched_at
        .is_some_and(|at| ended_at.duration_since(at) >= signed(decide::LONGEST_DELAY));
    let launches = if worked_for_long { 1 } else { memory.launches };
    let rested = ended_at
        .checked_add(decide::delay(retry_delay, launches))
        .ok()?;
    Some(limit.map_or(rested, |limit| limit.max(rested)))
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

/// Tells whether the agent at work has neither written nor said anything for too long.
///
/// A task that waits for something is not stale, nor is one whose children work.
fn is_stale(found: &TaskView, limit: Duration, now: Timestamp) -> bool {
    if limit.is_zero() || !found.active_children.is_empty() {
        return false;
    }
    let state = found.state.as_ref();
    if state.is_some_and(|state| state.waiting_for.is_some()) {
        return false;
    }
    let working = found.latest_run().filter(|run| run.is_active);
    let Some((run, info)) = working.and_then(|run| Some((run, run.info.as_ref().ok()?))) else {
        return false;
    };
    if !RunInfo::agent_is_alive(info) {
        return false;
    }
    let files = [
        run.run.stdout(),
        run.run.stderr(),
        run.run.output(),
        found.task.bus(),
    ];
    let last = files
        .iter()
        .filter_map(|path| changed(path))
        .chain(info.start_time)
        .max();
    last.is_some_and(|last| now.duration_since(last) > signed(limit))
}

fn changed(path: &Path) -> Option<Timestamp> {
    let time = std::fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(time).ok()
}

fn has_answer(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty())
}

/// What a file looks like from outside.
type Trace = Option<(u64, u64, i64, i64)>;

/// What decides whether a pass is worth while: the list, and of each task the files
/// that change when it begins, ends or is marked. Streams and buses are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Trace>);

impl Fingerprint {
    pub(super) fn of(todo: &Path, tasks: &[TaskDir]) -> Self {
        let files = |task: &TaskDir| -> Vec<PathBuf> {
            let markers = Marker::ALL.map(|marker| marker.path(task));
            markers
                .into_iter()
                .chain([task.owner(), task.state()])
                .collect()
        };
        let paths = tasks.iter().flat_map(files);
        let traces = std::iter::once(todo.to_owned()).chain(paths);
        Self(traces.map(|path| trace(&path)).collect())
    }
}

fn trace(path: &Path) -> Trace {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}
