//! Tokens: where they come from, and that they are never shown.

use std::os::unix::fs::PermissionsExt as _;

use cl_config::{
    Config, ConfigError, SecretSource, TokenError, TokenState, render, render_warning,
    resolve_secret, show_text, token_reports,
};
use cl_storage::redact::Redactor;
use secrecy::ExposeSecret as _;

use crate::support::{Place, loaded, loaded_with};

fn token(config: &Config, name: &str) -> Result<Option<String>, TokenError> {
    let token = config.agent_token(name)?;
    Ok(token.map(|token| token.expose_secret().to_owned()))
}

fn set_mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn tokens_come_from_key_file_or_variable() {
    let place = Place::new();
    let file = place.write("home/token", "  from-file\n");
    set_mode(&file, 0o600);
    place.write(
        "work/conductor.yaml",
        "agents:\n  a-1: {type: claude, token: inline-token}\n  b: {type: codex, token_file: ~/token}\n  c: {type: gemini}\n",
    );
    let loaded = place.load().unwrap();
    let config = &loaded.config;
    assert_eq!(
        token(config, "a-1").unwrap().as_deref(),
        Some("inline-token")
    );
    assert_eq!(token(config, "b").unwrap().as_deref(), Some("from-file"));
    assert_eq!(token(config, "c").unwrap(), None);
    assert_eq!(token(config, "unknown").unwrap(), None);
    let variables = [
        ("CONDUCTOR_AGENT_A_1_TOKEN", "one"),
        ("CONDUCTOR_AGENT_B_TOKEN", " two "),
        ("CONDUCTOR_AGENT_C_TOKEN", ""),
        ("CONDUCTOR_AGENT_CLAUDE_TOKEN", "built-in"),
    ];
    let config = place.load_with(&variables).unwrap().config;
    assert_eq!(token(&config, "a-1").unwrap().as_deref(), Some("one"));
    assert_eq!(token(&config, "b").unwrap().as_deref(), Some("two"));
    assert_eq!(token(&config, "c").unwrap(), None);
    assert_eq!(
        token(&config, "claude").unwrap().as_deref(),
        Some("built-in")
    );
}

#[test]
fn a_variable_makes_a_bad_token_file_moot() {
    let yaml = "agents: {claude: {token_file: /no/such}}\n";
    let config = loaded_with(yaml, &[("CONDUCTOR_AGENT_CLAUDE_TOKEN", "t")]).config;
    assert_eq!(token(&config, "claude").unwrap().as_deref(), Some("t"));
    let config = loaded(yaml).config;
    let error = token(&config, "claude").unwrap_err();
    assert!(matches!(error, TokenError::Read { .. }), "{error}");
}

