//! The walk through projects, tasks and runs.

use std::error::Error as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::{Code, Report};
use crate::durable::TEMPORARY_SUFFIX;
use crate::gc::{TRASH, names};
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::{GLOBAL_FACTS, LayoutError, Root, TaskDir};
use crate::marker::{Marker, Presence};
use crate::owner::OwnerState;
use crate::record::{RecordError, SET_ASIDE};
use crate::run_info::{KNOWN_VERSION, RunInfo, RunStatus};
use crate::snapshot::{RunView, TaskView};
use crate::{ledger, queue, rotation};

/// How old a temporary file is that nobody writes any more.
const ABANDONED: SignedDuration = SignedDuration::from_mins(1);
/// How far a clock may be ahead before its times are odd.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// The folders in the root that are no projects.
const OWN: [&str; 3] = [".conductor", "_audit", "_global"];
/// The folders of our own bookkeeping.
const OWN_FOLDERS: [&str; 8] = [
    "dependencies",
    "index",
    "limits",
    "log",
    "queue",
    "slots",
    "spool",
    "withdrawn",
];
/// How the names of records end.
const RECORD: &str = ".yaml";
/// What the folder of a task holds, and no other one.
const OF_TASK: [&str; 5] = [
    "TASK.md",
    "launch.yaml",
    "task-state.yaml",
    "owner.lock",
    "runs",
];

pub(super) fn examine(root: &Root, now: Timestamp, report: &mut Report) {
    let mut walk = Walk { root, now, report };
    walk.mode(root.path(), Code::OpenRoot);
    let is_ours = |name: &str| OWN.contains(&name) || ProjectId::parse(name).is_ok();
    walk.entries(root.path(), is_ours, |walk, path, name, is_folder| {
        if !is_folder {
            if OWN.contains(&name) {
                walk.report.add(Code::NotAFolder, path, "");
            }
            return;
        }
        if name == ".conductor" {
            walk.own_folder(path);
        } else if name == "_global" {
            walk.entries(
                path,
                |_| false,
                |walk, path, name, _| {
                    if name == GLOBAL_FACTS {
                        walk.regular(path);
                    }
                },
            );
        } else if let Ok(id) = ProjectId::parse(name) {
            walk.report.looked_at.projects += 1;
            walk.project(&id, path);
        }
    });
}

struct Walk<'a> {
    root: &'a Root,
    now: Timestamp,
    report: &'a mut Report,
}

