//! What the user's guides print works as printed.

use crate::place::Place;

/// Returns the blocks of `language` of a guide.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1);
    blocks
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn the_first_script_plays() {
    let guide = include_str!("../../docs/user/scripted-agent.md");
    let yaml = blocks(guide, "yaml");
    let place = Place::new();
    std::fs::write(place.work().join("conductor.yaml"), yaml[0]).unwrap();
    std::fs::write(place.work().join("actor.yaml"), yaml[1]).unwrap();
    let line = blocks(guide, "sh")[0].trim();
    let words: Vec<&str> = line.split('"').collect();
    let [flags, prompt, ""] = words[..] else {
        panic!("{line}");
    };
    let mut command = place.command(flags.split_whitespace().skip(1).chain([prompt]));
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.ends_with("completed (1 attempt)\n"), "{out}");
    let made = std::fs::read_to_string(place.work().join("hello.txt")).unwrap();
    assert_eq!(made, "hello\n");
}

#[test]
fn a_step_that_fails_shows_why() {
    let place = Place::new();
    let config = "agents:\n  actor: {type: scripted, script: actor.yaml}\n";
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let script = |step: &str| {
        let text = format!("version: 1\nsteps:\n  - {step}\n");
        std::fs::write(place.work().join("actor.yaml"), text).unwrap();
    };
    script("spawn: {prompt: text, task: child}");
    place
        .run_changing_nothing("job --project demo --prompt x")
        .fails(2, "invalid task ID \"child\"");
    script("spawn: {prompt: text, args: [--agent, nobody]}");
    place.run("job --project demo --prompt x");
    let task = place.run("list --project demo").out;
    let task = task
        .split_whitespace()
        .find(|word| word.starts_with("task-"));
    let line = format!("output --project demo {} --file stderr", task.unwrap());
    let said = place.run(&line).ok();
    assert!(
        said.contains("command failed with exit code") && said.contains("unknown agent \"nobody\""),
        "{said}"
    );
}
