//! `validate`, `config`, `version`, `completion`, `--explain-scope`.

use crate::place::{Place, TASK};

fn with_config(text: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.work().join("conductor.yaml"), text).unwrap();
    place
}

#[test]
fn the_version_stands_alone_on_the_first_line() {
    let place = Place::new();
    let out = place.run_changing_nothing("version").ok();
    assert_eq!(out, place.run_changing_nothing("--version").ok());
    let version = out.strip_prefix("run-agent ").unwrap().trim();
    assert_eq!(version, cl_cli::version::stamp());
    let json = place.run_changing_nothing("version --json").json();
    assert_eq!(json["version"], version);
    assert!(json.get("commit").is_some() && json.get("built_at").is_some());
}

#[test]
fn completion_scripts_name_the_program() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let out = place
            .run_changing_nothing(&format!("completion {shell}"))
            .ok();
        assert!(out.contains("run-agent"), "{shell}");
    }
}

#[test]
fn nothing_configured_and_no_agent_is_an_error_that_says_what_to_do() {
    let place = Place::new();
    let ran = place.run_changing_nothing("validate");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out
            .contains("none of claude, codex, gemini, opencode, qwen found on PATH"),
        "{}",
        ran.out
    );
    let ran = place.run_changing_nothing("validate --json");
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    insta::assert_snapshot!(
        "validate",
        place.stable(&serde_json::to_string_pretty(&json).unwrap())
    );
}

#[test]
fn an_agent_that_can_be_started_is_found() {
    let place = with_config(
        "agents:\n  mine:\n    type: command\n    command: [/bin/sh, -c, 'true']\n    token: canary-token\n",
    );
    let ran = place.run_changing_nothing("validate");
    assert!(ran.out.contains("✓ mine (command): /bin/sh"), "{}", ran.out);
    assert!(
        ran.out
            .contains("token: config key agents.mine.token (usable), default"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("canary"), "{}", ran.out);
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    let ran = place.run_changing_nothing("validate --strict");
    assert_eq!(
        ran.code,
        Some(1),
        "a config that others can read is a warning: {}",
        ran.out
    );
    place
        .run_changing_nothing("validate --agent nobody")
        .fails(3, "unknown agent \"nobody\"");
}

#[test]
fn a_missing_program_is_an_error_of_the_agent_that_would_be_used() {
    let place = with_config(
        "agents:\n  a:\n    type: command\n    command: [/nowhere/program]\n  b:\n    type: command\n    command: [/bin/sh]\ndefaults:\n  agent: b\n",
    );
    let ran = place.run_changing_nothing("validate");
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    assert!(ran.out.contains("Warning: a:"), "{}", ran.out);
    let ran = place.run_changing_nothing("validate --agent a");
    assert_eq!(ran.code, Some(1), "{}", ran.out);
}

#[test]
fn mistakes_in_the_file_are_shown_with_their_place() {
    let place = with_config("agents:\n  mine:\n    typ: command\ndefaults:\n  timeout: -5s\n");
    for line in ["validate", "config show", "config path"] {
        let ran = place.run_changing_nothing(line);
        let text = ran.out + &ran.err;
        assert!(text.contains("conductor.yaml:3:5"), "{line}: {text}");
        assert!(text.contains("conductor.yaml:5:"), "{line}: {text}");
        assert_ne!(ran.code, Some(0), "{line}");
    }
    // Looking at files needs no configuration when the root is known.
    place.task(TASK);
    place.run_changing_nothing("list").ok();
    place
        .run_changing_nothing("list --config conductor.yaml")
        .fails(2, "conductor.yaml:3:5");
    place
        .run_changing_nothing("list --config none.yaml")
        .fails(2, "none.yaml does not exist");
}

#[test]
fn settings_are_shown_without_secrets_and_with_their_origin() {
    let place = with_config(
        "agents:\n  mine:\n    type: command\n    command: [/bin/sh]\n    token: canary-token\ndefaults:\n  max_attempts: 7\n",
    );
    let out = place.run_changing_nothing("config show").ok();
    assert!(out.contains("defaults.max_attempts: 7\n"), "{out}");
    assert!(!out.contains("canary"), "{out}");
    let out = place.run_changing_nothing("config show --origin").ok();
    let line = out
        .lines()
        .find(|line| line.contains("max_attempts"))
        .unwrap();
    assert!(line.contains("conductor.yaml:7"), "{line}");
    let json = place.run_changing_nothing("config show --json").json();
    let entry = &json["settings"][0];
    assert!(
        entry["key"].is_string() && entry["origin"].is_string(),
        "{json}"
    );
    assert!(!json.to_string().contains("canary"));
    let out = place.run_changing_nothing("config path").ok();
    assert!(out.trim().ends_with("work/conductor.yaml"), "{out}");
}

#[test]
fn no_config_file_is_told() {
    let place = Place::new();
    place
        .run_changing_nothing("config path")
        .fails(3, "conductor.yaml");
    let json = place.run_changing_nothing("config path --json").json();
    assert_eq!(json["path"], serde_json::Value::Null);
    assert_eq!(json["searched"].as_array().unwrap().len(), 4);
}

#[test]
fn the_schema_is_json() {
    let place = Place::new();
    let out = place.run_changing_nothing("config schema").ok();
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["agents"].is_object(), "{out}");
}

