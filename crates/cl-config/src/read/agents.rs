//! Reading the entries of `agents`.

use std::collections::BTreeMap;

use cl_storage::yaml::Location;

use crate::agent::{AgentConfig, AgentKind, OutputFormat, OutputMap, PromptChannel};
use crate::error::first_word;
use crate::origin::Origin;
use crate::schema::{self, Field, Kind};
use crate::secret::{AgentToken, SecretSource, exposed_mode, token_variable};
use crate::tree::{Key, Node, Value};

use super::Reader;
use super::section::Section;

/// The keys that mean something to `command` agents only.
const COMMAND_ONLY: [&str; 6] = [
    "prompt",
    "output",
    "output_map",
    "resume_args",
    "model_args",
    "version_args",
];

/// Reads all entries of `agents`.
pub(super) fn read<'d>(
    reader: &mut Reader<'d>,
    root: &Section<'d>,
) -> BTreeMap<String, AgentConfig> {
    let mut agents = BTreeMap::new();
    let Some(entry) = root.get("agents") else {
        return agents;
    };
    let Kind::Entries(fields) = entry.kind else {
        panic!("\"agents\" holds no entries in the table of keys")
    };
    let Value::Map(entries) = &entry.node.value else {
        let found = reader.found(entry.node);
        let message = format!("agents must be a mapping from names to settings, found {found}");
        reader.problem(entry.node.at, "agents", message);
        return agents;
    };
    for (key, node) in entries {
        if !is_agent_name(&key.name) {
            let message = format!(
                "\"{}\" is not a name for an agent; use letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit",
                first_word(&key.name)
            );
            reader.problem(key.at, "agents", message);
            continue;
        }
        if let Some(agent) = agent(reader, key, node, fields) {
            agents.insert(key.name.clone(), agent);
        }
    }
    agents
}

fn agent<'d>(
    reader: &mut Reader<'d>,
    key: &'d Key,
    node: &'d Node,
    fields: &'static [Field],
) -> Option<AgentConfig> {
    let section = Section::open(reader, &format!("agents.{}", key.name), node, fields);
    let kind = kind(reader, &section, key);
    let token = token(reader, &section, &key.name);
    let mut inherit_env = reader.variable_names(&section, "inherit_env");
    inherit_env.extend(reader.variable_names(&section, "extra_env"));
    let unset = AgentConfig::new(kind.unwrap_or(AgentKind::Command));
    let agent = AgentConfig {
        kind: unset.kind,
        token,
        base_url: reader.url(&section, "base_url"),
        model: reader.text(&section, "model"),
        command: reader.command(&section, "command").unwrap_or_default(),
        args: reader.texts(&section, "args").unwrap_or_default(),
        env: reader.variables(&section, "env"),
        inherit_env,
        prompt: match reader.choice(&section, "prompt") {
            Some("argument") => PromptChannel::Argument,
            Some("file") => PromptChannel::File,
            _ => PromptChannel::Stdin,
        },
        output: match reader.choice(&section, "output") {
            Some("jsonl") => OutputFormat::Jsonl,
            _ => OutputFormat::Text,
        },
        output_map: output_map(reader, &section),
        resume_args: reader.texts(&section, "resume_args").unwrap_or_default(),
        model_args: reader.texts(&section, "model_args").unwrap_or_default(),
        version_args: reader
            .texts(&section, "version_args")
            .unwrap_or(unset.version_args),
        mode: reader.text(&section, "mode"),
        allows_permissions: reader.choice(&section, "permissions") != Some("reject"),
        script: reader.path(&section, "script"),
        timeout: reader.duration(&section, "timeout"),
        account: account(reader, &section),
    };
    kind?;
    check_keys_fit(reader, &section, key, &agent);
    Some(agent)
}

/// Returns the type; the entry's name stands for it if none is given.
fn kind<'d>(reader: &mut Reader<'d>, section: &Section<'d>, key: &Key) -> Option<AgentKind> {
    let given = section.get("type").filter(|entry| {
        let text = reader.document.scalar(entry.node);
        text.is_none_or(|text| !text.trim().is_empty())
    });
    if given.is_some() {
        return AgentKind::from_name(reader.choice(section, "type")?);
    }
    let dotted = section.dotted("type");
    if let Some(kind) = AgentKind::from_name(&key.name) {
        let shown = kind.as_str().to_owned();
        reader.origins.set(dotted, shown, Origin::Default);
        return Some(kind);
    }
    let types = AgentKind::ALL.map(AgentKind::as_str);
    let near = schema::nearest(&key.name, types);
    let hint = near.map(|near| format!("did you mean \"{near}\"?"));
    let message = format!(
        "agent \"{}\" has no type, and its name is none; valid types: {}",
        key.name,
        types.join(", ")
    );
    reader.problem_with_hint(key.at, dotted, message, hint);
    None
}

