//! What was acknowledged survives a loss of power at any moment, and no sync is
//! there for nothing.
//!
//! Each function of the workload does one kind of thing through the public
//! functions, and names the fact that it makes true; [`look`] finds the same
//! facts again. A new kind of file needs one function in each place.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use cl_storage::control::{self, Answer, Outcome, Request, RequestBody};
use cl_storage::durable::{self, Mode, SyncPoint};
use cl_storage::gc::{self, Event, Policy};
use cl_storage::logbook::{Keeping, Logbook};
use cl_storage::marker::{self, Marker, Markers};
use cl_storage::owner::{Owner, Ownership};
use cl_storage::power_loss::{ABSENT, Examination, Operation, Recording};
use cl_storage::record;
use cl_storage::run_info::{self, Phase, RunInfo, RunStatus};
use cl_storage::slot::Slot;
use cl_storage::snapshot::TaskView;
use cl_storage::task_state::{LaunchSummary, ParentTask, TaskState};
use cl_storage::{ProjectId, Root, RunDir, TaskDir, TaskId};
use jiff::Timestamp;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A folder that is watched, and the root in it.
struct Workload {
    recording: Recording,
    root: Root,
    requests: RefCell<Vec<Request>>,
}

impl Workload {
    fn task(&self, project: &str, slug: &str) -> TaskDir {
        let id = TaskId::parse(&format!("task-20260101-000000-{slug}")).unwrap();
        let project = ProjectId::parse(project).unwrap();
        self.root.task(&project, &id).unwrap()
    }

    /// Does `action` on `task`, which makes the fact `what` of it be `value`.
    fn step<T>(
        &self,
        task: &TaskDir,
        what: &str,
        value: &str,
        action: impl FnOnce(&TaskDir) -> T,
    ) -> T {
        let key = format!("{} {what}", task.id());
        self.recording.step(&key, value, || action(task))
    }

    /// A task with an owner, a launch and a state that moves on.
    fn tasks(&self) {
        let task = self.task("p", "first");
        self.step(&task, "folder", "there", |task| task.ensure().unwrap());
        let ownership = self.step(&task, "owner", "l1", |task| {
            Ownership::acquire(task, "l1", NOW, Duration::ZERO).unwrap()
        });
        self.step(&task, "launch", "l1", |task| {
            let launch = LaunchSummary {
                launch_id: "l1".into(),
                kind: "task".into(),
                origin: "detached".into(),
                launched_at: NOW,
                agent_name: "a".into(),
                parent: None::<ParentTask>,
                depth: 0,
                policy: cl_storage::task_state::PolicySummary::default(),
            };
            record::write(&task.launch(), &launch, Mode::Private).unwrap();
        });
        let mut state = TaskState::default();
        for attempt in 1..=3 {
            state.attempts.total = attempt;
            self.step(&task, "attempts", &attempt.to_string(), |task| {
                state.write(task).unwrap();
            });
        }
        self.step(&task, "owner", ABSENT, |_| ownership.release().unwrap());
    }

    /// A task whose first files are acknowledged together.
    fn new_task(&self) {
        let task = self.task("p", "together");
        let key = |what: &str| format!("{} {what}", task.id());
        let facts = [
            ("folder", "there"),
            ("owner", "l3"),
            ("attempts", "7"),
            ("STOP-REQUESTED", ABSENT),
        ];
        for (what, value) in facts {
            self.recording.begin(&key(what), value);
        }
        task.ensure_for_now().unwrap();
        let replace: durable::Replace = durable::replace_for_now;
        let _ownership =
            Ownership::acquire_with(&task, "l3", NOW, Duration::ZERO, replace).unwrap();
        marker::clear_for_now(&task, Marker::StopRequested).unwrap();
        let mut state = TaskState::default();
        state.attempts.total = 7;
        state.write_with(&task, replace).unwrap();
        durable::settle(task.path()).unwrap();
        for (what, value) in facts {
            self.recording.acknowledge(&key(what), value);
        }
    }

