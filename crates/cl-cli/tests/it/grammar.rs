//! The command tree: help texts, both binaries alike, and command lines that others print.

use std::ffi::OsString;
use std::fmt::Write as _;

use cl_cli::Binary;
use cl_cli::args::{grammar, parse};
use clap::Command;

/// Lists every command of the tree with the words that lead to it.
fn walk<'c>(command: &'c Command, path: &str, found: &mut Vec<(String, &'c Command)>) {
    found.push((path.to_owned(), command));
    for sub in command.get_subcommands() {
        if sub.get_name() != "help" {
            walk(sub, format!("{path} {}", sub.get_name()).trim(), found);
        }
    }
}

fn tree(binary: Binary) -> Command {
    let mut tree = grammar(binary).term_width(100);
    tree.build();
    tree
}

#[test]
fn help_of_every_command() {
    let tree = tree(Binary::RunAgent);
    let mut commands = Vec::new();
    walk(&tree, "", &mut commands);
    let mut text = String::new();
    for (path, command) in commands {
        let help = command.clone().term_width(100).render_help();
        writeln!(text, "=== run-agent {path}\n{help}").unwrap();
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn both_binaries_have_the_same_tree() {
    let describe = |binary| {
        let tree = tree(binary);
        let mut commands = Vec::new();
        walk(&tree, "", &mut commands);
        commands
            .into_iter()
            .map(|(path, command)| {
                let mut args: Vec<String> = command
                    .get_arguments()
                    .map(|arg| format!("{arg} {:?}", arg.get_all_aliases()))
                    .collect();
                args.sort();
                (path, args)
            })
            .collect::<Vec<_>>()
    };
    let (ours, mut others) = (describe(Binary::RunAgent), describe(Binary::Conductor));
    // Without a command it is `run-agent serve`, and takes all that one takes.
    let serve = ours.iter().find(|(path, _)| path == "serve").unwrap();
    let beside_version = others[0].1.iter().filter(|arg| *arg != "--version None");
    assert!(beside_version.eq(&serve.1), "{:?}", others[0].1);
    others[0].1.clone_from(&ours[0].1);
    assert_eq!(ours, others);
}

#[test]
fn global_flags_are_accepted_everywhere() {
    let tree = tree(Binary::RunAgent);
    let mut commands = Vec::new();
    walk(&tree, "", &mut commands);
    for (path, command) in commands {
        for flag in [
            "root",
            "project",
            "task",
            "config",
            "json",
            "no-color",
            "quiet",
            "verbose",
            "no-infer",
            "explain-scope",
        ] {
            let has_it = command
                .get_arguments()
                .any(|arg| arg.get_long() == Some(flag));
            assert!(has_it, "{path} lacks --{flag}");
        }
    }
}

#[test]
fn commands_shown_to_agents_parse() {
    let shown = cl_runner::preamble::shown_commands();
    assert!(!shown.is_empty());
    for line in shown {
        let args = words(line).into_iter().map(OsString::from);
        assert!(parse(Binary::RunAgent, args).is_ok(), "{line}");
    }
}

/// Splits a command line as a shell does, as far as blanks and quotes go.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn errors_of_usage_exit_with_two() {
    for line in [
        "run-agent nonsense",
        "run-agent list --nonsense",
        "run-agent bus",
        "run-agent output --file nonsense",
        "run-agent watch --timeout soon",
    ] {
        let args = line.split(' ').map(OsString::from);
        assert_eq!(
            parse(Binary::RunAgent, args).unwrap_err().exit_code(),
            2,
            "{line}"
        );
    }
}
