//! The environment of an agent, a gate or a version probe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cl_agent::RunnerVars;
use cl_storage::slot::RUN_MARKER;
use cl_storage::{RunId, TaskDir};

use crate::launch::LaunchAgent;

/// What the environment of a task's processes is made of.
#[derive(Debug)]
pub(crate) struct TaskEnvironment<'a> {
    pub(crate) task: &'a TaskDir,
    pub(crate) parent_run: Option<&'a RunId>,
    pub(crate) depth: u32,
    pub(crate) conductor_url: Option<&'a str>,
    /// Variables of the launch's command line.
    pub(crate) extra_env: &'a BTreeMap<String, String>,
    pub(crate) agent: &'a LaunchAgent,
    /// What may be inherited.
    pub(crate) base_env: &'a BTreeMap<String, String>,
    /// This program, or a link to it.
    pub(crate) executable: &'a Path,
}

impl TaskEnvironment<'_> {
    /// Returns the environment of a process that works for `run`.
    pub(crate) fn of(
        &self,
        run: Option<&RunId>,
        attempt: Option<u32>,
        more: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let task = self.task;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut vars = BTreeMap::from([
            ("JRUN_PROJECT_ID".to_owned(), task.project().to_string()),
            ("JRUN_TASK_ID".to_owned(), task.id().to_string()),
            (
                "JRUN_PARENT_ID".to_owned(),
                self.parent_run.map(ToString::to_string).unwrap_or_default(),
            ),
            ("JRUN_RUNS_DIR".to_owned(), text(task.runs_folder())),
            ("JRUN_MESSAGE_BUS".to_owned(), text(task.bus())),
            ("JRUN_TASK_FOLDER".to_owned(), text(task.path().to_owned())),
            ("JRUN_DEPTH".to_owned(), self.depth.to_string()),
        ]);
        if let Some(run) = run {
            vars.insert(RUN_MARKER.to_owned(), run.to_string());
            vars.insert(
                "JRUN_RUN_FOLDER".to_owned(),
                text(task.runs_folder().join(run.as_str())),
            );
        }
        if let Some(attempt) = attempt {
            vars.insert("JRUN_ATTEMPT".to_owned(), attempt.to_string());
        }
        if let Some(url) = self.conductor_url {
            vars.insert("JRUN_CONDUCTOR_URL".to_owned(), url.to_owned());
        }
        vars.extend(more);
        // The file may have been replaced since the start; its folder has not moved.
        let executable = std::fs::read_link(self.executable).ok();
        let runner = RunnerVars {
            vars,
            extra: self.extra_env.clone(),
            secret_env: self.agent.secret_env(),
            executable_dir: executable.and_then(|path| path.parent().map(Into::into)),
        };
        cl_agent::environment(
            self.base_env,
            &self.agent.spec,
            self.agent.token().as_ref(),
            &runner,
        )
    }
}
