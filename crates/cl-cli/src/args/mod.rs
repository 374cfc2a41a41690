//! The grammar of the command line.
//!
//! One tree for both binaries. Names that older command lines used stay
//! accepted as hidden aliases.

mod bus;
mod delete;
mod dependencies;
mod doctor;
mod facts;
mod goal;
mod keeping;
mod launch;
mod limits;
mod looking;
mod monitor;
mod proving;
mod reviewing;
mod series;
mod serving;
mod shell_setup;
mod swallowed;
mod value;
mod wrapping;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
};

pub use bus::{
    BusCommand, CheckArgs, DiscoverArgs, DurabilityArg, Place, PostArgs, ReadArgs, Since,
};
pub use delete::DeleteArgs;
pub use dependencies::{CancelArgs, UnblockArgs, UncancelArgs};
pub use doctor::{DoctorAgentsArgs, DoctorArgs, DoctorCommand};
pub use facts::{FactScope, FactsCommand, FactsListArgs, PromoteArgs, SinceTime};
pub use goal::{ApplyArgs, DecomposeArgs, GoalCommand, GoalText};
pub use keeping::GcArgs;
pub use launch::{
    ChildTimeout, Deadlock, JobArgs, JobCommand, LaunchArgs, LoopArgs, RecoverArgs, ResumeArgs,
    RunArgs, StopArgs, TaskArgs, TaskCommand,
};
pub use limits::{ClearLimitsArgs, LimitsArgs, LimitsCommand, WakeArgs};
pub use looking::{
    ConfigCommand, ListArgs, LogsArgs, OutputArgs, OutputFile, PsArgs, Shell, ShowArgs, StatusArgs,
    Until, ValidateArgs, WatchArgs,
};
pub use monitor::MonitorArgs;
pub use series::{
    BatchArgs, IterateArgs, PromptList, PromptSource, StepArgs, WorkflowArgs, WorkflowCommand,
};

pub use proving::{UsageArgs, UsageBy, VerifyArgs};
pub use reviewing::{
    OutputCall, OutputCommand, QuorumArgs, ReviewCommand, ReviewRunArgs, Strategy, SynthesizeArgs,
};
pub use serving::{
    OpenArgs, ServeArgs, ServeCall, ServeCommand, ServeStopArgs, ServeUnitArgs, ServiceManager,
};
pub use shell_setup::{AliasShell, ShellInstallArgs, ShellPlaceArgs, ShellSetupCommand};
pub use wrapping::{ImportArgs, OwnershipArg, RunCommand, WrapArgs};

use crate::entry::Binary;
use crate::error::CliError;

