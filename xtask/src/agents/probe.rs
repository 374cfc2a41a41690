//! Runs each agent against the stand-in model server, without `run-agent` in between.
//!
//! If `smoke agents` fails, this tells whether an agent, the stand-in or `run-agent` is to blame: here only the first
//! two take part. Each expectation is what the pinned version was seen to do.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cl_testkit::model_server::{Fault, ModelServer, Script, Turn};
use xshell::{Shell, cmd};

use super::{
    Environment, InstalledAgents, STANDIN_MODEL, claude_setup, codex_setup, copilot_setup,
    gemini_setup, opencode_setup, pi_setup, qwen_setup,
};

/// Seconds for a run that is expected to end by itself.
const RUN_SECONDS: u32 = 90;

/// Seconds after which a run that hangs on purpose is ended. All agents have sent their request by then.
const HANG_SECONDS: u32 = 8;

/// The exit code of `timeout` when it had to end the command.
const TIMED_OUT: i32 = 124;

const FILE: &str = "made.txt";
const COMMAND: &str = "echo made by an agent > made.txt";
const LAST_WORDS: &str = "The file is there now.";
/// In one piece also where an agent reports a text in the two halves it was streamed in.
const LAST_PIECE: &str = "there now.";

/// An agent, how it is started, and what it does about the faults.
struct Probed {
    name: &'static str,
    program: PathBuf,
    args: &'static [&'static str],
    setup: fn(&str, &Path) -> Result<Environment>,
    /// The exit code after status 401 on every request.
    unauthorized_exit: i32,
    /// Whether a run goes on after its first stream was cut.
    survives_cut: bool,
}

