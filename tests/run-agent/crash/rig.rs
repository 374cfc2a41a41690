//! A task that can be killed, and the promises that hold all the same.

use std::collections::BTreeMap;
use std::fs;

use cl_storage::TaskDir;
use cl_storage::owner::Owner;
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::RunInfo;
use cl_testkit::patience::{eventually, until};
use cl_testkit::run_agent::{Finished, RunAgent, crashes};
use cl_testkit::scenario::{PROJECT, Scenario};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The task of most tests.
pub(crate) const TASK: &str = "task-20260101-000000-crash";

/// An agent that posts, says so, waits for the file `go` and is done.
pub(crate) const WAITING: &str = r#"
version: 1
steps:
  - run: run-agent bus post --type FACT --body "begun $JRUN_ID" >>acknowledged
  - write: {path: waiting, content: "x"}
  - wait_for: {file: go, timeout: 300s}
  - run: run-agent bus post --type FACT --body "done $JRUN_ID" >>acknowledged
  - done: true
"#;

/// How a task stands, as `status` says.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) status: String,
    pub(crate) owner: String,
    pub(crate) active: bool,
    pub(crate) whole: Value,
}

/// A scenario with one agent, and what its tests ask of it.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) scenario: Scenario,
}

impl Rig {
    /// Returns a rig whose default agent plays `script`.
    pub(crate) fn new(script: &str) -> Self {
        let scenario = Scenario::new(env!("CARGO_BIN_EXE_run-agent")).agent("actor", script);
        Self { scenario }
    }

    /// Adds another agent.
    pub(crate) fn agent(self, name: &str, script: &str) -> Self {
        let scenario = self.scenario.agent(name, script);
        Self { scenario }
    }

    /// Adds lines to the configuration.
    pub(crate) fn settings(self, yaml: &str) -> Self {
        let scenario = self.scenario.settings(yaml);
        Self { scenario }
    }

    pub(crate) fn task(&self) -> TaskDir {
        self.scenario.task(TASK)
    }

    /// Returns a command on the task.
    pub(crate) fn command(&self, args: &[&str]) -> RunAgent {
        self.scenario
            .command(args)
            .args(&["--project", PROJECT, "--task", TASK])
    }

    /// Returns the command that starts the task.
    pub(crate) fn start(&self, extra: &[&str]) -> RunAgent {
        let args = ["task", "--prompt", "Work."];
        let mut command = self.command(&args).args(extra);
        if !extra.contains(&"--agent") {
            command = command.args(&["--agent", "actor"]);
        }
        if extra.contains(&"--restart-delay") {
            return command;
        }
        command.args(&["--restart-delay", "0"])
    }

    /// Returns the command that takes the task up again.
    pub(crate) fn resume(&self, extra: &[&str]) -> RunAgent {
        let args = ["task", "resume", "--restart-delay", "0", "--grace", "1s"];
        self.command(&args).args(extra)
    }

    /// Asks `status`, which must answer.
    #[track_caller]
    pub(crate) fn standing(&self) -> Standing {
        self.standing_of(TASK)
    }

    #[track_caller]
    pub(crate) fn standing_of(&self, task: &str) -> Standing {
        let args = ["status", "--json", "--project", PROJECT, "--task", task];
        let whole = self.scenario.command(&args).ok().json();
        let row = &whole["tasks"][0];
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Standing {
            status: text("status"),
            owner: text("owner"),
            active: row["active"].as_bool().unwrap(),
            whole: row.clone(),
        }
    }

    /// Holds `status` against the processes that there are.
    #[track_caller]
    pub(crate) fn assert_lost_and_true(&self) -> Standing {
        let standing = self.standing();
        assert_eq!(standing.owner, "lost", "{standing:#?}");
        let is_alive = self.scenario.survivors().exist();
        assert_eq!(standing.active, is_alive, "{standing:#?}");
        // Nothing runs, but the task is not over: `recover` makes its next attempt.
        let goes_on = standing.whole["goes_on"] == true;
        let is_running = standing.status == "running";
        assert!(!is_alive || is_running, "{standing:#?}");
        assert!(is_alive || goes_on || !is_running, "{standing:#?}");
        assert!(!goes_on || standing.status != "failed", "{standing:#?}");
        standing
    }

    /// Asserts that the supervisor died while gates judged a claim: the task goes on with
    /// that, so it is not over.
    #[track_caller]
    pub(crate) fn assert_lost_while_judged(&self) -> Standing {
        let standing = self.standing();
        assert_eq!(standing.owner, "lost", "{standing:#?}");
        assert!(!standing.active, "{standing:#?}");
        assert_eq!(standing.status, "running", "{standing:#?}");
        standing
    }

    /// Posts a message from outside, which is acknowledged like the agents' own.
    #[track_caller]
    pub(crate) fn post(&self, body: &str) {
        let posted = self
            .command(&["bus", "post", "--type", "FACT", "--body", body])
            .ok();
        let log = self.scenario.work().join("acknowledged");
        let before = fs::read_to_string(&log).unwrap_or_default();
        fs::write(log, before + &posted.stdout).unwrap();
    }

