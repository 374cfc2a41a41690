//! What a task answers.

use cl_storage::thread_link::ThreadLink;
use cl_wire::projects::ThreadParent;

/// Returns what is shown of the message that a task answers.
pub fn thread_parent(link: ThreadLink) -> ThreadParent {
    ThreadParent {
        project_id: link.parent_project_id,
        task_id: link.parent_task_id,
        run_id: link.parent_run_id,
        message_id: link.parent_message_id,
        message_type: Some(link.parent_message_type).filter(|kind| !kind.is_empty()),
    }
}
