//! The thread that launches what is queued and takes up what was lost.

mod lost;
mod news;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cl_conduct::{Planner, Settings, recovery};
use cl_runner::recover;
use cl_storage::owner::OwnerState;
use cl_storage::{Clock, Root, TaskDir, queue};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use self::lost::{Key, Lost};
use self::news::Active;
use crate::state::{Change, Index, TaskEntry};

/// The longest the thread sleeps while the queue is empty; whoever submits wakes it.
const IDLE: Duration = Duration::from_secs(30);
/// How soon the queue is looked at again because of what is hardly news.
const HARDLY_NEWS: Duration = Duration::from_secs(1);
/// How soon a queue that could not be used is looked at again.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A look at the queue that takes less is followed by the next one at once.
const CHEAP: Duration = Duration::from_millis(3);
/// The longest rest behind one that takes more.
const LONGEST_BREATHER: Duration = Duration::from_millis(500);
/// How long the thread rests behind a panic.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest that it rests.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// For how long a panic is told by the server's health.
const PANIC_SHOWN: Duration = Duration::from_mins(10);

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
    /// Tasks that are seen to have lost their supervisors.
    lost: BTreeSet<Key>,
    /// There may be more of them: not all that changed was told.
    is_behind: bool,
    /// Why what is queued could not be launched.
    problems: BTreeMap<Key, String>,
    /// How many entries wait.
    waiting: usize,
    /// How often the thread panicked, and when last.
    panics: Option<(u32, Instant)>,
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
            let mut active = Active::default();
            let mut later: Option<tokio::time::Instant> = None;
            loop {
                tokio::select! {
                    // A receive that was not finished has taken no change.
                    change = changes.recv() => match change {
                        Err(RecvError::Closed) => break,
                        Err(RecvError::Lagged(_)) => waker.change(|state| {
                            state.is_behind = true;
                            state.is_woken = true;
                        }),
                        Ok(Change::Task(entry)) if is_lost(&entry) => waker.change(|state| {
                            state.lost.insert(key_of(&entry));
                            state.is_woken = true;
                        }),
                        // An end or a beginning may make room, or unblock what waits.
                        Ok(change) if active.is_news(&change) => waker.wake_if_waiting(),
                        Ok(_) => {
                            later.get_or_insert_with(|| tokio::time::Instant::now() + HARDLY_NEWS);
                        }
                    },
                    () = at(later) => {
                        later = None;
                        waker.wake_if_waiting();
                    }
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
        let problems = problems
            .map(|((project, task), problem)| format!("task {task} of {project} waits: {problem}"));
        let trouble = state.panics.map(trouble_of);
        trouble.into_iter().chain(problems).collect()
    }

    /// Says what is wrong with the thread itself, or was a short while ago.
    pub(crate) fn trouble(&self) -> Option<String> {
        let panics = self.state().panics;
        let lately = panics.filter(|(_, last)| last.elapsed() < PANIC_SHOWN);
        lately.map(trouble_of)
    }

    fn wake_if_waiting(&self) {
        if self.state().waiting > 0 {
            self.wake();
        }
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
        let mut duty = Duty::new(work);
        self.keep_going(|is_anew| {
            if is_anew {
                duty.planner.begin_anew();
            }
            duty.turn(self)
        });
    }

    /// Takes one `turn` after the other until the server ends; each says how long the next one
    /// may wait, and learns whether the one before it panicked. A panic ends none but its turn.
    fn keep_going(&self, mut turn: impl FnMut(bool) -> Duration) {
        let mut in_a_row = 0;
        while !self.state().is_ending {
            // What a panic leaves half done stands on disk, and is read again.
            let turned = catch_unwind(AssertUnwindSafe(|| turn(in_a_row > 0)));
            if let Ok(pause) = turned {
                in_a_row = 0;
                self.wait(pause);
                continue;
            }
            in_a_row += 1;
            let rest = rest_after(in_a_row);
            tracing::error!(
                ?rest,
                "what launches and takes up tasks panicked; it goes on"
            );
            self.change(|state| {
                let (times, last) = state.panics.get_or_insert((0, Instant::now()));
                *times += 1;
                *last = Instant::now();
            });
            self.rest(rest);
        }
    }

    /// Waits for `pause`, whoever calls, unless the server ends.
    fn rest(&self, pause: Duration) {
        let state = self.state();
        let waited = (self.0.woken).wait_timeout_while(state, pause, |state| !state.is_ending);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
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

/// What the conductor's thread does, and what it remembers from one turn to the next.
struct Duty<'a> {
    work: &'a Work,
    planner: Planner,
    lost: Lost,
    has_begun: bool,
}

impl<'a> Duty<'a> {
    fn new(work: &'a Work) -> Self {
        let (root, clock) = (work.root.clone(), Arc::clone(&work.clock));
        Self {
            work,
            planner: Planner::new(root, work.settings.clone(), clock),
            lost: Lost::default(),
            has_begun: false,
        }
    }

    /// Does what is to be done now; returns when to look again if nobody calls.
    fn turn(&mut self, conductor: &Conductor) -> Duration {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.begin(conductor);
        }
        let is_draining = conductor.is_draining();
        let until_lost = if is_draining {
            // The build that comes next takes them up.
            None
        } else {
            self.take_up(conductor);
            self.lost.next_in(Instant::now())
        };
        let pause = self.launch(conductor, is_draining);
        until_lost.map_or(pause, |until| pause.min(until))
    }

    /// Takes up what was lost before the server started, and what an earlier program had queued.
    fn begin(&mut self, conductor: &Conductor) {
        let work = self.work;
        let on_lost = work.settings.config.defaults.on_lost;
        match catch_unwind(AssertUnwindSafe(|| {
            recover::plan(&work.root, on_lost, &*work.clock)
        })) {
            Ok(Ok(plan)) => self.recover_all(&plan),
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "could not look for lost tasks");
                conductor.change(|state| state.is_behind = true);
            }
            // It was told by the panic itself.
            Err(_) => conductor.change(|state| state.is_behind = true),
        }
        conductor.change(|state| state.has_recovered = true);
        if let Err(error) = queue::import_planner(&work.root, work.clock.now()) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "could not take over root-task-planner.yaml");
        }
    }

    /// Takes up, or settles, the tasks that lost their supervisors since.
    fn take_up(&mut self, conductor: &Conductor) {
        let work = self.work;
        let (found, is_behind) = {
            let mut state = conductor.state();
            let is_behind = state.is_behind && !work.index.is_building();
            state.is_behind &= !is_behind;
            (std::mem::take(&mut state.lost), is_behind)
        };
        let now = Instant::now();
        for key in found {
            self.lost.found(key, now);
        }
        if is_behind {
            let view = work.index.view();
            for entry in view.tasks().filter(|entry| is_lost(entry)) {
                self.lost.found(key_of(entry), now);
            }
        }
        let due = self.lost.take_due(now);
        if due.is_empty() {
            return;
        }
        let tasks = due.into_iter().filter_map(|(project, task)| {
            // One of the old layout has no supervisor.
            work.root.task(&project, &task).ok()
        });
        let tasks: Vec<TaskDir> = tasks.collect();
        let on_lost = work.settings.config.defaults.on_lost;
        let plan = recover::plan_among(&work.root, tasks.clone(), on_lost, &*work.clock);
        self.recover_all(&plan);
        for task in tasks {
            // Nobody tells of it again if nothing about it has changed.
            if recovery::is_lost(&task) {
                let key = (task.project().clone(), task.id().clone());
                self.lost.found(key, Instant::now());
            }
        }
    }

    /// Carries out `plan`; what fails is told and tried again later.
    fn recover_all(&mut self, plan: &[recover::Recovery]) {
        let work = self.work;
        for found in plan {
            let (project, task) = (found.task.project(), found.task.id());
            let (root, clock) = (&work.root, &*work.clock);
            // One that nobody can take up holds up no other.
            match catch_unwind(AssertUnwindSafe(|| {
                recovery::recover(root, found, &work.settings, clock)
            })) {
                Ok(Ok(recovered)) => {
                    tracing::info!(%project, %task, action = ?found.action, "took up a lost task");
                    if let recovery::Recovered::Done(Some(supervisor)) = recovered {
                        self.planner.take_in(supervisor);
                    }
                }
                Ok(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, %project, %task, "could not take up a lost task");
                }
                Err(_) => tracing::error!(%project, %task, "taking up a lost task panicked"),
            }
        }
        let tasks = plan.iter().map(|found| &found.task);
        let tasks = tasks.map(|task| (task.project(), task.id()));
        work.index.look_again_at(tasks);
        if !plan.is_empty() {
            cl_runner::notify::start::kick(&work.root);
        }
    }

    /// Launches what may begin.
    fn launch(&mut self, conductor: &Conductor, is_draining: bool) -> Duration {
        match self.planner.step(is_draining) {
            Ok(stepped) => {
                let changed = stepped.changed.iter();
                let changed = changed.map(|(project, task)| (project, task));
                self.work.index.look_again_at(changed);
                conductor.change(|state| {
                    state.waiting = stepped.waiting;
                    state.problems = (stepped.problems.into_iter())
                        .map(|(project, task, problem)| ((project, task), problem))
                        .collect();
                });
                // A long queue is not looked at for each one that comes.
                conductor.rest(breather(stepped.looking));
                stepped.look_again.unwrap_or(IDLE)
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "could not use the queue");
                AFTER_FAILURE
            }
        }
    }
}

