//! Every route by the client.

use std::collections::BTreeMap;
use std::time::Duration;

use cl_client::blocking::{Blocking, Waited};
use cl_client::{
    AuditQuery, Builder, BusOf, Client, ClientError, CoreTasks, EventStream, FilePart, FlatQuery,
    GcQuery, IfRunning, TaskQuery, UsageQuery,
};
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, RunId, TaskId};
use cl_testkit::patience::{PATIENCE, until};
use cl_testkit::scenario::PROJECT;
use cl_testkit::served::Served;
use cl_wire::admin::{SelfUpdate, SelfUpdateState};
use cl_wire::changes::{
    BusPost, CancelRequest, ClearRequest, DeleteRequest, LaunchKind, LaunchPolicy, LaunchRequest,
};
use cl_wire::messages::{Post, PostTo};
use cl_wire::projects::{Cancel, Outcome, ProjectCreate, Resume, Unblock};
use cl_wire::shown::{StopOutcome, StopRequest, Suppression};
use cl_wire::usage::UsageBucket;
use cl_wire::v1::{Ownership, ProcessImport, TaskCreate};
use serde_json::Value;

use super::scene::{ENDED, RUN, SPARE, SPARE_RUN, Scene, Stranger};
use super::tap::Tap;

/// The client and the ids it asks for.
struct Asker<'a> {
    scene: &'a Scene,
    client: Blocking,
    project: ProjectId,
    task: TaskId,
    run: RunId,
}

/// Returns the id of a task.
fn task(text: &str) -> TaskId {
    TaskId::parse(text).unwrap()
}

impl Asker<'_> {
    /// Asks, and panics unless it is answered.
    #[track_caller]
    fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>) -> T {
        let answer = self.client.ask(question);
        answer.unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    /// Follows a stream up to what it says first.
    #[track_caller]
    fn follow(&self, question: impl AsyncFnOnce(&Client) -> Result<EventStream, ClientError>) {
        let stream = self.ask(question);
        let said = self.client.events(stream).next_within(PATIENCE).unwrap();
        assert!(!matches!(said, Waited::Nothing), "a stream that is silent");
    }

    fn new_task(&self, id: &str) -> TaskCreate {
        TaskCreate {
            project_id: self.project.clone(),
            task_id: task(id),
            agent_type: "actor".to_owned(),
            prompt: "do it".to_owned(),
            config: None,
            project_root: Some(self.scene.scenario.work().display().to_string()),
            attach_mode: None,
            depends_on: None,
            process_import: None,
            thread_parent: None,
            thread_message_type: None,
            policy: None,
        }
    }

    #[track_caller]
    fn submit(&self, id: &str) -> TaskId {
        let new = self.new_task(id);
        self.ask(async |it| it.create_task(&new, Some(id)).await);
        task(id)
    }
}

/// Asks a server for everything, through a tap.
#[track_caller]
pub(super) fn ask_everything(scene: &Scene, server: &Served, tap: &Tap) {
    let address = tap.address().to_string();
    let builder = Builder::new(&address).unwrap().token(server.token());
    let client = builder.unwrap().build().unwrap();
    let asker = Asker {
        scene,
        client: Blocking::new(client).unwrap(),
        project: ProjectId::parse(PROJECT).unwrap(),
        task: task(ENDED),
        run: RunId::parse(RUN).unwrap(),
    };
    about_the_server(&asker);
    about_all(&asker);
    about_a_project(&asker);
    about_a_task(&asker);
    core(&asker);
    follow(&asker);
    say(&asker);
    steer(&asker);
    work(&asker);
    import(&asker);
    delete(&asker);
    update(&asker);
}

