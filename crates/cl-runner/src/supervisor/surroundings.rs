//! What an agent is given: its environment and its prompt.

use std::collections::BTreeMap;

use cl_agent::{RunnerVars, rest};
use cl_storage::slot::RUN_MARKER;
use cl_storage::{RunDir, RunId};

use super::Supervisor;
use crate::preamble::{self, Preamble};

impl Supervisor {
    /// The environment of an agent, a gate or a version probe.
    pub(super) fn agent_environment(
        &self,
        run: Option<&RunId>,
        attempt: Option<u32>,
    ) -> BTreeMap<String, String> {
        let task = &self.task;
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let mut vars = BTreeMap::from([
            ("JRUN_PROJECT_ID".to_owned(), task.project().to_string()),
            ("JRUN_TASK_ID".to_owned(), task.id().to_string()),
            (
                "JRUN_PARENT_ID".to_owned(),
                self.parent_run()
                    .map(|id| id.to_string())
                    .unwrap_or_default(),
            ),
            ("JRUN_RUNS_DIR".to_owned(), text(task.runs_folder())),
            ("JRUN_MESSAGE_BUS".to_owned(), text(task.bus())),
            ("JRUN_TASK_FOLDER".to_owned(), text(task.path().to_owned())),
            ("JRUN_DEPTH".to_owned(), self.record.depth.to_string()),
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
        if let Some(url) = &self.record.conductor_url {
            vars.insert("JRUN_CONDUCTOR_URL".to_owned(), url.clone());
        }
        if self.agent.spec.kind.is_service() {
            let millis = |limit: Option<std::time::Duration>| {
                limit.map_or(0, |limit| limit.as_millis()).to_string()
            };
            // The supervisor comes first, and knows what to call it; the worker's own
            // limit is for the time when there is no supervisor any more.
            let total = self
                .longest_attempt()
                .map(|limit| limit + self.idle_slack());
            vars.insert(rest::IDLE_VARIABLE.to_owned(), millis(self.idle_limit()));
            vars.insert(rest::TOTAL_VARIABLE.to_owned(), millis(total));
        }
        // The file may have been replaced since the start; its folder has not moved.
        let executable = std::fs::read_link(&self.executable).ok();
        let runner = RunnerVars {
            vars,
            extra: self.record.extra_env.clone(),
            secret_env: self.agent.secret_env(),
            executable_dir: executable.and_then(|path| path.parent().map(Into::into)),
        };
        cl_agent::environment(
            &self.base_env,
            &self.agent.spec,
            self.agent.token().as_ref(),
            &runner,
        )
    }

    /// Returns what a gate had against the last answer, for an agent that remembers nothing.
    fn refused_answer(&self) -> Option<preamble::RefusedAnswer> {
        let failures = &self.state.gate_failures;
        let is_refused = !failures.last_gate.is_empty();
        is_refused.then(|| {
            let last = self.previous_run.as_ref().and_then(|run| {
                let path = self.task.runs_folder().join(run.as_str()).join("output.md");
                std::fs::read_to_string(path).ok()
            });
            preamble::RefusedAnswer {
                gate: failures.last_gate.clone(),
                printed: failures.last_output.clone(),
                answer: last.unwrap_or_default(),
            }
        })
    }

    pub(super) fn full_prompt(&self, run: &RunDir) -> String {
        let is_continued =
            self.state.attempts.ordinal() > 1 || self.record.mode != crate::launch::Mode::Start;
        if self.agent.spec.kind.is_service() {
            // It can run no command and write no file: being told of them would only
            // end up in its answer.
            return preamble::question(&self.prompt, self.refused_answer().as_ref());
        }
        let parent_run = self.parent_run();
        let rejection = self.rejection_text();
        let preamble = Preamble {
            run,
            parent_run: parent_run.as_ref(),
            conductor_url: self.record.conductor_url.as_deref(),
            kind: self.record.kind,
            root: &self.root,
            rejection: rejection.as_deref(),
            is_continued,
        };
        preamble::prompt(&preamble, &self.prompt)
    }
}
