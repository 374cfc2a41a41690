//! Putting the settings together, and the checks that span several keys.

use std::num::NonZeroU32;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use cl_storage::budget::{Budget, Ceiling};

use crate::agent::AgentKind;
use crate::model::{
    Api, ApiLimits, Config, ControlGroup, Defaults, Delegation, Diversification, Gate, Limits,
    Notify, NotifyEvent, OnLost, Sse, Storage, TurnStrategy, Update, Webhook, WebhookFormat,
};
use crate::schema::{self, Field, Kind};
use crate::tree::{Node, Value};

use super::section::Section;
use super::values::shown_list;
use super::{Reader, agents, retry};

/// Reads the whole file.
pub(super) fn read<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> Config {
    let mut config = Config {
        agents: agents::read(reader, root),
        ..Config::default()
    };
    if let Some(section) = root.section(reader, "defaults") {
        config.defaults = defaults(reader, &section, &config);
    }
    if let Some(section) = root.section(reader, "api") {
        config.api = api(reader, &section);
    }
    if let Some(section) = root.section(reader, "storage") {
        config.storage = Storage {
            runs_dir: reader.path(&section, "runs_dir"),
            extra_roots: reader.paths(&section, "extra_roots"),
        };
    }
    if let Some(section) = root.section(reader, "webhook") {
        config.webhook = webhook(reader, &section);
    }
    if let Some(section) = root.section(reader, "notify") {
        config.notify = notify(reader, &section);
    }
    if let Some(section) = root.section(reader, "delegation") {
        let unset = Delegation::default();
        config.delegation = Delegation {
            max_depth: reader
                .count(&section, "max_depth")
                .unwrap_or(unset.max_depth),
            max_children: reader
                .count(&section, "max_children")
                .unwrap_or(unset.max_children),
        };
    }
    if let Some(section) = root.section(reader, "update") {
        config.update = Update {
            enabled: reader.truth(&section, "enabled").unwrap_or_default(),
        };
    }
    if let Some(section) = root.section(reader, "limits") {
        let unset = Limits::default();
        config.limits = Limits {
            auto_resume: reader
                .truth(&section, "auto_resume")
                .unwrap_or(unset.auto_resume),
            stop_at_percent: reader
                .number(&section, "stop_at_percent")
                .and_then(|percent| u8::try_from(percent).ok())
                .filter(|percent| *percent != 0),
        };
    }
    config
}

fn defaults<'d>(reader: &mut Reader<'d>, section: &Section<'d>, config: &Config) -> Defaults {
    let unset = Defaults::default();
    let limit = |length: Duration| !length.is_zero();
    Defaults {
        agent: default_agent(reader, section, config),
        timeout: reader.duration(section, "timeout").filter(|l| limit(*l)),
        max_duration: reader
            .duration(section, "max_duration")
            .filter(|l| limit(*l)),
        max_task_duration: reader
            .duration(section, "max_task_duration")
            .filter(|l| limit(*l)),
        max_concurrent_runs: reader
            .count(section, "max_concurrent_runs")
            .and_then(NonZeroU32::new),
        max_concurrent_root_tasks: reader
            .count(section, "max_concurrent_root_tasks")
            .and_then(NonZeroU32::new),
        max_attempts: reader
            .count(section, "max_attempts")
            .unwrap_or(unset.max_attempts),
        max_attempts_total: reader
            .count(section, "max_attempts_total")
            .and_then(NonZeroU32::new),
        retry: retry::read(reader, section),
        max_output_bytes: reader
            .number(section, "max_output_bytes")
            .unwrap_or(unset.max_output_bytes),
        on_lost: match reader.choice(section, "on_lost") {
            Some("mark") => OnLost::Mark,
            _ => OnLost::Resume,
        },
        stop_suppression: reader
            .duration(section, "stop_suppression")
            .unwrap_or(unset.stop_suppression),
        control_group: match reader.choice(section, "control_group") {
            Some("off") => ControlGroup::Off,
            _ => ControlGroup::Auto,
        },
        gates: gates(reader, section),
        require_change: reader.truth(section, "require_change").unwrap_or(false),
        budget: section
            .section(reader, "budget")
            .map(|section| budget(reader, &section))
            .unwrap_or_default(),
        diversification: section
            .section(reader, "diversification")
            .map(|section| diversification(reader, &section, config)),
    }
}

