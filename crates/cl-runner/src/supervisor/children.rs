//! Tasks that agents of this task launched.

use std::collections::HashSet;
use std::time::Duration;

use cl_storage::TaskDir;
use cl_storage::control::{
    self, Answer, LaunchChildRequest, Outcome, Request, RequestBody, StopRequest,
};
use cl_storage::marker::STOP_SUPPRESSION;
use cl_storage::owner::{Owner, OwnerState};
use cl_storage::snapshot::TaskView;
use cl_storage::task_state::{Child, ParentTask, TaskState};

use super::{Broken, Supervisor, events};
use crate::launch::{
    AgentEntry, LaunchError, LaunchRecord, NestedOptions, OnChildTimeout, Origin, Policy, Refusal,
    launch,
};
use crate::settle;

/// Beyond the moment of the kill: time for children to record their end.
const RECORD_TIME: Duration = Duration::from_secs(10);

/// How long a child that could not be settled is left alone.
const SETTLE_AGAIN: Duration = Duration::from_secs(30);

impl Supervisor {
    /// Returns the children that have not ended.
    pub(super) fn active_children(&self) -> Vec<Child> {
        self.state
            .children
            .iter()
            .filter(|child| self.is_active(child))
            .cloned()
            .collect()
    }

    fn is_active(&self, child: &Child) -> bool {
        let Ok(task) = self.root.task(&child.project, &child.task) else {
            return false;
        };
        task.exists()
            && TaskView::read(&self.root, &task, self.now()).map_or(true, |view| view.is_active())
    }

    /// Launches a child for an agent; the same task twice is one launch.
    pub(super) fn launch_child(&mut self, launch_id: &str, request: &LaunchChildRequest) -> Answer {
        if let Some(stop) = &self.stop {
            let text = format!("{} is being stopped ({})", self.task.id(), stop.by);
            return Answer::new(Outcome::Refused, text);
        }
        match self.try_launch_child(launch_id, request) {
            Ok(()) => Answer::new(Outcome::Done, "launched"),
            Err(NotLaunched(outcome, message)) => Answer::new(outcome, message),
        }
    }

    fn try_launch_child(
        &mut self,
        launch_id: &str,
        request: &LaunchChildRequest,
    ) -> Result<(), NotLaunched> {
        let options: NestedOptions = serde_json::from_str(&request.options)?;
        let task = self.root.task(&request.project, &request.task)?;
        if was_launched(&task, launch_id) {
            return Ok(());
        }
        self.check_limits()?;
        let child = Child {
            project: request.project.clone(),
            task: request.task.clone(),
            parent_run: options.parent_run.clone(),
        };
        let record = self.child_record(launch_id, request, options)?;
        let same_task = |known: &&Child| known.task == child.task && known.project == child.project;
        let known = self.state.children.iter().find(same_task).cloned();
        if known.as_ref() != Some(&child) {
            // Recorded before it is launched: a child is never unknown to its parent.
            self.state.children.retain(|known| !same_task(&known));
            self.state.children.push(child.clone());
            self.state.write(&self.task)?;
        }
        cl_storage::crash::point("child-recorded-unlaunched");
        match launch(&record, &task, &self.executable) {
            Ok(launched) => {
                tracing::info!(task = %task.id(), pid = launched.supervisor.pid, "launched a child");
                Ok(())
            }
            Err(error) => {
                // Somebody else's task must not count as a child.
                self.state.children.retain(|known| !same_task(&known));
                self.state.children.extend(known);
                self.state.write(&self.task)?;
                Err(not_launched(&error))
            }
        }
    }

    fn check_limits(&self) -> Result<(), NotLaunched> {
        let policy = &self.record.policy;
        let depth = self.record.depth + 1;
        if depth > policy.max_depth {
            let text = format!(
                "tasks may be nested {} deep, this one would be {depth} deep",
                policy.max_depth
            );
            return Err(NotLaunched(Outcome::Refused, text));
        }
        let active = self.active_children().len();
        if active >= usize::try_from(policy.max_children).unwrap_or(usize::MAX) {
            let text = format!(
                "{active} child tasks are active, and {} is the limit; wait for one to end",
                policy.max_children
            );
            return Err(NotLaunched(Outcome::Refused, text));
        }
        Ok(())
    }

