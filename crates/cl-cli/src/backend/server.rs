//! A server that answers.

use std::time::Duration;

use cl_client::blocking::{Blocking, Events};
use cl_client::{Builder, Client, ClientError, Path, UsageQuery};
use cl_storage::{ProjectId, TaskId};
use cl_wire::limits::{Forgotten, Limits};
use cl_wire::ps::Processes;
use cl_wire::shown::{ProjectNames, RunListing, StopAnswer, StopRequest, TaskActivity, TaskShown};
use cl_wire::usage::UsageReport;
use cl_wire::{ProblemCode, TaskListing};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{known, of_client};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How long connecting may take; a server of this machine answers at once.
const CONNECT: Duration = Duration::from_secs(5);
/// How much longer than the grace a stop may take.
const STOPPING: Duration = Duration::from_mins(1);

/// A server that answers.
#[derive(Debug)]
pub(crate) struct Server {
    asking: Blocking,
    /// Where the key was taken from.
    key_from: Option<String>,
    /// It is on this machine.
    is_local: bool,
}

impl Server {
    /// Connects to the server at `url`, which `from` names.
    ///
    /// The key is shown to that server alone. Finds out at once whether it is one of ours.
    pub(super) fn connect(ctx: &mut Context, url: &str, from: &str) -> Result<Self, CliError> {
        let bad = |error: cl_client::BadServer| {
            CliError::usage(format!("{error} (from {from})"))
                .hint("write it such as http://127.0.0.1:14355")
        };
        let name = format!("{}/{}", ctx.binary.name(), crate::version::stamp());
        let mut builder = Builder::new(url)
            .map_err(bad)?
            .connect_within(CONNECT)
            .user_agent(&name);
        let key = known::key(ctx)?;
        if let Some((key, from)) = &key {
            builder = (builder.token(known::text(key)))
                .map_err(|error| CliError::usage(format!("{error} (from {from})")))?;
        }
        let is_local = builder.is_local();
        let client = builder.build().map_err(bad)?;
        let asking = Blocking::new(client)
            .map_err(|error| CliError::failed("could not get ready to ask").caused_by(error))?;
        let server = Self {
            asking,
            key_from: key.map(|(_, from)| from),
            is_local,
        };
        let version = server.ask(async |client| client.version().await)?.version;
        let ours = crate::version::stamp();
        if version != ours {
            let url = server.asking.client().server().to_owned();
            ctx.console.note(format_args!(
                "the server at {url} is version {version}, this program {ours}"
            ));
        }
        Ok(server)
    }

    /// Returns the server at `url`, whoever that is.
    #[cfg(test)]
    pub(super) fn at(url: &str) -> Self {
        let client = Builder::new(url).unwrap().build().unwrap();
        Self {
            asking: Blocking::new(client).unwrap(),
            key_from: None,
            is_local: true,
        }
    }

    /// Tells whether it is on this machine, so that folders are the same ones.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Asks and waits.
    pub(crate) fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<T, CliError> {
        self.asking
            .ask(question)
            .map_err(|error| self.explained(error))
    }

