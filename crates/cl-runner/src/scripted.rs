//! The stage on which the scripted agent plays: the real world.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cl_agent::Exit;
use cl_agent::scripted::{
    Background, Output, PlayContext, Script, ShellCommand, Stage, WriteMode, play,
};
use cl_config::Environment;
use cl_storage::{Clock as _, SystemClock};
use rustix::process::{Signal, getpid, kill_process};

/// Scripts and prompts are small; a larger file is not one.
const LARGEST_INPUT: u64 = 16 * 1024 * 1024;

/// How much of a command's output is kept, as the contract of the stage says.
const LARGEST_OUTPUT: u64 = 64 * 1024;

/// Plays a script as the scripted agent and returns the process's exit code.
///
/// `args` are those behind the hidden sub-command; the prompt comes on standard
/// input.
pub fn play_script(args: &[OsString], environment: &Environment) -> i32 {
    match prepare(args, environment) {
        Ok((script, context)) => play(&script, &context, &mut World::default()),
        Err(message) => {
            // There is no other place to say it.
            writeln!(io::stderr(), "Error: {message}").unwrap_or_default();
            2
        }
    }
}

fn prepare(args: &[OsString], environment: &Environment) -> Result<(Script, PlayContext), String> {
    let mut path = None;
    let mut context = PlayContext {
        env: crate::launch_text_variables(environment),
        ..PlayContext::default()
    };
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let value = args
            .next()
            .and_then(|value| value.to_str())
            .map(str::to_owned);
        match flag.to_str() {
            Some("--script") => path = value.map(PathBuf::from),
            Some("--model") => context.model = value,
            Some("--resume") => context.resume = value,
            // Arguments of the config entry mean nothing to a script.
            _ => {}
        }
    }
    let path = path.ok_or("--script is missing")?;
    let text = File::open(&path)
        .and_then(read_text)
        .map_err(|e| format!("could not read {}: {e}", path.display()))?;
    let script = Script::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    context.prompt =
        read_text(io::stdin()).map_err(|e| format!("could not read the prompt: {e}"))?;
    Ok((script, context))
}

fn read_text(from: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(LARGEST_INPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The real world.
#[derive(Debug, Default)]
struct World {
    /// Keeps the handlers of ignored signals in place.
    signals: Option<tokio::runtime::Runtime>,
}

impl Stage for World {
    fn print(&mut self, output: Output, bytes: &[u8]) -> io::Result<()> {
        match output {
            Output::Stdout => io::stdout()
                .write_all(bytes)
                .and_then(|()| io::stdout().flush()),
            Output::Stderr => io::stderr().write_all(bytes),
        }
    }

    fn now(&mut self) -> jiff::Timestamp {
        SystemClock.now()
    }

    fn sleep(&mut self, duration: Duration) -> io::Result<()> {
        std::thread::sleep(duration);
        Ok(())
    }

    fn write_file(&mut self, path: &Path, content: &[u8], mode: WriteMode) -> io::Result<()> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        match mode {
            WriteMode::Replace => options.write(true).truncate(true),
            WriteMode::Append => options.append(true),
        };
        options.create(true).open(path)?.write_all(content)
    }

    fn exists(&mut self, path: &Path) -> bool {
        path.exists()
    }

    fn run(&mut self, command: &ShellCommand) -> io::Result<(Exit, Vec<u8>)> {
        let Some((program, args)) = command.argv.split_first() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the command is empty",
            ));
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the shell tool of an agent, inside the agent's own process"
        )]
        let mut child = Command::new(program);
        child.args(args).envs(&command.env).stdin(Stdio::null());
        if command.background == Background::Yes {
            child.spawn()?;
            return Ok((Exit::Code(0), Vec::new()));
        }
        let (mut reader, writer) = io::pipe()?;
        child.stdout(writer.try_clone()?).stderr(writer);
        let mut running = child.spawn()?;
        // The description keeps the writing end open, and the end of the pipe would never come.
        drop(child);
        let mut output = Vec::new();
        (&mut reader)
            .take(LARGEST_OUTPUT)
            .read_to_end(&mut output)?;
        // More than is kept is read and thrown away, so that the command can end.
        io::copy(&mut reader, &mut io::sink())?;
        let status = running.wait()?;
        let exit = match (
            status.code(),
            std::os::unix::process::ExitStatusExt::signal(&status),
        ) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        };
        Ok((exit, output))
    }

    fn ignore_termination(&mut self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        {
            let _context = runtime.enter();
            // A handler, once installed, stays for the life of the process.
            for kind in [
                SignalKind::terminate(),
                SignalKind::interrupt(),
                SignalKind::hangup(),
            ] {
                drop(signal(kind)?);
            }
        }
        self.signals = Some(runtime);
        Ok(())
    }

    fn kill_self(&mut self, name: &str) -> io::Result<()> {
        let signal = match name {
            "KILL" => Signal::KILL,
            "TERM" => Signal::TERM,
            "INT" => Signal::INT,
            "HUP" => Signal::HUP,
            "QUIT" => Signal::QUIT,
            "ABRT" => Signal::ABORT,
            "SEGV" => Signal::SEGV,
            "STOP" => Signal::STOP,
            other => return Err(io::Error::other(format!("unknown signal {other}"))),
        };
        // The first SEGV only takes away a handler of the standard library, which
        // expects the faulty instruction to run again.
        if signal == Signal::SEGV {
            kill_process(getpid(), signal)?;
        }
        Ok(kill_process(getpid(), signal)?)
    }
}
