use cl_storage::owner::OwnerState;
use cl_wire::facts::ParentRef;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn project() -> ProjectId {
    ProjectId::parse("p").unwrap()
}

fn task_id(name: &str) -> TaskId {
    TaskId::parse_existing(name).unwrap()
}

/// The run of this number; higher ones are later.
fn run_id(number: u32) -> RunId {
    RunId::parse(&format!("20260101-000000{number:04}-7-1")).unwrap()
}

fn row(name: &str, activity: i64, status: TaskStatus) -> TaskRow {
    let active = matches!(status, TaskStatus::Running);
    TaskRow {
        project_id: project(),
        task_id: task_id(name),
        status,
        exit_code: None,
        latest_run: None,
        latest_status: None,
        kind: None,
        active,
        runs: 0,
        done: status == TaskStatus::AllFinished,
        claim: None,
        suspicious: false,
        pid_alive: None,
        owner: OwnerState::None,
        goes_on: false,
        waiting_for: None,
        wake_at: None,
        attempts: None,
        agent: None,
        failure: None,
        parent: None,
        children: Vec::new(),
        depends_on: Vec::new(),
        blocked_by: Vec::new(),
        deadlocked_by: Vec::new(),
        queue_position: None,
        last_activity: Some(at(activity)),
        legacy: false,
        problems: Vec::new(),
    }
}

/// A task, what it answers, and its runs: number, the one before, the one that launched it.
struct Planted {
    row: TaskRow,
    thread: Option<ThreadParent>,
    runs: Vec<(u32, Option<u32>, Option<u32>)>,
}

fn task(name: &str, activity: i64, status: TaskStatus) -> Planted {
    Planted {
        row: row(name, activity, status),
        thread: None,
        runs: Vec::new(),
    }
}

fn done(name: &str, activity: i64) -> Planted {
    task(name, activity, TaskStatus::AllFinished)
}

impl Planted {
    fn answers(mut self, name: &str) -> Self {
        self.thread = Some(ThreadParent {
            project_id: project(),
            task_id: task_id(name),
            run_id: run_id(1),
            message_id: cl_storage::MessageId::parse("MSG-20260223-200130-000000001-PID00500-0003")
                .unwrap(),
            message_type: None,
        });
        self
    }

    fn launched_by(mut self, name: &str) -> Self {
        self.row.parent = Some(ParentRef {
            project_id: project(),
            task_id: task_id(name),
            run_id: run_id(1),
        });
        self
    }

    fn elsewhere(mut self) -> Self {
        let other = ProjectId::parse("q").unwrap();
        if let Some(thread) = &mut self.thread {
            thread.project_id = other.clone();
        }
        if let Some(parent) = &mut self.row.parent {
            parent.project_id = other;
        }
        self
    }

    fn runs(mut self, runs: &[(u32, Option<u32>, Option<u32>)]) -> Self {
        self.runs = runs.to_vec();
        self.row.runs = runs.len();
        self.row.latest_run = runs.iter().map(|(number, ..)| run_id(*number)).max();
        self
    }

    fn nodes(&self) -> Vec<RunNode> {
        let nodes = self.runs.iter().map(|(number, previous, parent)| RunNode {
            run_id: run_id(*number),
            task_id: self.row.task_id.clone(),
            status: RunStatus::Completed,
            phase: None,
            attempt: None,
            role: None,
            agent: None,
            exit_code: Some(0),
            started: Some(at(i64::from(*number))),
            ended: None,
            parent_run_id: parent.map(run_id),
            previous_run_id: previous.map(run_id),
            failure: None,
        });
        nodes.collect()
    }
}

fn grow(planted: &[Planted], selected: Option<&TaskId>, most_rows: usize) -> Tree {
    let members: Vec<Member<'_>> = planted
        .iter()
        .map(|planted| Member {
            row: &planted.row,
            thread_parent: planted.thread.as_ref(),
        })
        .collect();
    let runs_of = |row: &TaskRow| {
        let its = planted
            .iter()
            .find(|planted| planted.row.task_id == row.task_id);
        its.unwrap().nodes()
    };
    let wish = Wish {
        selected,
        most_rows,
    };
    build(&project(), &members, Vec::new(), wish, runs_of)
}

/// Draws the rows: one line each, two blanks per level, runs by number.
fn drawn(tree: &Tree) -> Vec<String> {
    let lines = tree.rows.iter().map(|row| {
        let indent = "  ".repeat(row.level);
        match &row.node {
            Node::Task(task) if task.missing => format!("{indent}{}?", row.key),
            Node::Task(_) => format!("{indent}{}", row.key),
            Node::Run(run) => {
                let number: u32 = run.run_id.as_str()[15..19].parse().unwrap();
                let mark = match row.place {
                    Place::Replaced => "<",
                    Place::Launched => "+",
                    _ => "#",
                };
                format!("{indent}{mark}{number}")
            }
        }
    });
    lines.collect()
}