fn about_the_server(asker: &Asker<'_>) {
    assert_eq!(asker.ask(async |it| it.healthz().await).status, "ok");
    assert_eq!(asker.ask(async |it| it.health().await).status, "ok");
    let version = asker.ask(async |it| it.version().await).version;
    assert!(!version.is_empty());
    let status = asker.ask(async |it| it.status().await);
    assert_eq!(status.configured_agents, ["actor"]);
    let metrics = asker.ask(async |it| it.metrics().await);
    assert!(metrics.starts_with(b"# HELP"));
    let document = asker.ask(async |it| it.openapi().await);
    assert!(document["paths"].is_object());
    let link = asker.ask(async |it| it.login_link().await);
    assert!(link.login_url.contains("/ui/login?code="));
    let update = asker.ask(async |it| it.self_update_status().await);
    assert_eq!(update.state, SelfUpdateState::Idle);
    let limits = asker.ask(async |it| it.usage_limits().await);
    assert_eq!(limits.agents.len(), 1);
    let forgotten = asker.ask(async |it| it.forget_limits("claude").await);
    assert_eq!(forgotten.cleared.len(), 1);
}

fn about_all(asker: &Asker<'_>) {
    let project = Some(&asker.project);
    let usage = UsageQuery {
        project,
        ..UsageQuery::default()
    };
    asker.ask(async |it| it.usage(&usage).await);
    let trend = asker.ask(async |it| it.usage_trend(&usage, UsageBucket::Day).await);
    assert!(!trend.buckets.is_empty());
    let ps = asker.ask(async |it| it.processes(project, Some(&asker.task)).await);
    assert!(ps.processes.is_empty());
    asker.ask(async |it| it.audit(&AuditQuery::default()).await);
    let tasks = asker.ask(async |it| it.tasks(project).await);
    assert_eq!(tasks.tasks.len(), 2);
    let task = asker.ask(async |it| it.task(project, &asker.task).await);
    assert_eq!(task.runs.len(), 1);
    assert_eq!(asker.ask(async |it| it.runs().await).runs.len(), 3);
    let run = asker.ask(async |it| it.run(&asker.run).await);
    assert_eq!(run.run_id, asker.run);
    let record = asker.ask(async |it| it.run_record(&asker.run).await);
    assert!(record.starts_with(b"version: 1"));
}

fn about_a_project(asker: &Asker<'_>) {
    let project = &asker.project;
    let projects = asker.ask(async |it| it.projects().await);
    assert_eq!(projects.projects.len(), 1);
    let make = ProjectCreate {
        project_id: ProjectId::parse("made").unwrap(),
        project_root: asker.scene.scenario.work().display().to_string(),
    };
    let made = asker.ask(async |it| it.create_project(&make).await);
    assert_eq!(made.id.as_str(), "made");
    asker.ask(async |it| it.home_dirs().await);
    assert_eq!(
        asker.ask(async |it| it.project(project).await).task_count,
        2
    );
    let stats = asker.ask(async |it| it.project_stats(project).await);
    assert_eq!(stats.total_runs, 3);
    asker.ask(async |it| it.tree(project, None).await);
    let flat = FlatQuery::default();
    let flat = asker.ask(async |it| it.flat_runs(project, &flat).await);
    assert_eq!(flat.runs.len(), 3);
    let query = TaskQuery::default();
    let counted = asker.ask(async |it| it.project_tasks(project, &query).await);
    assert_eq!(counted.total, 2);
    let first = asker.ask(async |it| it.project_tasks_behind(project, None, Some(1)).await);
    assert!(first.has_more && first.items.len() == 1);
    let next = first.next.as_deref();
    let second = asker.ask(async |it| it.project_tasks_behind(project, next, Some(1)).await);
    assert!(!second.has_more && second.items[0].id != first.items[0].id);
}

