//! Real agent CLIs, driven by `run-agent`, with the stand-in for a model.
//!
//! Each pinned agent gets a task. Its first attempt talks and ends, as agents do; its second one works with its own
//! shell tool: it changes a file, posts a message, and leaves DONE. What is on disk afterwards is compared with what
//! the model server was made to say.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cl_testkit::model_server::{ModelServer, Script, Turn};
use xshell::{Shell, cmd};

use crate::agents::{self, Environment, InstalledAgents};
use crate::demo::check_order;
use crate::workspace::Workspace;

const PROJECT: &str = "smoke";
const FIRST_WORDS: &str = "I will look at it later.";
const LAST_WORDS: &str = "The file is written and the task is done.";
const MESSAGE: &str = "written by a real agent";
const RESTART_PREFIX: &str = "Continue working on the following:";
/// Keys that a real agent's run record must hold.
const RECORDED: &[&str] = &[
    "session_id",
    "backend_model",
    "input_tokens",
    "output_tokens",
];

/// One agent and how it is pointed at the stand-in.
struct Candidate {
    name: &'static str,
    setup: fn(&str, &Path) -> Result<Environment>,
}

const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "claude",
        setup: agents::claude_setup,
    },
    Candidate {
        name: "codex",
        setup: agents::codex_setup,
    },
    Candidate {
        name: "gemini",
        setup: agents::gemini_setup,
    },
];

/// Installs the pinned agents and gives each of them a task; `keep` receives what they leave.
pub(crate) fn agents(workspace: &Workspace, keep: Option<&Path>) -> Result<String> {
    let installed = agents::install(workspace.root())?;
    let binary = workspace.build_dev("run-agent")?;
    let temporary = tempfile::tempdir().context("could not make a temporary folder")?;
    let folder = std::path::absolute(keep.unwrap_or(temporary.path()))?;
    for candidate in CANDIDATES {
        println!("-- {}", candidate.name);
        let place = folder.join(candidate.name);
        ensure!(
            !place.exists(),
            "{} is there already: choose another folder",
            place.display()
        );
        drive(candidate, &installed, &binary, &place)
            .with_context(|| format!("smoke test of {} failed", candidate.name))?;
    }
    let names: Vec<&str> = CANDIDATES.iter().map(|candidate| candidate.name).collect();
    Ok(format!("smoke agents: {} reached DONE", names.join(", ")))
}

/// Checks the agents and the stand-in alone, to tell whose fault a failure is.
pub(crate) fn probe(workspace: &Workspace) -> Result<String> {
    let installed = agents::install(workspace.root())?;
    agents::probe(&installed)?;
    Ok("smoke agents --probe: the agents and the stand-in agree".to_owned())
}

fn drive(
    candidate: &Candidate,
    installed: &InstalledAgents,
    binary: &Path,
    place: &Path,
) -> Result<()> {
    let work = format!(
        "echo made > made.txt && run-agent bus post --type FACT --body '{MESSAGE}' && touch \"$JRUN_TASK_FOLDER/DONE\""
    );
    let server = ModelServer::start(Script::new([
        Turn::text(FIRST_WORDS),
        Turn::shell(work),
        Turn::text(LAST_WORDS),
    ]))
    .context("could not start the model server")?;
    let shell = Shell::new()?;
    let home = shell.create_dir(place.join("home"))?;
    let work = shell.create_dir(place.join("work"))?;
    let environment = (candidate.setup)(&server.url(), &home)?;
    let path = format!(
        "{}:{}",
        installed.bin_dir.display(),
        shell.var("PATH").context("PATH is not set")?
    );
    let root = place.join("root");
    let name = candidate.name;
    let task = format!("task-20260101-120000-smoke-{name}");
    // A minute of silence or five in all mean that an agent waits for someone.
    cmd!(
        shell,
        "timeout --kill-after=30 300 {binary} task --root {root} --project {PROJECT} --task {task}
         --agent {name} --prompt 'Write made.txt.' --cwd {work} --restart-delay 0 --max-restarts 3 --timeout 60s"
    )
    .env_clear()
    .env("PATH", path)
    .envs(environment)
    .run()
    .context("the task did not end well")?;
    check(&root.join(PROJECT).join(task), &work)
}

/// Compares what is on disk with what the agent was made to do.
fn check(task: &Path, work: &Path) -> Result<()> {
    ensure!(
        work.join("made.txt").is_file(),
        "the tool call changed no file"
    );
    ensure!(task.join("DONE").is_file(), "the agent left no DONE");
    let runs = runs(task)?;
    let [_, last] = &runs[..] else {
        anyhow::bail!("{} runs instead of 2", runs.len());
    };
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    };
    let prompt = read(last.join("prompt.md"))?;
    ensure!(
        prompt.contains(RESTART_PREFIX),
        "the second prompt does not say that it continues"
    );
    let output = read(last.join("output.md"))?;
    ensure!(
        output.trim() == LAST_WORDS,
        "output.md says {output:?} instead of the final text"
    );
    let record = read(last.join("run-info.yaml"))?;
    for key in RECORDED {
        ensure!(
            record.contains(&format!("{key}: ")),
            "the record lacks {key}"
        );
    }
    let bus = read(task.join("TASK-MESSAGE-BUS.md"))?;
    check_order(
        &bus,
        &["RUN_START", "RUN_STOP", "RUN_START", MESSAGE, "RUN_STOP"],
    )
}

/// Lists the task's run folders, the oldest first: their names begin with the time.
fn runs(task: &Path) -> Result<Vec<PathBuf>> {
    let mut runs = std::fs::read_dir(task.join("runs"))
        .context("the task has no runs")?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    runs.retain(|run| run.join("run-info.yaml").is_file());
    runs.sort();
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_result_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (task, work) = (folder.path().join("task"), folder.path().join("work"));
        let (first, last) = (task.join("runs/1"), task.join("runs/2"));
        let record = format!("{}: 1\n", RECORDED.join(": 1\n"));
        let bus = format!("RUN_START RUN_STOP RUN_START {MESSAGE} RUN_STOP");
        let steps = [
            (work.join("made.txt"), "made"),
            (task.join("DONE"), ""),
            (first.join("run-info.yaml"), ""),
            (last.join("run-info.yaml"), record.as_str()),
            (last.join("prompt.md"), RESTART_PREFIX),
            (last.join("output.md"), LAST_WORDS),
            (task.join("TASK-MESSAGE-BUS.md"), bus.as_str()),
        ];
        for (path, text) in steps {
            assert!(check(&task, &work).is_err(), "without {}", path.display());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        check(&task, &work).unwrap();
        for (path, text) in [
            (last.join("run-info.yaml"), "session_id: a\n"),
            (last.join("output.md"), FIRST_WORDS),
            (task.join("TASK-MESSAGE-BUS.md"), "RUN_START RUN_STOP"),
        ] {
            let good = std::fs::read(&path).unwrap();
            std::fs::write(&path, text).unwrap();
            assert!(check(&task, &work).is_err(), "{} is wrong", path.display());
            std::fs::write(&path, good).unwrap();
        }
    }
}