/// Reads `defaults.agent`, which must name an entry, a type of one, or a built-in agent.
fn default_agent<'d>(
    reader: &mut Reader<'d>,
    section: &Section<'d>,
    config: &Config,
) -> Option<String> {
    let name = reader.text(section, "agent")?;
    if !is_known(config, &name) {
        let hint = near_agent(config, &name);
        let message = format!("defaults.agent \"{name}\" is not the name or type of an agent");
        let at = section.get("agent")?.node.at;
        reader.problem_with_hint(at, section.dotted("agent"), message, hint);
    }
    Some(name)
}

fn is_known(config: &Config, name: &str) -> bool {
    let kind = AgentKind::from_name(name);
    config.agents.contains_key(name)
        || config.agents.values().any(|agent| Some(agent.kind) == kind)
        || kind.is_some_and(|kind| AgentKind::BUILT_IN.contains(&kind))
}

fn near_agent(config: &Config, name: &str) -> Option<String> {
    let built_in = AgentKind::BUILT_IN.map(AgentKind::as_str);
    let names = config.agents.keys().map(String::as_str).chain(built_in);
    schema::nearest(name, names).map(|near| format!("did you mean \"{near}\"?"))
}

fn budget<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Budget {
    Budget {
        task: ceiling(reader, section),
        per_project_day: section
            .section(reader, "per_project_day")
            .map(|section| ceiling(reader, &section))
            .unwrap_or_default(),
    }
}

fn ceiling<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Ceiling {
    Ceiling {
        max_cost_usd: reader.money(section, "max_cost_usd"),
        max_tokens: reader.number(section, "max_tokens"),
    }
}

pub(super) fn gates<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Vec<Gate> {
    let Some(entry) = section.get("gates") else {
        return Vec::new();
    };
    let Kind::Gates(fields) = entry.kind else {
        panic!("\"gates\" holds no gates in the table of keys")
    };
    let dotted = section.dotted("gates");
    let items = reader.items(entry, &dotted);
    let gates: Vec<_> = items
        .iter()
        .enumerate()
        .filter_map(|(index, node)| gate(reader, node, &format!("{dotted}[{index}]"), fields))
        .collect();
    let shown = shown_list(gates.iter().map(|gate| &gate.name));
    reader.note(dotted, shown, entry.key.at);
    gates
}

fn gate<'d>(
    reader: &mut Reader<'d>,
    node: &'d Node,
    dotted: &str,
    fields: &'static [Field],
) -> Option<Gate> {
    if let Some(run) = reader.document.scalar(node) {
        let run = run.trim();
        if run.is_empty() {
            reader.problem(node.at, dotted, format!("{dotted} is empty"));
        }
        return Some(Gate::from_command(run));
    }
    if !matches!(node.value, Value::Map(_)) {
        let found = reader.found(node);
        let message = format!("{dotted} must be a command or a mapping, found {found}");
        reader.problem(node.at, dotted, message);
        return None;
    }
    let gate = Section::open(reader, dotted, node, fields);
    let name = reader.text(&gate, "name");
    let timeout = reader.duration(&gate, "timeout").filter(|t| !t.is_zero());
    let cwd = reader.text(&gate, "cwd").map(PathBuf::from);
    if let Some((cwd, entry)) = cwd.as_ref().zip(gate.get("cwd"))
        && leaves(cwd)
    {
        let message = format!(
            "{} must stay in the task's working folder",
            gate.dotted("cwd")
        );
        reader.problem(entry.node.at, gate.dotted("cwd"), message);
    }
    let Some(run) = reader.text(&gate, "run") else {
        reader.problem(node.at, gate.dotted("run"), format!("{dotted} needs run"));
        return None;
    };
    Some(Gate {
        name: name.unwrap_or_else(|| run.clone()),
        run,
        timeout,
        cwd,
    })
}

