//! The final answer of a run, `output.md`.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use cl_storage::RunDir;
use cl_storage::durable::{self, Mode};
use cl_storage::redact::Redactor;

/// Raw output is copied up to this size; the rest is in the raw file.
const LARGEST_COPY: u64 = 4 * 1024 * 1024;

/// Makes sure that `output.md` is there, and on disk.
///
/// In one that the agent wrote, only the secrets that it was given are masked.
///
/// In this order: the agent's own file unless it is blank, the final text of its
/// stream, what it printed that is not JSON, a placeholder that names the agent,
/// its end and the last lines of its standard error. What is written here is
/// masked by `redactor`.
pub(crate) fn ensure(
    run: &RunDir,
    final_text: Option<&str>,
    left_out_bytes: u64,
    agent: &str,
    exit_code: i32,
    redactor: &Redactor,
) -> io::Result<()> {
    let path = run.output();
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() => return Err(io::Error::other("output.md is a folder")),
        Ok(meta) if meta.is_file() && !is_blank(&path) => {
            return if has_secrets(&path, redactor)? {
                mask_secrets(&path, redactor)
            } else {
                durable::keep(&path)
            };
        }
        _ => {}
    }
    let text = match final_text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) if left_out_bytes > 0 => {
            format!("{}\n\n{text}\n", note(left_out_bytes, "first"))
        }
        Some(text) => format!("{text}\n"),
        None => plain_output(&run.stdout()).unwrap_or_else(|| placeholder(run, agent, exit_code)),
    };
    durable::replace(&path, redactor.redact(&text).as_bytes(), Mode::Shared)
}

/// Tells whether what the agent wrote holds a secret that it was given, however long it is.
fn has_secrets(path: &Path, redactor: &Redactor) -> io::Result<bool> {
    let mut file = open_own(path)?;
    redactor
        .mask_known(&mut file, &mut io::sink())
        .map(|masked| masked > 0)
}

/// Replaces what the agent wrote by the same without its secrets, piece by piece.
fn mask_secrets(path: &Path, redactor: &Redactor) -> io::Result<()> {
    let mut file = open_own(path)?;
    durable::replace_with(path, Mode::Shared, |to| {
        redactor.mask_known(&mut file, to).map(drop)
    })
}

/// Opens the agent's answer, and only as long as it is now: what the agent left may still write.
fn open_own(path: &Path) -> io::Result<io::Take<fs::File>> {
    let file = durable::open_real(path)?;
    let size = file.metadata()?.len();
    Ok(file.take(size))
}

fn is_blank(path: &Path) -> bool {
    let Ok(file) = fs::File::open(path) else {
        return true;
    };
    // One bite at a time: an agent's answer may be large, and mostly its first byte tells.
    let mut bytes = io::BufReader::new(file).bytes();
    !bytes.any(|byte| byte.is_ok_and(|byte| !byte.is_ascii_whitespace()))
}

/// Returns what was printed that is not JSON; `None` if there is nothing of it.
fn plain_output(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    let left_out = file.metadata().ok()?.len().saturating_sub(LARGEST_COPY);
    file.take(LARGEST_COPY).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let plain: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('{'))
        .collect();
    let plain = plain.join("\n");
    let head = if left_out > 0 {
        note(left_out, "last") + "\n\n"
    } else {
        String::new()
    };
    (!plain.trim().is_empty()).then(|| format!("{head}{}\n", plain.trim_end()))
}

/// How the first line of an answer begins that does not hold all that was printed.
const NOTE: &str = "[Conductor Loop left out the ";

/// Returns that line. The format is read back by [`left_out_bytes`].
fn note(bytes: u64, which: &str) -> String {
    format!("{NOTE}{which} {bytes} bytes; agent-stdout.txt in this folder has them]")
}

/// Returns how many bytes of an agent's output an answer lacks, from its first line.
pub fn left_out_bytes(answer: &str) -> Option<u64> {
    let (_, rest) = answer.strip_prefix(NOTE)?.split_once(' ')?;
    rest.split_once(" bytes;")?.0.parse().ok()
}

