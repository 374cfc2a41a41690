use super::*;

fn run(n: u32) -> RunId {
    RunId::parse(&format!("20260101-0000000000-1-{n}")).unwrap()
}

fn task(n: u32) -> TaskId {
    TaskId::parse(&format!("task-20260101-000000-t{n:03}")).unwrap()
}

fn project() -> ProjectId {
    ProjectId::parse("p").unwrap()
}

fn root() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(&folder.path().join("root")).unwrap();
    root.ensure().unwrap();
    (folder, root)
}

fn ask(root: &Root, n: u32) -> Admission {
    ask_as(root, n, &format!("launch-{n}"))
}

fn ask_as(root: &Root, n: u32, launch: &str) -> Admission {
    let who = Applicant {
        project: &project(),
        task: &task(n),
        run: &run(n),
        launch,
    };
    enter(root, 1, who, Timestamp::UNIX_EPOCH).unwrap()
}

fn accept(root: &Root, n: u32, may_begin: bool) -> Submitted {
    let accepted = Accepted {
        project: &project(),
        task: &task(n),
        launch: &format!("launch-{n}"),
        run: None,
        request: serde_json::json!({"prompt": "Do: it.\n", "n": 1, "config": {"a b": [null]}}),
        may_begin,
    };
    submit(root, accepted, Timestamp::UNIX_EPOCH).unwrap()
}

#[track_caller]
fn slot(admission: Admission) -> Slot {
    match admission {
        Admission::Slot(slot, _) => slot,
        Admission::Wait(ticket) => panic!("it has to wait: {ticket:?}"),
    }
}

#[track_caller]
fn ticket(admission: Admission) -> Ticket {
    match admission {
        Admission::Wait(ticket) => ticket,
        Admission::Slot(slot, _) => panic!("it need not wait: {slot:?}"),
    }
}

#[test]
fn nobody_overtakes() {
    let (_folder, root) = root();
    let first = slot(ask(&root, 1));
    let second = ticket(ask(&root, 2));
    let third = ticket(ask(&root, 3));
    assert!(matches!(second.try_take(1, &run(2)).unwrap(), Turn::First));
    assert!(matches!(third.try_take(1, &run(3)).unwrap(), Turn::Behind));
    let queue = Queue::read(&root).unwrap();
    assert_eq!(queue.position(&project(), &task(2)), Some(1));
    assert_eq!(queue.position(&project(), &task(3)), Some(2));
    assert_eq!(queue.position(&project(), &task(1)), None);
    first.release().unwrap();
    // A newcomer meets a free slot, and those who came before.
    let fourth = ticket(ask(&root, 4));
    assert!(matches!(third.try_take(1, &run(3)).unwrap(), Turn::Behind));
    let Turn::Taken(second) = second.try_take(1, &run(2)).unwrap() else {
        panic!("its turn has come");
    };
    assert!(matches!(third.try_take(1, &run(3)).unwrap(), Turn::First));
    third.withdraw();
    second.release().unwrap();
    let Turn::Taken(_) = fourth.try_take(1, &run(4)).unwrap() else {
        panic!("its turn has come");
    };
    assert_eq!(Queue::read(&root).unwrap().entries().count(), 0);
    assert_eq!(first_waiting(&root), None);
}

/// Puts a ticket of a process that is gone at the end of the queue.
fn leave_dead_ticket(root: &Root, n: u32) -> PathBuf {
    let entry = Entry {
        version: KNOWN_VERSION,
        kind: Kind::Run,
        sequence: 0,
        project: project(),
        task: task(n),
        run: Some(run(n)),
        submitted_at: Timestamp::UNIX_EPOCH,
        owner: Some(Waiter {
            pid: i32::MAX,
            process_start: ProcessIdentity::current().unwrap().start,
        }),
        launch: None,
        request: None,
    };
    locked(root, |folder| add(folder, entry)).unwrap().0
}