/// Tells whether a path, as it is written, leads out of the folder that it is relative to.
fn leaves(path: &Path) -> bool {
    let mut depth = 0_usize;
    path.components().any(|component| match component {
        Component::Normal(_) => {
            depth += 1;
            false
        }
        Component::CurDir => false,
        Component::ParentDir => match depth.checked_sub(1) {
            Some(above) => {
                depth = above;
                false
            }
            None => true,
        },
        Component::RootDir | Component::Prefix(_) => true,
    })
}

fn diversification<'d>(
    reader: &mut Reader<'d>,
    section: &Section<'d>,
    config: &Config,
) -> Diversification {
    let enabled = reader.truth(section, "enabled").unwrap_or(false);
    let strategy = match reader.choice(section, "strategy") {
        Some("weighted") => TurnStrategy::Weighted,
        _ => TurnStrategy::RoundRobin,
    };
    let mut agents = reader.texts(section, "agents").unwrap_or_default();
    for (index, name) in agents.iter_mut().enumerate() {
        *name = name.trim().to_owned();
        check_member(reader, section, config, ("agents", index), name);
    }
    if agents.is_empty() {
        agents = config.agents.keys().cloned().collect();
    }
    let mut on_limit = reader.texts(section, "on_limit").unwrap_or_default();
    for (index, name) in on_limit.iter_mut().enumerate() {
        *name = name.trim().to_owned();
        check_member(reader, section, config, ("on_limit", index), name);
    }
    let mut weights = vec![NonZeroU32::MIN; agents.len()];
    if let Some((at, given)) = reader.weights(section, "weights")
        && !given.is_empty()
    {
        if given.len() == agents.len() {
            weights = given;
        } else {
            let dotted = section.dotted("weights");
            let message = format!(
                "{dotted} length ({}) must match agents length ({})",
                given.len(),
                agents.len()
            );
            reader.problem(at, dotted, message);
        }
    }
    Diversification {
        enabled,
        strategy,
        agents,
        weights,
        fallback_on_failure: reader
            .truth(section, "fallback_on_failure")
            .unwrap_or(false),
        on_limit,
    }
}

fn check_member<'d>(
    reader: &mut Reader<'d>,
    section: &Section<'d>,
    config: &Config,
    (key, index): (&str, usize),
    name: &str,
) {
    let is_built_in =
        AgentKind::from_name(name).is_some_and(|kind| AgentKind::BUILT_IN.contains(&kind));
    if config.agents.contains_key(name) || is_built_in {
        return;
    }
    let dotted = format!("{}[{index}]", section.dotted(key));
    let at = match section.get(key).map(|entry| &entry.node.value) {
        Some(Value::List(items)) => items.get(index).map(|item| item.at),
        _ => None,
    };
    let Some(at) = at else { return };
    if name.is_empty() {
        reader.problem(at, dotted.clone(), format!("{dotted} is empty"));
    } else {
        let message = format!("{dotted} \"{name}\" is not among the agents");
        let hint = near_agent(config, name);
        reader.problem_with_hint(at, dotted, message, hint);
    }
}

