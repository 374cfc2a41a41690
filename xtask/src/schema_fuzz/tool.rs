//! The fuzzer, installed at pinned versions below `target/`.
//!
//! The versions stand in `tests/schema-fuzz/requirements.txt`; no registry is named, pip takes what
//! the user has configured.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use cl_testkit::served::Served;
use serde_json::Value;
use xshell::cmd;

use super::scene::{CANARY, Scene};
use super::{MARGIN, Options};
use crate::workspace::{Workspace, into_process, outside_any_run};

/// Its versions, its settings and its limits.
const SOURCE: &str = "tests/schema-fuzz";
/// What describes the installation.
const REQUIREMENTS: &str = "requirements.txt";
/// A copy of it that belongs to what is installed.
const STAMP: &str = "installed.txt";
/// Seconds for fetching and unpacking.
const INSTALL_SECONDS: u32 = 300;
/// What the fuzzer ends with when an answer was not as it should be.
const FAILED: i32 = 1;

/// An installed fuzzer.
#[derive(Debug)]
pub(super) struct Tool {
    folder: PathBuf,
}

impl Tool {
    /// Finds what is installed in `folder`, or installs it.
    ///
    /// Needs `python3` with `venv`, and `timeout`. What was interrupted has no stamp and is done again.
    pub(super) fn find(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let tool = Self {
            folder: folder.to_owned(),
        };
        let wanted = fs::read_to_string(workspace.root().join(SOURCE).join(REQUIREMENTS))
            .context("could not read the pinned versions")?;
        let stamp = folder.join(STAMP);
        let is_there = fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
        if !is_there {
            tool.install(workspace)?;
            // Only now it is whole.
            workspace.shell().write_file(&stamp, wanted)?;
        }
        let program = tool.program();
        ensure!(program.is_file(), "{} is missing", program.display());
        Ok(tool)
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        let shell = workspace.shell();
        let place = self.folder.join("venv");
        shell.remove_path(self.folder.join(STAMP))?;
        shell.remove_path(&place)?;
        shell.create_dir(&self.folder)?;
        let limit = INSTALL_SECONDS.to_string();
        outside_any_run(cmd!(shell, "timeout {limit} python3 -m venv {place}"))
            .run()
            .context("python3 cannot make an environment")?;
        let python = place.join("bin/python");
        let list = workspace.root().join(SOURCE).join(REQUIREMENTS);
        // Nothing is compiled, and nothing runs while it is installed.
        outside_any_run(cmd!(
            shell,
            "timeout {limit} {python} -m pip install --quiet --disable-pip-version-check
             --no-input --only-binary :all: --requirement {list}"
        ))
        .run()
        .context("the pinned versions cannot be had")
    }

    fn program(&self) -> PathBuf {
        self.folder.join("venv/bin/st")
    }

    /// Returns where the report is written.
    pub(super) fn report(&self) -> PathBuf {
        self.folder.join("report.json")
    }

    /// Returns where what it says is written.
    pub(super) fn said(&self) -> PathBuf {
        self.folder.join("said.txt")
    }

    /// Asks `server` everything, and says how that ended.
    ///
    /// `process` is one that may be taken in and stopped.
    pub(super) fn ask(
        &self,
        workspace: &Workspace,
        scene: &Scene,
        server: &Served,
        process: u32,
        options: &Options,
    ) -> Result<Ended> {
        let shell = workspace.shell();
        let report = self.report();
        shell.remove_path(&report)?;
        let settings = workspace.root().join(SOURCE).join("schemathesis.toml");
        let (program, address) = (self.program(), server.address());
        let document = format!("http://{address}/api/openapi.json");
        let limit = (options.seconds + MARGIN).to_string();
        let (seconds, seed) = (options.seconds.to_string(), options.seed.to_string());
        let mut command = cmd!(
            shell,
            "timeout --kill-after=5 {limit} {program} --config-file {settings} run {document}
             --max-time {seconds} --seed {seed} --no-color --report json --report-json-path {report}"
        );
        if let Some(path) = &options.path {
            command = command.args(["--include-path-regex", path]);
        }
        let mut command = into_process(outside_any_run(command));
        let said = File::create(self.said())?;
        let status = command
            // In the settings it would be looked for where the fuzzer works.
            .env(
                "SCHEMATHESIS_HOOKS",
                workspace.root().join(SOURCE).join("hooks.py"),
            )
            .env("SCHEMA_FUZZ_TOKEN", server.token())
            .env("SCHEMA_FUZZ_WORK", scene.work())
            .env("SCHEMA_FUZZ_PROCESS", process.to_string())
            .env("SCHEMA_FUZZ_CANARY", CANARY)
            // Its settings are read where they stand, and leave nothing there.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .status()
            .context("could not start the fuzzer")?;
        match status.code() {
            Some(0) => Ok(Ended::Well),
            Some(FAILED) => Ok(Ended::Found),
            _ => bail!("the fuzzer ended with {status}"),
        }
    }

    /// Reads the report of what was asked.
    pub(super) fn tally(&self) -> Result<Tally> {
        let path = self.report();
        let text = fs::read(&path).with_context(|| format!("there is no {}", path.display()))?;
        let report: Value = serde_json::from_slice(&text)?;
        let count = |part: &str, name: &str| report[part][name].as_u64();
        let length = |part: &str| report[part].as_array().map(Vec::len);
        Ok(Tally {
            operations: count("operations", "total").context("no count of operations")?,
            asked: count("operations", "tested").context("no count of operations asked")?,
            questions: count("test_cases", "generated").context("no count of questions")?,
            failures: length("failures").context("no list of failures")?,
            errors: length("errors").context("no list of errors")?,
        })
    }
}

/// How much was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// So many operations the document has.
    pub(super) operations: u64,
    /// So many of them were asked.
    pub(super) asked: u64,
    /// With so many questions.
    pub(super) questions: u64,
    /// So many kinds of answers must not be got.
    pub(super) failures: usize,
    /// So many kinds of questions could not be made.
    pub(super) errors: usize,
}

/// How asking ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All answers were as they should be.
    Well,
    /// Some were not, or could not be asked for.
    Found,
}