#[test]
fn tickets_of_the_dead_are_skipped_and_removed() {
    let (_folder, root) = root();
    let dead = leave_dead_ticket(&root, 7);
    assert_eq!(
        Queue::read(&root).unwrap().position(&project(), &task(7)),
        None
    );
    assert!(dead.exists(), "readers change nothing");
    let first = slot(ask(&root, 1));
    assert!(!dead.exists());
    let dead = leave_dead_ticket(&root, 8);
    let second = ticket(ask(&root, 2));
    assert_eq!(
        Queue::read(&root).unwrap().position(&project(), &task(2)),
        Some(1)
    );
    first.release().unwrap();
    assert!(matches!(
        second.try_take(1, &run(2)).unwrap(),
        Turn::Taken(_)
    ));
    assert!(!dead.exists());
}

#[test]
fn entries_of_a_server_that_may_not_begin_hold_up_nobody() {
    let (_folder, root) = root();
    let submitted = accept(&root, 5, false);
    let first = slot(ask(&root, 1));
    accept(&root, 6, false);
    let second = ticket(ask(&root, 2));
    let queue = Queue::read(&root).unwrap();
    assert_eq!(queue.entries().next(), Some(&submitted.entry));
    let position = |n| queue.position(&project(), &task(n));
    assert_eq!(
        (position(5), position(6), position(2)),
        (Some(1), Some(2), Some(1))
    );
    assert!(has_server_entry(&root, &project(), &task(5)));
    assert!(!has_server_entry(&root, &project(), &task(2)));
    first.release().unwrap();
    assert!(matches!(
        second.try_take(1, &run(2)).unwrap(),
        Turn::Taken(_)
    ));
    assert_eq!(Queue::read(&root).unwrap().entries().count(), 2);
    assert_eq!(drop_entries(&root, &project(), &task(5)).unwrap(), 1);
    assert!(!has_server_entry(&root, &project(), &task(5)));
}

#[test]
fn an_entry_that_may_begin_keeps_its_place_and_becomes_the_ticket_of_its_launch() {
    let (_folder, root) = root();
    let first = accept(&root, 1, true);
    let second = accept(&root, 2, true);
    let other = ticket(ask(&root, 9));
    assert_eq!(other.sequence(), 3, "it came later, and waits");
    assert!(matches!(other.try_take(1, &run(9)).unwrap(), Turn::Behind));
    assert_eq!(
        first_waiting(&root),
        None,
        "a server is not to be signalled"
    );

    let mine = slot(ask(&root, 1));
    assert_eq!(submitted(&root, &first.name), None, "gone with the slot");
    assert!(matches!(other.try_take(1, &run(9)).unwrap(), Turn::Behind));
    let ticket = ticket(ask(&root, 2));
    assert_eq!(ticket.sequence(), second.entry.sequence);
    assert_eq!(submitted(&root, &second.name), None, "it is a ticket now");
    let names = Names::list(&root).unwrap();
    assert_eq!(names.waiting_supervisors(&root, 9), 2);
    assert_eq!(names.waiting_supervisors(&root, 1), 1);
    mine.release().unwrap();
    let taken = ticket.try_take(1, &run(2)).unwrap();
    assert!(matches!(taken, Turn::Taken(_)));
    assert!(matches!(other.try_take(1, &run(9)).unwrap(), Turn::First));
}

#[test]
fn those_that_a_dead_server_has_launched_leave_the_others_to_the_next_one() {
    let (_folder, root) = root();
    let mut first = accept(&root, 1, true);
    accept(&root, 2, true);
    let dead = Waiter {
        pid: i32::MAX,
        process_start: ProcessIdentity::current().unwrap().start,
    };
    first.entry.owner = Some(dead);
    let text = crate::yaml::to_text(&first.entry).unwrap();
    std::fs::write(folder_of(&root).join(&first.name), text).unwrap();

    let second = ticket(ask(&root, 2));
    assert!(matches!(second.try_take(2, &run(2)).unwrap(), Turn::First));
    let other = ticket(ask(&root, 9));
    assert!(matches!(other.try_take(2, &run(9)).unwrap(), Turn::Behind));
    // Whoever was not woken because of it is named to it.
    let Admission::Slot(_first, Some(next)) = ask(&root, 1) else {
        panic!("its turn has come, and others wait");
    };
    assert_eq!(next, ProcessIdentity::current().unwrap());
    let taken = second.try_take(2, &run(2)).unwrap();
    assert!(matches!(taken, Turn::Taken(_)));
}

