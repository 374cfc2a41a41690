//! Text form of run records.

use jiff::Timestamp;

use super::{Phase, RunInfo, RunStatus, StopRecord};
use crate::failure::{Failure, FailureKind, Usage};
use crate::id::{ProjectId, RunId, TaskId};
use crate::layout::RunDir;
use crate::process::ProcessStart;
use crate::yaml::{self, Mapping, YamlError};

/// What stands for "not ended yet" in `end_time`.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// The keys that this build knows, in file order.
const KEYS: [&str; 40] = [
    "version",
    "run_id",
    "parent_run_id",
    "previous_run_id",
    "project_id",
    "task_id",
    "agent",
    "process_ownership",
    "pid",
    "pgid",
    "start_time",
    "end_time",
    "exit_code",
    "status",
    "cwd",
    "prompt_path",
    "output_path",
    "stdout_path",
    "stderr_path",
    "commandline",
    "error_summary",
    "agent_version",
    "phase",
    "agent_name",
    "attempt",
    "depth",
    "process_start",
    "supervisor_pid",
    "supervisor_start",
    "argv",
    "backend_provider",
    "backend_model",
    "session_id",
    "failure",
    "usage",
    "stop",
    "role",
    "iteration",
    "rejected_by",
    "agent_type",
];

pub(super) fn to_yaml(info: &RunInfo) -> String {
    let time =
        |time: Option<Timestamp>| time.map_or_else(|| ZERO_TIME.to_owned(), |t| t.to_string());
    let id = |id: &Option<RunId>| id.as_ref().map(RunId::to_string).unwrap_or_default();
    let mut out = Mapping::new();
    out.plain("version", info.version)
        .text("run_id", info.run_id.as_str())
        .text_unless_empty("parent_run_id", &id(&info.parent_run_id))
        .text_unless_empty("previous_run_id", &id(&info.previous_run_id))
        .text("project_id", info.project_id.as_str())
        .text("task_id", info.task_id.as_str())
        .text("agent", &info.agent)
        .text(
            "process_ownership",
            if info.is_external {
                "external"
            } else {
                "managed"
            },
        )
        .plain("pid", info.pid)
        .plain("pgid", info.pgid)
        .plain("start_time", time(info.start_time))
        .plain("end_time", time(info.end_time))
        .plain("exit_code", info.exit_code)
        .text("status", info.status.as_str())
        .text_unless_empty("cwd", &info.cwd)
        .text_unless_empty("prompt_path", &info.prompt_path)
        .text_unless_empty("output_path", &info.output_path)
        .text_unless_empty("stdout_path", &info.stdout_path)
        .text_unless_empty("stderr_path", &info.stderr_path)
        .text_unless_empty("commandline", &info.commandline)
        .text_unless_empty("error_summary", &info.error_summary)
        .text("agent_version", &info.agent_version);
    write_own_keys(&mut out, info);
    out.finish() + &info.unknown
}

/// Writes the keys that the earlier implementation does not know.
fn write_own_keys(out: &mut Mapping, info: &RunInfo) {
    let token = |start: &Option<ProcessStart>| {
        start
            .as_ref()
            .map(ProcessStart::to_string)
            .unwrap_or_default()
    };
    out.text_unless_empty("phase", info.phase.map_or("", Phase::as_str))
        .text_unless_empty("agent_name", &info.agent_name);
    for (key, value) in [("attempt", info.attempt), ("depth", info.depth)] {
        if let Some(value) = value {
            out.plain(key, value);
        }
    }
    out.text_unless_empty("process_start", &token(&info.process_start));
    if let Some(pid) = info.supervisor_pid {
        out.plain("supervisor_pid", pid);
    }
    out.text_unless_empty("supervisor_start", &token(&info.supervisor_start))
        .list("argv", info.argv.iter().map(String::as_str))
        .text_unless_empty("backend_provider", &info.backend_provider)
        .text_unless_empty("backend_model", &info.backend_model)
        .text_unless_empty("session_id", &info.session_id);
    if let Some(failure) = &info.failure {
        out.mapping("failure", |out| {
            out.text("kind", failure.kind.as_str())
                .text("detail", &failure.detail);
            if let Some(at) = failure.retry_at {
                out.plain("retry_at", at);
            }
        });
    }
    if let Some(usage) = &info.usage {
        out.mapping("usage", |out| write_usage(out, usage));
    }
    if let Some(stop) = &info.stop {
        out.mapping("stop", |out| {
            out.plain("requested_at", stop.requested_at)
                .text("by", &stop.by)
                .plain("survivors", stop.survivors)
                .plain("took_ms", stop.took_ms);
        });
    }
    out.text_unless_empty("role", &info.role);
    if let Some(iteration) = info.iteration {
        out.plain("iteration", iteration);
    }
    out.text_unless_empty("rejected_by", &info.rejected_by);
}

