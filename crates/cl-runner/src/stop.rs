//! Stopping a task, whoever owns it.

use std::time::{Duration, Instant};

use cl_storage::control::{Outcome, StopRequest};
use cl_storage::marker::{self, StopMark};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::snapshot::TaskView;
use cl_storage::status::TaskStatus;
use cl_storage::{Clock, LayoutError, Root, TaskDir};

use crate::attach::{after, ask_to_stop, millis};
use crate::process::end::KILL_WAIT;
use crate::settle::{self, Reason, SettleError};

/// Beyond the kill: time for the owner and its children to record the end.
const RECORD_TIME: Duration = Duration::from_secs(15);

/// How often the owner is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a task is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopOptions {
    /// Who or what asks, for the record.
    pub by: String,
    /// From the request to the kill.
    pub grace: Duration,
    /// Whether agents that do not end are killed.
    pub kills: bool,
    /// How long the monitor leaves the task alone; none is until it is started or resumed.
    pub suppression: Option<Duration>,
}

/// A kill that never comes: for requests that only ask.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// What stopping a task did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReport {
    /// Nothing was running.
    NothingRunning {
        /// What would start it was told to leave it alone.
        is_marked: bool,
    },
    /// The task's supervisor stopped it.
    Stopped {
        /// Processes that could not be ended.
        survivors: u32,
        /// Child tasks that were still active at the end.
        left_children: usize,
    },
    /// It was only asked, and has not ended yet.
    StillRunning,
    /// Its folder was deleted; what was left of it was ended, and nothing recorded.
    EndedDeleted {
        /// Processes that were ended.
        ended: usize,
        /// Processes that could not be ended.
        survivors: u32,
    },
    /// It had ended, and only children of it were active, which were stopped.
    ChildrenStopped {
        /// Child tasks that were active.
        children: usize,
        /// Processes that could not be ended.
        survivors: u32,
    },
    /// It had no live supervisor; its agents were ended and recorded here.
    SettledLost {
        /// Whether a supervisor had died, or there was none.
        owner: OwnerState,
        /// Processes of it and of its children without a supervisor that were ended.
        ended: usize,
        /// Processes that could not be ended.
        survivors: u32,
        /// Child tasks that were active, and were stopped.
        children: usize,
    },
}

impl StopReport {
    /// Returns how many processes could not be ended.
    pub fn survivors(&self) -> u32 {
        match self {
            Self::Stopped { survivors, .. }
            | Self::ChildrenStopped { survivors, .. }
            | Self::EndedDeleted { survivors, .. }
            | Self::SettledLost { survivors, .. } => *survivors,
            Self::NothingRunning { .. } | Self::StillRunning => 0,
        }
    }
}

/// Why a task could not be stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The task's files cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The request could not be made.
    #[error("could not hand in the request to stop {task}")]
    Request {
        /// The task.
        task: String,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// What a dead supervisor left could not be settled.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The supervisor did not finish in time.
    #[error(
        "the supervisor of {task} (pid {pid}) has not stopped it within {waited:?}; look at {log}"
    )]
    TimedOut {
        /// The task.
        task: String,
        /// The supervisor.
        pid: i32,
        /// How long was waited.
        waited: Duration,
        /// Its log.
        log: String,
    },
    /// The run belongs to a process that is only observed.
    #[error("run {run} is an external process that is only observed; stop it yourself (pid {pid})")]
    External {
        /// The run.
        run: String,
        /// Its process.
        pid: i32,
    },
}

