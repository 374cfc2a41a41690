//! Settling what a dead owner left behind.
//!
//! Only an owner may do this: it holds `owner.lock`. Processes are ended first
//! and their end is verified, then the records say so, never the other way
//! round.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cl_bus::Draft;
use cl_config::NotifyEvent;
use cl_storage::marker::{self, Marker};
use cl_storage::owner::{OwnError, Owner, Ownership};
use cl_storage::pid_file;
use cl_storage::process::ProcessIdentity;
use cl_storage::record::RecordError;
use cl_storage::run_info::{self, ChangeError, RunInfo, RunStatus, StopRecord};
use cl_storage::snapshot::{LOST_SUMMARY, RunView, TaskView};
use cl_storage::status::Claim;
use cl_storage::task_state::{ResultStatus, StopWish, TaskResult, TaskState};
use cl_storage::{Clock, Failure, FailureKind, LayoutError, Root, RunId, TaskDir};
use rustix::process::Signal;

use crate::launch::LaunchFile;
use crate::process::census;
use crate::process::end::{end_blocking, signal};
use crate::process::leaf::Foreign;
use crate::process::tree::{self, Search};
use crate::propagate::{self, Samples};
use crate::{claim, notice, notify, run_end, run_usage};

/// Why a task is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its owner died.
    Lost,
    /// Somebody stops it, and its owner is dead.
    Stopped {
        /// Who or what asked.
        by: String,
    },
}

/// What settling did.
#[derive(Debug, Default)]
pub struct Settled {
    /// Runs whose records said that they were running.
    pub runs: Vec<cl_storage::RunId>,
    /// Processes that were ended.
    pub ended: usize,
    /// Processes that could not be ended.
    pub survivors: u32,
    /// Whether the agent was done, as it stood after its processes had ended.
    pub(crate) was_done: bool,
}

/// Why a task could not be settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// Somebody owns it.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// Its folder cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A run record could not be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A task file could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Takes a lost task, ends what is left of its agents and records its end.
///
/// Blocks for `grace` and a few seconds more. Fails without doing anything if
/// the task has an owner after all.
pub fn settle_lost(
    root: &Root,
    task: &TaskDir,
    reason: &Reason,
    grace: Duration,
    clock: &dyn Clock,
) -> Result<Settled, SettleError> {
    let launch_id = TaskState::read(task)
        .ok()
        .flatten()
        .map(|state| state.launch_id)
        .unwrap_or_default();
    let ownership = Ownership::acquire(task, &launch_id, clock.now(), Duration::from_secs(2))?;
    let previous = ownership.previous().cloned();
    let mut settled = settle_owned(root, task, previous.as_ref(), reason, grace, clock);
    if ownership.found_lost() {
        let told = tell_latest_end(root, task, clock).map_err(SettleError::from);
        settled = settled.and_then(|settled| told.map(|()| settled));
    }
    match settled {
        Ok(settled) if settled.survivors == 0 => {
            ownership.release()?;
            notify::start::kick(root);
            cl_storage::index::note_end(root, task);
            Ok(settled)
        }
        // It stays lost: what cannot be ended or recorded must not drop out of sight.
        other => {
            let put_back = ownership.put_back();
            let settled = other?;
            put_back?;
            Ok(settled)
        }
    }
}

/// Tells of the end of the latest run if a supervisor died before it could.
///
/// Only for the owner, and only of a lost task.
pub(crate) fn tell_latest_end(
    root: &Root,
    task: &TaskDir,
    clock: &dyn Clock,
) -> Result<(), LayoutError> {
    let view = TaskView::read(root, task, clock.now())?;
    if let Some((run, info)) = view.shown_run().zip(view.latest_info())
        && *run.run.id() == info.run_id
        && run_end::post_if_missing(&run.run, info)
    {
        tell_others(root, task, &notify::run_stopped(info), clock);
    }
    Ok(())
}