#[test]
fn the_scope_is_explained_and_nothing_done() {
    let place = Place::new();
    let before = place.files();
    for line in [
        "task --prompt x --project demo --explain-scope",
        "job --prompt x --project demo --explain-scope",
        "stop --project demo --task task-20260101-000000-none --explain-scope",
        "bus post --project demo --body x --explain-scope",
    ] {
        let out = place.run(line).ok();
        assert!(
            out.contains("root") && out.contains("$CONDUCTOR_ROOT"),
            "{out}"
        );
        assert!(out.contains("demo  (--project)"), "{out}");
    }
    let json = place
        .run("list --project demo --explain-scope --json")
        .json();
    let text = serde_json::to_string_pretty(&json).unwrap();
    insta::assert_snapshot!("scope", place.stable(&text));
    assert_eq!(place.files(), before);
}

#[test]
fn the_configured_root_is_used() {
    let place = with_config("storage:\n  runs_dir: elsewhere\n");
    let mut command = place.command(["list", "--explain-scope"]);
    let output = command.env_remove("CONDUCTOR_ROOT").output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        out.contains("work/elsewhere  (storage.runs_dir in"),
        "{out}"
    );
}

#[test]
fn a_first_file_is_private_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let out = place.run("config init").ok();
    let path = std::path::PathBuf::from(out.trim());
    assert!(path.ends_with("home/.run-agent/config.yaml"), "{out}");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let out = place.run_changing_nothing("config path").ok();
    assert_eq!(out.trim(), path.to_str().unwrap());
    place
        .run_changing_nothing("config init")
        .fails(4, "is there already");
    place
        .run_changing_nothing("config init --nonsense")
        .fails(2, "--nonsense");
    let other = Place::new();
    let json = other.run("config init --json").json();
    assert!(
        json["path"].as_str().unwrap().ends_with("config.yaml"),
        "{json}"
    );
    // What stands in the folder's place is no config file.
    let odd = Place::new();
    let folder = odd.path().join("home/.run-agent");
    std::fs::write(&folder, "").unwrap();
    (odd.run_changing_nothing("config init")).fails(1, "could not make the folder");
    std::fs::remove_file(&folder).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", &folder).unwrap();
    (odd.run_changing_nothing("config init")).fails(1, "could not make the folder");
    // Who only looks makes nothing in the home folder.
    let third = Place::new();
    for line in [
        "config show",
        "config path",
        "config migrate",
        "validate",
        "list",
    ] {
        third.run_changing_nothing(line);
    }
}

#[test]
fn a_file_of_the_earlier_implementation_is_refused_and_translated() {
    let place = Place::new();
    let folder = place.path().join("home/.run-agent");
    place
        .run_changing_nothing("config migrate")
        .fails(3, "no file of the earlier implementation");
    std::fs::create_dir(&folder).unwrap();
    let hcl = "codex {\n  token = \"canary-old\"\n}\ndefaults {\n  max_attempts = 7\n}\n";
    std::fs::write(folder.join("conductor-loop.hcl"), hcl).unwrap();
    std::fs::write(place.work().join("x.hcl"), hcl).unwrap();
    for line in [
        "config show",
        "config show --config x.hcl",
        "task --project demo --prompt x",
    ] {
        let ran = place.run_changing_nothing(line);
        assert!(!ran.err.contains("canary"), "{}", ran.err);
        assert!(ran.err.contains("agents:\n  codex:"), "{}", ran.err);
        ran.fails(2, "old HCL format");
    }
    let out = place.run_changing_nothing("config migrate").ok();
    assert!(
        out.contains("max_attempts: 7") && !out.contains("canary"),
        "{out}"
    );
    let json = place
        .run_changing_nothing("config migrate x.hcl --json")
        .json();
    assert_eq!(json["not_understood"], serde_json::Value::Null);
    std::fs::write(place.work().join("conductor.yaml"), out).unwrap();
    let shown = place.run_changing_nothing("config show").ok();
    assert!(shown.contains("defaults.max_attempts: 7"), "{shown}");
    std::fs::write(place.work().join("half.hcl"), "codex {\n").unwrap();
    place
        .run_changing_nothing("config migrate half.hcl")
        .fails(1, "not all of");
    place
        .run_changing_nothing("config migrate none.hcl")
        .fails(2, "none.hcl");
}
