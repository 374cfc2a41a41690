//! The thread that launches what is queued and takes up what was lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cl_conduct::{Planner, Settings, recovery};
use cl_storage::{Clock, ProjectId, Root, TaskId, queue};
use tokio_util::sync::CancellationToken;

use crate::state::Index;

/// The longest the thread sleeps while the queue is empty; whoever submits wakes it.
const IDLE: Duration = Duration::from_secs(30);
/// How soon a queue that could not be used is looked at again.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A handle on the thread that launches what is queued and takes up what was lost.
#[derive(Debug, Clone)]
pub(crate) struct Conductor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is said by somebody else"
)]
struct State {
    /// Somebody wants the queue looked at now.
    is_woken: bool,
    /// Nothing new is launched.
    is_draining: bool,
    /// The server ends.
    is_ending: bool,
    /// Lost tasks have been taken up.
    has_recovered: bool,
    /// Why what is queued could not be launched.
    problems: BTreeMap<(ProjectId, TaskId), String>,
    /// How many entries wait.
    waiting: usize,
}

/// What the conductor's thread works with.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) root: Root,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) index: Index,
    pub(crate) ending: CancellationToken,
}

impl Conductor {
    /// Begins to work; lost tasks come first.
    pub(crate) fn start(work: Work) -> std::io::Result<Self> {
        let conductor = Self::idle();
        let thread = conductor.clone();
        let mut changes = work.index.changes();
        let (waker, ending) = (conductor.clone(), work.ending.clone());
        std::thread::Builder::new()
            .name("conductor".to_owned())
            .spawn(move || thread.run(&work))?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    // A receive that was not finished has taken no change.
                    change = changes.recv() => match change {
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
                        // An end or a beginning may make room, or unblock what waits.
                        Ok(_) | Err(_) if waker.has_waiting() => waker.wake(),
                        Ok(_) | Err(_) => {}
                    },
                    () = ending.cancelled() => break,
                }
            }
            waker.change(|state| state.is_ending = true);
        });
        Ok(conductor)
    }

    /// Makes one that does nothing, for a server that changes nothing.
    pub(crate) fn idle() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            woken: Condvar::new(),
        }))
    }

    /// Has the queue looked at now.
    pub(crate) fn wake(&self) {
        self.change(|state| state.is_woken = true);
    }

    /// Launches nothing new, or goes on.
    pub(crate) fn drain(&self, drains: bool) {
        self.change(|state| {
            state.is_draining = drains;
            state.is_woken = true;
        });
    }

    /// Tells whether nothing new is launched.
    pub(crate) fn is_draining(&self) -> bool {
        self.state().is_draining
    }

    /// Tells whether lost tasks have been taken up.
    pub(crate) fn has_recovered(&self) -> bool {
        self.state().has_recovered
    }

    /// Returns how many submissions wait to be launched.
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// Returns why submissions could not be launched yet, those of which that was tried.
    pub(crate) fn problems(&self) -> Vec<String> {
        let state = self.state();
        let problems = state.problems.iter();
        problems
            .map(|((project, task), problem)| format!("task {task} of {project} waits: {problem}"))
            .collect()
    }

    fn has_waiting(&self) -> bool {
        self.state().waiting > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is ever half changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.woken.notify_all();
    }

    fn run(&self, work: &Work) {
        recover_all(work);
        self.change(|state| state.has_recovered = true);
        if let Err(error) = queue::import_planner(&work.root, work.clock.now()) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "could not take over root-task-planner.yaml");
        }
        let root = work.root.clone();
        let mut planner = Planner::new(root, work.settings.clone(), Arc::clone(&work.clock));
        while !self.state().is_ending {
            let draining = self.is_draining();
            let pause = match planner.step(draining) {
                Ok(stepped) => {
                    for (project, task) in &stepped.changed {
                        work.index.look_again(project, task);
                    }
                    self.change(|state| {
                        state.waiting = stepped.waiting;
                        state.problems = (stepped.problems.into_iter())
                            .map(|(project, task, problem)| ((project, task), problem))
                            .collect();
                    });
                    stepped.look_again.unwrap_or(IDLE)
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "could not use the queue");
                    AFTER_FAILURE
                }
            };
            self.wait(pause);
        }
    }

    /// Waits to be woken, for `pause` at the most.
    fn wait(&self, pause: Duration) {
        let state = self.state();
        let waited = self
            .0
            .woken
            .wait_timeout_while(state, pause, |state| !state.is_woken && !state.is_ending);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_woken = false;
    }
}

/// Takes up or settles every lost task; what fails is told and left as it is.
fn recover_all(work: &Work) {
    let on_lost = work.settings.config.defaults.on_lost;
    let plan = match cl_runner::recover::plan(&work.root, on_lost, &*work.clock) {
        Ok(plan) => plan,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "could not look for lost tasks");
            return;
        }
    };
    for found in plan {
        let (project, task) = (found.task.project(), found.task.id());
        match recovery::recover(&work.root, &found, &work.settings, &*work.clock) {
            Ok(_) => tracing::info!(%project, %task, action = ?found.action, "took up a lost task"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, %project, %task, "could not take up a lost task");
            }
        }
        work.index.look_again(project, task);
    }
    cl_runner::notify::start::kick(&work.root);
}
