//! Taking over the queue of the earlier implementation, once.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::{Entry, KNOWN_VERSION, Kind, QueueError, add, io_error, locked, names, read_entry};
use crate::durable;
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::Root;
use crate::{record, yaml};

const PLANNER: &str = "root-task-planner.yaml";

/// Makes entries of what the earlier implementation had queued, and renames its file
/// to `root-task-planner.yaml.imported`; returns how many that were.
///
/// A file that cannot be read is renamed to `….corrupt-<time>`, and told.
pub fn import_planner(root: &Root, now: Timestamp) -> Result<usize, QueueError> {
    if !root.conductor_folder().join(PLANNER).exists() {
        return Ok(0);
    }
    locked(root, |folder| under_lock(root, folder, now))
}

/// The same for the holder of the lock. A crash in between repeats nothing: what is
/// in the queue already is left out.
pub(super) fn under_lock(root: &Root, folder: &Path, now: Timestamp) -> Result<usize, QueueError> {
    let path = root.conductor_folder().join(PLANNER);
    let text = match record::read_text(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(0),
        Err(error) => return set_aside(&path, &error, now),
    };
    let value: Value = match yaml::parse(&text) {
        Ok(value) => value,
        Err(error) => return set_aside(&path, &error, now),
    };
    let known: Vec<Entry> = names(folder)
        .map_err(io_error(folder))?
        .iter()
        .filter_map(|name| read_entry(&folder.join(name)))
        .collect();
    let mut found = Vec::new();
    for (place, old) in value["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let Some(entry) = entry_of(root, old) else {
            tracing::warn!(place, "left out an entry of {PLANNER}");
            continue;
        };
        let order = old["order"].as_u64().unwrap_or(u64::MAX);
        found.push((order, place, entry));
    }
    found.sort_by_key(|(order, place, entry)| (*order, entry.submitted_at, *place));
    let mut imported: Vec<Entry> = Vec::new();
    for (_, _, entry) in found {
        let is_same = |other: &Entry| {
            (&other.project, &other.task, &other.run) == (&entry.project, &entry.task, &entry.run)
        };
        if !known.iter().chain(&imported).any(is_same) {
            add(folder, entry.clone())?;
            imported.push(entry);
        }
    }
    let to = path.with_file_name(format!("{PLANNER}.imported"));
    durable::rename(&path, &to).map_err(io_error(&path))?;
    tracing::info!(entries = imported.len(), "took over {PLANNER}");
    Ok(imported.len())
}

fn set_aside(
    path: &Path,
    error: &(dyn std::error::Error + 'static),
    now: Timestamp,
) -> Result<usize, QueueError> {
    let to = path.with_file_name(format!("{PLANNER}.corrupt-{}", crate::id::stamp(now)));
    tracing::warn!(error, to = %to.display(), "{PLANNER} cannot be read and was set aside");
    durable::rename(path, &to).map_err(io_error(path))?;
    Ok(0)
}

/// Returns what one entry asks for; none if it is damaged, or has been begun.
fn entry_of(root: &Root, old: &Value) -> Option<Entry> {
    let text = |key: &str| old[key].as_str();
    let project = ProjectId::parse(text("project_id")?).ok()?;
    let task = TaskId::parse_existing(text("task_id")?).ok()?;
    let run = text("run_id").and_then(|id| RunId::parse(id).ok());
    if text("state") == Some("running") {
        let has_begun = run.as_ref().is_some_and(|run| {
            let run = root.task(&project, &task).and_then(|task| task.run(run));
            run.is_ok_and(|run| run.info().exists())
        });
        if has_begun {
            return None;
        }
    }
    let mut request = spelled_out(&old["request"]);
    if let (Some(request), Some(prompt)) = (request.as_object_mut(), text("run_prompt")) {
        request.entry("run_prompt").or_insert_with(|| prompt.into());
    }
    Some(Entry {
        version: KNOWN_VERSION,
        kind: Kind::Server,
        sequence: 0,
        project,
        task,
        run,
        submitted_at: text("submitted_at")
            .and_then(|at| at.parse().ok())
            .unwrap_or(Timestamp::UNIX_EPOCH),
        owner: None,
        launch: None,
        request: Some(request),
    })
}

/// Splits the words in the keys of a request, which were run together.
fn spelled_out(request: &Value) -> Value {
    const WORDS: [(&str, &str); 13] = [
        ("projectid", "project_id"),
        ("taskid", "task_id"),
        ("agenttype", "agent_type"),
        ("projectroot", "project_root"),
        ("attachmode", "attach_mode"),
        ("processimport", "process_import"),
        ("dependson", "depends_on"),
        ("threadparent", "thread_parent"),
        ("threadmessagetype", "thread_message_type"),
        ("commandline", "command_line"),
        ("stdoutpath", "stdout_path"),
        ("stderrpath", "stderr_path"),
        ("parentrunid", "parent_run_id"),
    ];
    match request {
        Value::Object(object) => {
            let spelled = |key: &String| {
                let found = WORDS.iter().find(|(together, _)| together == key);
                found.map_or_else(|| key.clone(), |(_, apart)| (*apart).to_owned())
            };
            let is_free_form = |key: &str| key == "config";
            let entries = object.iter().map(|(key, value)| {
                let value = if is_free_form(key) {
                    value.clone()
                } else {
                    spelled_out(value)
                };
                (spelled(key), value)
            });
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}