/// Stops `task` and everything below it; returns when that is verified and recorded.
///
/// TERM at once, KILL after the grace period. Blocks for that long and some
/// seconds more. The wish stays until somebody starts or resumes the task.
pub fn stop_task(
    root: &Root,
    task: &TaskDir,
    options: &StopOptions,
    clock: &dyn Clock,
) -> Result<StopReport, StopError> {
    let (by, grace) = (options.by.as_str(), options.grace);
    let patience = if options.kills {
        grace.saturating_add(KILL_WAIT + RECORD_TIME)
    } else {
        grace
    };
    let started = Instant::now();
    let request_error = |source| StopError::Request {
        task: task.id().to_string(),
        source,
    };
    if let Some(owner) = live_owner(task) {
        // Its owner only watches, and would refuse.
        refuse_external(&TaskView::read(root, task, clock.now())?)?;
        let request = StopRequest {
            by: by.to_owned(),
            kill_at: after(clock, if options.kills { grace } else { NEVER }),
            exit_code: 143,
            suppress_ms: millis(options.suppression),
        };
        let request = ask_to_stop(task, &owner.launch_id, request, clock).map_err(request_error)?;
        let identity = owner.identity();
        // A supervisor that somebody has stopped with SIGSTOP could not act on it.
        crate::process::end::signal(&identity, rustix::process::Signal::CONT);
        while identity.is_alive() && live_owner(task).is_some_and(|now| now.pid == owner.pid) {
            if started.elapsed() > patience {
                if !options.kills {
                    return Ok(StopReport::StillRunning);
                }
                let log = task.supervisor_log().display().to_string();
                return Err(StopError::TimedOut {
                    task: task.id().to_string(),
                    pid: owner.pid,
                    waited: patience,
                    log,
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let answered = request
            .answer(task)
            .ok()
            .flatten()
            .map(|answer| answer.outcome);
        // Nobody else needs what is left of the request; a leftover is removed by the next owner.
        if request
            .forget(task)
            .and_then(|()| request.withdraw(task))
            .is_err()
        {
            tracing::debug!("a request to stop was left behind");
        }
        let is_lost =
            Owner::read(task).is_ok_and(|owner| OwnerState::of(owner.as_ref()) == OwnerState::Lost);
        if !is_lost && answered == Some(Outcome::Done) {
            let view = TaskView::read(root, task, clock.now())?;
            return Ok(StopReport::Stopped {
                survivors: survivors(&view),
                left_children: left_children(&view),
            });
        }
    }
    stop_without_owner(root, task, options, clock)
}

/// Ends what is left of a task whose folder was deleted, by the marks in the
/// processes' environments; `None` if the folder is there or nothing is left.
///
/// Records nothing. Blocks for `grace` and some seconds more.
pub fn stop_deleted(root: &Root, task: &TaskDir, grace: Duration) -> Option<StopReport> {
    if task.exists() {
        return None;
    }
    let (ended, survivors) = settle::end_marked(root, task, grace);
    (ended > 0).then_some(StopReport::EndedDeleted { ended, survivors })
}

fn stop_without_owner(
    root: &Root,
    task: &TaskDir,
    options: &StopOptions,
    clock: &dyn Clock,
) -> Result<StopReport, StopError> {
    let (by, grace) = (options.by.as_str(), options.grace);
    let view = TaskView::read(root, task, clock.now())?;
    let active: Vec<_> = view.runs.iter().filter(|run| run.is_active).collect();
    refuse_external(&view)?;
    if view.owner_state != OwnerState::Lost && active.is_empty() && view.active_children.is_empty()
    {
        // Between two of its starts, only the marker tells the monitor of the wish.
        let is_marked = is_startable(&view);
        if is_marked {
            let mark = StopMark {
                lasts: options.suppression,
                ..StopMark::permanent(by)
            };
            marker::request_stop(task, &mark, clock.now()).map_err(|source| {
                StopError::Request {
                    task: task.id().to_string(),
                    source,
                }
            })?;
        }
        return Ok(StopReport::NothingRunning { is_marked });
    }
    let children = view.active_children.len();
    if view.owner_state != OwnerState::Lost && active.is_empty() {
        // What it came to stays as it is: nobody stopped it.
        let (_, survivors) = stop_children(root, &view, options, clock)?;
        return Ok(StopReport::ChildrenStopped {
            children,
            survivors,
        });
    }
    let io_error = |source| StopError::Request {
        task: task.id().to_string(),
        source,
    };
    let run = active.last().map(|run| run.run.id());
    // For good at first: until the wish is part of the state, only the marker holds it.
    let mut mark = StopMark {
        run,
        ..StopMark::permanent(by)
    };
    marker::request_stop(task, &mark, clock.now()).map_err(io_error)?;
    let settled = settle::settle_lost(
        root,
        task,
        &Reason::Stopped { by: by.to_owned() },
        grace,
        clock,
    )?;
    if let Some(time) = options.suppression.filter(|_| settled.survivors == 0) {
        mark.lasts = Some(time);
        marker::request_stop(task, &mark, clock.now()).map_err(io_error)?;
    }
    let (ended, survivors) = stop_children(root, &view, options, clock)?;
    Ok(StopReport::SettledLost {
        owner: view.owner_state,
        ended: settled.ended + ended,
        survivors: settled.survivors + survivors,
        children,
    })
}

/// Fails if a run is active whose process is only observed.
fn refuse_external(view: &TaskView) -> Result<(), StopError> {
    let mut active = view.runs.iter().filter(|run| run.is_active);
    let external = active.find_map(|run| run.info.as_ref().ok().filter(|info| info.is_external));
    external.map_or(Ok(()), |info| {
        Err(StopError::External {
            run: info.run_id.to_string(),
            pid: info.pid,
        })
    })
}

/// Tells whether something that looks for work would start the task.
fn is_startable(view: &TaskView) -> bool {
    matches!(
        view.status,
        TaskStatus::Idle | TaskStatus::Failed | TaskStatus::Stopped
    )
}

/// Stops the active children of a task that has no supervisor.
///
/// Returns how many processes were ended here and how many survive.
fn stop_children(
    root: &Root,
    view: &TaskView,
    options: &StopOptions,
    clock: &dyn Clock,
) -> Result<(usize, u32), StopError> {
    let (mut ended, mut survivors) = (0, 0);
    let options = StopOptions {
        by: format!("parent task {}: {}", view.task.id(), options.by),
        ..options.clone()
    };
    for child in &view.active_children {
        let child = root.task(&child.project, &child.task)?;
        match stop_task(root, &child, &options, clock)? {
            StopReport::SettledLost {
                ended: more,
                survivors: left,
                ..
            }
            | StopReport::EndedDeleted {
                ended: more,
                survivors: left,
            } => {
                ended += more;
                survivors += left;
            }
            StopReport::Stopped {
                survivors: left, ..
            }
            | StopReport::ChildrenStopped {
                survivors: left, ..
            } => survivors += left,
            StopReport::NothingRunning { .. } | StopReport::StillRunning => {}
        }
    }
    Ok((ended, survivors))
}

fn live_owner(task: &TaskDir) -> Option<Owner> {
    Owner::read(task).ok().flatten().filter(Owner::is_alive)
}

fn left_children(view: &TaskView) -> usize {
    let result = view.state.as_ref().and_then(|state| state.result.as_ref());
    result.map_or(0, |result| result.left_children.len())
}

fn survivors(view: &TaskView) -> u32 {
    let latest = view.latest_info().and_then(|info| info.stop.as_ref());
    latest.map_or(0, |stop| stop.survivors)
}