fn placeholder(run: &RunDir, agent: &str, exit_code: i32) -> String {
    let mut text = format!("The agent {agent} gave no answer; it ended with code {exit_code}.\n");
    let stderr = tail(&run.stderr(), 20);
    if !stderr.is_empty() {
        text.push_str("\nThe end of what it wrote to standard error:\n\n");
        for line in stderr.lines() {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Returns the last `lines` lines of a file, read from its end; empty if it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    fs::File::open(path).map_or_else(|_| String::new(), |file| tail_of(&file, lines))
}

/// Like [`tail`], of an open file.
pub(crate) fn tail_of(file: &fs::File, lines: usize) -> String {
    use std::os::unix::fs::FileExt as _;
    const WINDOW: u64 = 64 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let size = file.metadata()?.len();
        let start = size.saturating_sub(WINDOW);
        let mut bytes = vec![0; usize::try_from(size - start).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::{ProjectId, Root, TaskId};

    fn run() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let task = Root::at(folder.path())
            .unwrap()
            .task(
                &ProjectId::parse("p").unwrap(),
                &TaskId::parse("task-20260101-000000-abc").unwrap(),
            )
            .unwrap();
        task.ensure().unwrap();
        let run = task.create_run(jiff::Timestamp::UNIX_EPOCH).unwrap();
        (folder, run)
    }

    #[track_caller]
    fn check(own: Option<&str>, final_text: Option<&str>, stdout: &str, expected: &str) {
        let (_folder, run) = run();
        if let Some(own) = own {
            fs::write(run.output(), own).unwrap();
        }
        fs::write(run.stdout(), stdout).unwrap();
        fs::write(run.stderr(), "one\ntwo\n").unwrap();
        ensure(&run, final_text, 0, "codex", 3, &Redactor::default()).unwrap();
        assert_eq!(fs::read_to_string(run.output()).unwrap(), expected);
    }

    #[test]
    fn the_order_of_sources() {
        check(Some("mine"), Some("stream"), "raw", "mine");
        check(Some(" \n"), Some("stream"), "raw", "stream\n");
        check(None, Some(" text \n"), "raw", "text\n");
        check(None, None, "{\"type\":\"x\"}\nplain\n\n", "plain\n");
        let placeholder = "The agent codex gave no answer; it ended with code 3.\n\n\
                           The end of what it wrote to standard error:\n\n    one\n    two\n";
        check(None, None, "{\"type\":\"x\"}\n", placeholder);
        check(None, Some("  "), "", placeholder);
    }

    #[test]
    fn an_agents_own_answer_loses_its_secrets_only() {
        let (_folder, run) = run();
        let redactor = Redactor::new(["canary-0123456789".to_owned().into()]);
        for (own, kept) in [
            ("it is canary-0123456789.\n", None),
            (
                "sk-ant-example-0123456789\n",
                Some("sk-ant-example-0123456789\n"),
            ),
        ] {
            fs::write(run.output(), own).unwrap();
            ensure(&run, Some("stream"), 0, "codex", 0, &redactor).unwrap();
            let text = fs::read_to_string(run.output()).unwrap();
            assert!(
                !text.contains("canary") && !text.contains("stream"),
                "{text}"
            );
            assert!(kept.is_none_or(|kept| kept == text), "{text}");
        }
    }

    #[test]
    fn an_answer_of_any_size_loses_its_secrets() {
        let (_folder, run) = run();
        let redactor = Redactor::new(["canary-0123456789".to_owned().into()]);
        // More than is held in memory at once, and more than was once looked at.
        let size = 40 << 20;
        let mut own = vec![b'x'; size];
        own.extend_from_slice(b" canary-0123456789 end");
        fs::write(run.output(), own).unwrap();
        ensure(&run, None, 0, "codex", 0, &redactor).unwrap();
        let text = fs::read(run.output()).unwrap();
        assert!(text.ends_with(b"x [REDACTED] end"));
        assert_eq!(text.len(), size + " [REDACTED] end".len());
        assert_eq!(tail(&run.output(), 1).matches("canary").count(), 0);
    }

    #[test]
    fn an_answer_that_is_not_whole_says_so() {
        let (_folder, run) = run();
        ensure(&run, Some("end"), 77, "x", 0, &Redactor::default()).unwrap();
        let text = fs::read_to_string(run.output()).unwrap();
        assert!(text.ends_with("]\n\nend\n"), "{text}");
        assert_eq!(left_out_bytes(&text), Some(77));
        fs::remove_file(run.output()).unwrap();
        let line = "x".repeat(99) + "\n";
        fs::write(run.stdout(), line.repeat(50_000)).unwrap();
        ensure(&run, None, 0, "x", 0, &Redactor::default()).unwrap();
        let text = fs::read_to_string(run.output()).unwrap();
        assert_eq!(left_out_bytes(&text), Some(5_000_000 - LARGEST_COPY));
        assert_eq!(left_out_bytes("an answer\n"), None);
    }

    #[test]
    fn tails_are_read_from_the_end() {
        let (_folder, run) = run();
        fs::write(run.stderr(), "x\n".repeat(100_000) + "a\nb\n").unwrap();
        assert_eq!(tail(&run.stderr(), 2), "a\nb");
        assert_eq!(tail(&run.stdout(), 2), "", "a missing file has no tail");
    }
}
