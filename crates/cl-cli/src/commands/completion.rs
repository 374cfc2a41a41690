//! `completion`.

use crate::args::{Shell, grammar};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Prints a completion script.
pub fn run(ctx: &mut Context, shell: Shell) -> Result<Exit, CliError> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::PowerShell => clap_complete::Shell::PowerShell,
    };
    let mut script = Vec::new();
    let mut grammar = grammar(ctx.binary);
    clap_complete::generate(shell, &mut grammar, ctx.binary.name(), &mut script);
    ctx.console.out().write_all(&script)?;
    Ok(Exit::Success)
}
