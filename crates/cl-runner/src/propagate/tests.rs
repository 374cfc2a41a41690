use std::fs::File;
use std::time::{Duration, SystemTime};

use cl_bus::{Durability, Message};
use cl_storage::clock::FixedClock;
use cl_storage::run_info::{self, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, RunDir, TaskId};

use super::*;

const NOW: &str = "2026-02-23T21:03:11.1Z";

/// A project whose task is done after one run.
struct Ground {
    folder: tempfile::TempDir,
    task: TaskDir,
    clock: FixedClock,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let task = task_below(&folder, "task-20260223-191700-audit");
        let ground = Self {
            task,
            clock: FixedClock::new(NOW.parse().unwrap()),
            folder,
        };
        ground.add_run("20260223-2048580000-66788-1", 0);
        ground.done(1_771_880_400);
        ground
    }

    fn add_run(&self, id: &str, exit_code: i32) -> RunDir {
        let run = self.task.run(&id.parse().unwrap()).unwrap();
        durable_folder(run.path());
        let start = run.id().started_at().unwrap();
        let mut info = RunInfo::preparing(&run, "scripted", start);
        info.phase = None;
        info.exit_code = exit_code;
        info.end_time = Some(start + Duration::from_mins(1));
        info.status = if exit_code == 0 {
            RunStatus::Completed
        } else {
            RunStatus::Failed
        };
        run_info::create(&run, &info).unwrap();
        self.post("RUN_STOP", "run stopped with code 0", Some(&run));
        run
    }

    fn post(&self, kind: &str, body: &str, run: Option<&RunDir>) {
        let mut draft = Draft::new(kind, self.task.project().clone(), body);
        draft.run_id = run.map(|run| run.id().clone());
        draft.timestamp = Some("2026-02-23T20:50:00Z".parse().unwrap());
        let bus = Bus::new(self.task.bus()).with_durability(Durability::Os);
        bus.append(&draft).unwrap();
    }

    fn done(&self, seconds: u64) {
        let file = File::create(cl_storage::marker::Marker::Done.path(&self.task)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }

    fn propagate(&self) -> Propagated {
        let redactor = Redactor::default();
        propagate(&self.task, Samples::Masked(&redactor), &self.clock, None).unwrap()
    }

    fn propagate_from(&self, began: &Cursor) -> Propagated {
        propagate(&self.task, Samples::LeftOut, &self.clock, Some(began)).unwrap()
    }

    fn told(&self) -> Vec<Message> {
        project_bus(&self.task).all().unwrap().into_messages()
    }

    /// Replaces what differs from test to test.
    fn stable(&self, text: &str) -> String {
        let mut text = text.replace(self.folder.path().to_str().unwrap(), "[root]");
        let reading = Bus::new(self.task.bus()).all().unwrap();
        for (number, message) in reading.messages().enumerate() {
            text = text.replace(message.id.as_str(), &format!("[message-{number}]"));
        }
        text
    }
}

fn task_below(folder: &tempfile::TempDir, id: &str) -> TaskDir {
    let root = Root::at(folder.path()).unwrap();
    let project = ProjectId::parse("my-project").unwrap();
    let task = root.task(&project, &TaskId::parse(id).unwrap()).unwrap();
    task.ensure().unwrap();
    task
}

fn durable_folder(path: &std::path::Path) {
    cl_storage::durable::create_folders(path, cl_storage::durable::Mode::Shared).unwrap();
}

#[test]
fn the_message_looks_as_described() {
    let ground = Ground::new();
    ground.post("FACT", "  the schema   version\tis 3 \nbecause", None);
    ground.post("fact", &"ü".repeat(200), None);
    let run = ground.add_run("20260223-2049580000-66788-2", 1);
    durable_folder(
        &ground
            .task
            .runs_folder()
            .join("20260223-2050580000-66788-3"),
    );
    let redactor = Redactor::default();
    let account = Account::take(&ground.task).unwrap().unwrap();
    assert_eq!(account.latest().unwrap().0, run);
    let samples = Samples::Masked(&redactor);
    let draft = message::draft(&account, "[key]", samples, NOW.parse().unwrap());
    assert_eq!(
        (draft.kind.as_str(), draft.project_id.as_str()),
        ("FACT", "my-project")
    );
    assert_eq!(draft.run_id.as_ref(), Some(run.id()));
    let parents: Vec<_> = draft
        .parents
        .iter()
        .map(|p| format!("{} {}", p.kind, p.msg_id))
        .collect();
    let links: Vec<_> = draft
        .links
        .iter()
        .map(|l| format!("{} {}", l.kind, l.url))
        .collect();
    let meta: Vec<_> = draft.meta.keys().map(String::as_str).collect();
    let body = String::from_utf8(draft.body).unwrap();
    let text = format!(
        "{}\n{}\n{}\n\n{body}",
        parents.join("\n"),
        links.join("\n"),
        meta.join(" ")
    );
    insta::assert_snapshot!("message", ground.stable(&text));
}

