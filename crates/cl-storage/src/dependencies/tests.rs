use proptest::prelude::*;

use super::*;
use crate::layout::Root;
use crate::marker::{self, Cancellation};
use crate::snapshot::TaskView;
use crate::task_config::TaskConfig;
use crate::{ProjectId, TaskDir};
use jiff::Timestamp;

fn id(text: &str) -> TaskId {
    TaskId::parse_existing(text).unwrap()
}

fn ids(texts: &[&str]) -> Vec<TaskId> {
    texts.iter().map(|text| id(text)).collect()
}

/// Makes nodes of `(task, standing, dependencies, successor)`.
fn nodes(rows: &[(&str, Standing, &[&str], Option<&str>)]) -> BTreeMap<TaskId, Node> {
    let node =
        |(task, standing, depends_on, successor): &(&str, Standing, &[&str], Option<&str>)| {
            let node = Node {
                standing: *standing,
                depends_on: ids(depends_on),
                superseded_by: successor.map(id),
            };
            (id(task), node)
        };
    rows.iter().map(node).collect()
}

fn facts(status: TaskStatus) -> Facts<'static> {
    Facts {
        status,
        kind: Some("task"),
        owner: OwnerState::None,
        is_active: false,
        has_runs: true,
        goes_on: false,
    }
}

#[test]
fn every_way_a_task_stands() {
    use TaskStatus as S;
    let of = |facts: Facts<'_>| standing(&facts);
    let owned = |status| Facts {
        owner: OwnerState::Alive,
        is_active: true,
        ..facts(status)
    };
    assert_eq!(of(facts(S::AllFinished)), Standing::Done);
    assert_eq!(
        of(facts(S::Completed)),
        Standing::Zombie,
        "a loop without a claim"
    );
    for kind in [Some("job"), None] {
        let single = Facts {
            kind,
            ..facts(S::Completed)
        };
        assert_eq!(of(single), Standing::Done, "{kind:?}");
    }
    assert_eq!(of(owned(S::Running)), Standing::Running);
    assert_eq!(of(owned(S::PartialFailure)), Standing::Running);
    assert_eq!(of(owned(S::Queued)), Standing::Queued);
    assert_eq!(of(facts(S::Queued)), Standing::Queued, "with a server");
    assert_eq!(of(owned(S::Waiting)), Standing::Waiting);
    assert_eq!(of(owned(S::Blocked)), Standing::Blocked);
    assert_eq!(of(facts(S::Failed)), Standing::Failed);
    assert_eq!(of(facts(S::Cancelled)), Standing::Cancelled);
    assert_eq!(of(facts(S::Stopped)), Standing::Zombie);
    assert_eq!(of(facts(S::Unknown)), Standing::Zombie);
    for status in [S::Idle, S::Blocked] {
        let fresh = Facts {
            has_runs: false,
            ..facts(status)
        };
        assert_eq!(of(fresh), Standing::NeverStarted);
        let lost = Facts {
            owner: OwnerState::Lost,
            ..fresh
        };
        assert_eq!(of(lost), Standing::Zombie);
    }
    let goes_on = |status| Facts {
        owner: OwnerState::Lost,
        goes_on: true,
        ..facts(status)
    };
    assert_eq!(of(goes_on(S::Waiting)), Standing::Waiting);
    assert_eq!(of(goes_on(S::Queued)), Standing::Queued);
    assert_eq!(of(goes_on(S::Blocked)), Standing::Blocked);
    assert_eq!(
        of(goes_on(S::Running)),
        Standing::Running,
        "its gates are asked again"
    );
    assert_eq!(of(goes_on(S::Failed)), Standing::Failed);
    for standing in Standing::ALL {
        let word = serde_json::to_value(standing).unwrap();
        assert_eq!(word, standing.as_str());
    }
}

