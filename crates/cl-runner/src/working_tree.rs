//! One line that stands for the content of a working folder.
//!
//! Inside a git work tree it is the tree that a commit of everything would have,
//! uncommitted and untracked files included, ignored ones not. It is made by the
//! user's own `git` with a copy of the index and a place of its own for objects:
//! neither index nor objects of the repository change. Elsewhere it is a digest
//! over the files below the folder. Both are bounded; above the bound there is none.
//!
//! The task's own files never count: the root, or the task's folder if the work
//! itself lies below the root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_agent::Exit;
use cl_storage::TaskDir;
use cl_storage::digest::Sha256Stream;
use cl_storage::evidence::NO_TREE;

/// How long `git` may take.
pub(crate) const GIT_LIMIT: Duration = Duration::from_mins(1);

/// Bounds for files outside of git: they are read whole each time.
const MOST_FILES: u64 = 10_000;
const MOST_BYTES: u64 = 128 * 1024 * 1024;

/// The exit code of [`SCRIPT`] above its bounds: 100 000 changed files, or 1 GiB in them.
const TOO_LARGE: i32 = 3;

/// Prints the tree. Its arguments say what does not count.
///
/// What is new or changed is weighed first, because `git add` copies it.
const SCRIPT: &str = r#"
trap 'exit 1' TERM INT HUP
{ read -r top && read -r index && read -r objects; } <<END || exit 4
$(git rev-parse --path-format=absolute --show-toplevel --git-path index --git-path objects 2>/dev/null)
END
cd "$top" || exit 4
git -c core.fsmonitor=false ls-files -z -o -m --exclude-standard -- . "$@" 2>/dev/null |
    xargs -0 -r stat -c %s -- 2>/dev/null |
    awk '{ n++; s += $1 } END { exit !(n <= 100000 && s <= 1073741824) }' || exit 3
t=$(mktemp -d) || exit 4
trap 'rm -rf "$t"' EXIT
mkdir "$t/objects"
cp "$index" "$t/index" 2>/dev/null
export GIT_INDEX_FILE="$t/index" GIT_OBJECT_DIRECTORY="$t/objects"
export GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git -c core.fsmonitor=false -c core.safecrlf=false add -A -- . "$@" >/dev/null 2>&1 || exit 4
git write-tree 2>/dev/null
"#;

/// What a shell is told to do to find the tree of a git work tree.
#[derive(Debug)]
pub(crate) struct GitLook {
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
}