#[test]
fn the_key_text_holds_all_that_makes_an_end() {
    let ground = Ground::new();
    ground.post("FACT", "known", None);
    durable_folder(
        &ground
            .task
            .runs_folder()
            .join("20260223-2050580000-66788-3"),
    );
    let account = Account::take(&ground.task).unwrap().unwrap();
    assert_eq!(
        account.key_text(),
        "2026-02-23T21:00:00Z|fact_count=1|run_id=20260223-2048580000-66788-1\
         |run_id=20260223-2050580000-66788-3|missing_run_info=20260223-2050580000-66788-3\
         |run=20260223-2048580000-66788-1,status=completed,exit=0,\
         start=2026-02-23T20:48:58Z,end=2026-02-23T20:49:58Z"
    );
}

#[test]
fn the_state_file_is_the_golden_one() {
    let message = MessageId::parse("MSG-20260223-210311-000000000-PID66788-0007").unwrap();
    let state = State::new(&"3f1c".repeat(16), message, NOW.parse().unwrap());
    let golden = "version: 1\n\
        last_propagation_key: 3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c\n\
        last_project_message_id: MSG-20260223-210311-000000000-PID66788-0007\n\
        last_propagated_at: 2026-02-23T21:03:11.1Z\n";
    assert_eq!(state.to_yaml(), golden);
    let ground = Ground::new();
    std::fs::write(ground.task.propagation(), golden).unwrap();
    assert_eq!(State::read(&ground.task).unwrap(), Some(state));
}

#[test]
fn one_end_is_told_once_and_a_new_one_again() {
    let ground = Ground::new();
    let first = ground.propagate();
    assert!(matches!(first, Propagated::Posted { .. }), "{first:?}");
    let told = ground.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].meta["source_done_mtime"], "2026-02-23T21:00:00Z");
    assert!(matches!(ground.propagate(), Propagated::Already { .. }));
    // What is said about it on the task's bus makes no other end of it.
    let redactor = Redactor::default();
    let notice = tell(
        &ground.task,
        Samples::Masked(&redactor),
        &ground.clock,
        None,
    )
    .unwrap();
    assert_eq!(notice.kind, "INFO");
    ground.post(
        "FACT",
        "task completion facts propagated to project bus (x)",
        None,
    );
    assert!(matches!(ground.propagate(), Propagated::Already { .. }));
    ground.post("FACT", "new", None);
    assert!(matches!(ground.propagate(), Propagated::Posted { .. }));
    ground.add_run("20260223-2049580000-66788-2", 1);
    assert!(matches!(ground.propagate(), Propagated::Posted { .. }));
    ground.done(1_771_880_401);
    assert!(matches!(ground.propagate(), Propagated::Posted { .. }));
    assert_eq!(ground.told().len(), 4);
}

#[test]
fn a_message_without_state_is_adopted() {
    let ground = Ground::new();
    let Propagated::Posted { message, key } = ground.propagate() else {
        panic!("nothing was posted");
    };
    let bus = project_bus(&ground.task).with_durability(Durability::Os);
    for number in 0..512 {
        let draft = Draft::new("INFO", ground.task.project().clone(), format!("{number}"));
        bus.append(&draft).unwrap();
    }
    for damage in [None, Some("version: 1\n"), Some("not: [yaml")] {
        match damage {
            None => std::fs::remove_file(ground.task.propagation()).unwrap(),
            Some(text) => std::fs::write(ground.task.propagation(), text).unwrap(),
        }
        let (message, key) = (message.clone(), key.clone());
        assert_eq!(ground.propagate(), Propagated::Adopted { key, message });
        assert!(matches!(ground.propagate(), Propagated::Already { .. }));
    }
}

#[test]
fn the_message_of_another_task_is_not_adopted() {
    let ground = Ground::new();
    ground.propagate();
    let key = Account::take(&ground.task).unwrap().unwrap().key();
    let other = task_below(&ground.folder, "task-20260223-191700-other");
    assert_eq!(
        find(&project_bus(&other), &other, &key, None).unwrap(),
        None
    );
}

#[test]
fn a_state_of_a_newer_version_stays() {
    let ground = Ground::new();
    std::fs::write(ground.task.propagation(), "version: 9\n").unwrap();
    let redactor = Redactor::default();
    let notice = tell(
        &ground.task,
        Samples::Masked(&redactor),
        &ground.clock,
        None,
    )
    .unwrap();
    assert_eq!(notice.kind, "ERROR");
    assert!(notice.body.contains("newer version"), "{}", notice.body);
    assert_eq!(ground.told(), []);
    let text = std::fs::read_to_string(ground.task.propagation()).unwrap();
    assert_eq!(text, "version: 9\n");
}

