//! What the plan weighs, read without changing anything.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::folder::TRASH;
use super::plan::{Condition, RunFacts, TaskFacts};
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::{LayoutError, Root, TaskDir};
use crate::owner::OwnerState;
use crate::pid_file;
use crate::process;
use crate::run_info::{KNOWN_VERSION, RunStatus};
use crate::slot;
use crate::snapshot::{RunView, TaskView};
use crate::status::Claim;

/// One task as it was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) facts: TaskFacts,
    pub(super) view: TaskView,
    /// Names left by a collection that was killed.
    pub(super) trash: Vec<String>,
    /// Runs that are links.
    pub(super) links: Vec<PathBuf>,
}

/// Tasks that a task which must live names as its parent or child.
pub(super) type Needed = HashSet<(ProjectId, TaskId)>;

/// Looks at one task.
pub(super) fn look(
    root: &Root,
    task: &TaskDir,
    needed: &Needed,
    now: Timestamp,
) -> Result<Seen, LayoutError> {
    let view = TaskView::read(root, task, now)?;
    let mut seen = Seen {
        facts: TaskFacts {
            status: view.status,
            is_owned: view.owner_state == OwnerState::Alive,
            is_lost: view.owner_state == OwnerState::Lost,
            is_active: view.is_active(),
            is_done: view.claim == Claim::Stands,
            has_live_relative: needed.contains(&(task.project().clone(), task.id().clone()))
                || has_live_relative(root, &view, now),
            has_strangers: false,
            last_change: last_change_of_task(task),
            runs: view.runs.iter().map(run_facts).collect(),
        },
        view,
        trash: Vec::new(),
        links: Vec::new(),
    };
    let runs = task.runs_folder();
    for (name, kind) in names(&runs)? {
        if name.starts_with(TRASH) {
            seen.trash.push(name);
        } else if kind.is_symlink() {
            seen.facts.has_strangers = true;
            seen.links.push(runs.join(name));
        } else if !kind.is_dir() || RunId::parse(&name).is_err() {
            seen.facts.has_strangers = true;
        }
    }
    Ok(seen)
}

/// Lists the names in `folder` with what they are, sorted; a missing one has none.
pub(crate) fn names(folder: &Path) -> Result<Vec<(String, fs::FileType)>, LayoutError> {
    let failed = |source| LayoutError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) {
            found.push((name, kind));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Returns the parents and children of every active task below `root`.
///
/// A task that cannot be read names nobody; its relatives name it.
pub(super) fn needed(root: &Root, now: Timestamp) -> Result<Needed, LayoutError> {
    let mut needed = Needed::new();
    for project in root.projects()? {
        for task in project.tasks().unwrap_or_default() {
            let Ok(view) = TaskView::read(root, &task, now) else {
                continue;
            };
            if view.is_active() {
                needed.extend(relatives(&view));
            }
        }
    }
    Ok(needed)
}

fn relatives(view: &TaskView) -> Vec<(ProjectId, TaskId)> {
    let parent = view.launch.as_ref().and_then(|l| l.parent.as_ref());
    let parent = parent.map(|parent| (parent.project.clone(), parent.task.clone()));
    let children = view.state.iter().flat_map(|state| &state.children);
    let children = children.map(|child| (child.project.clone(), child.task.clone()));
    parent.into_iter().chain(children).collect()
}

fn has_live_relative(root: &Root, view: &TaskView, now: Timestamp) -> bool {
    relatives(view).iter().any(|(project, task)| {
        root.task(project, task)
            .ok()
            .filter(TaskDir::exists)
            .is_some_and(|task| TaskView::read(root, &task, now).is_ok_and(|it| it.is_active()))
    })
}

fn run_facts(run: &RunView) -> RunFacts {
    RunFacts {
        id: run.run.id().clone(),
        condition: condition(run),
    }
}

fn condition(run: &RunView) -> Condition {
    let last_change = || last_change(run.run.path(), |_| true);
    match &run.info {
        Ok(info) if info.is_made_up() => match last_change() {
            Some(at) => Condition::Unrecorded {
                at,
                is_live: is_live(run),
            },
            None => Condition::Damaged,
        },
        _ if run.is_active => Condition::Active,
        Err(_) => Condition::Damaged,
        Ok(info) if info.version > KNOWN_VERSION => Condition::Newer,
        Ok(info) => match (run.status, info.end_time.or_else(last_change)) {
            (RunStatus::Completed | RunStatus::Failed, Some(at)) => Condition::Ended {
                is_failed: run.status == RunStatus::Failed,
                at,
            },
            (RunStatus::Running, _) => Condition::Active,
            _ => Condition::Unknown,
        },
    }
}

/// Tells whether a run without record has a process, by its pid file or by its marker.
fn is_live(run: &RunView) -> bool {
    let is_alive = match pid_file::read(&run.run) {
        Some(agent) => agent.is_alive(),
        // Without a start token anybody of that number keeps the folder.
        None => pid_file::read_number(&run.run)
            .is_some_and(|pid| process::is_alive(pid, None, Timestamp::MAX)),
    };
    run.is_active || is_alive || slot::has_processes(run.run.id())
}

fn last_change_of_task(task: &TaskDir) -> Option<Timestamp> {
    // Runs have an age of their own, and the lock file is made by whoever looks for an owner.
    let counts = |name: &str| !matches!(name, "runs" | "owner.lock");
    let entries = names(task.path()).ok()?;
    let times = entries.iter().filter(|(name, _)| counts(name));
    let times = times.map(|(name, _)| modified(&task.path().join(name)));
    times.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Returns the newest change of a folder and what is directly in it.
fn last_change(folder: &Path, counts: impl Fn(&str) -> bool) -> Option<Timestamp> {
    let mut newest = modified(folder)?;
    for (name, _) in names(folder).ok()? {
        if counts(&name) {
            newest = newest.max(modified(&folder.join(name))?);
        }
    }
    Some(newest)
}

fn modified(path: &Path) -> Option<Timestamp> {
    let time = path.symlink_metadata().ok()?.modified().ok()?;
    Timestamp::try_from(time).ok()
}

/// Returns how many bytes the files below `path` hold; what cannot be read counts nothing.
pub(super) fn size_bytes(path: &Path) -> u64 {
    let mut total = 0;
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| entry.path()));
        } else {
            total += meta.len();
        }
    }
    total
}
