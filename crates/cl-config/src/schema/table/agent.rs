//! The keys of one agent.

use super::field;
use crate::schema::{Field, Kind};

pub(super) static AGENT: &[Field] = &[
    field(
        "type",
        Kind::Choice(&[
            "claude",
            "codex",
            "gemini",
            "opencode",
            "qwen",
            "copilot",
            "pi",
            "perplexity",
            "xai",
            "acp",
            "command",
            "scripted",
        ]),
        "the entry's name",
        "How the agent is spoken to. `command` is any program, described by the keys below; `acp` is a program that speaks the Agent Client Protocol; `scripted` plays a script.",
    ),
    field(
        "token",
        Kind::Secret,
        "",
        "The token itself. Prefer `token_file` or the variable `CONDUCTOR_AGENT_<NAME>_TOKEN`. Not together with `token_file`. Without a token the agent uses its own login.",
    ),
    field(
        "token_file",
        Kind::Path,
        "",
        "A file that holds the token; blanks around it are ignored. Read when the agent is used.",
    ),
    field(
        "base_url",
        Kind::Url,
        "",
        "The server to talk to instead of the agent's own; without user, password or key, for command lines show it.",
    ),
    field(
        "model",
        Kind::Text,
        "",
        "The model to ask for instead of the agent's own choice.",
    ),
    field(
        "command",
        Kind::Command,
        "",
        "The program, or a list of the program and its first arguments. Required for types `command` and `acp`; replaces the program of a type that has one.",
    ),
    field(
        "args",
        Kind::Texts,
        "[]",
        "Arguments added to those that Conductor Loop passes itself.",
    ),
    field(
        "env",
        Kind::Variables,
        "{}",
        "Variables set for the agent. Names that begin with `JRUN_` are reserved.",
    ),
    field(
        "inherit_env",
        Kind::VariableNames,
        "[]",
        "Variables passed on to the agent besides the usual ones: names, or prefixes such as `MYTOOL_*`.",
    ),
    field(
        "extra_env",
        Kind::VariableNames,
        "[]",
        "Another name for `inherit_env`; both lists count.",
    ),
    field(
        "prompt",
        Kind::Choice(&["stdin", "argument", "file"]),
        "stdin",
        "How the prompt reaches the program: on standard input, as an argument (the last one, or in place of `{prompt}`), or as the path of a file (likewise, `{prompt_file}`). Type `command` only.",
    ),
    field(
        "output",
        Kind::Choice(&["text", "jsonl"]),
        "text",
        "What the program prints: text, all of it the answer (of a very long one at least the last 16 MiB), or one JSON value per line, read with `output_map`. Type `command` only.",
    ),
    field(
        "output_map",
        Kind::Section(OUTPUT_MAP),
        "",
        "Where the JSON lines hold what matters. Needs `output: jsonl`.",
    ),
    field(
        "resume_args",
        Kind::Texts,
        "[]",
        "Arguments that continue a session; `{session}` stands for its id. Type `command` only.",
    ),
    field(
        "model_args",
        Kind::Texts,
        "[]",
        "Arguments that choose a model; `{model}` stands for its name. Type `command` only.",
    ),
    field(
        "version_args",
        Kind::Texts,
        "[--version]",
        "Arguments that make the program print its version. Type `command` only.",
    ),
    field(
        "mode",
        Kind::Text,
        "",
        "The mode of work to ask for, by the id that the agent gives it. Type `acp` only.",
    ),
    field(
        "permissions",
        Kind::Choice(&["allow", "reject"]),
        "allow",
        "What an agent is answered that asks for permission to use a tool. Type `acp` only.",
    ),
    field(
        "script",
        Kind::Path,
        "",
        "The script to play. Required for type `scripted`.",
    ),
    field(
        "timeout",
        Kind::Duration,
        "",
        "How long this agent may be silent before it is stopped, instead of `defaults.timeout`; 0 is for ever.",
    ),
    field(
        "account",
        Kind::Text,
        "",
        "A label for the account that this entry uses; the entry's name if not given. Entries of one type with the same label share its usage limits. Letters, digits and `. _ - + @`, 64 at the most.",
    ),
];

static OUTPUT_MAP: &[Field] = &[
    field(
        "final_text",
        Kind::JsonPath,
        "",
        "Where the answer is, for example `result.text`; the last line that has it wins.",
    ),
    field("session", Kind::JsonPath, "", "Where the session's id is."),
    field(
        "error",
        Kind::JsonPath,
        "",
        "Where the text of an error is.",
    ),
];
