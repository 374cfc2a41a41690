//! Many tasks, looked at together.

use std::collections::{BTreeMap, HashMap, HashSet};

use cl_storage::index::ProjectIndex;
use cl_storage::layout::LayoutError;
use cl_storage::legacy;
use cl_storage::snapshot::TaskView;
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectDir, ProjectId, Root, TaskDir, TaskId};
use cl_wire::{TaskListing, TaskRow};
use jiff::Timestamp;

use crate::{chain, complete, ended_task_row, task_row};

/// Starting a thread takes as long as looking at a few tasks.
const WORTH_A_THREAD: usize = 64;

/// Many tasks, looked at together; what could not be read stands beside them.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The tasks, in the order of their project and id.
    pub rows: Vec<TaskRow>,
    /// Everything that could not be read, those of the rows included.
    pub problems: Vec<String>,
}

impl Survey {
    /// Looks at every task of `project`.
    pub fn of_project(
        root: &Root,
        project: &ProjectDir,
        now: Timestamp,
    ) -> Result<Self, LayoutError> {
        let mut survey = Self::default();
        survey.add_project(root, project, now)?;
        Ok(survey)
    }

    /// Looks at every task below `root`.
    pub fn of_root(root: &Root, now: Timestamp) -> Result<Self, LayoutError> {
        let mut survey = Self::default();
        for project in root.projects()? {
            // One project that cannot be listed must not hide the others.
            if let Err(error) = survey.add_project(root, &project, now) {
                survey.problems.push(chain(&error));
            }
        }
        Ok(survey)
    }

    fn add_project(
        &mut self,
        root: &Root,
        project: &ProjectDir,
        now: Timestamp,
    ) -> Result<(), LayoutError> {
        let index = ProjectIndex::open(root, project);
        let look = |task: &TaskDir| look_at(root, &index, task, now);
        for found in in_two_halves(&project.tasks()?, look) {
            match found {
                Ok(row) => self.add_row(row),
                Err(problem) => self.problems.push(problem),
            }
        }
        self.complete(root, now);
        Ok(())
    }

    /// Adds to the rows what no look at one task alone tells.
    pub fn complete(&mut self, root: &Root, now: Timestamp) {
        complete(root, &mut self.rows, now);
    }

    /// Adds tasks of the old flat layout.
    pub fn add_old(&mut self, root: &Root, old: &legacy::Scan, now: Timestamp) {
        self.problems.extend(old.problems.iter().cloned());
        for task in &old.tasks {
            match TaskView::read(root, task, now) {
                Ok(view) => self.add(&view),
                Err(error) => self.problems.push(error.to_string()),
            }
        }
    }

    /// Adds one task.
    pub fn add(&mut self, view: &TaskView) {
        self.add_row(task_row(view));
    }

    fn add_row(&mut self, row: TaskRow) {
        self.problems.extend(row.problems.iter().cloned());
        self.rows.push(row);
    }

    /// Keeps the tasks that have one of these statuses.
    pub fn filter(&mut self, statuses: &[TaskStatus]) {
        self.rows.retain(|row| statuses.contains(&row.status));
    }

    /// Counts the statuses.
    pub fn counts(&self) -> BTreeMap<TaskStatus, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.status).or_insert(0) += 1;
        }
        counts
    }

    /// Tells whether every task is finished or given up.
    pub fn is_all_finished(&self) -> bool {
        let is_finished =
            |row: &TaskRow| matches!(row.status, TaskStatus::AllFinished | TaskStatus::Cancelled);
        self.rows.iter().all(is_finished)
    }

    /// Takes up what somebody else looked at.
    pub fn of_listing(listing: TaskListing) -> Self {
        Self {
            rows: listing.tasks,
            problems: listing.problems,
        }
    }

    /// Returns the one JSON form of many tasks.
    pub fn listing(self) -> TaskListing {
        TaskListing {
            all_finished: self.is_all_finished(),
            counts: self.counts(),
            tasks: self.rows,
            problems: self.problems,
        }
    }

    /// Returns the rows so that children follow their parent, each with its level.
    pub fn nested(&self) -> Vec<(usize, &TaskRow)> {
        let places: HashMap<(&ProjectId, &TaskId), usize> = self
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| ((&row.project_id, &row.task_id), index))
            .collect();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.rows.len()];
        let mut roots = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let parent = row
                .parent
                .as_ref()
                .and_then(|parent| places.get(&(&parent.project_id, &parent.task_id)))
                .filter(|parent| **parent != index);
            match parent {
                Some(parent) => children[*parent].push(index),
                None => roots.push(index),
            }
        }
        // Records that name each other as parents form a ring without a root.
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        for start in roots.into_iter().chain(0..self.rows.len()) {
            let mut stack = vec![(0, start)];
            while let Some((level, index)) = stack.pop() {
                if seen.insert(index) {
                    order.push((level, &self.rows[index]));
                    let below = children[index].iter().rev();
                    stack.extend(below.map(|child| (level + 1, *child)));
                }
            }
        }
        order
    }
}

