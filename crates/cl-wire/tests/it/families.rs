//! The two families as their clients know them.

use cl_wire::{admin, audit, events, messages, page::Page, projects, v1};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads `json` and expects that writing gives the same keys and values again.
#[track_caller]
fn check<T: Serialize + DeserializeOwned>(json: &str) -> T {
    let value: Value = serde_json::from_str(json).expect("JSON");
    let read: T = serde_json::from_str(json).expect("what is sent");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), value);
    read
}

/// Reads `json` with one more key and expects that this is refused.
#[track_caller]
fn refuses_more<T: DeserializeOwned>(json: &str) {
    let good = serde_json::from_str::<T>(json).err();
    assert!(good.is_none(), "{good:?}");
    let more = json.replacen('{', r#"{"surprise":1,"#, 1);
    let error = serde_json::from_str::<T>(&more).err().expect("an error");
    assert!(error.to_string().contains("surprise"), "{error}");
}

const T: &str = "task-20260223-204858-docs-pass";
const R: &str = "20260223-2048580000-66788-1";

fn filled(json: &str) -> String {
    json.replace("\"T\"", &format!("{T:?}"))
        .replace("\"R\"", &format!("{R:?}"))
}

#[test]
fn tasks_and_runs_of_v1() {
    check::<v1::Tasks>(&filled(
        r#"{"tasks":[{"project_id":"p","task_id":"T","status":"running","last_activity":"2026-02-23T20:48:58.12Z","depends_on":["task-20260223-200000-schema"]}]}"#,
    ));
    let task: v1::Task = check(&filled(
        r#"{"project_id":"p","task_id":"T","status":"running","last_activity":"2026-02-23T20:48:58.12Z","runs":[{"run_id":"R","project_id":"p","task_id":"T","status":"running","process_ownership":"managed","start_time":"2026-02-23T20:48:58.12Z","end_time":"0001-01-01T00:00:00Z","exit_code":-1,"agent_version":"2.1.50 (Claude Code)"}]}"#,
    ));
    assert_eq!(task.runs[0].end_time, None);
    // An exit code of 0 is left out.
    let run: v1::RunResponse = check(&filled(
        r#"{"run_id":"R","project_id":"p","task_id":"T","status":"completed","start_time":"2026-02-23T20:48:58.12Z","end_time":"2026-02-23T20:49:58Z"}"#,
    ));
    assert_eq!(run.exit_code, 0);
    check::<v1::Status>(
        r#"{"active_runs_count":1,"uptime_seconds":123.4,"configured_agents":["claude","codex"],"version":"1.2.0",
        "running_tasks":[{"project_id":"p","task_id":"task-20260223-204858-docs-pass","run_id":"20260223-2048580000-66788-1","agent":"codex","started":"2026-02-23T20:00:00Z"}]}"#,
    );
}

