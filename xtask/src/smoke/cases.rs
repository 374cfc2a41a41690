//! What each task is made of, and what must come of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cl_testkit::model_server::{Fault, Script, Turn};

use super::records::Run;
use super::stage::{Stage, Troupe};
use super::{read, watch};
use crate::demo::check_order;

const PROMPT: &str = "Write made.txt.";
const FIRST_WORDS: &str = "I will look at it later.";
const LAST_WORDS: &str = "The file is written and the task is done.";
const MESSAGE: &str = "written by a real agent";
const RESTART_PREFIX: &str = "Continue working on the following:";
const CHILD_PROMPT: &str = "Answer the question of the child.";
const CHILD_WORDS: &str = "The child has answered.";

/// One thing to show.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) title: &'static str,
    /// Names the folder and the task.
    name: &'static str,
    /// The one agent that shows it; all of them if there is none.
    only: Option<&'static str>,
    /// Whether it is played also where only the core of the cases is.
    pub(super) is_core: bool,
    play: fn(&Troupe, &str) -> Result<String>,
}

impl Case {
    pub(super) fn concerns(&self, agent: &str) -> bool {
        self.only.is_none_or(|only| only == agent)
    }

    /// Plays it and returns what is worth telling.
    pub(super) fn play(&self, troupe: &Troupe) -> Result<String> {
        (self.play)(troupe, self.name)
    }
}

pub(super) const CASES: &[Case] = &[
    core("main job", "main", main_job),
    case("session goes on", "session", session),
    case("lost session is replaced", "lost-session", lost_session),
    core("401", "refused", refused),
    case("429, then an answer", "limited", limited),
    core("no answer", "hang", hang),
    case("cut streams", "cut", |troupe, name| {
        fault(troupe, name, Fault::CutStream, "api_transient")
    }),
    case("529", "overloaded", |troupe, name| {
        fault(troupe, name, Fault::Overloaded, "overloaded")
    }),
    case("500", "broken", |troupe, name| {
        fault(troupe, name, Fault::ServerError, "api_transient")
    }),
    Case {
        title: "job inside of a task",
        name: "nested",
        only: Some("claude"),
        is_core: false,
        play: nested,
    },
];

const fn case(
    title: &'static str,
    name: &'static str,
    play: fn(&Troupe, &str) -> Result<String>,
) -> Case {
    Case {
        title,
        name,
        only: None,
        is_core: false,
        play,
    }
}

const fn core(
    title: &'static str,
    name: &'static str,
    play: fn(&Troupe, &str) -> Result<String>,
) -> Case {
    Case {
        is_core: true,
        ..case(title, name, play)
    }
}

/// A shell command that does the work of the task and says so.
fn work() -> Turn {
    Turn::shell(format!(
        "echo made > made.txt && run-agent bus post --type FACT --body '{MESSAGE}' && touch \"$JRUN_TASK_FOLDER/DONE\""
    ))
}

/// The first attempt only talks, as agents do; the second one works with its own shell tool.
fn two_attempts() -> Script {
    Script::new([Turn::text(FIRST_WORDS), work(), Turn::text(LAST_WORDS)])
}

fn main_job(troupe: &Troupe, name: &str) -> Result<String> {
    let stage = Stage::open(troupe, name, two_attempts())?;
    let ended = stage.start(
        PROMPT,
        &["--max-attempts", "4", "--idle-timeout", stage.patience()],
    )?;
    ended.expect_code(0)?;
    expect_done(&stage)?;
    let [first, last] = stage.expect_runs()?;
    let prompt = last.prompt()?;
    ensure!(
        prompt.contains(RESTART_PREFIX),
        "the second prompt does not say that it continues"
    );
    expect_good(&stage, &first, FIRST_WORDS, 1)?;
    expect_good(&stage, &last, LAST_WORDS, 2)?;
    ensure!(
        first.session()? != last.session()?,
        "the second attempt went on with the session although nobody asked for that"
    );
    check_order(
        &stage.bus()?,
        &["RUN_START", "RUN_STOP", "RUN_START", MESSAGE, "RUN_STOP"],
    )?;
    let requests = stage.expect_key_sent()?;
    Ok(format!(
        "attempts 2, tokens {} in and {} out; key in {requests} requests and in none of {} files",
        last.get("input_tokens").unwrap_or_default(),
        last.get("output_tokens").unwrap_or_default(),
        stage.count_files()?
    ))
}

