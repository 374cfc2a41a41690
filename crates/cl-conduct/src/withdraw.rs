//! Taking a task out of the queue, so that the planner of this process does not launch it
//! behind the back of whoever does.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cl_storage::queue::{self, QueueError};
use cl_storage::{Root, TaskDir};

/// Held while a task is launched or taken out of the queue. Tasks share them by chance.
static AT_LAUNCH: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// Waits until nobody in this process launches `task` or takes it out of the queue, and keeps
/// others from that for as long as the answer lives.
pub(crate) fn hold(task: &TaskDir) -> MutexGuard<'static, ()> {
    let mut hasher = DefaultHasher::new();
    task.path().hash(&mut hasher);
    let count = AT_LAUNCH.len() as u64;
    let place = usize::try_from(hasher.finish() % count).unwrap_or_default();
    // It guards nothing but the order of what stands on disk.
    AT_LAUNCH[place]
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Takes `task` out of the queue; returns how many entries there were.
///
/// Afterwards it has been launched, and that can be seen, or it will not be. Blocks while it is
/// being launched, for some seconds at the most.
pub fn withdraw(root: &Root, task: &TaskDir) -> Result<usize, QueueError> {
    let _alone = hold(task);
    queue::drop_entries(root, task.project(), task.id())
}
