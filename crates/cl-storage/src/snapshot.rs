//! One look at a task: everything that decisions and listings need, read once.
//!
//! Taking a snapshot never writes. A record whose process is gone is shown with
//! an *effective* status; the record itself is left to the task's owner.

use jiff::Timestamp;

use crate::dependencies::{self, Blocker};
use crate::failure::{Failure, FailureKind};
use crate::id::{RunId, TaskId};
use crate::layout::{LayoutError, ProjectDir, Root, RunDir, TASK_BUS, TaskDir};
use crate::look::Look;
use crate::marker::{Marker, Markers};
use crate::open_task::{OpenTask, record_of};
use crate::owner::{self, Owner, OwnerState};
use crate::record::RecordError;
use crate::run_info::{Phase, RunInfo, RunStatus};
use crate::slot::LiveRuns;
use crate::status::{self, Claim, TaskFacts, TaskStatus};
use crate::task_state::{self, LaunchSummary, ResultStatus, TaskResult, TaskState};
use crate::{gc, lost, pid_file, queue, told};

/// What readers say of a run whose owner and agent are both gone.
pub const LOST_SUMMARY: &str = "process is not alive";

/// What is said of a claim that nobody is going to judge.
const UNJUDGED: &str = "DONE is there, but its gates have not judged it";

/// One run as a reader sees it.
#[derive(Debug)]
pub struct RunView {
    /// The run's folder.
    pub run: RunDir,
    /// The record, or why it could not be read; made up if it is missing.
    pub info: Result<RunInfo, RecordError>,
    /// The status that holds now: a dead process is not running.
    pub status: RunStatus,
    /// A process of the run is alive, or its owner is at work on it.
    pub is_active: bool,
}

impl RunView {
    /// Returns the time by which runs are sorted.
    pub fn sort_time(&self) -> Timestamp {
        self.info.as_ref().map_or_else(
            |_| self.run.id().started_at().unwrap_or(Timestamp::UNIX_EPOCH),
            RunInfo::sort_time,
        )
    }

    /// Tells whether there is no readable record, so that all but the id is made up.
    pub fn is_synthetic(&self) -> bool {
        self.info.as_ref().map_or(true, RunInfo::is_made_up)
    }

    /// Tells whether there is no record because the run is only being made.
    pub fn is_starting(&self, now: Timestamp) -> bool {
        self.has_no_record() && now.duration_since(self.sort_time()) < gc::STARTING
    }

    /// Tells whether the record is missing, and not only unreadable.
    pub fn has_no_record(&self) -> bool {
        self.info.as_ref().is_ok_and(RunInfo::is_made_up)
    }

    /// Returns the failure that holds now; a lost run has one that no record holds.
    pub fn failure(&self) -> Option<Failure> {
        let info = self.info.as_ref().ok()?;
        let is_lost = info.status == RunStatus::Running && self.status == RunStatus::Failed;
        if is_lost {
            Some(Failure::new(FailureKind::RunnerLost, LOST_SUMMARY))
        } else {
            info.failure.clone()
        }
    }
}

/// One task as a reader sees it.
#[derive(Debug)]
pub struct TaskView {
    /// The task's folder.
    pub task: TaskDir,
    /// The one status.
    pub status: TaskStatus,
    /// Its markers.
    pub markers: Markers,
    /// What its `DONE` is worth.
    pub claim: Claim,
    /// Whether somebody runs it.
    pub owner_state: OwnerState,
    /// Who runs it, or did when it was lost.
    pub owner: Option<Owner>,
    /// Its owner was lost, and `recover` goes on with it unless it is told to mark all.
    pub goes_on: bool,
    /// Where its owner stands; damaged files are in `problems`.
    pub state: Option<TaskState>,
    /// How it was launched.
    pub launch: Option<LaunchSummary>,
    /// Its runs, oldest first.
    pub runs: Vec<RunView>,
    /// The tasks that it depends on.
    pub depends_on: Vec<TaskId>,
    /// Those of them that nobody has lifted.
    pub gating: Vec<TaskId>,
    /// Those of them that keep it from beginning; none once it has begun.
    pub blocked_by: Vec<Blocker>,
    /// Child tasks that are active.
    pub active_children: Vec<crate::task_state::Child>,
    /// Files that could not be read, each with its path.
    pub problems: Vec<RecordError>,
    /// The newest change of bus, state and the run shown, in whole seconds.
    ///
    /// The streams of a run are looked at until it has ended: its record is
    /// written after them.
    pub last_activity: Option<Timestamp>,
}

