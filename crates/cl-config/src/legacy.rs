//! Files of the earlier implementation, in its subset of HCL.
//!
//! They are not used, only translated: the error that names such a file shows
//! the YAML to write. The subset is flat: blocks `name { ... }` of lines
//! `key = value`; comments begin with `#` or `//`.

use std::fmt::Write as _;

use cl_storage::redact::Redactor;
use cl_storage::yaml::write_scalar;

use crate::agent::AgentKind;
use crate::read::without_users;
use crate::secret::is_secret_name;

/// The blocks that are sections of the config file; any other is an agent.
const SECTIONS: [&str; 3] = ["defaults", "api", "storage"];

/// The settings in a file of the old format.
pub(crate) struct Settings {
    blocks: Vec<Block>,
    /// Why reading ended early.
    reason: Option<String>,
}

struct Block {
    name: String,
    pairs: Vec<(String, String)>,
}

/// Reads as much of `text` as can be understood.
pub(crate) fn read(text: &str) -> Settings {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = without_comment(line).trim();
        let result = match (&mut open, line) {
            (_, "") => Ok(()),
            (Some(_), "}") => {
                blocks.extend(open.take());
                Ok(())
            }
            (Some(block), line) => pair(line).map(|pair| block.pairs.push(pair)),
            (None, line) => block_name(line).map(|(name, is_closed)| {
                let block = Block {
                    name,
                    pairs: Vec::new(),
                };
                if is_closed {
                    blocks.push(block);
                } else {
                    open = Some(block);
                }
            }),
        };
        if let Err(message) = result {
            blocks.extend(open.take());
            let reason = Some(format!("line {number}: {message}"));
            return Settings { blocks, reason };
        }
    }
    let reason = open
        .as_ref()
        .map(|block| format!("block \"{}\" is not closed", block.name));
    blocks.extend(open);
    Settings { blocks, reason }
}

impl Settings {
    /// Whether any agent is configured; a fresh template has none.
    pub(crate) fn has_agents(&self) -> bool {
        self.blocks.iter().any(Block::is_agent)
    }

    /// Why reading ended early.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the same settings in YAML; secrets are left for the user to fill in.
    pub(crate) fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        if self.has_agents() {
            yaml.push_str("agents:\n");
        }
        for agent in self.blocks.iter().filter(|block| block.is_agent()) {
            write_scalar_line(&mut yaml, "  ", &agent.name, None);
            let has_type = agent.pairs.iter().any(|(key, _)| key == "type");
            if !has_type && AgentKind::from_name(&agent.name).is_some() {
                write_scalar_line(&mut yaml, "    ", "type", Some(&agent.name.to_lowercase()));
            }
            agent.write_pairs(&mut yaml, "    ");
        }
        for section in self.blocks.iter().filter(|block| !block.is_agent()) {
            if !section.pairs.is_empty() {
                write_scalar_line(&mut yaml, "", &section.name, None);
                section.write_pairs(&mut yaml, "  ");
            }
        }
        yaml
    }
}

impl Block {
    fn is_agent(&self) -> bool {
        !SECTIONS.contains(&self.name.as_str())
    }

    fn write_pairs(&self, yaml: &mut String, indent: &str) {
        for (key, value) in &self.pairs {
            if is_secret_name(key) || holds_secret(value) {
                // Writing to a String cannot fail.
                writeln!(
                    yaml,
                    "{indent}{key}: \"\" # copy the value from the old file"
                )
                .unwrap_or_default();
            } else {
                write_scalar_line(yaml, indent, key, Some(value));
            }
        }
    }
}

/// Whether a value that is not called one looks like a secret, or an address with one.
fn holds_secret(value: &str) -> bool {
    Redactor::default().redact(value) != value || without_users(value) != value
}

fn write_scalar_line(yaml: &mut String, indent: &str, key: &str, value: Option<&str>) {
    yaml.push_str(indent);
    write_scalar(yaml, key);
    yaml.push(':');
    match value {
        Some(value) if value.parse::<u64>().is_ok() || value == "true" || value == "false" => {
            yaml.push(' ');
            yaml.push_str(value);
        }
        Some(value) => {
            yaml.push(' ');
            write_scalar(yaml, value);
        }
        None => {}
    }
    yaml.push('\n');
}

