//! Garbage collection beside owners that come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cl_storage::gc::{self, Event, Policy};
use cl_storage::owner::Ownership;
use cl_storage::run_info::{self, RunInfo, RunStatus};
use cl_storage::{ProjectId, Root, TaskId};
use jiff::Timestamp;

#[test]
fn a_run_whose_owner_is_at_work_never_vanishes() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path()).unwrap();
    let project = ProjectId::parse("demo").unwrap();
    let id = TaskId::parse("task-20260101-120000-write-a-greeting").unwrap();
    let task = root.task(&project, &id).unwrap();
    task.ensure().unwrap();
    let (begin, end): (Timestamp, Timestamp) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2026-01-02T00:00:00Z".parse().unwrap(),
    );
    let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let policy = Policy {
        older_than: Duration::from_hours(1),
        keep_failed: false,
        orphans: true,
        delete_done_tasks: false,
        dry_run: false,
    };
    let is_over = AtomicBool::new(false);
    let mut deleted = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                let wait = Duration::from_secs(20);
                let owner = Ownership::acquire(&task, "launch", begin, wait).unwrap();
                let run = task.create_run(begin).unwrap();
                let mut info = RunInfo::preparing(&run, "scripted", begin);
                // Ended long ago, and still the owner's until it gives the task up.
                info.status = RunStatus::Completed;
                info.phase = None;
                info.end_time = Some(end);
                run_info::create(&run, &info).unwrap();
                let read = RunInfo::read(&run).unwrap();
                assert!(read.is_some(), "{} has vanished", run.id());
                owner.release().unwrap();
            }
            is_over.store(true, Ordering::SeqCst);
        });
        loop {
            let last = is_over.load(Ordering::SeqCst);
            gc::collect(&root, None, &policy, now, &mut |event| match event {
                Event::Run(_) => deleted += 1,
                Event::Problem(error) => panic!("{error:?}"),
                _ => {}
            })
            .unwrap();
            if last {
                break;
            }
        }
    });
    assert_eq!(deleted, 200);
    assert!(task.runs().unwrap().is_empty());
}

#[test]
fn a_task_that_another_collection_deletes_is_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path()).unwrap();
    let project = ProjectId::parse("demo").unwrap();
    let id = TaskId::parse("task-20260101-120000-write-a-greeting").unwrap();
    let task = root.task(&project, &id).unwrap();
    task.ensure().unwrap();
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let run = task.create_run(begin).unwrap();
    let mut info = RunInfo::preparing(&run, "scripted", begin);
    (info.status, info.phase) = (RunStatus::Completed, None);
    info.end_time = Some(begin);
    run_info::create(&run, &info).unwrap();
    // It is told between the look and the lock.
    std::os::unix::fs::symlink(folder.path(), task.runs_folder().join("link")).unwrap();
    let policy = Policy {
        older_than: Duration::ZERO,
        keep_failed: false,
        orphans: false,
        delete_done_tasks: false,
        dry_run: false,
    };
    let mut kept = 0;
    gc::collect(
        &root,
        None,
        &policy,
        Timestamp::MAX,
        &mut |event| match event {
            Event::Kept(..) => {
                kept += 1;
                std::fs::remove_dir_all(task.path()).unwrap();
            }
            event => panic!("{event:?}"),
        },
    )
    .unwrap();
    assert_eq!(kept, 1);
}
