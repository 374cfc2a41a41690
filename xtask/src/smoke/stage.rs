//! One task's folders, model server and command line.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cl_testkit::model_server::{ModelServer, Script};
use xshell::{Shell, cmd};

use super::records::Run;
use super::{Candidate, read, watch};
use crate::agents::Environment;

const PROJECT: &str = "smoke";
/// How often processes are looked at while `run-agent` runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One agent and where its tasks are played.
#[derive(Debug)]
pub(super) struct Troupe {
    pub(super) candidate: &'static Candidate,
    pub(super) binary: PathBuf,
    /// Holds the agents' programs.
    pub(super) bin_dir: PathBuf,
    pub(super) place: PathBuf,
}

impl Troupe {
    /// A key that occurs nowhere else. Its config is the only place that may hold it.
    pub(super) fn key(&self) -> String {
        format!("sk-canary-{}-5e1f0b7c93a2d864", self.candidate.name)
    }
}

/// One task of one agent, with a model server of its own.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    troupe: &'a Troupe,
    pub(super) server: ModelServer,
    pub(super) home: PathBuf,
    pub(super) work: PathBuf,
    root: PathBuf,
    config: PathBuf,
    log: PathBuf,
    task: String,
    environment: Environment,
}

/// How a call of `run-agent` ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// Both of its streams.
    pub(super) output: String,
}

impl Ended {
    pub(super) fn expect_code(&self, code: i32) -> Result<()> {
        ensure!(
            self.status.code() == Some(code),
            "expected exit code {code} of run-agent, found {}; it said:\n{}",
            self.status,
            self.output
        );
        Ok(())
    }

    pub(super) fn expect_said(&self, text: &str) -> Result<()> {
        ensure!(
            self.output.contains(text),
            "expected {text:?} in what run-agent said, found:\n{}",
            self.output
        );
        Ok(())
    }
}

impl<'a> Stage<'a> {
    /// Makes the folders below the agent's place and starts the server.
    pub(super) fn open(troupe: &'a Troupe, name: &str, script: Script) -> Result<Self> {
        let server = ModelServer::start(script).context("could not start the model server")?;
        let shell = Shell::new()?;
        let place = troupe.place.join(name);
        let home = shell.create_dir(place.join("home"))?;
        let work = shell.create_dir(place.join("work"))?;
        let candidate = troupe.candidate;
        let mut environment = (candidate.setup)(&server.url(), &home)?;
        environment.retain(|(name, _)| *name != candidate.key_variable);
        let config = place.join("config.yaml");
        std::fs::write(&config, config_text(candidate, &troupe.key()))?;
        Ok(Self {
            troupe,
            server,
            home,
            work,
            root: place.join("root"),
            config,
            log: place.join("run-agent.txt"),
            task: format!("task-20260101-120000-{name}"),
            environment,
        })
    }