/// Expects the drawing of the tree of `planted`, whatever their order.
#[track_caller]
fn check(mut planted: Vec<Planted>, expected: &[&str]) -> Tree {
    let tree = grow(&planted, None, MOST_ROWS);
    assert_eq!(drawn(&tree), expected);
    is_sound(&tree);
    let mut state = 7_usize;
    for _ in 0..24 {
        for last in (1..planted.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            planted.swap(last, (state >> 33) % (last + 1));
        }
        for planted in &mut planted {
            planted.runs.reverse();
        }
        assert_eq!(grow(&planted, None, MOST_ROWS), tree);
    }
    tree
}

/// What holds of every tree: links and counts agree, and each key stands once.
#[track_caller]
fn is_sound(tree: &Tree) {
    let mut keys = HashSet::new();
    for (at, row) in tree.rows.iter().enumerate() {
        assert!(keys.insert(&row.key), "{} stands twice", row.key);
        match row.parent {
            None => assert_eq!(row.level, 0),
            Some(parent) => {
                assert!(parent < at && at <= parent + tree.rows[parent].below);
                assert_eq!(row.level, tree.rows[parent].level + 1);
            }
        }
        let rest = &tree.rows[at + 1..];
        let below = rest
            .iter()
            .take_while(|below| below.level > row.level)
            .count();
        assert_eq!(row.below, below, "{}", row.key);
        let active = rest[..below].iter().any(is_active);
        assert_eq!(row.active_below, active, "{}", row.key);
    }
}

#[test]
fn tasks_are_ordered_by_what_the_server_says_of_them_alone() {
    let early = done("early", 5).runs(&[(1, None, None), (900, None, None)]);
    let tree = check(
        vec![
            done("b", 10),
            early,
            done("a", 10),
            done("late", 20),
            Planted {
                row: TaskRow {
                    last_activity: None,
                    ..row("never", 0, TaskStatus::Idle)
                },
                thread: None,
                runs: Vec::new(),
            },
        ],
        &["late", "b", "a", "early", "  #900", "  #1", "never"],
    );
    assert_eq!(tree.last_activity, Some(at(20)));
    assert_eq!((tree.counts.tasks, tree.counts.root_tasks), (5, 5));
    assert_eq!((tree.counts.completed, tree.counts.runs), (4, 2));
}

#[test]
fn threads_go_through_three_levels_and_count_before_launches() {
    let tree = check(
        vec![
            done("a", 1),
            done("b", 2).answers("a"),
            done("c", 3).answers("b"),
            done("other", 9),
            done("d", 4).answers("a").launched_by("other"),
            done("e", 5).launched_by("a"),
        ],
        &["other", "a", "  e", "  d", "  b", "    c"],
    );
    let places: Vec<Place> = tree.rows.iter().map(|row| row.place).collect();
    let (root, thread) = (Place::Root, Place::Thread);
    assert_eq!(places, [root, root, Place::Child, thread, thread, thread]);
}

#[test]
fn links_to_other_projects_and_to_oneself_nest_nothing() {
    check(
        vec![
            done("a", 1).answers("a"),
            done("b", 2).answers("a").elsewhere(),
            done("c", 3).launched_by("a").elsewhere(),
            done("d", 4).launched_by("d"),
        ],
        &["d", "c", "b", "a"],
    );
}

#[test]
fn a_missing_parent_gets_a_row_at_its_childs_place() {
    let tree = check(
        vec![
            done("x", 30),
            done("a", 10).answers("gone"),
            done("b", 20).launched_by("gone"),
            done("y", 15),
        ],
        &["x", "gone?", "  b", "  a", "y"],
    );
    assert_eq!((tree.counts.tasks, tree.counts.root_tasks), (4, 2));
    assert_eq!(tree.status, ProjectStatus::Idle);
}

#[test]
fn no_ring_loses_anybody() {
    check(
        vec![
            done("a", 1).answers("b"),
            done("b", 2).answers("c"),
            done("c", 3).launched_by("a"),
            done("below", 4).answers("b"),
            done("lower", 5).answers("below"),
        ],
        &["c", "b", "  below", "    lower", "a"],
    );
}

#[test]
fn a_chain_of_restarts_has_the_newest_on_top() {
    let chain: Vec<_> = (1..=10)
        .map(|n| (n, (n > 1).then(|| n - 1), None))
        .collect();
    let drawing: Vec<String> = std::iter::once("a".to_owned())
        .chain((1..=10).rev().map(|n: usize| {
            let mark = if n == 10 { "#" } else { "<" };
            format!("{}{mark}{n}", "  ".repeat(11 - n))
        }))
        .collect();
    let drawing: Vec<&str> = drawing.iter().map(String::as_str).collect();
    let tree = check(vec![done("a", 1).runs(&chain)], &drawing);
    let Node::Task(a) = &tree.rows[0].node else {
        panic!("a task")
    };
    assert_eq!((a.runs, a.restarts, a.started), (10, 9, Some(at(10))));
}

