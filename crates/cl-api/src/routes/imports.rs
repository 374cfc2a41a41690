//! Taking in processes that run already.

use std::path::{Path, PathBuf};

use cl_runner::adopt::{AdoptError, AdoptOrder, ProcessOwnership, adopt};
use cl_runner::launch::LaunchError;
use cl_storage::redact::Redactor;
use cl_storage::snapshot::TaskView;
use cl_storage::task_config::TaskConfig;
use cl_storage::{RunId, TaskDir};
use cl_wire::v1::{Admission, Ownership, ProcessImport, TaskCreated};

use super::submission::expand;
use crate::answer::{Answer, Refusal};
use crate::app::App;

/// Makes a task of a process that runs already. Blocks until its watcher has begun.
pub(super) fn import(
    app: &App,
    task: &TaskDir,
    agent: &str,
    asked: ProcessImport,
    parent_run: Option<RunId>,
) -> Answer<TaskCreated> {
    let agent = agent.trim().to_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if agent.is_empty() || !agent.chars().all(is_plain) {
        return Err(Refusal::bad_request("agent_type is required")
            .hint("name one in plain letters, such as claude or codex"));
    }
    if asked.pid <= 0 {
        return Err(Refusal::bad_request("process_import.pid must be positive"));
    }
    let stdout = source(app, "stdout_path", asked.stdout_path.as_deref())?;
    let stderr = source(app, "stderr_path", asked.stderr_path.as_deref())?;
    if stdout.is_none() && stderr.is_none() {
        let message = "process_import needs stdout_path or stderr_path";
        return Err(Refusal::bad_request(message));
    }
    if task.path().is_dir() && !task.runs().unwrap_or_default().is_empty() {
        let message = format!("task {} exists already", task.id());
        return Err(Refusal::conflict(message).hint("take another task id"));
    }
    let secrets = || app.serving.config.all_secrets();
    let redactor = Redactor::new(secrets());
    let commandline = asked.commandline.unwrap_or_default();
    let order = AdoptOrder {
        pid: asked.pid,
        agent,
        stdout,
        stderr,
        ownership: match asked.ownership.unwrap_or_default() {
            Ownership::External => ProcessOwnership::External,
            Ownership::Managed => ProcessOwnership::Managed,
        },
        commandline: redactor.redact(&commandline).into_owned(),
        parent_run,
    };
    adopt(
        &app.root,
        task,
        order,
        secrets(),
        Path::new("/proc/self/exe"),
    )
    .map_err(refusal)?;
    let view = TaskView::read(&app.root, task, app.now());
    let view = view.map_err(|error| Refusal::internal("the task could not be read", &error))?;
    Ok(TaskCreated {
        project_id: task.project().clone(),
        task_id: task.id().clone(),
        run_id: view.latest_run().map(|run| run.run.id().clone()),
        status: Admission::Started,
        queue_position: None,
        depends_on: TaskConfig::read(task).unwrap_or_default().depends_on,
    })
}

/// Checks where a process writes to; the file itself may still be missing.
fn source(app: &App, field: &str, path: Option<&str>) -> Answer<Option<PathBuf>> {
    let bad = |what: &str| {
        Err(Refusal::bad_request(format!(
            "process_import.{field} {what}"
        )))
    };
    let Some(path) = path.map(str::trim).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = expand(app, path);
    if !path.is_absolute() {
        return bad("must be an absolute path");
    }
    if path.is_dir() {
        return bad("is a folder");
    }
    if !path.parent().is_some_and(Path::is_dir) {
        return bad("is in a folder that does not exist");
    }
    Ok(Some(path))
}

fn refusal(error: AdoptError) -> Refusal {
    let text = cl_view::chain(&error);
    match error {
        AdoptError::Dead(_) | AdoptError::Own(_) | AdoptError::Init | AdoptError::Kernel(_) => {
            Refusal::bad_request(text)
        }
        AdoptError::Forbidden(_)
        | AdoptError::Known { .. }
        | AdoptError::Launch(LaunchError::Refused { .. }) => Refusal::conflict(text),
        error => Refusal::internal("the process was not taken in", &error),
    }
}