#[test]
fn successors_count_in_the_place_of_what_was_given_up() {
    use Standing::{Cancelled, Done, Running};
    let all = nodes(&[
        ("a", Cancelled, &[], Some("b")),
        ("b", Cancelled, &[], Some("c")),
        ("c", Done, &[], None),
        ("d", Cancelled, &[], Some("e")),
        ("e", Cancelled, &[], Some("d")),
        ("f", Cancelled, &[], Some("gone")),
        ("g", Cancelled, &[], Some("h")),
        ("h", Running, &[], Some("c")),
    ]);
    let mut graph = Graph::of(&all);
    assert_eq!(graph.standing(&id("a")), Done);
    assert_eq!(graph.standing(&id("d")), Cancelled, "they name each other");
    assert_eq!(graph.standing(&id("f")), Standing::Missing);
    assert_eq!(
        graph.standing(&id("g")),
        Running,
        "what runs is not given up"
    );
    let blockers = graph.blockers(&ids(&["a", "d", "f", "g"]));
    let tasks: Vec<&str> = blockers.iter().map(|b| b.task.as_str()).collect();
    assert_eq!(tasks, ["d", "f", "g"]);
}

#[track_caller]
fn check_deadlock(all: &BTreeMap<TaskId, Node>, task: &str, expected: Option<(&str, Standing)>) {
    let mut graph = Graph::of(all);
    let found = graph.deadlock(&id(task), &all[&id(task)].depends_on);
    let found = found.map(|chain| (chain.to_string(), chain.reason));
    assert_eq!(
        found,
        expected.map(|(chain, reason)| (chain.to_owned(), reason))
    );
}

#[test]
fn a_deadlock_is_where_nothing_can_make_progress() {
    use Standing::{Blocked, Cancelled, Done, Failed, NeverStarted, Running};
    let all = nodes(&[
        ("never", NeverStarted, &[], None),
        ("behind-never", Blocked, &["never"], None),
        ("far", Blocked, &["behind-never"], None),
        ("idle-chain", NeverStarted, &["never"], None),
        ("behind-idle", Blocked, &["idle-chain"], None),
        ("run", Running, &[], None),
        ("done", Done, &[], None),
        ("failed", Failed, &["never"], None),
        ("behind-run", Blocked, &["run"], None),
        ("mixed", Blocked, &["failed", "behind-run"], None),
        ("about-to-begin", Blocked, &["done"], None),
        ("behind-that", Blocked, &["about-to-begin"], None),
        ("given-up", Cancelled, &[], Some("never")),
        ("behind-given-up", Blocked, &["done", "given-up"], None),
        ("behind-failed", Blocked, &["failed"], None),
        ("behind-missing", Blocked, &["nowhere"], None),
        ("behind-run-idle", NeverStarted, &["run"], None),
        ("behind-nobody", Blocked, &["behind-run-idle"], None),
        ("ring-1", Blocked, &["ring-2"], None),
        ("ring-2", Blocked, &["ring-1"], None),
    ]);
    check_deadlock(
        &all,
        "behind-never",
        Some(("behind-never -> never", NeverStarted)),
    );
    check_deadlock(
        &all,
        "far",
        Some(("far -> behind-never -> never", NeverStarted)),
    );
    check_deadlock(
        &all,
        "behind-idle",
        Some(("behind-idle -> idle-chain -> never", NeverStarted)),
    );
    check_deadlock(&all, "behind-run", None);
    check_deadlock(&all, "mixed", None);
    check_deadlock(&all, "about-to-begin", None);
    check_deadlock(&all, "behind-that", None);
    check_deadlock(
        &all,
        "behind-given-up",
        Some(("behind-given-up -> given-up -> never", NeverStarted)),
    );
    check_deadlock(
        &all,
        "behind-nobody",
        Some(("behind-nobody -> behind-run-idle", NeverStarted)),
    );
    check_deadlock(
        &all,
        "behind-failed",
        Some(("behind-failed -> failed", Failed)),
    );
    check_deadlock(
        &all,
        "behind-missing",
        Some(("behind-missing -> nowhere", Standing::Missing)),
    );
    check_deadlock(
        &all,
        "ring-1",
        Some(("ring-1 -> ring-2 -> ring-1", Blocked)),
    );
}

