//! Launching what waits in the queue, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cl_runner::launch::{
    Contacts, LaunchError, LaunchFile, Mode, Order, OrderError, Promise, Refusal, error_text,
    ready, reap,
};
use cl_storage::marker::{Marker, Markers};
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::process::ProcessIdentity;
use cl_storage::queue::{self, Names, QueueError, Submitted};
use cl_storage::{Clock, ProjectId, Root, RunId, TaskDir, TaskId};
use jiff::Timestamp;

use crate::Settings;
use crate::imported::submission_of;
use crate::judge::{Facts, Verdict, judge};
use crate::submission::{Attach, Submission};
use crate::submit::{is_blocked, put_down};
use crate::withdraw::hold;

/// Supervisors that may wait for a slot while more are launched, at the least.
const FEWEST_AHEAD: u32 = 4;
/// And at the most: each is a process.
const MOST_AHEAD: u32 = 16;
/// Launches made at the same time; each mostly waits for the disk.
const AT_ONCE: usize = 4;
/// Looks at tasks in one step, so that a step ends soon.
const LOOKS: usize = 64;
/// How soon a launch that the machine refused is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// How soon entries that wait for other tasks are looked at again when nobody says a word.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How soon the queue is looked at again after something was launched. It changes when a
/// supervisor takes its task, and whoever watches it says so: while nothing happens, each
/// pause is twice the last one, up to [`LOOK_AGAIN`].
const LOOK_SOON: Duration = Duration::from_millis(20);

/// Launches what waits in the queue of one root, in order.
///
/// One per root: the server that holds the root's lock has it. Every method blocks.
#[derive(Debug)]
pub struct Planner {
    root: Root,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Entries that were read, by file name.
    known: BTreeMap<String, Submitted>,
    /// Supervisors that were launched for entries and have not taken them over.
    in_flight: BTreeMap<String, ProcessIdentity>,
    /// Entries that could not be launched: when they are tried again, and why.
    held: BTreeMap<String, (Timestamp, String)>,
    /// Supervisors that are children of this process until they end.
    children: Vec<ProcessIdentity>,
    /// Where the last step stopped looking, if it did not get to the end.
    looked_until: Option<String>,
    /// The entry that is being looked at.
    looking_at: Option<String>,
    /// How soon the queue is looked at again if nothing happens.
    pause: Duration,
}

/// What came of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stepped {
    /// The tasks that are other than before.
    pub changed: BTreeSet<(ProjectId, TaskId)>,
    /// How many supervisors were launched.
    pub launched: usize,
    /// How many entries wait.
    pub waiting: usize,
    /// Why entries could not be launched, by task.
    pub problems: Vec<(ProjectId, TaskId, String)>,
    /// How long it took to look at the queue, launches aside.
    pub looking: Duration,
    /// When to look again if nothing happens before; none while nothing waits.
    pub look_again: Option<Duration>,
}