fn api<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Api {
    let unset = Api::default();
    let api = Api {
        host: reader.text(section, "host").unwrap_or(unset.host),
        port: reader
            .number(section, "port")
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)
            .unwrap_or(unset.port),
        cors_origins: reader.texts(section, "cors_origins").unwrap_or_default(),
        hosts: reader.texts(section, "hosts").unwrap_or_default(),
        auth_enabled: reader
            .truth(section, "auth_enabled")
            .unwrap_or(unset.auth_enabled),
        api_key: reader.secret(section, "api_key"),
        sse: match section.section(reader, "sse") {
            Some(section) => sse(reader, &section),
            None => unset.sse,
        },
        limits: match section.section(reader, "limits") {
            Some(section) => api_limits(reader, &section),
            None => unset.limits,
        },
    };
    if let Some(entry) = section.get("host")
        && !is_host(&api.host)
    {
        let message = format!("api.host \"{}\" is not an address or host name", api.host);
        reader.problem(entry.node.at, "api.host", message);
    }
    api
}

fn is_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok()
        || (!host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')))
}

fn sse<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Sse {
    let unset = Sse::default();
    let mut given = |key| reader.count(section, key).filter(|number| *number != 0);
    Sse {
        poll_interval: given("poll_interval_ms").map_or(unset.poll_interval, milliseconds),
        discovery_interval: given("discovery_interval_ms")
            .map_or(unset.discovery_interval, milliseconds),
        heartbeat_interval: given("heartbeat_interval_s")
            .map_or(unset.heartbeat_interval, |s| Duration::from_secs(s.into())),
        max_clients_per_run: given("max_clients_per_run").unwrap_or(unset.max_clients_per_run),
    }
}

fn api_limits<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> ApiLimits {
    /// Below it no head is read at all.
    const SMALLEST_HEADER: u32 = 8192;
    let unset = ApiLimits::default();
    let mut given = |key| reader.count(section, key).filter(|number| *number != 0);
    let max_connections = given("max_connections").unwrap_or(unset.max_connections);
    let max_connections_per_address =
        given("max_connections_per_address").unwrap_or(unset.max_connections_per_address);
    let max_header_bytes = given("max_header_bytes").unwrap_or(unset.max_header_bytes);
    let max_body_bytes = given("max_body_bytes").unwrap_or(unset.max_body_bytes);
    let mut lasting = |key, unset: Duration| {
        let given = reader.duration(section, key);
        given.filter(|length| !length.is_zero()).unwrap_or(unset)
    };
    ApiLimits {
        max_connections,
        max_connections_per_address,
        header_timeout: lasting("header_timeout", unset.header_timeout),
        body_timeout: lasting("body_timeout", unset.body_timeout),
        write_timeout: lasting("write_timeout", unset.write_timeout),
        idle_timeout: lasting("idle_timeout", unset.idle_timeout),
        max_header_bytes: max_header_bytes.max(SMALLEST_HEADER),
        max_body_bytes,
    }
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn webhook<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Option<Webhook> {
    let url = reader.secret_url(section, "url");
    let events = events(reader, section);
    let format = match reader.choice(section, "format") {
        Some("slack") => WebhookFormat::Slack,
        _ => WebhookFormat::Conductor,
    };
    let secret = reader.secret(section, "secret");
    let timeout = reader
        .duration(section, "timeout")
        .filter(|timeout| !timeout.is_zero())
        .unwrap_or(Duration::from_secs(10));
    Some(Webhook {
        url: url?,
        events,
        secret,
        timeout,
        format,
    })
}

fn notify<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Notify {
    let unset = Notify::default();
    Notify {
        command: reader.shell_command(section, "command"),
        events: events(reader, section),
        timeout: reader
            .duration(section, "timeout")
            .filter(|timeout| !timeout.is_zero())
            .unwrap_or(unset.timeout),
        terminal: reader.truth(section, "terminal").unwrap_or(unset.terminal),
        inherit_env: reader.variable_names(section, "inherit_env"),
    }
}

/// Returns the events that are asked for; none, or an empty list, is all of them.
fn events<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Vec<NotifyEvent> {
    let words = reader.choices(section, "events").unwrap_or_default();
    if words.is_empty() {
        return NotifyEvent::ALL.to_vec();
    }
    words
        .into_iter()
        .filter_map(NotifyEvent::from_name)
        .collect()
}
