//! Tasks with limited agents, and a clock that can be moved.

use std::path::Path;

use cl_storage::owner::Owner;
use cl_storage::run_info::RunInfo;
use cl_testkit::patience::until;
use cl_testkit::run_agent::RunAgent;
use cl_testkit::scenario::{PROJECT, Scenario};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Three hours, and what a wait may be longer.
pub(crate) const THREE_HOURS: i64 = 3 * 3600;

/// Meets a limit of three hours at first, and is done at the second attempt.
pub(crate) fn limited(dialect: &str) -> String {
    format!(
        "version: 1\ndialect: {dialect}\nsession: talk-1\nattempts:\n\
         - [{{limit: {{resets_in: 3h}}}}]\n- [{{say: went on}}, done]\n"
    )
}

/// A scenario with a clock.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) scenario: Scenario,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let scenario = Scenario::new(env!("CARGO_BIN_EXE_run-agent"));
        let bed = Self { scenario };
        bed.set_clock(0);
        bed
    }

    pub(crate) fn agent(self, name: &str, settings: &str, script: &str) -> Self {
        let scenario = self.scenario.agent_as(name, settings, script);
        Self { scenario }
    }

    pub(crate) fn settings(self, yaml: &str) -> Self {
        let scenario = self.scenario.settings(yaml);
        Self { scenario }
    }

    /// Moves the clock so many seconds ahead of the real time.
    pub(crate) fn set_clock(&self, seconds: i64) {
        let (file, new) = (self.path("clock"), self.path("clock.new"));
        // A reader that comes in between must not see half a number.
        std::fs::write(&new, (seconds * 1000).to_string()).unwrap();
        cl_storage::durable::rename(&new, &file).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.scenario.path()).join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> RunAgent {
        let clock = self.path("clock");
        self.scenario.command(args).env("CL_CLOCK_FILE", clock)
    }

    /// Starts a task that nobody waits for.
    #[track_caller]
    pub(crate) fn start(&self, task: &str, extra: &[&str]) {
        let args = [
            "task",
            task,
            "--project",
            PROJECT,
            "--prompt",
            "Work.",
            "--detach",
        ];
        self.command(&args)
            .args(&["--restart-delay", "0"])
            .args(extra)
            .ok();
    }

    /// Returns how `status` shows a task.
    #[track_caller]
    pub(crate) fn row(&self, task: &str) -> Value {
        let args = ["status", task, "--project", PROJECT, "--json"];
        self.command(&args).ok().json()["tasks"][0].clone()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, task: &str, status: &str) -> Value {
        let what = format!("{task} to be {status}");
        // A task that is being started may not be there yet.
        until(&what, || {
            self.scenario.task(task).exists() && self.row(task)["status"] == status
        });
        self.row(task)
    }

    /// Returns the records of a task's runs, in order.
    #[track_caller]
    pub(crate) fn runs(&self, task: &str) -> Vec<RunInfo> {
        let runs = self.scenario.task(task).runs().unwrap();
        let mut runs: Vec<_> = (runs.iter())
            .map(|run| RunInfo::read(run).unwrap().unwrap())
            .collect();
        runs.sort_by_key(|info| (info.sort_time(), info.run_id.clone()));
        runs
    }

    /// Returns the bodies of a task's messages.
    #[track_caller]
    pub(crate) fn messages(&self, task: &str) -> Vec<String> {
        let args = [
            "bus",
            "read",
            "--tail",
            "0",
            "--json",
            "--project",
            PROJECT,
            "--task",
            task,
        ];
        let read = self.command(&args).ok().json();
        let messages = read["messages"].as_array().unwrap();
        let body = |message: &Value| message["body"].as_str().unwrap_or_default().to_owned();
        messages.iter().map(body).collect()
    }

    /// Sends the supervisor of a task a signal.
    #[track_caller]
    pub(crate) fn signal(&self, task: &str, signal: Signal) {
        let owner = Owner::read(&self.scenario.task(task)).unwrap().unwrap();
        kill_process(Pid::from_raw(owner.pid).unwrap(), signal).unwrap();
        if signal == Signal::KILL {
            until("the supervisor's end", || !owner.is_alive());
        }
    }
}