impl Planner {
    /// Makes the planner of `root`.
    pub fn new(root: Root, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            root,
            settings,
            clock,
            known: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            held: BTreeMap::new(),
            children: Vec::new(),
            looked_until: None,
            looking_at: None,
            pause: LOOK_SOON,
        }
    }

    /// Goes on after a step that panicked: what was read is forgotten, and the entry that was
    /// being looked at is left alone for a while, so that it holds up nobody.
    pub fn begin_anew(&mut self) {
        let name = self.looking_at.take();
        if let Some(found) = name.and_then(|name| self.known.get(&name).cloned()) {
            let problem = "looking at it failed; the log says why";
            self.hold(&found, problem, self.clock.now());
        }
        self.known.clear();
        self.looked_until = None;
    }

    /// Waits for the end of a supervisor that somebody else in this process has launched.
    pub fn take_in(&mut self, supervisor: ProcessIdentity) {
        self.children.push(supervisor);
    }

    /// Looks at the queue and launches what may begin; nothing new while it is `draining`.
    ///
    /// # Errors
    ///
    /// If the queue cannot be used at all. What is wrong with one entry is a problem of that
    /// one and holds up nobody.
    pub fn step(&mut self, draining: bool) -> Result<Stepped, QueueError> {
        let (now, began) = (self.clock.now(), Instant::now());
        let listed = Names::list(&self.root)?;
        self.read(&listed);
        let mut stepped = Stepped::default();
        let ahead = self.ahead();
        let waiting = listed.waiting_supervisors(&self.root, ahead);
        let mut room = ahead.saturating_sub(waiting + self.in_flight.len());
        let mut looks = LOOKS;
        let mut orders: Vec<(Submitted, TaskDir)> = Vec::new();
        // However many may not begin, those behind them are looked at in a later step.
        let mut looked_until = self.looked_until.take();
        while let Some(name) = self.behind(looked_until.as_deref()) {
            if looks == 0 {
                self.looked_until = looked_until;
                break;
            }
            looked_until = Some(name.clone());
            if (self.held.get(&name)).is_some_and(|(until, _)| is_ahead(*until, now)) {
                continue;
            }
            // Whoever has no room left is only looked at where that costs nothing.
            if room == 0 && !self.in_flight.contains_key(&name) {
                break;
            }
            looks -= 1;
            let Some(found) = self.known.get(&name).cloned() else {
                continue;
            };
            let Some(task) = self.task_of(&found) else {
                self.hold(&found, "its task cannot be looked at", now);
                continue;
            };
            self.looking_at = Some(name.clone());
            let found = match self.named(found, &task, now) {
                Ok(found) => found,
                Err(held) => {
                    let (found, problem) = *held;
                    self.hold(&found, &problem, now);
                    continue;
                }
            };
            match judge(self.facts(&name, &found, &task, now)) {
                Verdict::Leave => {}
                verdict @ (Verdict::Forget | Verdict::GiveUp | Verdict::Overtaken) => {
                    if verdict == Verdict::Forget {
                        queue::remove_entry(&self.root, &name)?;
                    } else {
                        queue::withdraw_entry(&self.root, &found)?;
                    }
                    self.forget(&name);
                    stepped.changed.insert(key_of(&found));
                }
                Verdict::Block => self.set_held_place(&found, false)?,
                // The supervisor may have ended since the room was counted.
                Verdict::Launch if draining || room == 0 => {}
                Verdict::Launch => {
                    self.set_held_place(&found, true)?;
                    room -= 1;
                    orders.push((found, task));
                }
            }
        }
        self.looking_at = None;
        stepped.looking = began.elapsed();
        for orders in orders.chunks(AT_ONCE) {
            for (found, result) in self.launch_all(orders, now) {
                stepped.changed.insert(key_of(&found));
                match result {
                    // The next step sees why.
                    Ok(None) => {}
                    Ok(Some(supervisor)) => {
                        stepped.launched += 1;
                        self.held.remove(&found.name);
                        self.children.push(supervisor.clone());
                        self.in_flight.insert(found.name, supervisor);
                    }
                    // A supervisor of the server before this one may have come first: it takes the
                    // place of the entry, which has to be kept for it.
                    Err(_) if self.needs_no_launch(&found, now) => {}
                    Err(problem) => self.hold(&found, &problem, now),
                }
            }
        }
        self.reap();
        stepped.waiting = self.known.len();
        stepped.problems = self.problems();
        let has_moved = stepped.launched > 0 || !stepped.changed.is_empty();
        self.pause = if has_moved || self.looked_until.is_some() {
            LOOK_SOON
        } else {
            (self.pause * 2).min(LOOK_AGAIN)
        };
        stepped.look_again = self.look_again(room == 0);
        Ok(stepped)
    }

    /// Returns the supervisors that this process has launched and that are alive.
    pub fn children(&self) -> &[ProcessIdentity] {
        &self.children
    }

    /// How many supervisors may be ahead of the slots.
    fn ahead(&self) -> usize {
        let limit = self.settings.config.defaults.max_concurrent_runs;
        let limit = limit.map_or(MOST_AHEAD, std::num::NonZeroU32::get);
        limit.clamp(FEWEST_AHEAD, MOST_AHEAD) as usize
    }

    /// Reads the entries that are new, and forgets those that are gone.
    fn read(&mut self, listed: &Names) {
        let names: BTreeSet<&str> = listed.submitted.iter().map(String::as_str).collect();
        let is_there = |name: &str| names.contains(name);
        self.known.retain(|name, _| is_there(name));
        // A supervisor that ended before it took its task takes up no room.
        self.in_flight
            .retain(|name, supervisor| is_there(name) && supervisor.is_alive());
        self.held.retain(|name, _| is_there(name));
        for name in &listed.submitted {
            if !self.known.contains_key(name)
                && let Some(found) = queue::submitted(&self.root, name)
            {
                self.known.insert(name.clone(), found);
            }
        }
    }

    /// Returns the name of the entry behind the one with this name, or of the first one.
    fn behind(&self, name: Option<&str>) -> Option<String> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.known.range::<str, _>((from, Bound::Unbounded));
        behind.next().map(|(name, _)| name.clone())
    }

    fn task_of(&self, found: &Submitted) -> Option<TaskDir> {
        self.root.task(&found.entry.project, &found.entry.task).ok()
    }

    /// Makes a submission with a launch of an entry that the earlier implementation had queued.
    ///
    /// A crash on the way leaves the entry as it was, and at most a task that was never launched.
    fn named(
        &mut self,
        found: Submitted,
        task: &TaskDir,
        now: Timestamp,
    ) -> Result<Submitted, Box<(Submitted, String)>> {
        if found.entry.launch.is_some() {
            return Ok(found);
        }
        match take_over(&self.root, &found, task, &self.settings, now) {
            Ok(named) => {
                self.known.insert(named.name.clone(), named.clone());
                Ok(named)
            }
            Err(problem) => Err(Box::new((found, problem))),
        }
    }

    fn facts(&self, name: &str, found: &Submitted, task: &TaskDir, now: Timestamp) -> Facts {
        let mut owner = Owner::read(task).ok().flatten();
        let launch = LaunchFile::read(task).ok().flatten();
        let launch = launch.filter(|file| Some(&file.launch_id) == found.entry.launch.as_ref());
        let takes_place = launch
            .as_ref()
            .is_none_or(|file| file.depth == 0 && file.policy.max_concurrent_runs.is_some());
        let was_launched = launch.is_some();
        if was_launched {
            // It may have been taken between the two looks.
            owner = Owner::read(task).ok().flatten();
        }
        let markers = Markers::read(task, now);
        let is_marked = |marker| markers.as_ref().is_ok_and(|found| found.has(marker));
        let resumes =
            Submission::of(&found.entry).is_ok_and(|asked| asked.attach != Attach::Create);
        Facts {
            in_flight: (self.in_flight.get(name)).is_some_and(ProcessIdentity::is_alive),
            was_launched,
            takes_place,
            is_being_launched: (owner.as_ref())
                .is_some_and(|owner| Some(&owner.launch_id) == found.entry.launch.as_ref()),
            owner: OwnerState::of(owner.as_ref()),
            is_given_up: is_marked(Marker::Cancelled)
                || (is_marked(Marker::StopRequested) && !resumes)
                // Whoever submits makes the folder first.
                || !task.exists(),
            is_blocked: is_blocked(&self.root, task, now),
        }
    }

    /// Whether somebody else has launched the task meanwhile.
    fn needs_no_launch(&self, found: &Submitted, now: Timestamp) -> bool {
        let task = self.task_of(found);
        task.is_some_and(|task| {
            let facts = self.facts(&found.name, found, &task, now);
            !matches!(judge(facts), Verdict::Launch | Verdict::Block)
        })
    }

    /// Says on disk whether an entry keeps its place before those who came later.
    fn set_held_place(&mut self, found: &Submitted, holds: bool) -> Result<(), QueueError> {
        if found.entry.is_live() != holds {
            let changed = queue::hold_place(&self.root, found, holds)?;
            self.known.insert(found.name.clone(), changed);
        }
        Ok(())
    }

    fn launch_all(
        &self,
        orders: &[(Submitted, TaskDir)],
        now: Timestamp,
    ) -> Vec<(Submitted, Result<Option<ProcessIdentity>, String>)> {
        std::thread::scope(|scope| {
            let launches: Vec<_> = orders
                .iter()
                .map(|(found, task)| {
                    let launch = move || self.launch(found, task, now);
                    (
                        found,
                        std::thread::Builder::new().spawn_scoped(scope, launch),
                    )
                })
                .collect();
            let results = launches.into_iter().map(|(found, thread)| {
                let result = match thread.map(std::thread::ScopedJoinHandle::join) {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) => Err("the launch failed; the log says why".to_owned()),
                    Err(error) => Err(format!("there is no thread for it: {error}")),
                };
                (found.clone(), result)
            });
            results.collect()
        })
    }

    /// Launches what was found some time ago; none if nobody wants it any more.
    fn launch(
        &self,
        found: &Submitted,
        task: &TaskDir,
        now: Timestamp,
    ) -> Result<Option<ProcessIdentity>, String> {
        let asked = Submission::of(&found.entry)?;
        let settings = &self.settings;
        let ready = ready(
            &settings.config,
            &settings.environment,
            &settings.executable,
            asked.agent.as_deref(),
        )
        .map_err(|error: OrderError| error_text(&error))?;
        let launch_id = found.entry.launch.clone();
        let order = order(asked, task.clone());
        order
            .check_secrets(&ready, &settings.config, &settings.environment)
            .map_err(|error| error_text(&error))?;
        let promise = Promise {
            launch_id: launch_id.unwrap_or_else(|| Promise::new_launch_id(now)),
            first_run: found.entry.run.clone(),
        };
        let contacts = Contacts {
            notify: cl_runner::notify::NotifyPlan::of(&settings.config, &settings.source),
            conductor_url: settings.url.clone(),
        };
        let _alone = hold(task);
        let is_there = queue::submitted(&self.root, &found.name).is_some();
        if !is_there || self.facts(&found.name, found, task, now).is_given_up {
            return Ok(None);
        }
        match order.launch_as(promise, ready, contacts) {
            Ok(launched) => Ok(Some(launched.supervisor)),
            Err(LaunchError::Refused {
                refusal: Refusal::Conflict,
                message,
            }) => Err(message),
            Err(error) => Err(error_text(&error)),
        }
    }

    /// Leaves an entry alone for a while, because of `problem`.
    fn hold(&mut self, found: &Submitted, problem: &str, now: Timestamp) {
        let (project, task) = key_of(found);
        tracing::warn!(%project, %task, problem, "could not launch what was submitted");
        let until = now + TRY_AGAIN;
        self.held
            .insert(found.name.clone(), (until, problem.to_owned()));
        if let Err(error) = self.set_held_place(found, false) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not let others pass"
            );
        }
    }

    fn forget(&mut self, name: &str) {
        self.known.remove(name);
        self.in_flight.remove(name);
        self.held.remove(name);
    }

    fn problems(&self) -> Vec<(ProjectId, TaskId, String)> {
        let problems = self.held.iter().filter_map(|(name, (_, problem))| {
            let (project, task) = key_of(self.known.get(name)?);
            Some((project, task, problem.clone()))
        });
        problems.collect()
    }

    /// Forgets the supervisors that have ended.
    fn reap(&mut self) {
        self.children
            .retain(|child| child.is_alive() || !reap(child));
    }

    fn look_again(&self, has_no_room: bool) -> Option<Duration> {
        if self.known.is_empty() {
            return None;
        }
        // Nothing is about to happen where everything waits for other tasks.
        let is_near = has_no_room || !self.in_flight.is_empty() || self.pause == LOOK_SOON;
        Some(if is_near { self.pause } else { LOOK_AGAIN })
    }
}

