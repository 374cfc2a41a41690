//! The flat layout of old folders, only read: `<extra>/runs/<folder>/`, one run in each.
//!
//! A folder holds `run-info.yaml` or, older still, `cwd.txt` with lines of
//! `KEY=VALUE`. Each run is shown as a task of its own, named as the run; its
//! project is the one recorded, else the last part of the working folder.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::{RunDir, TaskDir};
use crate::record::{self, RecordError};
use crate::run_info::{RunInfo, RunStatus};

/// The project of runs that do not say where they worked.
pub const UNKNOWN_PROJECT: &str = "unknown";
/// The name of a run that does not say its own; never shown.
const NAMELESS: &str = "00000000-000000";

/// What an old folder holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Its runs, each as a task; sorted by folder.
    pub tasks: Vec<TaskDir>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Looks at the runs below `extra`. Links are left out; so are folders without a record.
pub fn scan(extra: &Path) -> Scan {
    let mut scan = Scan::default();
    if !extra.is_dir() {
        scan.problems.push(format!(
            "{} is no folder (from storage.extra_roots)",
            extra.display()
        ));
        return scan;
    }
    let folder = extra.join("runs");
    let entries = match crate::gc::names(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            scan.problems
                .push(format!("{error} (from storage.extra_roots)"));
            return scan;
        }
    };
    for (name, kind) in entries {
        let path = folder.join(&name);
        let has_record = path.join("run-info.yaml").is_file() || path.join("cwd.txt").is_file();
        if !kind.is_dir() || !has_record {
            continue;
        }
        match identify(&path, &name) {
            Some(task) => scan.tasks.push(task),
            None => scan.problems.push(format!(
                "{} does not tell the id of its run",
                path.display()
            )),
        }
    }
    scan
}

/// Finds out which run a folder holds, and of which project.
fn identify(path: &Path, name: &str) -> Option<TaskDir> {
    let unknown = ProjectId::parse(UNKNOWN_PROJECT).ok()?;
    let nameless = RunId::parse(NAMELESS).ok()?;
    let named = RunId::parse(name).unwrap_or_else(|_| nameless.clone());
    let task = flat_task(path, unknown.clone(), named)?;
    let run = task.runs().ok()?.pop()?;
    // One that is damaged is shown as such, under its folder's name.
    let info = RunInfo::read(&run).ok().flatten();
    let id = info.as_ref().map_or(run.id(), |info| &info.run_id).clone();
    let project = info.as_ref().map(|info| {
        if info.project_id == unknown {
            project_of(&info.cwd).unwrap_or_else(|| unknown.clone())
        } else {
            info.project_id.clone()
        }
    });
    (id != nameless)
        .then(|| flat_task(path, project.unwrap_or(unknown), id))
        .flatten()
}

fn flat_task(path: &Path, project: ProjectId, run: RunId) -> Option<TaskDir> {
    let id = TaskId::parse_existing(run.as_str()).ok()?;
    Some(TaskDir::flat(path.to_owned(), project, id, run))
}

/// Returns the project that a working folder stands for.
fn project_of(cwd: &str) -> Option<ProjectId> {
    ProjectId::suggest(Path::new(cwd).file_name()?.to_str()?)
}

/// Reads the `cwd.txt` of `run`; `None` if there is none.
pub(crate) fn read(run: &RunDir) -> Result<Option<RunInfo>, RecordError> {
    let path = run.path().join("cwd.txt");
    let Some(text) = record::read_text(&path)? else {
        return Ok(None);
    };
    let changed = fs::symlink_metadata(&path).and_then(|meta| meta.modified());
    let changed = changed.ok().and_then(|time| Timestamp::try_from(time).ok());
    Ok(Some(parse(&text, run, changed)))
}

/// Understands what can be understood; lines that are no `KEY=VALUE` say nothing.
fn parse(text: &str, run: &RunDir, changed: Option<Timestamp>) -> RunInfo {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(name, _)| name.trim() == key)?;
        Some(found.1.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let text_of = |key| value(key).unwrap_or_default();
    let id = value("RUN_ID").and_then(|id| RunId::parse(&id).ok());
    let id = id.unwrap_or_else(|| run.id().clone());
    let pid = value("PID").and_then(|pid| pid.parse().ok());
    let pid = pid.filter(|pid: &i32| *pid > 0).unwrap_or(0);
    let exit_code = value("EXIT_CODE").and_then(|code| code.parse::<i32>().ok());
    RunInfo {
        start_time: id.started_at(),
        run_id: id,
        agent: text_of("AGENT").to_lowercase(),
        pid,
        pgid: pid,
        status: match exit_code {
            None => RunStatus::Running,
            Some(0) => RunStatus::Completed,
            Some(_) => RunStatus::Failed,
        },
        exit_code: exit_code.unwrap_or(-1),
        end_time: exit_code.and(changed),
        cwd: text_of("CWD"),
        commandline: text_of("CMD"),
        stdout_path: text_of("STDOUT"),
        stderr_path: text_of("STDERR"),
        prompt_path: text_of("PROMPT"),
        ..RunInfo::unknown(run)
    }
}

/// A file of a run, by the name that its record may give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// The agent's standard output.
    Stdout,
    /// The agent's standard error.
    Stderr,
    /// The prompt.
    Prompt,
    /// The answer.
    Output,
}

