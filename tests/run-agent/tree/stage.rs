//! A scenario in the words of these tests.

use std::fs;
use std::path::{Path, PathBuf};

use cl_bus::{Bus, Message};
use cl_storage::process::ProcessIdentity;
use cl_storage::run_info::RunInfo;
use cl_storage::task_state::{TaskResult, TaskState};
use cl_storage::{RunDir, TaskDir};
use cl_testkit::patience::eventually;
use cl_testkit::run_agent::{Finished, RunAgent, Running};
use cl_testkit::scenario::{PROJECT, Scenario};

/// A scenario whose first agent is called `actor`.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) scenario: Scenario,
}

/// Returns the task id that ends with `name`.
pub(crate) fn id(name: &str) -> String {
    format!("task-20260101-000000-{name}")
}

impl Stage {
    /// Returns a stage whose agent `actor` plays `steps`, a YAML list.
    pub(crate) fn new(steps: &str) -> Self {
        let scenario = Scenario::new(env!("CARGO_BIN_EXE_run-agent"));
        Self { scenario }.actor("actor", steps)
    }

    /// Adds an agent; `@` in its steps stands for the stage's folder.
    pub(crate) fn actor(self, name: &str, steps: &str) -> Self {
        let head = if steps.contains("attempts:") {
            "version: 1\n"
        } else {
            "version: 1\nsteps:\n"
        };
        let script = format!("{head}{}\n", self.fill(steps));
        Self {
            scenario: self.scenario.agent(name, &script),
        }
    }

    /// Adds lines to the configuration.
    pub(crate) fn settings(self, yaml: &str) -> Self {
        Self {
            scenario: self.scenario.settings(yaml),
        }
    }

