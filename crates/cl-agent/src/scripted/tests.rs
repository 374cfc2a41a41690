//! Scripts played on a stage made of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cl_storage::FailureKind;
use jiff::Timestamp;

use super::*;
use crate::kind::Dialect;
use crate::stream::{Exit, Outcome, StreamParser};

/// A stage that remembers what was done on it.
#[derive(Default)]
struct MemoryStage {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    files: BTreeMap<PathBuf, String>,
    commands: Vec<ShellCommand>,
    /// How commands whose words hold this text end.
    failing: Option<&'static str>,
    slept: Duration,
    /// Files that appear after this much sleep.
    appearing: BTreeMap<Duration, PathBuf>,
    signals: Vec<String>,
    ignored: BTreeSet<&'static str>,
}

impl Stage for MemoryStage {
    fn print(&mut self, output: Output, bytes: &[u8]) -> io::Result<()> {
        match output {
            Output::Stdout => self.stdout.extend_from_slice(bytes),
            Output::Stderr => self.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn now(&mut self) -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap() + self.slept
    }

    fn sleep(&mut self, duration: Duration) -> io::Result<()> {
        self.slept += duration;
        if self.slept > Duration::from_hours(10) {
            return Err(io::Error::other("slept for ever"));
        }
        Ok(())
    }

    fn write_file(&mut self, path: &Path, content: &[u8], mode: WriteMode) -> io::Result<()> {
        let file = self.files.entry(path.to_owned()).or_default();
        if mode == WriteMode::Replace {
            file.clear();
        }
        file.push_str(std::str::from_utf8(content).unwrap());
        Ok(())
    }

    fn exists(&mut self, path: &Path) -> bool {
        let appeared = self.appearing.range(..=self.slept);
        self.files.contains_key(path) || appeared.into_iter().any(|(_, file)| file == path)
    }

    fn run(&mut self, command: &ShellCommand) -> io::Result<(Exit, Vec<u8>)> {
        self.commands.push(command.clone());
        let fails = self
            .failing
            .is_some_and(|word| command.argv.iter().any(|arg| arg.contains(word)));
        Ok((Exit::Code(i32::from(fails)), b"done\n".to_vec()))
    }

    fn ignore_termination(&mut self) -> io::Result<()> {
        self.ignored.insert("TERM");
        Ok(())
    }

    fn kill_self(&mut self, signal: &str) -> io::Result<()> {
        self.signals.push(signal.to_owned());
        Ok(())
    }
}

fn context(env: &[(&str, &str)]) -> PlayContext {
    PlayContext {
        env: env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        prompt: "Do it".to_owned(),
        ..PlayContext::default()
    }
}

/// Plays a script on an empty stage and reads its output as the runner would.
fn played(script: &str, context: &PlayContext) -> (i32, MemoryStage, Outcome) {
    let mut stage = MemoryStage::default();
    let script = Script::parse(script).unwrap();
    let code = play(&script, context, &mut stage);
    let outcome = outcome(script.dialect(), &stage, code);
    (code, stage, outcome)
}

fn outcome(dialect: Dialect, stage: &MemoryStage, code: i32) -> Outcome {
    let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let now = now.to_zoned(jiff::tz::TimeZone::UTC);
    let mut parser = StreamParser::new(dialect).as_of(&now);
    parser.feed(&stage.stdout);
    parser.finish(Exit::Code(code), &stage.stderr)
}

const DIALECTS: [&str; 8] = [
    "claude", "codex", "gemini", "opencode", "qwen", "copilot", "pi", "text",
];

#[test]
fn a_good_run_is_understood_in_every_dialect() {
    for dialect in DIALECTS {
        let script = format!(
            "version: 1\ndialect: {dialect}\nsession: s-1\nsteps:\n\
             - say: Looking around.\n\
             - run: cargo test\n\
             - usage: {{input_tokens: 12, output_tokens: 3}}\n\
             - say: All done.\n\
             - done: true\n"
        );
        let mut context = context(&[("JRUN_TASK_FOLDER", "/task"), ("JRUN_RUN_FOLDER", "/run")]);
        context.model = Some("m-1".to_owned());
        let (code, stage, outcome) = played(&script, &context);
        assert_eq!(code, 0, "{dialect}");
        assert!(
            outcome.success && outcome.complete,
            "{dialect}: {outcome:?}"
        );
        assert!(
            outcome.final_text.unwrap().ends_with("All done."),
            "{dialect}"
        );
        assert!(
            stage.files.contains_key(Path::new("/task/DONE")),
            "{dialect}"
        );
        assert_eq!(stage.commands[0].argv, ["sh", "-c", "cargo test"]);
        if dialect != "text" {
            assert_eq!(outcome.session_id.as_deref(), Some("s-1"));
            let usage = outcome.usage.or_else(|| {
                let file = &stage.files[Path::new("/run/agent-usage.json")];
                crate::stream::usage_in_file(Dialect::Copilot, file)
            });
            let usage = usage.unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens), (12, 3));
        }
        if !matches!(dialect, "codex" | "opencode" | "text") {
            assert_eq!(outcome.model.as_deref(), Some("m-1"));
        }
    }
}

