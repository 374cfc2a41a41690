//! Where the text comes from that is looked through.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use xshell::{Cmd, Shell, cmd};

use super::Scan;

/// Larger files are told and passed over: nobody writes a key into one by hand.
const LARGEST_BYTES: u64 = 64 << 20;

/// Longer lines of the history are looked at in pieces.
const LONGEST_LINE: u64 = 1 << 20;

/// Words in the names of files that may hold secrets.
const RISKY_WORDS: &[&str] = &["token", "credential", "secret"];

/// Folders whose ignored files are nobody's secrets.
const BUILT: &[&str] = &["target", "node_modules", "dist"];

/// Looks through the files that are tracked, new, or ignored and likely to hold secrets.
pub(super) fn work_tree(shell: &Shell, root: &Path, scan: &mut Scan) -> Result<()> {
    let ordinary = list(&git(shell).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))?;
    let ignored = list(&git(shell).args([
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "-z",
    ]))?;
    let mut paths = ordinary;
    paths.extend(ignored.into_iter().filter(|path| is_risky(path)));
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        file(&root.join(&path), &path, scan)?;
    }
    Ok(())
}

/// Looks through a file, or all files below a folder; links are not followed.
pub(super) fn path(path: &Path, scan: &mut Scan) -> Result<()> {
    let meta = path
        .symlink_metadata()
        .with_context(|| format!("could not look at {}", path.display()))?;
    if !meta.is_dir() {
        return file(path, &path.display().to_string(), scan);
    }
    let entries =
        std::fs::read_dir(path).with_context(|| format!("could not list {}", path.display()))?;
    let mut inside = entries.collect::<std::io::Result<Vec<_>>>()?;
    inside.sort_by_key(std::fs::DirEntry::file_name);
    for entry in inside {
        self::path(&entry.path(), scan)?;
    }
    Ok(())
}

fn file(path: &Path, shown: &str, scan: &mut Scan) -> Result<()> {
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        // Deleted, and not yet from the index.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("could not look at {shown}")),
    };
    if !meta.is_file() {
        return Ok(());
    }
    if meta.len() > LARGEST_BYTES {
        scan.skipped.push(format!("{shown}: is larger than 64 MiB"));
        return Ok(());
    }
    let bytes = std::fs::read(path).with_context(|| format!("could not read {shown}"))?;
    scan.content(shown, &bytes);
    Ok(())
}

/// Looks through the content that the next commit would give to the files that it changes.
pub(super) fn staged(shell: &Shell, scan: &mut Scan) -> Result<()> {
    let changed = list(&git(shell).args([
        "diff",
        "--cached",
        "--name-only",
        "--no-renames",
        "--diff-filter=ACMT",
        "-z",
    ]))?;
    for path in changed {
        let object = format!(":{path}");
        let output = git(shell)
            .args(["cat-file", "blob", &object])
            .output()
            .with_context(|| format!("git could not show what is staged of {path}"))?;
        scan.content(&path, &output.stdout);
    }
    Ok(())
}

/// Looks through every line that a commit has added, and the messages of the commits.
pub(super) fn history(shell: &Shell, range: &[String], scan: &mut Scan) -> Result<()> {
    let mut log = git(shell).args([
        "log",
        "-p",
        "-m",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--format=%x01%H%n%B",
    ]);
    log = match range {
        [] => log.arg("--all"),
        range => log.args(range),
    };
    let mut child = Command::from(log)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("git could not be started")?;
    let out = child.stdout.take().context("git has no output")?;
    let read = read_log(BufReader::new(out), scan);
    let status = child.wait().context("git did not end")?;
    read?;
    if !status.success() {
        bail!("git could not show the history ({status})");
    }
    Ok(())
}

/// Where in `git log -p` a reader is.
#[derive(Debug, Default)]
struct Place {
    commit: String,
    path: String,
    line: usize,
    /// Lines of the hunk that are still to come: what looks like a heading in them is content.
    left: usize,
    is_message: bool,
}

fn read_log(mut log: impl std::io::BufRead, scan: &mut Scan) -> Result<()> {
    let mut place = Place::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if piece(&mut log, &mut bytes)? == 0 {
            return Ok(());
        }
        let is_whole = bytes.ends_with(b"\n");
        let text = String::from_utf8_lossy(&bytes);
        log_line(text.trim_end_matches('\n'), &mut place, scan);
        if !is_whole {
            // The rest of a very long line: content of the same place.
            while !bytes.ends_with(b"\n") {
                bytes.clear();
                if piece(&mut log, &mut bytes)? == 0 {
                    return Ok(());
                }
                let text = String::from_utf8_lossy(&bytes);
                let (path, line) = (place.path.clone(), place.line);
                scan.line(
                    Some(&place.commit),
                    &path,
                    line,
                    text.trim_end_matches('\n'),
                );
            }
        }
    }
}

