//! Files of the earlier implementation.

use cl_config::{Flags, load, render};

use crate::support::Place;

const HCL: &str = "home/.run-agent/conductor-loop.hcl";

#[test]
fn settings_in_the_old_format_are_translated() {
    let place = Place::new();
    place.write(
        HCL,
        "# mine\ncodex {\n  token_file = \"~/.codex-token\" # mine\n}\ndefaults {\n  timeout = 300\n}\nclaude {\n  token = \"canary\"\n}\n",
    );
    let text = render(&place.load().unwrap_err());
    let home = place.home();
    let home = home.to_str().unwrap();
    assert_eq!(
        text.replace(home, "~"),
        "~/.run-agent/conductor-loop.hcl is in the old HCL format, which is no longer read\n\
         write these settings to ~/.run-agent/config.yaml (`run-agent config migrate` prints them):\n\n\
         agents:\n  codex:\n    type: codex\n    token_file: ~/.codex-token\n  claude:\n    type: claude\n    \
         token: \"\" # copy the value from the old file\ndefaults:\n  timeout: 300"
    );
    let (_, yaml) = text.split_once("\n\n").unwrap();
    place.write("work/conductor.yaml", yaml);
    let loaded = place.load().unwrap();
    assert_eq!(loaded.config.agents.len(), 2, "the translation loads");
}

#[test]
fn a_template_without_agents_only_warns() {
    let place = Place::new();
    place.write(
        HCL,
        "# codex {\n# }\ndefaults {\n  timeout = 300 # seconds\n}\n",
    );
    let loaded = place.load().unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].message.contains("can be removed"));
}

#[test]
fn a_yaml_file_makes_the_old_one_moot() {
    let place = Place::new();
    place.write(HCL, "codex {\n}\n");
    place.write("home/.run-agent/config.yaml", "defaults: {timeout: 5}\n");
    assert!(place.load().unwrap().warnings.is_empty());
}

#[test]
fn a_named_file_in_the_old_format_is_refused() {
    let place = Place::new();
    place.write("work/x.hcl", "codex {\n  nested {\n");
    let flags = Flags::new(Some("x.hcl".into()));
    let text = render(&load(&flags, &place.environment(&[])).unwrap_err());
    assert!(text.contains("x.hcl is in the old HCL format"), "{text}");
    assert!(text.contains("line 2: expected key = value"), "{text}");
    assert!(text.contains("agents:\n  codex:"), "{text}");
}

#[test]
fn a_file_is_translated_on_request() {
    let place = Place::new();
    let environment = place.environment(&[]);
    assert_eq!(cl_config::translate(None, &environment).unwrap(), None);
    place.write(HCL, "codex {\n  token = \"canary\"\n}\n");
    let found = cl_config::translate(None, &environment).unwrap().unwrap();
    assert!(found.path.ends_with("conductor-loop.hcl"));
    assert!(found.yaml.contains("type: codex") && !found.yaml.contains("canary"));
    assert_eq!(found.reason, None);
    let missing = place.home().join("none.hcl");
    assert!(cl_config::translate(Some(&missing), &environment).is_err());
}

#[test]
fn the_template_changes_nothing_and_each_of_its_lines_is_valid() {
    let place = Place::new();
    place.write("work/conductor.yaml", cl_config::TEMPLATE);
    let loaded = place.load().unwrap();
    assert!(loaded.config.agents.is_empty() && loaded.warnings.is_empty());
    // Without the marks, the comments behind the first two lines are settings.
    let lines = cl_config::TEMPLATE.lines().skip(2);
    let bare: Vec<&str> = lines
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    place.write("work/conductor.yaml", &bare.join("\n"));
    let loaded = place
        .load()
        .unwrap_or_else(|error| panic!("{}", render(&error)));
    assert_eq!(loaded.config.agents.len(), 2);
}