impl Walk<'_> {
    /// Looks at what every folder may hold, then hands each entry that is no link on.
    ///
    /// `is_ours` tells which names are those of folders that commands go into.
    fn entries(
        &mut self,
        folder: &Path,
        is_ours: impl Fn(&str) -> bool,
        mut visit: impl FnMut(&mut Self, &Path, &str, bool),
    ) {
        let entries = match names(folder) {
            Ok(entries) => entries,
            Err(error) => return self.layout(&error),
        };
        for (name, kind) in entries {
            let path = folder.join(&name);
            let is_left = name.starts_with(TRASH)
                || name.ends_with(TEMPORARY_SUFFIX) && self.is_abandoned(&path);
            if kind.is_symlink() {
                let code = if is_ours(&name) {
                    Code::LinkedFolder
                } else {
                    Code::LinkedFile
                };
                self.report.add(code, &path, "");
            } else if is_left {
                self.report.add(Code::Leftover, &path, "");
            } else {
                visit(self, &path, &name, kind.is_dir());
            }
        }
    }

    fn is_abandoned(&self, path: &Path) -> bool {
        let changed = path.symlink_metadata().and_then(|meta| meta.modified());
        let changed = changed.ok().and_then(|time| Timestamp::try_from(time).ok());
        changed.is_some_and(|at| self.now.duration_since(at) > ABANDONED)
    }

    /// Reports a folder or file that others may look into.
    fn mode(&mut self, path: &Path, code: Code) {
        if let Ok(meta) = path.symlink_metadata()
            && let Some(bits) = super::system::open_bits(&meta)
        {
            self.report.add(code, path, format_args!("mode {bits:04o}"));
        }
    }

    /// Reports what is there and no regular file.
    fn regular(&mut self, path: &Path) {
        if is_no_file(path) {
            self.report.add(Code::NotAFile, path, "");
        }
    }

    /// Looks at the folder of our own bookkeeping.
    fn own_folder(&mut self, folder: &Path) {
        let is_ours = |name: &str| OWN_FOLDERS.contains(&name);
        self.entries(folder, is_ours, |walk, path, name, is_folder| {
            if is_folder && name == rotation::FILE {
                walk.report.add(Code::NotAFile, path, "");
            } else if is_folder {
                walk.private_folder(path, checked_by(name));
            } else if is_ours(name) {
                walk.report.add(Code::NotAFolder, path, "");
            } else {
                walk.private_file(path);
                if name == rotation::FILE {
                    walk.own_record(rotation::check_file(path), Code::DamagedTurns);
                }
            }
        });
    }

    /// Reports what is wrong with a record of our bookkeeping; `damaged` is for damage.
    fn own_record(&mut self, found: Result<(), RecordError>, damaged: Code) {
        match found {
            Ok(()) => {}
            Err(RecordError::Malformed { path, source }) => {
                self.report.add(damaged, &path, source);
            }
            // What is no file was told by its place.
            Err(RecordError::Io { path, .. }) if is_no_file(&path) => {}
            Err(error) => self.record(&error),
        }
    }

    fn private_file(&mut self, path: &Path) {
        self.regular(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(SET_ASIDE) {
            self.report.add(Code::SetAside, path, "");
        }
        // A lock says nothing, whoever reads it; older builds made some for everyone.
        if !is_empty(path) {
            self.mode(path, Code::OpenFile);
        }
    }

    /// Looks at a folder of files that are all private.
    ///
    /// Those that `checked` knows how to read are read.
    fn private_folder(&mut self, folder: &Path, checked: Option<(Check, Code)>) {
        self.entries(
            folder,
            |_| false,
            |walk, path, _, is_folder| match checked {
                Some(_) if is_folder => walk.report.add(Code::NotAFile, path, ""),
                Some((check, damaged)) => {
                    walk.private_file(path);
                    walk.own_record(check(path), damaged);
                }
                None if is_folder => walk.private_folder(path, None),
                None => walk.private_file(path),
            },
        );
    }

    /// Looks at what gates found and printed; what they found is for everyone.
    fn gates(&mut self, folder: &Path) {
        self.entries(
            folder,
            |_| false,
            |walk, path, name, is_folder| {
                if is_folder {
                    walk.private_folder(path, None);
                } else if name.ends_with(RECORD) {
                    walk.regular(path);
                } else {
                    walk.private_file(path);
                }
            },
        );
    }

    fn project(&mut self, id: &ProjectId, folder: &Path) {
        let tasks = self
            .root
            .project(id)
            .and_then(|project| project.tasks())
            .unwrap_or_default();
        let is_task = |name: &str| TaskId::parse(name).is_ok();
        self.entries(folder, is_task, |walk, path, name, is_folder| {
            let task = tasks.iter().find(|task| task.id().as_str() == name);
            if !is_folder {
                return;
            }
            if let Some(task) = task {
                walk.report.looked_at.tasks += 1;
                walk.task(task, path);
            }
            let looks_like_task = || OF_TASK.iter().any(|file| path.join(file).exists());
            if !is_task(name) && looks_like_task() {
                walk.report.add(Code::MisnamedTask, path, "");
            }
        });
    }

    fn task(&mut self, task: &TaskDir, folder: &Path) {
        match TaskView::read(self.root, task, self.now) {
            Ok(view) => self.task_view(&view),
            Err(LayoutError::Symlink(_)) => {} // The listing below tells it.
            Err(error) => self.layout(&error),
        }
        let private = [
            task.prompt(),
            task.launch(),
            task.supervisor_log(),
            task.bus_spool(),
        ];
        let is_runs = |name: &str| name == "runs";
        self.entries(folder, is_runs, |walk, path, name, is_folder| {
            if is_folder && name == "control" {
                walk.private_folder(path, None);
            } else if is_folder && name == "gates" {
                walk.gates(path);
            } else if is_folder && name == "runs" {
                walk.runs(path);
            } else if private.iter().any(|file| file == path) {
                walk.mode(path, Code::OpenFile);
            } else if path == task.owner_lock() {
                walk.regular(path);
            }
        });
    }

    fn task_view(&mut self, view: &TaskView) {
        let presences = [
            (Marker::Done, view.markers.done),
            (Marker::Cancelled, view.markers.cancelled),
            (Marker::StopRequested, view.markers.stop_requested),
        ];
        for (marker, presence) in presences {
            if presence == Presence::NotAFile {
                self.report
                    .add(Code::MarkerNotAFile, &marker.path(&view.task), "");
            }
        }
        if view.owner_state == OwnerState::Lost {
            let pid = view.owner.as_ref().map_or(0, |owner| owner.pid);
            self.report.add(
                Code::OwnerLost,
                view.task.path(),
                format_args!("process {pid} is gone"),
            );
        }
        let spool = view.task.bus_spool();
        if view.owner_state == OwnerState::None && spool.exists() {
            self.report.add(Code::UnpostedMessages, &spool, "");
        }
        let attempts = view.state.as_ref().map_or(0, |state| state.attempts.total);
        let runs = view.task.runs_folder();
        // A collection leaves the folder.
        if attempts > 0 && runs.symlink_metadata().is_err() {
            self.report.add(
                Code::RunsMissing,
                &runs,
                format_args!("attempts: {attempts}"),
            );
        }
        for problem in &view.problems {
            self.record(problem);
        }
        for run in &view.runs {
            self.report.looked_at.runs += 1;
            self.run(run);
        }
    }

    fn run(&mut self, run: &RunView) {
        let info = match &run.info {
            Ok(info) => info,
            Err(error) => return self.record(error),
        };
        let path = run.run.info();
        if !path.exists() {
            if !run.is_starting(self.now) && !run.is_active {
                self.report.add(Code::Unrecorded, run.run.path(), "");
            }
            return;
        }
        if info.version > KNOWN_VERSION {
            let version = info.version;
            self.report
                .add(Code::NewerRecord, &path, format_args!("format {version}"));
        }
        if let Some(contradiction) = contradiction(run, info) {
            self.report
                .add(Code::ContradictoryRecord, &path, contradiction);
        }
        if info.status == RunStatus::Running && run.status != RunStatus::Running {
            let pid = info.pid;
            self.report
                .add(Code::DeadRunning, &path, format_args!("pid {pid}"));
        }
        if let Some(odd) = odd_times(info, self.now) {
            self.report.add(Code::OddTimes, &path, odd);
        }
    }

    fn runs(&mut self, folder: &Path) {
        const PRIVATE: [&str; 3] = ["prompt.md", "agent-stdout.txt", "agent-stderr.txt"];
        let is_run = |name: &str| RunId::parse(name).is_ok();
        self.entries(folder, is_run, |walk, run, name, is_folder| {
            if is_folder && is_run(name) {
                walk.entries(
                    run,
                    |_| false,
                    |walk, path, name, _| {
                        if PRIVATE.contains(&name) {
                            walk.mode(path, Code::OpenFile);
                        }
                    },
                );
            }
        });
    }

    fn record(&mut self, error: &RecordError) {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        match error {
            RecordError::Io { path, .. } if is_no_file(path) => {
                self.report.add(Code::NotAFile, path, "");
            }
            RecordError::Io { path, .. } => self.report.add(Code::Unreadable, path, cause),
            RecordError::Malformed { path, .. } => {
                self.report.add(Code::DamagedRecord, path, cause);
            }
            RecordError::TooNew { path, found, .. } => {
                self.report
                    .add(Code::NewerRecord, path, format_args!("format {found}"));
            }
        }
    }

    fn layout(&mut self, error: &LayoutError) {
        match error {
            LayoutError::Io { path, source } => self.report.add(Code::Unreadable, path, source),
            LayoutError::Symlink(path) => self.report.add(Code::LinkedFolder, path, ""),
            LayoutError::NotAFolder(path) => {
                self.report.add(Code::NotAFolder, path, "");
            }
            // Gone while we looked.
            LayoutError::Missing(_) => {}
        }
    }
}