#[test]
fn a_bus_that_cannot_be_used_is_told_on_the_tasks_own() {
    let ground = Ground::new();
    std::fs::create_dir(project_bus(&ground.task).path()).unwrap();
    let notice = tell(&ground.task, Samples::LeftOut, &ground.clock, None).unwrap();
    assert_eq!(notice.kind, "ERROR");
    assert!(
        notice.body.contains("not a regular file"),
        "{}",
        notice.body
    );
}

#[test]
fn a_task_that_is_not_done_is_not_told_of() {
    let ground = Ground::new();
    std::fs::remove_file(cl_storage::marker::Marker::Done.path(&ground.task)).unwrap();
    assert_eq!(ground.propagate(), Propagated::NotDone);
    assert_eq!(
        tell(&ground.task, Samples::LeftOut, &ground.clock, None),
        None
    );
}

#[test]
fn secrets_are_masked_or_facts_are_not_quoted() {
    let ground = Ground::new();
    let secret = format!("canary-{}", "z".repeat(200));
    ground.post("FACT", &format!("use {secret}"), None);
    let redactor = Redactor::new([secret.into()]);
    let account = Account::take(&ground.task).unwrap().unwrap();
    let masked = message::draft(
        &account,
        "k",
        Samples::Masked(&redactor),
        NOW.parse().unwrap(),
    );
    let body = String::from_utf8(masked.body).unwrap();
    assert!(body.contains("- use [REDACTED]\n"), "{body}");
    let left_out = message::draft(&account, "k", Samples::LeftOut, NOW.parse().unwrap());
    let body = String::from_utf8(left_out.body).unwrap();
    assert!(
        !body.contains("canary") && body.contains("left out"),
        "{body}"
    );
}

#[test]
fn a_task_with_very_many_runs_still_fits() {
    let ground = Ground::new();
    for number in 0..1500 {
        let id = format!("20260223-2050580000-66788-{number}");
        durable_folder(&ground.task.runs_folder().join(id));
    }
    assert!(matches!(ground.propagate(), Propagated::Posted { .. }));
    let told = ground.told();
    assert_eq!(told[0].meta["run_count"], "1501");
}

#[test]
fn racing_finishers_tell_once() {
    for _ in 0..100 {
        let ground = Ground::new();
        let other = Ground {
            task: task_below(&ground.folder, "task-20260223-191701-other"),
            clock: FixedClock::new(NOW.parse().unwrap()),
            folder: tempfile::tempdir().unwrap(),
        };
        other.done(1_771_880_402);
        let barrier = std::sync::Barrier::new(4);
        let finish = |ground: &Ground| {
            barrier.wait();
            matches!(ground.propagate(), Propagated::Posted { .. })
        };
        let posted: Vec<bool> = std::thread::scope(|scope| {
            let finishers = [&ground, &ground, &other, &other];
            let threads = finishers.map(|ground| scope.spawn(|| finish(ground)));
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert_ne!(posted[0], posted[1]);
        assert_ne!(posted[2], posted[3]);
        let told = ground.told();
        assert_eq!(told.len(), 2);
        assert_ne!(
            told[0].meta["source_task_id"],
            told[1].meta["source_task_id"]
        );
    }
}

#[test]
fn what_was_told_is_found_from_before_the_run_on_and_on_another_bus() {
    let ground = Ground::new();
    let bus = project_bus(&ground.task);
    assert_eq!(end_of_bus(&ground.task), None);
    let other = Draft::new("INFO", ground.task.project().clone(), "earlier");
    bus.append(&other).unwrap();
    let began = end_of_bus(&ground.task).unwrap();
    let Propagated::Posted { message, .. } = ground.propagate_from(&began) else {
        panic!("it was not told");
    };
    let state = ground.task.propagation();
    std::fs::remove_file(&state).unwrap();
    assert!(matches!(
        ground.propagate_from(&began),
        Propagated::Adopted { message: found, .. } if found == message
    ));
    // What stands before it is not read.
    std::fs::remove_file(&state).unwrap();
    let told = end_of_bus(&ground.task).unwrap();
    assert!(matches!(
        ground.propagate_from(&told),
        Propagated::Posted { .. }
    ));
    // A bus that somebody replaced is searched from its beginning.
    std::fs::remove_file(&state).unwrap();
    std::fs::remove_file(bus.path()).unwrap();
    let anew = ground.propagate();
    std::fs::remove_file(&state).unwrap();
    let Propagated::Posted { message, key } = anew else {
        panic!("it was not told anew");
    };
    assert_eq!(
        ground.propagate_from(&began),
        Propagated::Adopted { key, message }
    );
}
