//! Owning a task for one run that no restart loop makes.
//!
//! A wrapped session and an adopted process are runs like others: record, events,
//! result, `stop`. What they lack is the loop, so their owner is not a supervisor
//! but the process that watches that one run.
//!
//! ```text
//! take: lock ─ owner.yaml ─ settle what is left ─ TASK.md, launch.yaml, state ─ record(preparing)
//! started: pid.txt ─ record(running) ─ RUN_START      finish: record(ended) ─ event ─ result ─ unlock
//! ```
//!
//! A crash at any point leaves what a dead supervisor leaves; the next owner
//! settles it, or watches on where it is an adopted process.

use std::path::PathBuf;
use std::time::Duration;

use cl_bus::Draft;
use cl_storage::control::{self, Answer, Outcome, RequestBody, StopRequest};
use cl_storage::durable::{self, Mode};
use cl_storage::marker::{self, Command, Marker, Markers, Rule};
use cl_storage::owner::{OwnError, Owner, Ownership};
use cl_storage::process::ProcessIdentity;
use cl_storage::record::{self, RecordError};
use cl_storage::redact::Redactor;
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus, StopRecord};
use cl_storage::task_state::{Attempts, ResultStatus, StopWish, TaskResult, TaskState};
use cl_storage::{
    Clock as _, Failure, FailureKind, LayoutError, Root, RunDir, RunId, SystemClock, TaskDir, id,
    pid_file,
};
use jiff::Timestamp;

use crate::settle::{self, Reason, SettleError};
use crate::{notice, output};

/// How long an owner that is about to give the task up is waited for.
const OWNER_WAIT: Duration = Duration::from_secs(2);

/// What is left of an earlier run may take this long to end.
const SETTLE_GRACE: Duration = Duration::from_secs(10);

/// The kind of launch of an adopted process, in `launch.yaml`.
pub(crate) const ADOPTED: &str = cl_storage::imports::KIND;

/// The kind of launch of a wrapped session, in `launch.yaml`.
pub(crate) const WRAPPED: &str = "wrap";

/// A run that somebody wants to own.
#[derive(Debug, Clone)]
pub(crate) struct SoloOrder {
    /// [`ADOPTED`] or [`WRAPPED`].
    pub(crate) kind: &'static str,
    /// `foreground` or `detached`.
    pub(crate) origin: &'static str,
    /// The configured name of the agent.
    pub(crate) agent_name: String,
    /// The kind of agent.
    pub(crate) agent: String,
    pub(crate) cwd: PathBuf,
    /// What stands in `TASK.md`, if there is none, and in `prompt.md`.
    pub(crate) prompt: String,
    pub(crate) commandline: String,
    pub(crate) argv: Vec<String>,
    pub(crate) parent_run: Option<RunId>,
    pub(crate) previous_run: Option<RunId>,
    pub(crate) is_external: bool,
    /// What a later owner needs to go on.
    pub(crate) details: Option<serde_json::Value>,
}

/// `launch.yaml` of such a run; the first keys are those of all launches.
#[derive(Debug, serde::Serialize)]
struct LaunchText<'a> {
    version: u32,
    launch_id: &'a str,
    kind: &'a str,
    origin: &'a str,
    launched_at: Timestamp,
    agent_name: &'a str,
    depth: u32,
    cwd: &'a PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a serde_json::Value>,
}

/// Why a task could not be owned for a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoloError {
    /// Somebody owns it.
    #[error(
        "task {task} is running already{who}; watch it with `run-agent watch` or stop it with `run-agent stop`"
    )]
    Owned {
        /// The task.
        task: String,
        /// Its owner, as far as it is known.
        who: String,
    },
    /// It was cancelled.
    #[error("task {0} is marked CANCELLED; name another one")]
    Cancelled(String),
    /// What was to be taken up has ended, or somebody else has taken it up.
    #[error("task {0} has no run that could be watched on")]
    NothingToTakeUp(String),
    /// What an earlier run left could not be ended.
    #[error("{0} processes of an earlier run survive; `run-agent ps` shows them")]
    Survivors(u32),
    /// What an earlier run left could not be settled.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The task's files cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A file of the task could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A run record could not be changed.
    #[error(transparent)]
    Change(#[from] run_info::ChangeError),
    /// The system refused.
    #[error("could not write to {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The lock could not be tried.
    #[error(transparent)]
    Own(OwnError),
}

