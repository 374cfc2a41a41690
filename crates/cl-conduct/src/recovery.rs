//! Taking up, or settling, the tasks whose supervisor is gone.

use std::path::Path;
use std::time::Duration;

use cl_runner::adopt::{self, AdoptError};
use cl_runner::launch::{
    Contacts, LaunchError, LaunchFile, Launched, Mode, Order, OrderError, ready,
};
use cl_runner::recover::{Action, Recovery};
use cl_runner::settle::{Reason, SettleError, settle_lost};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::process::ProcessIdentity;
use cl_storage::record::RecordError;
use cl_storage::{Clock, Root, TaskDir};

use crate::Settings;

/// How long what is left of a lost task gets to end.
const GRACE: Duration = Duration::from_secs(10);

/// What became of a lost task.
#[derive(Debug)]
pub enum Recovered {
    /// What was decided was done; a supervisor was launched for it, or none was needed.
    Done(Option<ProcessIdentity>),
    /// Another one has taken it up since it was looked at.
    TakenUp,
}

/// Why a lost task could be neither taken up nor settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// Its launch record cannot be read.
    #[error("could not tell how it was launched")]
    Unreadable(#[source] RecordError),
    /// It has no launch record.
    #[error("it is not known how it was launched")]
    Unknown,
    /// Its agent cannot be started.
    #[error(transparent)]
    Agent(#[from] OrderError),
    /// It was not launched.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Its adopted process could not be watched again.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// What is left of it could not be settled.
    #[error("could not settle it")]
    Settle(#[from] SettleError),
}

/// Does what was decided about one lost task. Blocks.
///
/// Losing the race for a task to somebody else is no error.
pub fn recover(
    root: &Root,
    recovery: &Recovery,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<Recovered, RecoveryError> {
    if !is_lost(&recovery.task) {
        return Ok(Recovered::TakenUp);
    }
    match act(root, recovery, settings, clock) {
        Ok(supervisor) => Ok(Recovered::Done(supervisor)),
        Err(_) if !is_lost(&recovery.task) => Ok(Recovered::TakenUp),
        Err(error) => Err(error),
    }
}

/// Tells whether `task` is still lost. One whose owner cannot be read may be.
pub fn is_lost(task: &TaskDir) -> bool {
    Owner::read(task).map_or(true, |owner| {
        OwnerState::of(owner.as_ref()) == OwnerState::Lost
    })
}

fn act(
    root: &Root,
    recovery: &Recovery,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<Option<ProcessIdentity>, RecoveryError> {
    let reason = match &recovery.action {
        Action::Resume => {
            return resume(&recovery.task, settings, clock).map(|it| Some(it.supervisor));
        }
        Action::Watch => {
            let secrets = settings.config.all_secrets();
            let executable = Path::new("/proc/self/exe");
            adopt::take_up(root, &recovery.task, secrets, executable)?;
            return Ok(None);
        }
        Action::Mark(_) => Reason::Lost,
        Action::RecordStop => Reason::Stopped {
            by: "recover, after an earlier wish to stop".to_owned(),
        },
    };
    settle_lost(root, &recovery.task, &reason, GRACE, clock)?;
    Ok(None)
}

fn resume(
    task: &TaskDir,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<Launched, RecoveryError> {
    let file = LaunchFile::read(task).map_err(RecoveryError::Unreadable)?;
    let file = file.ok_or(RecoveryError::Unknown)?;
    let order = Order {
        kind: file.kind,
        mode: Mode::Recover,
        task: task.clone(),
        prompt: file.prompt,
        cwd: file.cwd,
        policy: file.policy,
        agent: Some(file.agent_name),
        extra_env: file.env,
        parent_run: None,
        parent: file.parent,
        depth: file.depth,
        previous_run: None,
        depends_on: None,
        takes_up_cancelled: false,
        is_detached: true,
        step: None,
    };
    let (config, environment) = (&settings.config, &settings.environment);
    let agent = order.agent.as_deref();
    let ready = ready(config, environment, &settings.executable, agent)?;
    order.check_secrets(&ready, config, environment)?;
    let contacts = Contacts {
        notify: cl_runner::notify::NotifyPlan::of(config, &settings.source),
        conductor_url: settings.url.clone(),
    };
    let (_, launched) = order.launch(ready, contacts, clock.now())?;
    Ok(launched)
}
