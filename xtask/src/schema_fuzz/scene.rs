//! The root that is served, with tasks and runs as files, and what stands beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use cl_testkit::run_agent::RunAgent;
use cl_testkit::scenario::Scenario;

/// Stands in a file beside the root, and must not stand in any answer.
pub(super) const CANARY: &str = "canary-beside-the-root";
/// An agent that is done at once; it needs no other program.
const AGENT: &str = "echo working; : >\"$JRUN_TASK_FOLDER/DONE\"\n";
/// Those of the settings of the fuzzer; some may be deleted.
const PROJECTS: [&str; 7] = ["p0", "p1", "p2", "gone0", "gone1", "gone2", "gone3"];
const TASKS: [&str; 2] = ["task-20260101-000000-one", "task-20260101-000000-two"];
const RUNS: [&str; 2] = ["20260101-0000000000-1-1", "20260101-0000000000-1-2"];

/// What is known of a file: its size and when it was changed.
type Mark = (u64, Option<SystemTime>);

/// A root, a home and a configuration; all are gone at the end, and so is what still runs there.
#[derive(Debug)]
pub(super) struct Scene {
    scenario: Scenario,
    program: PathBuf,
}

impl Scene {
    /// Makes it. The program is copied: one that is asked to replace itself must not be anybody else's.
    pub(super) fn make(program: &Path) -> Result<Self> {
        let scenario = Scenario::new(&program.to_string_lossy());
        let folder = scenario.path().to_owned();
        let script = folder.join("agent.sh");
        fs::write(&script, AGENT)?;
        let scenario = scenario.settings(&format!(
            "agents:\n  actor: {{type: command, version_args: [], command: [/bin/sh, {}]}}\n\
             defaults: {{max_concurrent_runs: 2}}\n",
            script.display()
        ));
        for name in ["beside", "empty", "program"] {
            fs::create_dir(folder.join(name))?;
        }
        fs::write(folder.join("beside/secret"), CANARY)?;
        let copy = folder.join("program/run-agent");
        fs::copy(program, &copy).context("could not copy the program")?;
        let root = folder.join("root");
        for project in PROJECTS {
            for task in TASKS {
                let task_folder = root.join(project).join(task);
                for run in RUNS {
                    make_run(&task_folder, project, task, run, &scenario.work())?;
                }
                fs::write(task_folder.join("TASK.md"), "do it\n")?;
            }
        }
        Ok(Self {
            scenario,
            program: copy,
        })
    }

    /// Returns the command that serves it. No agent of this machine is found by it.
    pub(super) fn server(&self) -> RunAgent {
        let folder = self.scenario.path();
        RunAgent::new(&self.program, folder, &self.work())
            .args(&["serve", "--port", "0"])
            .env("PATH", folder.join("empty"))
            .env("HOME", self.home())
            .env("CONDUCTOR_ROOT", folder.join("root"))
            .env("CONDUCTOR_CONFIG", folder.join("conductor.yaml"))
    }

    pub(super) fn home(&self) -> PathBuf {
        self.scenario.path().join("home")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.scenario.work()
    }

    /// Lists what stands beside the root, without what the server is known to keep there.
    pub(super) fn beside_the_root(&self) -> Result<BTreeMap<PathBuf, Mark>> {
        let mut found = BTreeMap::new();
        list(self.scenario.path(), Path::new(""), &mut found)?;
        Ok(found)
    }
}

fn make_run(task_folder: &Path, project: &str, task: &str, run: &str, cwd: &Path) -> Result<()> {
    let folder = task_folder.join("runs").join(run);
    fs::create_dir_all(&folder)?;
    for (name, text) in [
        ("agent-stdout.txt", "one\ntwo\nthree\n"),
        ("agent-stderr.txt", "oh\n"),
        ("prompt.md", "do it\n"),
        ("output.md", "# Done\n"),
    ] {
        fs::write(folder.join(name), text)?;
    }
    let (at, cwd) = (folder.display(), cwd.display());
    let record = format!(
        "version: 1\nrun_id: {run}\nproject_id: {project}\ntask_id: {task}\nagent: actor\n\
         pid: 0\npgid: 0\nstart_time: 2026-01-01T00:00:00Z\nend_time: 2026-01-01T00:01:00Z\n\
         exit_code: 0\nstatus: completed\ncwd: {cwd}\nprompt_path: {at}/prompt.md\n\
         output_path: {at}/output.md\nstdout_path: {at}/agent-stdout.txt\n\
         stderr_path: {at}/agent-stderr.txt\n"
    );
    fs::write(folder.join("run-info.yaml"), record)?;
    Ok(())
}

/// Tells whether a path below the folder is the root, what the server says, or its own state.
fn is_left_out(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text == "root" || text.starts_with("command-") || text == "home/.run-agent"
}

fn list(top: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Mark>) -> Result<()> {
    for entry in fs::read_dir(top.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if is_left_out(&path) {
            continue;
        }
        let about = entry.metadata()?;
        if about.is_dir() {
            // Its time tells of files that came and went.
            list(top, &path, found)?;
        }
        let size = if about.is_dir() { 0 } else { about.len() };
        found.insert(path, (size, about.modified().ok()));
    }
    Ok(())
}

/// Says what differs between two lists.
pub(super) fn differences(
    before: &BTreeMap<PathBuf, Mark>,
    after: &BTreeMap<PathBuf, Mark>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, mark) in after {
        match before.get(path) {
            None => found.push(format!("written beside the root: {}", path.display())),
            Some(known) if known != mark => {
                found.push(format!("changed beside the root: {}", path.display()));
            }
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    found.extend(gone.map(|path| format!("deleted beside the root: {}", path.display())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_changed_and_went_is_told() {
        let list = |names: &[(&str, u64)]| -> BTreeMap<PathBuf, Mark> {
            let marks = names
                .iter()
                .map(|(name, size)| (name.into(), (*size, None)));
            marks.collect()
        };
        let before = list(&[("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(differences(&before, &before), [""; 0]);
        let after = list(&[("a", 1), ("b", 2), ("d", 1)]);
        assert_eq!(
            differences(&before, &after),
            [
                "changed beside the root: b",
                "written beside the root: d",
                "deleted beside the root: c",
            ]
        );
    }

    #[test]
    fn lists_see_what_is_beside_the_root_only() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["root", "home/.run-agent", "work"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        for name in ["root/x", "home/.run-agent/token", "command-0.err", "work/y"] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        let mut found = BTreeMap::new();
        list(folder.path(), Path::new(""), &mut found).expect("a list");
        let names: Vec<_> = found.keys().map(|path| path.to_string_lossy()).collect();
        assert_eq!(names, ["home", "work", "work/y"]);
    }
}