#[track_caller]
fn check_failure(step: &str, expected: FailureKind) {
    for dialect in DIALECTS {
        let script = format!("version: 1\ndialect: {dialect}\nsteps:\n- say: starting\n- {step}\n");
        let (_, _, outcome) = played(&script, &context(&[]));
        assert_eq!(
            outcome.failure.as_ref().map(|failure| failure.kind),
            Some(expected),
            "{dialect} {step}: {outcome:?}"
        );
    }
}

#[test]
fn failures_are_those_of_the_real_programs() {
    check_failure("error: {status: 401}", FailureKind::Auth);
    check_failure("error: {status: 500}", FailureKind::ApiTransient);
    check_failure("error: {status: 529}", FailureKind::Overloaded);
    check_failure(
        "error: {status: 400, message: prompt is too long}",
        FailureKind::ContextOverflow,
    );
    check_failure(
        "error: {status: 402, message: insufficient credit}",
        FailureKind::LimitCredit,
    );
    check_failure("limit: true", FailureKind::LimitWindow);
    check_failure("exit: 3", FailureKind::AgentCrash);
}

#[test]
fn a_limit_says_when_it_ends() {
    for (step, second) in [
        ("limit: {resets_at: 1769700000}", 1_769_700_000),
        ("limit: {resets_in: 90s}", 1_700_000_090),
    ] {
        for dialect in DIALECTS {
            let script = format!("version: 1\ndialect: {dialect}\nsteps:\n- {step}\n");
            let (_, _, outcome) = played(&script, &context(&[]));
            let failure = outcome.failure.unwrap();
            let retry_at = failure
                .retry_at
                .unwrap_or_else(|| panic!("{dialect}: {failure:?}"));
            let late = retry_at.as_second() - second;
            // One program tells it in minutes.
            let most = if dialect == "copilot" { 59 } else { 0 };
            assert!((0..=most).contains(&late), "{dialect}: {late} s");
        }
    }
}

#[test]
fn the_use_of_a_window_is_told_and_is_no_failure() {
    for dialect in ["claude", "codex"] {
        let step = "limit: {used_percent: 91, resets_at: 1769700000}";
        let script = format!("version: 1\ndialect: {dialect}\nsteps:\n- {step}\n- say: on\n");
        let (_, _, outcome) = played(&script, &context(&[]));
        assert!(outcome.success, "{dialect}: {outcome:#?}");
        let [told] = outcome.limits.as_slice() else {
            panic!("{dialect}: {outcome:#?}");
        };
        assert_eq!(told.window, "five_hour");
        assert_eq!(told.used_percent, Some(91.0));
        assert_eq!(told.state, cl_storage::ledger::WindowState::Warning);
        assert_eq!(told.resets_at.unwrap().as_second(), 1_769_700_000);
    }
}

#[test]
fn the_attempt_chooses_the_steps_and_the_last_one_repeats() {
    let script = "version: 1\nattempts:\n- - say: one\n- - say: two\n";
    for (attempt, said) in [
        ("", "one"),
        ("1", "one"),
        ("2", "two"),
        ("9", "two"),
        ("x", "one"),
    ] {
        let (_, stage, _) = played(script, &context(&[("JRUN_ATTEMPT", attempt)]));
        assert_eq!(
            stage.stdout,
            format!("{said}\n").into_bytes(),
            "{attempt:?}"
        );
    }
}