#[track_caller]
fn check_report(content: Option<&str>, mode: u32, expected: &str) {
    let place = Place::new();
    match content {
        Some(content) => set_mode(&place.write("home/token", content), mode),
        None => std::fs::create_dir(place.home().join("token")).unwrap(),
    }
    place.write(
        "work/conductor.yaml",
        "agents: {claude: {token_file: ~/token}, codex: {}}\n",
    );
    let loaded = place.load().unwrap();
    let reports = token_reports(&loaded.config);
    let states: Vec<_> = reports
        .iter()
        .map(|report| match &report.state {
            TokenState::NotConfigured => "none".to_owned(),
            TokenState::Usable => "usable".to_owned(),
            TokenState::Exposed { mode } => format!("exposed {mode:o}"),
            TokenState::Unusable(error) => error.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let home = place.home();
    assert_eq!(states[0].replace(home.to_str().unwrap(), "~"), expected);
    assert_eq!(states[1], "none");
    let warned = loaded
        .warnings
        .iter()
        .any(|w| w.message.contains("chmod 600"));
    assert_eq!(warned, mode & 0o044 != 0);
}

#[test]
fn token_files_are_reported_on() {
    check_report(Some("t\n"), 0o600, "usable");
    check_report(Some("t\n"), 0o640, "exposed 640");
    check_report(Some(" \n"), 0o600, "token file ~/token is empty");
    check_report(None, 0o044, "token file ~/token is not a regular file");
}

#[test]
fn sources_are_resolved_again() {
    let place = Place::new();
    let file = place.write("home/t.oken", "in-file");
    let yaml = "agents:\n  a.b: {type: claude, token: inline-1, env: {X_KEY: inline-2}}\napi: {api_key: inline-3}\nwebhook: {url: http://h, secret: inline-4}\n";
    place.write("work/conductor.yaml", yaml);
    let environment = place.environment(&[("VAR", "in-variable")]);
    let config = place.load().unwrap().config;
    let inline = |key: &str| SecretSource::Inline(key.to_owned());
    for (source, expected) in [
        (inline("agents.a.b.token"), Some("inline-1")),
        (inline("agents.a.b.env.X_KEY"), Some("inline-2")),
        (inline("api.api_key"), Some("inline-3")),
        (inline("webhook.secret"), Some("inline-4")),
        (inline("agents.gone.token"), None),
        (inline("defaults.agent"), None),
        (SecretSource::File(file), Some("in-file")),
        (SecretSource::File("/no/such".into()), None),
        (
            SecretSource::Variable("VAR".to_owned()),
            Some("in-variable"),
        ),
        (SecretSource::Variable("GONE".to_owned()), None),
    ] {
        let found = resolve_secret(&source, &config, &environment);
        let found = found
            .as_ref()
            .ok()
            .map(secrecy::ExposeSecret::expose_secret);
        assert_eq!(found, expected, "{source}");
    }
    let source = config.agents["a.b"].token.as_ref().unwrap().source();
    assert_eq!(source, &inline("agents.a.b.token"));
    let error = resolve_secret(&inline("api.gone"), &config, &environment).unwrap_err();
    assert_eq!(error.to_string(), "config key api.gone is not set");
}

#[test]
fn no_secret_is_shown() {
    let yaml = "agents:\n  claude: {token: canary-1, env: {MY_TOKEN: canary-2, PLAIN: plain-value}}\napi: {api_key: canary-3}\nwebhook: {url: http://h/services/canary-6, secret: canary-4}\nnotify: {command: curl http://h/canary-7}\n";
    let variables = [("CONDUCTOR_AGENT_CODEX_TOKEN", "canary-5")];
    let loaded = loaded_with(yaml, &variables);
    // Of the command, the listing alone has a part that must not be seen.
    let config = &loaded.config;
    let mut shown = format!(
        "{:?}\n{:?}\n{}",
        config.webhook,
        config.agents,
        show_text(&loaded)
    );
    for warning in &loaded.warnings {
        shown.push_str(&render_warning(warning));
    }
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("plain-value"), "{shown}");
    assert!(
        shown.contains("webhook.url: http://h/[REDACTED]"),
        "{shown}"
    );
    let redactor = Redactor::new(loaded.config.all_secrets());
    for n in 1..=5 {
        let text = format!("x canary-{n} y");
        assert_eq!(redactor.redact(&text), "x [REDACTED] y");
    }
    assert_eq!(redactor.redact("plain-value"), "plain-value");
    assert_eq!(
        redactor.redact("at http://h/services/canary-6"),
        "at [REDACTED]"
    );
}

#[test]
fn no_secret_is_quoted_in_an_error() {
    for yaml in [
        "agents: {claude: {token: canary, token_file: x, bad: 1}}",
        "agents:\n  claude:\n    toke: canary\n",
        "agents:\n  claude: {tokn: canary, type: x}\n",
        "agents:\n  claude: {type: x, env: {A_KEY: canary}}\n",
        "agents:\n  claude: {token: [canary]}\n",
        "agents:\n  claude:\n    token: canary\n   bad: [\n",
        "agents:\n  claude:\n    token: canary: x\n",
        "agents:\n  claude:\n    token: \"canary\n",
        "agents: {claude: {type: y, \"token\": 'canary'}}",
        "api: {api_key: canary, port: x}\nwebhook: {secret: canary, url: 5}",
        "webhook: {url: ftp://h/canary}\n",
        "webhook:\n  url: \"https://h/canary\n",
        "webhook:\n  url: https://h/canary\n  evnts: []\n",
        "agents:\n  xai: {base_url: \"https://u:canary@h/v1\"}\n",
        "agents:\n  perplexity: {base_url: https://h/v1?key=canary}\n",
        "agents: {claude: {base_url: u:canary@h}}\n",
    ] {
        let place = Place::new();
        place.write("work/conductor.yaml", yaml);
        let error = place.load().unwrap_err();
        assert!(matches!(error, ConfigError::Problems(_)), "{error}");
        let shown = format!("{}\n{error:?}", render(&error));
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn addresses_and_texts_of_an_agent_are_shown_without_secrets() {
    let loaded = loaded(
        "agents:\n  xai: {base_url: \"https://h/some/path/v1\"}\n  claude: {env: {PLAIN_URL: \"http://u:canary@h/\"}, args: [--key, sk-ant-canary-0123456789abcdef]}\n",
    );
    let shown = show_text(&loaded);
    assert!(
        shown.contains("base_url: https://h/some/path/v1"),
        "{shown}"
    );
    assert!(shown.contains("http://[REDACTED]@h/"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

/// Every file that one slip makes of the full example is read or refused in good order.
#[test]
fn a_slip_never_shows_a_secret() {
    let text = include_str!("good/full.yaml").replace("canary", "canarycanary");
    let place = Place::new();
    let check = |yaml: &str| {
        place.write("work/conductor.yaml", yaml);
        if let Err(error) = place.load() {
            let shown = format!("{}\n{error:?}", render(&error));
            assert!(!shown.contains("canary"), "{shown}\n\n{yaml}");
        }
    };
    for (at, removed) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + removed.len_utf8()..]);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line_end = after.find('\n').map_or(text.len(), |end| at + 1 + end);
        // The lines without secrets are many, and say little.
        if text[line_start..line_end].contains("canary") {
            check(before);
            check(&format!("{before}{after}"));
            check(&format!("{before}{removed} {after}"));
            check(&format!("{before}\"{after}"));
        }
    }
    let lines: Vec<_> = text.lines().collect();
    for at in 0..lines.len() {
        let mut lines = lines.clone();
        lines.remove(at);
        check(&lines.join("\n"));
    }
}