fn take_over(
    root: &Root,
    found: &Submitted,
    task: &TaskDir,
    settings: &Settings,
    now: Timestamp,
) -> Result<Submitted, String> {
    let asked = submission_of(root, task, &found.entry, settings)?;
    put_down(root, task, &asked).map_err(|error| error_text(&error))?;
    let launch = Promise::new_launch_id(now);
    let run = found.entry.run.clone();
    let run = run.unwrap_or_else(|| RunId::generate(now));
    let request = serde_json::to_value(&asked).map_err(|error| error.to_string())?;
    queue::name_launch(root, found, &launch, &run, request).map_err(|error| error_text(&error))
}

/// Tells whether the time to try again is still to come; a clock that was set back since is
/// not waited for.
fn is_ahead(until: Timestamp, now: Timestamp) -> bool {
    until > now && until.duration_since(now).unsigned_abs() <= TRY_AGAIN
}

fn key_of(found: &Submitted) -> (ProjectId, TaskId) {
    (found.entry.project.clone(), found.entry.task.clone())
}

fn order(asked: Submission, task: TaskDir) -> Order {
    Order {
        kind: asked.kind,
        mode: match asked.attach {
            Attach::Resume => Mode::Resume,
            Attach::Create | Attach::Attach => Mode::Start,
        },
        task,
        prompt: asked.prompt,
        cwd: asked.cwd,
        policy: asked.policy,
        agent: asked.agent,
        extra_env: asked.env,
        parent_run: asked.parent_run,
        parent: None,
        depth: 0,
        previous_run: None,
        depends_on: None,
        takes_up_cancelled: false,
        is_detached: true,
        step: None,
    }
}

