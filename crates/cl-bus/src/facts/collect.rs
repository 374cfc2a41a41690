//! Finds the facts of a task or a project.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cl_storage::{LayoutError, ProjectDir, TaskDir};
use jiff::Timestamp;

use super::document::{self, Audience, Document};
use super::{
    FACT, Fact, FactHash, Origin, Sheet, SheetError, SheetPlace, identity, is_bookkeeping, title_of,
};
use crate::attach::{ATTACHMENT_KEYS, is_name};
use crate::bus::Bus;
use crate::message::Message;
use crate::read::{self, Entry, Found};

/// Which facts are asked for; our own messages about the ends of tasks never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The type of message, in any case; files and sheets hold facts only.
    pub kind: String,
    /// Only what was stated strictly later.
    pub since: Option<Timestamp>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            kind: FACT.to_owned(),
            since: None,
        }
    }
}

impl Query {
    /// Tells whether facts are asked for, and not another type of message.
    pub fn is_about_facts(&self) -> bool {
        self.kind.eq_ignore_ascii_case(FACT)
    }

    fn wants(&self, time: Option<Timestamp>) -> bool {
        self.since
            .is_none_or(|since| time.is_some_and(|time| time > since))
    }
}

/// Something that could not be read and was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

/// What was found, and what could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// The facts, in the order in which they were found.
    pub facts: Vec<Fact>,
    /// One warning for each bus or file that was passed over.
    pub warnings: Vec<Warning>,
}

impl Collected {
    /// Adds what `other` holds.
    pub fn add(&mut self, other: Self) {
        self.facts.extend(other.facts);
        self.warnings.extend(other.warnings);
    }

    fn warn(&mut self, path: &Path, problem: String) {
        self.warnings.push(Warning {
            path: path.to_owned(),
            problem,
        });
    }
}

/// Finds the facts of all tasks of a project, by the names of the tasks.
pub fn in_tasks(project: &ProjectDir, query: &Query) -> Result<Collected, LayoutError> {
    let mut collected = Collected::default();
    for task in project.tasks()? {
        collected.add(in_task(&task, query));
    }
    Ok(collected)
}

/// Finds the facts of one task: on its bus, then in files.
pub fn in_task(task: &TaskDir, query: &Query) -> Collected {
    let of_task = |origin| Place {
        origin,
        project: task.project().as_str(),
        task: task.id().as_str(),
    };
    let mut collected = Collected::default();
    of_task(Origin::TaskBus).messages(&task.bus(), query, &mut collected);
    let files = of_task(Origin::TaskFile);
    files.documents(task.path(), "TASK-FACTS-", query, &mut collected);
    collected
}

/// Finds the facts of a project itself: on its bus, then in files.
///
/// Files of scope `task` are their task's matter and left out.
pub fn in_project(project: &ProjectDir, query: &Query) -> Collected {
    let of_project = |origin| Place {
        origin,
        project: project.id().as_str(),
        task: "",
    };
    let mut collected = Collected::default();
    of_project(Origin::ProjectBus).messages(&project.bus(), query, &mut collected);
    let files = of_project(Origin::ProjectFile);
    files.documents(project.path(), "FACT-", query, &mut collected);
    collected
}

/// Finds the facts of a sheet, whatever type they had.
pub fn in_sheet(place: &SheetPlace, query: &Query) -> Result<Vec<Fact>, SheetError> {
    let sheet = Sheet::read(place)?;
    let facts = sheet.facts().iter();
    Ok(facts
        .filter(|fact| query.wants(fact.time))
        .cloned()
        .collect())
}

/// Where the whole text of a message lies that shows the beginning only.
#[derive(Debug)]
struct Attachment {
    hash: FactHash,
    note: String,
}

impl Attachment {
    /// Returns the attachment that the meta data of `message` names, if it is one of ours.
    fn of(message: &Message) -> Option<Self> {
        let [name, bytes, hash] = ATTACHMENT_KEYS.map(|key| message.meta.get(key));
        let name = name.filter(|name| is_name(name))?;
        let hash = FactHash::parse(hash?)?;
        let bytes: u64 = bytes?.parse().ok()?;
        Some(Self {
            note: format!("[cut: the whole text of {bytes} bytes is in {name}]"),
            hash,
        })
    }
}

/// What the facts of one place have in common.
#[derive(Debug)]
struct Place<'a> {
    origin: Origin,
    project: &'a str,
    task: &'a str,
}

impl Place<'_> {
    fn messages(&self, bus: &Path, query: &Query, into: &mut Collected) {
        let mut torn = 0;
        let read = Bus::new(bus).for_each(&read::Query::default(), |found| {
            if let Found::Entry(Entry { message, .. }) = found {
                let is_wanted = message.kind.eq_ignore_ascii_case(&query.kind)
                    && query.wants(Some(message.timestamp))
                    && !is_bookkeeping(&message);
                if is_wanted && message.truncated {
                    torn += 1;
                } else if is_wanted {
                    into.facts.extend(self.of_message(&message));
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            into.warn(bus, format!("could not be read ({error}{cause})"));
        }
        if torn > 0 {
            let problem =
                format!("{torn} message(s) whose writer died are incomplete and left out");
            into.warn(bus, problem);
        }
    }

    fn of_message(&self, message: &Message) -> Option<Fact> {
        let mut text = identity::text_of(&message.body);
        let title = title_of(&text);
        let mut hash = FactHash::of(message.body_bytes());
        if let Some(attachment) = Attachment::of(message) {
            // The body is its beginning only, which another text may share.
            hash = attachment.hash;
            text = if text.is_empty() {
                attachment.note
            } else {
                format!("{text}\n\n{}", attachment.note)
            };
        }
        (!text.is_empty()).then(|| Fact {
            hash,
            title,
            text,
            origin: self.origin,
            project: self.project.to_owned(),
            task: if self.task.is_empty() {
                message.task_id.clone()
            } else {
                self.task.to_owned()
            },
            source: message.id.to_string(),
            time: Some(message.timestamp),
        })
    }

    fn documents(&self, folder: &Path, prefix: &str, query: &Query, into: &mut Collected) {
        if !query.is_about_facts() {
            return;
        }
        let paths = match document::list(folder, prefix) {
            Ok(paths) => paths,
            Err(error) => return into.warn(folder, format!("could not be listed ({error})")),
        };
        for path in paths {
            match document::read(&path) {
                Ok(document) => {
                    let is_tasks_own = self.origin == Origin::ProjectFile
                        && document.front.scope == Audience::Task;
                    if query.wants(Some(document.front.created_at)) && !is_tasks_own {
                        into.facts.push(self.of_document(document));
                    }
                }
                Err(problem) => into.warn(&path, format!("left out: {problem}")),
            }
        }
    }

    fn of_document(&self, document: Document) -> Fact {
        let text = identity::text_of(&document.body);
        let title = title_of(&document.front.title);
        Fact {
            hash: FactHash::of(document.body.as_bytes()),
            title: if title.is_empty() {
                title_of(&text)
            } else {
                title
            },
            text,
            origin: self.origin,
            project: self.project.to_owned(),
            task: self.task.to_owned(),
            source: document.name,
            time: Some(document.front.created_at),
        }
    }
}
