//! What the queue of the earlier implementation asked for.
//!
//! `cl_storage::queue` has taken its file over as it was, so that nothing is lost by whoever comes
//! first. Here its entries become submissions: as they would have been accepted from a client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cl_runner::launch::{Kind, error_text};
use cl_storage::queue::Entry;
use cl_storage::{Root, TaskDir, TaskId, work_folder};
use serde::Deserialize;

use crate::submission::{Attach, Submission};
use crate::{Settings, policy};

/// What the agent is told first when a task is taken up again.
pub const CONTINUE: &str = "Continue working on the following:\n\n";

/// A request as it was kept there. Empty texts and nulls stand for what was not given.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    agent_type: Option<String>,
    #[serde(default)]
    prompt: Option<String>,
    /// The prompt as its run was to get it.
    #[serde(default)]
    run_prompt: Option<String>,
    #[serde(default)]
    config: Option<BTreeMap<String, String>>,
    #[serde(default)]
    project_root: Option<String>,
    #[serde(default)]
    attach_mode: Option<String>,
    #[serde(default)]
    depends_on: Option<Vec<TaskId>>,
    #[serde(default)]
    process_import: Option<serde_json::Value>,
}

/// Makes a submission of an entry without a launch; says what is in the way.
pub(crate) fn submission_of(
    root: &Root,
    task: &TaskDir,
    entry: &Entry,
    settings: &Settings,
) -> Result<Submission, String> {
    let request = entry.request.clone().ok_or("it holds no request")?;
    let asked: Asked = serde_json::from_value(request).map_err(|error| error.to_string())?;
    if asked.process_import.is_some() {
        let message = "it asks to take in a process; `run-agent run import` does that";
        return Err(message.to_owned());
    }
    let attach = match asked.attach_mode.as_deref().unwrap_or_default().trim() {
        "" | "create" => Attach::Create,
        "attach" => Attach::Attach,
        "resume" => Attach::Resume,
        other => return Err(format!("its attach_mode {other:?} is not known")),
    };
    let (prompt, run_prompt) = (given(asked.prompt), given(asked.run_prompt));
    let prompt = match attach {
        Attach::Create | Attach::Attach => prompt.or(run_prompt),
        Attach::Resume => run_prompt.or_else(|| prompt.map(|text| format!("{CONTINUE}{text}"))),
    };
    if prompt.is_none() && !task.prompt().is_file() {
        return Err("there is no prompt".to_owned());
    }
    Ok(Submission {
        kind: Kind::Task,
        attach,
        prompt,
        cwd: working_folder(root, task, given(asked.project_root), settings)?,
        agent: given(asked.agent_type),
        env: asked.config.unwrap_or_default(),
        // An empty list was written for none, too, and takes nothing away.
        depends_on: asked.depends_on.filter(|tasks| !tasks.is_empty()),
        parent_run: None,
        policy: policy::of_task(settings, task).map_err(|error| error_text(&error))?,
    })
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn working_folder(
    root: &Root,
    task: &TaskDir,
    named: Option<String>,
    settings: &Settings,
) -> Result<PathBuf, String> {
    let Some(named) = named else {
        let project = root.project(task.project()).ok();
        let known = project.and_then(|project| work_folder::read(&project).ok().flatten());
        return known
            .ok_or_else(|| "it names no folder to work in, and its project has none".into());
    };
    let path = match (named.strip_prefix("~/"), settings.environment.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(&named),
    };
    if path.is_absolute() && Path::is_dir(&path) {
        Ok(path)
    } else {
        Err(format!(
            "its folder to work in does not exist: {}",
            path.display()
        ))
    }
}