/// Reads a line, or a piece of one that is very long; 0 at the end.
fn piece(log: &mut impl std::io::BufRead, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut limited = log.take(LONGEST_LINE);
    limited.read_until(b'\n', bytes)
}

fn log_line(text: &str, place: &mut Place, scan: &mut Scan) {
    if place.left > 0 {
        if let Some(added) = text.strip_prefix('+') {
            scan.line(Some(&place.commit), &place.path, place.line, added);
            place.line += 1;
            place.left -= 1;
        } else if text.starts_with('-') {
            place.left -= 1;
        }
        return;
    }
    if let Some(commit) = text.strip_prefix('\u{1}') {
        if place.commit != commit {
            scan.looked_at += 1;
        }
        (place.commit, place.is_message, place.line) = (commit.to_owned(), true, 0);
    } else if text.starts_with("diff --git ") {
        place.is_message = false;
    } else if place.is_message {
        place.line += 1;
        scan.line(Some(&place.commit), "(message)", place.line, text);
    } else if let Some(path) = text.strip_prefix("+++ ") {
        path.strip_prefix("b/")
            .unwrap_or(path)
            .clone_into(&mut place.path);
    } else if let Some((removed, (first, added))) = hunk(text) {
        (place.line, place.left) = (first, removed + added);
    }
}

/// Reads `@@ -1,2 +3,4 @@`: how many lines go, and which and how many come.
fn hunk(text: &str) -> Option<(usize, (usize, usize))> {
    let mut words = text.strip_prefix("@@ ")?.split(' ');
    let mut range = |sign| {
        let (first, count) = match words.next()?.strip_prefix::<char>(sign)?.split_once(',') {
            Some((first, count)) => (first.to_owned(), count.parse().ok()?),
            None => (String::new(), 1),
        };
        Some((first, count))
    };
    let (_, removed) = range('-')?;
    let (first, added): (String, usize) = range('+')?;
    let first = match first.as_str() {
        "" => text.split('+').nth(1)?.split(' ').next()?.parse().ok()?,
        first => first.parse().ok()?,
    };
    Some((removed, (first, added)))
}

/// Tells whether an ignored file may hold secrets, by its path.
fn is_risky(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    if parts
        .iter()
        .any(|part| BUILT.contains(part) || part.starts_with("target-"))
    {
        return false;
    }
    let name = parts.last().map(|name| name.to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let ends = |ending: &str| name.ends_with(ending);
    (name.starts_with("config") && (ends(".yaml") || ends(".yml")))
        || name.starts_with(".env")
        || ends(".env")
        || ends(".secret")
        || ends(".pem")
        || name
            .split(['.', '-', '_'])
            .any(|word| word == "key" || word == "keys")
        || RISKY_WORDS.iter().any(|word| name.contains(word))
        || parts[..parts.len() - 1].contains(&"runs")
}

/// Starts a git command line without the settings of the developer's machine that change output.
fn git(shell: &Shell) -> Cmd<'_> {
    cmd!(shell, "git -c core.quotePath=false -c core.pager=cat").quiet()
}

fn list(command: &Cmd<'_>) -> Result<Vec<String>> {
    let text = command
        .read()
        .context("git could not answer: secrets needs a git checkout")?;
    let paths = text.split('\0').filter(|path| !path.is_empty());
    Ok(paths.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risky_files_are_known_by_their_names() {
        for path in [
            ".env",
            "deploy/prod.env",
            "config.local.yaml",
            "my-token.txt",
            "api.secret",
            "id.key",
            "runs/a/prompt.md",
            "Credentials.json",
        ] {
            assert!(is_risky(path), "{path}");
        }
        for path in [
            "target/debug/token.rs",
            "target-ci/x/.env",
            "node_modules/keys/key.js",
            "notes.log",
            "keyboard.txt",
        ] {
            assert!(!is_risky(path), "{path}");
        }
    }

    #[test]
    fn heads_of_hunks_are_read() {
        assert_eq!(hunk("@@ -1,2 +3,4 @@ fn x"), Some((2, (3, 4))));
        assert_eq!(hunk("@@ -0,0 +1 @@"), Some((0, (1, 1))));
        assert_eq!(hunk("@@ -5 +4,0 @@"), Some((1, (4, 0))));
        assert_eq!(hunk("@@@ -1 -1 +1 @@@"), None);
        assert_eq!(hunk("text"), None);
    }
}