    /// Runs, each with a record that is created and changed twice.
    fn runs(&self) {
        let task = self.task("p", "first");
        for is_owner in [true, false] {
            let run = if is_owner {
                self.begin_run(&task)
            } else {
                self.create_run(&task)
            };
            let what = format!("run {}", run.id());
            // Nothing is promised of this one: the record before may come back.
            let key = format!("{} {what}", task.id());
            self.recording.begin(&key, "running running");
            run_info::update_for_now(&run, |info| info.phase = Some(Phase::Running)).unwrap();
            let output = format!("output {}", run.id());
            let part = format!("{} {output}", task.id());
            self.recording.begin(&part, "a part");
            self.step(&task, &output, "the answer", |_| {
                // As an agent writes it.
                std::fs::write(run.output(), "the answer").unwrap();
                self.recording.made_by_others(&run.output()).unwrap();
                durable::keep(&run.output()).unwrap();
            });
            self.step(&task, &what, "completed -", |_| {
                run_info::update(&run, |info| {
                    (info.status, info.phase, info.exit_code) = (RunStatus::Completed, None, 0);
                    info.end_time = Some(NOW);
                })
                .unwrap();
            });
        }
    }

    /// A run whose folder appears with its record in it.
    fn begin_run(&self, task: &TaskDir) -> RunDir {
        let mut key = None;
        let preparing = "running preparing";
        let (run, _) = run_info::begin(task, NOW, |run| {
            // Its id is not known before.
            let key = key.insert(format!("{} run {}", task.id(), run.id()));
            self.recording.begin(key, preparing);
            RunInfo::preparing(run, "claude", NOW)
        })
        .unwrap();
        self.recording.acknowledge(&key.unwrap(), preparing);
        run
    }

    /// A run whose folder gets its record later.
    fn create_run(&self, task: &TaskDir) -> RunDir {
        // Its id is not known before.
        let run = self.step(task, "new run", "there", |task| {
            task.create_run(NOW).unwrap()
        });
        let what = format!("run {}", run.id());
        let new_run = format!("{} new run", task.id());
        self.recording.begin(&new_run, ABSENT);
        self.step(task, &what, "running preparing", |_| {
            run_info::create(&run, &RunInfo::preparing(&run, "claude", NOW)).unwrap();
        });
        self.recording.acknowledge(&new_run, ABSENT);
        run
    }

    /// A run that was being prepared when its owner died.
    fn run_of_a_dead_owner(&self) {
        let task = self.task("p", "first");
        let prepared = task.runs_folder().join(".new");
        std::fs::create_dir(&prepared).unwrap();
        self.recording.made_by_others(&prepared).unwrap();
        let record = prepared.join("run-info.yaml");
        std::fs::write(&record, "version: 1\nrun_").unwrap();
        self.recording.made_by_others(&record).unwrap();
        assert_eq!(task.runs().unwrap(), [], "no run yet");
        let run = self.begin_run(&task);
        let what = format!("run {}", run.id());
        assert!(!prepared.exists());
        self.step(&task, &what, "failed -", |_| {
            run_info::update(&run, |info| {
                (info.status, info.phase, info.exit_code) = (RunStatus::Failed, None, 1);
                info.end_time = Some(NOW);
            })
            .unwrap();
        });
    }

    /// Every marker, made and taken away, and a claim that is rejected.
    fn markers(&self) {
        let task = self.task("p", "first");
        let (done, stop, cancelled) = ("DONE", "STOP-REQUESTED", "CANCELLED");
        self.step(&task, done, "there", |task| {
            marker::create_done(task).unwrap();
        });
        self.step(&task, done, ABSENT, |task| {
            marker::reject_done(task).unwrap()
        });
        self.step(&task, stop, "there", |task| {
            marker::request_stop(task, &marker::StopMark::permanent("me"), NOW).unwrap();
        });
        self.step(&task, cancelled, "there", |task| {
            marker::cancel(
                task,
                &marker::Cancellation {
                    at: NOW,
                    reason: "me".into(),
                    superseded_by: None,
                },
            )
            .unwrap();
        });
        for (name, marker) in [
            (stop, Marker::StopRequested),
            (cancelled, Marker::Cancelled),
        ] {
            self.step(&task, name, ABSENT, |task| {
                marker::clear(task, marker).unwrap();
            });
        }
    }

