//! The main job, end to end, on a fresh checkout: no token, no network.
//!
//! The built-in scripted agent plays a careless colleague. Its first attempt ends without saying that the task is done,
//! its second one says so although the work is missing and is turned down by the gate, its third one does the work.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::workspace::{Workspace, outside_any_run};

const PROJECT: &str = "demo";
const TASK: &str = "task-20260101-120000-write-a-greeting";
/// What the gate looks for in the working folder.
const GATE: &str = "test -s greeting.txt";
/// What the task's messages must tell, in this order.
const EXPECTED_MESSAGES: &[&str] = &[
    "looking around",
    "claiming to be done",
    "greeting written",
    "task completed",
];
const EXPECTED_OUTPUT: &str = "The greeting is in greeting.txt.";
const ATTEMPTS: usize = 3;

const SCRIPT: &str = r"version: 1
attempts:
  - - say: I will look around first.
    - post: { type: PROGRESS, body: looking around }
    - exit: 0
  - - say: This should be it.
    - post: { type: PROGRESS, body: claiming to be done }
    - done: true
    - exit: 0
  - - run: echo 'Good morning.' > greeting.txt
    - post: { type: FACT, body: greeting written }
    - say: The greeting is in greeting.txt.
    - done: true
    - exit: 0
";

/// Runs the demo in a temporary folder, or in `keep`, and checks what it left.
pub(crate) fn run(workspace: &Workspace, keep: Option<&Path>) -> Result<String> {
    let binary = workspace.build_dev("run-agent")?;
    let temporary = tempfile::tempdir().context("could not make a temporary folder")?;
    let place = Place::prepare(keep.unwrap_or(temporary.path()))?;
    let shell = workspace.shell();
    let Place {
        root, config, work, ..
    } = &place;

    println!("-- a task that needs {ATTEMPTS} attempts");
    outside_any_run(cmd!(
        shell,
        "{binary} task --root {root} --config {config} --project {PROJECT} --task {TASK}
         --agent scripted --prompt 'Write a greeting into greeting.txt.' --cwd {work}
         --gate {GATE} --restart-delay 100ms"
    ))
    .run()
    .context("the task did not end well")?;

    let show = |title: &str, command: &[&str]| -> Result<String> {
        println!("-- {title}");
        let scope = cmd!(
            shell,
            "{binary} {command...} --root {root} --project {PROJECT} --task {TASK}"
        );
        let text = outside_any_run(scope).read()?;
        println!("{text}");
        Ok(text)
    };
    let messages = show("its messages", &["bus", "read"])?;
    let output = show("its output", &["output"])?;
    show("its status", &["status"])?;

    place.check(&messages, &output)?;
    if let Some(folder) = keep {
        println!("-- left in {}", folder.display());
    }
    println!("-- the same with a real agent, once one of them is installed and logged in:");
    println!(
        "run-agent task --project my-project --agent claude --prompt 'Say what this project does, in NOTES.md.'"
    );
    Ok(format!(
        "demo: DONE after {ATTEMPTS} attempts, one of them rejected by the gate"
    ))
}

/// The folders and files of one demo.
struct Place {
    root: PathBuf,
    config: PathBuf,
    work: PathBuf,
}

impl Place {
    fn prepare(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        let place = Self {
            root: folder.join("root"),
            config: folder.join("config.yaml"),
            work: folder.join("work"),
        };
        ensure!(
            !place.root.exists(),
            "{} holds an earlier demo: choose another folder",
            folder.display()
        );
        std::fs::create_dir_all(&place.work)
            .with_context(|| format!("could not make {}", place.work.display()))?;
        let script = folder.join("script.yaml");
        std::fs::write(&script, SCRIPT)?;
        std::fs::write(&place.config, config(&script))?;
        Ok(place)
    }

    fn task(&self) -> PathBuf {
        self.root.join(PROJECT).join(TASK)
    }

    /// Checks that everything the demo promises has happened.
    fn check(&self, messages: &str, output: &str) -> Result<()> {
        let task = self.task();
        ensure!(task.join("DONE").is_file(), "the task left no DONE");
        ensure!(
            task.join("DONE.rejected-1").is_file(),
            "the gate rejected no DONE"
        );
        let runs = std::fs::read_dir(task.join("runs"))
            .context("the task has no runs")?
            .collect::<std::io::Result<Vec<_>>>()?;
        let attempts = runs
            .iter()
            .filter(|entry| entry.path().join("run-info.yaml").is_file())
            .count();
        ensure!(
            attempts == ATTEMPTS,
            "{attempts} attempts instead of {ATTEMPTS}"
        );
        check_order(messages, EXPECTED_MESSAGES)?;
        ensure!(
            output.contains(EXPECTED_OUTPUT),
            "the output lacks {EXPECTED_OUTPUT:?}"
        );
        Ok(())
    }
}

fn config(script: &Path) -> String {
    // A JSON string is a YAML string too, whatever the path holds.
    let script = serde_json::Value::from(script.to_string_lossy());
    format!("agents:\n  scripted:\n    type: scripted\n    script: {script}\n")
}

/// Checks that the texts occur one after the other.
pub(crate) fn check_order(haystack: &str, texts: &[&str]) -> Result<()> {
    let mut rest = haystack;
    for text in texts {
        let (_, after) = rest
            .split_once(text)
            .with_context(|| format!("the messages lack {text:?}, or it comes too early"))?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_must_come_in_order() {
        check_order("a b c", &["a", "c"]).unwrap();
        check_order("a b c", &["c", "a"]).unwrap_err();
        check_order("a b", &["c"]).unwrap_err();
    }

    #[test]
    fn demo_does_not_touch_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::prepare(folder.path()).unwrap();
        std::fs::create_dir(&place.root).unwrap();
        assert!(Place::prepare(folder.path()).is_err());
    }

    #[test]
    fn missing_results_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::prepare(folder.path()).unwrap();
        let messages = EXPECTED_MESSAGES.join("\n");
        std::fs::create_dir_all(place.task().join("runs")).unwrap();
        for file in ["DONE", "DONE.rejected-1"] {
            place.check(&messages, EXPECTED_OUTPUT).unwrap_err();
            std::fs::write(place.task().join(file), "").unwrap();
        }
        for run in ["a", "b", "c"] {
            place.check(&messages, EXPECTED_OUTPUT).unwrap_err();
            let run = place.task().join("runs").join(run);
            std::fs::create_dir_all(&run).unwrap();
            std::fs::write(run.join("run-info.yaml"), "").unwrap();
        }
        place.check(&messages, EXPECTED_OUTPUT).unwrap();
        place.check("", EXPECTED_OUTPUT).unwrap_err();
        place.check(&messages, "").unwrap_err();
    }
}
