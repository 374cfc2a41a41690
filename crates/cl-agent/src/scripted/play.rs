//! Playing a script, step by step.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::script::{Flood, Script, Step};
use super::speaker::{Claimed, Failing, Speaker};
use super::stage::{Background, Output, ShellCommand, Stage, WriteMode};
use crate::stream::Exit;

/// How often `wait_for` looks.
const POLL: Duration = Duration::from_millis(20);

/// One step of `hang`.
const LONG: Duration = Duration::from_hours(1);

/// How many lines of a failed command are shown, and how many characters of each.
const LINES_SHOWN: usize = 10;
const LINE_SHOWN: usize = 500;

/// How much of a flood is printed at once.
const FLOOD_CHUNK: usize = 64 * 1024;

/// The line of a flood, without its end.
const FLOOD_LINE: &str =
    "flood flood flood flood flood flood flood flood flood flood flood flood flood";

/// What a script is played for.
#[derive(Debug, Clone, Default)]
pub struct PlayContext {
    /// The agent's environment; `JRUN_ATTEMPT`, `JRUN_ID`, `JRUN_TASK_FOLDER` and
    /// `JRUN_RUN_FOLDER` count, and all are available as `${NAME}`.
    pub env: BTreeMap<String, String>,
    /// Model to claim, unless the script names one.
    pub model: Option<String>,
    /// Session to go on with.
    pub resume: Option<String>,
    /// The prompt as it came in.
    pub prompt: String,
}

/// Plays `script` to its end and returns the exit code for the process.
///
/// An error of the stage, a failing command or a missing variable is printed to
/// standard error and gives exit code 1 without a closing event.
pub fn play(script: &Script, context: &PlayContext, stage: &mut dyn Stage) -> i32 {
    let session = match (&context.resume, &script.session, context.env.get("JRUN_ID")) {
        (Some(resumed), ..) => resumed.clone(),
        (None, Some(session), _) => session.clone(),
        (None, None, Some(run)) => format!("scripted-{run}"),
        (None, None, None) => "scripted".to_owned(),
    };
    let model = script.model.as_ref().or(context.model.as_ref());
    let mut player = Player {
        speaker: Speaker::new(
            script.dialect,
            session,
            model.cloned().unwrap_or_else(|| "scripted".to_owned()),
        ),
        context,
        stage,
        is_closed: false,
    };
    let attempt = context.env.get("JRUN_ATTEMPT");
    let attempt = attempt.and_then(|number| number.trim().parse().ok());
    match player.play(script.attempt(attempt.unwrap_or(1))) {
        Ok(code) => code,
        Err(stop) => {
            // Nobody is left to tell if even standard error cannot be written.
            player
                .stage
                .print(Output::Stderr, format!("Error: {stop}\n").as_bytes())
                .unwrap_or_default();
            1
        }
    }
}

/// Why a script cannot go on.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("`{0}` is not set, so this step has nowhere to write")]
    Unset(&'static str),
    #[error("command failed with {exit}: {command}{said}")]
    Command {
        command: String,
        exit: String,
        /// The end of what it printed, on lines of its own.
        said: String,
    },
    #[error("{file} did not appear within {seconds} s")]
    Waited { file: String, seconds: f64 },
    #[error("the prompt does not hold {0:?}")]
    Prompt(String),
}

/// What follows a step.
enum Next {
    Continue,
    Exit(i32),
}

/// How a command ended.
struct Ended {
    exit: Exit,
    output: String,
}

impl Ended {
    /// Makes a failure a reason to stop, with the end of what the command printed.
    fn check(self, command: &str) -> Result<(), Stop> {
        let exit = match self.exit {
            Exit::Code(0) => return Ok(()),
            Exit::Code(code) => format!("exit code {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
        };
        let lines: Vec<&str> = self.output.trim_end().lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        let said = last.iter().map(|line| {
            let shown: String = line.chars().take(LINE_SHOWN).collect();
            format!("\n  {shown}")
        });
        Err(Stop::Command {
            command: command.to_owned(),
            exit,
            said: said.collect(),
        })
    }
}

struct Player<'a> {
    speaker: Speaker,
    context: &'a PlayContext,
    stage: &'a mut dyn Stage,
    is_closed: bool,
}

