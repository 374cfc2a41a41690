//! What is shown is what is there.

use bytes::Bytes;
use cl_storage::marker;
use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;

use super::fixture::*;
use crate::state::watches::system_notifier;

#[test]
fn nothing_is_missing_from_the_first_moment_on() {
    let fixture = Fixture::new();
    for project in ["p", "q", "r"] {
        for number in 0..150 {
            let task = fixture
                .root
                .task(&project_id(project), &task_id(&format!("t{number:03}")));
            std::fs::create_dir_all(task.unwrap().runs_folder()).unwrap();
        }
    }
    let index = fixture.index(system_notifier(), asleep());
    let one = index.project(&project_id("r")).unwrap();
    assert_eq!(one.tasks.len(), 150);
    assert!(index.project(&project_id("s")).is_none());
    assert_eq!(index.view().tasks().count(), 450);
    assert!(!index.is_building());
    let again = fixture.index(system_notifier(), asleep());
    assert_eq!(again.view().tasks().count(), 450);
}

#[test]
fn what_is_damaged_is_named_and_hides_nothing() {
    let fixture = Fixture::new();
    let good = fixture.make("p", "good");
    let (bad, locked) = (fixture.make("p", "bad"), fixture.make("p", "state"));
    for task in [&good, &bad, &locked] {
        add_run(task, RunStatus::Completed);
    }
    let run = add_run(&bad, RunStatus::Completed);
    std::fs::write(run.info(), "version: [").unwrap();
    std::fs::write(locked.state(), "version: 99\n").unwrap();
    let index = fixture.index(system_notifier(), asleep());
    let view = index.view();
    let problems = |task: &cl_storage::TaskDir| {
        view.task(task.project(), task.id())
            .unwrap()
            .row
            .problems
            .clone()
    };
    assert_eq!(problems(&good), Vec::<String>::new());
    assert!(problems(&bad)[0].contains(run.info().to_str().unwrap()));
    assert!(problems(&locked)[0].contains("newer version"));
    let rows = index.runs_of(bad.project(), bad.id()).unwrap().unwrap();
    assert_eq!((rows.len(), rows[0].problem.is_none()), (2, true));
    assert!(rows[1].problem.is_some());
    let entry = view.task(bad.project(), bad.id()).unwrap();
    assert!(index.run_facts(entry)[1].error.is_some());
}

#[test]
fn versions_grow_with_changes_alone_and_tags_differ_between_starts() {
    let fixture = Fixture::new();
    let task = fixture.make("p", "abc");
    fixture.make("q", "abc");
    let index = fixture.index(mute(usize::MAX), asleep());
    let first = index.view();
    index.look_again(task.project(), task.id());
    assert_eq!(index.view().version, first.version, "nothing changed");
    marker::create_done(&task).unwrap();
    index.look_again(task.project(), task.id());
    let second = index.view();
    assert!(second.version > first.version);
    let version = |view: &crate::state::View, id| view.projects[&project_id(id)].version;
    assert_eq!(version(&second, "p"), second.version);
    assert_eq!(
        version(&second, "q"),
        version(&first, "q"),
        "the other project did not"
    );
    assert_eq!(
        second.task(task.project(), task.id()).unwrap().version,
        second.version
    );
    let tags = [
        index.etag(1, "a"),
        index.etag(2, "a"),
        index.etag(1, "b"),
        fixture.index(mute(usize::MAX), asleep()).etag(1, "a"),
    ];
    let different: std::collections::BTreeSet<&String> = tags.iter().collect();
    assert_eq!(different.len(), 4, "{tags:?}");
    assert_eq!(index.etag(1, "a"), tags[0]);
}

#[test]
fn answers_are_made_once_for_each_version() {
    let fixture = Fixture::new();
    let index = fixture.index(mute(usize::MAX), asleep());
    let mut made = 0;
    let mut ask = |version| {
        let make = || {
            made += 1;
            Ok::<_, ()>(Bytes::from(format!("at {version}")))
        };
        index.cached("tasks", version, make).unwrap()
    };
    assert_eq!(
        (ask(1), ask(1), ask(2)),
        ("at 1".into(), "at 1".into(), "at 2".into())
    );
    assert_eq!(made, 2);
    assert_eq!(index.cached("other", 2, || Err("no")), Err("no"));
}

#[test]
fn runs_are_shown_in_full_and_in_little_room() {
    let fixture = Fixture::new();
    let task = fixture.make("p", "abc");
    add_run(&task, RunStatus::Failed);
    let last = add_run(&task, RunStatus::Completed);
    let index = fixture.index(system_notifier(), only_told());
    let entry = shows(&index, &task, "both", |entry| entry.row.runs == 2);
    let facts = index.run_facts(&entry);
    let rows = index.runs_of(task.project(), task.id()).unwrap().unwrap();
    assert_eq!(facts.len(), 2);
    for (fact, row) in facts.iter().zip(rows.iter()) {
        assert_eq!((&fact.id, fact.status), (&row.run_id, row.status));
        assert_eq!(
            (fact.exit_code, fact.agent.as_deref()),
            (row.exit_code, row.agent.as_deref())
        );
        assert_eq!((fact.start, fact.end), (row.started, row.ended));
    }
    cl_storage::run_info::update(&last, |info| info.session_id = "s-1".to_owned()).unwrap();
    index.look_again(task.project(), task.id());
    let rows = index.runs_of(task.project(), task.id()).unwrap().unwrap();
    assert_eq!(
        rows[1].session_id.as_deref(),
        Some("s-1"),
        "what facts do not hold counts, too"
    );
    let missing = index.runs_of(task.project(), &task_id("nobody")).unwrap();
    assert!(missing.is_none());
}

#[test]
fn old_folders_are_shown_beside_the_root() {
    let fixture = Fixture::new();
    let ours = fixture.make("p", "abc");
    let extra = fixture.folder.path().join("old");
    let write = |folder: &str, text: &str| {
        let folder = extra.join("runs").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cwd.txt"), text).unwrap();
    };
    write("a", "RUN_ID=20260128-163814-1\nCWD=/srv/p\nEXIT_CODE=0\n");
    write("b", "RUN_ID=20260128-163814-2\nCWD=/srv/one\nEXIT_CODE=1\n");
    write("c", "CWD=/srv/one\n");
    let index = fixture.index_beside(vec![extra.clone()], mute(usize::MAX), restless());
    let view = index.view();
    let [p, one] = ["p", "one"].map(|id| &view.projects[&project_id(id)]);
    assert_eq!((p.tasks.len(), p.is_legacy), (2, false));
    assert_eq!((one.tasks.len(), one.is_legacy), (1, true));
    let old = one.tasks.values().next().unwrap();
    assert!(old.row.legacy && old.row.status == TaskStatus::Failed);
    assert_eq!(index.run_facts(old)[0].exit_code, Some(1));
    assert!(!p.tasks.get(ours.id()).unwrap().row.legacy);
    assert!(view.problems[0].contains("runs/c"), "{:?}", view.problems);
    std::fs::remove_dir_all(extra.join("runs/b")).unwrap();
    cl_testkit::patience::until("it is gone with its project", || {
        !index.view().projects.contains_key(&project_id("one"))
    });
}