impl SoloError {
    /// Tells whether the task is in somebody's hands or not to be started.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Owned { .. } | Self::Cancelled(_) | Self::NothingToTakeUp(_)
        )
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct SoloEnd {
    pub(crate) status: RunStatus,
    /// -1 if nobody knows.
    pub(crate) exit_code: i32,
    pub(crate) summary: String,
    pub(crate) failure: Option<Failure>,
    pub(crate) stop: Option<StopRecord>,
    /// Type and body of the event, without what every event ends with.
    pub(crate) event: Option<(&'static str, String)>,
}

/// A wish to stop that was taken, recorded and answered.
#[derive(Debug, Clone)]
pub(crate) struct Wished {
    pub(crate) stop: StopRequest,
    /// When it was made.
    pub(crate) at: Timestamp,
}

/// A task and its one run, owned by this process.
#[derive(Debug)]
pub(crate) struct Solo {
    pub(crate) root: Root,
    pub(crate) task: TaskDir,
    pub(crate) run: RunDir,
    pub(crate) clock: SystemClock,
    agent_name: String,
    ownership: Ownership,
    state: TaskState,
    /// A wish to stop was recorded by this owner.
    is_stopping: bool,
    redactor: Redactor,
}

impl Solo {
    /// Returns what masks the secrets of the run.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Takes `task` for a new run, which is recorded as being made ready.
    ///
    /// Ends what an earlier owner left. After an error the task is as it was, or lost.
    pub(crate) fn begin(
        root: &Root,
        task: &TaskDir,
        order: &SoloOrder,
        redactor: Redactor,
    ) -> Result<Self, SoloError> {
        let clock = SystemClock;
        let now = clock.now();
        let markers = Markers::read(task, now).map_err(io(task))?;
        if markers.has(Marker::Cancelled) {
            return Err(SoloError::Cancelled(task.id().to_string()));
        }
        root.ensure()?;
        task.ensure()?;
        let launch_id = format!("{}-{}", id::stamp(now), id::random_text(8));
        let ownership = own(task, &launch_id, now)?;
        let begun = settle_earlier(root, task, &ownership, clock)
            .and_then(|()| prepare(task, order, &launch_id, &ownership, now));
        match begun {
            Ok((run, state)) => Ok(Self {
                root: root.clone(),
                task: task.clone(),
                run,
                clock,
                agent_name: order.agent_name.clone(),
                ownership,
                state,
                is_stopping: false,
                redactor,
            }),
            Err(error) => {
                // The error is what the user must see; the record stays as it was found.
                ownership.put_back().unwrap_or_default();
                Err(error)
            }
        }
    }

    /// Takes up the run of a lost task whose process may still live.
    pub(crate) fn take_up(
        root: &Root,
        task: &TaskDir,
        redactor: Redactor,
    ) -> Result<(Self, RunInfo), SoloError> {
        let clock = SystemClock;
        let nothing = || SoloError::NothingToTakeUp(task.id().to_string());
        let state = TaskState::read(task)?.ok_or_else(nothing)?;
        let ownership = own(task, &state.launch_id.clone(), clock.now())?;
        let latest = latest_running(task);
        let (found_lost, owner) = (ownership.found_lost(), ownership.owner().clone());
        let Some((run, info)) = latest.filter(|_| found_lost) else {
            ownership.put_back()?;
            return Err(nothing());
        };
        run_info::update(&run, |info| {
            info.supervisor_pid = Some(owner.pid);
            info.supervisor_start = Some(owner.process_start.clone());
        })?;
        let solo = Self {
            root: root.clone(),
            task: task.clone(),
            run,
            clock,
            agent_name: info.agent_name.clone(),
            ownership,
            state,
            is_stopping: false,
            redactor,
        };
        Ok((solo, info))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tells whether the task's folder is still the one that was taken.
    pub(crate) fn is_in_place(&self) -> bool {
        self.ownership.is_in_place()
    }

    /// Records the process of the run, and tells of its start with `body`.
    pub(crate) fn started(
        &mut self,
        process: &ProcessIdentity,
        pgid: i32,
        body: &str,
    ) -> Result<(), SoloError> {
        let path = self.run.pid_file();
        let text = pid_file::text_of(process);
        durable::replace(&path, text.as_bytes(), Mode::Shared)
            .map_err(|source| SoloError::Io { path, source })?;
        run_info::update(&self.run, |info| {
            info.phase = Some(Phase::Running);
            info.pid = process.pid;
            info.pgid = pgid;
            info.process_start = Some(process.start.clone());
        })?;
        self.post("RUN_START", body);
        Ok(())
    }

    /// Posts an event of the run.
    pub(crate) fn post(&self, kind: &str, body: &str) {
        let body = self.redactor.redact(body).into_owned();
        let draft = Draft::new(kind, self.task.project().clone(), body);
        let draft = draft
            .task(self.task.id().clone())
            .run(self.run.id().clone());
        notice::post_once(&self.task, &draft);
    }

    /// Answers what is asked of the owner; a wish to stop is answered with `refusal`, or taken.
    ///
    /// One that is taken is on record before it is answered. Of several the most
    /// urgent is returned.
    pub(crate) fn take_requests(&mut self, refusal: Option<&str>) -> Option<Wished> {
        if !control::has_requests(&self.task) {
            return None;
        }
        let mut wish: Option<Wished> = None;
        for request in control::claim_all(&self.task).unwrap_or_default() {
            let refused = |why: &str| Answer::new(Outcome::Refused, why);
            let answer = match (&request.body, refusal) {
                _ if request.launch_id != self.state.launch_id => {
                    refused("it was meant for an earlier launch of the task")
                }
                (RequestBody::Wake, _) => Answer::new(Outcome::Done, "awake"),
                (RequestBody::Stop(_), Some(why)) => refused(why),
                (RequestBody::Stop(stop), None) => {
                    let lasts = stop.suppress_ms.map(Duration::from_millis);
                    self.record_stop(&stop.by, request.at, lasts);
                    if let Some(wish) = &mut wish {
                        wish.stop.kill_at = wish.stop.kill_at.min(stop.kill_at);
                    } else {
                        wish = Some(Wished {
                            stop: stop.clone(),
                            at: request.at,
                        });
                    }
                    Answer::new(Outcome::Done, "stopping")
                }
                (RequestBody::LaunchChild(_), _) => {
                    refused("this task has no supervisor that launches children")
                }
            };
            if let Err(error) = request.reply(&self.task, &answer) {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "could not answer a request");
            }
        }
        wish
    }

    /// Writes down a wish to stop, the first one, before it is acted on or answered.
    ///
    /// The monitor leaves the task alone for as long as it `lasts`.
    pub(crate) fn record_stop(&mut self, by: &str, at: Timestamp, lasts: Option<Duration>) {
        if self.is_stopping {
            return;
        }
        self.is_stopping = true;
        self.state.stop = Some(StopWish {
            requested_at: at,
            by: by.to_owned(),
        });
        let recorded = self.state.write(&self.task);
        let mark = marker::StopMark {
            by,
            run: Some(self.run.id()),
            lasts,
        };
        let marked = marker::request_stop(&self.task, &mark, at);
        if recorded.is_err() || marked.is_err() {
            tracing::error!("could not record the wish to stop");
        }
    }

    /// Records how the run and with it the task ended, and gives the task up.
    pub(crate) fn finish(mut self, end: SoloEnd) -> Result<(), SoloError> {
        let now = self.now();
        let ensured = output::ensure(
            &self.run,
            None,
            0,
            &self.agent_name,
            end.exit_code,
            &self.redactor,
        );
        if let Err(error) = ensured {
            tracing::error!(%error, "could not write output.md");
        }
        let redact = |text: &str| self.redactor.redact(text).into_owned();
        let failure = end.failure.map(|failure| Failure {
            detail: redact(&failure.detail),
            ..failure
        });
        let info = run_info::update(&self.run, |info| {
            info.phase = None;
            info.status = end.status;
            info.end_time = Some(now);
            info.exit_code = end.exit_code;
            info.error_summary = redact(&end.summary);
            info.failure.clone_from(&failure);
            info.stop.clone_from(&end.stop);
        })?;
        let (kind, body) = match end.event {
            Some(event) => event,
            None => crate::run_end::event(&self.run, &info),
        };
        self.post(kind, &body);
        let status = match (&self.state.stop, end.status) {
            (Some(_), _) => ResultStatus::Stopped,
            (None, RunStatus::Completed) => ResultStatus::Completed,
            (None, _) => ResultStatus::Failed,
        };
        let exit_code = match status {
            ResultStatus::Completed => 0,
            ResultStatus::Stopped => 143,
            ResultStatus::Failed => end.exit_code.max(1),
        };
        self.state.result = Some(TaskResult {
            status,
            exit_code,
            ended_at: now,
            failure,
            left_children: Vec::new(),
        });
        self.state.write(&self.task)?;
        // What was asked too late is refused, so that nobody waits for an answer.
        self.take_requests(Some("the run has ended"));
        self.ownership.release()?;
        cl_storage::index::note_end(&self.root, &self.task);
        Ok(())
    }
}

fn io(task: &TaskDir) -> impl FnOnce(std::io::Error) -> SoloError {
    let path = task.path().to_owned();
    move |source| SoloError::Io { path, source }
}

fn own(task: &TaskDir, launch_id: &str, now: Timestamp) -> Result<Ownership, SoloError> {
    Ownership::acquire(task, launch_id, now, OWNER_WAIT).map_err(|error| match error {
        OwnError::Lock(lock) if lock.is_timeout() => {
            let owner = Owner::read(task).ok().flatten();
            let who = owner.map_or_else(String::new, |owner| format!(" (pid {})", owner.pid));
            SoloError::Owned {
                task: task.id().to_string(),
                who,
            }
        }
        other => SoloError::Own(other),
    })
}

/// No run begins beside another one.
fn settle_earlier(
    root: &Root,
    task: &TaskDir,
    ownership: &Ownership,
    clock: SystemClock,
) -> Result<(), SoloError> {
    let found_lost = ownership.found_lost();
    let counts = |claim| claim == cl_storage::status::Claim::Stands;
    let settled = settle::settle_runs(
        root,
        task,
        ownership.previous(),
        &Reason::Lost,
        SETTLE_GRACE,
        counts,
        &clock,
    )?;
    if settled.survivors > 0 {
        return Err(SoloError::Survivors(settled.survivors));
    }
    if found_lost {
        settle::tell_latest_end(root, task, &clock)?;
    }
    Ok(())
}

fn prepare(
    task: &TaskDir,
    order: &SoloOrder,
    launch_id: &str,
    ownership: &Ownership,
    now: Timestamp,
) -> Result<(RunDir, TaskState), SoloError> {
    let text = format!("{}\n", order.prompt.trim_end_matches('\n'));
    if !task.prompt().exists() {
        durable::replace(&task.prompt(), text.as_bytes(), Mode::Private).map_err(io(task))?;
    }
    for marker in Marker::ALL {
        if marker::rule(marker, Command::Start) == Rule::Clear {
            marker::clear(task, marker).map_err(io(task))?;
        }
    }
    let launch = LaunchText {
        version: 1,
        launch_id,
        kind: order.kind,
        origin: order.origin,
        launched_at: now,
        agent_name: &order.agent_name,
        depth: 0,
        cwd: &order.cwd,
        details: order.details.as_ref(),
    };
    record::write(&task.launch(), &launch, Mode::Private)?;
    let earlier = TaskState::read_or_set_aside(task)?;
    let mut state = TaskState {
        launch_id: launch_id.to_owned(),
        attempts: Attempts {
            this_launch: 0,
            ..earlier.attempts
        },
        children: earlier.children,
        ..TaskState::default()
    };
    state.attempts.count(now);
    state.write(task)?;
    control::remove_stale_answers(task, now)?;
    let previous = order.previous_run.clone().or_else(|| latest(task));
    let owner = ownership.owner();
    let (run, _) = run_info::begin(task, now, |run| {
        let mut info = RunInfo::preparing(run, &order.agent, now);
        info.parent_run_id.clone_from(&order.parent_run);
        info.previous_run_id = previous;
        info.is_external = order.is_external;
        info.cwd = order.cwd.to_string_lossy().into_owned();
        info.pid = owner.pid;
        info.pgid = owner.pid;
        info.process_start = Some(owner.process_start.clone());
        info.supervisor_pid = Some(owner.pid);
        info.supervisor_start = Some(owner.process_start.clone());
        info.agent_name.clone_from(&order.agent_name);
        info.commandline.clone_from(&order.commandline);
        info.argv.clone_from(&order.argv);
        info.attempt = Some(1);
        info.depth = Some(0);
        info
    })?;
    durable::replace(&run.prompt(), text.as_bytes(), Mode::Private).map_err(io(task))?;
    Ok((run, state))
}

fn infos(task: &TaskDir) -> Vec<(RunDir, RunInfo)> {
    let runs = task.runs().unwrap_or_default().into_iter();
    let mut infos: Vec<(RunDir, RunInfo)> = runs
        .filter_map(|run| {
            let info = RunInfo::read(&run).ok().flatten()?;
            Some((run, info))
        })
        .collect();
    infos.sort_by_key(|(_, info)| (info.sort_time(), info.run_id.clone()));
    infos
}

fn latest(task: &TaskDir) -> Option<RunId> {
    infos(task).pop().map(|(_, info)| info.run_id)
}

fn latest_running(task: &TaskDir) -> Option<(RunDir, RunInfo)> {
    let latest = infos(task).pop();
    latest.filter(|(_, info)| info.status == RunStatus::Running && info.has_agent_process())
}

/// One line about an exit code, in the words of all runs.
pub(crate) fn summary_of(exit_code: i32) -> String {
    match exit_code {
        0 => String::new(),
        1 => "agent reported failure".to_owned(),
        2 => "agent usage error".to_owned(),
        137 => "agent killed (OOM or signal)".to_owned(),
        143 => "agent terminated (SIGTERM)".to_owned(),
        code => format!("agent exited with code {code}"),
    }
}

/// Why a run with this exit code failed.
pub(crate) fn failure_of(exit_code: i32) -> Option<Failure> {
    (exit_code != 0).then(|| Failure::new(FailureKind::AgentCrash, summary_of(exit_code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::control::Request;
    use cl_storage::{ProjectId, TaskId};

    fn solo(folder: &std::path::Path) -> Solo {
        let root = Root::at(folder).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let task = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &task).unwrap();
        let order = SoloOrder {
            kind: WRAPPED,
            origin: "foreground",
            agent_name: "a".to_owned(),
            agent: "command".to_owned(),
            cwd: folder.to_owned(),
            prompt: "Work.".to_owned(),
            commandline: String::new(),
            argv: Vec::new(),
            parent_run: None,
            previous_run: None,
            is_external: false,
            details: None,
        };
        Solo::begin(&root, &task, &order, Redactor::new([])).unwrap()
    }

    fn ask(solo: &Solo, by: &str, kill_at: i64, suppress_ms: Option<u64>) -> Request {
        let stop = StopRequest {
            by: by.to_owned(),
            kill_at: Timestamp::from_second(kill_at).unwrap(),
            exit_code: 0,
            suppress_ms,
        };
        // Older than now, as one that an owner finds late.
        let at = solo.now() - jiff::SignedDuration::from_secs(10);
        let request = Request::new(RequestBody::Stop(stop), &solo.state.launch_id, at).unwrap();
        request.submit(&solo.task).unwrap();
        request
    }

    #[test]
    fn a_stop_is_on_record_as_it_was_asked_for_once_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let mut solo = solo(folder.path());
        let request = ask(&solo, "first", 200, None);
        let wished = solo.take_requests(None).unwrap();
        assert_eq!((wished.stop.by.as_str(), wished.at), ("first", request.at));
        let answer = request.answer(&solo.task).unwrap().unwrap();
        assert_eq!(answer.outcome, Outcome::Done);
        // Nothing else was called: a crash here loses nothing.
        let found = TaskState::read(&solo.task).unwrap().unwrap();
        let stop = found.stop.clone().unwrap();
        assert_eq!((stop.by.as_str(), stop.requested_at), ("first", request.at));
        let much_later = solo.now() + jiff::SignedDuration::from_hours(48);
        let markers = Markers::read(&solo.task, much_later).unwrap();
        assert!(markers.has(Marker::StopRequested), "until it is resumed");

        ask(&solo, "second", 100, Some(1));
        assert_eq!(solo.take_requests(None).unwrap().stop.by, "second");
        let again = TaskState::read(&solo.task).unwrap().unwrap();
        assert_eq!(again.stop, found.stop, "the first one counts");
    }
}
