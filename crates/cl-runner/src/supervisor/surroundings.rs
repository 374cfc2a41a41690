//! What an agent is given: its environment and its prompt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cl_agent::rest;
use cl_storage::{RunDir, RunId};

use super::Supervisor;
use crate::launch::Mode;
use crate::preamble::{self, Preamble};
use crate::task_environment::TaskEnvironment;

impl Supervisor {
    /// The environment of an agent, a gate or a version probe.
    pub(super) fn agent_environment(
        &self,
        run: Option<&RunId>,
        attempt: Option<u32>,
    ) -> BTreeMap<String, String> {
        let parent_run = self.parent_run();
        let mut env = TaskEnvironment {
            task: &self.task,
            parent_run: parent_run.as_ref(),
            depth: self.record.depth,
            conductor_url: self.record.conductor_url.as_deref(),
            extra_env: &self.record.extra_env,
            agent: &self.agent,
            base_env: &self.base_env,
            executable: &self.executable,
        }
        .of(run, attempt, self.service_limits());
        if let (Some(run), Some(_)) = (run, attempt) {
            let folder = self.task.runs_folder().join(run.as_str());
            let temporary = self.temporary_folder(&folder);
            env.extend(temporary.map(|path| {
                let path = path.to_string_lossy().into_owned();
                ("TMPDIR".to_owned(), path)
            }));
        }
        env
    }

    /// Tells in the log what the agent is given and what is kept from it: names, never values.
    pub(super) fn log_environment(&self, env: &BTreeMap<String, String>) {
        let withheld = self.base_env.keys().filter(|name| !env.contains_key(*name));
        tracing::info!(
            agent = self.agent.spec.name,
            passed = ?env.keys().collect::<Vec<_>>(),
            withheld = ?withheld.collect::<Vec<_>>(),
            "variables of the agent"
        );
    }

    /// The limits of an agent that is asked over the network, for its worker.
    fn service_limits(&self) -> BTreeMap<String, String> {
        if !self.agent.spec.kind.is_service() {
            return BTreeMap::new();
        }
        let millis = |limit: Option<std::time::Duration>| {
            limit.map_or(0, |limit| limit.as_millis()).to_string()
        };
        // The supervisor comes first, and knows what to call it; the worker's own
        // limit is for the time when there is no supervisor any more.
        let total = self
            .longest_attempt()
            .map(|limit| limit + self.idle_slack());
        BTreeMap::from([
            (rest::IDLE_VARIABLE.to_owned(), millis(self.idle_limit())),
            (rest::TOTAL_VARIABLE.to_owned(), millis(total)),
        ])
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

    /// The temporary folder of an agent that leaves in it what nobody else may read.
    ///
    /// It is part of the run, as private as that, and goes with it.
    pub(super) fn temporary_folder(&self, run: &Path) -> Option<PathBuf> {
        let spec = &self.agent.spec;
        let is_chosen = spec.env.contains_key("TMPDIR");
        (spec.adapter().own_temporary_folder && !is_chosen).then(|| run.join("tmp"))
    }

    pub(super) fn full_prompt(&self, run: &RunDir) -> String {
        if self.agent.spec.kind.is_service() {
            // It can run no command and write no file: being told of them would only
            // end up in its answer.
            return preamble::question(&self.prompt, self.refused_answer().as_ref());
        }
        let parent_run = self.parent_run();
        let rejection = self.rejection_text();
        let recap = self.recap();
        let is_continued = match self.record.mode {
            Mode::Start => self.state.attempts.ordinal() > 1,
            Mode::TakeUp => self.state.attempts.total > 1,
            Mode::Resume | Mode::Recover => true,
        };
        let preamble = Preamble {
            run,
            parent_run: parent_run.as_ref(),
            conductor_url: self.record.conductor_url.as_deref(),
            kind: self.record.kind,
            root: &self.root,
            rejection: rejection.as_deref(),
            recap: recap.as_deref(),
            is_continued,
        };
        preamble::prompt(&preamble, &self.prompt)
    }
}
