//! A place of its own for a test of the real binary: root, configuration, scripts.
//!
//! Every scenario knows the agents that were added with [`Scenario::agent`].
//! Each is the built-in scripted agent behind a few lines of shell, which give
//! the agent and everything it starts two things to hold until they end: the
//! pipe of [`Survivors`], and a kernel lock that only one agent of a task can
//! have. Two agents at once are thereby seen by whoever comes second, without
//! looking at the right moment ([`Scenario::assert_no_clash`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cl_storage::{ProjectId, Root, TaskDir, TaskId, process};

use crate::run_agent::RunAgent;
use crate::survivors::Survivors;

/// The project of a scenario's tasks.
pub const PROJECT: &str = "demo";

/// A root, a home, a working folder and a configuration; all are gone at the end.
#[derive(Debug)]
pub struct Scenario {
    folder: tempfile::TempDir,
    program: PathBuf,
    /// What the configuration says of each, besides its program.
    agents: BTreeMap<String, String>,
    settings: String,
    survivors: Survivors,
}

impl Scenario {
    /// Makes a place in which `program`, a `run-agent`, is run.
    pub fn new(program: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("conductor-scenario-")
            .tempdir()
            .expect("a temporary folder");
        for name in ["home", "work", "locks"] {
            std::fs::create_dir(folder.path().join(name)).expect("a new folder");
        }
        let survivors = Survivors::new(&folder.path().join("survivors"));
        let scenario = Self {
            folder,
            program: PathBuf::from(program),
            agents: BTreeMap::new(),
            settings: String::new(),
            survivors,
        };
        scenario.write_config();
        scenario
    }

    /// Adds the agent `name`, which plays `script`.
    #[must_use]
    pub fn agent(self, name: &str, script: &str) -> Self {
        self.agent_as(name, "type: command, version_args: []", script)
    }

    /// Adds the agent `name`, which plays `script` in place of the program of an adapter.
    ///
    /// `settings` are the rest of its entry, such as `type: claude`. What arguments it
    /// was started with stands in [`Scenario::arguments`].
    #[must_use]
    pub fn agent_as(mut self, name: &str, settings: &str, script: &str) -> Self {
        let path = self.path().join(format!("{name}.yaml"));
        std::fs::write(&path, script).expect("a script");
        std::fs::write(self.wrapper(name), self.wrapper_text(&path)).expect("a wrapper");
        self.agents.insert(name.to_owned(), settings.to_owned());
        self.write_config();
        self
    }

    /// Adds top-level lines to the configuration.
    #[must_use]
    pub fn settings(mut self, yaml: &str) -> Self {
        self.settings.push_str(yaml);
        self.write_config();
        self
    }

    /// Returns the folder that holds everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the working folder of commands and agents.
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Returns the root; it may not exist yet.
    pub fn root(&self) -> Root {
        Root::at(&self.path().join("root")).expect("an absolute path")
    }

    /// Returns the folder of `task`; it may not exist yet.
    pub fn task(&self, task: &str) -> TaskDir {
        let project = ProjectId::parse(PROJECT).expect("a valid project");
        let task = TaskId::parse_existing(task).expect("a valid task");
        self.root().task(&project, &task).expect("a plain folder")
    }

    /// Returns a command of the binary that is not started yet.
    pub fn command(&self, args: &[&str]) -> RunAgent {
        let mut command = RunAgent::new(&self.program, self.path(), &self.work());
        for arg in args {
            command = command.arg(arg);
        }
        command
            .env("HOME", self.path().join("home"))
            .env("CONDUCTOR_ROOT", self.path().join("root"))
            .env("CONDUCTOR_CONFIG", self.path().join("conductor.yaml"))
    }

    /// Returns the pipe that every agent and all it starts hold.
    pub fn survivors(&self) -> &Survivors {
        &self.survivors
    }

    /// Lets agents go on that wait with `wait_for: name`.
    pub fn release(&self, name: &str) {
        std::fs::write(self.work().join(name), "").expect("a file");
    }

    /// Returns the runs whose agents have begun, in order.
    pub fn begun(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path().join("begun")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the runs whose agents have begun, each followed by its arguments.
    pub fn arguments(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path().join("arguments")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Panics if two agents of a task were ever alive at once.
    #[track_caller]
    pub fn assert_no_clash(&self) {
        let text = std::fs::read_to_string(self.path().join("clashes")).unwrap_or_default();
        assert_eq!(text, "", "agents that met another one of their task");
    }

    fn wrapper(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.sh"))
    }

    fn wrapper_text(&self, script: &Path) -> String {
        let at = self.path().display();
        let program = self.program.display();
        format!(
            "case \"$*\" in --version) echo 1.0.0; exit;; esac\n\
             echo \"$JRUN_ID $*\" >>{at}/arguments\n\
             exec 9>{at}/survivors\n\
             exec 8>{at}/locks/$JRUN_TASK_ID\n\
             flock -n 8 || {{ echo $JRUN_ID >>{at}/clashes; exit 99; }}\n\
             echo $JRUN_ID >>{at}/begun\n\
             exec {program} __scripted-agent --script {}\n",
            script.display()
        )
    }

    fn write_config(&self) {
        let mut text = String::new();
        if !self.agents.is_empty() {
            text.push_str("agents:\n");
        }
        for (name, settings) in &self.agents {
            let wrapper = self.wrapper(name);
            writeln!(
                text,
                "  {name}: {{{settings}, command: [/bin/sh, {}], env: {{IS_SANDBOX: \"1\"}}}}",
                wrapper.display()
            )
            .expect("a string takes all");
        }
        text.push_str(&self.settings);
        std::fs::write(self.path().join("conductor.yaml"), text).expect("the configuration");
    }

    /// Kills every process that was started for this scenario, as a loss of power does.
    ///
    /// Not to tidy up in a test: that the tested program must do by itself.
    pub fn kill_everything(&self) {
        let mark = self.path().as_os_str().as_encoded_bytes().to_vec();
        for _ in 0..100 {
            let me = i32::try_from(std::process::id()).unwrap_or(0);
            let pids = process::all_pids().unwrap_or_default();
            let left = pids.into_iter().filter(|&pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ"));
                pid != me && environment.is_ok_and(|env| env.windows(mark.len()).any(|w| w == mark))
            });
            let mut any = false;
            for pid in left.filter_map(rustix::process::Pid::from_raw) {
                any = true;
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
            if !any {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        self.kill_everything();
    }
}

impl Scenario {
    /// Prints what helps to understand a failed test.
    fn print_logs(&self) {
        let Ok(projects) = self.root().projects() else {
            return;
        };
        for task in projects.iter().filter_map(|p| p.tasks().ok()).flatten() {
            let runs = task.runs().unwrap_or_default();
            let streams = runs.iter().flat_map(|run| [run.stdout(), run.stderr()]);
            let files = [task.supervisor_log(), task.state(), task.owner()];
            for file in files.into_iter().chain(streams) {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                #[expect(clippy::print_stderr, reason = "shown with the failed test")]
                {
                    eprintln!("--- {}\n{text}", file.display());
                }
            }
        }
    }
}