#[test]
fn runs_stand_below_what_replaced_or_launched_them() {
    // 2 and 3 were launched by 1, 4 replaced 3, 5 and 6 both say that they follow 4.
    let runs = [
        (1, None, None),
        (2, None, Some(1)),
        (3, None, Some(1)),
        (4, Some(3), Some(1)),
        (5, Some(4), None),
        (6, Some(4), None),
        (7, Some(99), Some(98)),
    ];
    check(
        vec![done("a", 1).runs(&runs)],
        &[
            "a", "  #7", "  #6", "    <4", "      <3", "  #5", "  #1", "    +2",
        ],
    );
}

#[test]
fn rings_of_runs_are_all_shown() {
    let runs = [
        (1, Some(3), None),
        (2, Some(1), None),
        (3, Some(2), None),
        (4, Some(4), Some(4)),
        (5, None, Some(2)),
    ];
    check(
        vec![done("a", 1).runs(&runs)],
        &["a", "  #4", "  #3", "  #2", "    +5", "  #1"],
    );
}

#[test]
fn an_only_run_stands_in_the_row_of_its_task() {
    let tree = check(
        vec![
            done("a", 1).runs(&[(1, None, None)]),
            done("b", 2).launched_by("a"),
        ],
        &["a", "  b"],
    );
    let Node::Task(a) = &tree.rows[0].node else {
        panic!("a task")
    };
    assert_eq!(a.only_run.as_ref().unwrap().run_id, run_id(1));
    assert_eq!(a.started, Some(at(1)));
}

#[test]
fn what_is_active_is_seen_from_above() {
    let running = || task("deep", 5, TaskStatus::Running).launched_by("middle");
    let tree = check(
        vec![
            done("a", 9),
            running(),
            done("middle", 4).answers("a"),
            task("q", 1, TaskStatus::Queued),
        ],
        &["a", "  middle", "    deep", "q"],
    );
    let seen: Vec<bool> = tree.rows.iter().map(|row| row.active_below).collect();
    assert_eq!(seen, [true, true, false, false]);
    assert_eq!(tree.status, ProjectStatus::Running);
    assert_eq!((tree.counts.active, tree.counts.queued), (1, 1));
    let waits = vec![task("q", 1, TaskStatus::Queued), done("a", 2)];
    assert_eq!(grow(&waits, None, 9).status, ProjectStatus::Queued);
    assert_eq!(grow(&[done("a", 2)], None, 9).status, ProjectStatus::Idle);
}

#[test]
fn labels_leave_out_what_all_ids_have() {
    for (id, label) in [
        ("task-20260223-204858-docs-pass", "docs-pass"),
        ("task-2026-204858-docs", "task-2026-204858-docs"),
        ("old", "old"),
    ] {
        assert_eq!(task_label(id), label);
    }
    assert_eq!(run_label("20260223-2048580000-66788-1"), "20260223-20485…");
    assert_eq!(run_label("short"), "short");
}

#[test]
fn too_much_is_cut_from_the_end_and_nothing_active() {
    let two = [(1, None, None), (2, None, None)];
    let other = [(3, None, None), (4, None, None)];
    let planted = || {
        vec![
            done("new", 9).runs(&two),
            done("old", 2),
            done("older", 1).runs(&other),
            task("busy", 0, TaskStatus::Running).launched_by("kept"),
            done("kept", 0),
        ]
    };
    let full = grow(&planted(), None, 9);
    assert!(!full.truncated && full.rows.len() == 9);
    for (most, expected) in [
        (
            8,
            &["new", "  #2", "  #1", "old", "older", "kept", "  busy"][..],
        ),
        (6, &["new", "old", "older", "kept", "  busy"]),
        (4, &["new", "old", "kept", "  busy"]),
        (0, &["kept", "  busy"]),
    ] {
        let tree = grow(&planted(), None, most);
        assert_eq!(drawn(&tree), expected, "{most}");
        assert!(tree.truncated);
        assert_eq!(tree.counts, full.counts, "all are counted");
        is_sound(&tree);
    }
    let older = task_id("older");
    let selected = grow(&planted(), Some(&older), 0);
    assert_eq!(
        drawn(&selected),
        ["older", "  #4", "  #3", "kept", "  busy"]
    );
}

#[test]
fn deep_and_wide_trees_are_built_at_once() {
    let deep = (0..3000_u32).map(|n| {
        let task = done(&format!("t{n:05}"), i64::from(n));
        match n {
            0 => task,
            _ => task.launched_by(&format!("t{:05}", n - 1)),
        }
    });
    let deep: Vec<Planted> = deep.collect();
    let tree = grow(&deep, None, MOST_ROWS);
    assert_eq!(tree.rows.len(), 3000);
    assert_eq!(tree.rows[2999].level, 2999);
    assert_eq!(tree.rows[0].below, 2999);
}
