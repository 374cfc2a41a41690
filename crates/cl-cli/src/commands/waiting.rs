//! Waiting for a launch in the foreground, and telling how it ended.

use cl_bus::{After, Bus, Start};
use cl_runner::attach::{AttachEnd, Flight, attach};
use cl_runner::wishes::Wishes;
use cl_storage::space::{self, Room};
use cl_storage::task_state::{ResultStatus, TaskResult};
use cl_storage::{ProjectId, TaskDir, TaskId};
use serde_json::json;

use super::launching::{self, Order};
use super::progress::Progress;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// What a launch is followed by. To be made before it: from then on signals mean
/// the task, and its messages are those behind the ones that are there already.
#[derive(Debug)]
pub(super) struct Wait {
    /// None for a detached launch.
    wishes: Option<Wishes>,
    messages: Start,
    shows_output: bool,
    /// Whether the terminal shows a notification at the end.
    notifies: bool,
}

impl Wait {
    /// Gets ready for the launch of `order`.
    pub(super) fn prepare(order: &Order, shows_output: bool) -> Result<Self, CliError> {
        let ready = || {
            Wishes::prepare()
                .map_err(|error| CliError::failed("could not get ready to wait").caused_by(error))
        };
        let last = Bus::new(order.task.bus())
            .tail(1)
            .ok()
            .and_then(|reading| reading.last_cursor());
        Ok(Self {
            wishes: (!order.is_detached).then(ready).transpose()?,
            messages: last.map_or(Start::Beginning, |cursor| {
                Start::After(After::Cursor(cursor))
            }),
            shows_output,
            notifies: false,
        })
    }
}

impl Wait {
    /// Makes the terminal show a notification at the end, if `wants` or the configuration says so.
    #[must_use]
    pub(super) fn notifying(mut self, ctx: &Context, wants: bool) -> Self {
        let is_configured = || {
            ctx.config()
                .is_ok_and(|loaded| loaded.config.notify.terminal)
        };
        self.notifies = wants || is_configured();
        self
    }
}

/// Rings the terminal and hands it a notification, which it shows if it knows how to.
///
/// Written to standard error, and only if that is a terminal. OSC 9 is understood by
/// most terminals and passed over by the others.
fn notify(ctx: &mut Context, text: &str) {
    if ctx.console.err_is_terminal() {
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        // Nobody looks at a terminal that is gone.
        write!(ctx.console.err(), "\x1b]9;{text}\x07\x07").ok();
        ctx.console.err().flush().ok();
    }
}

/// Announces a detached launch, or waits for the end and tells it.
pub(super) fn wait(ctx: &mut Context, wait: Wait, mut flight: Flight) -> Result<Exit, CliError> {
    let (task, launch_id) = (&flight.task().clone(), &flight.launch_id().to_owned());
    let Some(mut wishes) = wait.wishes else {
        if ctx.console.is_json() {
            let document = json!({
                "project": task.project(), "task": task.id(), "launch_id": launch_id, "status": "running",
            });
            ctx.console.json(&document)?;
        } else {
            ctx.console.line(task.id())?;
        }
        return Ok(Exit::Success);
    };
    let on_terminate = launching::on_terminate(ctx);
    let redactor = crate::view::redactor(ctx);
    let mut progress = Progress::new(
        &mut ctx.console,
        task,
        &wait.messages,
        wait.shows_output,
        redactor,
    );
    let attached = attach(&mut wishes, &mut flight, on_terminate, &*ctx.clock, || {
        progress.look();
    });
    progress.finish();
    let attached = attached.map_err(|error| {
        CliError::failed(format!("could not wait for {}", task.id())).caused_by(error)
    })?;
    match attached.end {
        AttachEnd::Ended { result, attempts } => {
            let exit = tell(ctx, task, launch_id, &result, attempts);
            if wait.notifies {
                notify(
                    ctx,
                    &format!("task {} {}", task.id(), result.status.as_str()),
                );
            }
            exit
        }
        AttachEnd::Detached => {
            ctx.console.note(format_args!(
                "no longer waiting; task {} goes on",
                task.id()
            ));
            Ok(Exit::Terminated)
        }
        AttachEnd::Lost if !task.exists() => Err(CliError::failed(format!(
            "the folder of {} is gone; whatever belonged to the task is being ended",
            task.id()
        ))
        .hint("`run-agent ps` shows what is left of it")),
        AttachEnd::Lost => {
            let room = space::free_bytes(task.path()).map_or(Room::Enough, Room::of);
            Err(died(task.id(), task.project(), room))
        }
    }
}

/// Tells that a supervisor died; a full disk is why it could not even write that down.
fn died(task: &TaskId, project: &ProjectId, room: Room) -> CliError {
    let (why, first) = match room {
        Room::TooLittle => (
            ", and less than 100 MiB are free where the root is",
            "make room; then ",
        ),
        Room::Enough | Room::Low => ("", ""),
    };
    CliError::failed(format!("the supervisor of {task} died{why}")).hint(format!(
        "{first}`run-agent task resume {task} --project {project}` takes the task up again"
    ))
}

fn tell(
    ctx: &mut Context,
    task: &TaskDir,
    launch_id: &str,
    result: &TaskResult,
    attempts: u32,
) -> Result<Exit, CliError> {
    let last_run = task
        .runs()?
        .into_iter()
        .max_by_key(|run| run.id().started_at())
        .map(|run| run.id().clone());
    let exit = match result.status {
        ResultStatus::Completed => Exit::Success,
        ResultStatus::Failed => Exit::Failed,
        ResultStatus::Stopped if result.exit_code == 130 => Exit::Interrupted,
        ResultStatus::Stopped => Exit::Terminated,
    };
    if ctx.console.is_json() {
        let document = json!({
            "project": task.project(), "task": task.id(), "launch_id": launch_id,
            "status": result.status, "attempts": attempts, "last_run_id": last_run,
            "exit_code": exit.code(), "failure": result.failure, "left_children": result.left_children,
        });
        ctx.console.json(&document)?;
        return Ok(exit);
    }
    let attempts = if attempts == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{attempts} attempts")
    };
    ctx.console.line(format_args!(
        "task {} {} ({attempts})",
        task.id(),
        result.status.as_str()
    ))?;
    for child in &result.left_children {
        ctx.console.note(format_args!(
            "still active: task {} (project {})",
            child.task, child.project
        ));
    }
    if let Some(failure) = &result.failure {
        ctx.console.note(format_args!("reason: {failure}"));
    }
    if let (ResultStatus::Failed, Some(run)) = (result.status, last_run) {
        ctx.console.note(format_args!(
            "`run-agent output {} --project {} --run {run}` shows what the last run left",
            task.id(),
            task.project()
        ));
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_the_death_of_a_supervisor() {
        let task = TaskId::parse("task-20260101-000000-full").unwrap();
        let project = ProjectId::parse("demo").unwrap();
        let text = |room| died(&task, &project, room).to_string();
        assert_eq!(
            text(Room::TooLittle),
            "the supervisor of task-20260101-000000-full died, and less than 100 MiB are free where the root is"
        );
        assert_eq!(
            text(Room::Low),
            "the supervisor of task-20260101-000000-full died"
        );
    }
}
