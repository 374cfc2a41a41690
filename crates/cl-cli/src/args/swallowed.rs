//! Options whose value was forgotten, so that they took the next option for it.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command};

/// Finds an option for free text that was given an option of the same command as its value.
///
/// Free text may begin with a hyphen, so the parser takes `--body --json` for the
/// text "--json". Somebody who means that writes `--body=--json`.
pub(super) fn option(command: &Command, args: &[OsString]) -> Option<(String, String)> {
    args.windows(2).find_map(|pair| {
        let (option, value) = (pair[0].to_str()?, pair[1].to_str()?);
        let takes_free_text = command
            .get_arguments()
            .any(|arg| arg.is_allow_hyphen_values_set() && is_spelled(arg, option));
        (takes_free_text && is_option_of(command, value))
            .then(|| (option.to_owned(), value.to_owned()))
    })
}

/// Returns the innermost command that was called.
pub(super) fn called<'c>(grammar: &'c Command, matches: &ArgMatches) -> &'c Command {
    let (mut command, mut matches) = (grammar, matches);
    while let Some((name, inner)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else {
            break;
        };
        (command, matches) = (found, inner);
    }
    command
}

/// Guesses the command that was called from a command line that cannot be parsed.
pub(super) fn probably_called<'c>(grammar: &'c Command, args: &[OsString]) -> &'c Command {
    args.iter().fold(grammar, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    })
}

/// Tells whether `text` is an option of `command`, alone or with a value after `=`.
fn is_option_of(command: &Command, text: &str) -> bool {
    if text.contains(char::is_whitespace) {
        return false;
    }
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    command.get_arguments().any(|arg| is_spelled(arg, name))
}

fn is_spelled(arg: &Arg, text: &str) -> bool {
    let Some(name) = text.strip_prefix("--") else {
        return false;
    };
    arg.get_long() == Some(name)
        || arg
            .get_all_aliases()
            .is_some_and(|aliases| aliases.contains(&name))
}