#[test]
fn an_end_without_closing_event_is_a_cut_stream() {
    for step in ["exit: {code: 0, closing: false}", "exit: 0"] {
        let script = format!("version: 1\ndialect: claude\nsteps:\n- {step}\n");
        let (code, _, outcome) = played(&script, &context(&[]));
        assert_eq!((code, outcome.success), (0, step == "exit: 0"));
    }
    let (code, _, outcome) = played(
        "version: 1\ndialect: codex\nsteps:\n- close\n- exit: 7\n",
        &context(&[]),
    );
    assert!(code == 7 && outcome.complete && !outcome.success);
}

#[test]
fn files_and_texts_take_variables() {
    let script = "version: 1\nsteps:\n\
        - write: {path: \"${JRUN_RUN_FOLDER}/a.txt\", content: \"by ${JRUN_ID}\"}\n\
        - append: {path: \"${JRUN_RUN_FOLDER}/a.txt\", content: \" and ${NOBODY} ${\"}\n\
        - output: \"run ${JRUN_ID}\"\n\
        - stderr: \"warning: ${JRUN_ID}\"\n\
        - print: 7\n";
    let env = [("JRUN_RUN_FOLDER", "/run"), ("JRUN_ID", "r1")];
    let (code, stage, _) = played(script, &context(&env));
    assert_eq!(code, 0);
    assert_eq!(
        stage.files[Path::new("/run/a.txt")],
        "by r1 and ${NOBODY} ${"
    );
    assert_eq!(stage.files[Path::new("/run/output.md")], "run r1");
    assert_eq!(stage.stderr, b"warning: r1\n");
    assert_eq!(stage.stdout, b"7\n");
}

#[test]
fn messages_and_children_go_through_run_agent() {
    let script = "version: 1\nsteps:\n\
        - post: {type: FACT, body: found it}\n\
        - spawn: {prompt: sub, task: task-20260101-000000-child, args: [--agent, fast]}\n";
    let (code, stage, _) = played(script, &context(&[]));
    assert_eq!(code, 0);
    let lines: Vec<String> = stage.commands.iter().map(|c| c.argv.join(" ")).collect();
    assert_eq!(
        lines,
        [
            "run-agent bus post --type FACT --body=found it",
            "run-agent job --detach --prompt=sub --task task-20260101-000000-child --agent fast",
        ]
    );
}

#[test]
fn commands_have_options_and_a_failing_one_ends_the_script() {
    let script = "version: 1\nsteps:\n\
        - run: {command: flaky, env: {A: 1}, ignore_failure: true}\n\
        - run: {command: server, background: true}\n\
        - run: flaky\n\
        - say: never\n";
    let mut stage = MemoryStage {
        failing: Some("flaky"),
        ..MemoryStage::default()
    };
    let code = play(&Script::parse(script).unwrap(), &context(&[]), &mut stage);
    assert_eq!(code, 1);
    assert_eq!(stage.commands[0].env["A"], "1");
    assert_eq!(stage.commands[1].background, Background::Yes);
    assert_eq!(stage.commands.len(), 3);
    assert!(stage.stdout.is_empty());
    assert_eq!(
        stage.stderr,
        b"Error: command failed with exit code 1: flaky\n  done\n"
    );
}

#[test]
fn waiting_polls_until_the_file_is_there_or_time_is_up() {
    let script = "version: 1\nsteps:\n- wait_for: {file: go, timeout: 1s}\n- say: went\n";
    let script = Script::parse(script).unwrap();
    let mut stage = MemoryStage::default();
    stage
        .appearing
        .insert(Duration::from_millis(500), "go".into());
    assert_eq!(play(&script, &context(&[]), &mut stage), 0);
    assert_eq!(stage.slept, Duration::from_millis(500));

    let mut stage = MemoryStage::default();
    assert_eq!(play(&script, &context(&[]), &mut stage), 1);
    assert_eq!(stage.stderr, b"Error: go did not appear within 1 s\n");
}