#[test]
fn the_report_names_what_is_stuck_and_what_others_wait_for() {
    use Standing::{Blocked, Cancelled, NeverStarted, Running};
    let all = nodes(&[
        ("a", NeverStarted, &[], None),
        ("b", NeverStarted, &["a"], None),
        ("c", Blocked, &["run"], None),
        ("d", Cancelled, &["a"], None),
        ("e", NeverStarted, &[], None),
        ("run", Running, &[], None),
    ]);
    let found = report(&all);
    let rows: Vec<(&str, bool, String, &str)> = found
        .iter()
        .map(|row| {
            let reason = row.chain.reason.as_str();
            (
                row.task.as_str(),
                row.is_stuck,
                row.chain.to_string(),
                reason,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("a", true, "a".to_owned(), "never-started"),
            ("b", true, "b -> a".to_owned(), "never-started"),
            ("c", false, "c -> run".to_owned(), "running"),
        ]
    );
    assert!(found[0].blocked_by.is_empty());
}

#[test]
fn cycles_are_found_in_the_order_of_ids() {
    let edges = |pairs: &[(&str, &[&str])]| -> BTreeMap<TaskId, Vec<TaskId>> {
        pairs.iter().map(|(task, on)| (id(task), ids(on))).collect()
    };
    let check = |pairs: &[(&str, &[&str])], expected: Option<&str>| {
        let found = find_cycle(&edges(pairs)).map(|cycle| joined(&cycle, " -> "));
        assert_eq!(found.as_deref(), expected, "{pairs:?}");
    };
    check(&[], None);
    check(&[("a", &["b"]), ("b", &["c"]), ("d", &["b", "c"])], None);
    check(&[("a", &["b"]), ("b", &["a"])], Some("a -> b -> a"));
    check(&[("b", &["a"]), ("a", &["a"])], Some("a -> a"));
    check(
        &[("a", &["x", "b"]), ("b", &["c"]), ("c", &["b"]), ("x", &[])],
        Some("b -> c -> b"),
    );
    let long: Vec<(String, String)> = (0..50_000)
        .map(|n| (format!("t{n:06}"), format!("t{:06}", n + 1)))
        .collect();
    let long = long
        .iter()
        .map(|(task, on)| (id(task), ids(&[on])))
        .collect();
    assert_eq!(find_cycle(&long), None);
}

/// Up to 12 tasks, each with a standing, some dependencies and perhaps a successor.
fn any_nodes() -> impl Strategy<Value = BTreeMap<TaskId, Node>> {
    let name = |n: usize| id(&format!("t{n:02}"));
    let node = (
        0..Standing::ALL.len(),
        proptest::collection::vec(0..14_usize, 0..4),
        proptest::option::of(0..14_usize),
    );
    proptest::collection::vec(node, 1..12).prop_map(move |rows| {
        let node = |(standing, on, successor): (usize, Vec<usize>, Option<usize>)| Node {
            standing: Standing::ALL[standing],
            depends_on: on.into_iter().map(name).collect(),
            superseded_by: successor.map(name),
        };
        let rows = rows.into_iter().enumerate();
        rows.map(|(n, row)| (name(n), node(row))).collect()
    })
}

/// Plays on: whatever goes on by itself becomes done, and whoever waits for nothing begins.
fn played_out(nodes: &BTreeMap<TaskId, Node>) -> BTreeMap<TaskId, Node> {
    let mut nodes = nodes.clone();
    loop {
        let now = nodes.clone();
        let mut graph = Graph::of(&now);
        let next = now.iter().find(|(_, node)| match node.standing {
            Standing::Running | Standing::Queued | Standing::Waiting => true,
            Standing::Blocked => graph.blockers(&node.depends_on).is_empty(),
            _ => false,
        });
        let Some(next) = next.map(|(task, _)| task.clone()) else {
            return nodes;
        };
        nodes.get_mut(&next).unwrap().standing = Standing::Done;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// What is called a deadlock never resolves by itself, however long one waits, and
    /// its chain leads along dependencies to the culprit that it names.
    #[test]
    fn a_deadlock_stays_one(nodes in any_nodes()) {
        let end = played_out(&nodes);
        for (task, node) in &nodes {
            let mut graph = Graph::of(&nodes);
            let Some(chain) = graph.deadlock(task, &node.depends_on) else { continue };
            let mut later = Graph::of(&end);
            for dependency in graph.blockers(&node.depends_on) {
                prop_assert_ne!(later.standing(&dependency.task), Standing::Done, "{} of {}", dependency.task, task);
            }
            prop_assert_eq!(&chain.path[0], task);
            prop_assert!(!chain.reason.goes_on());
            prop_assert_eq!(graph.standing(chain.culprit().unwrap()), chain.reason);
            for pair in chain.path.windows(2) {
                let from = nodes.get(&pair[0]).cloned().unwrap_or_else(Node::missing);
                let is_edge = from.depends_on.contains(&pair[1]);
                prop_assert!(is_edge || graph.counting(&pair[0]) == pair[1], "{}", chain);
            }
        }
    }

    /// Every task that is not served in the end is in a deadlock then, and only such.
    #[test]
    fn in_the_end_whoever_waits_is_in_a_deadlock(nodes in any_nodes()) {
        let end = played_out(&nodes);
        for (task, node) in end.iter().filter(|(_, node)| node.standing == Standing::Blocked) {
            let found = Graph::of(&end).deadlock(task, &node.depends_on);
            prop_assert!(found.is_some(), "{task}");
        }
    }

    /// The search for cycles agrees with taking away, again and again, what depends on nothing.
    #[test]
    fn a_cycle_is_what_cannot_be_sorted(nodes in any_nodes()) {
        let edges: BTreeMap<TaskId, Vec<TaskId>> =
            nodes.iter().map(|(id, node)| (id.clone(), node.depends_on.clone())).collect();
        let mut left = edges.clone();
        loop {
            let before = left.len();
            let names: BTreeSet<TaskId> = left.keys().cloned().collect();
            left.retain(|_, on| on.iter().any(|id| names.contains(id)));
            if left.len() == before { break }
        }
        let cycle = find_cycle(&edges);
        prop_assert_eq!(cycle.is_some(), !left.is_empty());
        if let Some(cycle) = cycle {
            prop_assert_eq!(cycle.first(), cycle.last());
            for pair in cycle.windows(2) {
                prop_assert!(edges[&pair[0]].contains(&pair[1]));
            }
        }
    }

    #[test]
    fn reports_are_complete_and_do_not_hang(nodes in any_nodes()) {
        let found = report(&nodes);
        let mut graph = Graph::of(&nodes);
        for (task, node) in &nodes {
            let is_open = !node.standing.goes_on() && node.standing != Standing::Cancelled;
            let is_blocked = is_open && !graph.blockers(&node.depends_on).is_empty();
            let row = found.iter().find(|row| row.task == *task);
            prop_assert!(!is_blocked || row.is_some(), "{task}");
        }
    }
}

struct Place {
    _folder: tempfile::TempDir,
    root: Root,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(&folder.path().join("root")).unwrap();
        root.ensure().unwrap();
        Self {
            _folder: folder,
            root,
        }
    }

    fn project(&self) -> crate::ProjectDir {
        self.root.project(&ProjectId::parse("p").unwrap()).unwrap()
    }

    fn task(&self, name: &str) -> TaskDir {
        let id = TaskId::parse(&format!("task-20260101-000000-{name}")).unwrap();
        let task = self.project().task(&id).unwrap();
        task.ensure().unwrap();
        task
    }
}

#[test]
fn what_would_close_a_cycle_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (a, b) = (place.task("aaa"), place.task("bbb"));
    let before = set_dependencies(&place.root, &a, vec![b.id().clone()]).unwrap();
    let error = set_dependencies(&place.root, &b, vec![a.id().clone()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "dependency cycle detected: {0} -> {1} -> {0}",
            a.id(),
            b.id()
        )
    );
    assert!(!b.config().exists());
    let error = set_dependencies(&place.root, &a, vec![a.id().clone()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("task \"{}\" cannot depend on itself", a.id())
    );
    before.undo(&place.root, &a);
    assert!(!a.config().exists());
    set_dependencies(&place.root, &b, vec![a.id().clone()]).unwrap();
    set_dependencies(&place.root, &b, Vec::new()).unwrap();
    assert!(!b.config().exists(), "an empty list leaves no file");
}

#[test]
fn taking_dependencies_back_leaves_alone_what_somebody_has_changed_since() {
    let place = Place::new();
    let (a, b, c) = (place.task("aaa"), place.task("bbb"), place.task("ccc"));
    set_dependencies(&place.root, &a, vec![b.id().clone()]).unwrap();
    let stored = set_dependencies(&place.root, &a, vec![b.id().clone(), c.id().clone()]).unwrap();
    let lifted = [b.id().clone()];
    update(&place.root, &a, |config| {
        config.unblock(&lifted, "frozen", Timestamp::UNIX_EPOCH);
    })
    .unwrap();
    stored.undo(&place.root, &a);
    let config = TaskConfig::read(&a).unwrap();
    assert_eq!(config.gating(), [c.id().clone()], "{config:?}");
}

#[test]
fn taking_dependencies_back_waits_for_the_lock() {
    let place = Place::new();
    let (a, b) = (place.task("aaa"), place.task("bbb"));
    let stored = set_dependencies(&place.root, &a, vec![b.id().clone()]).unwrap();
    let undone = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        locked(&place.root, a.project(), || {
            scope.spawn(|| {
                stored.undo(&place.root, &a);
                undone.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            // Whoever holds the lock may rewrite the file, which then is not put back.
            for _ in 0..1000 {
                std::thread::yield_now();
            }
            assert!(!undone.load(std::sync::atomic::Ordering::SeqCst));
            assert!(a.config().exists());
        })
        .unwrap();
    });
    assert!(!a.config().exists());
}

#[test]
fn of_two_launches_that_make_a_cycle_together_one_is_refused() {
    for _ in 0..20 {
        let place = Place::new();
        let (a, b) = (place.task("aaa"), place.task("bbb"));
        let barrier = std::sync::Barrier::new(2);
        let one = |task: &TaskDir, on: &TaskDir| {
            barrier.wait();
            set_dependencies(&place.root, task, vec![on.id().clone()]).is_ok()
        };
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| one(&a, &b));
            let second = scope.spawn(|| one(&b, &a));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert!(first != second, "{first} {second}");
        assert_eq!(a.config().exists(), first);
        assert_eq!(b.config().exists(), second);
    }
}

