//! Choosing the agent for a run.

use std::os::unix::fs::PermissionsExt as _;

use cl_config::{AgentKind, ChosenBy, find_on_path, select_agent};

use crate::support::{Place, loaded};

const TWO_CODEX: &str = "agents:\n  zeta: {type: codex}\n  alpha: {type: codex, model: m}\n  beta: {type: perplexity}\n";

/// Checks the name chosen, or the error text.
#[track_caller]
fn check(yaml: &str, requested: Option<&str>, expected: Result<(&str, ChosenBy), &str>) {
    let place = Place::new();
    place.write("work/conductor.yaml", yaml);
    let environment = place.environment(&[("PATH", "/no/such")]);
    let chosen = select_agent(&loaded(yaml).config, requested, &environment);
    let chosen = chosen
        .map(|choice| (choice.name, choice.by))
        .map_err(|error| error.to_string());
    let expected = expected
        .map(|(name, by)| (name.to_owned(), by))
        .map_err(str::to_owned);
    assert_eq!(chosen, expected, "{requested:?} of {yaml}");
}

#[test]
fn a_request_goes_by_name_then_type_then_built_in() {
    check(TWO_CODEX, Some("zeta"), Ok(("zeta", ChosenBy::Request)));
    check(TWO_CODEX, Some("codex"), Ok(("alpha", ChosenBy::Request)));
    check(TWO_CODEX, Some(" Codex "), Ok(("alpha", ChosenBy::Request)));
    check(TWO_CODEX, Some("claude"), Ok(("claude", ChosenBy::Request)));
    check("", Some("gemini"), Ok(("gemini", ChosenBy::Request)));
    check(
        TWO_CODEX,
        Some("xai"),
        Err(
            "unknown agent \"xai\"; known: alpha, beta, claude, codex, copilot, gemini, opencode, pi, qwen, zeta",
        ),
    );
    check("", Some("  "), Err("agent name is empty"));
    check(
        "agents: {codex: {type: claude}, a: {type: codex}}",
        Some("codex"),
        Ok(("codex", ChosenBy::Request)),
    );
}

#[test]
fn without_a_request_the_default_and_then_the_first() {
    check(TWO_CODEX, None, Ok(("alpha", ChosenBy::FirstConfigured)));
    let default = format!("{TWO_CODEX}defaults: {{agent: zeta}}\n");
    check(&default, None, Ok(("zeta", ChosenBy::Default)));
    let default = format!("{TWO_CODEX}defaults: {{agent: perplexity}}\n");
    check(&default, None, Ok(("beta", ChosenBy::Default)));
    check(
        "",
        None,
        Err(
            "no agent configured and none of claude, codex, gemini, opencode, qwen found on PATH; \
             install one of them or describe an agent under \"agents\" in a config file",
        ),
    );
}

#[test]
fn without_configuration_the_path_decides() {
    let place = Place::new();
    let gemini = place.write("home/bin/gemini", "");
    let codex = place.write("home/bin2/codex", "");
    let folders = format!(
        "{}:{}",
        place.home().join("bin").display(),
        place.home().join("bin2").display()
    );
    let environment = place.environment(&[("PATH", &folders)]);
    let config = place.load().unwrap().config;
    assert!(
        select_agent(&config, None, &environment).is_err(),
        "not executable"
    );
    for file in [&gemini, &codex] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let choice = select_agent(&config, None, &environment).unwrap();
    assert_eq!(choice.by, ChosenBy::FoundOnPath);
    assert_eq!(choice.agent.kind, AgentKind::Codex);
    assert_eq!(find_on_path("codex", &environment), Some(codex));
    assert_eq!(find_on_path("claude", &environment), None);
    assert_eq!(find_on_path("", &environment), None);
    assert_eq!(
        find_on_path("../home/bin/gemini", &environment),
        Some(place.work().join("../home/bin/gemini"))
    );
    assert_eq!(find_on_path("./gemini", &environment), None);
}

#[test]
fn the_idle_limit_of_an_agent_ranks_above_the_default() {
    let config = loaded("agents: {a: {type: claude, timeout: 0}, b: {type: claude, timeout: 5s}, c: {type: claude}}\ndefaults: {timeout: 7}").config;
    let seconds = |name: &str| {
        config
            .idle_timeout(&config.agents[name])
            .map(|d| d.as_secs())
    };
    assert_eq!(
        (seconds("a"), seconds("b"), seconds("c")),
        (None, Some(5), Some(7))
    );
}
