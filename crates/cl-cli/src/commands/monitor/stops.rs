//! Stopping runs that show no sign of life, beside the look at the others.
//!
//! Each stop has a thread of its own, which the monitor owns and joins.

use std::time::{Duration, Instant};

use cl_runner::stop::{StopOptions, stop_task};
use cl_storage::{SystemClock, TaskDir, marker};

use super::Monitor;
use crate::commands::series::Request;
use crate::context::Context;
use crate::error::CliError;

/// How many runs are being stopped at once.
const MOST_STOPS: usize = 4;

/// How long the end of the monitor waits for runs that are being stopped.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

impl Monitor {
    /// Has a run stopped that shows no sign of life; a later pass starts the task anew.
    pub(super) fn stop(&mut self, task: &TaskDir) {
        if self.stops.len() >= MOST_STOPS {
            return;
        }
        let (root, stopped) = (self.scope.root().clone(), task.clone());
        let options = StopOptions {
            by: marker::MONITOR.to_owned(),
            grace: Duration::from_secs(10),
            kills: true,
            suppression: Some(marker::STOP_SUPPRESSION),
        };
        // It takes as long as the agent needs; meanwhile others are looked after.
        let stop = std::thread::spawn(move || {
            let done = stop_task(&root, &stopped, &options, &SystemClock);
            done.map(drop).map_err(|error| {
                CliError::failed("it was not stopped")
                    .caused_by(error)
                    .chain()
            })
        });
        self.stops.insert(task.id().clone(), stop);
    }

    /// Takes note of runs that were stopped; tells whether there are any.
    pub(super) fn collect_stops(&mut self, ctx: &mut Context) -> Result<bool, CliError> {
        let ended: Vec<_> = self
            .stops
            .extract_if(|_, stop| stop.is_finished())
            .collect();
        let any = !ended.is_empty();
        for (task, stop) in ended {
            // A panic was told already, on standard error.
            match stop
                .join()
                .unwrap_or_else(|_| Err("it was not stopped".to_owned()))
            {
                Ok(()) => self.tell(ctx, &task, "recover", "its run was stopped", "ok", "end")?,
                Err(why) => {
                    self.has_failed = true;
                    self.tell(ctx, &task, "recover", &why, "failed", "end")?;
                }
            }
        }
        Ok(any)
    }

    /// Waits for the runs that are being stopped, so that none is left half-stopped.
    ///
    /// A signal ends the waiting: the supervisors have the wish already, and what this
    /// process would do for a dead one, the next monitor does.
    pub(super) fn finish_stops(&mut self, ctx: &mut Context) -> Result<(), CliError> {
        let began = Instant::now();
        if !self.stops.is_empty() {
            let count = self.stops.len();
            ctx.console.note(format_args!(
                "waiting for {count} runs that are being stopped"
            ));
        }
        while !self.stops.is_empty() && began.elapsed() < STOPS_WITHIN {
            if let Some(Request::Stop(_)) = self.waiting.within(Duration::from_millis(50)) {
                break;
            }
            self.collect_stops(ctx)?;
        }
        Ok(())
    }
}