#[test]
fn nobody_overtakes_an_entry_that_becomes_a_ticket() {
    let (_folder, root) = root();
    let first = accept(&root, 1, true);
    let second = ticket(ask(&root, 2));
    let (tried, result) = std::sync::mpsc::channel();
    let taken = std::thread::scope(|scope| {
        locked(&root, |folder| {
            std::fs::remove_file(folder.join(&first.name)).unwrap();
            let second = &second;
            scope.spawn(move || tried.send(second.try_take(1, &run(2)).unwrap()).unwrap());
            // Nobody is first now; whoever cannot wait says so at once.
            let hasty = result.recv_timeout(Duration::from_millis(200));
            assert!(hasty.is_err(), "{hasty:?}");
            let ticket = Entry {
                kind: Kind::Run,
                ..first.entry.clone()
            };
            add(folder, ticket)
        })
        .unwrap();
        result.recv().unwrap()
    });
    assert!(matches!(taken, Turn::Behind), "{taken:?}");
}

#[test]
fn an_entry_is_not_taken_over_by_another_launch_of_its_task() {
    let (_folder, root) = root();
    let entry = accept(&root, 1, true);
    let late = ticket(ask_as(&root, 1, "another"));
    assert!(late.sequence() > entry.entry.sequence);
    assert_eq!(submitted(&root, &entry.name).as_ref(), Some(&entry));
    let given_up = hold_place(&root, &entry, false).unwrap();
    assert!(!given_up.entry.is_live());
    assert!(matches!(late.try_take(1, &run(1)).unwrap(), Turn::Taken(_)));
    assert!(hold_place(&root, &given_up, true).unwrap().entry.is_live());
    assert_eq!(
        Names::list(&root).unwrap().submitted,
        std::slice::from_ref(&entry.name)
    );
    remove_entry(&root, &entry.name).unwrap();
    remove_entry(&root, &entry.name).unwrap();
    assert_eq!(Names::list(&root).unwrap().submitted, [""; 0]);
}

#[test]
fn what_is_damaged_holds_up_nobody() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, root) = root();
    let first = slot(ask(&root, 1));
    let folder = folder_of(&root);
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::write(folder.join("000000000001-run-x.yaml"), "version: [").unwrap();
    std::fs::write(folder.join("000000000002-run-y.yaml"), "").unwrap();
    std::fs::write(folder.join("notes.txt"), "").unwrap();
    let second = ticket(ask(&root, 2));
    assert!(matches!(second.try_take(1, &run(2)).unwrap(), Turn::First));
    std::fs::remove_file(&second.path).unwrap();
    first.release().unwrap();
    let taken = second.try_take(1, &run(2)).unwrap();
    assert!(
        matches!(taken, Turn::Taken(_)),
        "somebody has cleared the queue"
    );
}

fn place(sequence: u64, kind: Kind, is_live: bool) -> Place {
    Place {
        sequence,
        kind,
        is_live,
    }
}

#[test]
fn whose_turn_it_is() {
    let places = [
        place(3, Kind::Run, false),
        place(4, Kind::Server, false),
        place(7, Kind::Run, true),
        place(8, Kind::Server, true),
        place(9, Kind::Run, true),
        place(12, Kind::Server, false),
    ];
    assert_eq!(turn(&places), Some(7));
    assert_eq!(turn(&places[..2]), None);
    let positions: Vec<_> = places
        .iter()
        .map(|p| position(&places, p.sequence))
        .collect();
    assert_eq!(
        positions,
        [Some(1), Some(1), Some(1), Some(3), Some(3), Some(5)]
    );
    assert_eq!(position(&places, 1), None);
}

