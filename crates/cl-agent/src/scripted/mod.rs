//! The scripted agent: plays a YAML script in the stream format of any adapter.
//!
//! It is a demonstration, a test double and a kit for users' own workflow tests.
//! It needs no network and no token. The same parsers read it as read the real
//! programs, so a script can stand in for any of them.
//!
//! Reading a script ([`Script::parse`]) and deciding what happens ([`play`]) is
//! done here; *doing* it is the business of a [`Stage`], because this crate
//! starts no process.
//!
//! ```yaml
//! version: 1
//! dialect: claude          # claude, codex, gemini, opencode, qwen, copilot, pi or text (the default)
//! model: pretended-1       # optional; else the configured one
//! session: my-session      # optional; else named after the run
//! attempts:                # or `steps:`, one list for every attempt
//!   - - say: I give up.
//!     - exit: 3
//!   - - run: cargo test
//!     - done: true
//! ```
//!
//! The attempt is the number in `JRUN_ATTEMPT`, counted from 1; the last one
//! repeats. A step is a mapping of one key. `${NAME}` is replaced by a variable in
//! every text that is said, printed, written or posted, and in paths.
//!
//! | step | value | what it does |
//! |---|---|---|
//! | `say` | text | says it, in the dialect |
//! | `sleep` | duration (`200ms`, `2`, `1m`) | waits |
//! | `write`, `append` | `{path, content}` | writes a file, relative to the working folder |
//! | `run` | command, or `{command, env, ignore_failure, background}` | runs it with `sh -c`; a failure ends the script |
//! | `post` | `{type, body}` | `run-agent bus post` |
//! | `spawn` | `{prompt, task, args}` | `run-agent job --detach` |
//! | `done` | `true` | makes `$JRUN_TASK_FOLDER/DONE` |
//! | `output` | text | writes `$JRUN_RUN_FOLDER/output.md` |
//! | `usage` | `{input_tokens, output_tokens, cost_usd}` | what the closing event will claim |
//! | `error` | `{status, message}` | fails as the real program does on that HTTP status, and ends |
//! | `limit` | `true`, `{resets_at}` or `{resets_in}` | fails at a closed usage window, and ends |
//! | `exit` | code, or `{code, closing}` | ends; the closing event is printed before code 0 only |
//! | `close` | `true` | prints the closing event now |
//! | `hang` | `true` | does nothing for ever |
//! | `ignore_term` | `true` | survives TERM, INT and HUP from now on |
//! | `flood` | `{bytes}` or `{lines}`, `{stream}` | prints that much (`20MiB`) |
//! | `signal` | name | sends itself a signal |
//! | `event` | mapping | prints it as one line of JSON |
//! | `print`, `stderr` | text | prints a line as it is |
//! | `wait_for` | path, or `{file, timeout}` | waits until the file exists (30 s) |
//! | `expect_prompt` | text | ends with code 1 unless the prompt holds it |
//!
//! At the end of its steps the agent prints the closing event and exits with 0.

mod play;
mod script;
mod speaker;
mod stage;
mod steps;
#[cfg(test)]
mod tests;

pub use play::{PlayContext, play};
pub use script::{Script, ScriptError};
pub use stage::{Background, Output, ShellCommand, Stage, WriteMode};

/// The hidden sub-command of our binaries that plays a script.
///
/// `<program> __scripted-agent --script PATH [--model M] [--resume SESSION]`, with
/// the prompt on standard input.
pub const SUB_COMMAND: &str = "__scripted-agent";
