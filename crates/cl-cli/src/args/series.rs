//! Commands that make several runs: `job batch`, `iterate`, `workflow run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::LaunchArgs;
use super::value;

/// What each run of a series takes.
#[derive(Debug, Clone, Default, Args)]
pub struct StepArgs {
    /// The agent, by name or type [default: from the configuration]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// The folder the agents work in [default: the current folder]
    #[arg(long, value_name = "DIR", alias = "project-root")]
    pub cwd: Option<PathBuf>,
    /// Stop a run that is silent for this long; 0 is never [default: from the configuration]
    #[arg(long, value_name = "DURATION", alias = "timeout", value_parser = value::duration)]
    pub idle_timeout: Option<Duration>,
    /// Stop a run after this long; 0 is never [default: from the configuration]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub max_duration: Option<Duration>,
    /// How long an agent that is asked to end may take before it is killed [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub grace: Option<Duration>,
    /// A variable for the agents; repeatable, not for secrets
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = value::pair, allow_hyphen_values = true)]
    pub env: Vec<(String, String)>,
    /// The run that these are children of [default: the enclosing run]
    #[arg(long, value_name = "RUN")]
    pub parent_run_id: Option<String>,
}

impl StepArgs {
    /// Returns the flags of a launch with these.
    pub(crate) fn launch(&self) -> LaunchArgs {
        LaunchArgs {
            agent: self.agent.clone(),
            cwd: self.cwd.clone(),
            idle_timeout: self.idle_timeout,
            max_duration: self.max_duration,
            grace: self.grace,
            env: self.env.clone(),
            parent_run_id: self.parent_run_id.clone(),
            ..LaunchArgs::default()
        }
    }
}

/// `job batch`.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// What the agents are asked to do.
    #[command(flatten)]
    pub prompts: PromptList,
    /// A YAML file with the items, instead of --task, --prompt and --prompt-file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["batch_prompt", "batch_prompt_file"])]
    pub manifest: Option<PathBuf>,
    /// How many run at once
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub parallel: u16,
    /// Go on with the other items after one has failed
    #[arg(long)]
    pub continue_on_fail: bool,
    /// Print what the agents say while they work, each line behind the name of its task
    #[arg(short, long)]
    pub follow: bool,
    /// What each run takes.
    #[command(flatten)]
    pub step: StepArgs,
}

/// `iterate`.
#[derive(Debug, Args)]
pub struct IterateArgs {
    /// The id of the task that holds all runs
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// The work
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// A file with the work, - for standard input
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,
    /// What the reviewers are asked
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub review_prompt: Option<String>,
    /// A file with what the reviewers are asked
    #[arg(long, value_name = "FILE")]
    pub review_prompt_file: Option<PathBuf>,
    /// The agent that reviews; repeatable, one review for each [default: the one that works]
    #[arg(
        long = "reviewer",
        alias = "review-agent",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub reviewers: Vec<String>,
    /// How many reviewers must approve; one that rejects is enough to fail [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub required: Option<u16>,
    /// How many iterations are made at the most
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub max_iterations: u16,
    /// Go on with iterations that were interrupted, as ITERATE-SUMMARY.json tells of them
    #[arg(long)]
    pub resume: bool,
    /// What each run takes.
    #[command(flatten)]
    pub step: StepArgs,
}

/// What to do with workflows.
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Run the stages of a template, one run each, in one task
    Run(WorkflowArgs),
}

/// `workflow run`.
#[derive(Debug, Args)]
pub struct WorkflowArgs {
    /// The id of the task that holds all runs
    #[arg(value_name = "TASK")]
    pub id: Option<String>,
    /// The template
    #[arg(long, value_name = "NAME", default_value = "THE_PROMPT_v5")]
    pub template: String,
    /// The first stage
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=12))]
    pub from_stage: u8,
    /// The last stage
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u8).range(0..=12))]
    pub to_stage: u8,
    /// Skip stages that were completed, and go on with one that was left
    #[arg(long)]
    pub resume: bool,
    /// Say which stages would run, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The file that keeps the state [default: workflow-state.yaml in the task's folder]
    #[arg(long, value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// What the task is, if it has no TASK.md yet
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// A file with what the task is, - for standard input; wins over --prompt
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,
    /// What each run takes.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Where a prompt comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptSource {
    /// It was given.
    Text(String),
    /// It stands in this file; `-` is standard input.
    File(PathBuf),
}

/// Prompts and prompt files in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptList(pub Vec<PromptSource>);

const PROMPT: &str = "batch_prompt";
const PROMPT_FILE: &str = "batch_prompt_file";

impl Args for PromptList {
    fn augment_args(command: Command) -> Command {
        command
            .arg(
                Arg::new(PROMPT)
                    .long("prompt")
                    .value_name("TEXT")
                    .help("What an agent is asked to do; repeatable, one run for each")
                    .allow_hyphen_values(true)
                    .action(ArgAction::Append),
            )
            .arg(
                Arg::new(PROMPT_FILE)
                    .long("prompt-file")
                    .value_name("FILE")
                    .help(
                        "A file with what an agent is asked to do, - for standard input; \
                         repeatable, in order with --prompt",
                    )
                    .value_parser(clap::value_parser!(PathBuf))
                    .action(ArgAction::Append),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PromptList {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = BTreeMap::new();
        let indices = |id| matches.indices_of(id).into_iter().flatten();
        let texts = matches.get_many::<String>(PROMPT).into_iter().flatten();
        for (index, text) in indices(PROMPT).zip(texts) {
            found.insert(index, PromptSource::Text(text.clone()));
        }
        let files = matches
            .get_many::<PathBuf>(PROMPT_FILE)
            .into_iter()
            .flatten();
        for (index, path) in indices(PROMPT_FILE).zip(files) {
            found.insert(index, PromptSource::File(path.clone()));
        }
        Ok(Self(found.into_values().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_and_files_keep_their_order() {
        let command = BatchArgs::augment_args(Command::new("batch"));
        let line = "batch --prompt a --prompt-file b --prompt-file c --prompt d --prompt=e";
        let matches = command.get_matches_from(line.split(' '));
        let found = PromptList::from_arg_matches(&matches).unwrap();
        let text = |text: &str| PromptSource::Text(text.to_owned());
        let file = |path: &str| PromptSource::File(PathBuf::from(path));
        assert_eq!(
            found.0,
            [text("a"), file("b"), file("c"), text("d"), text("e")]
        );
    }
}