impl Player<'_> {
    fn play(&mut self, steps: &[Step]) -> Result<i32, Stop> {
        let now = self.stage.now();
        let start = self.speaker.start(&self.context.prompt, now);
        self.print_lines(&start)?;
        for step in steps {
            if let Next::Exit(code) = self.step(step)? {
                return Ok(code);
            }
        }
        self.close()?;
        Ok(0)
    }

    fn step(&mut self, step: &Step) -> Result<Next, Stop> {
        match step {
            Step::Say(text) => {
                let text = self.expand(text);
                let now = self.stage.now();
                let lines = self.speaker.say(&text, now);
                self.print_lines(&lines)?;
            }
            Step::Sleep(duration) => self.stage.sleep(*duration)?,
            Step::Write {
                path,
                content,
                mode,
            } => {
                let path = PathBuf::from(self.expand(path));
                let content = self.expand(content);
                self.stage.write_file(&path, content.as_bytes(), *mode)?;
            }
            Step::Run {
                command,
                env,
                background,
                ignore_failure,
            } => self.run_shell(command, env, *background, *ignore_failure)?,
            Step::Post { kind, body } => {
                let body = self.expand(body);
                let body = format!("--body={body}");
                self.run_agent(&["bus", "post", "--type", kind, &body])?;
            }
            Step::Spawn { prompt, task, args } => {
                let prompt = format!("--prompt={}", self.expand(prompt));
                let mut line = vec!["job", "--detach", &prompt];
                if let Some(task) = task {
                    line.extend(["--task", task]);
                }
                line.extend(args.iter().map(String::as_str));
                self.run_agent(&line)?;
            }
            Step::Done => self.write_in("JRUN_TASK_FOLDER", "DONE", "")?,
            Step::Output(text) => {
                let text = self.expand(text);
                self.write_in("JRUN_RUN_FOLDER", "output.md", &text)?;
            }
            Step::Hang => loop {
                self.stage.sleep(LONG)?;
            },
            Step::IgnoreTerm => self.stage.ignore_termination()?,
            Step::Flood { amount, to } => self.flood(*amount, *to)?,
            Step::Exit { code, closing } => {
                if *closing {
                    self.close()?;
                }
                return Ok(Next::Exit(*code));
            }
            Step::Close => self.close()?,
            Step::Signal(name) => self.stage.kill_self(name)?,
            Step::Event(event) => self.print_lines(&[format!("{event}\n")])?,
            Step::Print { text, to } => {
                let text = self.expand(text);
                self.stage.print(*to, format!("{text}\n").as_bytes())?;
            }
            Step::Usage {
                input_tokens,
                output_tokens,
                cost_usd,
            } => self.speaker.claim(Claimed {
                input_tokens: *input_tokens,
                output_tokens: *output_tokens,
                cost_usd: *cost_usd,
            }),
            Step::Limit { resets } => {
                let now = self.stage.now();
                let opens_at = resets.map(|resets| resets.second(now));
                let failing = self.speaker.hit_limit(opens_at, now);
                return self.fail(&failing);
            }
            Step::LimitUse {
                used_percent,
                resets,
            } => {
                let opens_at = resets.map(|resets| resets.second(self.stage.now()));
                let lines = self.speaker.tell_use(*used_percent, opens_at);
                self.print_lines(&lines)?;
            }
            Step::Error { status, message } => {
                let now = self.stage.now();
                let message = message.as_deref().unwrap_or("scripted error");
                let failing = self.speaker.fail(*status, message, now);
                return self.fail(&failing);
            }
            Step::WaitFor { file, timeout } => self.wait_for(file, *timeout)?,
            Step::ExpectPrompt(text) => {
                if !self.context.prompt.contains(text.as_str()) {
                    return Err(Stop::Prompt(text.clone()));
                }
            }
        }
        Ok(Next::Continue)
    }

    fn run_shell(
        &mut self,
        command: &str,
        env: &BTreeMap<String, String>,
        background: Background,
        ignore_failure: bool,
    ) -> Result<(), Stop> {
        let shell = ShellCommand {
            argv: ["sh", "-c", command].map(str::to_owned).to_vec(),
            env: env.clone(),
            background,
        };
        let ended = self.run(command, &shell)?;
        if ignore_failure {
            return Ok(());
        }
        ended.check(command)
    }

    /// Runs `run-agent` with `args`; it must succeed.
    fn run_agent(&mut self, args: &[&str]) -> Result<(), Stop> {
        let argv: Vec<String> = std::iter::once("run-agent")
            .chain(args.iter().copied())
            .map(str::to_owned)
            .collect();
        let shown = format!("run-agent {}", args[..args.len().min(2)].join(" "));
        let command = ShellCommand {
            argv,
            env: BTreeMap::new(),
            background: Background::No,
        };
        self.run(&shown, &command)?.check(&shown)
    }

    /// Runs a command as the agent's shell tool would.
    fn run(&mut self, shown: &str, command: &ShellCommand) -> Result<Ended, Stop> {
        let now = self.stage.now();
        let lines = self.speaker.tool_starts(shown, now);
        self.print_lines(&lines)?;
        let (exit, output) = self.stage.run(command)?;
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        };
        let now = self.stage.now();
        let output = String::from_utf8_lossy(&output);
        let lines = self.speaker.tool_ends(shown, &output, code, now);
        self.print_lines(&lines)?;
        Ok(Ended {
            exit,
            output: output.into_owned(),
        })
    }

    fn flood(&mut self, amount: Flood, to: Output) -> Result<(), Stop> {
        let line = format!("{FLOOD_LINE}\n");
        let mut left = match amount {
            Flood::Bytes(bytes) => bytes,
            Flood::Lines(lines) => lines.saturating_mul(line.len() as u64),
        };
        // Whole lines only, so that the next chunk starts with one again.
        let chunk = line.repeat(FLOOD_CHUNK / line.len());
        while left > 0 {
            let size = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            self.stage.print(to, &chunk.as_bytes()[..size])?;
            left -= size as u64;
        }
        Ok(())
    }

    fn wait_for(&mut self, file: &str, timeout: Duration) -> Result<(), Stop> {
        let file = self.expand(file);
        let mut waited = Duration::ZERO;
        while !self.stage.exists(Path::new(&file)) {
            if waited >= timeout {
                return Err(Stop::Waited {
                    file,
                    seconds: timeout.as_secs_f64(),
                });
            }
            self.stage.sleep(POLL)?;
            waited += POLL;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        let now = self.stage.now();
        let lines = self.speaker.close(now);
        if let Some((name, content)) = self.speaker.usage_file()
            && self.context.env.contains_key("JRUN_RUN_FOLDER")
        {
            self.write_in("JRUN_RUN_FOLDER", name, &content)?;
        }
        self.print_lines(&lines)
    }

    fn fail(&mut self, failing: &Failing) -> Result<Next, Stop> {
        self.print_lines(&failing.stdout)?;
        if let Some(text) = &failing.stderr {
            self.stage.print(Output::Stderr, text.as_bytes())?;
        }
        Ok(Next::Exit(failing.code))
    }

    fn write_in(&mut self, variable: &'static str, name: &str, content: &str) -> Result<(), Stop> {
        let folder = self
            .context
            .env
            .get(variable)
            .ok_or(Stop::Unset(variable))?;
        let path = Path::new(folder).join(name);
        self.stage
            .write_file(&path, content.as_bytes(), WriteMode::Replace)?;
        Ok(())
    }

    fn print_lines(&mut self, lines: &[String]) -> Result<(), Stop> {
        for line in lines {
            self.stage.print(Output::Stdout, line.as_bytes())?;
        }
        Ok(())
    }

    /// Replaces `${NAME}` by the variable's value; an unknown one stays as it is.
    fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            expanded.push_str(&rest[..start]);
            let value = rest[start + 2..]
                .split_once('}')
                .and_then(|(name, after)| Some((self.context.env.get(name)?, after)));
            if let Some((value, after)) = value {
                expanded.push_str(value);
                rest = after;
            } else {
                expanded.push_str("${");
                rest = &rest[start + 2..];
            }
        }
        expanded + rest
    }
}
