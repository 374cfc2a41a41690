//! The file that promoted facts stand in.
//!
//! ```text
//! # Project Facts: demo
//! Last updated: 2026-02-23T21:03:11Z
//!
//! ---
//! ## Fact: The schema version is 3
//! <!-- fact-sha256: 64 digits -->
//! - **Body**: The schema version is 3
//! - **Source task**: task-20260223-191700-audit
//! - **Source message**: MSG-…
//! - **Original timestamp**: 2026-02-23T19:18:15Z
//! - **Promoted at**: 2026-02-23T21:03:11Z
//! - **Promoted by**: cli
//! ```
//!
//! A body of several lines stands below `- **Body**:`, each line behind four
//! blanks, so that nothing in it can be taken for the sheet's own lines. Readers
//! also take facts of the earlier implementation, which have no digest and put
//! further lines of a body at the start of the line.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cl_storage::{ProjectDir, Root};
use jiff::Timestamp;

use super::{Fact, FactHash, Origin, identity};

/// The most bytes of a sheet; a larger one is neither read nor written.
const LARGEST_SHEET_BYTES: u64 = 64 * 1024 * 1024;

const HEADING: &str = "## Fact:";
const RULE: &str = "---";
const LAST_UPDATED: &str = "Last updated: ";
const INDENT: &str = "    ";

/// Why a sheet could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// The path names a link, a folder or a special file.
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It is larger than any sheet may be.
    #[error("{} would be larger than {LARGEST_SHEET_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The system said no.
    #[error("could not read {}", path.display())]
    Io {
        /// The sheet.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Which sheet: where it lies and whose facts it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetPlace {
    path: PathBuf,
    heading: String,
    origin: Origin,
    project: String,
}

impl SheetPlace {
    /// Returns the sheet of a project.
    pub fn of_project(project: &ProjectDir) -> Self {
        Self {
            path: project.facts(),
            heading: format!("# Project Facts: {}", project.id()),
            origin: Origin::ProjectFacts,
            project: project.id().to_string(),
        }
    }

    /// Returns the sheet of a root.
    pub fn of_root(root: &Root) -> Self {
        Self {
            path: root.global_facts(),
            heading: "# Global Facts".to_owned(),
            origin: Origin::GlobalFacts,
            project: String::new(),
        }
    }

    /// Returns the path of the sheet.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the lock file beside the sheet, which is never deleted.
    pub fn lock(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        path.into()
    }

    /// Tells whether this is the sheet for all projects.
    pub(super) fn is_global(&self) -> bool {
        self.origin == Origin::GlobalFacts
    }
}

/// A sheet as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    place: SheetPlace,
    bytes: Vec<u8>,
    facts: Vec<Fact>,
}

impl Sheet {
    /// Reads a sheet; a missing one is empty.
    pub fn read(place: &SheetPlace) -> Result<Self, SheetError> {
        let bytes = read_bytes(&place.path)?;
        let text = String::from_utf8_lossy(&bytes);
        let facts = parse(&text, place);
        Ok(Self {
            facts,
            place: place.clone(),
            bytes,
        })
    }

    /// Returns its facts, in the order of the file.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Returns what the file holds once `facts` are added.
    pub(super) fn with(
        &self,
        facts: &[Fact],
        promoted_by: &str,
        now: Timestamp,
    ) -> Result<Vec<u8>, SheetError> {
        let mut bytes = if self.bytes.trim_ascii().is_empty() {
            format!("{}\n{LAST_UPDATED}{now}\n", self.place.heading).into_bytes()
        } else {
            updated(&self.bytes, now)
        };
        // A rule right below a line of text would make a heading of that line.
        while !bytes.ends_with(b"\n\n") {
            bytes.push(b'\n');
        }
        let mut text = String::new();
        for fact in facts {
            write_fact(&mut text, fact, &self.place, promoted_by, now);
        }
        bytes.extend_from_slice(text.as_bytes());
        if bytes.len() as u64 > LARGEST_SHEET_BYTES {
            return Err(SheetError::TooLarge(self.place.path.clone()));
        }
        Ok(bytes)
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, SheetError> {
    let io_error = |source| SheetError::Io {
        path: path.to_owned(),
        source,
    };
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => return Err(SheetError::NotRegular(path.to_owned())),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_error(e)),
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_SHEET_BYTES + 1).read_to_end(&mut bytes))
        .map_err(io_error)?;
    if bytes.len() as u64 > LARGEST_SHEET_BYTES {
        return Err(SheetError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Returns the file with the time of its header line replaced; all else stays.
fn updated(bytes: &[u8], now: Timestamp) -> Vec<u8> {
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let trimmed = line.trim_ascii_end();
        if trimmed == RULE.as_bytes() || trimmed.starts_with(HEADING.as_bytes()) {
            break;
        }
        if trimmed.starts_with(LAST_UPDATED.as_bytes()) {
            let stamp = format!("{LAST_UPDATED}{now}");
            let rest = &bytes[start + trimmed.len()..];
            return [&bytes[..start], stamp.as_bytes(), rest].concat();
        }
        start = end;
    }
    bytes.to_vec()
}

fn write_fact(
    out: &mut String,
    fact: &Fact,
    place: &SheetPlace,
    promoted_by: &str,
    now: Timestamp,
) {
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        writeln!(out, "{text}").unwrap_or_default();
    };
    line(format_args!("{RULE}"));
    line(format_args!("{HEADING} {}", fact.title));
    line(format_args!("<!-- fact-sha256: {} -->", fact.hash));
    if fact.text.contains('\n') || fact.text.starts_with(char::is_whitespace) {
        line(format_args!("- **Body**:"));
        for part in fact.text.split('\n') {
            let indent = if part.is_empty() { "" } else { INDENT };
            line(format_args!("{indent}{part}"));
        }
    } else {
        line(format_args!("- **Body**: {}", fact.text));
    }
    let time = fact.time.map(|time| time.to_string()).unwrap_or_default();
    if place.is_global() {
        line(format_args!(
            "- **Source project**: {}",
            one_line(&fact.project)
        ));
    }
    line(format_args!("- **Source task**: {}", one_line(&fact.task)));
    line(format_args!(
        "- **Source message**: {}",
        one_line(&fact.source)
    ));
    line(format_args!("- **Original timestamp**: {time}"));
    line(format_args!("- **Promoted at**: {now}"));
    line(format_args!("- **Promoted by**: {}", one_line(promoted_by)));
    line(format_args!(""));
}