    fn child_record(
        &self,
        launch_id: &str,
        request: &LaunchChildRequest,
        options: NestedOptions,
    ) -> Result<LaunchRecord, NotLaunched> {
        let is_named = options.agent.is_some();
        let agent = options.agent.unwrap_or_else(|| self.record.agent.clone());
        match self.record.agents.get(&agent) {
            Some(AgentEntry::Ready(_)) => {}
            Some(AgentEntry::Unavailable(why)) => {
                return Err(NotLaunched(Outcome::Failed, why.clone()));
            }
            None => {
                let known: Vec<&str> = self.record.agents.keys().map(String::as_str).collect();
                let text = format!(
                    "unknown agent {agent:?}; this task was launched with: {}",
                    known.join(", ")
                );
                return Err(NotLaunched(Outcome::Failed, text));
            }
        }
        // Gates belong to the task they were given for.
        let inherited = || Policy {
            gates: Vec::new(),
            require_change: false,
            ..self.record.policy.clone()
        };
        let mut policy = options.policy.unwrap_or_else(inherited);
        if is_named {
            policy.turns.keep_to_one();
        }
        let mut extra_env = self.record.extra_env.clone();
        extra_env.extend(options.extra_env);
        Ok(LaunchRecord {
            first_run: None,
            version: LaunchRecord::current_version(),
            launch_id: launch_id.to_owned(),
            kind: options.kind,
            mode: options.mode,
            origin: Origin::Nested,
            root: self.root.path().to_owned(),
            project: request.project.clone(),
            task: request.task.clone(),
            prompt: options.prompt,
            cwd: options.cwd,
            parent: Some(ParentTask {
                project: self.task.project().clone(),
                task: self.task.id().clone(),
                run: options.parent_run,
            }),
            parent_run: None,
            previous_run: options.previous_run,
            depends_on: options.depends_on,
            takes_up_cancelled: false,
            depth: self.record.depth + 1,
            agent,
            agents: self.record.agents.clone(),
            extra_env,
            policy,
            conductor_url: self.record.conductor_url.clone(),
            step: options.step,
            notify: self.record.notify.clone(),
        })
    }

    /// Waits until all children have ended, for the policy's limit at the most.
    pub(super) async fn await_children(&mut self) -> Result<(), Broken> {
        let waiting = self.active_children();
        self.post(
            "INFO",
            &format!(
                "waiting for {} children to complete: {}",
                waiting.len(),
                id_list(&waiting)
            ),
            &[],
        );
        let until = tokio::time::Instant::now() + self.record.policy.child_wait;
        loop {
            let active = self.active_children();
            if active.is_empty() || self.stop.is_some() {
                return Ok(());
            }
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let left = self.within_time(left);
            if left.is_zero() {
                return self.give_up_on(&active).await;
            }
            // A child's end raises SIGCHLD here if it was launched by this process.
            self.next_event(left.min(Duration::from_millis(500))).await;
        }
    }

    async fn give_up_on(&mut self, active: &[Child]) -> Result<(), Broken> {
        let limit = self.record.policy.child_wait;
        let ids: Vec<&str> = active.iter().map(|child| child.task.as_str()).collect();
        let seconds = limit.as_secs().to_string();
        let meta = [
            ("orphaned_runs", ids.join(",")),
            ("timeout_seconds", seconds),
        ];
        self.post(
            "WARNING",
            &format!(
                "timeout waiting for children after {limit:?}: {}",
                id_list(active)
            ),
            &meta,
        );
        if self.record.policy.on_child_timeout == OnChildTimeout::Stop {
            let request = StopRequest {
                by: "the parent's wait for its children is over".to_owned(),
                kill_at: crate::attach::after(&self.clock, self.record.policy.grace),
                exit_code: 143,
                suppress_ms: crate::attach::millis(Some(STOP_SUPPRESSION)),
            };
            self.ask_to_stop(active, &request);
            self.wait_for_stopped_children(request.kill_at).await;
        }
        Ok(())
    }

    /// Asks all active children to stop, with this task's own deadline.
    pub(super) fn ask_children_to_stop(&mut self) {
        let Some(stop) = self.stop.clone() else {
            return;
        };
        let active = self.active_children();
        let request = StopRequest {
            by: format!("parent task {}: {}", self.task.id(), stop.by),
            kill_at: stop.kill_at,
            exit_code: 143,
            suppress_ms: stop.suppress_ms,
        };
        self.ask_to_stop(&active, &request);
    }

    fn ask_to_stop(&self, children: &[Child], request: &StopRequest) {
        for task in self.owned_below(children) {
            let body = RequestBody::Stop(request.clone());
            let owner = Owner::read(&task).ok().flatten();
            let launch_id = owner.as_ref().map_or("", |owner| &owner.launch_id);
            let asked = Request::new(body, launch_id, self.now()).map_err(Broken::from);
            let asked = asked.and_then(|request| request.submit(&task).map_err(Broken::from));
            if let Err(error) = asked {
                tracing::error!(task = %task.id(), error = error.as_ref(), "could not ask a child to stop");
            }
            if let Some(owner) = owner {
                crate::process::end::signal(&owner.identity(), rustix::process::Signal::USR1);
            }
        }
    }

