//! Which file is read, and what happens when there is none or it cannot be read.

use std::path::Path;

use cl_config::{ConfigError, Flags, Loaded, Source, load, paths_searched, render};

use crate::support::{Place, loaded_with};

fn model(loaded: &Loaded) -> Option<&str> {
    loaded.config.agents["claude"].model.as_deref()
}

fn write_model(place: &Place, path: &str, model: &str) {
    place.write(path, &format!("agents: {{claude: {{model: {model}}}}}\n"));
}

#[test]
fn the_first_file_found_is_the_only_one_read() {
    let place = Place::new();
    let files = [
        "home/.run-agent/config.yaml",
        "work/config.yml",
        "work/config.yaml",
        "work/conductor.yaml",
    ];
    for file in files {
        write_model(&place, file, file);
        let loaded = place.load().unwrap();
        assert_eq!(model(&loaded), Some(file));
    }
    let other = place.write("home/other.yaml", "agents: {claude: {model: other}}\n");
    let loaded = place
        .load_with(&[("CONDUCTOR_CONFIG", "~/other.yaml")])
        .unwrap();
    assert_eq!(model(&loaded), Some("other"));
    assert_eq!(loaded.source, Source::File(other));
    write_model(&place, "work/sub/named.yaml", "named");
    let flags = Flags::new(Some("sub/named.yaml".into()));
    let environment = place.environment(&[("CONDUCTOR_CONFIG", "~/other.yaml")]);
    let loaded = load(&flags, &environment).unwrap();
    assert_eq!(model(&loaded), Some("named"));
    assert_eq!(loaded.config.defaults.timeout, None, "nothing is merged");
}

#[test]
fn files_are_searched_in_the_documented_order() {
    let place = Place::new();
    let expected = [
        place.work().join("conductor.yaml"),
        place.work().join("config.yaml"),
        place.work().join("config.yml"),
        place.home().join(".run-agent/config.yaml"),
    ];
    assert_eq!(paths_searched(&place.environment(&[])), expected);
}

