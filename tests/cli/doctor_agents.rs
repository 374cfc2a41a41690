//! `doctor agents`, with programs that only pretend.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::{Place, eventually};

/// Makes a program called `name` in the folder `bin`, which a config names.
fn program(place: &Place, name: &str, script: &str) {
    let bin = place.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let path = bin.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_pi(script: &str) -> Place {
    let place = Place::new();
    program(&place, "pi", script);
    let path = place.path().join("bin/pi");
    let config = format!("agents: {{pi: {{command: {}}}}}\n", path.display());
    fs::write(place.work().join("conductor.yaml"), config).unwrap();
    place
}

fn answering(help: &str) -> String {
    format!(
        "case \"$1\" in --version) echo 0.73.1;; --help) echo '{help}';; *) touch worked;; esac"
    )
}

/// Asks about the one agent of the config; nothing may be changed by that.
#[track_caller]
fn about_pi(place: &Place, code: i32) -> Value {
    let ran = place.run_changing_nothing("doctor agents pi --json");
    assert_eq!(ran.code, Some(code), "{}{}", ran.out, ran.err);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let agents = json["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 1);
    agents[0].clone()
}

#[test]
fn a_program_that_knows_its_flags_is_usable() {
    let place = with_pi(&answering("Usage: pi -p --mode --model --session --help"));
    let pi = about_pi(&place, 0);
    assert_eq!(pi["state"], "usable", "{pi:#}");
    assert_eq!(pi["version"]["installed"], "0.73.1");
    assert_eq!(pi["version"]["verified"], "0.73.1");
    assert_eq!(pi["flags"]["known"], true);
    assert_eq!(pi["login"], "none");
    assert_eq!(pi["capabilities"]["stream"], "pi");
    let login = place.path().join("home/.pi/agent");
    fs::create_dir_all(&login).unwrap();
    fs::write(login.join("auth.json"), "canary").unwrap();
    assert_eq!(about_pi(&place, 0)["login"], "file");
    let text = place.run_changing_nothing("doctor agents pi").ok();
    assert!(
        text.contains("pi (pi): usable") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn a_program_that_lacks_a_flag_is_unusable() {
    let place = with_pi(&answering("Usage: pi -p --model --session --help"));
    let pi = about_pi(&place, 1);
    assert_eq!(pi["state"], "unusable");
    assert_eq!(
        pi["flags"]["missing_required"],
        serde_json::json!(["--mode"])
    );
    let finding = pi["findings"].to_string();
    assert!(finding.contains("npm install"), "{finding}");
}

#[test]
fn a_program_that_says_nothing_is_not_condemned() {
    let pi = about_pi(&with_pi("exit 0"), 0);
    assert_eq!(
        (&pi["state"], &pi["flags"]["known"]),
        (&"degraded".into(), &false.into())
    );
    assert_eq!(pi["version"]["installed"], Value::Null);
}

#[test]
fn without_a_name_what_is_not_installed_is_no_failure() {
    let place = Place::new();
    let json = place.run_changing_nothing("doctor agents --json").json();
    assert_eq!(json["summary"]["unusable"], 0);
    assert_eq!(json["summary"]["not_installed"], 7, "{json:#}");
    place.run("doctor agents pi").fails(1, "");
}

#[test]
fn unknown_agents_and_configs_that_cannot_be_read_are_refused() {
    let place = Place::new();
    place.run("doctor agents nobody").fails(3, "nobody");
    place.run("doctor agents --nonsense").fails(2, "--nonsense");
    place.run("doctor nobody").fails(3, "nobody");
    place
        .run("doctor --live")
        .fails(2, "needs the name of an agent");
    place.run("doctor agents --timeout 5s").fails(2, "--live");
    place
        .run("doctor agents --live --timeout 0")
        .fails(2, "above zero");
    place.run("doctor pi storage").fails(2, "an agent's name");
    place
        .run("doctor --live storage")
        .fails(2, "--live belongs to");
    fs::write(place.work().join("conductor.yaml"), "agents: [").unwrap();
    place.run("doctor agents").fails(2, "conductor.yaml");
}

#[test]
fn an_interrupted_question_leaves_no_process() {
    let place = with_pi("echo $$ > asked; exec /bin/sleep 300");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut child = place.start("doctor agents pi");
        let asked = place.work().join("asked");
        let pid = || fs::read_to_string(&asked).ok()?.trim().parse::<i32>().ok();
        eventually(|| pid().is_some());
        let pid = Pid::from_raw(pid().unwrap()).unwrap();
        let me = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(me, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(rustix::process::test_kill_process(pid).is_err());
        fs::remove_file(&asked).unwrap();
    }
}

#[test]
fn the_short_form_looks_at_one_agent() {
    let place = with_pi(&answering("Usage: pi -p --mode --model --session --help"));
    let short = place.run_changing_nothing("doctor pi --json").json();
    let long = place.run_changing_nothing("doctor agents pi --json").json();
    assert_eq!(short, long);
    assert_eq!(short["agents"][0]["live"], Value::Null);
    let text = place.run("doctor pi").ok();
    assert!(text.contains("prompt: on standard input"), "{text}");
    assert!(text.contains("no login was found"), "{text}");
}

#[test]
fn a_service_without_a_key_is_unusable() {
    let place = Place::new();
    let config = "agents: {sonar: {type: perplexity}}\n";
    fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let ran = place.run_changing_nothing("doctor sonar --json");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.out.contains("PERPLEXITY_API_KEY"), "{}", ran.out);
}
