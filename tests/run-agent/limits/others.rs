//! Going on with other agents.

use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;

use crate::bed::{Bed, THREE_HOURS, limited};

const TASK: &str = "task-20260101-000000-other";

fn agents(bed: &Bed, task: &str) -> Vec<String> {
    bed.runs(task)
        .into_iter()
        .map(|run| run.agent_name)
        .collect()
}

#[test]
fn another_agent_goes_on_instead_of_waiting_and_hands_back() {
    let twice = "version: 1\ndialect: codex\nattempts: [[say: x], [{say: y}, {wait_for: {file: go}}], [done]]\n";
    let settings = "defaults:\n  diversification: {on_limit: [codex]}\n";
    let bed = Bed::new()
        .agent("claude", "type: claude", &limited("claude"))
        .agent("codex", "type: codex", twice)
        .settings(settings);
    bed.start(TASK, &["--agent", "claude"]);
    until("the stand-in", || bed.scenario.begun().len() == 2);
    let runs = bed.runs(TASK);
    assert_eq!(agents(&bed, TASK), ["claude", "codex"]);
    assert_eq!(runs[1].previous_run_id, Some(runs[0].run_id.clone()));
    let told = bed.messages(TASK);
    let handed = "agent claude hands over to codex: the limit five_hour";
    assert!(
        told.iter().any(|body| body.starts_with(handed)),
        "{told:#?}"
    );
    // The limit ends while the stand-in works.
    bed.set_clock(2 * THREE_HOURS);
    bed.scenario.release("go");
    let row = bed.wait_for(TASK, "all_finished");
    assert_eq!(agents(&bed, TASK), ["claude", "codex", "claude"]);
    assert_eq!(
        row["attempts"], 2,
        "the limited one does not count: {row:#}"
    );
    bed.scenario.assert_no_clash();
}

#[test]
fn when_all_are_limited_the_first_to_open_goes_on() {
    let longer = "version: 1\ndialect: codex\nattempts: [[limit: {resets_in: 9h}], [limit: {resets_in: 9h}], [done]]\n";
    let second = "version: 1\ndialect: claude\nattempts: [[], [limit: {resets_in: 3h}], [done]]\n";
    let bed = Bed::new()
        .agent("codex", "type: codex", longer)
        .agent("claude", "type: claude", second)
        .settings("defaults:\n  diversification: {on_limit: [claude]}\n");
    bed.start(TASK, &["--agent", "codex"]);
    until("both to be limited", || {
        bed.row(TASK)["status"] == "waiting"
    });
    assert_eq!(agents(&bed, TASK), ["codex", "claude"]);
    bed.set_clock(THREE_HOURS + 120);
    bed.wait_for(TASK, "all_finished");
    assert_eq!(agents(&bed, TASK), ["codex", "claude", "claude"]);
}

#[test]
fn a_failed_attempt_is_repeated_once_with_the_next_agent() {
    let bed = Bed::new()
        .agent(
            "a",
            "type: codex",
            "version: 1\ndialect: codex\nsteps: [{error: {status: 401}}]\n",
        )
        .agent(
            "b",
            "type: codex",
            "version: 1\ndialect: codex\nsteps: [{say: fine}]\n",
        )
        .settings("defaults:\n  diversification: {enabled: true, fallback_on_failure: true}\n");
    let job = ["job", TASK, "--project", PROJECT, "--prompt", "Work."];
    bed.command(&job).ok();
    assert_eq!(agents(&bed, TASK), ["a", "b"]);
    let runs = bed.runs(TASK);
    assert_eq!(runs[1].previous_run_id, Some(runs[0].run_id.clone()));
    let told = bed.messages(TASK);
    assert!(
        told.iter()
            .any(|body| body.starts_with("agent a hands over to b")),
        "{told:#?}"
    );
    // Whoever names an agent means it.
    let named = "task-20260101-000000-named";
    let job = [
        "job",
        named,
        "--project",
        PROJECT,
        "--prompt",
        "Work.",
        "--agent",
        "a",
    ];
    bed.command(&job).run().assert_code(1);
    assert_eq!(agents(&bed, named), ["a"]);
}

