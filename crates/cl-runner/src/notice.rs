//! Messages of those who can say a thing once only.

use cl_bus::{Bus, Draft, LockPolicy};
use cl_storage::TaskDir;

/// Posts a warning about `task`.
pub(crate) fn warn_once(task: &TaskDir, text: String) {
    let draft = Draft::new("WARNING", task.project().clone(), text);
    post_once(task, &draft.task(task.id().clone()));
}

/// Posts a message where there is no supervisor that would try again.
///
/// A message must not hold up what else has to be done, so it is tried once.
pub(crate) fn post_once(task: &TaskDir, draft: &Draft) {
    post_once_on(task.bus(), draft);
}

/// Posts a message on any bus, trying once.
pub(crate) fn post_once_on(bus: std::path::PathBuf, draft: &Draft) {
    let policy = LockPolicy {
        wait: std::time::Duration::from_secs(1),
        attempts: 1,
        ..LockPolicy::default()
    };
    let bus = Bus::new(bus).with_lock_policy(policy);
    if let Err(error) = bus.append(draft) {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, kind = draft.kind, "could not post a message");
    }
}