/// Returns how long to rest behind a look that took so long.
fn breather(looking: Duration) -> Duration {
    if looking < CHEAP {
        return Duration::ZERO;
    }
    (looking * 4).min(LONGEST_BREATHER)
}

fn trouble_of((times, _): (u32, Instant)) -> String {
    let times = match times {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    format!("what launches tasks panicked {times} and was begun anew; the server's log says why")
}

/// Returns how long the thread rests behind so many panics in a row.
fn rest_after(in_a_row: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(in_a_row.saturating_sub(1));
    FIRST_REST.saturating_mul(doubled).min(LONGEST_REST)
}

fn is_lost(entry: &TaskEntry) -> bool {
    entry.row.owner == OwnerState::Lost
}

fn key_of(entry: &TaskEntry) -> Key {
    (entry.row.project_id.clone(), entry.row.task_id.clone())
}

/// Waits until `time`, or for ever.
async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_its_turn_and_no_other() {
        let conductor = Conductor::idle();
        let mut turns = Vec::new();
        conductor.keep_going(|is_anew| {
            turns.push(is_anew);
            assert_ne!(turns.len(), 1, "a canary of a test");
            conductor.change(|state| state.is_ending = true);
            Duration::ZERO
        });
        assert_eq!(turns, [false, true]);
        let problem = conductor.trouble().unwrap();
        assert!(problem.contains("once"), "{problem}");
        assert!(conductor.problems().contains(&problem));
    }

    #[test]
    fn looks_at_a_long_queue_take_a_fifth_of_the_time_at_the_most() {
        let rests = [0, 2, 10, 9000].map(|took| breather(Duration::from_millis(took)).as_millis());
        assert_eq!(rests, [0, 0, 40, 500]);
    }

    #[test]
    fn rests_grow_up_to_a_bound() {
        let rests = [1, 2, 5, 6, 99].map(|times| rest_after(times).as_secs());
        assert_eq!(rests, [1, 2, 16, 30, 30]);
    }
}