impl GitLook {
    /// Returns what finds the tree around `cwd`; `None` outside of a work tree.
    ///
    /// Of `env`, what `git` needs to find its settings and our own marks are kept.
    pub(crate) fn at(
        cwd: &Path,
        root: &Path,
        task: &TaskDir,
        env: &BTreeMap<String, String>,
    ) -> Option<Self> {
        const KEPT: [&str; 8] = [
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "TMPDIR",
            "XDG_CONFIG_HOME",
            "LANG",
            "SHELL",
        ];
        let cwd = cwd.canonicalize().ok()?;
        let top = crate::launch::work_tree_around(&cwd)?;
        let mut args = vec!["-c".to_owned(), SCRIPT.to_owned(), "tree".to_owned()];
        let excluded = excluded(&cwd, root, task);
        if let Ok(below) = excluded.strip_prefix(&top)
            && !below.as_os_str().is_empty()
        {
            args.push(format!(":(exclude,top,literal){}", below.to_str()?));
        }
        let is_kept = |name: &str| KEPT.contains(&name) || name.starts_with("JRUN_");
        let mut env: BTreeMap<String, String> = env
            .iter()
            .filter(|(name, _)| is_kept(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in [
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Some(Self { args, env })
    }

    /// Understands what the shell said; `None` if `git` could not tell.
    pub(crate) fn answer(exit: Exit, printed: &str) -> Option<String> {
        let tree = printed.trim();
        let is_name = matches!(tree.len(), 40 | 64) && tree.bytes().all(|b| b.is_ascii_hexdigit());
        match exit {
            Exit::Code(0) if is_name => Some(format!("git:{tree}")),
            Exit::Code(TOO_LARGE) => Some(NO_TREE.to_owned()),
            _ => None,
        }
    }
}

/// Returns the folder whose content does not count.
fn excluded(cwd: &Path, root: &Path, task: &TaskDir) -> PathBuf {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    if cwd.starts_with(&root) {
        let task = task.path();
        return task.canonicalize().unwrap_or_else(|_| task.to_owned());
    }
    root
}

/// Tells whether something stands for a working folder's content.
pub(crate) fn is_known(tree: &str) -> bool {
    !tree.is_empty() && tree != NO_TREE
}

/// Returns the digest of everything below `cwd`: sorted paths, kinds, modes, contents.
///
/// Blocks for as long as reading 128 MiB takes, at most. What cannot be read counts
/// as unreadable, and what changes meanwhile may or may not be seen.
pub(crate) fn of_files(cwd: &Path, root: &Path, task: &TaskDir) -> String {
    let Ok(cwd) = cwd.canonicalize() else {
        return NO_TREE.to_owned();
    };
    let Ok(device) = cwd.metadata().map(|meta| meta.dev()) else {
        return NO_TREE.to_owned();
    };
    let mut walk = Walk {
        device,
        excluded: excluded(&cwd, root, task),
        digest: Sha256Stream::default(),
        files: 0,
        bytes: 0,
    };
    match walk.folder(&cwd, Path::new("")) {
        Ok(()) => format!("files:{}", walk.digest.finish()),
        Err(TooMuch) => NO_TREE.to_owned(),
    }
}

struct Walk {
    /// Other file systems below, such as `/proc`, are not gone into.
    device: u64,
    excluded: PathBuf,
    digest: Sha256Stream,
    files: u64,
    bytes: u64,
}

struct TooMuch;

impl Walk {
    fn folder(&mut self, folder: &Path, below: &Path) -> Result<(), TooMuch> {
        let mut names = Vec::new();
        match fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    self.count(0)?;
                    names.push(entry.file_name());
                }
            }
            Err(_) => self.note(b"unreadable"),
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            if path == self.excluded || name == ".git" {
                continue;
            }
            let below = below.join(&name);
            self.entry(&path, &below)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, below: &Path) -> Result<(), TooMuch> {
        let Ok(meta) = path.symlink_metadata() else {
            return Ok(());
        };
        self.note(below.as_os_str().as_bytes());
        // The kind of file, and who may execute it; other bits differ between machines.
        self.note(&(meta.mode() & 0o170_100).to_be_bytes());
        if meta.dev() != self.device {
            return Ok(());
        }
        if meta.is_dir() {
            return self.folder(path, below);
        }
        if meta.is_symlink() {
            let target = fs::read_link(path).unwrap_or_default();
            self.note(target.as_os_str().as_bytes());
        } else if meta.is_file() {
            self.count(meta.len())?;
            let content = content_digest(path, meta.len());
            self.note(
                content
                    .unwrap_or_else(|_| "unreadable".to_owned())
                    .as_bytes(),
            );
        }
        Ok(())
    }

    /// Adds a value, with its length in front so that no two rows of values look alike.
    fn note(&mut self, value: &[u8]) {
        self.digest.update(&(value.len() as u64).to_be_bytes());
        self.digest.update(value);
    }

    fn count(&mut self, bytes: u64) -> Result<(), TooMuch> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.files > 2 * MOST_FILES || self.bytes > MOST_BYTES {
            return Err(TooMuch);
        }
        Ok(())
    }
}

