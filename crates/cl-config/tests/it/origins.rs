//! Where each value came from.

use std::path::PathBuf;

use cl_config::{Entry, Origin, show, show_text};

use crate::support::{loaded, loaded_with};

#[test]
fn every_value_has_an_origin() {
    let yaml = "agents:\n  claude:\n    token_file: ~/t\ndefaults:\n  timeout: 5m\n";
    let variables = [
        ("CONDUCTOR_AGENT_CLAUDE_TOKEN", "secret-value"),
        ("CONDUCTOR_PORT", "99"),
    ];
    let loaded = loaded_with(yaml, &variables);
    let file = |line| Origin::File {
        path: PathBuf::from("conductor.yaml"),
        line,
    };
    let variable = |name: &str| Origin::Variable(name.to_owned());
    let origin = |key| loaded.origins.of(key);
    assert_eq!(origin("defaults.timeout"), file(5));
    assert_eq!(origin("api.port"), variable("CONDUCTOR_PORT"));
    assert_eq!(
        origin("agents.claude.token"),
        variable("CONDUCTOR_AGENT_CLAUDE_TOKEN")
    );
    assert_eq!(origin("api.host"), Origin::Default);
    assert_eq!(origin("agents.claude.type"), Origin::Default);
    let entries = show(&loaded);
    assert!(
        !entries
            .iter()
            .any(|entry| entry.key.ends_with("token_file"))
    );
    let expected = Entry {
        key: "defaults.timeout".to_owned(),
        value: "5m".to_owned(),
        origin: file(5),
    };
    assert!(entries.contains(&expected));
}

#[test]
fn the_listing_names_the_defaults() {
    let text = show_text(&loaded(""));
    for line in [
        "api.host: 127.0.0.1",
        "defaults.max_attempts: 100",
        "storage.runs_dir: ~/.run-agent/runs",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        !text.contains("webhook"),
        "what is off is not listed: {text}"
    );
    assert!(
        text.lines().all(|line| line.ends_with("# default")),
        "{text}"
    );
}