fn token<'d>(reader: &mut Reader<'d>, section: &Section<'d>, name: &str) -> Option<AgentToken> {
    let inline = reader.secret(section, "token");
    let file = reader.path(section, "token_file");
    if inline.is_some() && file.is_some() {
        let at = key_place(section, "token_file");
        let message = format!("agent \"{name}\" cannot have both token and token_file");
        reader.problem(at, section.dotted("token_file"), message);
    }
    if let Some(value) = inline {
        let at = key_place(section, "token");
        let exposed = if reader.file.is_exposed {
            ", which others on this machine can read"
        } else {
            ""
        };
        let message = format!(
            "the token of agent \"{name}\" is written in the config file{exposed}; token_file or the variable {} keeps it out",
            token_variable(name)
        );
        reader.warning(at, message);
        let source = SecretSource::Inline(section.dotted("token"));
        return Some(AgentToken::known(source, value));
    }
    let path = file?;
    if let Some(mode) = exposed_mode(&path) {
        let message = format!(
            "the token file of agent \"{name}\" can be read by others (mode {mode:03o}); run chmod 600 {}",
            path.display()
        );
        reader.warning(key_place(section, "token_file"), message);
    }
    Some(AgentToken::in_file(path))
}

/// Reads the label of the account; it becomes part of a file's name.
fn account<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Option<String> {
    let account = reader.text(section, "account")?;
    let is_plain = account.len() <= 64
        && !account.starts_with('.')
        && account
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-+@".contains(&b));
    if !is_plain {
        let dotted = section.dotted("account");
        let message = format!(
            "{dotted} \"{account}\" must be letters, digits and . _ - + @, at most 64, not beginning with a dot"
        );
        reader.problem(section.get("account")?.node.at, dotted, message);
    }
    Some(account)
}

fn output_map<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> OutputMap {
    let Some(map) = section.section(reader, "output_map") else {
        return OutputMap::default();
    };
    OutputMap {
        final_text: reader.json_path(&map, "final_text"),
        session: reader.json_path(&map, "session"),
        error: reader.json_path(&map, "error"),
    }
}

/// Reports keys that say nothing to the entry's type, and those that it lacks.
fn check_keys_fit<'d>(
    reader: &mut Reader<'d>,
    section: &Section<'d>,
    key: &Key,
    agent: &AgentConfig,
) {
    let kind = agent.kind;
    let mut misplaced: Vec<&str> = Vec::new();
    if kind != AgentKind::Command {
        misplaced.extend(COMMAND_ONLY);
    }
    if kind != AgentKind::Scripted {
        misplaced.push("script");
    }
    let is_program = matches!(kind, AgentKind::Command | AgentKind::Acp);
    if !is_program && kind.program().is_none() {
        misplaced.extend(["command", "args"]);
    }
    if kind == AgentKind::Acp {
        // Which variable its program takes them from is not known.
        misplaced.extend(["token", "token_file", "base_url"]);
    } else {
        misplaced.extend(["mode", "permissions"]);
    }
    if kind == AgentKind::Pi {
        // Its servers stand in a file of its own, and to ignore one would be to ask another.
        misplaced.push("base_url");
    }
    for name in misplaced {
        if let Some(entry) = section.get(name) {
            let message = format!("{name} says nothing to an agent of type {kind}");
            reader.problem(entry.key.at, section.dotted(name), message);
        }
    }
    let lacks = match kind {
        AgentKind::Command | AgentKind::Acp if section.get("command").is_none() => Some("command"),
        AgentKind::Scripted if agent.script.is_none() => Some("script"),
        _ => None,
    };
    if let Some(name) = lacks {
        let message = format!("agent \"{}\" of type {kind} needs {name}", key.name);
        reader.problem(key.at, section.dotted(name), message);
    }
    if kind == AgentKind::Opencode
        && !agent
            .model
            .as_ref()
            .is_some_and(|model| model.contains('/'))
        && let Some(entry) = section.get("base_url")
    {
        let message = "base_url is that of a provider here: model must be PROVIDER/MODEL";
        reader.problem(entry.key.at, section.dotted("base_url"), message);
    }
    if kind == AgentKind::Command
        && agent.output == OutputFormat::Text
        && let Some(entry) = section.get("output_map")
    {
        let message = "output_map needs output: jsonl";
        reader.problem(entry.key.at, section.dotted("output_map"), message);
    }
}

/// Returns the place of a key that is known to be there.
fn key_place(section: &Section<'_>, key: &str) -> Location {
    section
        .get(key)
        .map_or(Location::UNKNOWN, |entry| entry.key.at)
}

fn is_agent_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