#[test]
fn it_can_misbehave() {
    let script = "version: 1\nsteps:\n\
        - ignore_term\n\
        - flood: {bytes: 100KiB, stream: stderr}\n\
        - flood: {lines: 3}\n\
        - sleep: 1.5\n\
        - signal: SIGKILL\n\
        - hang\n";
    let (code, stage, _) = played(script, &context(&[]));
    assert_eq!(code, 1, "the stage ends what hangs for ever");
    assert!(stage.ignored.contains("TERM"));
    assert_eq!(stage.signals, ["KILL"]);
    assert!(stage.stderr.len() > 100 * 1024);
    assert_eq!(stage.stdout.split(|&b| b == b'\n').count(), 4);
}

#[test]
fn a_missing_variable_and_a_wrong_prompt_are_errors() {
    for (steps, message) in [
        ("[done]", "Error: `JRUN_TASK_FOLDER` is not set"),
        (
            "[expect_prompt: Continue]",
            "Error: the prompt does not hold \"Continue\"",
        ),
    ] {
        let (code, stage, _) = played(&format!("version: 1\nsteps: {steps}\n"), &context(&[]));
        assert_eq!(code, 1);
        let stderr = String::from_utf8(stage.stderr).unwrap();
        assert!(stderr.starts_with(message), "{stderr}");
    }
    let (code, ..) = played("version: 1\nsteps: [expect_prompt: Do]\n", &context(&[]));
    assert_eq!(code, 0);
}

#[test]
fn a_session_is_resumed_and_otherwise_named_after_the_run() {
    let script = "version: 1\ndialect: codex\nsteps: []\n";
    let mut context = context(&[("JRUN_ID", "r1")]);
    assert_eq!(
        played(script, &context).2.session_id.as_deref(),
        Some("scripted-r1")
    );
    context.resume = Some("old".to_owned());
    assert_eq!(
        played(script, &context).2.session_id.as_deref(),
        Some("old")
    );
}

#[track_caller]
fn check_error(script: &str, message: &str) {
    let error = Script::parse(script).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn mistakes_are_named_with_their_place() {
    check_error("steps: []", "`version: 1` is missing");
    check_error("version: 2\nsteps: []", "version: 2 is not known");
    check_error("version: 1", "either `steps` or `attempts`");
    check_error("version: 1\nattempts: []", "attempts: must not be empty");
    check_error("version: 1\nsteps: []\nstep: 1", "unknown key `step`");
    check_error(
        "version: 1\ndialect: cobol\nsteps: []",
        "`cobol` is none of",
    );
    check_error(
        "version: 1\nsteps: [sya: x]",
        "steps, step 1: unknown step `sya`",
    );
    check_error(
        "version: 1\nsteps: [spawn: {prompt: x, task: child}]",
        "steps, step 1 (spawn), task: invalid task ID \"child\"",
    );
    check_error(
        "version: 1\nattempts: [[], [say: x, exit: 300]]",
        "attempt 2, step 2 (exit): the code must be a number from 0 to 255",
    );
    check_error(
        "version: 1\nsteps: [write: {content: x}]",
        "`path` is missing",
    );
    check_error(
        "version: 1\nsteps: [write: {path: x, mode: y}]",
        "unknown key `mode`",
    );
    check_error(
        "version: 1\nsteps: [flood: {}]",
        "either `bytes` or `lines`",
    );
    check_error("version: 1\nsteps: [signal: USR7]", "must be one of");
    check_error("version: 1\nsteps: [done: false]", "its only value is true");
    check_error("version: 1\nsteps: [sleep: soon]", "not a duration");
    check_error("version: 1\nsteps: [say: [}", "line 2, column 14");
}

#[test]
fn the_examples_and_the_table_of_the_guide_are_valid() {
    let guide = include_str!("../../../../docs/user/scripted-agent.md");
    let examples: Vec<&str> = guide
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|example| example.starts_with("version:"))
        .collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        Script::parse(example).unwrap();
    }
    let steps = guide.split("## Steps").nth(1).unwrap();
    let rows: Vec<&str> = steps
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split('`').next())
        .collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        Script::parse(&format!("version: 1\nsteps:\n- {row}\n"))
            .unwrap_or_else(|error| panic!("{row}: {error}"));
    }
}
