//! Data that benchmarks read: the same bytes on every machine.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, RunId, TaskId};

/// The length of the body of a usual message.
pub const BODY_BYTES: usize = 256;
/// The project of all data.
pub const PROJECT: &str = "bench";

/// Stands in a folder whose data is whole.
const COMPLETE: &str = "complete";

/// Returns the bus of `count` messages of 256 bytes in `folder`, and writes it if it is not there yet.
///
/// It belongs to no project, so that it may stand anywhere.
pub fn bus(folder: &Path, count: u32) -> io::Result<PathBuf> {
    let folder = folder.join(format!("bus-{count}"));
    let path = folder.join(cl_bus::LOOSE_BUS);
    once(&folder, || {
        let mut file = BufWriter::new(File::create(&path)?);
        for number in 0..count {
            if number > 0 {
                file.write_all(b"\n")?;
            }
            file.write_all(record(number).as_bytes())?;
        }
        file.flush()
    })?;
    Ok(path)
}

/// Returns the id of message `number`, from 0, of every [`bus`].
pub fn message_id(number: u32) -> String {
    format!(
        "MSG-20260101-{:02}{:02}{:02}-{:09}-PID00001-{:04}",
        number / 360_000,
        number / 6000 % 60,
        number / 100 % 60,
        number % 100 * 10_000_000,
        number % 10_000
    )
}

fn record(number: u32) -> String {
    let id = message_id(number);
    let (hour, minute, second) = (number / 360_000, number / 6000 % 60, number / 100 % 60);
    let hundredth = number % 100;
    let body = body(number);
    format!(
        "---\nmsg_id: {id}\nts: 2026-01-01T{hour:02}:{minute:02}:{second:02}.{hundredth:02}Z\n\
         type: INFO\nproject_id: {PROJECT}\ntask_id: \"\"\nrun_id: \"\"\nbody_bytes: {BODY_BYTES}\n---\n{body}\n"
    )
}

fn body(number: u32) -> String {
    let mut body = String::with_capacity(BODY_BYTES + 80);
    while body.len() < BODY_BYTES {
        let line = body.len() / 64;
        writeln!(
            body,
            "message {number}, line {line}: what an agent has found, and where."
        )
        .expect("writing to a string cannot fail");
    }
    body.truncate(BODY_BYTES);
    body
}

/// Returns a root of `tasks` tasks with `runs` finished runs each, and writes it if it is not there yet.
///
/// Every tenth task failed in its last run. All tasks belong to [`PROJECT`].
pub fn root(folder: &Path, tasks: u32, runs: u32) -> io::Result<PathBuf> {
    let folder = folder.join(format!("root-{tasks}x{runs}"));
    let path = folder.join("root");
    once(&folder, || {
        std::fs::create_dir_all(&path)?;
        let root = Root::at(&path).map_err(io::Error::other)?;
        let project = ProjectId::parse(PROJECT).map_err(io::Error::other)?;
        for number in 0..tasks {
            task(&root, &project, number, runs)?;
        }
        Ok(())
    })?;
    Ok(path)
}

fn task(root: &Root, project: &ProjectId, number: u32, runs: u32) -> io::Result<()> {
    let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
    let name = format!("task-20260101-{hour:02}{minute:02}{second:02}-job-{number}");
    let id = TaskId::parse(&name).map_err(io::Error::other)?;
    let folder = path_of(root, project, &id);
    std::fs::create_dir_all(folder.join("runs"))?;
    std::fs::write(folder.join("TASK.md"), format!("Do job {number}.\n"))?;
    let task = root.task(project, &id).map_err(io::Error::other)?;
    for run in 0..runs {
        let name = format!("20260101-{hour:02}{minute:02}{second:02}{run:04}-1-{number}");
        let id = RunId::parse(&name).map_err(io::Error::other)?;
        std::fs::create_dir(folder.join("runs").join(id.as_str()))?;
        let dir = task.run(&id).map_err(io::Error::other)?;
        let failed = number.is_multiple_of(10) && run + 1 == runs;
        std::fs::write(dir.info(), run_info(&dir, run, failed).to_yaml())?;
        std::fs::write(dir.output(), format!("Done with job {number}.\n"))?;
    }
    if !number.is_multiple_of(10) {
        std::fs::write(folder.join("DONE"), "")?;
    }
    Ok(())
}

fn path_of(root: &Root, project: &ProjectId, task: &TaskId) -> PathBuf {
    root.path().join(project.as_str()).join(task.as_str())
}

fn run_info(dir: &cl_storage::RunDir, run: u32, failed: bool) -> RunInfo {
    let started = dir.id().started_at().unwrap_or_default();
    let (status, exit_code) = if failed {
        (RunStatus::Failed, 1)
    } else {
        (RunStatus::Completed, 0)
    };
    RunInfo {
        agent_name: "scripted".to_owned(),
        attempt: Some(run + 1),
        depth: Some(0),
        phase: None,
        end_time: Some(started + jiff::SignedDuration::from_secs(2)),
        status,
        exit_code,
        cwd: "/srv/work".to_owned(),
        commandline: "scripted script.yaml".to_owned(),
        argv: vec!["scripted".to_owned(), "script.yaml".to_owned()],
        ..RunInfo::preparing(dir, "scripted", started)
    }
}

/// Fills `folder` unless it is whole already; what a killed writer left is made anew.
fn once(folder: &Path, fill: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if folder.join(COMPLETE).exists() {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    fill()?;
    std::fs::write(folder.join(COMPLETE), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_whole_and_the_same_every_time() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = bus(first.path(), 250).unwrap();
        let other = bus(second.path(), 250).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(other).unwrap());
        let reading = cl_bus::Bus::new(&path).all().unwrap();
        assert_eq!(reading.damage, []);
        assert_eq!(reading.entries.len(), 250);
        for (number, message) in (0..).zip(reading.messages()) {
            assert_eq!(message.id.as_str(), message_id(number));
            assert_eq!(message.body.len(), BODY_BYTES);
        }
    }

    #[test]
    fn ids_differ_also_far_apart() {
        let numbers = [
            0, 1, 99, 100, 9_999, 10_000, 99_999, 359_999, 360_000, 999_999,
        ];
        let ids: std::collections::BTreeSet<String> = numbers.map(message_id).into();
        assert_eq!(ids.len(), numbers.len());
    }

    #[test]
    fn whole_data_is_used_again_and_half_of_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = bus(folder.path(), 3).unwrap();
        std::fs::write(&path, "changed").unwrap();
        bus(folder.path(), 3).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed");
        std::fs::remove_file(path.with_file_name(COMPLETE)).unwrap();
        bus(folder.path(), 3).unwrap();
        assert_eq!(cl_bus::Bus::new(&path).all().unwrap().entries.len(), 3);
    }

    #[test]
    fn a_root_has_its_tasks_and_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = root(folder.path(), 11, 2).unwrap();
        let root = Root::at(&path).unwrap();
        let projects = root.projects().unwrap();
        let tasks = projects[0].tasks().unwrap();
        assert_eq!((projects.len(), tasks.len()), (1, 11));
        let mut statuses = Vec::new();
        for task in &tasks {
            for run in task.runs().unwrap() {
                let info = RunInfo::read(&run).unwrap().unwrap();
                assert_eq!(info.run_id, *run.id());
                assert!(info.end_time > info.start_time);
                statuses.push(info.status);
            }
        }
        assert_eq!(statuses.len(), 22);
        let failed = statuses.iter().filter(|s| **s == RunStatus::Failed);
        assert_eq!(failed.count(), 2);
    }
}