#[test]
fn tasks_are_created() {
    let create = r#"{"project_id":"p","task_id":"task-20260223-211000-answer","agent_type":"claude","prompt":"Answer …","attach_mode":"create",
        "thread_parent":{"project_id":"p","task_id":"task-20260223-200000-audit","run_id":"20260223-2000010000-500-1","message_id":"MSG-20260223-200130-000000001-PID00500-0003"},
        "thread_message_type":"USER_REQUEST"}"#;
    check::<v1::TaskCreate>(create);
    refuses_more::<v1::TaskCreate>(create);
    refuses_more::<v1::ThreadParent>(
        r#"{"project_id":"p","task_id":"task-20260223-200000-audit","run_id":"20260223-2000010000-500-1","message_id":"MSG-20260223-200130-000000001-PID00500-0003"}"#,
    );
    refuses_more::<v1::ProcessImport>(r#"{"pid":7}"#);
    // No list keeps the dependencies, an empty one takes them away.
    let with = |list: &str| {
        let json =
            format!(r#"{{"project_id":"p","task_id":{T:?},"agent_type":"a","prompt":"b"{list}}}"#);
        serde_json::from_str::<v1::TaskCreate>(&json)
            .unwrap()
            .depends_on
    };
    assert_eq!(with(""), None);
    assert_eq!(with(r#","depends_on":null"#), None);
    assert_eq!(with(r#","depends_on":[]"#), Some(Vec::new()));
    let bad = r#"{"project_id":"../x","task_id":"t","agent_type":"a","prompt":"b"}"#;
    assert!(serde_json::from_str::<v1::TaskCreate>(bad).is_err());
    check::<v1::TaskCreated>(&filled(
        r#"{"project_id":"p","task_id":"T","run_id":"R","status":"queued","queue_position":2,"depends_on":["task-20260223-200000-schema"]}"#,
    ));
    check::<v1::Stopped>(r#"{"stopped_runs":1}"#);
}

#[test]
fn lists_of_projects() {
    check::<projects::Projects>(
        r#"{"projects":[{"id":"p","last_activity":"2026-02-23T20:48:58.12Z","task_count":1,"project_root":"/srv/work/p"}]}"#,
    );
    check::<projects::ProjectStats>(
        r#"{"project_id":"p","total_tasks":1,"total_runs":2,"running_runs":1,"completed_runs":1,"failed_runs":0,"crashed_runs":0,"message_bus_files":2,"message_bus_total_bytes":5120}"#,
    );
    check::<Page<projects::TaskItem>>(&filled(
        r#"{"items":[{"blocked_by":null,"depends_on":["task-20260223-200000-schema"],"done":false,"id":"T","last_activity":"2026-02-23T20:48:58.12Z",
        "last_run_exit_code":-1,"last_run_output_size":2048,"last_run_status":"running","project_id":"p","run_count":2,"run_counts":{"completed":1,"running":1},
        "status":"running","thread_parent":null}],"total":1,"limit":50,"offset":0,"has_more":false}"#,
    ));
    check::<projects::FlatRuns>(&filled(
        r#"{"runs":[{"id":"R","task_id":"T","agent":"claude","status":"running","exit_code":-1,"start_time":"2026-02-23T20:48:58.12Z","previous_run_id":"20260223-2040000000-66788-1"}]}"#,
    ));
    refuses_more::<projects::ProjectCreate>(r#"{"project_id":"q","project_root":"~/q"}"#);
    check::<projects::GcResult>(r#"{"deleted_runs":3,"freed_bytes":10240,"dry_run":true}"#);
    check::<projects::ProjectDeleted>(
        r#"{"deleted_tasks":1,"freed_bytes":20480,"project_id":"p"}"#,
    );
    check::<projects::Resumed>(&filled(
        r#"{"project_id":"p","resumed":true,"task_id":"T"}"#,
    ));
}

#[test]
fn one_task_of_a_project() {
    let detail: projects::TaskDetail = check(&filled(
        r#"{"id":"T","project_id":"p","status":"running","last_activity":"2026-02-23T20:48:58.12Z","created_at":"2026-02-23T20:40:00Z","done":false,"state":"running",
        "depends_on":["task-20260223-200000-schema"],"thread_parent":{"project_id":"p","task_id":"task-20260223-200000-audit","run_id":"20260223-2000010000-500-1",
        "message_id":"MSG-20260223-200130-000000001-PID00500-0003","message_type":"QUESTION"},
        "runs":[{"id":"R","agent":"claude","agent_version":"2.1.50 (Claude Code)","status":"running","process_ownership":"managed","exit_code":-1,
        "start_time":"2026-02-23T20:48:58.12Z","previous_run_id":"20260223-2040000000-66788-1",
        "files":[{"name":"stdout","label":"stdout","size":2048},{"name":"stderr","label":"stderr"},{"name":"prompt","label":"prompt","size":3100}]}]}"#,
    ));
    assert_eq!(detail.runs[0].files.as_ref().map(Vec::len), Some(3));
    check::<projects::FileContent>(
        r##"{"content":"# Done\n","modified":"2026-02-23T21:03:10Z","name":"output.md","size_bytes":7}"##,
    );
}

#[test]
fn messages_and_events() {
    refuses_more::<messages::Post>(r#"{"type":"FACT","body":"b"}"#);
    refuses_more::<messages::PostTo>(r#"{"project_id":"p","body":"b"}"#);
    check::<messages::Posted>(
        r#"{"msg_id":"MSG-20260223-211000-000000001-PID00700-0001","timestamp":"2026-02-23T21:10:00.000000001Z"}"#,
    );
    let id = "MSG-20260223-191500-000000001-PID01234-0001";
    let item: messages::Item = serde_json::from_str(&filled(&format!(
        r#"{{"msg_id":{id:?},"timestamp":"2026-02-23T19:17:10.184887Z","type":"FACT","project_id":"p","task_id":"T","run_id":"R","parents":[{id:?}],"meta":{{"source":"runner"}},"body":"tests pass"}}"#
    )))
    .unwrap();
    assert_eq!(item.parents[0].msg_id.as_str(), id);
    check::<events::LogLine>(&filled(
        r#"{"run_id":"R","project_id":"p","task_id":"T","stream":"stdout","line":"building","timestamp":"2026-02-23T20:49:01.5Z"}"#,
    ));
    check::<events::RunState>(&filled(
        r#"{"run_id":"R","project_id":"p","task_id":"T","status":"completed","exit_code":0}"#,
    ));
    check::<events::Heartbeat>("{}");
}

#[test]
fn what_a_server_says_of_itself() {
    check::<admin::SelfUpdateStatus>(
        r#"{"state":"deferred","binary_path":"/opt/x/conductor","requested_at":"2026-02-23T21:00:00Z","started_at":"0001-01-01T00:00:00Z","finished_at":"0001-01-01T00:00:00Z","active_runs_at_request":2,"active_runs_now":2}"#,
    );
    refuses_more::<admin::SelfUpdate>(r#"{"binary_path":"/opt/x/conductor"}"#);
    // A line as older servers wrote it: the order of its keys is kept.
    let line = r#"{"timestamp":"2026-02-23T21:10:00.1Z","request_id":"req-1771881000100000000-a1b2c3d4e5f6","correlation_id":"req-1771881000100000000-a1b2c3d4e5f6","method":"POST","path":"/api/v1/messages","endpoint":"POST /api/v1/messages","remote_addr":"127.0.0.1:50412","project_id":"my-project","message_id":"MSG-20260223-211000-000000001-PID00700-0001","payload":{"body":"use [REDACTED]","project_id":"my-project","type":"USER"}}"#;
    let entry: audit::AuditEntry = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_string(&entry).unwrap(), line);
}

#[test]
fn errors_in_both_forms() {
    let problem: cl_wire::Problem = serde_json::from_str(
        r#"{"error":{"code":"CONFLICT","message":"run is not running","details":{"status":"completed"}},"message":"run is not running"}"#,
    )
    .unwrap();
    assert_eq!(problem.error.details["status"], "completed");
}