/// Checks all agents in turn, about two minutes; the error names the agent and the case.
pub(crate) fn probe(installed: &InstalledAgents) -> Result<()> {
    let agents = [
        Probed {
            name: "claude",
            program: installed.program("claude"),
            args: &[
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--permission-mode",
                "bypassPermissions",
            ],
            setup: claude_setup,
            unauthorized_exit: 1,
            survives_cut: true,
        },
        Probed {
            name: "codex",
            program: installed.program("codex"),
            args: &[
                "exec",
                "--json",
                "--dangerously-bypass-approvals-and-sandbox",
                "--skip-git-repo-check",
                "-",
            ],
            setup: codex_setup,
            unauthorized_exit: 1,
            survives_cut: true,
        },
        Probed {
            name: "gemini",
            program: installed.program("gemini"),
            args: &["--approval-mode", "yolo", "--output-format", "stream-json"],
            setup: gemini_setup,
            // The status modulo 256.
            unauthorized_exit: 401 % 256,
            survives_cut: false,
        },
        Probed {
            name: "opencode",
            program: installed.program("opencode"),
            args: &["run", "--format", "json", "--auto", "-m", STANDIN_MODEL],
            setup: opencode_setup,
            unauthorized_exit: 1,
            survives_cut: true,
        },
        Probed {
            name: "qwen",
            program: installed.program("qwen"),
            args: &[
                "--auth-type",
                "openai",
                "--approval-mode",
                "yolo",
                "--output-format",
                "stream-json",
                "--model",
                "standin-model",
            ],
            setup: qwen_setup,
            unauthorized_exit: 1,
            survives_cut: true,
        },
        Probed {
            name: "copilot",
            program: installed.program("copilot"),
            args: &[
                "--output-format",
                "json",
                "--allow-all",
                "--no-ask-user",
                "--no-auto-update",
                "--model",
                "standin-model",
            ],
            setup: copilot_setup,
            unauthorized_exit: 1,
            survives_cut: true,
        },
        Probed {
            name: "pi",
            program: installed.program("pi"),
            args: &["-p", "--mode", "json", "--model", STANDIN_MODEL],
            setup: pi_setup,
            // Whatever happens.
            unauthorized_exit: 0,
            survives_cut: true,
        },
    ];
    for agent in &agents {
        for case in Case::ALL {
            let seen = check(agent, case).with_context(|| format!("{}, {case:?}", agent.name))?;
            println!("-- {} {case:?}: {seen:?}", agent.name);
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    ToolCall,
    Unauthorized,
    RateLimitedOnce,
    CutOnce,
    Hang,
}

impl Case {
    const ALL: [Self; 5] = [
        Self::ToolCall,
        Self::Unauthorized,
        Self::RateLimitedOnce,
        Self::CutOnce,
        Self::Hang,
    ];

    fn script(self) -> Script {
        let after = |fault| {
            Script::new([
                Turn::Fault(fault),
                Turn::shell(COMMAND),
                Turn::text(LAST_WORDS),
            ])
        };
        match self {
            Self::ToolCall => Script::new([Turn::shell(COMMAND), Turn::text(LAST_WORDS)]),
            Self::Unauthorized => Script::always(Turn::Fault(Fault::Unauthorized)),
            Self::RateLimitedOnce => after(Fault::RateLimited {
                retry_after: Some(Duration::from_secs(1)),
            }),
            Self::CutOnce => after(Fault::CutStream),
            Self::Hang => Script::always(Turn::Fault(Fault::Hang)),
        }
    }
}

fn check(agent: &Probed, case: Case) -> Result<Seen> {
    let server = ModelServer::start(case.script()).context("could not start the server")?;
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let seconds = match case {
        Case::Hang => HANG_SECONDS,
        _ => RUN_SECONDS,
    };
    let output = run(agent, &server.url(), folder.path(), seconds)?;
    let seen = Seen {
        code: output.status.code(),
        requests: server.requests().iter().filter(|r| r.took_turn).count(),
        made: folder.path().join("work").join(FILE).is_file(),
        closed: String::from_utf8_lossy(&output.stdout).contains(LAST_PIECE),
    };
    let as_expected = match case {
        Case::ToolCall => seen.is_done() && seen.requests == 2,
        Case::RateLimitedOnce => seen.is_done() && seen.requests == 3,
        Case::CutOnce if agent.survives_cut => seen.is_done() && seen.requests >= 3,
        Case::CutOnce => seen.failed_with(1) && seen.requests == 1,
        Case::Unauthorized => seen.failed_with(agent.unauthorized_exit),
        Case::Hang => seen.failed_with(TIMED_OUT) && seen.requests == 1,
    };
    ensure!(
        as_expected,
        "unexpected outcome: {seen:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(seen)
}

/// Runs the agent in a new home and working folder, with nothing of the caller's environment but `PATH`.
fn run(agent: &Probed, url: &str, folder: &Path, seconds: u32) -> Result<Output> {
    let shell = Shell::new()?;
    let home = shell.create_dir(folder.join("home"))?;
    let work = shell.create_dir(folder.join("work"))?;
    shell.change_dir(work);
    let environment = (agent.setup)(url, &home)?;
    let path = shell.var("PATH")?;
    let (program, args) = (&agent.program, agent.args);
    let seconds = seconds.to_string();
    // It makes a process group of its own and signals all of it.
    let command = cmd!(
        shell,
        "timeout --kill-after=5 {seconds} {program} {args...}"
    )
    .env_clear()
    .env("PATH", path)
    .envs(environment)
    .stdin("Create the file made.txt.")
    .ignore_status()
    .quiet();
    Ok(command.output()?)
}

/// What a run left behind.
#[derive(Debug, Clone, Copy)]
struct Seen {
    code: Option<i32>,
    /// Requests that took a turn.
    requests: usize,
    /// Whether the tool call made its file.
    made: bool,
    /// Whether the model's last words arrived.
    closed: bool,
}

impl Seen {
    fn is_done(self) -> bool {
        self.code == Some(0) && self.made && self.closed
    }

    fn failed_with(self, code: i32) -> bool {
        self.code == Some(code) && !self.made && !self.closed
    }
}