fn write_usage(out: &mut Mapping, usage: &Usage) {
    out.plain("input_tokens", usage.input_tokens)
        .plain("output_tokens", usage.output_tokens)
        .plain("cache_read_tokens", usage.cache_read_tokens)
        .plain("cache_write_tokens", usage.cache_write_tokens);
    if let Some(cost) = usage.cost_usd.filter(|cost| cost.is_finite()) {
        out.plain("cost_usd", cost);
    }
    if let Some(turns) = usage.turns {
        out.plain("turns", turns);
    }
}

/// The record as YAML readers see it: every key optional.
#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Raw {
    version: Option<u32>,
    run_id: Option<String>,
    parent_run_id: Option<String>,
    previous_run_id: Option<String>,
    project_id: Option<String>,
    task_id: Option<String>,
    agent: Option<String>,
    agent_type: Option<String>,
    process_ownership: Option<String>,
    pid: Option<i32>,
    pgid: Option<i32>,
    start_time: Option<String>,
    end_time: Option<String>,
    exit_code: Option<i32>,
    status: Option<String>,
    cwd: Option<String>,
    prompt_path: Option<String>,
    output_path: Option<String>,
    stdout_path: Option<String>,
    stderr_path: Option<String>,
    commandline: Option<String>,
    error_summary: Option<String>,
    agent_version: Option<String>,
    phase: Option<String>,
    agent_name: Option<String>,
    attempt: Option<u32>,
    depth: Option<u32>,
    process_start: Option<String>,
    supervisor_pid: Option<i32>,
    supervisor_start: Option<String>,
    argv: Option<Vec<String>>,
    backend_provider: Option<String>,
    backend_model: Option<String>,
    session_id: Option<String>,
    failure: Option<RawFailure>,
    usage: Option<Usage>,
    stop: Option<StopRecord>,
    role: Option<String>,
    iteration: Option<u32>,
    rejected_by: Option<String>,
}

#[derive(serde::Deserialize)]
struct RawFailure {
    kind: Option<FailureKind>,
    detail: Option<String>,
    retry_at: Option<String>,
}

/// Reads a record; ids that are missing or invalid are taken from the path.
pub(super) fn parse(text: &str, run: &RunDir) -> Result<RunInfo, YamlError> {
    let empty = YamlError {
        message: "the file is empty".to_owned(),
        line: 0,
        column: 0,
    };
    if text.trim().is_empty() {
        return Err(empty);
    }
    let raw: Raw = yaml::parse_record(text)?;
    // Records have a status from the first write on, and those of the old layout an id at least.
    let has_no_status = raw.status.is_none() && (raw.run_id.is_none() || !run.task().is_flat());
    let is_cut_word = !text.ends_with('\n')
        && (raw.status.as_deref()).is_some_and(|word| RunStatus::parse(word) == RunStatus::Unknown);
    if has_no_status || is_cut_word {
        let message = "no status is there; the file may have been cut short".to_owned();
        return Err(YamlError {
            message,
            line: 1,
            column: 1,
        });
    }
    let run_id = |id: Option<String>| id.and_then(|id| RunId::parse(id.trim()).ok());
    let text_of = |value: Option<String>| value.unwrap_or_default();
    let agent = raw.agent.or(raw.agent_type).unwrap_or_default();
    Ok(RunInfo {
        version: raw.version.unwrap_or(0),
        run_id: run_id(raw.run_id).unwrap_or_else(|| run.id().clone()),
        parent_run_id: run_id(raw.parent_run_id),
        previous_run_id: run_id(raw.previous_run_id),
        project_id: raw
            .project_id
            .and_then(|id| ProjectId::parse(id.trim()).ok())
            .unwrap_or_else(|| run.task().project().clone()),
        task_id: raw
            .task_id
            .and_then(|id| TaskId::parse_existing(id.trim()).ok())
            .unwrap_or_else(|| run.task().id().clone()),
        agent: agent.trim().to_lowercase(),
        is_external: raw.process_ownership.as_deref().map(str::trim) == Some("external"),
        pid: raw.pid.unwrap_or(0),
        pgid: raw.pgid.unwrap_or(0),
        start_time: time("start_time", raw.start_time)?,
        end_time: time("end_time", raw.end_time)?,
        exit_code: raw.exit_code.unwrap_or(-1),
        status: RunStatus::parse(&text_of(raw.status)),
        cwd: text_of(raw.cwd),
        prompt_path: text_of(raw.prompt_path),
        output_path: text_of(raw.output_path),
        stdout_path: text_of(raw.stdout_path),
        stderr_path: text_of(raw.stderr_path),
        commandline: text_of(raw.commandline),
        error_summary: text_of(raw.error_summary),
        agent_version: text_of(raw.agent_version),
        phase: raw.phase.as_deref().and_then(Phase::parse),
        agent_name: text_of(raw.agent_name),
        attempt: raw.attempt,
        depth: raw.depth,
        process_start: raw.process_start.as_deref().and_then(ProcessStart::parse),
        supervisor_pid: raw.supervisor_pid,
        supervisor_start: raw
            .supervisor_start
            .as_deref()
            .and_then(ProcessStart::parse),
        argv: raw.argv.unwrap_or_default(),
        backend_provider: text_of(raw.backend_provider),
        backend_model: text_of(raw.backend_model),
        session_id: text_of(raw.session_id),
        failure: raw.failure.map(failure).transpose()?,
        usage: raw.usage,
        stop: raw.stop,
        role: text_of(raw.role),
        iteration: raw.iteration,
        rejected_by: text_of(raw.rejected_by),
        unknown: unknown_blocks(text),
    })
}

