//! What was taken out of the queue before it began, and had been asked for by a key.
//!
//! ```text
//! <root>/.conductor/withdrawn/<digest>-<launch>.yaml    the digest of project and task
//! ```
//!
//! Whoever asks again with the same key has not seen that somebody wanted it no more: from
//! this he is told. Written before the entry is removed, so that a crash in between leaves
//! both; the entry counts then. The oldest make room for new ones.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Entry, KNOWN_VERSION, QueueError, digest_of, io_error};
use crate::durable::{self, Mode};
use crate::id::{ProjectId, TaskId};
use crate::layout::Root;
use crate::record::RecordError;

/// What ids of launches begin with that were asked for by a key.
pub const OF_KEY: &str = "key-";

const FOLDER: &str = "withdrawn";
/// So many are remembered.
const MOST: usize = 4096;
/// So many are forgotten at once, so that not each new one sorts them all.
const AT_ONCE: usize = 256;
/// The longest launch that can be part of a file name; ours have 36 characters.
const LONGEST: usize = 64;

/// What is said in a file; its name alone is what counts.
#[derive(Debug, serde::Serialize)]
struct Withdrawn<'a> {
    version: u32,
    project: &'a ProjectId,
    task: &'a TaskId,
    launch: &'a str,
}

/// Tells whether a launch of `task` that a key had asked for was taken out of the queue before
/// it began.
pub fn was_withdrawn(
    root: &Root,
    project: &ProjectId,
    task: &TaskId,
    launch: &str,
) -> Result<bool, QueueError> {
    let Some(path) = path_of(root, project, task, launch) else {
        return Ok(false);
    };
    root.check_own_folder(FOLDER).map_err(io_error(&path))?;
    path.try_exists().map_err(io_error(&path))
}

/// Remembers that `entry` is taken out of the queue, if a key had asked for it; returns after
/// that is on disk.
pub(super) fn remember(root: &Root, entry: &Entry) -> Result<(), QueueError> {
    let launch = entry.launch.as_deref().unwrap_or_default();
    let Some(path) = path_of(root, &entry.project, &entry.task, launch) else {
        return Ok(());
    };
    root.ensure_own_folder(FOLDER).map_err(io_error(&path))?;
    let withdrawn = Withdrawn {
        version: KNOWN_VERSION,
        project: &entry.project,
        task: &entry.task,
        launch,
    };
    let text = crate::yaml::to_text(&withdrawn).map_err(RecordError::malformed(&path))?;
    match durable::create_new(&path, text.as_bytes(), Mode::Private) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error(&path)(error)),
        _ => {
            forget_oldest(path.parent().unwrap_or(&path), MOST);
            Ok(())
        }
    }
}

/// Returns the file of a launch; none if no key had asked for it.
fn path_of(root: &Root, project: &ProjectId, task: &TaskId, launch: &str) -> Option<PathBuf> {
    let rest = launch.strip_prefix(OF_KEY)?;
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_plain && launch.len() <= LONGEST).then(|| {
        let name = format!("{}-{launch}.yaml", digest_of(project, task));
        root.conductor_folder().join(FOLDER).join(name)
    })
}

/// Makes room; what cannot be removed is left to the next one.
fn forget_oldest(folder: &Path, most: usize) {
    let files = || std::fs::read_dir(folder).into_iter().flatten().flatten();
    let surplus = files().count().saturating_sub(most);
    if surplus == 0 {
        return;
    }
    let mut by_age: Vec<(SystemTime, PathBuf)> = files()
        .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
        .collect();
    by_age.sort();
    for (_, path) in by_age.into_iter().take(surplus + AT_ONCE) {
        // Somebody else may make room in the same moment.
        durable::discard(&path).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let most = AT_ONCE + 2;
        for number in 0..=most {
            let file = std::fs::File::create(folder.path().join(format!("{number}"))).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            file.set_modified(at).unwrap();
        }
        forget_oldest(folder.path(), most + 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), most + 1);
        forget_oldest(folder.path(), most);
        let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2);
        let newest = left.pop().unwrap().unwrap().file_name();
        assert!(newest.to_str().unwrap().parse::<usize>().unwrap() >= most - 1);
    }

    #[test]
    fn only_launches_of_keys_have_a_file() {
        let root = Root::at(Path::new("/nowhere")).unwrap();
        let project = ProjectId::parse("p").unwrap();
        let task = TaskId::parse("task-20260101-000000-t001").unwrap();
        for (launch, has) in [
            ("key-0123456789abcdef", true),
            ("20260101-0000000000-1", false),
            ("key-../../x", false),
            ("", false),
        ] {
            assert_eq!(path_of(&root, &project, &task, launch).is_some(), has);
        }
    }
}