    /// An agent's `DONE` that nobody synced, and the state that the owner makes of it.
    fn done_by_an_agent(&self) {
        let task = self.task("p", "first");
        self.recording
            .begin(&format!("{} DONE", task.id()), "there");
        let path = Marker::Done.path(&task);
        std::fs::write(&path, "").unwrap();
        self.recording.made_by_others(&path).unwrap();
        assert!(Markers::read(&task, NOW).unwrap().has(Marker::Done));
        // Once the state is on disk, so is the reason for it.
        self.step(&task, "DONE", "there", |task| {
            let mut state = TaskState::read_or_set_aside(task).unwrap();
            self.step(task, "attempts", "9", |task| {
                state.attempts.total = 9;
                state.write(task).unwrap();
            });
        });
    }

    /// What somebody did who died before the sync is acknowledged only after one.
    fn markers_of_a_dead_process(&self) {
        let task = self.task("p", "first");
        let done = Marker::Done.path(&task);
        self.step(&task, "DONE", ABSENT, |task| {
            std::fs::remove_file(&done).unwrap();
            self.recording.removed_by_others(&done);
            marker::clear(task, Marker::Done).unwrap();
        });
        self.step(&task, "DONE", "there", |task| {
            std::fs::write(&done, "").unwrap();
            self.recording.made_by_others(&done).unwrap();
            marker::create_done(task).unwrap();
        });
    }

    /// A request that is answered, one that is withdrawn and one that waits.
    fn requests(&self) {
        let task = self.task("p", "first");
        let of = |what: &str, request: &Request| format!("{what} {}", request.id);
        let submit = || {
            let request = Request::new(RequestBody::Wake, "l1", NOW).unwrap();
            self.requests.borrow_mut().push(request.clone());
            self.step(&task, &of("exchange", &request), "open", |task| {
                self.step(task, &of("request", &request), "there", |task| {
                    request.submit(task).unwrap();
                });
            });
            request
        };
        let (first, second) = (submit(), submit());
        self.step(&task, &of("exchange", &second), ABSENT, |task| {
            self.step(task, &of("request", &second), ABSENT, |task| {
                assert!(second.withdraw(task).unwrap());
            });
        });
        self.step(&task, &of("request", &first), "claimed", |task| {
            control::claim_all(task).unwrap()
        });
        // The exchange stays open: the answer is there before the request is gone.
        self.step(&task, &of("answer", &first), "done", |task| {
            self.step(task, &of("request", &first), ABSENT, |task| {
                let answer = Answer::new(Outcome::Done, "ok");
                first.reply(task, &answer).unwrap();
            });
        });
        self.step(&task, &of("exchange", &first), ABSENT, |task| {
            self.step(task, &of("answer", &first), ABSENT, |task| {
                first.forget(task).unwrap();
            });
        });
        submit();
    }

    /// A folder whose maker died before it could sync: whoever finds it does.
    fn folder_of_a_dead_process(&self) {
        let task = self.task("orphan", "second");
        let project = task.path().parent().unwrap();
        std::fs::create_dir(project).unwrap();
        self.recording.made_by_others(project).unwrap();
        self.step(&task, "folder", "there", |task| task.ensure().unwrap());
    }

    /// A task that is begun, never used and taken back; nothing is promised of it.
    fn unused_task(&self) {
        let task = self.task("p", "unused");
        self.step(&task, "folder", "there", |task| task.ensure().unwrap());
        let owner = format!("{} owner", task.id());
        self.recording.begin(&owner, "l2");
        let _ownership = Ownership::acquire(&task, "l2", NOW, Duration::ZERO).unwrap();
        self.recording
            .begin(&format!("{} folder", task.id()), ABSENT);
        self.recording.begin(&owner, ABSENT);
        task.remove_if_unused();
        assert!(!task.exists());
    }

    /// A run slot: taken and given back; nothing of it counts after a loss of power.
    fn slots(&self) {
        let run = cl_storage::RunId::generate(NOW);
        let slot = Slot::try_take(&self.root, 1, &run).unwrap().unwrap();
        slot.release().unwrap();
    }