/// Returns the line up to a comment; `#` and `//` within quotes begin none.
fn without_comment(line: &str) -> &str {
    let mut in_quotes = false;
    let mut is_escaped = false;
    let bytes = line.as_bytes();
    for (at, byte) in line.bytes().enumerate() {
        let begins_comment = byte == b'#' || (byte == b'/' && bytes.get(at + 1) == Some(&b'/'));
        // In a bare value such as a URL, only blanks set a comment off.
        let is_set_off = at == 0 || bytes[at - 1].is_ascii_whitespace();
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_quotes => is_escaped = true,
            b'"' => in_quotes = !in_quotes,
            _ if begins_comment && is_set_off && !in_quotes => return &line[..at],
            _ => {}
        }
    }
    line
}

/// Reads `name {` or `name {}`; the second part says whether it is closed already.
fn block_name(line: &str) -> Result<(String, bool), String> {
    // The line may hold a secret, so the message does not repeat it.
    let no_block = || "expected a block such as \"claude {\"".to_owned();
    let (name, rest) = line.split_once('{').ok_or_else(no_block)?;
    let name = name.trim().trim_matches('"');
    let rest = rest.trim();
    if name.is_empty() || name.contains(char::is_whitespace) || !matches!(rest, "" | "}") {
        return Err(no_block());
    }
    Ok((name.to_owned(), rest == "}"))
}

/// Reads `key = value`; the value loses its quotes.
fn pair(line: &str) -> Result<(String, String), String> {
    // The line may hold a secret, so the message does not repeat it.
    let (key, value) = line
        .split_once('=')
        .ok_or("expected key = value".to_owned())?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err("expected key = value".to_owned());
    }
    let value = match value
        .strip_prefix('"')
        .and_then(|inner| inner.strip_suffix('"'))
    {
        Some(inner) => unescaped(inner),
        None => value.to_owned(),
    };
    Ok((key.to_owned(), value))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hcl: &str, yaml: &str, reason: Option<&str>) {
        let settings = read(hcl);
        assert_eq!(settings.to_yaml(), yaml);
        assert_eq!(settings.reason(), reason);
    }

    #[test]
    fn blocks_become_yaml() {
        check(
            "# comment\ncodex {\n  token_file = \"~/x # y\" # trailing\n}\nmine {\n  type = \"Claude\"\n  base_url = https://h//x // c\n}\n\ndefaults {\n  agent = \"codex\"\n  timeout = 300   # required\n}\napi {}\n",
            "agents:\n  codex:\n    type: codex\n    token_file: '~/x # y'\n  mine:\n    type: Claude\n    base_url: https://h//x\ndefaults:\n  agent: codex\n  timeout: 300\n",
            None,
        );
    }

    #[test]
    fn secrets_are_not_repeated() {
        let settings = read("claude {\n token = \"canary\"\n}\n");
        let yaml = settings.to_yaml();
        assert!(
            !yaml.contains("canary") && yaml.contains("token: \"\" #"),
            "{yaml}"
        );
        let url = read("xai {\n base_url = \"https://u:canary@h\"\n}\n").to_yaml();
        assert!(
            !url.contains("canary") && url.contains("base_url: \"\" #"),
            "{url}"
        );
        let settings = read("claude {\n canary\n}\n");
        assert_eq!(settings.reason(), Some("line 2: expected key = value"));
        let settings = read("claude {\n}\ntoken = \"canary\"\n");
        let reason = settings.reason().unwrap();
        assert!(
            reason.contains("line 3") && !reason.contains("canary"),
            "{reason}"
        );
    }

    #[test]
    fn templates_name_no_agents() {
        assert!(!read("# codex {\n# }\n\ndefaults {\n  timeout = 300\n}\n").has_agents());
        assert!(read("codex {\n}\n").has_agents());
    }

    #[test]
    fn what_is_not_understood_is_said() {
        check(
            "codex {\n",
            "agents:\n  codex:\n    type: codex\n",
            Some("block \"codex\" is not closed"),
        );
        check(
            "a {\n b = \"\\\"q\\\"\\\\\"\n}\nx y {\n",
            "agents:\n  a:\n    b: '\"q\"\\'\n",
            Some("line 4: expected a block such as \"claude {\""),
        );
    }
}
