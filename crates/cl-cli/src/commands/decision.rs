//! What a person has decided about a task, told on its bus.

use cl_bus::{Bus, Draft};
use cl_storage::TaskDir;

use crate::context::Context;

/// Posts a decision; a bus that cannot be written is a warning, because the decision
/// itself stands on disk.
pub(super) fn post(ctx: &mut Context, task: &TaskDir, text: String) {
    let draft = Draft::new("DECISION", task.project().clone(), text).task(task.id().clone());
    if let Err(error) = Bus::new(task.bus()).append(&draft) {
        ctx.console.warn(format_args!(
            "the decision was not posted to {}: {error}",
            task.bus().display()
        ));
    }
}