/// Returns the digest of the first `size` bytes of a file.
fn content_digest(path: &Path, size: u64) -> io::Result<String> {
    let mut digest = Sha256Stream::default();
    let mut file = File::open(path)?.take(size);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(digest.finish());
        }
        digest.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::{ProjectId, Root, TaskId};

    struct Place {
        folder: tempfile::TempDir,
        task: TaskDir,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = Root::at(&folder.path().join("work/runs")).unwrap();
            let project = ProjectId::parse("p").unwrap();
            let id = TaskId::parse("task-20260101-000000-abc").unwrap();
            let task = root.task(&project, &id).unwrap();
            root.ensure().unwrap();
            task.ensure().unwrap();
            Self { folder, task }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.folder.path().join("work").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn files(&self) -> String {
            let work = self.folder.path().join("work");
            of_files(&work, &work.join("runs"), &self.task)
        }

        fn sh(
            &self,
            script: &str,
            args: &[String],
            env: &BTreeMap<String, String>,
        ) -> (i32, String) {
            #[expect(clippy::disallowed_methods, reason = "a test's own process")]
            let output = std::process::Command::new("/bin/sh")
                .args(["-c", script, "tree"])
                .args(args)
                .env_clear()
                .envs(env)
                .current_dir(self.folder.path().join("work"))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code().unwrap_or(-1), text)
        }

        fn git(&self, line: &str) -> String {
            let env = BTreeMap::from([
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                (
                    "HOME".to_owned(),
                    self.folder.path().to_str().unwrap().to_owned(),
                ),
            ]);
            let (code, text) = self.sh(line, &[], &env);
            assert_eq!(code, 0, "{line}");
            text
        }

        fn tree(&self) -> String {
            let work = self.folder.path().join("work");
            let env = BTreeMap::from([
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                (
                    "HOME".to_owned(),
                    self.folder.path().to_str().unwrap().to_owned(),
                ),
                ("SECRET".to_owned(), "canary".to_owned()),
            ]);
            let look = GitLook::at(&work, &work.join("runs"), &self.task, &env).unwrap();
            assert!(!look.env.contains_key("SECRET"));
            let (code, text) = self.sh(&look.args[1], &look.args[3..], &look.env);
            GitLook::answer(Exit::Code(code), &text).unwrap()
        }
    }

    #[test]
    fn files_are_told_apart_by_path_mode_and_content() {
        let place = Place::new();
        place.write("a", "1");
        let first = place.files();
        assert_eq!(first, place.files());
        place.write("runs/p/other", "ours");
        assert_eq!(first, place.files(), "the root does not count");
        place.write("a", "2");
        let second = place.files();
        place.write("a", "1");
        assert_eq!(first, place.files());
        place.write("b/c", "");
        let third = place.files();
        let mut seen = vec![first, second, third];
        seen.dedup();
        assert_eq!(seen.len(), 3);
        let work = place.folder.path().join("work");
        assert!(GitLook::at(&work, &work.join("runs"), &place.task, &BTreeMap::new()).is_none());
    }

    #[test]
    fn the_tree_of_git_counts_everything_that_is_not_ignored_and_changes_nothing() {
        let place = Place::new();
        place.write("runs/p/other", "ours");
        place.write("a", "1");
        place.git("git init -q && git add a && git -c user.name=x -c user.email=x@example.com commit -qm one");
        let committed = place.git("git rev-parse HEAD:").trim().to_owned();
        assert_eq!(
            place.tree(),
            format!("git:{committed}"),
            "the root does not count"
        );
        place.write(".gitignore", "ignored\n");
        place.write("ignored", "x");
        place.write("new", "untracked");
        let before = place.git(
            "git status --porcelain; cat .git/index | cksum; find .git/objects -type f | sort",
        );
        let tree = place.tree();
        assert_ne!(tree, format!("git:{committed}"));
        let after = place.git(
            "git status --porcelain; cat .git/index | cksum; find .git/objects -type f | sort",
        );
        assert_eq!(before, after, "index and objects are as they were");
        place.write("ignored", "y");
        assert_eq!(tree, place.tree());
        place.write("a", "2");
        assert_ne!(tree, place.tree(), "a change that is not staged");
        place.write("a", "1");
        assert_eq!(tree, place.tree());
        place.git("git add -A && git -c user.name=x -c user.email=x@example.com commit -qm two");
        assert_eq!(
            place.git("git ls-tree --name-only HEAD").lines().count(),
            4,
            "with the root"
        );
    }

    #[test]
    fn what_git_cannot_tell_is_not_made_up() {
        assert_eq!(GitLook::answer(Exit::Code(3), ""), Some(NO_TREE.to_owned()));
        assert_eq!(GitLook::answer(Exit::Code(0), "warning"), None);
        assert_eq!(GitLook::answer(Exit::Code(4), ""), None);
        assert_eq!(GitLook::answer(Exit::Signal(9), &"a".repeat(40)), None);
        assert!(!is_known("") && !is_known(NO_TREE) && is_known("git:1"));
    }
}
