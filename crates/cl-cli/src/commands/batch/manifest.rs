//! The file that `job batch --manifest` reads.
//!
//! ```yaml
//! version: 1
//! items:
//!   - task: task-20260101-000000-first
//!     prompt: Write the parser.
//!   - task: task-20260101-000000-second
//!     prompt_file: second.md
//!     agent: codex
//!     cwd: ../work
//!     depends_on: [task-20260101-000000-first]
//! ```
//!
//! Paths are relative to the file's folder. Unknown keys are errors, and all
//! errors name their place.

use std::collections::BTreeMap;
use std::path::Path;

use cl_storage::TaskId;
use cl_storage::yaml::{self, Spanned, YamlError};

/// A manifest is written by hand or by a program that plans; more is a mistake.
pub(super) const MOST_ITEMS: usize = 1000;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Option<Spanned<u32>>,
    items: Vec<Spanned<Entry>>,
}

/// One item as it stands in the file.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) task: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) prompt_file: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) cwd: Option<String>,
    #[serde(default)]
    pub(super) depends_on: Vec<String>,
    pub(super) idle_timeout: Option<String>,
    pub(super) max_duration: Option<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
}

/// An item and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) entry: Entry,
    /// `file:line:column`.
    pub(super) place: String,
    /// The items that it depends on, by position.
    pub(super) needs: Vec<usize>,
}

/// Reads a manifest; the error is a message with the place.
pub(super) fn read(text: &str, path: &Path) -> Result<Vec<Placed>, String> {
    let shown = path.display();
    let at = |error: YamlError| match error.line {
        0 => format!("{shown}: {}", error.message),
        line => format!("{shown}:{line}:{}: {}", error.column, error.message),
    };
    let file: File = yaml::parse(text).map_err(at)?;
    if let Some(version) = file.version.filter(|version| version.value != 1) {
        return Err(format!(
            "{shown}:{}:{}: version {} is not known; this build knows 1",
            version.referenced.line(),
            version.referenced.column(),
            version.value
        ));
    }
    if file.items.is_empty() || file.items.len() > MOST_ITEMS {
        return Err(format!(
            "{shown}: items must be 1 to {MOST_ITEMS}, not {}",
            file.items.len()
        ));
    }
    let mut items: Vec<Placed> = Vec::new();
    for item in file.items {
        let place = format!(
            "{shown}:{}:{}",
            item.referenced.line(),
            item.referenced.column()
        );
        check(&item.value).map_err(|problem| format!("{place}: {problem}"))?;
        if let Some(task) = &item.value.task
            && let Some(other) = items
                .iter()
                .find(|other| other.entry.task.as_ref() == Some(task))
        {
            return Err(format!(
                "{place}: task {task} stands at {} already",
                other.place
            ));
        }
        items.push(Placed {
            entry: item.value,
            place,
            needs: Vec::new(),
        });
    }
    resolve(&mut items)?;
    Ok(items)
}

fn check(entry: &Entry) -> Result<(), String> {
    if let Some(task) = &entry.task {
        TaskId::parse(task).map_err(|error| error.to_string())?;
    }
    for (name, value) in &entry.env {
        if !is_variable(name) {
            return Err(format!(
                "env: {name:?} is no name of a variable; letters, digits and _ make one"
            ));
        }
        if value.contains('\0') {
            return Err(format!("env: the value of {name} holds a NUL"));
        }
    }
    match (&entry.prompt, &entry.prompt_file) {
        (Some(_), Some(_)) => Err("prompt and prompt_file exclude each other".to_owned()),
        (None, None) => Err("there is neither prompt nor prompt_file".to_owned()),
        (Some(text), None) if text.trim().is_empty() => Err("the prompt is empty".to_owned()),
        _ => Ok(()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Finds the items that others depend on.
fn resolve(items: &mut [Placed]) -> Result<(), String> {
    for index in 0..items.len() {
        let mut needs = Vec::new();
        for name in &items[index].entry.depends_on {
            let found = items
                .iter()
                .position(|other| other.entry.task.as_ref() == Some(name));
            let Some(found) = found else {
                return Err(format!(
                    "{}: depends_on names {name}, which is the task of no item",
                    items[index].place
                ));
            };
            needs.push(found);
        }
        items[index].needs = needs;
    }
    let needs: Vec<Vec<usize>> = items.iter().map(|item| item.needs.clone()).collect();
    match super::super::plan::circle(&needs).first() {
        None => Ok(()),
        Some(&first) => Err(format!(
            "{}: depends_on leads in a circle",
            items[first].place
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = read(text, Path::new("m.yaml")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    const A: &str = "task-20260101-000000-aaa";
    const B: &str = "task-20260101-000000-bbb";

    #[test]
    fn a_manifest_is_read() {
        let text = format!(
            "version: 1\nitems:\n  - task: {B}\n    prompt: x\n    depends_on: [{A}]\n  - task: {A}\n    prompt_file: y\n  - prompt: z\n"
        );
        let items = read(&text, Path::new("m.yaml")).unwrap();
        assert_eq!(items.len(), 3);
        assert_eq!(items[0].needs, [1]);
        assert_eq!(items[1].place, "m.yaml:6:5");
    }

    #[test]
    fn mistakes_have_their_place() {
        check_error("items: []\n", "m.yaml: items must be");
        check_error(
            "version: 2\nitems: [{prompt: x}]\n",
            "m.yaml:1:10: version 2",
        );
        check_error("items:\n  - prompt: x\n    promt_file: y\n", "m.yaml:3:");
        check_error("items:\n  - agent: x\n", "m.yaml:2:5: there is neither");
        check_error(
            "items:\n  - {prompt: x, prompt_file: y}\n",
            "exclude each other",
        );
        check_error("items:\n  - {prompt: ' '}\n", "the prompt is empty");
        check_error(
            "items:\n  - {prompt: x, task: t}\n",
            "m.yaml:2:5: invalid task",
        );
        check_error(
            &format!("items:\n  - {{prompt: x, task: {A}}}\n  - {{prompt: x, task: {A}}}\n"),
            "m.yaml:3:5: task task-20260101-000000-aaa stands at m.yaml:2:5 already",
        );
        check_error(
            &format!("items:\n  - {{prompt: x, depends_on: [{A}]}}\n"),
            "is the task of no item",
        );
        check_error(
            &format!(
                "items:\n  - {{prompt: x, task: {A}, depends_on: [{B}]}}\n  - {{prompt: x, task: {B}, depends_on: [{A}]}}\n"
            ),
            "m.yaml:2:5: depends_on leads in a circle",
        );
        for name in ["''", "1A", "A=B", "'A B'", "Ä", "\"A\\0\""] {
            check_error(
                &format!("items:\n  - {{prompt: x, env: {{{name}: y}}}}\n"),
                "m.yaml:2:5: env: ",
            );
        }
        check_error(
            "items:\n  - {prompt: x, env: {A_1: \"y\\0\"}}\n",
            "the value of A_1 holds a NUL",
        );
        check_error("items: [\n", "m.yaml:");
    }
}