#[cfg(test)]
mod tests {
    use cl_storage::SystemClock;
    use cl_storage::owner::Ownership;
    use cl_storage::queue::Accepted;

    use super::*;

    const ENTRIES: usize = MOST_AHEAD as usize + 4;

    #[test]
    fn a_clock_that_is_set_back_holds_up_nobody() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(is_ahead(now + TRY_AGAIN, now));
        assert!(!is_ahead(now, now));
        assert!(!is_ahead(now + TRY_AGAIN, now - Duration::from_secs(1)));
    }

    fn planner_of(root: &Root) -> Planner {
        let settings = Settings {
            config: Arc::default(),
            source: cl_config::Source::None,
            environment: cl_config::Environment::new([("PATH", "/nowhere")], "/"),
            executable: "/nowhere/run-agent".into(),
            url: None,
        };
        Planner::new(root.clone(), settings, Arc::new(SystemClock))
    }

    fn submitted(root: &Root, number: usize) -> Submitted {
        let task = TaskId::parse(&format!("task-20260101-000000-t{number:03}")).unwrap();
        let project = ProjectId::parse("p").unwrap();
        root.task(&project, &task).unwrap().ensure().unwrap();
        let accepted = Accepted {
            project: &project,
            task: &task,
            launch: &format!("launch-{number}"),
            run: None,
            request: serde_json::json!("nothing that can be launched"),
            may_begin: true,
        };
        queue::submit(root, accepted, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn who_was_launched_by_somebody_else_meanwhile_keeps_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let planner = planner_of(&root);
        let found = submitted(&root, 0);
        let task = planner.task_of(&found).unwrap();
        task.ensure().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        assert!(!planner.needs_no_launch(&found, now));
        let owner = Ownership::acquire(&task, "launch-0", now, Duration::ZERO).unwrap();
        assert!(planner.needs_no_launch(&found, now));
        drop(owner);
    }

    #[test]
    fn supervisors_that_died_before_they_took_their_task_take_up_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let mut planner = planner_of(&root);
        let dead = ProcessIdentity {
            pid: i32::MAX,
            ..ProcessIdentity::current().unwrap()
        };
        for number in 0..ENTRIES {
            let found = submitted(&root, number);
            planner.in_flight.insert(found.name, dead.clone());
        }
        let stepped = planner.step(false).unwrap();
        assert_eq!((stepped.launched, stepped.waiting), (0, ENTRIES));
        assert_eq!(stepped.problems.len(), MOST_AHEAD as usize);
        assert_eq!(stepped.look_again, Some(LOOK_SOON));
        // Those were put aside, so the others get their turn.
        let stepped = planner.step(false).unwrap();
        assert_eq!(stepped.problems.len(), ENTRIES);
        // While nothing happens, the queue is looked at less and less often.
        let pauses: Vec<_> = (0..10)
            .filter_map(|_| planner.step(false).unwrap().look_again)
            .collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(pauses.last(), Some(&LOOK_AGAIN));
    }
}