#[test]
fn no_file_is_fine() {
    let place = Place::new();
    let loaded = place.load().unwrap();
    assert_eq!(loaded.source, Source::None);
    assert!(loaded.config.agents.is_empty() && loaded.warnings.is_empty());
    let left: Vec<_> = std::fs::read_dir(place.home().join(".run-agent"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "reading creates nothing");
}

#[track_caller]
fn check_named(content: Option<&str>, name: &str, expected: &str) {
    let place = Place::new();
    if let Some(content) = content {
        place.write(&format!("work/{name}"), content);
    }
    std::fs::create_dir(place.work().join("folder")).unwrap();
    let flags = Flags::new(Some(name.into()));
    let error = load(&flags, &place.environment(&[])).unwrap_err();
    assert_eq!(render(&error), expected);
}

#[test]
fn a_named_file_must_be_there_and_readable() {
    check_named(
        None,
        "missing.yaml",
        "config file missing.yaml does not exist (asked for by --config)",
    );
    check_named(
        None,
        "~u/x.yaml",
        "could not read config file ~u/x.yaml: unsupported home expansion: \"~u/x.yaml\"",
    );
    check_named(
        None,
        "folder",
        "could not read config file folder: Is a directory (os error 21)",
    );
    let place = Place::new();
    let error = place
        .load_with(&[("CONDUCTOR_CONFIG", "/no/such")])
        .unwrap_err();
    assert_eq!(
        render(&error),
        "config file /no/such does not exist (asked for by CONDUCTOR_CONFIG)"
    );
}

#[test]
fn a_folder_of_the_name_is_passed_over() {
    let place = Place::new();
    std::fs::create_dir(place.work().join("config.yaml")).unwrap();
    write_model(&place, "home/.run-agent/config.yaml", "home");
    assert_eq!(model(&place.load().unwrap()), Some("home"));
}

#[test]
fn text_that_is_no_text_has_a_position() {
    let place = Place::new();
    std::fs::write(
        place.work().join("conductor.yaml"),
        b"agents:\n  cl\xff: x\n",
    )
    .unwrap();
    let error = place.load().unwrap_err();
    assert!(
        render(&error).starts_with("conductor.yaml:2:5: not valid UTF-8"),
        "{}",
        render(&error)
    );
}

#[test]
fn a_file_of_another_program_is_suspected() {
    let place = Place::new();
    place.write("work/config.yaml", "baseURL: x\ntitle: y\n");
    let error = place.load().unwrap_err();
    let text = render(&error);
    assert!(
        text.contains("config.yaml:1:1: unknown key \"baseURL\""),
        "{text}"
    );
    assert!(text.contains("belongs to another program"), "{text}");
    place.write("work/config.yaml", "baseURL: x\ndefaults: {}\n");
    let text = render(&place.load().unwrap_err());
    assert!(!text.contains("belongs to another program"), "{text}");
}

#[test]
fn variables_rank_above_the_file() {
    let yaml = "api: {host: localhost, port: 1000, api_key: from-file}\n";
    let variables = [
        ("CONDUCTOR_HOST", "::1"),
        ("CONDUCTOR_PORT", "2000"),
        ("CONDUCTOR_API_KEY", "from-variable"),
        ("CONDUCTOR_ROOT", "~/elsewhere"),
    ];
    let loaded = loaded_with(yaml, &variables);
    let api = &loaded.config.api;
    assert_eq!((api.host.as_str(), api.port), ("::1", 2000));
    assert!(api.is_loopback() && api.auth_enabled);
    let key = secrecy::ExposeSecret::expose_secret(api.api_key.as_ref().unwrap());
    assert_eq!(key, "from-variable");
    let root = loaded.root_variable.unwrap();
    assert!(
        root.is_absolute() && root.ends_with("home/elsewhere"),
        "{}",
        root.display()
    );
    let loaded = loaded_with(yaml, &[("CONDUCTOR_ROOT", "here"), ("CONDUCTOR_PORT", "0")]);
    assert!(loaded.root_variable.unwrap().ends_with("work/here"));
    assert_eq!(loaded.config.api.port, 1000);
    assert_eq!(
        loaded_with(yaml, &[("CONDUCTOR_ROOT", "")]).root_variable,
        None
    );
}

#[test]
fn bad_variables_are_reported_after_the_file() {
    let place = Place::new();
    place.write("work/conductor.yaml", "api: {port: x}\n");
    let error = place
        .load_with(&[("CONDUCTOR_PORT", "70000"), ("CONDUCTOR_ROOT", "~u/x")])
        .unwrap_err();
    let ConfigError::Problems(problems) = &error else {
        panic!("{error}")
    };
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["api.port", "api.port", "storage.runs_dir"]);
    let text = render(&error);
    assert!(
        text.contains(
            "environment variable CONDUCTOR_PORT: must be between 0 and 65535, got \"70000\""
        ),
        "{text}"
    );
    assert_eq!(error.to_string(), "3 problems in the configuration");
}

#[test]
fn the_root_has_a_default() {
    let place = Place::new();
    let environment = place.environment(&[]);
    let storage = place.load().unwrap().config.storage;
    let expected = place.home().join(".run-agent/runs");
    assert_eq!(storage.runs_dir_or_default(&environment), Some(expected));
    let loaded = loaded_with("storage: {runs_dir: /srv/runs}", &[]);
    assert_eq!(
        loaded
            .config
            .storage
            .runs_dir_or_default(&environment)
            .as_deref(),
        Some(Path::new("/srv/runs"))
    );
}

#[test]
fn what_the_server_would_refuse_is_warned_about() {
    for yaml in ["api: {auth_enabled: true}", "api: {host: 0.0.0.0}"] {
        let loaded = loaded_with(yaml, &[]);
        assert_eq!(loaded.warnings.len(), 1, "{yaml}: {:?}", loaded.warnings);
    }
    for yaml in ["api: {host: localhost}", "api: {host: \"[::1]\"}"] {
        assert!(loaded_with(yaml, &[]).warnings.is_empty(), "{yaml}");
    }
    let with_key = [("CONDUCTOR_API_KEY", "some-key")];
    assert!(
        loaded_with("api: {host: 0.0.0.0}", &with_key)
            .warnings
            .is_empty()
    );
}
