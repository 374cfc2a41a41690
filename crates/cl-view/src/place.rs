//! What rows say of other tasks: their place in the queue, and what they are stuck behind.

use std::collections::BTreeMap;

use cl_storage::dependencies::{Graph, graph_of};
use cl_storage::queue::Queue;
use cl_storage::status::TaskStatus;
use cl_storage::task_config::TaskConfig;
use cl_storage::{ProjectDir, ProjectId, Root};
use cl_wire::TaskRow;
use jiff::Timestamp;

/// Adds to `rows` what no look at one task alone tells.
pub fn complete(root: &Root, rows: &mut [TaskRow], now: Timestamp) {
    add_positions(root, rows);
    let is_blocked = |row: &&mut TaskRow| !row.blocked_by.is_empty();
    let mut projects: BTreeMap<ProjectId, Vec<&mut TaskRow>> = BTreeMap::new();
    for row in rows.iter_mut().filter(is_blocked) {
        let rows = projects.entry(row.project_id.clone()).or_default();
        rows.push(row);
    }
    for (id, rows) in projects {
        if let Ok(project) = root.project(&id) {
            add_deadlocks(&mut graph_of(root, &project, now), &project, rows);
        }
    }
}

fn add_deadlocks(graph: &mut Graph<'_>, project: &ProjectDir, rows: Vec<&mut TaskRow>) {
    for row in rows {
        let config = project
            .task(&row.task_id)
            .map(|task| TaskConfig::read(&task));
        // What cannot be read was told with the row.
        let Ok(Ok(config)) = config else { continue };
        let chain = graph.deadlock(&row.task_id, &config.gating());
        let behind = chain.map(|chain| chain.path.into_iter().skip(1).collect());
        row.deadlocked_by = behind.unwrap_or_default();
    }
}

fn add_positions(root: &Root, rows: &mut [TaskRow]) {
    let queue = Queue::read(root).unwrap_or_else(|error| {
        tracing::warn!(%error, "could not look at the queue");
        Queue::default()
    });
    let positions = queue.positions();
    if positions.is_empty() {
        return;
    }
    for row in rows {
        let task = (row.project_id.clone(), row.task_id.clone());
        row.queue_position = positions.get(&task).copied();
        // The index of ended tasks does not know of one that is to be begun again.
        if row.queue_position.is_some() && !row.active {
            row.status = TaskStatus::Queued;
        }
    }
}