    /// Lines of a logbook.
    fn logbook(&self) {
        let mut book = Logbook::audit(&self.root);
        for line in ["one", "two"] {
            self.recording.step("logged", line, || {
                book.append(line, Keeping::Disk).unwrap();
            });
        }
    }

    /// Runs that are collected, each whole or not at all.
    fn collection(&self) {
        let task = self.task("p", "first");
        let mut keys = Vec::new();
        for run in task.runs().unwrap() {
            for what in ["run", "output"] {
                keys.push(format!("{} {what} {}", task.id(), run.id()));
            }
        }
        let policy = Policy {
            older_than: Duration::from_hours(1),
            keep_failed: false,
            orphans: false,
            delete_done_tasks: false,
            dry_run: false,
        };
        let now = NOW + jiff::SignedDuration::from_hours(1000);
        for key in &keys {
            self.recording.begin(key, ABSENT);
        }
        let mut deleted = 0;
        gc::collect(
            &self.root,
            Some(task.project()),
            &policy,
            now,
            &mut |event| {
                deleted += usize::from(matches!(event, Event::Run(_)));
            },
        )
        .unwrap();
        assert_eq!(deleted * 2, keys.len());
        for key in &keys {
            self.recording.acknowledge(key, ABSENT);
        }
    }
}

/// Restarts on what is left in `folder`, with the readers that everyone uses.
fn look(folder: &Path, requests: &[Request]) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let root = Root::at(&folder.join("root")).unwrap();
    for project in root.projects().unwrap() {
        for task in project.tasks().unwrap() {
            look_at_task(&root, &task, requests, &mut facts);
        }
    }
    let newest = &mut |line: &str| {
        facts.insert("logged".to_owned(), line.to_owned());
        ControlFlow::Break(())
    };
    Logbook::audit(&root).newest_first(newest).unwrap();
    facts
}

fn look_at_task(
    root: &Root,
    task: &TaskDir,
    requests: &[Request],
    facts: &mut BTreeMap<String, String>,
) {
    let mut find = |what: &str, value: &str| {
        facts.insert(format!("{} {what}", task.id()), value.to_owned());
    };
    let view = TaskView::read(root, task, NOW).unwrap();
    for problem in &view.problems {
        find("problem", &problem.to_string());
    }
    // A task folder that power was lost on while it was made has no `runs` yet.
    if task.runs_folder().is_dir() {
        find("folder", "there");
    }
    match Owner::read(task) {
        Ok(None) => {}
        Ok(Some(owner)) => find("owner", &owner.launch_id),
        Err(error) => find("owner", &error.to_string()),
    }
    match LaunchSummary::read(task) {
        Ok(None) => {}
        Ok(Some(launch)) => find("launch", &launch.launch_id),
        Err(error) => find("launch", &error.to_string()),
    }
    match TaskState::read(task) {
        Ok(None) => {}
        Ok(Some(state)) => find("attempts", &state.attempts.total.to_string()),
        Err(error) => find("attempts", &error.to_string()),
    }
    let markers = Markers::read(task, NOW).unwrap();
    for marker in Marker::ALL {
        if markers.has(marker) {
            find(marker.file_name(), "there");
        }
    }
    for run in task.runs().unwrap() {
        look_at_run(&run, &mut find);
    }
    for request in requests {
        look_at_request(task, request, &mut find);
    }
    // The next owner can go on from here.
    for claimed in control::claim_all(task).unwrap() {
        assert!(requests.contains(&claimed), "{claimed:?}");
    }
}

fn look_at_run(run: &RunDir, find: &mut dyn FnMut(&str, &str)) {
    let info = match RunInfo::read(run) {
        Ok(Some(info)) => info,
        Ok(None) => return find("new run", "there"),
        Err(error) => return find(&format!("run {}", run.id()), &error.to_string()),
    };
    let phase = info.phase.map_or("-", Phase::as_str);
    let value = format!("{} {phase}", info.status.as_str());
    find(&format!("run {}", run.id()), &value);
    if let Ok(text) = std::fs::read_to_string(run.output()) {
        let is_whole = text == "the answer";
        let value = if is_whole { &text } else { "a part" };
        find(&format!("output {}", run.id()), value);
    }
}

