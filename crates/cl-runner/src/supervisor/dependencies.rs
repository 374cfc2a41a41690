//! Waiting for the tasks that must be done first.
//!
//! Before its first attempt the supervisor looks at them again and again, which
//! costs a few looks at folders each time. What it tells, and since when nothing
//! moves, stands in the task's state, so that a new owner does not begin anew.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use cl_bus::Draft;
use cl_storage::TaskId;
use cl_storage::dependencies::{self as graph, Blocker, Chain, Lookout, joined, remedies};
use cl_storage::task_config::TaskConfig;
use cl_storage::task_state::DependencyWait;
use jiff::SignedDuration;
use tokio::time::Instant;

use super::decide::Outlook;
use super::{Broken, Supervisor};
use crate::launch::OnDeadlock;
use crate::notice;

/// A deadlock is looked for once in so many looks: it takes looks at more tasks.
const LOOKS_PER_SEARCH: u32 = 5;

/// So many different sets of blockers are remembered as told.
const MOST_ESCALATIONS: usize = 64;

/// What the first attempt waits for.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    lookout: Option<Lookout>,
    /// What `TASK-CONFIG.yaml` looked like when it was read.
    read: Option<ConfigLook>,
    gating: Vec<TaskId>,
    blockers: Vec<Blocker>,
    next_search: Option<Instant>,
    deadlock: Option<Chain>,
    /// The deadlock has lasted too long.
    is_overdue: bool,
    fails: bool,
}

/// Inode, size and change time; of a file that is not there, nothing.
type ConfigLook = Option<(u64, u64, i64, i64)>;

impl Dependencies {
    /// Returns what the decision is to weigh.
    pub(super) fn outlook(&self) -> Outlook {
        if self.blockers.is_empty() {
            return Outlook::Clear;
        }
        match &self.deadlock {
            Some(chain) if self.is_overdue && self.fails => Outlook::Hopeless(format!(
                "its dependencies can make no progress: {chain} ({})",
                chain.reason
            )),
            _ => Outlook::Blocked,
        }
    }
}

impl Supervisor {
    /// Looks at the tasks that must be done first, and tells what has changed.
    ///
    /// Does nothing once the first attempt was made.
    pub(super) fn look_at_dependencies(&mut self) -> Result<(), Broken> {
        if self.state.attempts.this_launch > 0 || self.last.is_some() {
            self.dependencies.blockers.clear();
            return Ok(());
        }
        let is_first = self.dependencies.read.is_none();
        self.read_own_config();
        if self.dependencies.gating.is_empty() && self.state.dependencies.is_none() {
            self.dependencies.blockers.clear();
            return Ok(());
        }
        let now = self.now();
        if self.dependencies.lookout.is_none() {
            let project = self.root.project(self.task.project())?;
            self.dependencies.lookout = Some(Lookout::new(self.root.clone(), project));
        }
        if let Some(lookout) = &self.dependencies.lookout {
            self.dependencies.blockers = lookout.graph(now).blockers(&self.dependencies.gating);
        }
        if is_first {
            self.warn_of_dependencies();
        }
        let has_changed = self.tell_blockers()?;
        self.search_deadlock(has_changed)
    }

