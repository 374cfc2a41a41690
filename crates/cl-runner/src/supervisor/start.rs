//! From a launch record to a supervisor that owns its task.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use cl_storage::dependencies::{DependencyError, Stored, set_dependencies};
use cl_storage::durable::{self, Mode as FileMode};
use cl_storage::marker::{self, Command, Marker, Markers, Rule};
use cl_storage::owner::{OwnError, Owner, OwnerState, Ownership};
use cl_storage::redact::{MaskingWriter, Redactor};
use cl_storage::task_config::TaskConfig;
use cl_storage::task_state::{Attempts, ResultStatus, TaskState};
use cl_storage::{Clock as _, Root, SystemClock, TaskDir};

use super::choice::{self, Choice};
use super::footprint::{Footprint, Written, give_back};
use super::group::Group;
use super::placing::Placing;
use super::{GateVerdict, Journal, Signals, Supervisor};
use crate::launch::{
    AgentEntry, LaunchAgent, LaunchFile, LaunchRecord, Mode, Readiness, Refusal,
    is_prompt_of_record, is_same_prompt, secret_values,
};
use crate::process::reaper::Reaper;

/// How long a starter waits for an owner that is about to give a task up.
const OWNER_WAIT: Duration = Duration::from_secs(2);

/// Why a supervisor does not take its task.
#[derive(Debug)]
pub(super) struct Refused {
    refusal: Refusal,
    message: String,
}

impl Refused {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self {
            refusal: Refusal::Failed,
            message: message.into(),
        }
    }

    fn conflict(message: impl Into<String>) -> Self {
        Self {
            refusal: Refusal::Conflict,
            message: message.into(),
        }
    }

    pub(super) fn readiness(self) -> Readiness {
        Readiness::Refused {
            refusal: self.refusal,
            message: self.message,
        }
    }
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::failed(crate::launch_error_text(&error))
    }
}

/// Tells the launcher, in one line on standard output.
pub(crate) fn answer(readiness: &Readiness) {
    let mut line = serde_json::to_vec(readiness).unwrap_or_default();
    line.push(b'\n');
    // A launcher that has died does not read; the task goes on without it.
    io::stdout()
        .write_all(&line)
        .and_then(|()| io::stdout().flush())
        .unwrap_or_default();
}

/// Cuts the last ties to the launcher: streams become `/dev/null` and the task's log.
pub(crate) fn detach_output(task: &TaskDir, redactor: &Redactor) {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        // Failing to redirect leaves a closed pipe behind, which harms nobody.
        rustix::stdio::dup2_stdin(&null).unwrap_or_default();
        rustix::stdio::dup2_stdout(&null).unwrap_or_default();
        rustix::stdio::dup2_stderr(&null).unwrap_or_default();
    }
    let Ok(log) = durable::open_append(&task.supervisor_log(), FileMode::Private) else {
        return;
    };
    if let Ok(stderr) = log.try_clone() {
        // Panics of this process end up in the log, too.
        rustix::stdio::dup2_stderr(&stderr).unwrap_or_default();
    }
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::sync::Mutex::new(MaskingWriter::new(
            redactor.clone(),
            log,
        )))
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    // Only fails if this process has a subscriber already, which then does.
    tracing::subscriber::set_global_default(subscriber).unwrap_or_default();
}

/// Takes the task of `record`, or leaves everything as it was.
pub(super) fn start(
    record: LaunchRecord,
    environment: impl FnOnce() -> io::Result<cl_config::Environment>,
) -> Result<Supervisor, Refused> {
    // Before anyone can learn of this process and signal it.
    let signals = Signals::install()?;
    let me = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(me))?;
    let environment = environment()?;
    let base_env = crate::launch_text_variables(&environment);
    // Nothing is made for a launch that cannot be.
    agent_of(&record)?;
    let root = Root::at(&record.root)?;
    let task = root.task(&record.project, &record.task)?;
    check_markers(&task, &record)?;
    let made = Footprint::of(&task);
    take(
        record,
        root,
        task,
        &made,
        |record, root, task, ownership, group, taken| Supervisor {
            agent: taken.agent,
            choice: Choice::begin(&root, &record, taken.first_agent, &taken.state),
            group,
            redactor: Redactor::new(secret_values(&record.agents)),
            journal: Journal::new(&task),
            previous_run: record.previous_run.clone(),
            record,
            root,
            task,
            ownership,
            state: taken.state,
            prompt: taken.prompt,
            base_env,
            executable: PathBuf::from("/proc/self/exe"),
            clock: SystemClock,
            signals,
            reaper: Reaper::default(),
            stop: None,
            last: None,
            gates: GateVerdict::Pending,
            children_waited: false,
            paused: false,
            untold_from: None,
            dependencies: super::dependencies::Dependencies::default(),
            settles_from: tokio::time::Instant::now(),
            over: None,
            evicted: std::rc::Rc::default(),
            leaves: std::rc::Rc::default(),
        },
    )
}