fn look_at_request(task: &TaskDir, request: &Request, find: &mut dyn FnMut(&str, &str)) {
    let key = format!("request {}", request.id);
    let mut is_open = false;
    for (ending, value) in [("request", "there"), ("claimed", "claimed")] {
        let name = format!("{}.{ending}.yaml", request.id);
        match record::read::<Request>(&task.control_folder().join(name), 1) {
            Ok(None) => continue,
            Ok(Some(found)) if found == *request => find(&key, value),
            Ok(Some(found)) => find(&key, &format!("{found:?}")),
            Err(error) => find(&key, &error.to_string()),
        }
        is_open = true;
    }
    let key = format!("answer {}", request.id);
    match request.answer(task) {
        Ok(None) => {}
        Ok(Some(answer)) if answer.outcome == Outcome::Done => {
            find(&key, "done");
            is_open = true;
        }
        Ok(Some(answer)) => find(&key, &answer.message),
        Err(error) => find(&key, &error.to_string()),
    }
    if is_open {
        find(&format!("exchange {}", request.id), "open");
    }
}

/// Records the whole workload; returns what is on the disk at the end.
fn record_workload() -> (tempfile::TempDir, Vec<Operation>, Vec<Request>) {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload {
        recording: Recording::start(folder.path()).unwrap(),
        root: Root::at(&folder.path().join("root")).unwrap(),
        requests: RefCell::default(),
    };
    workload.tasks();
    workload.new_task();
    workload.run_of_a_dead_owner();
    workload.runs();
    workload.markers();
    workload.requests();
    workload.done_by_an_agent();
    workload.markers_of_a_dead_process();
    workload.folder_of_a_dead_process();
    workload.unused_task();
    workload.slots();
    workload.logbook();
    workload.collection();
    let requests = workload.requests.into_inner();
    (folder, workload.recording.finish(), requests)
}

/// The points that are passed here; those of the bus are passed in its own tests.
fn own_points() -> impl Iterator<Item = SyncPoint> {
    let all = SyncPoint::ALL.into_iter();
    all.filter(|point| !format!("{point:?}").starts_with("Bus"))
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    let (folder, operations, requests) = record_workload();
    let look = |path: &Path| look(path, &requests);
    let mut examination = Examination::new(&operations, &look);
    let unrecorded = examination.unrecorded(folder.path()).unwrap();
    assert_eq!(unrecorded, [""; 0], "changed past cl_storage::durable");
    let findings = examination.examine(None).unwrap();
    if let Some(breach) = findings.breach {
        panic!("{breach}");
    }
}

#[test]
fn no_sync_can_be_left_out() {
    let (_folder, operations, requests) = record_workload();
    let look = |path: &Path| look(path, &requests);
    let mut examination = Examination::new(&operations, &look);
    let points: Vec<SyncPoint> = examination.points().into_iter().collect();
    assert_eq!(points, own_points().collect::<Vec<_>>(), "all are passed");
    for point in points {
        let findings = examination.examine(Some(point)).unwrap();
        let Some(breach) = findings.breach else {
            panic!("nothing is lost without the sync {point:?}");
        };
        println!("without {point:?}: {breach}");
    }
}

/// A point that is used in two places would hide that one of them is not needed,
/// and one that is not listed would never be left out.
#[test]
fn every_sync_point_is_listed_and_names_one_place() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        note_points(&entry.unwrap().path().join("src"), &mut used);
    }
    let listed = SyncPoint::ALL.map(|point| format!("{point:?}"));
    assert!(
        used.keys().eq(listed.iter().collect::<BTreeSet<_>>()),
        "{used:?}"
    );
    for (point, places) in used {
        assert_eq!(places.len(), 1, "{point}: {places:?}");
    }
}

/// Notes where code below `folder` names sync points.
fn note_points(folder: &Path, used: &mut BTreeMap<String, Vec<String>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            note_points(&path, used);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .filter(|line| !line.trim().starts_with("//"));
        for after in code.flat_map(|line| line.split("SyncPoint::").skip(1)) {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric());
            let places = used.entry(after[..end.unwrap_or(after.len())].to_owned());
            places.or_default().push(path.display().to_string());
        }
    }
}