fn about_a_task(asker: &Asker<'_>) {
    let Asker {
        project, task, run, ..
    } = asker;
    let detail = asker.ask(async |it| it.task_detail(project, task).await);
    assert_eq!(detail.runs.len(), 1);
    let file = asker.ask(async |it| it.task_file(project, task, "TASK.md").await);
    assert_eq!(file.content, "do it\n");
    let bytes = asker.ask(async |it| it.task_bytes(project, task, "TASK.md").await);
    assert_eq!(bytes, b"do it\n");
    let runs = asker.ask(async |it| it.task_runs(project, task, None, None).await);
    assert_eq!(runs.total, 1);
    let shown = asker.ask(async |it| it.task_run(project, task, run).await);
    assert_eq!(shown.id, *run);
    let part = FilePart::Tail(1);
    let file = asker.ask(async |it| it.run_file(project, task, run, "stdout", part).await);
    assert_eq!(file.content, "two\n");
    let bytes = asker.ask(async |it| it.run_bytes(project, task, run, "stdout").await);
    assert_eq!(bytes, b"one\ntwo\n");
    let hits = asker.ask(async |it| {
        it.search_run_file(project, task, run, "stdout", "TWO", None)
            .await
    });
    assert_eq!(hits.hits[0].at, 4);
    let evidence = asker.ask(async |it| it.evidence(project, task).await);
    assert_eq!(evidence.evidence.len(), 1);
    let output = asker.ask(async |it| it.evidence_output(project, task, 1).await);
    assert_eq!(output, b"ok\n");
}

fn core(asker: &Asker<'_>) {
    let Asker { project, task, .. } = asker;
    let names = asker.ask(async |it| it.core_projects().await);
    assert!(names.projects.contains(&PROJECT.to_owned()));
    let listed = asker.ask(async |it| it.core_tasks(CoreTasks::Project(project)).await);
    assert_eq!(listed.tasks.len(), 2);
    let these = CoreTasks::These(project, std::slice::from_ref(task));
    let drift = Duration::from_mins(20);
    let told = asker.ask(async |it| it.core_activities(these, drift).await);
    assert_eq!(told.len(), 1);
    let shown = asker.ask(async |it| it.core_task(project, task).await);
    assert_eq!(shown.runs.len(), 1);
    let runs = asker.ask(async |it| it.core_runs(project, task).await);
    assert_eq!(runs.runs.len(), 1);
}

fn follow(asker: &Asker<'_>) {
    let Asker {
        project, task, run, ..
    } = asker;
    asker.follow(async |it| it.follow_changes(None).await);
    asker.follow(async |it| it.follow_project(project, None).await);
    asker.follow(async |it| it.follow_run(run, None).await);
    asker.follow(async |it| it.follow_task_runs(project, task, None).await);
    asker.follow(async |it| it.follow_run_file(project, task, run, "stdout", None).await);
    // What says nothing by itself is only opened here.
    asker.ask(async |it| it.follow_all_runs(None).await);
    asker.ask(async |it| it.follow_messages(BusOf::Project(project), None).await);
    asker.ask(async |it| it.follow_messages(BusOf::Task(project, task), None).await);
    asker.ask(async |it| it.follow_any_messages(project, Some(task), None).await);
}

fn say(asker: &Asker<'_>) {
    let Asker { project, task, .. } = asker;
    let post = Post {
        kind: Some("FACT".to_owned()),
        body: "it works".to_owned(),
        ..Post::default()
    };
    for bus in [BusOf::Project(project), BusOf::Task(project, task)] {
        let posted = asker.ask(async |it| it.post_message(bus, &post, None).await);
        let read = asker.ask(async |it| it.messages(bus, None, Some(1)).await);
        assert_eq!(read.messages[0].msg_id, posted.msg_id);
    }
    let post = PostTo {
        project_id: project.clone(),
        task_id: None,
        run_id: None,
        kind: Some("FACT".to_owned()),
        body: "it works".to_owned(),
        parents: Vec::new(),
        links: Vec::new(),
        meta: BTreeMap::new(),
    };
    let posted = asker.ask(async |it| it.post_any_message(&post, Some("key")).await);
    let again = asker.ask(async |it| it.post_any_message(&post, Some("key")).await);
    assert_eq!(posted.msg_id, again.msg_id);
    let read = asker.ask(async |it| it.any_messages(project, None, None).await);
    assert_eq!(read.messages.len(), 2);
    let post = BusPost {
        body: "it works".to_owned(),
        durability: "os".to_owned(),
        issue_id: String::new(),
        kind: "FACT".to_owned(),
        links: Vec::new(),
        meta: BTreeMap::new(),
        parents: Vec::new(),
        project_id: project.clone(),
        run_id: None,
        task_id: None,
    };
    let posted = asker.ask(async |it| it.core_post(&post).await);
    let read: Value = asker.ask(async |it| it.core_messages(project, None, Some(1)).await);
    assert!(read.to_string().contains(posted.msg_id.as_str()), "{read}");
}

