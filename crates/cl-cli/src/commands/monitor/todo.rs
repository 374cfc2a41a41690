//! The list of tasks: unchecked boxes of a Markdown file.
//!
//! `- [ ] text` with a task id anywhere in the text is a task to be done; the first id
//! counts, and the text is its prompt if the task has none yet. The bullet may also be
//! `*`, `+` or a number. What is in a fenced block or in an HTML comment is no box: it
//! shows or hides one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::digest::sha256_hex;
use cl_storage::durable::{self, Mode};
use cl_storage::lock;
use cl_storage::{Root, TaskId};

/// A list that is larger is no list.
const LARGEST: u64 = 16 * 1024 * 1024;

/// How long another one who ticks a box is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// An unchecked box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) task: TaskId,
    /// What stands behind the box, without comments.
    pub(super) text: String,
    /// Where the blank in the box stands, in bytes.
    blank: usize,
}

/// A box that seems to name a task, and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misnamed {
    /// Its line, from 1.
    pub(super) line: usize,
    /// What was taken for an id.
    pub(super) id: String,
    /// Why it is none.
    pub(super) why: String,
}

/// What a list holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// The unchecked boxes that name a task, each task once.
    pub(super) entries: Vec<Entry>,
    pub(super) misnamed: Vec<Misnamed>,
}

/// Reads the unchecked boxes of a list. Pure; takes time in proportion to the text.
pub(super) fn parse(content: &[u8]) -> List {
    let mut list = List::default();
    let mut surroundings = Surroundings::default();
    let mut offset = 0;
    for (index, bytes) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(bytes);
        let start = offset;
        offset += bytes.len();
        if surroundings.hide(&line) {
            continue;
        }
        // What stands before the blank is plain, so it is as long as in the file.
        let Some((blank, text)) = open_box(&line) else {
            continue;
        };
        let text = without_comments(text);
        match first_id(&text) {
            Ok(Some(task)) => {
                if !list.entries.iter().any(|other| other.task == task) {
                    let (text, blank) = (text.trim().to_owned(), start + blank);
                    list.entries.push(Entry { task, text, blank });
                }
            }
            Ok(None) => {}
            Err((id, why)) => list.misnamed.push(Misnamed {
                line: index + 1,
                id,
                why,
            }),
        }
    }
    list
}

/// What a line stands in.
#[derive(Debug, Default)]
struct Surroundings {
    /// The mark of the fence that is open, and how many of them.
    fence: Option<(char, usize)>,
    is_comment: bool,
}

impl Surroundings {
    /// Takes the next line in; tells whether nothing on it counts.
    fn hide(&mut self, line: &str) -> bool {
        let line = line.trim();
        if self.is_comment {
            self.is_comment = !line.contains("-->");
            return true;
        }
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'));
        let run = mark.map(|mark| (mark, line.chars().take_while(|c| *c == mark).count()));
        match (self.fence, run) {
            (Some((open, least)), Some((mark, length))) => {
                if mark == open && length >= least && line.chars().all(|c| c == mark) {
                    self.fence = None;
                }
                return true;
            }
            (Some(_), None) => return true,
            // A word in three backticks is a word.
            (None, Some((mark, length)))
                if length >= 3 && !(mark == '`' && line[length..].contains('`')) =>
            {
                self.fence = Some((mark, length));
                return true;
            }
            (None, _) => {}
        }
        // A comment that begins within a line hides no other line.
        if let Some(rest) = line.strip_prefix("<!--") {
            self.is_comment = !rest.contains("-->");
            return true;
        }
        false
    }
}

/// Finds an unchecked box: where its blank stands, and the text behind it.
fn open_box(line: &str) -> Option<(usize, &str)> {
    let rest = line.trim_start_matches([' ', '\t']);
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = if digits.len() < rest.len() {
        digits.strip_prefix(['.', ')'])?
    } else {
        rest.strip_prefix(['-', '*', '+'])?
    };
    let unbulleted = rest.trim_start_matches([' ', '\t']);
    let text = unbulleted.strip_prefix("[ ]")?;
    let is_box = unbulleted.len() < rest.len() && text.starts_with([' ', '\t']);
    is_box.then(|| (line.len() - unbulleted.len() + 1, text))
}

