//! `task wake` and `limits`.

use cl_testkit::patience::until;
use cl_testkit::scenario::PROJECT;
use cl_testkit::served::Served;
use rustix::process::Signal;

use crate::bed::{Bed, limited};

const TASK: &str = "task-20260101-000000-wake";

fn waiting() -> Bed {
    let bed = Bed::new().agent("claude", "type: claude, account: work", &limited("claude"));
    bed.start(TASK, &["--agent", "claude"]);
    bed.wait_for(TASK, "waiting");
    bed
}

#[test]
fn waking_a_task_tries_again_now() {
    let bed = waiting();
    let wake = ["task", "wake", TASK, "--project", PROJECT];
    let woken = bed.command(&wake).arg("--json").ok().json();
    assert_eq!(woken["outcome"], "awake", "{woken:#}");
    crate::schema::assert_valid("task-wake", &woken);
    bed.wait_for(TASK, "all_finished");
    assert_eq!(bed.scenario.begun().len(), 2);
    // The attempt was served, so the account is open for everyone.
    let shown = bed.command(&["limits", "--json"]).ok().json();
    assert_eq!(shown["windows"][0]["state"], "ok", "{shown:#}");
    assert_eq!(shown["windows"][0]["source"], "probe", "{shown:#}");
    bed.command(&wake).run().assert_code(4);
}

#[test]
fn a_server_wakes_a_task_by_either_path() {
    for path in ["/api/projects", "/api/v1/core/projects"] {
        let bed = waiting();
        let home = bed.scenario.path().join("home");
        let server = Served::spawn(bed.command(&["serve", "--port", "0"]), &home);
        let mut caller = server.caller();
        let path = format!("{path}/{PROJECT}/tasks/{TASK}/wake");
        let woken = caller.ask("POST", &path, &[], None).unwrap();
        assert_eq!(woken.expect(200).json()["outcome"], "awake", "{path}");
        bed.wait_for(TASK, "all_finished");
        assert_eq!(bed.scenario.begun().len(), 2, "{path}");
        let again = caller.ask("POST", &path, &[], None).unwrap();
        again.expect(409);
    }
}

#[test]
fn what_cannot_be_woken_is_said() {
    let script = "version: 1\nsteps: [{wait_for: {file: go}}, done]\n";
    let bed = Bed::new().agent("busy", "type: command, version_args: []", script);
    let wake = |task: &str| {
        bed.command(&["task", "wake", task, "--project", PROJECT])
            .run()
    };
    wake("task-20260101-000000-none").assert_code(3);
    wake("../x").assert_code(2);
    bed.command(&["task", "wake", "--nonsense"])
        .run()
        .assert_code(2);
    bed.start(TASK, &["--agent", "busy"]);
    until("the agent", || bed.scenario.begun().len() == 1);
    let busy = wake(TASK);
    busy.assert_code(4);
    assert!(busy.stderr.contains("does not wait"), "{busy:#?}");
    bed.scenario.release("go");
    bed.wait_for(TASK, "all_finished");
    let ended = wake(TASK);
    ended.assert_code(4);
    assert!(ended.stderr.contains("is not running"), "{ended:#?}");
}

#[test]
fn interrupting_the_command_leaves_the_task_as_it_is() {
    for signal in [Signal::INT, Signal::TERM] {
        let bed = waiting();
        bed.signal(TASK, Signal::STOP);
        let command = bed
            .command(&["task", "wake", TASK, "--project", PROJECT])
            .spawn();
        let control = bed.scenario.task(TASK).control_folder();
        until("the request", || {
            std::fs::read_dir(&control).is_ok_and(|mut entries| entries.next().is_some())
        });
        command.signal(signal);
        let ended = command.finish();
        assert_ne!(ended.code, Some(0), "{ended:#?}");
        bed.signal(TASK, Signal::CONT);
        // The wish was handed in; whether or not it was taken up, the task is whole.
        bed.set_clock(9 * 3600);
        bed.wait_for(TASK, "all_finished");
        assert_eq!(bed.scenario.begun().len(), 2);
    }
}