fn agent_of(record: &LaunchRecord) -> Result<LaunchAgent, Refused> {
    match record.agents.get(&record.agent) {
        Some(AgentEntry::Ready(agent)) => Ok(LaunchAgent::clone(agent)),
        Some(AgentEntry::Unavailable(why)) => Err(Refused::failed(why.clone())),
        None => Err(Refused::failed(format!(
            "the launch names no agent {:?}",
            record.agent
        ))),
    }
}

/// What taking a task has found and decided.
struct Taken {
    agent: LaunchAgent,
    /// The agent of the launch, where another one stands in for it.
    first_agent: String,
    state: TaskState,
    prompt: String,
}

fn take(
    mut record: LaunchRecord,
    root: Root,
    task: TaskDir,
    made: &Footprint,
    build: impl FnOnce(LaunchRecord, Root, TaskDir, Ownership, Group, Taken) -> Supervisor,
) -> Result<Supervisor, Refused> {
    let placing = if made.task_existed {
        Placing::InOrder
    } else {
        Placing::Together
    };
    let met = launch_at_work(&task);
    let ownership = match own(&record, &root, &task, placing) {
        Ok(ownership) => ownership,
        Err(refused) => {
            // Without the lock nothing in the folder is ours: it may be the winner's, who has not
            // begun a run yet.
            if !task.owner_lock().exists() {
                made.remove_empty(&task);
            }
            return Err(refused);
        }
    };
    let group = Group::make(record.policy.use_control_group);
    cl_storage::crash::point("owned");
    let written = Written::before(&task);
    let mut stored = None;
    let launched = check_lost(&record, &ownership, &task)
        .and_then(|()| check_met(met.as_deref(), &task))
        // Another starter may have made and finished the task since the first look.
        .and_then(|()| check_markers(&task, &record))
        .and_then(|()| store_dependencies(&record, &root, &task))
        .and_then(|before| {
            stored = before;
            write_launch(&mut record, &root, &task, placing)
        });
    match launched {
        Ok(taken) => Ok(build(record, root, task, ownership, group, taken)),
        Err(refused) => {
            if let Some(stored) = stored {
                stored.undo(&root, &task);
            }
            group.leave();
            give_back(ownership, made, &written, &task);
            Err(refused)
        }
    }
}

fn own(
    record: &LaunchRecord,
    root: &Root,
    task: &TaskDir,
    placing: Placing,
) -> Result<Ownership, Refused> {
    root.ensure()?;
    task.ensure_for_now()?;
    let (launch, now) = (&record.launch_id, SystemClock.now());
    Ownership::acquire_with(task, launch, now, OWNER_WAIT, placing.replace())
        .map_err(|error| owned_by(task, error))
}

/// Only a lost task is recovered: what another has taken up is not begun again.
fn check_lost(record: &LaunchRecord, ownership: &Ownership, task: &TaskDir) -> Result<(), Refused> {
    if record.mode == Mode::Recover && !ownership.found_lost() {
        let task = task.id();
        return Err(Refused::conflict(format!(
            "another one has taken up task {task} meanwhile"
        )));
    }
    Ok(())
}

/// Returns the launch whose supervisor is at work on `task`; none if it has recorded its end
/// and is about to give the task up.
fn launch_at_work(task: &TaskDir) -> Option<String> {
    let owner = Owner::read(task).ok().flatten()?;
    let is_alive = OwnerState::of(Some(&owner)) == OwnerState::Alive;
    (is_alive && result_of(task, &owner.launch_id).is_none()).then_some(owner.launch_id)
}

fn result_of(task: &TaskDir, launch: &str) -> Option<ResultStatus> {
    let state = TaskState::read(task).ok().flatten()?;
    let result = state.result.filter(|_| state.launch_id == launch)?;
    Some(result.status)
}

/// Refuses a start that was asked for while the task was at work: what ended within the
/// wait for the lock would be done a second time. After a stop that is what is wanted.
fn check_met(met: Option<&str>, task: &TaskDir) -> Result<(), Refused> {
    let ended = met.and_then(|launch| result_of(task, launch));
    match ended {
        None | Some(ResultStatus::Stopped) => Ok(()),
        Some(status) => Err(Refused::conflict(format!(
            "task {} was running already when this start was asked for, and has ended since: \
             {}",
            task.id(),
            status.as_str()
        ))),
    }
}