/// Looks at one task, in the index if it is there as it is now; else says why it cannot be read.
fn look_at(
    root: &Root,
    index: &ProjectIndex,
    task: &TaskDir,
    now: Timestamp,
) -> Result<TaskRow, String> {
    if let Some(ended) = index.find(task) {
        return Ok(ended_task_row(task, ended));
    }
    match TaskView::read(root, task, now) {
        Ok(view) => Ok(task_row(&view)),
        Err(error) => Err(format!(
            "task {} cannot be read: {}",
            task.id(),
            chain(&error)
        )),
    }
}

/// Returns what `look` finds of each task, in order; many are looked at by two threads.
pub fn in_two_halves<T: Send>(tasks: &[TaskDir], look: impl Fn(&TaskDir) -> T + Sync) -> Vec<T> {
    let all = |tasks: &[TaskDir]| tasks.iter().map(&look).collect::<Vec<T>>();
    if tasks.len() < WORTH_A_THREAD {
        return all(tasks);
    }
    let (first, second) = tasks.split_at(tasks.len() / 2);
    std::thread::scope(|scope| {
        let second = std::thread::Builder::new().spawn_scoped(scope, || all(second));
        let mut found = all(first);
        match second.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(more)) => found.extend(more),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // Out of threads.
            Err(_) => found.extend(all(&tasks[found.len()..])),
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use cl_storage::run_info::{self, RunInfo, RunStatus};
    use cl_storage::{index, marker};

    use super::*;

    /// Enough for two threads.
    const TASKS: usize = WORTH_A_THREAD + 3;
    const DAMAGED: usize = 40;

    fn make_task(project: &ProjectDir, number: usize) -> TaskDir {
        let id = TaskId::parse(&format!("task-20260101-000000-t{number:03}")).unwrap();
        let task = project.task(&id).unwrap();
        task.ensure().unwrap();
        let first = |run: &_| {
            let mut info = RunInfo::preparing(run, "scripted", Timestamp::UNIX_EPOCH);
            (info.status, info.phase) = (RunStatus::Failed, None);
            info
        };
        run_info::begin(&task, Timestamp::UNIX_EPOCH, first).unwrap();
        if number.is_multiple_of(3) {
            marker::create_done(&task).unwrap();
        }
        task
    }

    #[test]
    fn a_damaged_record_is_named_and_hides_nothing_with_and_without_index() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let project = root.project(&ProjectId::parse("p").unwrap()).unwrap();
        let tasks: Vec<TaskDir> = (0..TASKS).map(|n| make_task(&project, n)).collect();
        let damaged = tasks[DAMAGED].runs().unwrap()[0].info();
        std::fs::write(&damaged, "version: [").unwrap();
        let look = || {
            let survey = Survey::of_project(&root, &project, Timestamp::UNIX_EPOCH).unwrap();
            let [problem] = survey.problems.as_slice() else {
                panic!("{:?}", survey.problems);
            };
            assert!(problem.contains(damaged.to_str().unwrap()), "{problem}");
            let ids: Vec<&TaskId> = survey.rows.iter().map(|row| &row.task_id).collect();
            assert_eq!(ids, tasks.iter().map(TaskDir::id).collect::<Vec<_>>());
            serde_json::to_value(survey.listing()).unwrap()
        };
        let read = look();
        let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
        let described = || {
            index::sweep(&root, &project);
            let index = ProjectIndex::open(&root, &project);
            tasks
                .iter()
                .filter(|task| index.find(task).is_some())
                .count()
        };
        // Entries are made of files that have been left alone for two seconds.
        while described() < TASKS - 1 {
            assert!(std::time::Instant::now() < until, "the tree never settles");
        }
        assert_eq!(look(), read, "with index");
        std::fs::remove_dir_all(root.conductor_folder().join("index")).unwrap();
        assert_eq!(look(), read, "without it again");
    }
}