    pub(super) fn candidate(&self) -> &'static Candidate {
        self.troupe.candidate
    }

    /// How long the agent may be silent.
    pub(super) fn patience(&self) -> &'static str {
        self.candidate().patience.0
    }

    /// How long a model that never answers is waited for.
    ///
    /// Silent as well is an agent that is only just starting, on a busy machine for seconds.
    pub(super) fn hang_patience(&self) -> &'static str {
        if self.candidate().core_only {
            "15s"
        } else {
            "8s"
        }
    }

    fn call_seconds(&self) -> u32 {
        self.candidate().patience.1
    }

    pub(super) fn project(&self) -> PathBuf {
        self.root.join(PROJECT)
    }

    pub(super) fn task(&self) -> PathBuf {
        self.project().join(&self.task)
    }

    pub(super) fn task_id(&self) -> &str {
        &self.task
    }

    pub(super) fn runs(&self) -> Result<Vec<Run>> {
        Run::all(&self.task())
    }

    /// Compares the number of runs and returns them, the oldest first.
    pub(super) fn expect_runs<const N: usize>(&self) -> Result<[Run; N]> {
        let runs = self.runs()?;
        let found = runs.len();
        <[Run; N]>::try_from(runs).map_err(|_| {
            anyhow::anyhow!(
                "expected {N} runs, found {found} in {}",
                self.root.display()
            )
        })
    }

    pub(super) fn bus(&self) -> Result<String> {
        read(&self.task().join("TASK-MESSAGE-BUS.md"))
    }

    /// Requests that took a turn of the script.
    pub(super) fn turns(&self) -> usize {
        let requests = self.server.requests();
        requests.iter().filter(|request| request.took_turn).count()
    }

    /// Starts a new task with this prompt and waits for its end.
    pub(super) fn start(&self, prompt: &str, options: &[&str]) -> Result<Ended> {
        let mut words = vec!["task", "--prompt", prompt];
        words.extend(options);
        self.call(&words)
    }

    /// Takes the task up again and waits for its end.
    pub(super) fn resume(&self, options: &[&str]) -> Result<Ended> {
        let mut words = vec!["task", "resume"];
        words.extend(options);
        self.call(&words)
    }

    /// Runs `run-agent`, watches all command lines for the key meanwhile, and looks for what it left.
    fn call(&self, words: &[&str]) -> Result<Ended> {
        let key = self.troupe.key();
        let mut child = self
            .command(words)?
            .spawn()
            .context("could not start run-agent")?;
        let deadline = Instant::now() + Duration::from_secs(u64::from(self.call_seconds()) + 30);
        let mut leaks = Vec::new();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            leaks.extend(watch::command_lines_with(&key));
            if Instant::now() > deadline {
                // `timeout` has failed to end it; nothing else would.
                child.kill()?;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        ensure!(leaks.is_empty(), "the key was in command lines: {leaks:?}");
        let output = read(&self.log)?;
        ensure!(
            !output.contains(&key),
            "run-agent printed the key, see {}",
            self.log.display()
        );
        self.expect_no_process()?;
        self.expect_no_key_in_files()?;
        Ok(Ended { status, output })
    }

    fn command(&self, words: &[&str]) -> Result<Command> {
        let shell = Shell::new()?;
        let path = format!(
            "{}:{}",
            self.troupe.bin_dir.display(),
            shell.var("PATH").context("PATH is not set")?
        );
        let (binary, root, config, work) =
            (&self.troupe.binary, &self.root, &self.config, &self.work);
        let (task, agent) = (&self.task, self.candidate().name);
        let seconds = self.call_seconds().to_string();
        let command = cmd!(
            shell,
            "timeout --kill-after=20 {seconds} {binary} {words...} --root {root} --project {PROJECT} --task {task}
             --config {config} --agent {agent} --cwd {work} --restart-delay 100ms"
        )
        .env_clear()
        .env("PATH", path)
        .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let log = std::fs::File::create(&self.log)
            .with_context(|| format!("could not make {}", self.log.display()))?;
        let mut command = Command::from(command);
        command
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }

    /// Nothing of a run may be left when `run-agent` has returned.
    fn expect_no_process(&self) -> Result<()> {
        for run in self.runs().unwrap_or_default() {
            let id = run.id()?;
            let left = watch::processes_with_variable("JRUN_ID", &id);
            ensure!(left.is_empty(), "processes {left:?} of run {id} are left");
        }
        Ok(())
    }

    fn expect_no_key_in_files(&self) -> Result<()> {
        if !self.root.is_dir() {
            return Ok(());
        }
        let (_, found) = watch::files_with(&self.root, &self.troupe.key())?;
        ensure!(found.is_empty(), "the key is in files: {found:?}");
        Ok(())
    }

    /// The agent must have sent its key with every request for an answer.
    pub(super) fn expect_key_sent(&self) -> Result<usize> {
        let (header, before) = self.candidate().key_header;
        let expected = format!("{before}{}", self.troupe.key());
        let requests = self.server.requests();
        let asked = requests.iter().filter(|request| request.api.is_some());
        let mut count = 0;
        for request in asked {
            // The key itself stays out of the message.
            ensure!(
                request.header(header) == Some(&expected),
                "{} {} carried another key in {header}",
                request.method,
                request.path
            );
            count += 1;
        }
        ensure!(count > 0, "the agent asked the model nothing");
        Ok(count)
    }

    /// How many files the root holds.
    pub(super) fn count_files(&self) -> Result<usize> {
        Ok(watch::files_with(&self.root, &self.troupe.key())?.0)
    }
}

fn config_text(candidate: &Candidate, key: &str) -> String {
    let mut agent = serde_json::json!({"type": candidate.name, "token": key});
    if let Some(model) = candidate.config_model {
        agent["model"] = model.into();
    }
    // JSON is YAML too.
    serde_json::json!({"agents": {candidate.name: agent}}).to_string()
}
