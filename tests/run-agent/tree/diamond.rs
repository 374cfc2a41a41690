//! Projects of tasks in layers, with failures and branches that were given up, played
//! by real processes: they end in the only right way.

use std::collections::BTreeMap;

use cl_testkit::patience::within;

use crate::stage::{Stage, id};

const TASKS: usize = 200;
const SLOTS: usize = 8;

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % u64::try_from(limit).unwrap()).unwrap()
    }
}

fn name(number: usize) -> String {
    format!("node-{number:03}")
}

struct Node {
    on: Vec<usize>,
    is_cancelled: bool,
    successor: Option<usize>,
    fails: bool,
}

fn nodes(chance: &mut Chance) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for number in 0..TASKS {
        let mut on = Vec::new();
        for _ in 0..chance.below(3) {
            if number > 0 {
                let other = number - 1 - chance.below(number.min(20));
                if !on.contains(&other) {
                    on.push(other);
                }
            }
        }
        let is_cancelled = number % 25 == 5;
        nodes.push(Node {
            successor: (is_cancelled && chance.below(2) == 0).then(|| chance.below(number)),
            fails: chance.below(12) == 0,
            on,
            is_cancelled,
        });
    }
    nodes
}

fn expected(nodes: &[Node]) -> Vec<&'static str> {
    let mut ends: Vec<&'static str> = Vec::new();
    for node in nodes {
        let satisfied = |&other: &usize| {
            let mut at = other;
            while ends[at] == "cancelled" {
                match nodes[at].successor {
                    Some(next) => at = next,
                    None => return false,
                }
            }
            ends[at] == "all_finished"
        };
        ends.push(match () {
            () if node.is_cancelled => "cancelled",
            () if !node.on.iter().all(satisfied) => "blocked",
            () if node.fails => "failed",
            () => "all_finished",
        });
    }
    ends
}

#[track_caller]
fn check(seed: u64) {
    let stage = Stage::new(
        "
  - run: flock @/lock sh -c 'echo enter >>@/visits'
  - run: flock @/lock sh -c 'echo leave >>@/visits'
  - run: test ! -e @/fail-$JRUN_TASK_ID
  - done: true",
    )
    .settings(&format!("defaults: {{max_concurrent_runs: {SLOTS}}}\n"));
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let nodes = nodes(&mut chance);
    for (number, node) in nodes.iter().enumerate() {
        if node.fails {
            stage.touch(&format!("fail-{}", id(&name(number))));
        }
        if node.is_cancelled {
            std::fs::create_dir_all(stage.dir(&name(number)).path()).unwrap();
            let successor = node
                .successor
                .map(|next| format!("--superseded-by {}", id(&name(next))));
            let line = format!("task cancel {} --reason x", id(&name(number)));
            stage.ok(&format!("{line} {}", successor.unwrap_or_default()));
        }
    }
    // In any order: some before what they depend on is there.
    let mut left: Vec<usize> = (0..TASKS).filter(|&n| !nodes[n].is_cancelled).collect();
    while !left.is_empty() {
        let number = left.swap_remove(chance.below(left.len()));
        let on: Vec<String> = nodes[number].on.iter().map(|&n| id(&name(n))).collect();
        let flags = format!(
            "--max-attempts 1 --dependency-poll-interval 500ms --depends-on={}",
            on.join(",")
        );
        stage.detach(&name(number), &flags);
    }
    let expected: BTreeMap<String, &str> = expected(&nodes)
        .into_iter()
        .enumerate()
        .map(|(number, end)| (id(&name(number)), end))
        .collect();
    let mut found = BTreeMap::new();
    let reached = within(cl_testkit::patience::PATIENCE, || {
        let list = stage.json("list");
        let rows = list["tasks"].as_array()?.iter();
        found = rows
            .map(|row| {
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                (text("task_id"), text("status"))
            })
            .collect();
        let is_same = found.iter().all(|(task, status)| expected[task] == status);
        is_same.then_some(list)
    });
    let Some(list) = reached else {
        panic!("seed {seed}: {found:#?} instead of {expected:#?}");
    };
    for row in list["tasks"].as_array().unwrap() {
        let is_stuck = !row["deadlocked_by"].as_array().unwrap().is_empty();
        assert_eq!(is_stuck, row["status"] == "blocked", "{row:#}");
    }
    let (mut present, mut most) = (0_usize, 0);
    for visit in stage.lines("visits") {
        present = if visit == "enter" {
            present + 1
        } else {
            present - 1
        };
        most = most.max(present);
    }
    assert!(present == 0 && most <= SLOTS, "{most} at once");
    stage.scenario.assert_no_clash();
    let begun = expected
        .values()
        .filter(|end| ["all_finished", "failed"].contains(end));
    assert_eq!(stage.scenario.begun().len(), begun.count(), "each once");
}

#[test]
fn a_project_in_layers_ends_as_it_must_1() {
    check(1);
}

#[test]
fn a_project_in_layers_ends_as_it_must_2() {
    check(2);
}

#[test]
fn a_project_in_layers_ends_as_it_must_3() {
    check(3);
}