const PLANNER: &str = "version: 1
limit: 2
next_order: 4
entries:
    - run_id: 20260223-2109590000-700-3
      project_id: p
      task_id: task-20260101-000000-t003
      run_prompt: |
        Do the third thing.
      request:
        projectid: p
        agenttype: claude
        config: {dependson: kept}
        dependson: [x]
        processimport: null
      submitted_at: 2026-02-23T21:09:59.9Z
      order: 3
      state: queued
    - run_id: 20260223-2109590000-700-2
      project_id: p
      task_id: task-20260101-000000-t002
      request: {project_id: p}
      submitted_at: 2026-02-23T21:09:58Z
      order: 2
      state: running
    - run_id: 20260223-2109590000-700-1
      project_id: p
      task_id: task-20260101-000000-t001
      order: 1
      state: running
    - project_id: ../p
      task_id: x
";

#[test]
fn the_older_queue_is_taken_over_once_and_in_order() {
    let (_folder, root) = root();
    let begun = root.task(&project(), &task(1)).unwrap();
    let folder = begun.path().join("runs/20260223-2109590000-700-1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("run-info.yaml"), "run_id: x\n").unwrap();
    root.ensure_conductor_folder().unwrap();
    let path = root.conductor_folder().join("root-task-planner.yaml");
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(import_planner(&root, now).unwrap(), 0);
    for expected in [2, 0] {
        // The second time, as if the first had died before the renaming.
        std::fs::write(&path, PLANNER).unwrap();
        assert_eq!(import_planner(&root, now).unwrap(), expected);
        assert!(!path.exists());
    }
    assert!(
        root.conductor_folder()
            .join("root-task-planner.yaml.imported")
            .exists()
    );
    let queue = Queue::read(&root).unwrap();
    let tasks: Vec<&TaskId> = queue.entries().map(|entry| &entry.task).collect();
    assert_eq!(tasks, [&task(2), &task(3)]);
    let third = queue.entries().nth(1).unwrap();
    assert_eq!(third.kind, Kind::Server);
    assert_eq!(third.submitted_at.to_string(), "2026-02-23T21:09:59.9Z");
    assert_eq!(
        third.request,
        Some(serde_json::json!({
            "project_id": "p", "agent_type": "claude", "config": {"dependson": "kept"},
            "depends_on": ["x"], "process_import": null, "run_prompt": "Do the third thing.\n",
        }))
    );
}

#[test]
fn an_older_queue_that_is_damaged_is_set_aside() {
    let (_folder, root) = root();
    root.ensure_conductor_folder().unwrap();
    let path = root.conductor_folder().join("root-task-planner.yaml");
    std::fs::write(&path, "entries: [").unwrap();
    // Whoever needs a slot takes it over on the way.
    slot(ask(&root, 1));
    assert!(!path.exists());
    let kept = root
        .conductor_folder()
        .join("root-task-planner.yaml.corrupt-19700101-000000");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "entries: [");
}

#[test]
fn all_positions_are_those_of_each() {
    let (_folder, root) = root();
    let _taken = slot(ask(&root, 0));
    let mut tickets = Vec::new();
    for n in 1..9 {
        if n % 3 == 0 {
            accept(&root, n, n == 6);
        } else {
            tickets.push(ticket(ask(&root, n)));
        }
    }
    let check = |queue: &Queue, tasks: usize| {
        let positions = queue.positions();
        assert_eq!(positions.len(), tasks);
        for n in 0..9 {
            let found = positions.get(&(project(), task(n))).copied();
            assert_eq!(found, queue.position(&project(), &task(n)), "{n}");
            let on_disk = has_server_entry(&root, &project(), &task(n));
            assert_eq!(queue.has_server_entry(&project(), &task(n)), on_disk);
        }
    };
    let first = Queue::read(&root).unwrap();
    check(&first, 8);
    assert!(first.depends_on_processes());
    drop_entries(&root, &project(), &task(3)).unwrap();
    let again = Queue::read_again(&root, &first).unwrap();
    check(&again, 7);
}
