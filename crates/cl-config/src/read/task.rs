//! A task's own settings: its gates, and what it depends on.

use cl_storage::TaskId;

use super::{File, Reader, Section, settings};
use crate::environment::Environment;
use crate::error::Problem;
use crate::model::{Config, Gate};
use crate::schema;
use crate::tree::{Document, Node, Value};

/// Reads the settings of `task`; mistakes are returned instead.
///
/// Only the gates are handed out; dependencies are just checked, because their owner is
/// [`cl_storage::task_config`]. Keys of others are left alone, whatever they hold.
pub(crate) fn read_task_gates(
    document: &Document,
    file: &File<'_>,
    task: &TaskId,
    environment: &Environment,
) -> Result<Vec<Gate>, Vec<Problem>> {
    let mut reader = Reader::new(document, file, environment);
    let gates = match &document.root.value {
        Value::Null => Vec::new(),
        Value::Map(entries) => {
            for (key, node) in entries {
                match key.name.as_str() {
                    "depends_on" => check_ids(&mut reader, node, &key.name, Some(task)),
                    "unblocked" => check_unblocked(&mut reader, node),
                    _ => {}
                }
            }
            let section = Section::open_part(&document.root, schema::TASK_GATES);
            settings::gates(&mut reader, &section)
        }
        other => {
            let found = other.describe();
            let message =
                format!("a task's settings are a mapping such as \"gates: ...\", found {found}");
            reader.problem(document.root.at, "", message);
            Vec::new()
        }
    };
    let problems = reader.finish(Config::default()).problems;
    if problems.is_empty() {
        Ok(gates)
    } else {
        Err(problems)
    }
}

/// Checks task ids: a list, of which each may be a comma list, or one such text.
fn check_ids(reader: &mut Reader<'_>, node: &Node, dotted: &str, task: Option<&TaskId>) {
    match &node.value {
        Value::Null => {}
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check_texts(reader, item, &format!("{dotted}[{index}]"), task);
            }
        }
        _ => check_texts(reader, node, dotted, task),
    }
}

fn check_texts(reader: &mut Reader<'_>, node: &Node, dotted: &str, task: Option<&TaskId>) {
    let Value::Text(text) = &node.value else {
        let found = reader.found(node);
        let message = format!("{dotted} must be the id of a task, found {found}");
        reader.problem(node.at, dotted, message);
        return;
    };
    let parts = text.split(',').map(str::trim);
    for part in parts.filter(|part| !part.is_empty()) {
        match TaskId::parse_existing(part) {
            Ok(id) if Some(&id) == task => {
                let message = format!("task \"{part}\" cannot depend on itself");
                reader.problem(node.at, dotted, message);
            }
            Ok(_) => {}
            Err(error) => reader.problem(node.at, dotted, format!("{dotted}: {error}")),
        }
    }
}

fn check_unblocked(reader: &mut Reader<'_>, node: &Node) {
    match &node.value {
        Value::Null => {}
        Value::Map(entries) => {
            let ids = entries.iter().find(|(key, _)| key.name == "dependencies");
            if let Some((_, node)) = ids {
                check_ids(reader, node, "unblocked.dependencies", None);
            }
        }
        _ => {
            let found = reader.found(node);
            let message = format!("unblocked must be a mapping, found {found}");
            reader.problem(node.at, "unblocked", message);
        }
    }
}
