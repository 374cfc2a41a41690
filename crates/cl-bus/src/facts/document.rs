//! Facts that agents wrote as files: YAML front matter, then Markdown.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cl_storage::yaml;
use jiff::Timestamp;

/// The most bytes of such a file: what a message may have, and its front matter.
const LARGEST_BYTES: u64 =
    (crate::message::MAX_BODY_BYTES + crate::message::MAX_HEADER_BYTES) as u64;

/// For whom a fact was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Audience {
    Task,
    Project,
    Global,
}

/// What stands in front of the text; other keys are passed over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct FrontMatter {
    pub(super) created_at: Timestamp,
    pub(super) scope: Audience,
    #[serde(default)]
    pub(super) run_id: String,
    #[serde(default)]
    pub(super) title: String,
}

/// A file of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) front: FrontMatter,
    pub(super) body: String,
}

/// Lists the files in `folder` that are facts by their name, sorted by name.
pub(super) fn list(folder: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".md"));
        let is_fact = name.is_some_and(|name| name.starts_with(prefix));
        if is_fact {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the file at `path`, or says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Document, String> {
    let found = path.symlink_metadata().map_err(|e| e.to_string())?;
    if !found.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(format!("it is larger than {LARGEST_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let (front, body) = split(&text)?;
    if body.trim().is_empty() {
        return Err("it has no text behind its front matter".to_owned());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Document {
        name: name.into_owned(),
        front,
        body: body.to_owned(),
    })
}

fn split(text: &str) -> Result<(FrontMatter, &str), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let is_rule = |line: &str| line.trim_end_matches(['\r', '\n']) == "---";
    let opening = lines.next().filter(|line| is_rule(line));
    let start = opening.ok_or("it has no front matter")?.len();
    let mut end = start;
    for line in lines {
        if is_rule(line) {
            let front = yaml::parse(&text[start..end])
                .map_err(|error| format!("its front matter is broken: {error}"))?;
            return Ok((front, &text[end + line.len()..]));
        }
        end += line.len();
    }
    Err("its front matter has no end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str = "created_at: 2026-02-05T10:30:45Z\nscope: task\nrun_id: r\ntitle: Chosen\n";

    #[test]
    fn front_matter_is_split_from_the_text() {
        let text = format!("---\r\n{FRONT}---\n# A\n---\nb\n");
        let (front, body) = split(&text).unwrap();
        assert_eq!(front.scope, Audience::Task);
        assert_eq!(
            (front.title.as_str(), front.run_id.as_str()),
            ("Chosen", "r")
        );
        assert_eq!(front.created_at.to_string(), "2026-02-05T10:30:45Z");
        assert_eq!(body, "# A\n---\nb\n");
    }

    #[track_caller]
    fn check_refused(text: &str, part: &str) {
        let error = split(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn broken_front_matter_is_named() {
        check_refused("# only text\n", "no front matter");
        check_refused(&format!("---\n{FRONT}text"), "has no end");
        check_refused("---\nscope: task\n---\nx", "created_at");
        check_refused("---\n[\n---\nx", "broken");
        let other = FRONT.replace("scope: task", "scope: galaxy");
        check_refused(&format!("---\n{other}---\nx"), "galaxy");
    }
}
