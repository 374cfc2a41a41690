//! Every key of the table is read: setting it changes what is loaded.

use cl_config::schema::keys;
use cl_config::{Config, Loaded};
use secrecy::ExposeSecret as _;

use crate::support::loaded;

/// A file that sets a key, and the same file without it.
struct Effect {
    key: &'static str,
    with: &'static str,
    without: &'static str,
}

const fn effect(key: &'static str, with: &'static str, without: &'static str) -> Effect {
    Effect { key, with, without }
}

const EFFECTS: &[Effect] = &[
    effect("agents", "agents: {claude: {}}", ""),
    effect(
        "agents.<name>.type",
        "agents: {codex: {type: claude}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.token",
        "agents: {codex: {token: x}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.token_file",
        "agents: {codex: {token_file: x}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.base_url",
        "agents: {codex: {base_url: http://x}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.model",
        "agents: {codex: {model: x}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.command",
        "agents: {codex: {command: x}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.args",
        "agents: {codex: {args: [x]}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.env",
        "agents: {codex: {env: {A: x}}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.inherit_env",
        "agents: {codex: {inherit_env: [A]}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.extra_env",
        "agents: {codex: {extra_env: [A]}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.prompt",
        "agents: {a: {type: command, command: x, prompt: argument}}",
        "agents: {a: {type: command, command: x}}",
    ),
    effect(
        "agents.<name>.output",
        "agents: {a: {type: command, command: x, output: jsonl}}",
        "agents: {a: {type: command, command: x}}",
    ),
    effect(
        "agents.<name>.output_map",
        "agents: {a: {type: command, command: x, output: jsonl, output_map: {error: e}}}",
        "agents: {a: {type: command, command: x, output: jsonl}}",
    ),
    effect(
        "agents.<name>.output_map.final_text",
        "agents: {a: {type: command, command: x, output: jsonl, output_map: {final_text: e}}}",
        "agents: {a: {type: command, command: x, output: jsonl}}",
    ),
    effect(
        "agents.<name>.output_map.session",
        "agents: {a: {type: command, command: x, output: jsonl, output_map: {session: e}}}",
        "agents: {a: {type: command, command: x, output: jsonl}}",
    ),
    effect(
        "agents.<name>.output_map.error",
        "agents: {a: {type: command, command: x, output: jsonl, output_map: {error: e}}}",
        "agents: {a: {type: command, command: x, output: jsonl}}",
    ),
    effect(
        "agents.<name>.resume_args",
        "agents: {a: {type: command, command: x, resume_args: [r]}}",
        "agents: {a: {type: command, command: x}}",
    ),
    effect(
        "agents.<name>.model_args",
        "agents: {a: {type: command, command: x, model_args: [m]}}",
        "agents: {a: {type: command, command: x}}",
    ),
    effect(
        "agents.<name>.version_args",
        "agents: {a: {type: command, command: x, version_args: [v]}}",
        "agents: {a: {type: command, command: x}}",
    ),
    effect(
        "agents.<name>.mode",
        "agents: {a: {type: acp, command: x, mode: plan}}",
        "agents: {a: {type: acp, command: x}}",
    ),
    effect(
        "agents.<name>.permissions",
        "agents: {a: {type: acp, command: x, permissions: reject}}",
        "agents: {a: {type: acp, command: x}}",
    ),
    effect(
        "agents.<name>.script",
        "agents: {a: {type: scripted, script: x}}",
        "agents: {a: {type: scripted, script: y}}",
    ),
    effect(
        "agents.<name>.timeout",
        "agents: {codex: {timeout: 5}}",
        "agents: {codex: {}}",
    ),
    effect(
        "agents.<name>.account",
        "agents: {codex: {account: x}}",
        "agents: {codex: {}}",
    ),
    effect("defaults", "defaults: {timeout: 5}", ""),
    effect("defaults.agent", "defaults: {agent: codex}", ""),
    effect("defaults.timeout", "defaults: {timeout: 5}", ""),
    effect("defaults.max_duration", "defaults: {max_duration: 5}", ""),
    effect(
        "defaults.max_task_duration",
        "defaults: {max_task_duration: 5}",
        "",
    ),
    effect(
        "defaults.max_concurrent_runs",
        "defaults: {max_concurrent_runs: 5}",
        "",
    ),
    effect(
        "defaults.max_concurrent_root_tasks",
        "defaults: {max_concurrent_root_tasks: 5}",
        "",
    ),
    effect("defaults.max_attempts", "defaults: {max_attempts: 5}", ""),
    effect(
        "defaults.max_attempts_total",
        "defaults: {max_attempts_total: 5}",
        "",
    ),
    effect("defaults.retry", "defaults: {retry: {auth: {}}}", ""),
    effect(
        "defaults.retry.<name>.action",
        "defaults: {retry: {auth: {action: switch}}}",
        "defaults: {retry: {auth: {}}}",
    ),
    effect(
        "defaults.retry.<name>.attempts",
        "defaults: {retry: {auth: {attempts: 2}}}",
        "defaults: {retry: {auth: {}}}",
    ),
    effect(
        "defaults.retry.<name>.backoff",
        "defaults: {retry: {auth: {backoff: 2s}}}",
        "defaults: {retry: {auth: {}}}",
    ),
    effect(
        "defaults.retry.<name>.max_backoff",
        "defaults: {retry: {auth: {max_backoff: 2m}}}",
        "defaults: {retry: {auth: {}}}",
    ),
    effect(
        "defaults.max_output_bytes",
        "defaults: {max_output_bytes: 5}",
        "",
    ),
    effect("defaults.on_lost", "defaults: {on_lost: mark}", ""),
    effect(
        "defaults.stop_suppression",
        "defaults: {stop_suppression: 2s}",
        "",
    ),
    effect(
        "defaults.control_group",
        "defaults: {control_group: \"off\"}",
        "",
    ),
    effect("defaults.gates", "defaults: {gates: [x]}", ""),
    effect(
        "defaults.gates[].name",
        "defaults: {gates: [{run: x, name: y}]}",
        "defaults: {gates: [x]}",
    ),
    effect(
        "defaults.gates[].run",
        "defaults: {gates: [{run: x}]}",
        "defaults: {gates: [y]}",
    ),
    effect(
        "defaults.gates[].timeout",
        "defaults: {gates: [{run: x, timeout: 5}]}",
        "defaults: {gates: [x]}",
    ),
    effect(
        "defaults.gates[].cwd",
        "defaults: {gates: [{run: x, cwd: y}]}",
        "defaults: {gates: [x]}",
    ),
    effect(
        "defaults.require_change",
        "defaults: {require_change: true}",
        "",
    ),
    effect("defaults.budget", "defaults: {budget: {max_tokens: 7}}", ""),
    effect(
        "defaults.budget.max_cost_usd",
        "defaults: {budget: {max_cost_usd: 0.25}}",
        "",
    ),
    effect(
        "defaults.budget.max_tokens",
        "defaults: {budget: {max_tokens: 5}}",
        "",
    ),
    effect(
        "defaults.budget.per_project_day",
        "defaults: {budget: {per_project_day: {max_tokens: 7}}}",
        "",
    ),
    effect(
        "defaults.budget.per_project_day.max_cost_usd",
        "defaults: {budget: {per_project_day: {max_cost_usd: 2}}}",
        "",
    ),
    effect(
        "defaults.budget.per_project_day.max_tokens",
        "defaults: {budget: {per_project_day: {max_tokens: 5}}}",
        "",
    ),
    effect(
        "defaults.diversification",
        "defaults: {diversification: {}}",
        "",
    ),
    effect(
        "defaults.diversification.enabled",
        "defaults: {diversification: {enabled: true, weights: []}}",
        "defaults: {diversification: {weights: []}}",
    ),
    effect(
        "defaults.diversification.strategy",
        "defaults: {diversification: {strategy: weighted, weights: []}}",
        "defaults: {diversification: {weights: []}}",
    ),
    effect(
        "defaults.diversification.agents",
        "defaults: {diversification: {agents: [codex], weights: []}}",
        "defaults: {diversification: {weights: []}}",
    ),
    effect(
        "defaults.diversification.weights",
        "defaults: {diversification: {agents: [codex], weights: [5]}}",
        "defaults: {diversification: {agents: [codex]}}",
    ),
    effect(
        "defaults.diversification.fallback_on_failure",
        "defaults: {diversification: {fallback_on_failure: true, weights: []}}",
        "defaults: {diversification: {weights: []}}",
    ),
    effect(
        "defaults.diversification.on_limit",
        "defaults: {diversification: {on_limit: [codex]}}",
        "defaults: {diversification: {}}",
    ),
    effect("api", "api: {port: 5}", ""),
    effect("api.host", "api: {host: localhost}", ""),
    effect("api.port", "api: {port: 5}", ""),
    effect("api.cors_origins", "api: {cors_origins: ['*']}", ""),
    effect("api.hosts", "api: {hosts: [agents.example.com]}", ""),
    effect("api.auth_enabled", "api: {auth_enabled: true}", ""),
    effect("api.api_key", "api: {api_key: x}", ""),
    effect("api.sse", "api: {sse: {poll_interval_ms: 5}}", ""),
    effect(
        "api.sse.poll_interval_ms",
        "api: {sse: {poll_interval_ms: 5}}",
        "",
    ),
    effect(
        "api.sse.discovery_interval_ms",
        "api: {sse: {discovery_interval_ms: 5}}",
        "",
    ),
    effect(
        "api.sse.heartbeat_interval_s",
        "api: {sse: {heartbeat_interval_s: 5}}",
        "",
    ),
    effect(
        "api.sse.max_clients_per_run",
        "api: {sse: {max_clients_per_run: 5}}",
        "",
    ),
    effect("api.limits", "api: {limits: {max_connections: 5}}", ""),
    effect(
        "api.limits.max_connections",
        "api: {limits: {max_connections: 5}}",
        "",
    ),
    effect(
        "api.limits.max_connections_per_address",
        "api: {limits: {max_connections_per_address: 5}}",
        "",
    ),
    effect(
        "api.limits.header_timeout",
        "api: {limits: {header_timeout: 5s}}",
        "",
    ),
    effect(
        "api.limits.body_timeout",
        "api: {limits: {body_timeout: 5s}}",
        "",
    ),
    effect(
        "api.limits.write_timeout",
        "api: {limits: {write_timeout: 5s}}",
        "",
    ),
    effect(
        "api.limits.idle_timeout",
        "api: {limits: {idle_timeout: 5s}}",
        "",
    ),
    effect(
        "api.limits.max_header_bytes",
        "api: {limits: {max_header_bytes: 9000}}",
        "",
    ),
    effect(
        "api.limits.max_body_bytes",
        "api: {limits: {max_body_bytes: 5}}",
        "",
    ),
    effect("storage", "storage: {runs_dir: /x}", ""),
    effect("storage.runs_dir", "storage: {runs_dir: /x}", ""),
    effect("storage.extra_roots", "storage: {extra_roots: [/x]}", ""),
    effect("webhook", "webhook: {url: http://h}", ""),
    effect("webhook.url", "webhook: {url: http://h}", ""),
    effect(
        "webhook.events",
        "webhook: {url: http://h, events: [run_stop, run_stop]}",
        "webhook: {url: http://h}",
    ),
    effect(
        "webhook.format",
        "webhook: {url: http://h, format: slack}",
        "webhook: {url: http://h}",
    ),
    effect(
        "webhook.secret",
        "webhook: {url: http://h, secret: x}",
        "webhook: {url: http://h}",
    ),
    effect(
        "webhook.timeout",
        "webhook: {url: http://h, timeout: 5}",
        "webhook: {url: http://h}",
    ),
    effect("notify", "notify: {command: x}", ""),
    effect("notify.command", "notify: {command: x}", ""),
    effect(
        "notify.events",
        "notify: {command: x, events: [done]}",
        "notify: {command: x}",
    ),
    effect("notify.timeout", "notify: {timeout: 5}", ""),
    effect("notify.terminal", "notify: {terminal: true}", ""),
    effect("notify.inherit_env", "notify: {inherit_env: [MY_*]}", ""),
    effect("delegation", "delegation: {max_depth: 5}", ""),
    effect("delegation.max_depth", "delegation: {max_depth: 5}", ""),
    effect(
        "delegation.max_children",
        "delegation: {max_children: 5}",
        "",
    ),
    effect("update", "update: {enabled: true}", ""),
    effect("update.enabled", "update: {enabled: true}", ""),
    effect("limits", "limits: {auto_resume: false}", ""),
    effect("limits.auto_resume", "limits: {auto_resume: false}", ""),
    effect(
        "limits.stop_at_percent",
        "limits: {stop_at_percent: 90}",
        "",
    ),
];

