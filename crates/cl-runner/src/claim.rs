//! Claims to be done that no gate has judged.
//!
//! What a claim is worth is decided by [`cl_storage::status::TaskFacts::claim`].
//! Here one is taken back when its launch ends, or is followed by another, without
//! the gates' verdict: nobody later may take it for the truth.

use cl_bus::{Bus, Draft, LockPolicy};
use cl_storage::snapshot::TaskView;
use cl_storage::status::Claim;
use cl_storage::{LayoutError, Root, TaskDir, marker};
use jiff::Timestamp;

/// Renames the `DONE` of `task` if its gates have not judged it; returns what to
/// tell about it. Only for the owner.
///
/// `when` completes the sentence. The claim is gone durably when this returns.
pub(crate) fn set_unjudged_aside(
    root: &Root,
    task: &TaskDir,
    when: &str,
    now: Timestamp,
) -> Result<Option<String>, LayoutError> {
    let view = TaskView::read(root, task, now)?;
    if view.claim != Claim::Unjudged {
        return Ok(None);
    }
    let name = marker::set_unjudged_aside(task).map_err(|source| LayoutError::Io {
        path: marker::Marker::Done.path(task),
        source,
    })?;
    let gates = view.launch.map(|launch| launch.policy.gates);
    let gates: Vec<String> = gates
        .unwrap_or_default()
        .into_iter()
        .map(|gate| gate.name)
        .collect();
    Ok(Some(format!(
        "DONE was set aside ({name}): its gates had not judged it when {when}: {}",
        gates.join(", ")
    )))
}

/// Posts a message where there is no supervisor that would try again.
///
/// A message must not hold up what else has to be done, so it is tried once.
pub(crate) fn post_once(task: &TaskDir, draft: &Draft) {
    let policy = LockPolicy {
        wait: std::time::Duration::from_secs(1),
        attempts: 1,
        ..LockPolicy::default()
    };
    let bus = Bus::new(task.bus()).with_lock_policy(policy);
    if let Err(error) = bus.append(draft) {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, kind = draft.kind, "could not post a message");
    }
}