fn session(troupe: &Troupe, name: &str) -> Result<String> {
    let stage = Stage::open(troupe, name, two_attempts())?;
    let ended = stage.start(
        PROMPT,
        &[
            "--max-attempts",
            "4",
            "--idle-timeout",
            stage.patience(),
            "--resume-session",
        ],
    )?;
    ended.expect_code(0)?;
    expect_done(&stage)?;
    let [first, last] = stage.expect_runs()?;
    expect_good(&stage, &first, FIRST_WORDS, 1)?;
    // Also where the agent counts for the whole session, a run has what it used itself.
    expect_good(&stage, &last, LAST_WORDS, 2)?;
    let (before, after) = (first.session()?, last.session()?);
    ensure!(
        before == after,
        "expected session {before} to go on, found {after}"
    );
    let requests = stage.server.requests();
    let remembered = requests
        .iter()
        .filter(|request| request.took_turn)
        .skip(1)
        .all(|request| request.mentions(FIRST_WORDS));
    ensure!(
        remembered,
        "the second attempt's requests lack the first one's answer"
    );
    Ok(format!("attempts 2, both in session {after}"))
}

/// The session is gone when the task is taken up again: one attempt finds out, the next starts anew.
fn lost_session(troupe: &Troupe, name: &str) -> Result<String> {
    let stage = Stage::open(troupe, name, two_attempts())?;
    let ended = stage.start(
        PROMPT,
        &["--max-attempts", "1", "--idle-timeout", stage.patience()],
    )?;
    ended.expect_code(1)?;
    let [first] = stage.expect_runs()?;
    let sessions = stage.home.join(stage.candidate().sessions);
    ensure!(
        sessions.is_dir(),
        "expected sessions in {}",
        sessions.display()
    );
    std::fs::remove_dir_all(&sessions)
        .with_context(|| format!("could not remove {}", sessions.display()))?;
    let ended = stage.resume(&[
        "--max-attempts",
        "3",
        "--idle-timeout",
        stage.patience(),
        "--resume-session",
    ])?;
    ended.expect_code(0)?;
    expect_done(&stage)?;
    let [_, failed, last] = stage.expect_runs()?;
    failed.expect("status", "failed")?;
    expect_good(&stage, &last, LAST_WORDS, 2)?;
    ensure!(
        first.session()? != last.session()?,
        "a session that was removed went on"
    );
    let why = failed.get("error_summary").unwrap_or_default();
    Ok(format!("first try: {why}"))
}

fn refused(troupe: &Troupe, name: &str) -> Result<String> {
    let script = Script::always(Turn::Fault(Fault::Unauthorized));
    let stage = Stage::open(troupe, name, script)?;
    let ended = stage.start(
        PROMPT,
        &["--max-attempts", "5", "--idle-timeout", stage.patience()],
    )?;
    ended.expect_code(1)?;
    ended.expect_said("auth")?;
    let [only] = stage.expect_runs()?;
    expect_failed(&only, "auth")?;
    check_order(
        &stage.bus()?,
        &["RUN_START", "RUN_CRASH", "task failed: auth"],
    )?;
    stage.expect_key_sent()?;
    Ok(told(&only))
}

fn limited(troupe: &Troupe, name: &str) -> Result<String> {
    let limit = Turn::Fault(Fault::RateLimited {
        retry_after: Some(Duration::from_secs(1)),
    });
    let script = Script::new([limit, work(), Turn::text(LAST_WORDS)]);
    let stage = Stage::open(troupe, name, script)?;
    let ended = stage.start(
        PROMPT,
        &["--max-attempts", "4", "--idle-timeout", stage.patience()],
    )?;
    ended.expect_code(0)?;
    expect_done(&stage)?;
    let [only] = stage.expect_runs()?;
    only.expect("status", "completed")?;
    only.expect_output(LAST_WORDS)?;
    Ok(format!("attempts 1, requests {}", stage.turns()))
}