    /// Puts the stage's folder in the place of `@`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace('@', self.scenario.path().to_str().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scenario.path().join(name)
    }

    /// Makes a file that a script waits for.
    pub(crate) fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// Waits until a script has made a file, and returns what it holds.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str) -> String {
        eventually(name, || fs::read_to_string(self.path(name)).ok())
    }

    /// Waits until scripts have written so many lines to a file.
    #[track_caller]
    pub(crate) fn wait_for_lines(&self, name: &str, count: usize) {
        eventually(&format!("{count} lines in {name}"), || {
            (self.lines(name).len() >= count).then_some(())
        });
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Returns the lines of a file; none if it is not there.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns `run-agent` with the words of `line`, about this project.
    pub(crate) fn command(&self, line: &str) -> RunAgent {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.scenario.command(&words).args(&["--project", PROJECT])
    }

    /// Runs a command line that must succeed, and returns what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        self.command(line).ok().stdout
    }

    /// Starts a detached `task` with the agent `actor`.
    #[track_caller]
    pub(crate) fn detach(&self, name: &str, flags: &str) {
        self.launch("task", name, &format!("--detach {flags}")).ok();
    }

    /// Runs `task` with the agent `actor` in the foreground.
    #[track_caller]
    pub(crate) fn task(&self, name: &str, flags: &str) -> Finished {
        self.launch("task", name, flags).run()
    }

    /// Starts `task` with the agent `actor` in the foreground.
    pub(crate) fn start(&self, name: &str, flags: &str) -> Running {
        self.launch("task", name, flags).spawn()
    }

    /// Returns a `task` or `job` that is not started yet.
    pub(crate) fn launch(&self, verb: &str, name: &str, flags: &str) -> RunAgent {
        self.launch_agent(verb, name, "actor", flags)
    }

    /// Returns a `task` or `job` with another agent that is not started yet.
    pub(crate) fn launch_agent(
        &self,
        verb: &str,
        name: &str,
        agent: &str,
        flags: &str,
    ) -> RunAgent {
        self.command(&format!("{verb} {} --agent {agent} {flags}", id(name)))
            .args(&["--prompt", "Do it."])
    }

    /// Adds an agent that is a line of shell.
    pub(crate) fn command_agent(self, name: &str, line: &str) -> Self {
        let script = self.path(&format!("{name}.command"));
        fs::write(&script, self.fill(line)).unwrap();
        self.settings(&format!(
            "  {name}: {{type: command, command: [/bin/sh, {}], version_args: []}}\n",
            script.display()
        ))
    }

    /// Adds the agent `speaker`, which speaks as the real agents of `dialect` do.
    pub(crate) fn speaker(self, dialect: &str, steps: &str) -> Self {
        let script = self.path("speaker.yaml");
        let text = format!("version: 1\ndialect: {dialect}\nsteps:{steps}\n");
        fs::write(&script, self.fill(&text)).unwrap();
        let script = script.display();
        self.settings(&format!(
            "  speaker: {{type: scripted, script: {script}}}\n"
        ))
    }

    /// Returns a shell in the place of `run-agent`.
    pub(crate) fn shell(&self, line: &str) -> RunAgent {
        RunAgent::new(
            Path::new("/bin/sh"),
            self.scenario.path(),
            &self.scenario.work(),
        )
        .args(&["-c", line])
        .env("HOME", self.path("home"))
        .env("CONDUCTOR_ROOT", self.path("root"))
        .env("CONDUCTOR_CONFIG", self.path("conductor.yaml"))
    }

    /// Prints JSON and returns it.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        self.command(line).arg("--json").ok().json()
    }

    pub(crate) fn dir(&self, name: &str) -> TaskDir {
        self.scenario.task(&id(name))
    }

    pub(crate) fn runs(&self, name: &str) -> Vec<RunDir> {
        self.dir(name).runs().unwrap()
    }

    /// Returns the records of a task's runs, oldest first.
    pub(crate) fn infos(&self, name: &str) -> Vec<RunInfo> {
        let mut infos: Vec<_> = self
            .runs(name)
            .iter()
            .filter_map(|run| RunInfo::read(run).unwrap())
            .collect();
        infos.sort_by_key(|info| info.attempt);
        infos
    }

    /// Returns the record of a task's only run.
    #[track_caller]
    pub(crate) fn info(&self, name: &str) -> RunInfo {
        let mut infos = self.infos(name);
        assert_eq!(infos.len(), 1, "{name} has one run");
        infos.remove(0)
    }

    pub(crate) fn state(&self, name: &str) -> TaskState {
        self.state_if_any(name).unwrap()
    }

    /// Returns the records of a task's runs, in the order of their start.
    pub(crate) fn infos_by_time(&self, name: &str) -> Vec<RunInfo> {
        let mut infos = self.infos(name);
        infos.sort_by_key(RunInfo::sort_time);
        infos
    }

    pub(crate) fn state_if_any(&self, name: &str) -> Option<TaskState> {
        TaskState::read(&self.dir(name)).unwrap()
    }

    pub(crate) fn messages(&self, name: &str) -> Vec<Message> {
        let bus = Bus::new(self.dir(name).bus());
        bus.all()
            .map_or_else(|_| Vec::new(), cl_bus::Reading::into_messages)
    }

    /// Returns the messages of one kind as text.
    pub(crate) fn said(&self, name: &str, kind: &str) -> Vec<String> {
        let messages = self.messages(name);
        let of_kind = messages.iter().filter(|message| message.kind == kind);
        of_kind.map(|message| message.body.clone()).collect()
    }

    /// Waits until the task has a result and no owner.
    #[track_caller]
    pub(crate) fn ended(&self, name: &str) -> TaskResult {
        eventually(&format!("the end of {name}"), || {
            let state = TaskState::read(&self.dir(name)).ok()??;
            let is_owned = self.dir(name).path().join("owner.yaml").exists();
            state.result.filter(|_| !is_owned)
        })
    }

    /// Waits until an agent of the task's latest run works; returns its record.
    #[track_caller]
    pub(crate) fn works(&self, name: &str) -> RunInfo {
        eventually(&format!("an agent of {name}"), || {
            let latest = self.infos(name).pop()?;
            (latest.has_agent_process() && is_alive(&latest)).then_some(latest)
        })
    }

    /// Fails if any agent, or anything that one has started, is alive now.
    #[track_caller]
    pub(crate) fn assert_nobody_left(&self) {
        assert!(!self.scenario.survivors().exist(), "a process is left");
    }

    /// Waits until the task waits for `what`.
    #[track_caller]
    pub(crate) fn waits_for(&self, name: &str, what: &str) {
        eventually(&format!("{name} waits for {what}"), || {
            let state = TaskState::read(&self.dir(name)).ok()??;
            (state.waiting_for.as_deref() == Some(what)).then_some(())
        });
    }
}

/// Tells whether the agent of a record is alive.
pub(crate) fn is_alive(info: &RunInfo) -> bool {
    let start = info.process_start.clone();
    start.is_some_and(|start| {
        ProcessIdentity {
            pid: info.pid,
            start,
        }
        .is_alive()
    })
}