/// A parsed command line.
#[derive(Debug, Parser)]
#[command(
    name = "run-agent",
    disable_version_flag = true,
    disable_help_subcommand = false,
    propagate_version = false,
    max_term_width = 100
)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a command line are independent of each other"
)]
pub struct GlobalArgs {
    /// The folder that holds everything [default: ~/.run-agent/runs]
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Ask the server at this address instead of the files [default for conductor: the root's]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// The project
    #[arg(long, global = true, value_name = "ID")]
    pub project: Option<String>,
    /// The task; some commands take several
    #[arg(long = "task", global = true, value_name = "ID", action = ArgAction::Append, value_delimiter = ',')]
    pub tasks: Vec<String>,
    /// The config file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print without colour
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log to standard error; repeat for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Take project, task and run from flags only, never from the surroundings
    #[arg(long, global = true)]
    pub no_infer: bool,
    /// Print what the command would be about and where that was taken from; do nothing
    #[arg(long, global = true)]
    pub explain_scope: bool,
}

impl GlobalArgs {
    /// Returns the one task that was named by `--task` or by position, if any.
    pub fn one_task<'a>(
        &'a self,
        positional: Option<&'a str>,
    ) -> Result<Option<&'a str>, CliError> {
        let mut named = self.tasks.iter().map(String::as_str).chain(positional);
        let first = named.next();
        if let Some(other) = named.find(|other| Some(*other) != first) {
            let first = first.unwrap_or_default();
            return Err(CliError::usage(format!(
                "this command is about one task, but {first} and {other} are named"
            )));
        }
        Ok(first)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per process, and boxes would hide the grammar"
)]
pub enum Command {
    /// Run a task until it is done
    Task(TaskArgs),
    /// Run an agent once
    Job(JobArgs),
    /// Repeat work and review until the reviewers approve
    Iterate(IterateArgs),
    /// Run your own session with an agent on record: wrap --agent claude -- ARGS
    Wrap(WrapArgs),
    /// Do something with single runs
    #[command(subcommand)]
    Run(RunCommand),
    /// Run the stages of a template
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Cut a goal into tasks, and start them
    #[command(subcommand)]
    Goal(GoalCommand),
    /// Keep the tasks of a list going
    Monitor(MonitorArgs),
    /// Serve the API and the web UI
    Serve(ServeCall),
    /// Open the web UI of the root's server in a browser, logged in
    Open(OpenArgs),
    /// Stop what runs
    Stop(StopArgs),
    /// Resume a task
    #[command(hide = true)]
    Resume(ResumeArgs),
    /// Take up tasks whose supervisor is gone
    Recover(RecoverArgs),
    /// Show processes of tasks
    Ps(PsArgs),
    /// List projects, tasks or runs
    List(ListArgs),
    /// Show the status of tasks
    Status(StatusArgs),
    /// Wait for tasks and print what changes
    Watch(WatchArgs),
    /// Run the gates of a finished task again and compare what they find
    Verify(VerifyArgs),
    /// Add up tokens and cost of runs
    Usage(UsageArgs),
    /// Print what a run left: its answer, its streams or its prompt
    Output(OutputCall),
    /// Print the supervisor's log or the streams of a task's runs
    Logs(LogsArgs),
    /// Ask whether reviewers agree
    #[command(subcommand)]
    Review(ReviewCommand),
    /// Post and read messages
    #[command(subcommand)]
    Bus(BusCommand),
    /// Show what is known of the usage limits of agents
    Limits(LimitsArgs),
    /// Delete old runs and finished tasks
    Gc(GcArgs),
    /// Look whether all is well: configuration, root, agents, processes, disk; or at one agent
    ///
    /// Asks the agents' programs, but gives them no work without --live. Ends with 0 if all is
    /// well or there are warnings only, with 1 otherwise.
    Doctor(DoctorArgs),
    /// List facts and promote them to the project or to all projects
    #[command(subcommand)]
    Facts(FactsCommand),
    /// Check the configuration, the root and the agents
    Validate(ValidateArgs),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make agents that are typed in a shell run below `wrap`, or take that back
    #[command(subcommand)]
    ShellSetup(ShellSetupCommand),
    /// Print the version
    Version,
    /// Print a completion script
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Returns the grammar as `binary` offers it.
pub fn grammar(binary: Binary) -> clap::Command {
    let (name, about, after) = match binary {
        Binary::RunAgent => (
            "run-agent",
            "Runs AI coding agents on tasks until the work is really done",
            "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 server unreachable, \
             124 timeout, 130 or 143 interrupted.",
        ),
        Binary::Conductor => (
            "conductor",
            "Serves the API and the web UI; with a command, does what run-agent does",
            "Without a command it serves, as `run-agent serve` does.",
        ),
    };
    let command = match binary {
        Binary::RunAgent => Cli::command(),
        Binary::Conductor => ServeArgs::augment_args(Cli::command()),
    };
    command
        .name(name)
        .bin_name(name)
        .about(about)
        .after_help(after)
        .version(crate::version::stamp())
        .subcommand_required(false)
}

/// Parses a command line for `binary`.
pub fn parse(binary: Binary, args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut grammar = grammar(binary);
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match grammar.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            // A value that was forgotten makes the rest of the line look wrong.
            grammar.build();
            let found = swallowed::option(swallowed::probably_called(&grammar, &args), &args);
            return Err(found.map_or(error, |found| forgotten_value(&mut grammar, &found)));
        }
        Err(help) => return Err(help),
    };
    let found = swallowed::option(swallowed::called(&grammar, &matches), &args);
    if let Some(found) = found {
        return Err(forgotten_value(&mut grammar, &found));
    }
    if let Some(found) = misplaced_flag(binary, &matches) {
        let (flag, above, command) = found;
        let text = format!("{flag} belongs to `{above}` and not before `{above} {command}`\n");
        return Err(grammar.error(clap::error::ErrorKind::ArgumentConflict, text));
    }
    let parsed = Cli::from_arg_matches(&matches).and_then(|mut cli| {
        if binary == Binary::Conductor && cli.command.is_none() {
            let serve = ServeArgs::from_arg_matches(&matches)?;
            cli.command = Some(Command::Serve(ServeCall {
                serve,
                command: None,
            }));
        }
        Ok(cli)
    });
    parsed.map_err(|error| error.format(&mut grammar))
}