/// Tells what is wrong with one file.
type Check = fn(&Path) -> Result<(), RecordError>;

/// Returns how the files in a folder of our own bookkeeping are checked.
fn checked_by(folder: &str) -> Option<(Check, Code)> {
    match folder {
        "limits" => Some((check_limits, Code::DamagedLimits)),
        "queue" => Some((queue::check_file, Code::DamagedQueueEntry)),
        _ => None,
    }
}

/// Beside the accounts there is a lock.
fn check_limits(path: &Path) -> Result<(), RecordError> {
    let is_account = path.extension().is_some_and(|ending| ending == "yaml");
    if is_account {
        ledger::check_file(path)
    } else {
        Ok(())
    }
}

/// Tells whether a regular file without content is at `path`.
fn is_empty(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

/// Tells whether something is at `path` that is no regular file.
fn is_no_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| !meta.is_file())
}

/// Says what a record says that cannot be where it stands.
fn contradiction(run: &RunView, info: &RunInfo) -> Option<String> {
    let task = run.run.task();
    let pairs = [
        ("run_id", info.run_id.as_str(), run.run.id().as_str()),
        ("task_id", info.task_id.as_str(), task.id().as_str()),
        (
            "project_id",
            info.project_id.as_str(),
            task.project().as_str(),
        ),
    ];
    let other = pairs.iter().find(|(_, said, own)| said != own);
    if let Some((key, said, own)) = other {
        return Some(format!("{key} is {said}, and its folder is one of {own}"));
    }
    // A newer format may have other words.
    let is_odd = info.status == RunStatus::Unknown && info.version <= KNOWN_VERSION;
    is_odd.then(|| "its status is none of running, completed, failed".to_owned())
}

