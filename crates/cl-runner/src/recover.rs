//! Which lost tasks to take up again, and which to mark.

pub use cl_config::OnLost;
use cl_storage::lost::{attempts_made, topmost, waits_for_limit};
use cl_storage::marker::Marker;
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::snapshot::TaskView;
use cl_storage::{Clock, LayoutError, ProjectDir, Root, TaskDir};
use jiff::Timestamp;

use crate::launch::{Kind, LaunchFile};

/// What is to be done about one lost task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take it up again.
    Resume,
    /// Watch its adopted process again.
    Watch,
    /// End what is left of it and record that it failed, for this reason.
    Mark(String),
    /// End what is left of it and record that it was stopped, as somebody wished.
    RecordStop,
}

/// A lost task and what is to be done about it.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// The task.
    pub task: TaskDir,
    /// What to do.
    pub action: Action,
}

/// Looks for lost tasks below `root` and decides about each, deepest first.
///
/// Nested tasks follow their topmost ancestor: nobody would wait for a child
/// whose parent is only marked.
pub fn plan(root: &Root, on_lost: OnLost, clock: &dyn Clock) -> Result<Vec<Recovery>, LayoutError> {
    let now = clock.now();
    let mut lost: Vec<TaskView> = Vec::new();
    for project in root.projects()? {
        let views = readable(root, &project, now)?;
        lost.extend(
            views
                .into_iter()
                .filter(|view| view.owner_state == OwnerState::Lost),
        );
    }
    Ok(decide_all(root, lost, on_lost))
}

/// The same for some tasks, for whoever noticed that they lost their supervisor just now.
///
/// Left out are those that are not lost, that cannot be looked at, or whose parent's supervisor
/// is alive: it settles them itself.
pub fn plan_among(
    root: &Root,
    tasks: impl IntoIterator<Item = TaskDir>,
    on_lost: OnLost,
    clock: &dyn Clock,
) -> Vec<Recovery> {
    let now = clock.now();
    let views = tasks
        .into_iter()
        .filter_map(|task| TaskView::read(root, &task, now).ok());
    let lost = views
        .filter(|view| view.owner_state == OwnerState::Lost && !has_live_parent(root, view))
        .collect();
    decide_all(root, lost, on_lost)
}

fn decide_all(root: &Root, mut lost: Vec<TaskView>, on_lost: OnLost) -> Vec<Recovery> {
    lost.sort_by_key(|view| {
        std::cmp::Reverse(view.launch.as_ref().map_or(0, |launch| launch.depth))
    });
    lost.iter()
        .map(|view| Recovery {
            task: view.task.clone(),
            action: action(root, view, on_lost),
        })
        .collect()
}

fn has_live_parent(root: &Root, view: &TaskView) -> bool {
    let parent = view
        .launch
        .as_ref()
        .and_then(|launch| launch.parent.as_ref());
    let task = parent.and_then(|parent| root.task(&parent.project, &parent.task).ok());
    let owner = task.and_then(|task| Owner::read(&task).ok().flatten());
    OwnerState::of(owner.as_ref()) == OwnerState::Alive
}

/// Looks at the tasks of `project`; one that cannot be looked at does not hide the others.
pub(crate) fn readable(
    root: &Root,
    project: &ProjectDir,
    now: Timestamp,
) -> Result<Vec<TaskView>, LayoutError> {
    let mut views = Vec::new();
    for task in project.tasks()? {
        match TaskView::read(root, &task, now) {
            Ok(view) => views.push(view),
            Err(error) => {
                tracing::warn!(task = %task.id(), error = &error as &dyn std::error::Error, "cannot look at a task");
            }
        }
    }
    Ok(views)
}

fn action(root: &Root, view: &TaskView, on_lost: OnLost) -> Action {
    let mark = |reason: &str| Action::Mark(reason.to_owned());
    if view.markers.has(Marker::Cancelled) {
        return mark("it was cancelled");
    }
    if view.markers.has(Marker::StopRequested)
        || view
            .state
            .as_ref()
            .is_some_and(|state| state.stop.is_some())
    {
        return Action::RecordStop;
    }
    let Some(launch) = &view.launch else {
        return mark("how it was launched is not known");
    };
    if view
        .state
        .as_ref()
        .is_some_and(|state| state.result.is_some())
    {
        return mark("it had ended");
    }
    if let Some(attempts) = used_up(view) {
        return mark(&format!("its {attempts} attempts are used up"));
    }
    if launch.kind == crate::solo::ADOPTED {
        // The process was never ours, so nothing was lost but the one who watched.
        return Action::Watch;
    }
    let top = topmost(root, launch);
    match (on_lost, top.origin.as_str()) {
        (OnLost::Mark, _) => mark("the configuration says so (defaults.on_lost: mark)"),
        (OnLost::Resume, "detached") => Action::Resume,
        // Nobody waits in front of a screen for a limit to end.
        (OnLost::Resume, _) if waits_for_limit(view.state.as_ref()) => Action::Resume,
        (OnLost::Resume, origin) => mark(&format!(
            "it was launched in the {origin}, and who waited is gone"
        )),
    }
}

/// Returns how many attempts the launch has made if it may make no more.
fn used_up(view: &TaskView) -> Option<u32> {
    let made = attempts_made(view.state.as_ref()?);
    // What keeps the record from being read is told when the task is taken up.
    let file = LaunchFile::read(&view.task).ok().flatten()?;
    let is_capped = file.kind == Kind::Task && made >= file.policy.max_attempts;
    (is_capped && !view.markers.has(Marker::Done)).then_some(made)
}