/// Writes what the launch makes the task depend on; refuses what would close a cycle.
fn store_dependencies(
    record: &LaunchRecord,
    root: &Root,
    task: &TaskDir,
) -> Result<Option<Stored>, Refused> {
    let Some(given) = &record.depends_on else {
        // What cannot be read must not be taken for nothing.
        let config = TaskConfig::read(task)?;
        if config.depends_on.contains(task.id()) {
            // Written by hand: such a task would wait for itself.
            let error = DependencyError::Itself(task.id().to_string());
            return Err(Refused::conflict(error.to_string()));
        }
        return Ok(None);
    };
    match set_dependencies(root, task, given.clone()) {
        Ok(stored) => Ok(Some(stored)),
        Err(error @ (DependencyError::Cycle(_) | DependencyError::Itself(_))) => {
            Err(Refused::conflict(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn write_launch(
    record: &mut LaunchRecord,
    root: &Root,
    task: &TaskDir,
    placing: Placing,
) -> Result<Taken, Refused> {
    let now = SystemClock.now();
    // How it was launched before says which gates have yet to judge its claim.
    let last = LaunchFile::read(task).map_err(|error| {
        let path = task.launch();
        Refused::conflict(format!(
            "{}; restore {path}, or remove it to go on without what it says, gates included",
            crate::launch_error_text(&error),
            path = path.display(),
        ))
    })?;
    let prompt = resolve_prompt(task, record)?;
    if !task.prompt().exists() {
        let text = format!("{}\n", prompt.trim_end_matches('\n'));
        placing.replace()(&task.prompt(), text.as_bytes(), FileMode::Private)?;
    }
    clear_markers(task, command_of(record), placing)?;
    let has_new_prompt = (record.prompt.as_ref())
        .is_some_and(|given| !is_prompt_of_record(task, given) && !was_given(task, given));
    if !record.policy.judges_claims() || has_new_prompt {
        // Those who would judge it are forgotten with the launch that named them, and
        // what is asked now is not what was claimed.
        let when = "the task was started again, without them or for another prompt";
        let tell = |text| crate::notice::warn_once(task, text);
        crate::claim::set_unjudged_aside(root, task, when, now, tell)?;
    }
    let mut state = fresh_state(task, record)?;
    let first_agent = choice::choose_first(record, root, &state, now, |text| {
        crate::notice::warn_once(task, text);
    });
    let mut file = launch_file(task, record, &first_agent, now)?;
    file.earlier = last.map(LaunchFile::into_earlier).unwrap_or_default();
    file.write(task, placing.replace())?;
    state.write_with(task, placing.replace())?;
    placing.finish(task)?;
    cl_storage::control::remove_stale_answers(task, now)?;
    cl_storage::crash::point("launch-recorded");
    Ok(Taken {
        agent: agent_of(record)?,
        first_agent,
        state,
        prompt,
    })
}

fn command_of(record: &LaunchRecord) -> Command {
    match record.mode {
        Mode::Start | Mode::Recover => Command::Start,
        Mode::Resume if record.takes_up_cancelled => Command::ForcedResume,
        Mode::Resume => Command::Resume,
        Mode::TakeUp => Command::Monitor,
    }
}

fn check_markers(task: &TaskDir, record: &LaunchRecord) -> Result<(), Refused> {
    let markers = Markers::read(task, SystemClock.now())?;
    for marker in Marker::ALL {
        if is_own_stop(task, marker, record.mode) {
            continue;
        }
        if markers.has(marker) && marker::rule(marker, command_of(record)) == Rule::Refuse {
            let name = marker.file_name();
            return Err(Refused::conflict(format!(
                "task {id} is marked {name}; `run-agent task resume {id} --project {project} --force` takes it up again",
                id = task.id(),
                project = task.project()
            )));
        }
    }
    Ok(())
}

fn clear_markers(task: &TaskDir, command: Command, placing: Placing) -> io::Result<()> {
    let clear = match placing {
        Placing::InOrder => marker::clear,
        Placing::Together => marker::clear_for_now,
    };
    for marker in Marker::ALL {
        if marker::rule(marker, command) == Rule::Clear {
            clear(task, marker)?;
        }
    }
    // One that forbids a start was told before; this one is over, or was made for this start.
    if command == Command::Monitor {
        marker::clear(task, Marker::StopRequested)?;
    }
    Ok(())
}

/// Tells whether `marker` is a stop that the monitor has made for the sake of this launch.
fn is_own_stop(task: &TaskDir, marker: Marker, mode: Mode) -> bool {
    mode == Mode::TakeUp && marker == Marker::StopRequested && marker::is_stopped_by_monitor(task)
}

fn owned_by(task: &TaskDir, error: OwnError) -> Refused {
    match error {
        OwnError::Lock(lock) if lock.is_timeout() => {
            let owner = Owner::read(task).ok().flatten();
            let who = owner.map_or_else(String::new, |owner| {
                format!(" (supervisor {} since {})", owner.pid, owner.since)
            });
            Refused::conflict(format!(
                "task {} is running already{who}; watch it with `run-agent watch` or stop it with `run-agent stop`",
                task.id()
            ))
        }
        other => other.into(),
    }
}

fn resolve_prompt(task: &TaskDir, record: &LaunchRecord) -> Result<String, Refused> {
    if let Some(prompt) = &record.prompt {
        return Ok(prompt.clone());
    }
    let text = match std::fs::read_to_string(task.prompt()) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let message = format!(
                "{} does not exist and no prompt was given",
                task.prompt().display()
            );
            return Err(Refused {
                refusal: Refusal::NotFound,
                message,
            });
        }
        Err(e) => return Err(e.into()),
    };
    if text.trim().is_empty() {
        return Err(Refused::failed(format!(
            "{} is blank",
            task.prompt().display()
        )));
    }
    Ok(text)
}

fn launch_file(
    task: &TaskDir,
    record: &LaunchRecord,
    agent_name: &str,
    now: jiff::Timestamp,
) -> Result<LaunchFile, Refused> {
    let Some(AgentEntry::Ready(agent)) = record.agents.get(agent_name) else {
        return Err(Refused::failed("the launch names no agent"));
    };
    Ok(LaunchFile {
        version: LaunchRecord::current_version(),
        launch_id: record.launch_id.clone(),
        first_run: record.first_run.clone(),
        kind: record.kind,
        origin: record.origin,
        launched_at: now,
        agent_name: agent_name.to_owned(),
        parent: record.parent.clone(),
        depth: record.depth,
        cwd: record.cwd.clone(),
        prompt: own_prompt(task, record)?,
        env: record.extra_env.clone(),
        agent: agent.spec.clone(),
        secrets: agent.secret_sources(),
        policy: record.policy.clone(),
        notify: record.notify.clone(),
        earlier: Vec::new(),
    })
}

/// Returns the launch's prompt if the task's prompt of record is another one.
///
/// Refuses a prompt that the task was not done for: nobody would see it.
fn own_prompt(task: &TaskDir, record: &LaunchRecord) -> Result<Option<String>, Refused> {
    let Some(given) = &record.prompt else {
        return Ok(None);
    };
    if is_prompt_of_record(task, given) {
        return Ok(None);
    }
    let is_done = Marker::Done.path(task).is_file();
    if is_done && record.mode == Mode::Start && !was_given(task, given) {
        return Err(Refused::conflict(format!(
            "task {id} is done already, and for another prompt; use `run-agent task resume {id} \
             --project {project}` with the new prompt to take it up again",
            id = task.id(),
            project = task.project(),
        )));
    }
    Ok(Some(given.clone()))
}

/// Tells whether the last launch was given this prompt.
fn was_given(task: &TaskDir, prompt: &str) -> bool {
    let last = LaunchFile::read(task).ok().flatten();
    last.and_then(|file| file.prompt)
        .is_some_and(|given| is_same_prompt(&given, prompt))
}

/// Keeps what belongs to the task and forgets what belonged to its last launch.
///
/// A recovery goes on with that launch: its limits count what was used of them.
fn fresh_state(task: &TaskDir, record: &LaunchRecord) -> Result<TaskState, Refused> {
    let earlier = TaskState::read_or_set_aside(task)?;
    let fresh = TaskState {
        launch_id: record.launch_id.clone(),
        attempts: Attempts {
            this_launch: 0,
            limited: 0,
            last_limited: 0,
            ..earlier.attempts.clone()
        },
        begun_at: Some(SystemClock.now()),
        children: earlier.children.clone(),
        ..TaskState::default()
    };
    if record.mode != Mode::Recover {
        return Ok(fresh);
    }
    // The wait for a limit goes on; nobody may see the task without it meanwhile.
    let waits = earlier.waiting_for.as_deref() == Some("limit");
    let mut attempts = earlier.attempts;
    if earlier.waiting_for.as_deref() == Some("slot") {
        // The agent had not had its turn.
        attempts.forgive();
    }
    let mut work = earlier.work;
    // What an agent did whose end nobody saw is not known: it may have been work.
    work.tools |= attempts.this_launch > 0;
    Ok(TaskState {
        work,
        claim: earlier.claim,
        begun_at: earlier.begun_at.or(fresh.begun_at),
        budget_told: earlier.budget_told,
        attempts,
        gate_failures: earlier.gate_failures,
        dependencies: earlier.dependencies,
        agent: earlier.agent,
        waiting_for: earlier.waiting_for.filter(|_| waits),
        wake_at: earlier.wake_at.filter(|_| waits),
        limit: earlier.limit.filter(|_| waits),
        ..fresh
    })
}
