//! The list of tasks: unchecked boxes of a Markdown file.
//!
//! `- [ ] text` with a task id anywhere in the text is a task to be done; the
//! first id counts, and the text is its prompt if the task has none yet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::TaskId;
use cl_storage::durable::{self, Mode};
use cl_storage::lock::HeldLock;

/// A list that is larger is no list.
const LARGEST: u64 = 16 * 1024 * 1024;

/// How long another one who ticks a box is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

const OPEN: &str = "- [ ] ";
const TICKED: &str = "- [x] ";

/// An unchecked box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) task: TaskId,
    /// What stands behind the box.
    pub(super) text: String,
}

/// Returns the unchecked boxes that name a task, each task once.
pub(super) fn parse(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for line in text.lines() {
        if let Some(entry) = entry_of(line)
            && !found.iter().any(|other| other.task == entry.task)
        {
            found.push(entry);
        }
    }
    found
}

fn entry_of(line: &str) -> Option<Entry> {
    let text = line.trim_start().strip_prefix(OPEN)?.trim();
    Some(Entry {
        task: first_id(text)?,
        text: text.to_owned(),
    })
}

/// Finds the first task id in a text.
fn first_id(text: &str) -> Option<TaskId> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.match_indices("task-").find_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '-') {
            return None;
        }
        let rest = &text[at..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        TaskId::parse(rest[..end].trim_end_matches('-')).ok()
    })
}

/// Returns the content with the box of `task` ticked; none if there is no such box.
///
/// Everything else stays as it is, byte for byte.
fn ticked(content: &[u8], task: &TaskId) -> Option<Vec<u8>> {
    let mut offset = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        if entry_of(&text).is_some_and(|entry| entry.task == *task) {
            let at = line
                .windows(OPEN.len())
                .position(|window| window == OPEN.as_bytes())?;
            let mut changed = content.to_vec();
            changed[offset + at..offset + at + OPEN.len()].copy_from_slice(TICKED.as_bytes());
            return Some(changed);
        }
        offset += line.len();
    }
    None
}

/// Reads the list.
pub(super) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other("it is larger than 16 MiB"));
    }
    Ok(bytes)
}

/// Ticks the box of `task` in the file at `path`; false if there is none.
///
/// The file is replaced whole under its own lock, with mode and line ends kept. One
/// that an editor saves meanwhile is read again.
pub(super) fn tick(path: &Path, task: &TaskId) -> std::io::Result<bool> {
    // The place of the file itself, if its name is a link.
    let path: PathBuf = std::fs::canonicalize(path)?;
    for _ in 0..TRIES {
        let lock =
            HeldLock::acquire(&path, Mode::Shared, LOCK_WAIT).map_err(std::io::Error::other)?;
        let content = read(&path)?;
        let Some(changed) = ticked(&content, task) else {
            return Ok(false);
        };
        // Editors know nothing of the lock.
        if lock.is_in_place() && read(&path)? == content {
            durable::replace_in_place(&path, &changed, durable::Mode::Shared)?;
            return Ok(true);
        }
    }
    Err(std::io::Error::other("it keeps changing"))
}

/// How often a file is read again that changes meanwhile.
const TRIES: u32 = 10;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const A: &str = "task-20260101-000000-aaa";
    const B: &str = "task-20260101-000000-bbb";

    #[test]
    fn open_boxes_with_an_id_are_tasks() {
        let text = format!(
            "# List\n- [ ] {A}: Do it.\n  - [ ] Then (`{B}`), please\n- [x] task-20260101-000000-ccc\n\
             - [ ] no id\n* [ ] task-20260101-000000-ddd\n- [ ] again {A}\n- [] task-20260101-000000-eee\n\
             - [ ] task-2026-bad and task-20260101-000000-fff- end\n- [ ] mytask-20260101-000000-ggg\n"
        );
        let found = parse(&text);
        let ids: Vec<&str> = found.iter().map(|entry| entry.task.as_str()).collect();
        assert_eq!(ids, [A, B, "task-20260101-000000-fff"]);
        assert_eq!(found[0].text, format!("{A}: Do it."));
    }

    #[test]
    fn a_tick_changes_one_byte_and_keeps_mode_and_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.md");
        let text = format!("x\r\n- [ ] {B}\r\n\t- [ ] {A} é\r\n- [ ] {A}");
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.md");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let task = TaskId::parse(A).unwrap();
        assert!(tick(&link, &task).unwrap());
        let expected = text.replacen(&format!("\t- [ ] {A}"), &format!("\t- [x] {A}"), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert!(tick(&link, &task).unwrap(), "its second box");
        assert!(!tick(&link, &task).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
