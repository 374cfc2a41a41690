//! Which variables reach agents, gates, wrapped sessions and hooks: the list, exactly.

use std::collections::{BTreeMap, BTreeSet};

use cl_testkit::patience::eventually;
use cl_testkit::run_agent::RunAgent;

use crate::stage::{Stage, id};

/// What a user's own environment may hold; nothing of it belongs to an agent of type `command`.
const FOREIGN: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_SSE_PORT",
    "CONDUCTOR_AGENT_TELLER_TOKEN_OLD",
    "CONDUCTOR_API_KEY",
    "FOO_SECRET",
    "GEMINI_API_KEY",
    "GITHUB_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_ORG_ID",
    "PERPLEXITY_API_KEY",
    "XAI_API_KEY",
];

/// Writes down the variables that this shell was started with.
const TELL: &str = "tr '\\0' '\\n' </proc/$$/environ >@/NAME.new; mv @/NAME.new @/NAME";

fn tell(name: &str) -> String {
    TELL.replace("NAME", name)
}

fn surrounded(mut command: RunAgent) -> RunAgent {
    for name in FOREIGN {
        command = command.env(name, "foreign-canary");
    }
    command
        .env("LANG", "C.UTF-8")
        .env("CARGO_HOME", "/cargo")
        .env("GRANTED", "yes")
        .env("JRUN_ATTEMPT", "7777")
}

fn seen(stage: &Stage, name: &str) -> BTreeMap<String, String> {
    let text = stage.wait_for(name);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn names<'a>(own: &[&'a str]) -> BTreeSet<&'a str> {
    let usual = ["CARGO_HOME", "HOME", "LANG", "PATH"];
    usual.iter().chain(own).copied().collect()
}

const OF_TASK: &[&str] = &[
    "GRANTED",
    "JRUN_DEPTH",
    "JRUN_ID",
    "JRUN_MESSAGE_BUS",
    "JRUN_PARENT_ID",
    "JRUN_PROJECT_ID",
    "JRUN_RUNS_DIR",
    "JRUN_RUN_FOLDER",
    "JRUN_TASK_FOLDER",
    "JRUN_TASK_ID",
];

#[track_caller]
fn check(stage: &Stage, file: &str, own: &[&str]) -> BTreeMap<String, String> {
    let found = seen(stage, file);
    let found_names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(found_names, names(own), "{file}");
    let stale = found.values().any(|value| value == "7777");
    assert!(!stale, "{found:?}");
    found
}

/// A stage whose agent `teller` writes its variables to the file `agent`.
fn stage() -> Stage {
    let stage = Stage::new("  - done: true");
    let script = stage.path("teller");
    let line = format!("{}; touch $JRUN_TASK_FOLDER/DONE; echo told", tell("agent"));
    std::fs::write(&script, stage.fill(&line)).unwrap();
    let line = format!(
        "  teller: {{type: command, command: [/bin/sh, {}], version_args: [], extra_env: [GRANT*]}}\n",
        script.display()
    );
    stage.settings(&line)
}

#[test]
fn agents_and_gates_get_the_list_and_nothing_else() {
    let of_agent: Vec<&str> = OF_TASK.iter().copied().chain(["JRUN_ATTEMPT"]).collect();
    let of_gate: Vec<&str> = OF_TASK.iter().copied().chain(["JRUN_GATE"]).collect();
    for verb in ["task", "job"] {
        let stage = stage();
        let gate = stage.fill(&tell("gate"));
        let command = stage.launch_agent(verb, "top", "teller", "");
        let command = match verb {
            "task" => command.args(&["--gate", &gate]),
            _ => command,
        };
        surrounded(command).ok();
        check(&stage, "agent", &of_agent);
        if verb == "task" {
            check(&stage, "gate", &of_gate);
        }
        let log = std::fs::read_to_string(stage.dir("top").path().join("supervisor.log"));
        let log = log.unwrap();
        let line = log
            .lines()
            .find(|line| line.contains("variables of the agent"));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(
            line.contains("GRANTED") && line.contains("FOO_SECRET"),
            "{line}"
        );
        assert!(!log.contains("foreign-canary"), "{log}");
    }
}

#[test]
fn a_wrapped_session_gets_the_list_and_nothing_else() {
    let stage = stage();
    let words = format!("wrap --task {} --agent teller", id("top"));
    let ran = surrounded(stage.command(&words)).run();
    assert!(stage.has("agent"), "{}{}", ran.stdout, ran.stderr);
    let of_session: Vec<&str> = OF_TASK.iter().copied().chain(["JRUN_ATTEMPT"]).collect();
    check(&stage, "agent", &of_session);
}

#[test]
fn a_nested_job_gets_the_list_and_nothing_else() {
    let nested = format!(
        "  - run: run-agent job {} --agent teller --prompt Tell.\n  - done: true",
        id("child")
    );
    let stage = stage().actor("outer", &nested);
    surrounded(stage.launch_agent("task", "top", "outer", "")).ok();
    let of_agent: Vec<&str> = OF_TASK.iter().copied().chain(["JRUN_ATTEMPT"]).collect();
    let found = check(&stage, "agent", &of_agent);
    assert_eq!(
        found["JRUN_PARENT_ID"],
        stage.info("top").run_id.to_string()
    );
}

#[test]
fn a_hook_gets_the_list_and_nothing_else() {
    let stage = stage();
    let command = stage.path("hook");
    std::fs::write(&command, stage.fill(&tell("told"))).unwrap();
    let stage = stage.settings(&format!(
        "notify:\n  command: exec sh {}\n  events: [done]\n  inherit_env: [GRANTED]\n",
        command.display()
    ));
    surrounded(stage.launch_agent("task", "top", "teller", "")).ok();
    eventually("the hook", || stage.has("told").then_some(()));
    let of_hook = ["CONDUCTOR_DELIVERY", "CONDUCTOR_EVENT", "GRANTED"];
    let found: BTreeMap<_, _> = seen(&stage, "told");
    let own: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    // The outer shell of the hook adds where it stands.
    let shells = ["OLDPWD", "PWD", "SHLVL", "_"];
    let own: BTreeSet<&str> = own
        .into_iter()
        .filter(|name| !shells.contains(name))
        .collect();
    assert_eq!(own, names(&of_hook));
}
