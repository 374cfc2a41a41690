//! The prompt that an agent gets: what it needs to know of us, then the task.
//!
//! Every command line in it is parsed by a test with the real argument parser.

use std::fmt::Write as _;
use std::path::Path;

use cl_storage::{Root, RunDir, RunId};

use crate::launch::Kind;

/// What stands before the task's prompt in every attempt but the first.
pub const RESTART_PREFIX: &str = "Continue working on the following:\n\n";

/// What the preamble tells.
#[derive(Debug)]
pub struct Preamble<'a> {
    /// The run.
    pub run: &'a RunDir,
    /// The run that launched the task.
    pub parent_run: Option<&'a RunId>,
    /// Address of the server, if known.
    pub conductor_url: Option<&'a str>,
    /// One run or the loop: only the loop's agent is told about DONE.
    pub kind: Kind,
    /// The root; its parent may hold instructions for agents.
    pub root: &'a Root,
    /// Why the last claim to be done was refused.
    pub rejection: Option<&'a str>,
    /// What the attempt before this one left.
    pub recap: Option<&'a str>,
    /// Whether this attempt continues earlier work.
    pub is_continued: bool,
}

/// Returns the whole prompt: preamble, separator, task prompt.
pub fn prompt(preamble: &Preamble<'_>, task_prompt: &str) -> String {
    let run = preamble.run;
    let task = run.task();
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a String cannot fail.
        writeln!(text, "{name}={value}").unwrap_or_default();
    };
    line("JRUN_TASK_FOLDER", &task.path().display());
    line("JRUN_RUN_FOLDER", &run.path().display());
    line("JRUN_PROJECT_ID", task.project());
    line("JRUN_TASK_ID", task.id());
    line("JRUN_ID", run.id());
    if let Some(parent) = preamble.parent_run {
        line("JRUN_PARENT_ID", parent);
    }
    line("JRUN_MESSAGE_BUS", &task.bus().display());
    if let Some(url) = preamble.conductor_url {
        line("JRUN_CONDUCTOR_URL", &url);
    }
    writeln!(text, "Write output.md to {}", run.output().display()).unwrap_or_default();
    text.push_str(MESSAGES);
    text.push_str(DELEGATION);
    text.push_str(&known_facts(run, preamble.root));
    text.push_str(&methodology(preamble.root.path()));
    if preamble.kind == Kind::Task {
        writeln!(
            text,
            "\n## Completion\n\nWhen the whole task is finished and checked, and every task you started has ended, create the \
             empty file {}. Without it you will be started again.",
            cl_storage::marker::Marker::Done.path(task).display()
        )
        .unwrap_or_default();
    }
    text.push_str("\n---\n\n");
    if let Some(rejection) = preamble.rejection {
        writeln!(text, "{}\n", rejection.trim_end()).unwrap_or_default();
    }
    if let Some(recap) = preamble.recap {
        writeln!(text, "{}\n", recap.trim_end()).unwrap_or_default();
    }
    if preamble.is_continued {
        text.push_str(RESTART_PREFIX);
    }
    text.push_str(task_prompt.trim());
    text.push('\n');
    text
}

/// Returns the prompt for an agent that answers a question and can do nothing else.
pub(crate) fn question(task_prompt: &str, refused: Option<&RefusedAnswer>) -> String {
    let mut text = String::from(task_prompt.trim());
    text.push('\n');
    if let Some(RefusedAnswer {
        gate,
        printed,
        answer,
    }) = refused
    {
        let answer: String = answer.trim().chars().take(LONGEST_ANSWER_SHOWN).collect();
        write!(
            text,
            "\n---\n\nYour last answer was checked and refused. The check: {gate}\n\n\
             The end of what it printed:\n\n{}\n\nYour last answer:\n\n{answer}\n\n\
             Give the whole answer again, so that the check accepts it.\n",
            printed.trim()
        )
        .unwrap_or_default();
    }
    text
}

/// How much of a refused answer is repeated.
const LONGEST_ANSWER_SHOWN: usize = 32 * 1024;

/// An answer that a gate has refused.
#[derive(Debug)]
pub(crate) struct RefusedAnswer {
    /// The gate.
    pub(crate) gate: String,
    /// The end of what it printed.
    pub(crate) printed: String,
    /// The answer.
    pub(crate) answer: String,
}

const MESSAGES: &str = r#"
## Message Bus

Report what people and other agents should know. The bus is found from your environment; do not name it.

    run-agent bus post --type PROGRESS --body "what you have done so far"
    run-agent bus post --type FACT --body "something that is true and useful"
    run-agent bus post --type DECISION --body "what you chose and why"
    run-agent bus post --type ERROR --body "what went wrong"

Types: FACT, PROGRESS, DECISION, ERROR, QUESTION, INFO. Read what others wrote:

    run-agent bus read --tail 20
"#;

const DELEGATION: &str = r#"
## Sub-Agent Spawning (RLM Pattern)

Work that falls into independent parts can be given to other agents. Assess what the task needs, decompose it at natural seams, execute the parts in parallel, then synthesize their results yourself.

Start a part; this returns at once and prints the new task's id:

    run-agent job --detach --prompt "the part, with everything it needs to know"

Wait for parts in short waits, because your shell may end a slow command, and then read a result:

    run-agent watch --task task-20260101-000000-example --timeout 60s
    run-agent output --task task-20260101-000000-example
"#;

/// Points to what other tasks found out, if it was promoted.
fn known_facts(run: &RunDir, root: &Root) -> String {
    let of_project = root.project(run.task().project()).ok();
    let of_project = of_project.map(|project| (project.facts(), "this project"));
    let of_all = Some((root.global_facts(), "all projects"));
    let found: Vec<_> = [of_project, of_all]
        .into_iter()
        .flatten()
        .filter(|(path, _)| path.is_file())
        .collect();
    if found.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n## Known Facts\n\n");
    for (path, whose) in found {
        let path = path.display();
        writeln!(
            text,
            "Read {path} before you begin: facts about {whose}, found by other tasks."
        )
        .unwrap_or_default();
    }
    text
}

/// Points to instructions that stand beside the root, if there are any.
fn methodology(root: &Path) -> String {
    let Some(above) = root.parent() else {
        return String::new();
    };
    let files = ["docs/workflow/THE_PROMPT_v5_conductor.md", "AGENTS.md"];
    let found: Vec<_> = files
        .iter()
        .map(|file| above.join(file))
        .filter(|path| path.is_file())
        .collect();
    if found.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n## Methodology\n\n");
    for path in found {
        writeln!(text, "Read {} before you begin.", path.display()).unwrap_or_default();
    }
    text
}

/// Returns the command lines that the preamble shows, for the test that parses them.
pub fn shown_commands() -> Vec<&'static str> {
    let lines = MESSAGES.lines().chain(DELEGATION.lines());
    lines
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with("run-agent "))
        .collect()
}