#[test]
fn limits_are_shown_and_forgotten() {
    let bed = Bed::new();
    std::fs::create_dir(bed.scenario.root().path()).unwrap();
    let empty = bed.command(&["limits"]).ok();
    assert!(empty.stderr.contains("nothing is known"), "{empty:#?}");
    let bed = waiting();
    let table = bed.command(&["limits"]).ok().stdout;
    for part in [
        "AGENT",
        "claude",
        "work",
        "five_hour",
        "rejected",
        "2h59m",
        "event",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let shown = bed.command(&["limits", "--json"]).ok().json();
    crate::schema::assert_valid("limits", &shown);
    let row = &shown["windows"][0];
    assert_eq!(row["names"][0], "claude", "{shown:#}");
    assert!(
        row["closed_until"].is_string() && row["used_percent"].is_null(),
        "{shown:#}"
    );
    let clear = |agent: &str| bed.command(&["limits", "clear", agent]).run();
    clear("nobody").assert_code(3);
    clear("").assert_code(2);
    bed.command(&["limits", "clear"]).run().assert_code(2);
    let cleared = bed
        .command(&["limits", "clear", "claude", "--json"])
        .ok()
        .json();
    crate::schema::assert_valid("limits-clear", &cleared);
    assert_eq!(cleared["cleared"][0]["account"], "work", "{cleared:#}");
    // Whoever waits for it goes on by itself.
    bed.wait_for(TASK, "all_finished");
    let again = clear("work");
    assert!(matches!(again.code, Some(0 | 3)), "{again:#?}");
}

#[test]
fn what_was_forgotten_holds_up_no_task_that_is_recovered() {
    // Forgotten while nobody looked after the task, and while its second supervisor waited.
    for is_recovered_first in [false, true] {
        let bed = waiting();
        bed.signal(TASK, Signal::KILL);
        until("the death", || bed.row(TASK)["owner"] == "lost");
        if is_recovered_first {
            bed.command(&["recover"]).ok();
            bed.wait_for(TASK, "waiting");
        }
        bed.command(&["limits", "clear", "work"]).ok();
        if !is_recovered_first {
            bed.command(&["recover"]).ok();
        }
        bed.wait_for(TASK, "all_finished");
        assert_eq!(bed.scenario.begun().len(), 2);
    }
}

#[test]
fn a_damaged_ledger_is_told_and_costs_one_attempt() {
    let bed = waiting();
    let file = bed
        .scenario
        .path()
        .join("root/.conductor/limits/claude@work.yaml");
    std::fs::write(&file, "version: 1\nwindows: [").unwrap();
    let shown = bed.command(&["limits", "--json"]).run();
    shown.assert_code(1);
    assert_eq!(shown.json()["problems"].as_array().unwrap().len(), 1);
    // What cannot be read holds nobody up, and is replaced by what the attempt shows.
    bed.wait_for(TASK, "all_finished");
    assert_eq!(bed.scenario.begun().len(), 2);
    let folder = file.parent().unwrap();
    let kept = |text: &str| {
        let names = std::fs::read_dir(folder).unwrap();
        let mut paths = names.map(|entry| entry.unwrap().path());
        paths.any(|path| path != file && std::fs::read_to_string(path).unwrap() == text)
    };
    assert!(kept("version: 1\nwindows: ["), "the damaged one is kept");
    // Clearing does the same at once.
    std::fs::write(&file, "version: [").unwrap();
    let cleared = bed
        .command(&["limits", "clear", "work", "--json"])
        .ok()
        .json();
    crate::schema::assert_valid("limits-clear", &cleared);
    let copy = cleared["cleared"][0]["damaged_copy"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "version: [");
    assert!(!file.exists() && kept("version: ["));
    bed.command(&["limits", "--json"]).ok();
    bed.command(&["limits", "clear", "work"])
        .run()
        .assert_code(3);
    // One of a newer version is not ours to forget.
    std::fs::write(&file, "version: 9\n").unwrap();
    bed.command(&["limits", "clear", "work"])
        .run()
        .assert_code(3);
    assert!(file.exists());
}