    /// Reads the task's own dependencies if their file has changed.
    fn read_own_config(&mut self) {
        let meta = self.task.config().symlink_metadata().ok();
        let look: ConfigLook =
            meta.map(|meta| (meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()));
        if self.dependencies.read == Some(look) {
            return;
        }
        match TaskConfig::read(&self.task) {
            Ok(config) => self.dependencies.gating = config.gating(),
            // What it said before holds until somebody has mended it.
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not read the task's dependencies"
            ),
        }
        self.dependencies.read = Some(look);
        self.dependencies.fails = self.record.policy.on_deadlock == OnDeadlock::Fail;
    }

    /// Posts one warning about dependencies that nobody is going to satisfy as things stand.
    fn warn_of_dependencies(&mut self) {
        let worth = |blocker: &&Blocker| blocker.standing.is_worth_a_warning();
        let lines: Vec<String> = (self.dependencies.blockers.iter().filter(worth))
            .map(graph::warning)
            .collect();
        if !lines.is_empty() {
            self.post("WARNING", &lines.join("\n"), &[]);
        }
    }

    /// Tells which tasks are in the way, if they are others than before.
    fn tell_blockers(&mut self) -> Result<bool, Broken> {
        let blocked_by: Vec<TaskId> = (self.dependencies.blockers.iter())
            .map(|blocker| blocker.task.clone())
            .collect();
        let told = self.state.dependencies.clone().unwrap_or_default();
        if told.blocked_by == blocked_by {
            return Ok(false);
        }
        if blocked_by.is_empty() {
            self.post("FACT", "dependencies satisfied; starting task", &[]);
            self.state.dependencies = None;
        } else {
            let text = format!(
                "task blocked by dependencies: {}",
                joined(&blocked_by, ", ")
            );
            self.post("PROGRESS", &text, &[]);
            self.state.dependencies = Some(DependencyWait { blocked_by, ..told });
        }
        self.state.write(&self.task)?;
        Ok(true)
    }

    /// Looks now and then whether what is waited for can make progress at all.
    fn search_deadlock(&mut self, has_changed: bool) -> Result<(), Broken> {
        let Some(mut told) = self.state.dependencies.clone() else {
            self.dependencies.deadlock = None;
            return Ok(());
        };
        let is_due = self
            .dependencies
            .next_search
            .is_none_or(|at| Instant::now() >= at);
        let Some(lookout) = self
            .dependencies
            .lookout
            .as_ref()
            .filter(|_| is_due || has_changed)
        else {
            return Ok(());
        };
        let poll = self
            .record
            .policy
            .dependency_poll
            .max(Duration::from_millis(10));
        self.dependencies.next_search = Some(Instant::now() + poll * LOOKS_PER_SEARCH);
        let now = self.now();
        let found = lookout
            .graph(now)
            .deadlock(self.task.id(), &self.dependencies.gating);
        self.dependencies.deadlock = found;
        let before = told.clone();
        match &self.dependencies.deadlock {
            None => told.stuck_since = None,
            Some(_) => _ = told.stuck_since.get_or_insert(now),
        }
        let limit = SignedDuration::try_from(self.record.policy.stuck_after);
        let is_overdue = |since| limit.is_ok_and(|limit| now.duration_since(since) >= limit);
        self.dependencies.is_overdue = told.stuck_since.is_some_and(is_overdue);
        if self.dependencies.is_overdue
            && let Some(chain) = self.dependencies.deadlock.clone()
        {
            let mut set = told.blocked_by.clone();
            set.sort();
            let set = joined(&set, ",");
            if !told.escalated.contains(&set) {
                self.call_for_help(&chain);
                let surplus = (told.escalated.len() + 1).saturating_sub(MOST_ESCALATIONS);
                told.escalated.drain(..surplus);
                told.escalated.push(set);
            }
        }
        if told != before {
            self.state.dependencies = Some(told);
            self.state.write(&self.task)?;
        }
        Ok(())
    }

    /// Tells the task and its project what has to be done by somebody.
    fn call_for_help(&mut self, chain: &Chain) {
        let [cancel, other] = remedies(self.task.project(), chain);
        let text = format!(
            "task is deadlocked: {chain} ({reason})\none of these resolves it:\n    {cancel}\n    {other}",
            reason = chain.reason
        );
        self.post("ERROR", &text, &[]);
        let project = self.task.project().clone();
        let draft = Draft::new("ERROR", project, self.redactor.redact(&text).into_owned());
        match self.root.project(self.task.project()) {
            Ok(project) => notice::post_once_on(project.bus(), &draft),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not tell the project"
            ),
        }
    }
}
