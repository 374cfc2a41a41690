//! `output` and `logs`.

use std::io::{BufRead as _, BufReader, Write as _};

use cl_storage::run_info::{self, RunStatus};

use crate::place::{PROJECT, Place, TASK, add_run, alive, ended};

const EVENTS: &str = concat!(
    r#"{"type":"system","subtype":"init"}"#,
    "\n",
    r#"{"type":"assistant","message":{"content":[{"type":"text","text":"first"}]}}"#,
    "\n",
    r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash"},{"type":"text","text":"second"}]}}"#,
    "\n"
);

fn with_streams() -> Place {
    let place = Place::new();
    let task = place.task(TASK);
    add_run(&task, 1, ended(RunStatus::Failed, 1));
    let run = add_run(&task, 2, ended(RunStatus::Completed, 0));
    std::fs::write(run.output(), "the answer\nin two lines\n").unwrap();
    std::fs::write(run.stdout(), EVENTS).unwrap();
    std::fs::write(run.stderr(), b"warn\xff\n").unwrap();
    std::fs::write(run.prompt(), "do it").unwrap();
    std::fs::write(task.supervisor_log(), "one\ntwo\nthree\n").unwrap();
    place
}

fn output(place: &Place, rest: &str) -> String {
    place
        .run_changing_nothing(&format!("output {TASK} --project demo {rest}"))
        .ok()
}

#[test]
fn every_file_of_the_newest_run() {
    let place = with_streams();
    assert_eq!(output(&place, ""), "the answer\nin two lines\n");
    assert_eq!(output(&place, "--tail 1"), "in two lines\n");
    assert_eq!(output(&place, "--file prompt"), "do it");
    assert_eq!(output(&place, "--file stdout"), EVENTS);
    assert_eq!(output(&place, "--follow"), "the answer\nin two lines\n");
}

#[test]
fn raw_bytes_stay_as_they_are() {
    let place = with_streams();
    let mut command = place.command(["output", TASK, "--project", "demo", "--file", "stderr"]);
    assert_eq!(command.output().unwrap().stdout, b"warn\xff\n");
}

#[test]
fn without_an_answer_the_events_become_text() {
    let place = with_streams();
    let run = place.task(TASK).runs().unwrap().pop().unwrap();
    std::fs::remove_file(run.output()).unwrap();
    assert_eq!(output(&place, ""), "first\n[Bash]\nsecond\n");
    assert_eq!(output(&place, "--tail 1"), "second\n");
    assert_eq!(output(&place, "--raw"), EVENTS);
}

#[test]
fn another_run_can_be_named() {
    let place = with_streams();
    let first = place.task(TASK).runs().unwrap().remove(0);
    std::fs::write(first.output(), "older").unwrap();
    assert_eq!(output(&place, &format!("--run {}", first.id())), "older");
    place
        .run_changing_nothing(&format!(
            "output {TASK} --project demo --run 20200101-0000000000-1-1"
        ))
        .fails(3, "run 20200101-0000000000-1-1 does not exist");
    place
        .run_changing_nothing(&format!("output {TASK} --project demo --run ../x"))
        .fails(2, "from --run");
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    let task = place.task(TASK);
    let line = format!("output {TASK} --project demo");
    place
        .run_changing_nothing(&line)
        .fails(3, "has no runs yet");
    place
        .run_changing_nothing(&format!("{line} --follow"))
        .fails(3, "has no runs yet");
    add_run(&task, 1, ended(RunStatus::Failed, 1));
    place
        .run_changing_nothing(&format!("{line} --file stderr"))
        .fails(3, "has no standard error");
}

#[test]
fn json_has_the_text() {
    let place = with_streams();
    let json = place
        .run_changing_nothing(&format!("output {TASK} --project demo --json"))
        .json();
    let text = serde_json::to_string_pretty(&json).unwrap();
    insta::assert_snapshot!("output", place.stable(&text));
    let json = place
        .run_changing_nothing(&format!(
            "output {TASK} --project demo --json --file stderr"
        ))
        .json();
    assert_eq!(json["lossy"], true);
}