/// Returns a line's text without the comments that begin and end in it.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        let Some((_, after)) = comment.split_once("-->") else {
            break;
        };
        kept.push_str(before);
        rest = after;
    }
    kept + rest
}

/// Finds the first task id in a text; an error is something that was meant to be one,
/// with the reason, where no other word is an id.
fn first_id(text: &str) -> Result<Option<TaskId>, (String, String)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut wrong = None;
    for (at, _) in text.match_indices("task-") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '-') {
            continue;
        }
        let rest = &text[at..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(['-', '_']);
        match TaskId::parse(word) {
            Ok(task) => return Ok(Some(task)),
            // "task-oriented" is a word of the language.
            Err(error) if rest["task-".len()..].starts_with(|c: char| c.is_ascii_digit()) => {
                wrong = wrong.or(Some((word.to_owned(), error.to_string())));
            }
            Err(_) => {}
        }
    }
    wrong.map_or(Ok(None), Err)
}

/// Returns the content with the box of `task` ticked; none if there is no such box.
///
/// Everything else stays as it is, byte for byte.
fn ticked(content: &[u8], task: &TaskId) -> Option<Vec<u8>> {
    let list = parse(content);
    let entry = list.entries.iter().find(|entry| entry.task == *task)?;
    let mut changed = content.to_vec();
    changed[entry.blank] = b'x';
    Some(changed)
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
/// The file is replaced whole, with mode and line ends kept, under a lock file of its own
/// below `root`: the list is the user's, and so is the folder around it. One that an
/// editor, or a monitor of another root, saves meanwhile is read again.
pub(super) fn tick(root: &Root, path: &Path, task: &TaskId) -> std::io::Result<bool> {
    // The place of the file itself, if its name is a link.
    let path: PathBuf = std::fs::canonicalize(path)?;
    let lock = lock_of(root, &path)?;
    lock::with_lock_file(&lock, LOCK_WAIT, || {
        for _ in 0..TRIES {
            let content = read(&path)?;
            let Some(changed) = ticked(&content, task) else {
                return Ok(false);
            };
            // Editors know nothing of the lock.
            if read(&path)? == content {
                durable::replace_in_place(&path, &changed, Mode::Shared)?;
                return Ok(true);
            }
        }
        Err(std::io::Error::other("it keeps changing"))
    })
    .map_err(std::io::Error::other)?
}

/// Returns the lock file of the list at `path`, in a folder that is there.
fn lock_of(root: &Root, path: &Path) -> std::io::Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    root.ensure().map_err(std::io::Error::other)?;
    let folder = root.path().join(".conductor/monitor");
    durable::create_folders(&folder, Mode::Private)?;
    let digest = sha256_hex(path.as_os_str().as_bytes());
    Ok(folder.join(format!("{}.lock", &digest[..16])))
}