fn forgotten_value(grammar: &mut clap::Command, found: &(String, String)) -> clap::Error {
    let (option, value) = found;
    let text = format!(
        "{option} needs a value, and {value} is an option itself; if it is meant as the value, \
         write {option}={value}\n"
    );
    grammar.error(clap::error::ErrorKind::InvalidValue, text)
}

/// Finds a flag of a command that stands before one of its sub-commands.
///
/// The parser's own rule for this would refuse the flags that every command takes.
fn misplaced_flag(binary: Binary, matches: &ArgMatches) -> Option<(String, &'static str, String)> {
    let (name, above) = matches.subcommand()?;
    if binary == Binary::Conductor {
        let own = ServeArgs::augment_args(clap::Command::new("conductor"));
        if let Some(flag) = given_flag(&own, matches, name) {
            return Some((flag, "conductor", name.to_owned()));
        }
    }
    let (above_name, own) = match name {
        "task" => ("task", RunArgs::augment_args(clap::Command::new("task"))),
        "job" => ("job", JobArgs::augment_args(clap::Command::new("job"))),
        "doctor" => (
            "doctor",
            DoctorAgentsArgs::augment_args(clap::Command::new("doctor")),
        ),
        "output" => (
            "output",
            OutputArgs::augment_args(clap::Command::new("output")),
        ),
        "serve" => (
            "serve",
            ServeArgs::augment_args(clap::Command::new("serve")),
        ),
        _ => return None,
    };
    let (command, _) = above.subcommand()?;
    let flag = given_flag(&own, above, name)?;
    Some((flag, above_name, command.to_owned()))
}

