//! The automation of this workspace: `cargo xtask <command>`.
//!
//! Everything that is not plain cargo lives here, so that a developer and the CI run the same code. `ci` is the sum of
//! the other checks; each of them can be run alone.
//!
//! - [`ci`]: all checks in order, with a summary
//! - [`checks`]: formatting, lints, tests
//! - [`layers`]: which crate may depend on which
//! - [`tidy`]: rules about the text of the repository
//! - [`hygiene`]: nothing that runs or builds leave is committed
//! - [`secrets`]: nothing that looks like a live credential, in files and in history
//! - [`release`]: what a release binary must and must not contain
//! - [`release_gate`]: whether a commit may be released
//! - [`e2e`]: the web UI in a real browser, and what it promises to measure
//! - [`demo`]: the main job, end to end, with the built-in scripted agent
//! - [`smoke`]: the same with real agent CLIs and a stand-in for a model
//! - [`schema_fuzz`]: a fuzzer that asks a live server everything in its OpenAPI document
//! - [`windows_check`]: type checks for Windows and macOS
//! - [`ui`]: the web UI, its checks and its build
//! - [`bench`]: benchmarks next to the raw cost of the disk
//! - [`load_test`]: a server under many clients at once
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: its output is its result"
)]

mod agents;
mod bench;
mod checks;
mod ci;
mod demo;
mod e2e;
mod hygiene;
mod layers;
mod load_test;
mod release;
mod release_gate;
mod schema_fuzz;
mod secrets;
mod smoke;
mod tidy;
mod ui;
mod windows_check;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The automation of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check in order and stop at the first failure
    Ci,
    /// Format the code
    Fmt {
        /// Change nothing, fail where formatting differs
        #[arg(long)]
        check: bool,
    },
    /// Run clippy with warnings as errors, with and without the test hooks
    Lint,
    /// Compare the dependencies between crates with the table of layers
    Layers,
    /// Check the rules about files, links, names and secrets
    Tidy,
    /// Check that nothing is tracked that runs or builds leave, and that it is ignored
    Hygiene,
    /// Look for credentials in files, in what is staged, or in git's history
    Secrets(secrets::Options),
    /// Have git look for credentials before commits and pushes
    Hooks {
        #[command(subcommand)]
        action: HooksAction,
    },
    /// Run all tests and doctests
    Test {
        /// Passed on to the test runner, for example a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
    },
    /// Install, check, test and build the web UI, which the next build embeds
    Ui(ui::Options),
    /// Build the release binaries and check their version and contents
    ReleaseCheck,
    /// Run a task from a failed attempt through a rejected DONE to completion
    Demo {
        /// Leave the demo's root in this directory instead of a temporary one
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Test the web UI in a real browser, with real servers and scripted agents
    E2e(e2e::Options),
    /// Test with what is not ours
    Smoke {
        #[command(subcommand)]
        subject: Subject,
    },
    /// Have a fuzzer ask a live server everything in its OpenAPI document; needs Python
    SchemaFuzz(schema_fuzz::Options),
    /// Check the types for Windows and macOS; skipped where the compiler cannot be had
    WindowsCheck,
    /// Run the benchmarks next to the raw cost of the disk
    Bench(bench::Options),
    /// Put a server under many clients at once; fails where anything is lost or fails
    LoadTest(load_test::Options),
    /// Run every check that a release needs, and say whether it may be made
    ReleaseGate(release_gate::Options),
}

#[derive(Debug, Subcommand)]
enum HooksAction {
    /// Write pre-commit and pre-push; earlier hooks are kept and run first
    Install,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Start both binaries as servers without a configuration, ask them, and end them
    Startup,
    /// Give each of the pinned agent CLIs a task, with a stand-in for the model
    Agents {
        /// Leave the agents' roots in this directory instead of a temporary one
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
        /// Check the agents against the stand-in alone, without run-agent
        #[arg(long, conflicts_with_all = ["keep", "all", "agent"])]
        probe: bool,
        /// Every case of every agent; otherwise the slower ones show the core only
        #[arg(long)]
        all: bool,
        /// Only this agent
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::open()?;
    let outcome = match command {
        Command::Ci => return ci::run(&workspace),
        Command::Fmt { check: true } => checks::format_check(&workspace)?,
        Command::Fmt { check: false } => checks::format(&workspace)?,
        Command::Lint => checks::lint(&workspace)?,
        Command::Layers => layers::check(&workspace)?,
        Command::Tidy => tidy::check(&workspace)?,
        Command::Hygiene => hygiene::check(&workspace)?,
        Command::Secrets(options) => secrets::run(&workspace, &options)?,
        Command::Hooks {
            action: HooksAction::Install,
        } => secrets::install_hooks(&workspace)?,
        Command::Test { filter } => checks::test(&workspace, &filter)?,
        Command::Ui(options) => ui::run(&workspace, options)?,
        Command::ReleaseCheck => release::check(&workspace)?,
        Command::E2e(options) => e2e::run(&workspace, &options)?,
        Command::Demo { keep } => demo::run(&workspace, keep.as_deref())?,
        Command::Smoke { subject } => match subject {
            Subject::Startup => smoke::startup::startup(&workspace)?,
            Subject::Agents { probe: true, .. } => smoke::probe(&workspace)?,
            Subject::Agents {
                keep, all, agent, ..
            } => {
                let only = agent;
                smoke::agents(&workspace, &smoke::Wish { keep, all, only })?
            }
        },
        Command::SchemaFuzz(options) => schema_fuzz::run(&workspace, &options)?,
        Command::WindowsCheck => windows_check::check(&workspace)?,
        Command::Bench(options) => bench::run(&workspace, &options)?,
        Command::LoadTest(options) => load_test::run(&workspace, &options)?,
        Command::ReleaseGate(options) => return release_gate::run(&workspace, &options),
    };
    println!("{outcome}");
    Ok(())
}