#[test]
fn files_say_how_tasks_stand() {
    let place = Place::new();
    let now = Timestamp::UNIX_EPOCH;
    let (a, b, c) = (place.task("aaa"), place.task("bbb"), place.task("ccc"));
    set_dependencies(&place.root, &b, vec![a.id().clone()]).unwrap();
    let look = |task: &TaskDir| TaskView::read(&place.root, task, now).unwrap();
    assert_eq!(look(&a).status, TaskStatus::Idle);
    assert_eq!(look(&b).status, TaskStatus::Blocked);
    assert_eq!(look(&b).blocked_by[0].standing, Standing::NeverStarted);
    let lookout = Lookout::new(place.root.clone(), place.project());
    let standing = || lookout.graph(now).standing(a.id());
    assert_eq!(standing(), Standing::NeverStarted);
    let cancellation = Cancellation {
        at: now,
        reason: "done elsewhere".into(),
        superseded_by: Some(c.id().clone()),
    };
    marker::cancel(&a, &cancellation).unwrap();
    assert_eq!(standing(), Standing::NeverStarted, "its successor's");
    marker::create_done(&c).unwrap();
    assert_eq!(standing(), Standing::Done);
    assert_eq!(look(&b).status, TaskStatus::Idle);
    let config = TaskConfig::read(&b).unwrap();
    assert_eq!(config.depends_on, [a.id().clone()]);
    marker::clear(&a, marker::Marker::Cancelled).unwrap();
    assert_eq!(standing(), Standing::NeverStarted);
    std::fs::remove_dir_all(a.path()).unwrap();
    assert_eq!(standing(), Standing::Missing);
    let lifted = |config: &mut TaskConfig| config.unblock(&[a.id().clone()], "", now);
    update(&place.root, &b, lifted).unwrap();
    assert_eq!(look(&b).status, TaskStatus::Idle);
    assert_eq!(look(&b).depends_on, [a.id().clone()]);
}

#[test]
fn a_watcher_reads_what_rests_only_a_few_times() {
    let place = Place::new();
    let now = Timestamp::UNIX_EPOCH;
    let a = place.task("aaa");
    let lookout = Lookout::new(place.root.clone(), place.project());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut last = u64::MAX;
    // It reads until the folder has rested for two seconds, and then no more.
    while last != lookout.reads() {
        assert!(std::time::Instant::now() < until, "it never stops reading");
        last = lookout.reads();
        for _ in 0..1000 {
            lookout.graph(now).standing(a.id());
        }
    }
    marker::create_done(&a).unwrap();
    assert_eq!(lookout.graph(now).standing(a.id()), Standing::Done);
    assert_eq!(lookout.reads(), last + 1);
}
