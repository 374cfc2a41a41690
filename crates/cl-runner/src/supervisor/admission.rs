//! Waiting for a run slot, in the order of arrival.

use std::time::Duration;

use cl_storage::RunDir;
use cl_storage::marker::Marker;
use cl_storage::process::ProcessIdentity;
use cl_storage::queue::{self, Admission, Applicant, Turn};
use cl_storage::slot::Slot;
use rustix::process::Signal;
use tokio::time::Instant;

use super::budget::DAY_AGAIN;
use super::{Broken, Supervisor};

/// How often the first in the queue looks for a slot: a holder that was killed wakes nobody.
const FIRST_LOOKS: Duration = Duration::from_millis(500);

/// How often the others look whether their turn has come: whoever was first may have been killed.
const OTHERS_LOOK: Duration = Duration::from_secs(2);

impl Supervisor {
    /// Waits for a slot of the launch's limit; none if the task is not to go on. Also
    /// tells whether there was a wait.
    ///
    /// Waiting counts as time of the task, and the project's day may be used up by others
    /// meanwhile: then there is none either, and [`Supervisor::over`] says why.
    ///
    /// Whoever gives a slot or a place up wakes the one whose turn it is then, so
    /// that nobody has to look often.
    pub(super) async fn wait_for_slot(
        &mut self,
        run: &RunDir,
    ) -> Result<Option<(Slot, bool)>, Broken> {
        let limit = self.record.policy.max_concurrent_runs.unwrap_or(u32::MAX);
        let who = Applicant {
            project: self.task.project(),
            task: self.task.id(),
            run: run.id(),
            launch: &self.record.launch_id,
        };
        let ticket = match queue::enter(&self.root, limit, who, self.now())? {
            Admission::Slot(slot, next) => {
                wake(next);
                return Ok(Some((slot, false)));
            }
            Admission::Wait(ticket) => ticket,
        };
        cl_storage::crash::point("queued");
        self.state.waiting_for = Some("slot".to_owned());
        self.state.write(&self.task)?;
        let mut day_again = Instant::now() + DAY_AGAIN;
        let slot = loop {
            let mut may_wait = !self.is_given_up() && !self.note_overtime();
            if may_wait && Instant::now() >= day_again {
                day_again = Instant::now() + DAY_AGAIN;
                may_wait = self.may_spend();
            }
            if !may_wait {
                ticket.withdraw();
                break None;
            }
            let pause = match ticket.try_take(limit, run.id())? {
                Turn::Taken(slot) => break Some(slot),
                Turn::First => FIRST_LOOKS,
                Turn::Behind => OTHERS_LOOK,
            };
            self.next_event(self.within_time(pause)).await;
        };
        // Once more: all the others may have spent while this one waited its turn.
        let slot = slot.filter(|_| self.may_spend());
        // There may be more slots than one.
        self.wake_first_in_queue();
        self.state.waiting_for = None;
        self.state.write(&self.task)?;
        Ok(slot.map(|slot| (slot, true)))
    }

    /// Wakes the one whose turn it is.
    pub(super) fn wake_first_in_queue(&self) {
        wake(queue::first_waiting(&self.root));
    }

    /// Tells whether a person wants the task to end.
    pub(super) fn is_given_up(&self) -> bool {
        let cancelled = Marker::Cancelled.path(&self.task);
        self.stop.is_some()
            || cancelled
                .symlink_metadata()
                .is_ok_and(|meta| meta.is_file())
    }
}

fn wake(supervisor: Option<ProcessIdentity>) {
    if let Some(supervisor) = supervisor {
        crate::process::end::signal(&supervisor, Signal::USR1);
    }
}
