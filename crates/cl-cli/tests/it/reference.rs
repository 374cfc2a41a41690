//! `docs/user/cli.md` says what the grammar says.

use std::fmt::Write as _;
use std::path::Path;

use cl_cli::args::grammar;
use cl_cli::{Binary, Exit};
use clap::{Arg, Command};

const BEGIN: &str = "<!-- generated from the grammar: begin -->";
const END: &str = "<!-- generated from the grammar: end -->";

#[test]
fn the_reference_is_that_of_the_grammar() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/user/cli.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}\n{}{END}{after}", reference());
    #[expect(
        clippy::disallowed_methods,
        reason = "a developer asks for the file to be written"
    )]
    let writes = std::env::var_os("UPDATE_REFERENCE").is_some();
    if writes {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/user/cli.md is out of date: UPDATE_REFERENCE=1 cargo test -p cl-cli --test it reference"
    );
}

fn reference() -> String {
    let mut text = String::from("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        writeln!(text, "| {} | {} |", exit.code(), exit.meaning()).unwrap();
    }
    let mut tree = grammar(Binary::RunAgent);
    tree.build();
    text.push_str("\n## Options of every command\n\n");
    table(
        &mut text,
        tree.get_arguments().filter(|arg| arg.is_global_set()),
    );
    text.push_str("\n## Commands\n");
    for command in tree.get_subcommands() {
        section(&mut text, command, "run-agent");
    }
    text
}

fn section(text: &mut String, command: &Command, parent: &str) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    write!(text, "\n### `{name}`\n\n{about}.\n").unwrap();
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if !own.is_empty() {
        text.push('\n');
        table(text, own.into_iter());
    }
    for sub in command.get_subcommands() {
        section(text, sub, &name);
    }
}

fn table<'a>(text: &mut String, args: impl Iterator<Item = &'a Arg>) {
    text.push_str("| option | meaning |\n|---|---|\n");
    for arg in args.filter(|arg| !arg.is_hide_set()) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut notes = String::new();
        let values: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|_| arg.get_action().takes_values())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !values.is_empty() {
            write!(notes, "; one of {}", values.join(", ")).unwrap();
        }
        let default: Vec<String> = arg
            .get_default_values()
            .iter()
            .filter(|_| arg.get_action().takes_values())
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        if !default.is_empty() {
            write!(notes, "; default {}", default.join(", ")).unwrap();
        }
        let option = option(arg).replace('|', "\\|");
        writeln!(text, "| {option} | {help}{notes} |").unwrap();
    }
}

/// Returns how an argument is written.
fn option(arg: &Arg) -> String {
    let values: Vec<String> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|name| format!("<{name}>"))
        .collect();
    let value = if arg.get_action().takes_values() {
        values.join(" ")
    } else {
        String::new()
    };
    let names = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => String::new(),
    };
    format!("`{}`", format!("{names} {value}").trim())
}