    /// Waits until an agent waits for `go`.
    #[track_caller]
    pub(crate) fn wait_for_waiting(&self) {
        until("a waiting agent", || {
            self.scenario.work().join("waiting").exists()
        });
    }

    /// Returns the recorded owner, who may be dead.
    pub(crate) fn owner(&self) -> Option<ProcessIdentity> {
        let owner = Owner::read(&self.task()).ok().flatten();
        owner.map(|owner| owner.identity())
    }

    /// Returns the agent of the latest run that recorded one.
    pub(crate) fn agent_process(&self) -> Option<ProcessIdentity> {
        let mut runs: Vec<RunInfo> = (self.task().runs().ok()?.iter())
            .filter_map(|run| RunInfo::read(run).ok().flatten())
            .filter(RunInfo::has_agent_process)
            .collect();
        runs.sort_by_key(RunInfo::sort_time);
        let latest = runs.pop()?;
        let start = latest.process_start.clone()?;
        Some(ProcessIdentity {
            pid: latest.pid,
            start,
        })
    }

    /// Waits until the agent is at work and its record says so.
    #[track_caller]
    pub(crate) fn wait_for_recorded_agent(&self) -> ProcessIdentity {
        eventually("a recorded agent", || {
            self.agent_process().filter(ProcessIdentity::is_alive)
        })
    }

    /// Kills the supervisor and waits for its end.
    #[track_caller]
    pub(crate) fn kill_supervisor(&self) {
        let owner = self.owner().expect("an owner");
        kill(&owner);
    }

    /// Stops the task and holds the answer against the processes.
    #[track_caller]
    pub(crate) fn stop(&self) -> Finished {
        let stopped = self.command(&["stop", "--json", "--grace", "2s"]).ok();
        assert!(!self.scenario.survivors().exist(), "{stopped:#?}");
        assert_eq!(stopped.json()["survivors"], 0, "{stopped:#?}");
        let standing = self.standing();
        assert!(!standing.active, "{standing:#?}");
        assert_eq!(standing.owner, "none", "{standing:#?}");
        stopped
    }

    /// Takes the task up again without faults, lets it end, and looks at everything.
    #[track_caller]
    pub(crate) fn resume_to_done(&self) {
        self.scenario.release("go");
        self.resume(&[]).ok();
        self.assert_done();
    }

    /// The task is done, nothing is left, and nothing was lost on the way.
    #[track_caller]
    pub(crate) fn assert_done(&self) {
        let standing = self.standing();
        assert_eq!(standing.status, "all_finished", "{standing:#?}");
        assert_eq!((standing.owner.as_str(), standing.active), ("none", false));
        assert!(!self.scenario.survivors().exist());
        self.scenario.assert_no_clash();
        self.assert_messages();
        for run in self.task().runs().unwrap() {
            // A damaged record is shown as such and claims nothing.
            let info = RunInfo::read(&run).ok().flatten();
            let status = info.map(|info| info.status.as_str().to_owned());
            assert_ne!(status.as_deref(), Some("running"), "{}", run.id());
        }
    }

    /// Returns all messages of the task's bus as JSON.
    #[track_caller]
    pub(crate) fn messages(&self) -> Vec<Value> {
        let read = self.command(&["bus", "read", "--tail", "0", "--json"]).ok();
        read.json()["messages"].as_array().unwrap().clone()
    }

    /// Every acknowledged message is there exactly once, and every id is unique.
    #[track_caller]
    pub(crate) fn assert_messages(&self) {
        let messages = self.messages();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for message in &messages {
            *counts
                .entry(message["msg_id"].as_str().unwrap())
                .or_default() += 1;
        }
        assert!(counts.values().all(|&count| count == 1), "{counts:#?}");
        let log = fs::read_to_string(self.scenario.work().join("acknowledged"));
        for line in log.unwrap_or_default().lines() {
            let id = line.trim_start_matches("msg_id:").trim();
            assert_eq!(counts.get(id), Some(&1), "{line:?} in {messages:#?}");
        }
    }

    /// Proves that the fault landed.
    #[track_caller]
    pub(crate) fn assert_crashed_at(&self, point: &str) {
        let point = point.split(':').next().unwrap();
        until(point, || {
            crashes(self.scenario.path()) == [point.to_owned()]
        });
        until("the supervisor's end", || {
            self.owner().is_none_or(|owner| !owner.is_alive())
        });
    }
}

/// Kills exactly this process and waits for its end.
#[track_caller]
pub(crate) fn kill(process: &ProcessIdentity) {
    if process.is_alive() {
        // It may end by itself in this moment.
        kill_process(Pid::from_raw(process.pid).unwrap(), Signal::KILL).ok();
    }
    until("the end of a killed process", || !process.is_alive());
}
