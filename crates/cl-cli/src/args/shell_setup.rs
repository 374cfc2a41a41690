//! `shell-setup`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `shell-setup`.
#[derive(Debug, Subcommand)]
pub enum ShellSetupCommand {
    /// Make `claude`, `codex` and `gemini` typed in a shell run below `run-agent wrap`
    Install(ShellInstallArgs),
    /// Take that back
    Uninstall(ShellPlaceArgs),
}

/// Which file of which shell.
#[derive(Debug, Args)]
pub struct ShellPlaceArgs {
    /// The shell [default: the one that $SHELL names]
    #[arg(long, value_name = "SHELL", value_enum)]
    pub shell: Option<AliasShell>,
    /// The file that the shell reads when it starts [default: that of the shell]
    #[arg(long, value_name = "FILE")]
    pub rc_file: Option<PathBuf>,
    /// Print what would be done and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `shell-setup install`.
#[derive(Debug, Args)]
pub struct ShellInstallArgs {
    /// Where.
    #[command(flatten)]
    pub place: ShellPlaceArgs,
    /// The program that the aliases call: one word, without quotes
    #[arg(long, value_name = "PROGRAM", default_value = "run-agent")]
    pub run_agent_bin: String,
}

/// A shell that has aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AliasShell {
    /// Z shell
    Zsh,
    /// Bash
    Bash,
    /// Fish
    Fish,
}

impl AliasShell {
    /// Returns the word used in options and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zsh => "zsh",
            Self::Bash => "bash",
            Self::Fish => "fish",
        }
    }
}