/// Returns where a file of `run` is: in its folder, else where its record says.
pub fn file(run: &RunDir, file: File) -> PathBuf {
    let inside = match file {
        File::Stdout => run.stdout(),
        File::Stderr => run.stderr(),
        File::Prompt => run.prompt(),
        File::Output => run.output(),
    };
    if inside.exists() {
        return inside;
    }
    let info = RunInfo::read(run).ok().flatten();
    let recorded = info.map(|info| match file {
        File::Stdout => info.stdout_path,
        File::Stderr => info.stderr_path,
        File::Prompt => info.prompt_path,
        File::Output => info.output_path,
    });
    let recorded = recorded.filter(|path| !path.is_empty());
    recorded.map_or(inside, |path| run.path().join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "run_20260128-163814-2127";

    fn run() -> RunDir {
        let project = ProjectId::parse("p").unwrap();
        let id = RunId::parse(ID).unwrap();
        let task = flat_task(Path::new("/old/runs/x"), project, id).unwrap();
        task.runs().unwrap().pop().unwrap()
    }

    fn parsed(text: &str) -> RunInfo {
        parse(text, &run(), Some(Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn all_keys() {
        let info = parsed(
            "RUN_ID=run_20260128-163815-9\nCWD=/srv/My Work\nAGENT=Claude\nCMD=claude -p a=b\n\
             STDOUT=/l/out\nSTDERR=/l/err\nPROMPT=/l/prompt\nPID=2127\nEXIT_CODE=0\n",
        );
        assert_eq!(info.run_id.as_str(), "run_20260128-163815-9");
        assert_eq!(
            (info.cwd.as_str(), info.agent.as_str()),
            ("/srv/My Work", "claude")
        );
        assert_eq!(info.commandline, "claude -p a=b");
        let paths = [&info.stdout_path, &info.stderr_path, &info.prompt_path];
        assert_eq!(paths, ["/l/out", "/l/err", "/l/prompt"]);
        assert_eq!((info.pid, info.pgid, info.exit_code), (2127, 2127, 0));
        let start = "2026-01-28T16:38:15Z".parse().unwrap();
        assert_eq!(info.start_time, Some(start));
        assert_eq!(project_of(&info.cwd).unwrap().as_str(), "my-work");
    }

    #[test]
    fn how_it_ended() {
        let end = Some(Timestamp::UNIX_EPOCH);
        for (text, status, code, ended) in [
            ("EXIT_CODE=0", RunStatus::Completed, 0, end),
            ("EXIT_CODE=1", RunStatus::Failed, 1, end),
            ("EXIT_CODE=-9", RunStatus::Failed, -9, end),
            ("", RunStatus::Running, -1, None),
            ("EXIT_CODE=", RunStatus::Running, -1, None),
            ("EXIT_CODE=soon", RunStatus::Running, -1, None),
        ] {
            let info = parsed(text);
            let found = (info.status, info.exit_code, info.end_time);
            assert_eq!(found, (status, code, ended), "{text:?}");
        }
    }

    #[test]
    fn what_is_missing_or_malformed_says_nothing() {
        for text in [
            "",
            "\n\n  \n",
            "no line of ours\n=\n=x\nRUN_ID\n",
            "RUN_ID=../../etc\nPID=x\n",
            "RUN_ID=\nPID=-5\n",
            "PID=99999999999999\n",
        ] {
            let info = parsed(text);
            assert_eq!(info.run_id.as_str(), ID, "{text:?}");
            assert_eq!((info.pid, info.cwd.as_str()), (0, ""), "{text:?}");
        }
        assert_eq!(parsed("junk\n\n  PID = 7 \n").pid, 7);
    }

    #[test]
    fn projects_come_from_the_working_folder() {
        for (cwd, project) in [
            ("/srv/work", Some("work")),
            ("/srv/work/", Some("work")),
            ("/", None),
            ("", None),
            ("/srv/???", None),
        ] {
            let found = project_of(cwd);
            assert_eq!(found.as_ref().map(ProjectId::as_str), project, "{cwd}");
        }
    }

    #[test]
    fn folders_are_told_apart() {
        let extra = tempfile::tempdir().unwrap();
        let write = |folder: &str, file: &str, text: &str| {
            let folder = extra.path().join("runs").join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
        };
        write("a", "cwd.txt", "RUN_ID=20260128-163814-1\nCWD=/srv/one\n");
        write("b", "cwd.txt", "CWD=/srv/one\n");
        write("20260128-163814-3", "cwd.txt", "CWD=/srv/two\n");
        let yaml = "run_id: 20260128-163814-4\nproject_id: three\ntask_id: t\nstatus: completed\n";
        write("c", "run-info.yaml", yaml);
        write("20260128-163814-5", "run-info.yaml", "version: [");
        write("20260128-163814-6", "notes.txt", "");
        let scan = scan(extra.path());
        let found: Vec<String> = scan
            .tasks
            .iter()
            .map(|task| format!("{}/{}", task.project(), task.id()))
            .collect();
        assert_eq!(
            found,
            [
                "two/20260128-163814-3",
                "unknown/20260128-163814-5",
                "one/20260128-163814-1",
                "three/20260128-163814-4",
            ]
        );
        assert_eq!(scan.problems.len(), 1, "{:?}", scan.problems);
        assert!(scan.problems[0].contains("runs/b"));
    }
}