/// How often a file is read again that changes meanwhile.
const TRIES: u32 = 10;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const A: &str = "task-20260101-000000-aaa";
    const B: &str = "task-20260101-000000-bbb";

    #[track_caller]
    fn check(text: &str, expected: &[&str]) -> List {
        let list = parse(text.as_bytes());
        let ids: Vec<&str> = list
            .entries
            .iter()
            .map(|entry| entry.task.as_str())
            .collect();
        assert_eq!(ids, expected, "{text}");
        for entry in &list.entries {
            assert_eq!(&text[entry.blank - 1..=entry.blank + 1], "[ ]");
        }
        list
    }

    #[test]
    fn open_boxes_with_an_id_are_tasks() {
        let text = format!(
            "# List\n- [ ] {A}: Do it.\n  - [ ] Then (`{B}`), please\n- [x] task-20260101-000000-ccc\n\
             - [ ] no id\n- [ ] again {A}\n- [] task-20260101-000000-eee\n\
             - [ ] task-2026-bad and task-20260101-000000-fff- end\n- [ ] mytask-20260101-000000-ggg\n"
        );
        let found = check(&text, &[A, B, "task-20260101-000000-fff"]);
        assert_eq!(found.entries[0].text, format!("{A}: Do it."));
        assert_eq!(found.misnamed, []);
    }

    #[test]
    fn every_bullet_of_markdown_begins_a_box() {
        for bullet in ["-", "*", "+", "1.", "12)", "\t-", "  *", "-  "] {
            check(&format!("{bullet} [ ] {A}\n"), &[A]);
            check(&format!("{bullet} [ ]\t{A}\r\n"), &[A]);
            check(&format!("{bullet} [x] {A}\n{bullet} [X] {A}\n"), &[]);
        }
        for line in [
            "-[ ] ", "[ ] ", "1 [ ] ", "- [ ]", "- [  ] ", "> - [ ] ", "é [ ] ",
        ] {
            check(&format!("{line}{A}\n"), &[]);
        }
    }

    #[test]
    fn what_is_shown_or_hidden_is_no_box() {
        for (before, after) in [
            ("```", "```"),
            ("~~~ markdown", "~~~"),
            ("  ````md", "  `````"),
            ("```", "```` "),
            ("<!--", "-->"),
            ("<!-- old", "until here -->"),
        ] {
            check(&format!("{before}\n- [ ] {A}\n{after}\n- [ ] {B}\n"), &[B]);
        }
        // Neither end closes the other's block, nor does a shorter or a longer line.
        for (before, after) in [
            ("```", "~~~"),
            ("````", "```"),
            ("```", "``` x"),
            ("<!--", "```"),
            ("```", "-->"),
        ] {
            check(&format!("{before}\n- [ ] {A}\n{after}\n- [ ] {B}\n"), &[]);
        }
        // Within a line they hide what they hold, and no line behind it.
        let list = check(
            &format!("- [ ] <!-- {A} --> {B} `<!--` x\n```x``` \n- [ ] {A}\n<!-- y -->\n"),
            &[B, A],
        );
        assert_eq!(list.entries[0].text, format!("{B} `<!--` x"));
    }

    #[test]
    fn what_was_meant_to_be_an_id_is_told() {
        for (word, id) in [
            ("task-2026-bad", "task-2026-bad"),
            ("task-20260101-000000-AAA:", "task-20260101-000000-AAA"),
            ("`task-20260101-000000-a_b`", "task-20260101-000000-a_b"),
        ] {
            let list = check(&format!("x\n- [ ] Do {word} now\n- [ ] {A}\n"), &[A]);
            assert_eq!(list.misnamed.len(), 1, "{word}");
            assert_eq!(
                (list.misnamed[0].line, list.misnamed[0].id.as_str()),
                (2, id)
            );
        }
        let prose = check(
            "- [ ] task-oriented, multitask-2026 and task-\n- [x] task-1\n",
            &[],
        );
        assert_eq!(prose.misnamed, []);
    }

    #[test]
    fn a_tick_changes_one_byte_and_keeps_mode_and_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let below = tempfile::tempdir().unwrap();
        let root = Root::at(below.path()).unwrap();
        let path = folder.path().join("list.md");
        let text = format!("x\r\n- [ ] {B}\r\n\t- [ ] {A} é\r\n- [ ] {A}");
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.md");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let task = TaskId::parse(A).unwrap();
        assert!(tick(&root, &link, &task).unwrap());
        let expected = text.replacen(&format!("\t- [ ] {A}"), &format!("\t- [x] {A}"), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert!(tick(&root, &link, &task).unwrap(), "its second box");
        assert!(!tick(&root, &link, &task).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
