//! Keeping what runs leave apart from the sources that agents work on.
//!
//! A root or a task's folder holds our files and is subject to `gc`; a git work
//! tree holds somebody's sources. The one may lie *below* the top of the other,
//! where one ignore rule covers it, but may not be its top.

use std::path::{Path, PathBuf};

use cl_storage::TaskDir;

/// Why a place is not fit for a task's files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Overlap {
    /// Projects would lie among the sources.
    #[error("the root {} is the top of a git work tree, and projects would lie among its sources", .0.display())]
    Root(PathBuf),
    /// The task's files would lie among the sources.
    #[error("the task's folder {} is the top of a git work tree", .0.display())]
    Task(PathBuf),
    /// The sources lie in a folder that is deleted together with the task.
    #[error(
        "the task's folder {} contains the git work tree {} that the agent is to work in",
        task.display(), work_tree.display()
    )]
    Inside {
        /// The task's folder.
        task: PathBuf,
        /// The top of the work tree.
        work_tree: PathBuf,
    },
}

/// Finds an overlap of `task` below `root` with a git work tree; reads only.
///
/// `cwd` is the agent's working folder. Links are followed; what cannot be looked
/// at is no work tree.
pub(crate) fn overlap(root: &Path, task: &TaskDir, cwd: &Path) -> Option<Overlap> {
    if is_top(root) {
        return Some(Overlap::Root(root.to_owned()));
    }
    // Neither root nor task need exist; links below the root are never followed.
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let folder = root.join(task.project().as_str()).join(task.id().as_str());
    if is_top(&folder) {
        return Some(Overlap::Task(folder));
    }
    let work_tree = top_around(&cwd.canonicalize().ok()?)?;
    work_tree.starts_with(&folder).then_some(Overlap::Inside {
        task: folder,
        work_tree,
    })
}

/// Tells whether `folder` is the top of a work tree: `.git` is a folder, or the file of a linked tree.
fn is_top(folder: &Path) -> bool {
    folder.join(".git").exists()
}

/// Returns the top of the git work tree that `folder` is in.
pub(crate) fn top_around(folder: &Path) -> Option<PathBuf> {
    let mut around = folder.ancestors();
    around.find(|folder| is_top(folder)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use cl_storage::{ProjectId, Root, TaskId};

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("repo/src")).unwrap();
            std::fs::create_dir(folder.path().join("repo/.git")).unwrap();
            Self { folder }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.folder.path().canonicalize().unwrap().join(path)
        }

        fn overlap(&self, root: &str, cwd: &str) -> Option<Overlap> {
            let root = self.path(root);
            std::fs::create_dir_all(&root).unwrap();
            let project = ProjectId::parse("p").unwrap();
            let task = TaskId::parse("task-20260101-000000-abc").unwrap();
            let task = Root::at(&root).unwrap().task(&project, &task).unwrap();
            overlap(&root, &task, &self.path(cwd))
        }
    }

    #[test]
    fn a_root_may_lie_beside_or_below_a_work_tree_and_around_it() {
        let place = Place::new();
        for root in ["runs", "repo/runs", "repo/src", ""] {
            for cwd in ["repo", "repo/src", "nowhere"] {
                assert_eq!(place.overlap(root, cwd), None, "{root} {cwd}");
            }
        }
    }

    #[test]
    fn a_root_may_not_be_the_top() {
        let place = Place::new();
        let top = Some(Overlap::Root(place.path("repo")));
        assert_eq!(place.overlap("repo", "nowhere"), top);
        // A linked tree has a file there.
        std::fs::create_dir(place.path("linked")).unwrap();
        std::fs::write(place.path("linked/.git"), "gitdir: x\n").unwrap();
        let top = Some(Overlap::Root(place.path("linked")));
        assert_eq!(place.overlap("linked", "repo"), top);
        // Neither does a link to the top help.
        std::os::unix::fs::symlink(place.path("repo"), place.path("link")).unwrap();
        let top = Some(Overlap::Root(place.path("link")));
        assert_eq!(place.overlap("link", "nowhere"), top);
    }

    #[test]
    fn a_task_folder_may_neither_be_the_top_nor_contain_it() {
        let place = Place::new();
        let task = "runs/p/task-20260101-000000-abc";
        let inside = format!("{task}/clone");
        std::fs::create_dir_all(place.path(&format!("{inside}/.git"))).unwrap();
        assert_eq!(place.overlap("runs", "repo"), None, "not worked in");
        let found = Overlap::Inside {
            task: place.path(task),
            work_tree: place.path(&inside),
        };
        assert_eq!(place.overlap("runs", &inside), Some(found));
        std::fs::create_dir(place.path(&format!("{task}/.git"))).unwrap();
        let found = Overlap::Task(place.path(task));
        assert_eq!(place.overlap("runs", "repo"), Some(found));
    }
}
