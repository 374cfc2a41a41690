//! Requests to this task: stop, wake, launch a child.

use cl_storage::control::{self, Answer, Outcome, Request, RequestBody, StopRequest};
use cl_storage::marker::{self, StopMark};
use cl_storage::task_state::StopWish;

use super::{Stop, Supervisor};

impl Supervisor {
    /// Claims and answers everything that was asked.
    pub(super) fn handle_requests(&mut self) {
        if !control::has_requests(&self.task) {
            return;
        }
        let requests = match control::claim_all(&self.task) {
            Ok(requests) => requests,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not claim requests"
                );
                return;
            }
        };
        for request in requests {
            let answer = self.act_on(&request);
            if let Err(error) = request.reply(&self.task, &answer) {
                // The claim stays and is found again; acting twice is harmless.
                tracing::error!(
                    request = request.id,
                    error = &error as &dyn std::error::Error,
                    "could not answer"
                );
            }
        }
    }

    fn act_on(&mut self, request: &Request) -> Answer {
        if request.launch_id != self.record.launch_id {
            // Made for an owner that has ended: what was wished then is not wished now.
            return Answer::new(
                Outcome::Refused,
                "it was meant for an earlier launch of the task",
            );
        }
        match &request.body {
            RequestBody::Stop(stop) => {
                self.accept_stop(stop);
                Answer::new(Outcome::Done, "stopping")
            }
            RequestBody::Wake if self.wake() => Answer::new(Outcome::Done, "awake"),
            RequestBody::Wake => Answer::new(
                Outcome::Refused,
                "it does not wait for the end of a usage limit",
            ),
            RequestBody::LaunchChild(child) => self.launch_child(&request.id, child),
        }
    }

    /// A signal to the supervisor itself is a wish to stop the task.
    pub(super) fn stop_by_signal(&mut self, by: &str) {
        let now = self.now();
        // A second signal does not wait for the grace period.
        let grace = if self.stop.is_some() {
            std::time::Duration::ZERO
        } else {
            self.record.policy.grace
        };
        let kill_at = now.checked_add(grace).unwrap_or(now);
        self.accept_stop(&StopRequest {
            by: by.to_owned(),
            kill_at,
            exit_code: 143,
            suppress_ms: crate::attach::millis(Some(marker::STOP_SUPPRESSION)),
        });
    }

    /// Takes a wish to stop: recorded before it is acted on, and it can only get sooner.
    fn accept_stop(&mut self, request: &StopRequest) {
        let now = self.now();
        if let Some(stop) = &mut self.stop {
            if request.kill_at < stop.kill_at {
                stop.kill_at = request.kill_at;
                // What has become more urgent here is so for the children.
                self.ask_children_to_stop();
            }
            return;
        }
        tracing::info!(by = request.by, "stopping");
        self.stop = Some(Stop {
            requested_at: now,
            by: request.by.clone(),
            kill_at: request.kill_at,
            exit_code: request.exit_code,
            suppress_ms: request.suppress_ms,
        });
        self.state.stop = Some(StopWish {
            requested_at: now,
            by: request.by.clone(),
        });
        if let Err(error) = self.state.write(&self.task) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not record the wish to stop"
            );
        }
        let mark = StopMark {
            by: &request.by,
            run: None,
            lasts: request.suppress_ms.map(std::time::Duration::from_millis),
        };
        if let Err(error) = marker::request_stop(&self.task, &mark, now) {
            tracing::error!(%error, "could not write the stop marker");
        }
        self.ask_children_to_stop();
    }
}
