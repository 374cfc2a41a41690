//! A fuzzer that reads the OpenAPI document of a live server and asks it everything in it.
//!
//! It must get no 5xx, nothing that the document does not promise, and nothing of what stands
//! beside the root; and nothing there may be different afterwards. What may be asked is limited by
//! `tests/schema-fuzz/hooks.py`: no shell commands of chance, no strange processes.
//!
//! - [`tool`]: the fuzzer, installed at pinned versions
//! - [`scene`]: the root that is served, and what stands beside it

mod scene;
mod tool;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cl_testkit::served::Served;

use self::scene::Scene;
use self::tool::{Ended, Tool};
use crate::workspace::{Depth, Workspace, into_process, outside_any_run};

/// So long it asks, unless told otherwise.
const SECONDS: u32 = 60;
/// So much longer it may take to begin and to end.
const MARGIN: u32 = 60;
/// By default every run begins with the same questions.
const SEED: u64 = 20_260_101;

/// What is to be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// For how long it asks
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u32).range(10..=3600))]
    seconds: u32,
    /// Where chance begins
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Only operations whose path matches this
    #[arg(long, value_name = "REGEX")]
    path: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seconds: SECONDS,
            seed: SEED,
            path: None,
        }
    }
}

/// Gives a server to the fuzzer. Skipped, and said so, where the fuzzer cannot be had.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String> {
    let target = workspace.metadata(Depth::Workspace)?.target_directory;
    let folder = target.join("schema-fuzz").into_std_path_buf();
    let tool = match Tool::find(workspace, &folder) {
        Ok(tool) => tool,
        Err(why) => {
            eprintln!("SKIPPED: schema-fuzz: {why:#}");
            return Ok("schema-fuzz: SKIPPED, nothing was asked".to_owned());
        }
    };
    let program = workspace.build_dev("run-agent")?;
    let scene = Scene::make(&program)?;
    let server = Served::spawn(scene.server(), &scene.home());
    let process = Bystander::start(workspace)?;
    let before = scene.beside_the_root()?;
    let started = Instant::now();
    let asked = tool.ask(workspace, &scene, &server, process.id(), options);
    let took = started.elapsed();
    let after = scene.beside_the_root()?;
    let health = server.caller().get("/api/v1/health");
    let ended = server.end();
    let log = folder.join("server.log");
    fs::write(&log, &ended.stderr)?;
    // All of it is looked at before anything is said: one may explain the other.
    let mut found = Vec::new();
    if !health.is_ok_and(|answer| answer.status == 200) || ended.code != Some(0) {
        found.push(format!("the server did not last: {:?}", ended.code));
    }
    if ended.stderr.contains("panicked at") {
        found.push("something has panicked in the server".to_owned());
    }
    found.extend(scene::differences(&before, &after));
    let tally = tool.tally();
    match (asked, &tally) {
        // It says no more than the report, and says it of its own failures, too.
        (Ok(Ended::Found), Ok(tally)) if tally.failures == 0 => {}
        (Ok(Ended::Found), _) => found.push("it got answers that it must not get".to_owned()),
        (Ok(Ended::Well), _) => {}
        (Err(error), _) => found.push(format!("{error:#}")),
    }
    if let Err(error) = &tally {
        found.push(format!("{error:#}"));
    }
    if found.is_empty() {
        let tally = tally?;
        if tally.asked < tally.operations && options.path.is_none() {
            // A machine that is busy with other things is no fault of the server.
            let (asked, all) = (tally.asked, tally.operations);
            eprintln!("SKIPPED: schema-fuzz: the time was up before all operations were asked");
            return Ok(format!(
                "schema-fuzz: SKIPPED in part, {asked} of {all} operations asked, no fault found"
            ));
        }
        return Ok(format!(
            "schema-fuzz: {} operations asked {} questions in {:.0} s{}",
            tally.asked,
            tally.questions,
            took.as_secs_f64(),
            match tally.errors {
                0 => String::new(),
                errors => format!(", {errors} errors of the fuzzer's own"),
            }
        ));
    }
    let said = fs::read_to_string(tool.said()).unwrap_or_default();
    eprintln!("{said}");
    bail!(
        "{}; seed {}, what was said is in {}",
        found.join("; "),
        options.seed,
        folder.display()
    )
}

/// A process that does nothing, in a group of its own; it is ended when this is dropped.
struct Bystander(Child);

impl Bystander {
    fn start(workspace: &Workspace) -> Result<Self> {
        let idle = xshell::cmd!(workspace.shell(), "sleep 3600");
        let mut idle = into_process(outside_any_run(idle));
        let child = idle.process_group(0).stdin(Stdio::null()).spawn();
        Ok(Self(child.context("could not start a process")?))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // It may have been stopped through the server.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
