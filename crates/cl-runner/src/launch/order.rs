//! From what was asked for to a launch: the same way for every door.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cl_config::{Config, Environment};
use cl_storage::task_state::ParentTask;
use cl_storage::{RunId, TaskDir, TaskId, id};
use jiff::Timestamp;

use super::agents::{AgentEntry, LaunchAgent, PrepareError, prepare_agents};
use super::policy::Policy;
use super::record::{Kind, LaunchFile, LaunchRecord, Mode, Origin, Step};
use super::start::{LaunchError, Launched, launch};
use crate::notify::NotifyPlan;

/// A launch as it was asked for, before anything is touched.
#[derive(Debug)]
pub struct Order {
    /// One run or a finished task.
    pub kind: Kind,
    /// Started or taken up again.
    pub mode: Mode,
    /// The task.
    pub task: TaskDir,
    /// What the agent is to do; none takes what `TASK.md` says.
    pub prompt: Option<String>,
    /// The folder that the agents work in, absolute.
    pub cwd: PathBuf,
    /// Limits and delays.
    pub policy: Policy,
    /// The agent that was named, by its configured name.
    pub agent: Option<String>,
    /// Variables for the agents; not secret.
    pub extra_env: BTreeMap<String, String>,
    /// The run whose agent asks.
    pub parent_run: Option<RunId>,
    /// The task whose agent launched it, where a nested task is taken up again.
    pub parent: Option<ParentTask>,
    /// How many launches it is away from a person's.
    pub depth: u32,
    /// The run that it follows.
    pub previous_run: Option<RunId>,
    /// The tasks that must be done first; none keeps those that are stored.
    pub depends_on: Option<Vec<TaskId>>,
    /// It may take up a task that was given up.
    pub takes_up_cancelled: bool,
    /// Nobody waits for it.
    pub is_detached: bool,
    /// What the run is within a series; none outside of any.
    pub step: Option<Step>,
}

/// What was promised of a launch before it was made.
#[derive(Debug, Clone)]
pub struct Promise {
    /// The launch's id, which a queue entry may name.
    pub launch_id: String,
    /// The id of the first run.
    pub first_run: Option<RunId>,
}

impl Promise {
    /// Makes an id for a launch at `now`.
    pub fn new_launch_id(now: Timestamp) -> String {
        format!("{}-{}", id::stamp(now), id::random_text(8))
    }
}

/// Whom the task turns to besides its files.
#[derive(Debug, Clone, Default)]
pub struct Contacts {
    /// Who is told of what.
    pub notify: Option<NotifyPlan>,
    /// Where the server that launches it can be reached; agents are told.
    pub conductor_url: Option<String>,
}

/// Why an order cannot be carried out; nothing was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// There is no such agent, or none to choose.
    #[error(transparent)]
    Choice(#[from] cl_config::SelectAgentError),
    /// The agent cannot be started.
    #[error("the agent cannot be started")]
    Prepare(#[from] PrepareError),
    /// A secret that the task was launched with is gone.
    #[error("{message}")]
    Secret {
        /// Which secret of which agent.
        message: String,
        /// Why it cannot be had.
        #[source]
        source: cl_config::TokenError,
    },
}

/// The agents of a launch, checked before anything is made or announced.
#[derive(Debug)]
pub struct Ready {
    name: String,
    agents: BTreeMap<String, AgentEntry>,
}

impl Ready {
    /// Returns the chosen agent.
    pub fn agent(&self) -> Option<&LaunchAgent> {
        match self.agents.get(&self.name)? {
            AgentEntry::Ready(agent) => Some(agent),
            AgentEntry::Unavailable(_) => None,
        }
    }
}

/// Chooses the agent and makes sure that it can be started.
///
/// Where agents take turns, the first of them that can be started stands for all: the
/// supervisor chooses. `executable` is this program, as agents will call it.
pub fn ready(
    config: &Config,
    environment: &Environment,
    executable: &Path,
    agent: Option<&str>,
) -> Result<Ready, OrderError> {
    let turns = config.defaults.diversification.as_ref();
    let takes_turns = turns.filter(|turns| turns.enabled && agent.is_none());
    for name in takes_turns.iter().flat_map(|turns| &turns.agents) {
        if let Ok(agents) = prepare_agents(config, environment, executable, name) {
            let name = name.clone();
            return Ok(Ready { name, agents });
        }
    }
    let choice = cl_config::select_agent(config, agent, environment)?;
    let agents = prepare_agents(config, environment, executable, &choice.name)?;
    Ok(Ready {
        name: choice.name,
        agents,
    })
}

impl Order {
    /// Makes sure that a task that had a secret when it was launched still has it.
    pub fn check_secrets(
        &self,
        ready: &Ready,
        config: &Config,
        environment: &Environment,
    ) -> Result<(), OrderError> {
        let Ok(Some(file)) = LaunchFile::read(&self.task) else {
            return Ok(());
        };
        let agent = &ready.name;
        let Some(found) = ready.agent().filter(|_| file.agent_name == *agent) else {
            return Ok(());
        };
        if found.token_source.is_some() {
            return Ok(());
        }
        for (variable, from) in &file.secrets {
            cl_config::resolve_secret(from, config, environment).map_err(|source| {
                let message = format!(
                    "auth: agent {agent} was launched with {variable} from {from}, which cannot be had any more"
                );
                OrderError::Secret { message, source }
            })?;
        }
        Ok(())
    }

    /// Launches the task under a supervisor of its own; returns the launch's id.
    ///
    /// Blocks for up to a minute. After an error nothing is left of the launch.
    pub fn launch(
        self,
        ready: Ready,
        contacts: Contacts,
        now: Timestamp,
    ) -> Result<(String, Launched), LaunchError> {
        let promise = Promise {
            launch_id: Promise::new_launch_id(now),
            first_run: None,
        };
        let launch_id = promise.launch_id.clone();
        let launched = self.launch_as(promise, ready, contacts)?;
        Ok((launch_id, launched))
    }

    /// Launches the task as it was promised, as [`Order::launch`] does otherwise.
    pub fn launch_as(
        self,
        promise: Promise,
        ready: Ready,
        contacts: Contacts,
    ) -> Result<Launched, LaunchError> {
        let mut policy = self.policy;
        if self.mode == Mode::Start && self.agent.is_some() {
            policy.turns.keep_to_one();
        }
        let record = LaunchRecord {
            version: LaunchRecord::current_version(),
            launch_id: promise.launch_id,
            kind: self.kind,
            mode: self.mode,
            origin: if self.parent.is_some() {
                Origin::Nested
            } else if self.is_detached {
                Origin::Detached
            } else {
                Origin::Foreground
            },
            root: root_of(&self.task),
            project: self.task.project().clone(),
            task: self.task.id().clone(),
            prompt: self.prompt,
            cwd: self.cwd,
            parent: self.parent,
            parent_run: self.parent_run,
            first_run: promise.first_run,
            previous_run: self.previous_run,
            depends_on: self.depends_on,
            takes_up_cancelled: self.takes_up_cancelled,
            depth: self.depth,
            agent: ready.name,
            agents: ready.agents,
            extra_env: self.extra_env,
            policy,
            conductor_url: contacts.conductor_url,
            step: self.step,
            notify: contacts.notify,
        };
        // The kernel's link is still this program after its file was replaced.
        launch(&record, &self.task, Path::new("/proc/self/exe"))
    }
}

fn root_of(task: &TaskDir) -> PathBuf {
    let root = task.path().ancestors().nth(2);
    root.unwrap_or_else(|| task.path()).to_owned()
}