impl TaskView {
    /// Looks at `task`.
    pub fn read(root: &Root, task: &TaskDir, now: Timestamp) -> Result<Self, LayoutError> {
        read_task(root, task, now, 0, &submitted_on_disk(root))
    }

    /// Looks at `task` as [`TaskView::read`] does, for readers who hold the queue already.
    pub fn read_beside(
        root: &Root,
        task: &TaskDir,
        now: Timestamp,
        queue: &queue::Queue,
    ) -> Result<Self, LayoutError> {
        let is_submitted = |task: &TaskDir| queue.has_server_entry(task.project(), task.id());
        read_task(root, task, now, 0, &is_submitted)
    }

    /// Tells whether it was never run, nor is by anybody, nor was meant to end: it may be blocked.
    fn may_begin(&self) -> bool {
        let has_ended = self
            .state
            .as_ref()
            .is_some_and(|state| state.result.is_some() || state.stop.is_some());
        let is_marked = Marker::ALL
            .into_iter()
            .any(|marker| self.markers.has(marker));
        self.runs.is_empty() && !has_ended && !is_marked
    }

    /// Tells whether an attempt was begun; its owner may have died before there was a run.
    fn has_begun(&self) -> bool {
        let counted = |state: &TaskState| state.attempts.ordinal() > 0;
        !self.runs.is_empty() || self.state.as_ref().is_some_and(counted)
    }

    /// Tells whether its owner waits for `what`, see [`Self::waiting_for`].
    pub fn waits_for(&self, what: &str) -> bool {
        self.waiting_for() == Some(what)
    }

    /// Returns what its owner waits for, or did when it died if the wait goes on with the task.
    pub fn waiting_for(&self) -> Option<&str> {
        let is_held = self.owner_state == OwnerState::Alive || self.goes_on;
        let state = self.state.as_ref().filter(|_| is_held);
        state.and_then(|state| state.waiting_for.as_deref())
    }

    /// Returns the latest run.
    pub fn latest_run(&self) -> Option<&RunView> {
        self.runs.last()
    }

    /// Returns the latest run whose record is readable.
    pub fn latest_info(&self) -> Option<&RunInfo> {
        self.runs
            .iter()
            .rev()
            .find_map(|run| run.info.as_ref().ok().filter(|info| !info.is_made_up()))
    }

    /// Returns the run that stands for the task: the latest with a readable record, else the latest.
    pub fn shown_run(&self) -> Option<&RunView> {
        let readable = self.latest_info().map(|info| &info.run_id);
        readable
            .and_then(|id| self.runs.iter().rev().find(|run| run.run.id() == id))
            .or_else(|| self.latest_run())
    }

    /// Returns the configured name of the agent, or its kind.
    pub fn agent(&self) -> Option<String> {
        if let Some(launch) = &self.launch {
            return Some(launch.agent_name.clone());
        }
        let info = self.shown_run()?.info.as_ref().ok()?;
        [&info.agent_name, &info.agent]
            .into_iter()
            .find(|name| !name.is_empty())
            .cloned()
    }

    /// Returns why it failed; what the owner said at the end counts more than the run shown.
    pub fn failure(&self) -> Option<Failure> {
        let said = self
            .state
            .as_ref()
            .filter(|_| self.owner_state == OwnerState::None)
            .and_then(|state| state.result.as_ref()?.failure.clone());
        let is_unjudged = self.claim == Claim::Unjudged && self.owner_state != OwnerState::Alive;
        let unjudged = || Failure::new(FailureKind::RunnerLost, UNJUDGED);
        said.or_else(|| self.shown_run()?.failure())
            .or_else(|| is_unjudged.then(unjudged))
    }

    /// Tells whether the task has anything that runs: an owner, an agent or a child.
    pub fn is_active(&self) -> bool {
        self.owner_state == OwnerState::Alive
            || self.runs.iter().any(|run| run.is_active)
            || !self.active_children.is_empty()
    }
}

/// Looks at a task for the sake of another one, and not at what it waits for itself.
pub(crate) fn read_dependency(
    root: &Root,
    task: &TaskDir,
    now: Timestamp,
) -> Result<TaskView, LayoutError> {
    read_task(root, task, now, 1, &submitted_on_disk(root))
}