fn settle_owned(
    root: &Root,
    task: &TaskDir,
    previous: Option<&Owner>,
    reason: &Reason,
    grace: Duration,
    clock: &dyn Clock,
) -> Result<Settled, SettleError> {
    let stands = |claim| claim == Claim::Stands;
    let settled = settle_runs(root, task, previous, reason, grace, stands, clock)?;
    let mut state = TaskState::read_or_set_aside(task)?;
    if settled.survivors > 0 {
        return Ok(settled);
    }
    if state.result.is_none() {
        let (status, exit_code) = match reason {
            Reason::Lost if settled.was_done => (ResultStatus::Completed, 0),
            Reason::Lost => (ResultStatus::Failed, 1),
            Reason::Stopped { .. } => (ResultStatus::Stopped, 143),
        };
        let failure = (status != ResultStatus::Completed).then(|| failure_of(reason));
        if status != ResultStatus::Stopped {
            tell_end(root, task, status, &state, clock);
        }
        state.result = Some(TaskResult {
            status,
            exit_code,
            ended_at: clock.now(),
            failure,
            left_children: Vec::new(),
        });
    }
    if let Reason::Stopped { by } = reason {
        // Somebody wanted an end, and not the truth about the claim.
        let tell = |text| notice::warn_once(task, text);
        claim::set_unjudged_aside(root, task, "the task was stopped", clock.now(), tell)?;
        state.stop = Some(StopWish {
            requested_at: clock.now(),
            by: by.clone(),
        });
    }
    (state.waiting_for, state.wake_at, state.limit) = (None, None, None);
    state.write(task)?;
    let is_completed = |result: &TaskResult| result.status == ResultStatus::Completed;
    if state.result.as_ref().is_some_and(is_completed) {
        tell_project(task, clock);
    }
    Ok(settled)
}

/// Writes down whom to tell of an end that is recorded in the place of a dead supervisor.
fn tell_end(
    root: &Root,
    task: &TaskDir,
    status: ResultStatus,
    state: &TaskState,
    clock: &dyn Clock,
) {
    let kind = match status {
        ResultStatus::Completed => NotifyEvent::Done,
        _ => NotifyEvent::Failed,
    };
    let failure = (kind == NotifyEvent::Failed).then(|| failure_of(&Reason::Lost));
    let message = failure.as_ref().map(ToString::to_string);
    let message = message.unwrap_or_default();
    let event = notify::task_event(
        kind,
        &state.launch_id,
        task,
        None,
        &message,
        failure.as_ref(),
        clock.now(),
    );
    let is_nested = LaunchFile::read(task)
        .ok()
        .flatten()
        .is_some_and(|launch| launch.parent.is_some());
    if !is_nested {
        tell_others(root, task, &event, clock);
    }
}

/// Writes down an event for everyone whom the launch of `task` has named.
fn tell_others(root: &Root, task: &TaskDir, event: &notify::Event, clock: &dyn Clock) {
    let launch = LaunchFile::read(task).ok().flatten();
    if let Some(plan) = launch.and_then(|launch| launch.notify) {
        notify::spool(root, task, &plan, event, clock.now());
    }
}

/// Tells the project that the task is done, unless its supervisor has done so.
fn tell_project(task: &TaskDir, clock: &dyn Clock) {
    let Some(told) = propagate::tell(task, Samples::LeftOut, clock, None) else {
        return;
    };
    let draft = Draft::new(told.kind, task.project().clone(), told.body);
    let draft = (told.meta.into_iter()).fold(draft, |draft, (name, value)| draft.meta(name, value));
    notice::post_once(task, &draft.task(task.id().clone()));
}

/// Takes the markers that keep a task from running away, and starts nothing.
///
/// Those that `command`, a resume, leaves stay. Fails if the task has an owner. A
/// lost task stays lost.
pub fn clear_for_resume(
    task: &TaskDir,
    command: marker::Command,
    clock: &dyn Clock,
) -> Result<(), SettleError> {
    let launch_id = TaskState::read(task)?
        .map(|state| state.launch_id)
        .unwrap_or_default();
    let ownership = Ownership::acquire(task, &launch_id, clock.now(), Duration::from_secs(2))?;
    let cleared = clear_owned(task, command);
    let put_back = ownership.put_back();
    cleared?;
    put_back?;
    Ok(())
}

