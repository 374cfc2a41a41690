//! Whole projects played through with the decisions alone: no process, no file, no time.
//!
//! Each task decides with [`next_step`], sees the others through a
//! [`Graph`] and takes slots by [`queue::turn`]. What must come of it is known
//! beforehand from the dependencies and from how each agent ends.

use std::collections::BTreeMap;

use cl_storage::dependencies::{Graph, Node, Standing, report};
use cl_storage::marker::Presence;
use cl_storage::queue::{self, Kind as Waits, Place};
use cl_storage::{Failure, FailureKind, TaskId};

use super::decide::{Agents, GateVerdict, LastAttempt, Outlook, Step, View, next_step};
use crate::launch::{Kind, Policy};

const TASKS: usize = 200;
const SLOTS: usize = 8;
const ATTEMPTS: u32 = 2;

/// A generator of the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit).unwrap();
        usize::try_from((self.0 >> 11) % limit).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    Cancelled,
    /// It waits for ever.
    Blocked,
}

/// A task as it was set up, and as it stands.
struct Task {
    id: TaskId,
    on: Vec<usize>,
    depends_on: Vec<TaskId>,
    is_cancelled: bool,
    successor: Option<usize>,
    /// The attempt that leaves a claim.
    succeeds_at: u32,
    attempts: u32,
    last: Option<LastAttempt>,
    paused: bool,
    done: Presence,
    has_slot: bool,
    ticket: Option<u64>,
    end: Option<End>,
}

struct Project {
    tasks: Vec<Task>,
    numbers: BTreeMap<TaskId, usize>,
    next_ticket: u64,
    waiting: Vec<Place>,
    slots_taken: usize,
    /// Who took slots after having waited, by ticket.
    served: Vec<u64>,
    policy: Policy,
    agents: Agents,
}

/// Layers that each depend on one or two of the layer before, with a common root.
fn project(chance: &mut Chance) -> Project {
    let mut tasks: Vec<Task> = Vec::new();
    for number in 0..TASKS {
        let mut on = Vec::new();
        for _ in 0..chance.below(4) {
            let reach = number.min(20);
            if reach > 0 {
                let other = number - 1 - chance.below(reach);
                if !on.contains(&other) {
                    on.push(other);
                }
            }
        }
        // A branch is given up as a whole, or it has been done elsewhere.
        let is_cancelled = chance.one_in(25)
            || on
                .iter()
                .any(|&other: &usize| tasks[other].is_cancelled && other % 3 == 0);
        let successor =
            (is_cancelled && number > 0 && chance.one_in(2)).then(|| chance.below(number));
        tasks.push(Task {
            id: TaskId::parse_existing(&format!("t{number:03}")).unwrap(),
            depends_on: on.iter().map(|&n: &usize| tasks[n].id.clone()).collect(),
            on,
            is_cancelled,
            successor,
            succeeds_at: match chance.below(20) {
                0 => 3,
                1..4 => 2,
                _ => 1,
            },
            attempts: 0,
            last: None,
            paused: false,
            done: Presence::Absent,
            has_slot: false,
            ticket: None,
            end: None,
        });
    }
    let numbers = tasks.iter().enumerate();
    Project {
        numbers: numbers.map(|(n, task)| (task.id.clone(), n)).collect(),
        tasks,
        next_ticket: 1,
        waiting: Vec::new(),
        slots_taken: 0,
        served: Vec::new(),
        agents: Agents::default(),
        policy: Policy {
            max_attempts: ATTEMPTS,
            ..Policy::default()
        },
    }
}

/// The only right end of every task.
fn expected(tasks: &[Task]) -> Vec<End> {
    let mut ends: Vec<End> = Vec::new();
    for task in tasks {
        let satisfied = |&other: &usize| {
            let mut at = other;
            while ends[at] == End::Cancelled {
                match tasks[at].successor {
                    Some(next) => at = next,
                    None => return false,
                }
            }
            ends[at] == End::Done
        };
        ends.push(match () {
            () if task.is_cancelled => End::Cancelled,
            () if !task.on.iter().all(satisfied) => End::Blocked,
            () if task.succeeds_at <= ATTEMPTS => End::Done,
            () => End::Failed,
        });
    }
    ends
}

impl Project {
    fn node(&self, id: &TaskId) -> Node {
        let task = &self.tasks[self.numbers[id]];
        Node {
            standing: match task.end {
                Some(End::Done) => Standing::Done,
                Some(End::Failed) => Standing::Failed,
                Some(End::Cancelled) => Standing::Cancelled,
                Some(End::Blocked) => unreachable!("nothing ends so"),
                None if task.ticket.is_some() => Standing::Queued,
                None if task.has_slot || task.attempts > 0 => Standing::Running,
                None => Standing::Blocked,
            },
            depends_on: task.depends_on.clone(),
            superseded_by: task.successor.map(|next| self.tasks[next].id.clone()),
        }
    }

