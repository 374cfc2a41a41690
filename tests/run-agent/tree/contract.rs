//! What an agent finds around it, and whether what it is told is true.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::stage::{Stage, id};

fn environment(stage: &Stage, file: &str) -> BTreeMap<String, String> {
    let lines = stage.lines(file);
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_environment_of_an_agent_is_what_the_contract_says() {
    let stage = Stage::new("  - run: env >@/seen\n  - done: true");
    let mut command = stage.launch(
        "task",
        "top",
        "--env GIVEN=yes --env JRUN_ID=forged --env JRUN_TASK_ID=forged",
    );
    for foreign in [
        "CLAUDECODE",
        "CLAUDE_CODE_ENTRYPOINT",
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "XAI_API_KEY",
        "CONDUCTOR_API_KEY",
        "CONDUCTOR_AGENT_ACTOR_TOKEN",
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        command = command.env(foreign, "foreign-secret");
    }
    command.env("LANG", "C.UTF-8").ok();
    let seen = environment(&stage, "seen");
    let task = stage.dir("top");
    let run = &stage.runs("top")[0];
    let expected = [
        ("JRUN_PROJECT_ID", "demo".to_owned()),
        ("JRUN_TASK_ID", id("top")),
        ("JRUN_ID", run.id().to_string()),
        ("JRUN_PARENT_ID", String::new()),
        ("JRUN_RUNS_DIR", task.runs_folder().display().to_string()),
        ("JRUN_MESSAGE_BUS", task.bus().display().to_string()),
        ("JRUN_TASK_FOLDER", task.path().display().to_string()),
        ("JRUN_RUN_FOLDER", run.path().display().to_string()),
        ("GIVEN", "yes".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(seen.get(name), Some(&value), "{name}");
    }
    assert_eq!(seen.get("JRUN_CONDUCTOR_URL"), None, "no server is known");
    let foreign = seen.iter().find(|(_, value)| *value == "foreign-secret");
    assert_eq!(foreign, None);
    assert_eq!(seen.get("CLAUDECODE"), None);
    let first = seen["PATH"].split(':').next().unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_run-agent"));
    assert_eq!(std::path::Path::new(first), binary.parent().unwrap());
    let depth = (&seen["JRUN_DEPTH"], &seen["JRUN_ATTEMPT"]);
    assert_eq!(depth, (&"0".to_owned(), &"1".to_owned()));
}

#[test]
fn variables_of_an_enclosing_run_do_not_leak_into_another_root() {
    let stage = Stage::new("  - run: env >@/seen\n  - done: true");
    let command = stage.launch("task", "top", "");
    command
        .env("JRUN_CONDUCTOR_URL", "http://stale")
        .env("JRUN_ATTEMPT", "7")
        .ok();
    let seen = environment(&stage, "seen");
    assert_eq!(seen.get("JRUN_CONDUCTOR_URL"), None);
    assert_eq!(seen["JRUN_ATTEMPT"], "1");
}

#[test]
fn a_child_knows_its_parent_and_its_depth() {
    let stage = Stage::new(
        "
  - run: run-agent job task-20260101-000000-child --agent child --prompt Part.
  - done: true",
    )
    .actor("child", "  - run: env >@/seen\n  - say: Seen.");
    stage.task("top", "--max-attempts 1").assert_code(0);
    let seen = environment(&stage, "seen");
    assert_eq!(seen["JRUN_PARENT_ID"], stage.info("top").run_id.to_string());
    assert_eq!(seen["JRUN_DEPTH"], "1");
    let prompt = std::fs::read_to_string(&stage.info("child").prompt_path).unwrap();
    assert!(
        !prompt.contains("## Completion"),
        "a job is not told about DONE"
    );
    assert!(prompt.contains(&format!("JRUN_PARENT_ID={}\n", seen["JRUN_PARENT_ID"])));
}

#[test]
fn every_command_of_the_preamble_works_in_an_agent() {
    let mut steps = String::from("  - run: ln -s $(command -v run-agent) @/found\n");
    let commands = shown_commands();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in &commands {
        // Examples of ids stand for the child that was just started.
        let command = command.replace("task-20260101-000000-example", "$(cat @/child)");
        let keep = if command.contains("--detach") {
            " >@/child"
        } else {
            ""
        };
        writeln!(steps, "  - run: |\n      {command}{keep}").unwrap();
    }
    steps += "  - done: true";
    let stage = Stage::new(&steps);
    // A child would do it all again; it is the same agent, and its own commands need no child.
    let stage = stage.actor(
        "actor",
        &steps.replace("--detach", "--agent child --detach"),
    );
    let stage = stage.actor("child", "  - say: Finished.");
    stage.task("top", "--max-attempts 1").assert_code(0);
    stage.ended("top");
    // The last fact is the supervisor's own: that the project was told.
    for (kind, count) in [("PROGRESS", 1), ("FACT", 2), ("DECISION", 1), ("ERROR", 1)] {
        assert_eq!(stage.said("top", kind).len(), count, "{kind}");
    }
    let prompt = std::fs::read_to_string(&stage.info("top").prompt_path).unwrap();
    for command in commands {
        assert!(prompt.contains(&format!("\n    {command}\n")), "{command}");
    }
}

#[test]
fn a_prompt_names_the_promoted_facts_that_there_are() {
    let stage = Stage::new(
        "
  - run: run-agent bus post --type FACT --body 'The schema version is 3'
  - done: true",
    );
    stage.task("top", "").assert_code(0);
    let prompt = |task: &str| std::fs::read_to_string(&stage.info(task).prompt_path).unwrap();
    assert!(!prompt("top").contains("FACTS.md"), "{}", prompt("top"));
    let root = stage.scenario.root();
    let global = format!("Read {} before", root.global_facts().display());
    let project = stage.dir("top").path().with_file_name("PROJECT-FACTS.md");
    let project = format!("Read {} before", project.display());
    stage.ok("facts promote");
    stage.task("second", "").assert_code(0);
    assert!(prompt("second").contains(&project), "{}", prompt("second"));
    assert!(!prompt("second").contains(&global));
    stage.ok("facts promote --global");
    stage.task("third", "").assert_code(0);
    assert!(prompt("third").contains(&project) && prompt("third").contains(&global));
}

/// Returns the indented command lines of a real prompt.
fn shown_commands() -> Vec<String> {
    let stage = Stage::new("  - done: true");
    stage.task("top", "--max-attempts 1").assert_code(0);
    let prompt = std::fs::read_to_string(&stage.info("top").prompt_path).unwrap();
    let lines = prompt.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .filter(|line| line.starts_with("run-agent "))
        .map(str::to_owned)
        .collect()
}