/// Renames the `DONE` of `task`, which a part of a series of runs has left, and tells
/// its bus: whoever makes the series decides what is done. None is fine.
///
/// Fails if the task has an owner.
pub fn set_claim_aside(task: &TaskDir, clock: &dyn Clock) -> Result<(), SettleError> {
    let is_there = || Marker::Done.path(task).is_file();
    if !is_there() {
        return Ok(());
    }
    let launch_id = TaskState::read(task)?
        .map(|state| state.launch_id)
        .unwrap_or_default();
    let ownership = Ownership::acquire(task, &launch_id, clock.now(), Duration::from_secs(2))?;
    let renamed = if is_there() {
        marker::set_unjudged_aside(task, |name| {
            let text = format!("DONE is set aside ({name}): the series of runs goes on");
            notice::warn_once(task, text);
        })
    } else {
        Ok(())
    };
    let put_back = ownership.put_back();
    renamed.map_err(|source| LayoutError::Io {
        path: Marker::Done.path(task),
        source,
    })?;
    put_back?;
    Ok(())
}

fn clear_owned(task: &TaskDir, command: marker::Command) -> Result<(), SettleError> {
    let is_cleared = |marker: &Marker| marker::rule(*marker, command) == marker::Rule::Clear;
    for marker in Marker::ALL.into_iter().filter(is_cleared) {
        marker::clear(task, marker).map_err(|source| LayoutError::Io {
            path: marker.path(task),
            source,
        })?;
    }
    if let Some(mut state) = TaskState::read(task)? {
        state.stop = None;
        state.write(task)?;
    }
    Ok(())
}

/// Ends what is left of the task's runs and settles their records.
///
/// The caller owns the task. Also ends gates of the latest run, which carry its
/// marker, agents whose record cannot be read, and everything in the control group of the
/// `previous` owner. A run that could not be ended keeps its record. `counts` tells whether the claim, which is read when all
/// processes have ended, makes the latest run one that ended well.
pub(crate) fn settle_runs(
    root: &Root,
    task: &TaskDir,
    previous: Option<&Owner>,
    reason: &Reason,
    grace: Duration,
    counts: impl Fn(Claim) -> bool,
    clock: &dyn Clock,
) -> Result<Settled, SettleError> {
    let view = TaskView::read(root, task, clock.now())?;
    let mut settled = Settled::default();
    let mut unrecorded = Vec::new();
    let newest = view.latest_run().map(|run| run.run.id().clone());
    let latest = view.shown_run().map(|run| run.run.id().clone());
    for run in &view.runs {
        let is_latest = latest.as_ref() == Some(run.run.id());
        let is_running = run
            .info
            .as_ref()
            .is_ok_and(|info| info.status == RunStatus::Running);
        // A process that is only observed is left alone; of a dead one the record must say so.
        let is_external =
            (run.info.as_ref()).is_ok_and(|info| info.is_external && info.agent_is_alive());
        let is_newest = newest.as_ref() == Some(run.run.id());
        // A damaged or missing record tells nothing, so its run may have an agent.
        let may_have_agent = is_running || is_latest || is_newest || run.is_synthetic();
        if is_external || !may_have_agent {
            continue;
        }
        let is_writable =
            (run.info.as_ref()).is_ok_and(|info| info.version <= run_info::KNOWN_VERSION);
        let requested_at = clock.now();
        let started = Instant::now();
        let (ended, survivors) = end_run(root, run, grace);
        settled.ended += ended;
        settled.survivors += survivors;
        if is_running && is_writable && survivors == 0 {
            let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let stop = StopRecord {
                requested_at,
                by: by(reason),
                survivors,
                took_ms,
            };
            unrecorded.push((run, is_latest, stop));
        }
    }
    // Gates that judged a claim without any run carry no run's mark.
    if latest.is_none() && task.gates_folder().exists() {
        let (ended, survivors) = end_tree(grace, None, |_| census::gates_of(root.path(), task));
        settled.ended += ended;
        settled.survivors += survivors;
    }
    // What no record leads to any more: a damaged one, or none yet.
    if let Some(previous) = previous {
        let nobody = RunId::generate(clock.now());
        let (ended, survivors) = end_found(root, &nobody, None, Some(&previous.identity()), grace);
        settled.ended += ended;
        settled.survivors += survivors;
    }
    // An agent may be done in the time that it was given to end.
    settled.was_done = counts(TaskView::read(root, task, clock.now())?.claim);
    for (run, is_latest, stop) in unrecorded {
        record_end(
            root,
            run,
            reason,
            settled.was_done && is_latest,
            stop,
            clock,
        )?;
        settled.runs.push(run.run.id().clone());
    }
    Ok(settled)
}