    fn step(&self, number: usize) -> Step {
        let task = &self.tasks[number];
        let mut graph = Graph::new(|id| self.node(id));
        let is_clear = graph.blockers(&task.depends_on).is_empty();
        next_step(&View {
            kind: Kind::Task,
            policy: &self.policy,
            done: task.done,
            cancelled: task.is_cancelled,
            stopping: false,
            attempts: task.attempts,
            attempts_today: task.attempts,
            agents: &self.agents,
            last: task.last.as_ref(),
            active_children: 0,
            children_waited: false,
            gates: GateVerdict::Pending,
            gate_failures: 0,
            alike_refusals: 0,
            refused_by: "",
            over: None,
            paused: task.paused,
            dependencies: if is_clear {
                Outlook::Clear
            } else {
                Outlook::Blocked
            },
        })
    }

    /// Lets one task decide and act; tells whether anything has changed.
    fn play(&mut self, number: usize) -> bool {
        if let Some(ticket) = self.tasks[number].ticket {
            if queue::turn(&self.waiting) != Some(ticket) || self.slots_taken == SLOTS {
                return false;
            }
            let task = &mut self.tasks[number];
            (task.ticket, task.has_slot) = (None, true);
            self.waiting.retain(|place| place.sequence != ticket);
            self.slots_taken += 1;
            self.served.push(ticket);
            return true;
        }
        if self.tasks[number].has_slot {
            self.end_attempt(number);
            return true;
        }
        let step = self.step(number);
        let has_free = queue::turn(&self.waiting).is_none() && self.slots_taken < SLOTS;
        let ticket = self.next_ticket;
        let task = &mut self.tasks[number];
        match step {
            Step::AwaitDependencies => return false,
            Step::Attempt => {
                task.attempts += 1;
                task.paused = false;
                if has_free {
                    task.has_slot = true;
                    self.slots_taken += 1;
                } else {
                    task.ticket = Some(ticket);
                    self.waiting.push(Place {
                        sequence: ticket,
                        kind: Waits::Run,
                        is_live: true,
                    });
                    self.next_ticket += 1;
                }
            }
            Step::Pause(_) => task.paused = true,
            Step::Complete => task.end = Some(End::Done),
            Step::Fail(_) => task.end = Some(End::Failed),
            Step::Cancelled => task.end = Some(End::Cancelled),
            other => panic!("{other:?} of {}", task.id),
        }
        true
    }

    fn end_attempt(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        task.has_slot = false;
        self.slots_taken -= 1;
        let success = task.attempts >= task.succeeds_at;
        if success {
            task.done = Presence::Present;
        }
        task.last = Some(LastAttempt {
            success,
            failure: (!success).then(|| Failure::new(FailureKind::AgentCrash, "x")),
            alike_fast_failures: task.attempts,
            alike_failures: task.attempts,
        });
    }

    /// Plays until nobody can do anything more.
    fn play_out(&mut self, chance: &mut Chance) {
        let mut open: Vec<usize> = (0..TASKS).collect();
        while !open.is_empty() {
            let mut has_changed = false;
            for _ in 0..(open.len() / 4).max(SLOTS) {
                let number = open[chance.below(open.len())];
                has_changed |= self.play(number);
            }
            if !has_changed {
                // Nobody who was asked could act: everybody is asked.
                for &number in &open {
                    has_changed |= self.play(number);
                }
            }
            let slots = self.tasks.iter().filter(|task| task.has_slot).count();
            assert!(slots <= SLOTS && slots == self.slots_taken);
            open.retain(|&number| self.tasks[number].end.is_none());
            if !has_changed {
                return;
            }
        }
    }
}

fn check(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut project = project(&mut chance);
    let expected = expected(&project.tasks);
    project.play_out(&mut chance);
    let nodes: BTreeMap<TaskId, Node> = (project.tasks.iter())
        .map(|task| (task.id.clone(), project.node(&task.id)))
        .collect();
    let mut graph = Graph::of(&nodes);
    let reported = report(&nodes);
    for (task, expected) in project.tasks.iter().zip(expected) {
        let found = task.end.unwrap_or(End::Blocked);
        assert_eq!(found, expected, "{} of seed {seed}", task.id);
        let is_reported = reported
            .iter()
            .any(|row| row.task == task.id && !row.blocked_by.is_empty());
        if found == End::Blocked {
            assert_eq!(task.attempts, 0, "{} of seed {seed} was begun", task.id);
            let chain = graph.deadlock(&task.id, &nodes[&task.id].depends_on);
            assert!(chain.is_some() && is_reported, "{} of seed {seed}", task.id);
        }
        assert!(task.ticket.is_none() && !task.has_slot);
    }
    assert!(
        project.served.is_sorted(),
        "first come, first served: {:?}",
        project.served
    );
}

#[test]
fn a_thousand_projects_end_as_they_must() {
    for seed in 0..1000 {
        check(seed);
    }
}
