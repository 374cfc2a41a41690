//! Accepting a submission: checked, on disk, then answered.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use cl_runner::launch::{
    LaunchFile, OrderError, Promise, is_prompt_of_record, launch_of_key, prompt_digest, ready,
};
use cl_storage::dependencies::{DependencyError, graph_of, set_dependencies};
use cl_storage::durable::{self, Mode};
use cl_storage::marker::{Marker, Markers};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::queue::{self, Accepted, QueueError};
use cl_storage::record::RecordError;
use cl_storage::task_config::TaskConfig;
use cl_storage::{LayoutError, Root, RunId, TaskDir};
use jiff::Timestamp;

use crate::Settings;
use crate::submission::{Attach, Submission};

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The launch that is made of it.
    pub launch_id: String,
    /// The run that its first attempt is; none if that cannot be known any more.
    pub run: Option<RunId>,
    /// Its place in the queue, from one; none if that cannot be told, or a repeated one was
    /// launched already.
    pub queue_position: Option<usize>,
    /// It was accepted before, under the same key.
    pub is_repeated: bool,
}

/// Why a submission was not accepted; nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The agent cannot be started.
    #[error(transparent)]
    Agent(#[from] OrderError),
    /// The task is there already, or at work.
    #[error("{0}")]
    Conflict(String),
    /// It was accepted before, under the same key, and taken out of the queue since.
    #[error("what this key asked for was stopped or deleted before it began")]
    Withdrawn,
    /// There is no prompt, neither in the submission nor on record.
    #[error("there is no prompt")]
    NoPrompt,
    /// What it would depend on cannot be.
    #[error(transparent)]
    Dependencies(#[from] DependencyError),
    /// The queue could not be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The task's folder could not be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A file of the task could not be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The disk failed.
    #[error("could not write what was submitted")]
    Io(#[from] std::io::Error),
}

/// Held while a task is looked at and queued: of two that ask for the same task at once,
/// the later one sees what the earlier one has done. Tasks share them by chance.
static AT_WORK: [Mutex<()>; 16] = [const { Mutex::new(()) }; 16];

fn lock_of(task: &TaskDir) -> &'static Mutex<()> {
    let mut hasher = DefaultHasher::new();
    task.path().hash(&mut hasher);
    let count = AT_WORK.len() as u64;
    let place = usize::try_from(hasher.finish() % count).unwrap_or_default();
    &AT_WORK[place]
}

/// Accepts `submission` for `task`; returns after it is on disk, in the queue.
///
/// With the same `key` it is accepted once, however often it comes, also at once; the
/// server of a root is the only one that submits. One that was taken out of the queue since,
/// because somebody wanted it no more, is not accepted again under that key. Blocks for as long as the
/// disk takes. A crash on the way leaves at most a task that was never launched.
pub fn submit(
    root: &Root,
    task: &TaskDir,
    submission: &Submission,
    key: Option<&str>,
    settings: &Settings,
    now: Timestamp,
) -> Result<Submitted, SubmitError> {
    // It guards nothing but the order of what stands on disk.
    let _alone = lock_of(task).lock().unwrap_or_else(PoisonError::into_inner);
    let launch_id = key.map_or_else(|| Promise::new_launch_id(now), launch_of_key);
    if key.is_some()
        && let Some(earlier) = earlier(root, task, &launch_id, submission)?
    {
        return Ok(earlier);
    }
    ready(
        &settings.config,
        &settings.environment,
        &settings.executable,
        submission.agent.as_deref(),
    )?;
    check_state(root, task, submission.attach, now)?;
    if submission.prompt.is_none() && !task.prompt().is_file() {
        return Err(SubmitError::NoPrompt);
    }
    put_down(root, task, submission)?;
    let run = RunId::generate(now);
    let accepted = Accepted {
        project: task.project(),
        task: task.id(),
        launch: &launch_id,
        run: Some(&run),
        request: serde_json::to_value(submission).map_err(std::io::Error::other)?,
        may_begin: !is_blocked(root, task, now),
    };
    let queued = queue::submit(root, accepted, now)?;
    // It is accepted, whether or not its place can be told.
    let queue_position = queue::position_of(root, &queued).ok();
    Ok(Submitted {
        launch_id,
        run: Some(run),
        queue_position,
        is_repeated: false,
    })
}

/// Makes the task's folder, with its prompt and what it depends on.
///
/// Nothing is left of a task that may not depend on what it names.
pub(crate) fn put_down(
    root: &Root,
    task: &TaskDir,
    submission: &Submission,
) -> Result<(), SubmitError> {
    root.ensure()?;
    let was_there = task.path().is_dir();
    task.ensure()?;
    let stored = match &submission.depends_on {
        Some(given) => set_dependencies(root, task, given.clone()).map(drop),
        None => Ok(()),
    };
    if let Err(error) = stored {
        if !was_there {
            task.remove_if_unused();
        }
        return Err(error.into());
    }
    if let Some(prompt) = &submission.prompt
        && !task.prompt().exists()
    {
        let text = format!("{}\n", prompt.trim_end_matches('\n'));
        durable::replace(&task.prompt(), text.as_bytes(), Mode::Private)?;
    }
    Ok(())
}

/// Finds the submission that was accepted under the same key.
fn earlier(
    root: &Root,
    task: &TaskDir,
    launch_id: &str,
    submission: &Submission,
) -> Result<Option<Submitted>, SubmitError> {
    let same =
        |prompt: Option<&str>| same_digest(task, submission, prompt.map(prompt_digest).as_deref());
    let entries = queue::submitted_of(root, task.project(), task.id())?;
    let is_its = |found: &queue::Submitted| found.entry.launch.as_deref() == Some(launch_id);
    if let Some(found) = entries.into_iter().find(is_its) {
        let kept = Submission::of(&found.entry).ok().and_then(|s| s.prompt);
        same(kept.as_deref())?;
        return Ok(Some(Submitted {
            launch_id: launch_id.to_owned(),
            queue_position: Some(queue::position_of(root, &found)?),
            run: found.entry.run,
            is_repeated: true,
        }));
    }
    let withdrawn = || {
        if queue::was_withdrawn(root, task.project(), task.id(), launch_id)? {
            return Err(SubmitError::Withdrawn);
        }
        Ok(None)
    };
    let Some(file) = LaunchFile::read(task)? else {
        return withdrawn();
    };
    let run = if file.launch_id == launch_id {
        same(file.prompt.as_deref())?;
        file.first_run
    } else {
        // Somebody has started the task again since.
        let mut earlier = file.earlier.into_iter();
        let Some(found) = earlier.find(|launch| launch.launch_id == launch_id) else {
            return withdrawn();
        };
        same_digest(task, submission, found.prompt_sha256.as_deref())?;
        found.first_run
    };
    Ok(Some(Submitted {
        launch_id: launch_id.to_owned(),
        run,
        queue_position: None,
        is_repeated: true,
    }))
}

/// Refuses a key that was used for another prompt: the one with this digest, else that of record.
fn same_digest(
    task: &TaskDir,
    submission: &Submission,
    digest: Option<&str>,
) -> Result<(), SubmitError> {
    let is_same = match (&submission.prompt, digest) {
        (Some(given), Some(kept)) => prompt_digest(given) == kept,
        (Some(given), None) => is_prompt_of_record(task, given),
        (None, _) => true,
    };
    if is_same {
        return Ok(());
    }
    let message = "the same key was used for another submission";
    Err(SubmitError::Conflict(message.to_owned()))
}

/// Refuses what contradicts the task as it stands.
fn check_state(
    root: &Root,
    task: &TaskDir,
    attach: Attach,
    now: Timestamp,
) -> Result<(), SubmitError> {
    let conflict = |what: &str| {
        let id = task.id();
        Err(SubmitError::Conflict(format!("task {id} {what}")))
    };
    if queue::has_server_entry(root, task.project(), task.id()) {
        return conflict("is queued already");
    }
    if !task.path().is_dir() {
        return match attach {
            Attach::Resume => conflict("does not exist, so there is nothing to resume"),
            Attach::Create | Attach::Attach => Ok(()),
        };
    }
    if OwnerState::of(Owner::read(task)?.as_ref()) != OwnerState::None {
        return conflict("is at work already, or was and has lost its supervisor");
    }
    let markers = Markers::read(task, now)?;
    if markers.has(Marker::Cancelled) {
        return conflict("was cancelled; `run-agent task uncancel` takes that back");
    }
    let was_used = !task.runs()?.is_empty() || LaunchFile::read(task)?.is_some();
    if attach == Attach::Create && (was_used || markers.has(Marker::Done)) {
        return conflict("exists already");
    }
    Ok(())
}

/// Tells whether `task` must wait for others, which may still be done.
pub(crate) fn is_blocked(root: &Root, task: &TaskDir, now: Timestamp) -> bool {
    // What cannot be read is told by the launch.
    let gating = TaskConfig::read(task).map(|config| config.gating());
    let Some(gating) = gating.ok().filter(|gating| !gating.is_empty()) else {
        return false;
    };
    let Ok(project) = root.project(task.project()) else {
        return false;
    };
    let mut graph = graph_of(root, &project, now);
    // What can never begin by itself is launched: its supervisor knows what to do about that.
    !graph.blockers(&gating).is_empty() && graph.deadlock(task.id(), &gating).is_none()
}