fn by(reason: &Reason) -> String {
    match reason {
        Reason::Lost => "recovery".to_owned(),
        Reason::Stopped { by } => by.clone(),
    }
}

fn failure_of(reason: &Reason) -> Failure {
    match reason {
        Reason::Lost => Failure::new(FailureKind::RunnerLost, "the supervisor died"),
        Reason::Stopped { by } => Failure::new(FailureKind::Cancelled, by),
    }
}

/// How often a tree that is to be killed is frozen again because it has grown.
const FREEZES: u32 = 100;

/// Ends every process of a run; returns how many there were and how many survive.
fn end_run(root: &Root, run: &RunView, grace: Duration) -> (usize, u32) {
    let agent = match &run.info {
        Ok(info) if !run.is_synthetic() => agent_identity(info).or_else(|| worker(run, info)),
        _ => pid_file::read(&run.run),
    };
    let supervisor = run.info.as_ref().ok().and_then(RunInfo::supervisor);
    end_found(
        root,
        run.run.id(),
        agent.as_ref(),
        supervisor.as_ref(),
        grace,
    )
}

fn end_found(
    root: &Root,
    run: &RunId,
    agent: Option<&ProcessIdentity>,
    supervisor: Option<&ProcessIdentity>,
    grace: Duration,
) -> (usize, u32) {
    let search = Search {
        run,
        agent,
        adopted_by: None,
        supervisor,
        root: root.path(),
    };
    end_tree(grace, supervisor, |seen| tree::find_with(&search, seen))
}

/// Ends every process that carries the mark of `task`, whose folder is gone.
///
/// Returns how many there were and how many survive. Blocks for `grace` and a few
/// seconds more. A supervisor of it that lives ends like the others.
pub(crate) fn end_marked(root: &Root, task: &TaskDir, grace: Duration) -> (usize, u32) {
    end_tree(grace, None, |_| census::of_task(root.path(), task))
}

/// Ends what `find` returns, which is given all that it has returned before.
///
/// The control group of `supervisor`, if there is one, is killed as a whole where all of it
/// was found, and removed.
fn end_tree(
    grace: Duration,
    supervisor: Option<&ProcessIdentity>,
    find: impl Fn(&HashSet<ProcessIdentity>) -> Vec<ProcessIdentity>,
) -> (usize, u32) {
    let mut seen = HashSet::new();
    let mut look = || {
        let found = find(&seen);
        seen.extend(found.iter().cloned());
        found
    };
    let started = Instant::now();
    let mut leaf: Option<Foreign> = None;
    let survivors = end_blocking(grace, || {
        let mut found = look();
        if leaf.is_none() {
            let in_leaf = |process: &ProcessIdentity| Foreign::of(supervisor?, process.pid);
            leaf = found.iter().find_map(in_leaf);
        }
        if started.elapsed() < grace {
            return found;
        }
        if leaf.as_ref().is_some_and(|leaf| leaf.kill(&found)) {
            return found;
        }
        // Nobody adopts the orphans for us: what is born between the look and the
        // kill would be lost from sight, so the tree must stand still first.
        let mut frozen = HashSet::new();
        for _ in 0..FREEZES {
            let mut has_grown = false;
            for process in &found {
                if frozen.insert(process.clone()) {
                    has_grown = true;
                    signal(process, Signal::STOP);
                }
            }
            if !has_grown {
                break;
            }
            found = look();
        }
        found
    });
    if let Some(leaf) = leaf {
        leaf.remove();
    }
    (
        seen.len(),
        u32::try_from(survivors.len()).unwrap_or(u32::MAX),
    )
}