/// A tool has left a process in a session of its own when the model falls silent.
fn hang(troupe: &Troupe, name: &str) -> Result<String> {
    let leave = Turn::shell("setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $! > left.txt");
    let script = Script::new([leave, Turn::Fault(Fault::Hang)]);
    let stage = Stage::open(troupe, name, script)?;
    let ended = stage.start(
        PROMPT,
        &[
            "--max-attempts",
            "1",
            "--idle-timeout",
            stage.hang_patience(),
            "--grace",
            "2s",
        ],
    )?;
    ended.expect_code(1)?;
    let [only] = stage.expect_runs()?;
    expect_failed(&only, "stall")?;
    ensure!(
        stage.turns() == 2,
        "expected 2 requests, found {}",
        stage.turns()
    );
    ended.expect_said("failed on restart #0: stall")?;
    let left = read(&stage.work.join("left.txt"))?;
    let left = left.trim();
    ensure!(
        !watch::command_line_of(left).contains("sleep"),
        "the tool's process {left} is left"
    );
    Ok(format!("stall, process {left} of the tool ended"))
}

fn fault(troupe: &Troupe, name: &str, fault: Fault, kind: &str) -> Result<String> {
    let stage = Stage::open(troupe, name, Script::always(Turn::Fault(fault)))?;
    let ended = stage.start(
        PROMPT,
        &["--max-attempts", "1", "--idle-timeout", stage.patience()],
    )?;
    ended.expect_code(1)?;
    ended.expect_said(kind)?;
    let [only] = stage.expect_runs()?;
    expect_failed(&only, kind)?;
    Ok(format!("{}, requests {}", told(&only), stage.turns()))
}

fn nested(troupe: &Troupe, name: &str) -> Result<String> {
    let launch = format!("run-agent job --detach --prompt '{CHILD_PROMPT}' --agent claude");
    let script = Script::new([
        Turn::shell(launch),
        Turn::shell("touch \"$JRUN_TASK_FOLDER/DONE\""),
        Turn::text(LAST_WORDS),
    ])
    .when_prompt_contains(CHILD_PROMPT, [Turn::text(CHILD_WORDS)]);
    let stage = Stage::open(troupe, name, script)?;
    let ended = stage.start(
        PROMPT,
        &["--max-attempts", "1", "--idle-timeout", stage.patience()],
    )?;
    ended.expect_code(0)?;
    let [parent] = stage.expect_runs()?;
    expect_good(&stage, &parent, LAST_WORDS, 3)?;
    let mut children = std::fs::read_dir(stage.project())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    children.retain(|task| task.join("runs").is_dir() && *task != stage.task());
    let [child] = &children[..] else {
        anyhow::bail!("expected one child task, found {children:?}");
    };
    let runs = Run::all(child)?;
    let [run] = &runs[..] else {
        anyhow::bail!("expected one run of the child, found {}", runs.len());
    };
    run.expect("parent_run_id", &parent.id()?)?;
    run.expect("depth", "1")?;
    expect_good(&stage, run, CHILD_WORDS, 1)?;
    Ok(format!("child {} of {}", run.id()?, stage.task_id()))
}

/// The tool call has changed a file, and the agent has said that it is done.
fn expect_done(stage: &Stage<'_>) -> Result<()> {
    ensure!(
        stage.work.join("made.txt").is_file(),
        "the tool call changed no file"
    );
    ensure!(
        stage.task().join("DONE").is_file(),
        "the agent left no DONE"
    );
    Ok(())
}

fn expect_good(stage: &Stage<'_>, run: &Run, output: &str, answers: usize) -> Result<()> {
    run.expect("status", "completed")?;
    run.expect("exit_code", "0")?;
    run.expect("backend_model", stage.candidate().model)?;
    run.session()?;
    run.expect_usage(answers, stage.candidate().asks_for_itself)?;
    run.expect_output(output)
}

fn expect_failed(run: &Run, kind: &str) -> Result<()> {
    run.expect("status", "failed")?;
    run.expect("kind", kind)
        .with_context(|| format!("the run's error is {:?}", run.get("error_summary")))
}

/// The record's line about the failure.
fn told(run: &Run) -> String {
    run.get("error_summary").unwrap_or_default().to_owned()
}