/// Asks the queue on disk whether a server has accepted a task.
fn submitted_on_disk(root: &Root) -> impl Fn(&TaskDir) -> bool {
    move |task| queue::has_server_entry(root, task.project(), task.id())
}

/// Looks at every task of `project`, sorted by id.
pub fn read_project(
    root: &Root,
    project: &ProjectDir,
    now: Timestamp,
) -> Result<Vec<TaskView>, LayoutError> {
    project
        .tasks()?
        .iter()
        .map(|task| TaskView::read(root, task, now))
        .collect()
}

/// How deep children of children are followed; as deep as delegation may go.
const DEEPEST: u32 = 16;

fn read_task(
    root: &Root,
    task: &TaskDir,
    now: Timestamp,
    level: u32,
    has_server_entry: &dyn Fn(&TaskDir) -> bool,
) -> Result<TaskView, LayoutError> {
    let mut problems = Vec::new();
    let io_error = |source| LayoutError::Io {
        path: task.path().to_owned(),
        source,
    };
    let open = OpenTask::open(task).map_err(io_error)?;
    let markers = open.markers(now).map_err(io_error)?;
    let owner: Option<Owner> = keep(
        open.record("owner.yaml", owner::KNOWN_VERSION),
        &mut problems,
    );
    let owner_state = OwnerState::of(owner.as_ref());
    let known = task_state::KNOWN_VERSION;
    let state: Option<TaskState> = keep(open.record("task-state.yaml", known), &mut problems);
    let launch: Option<LaunchSummary> = keep(open.record("launch.yaml", known), &mut problems);
    let runs = read_runs(&open, task, owner_state, markers.has(Marker::Done))?;
    let config = keep(open.config().map(Some), &mut problems).unwrap_or_default();
    let mut active_children = Vec::new();
    for child in state.iter().flat_map(|state| &state.children) {
        // A child folder that is a link or was deleted is no live child.
        let Ok(dir) = root.task(&child.project, &child.task) else {
            continue;
        };
        let is_active = || {
            let child = read_task(root, &dir, now, level + 1, has_server_entry)?;
            Ok::<_, LayoutError>(child.is_active())
        };
        if level < DEEPEST && dir.exists() && is_active()? {
            active_children.push(child.clone());
        }
    }
    let mut view = TaskView {
        task: task.clone(),
        status: TaskStatus::Unknown,
        markers,
        claim: Claim::None,
        owner_state,
        owner,
        goes_on: false,
        state,
        launch,
        runs,
        gating: config.gating(),
        depends_on: config.depends_on,
        blocked_by: Vec::new(),
        active_children,
        problems,
        last_activity: None,
    };
    view.goes_on = lost::goes_on(root, &view);
    // What is looked at for another task's sake is not asked what it waits for.
    let may_be_blocked =
        view.waits_for("dependencies") || (owner_state != OwnerState::Alive && view.may_begin());
    if level == 0 && may_be_blocked {
        view.blocked_by = dependencies::blockers_of(root, task, &view.gating, now);
    }
    let is_submitted = || !view.is_active() && has_server_entry(task);
    let facts = TaskFacts {
        is_queued: view.waits_for("slot") || is_submitted(),
        ..facts(&view, open.exists())
    };
    view.claim = facts.claim();
    view.status = status::task_status(&facts);
    view.last_activity = last_activity(&open, &view);
    Ok(view)
}

fn last_activity(open: &OpenTask<'_>, view: &TaskView) -> Option<Timestamp> {
    let of_task = [TASK_BUS, "task-state.yaml"].map(|name| open.modified(name));
    let mut newest = of_task.into_iter().flatten().max();
    if let Some(shown) = view.shown_run() {
        let of_record = if view.task.is_flat() {
            modified(&shown.run.info())
        } else {
            open.modified(&record_of(shown.run.id()))
        };
        newest = newest.max(of_record);
        if !matches!(shown.status, RunStatus::Completed | RunStatus::Failed) {
            let streams = [shown.run.stdout(), shown.run.stderr(), shown.run.output()];
            newest = newest.max(streams.iter().filter_map(|file| modified(file)).max());
        }
    }
    newest.or_else(|| open.modified(""))
}

fn modified(path: &std::path::Path) -> Option<Timestamp> {
    // Fractions of a second are the file system's, not the user's.
    Timestamp::from_second(Look::at(path).ok()?.modified.0).ok()
}