/// Returns the worker of an agent that is a service, which records name without a number.
fn worker(run: &RunView, info: &RunInfo) -> Option<ProcessIdentity> {
    (info.pid <= 0).then(|| pid_file::read(&run.run)).flatten()
}

fn agent_identity(info: &RunInfo) -> Option<ProcessIdentity> {
    let start = info.process_start.clone()?;
    info.has_agent_process().then_some(ProcessIdentity {
        pid: info.pid,
        start,
    })
}

/// Why a run without an exit code is said to have ended well.
const DONE_SUMMARY: &str = "the supervisor died, and DONE was there when the agent had ended";

fn record_end(
    root: &Root,
    run: &RunView,
    reason: &Reason,
    was_done: bool,
    stop: StopRecord,
    clock: &dyn Clock,
) -> Result<(), SettleError> {
    let now = clock.now();
    let completed = was_done && *reason == Reason::Lost;
    // Before the record is changed: a crash in between leaves a run that is settled again.
    let used =
        (run.info.as_ref().ok()).and_then(|info| run_usage::of_dead_run(&run.run, info, None));
    let info = run_info::update(&run.run, |info| {
        info.usage = used.or_else(|| info.usage.take());
        info.phase = None;
        info.end_time = Some(now);
        info.stop = Some(stop);
        if completed {
            // Nobody saw its exit code, so that stays unknown.
            info.status = RunStatus::Completed;
            DONE_SUMMARY.clone_into(&mut info.error_summary);
        } else {
            info.status = RunStatus::Failed;
            info.error_summary = match reason {
                Reason::Lost => LOST_SUMMARY.to_owned(),
                Reason::Stopped { .. } => "stopped by request".to_owned(),
            };
            info.failure = Some(failure_of(reason));
            if info.exit_code == 0 {
                info.exit_code = -1;
            }
        }
    })?;
    tell_others(root, run.run.task(), &notify::run_stopped(&info), clock);
    run_end::post(&run.run, &info);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::SystemClock;
    use cl_storage::durable::Mode;
    use cl_storage::id::{ProjectId, TaskId};
    use cl_storage::owner::OwnerState;
    use cl_storage::{RunDir, record};

    /// A task whose owner is dead.
    fn lost() -> (tempfile::TempDir, Root, TaskDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let id = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &id).unwrap();
        task.ensure().unwrap();
        let owner = Owner {
            version: 1,
            pid: i32::MAX - 1,
            process_start: ProcessIdentity::current().unwrap().start,
            launch_id: "launch-1".to_owned(),
            since: SystemClock.now(),
        };
        record::write(&task.owner(), &owner, Mode::Shared).unwrap();
        (folder, root, task)
    }

    #[track_caller]
    fn assert_lost(task: &TaskDir) {
        let owner = Owner::read(task).unwrap();
        assert_eq!(OwnerState::of(owner.as_ref()), OwnerState::Lost);
    }

    #[test]
    fn a_task_that_could_not_be_settled_stays_lost() {
        let (_folder, root, task) = lost();
        // Neither the runs can be listed nor the latest end be told.
        std::fs::remove_dir(task.runs_folder()).unwrap();
        std::fs::write(task.runs_folder(), "").unwrap();
        settle_lost(&root, &task, &Reason::Lost, Duration::ZERO, &SystemClock).unwrap_err();
        assert_lost(&task);
    }

    /// A run of `task` whose record says that it runs; its agent is dead.
    fn dead_run(task: &TaskDir) -> RunDir {
        let now = SystemClock.now();
        let run = task.create_run(now).unwrap();
        let mut info = RunInfo::preparing(&run, "scripted", now);
        info.pid = i32::MAX - 1;
        info.process_start = Some(ProcessIdentity::current().unwrap().start);
        run_info::create(&run, &info).unwrap();
        run
    }

    #[track_caller]
    fn check_settled(task: &TaskDir, root: &Root, run: RunStatus, result: ResultStatus) {
        let dead = dead_run(task);
        settle_lost(root, task, &Reason::Lost, Duration::ZERO, &SystemClock).unwrap();
        let info = RunInfo::read(&dead).unwrap().unwrap();
        assert_eq!((info.status, info.exit_code), (run, -1));
        assert_eq!(
            TaskState::read(task)
                .unwrap()
                .unwrap()
                .result
                .unwrap()
                .status,
            result
        );
        let told = cl_bus::Bus::new(task.bus()).all().unwrap();
        let ends = told.messages().filter(|m| m.run_id == dead.id().as_str());
        let texts: Vec<String> = ends.map(|m| m.body.clone()).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(!texts[0].contains("code 0"), "{texts:?}");
    }

    #[test]
    fn a_claim_that_stands_makes_run_and_task_end_well() {
        let (_folder, root, task) = lost();
        marker::create_done(&task).unwrap();
        check_settled(&task, &root, RunStatus::Completed, ResultStatus::Completed);
    }

    const CODEX: &str = "{\"type\":\"thread.started\",\"thread_id\":\"s\"}\n\
        {\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":150,\"output_tokens\":5}}\n\
        {\"type\":\"turn.comp";

    #[test]
    fn what_a_lost_run_used_is_read_from_its_stream_and_counts_once() {
        let (_folder, root, task) = lost();
        let used = |input_tokens| cl_storage::Usage {
            input_tokens,
            output_tokens: 2,
            ..cl_storage::Usage::default()
        };
        let codex = |run: &RunDir, session: &str, usage| {
            let noted = run_info::update(run, |info| {
                "codex".clone_into(&mut info.agent);
                session.clone_into(&mut info.session_id);
                info.usage = usage;
            });
            noted.unwrap();
        };
        let earlier = dead_run(&task);
        codex(&earlier, "s", Some(used(100)));
        run_info::update(&earlier, |info| info.status = RunStatus::Completed).unwrap();
        // Its record was last written when it had used less; the session's total holds both runs.
        let dead = dead_run(&task);
        codex(&dead, "", Some(used(20)));
        std::fs::write(dead.stdout(), CODEX).unwrap();
        let silent = dead_run(&task);
        codex(&silent, "", Some(used(7)));
        settle_lost(&root, &task, &Reason::Lost, Duration::ZERO, &SystemClock).unwrap();
        let input = |run: &RunDir| {
            let usage = RunInfo::read(run).unwrap().unwrap().usage;
            usage.map(|usage| (usage.input_tokens, usage.output_tokens))
        };
        assert_eq!(input(&dead), Some((50, 3)));
        assert_eq!(input(&silent), Some((7, 2)), "what was written stands");
        assert_eq!(input(&earlier), Some((100, 2)));
    }

    #[test]
    fn a_claim_that_no_gate_has_judged_makes_neither_end_well() {
        let (_folder, root, task) = lost();
        marker::create_done(&task).unwrap();
        let launch = "version: 1\nlaunch_id: launch-1\nkind: task\norigin: detached\n\
                      launched_at: 2026-01-01T00:01:00Z\nagent_name: scripted\npolicy:\n  \
                      gates:\n  - name: check\n    command: 'true'\n";
        std::fs::write(task.launch(), launch).unwrap();
        check_settled(&task, &root, RunStatus::Failed, ResultStatus::Failed);
    }

    #[test]
    fn a_task_whose_markers_could_not_be_cleared_stays_lost() {
        let (_folder, _root, task) = lost();
        std::fs::create_dir(Marker::Done.path(&task)).unwrap();
        std::fs::write(Marker::Done.path(&task).join("x"), "").unwrap();
        clear_for_resume(&task, marker::Command::Resume, &SystemClock).unwrap_err();
        assert_lost(&task);
    }
}
