//! Launching from inside an agent: the enclosing task's supervisor does it.

use std::time::{Duration, Instant};

use cl_runner::launch::{LaunchFile, NestedOptions, Order, Policy};
use cl_storage::control::{Answer, LaunchChildRequest, Outcome, Request, RequestBody};
use cl_storage::owner::Owner;
use cl_storage::{RunId, TaskDir};

use crate::context::Context;
use crate::error::CliError;
use crate::scope::Scope;

/// A supervisor may be in the middle of starting another child.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// How often the answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The task around this command, if somebody runs it.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) task: TaskDir,
    pub(super) run: RunId,
    /// What its supervisor was launched for.
    launch_id: String,
}

/// Returns the task around this command, if its supervisor is alive.
pub(super) fn around(scope: &Scope) -> Result<Option<Around>, CliError> {
    let Some(found) = &scope.enclosing else {
        return Ok(None);
    };
    let task = scope.root().task(&found.value.project, &found.value.task)?;
    let owner = Owner::read(&task).ok().flatten().filter(Owner::is_alive);
    Ok(owner.map(|owner| Around {
        task,
        run: found.value.run.clone(),
        launch_id: owner.launch_id,
    }))
}

/// Returns the limits that the enclosing task was launched with, without its gates.
pub(super) fn inherited_policy(around: &Around) -> Policy {
    let file = LaunchFile::read(&around.task).ok().flatten();
    let policy = file.map(|file| file.policy).unwrap_or_default();
    Policy {
        gates: Vec::new(),
        require_change: false,
        max_attempts: 100,
        ..policy
    }
}

/// Asks the enclosing supervisor to launch `order`; the launch's id, or none if
/// it is gone and nothing was launched.
pub(super) fn launch_through(
    ctx: &Context,
    around: &Around,
    order: &Order,
) -> Result<Option<String>, CliError> {
    let options = NestedOptions {
        kind: order.kind,
        mode: order.mode,
        parent_run: around.run.clone(),
        prompt: order.prompt.clone(),
        cwd: order.cwd.clone(),
        agent: order.agent.clone(),
        policy: Some(order.policy.clone()),
        extra_env: order.extra_env.clone(),
        previous_run: order.previous_run.clone(),
        step: order.step.clone(),
        depends_on: order.depends_on.clone(),
    };
    let failed = |what: &str| {
        CliError::failed(format!(
            "could not {what} the supervisor of {}",
            around.task.id()
        ))
    };
    let options =
        serde_json::to_string(&options).map_err(|error| failed("ask").caused_by(error))?;
    let body = RequestBody::LaunchChild(LaunchChildRequest {
        project: order.task.project().clone(),
        task: order.task.id().clone(),
        options,
    });
    let request = Request::new(body, &around.launch_id, ctx.now())
        .map_err(|error| failed("ask").caused_by(error))?;
    request
        .submit(&around.task)
        .map_err(|error| failed("ask").caused_by(error))?;
    cl_runner::wake(&around.task);
    let until = Instant::now() + ANSWER_WITHIN;
    loop {
        if let Some(answer) = request
            .answer(&around.task)
            .map_err(|error| failed("hear").caused_by(error))?
        {
            request
                .forget(&around.task)
                .map_err(|error| failed("answer").caused_by(error))?;
            return understand(request.id, &answer);
        }
        let is_alive = Owner::read(&around.task)
            .ok()
            .flatten()
            .is_some_and(|owner| owner.is_alive());
        let is_late = Instant::now() > until;
        if is_late || !is_alive {
            // What cannot be withdrawn was claimed: an answer is there or comes.
            if request
                .withdraw(&around.task)
                .map_err(|error| failed("withdraw from").caused_by(error))?
            {
                return if is_late {
                    Err(failed("reach"))
                } else {
                    Ok(None)
                };
            }
            if Instant::now() > until + ANSWER_WITHIN {
                return Err(failed("hear an answer from")
                    .hint("it has the request and does not act; look at its log"));
            }
            if !is_alive && request.answer(&around.task).ok().flatten().is_none() {
                return Err(failed("hear an answer from")
                    .hint("it died; `run-agent task show` tells what it left"));
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn understand(launch_id: String, answer: &Answer) -> Result<Option<String>, CliError> {
    match answer.outcome {
        Outcome::Done => Ok(Some(launch_id)),
        Outcome::Refused => Err(CliError::conflict(format!(
            "the task was not launched: {}",
            answer.message
        ))),
        Outcome::Failed => Err(CliError::failed(format!(
            "the task could not be launched: {}",
            answer.message
        ))),
    }
}