fn steer(asker: &Asker<'_>) {
    let (project, spare) = (&asker.project, &task(SPARE));
    let why = Cancel {
        reason: "not needed".to_owned(),
        superseded_by: None,
    };
    let acted = asker.ask(async |it| it.give_up_task(project, spare, &why).await);
    assert_eq!(acted.outcome, Outcome::Cancelled);
    let acted = asker.ask(async |it| it.uncancel_task(project, spare).await);
    assert_eq!(acted.outcome, Outcome::Uncancelled);
    let from = Unblock::default();
    let acted = asker.ask(async |it| it.unblock_task(project, spare, &from).await);
    assert_eq!(acted.outcome, Outcome::NotBlocked);
    asker.scene.claim(ENDED);
    let how = Resume { start: false };
    let resumed = asker.ask(async |it| it.resume_task(project, &asker.task, &how).await);
    assert!(resumed.resumed && !resumed.started);
    let why = CancelRequest {
        force: false,
        grace_ms: 1000,
        reason: "not needed".to_owned(),
        superseded_by: None,
    };
    let answer = asker.ask(async |it| it.core_cancel(project, spare, &why).await);
    assert_eq!(answer.cancelled.reason, "not needed");
    asker.ask(async |it| it.core_uncancel(project, spare).await);
    let answer = asker.ask(async |it| it.core_unblock(project, spare, &from).await);
    assert!(answer.unblocked.unblocked.is_empty());
    asker.scene.claim(ENDED);
    let how = ClearRequest { force: false };
    let cleared = asker.ask(async |it| it.core_clear(project, &asker.task, &how).await);
    assert_eq!(cleared.cleared, ["DONE"]);
}

fn work(asker: &Asker<'_>) {
    let (project, scene) = (&asker.project, asker.scene);
    let waiting: Vec<String> = (1..=5)
        .map(|number| format!("task-20260101-000000-wait{number}"))
        .collect();
    let tasks: Vec<TaskId> = waiting.iter().map(|id| asker.submit(id)).collect();
    let runs = waiting.iter().map(|id| scene.run_at_work(id));
    let runs: Vec<RunId> = runs.map(|id| RunId::parse(&id).unwrap()).collect();
    asker.ask(async |it| it.stop_run(&runs[0]).await);
    asker.ask(async |it| it.stop_task_run(project, &tasks[1], &runs[1]).await);
    let acted = asker.ask(async |it| it.stop_task(project, &tasks[2]).await);
    assert_eq!(acted.outcome, Outcome::Stopping);
    let stopped = asker.ask(async |it| it.cancel_task(Some(project), &tasks[3]).await);
    assert_eq!(stopped.stopped_runs, 1);
    let how = StopRequest {
        grace_ms: 2000,
        kills: true,
        runs: Vec::new(),
        suppression: Suppression::ForGood,
    };
    let answer = asker.ask(async |it| it.core_stop(project, &tasks[4], &how).await);
    assert_eq!(answer.stopped.outcome, StopOutcome::Stopped);
    for id in &waiting {
        scene.wait_for_end(id);
    }
    for by_core in [false, true] {
        let id = format!("task-20260101-000000-again{}", u8::from(by_core));
        let again = task(&id);
        let launch = LaunchRequest {
            agent: Some("actor".to_owned()),
            cwd: Some(scene.scenario.work().display().to_string()),
            depends_on: None,
            env: BTreeMap::new(),
            force: false,
            kind: LaunchKind::Task,
            policy: LaunchPolicy {
                max_attempts: Some(3),
                restart_delay_ms: Some(3_600_000),
                ..LaunchPolicy::default()
            },
            prompt: Some("do it".to_owned()),
        };
        asker.ask(async |it| it.core_launch(project, &again, &launch).await);
        scene.wait_for_delay(&id);
        // It waits for its next attempt and not for a limit.
        let refused = if by_core {
            let answer = asker
                .client
                .ask(async |it| it.core_wake(project, &again).await);
            answer.map(drop)
        } else {
            let answer = asker
                .client
                .ask(async |it| it.wake_task(project, &again).await);
            answer.map(drop)
        };
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("was not woken"), "{refused}");
        let stop = asker.ask(async |it| it.stop_task(project, &again).await);
        assert_eq!(stop.outcome, Outcome::Stopping);
        scene.wait_for_end(&id);
    }
}