/// Returns an argument of `own` that was given on the command line, as users call it.
fn given_flag(own: &clap::Command, matches: &ArgMatches, name: &str) -> Option<String> {
    let is_given = |arg: &&clap::Arg| {
        matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let given = own.get_arguments().find(is_given)?;
    Some(match given.get_long() {
        Some(long) => format!("--{long}"),
        None if name == "doctor" => "an agent's name".to_owned(),
        None => "a task's id".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        for binary in [Binary::RunAgent, Binary::Conductor] {
            grammar(binary).debug_assert();
        }
    }

    #[track_caller]
    fn check(line: &str, expected: Result<(), &str>) {
        let args = line.split_whitespace().map(OsString::from);
        let found = parse(Binary::RunAgent, args).map(|_| ());
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{line}: {error}");
                assert_eq!(error.exit_code(), 2, "{line}");
            }
            (found, _) => panic!("{line}: {found:?}"),
        }
    }

    #[test]
    fn global_flags_stand_anywhere_and_run_flags_do_not() {
        check("run-agent --root /x task resume t", Ok(()));
        check("run-agent task --root /x resume t", Ok(()));
        check("run-agent task resume t --root /x --json -vv", Ok(()));
        check(
            "run-agent task --prompt x resume t",
            Err("--prompt belongs to `task`"),
        );
        check(
            "run-agent task t resume",
            Err("a task's id belongs to `task`"),
        );
        check(
            "run-agent job --prompt x batch --prompt y",
            Err("--prompt belongs to `job`"),
        );
        check("run-agent bus --project p read --task t", Ok(()));
    }

    #[test]
    fn older_names_are_accepted() {
        check(
            "run-agent task --timeout 5m --max-restarts 3 --project-root /x",
            Ok(()),
        );
        check("run-agent job --timeout 5m --project-root /x", Ok(()));
        check("run-agent resume t --max-restarts 3", Ok(()));
        check("run-agent stop t --runs a,b --no-restart", Ok(()));
    }

    #[track_caller]
    fn check_args(args: &[&str], expected: Result<(), &str>) {
        let found = parse(Binary::RunAgent, args.iter().map(OsString::from)).map(|_| ());
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{args:?}: {error}");
                assert_eq!(error.exit_code(), 2, "{args:?}");
            }
            (found, _) => panic!("{args:?}: {found:?}"),
        }
    }

    #[test]
    fn free_text_may_begin_with_a_hyphen() {
        let texts = [
            "- a list",
            "---\ntitle: x\n---\ndo it",
            "-",
            "--",
            "---",
            "-x",
            "--not an option",
            "--nonsense",
        ];
        for text in texts {
            for option in ["--body", "--issue", "--link"] {
                check_args(
                    &["run-agent", "bus", "post", option, text, "--json"],
                    Ok(()),
                );
            }
            for option in ["--prompt", "--gate"] {
                check_args(&["run-agent", "task", option, text, "--json"], Ok(()));
            }
            let pair = format!("{text}=1");
            check_args(&["run-agent", "bus", "post", "--meta", &pair], Ok(()));
            check_args(&["run-agent", "job", "--env", &pair], Ok(()));
        }
        let args = ["run-agent", "bus", "post", "--body", "- x", "--json"];
        let cli = parse(Binary::RunAgent, args.map(OsString::from)).unwrap();
        let Some(Command::Bus(BusCommand::Post(post))) = &cli.command else {
            panic!("{cli:?}");
        };
        assert_eq!((post.body.as_deref(), cli.global.json), (Some("- x"), true));
    }

    #[test]
    fn an_option_without_its_value_does_not_swallow_the_next() {
        for (line, part) in [
            (
                "bus post --body --json",
                "--body needs a value, and --json is",
            ),
            (
                "bus post --body --type FACT",
                "--body needs a value, and --type is",
            ),
            (
                "task t --prompt --prompt-file=x",
                "--prompt needs a value, and --prompt-file=x is",
            ),
            ("task t --gate --gate true", "--gate needs a value"),
            (
                "task resume t --prompt --max-restarts 3",
                "--prompt needs a value",
            ),
            ("task --prompt --help", "--prompt needs a value"),
            ("job --env --detach", "--env needs a value"),
        ] {
            check(&format!("run-agent {line}"), Err(part));
        }
        check("run-agent bus post --body=--json", Ok(()));
        check_args(
            &["run-agent", "bus", "post", "--body", "--json is the flag"],
            Ok(()),
        );
        // An option of another command is text like any other.
        check("run-agent bus post --body --gate", Ok(()));
    }

    #[test]
    fn values_are_checked() {
        for blank in ["", " \t"] {
            check_args(
                &["run-agent", "task", "--gate", blank],
                Err("the command is empty"),
            );
        }
        check("run-agent task --idle-timeout=-5s", Err("negative"));
        check("run-agent task --idle-timeout=5x", Err("not a duration"));
        check("run-agent task --max-attempts 0", Err("0 is not in"));
        check("run-agent task --env X", Err("NAME=VALUE"));
        check("run-agent job --gate true", Err("--gate"));
        check(
            "run-agent stop --force --no-kill",
            Err("cannot be used with"),
        );
        check(
            "run-agent status --concise --json",
            Err("cannot be used with"),
        );
        check("run-agent list --status", Err("value is required"));
    }

    #[test]
    fn naming_one_task_twice_is_fine_and_two_are_not() {
        let global = GlobalArgs {
            tasks: vec!["a".into()],
            ..GlobalArgs::default()
        };
        assert_eq!(global.one_task(Some("a")).unwrap(), Some("a"));
        assert!(global.one_task(Some("b")).is_err());
        assert_eq!(
            GlobalArgs::default().one_task(Some("b")).unwrap(),
            Some("b")
        );
    }
}