fn failure(raw: RawFailure) -> Result<Failure, YamlError> {
    Ok(Failure {
        kind: raw.kind.unwrap_or(FailureKind::Unknown),
        detail: raw.detail.unwrap_or_default(),
        retry_at: time("retry_at", raw.retry_at)?,
    })
}

/// Reads a time; the zero time and an empty text are none.
fn time(key: &str, text: Option<String>) -> Result<Option<Timestamp>, YamlError> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() || text.starts_with("0001-01-01") {
        return Ok(None);
    }
    let error = |e: jiff::Error| YamlError {
        message: format!("{key}: {e}"),
        line: 0,
        column: 0,
    };
    text.parse().map(Some).map_err(error)
}

/// Returns the top-level keys that this build does not know, with their values, verbatim.
fn unknown_blocks(text: &str) -> String {
    let mut unknown = String::new();
    let mut keeping = false;
    for line in text.split_inclusive('\n') {
        let starts_key = line
            .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '"' || c == '\'');
        if starts_key {
            let key = line
                .split(':')
                .next()
                .unwrap_or_default()
                .trim_matches(['"', '\'']);
            keeping = line.contains(':') && !KEYS.contains(&key);
        } else if line.starts_with(['#', '-', '.']) {
            keeping = false;
        }
        if keeping {
            unknown.push_str(line);
        }
    }
    if !unknown.is_empty() && !unknown.ends_with('\n') {
        unknown.push('\n');
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Root;

    fn run() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let task = Root::at(folder.path())
            .unwrap()
            .task(
                &ProjectId::parse("my-project").unwrap(),
                &TaskId::parse("task-20260223-204858-docs-pass").unwrap(),
            )
            .unwrap();
        task.ensure().unwrap();
        let run = task
            .run(&RunId::parse("20260223-2048580000-66788-1").unwrap())
            .unwrap();
        std::fs::create_dir(run.path()).unwrap();
        (folder, run)
    }

    /// As the earlier implementation writes it.
    const RUNNING_CHILD: &str = "\
version: 1
run_id: 20260223-2048580000-66788-1
parent_run_id: 20260223-2047110000-66001-1
project_id: my-project
task_id: task-20260223-204858-docs-pass
agent: claude
process_ownership: managed
pid: 66790
pgid: 66790
start_time: 2026-02-23T20:48:58.123456Z
end_time: 0001-01-01T00:00:00Z
exit_code: -1
status: running
cwd: /srv/work/my-project
prompt_path: /srv/runs/prompt.md
output_path: /srv/runs/output.md
stdout_path: /srv/runs/agent-stdout.txt
stderr_path: /srv/runs/agent-stderr.txt
commandline: claude -p --input-format text --verbose < /srv/runs/prompt.md
agent_version: 2.1.50 (Claude Code)
";

    #[test]
    fn a_record_of_the_earlier_implementation_is_written_back_byte_for_byte() {
        let (_folder, run) = run();
        let info = parse(RUNNING_CHILD, &run).unwrap();
        assert_eq!(info.status, RunStatus::Running);
        assert_eq!(info.end_time, None);
        assert_eq!(
            info.start_time.unwrap().to_string(),
            "2026-02-23T20:48:58.123456Z"
        );
        assert_eq!(to_yaml(&info), RUNNING_CHILD);
    }

    #[test]
    fn old_and_odd_shapes_open() {
        let (_folder, run) = run();
        let text = "run_id: run_20260128-163814-2127\nagent_type: Codex\nrestart_count: 3\n\
                    start_time: \"2026-02-23T21:03:10.5Z\"\nend_time: '2026-02-23T21:03:10.123456789Z'\n\
                    exit_code: -1\nstatus: failed\nprocess_ownership: nonsense\n\
                    error_summary: 'reconciled stale running status: process is not alive'\nagent_version: \"\"\n";
        let info = parse(text, &run).unwrap();
        assert_eq!(
            (info.version, info.agent.as_str(), info.is_external),
            (0, "codex", false)
        );
        assert_eq!(
            info.project_id.as_str(),
            "my-project",
            "taken from the path"
        );
        assert_eq!(
            info.end_time.unwrap().to_string(),
            "2026-02-23T21:03:10.123456789Z"
        );
        assert_eq!(info.unknown, "restart_count: 3\n");
        let blank = parse("run_id: 20260223-2048580000-66788-1\nstatus: \"\"\n", &run).unwrap();
        assert_eq!(blank.status, RunStatus::Unknown);
    }

    #[test]
    fn every_key_survives_a_round_trip() {
        let (_folder, run) = run();
        let mut info = RunInfo::preparing(&run, "claude", "2026-01-01T00:00:00Z".parse().unwrap());
        info.previous_run_id = Some(RunId::parse("20260101-0000000000-1-1").unwrap());
        info.process_start = ProcessStart::parse("boot:5");
        info.supervisor_pid = Some(7);
        info.supervisor_start = ProcessStart::parse("boot:4");
        info.argv = vec!["claude".into(), "-p".into(), "a b: c".into(), String::new()];
        info.attempt = Some(2);
        info.depth = Some(0);
        info.session_id = "0123".into();
        info.failure = Some(Failure {
            kind: FailureKind::LimitWindow,
            detail: "until: later".into(),
            retry_at: Some(Timestamp::UNIX_EPOCH),
        });
        info.usage = Some(Usage {
            input_tokens: 1,
            cost_usd: Some(0.25),
            turns: Some(3),
            ..Usage::default()
        });
        info.stop = Some(StopRecord {
            requested_at: Timestamp::UNIX_EPOCH,
            by: "user".into(),
            survivors: 0,
            took_ms: 12,
        });
        info.unknown = "future:\n    a:\n        - 1\n    nested: true\n".to_owned();
        let read = parse(&to_yaml(&info), &run).unwrap();
        assert_eq!(read, info);
    }

    #[test]
    fn unknown_keys_are_kept_with_their_blocks() {
        let text = "version: 1\nnew_list:\n    - a\n\n    - b\nstatus: running\n# note\nother: |\n    x: y\n  z\nagent: a\n";
        assert_eq!(
            unknown_blocks(text),
            "new_list:\n    - a\n\n    - b\nother: |\n    x: y\n  z\n"
        );
    }

    #[test]
    fn a_newer_record_is_read_but_never_rewritten() {
        let (_folder, run) = run();
        let text = RUNNING_CHILD.replace("version: 1", "version: 9");
        std::fs::write(run.info(), &text).unwrap();
        let info = RunInfo::read(&run).unwrap().unwrap();
        assert_eq!((info.version, info.status), (9, RunStatus::Running));
        let error = super::super::update(&run, |info| info.pid = 1).unwrap_err();
        assert!(
            error.to_string().contains("newer version (format 9"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(run.info()).unwrap(), text);
    }

    #[test]
    fn damaged_records_are_named() {
        let (_folder, run) = run();
        for text in [
            "",
            "   \n",
            "version: [",
            "just text",
            "version: 1\n",
            "run_id: x\nstatus: running\npid: abc\n",
            "status: running\nstart_time: yesterday\n",
        ] {
            std::fs::write(run.info(), text).unwrap();
            let error = RunInfo::read(&run).unwrap_err();
            assert!(
                error.to_string().contains("run-info.yaml is damaged"),
                "{text:?}: {error}"
            );
        }
        std::fs::write(run.info(), b"status: \xff\xfe").unwrap();
        assert!(RunInfo::read(&run).is_err());
    }

    #[test]
    fn concurrent_updates_lose_nothing_and_readers_see_whole_records() {
        let (_folder, run) = run();
        let info = RunInfo::preparing(&run, "claude", Timestamp::UNIX_EPOCH);
        super::super::create(&run, &info).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        super::super::update(&run, |info| info.pgid += 1).unwrap();
                        RunInfo::read(&run).unwrap().unwrap();
                    }
                });
            }
        });
        assert_eq!(RunInfo::read(&run).unwrap().unwrap().pgid, 40);
    }
}