/// Says what is odd about the times of a record.
fn odd_times(info: &RunInfo, now: Timestamp) -> Option<String> {
    let latest = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    match (info.start_time, info.end_time) {
        (Some(start), Some(end)) if end < start => {
            Some(format!("it ended at {end} and started at {start}"))
        }
        (Some(start), _) if start > latest => Some(format!("it started at {start}, in the future")),
        (_, Some(end)) if end > latest => Some(format!("it ended at {end}, in the future")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Root;

    #[test]
    fn odd_times_of_every_kind() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let task = TaskId::parse("task-20260101-000000-abc").unwrap();
        let task = root.task(&project, &task).unwrap();
        task.ensure().unwrap();
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let run = task.create_run(now).unwrap();
        let mut info = RunInfo::unknown(&run);
        let mut check = |start: Option<i64>, end: Option<i64>, expected: bool| {
            let at = |hours: i64| now + SignedDuration::from_hours(hours);
            (info.start_time, info.end_time) = (start.map(at), end.map(at));
            assert_eq!(
                odd_times(&info, now).is_some(),
                expected,
                "{start:?} {end:?}"
            );
        };
        check(None, None, false);
        check(Some(-2), Some(-1), false);
        check(Some(-1), Some(-1), false);
        check(Some(-1), Some(-2), true);
        check(Some(1), None, true);
        check(Some(-1), Some(1), true);
        check(None, Some(1), true);
        check(Some(0), Some(0), false);
    }
}