fn keep<T>(result: Result<Option<T>, RecordError>, problems: &mut Vec<RecordError>) -> Option<T> {
    match result {
        Ok(value) => value,
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn read_runs(
    open: &OpenTask<'_>,
    task: &TaskDir,
    owner: OwnerState,
    is_done: bool,
) -> Result<Vec<RunView>, LayoutError> {
    let live = LiveRuns::default();
    let listed = open.runs().filter(|_| !task.is_flat());
    let mut runs: Vec<RunView> = match listed {
        Some(ids) => (task.found_runs(ids).into_iter())
            .map(|run| {
                let text = open.run_record(run.id());
                let parse = |text: String| RunInfo::parse(&text, &run);
                let info = text.and_then(|text| text.map(parse).transpose());
                view_of(run, info, owner, &live)
            })
            .collect(),
        None => (task.runs()?.into_iter())
            .map(|run| {
                let info = RunInfo::read(&run);
                view_of(run, info, owner, &live)
            })
            .collect(),
    };
    runs.sort_by_cached_key(|view| (view.sort_time(), view.run.id().clone()));
    // Only the run that was the latest when the agent left its claim is healed.
    let latest = runs.iter().rposition(|run| !run.is_synthetic());
    if let Some(latest) = latest.and_then(|latest| runs.get_mut(latest)) {
        let is_lost = latest
            .info
            .as_ref()
            .is_ok_and(|info| info.status == RunStatus::Running);
        if is_done && is_lost && latest.status == RunStatus::Failed {
            latest.status = RunStatus::Completed;
        }
    }
    Ok(runs)
}

fn view_of(
    run: RunDir,
    info: Result<Option<RunInfo>, RecordError>,
    owner: OwnerState,
    live: &LiveRuns,
) -> RunView {
    let info = info.map(|info| info.unwrap_or_else(|| RunInfo::unknown(&run)));
    tell_if_synthetic(&run, &info);
    let (status, is_active) = match &info {
        Ok(info) if info.status == RunStatus::Running => {
            let is_active = match owner {
                OwnerState::Alive => info.phase != Some(Phase::Queued),
                _ => info.agent_is_alive() || may_have_unrecorded_agent(info, run.id(), live),
            };
            let is_running = is_active || owner == OwnerState::Alive || has_no_process(info);
            (
                if is_running {
                    RunStatus::Running
                } else {
                    RunStatus::Failed
                },
                is_active,
            )
        }
        Ok(info) if !info.is_made_up() => (info.status, false),
        // No record tells nothing, nor does a damaged one; its agent may run all the same.
        _ if has_processes_without_record(&run, live) => (RunStatus::Running, true),
        Ok(info) => (info.status, false),
        Err(_) => (RunStatus::Unknown, false),
    };
    RunView {
        run,
        info,
        status,
        is_active,
    }
}

fn has_failed(result: Option<&TaskResult>) -> bool {
    result.is_some_and(|result| result.status == ResultStatus::Failed)
}

/// Logs what is shown without a record, once for each file: commands tell the user.
fn tell_if_synthetic(run: &RunDir, info: &Result<RunInfo, RecordError>) {
    match info {
        Ok(info) if info.is_made_up() && told::is_first(&run.info()) => {
            tracing::debug!(run = %run.id(), "run-info.yaml is missing; the status is unknown");
        }
        Err(error) if told::is_first(&run.info()) => {
            let error = error as &dyn std::error::Error;
            tracing::warn!(run = %run.id(), error, "run-info.yaml cannot be read");
        }
        _ => {}
    }
}

/// Asks `pid.txt` and the marks in processes' environments.
fn has_processes_without_record(run: &RunDir, live: &LiveRuns) -> bool {
    pid_file::read(run).is_some_and(|agent| agent.is_alive()) || live.has(run.id())
}

/// Records of the earlier implementation may be running without any process to ask.
fn has_no_process(info: &RunInfo) -> bool {
    info.pid <= 0 && info.pgid <= 0 && info.supervisor_pid.is_none()
}

/// An owner can die after it has spawned and before it has recorded the agent.
fn may_have_unrecorded_agent(info: &RunInfo, run: &RunId, live: &LiveRuns) -> bool {
    info.supervisor_pid.is_some() && live.has(run)
}

fn facts(view: &TaskView, exists: bool) -> TaskFacts {
    let replaced: std::collections::HashSet<&RunId> = view
        .runs
        .iter()
        .filter_map(|run| run.info.as_ref().ok()?.previous_run_id.as_ref())
        .collect();
    let latest = view.latest_info().map(|info| info.run_id.clone());
    let latest = latest.and_then(|id| view.runs.iter().find(|run| *run.run.id() == id));
    let is_owned = view.owner_state == OwnerState::Alive;
    let result = view
        .state
        .as_ref()
        .filter(|_| !is_owned)
        .and_then(|state| state.result.as_ref());
    TaskFacts {
        is_cancelled: view.markers.has(Marker::Cancelled),
        is_done: view.markers.has(Marker::Done),
        has_gates: match &view.launch {
            Some(launch) => !launch.policy.gates.is_empty() || launch.policy.require_change,
            // A launch that cannot be read may have had some.
            None => (view.problems.iter()).any(|problem| problem.path() == view.task.launch()),
        },
        has_verdict: (view.state.as_ref()).is_some_and(|state| {
            let launch = view.launch.as_ref().map(|launch| &launch.launch_id);
            let completed = |result: &TaskResult| result.status == ResultStatus::Completed;
            // An earlier launch's end is no verdict on this one's claim.
            state.result.as_ref().is_some_and(completed)
                && launch.is_none_or(|launch| *launch == state.launch_id)
        }),
        // A task that had failed did so, whoever wants it left alone since.
        is_stopped: (view.markers.has(Marker::StopRequested) && !has_failed(result))
            || view
                .state
                .as_ref()
                .is_some_and(|state| state.stop.is_some()),
        has_live_owner: is_owned,
        goes_on: view.goes_on,
        has_begun: view.has_begun(),
        has_active_run: view.runs.iter().any(|run| run.is_active),
        has_active_child: !view.active_children.is_empty(),
        has_unreplaced_failure: view
            .runs
            .iter()
            .any(|run| run.status == RunStatus::Failed && !replaced.contains(run.run.id())),
        is_queued: false,
        is_blocked: view.waits_for("dependencies") || (!is_owned && !view.blocked_by.is_empty()),
        is_waiting: view.waits_for("limit"),
        latest_run_succeeded: latest.and_then(|run| match run.status {
            RunStatus::Completed => Some(true),
            RunStatus::Failed => Some(false),
            RunStatus::Running | RunStatus::Unknown => None,
        }),
        has_failed_result: has_failed(result),
        has_completed_result: result.is_some_and(|result| result.status == ResultStatus::Completed),
        has_runs: !view.runs.is_empty(),
        exists,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ProjectId, TaskId};
    use crate::process::ProcessIdentity;
    use crate::{marker, run_info};

    struct Fixture {
        _folder: tempfile::TempDir,
        root: Root,
        task: TaskDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let task = root
            .task(
                &ProjectId::parse("p").unwrap(),
                &TaskId::parse("task-20260101-000000-abc").unwrap(),
            )
            .unwrap();
        task.ensure().unwrap();
        Fixture {
            _folder: folder,
            root,
            task,
        }
    }

    impl Fixture {
        fn add_run(&self, second: u32, change: impl FnOnce(&mut RunInfo)) -> RunDir {
            let now: Timestamp = format!("2026-01-01T00:00:{second:02}Z").parse().unwrap();
            let run = self.task.create_run(now).unwrap();
            let mut info = RunInfo::preparing(&run, "scripted", now);
            change(&mut info);
            run_info::create(&run, &info).unwrap();
            run
        }

        fn view(&self) -> TaskView {
            TaskView::read(&self.root, &self.task, Timestamp::UNIX_EPOCH).unwrap()
        }
    }

    fn ended(status: RunStatus) -> impl FnOnce(&mut RunInfo) {
        move |info| {
            info.status = status;
            info.phase = None;
        }
    }

    fn running_as(identity: ProcessIdentity) -> impl FnOnce(&mut RunInfo) {
        move |info| {
            info.phase = Some(Phase::Running);
            info.pid = identity.pid;
            info.process_start = Some(identity.start);
        }
    }

    #[test]
    fn a_dead_running_record_is_failed_and_nothing_is_written() {
        let fixture = fixture();
        let mut dead = ProcessIdentity::current().unwrap();
        dead.pid = i32::MAX - 1;
        let run = fixture.add_run(1, running_as(dead));
        let before = std::fs::read_to_string(run.info()).unwrap();
        let view = fixture.view();
        assert_eq!(view.status, TaskStatus::Failed);
        assert_eq!(
            view.runs[0].failure().unwrap().kind,
            FailureKind::RunnerLost
        );
        assert_eq!(std::fs::read_to_string(run.info()).unwrap(), before);
    }

    #[test]
    fn a_live_agent_without_owner_still_runs() {
        let fixture = fixture();
        fixture.add_run(1, running_as(ProcessIdentity::current().unwrap()));
        let view = fixture.view();
        assert_eq!(
            (view.status, view.owner_state),
            (TaskStatus::Running, OwnerState::None)
        );
    }

    #[test]
    fn done_heals_only_the_latest_lost_run() {
        let fixture = fixture();
        let mut dead = ProcessIdentity::current().unwrap();
        dead.pid = i32::MAX - 1;
        fixture.add_run(1, ended(RunStatus::Failed));
        fixture.add_run(2, running_as(dead));
        marker::create_done(&fixture.task).unwrap();
        let view = fixture.view();
        assert_eq!(view.status, TaskStatus::AllFinished);
        assert_eq!(view.runs[0].status, RunStatus::Failed);
        assert_eq!(view.runs[1].status, RunStatus::Completed);
    }

    #[test]
    fn one_damaged_record_does_not_hide_the_others() {
        let fixture = fixture();
        fixture.add_run(1, ended(RunStatus::Completed));
        let damaged = fixture.add_run(2, |_| ());
        std::fs::write(damaged.info(), "version: [").unwrap();
        let empty = fixture
            .task
            .create_run("2026-01-01T00:00:03Z".parse().unwrap())
            .unwrap();
        let view = fixture.view();
        assert_eq!(view.runs.len(), 3);
        assert!(view.runs[1].info.is_err());
        assert_eq!(view.runs[2].run.id(), empty.id());
        assert_eq!(
            view.status,
            TaskStatus::Completed,
            "judged by the latest readable record"
        );
    }

    #[test]
    fn a_restarted_running_task_is_running_and_a_lone_failure_beside_it_is_partial() {
        let fixture = fixture();
        let first = fixture.add_run(1, ended(RunStatus::Failed));
        let me = ProcessIdentity::current().unwrap();
        let restarted = fixture.add_run(2, running_as(me));
        assert_eq!(fixture.view().status, TaskStatus::PartialFailure);
        run_info::update(&restarted, |info| {
            info.previous_run_id = Some(first.id().clone());
        })
        .unwrap();
        assert_eq!(fixture.view().status, TaskStatus::Running);
    }

    #[test]
    fn a_claim_counts_if_its_launch_has_no_gates_or_has_passed_them() {
        let fixture = fixture();
        fixture.add_run(1, ended(RunStatus::Completed));
        marker::create_done(&fixture.task).unwrap();
        let launched = |policy: &str| {
            let text = format!(
                "version: 1\nlaunch_id: l2\nkind: task\norigin: detached\n\
                 launched_at: 2026-01-01T00:00:00Z\nagent_name: a\n{policy}"
            );
            std::fs::write(fixture.task.launch(), text).unwrap();
            let view = fixture.view();
            (view.claim, view.status)
        };
        let gates = "policy: {gates: [{name: tests, run: make test}]}\n";
        let stands = (Claim::Stands, TaskStatus::AllFinished);
        let unjudged = (Claim::Unjudged, TaskStatus::Failed);
        assert_eq!(launched(""), stands, "as before there were gates");
        assert_eq!(launched("policy: {gates: []}\n"), stands);
        assert_eq!(launched(gates), unjudged);
        assert_eq!(launched("policy: ["), unjudged, "it cannot be told");
        for (launch, status, expected) in [
            ("l1", ResultStatus::Completed, unjudged),
            ("l2", ResultStatus::Failed, unjudged),
            ("l2", ResultStatus::Completed, stands),
        ] {
            let mut state = TaskState {
                launch_id: launch.into(),
                result: Some(TaskResult {
                    status,
                    exit_code: 0,
                    ended_at: Timestamp::UNIX_EPOCH,
                    failure: None,
                    left_children: Vec::new(),
                }),
                ..TaskState::default()
            };
            state.write(&fixture.task).unwrap();
            assert_eq!(launched(gates), expected, "{launch} {status:?}");
        }
    }

    #[test]
    fn an_unreadable_state_is_a_named_problem() {
        let fixture = fixture();
        std::fs::write(fixture.task.state(), "version: 99\n").unwrap();
        let view = fixture.view();
        assert_eq!(view.status, TaskStatus::Idle);
        assert!(
            view.problems[0].to_string().contains("newer version"),
            "{:?}",
            view.problems
        );
    }
}