    /// Follows what changes in a project.
    pub(super) fn changes_of(&self, project: &ProjectId) -> Result<Events<'_>, ClientError> {
        let path = Path::of(["api", "projects"]).then(project).then("stream");
        self.asking.follow(path, None)
    }

    /// Says of a refusal what the key has to do with it.
    pub(crate) fn explained(&self, error: ClientError) -> CliError {
        if error.code() != Some(ProblemCode::Unauthorized) {
            return of_client(error);
        }
        let url = self.asking.client().server();
        let why = match &self.key_from {
            Some(from) => format!("the server at {url} does not take the key from {from}"),
            None => format!("the server at {url} asks for a key, and there is none"),
        };
        CliError::new(Exit::Failed, why).hint(
            "set CONDUCTOR_API_KEY to the server's key: its api.api_key, or what stands in \
             .run-agent/token in the home folder of its user",
        )
    }

    fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<T, CliError> {
        self.ask(async |client| client.get(path).await)
    }

    /// Asks for a change of a task, and waits for at most `within` longer than usual.
    pub(crate) fn change<T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<T, CliError> {
        self.ask(async |client| {
            client
                .answer_within(STOPPING + within)
                .post(path, body)
                .await
        })
    }

    pub(super) fn projects(&self) -> Result<ProjectNames, CliError> {
        self.get(&core().then("projects"))
    }

    pub(crate) fn tasks(
        &self,
        project: Option<&ProjectId>,
        named: &[TaskId],
    ) -> Result<TaskListing, CliError> {
        self.get(&which(core().then("tasks"), project, named))
    }

    /// Lists tasks of a project, and waits for that as long as `limit`.
    pub(super) fn tasks_within(
        &self,
        limit: Duration,
        project: &ProjectId,
        named: &[TaskId],
    ) -> Result<TaskListing, CliError> {
        let path = which(core().then("tasks"), Some(project), named);
        self.ask(async |client| client.answer_within(limit).get(&path).await)
    }

    pub(super) fn activities(
        &self,
        project: Option<&ProjectId>,
        task: Option<&TaskId>,
        drift_after: Duration,
    ) -> Result<Vec<TaskActivity>, CliError> {
        let named: Vec<TaskId> = task.into_iter().cloned().collect();
        let path = which(core().then("activities"), project, &named);
        self.get(&path.query("drift_after_ms", drift_after.as_millis()))
    }

    /// Adds up what runs have used.
    pub(crate) fn usage(&self, which: &UsageQuery<'_>) -> Result<UsageReport, CliError> {
        self.ask(async |client| client.usage(which).await)
            .map_err(|error| self.worded(error, which.project, which.task))
    }

    /// Shows what is known of the usage limits of agents.
    pub(crate) fn limits(&self) -> Result<Limits, CliError> {
        self.ask(async |client| client.usage_limits().await)
    }

    /// Forgets what is known of the limits of an agent.
    pub(crate) fn forget_limits(&self, agent: &str) -> Result<Forgotten, CliError> {
        self.ask(async |client| client.forget_limits(agent).await)
    }

    /// Shows the processes of all tasks.
    pub(crate) fn processes(&self) -> Result<Processes, CliError> {
        self.ask(async |client| client.processes(None, None).await)
    }

    /// Says of a project or task that is not there what the files would say: so the core view does.
    fn worded(
        &self,
        error: CliError,
        project: Option<&ProjectId>,
        task: Option<&TaskId>,
    ) -> CliError {
        if error.exit() != Exit::NotFound {
            return error;
        }
        let asked = self.tasks(project, task.cloned().as_slice());
        asked.err().unwrap_or(error)
    }

    /// Shows everything about a task.
    pub(crate) fn show(&self, project: &ProjectId, task: &TaskId) -> Result<TaskShown, CliError> {
        self.get(&of_task(project, task))
    }

    /// Lists the runs of a task, oldest first.
    pub(crate) fn runs(&self, project: &ProjectId, task: &TaskId) -> Result<RunListing, CliError> {
        self.get(&of_task(project, task).then("runs"))
    }

    /// Asks for a change that needs no further words.
    pub(crate) fn do_to<T: DeserializeOwned>(
        &self,
        project: &ProjectId,
        task: &TaskId,
        what: &str,
    ) -> Result<T, CliError> {
        let path = of_task(project, task).then(what);
        self.ask(async |client| client.answer_within(STOPPING).post_empty(&path).await)
    }

    /// Fetches bytes; `None` if there are none of that name.
    pub(crate) fn bytes(&self, path: &Path) -> Result<Option<Vec<u8>>, CliError> {
        match self.asking.ask(async |client| client.get_bytes(path).await) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.code() == Some(ProblemCode::NotFound) => Ok(None),
            Err(error) => Err(self.explained(error)),
        }
    }

    /// Stops a task and everything below it.
    pub(crate) fn stop(
        &self,
        project: &ProjectId,
        task: &TaskId,
        how: &StopRequest,
    ) -> Result<StopAnswer, CliError> {
        let grace = Duration::from_millis(how.grace_ms);
        self.change(&of_task(project, task).then("stop"), how, grace)
    }
}

fn core() -> Path {
    Path::of(["api", "v1", "core"])
}

/// Returns the path of the core view of a task.
pub(crate) fn of_task(project: &ProjectId, task: &TaskId) -> Path {
    let path = core().then("projects").then(project);
    path.then("tasks").then(task)
}

fn which(path: Path, project: Option<&ProjectId>, named: &[TaskId]) -> Path {
    let names: Vec<&str> = named.iter().map(TaskId::as_str).collect();
    path.query_some("project_id", project)
        .query_some("task_id", (!names.is_empty()).then(|| names.join(",")))
}