    /// Returns the topmost tasks of `children` that have an owner to ask.
    ///
    /// An owner looks after its own children. A task that has ended has left its
    /// children to whoever launched it.
    fn owned_below(&self, children: &[Child]) -> Vec<TaskDir> {
        let mut owned = Vec::new();
        let mut seen = HashSet::new();
        let mut open = children.to_vec();
        while let Some(child) = open.pop() {
            let Ok(task) = self.root.task(&child.project, &child.task) else {
                continue;
            };
            if !seen.insert(task.path().to_owned()) {
                continue;
            }
            match Owner::read(&task).map(|owner| OwnerState::of(owner.as_ref())) {
                Ok(OwnerState::None) => {
                    let state = TaskState::read(&task).ok().flatten();
                    open.extend(state.into_iter().flat_map(|state| state.children));
                }
                _ => owned.push(task),
            }
        }
        owned
    }

    /// Waits until no child is active, a little longer than until `kill_at`.
    pub(super) async fn wait_for_stopped_children(
        &mut self,
        kill_at: jiff::Timestamp,
    ) -> Vec<Child> {
        let last_moment = kill_at.checked_add(RECORD_TIME).unwrap_or(kill_at);
        loop {
            let active = self.active_children();
            if active.is_empty() || self.now() >= last_moment {
                return active;
            }
            self.next_event(Duration::from_millis(50).min(events::LONGEST_WAIT))
                .await;
        }
    }

    /// Settles children whose supervisor died: their agents must not run unowned.
    pub(super) fn settle_lost_children(&mut self) {
        if tokio::time::Instant::now() < self.settles_from {
            return;
        }
        let lost: Vec<TaskDir> = self
            .owned_below(&self.state.children)
            .into_iter()
            .filter(|task| {
                Owner::read(task)
                    .is_ok_and(|owner| OwnerState::of(owner.as_ref()) == OwnerState::Lost)
            })
            .collect();
        for task in lost {
            let grace = self
                .stop
                .as_ref()
                .map_or(self.record.policy.grace, |_| Duration::ZERO);
            let reason = settle::Reason::Lost;
            match settle::settle_lost(&self.root, &task, &reason, grace, &self.clock) {
                Ok(settled) => {
                    tracing::warn!(task = %task.id(), survivors = settled.survivors, "settled a lost child");
                    let text =
                        format!("child task {} lost its supervisor and was ended", task.id());
                    self.post("WARNING", &text, &[]);
                }
                Err(error) => {
                    tracing::error!(task = %task.id(), error = &error as &dyn std::error::Error, "could not settle a lost child");
                    // It may stay so for long; other things must go on meanwhile.
                    self.settles_from = tokio::time::Instant::now() + SETTLE_AGAIN;
                }
            }
        }
    }

    /// Answers everything that is left, so that nobody waits for a dead owner.
    pub(super) fn refuse_requests(&self) {
        let Ok(requests) = control::claim_all(&self.task) else {
            return;
        };
        for request in requests {
            let is_stop = matches!(request.body, RequestBody::Stop(_) | RequestBody::Wake);
            let answer = if is_stop {
                Answer::new(Outcome::Done, "the task has ended")
            } else {
                Answer::new(Outcome::Refused, format!("{} has ended", self.task.id()))
            };
            if let Err(error) = request.reply(&self.task, &answer) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not answer a late request"
                );
            }
        }
    }
}

/// Why a child was not launched: what to answer, and the text.
struct NotLaunched(Outcome, String);

impl<E: std::error::Error> From<E> for NotLaunched {
    fn from(error: E) -> Self {
        Self(Outcome::Failed, crate::launch_error_text(&error))
    }
}

fn not_launched(error: &LaunchError) -> NotLaunched {
    let is_conflict = matches!(
        error,
        LaunchError::Refused {
            refusal: Refusal::Conflict,
            ..
        }
    );
    let outcome = if is_conflict {
        Outcome::Refused
    } else {
        Outcome::Failed
    };
    NotLaunched(outcome, crate::launch_error_text(error))
}

/// Tells whether this very launch has an owner already, or has ended.
fn was_launched(task: &TaskDir, launch_id: &str) -> bool {
    let is_owned = Owner::read(task).is_ok_and(|owner| {
        owner.is_some_and(|owner| owner.launch_id == launch_id && owner.is_alive())
    });
    let has_ended = TaskState::read(task).is_ok_and(|state| {
        state.is_some_and(|state| state.result.is_some() && state.launch_id == launch_id)
    });
    is_owned || has_ended
}

fn id_list(children: &[Child]) -> String {
    let ids: Vec<&str> = children.iter().map(|child| child.task.as_str()).collect();
    format!("[{}]", ids.join(" "))
}
