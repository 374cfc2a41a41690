//! `doctor` without a name: is everything well?

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use cl_storage::run_info::RunStatus;
use serde_json::Value;

use crate::place::{DEAD, Place, TASK, add_run, alive, ended, own};
use crate::schema::assert_valid;

/// A sound root, and an agent that needs nothing.
fn sound() -> Place {
    let place = Place::new();
    fs::set_permissions(place.root.path(), Permissions::from_mode(0o700)).unwrap();
    let config = "agents:\n  s: {type: scripted, script: script.yaml}\n";
    fs::write(place.work().join("conductor.yaml"), config).unwrap();
    fs::write(
        place.work().join("script.yaml"),
        "version: 1\nsteps: [done]\n",
    )
    .unwrap();
    add_run(&place.task(TASK), 1, ended(RunStatus::Completed, 0));
    place
}

#[track_caller]
fn health(place: &Place, code: i32) -> Value {
    let ran = place.run_changing_nothing("doctor --json");
    assert_eq!(ran.code, Some(code), "{}{}", ran.out, ran.err);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_valid("doctor", &json);
    assert_eq!(json["ok"], code == 0);
    json
}

/// Checks that exactly one error was found, about this and with these words.
#[track_caller]
fn check(place: &Place, about: &str, part: &str) -> Value {
    let json = health(place, 1);
    let problems = json["problems"].as_array().unwrap();
    let errors: Vec<_> = (problems.iter())
        .filter(|it| it["level"] == "error")
        .collect();
    assert_eq!(errors.len(), 1, "{problems:#?}");
    assert_eq!(errors[0]["about"], about, "{problems:#?}");
    assert!(errors[0].to_string().contains(part), "{problems:#?}");
    json
}

#[test]
fn a_sound_place_is_healthy() {
    let place = sound();
    let json = health(&place, 0);
    assert_eq!(json["storage"]["runs"], 1);
    assert_eq!(json["processes"]["unaccounted"], serde_json::json!([]));
    assert!(json["root"]["free_bytes"].is_u64());
    let text = place.run_changing_nothing("doctor").ok();
    for part in [
        "Config: ",
        "Root: ",
        "Storage: 1 projects",
        "Agents, usable: s",
        "Doctor: 0 errors",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_broken_configuration_hides_nothing_else() {
    let place = sound();
    fs::write(place.work().join("conductor.yaml"), "nonsense: 1\n").unwrap();
    let json = check(&place, "config", "nonsense");
    assert_eq!(json["storage"]["runs"], 1);
    assert_eq!(json["config"]["ok"], false);
}

#[test]
fn damage_is_told_with_what_to_do() {
    let place = sound();
    let path = place
        .root
        .conductor_folder()
        .join("limits/claude@work.yaml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "version: [").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    check(&place, "storage", "limits clear");
    let text = place.run("doctor");
    assert_eq!(text.code, Some(1));
    assert!(
        text.out.contains("claude@work.yaml is damaged"),
        "{}",
        text.out
    );
}

#[test]
fn a_process_that_nobody_looks_after_is_told() {
    let place = sound();
    let task = place.task(TASK);
    add_run(&task, 2, alive);
    own(&task, Some(DEAD));
    let json = health(&place, 1);
    let strays = json["processes"]["unaccounted"].as_array().unwrap();
    let me = std::process::id();
    assert!(strays.iter().any(|stray| stray["pid"] == me), "{json:#}");
    let about = |about: &str| {
        let problems = json["problems"].as_array().unwrap();
        problems
            .iter()
            .any(|it| it["about"] == about && it["level"] == "error")
    };
    assert!(about("processes") && about("storage"), "{json:#}");
}

#[test]
fn without_any_agent_no_task_can_run() {
    let place = sound();
    fs::remove_file(place.work().join("conductor.yaml")).unwrap();
    check(&place, "agents", "no agent can be used");
}