/// Ids come from files that anyone may write; they must not start a line of their own.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

/// Reads the facts of a sheet.
fn parse(text: &str, place: &SheetPlace) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut section: Option<Section> = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(title) = line.strip_prefix(HEADING) {
            facts.extend(section.take().and_then(|section| section.finish(place)));
            section = Some(Section::new(title));
        } else if let Some(section) = &mut section {
            section.take(line);
        }
    }
    facts.extend(section.and_then(|section| section.finish(place)));
    facts
}

/// What the next line of a section may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The lines before and behind the body.
    Fields,
    /// The indented lines of a body.
    Block,
    /// Further lines of a body as the earlier implementation wrote them.
    Continuation,
}

/// The lines of one fact.
#[derive(Debug)]
struct Section {
    title: String,
    hash: Option<FactHash>,
    body: Option<String>,
    /// Lines that belong to the body only if a field follows them.
    pending: String,
    reading: Reading,
    project: String,
    task: String,
    source: String,
    time: Option<Timestamp>,
}

impl Section {
    fn new(title: &str) -> Self {
        Self {
            title: title.trim().to_owned(),
            hash: None,
            body: None,
            pending: String::new(),
            reading: Reading::Fields,
            project: String::new(),
            task: String::new(),
            source: String::new(),
            time: None,
        }
    }

    fn take(&mut self, line: &str) {
        if self.reading == Reading::Block && self.take_indented(line) {
            return;
        }
        if self.field(line) {
            return;
        }
        if self.reading == Reading::Continuation {
            self.pending.push('\n');
            self.pending.push_str(line);
        }
    }

    /// Takes a line of an indented body; false if the body is over.
    fn take_indented(&mut self, line: &str) -> bool {
        let body = self.body.get_or_insert_default();
        if let Some(text) = line.strip_prefix(INDENT) {
            body.push_str(&std::mem::take(&mut self.pending));
            body.push_str(text);
            body.push('\n');
        } else if line.trim().is_empty() {
            // An editor may have cut the blanks off.
            self.pending.push('\n');
        } else {
            self.pending.clear();
            self.reading = Reading::Fields;
            return false;
        }
        true
    }

    /// Takes a line of the sheet's own; false if it is none.
    fn field(&mut self, line: &str) -> bool {
        if self.body.is_none() {
            let hash = line
                .strip_prefix("<!-- fact-sha256: ")
                .and_then(|rest| rest.strip_suffix(" -->"));
            if let Some(hash) = hash {
                self.hash = FactHash::parse(hash.trim());
                return true;
            }
            if let Some(body) = line.strip_prefix("- **Body**:") {
                self.start_body(body);
                return true;
            }
        }
        let Some((name, value)) = line
            .strip_prefix("- **")
            .and_then(|rest| rest.split_once("**:"))
        else {
            return false;
        };
        let value = value.trim();
        match name {
            "Source project" => value.clone_into(&mut self.project),
            "Source task" => value.clone_into(&mut self.task),
            "Source message" => value.clone_into(&mut self.source),
            "Original timestamp" => self.time = value.parse().ok(),
            "Promoted at" | "Promoted by" => {}
            _ => return false,
        }
        // Only now it is known that these lines were the body's.
        let pending = std::mem::take(&mut self.pending);
        if let Some(body) = &mut self.body {
            body.push_str(&pending);
        }
        self.reading = Reading::Fields;
        true
    }

    fn start_body(&mut self, text: &str) {
        self.reading = match (&self.hash, text.trim().is_empty()) {
            (_, true) => Reading::Block,
            (Some(_), false) => Reading::Fields,
            (None, false) => Reading::Continuation,
        };
        if self.reading != Reading::Block {
            self.body = Some(text.strip_prefix(' ').unwrap_or(text).to_owned());
        }
    }

    /// Returns the fact; `None` if the section has no body.
    fn finish(self, place: &SheetPlace) -> Option<Fact> {
        let text = identity::text_of(&self.body?);
        if text.is_empty() {
            return None;
        }
        let project = if self.project.is_empty() {
            place.project.clone()
        } else {
            self.project
        };
        Some(Fact {
            hash: self.hash.unwrap_or_else(|| FactHash::of(text.as_bytes())),
            title: self.title,
            text,
            origin: place.origin,
            project,
            task: self.task,
            source: self.source,
            time: self.time,
        })
    }
}
