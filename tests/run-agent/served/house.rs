//! A root with a server, whose agents write down that they have begun.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use cl_storage::owner::{Owner, OwnerState};
use cl_storage::queue::Queue;
use cl_storage::task_state::{ResultStatus, TaskState};
use cl_testkit::patience::until;
use cl_testkit::scenario::{PROJECT, Scenario};
use cl_testkit::served::{Caller, Reply, Served};
use serde_json::{Value, json};

/// An agent that is done at once.
pub(crate) const QUICK: &str = "echo $JRUN_TASK_ID >>began; touch $JRUN_TASK_FOLDER/DONE";
/// An agent that is done when there is a file `go`.
pub(crate) const WAITING: &str = "echo $JRUN_TASK_ID >>began; \
    while [ ! -e go ]; do sleep 0.05; done; touch $JRUN_TASK_FOLDER/DONE";

/// Calls `round` as often as is wanted.
#[expect(clippy::disallowed_methods, reason = "how often is up to the caller")]
pub(crate) fn rounds(round: impl Fn()) {
    let rounds = std::env::var("CL_KILL_ROUNDS").ok();
    let rounds = rounds.map_or(5, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        round();
    }
}

/// Returns a number of chance below `end`.
pub(crate) fn chance(end: usize) -> usize {
    let random = RandomState::new().hash_one(end);
    usize::try_from(random % u64::try_from(end).unwrap()).unwrap()
}

/// A root for servers.
pub(crate) struct House {
    pub(crate) scenario: Scenario,
}

impl House {
    /// Makes a root with so many slots, whose agents run `script`.
    pub(crate) fn new(slots: usize, script: &str) -> Self {
        let scenario = Scenario::new(env!("CARGO_BIN_EXE_run-agent"));
        let path = scenario.path().join("agent.sh");
        std::fs::write(&path, script).unwrap();
        let scenario = scenario.settings(&format!(
            "agents:\n  actor: {{type: command, version_args: [], command: [/bin/sh, {}]}}\n\
             defaults: {{max_concurrent_runs: {slots}}}\n",
            path.display()
        ));
        Self { scenario }
    }

    #[track_caller]
    pub(crate) fn serve(&self) -> Served {
        Served::start(&self.scenario)
    }

    /// Submits task `number`, always with the same key.
    pub(crate) fn submit(&self, caller: &mut Caller, number: usize) -> std::io::Result<Reply> {
        self.submit_after(caller, number, &[])
    }

    /// Submits task `number`, which is to begin after others.
    pub(crate) fn submit_after(
        &self,
        caller: &mut Caller,
        number: usize,
        others: &[usize],
    ) -> std::io::Result<Reply> {
        let task = id(number);
        let others: Vec<String> = others.iter().copied().map(id).collect();
        let body = json!({
            "project_id": PROJECT, "task_id": task, "agent_type": "actor", "depends_on": others,
            "prompt": format!("Do thing {number}."), "project_root": self.scenario.work(),
        });
        caller.post("/api/v1/tasks", Some(&format!("key of {task}")), &body)
    }

    /// Returns how task `number` stands.
    #[track_caller]
    #[expect(clippy::unused_self, reason = "it is asked of the house")]
    pub(crate) fn standing(&self, caller: &mut Caller, number: usize) -> Value {
        let path = format!("/api/v1/tasks/{}?project_id={PROJECT}", id(number));
        caller.get(&path).unwrap().expect(200).json()
    }

    /// Returns the tasks whose agents have begun, in order.
    pub(crate) fn began(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.scenario.work().join("began"));
        text.unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Returns how often the agent of each task has begun.
    pub(crate) fn begun(&self) -> BTreeMap<String, usize> {
        let mut begun = BTreeMap::new();
        for task in self.began() {
            *begun.entry(task).or_default() += 1;
        }
        begun
    }

    /// Waits until the first `count` tasks are completed and nothing waits.
    #[track_caller]
    pub(crate) fn wait_for_all(&self, count: usize) {
        for number in 0..count {
            let task = self.scenario.task(&id(number));
            until(&format!("the end of {}", task.id()), || {
                let owner = Owner::read(&task).unwrap();
                let state = TaskState::read(&task).ok().flatten();
                let result = state.and_then(|state| state.result);
                OwnerState::of(owner.as_ref()) == OwnerState::None
                    && result.is_some_and(|result| result.status == ResultStatus::Completed)
            });
        }
        until("an empty queue", || {
            let queue = Queue::read(&self.scenario.root()).unwrap();
            queue.entries().count() == 0
        });
    }
}

/// Returns the id of task `number`.
pub(crate) fn id(number: usize) -> String {
    format!("task-20260101-000000-n{number:03}")
}
