//! Claims to be done that no gate has judged.
//!
//! What a claim is worth is decided by [`cl_storage::status::TaskFacts::claim`].
//! Here one is taken back when its launch ends, or is followed by another, without
//! the gates' verdict: nobody later may take it for the truth.

use cl_storage::snapshot::TaskView;
use cl_storage::status::Claim;
use cl_storage::{LayoutError, Root, TaskDir, marker};
use jiff::Timestamp;

/// Renames the `DONE` of `task` if its gates have not judged it, after `tell` was
/// given the text about it. Only for the owner.
///
/// `when` completes the sentence. The claim is gone durably when this returns. Killed
/// in between, whoever comes next finds the claim and tells of it again.
pub(crate) fn set_unjudged_aside(
    root: &Root,
    task: &TaskDir,
    when: &str,
    now: Timestamp,
    tell: impl FnOnce(String),
) -> Result<(), LayoutError> {
    let view = TaskView::read(root, task, now)?;
    if view.claim != Claim::Unjudged {
        return Ok(());
    }
    let gates = view.launch.map(|launch| launch.policy.gates);
    let gates: Vec<String> = gates
        .unwrap_or_default()
        .into_iter()
        .map(|gate| gate.name)
        .collect();
    let gates = gates.join(", ");
    marker::set_unjudged_aside(task, |name| {
        tell(format!(
            "DONE is set aside ({name}): its gates had not judged it when {when}: {gates}"
        ));
    })
    .map_err(|source| LayoutError::Io {
        path: marker::Marker::Done.path(task),
        source,
    })
}