fn import(asker: &Asker<'_>) {
    let stranger = Stranger::start();
    let log = asker.scene.scenario.work().join("strange.log");
    std::fs::write(&log, "strange\n").unwrap();
    let id = "task-20260101-000000-taken";
    let mut new = asker.new_task(id);
    new.process_import = Some(ProcessImport {
        pid: stranger.pid(),
        pgid: None,
        commandline: Some("sleep 600".to_owned()),
        stdout_path: Some(log.display().to_string()),
        stderr_path: None,
        ownership: None,
    });
    let taken = asker.ask(async |it| it.create_task(&new, None).await);
    let run = taken.run_id.expect("a run");
    let shown = asker.ask(async |it| it.run(&run).await);
    assert_eq!(shown.process_ownership, Some(Ownership::External));
    drop(stranger);
    asker.scene.wait_for_end(id);
}

fn delete(asker: &Asker<'_>) {
    let (project, scene) = (&asker.project, asker.scene);
    let (spare, run) = (task(SPARE), RunId::parse(SPARE_RUN).unwrap());
    asker.ask(async |it| it.delete_run(project, &spare, &run).await);
    let what = GcQuery {
        older_than: Some("1h".to_owned()),
        dry_run: true,
        keep_failed: false,
    };
    let found = asker.ask(async |it| it.collect(project, &what).await);
    assert!(found.dry_run);
    let how = DeleteRequest {
        force: false,
        grace_ms: 1000,
    };
    let woken = task("task-20260101-000000-again1");
    let answer = asker.ask(async |it| it.core_delete(project, &woken, &how).await);
    assert_eq!(answer.leftover_error, None);
    asker.ask(async |it| it.delete_task(project, &spare).await);
    let id = "task-20260101-000000-wait6";
    asker.submit(id);
    scene.run_at_work(id);
    let refused = asker
        .client
        .ask(async |it| it.delete_project(project, IfRunning::Refuse).await);
    assert!(refused.is_err(), "{refused:?}");
    let deleted = asker.ask(async |it| it.delete_project(project, IfRunning::Stop).await);
    assert!(deleted.deleted_tasks > 5);
    assert!(!scene.scenario.task(id).path().exists());
}

fn update(asker: &Asker<'_>) {
    let id = "task-20260101-000000-wait7";
    let last = asker.submit(id);
    asker.scene.run_at_work(id);
    until("a server that knows it", || {
        let shown = asker.ask(async |it| it.task(None, &last).await);
        shown.status == TaskStatus::Running
    });
    let (path, sha256) = asker.scene.candidate();
    let wish = SelfUpdate {
        binary_path: path.display().to_string(),
        sha256: Some(sha256),
    };
    let status = asker.ask(async |it| it.self_update(&wish).await);
    assert_eq!(status.state, SelfUpdateState::Deferred);
}