/// Returns everything loaded, secrets included, in a form that can be compared.
fn fingerprint(config: &Config) -> String {
    let secrets: Vec<_> = config
        .all_secrets()
        .iter()
        .map(|secret| secret.expose_secret().to_owned())
        .collect();
    format!("{config:?} {secrets:?}")
}

/// Loads `yaml`; relative paths are compared by their ends only.
fn config(yaml: &str) -> Config {
    let Loaded { config, .. } = loaded(yaml);
    config
}

#[test]
fn every_key_has_an_effect() {
    for effect in EFFECTS {
        let (with, without) = (config(effect.with), config(effect.without));
        assert_ne!(fingerprint(&with), fingerprint(&without), "{}", effect.key);
        let last = effect.key.rsplit('.').next().unwrap();
        assert!(
            effect.with.contains(last.trim_end_matches("[]")),
            "{}",
            effect.key
        );
    }
}

#[test]
fn every_key_is_in_the_list_of_effects() {
    let listed: Vec<_> = EFFECTS.iter().map(|effect| effect.key).collect();
    let table: Vec<_> = keys().into_iter().map(|(dotted, _)| dotted).collect();
    assert_eq!(listed, table);
}

#[test]
fn documented_defaults_are_the_real_ones() {
    let unset = fingerprint(&config(""));
    for (dotted, field) in keys() {
        let Some((section, key)) = dotted.split_once('.') else {
            continue;
        };
        let is_literal = !field.default.is_empty() && !field.default.starts_with('~');
        let is_plain = ["defaults", "api", "delegation", "limits"].contains(&section);
        if !is_literal || !is_plain || key.contains("gates[]") || key.contains("diversification.") {
            continue;
        }
        let value = match key.split_once('.') {
            Some((inner, key)) => format!("{{{inner}: {{{key}: {}}}}}", field.default),
            None => format!("{{{key}: {}}}", field.default),
        };
        let yaml = format!("{section}: {value}");
        assert_eq!(fingerprint(&config(&yaml)), unset, "{yaml}");
    }
    for (dotted, field) in keys() {
        let Some(key) = dotted.strip_prefix("agents.<name>.") else {
            continue;
        };
        if field.default.is_empty() || ["type", "output"].contains(&key) {
            continue;
        }
        let command = match key {
            "permissions" => "agents: {a: {type: acp, command: x",
            _ => "agents: {a: {type: command, command: x, output: jsonl",
        };
        let bare = fingerprint(&config(&format!("{command}}}}}")));
        let yaml = format!("{command}, {key}: {}}}}}", field.default);
        assert_eq!(fingerprint(&config(&yaml)), bare, "{yaml}");
    }
}