#[test]
fn links_of_agents_are_not_followed() {
    let place = with_streams();
    let run = place.task(TASK).runs().unwrap().pop().unwrap();
    std::fs::remove_file(run.output()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", run.output()).unwrap();
    let ran = place.run_changing_nothing(&format!("output {TASK} --project demo"));
    assert!(!ran.out.contains("root:"), "{}", ran.out);
}

#[test]
fn following_goes_on_until_the_run_ends_and_says_so() {
    let place = Place::new();
    let run = add_run(&place.task(TASK), 1, alive);
    let mut stdout = std::fs::File::create(run.stdout()).unwrap();
    writeln!(stdout, "before").unwrap();
    let mut child = place.start(&format!("output {TASK} --project demo --follow"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "before");
    let said = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"while"}]}}"#;
    writeln!(stdout, "{said}").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "while");
    write!(stdout, "the last words").unwrap();
    run_info::update(&run, ended(RunStatus::Failed, 3)).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "the last words");
    assert!(lines.next().is_none());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("ended: failed, exit code 3"), "{err}");
}

#[test]
fn the_supervisors_log_and_the_streams_of_runs() {
    let place = with_streams();
    let logs = |rest: &str| {
        place
            .run_changing_nothing(&format!("logs {TASK} --project demo {rest}"))
            .ok()
    };
    assert_eq!(logs(""), "one\ntwo\nthree\n");
    assert_eq!(logs("--tail 1"), "three\n");
    assert_eq!(logs("--follow"), "one\ntwo\nthree\n", "nothing runs");
    let run = place.task(TASK).runs().unwrap().pop().unwrap();
    assert_eq!(
        logs("--runs"),
        format!("==> {} <==\nfirst\n[Bash]\nsecond\n", run.id())
    );
    let json = logs("--json");
    assert_eq!(
        json.lines().next().unwrap(),
        r#"{"line":"one","source":"supervisor"}"#
    );
}

#[test]
fn a_very_long_line_and_bytes_that_are_no_text() {
    let place = Place::new();
    let run = add_run(&place.task(TASK), 1, ended(RunStatus::Completed, 0));
    let mut bytes = vec![b'x'; 100 * 1024 * 1024];
    bytes.extend_from_slice(b"\n\xff\xfe end\n");
    std::fs::write(run.stdout(), &bytes).unwrap();
    let mut command = place.command(["output", TASK, "--project", "demo", "--file", "stdout"]);
    assert!(
        command.output().unwrap().stdout == bytes,
        "raw bytes are exact"
    );
    let out = output(&place, "");
    assert!(
        out.starts_with("[a line of 104857600 bytes"),
        "{}",
        &out[..60]
    );
    assert!(out.ends_with(" end\n"));
}

#[test]
fn an_answer_that_was_shortened_says_so() {
    const ONE_LINE: usize = 70_000_000;
    let place = Place::new();
    let script =
        format!("/usr/bin/head -c {ONE_LINE} /dev/zero | /usr/bin/tr '\\000' x\necho; echo end\n");
    std::fs::write(place.work().join("agent.sh"), script).unwrap();
    let config =
        "agents:\n  long: {type: command, command: [/bin/sh, agent.sh], version_args: []}\n";
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let of = format!("--project {PROJECT} {TASK}");
    place.run(&format!("job {of} --prompt x")).ok();
    let json = place.run(&format!("output {of} --json")).json();
    assert_eq!(json["truncated"], true);
    let left_out = usize::try_from(json["left_out_bytes"].as_u64().unwrap()).unwrap();
    let text = json["text"].as_str().unwrap();
    let (note, answer) = text.split_once("\n\n").unwrap();
    assert!(note.contains(&left_out.to_string()), "{note}");
    assert!(answer.starts_with('x') && answer.ends_with("x\nend\n"));
    assert_eq!(left_out + answer.len(), ONE_LINE + "\nend\n".len());
    let json = place.run(&format!("output {of} --json --tail 1")).json();
    assert_eq!(
        (&json["text"], &json["truncated"]),
        (&"end\n".into(), &false.into())
    );
    assert_eq!(json["left_out_bytes"], 0);
}
