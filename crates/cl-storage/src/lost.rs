//! What becomes of a task whose supervisor died.
//!
//! Such a task has not ended: `recover` either goes on with it or records its end.
//! Readers must know which, or they take a wait for a failure.

use crate::imports;
use crate::layout::Root;
use crate::marker::Marker;
use crate::owner::OwnerState;
use crate::snapshot::TaskView;
use crate::task_state::{LaunchSummary, TaskState};

/// Ancestors are followed this far; delegation is less deep, the bound guards against a circle.
const MOST_ANCESTORS: usize = 64;

/// Returns how the topmost ancestor of a launch was launched; the launch itself if it has none.
///
/// An ancestor that is gone or cannot be read ends the search.
pub fn topmost(root: &Root, launch: &LaunchSummary) -> LaunchSummary {
    let mut top = launch.clone();
    for _ in 0..MOST_ANCESTORS {
        let above = (top.parent.as_ref())
            .and_then(|parent| root.task(&parent.project, &parent.task).ok())
            .and_then(|task| LaunchSummary::read(&task).ok().flatten());
        match above {
            Some(above) => top = above,
            None => break,
        }
    }
    top
}

/// Tells whether a task waited for the end of a usage limit: nobody sits in front of that.
pub fn waits_for_limit(state: Option<&TaskState>) -> bool {
    state.is_some_and(|state| state.limit.is_some() && state.wake_at.is_some())
}

/// Returns how many attempts the launch has made; one that still waited for its slot is none.
pub fn attempts_made(state: &TaskState) -> u32 {
    let waits = state.waiting_for.as_deref() == Some("slot");
    (state.attempts.this_launch).saturating_sub(u32::from(waits))
}

/// Tells whether `recover` goes on with the task of `view`, unless it is configured to mark all.
pub(crate) fn goes_on(root: &Root, view: &TaskView) -> bool {
    let is_meant_to_end = [Marker::Cancelled, Marker::StopRequested]
        .into_iter()
        .any(|marker| view.markers.has(marker));
    if view.owner_state != OwnerState::Lost || is_meant_to_end {
        return false;
    }
    let (Some(state), Some(launch)) = (&view.state, &view.launch) else {
        return false;
    };
    let most = launch.policy.max_attempts.filter(|_| launch.kind == "task");
    let is_used_up = most.is_some_and(|most| attempts_made(state) >= most);
    if state.stop.is_some()
        || state.result.is_some()
        || (is_used_up && !view.markers.has(Marker::Done))
    {
        return false;
    }
    if launch.kind == imports::KIND {
        // Nobody starts it again: it is over when its process is.
        return view.runs.iter().any(|run| run.is_active);
    }
    waits_for_limit(Some(state)) || topmost(root, launch).origin == "detached"
}