#[test]
fn turns_are_taken_across_processes_by_jobs_and_tasks() {
    let done = "version: 1\nsteps: [done]\n";
    let bed = Bed::new()
        .agent("a", "type: command, version_args: []", done)
        .agent("b", "type: command, version_args: []", done)
        .agent("c", "type: command, version_args: []", done)
        .settings("defaults:\n  agent: c\n  diversification: {enabled: true, agents: [a, b]}\n");
    let mut used = Vec::new();
    for (number, kind) in ["job", "task", "task", "job"].into_iter().enumerate() {
        let id = format!("task-20260101-000000-turn{number}");
        let args = [kind, &id, "--project", PROJECT, "--prompt", "Work."];
        bed.command(&args).ok();
        used.extend(agents(&bed, &id));
    }
    assert_eq!(used, ["a", "b", "a", "b"]);
    let at_once: Vec<_> = (0..6)
        .map(|number| {
            let id = format!("task-20260101-000000-once{number}");
            let args = ["job", &id, "--project", PROJECT, "--prompt", "Work."];
            (bed.command(&args).spawn(), id)
        })
        .collect();
    let mut used: Vec<String> = Vec::new();
    for (command, id) in at_once {
        command.finish().assert_code(0);
        used.extend(agents(&bed, &id));
    }
    used.sort();
    assert_eq!(used, ["a", "a", "a", "b", "b", "b"]);
}

#[test]
fn an_agent_that_keeps_failing_is_left_alone_for_a_while() {
    let broken = "version: 1\ndialect: codex\nsteps: [{error: {status: 401}}]\n";
    let good = "version: 1\ndialect: codex\nsteps: [done]\n";
    let bed = Bed::new()
        .agent("broken", "type: codex", broken)
        .agent("good", "type: codex", good)
        .settings("defaults:\n  diversification: {enabled: true}\n");
    let job = |number: u32, extra: &[&str]| {
        let id = format!("task-20260101-000000-job{number}");
        let args = ["job", &id, "--project", PROJECT, "--prompt", "Work."];
        let done = bed.command(&args).args(extra).run();
        (done.code.unwrap(), agents(&bed, &id).concat())
    };
    for number in 0..3 {
        assert_eq!(job(number, &["--agent", "broken"]), (1, "broken".into()));
    }
    let shown = bed.command(&["limits", "--json"]).ok().json();
    crate::schema::assert_valid("limits", &shown);
    assert_eq!(shown["agents"][0]["degraded"], true, "{shown:#}");
    assert_eq!(shown["agents"][0]["names"][0], "broken", "{shown:#}");
    assert_eq!(shown["agents"][0]["last_kind"], "auth", "{shown:#}");
    for number in 3..6 {
        assert_eq!(job(number, &[]), (0, "good".into()), "{number}");
    }
    bed.set_clock(6 * 60);
    let after: Vec<_> = (6..8).map(|number| job(number, &[]).1).collect();
    assert!(
        after.contains(&"broken".to_owned()),
        "its time is over: {after:?}"
    );
}

#[test]
fn damaged_turns_begin_anew_and_are_told() {
    let script = "version: 1\nsteps: [done]\n";
    let bed = Bed::new()
        .agent("one", "type: command, version_args: []", script)
        .agent("two", "type: command, version_args: []", script)
        .settings("defaults:\n  diversification: {enabled: true, agents: [one, two]}\n");
    let task = |number: u32| format!("task-20260101-00000{number}-turn");
    let agent_of = |number: u32| {
        bed.start(&task(number), &[]);
        bed.wait_for(&task(number), "all_finished");
        bed.runs(&task(number))[0].agent_name.clone()
    };
    assert_eq!(agent_of(1), "one");
    let folder = bed.scenario.root().conductor_folder();
    std::fs::write(folder.join("diversification.yaml"), "turns: [").unwrap();
    assert_eq!(agent_of(2), "one", "the count has begun anew");
    let messages = bed.messages(&task(2)).concat();
    assert!(
        messages.contains("diversification.yaml.damaged-"),
        "{messages}"
    );
    assert_eq!(agent_of(3), "two");
    assert!(!bed.messages(&task(3)).concat().contains("damaged"));
}
