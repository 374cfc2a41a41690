//! What a session is given: its command line, its streams and its environment.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use cl_agent::RunnerVars;
use cl_storage::RunDir;
use cl_storage::durable::{self, Mode};
use cl_storage::slot::RUN_MARKER;

use super::relay::Transcript;
use super::terminal::Pair;
use super::{Capture, WrapOrder};
use crate::solo::{Solo, SoloOrder, WRAPPED};

/// Variables of an interactive session, on top of what every agent inherits.
const INTERACTIVE: &[&str] = &[
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LESS",
    "BROWSER",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "TERMINFO",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "COLORFGBG",
    "FORCE_COLOR",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "SSH_TTY",
    "SSH_CONNECTION",
];

const NOTICE: &str = "[Conductor Loop captured nothing: the session used its user's own streams; \
                      --capture keeps a transcript]\n";

pub(super) fn argv(order: &WrapOrder) -> Vec<String> {
    let program = order.agent.spec.program.to_string_lossy().into_owned();
    let own = order.agent.spec.command_args.iter().cloned();
    std::iter::once(program)
        .chain(own)
        .chain(order.args.iter().cloned())
        .collect()
}

pub(super) fn solo_order(order: &WrapOrder) -> SoloOrder {
    let argv: Vec<String> = argv(order)
        .iter()
        .map(|arg| order.redactor.redact(arg).into_owned())
        .collect();
    let commandline = argv
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ");
    let made_up = format!(
        "Interactive session\n\nagent: {}\ncommand: {commandline}\ncwd: {}",
        order.agent.spec.name,
        order.cwd.display()
    );
    let prompt = order
        .prompt
        .as_ref()
        .map(|text| order.redactor.redact(text).into_owned());
    SoloOrder {
        kind: WRAPPED,
        origin: "foreground",
        agent_name: order.agent.spec.name.clone(),
        agent: order.agent.spec.kind.as_str().to_owned(),
        cwd: order.cwd.clone(),
        prompt: prompt.unwrap_or(made_up),
        commandline,
        argv,
        parent_run: order.parent_run.clone(),
        previous_run: order.previous_run.clone(),
        is_external: false,
        details: None,
    }
}

/// Quotes a word for people who read it as a shell does.
fn quoted(word: &str) -> String {
    let is_odd = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\\' | '`' | '$');
    if word.is_empty() || word.contains(is_odd) {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.to_owned()
    }
}

/// The ends of the session's streams, and what is copied where.
#[derive(Default)]
pub(super) struct Streams {
    /// Standard input, output and error of the session.
    pub(super) ends: Option<[Option<File>; 3]>,
    pub(super) master: Option<File>,
    pub(super) copied: Vec<(File, File)>,
    pub(super) transcripts: Vec<Transcript>,
}

impl Streams {
    pub(super) fn prepare(run: &RunDir, order: &WrapOrder, has_terminal: bool) -> io::Result<Self> {
        let open = |path: PathBuf| durable::open_append(&path, Mode::Private);
        let (mut out, mut err) = (open(run.stdout())?, open(run.stderr())?);
        let limit = order.max_output_bytes;
        let captures = order.capture == Capture::Transcript;
        if !captures {
            out.write_all(NOTICE.as_bytes())?;
            err.write_all(NOTICE.as_bytes())?;
        }
        if has_terminal {
            let Pair { master, slave } = Pair::like_ours()?;
            let ends = [slave.try_clone()?, slave.try_clone()?, slave].map(Some);
            let transcripts = if captures {
                vec![Transcript::new(out, limit)]
            } else {
                Vec::new()
            };
            return Ok(Self {
                ends: Some(ends),
                master: Some(master),
                transcripts,
                ..Self::default()
            });
        }
        let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let ours = [
            File::from(io::stdout().as_fd().try_clone_to_owned()?),
            File::from(io::stderr().as_fd().try_clone_to_owned()?),
        ];
        if !captures {
            let [stdout, stderr] = ours;
            return Ok(Self {
                ends: Some([Some(stdin), Some(stdout), Some(stderr)]),
                ..Self::default()
            });
        }
        let mut copied = Vec::new();
        let mut writers = Vec::new();
        for ours in ours {
            let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            copied.push((File::from(reader), ours));
            writers.push(File::from(writer));
        }
        let mut writers = writers.into_iter();
        Ok(Self {
            ends: Some([Some(stdin), writers.next(), writers.next()]),
            copied,
            transcripts: vec![Transcript::new(out, limit), Transcript::new(err, limit)],
            ..Self::default()
        })
    }
}

/// What the session may know of its surroundings.
pub(super) fn environment(solo: &Solo, order: &WrapOrder) -> BTreeMap<String, String> {
    let base = crate::launch_text_variables(&order.environment);
    let (task, run) = (&solo.task, &solo.run);
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let parent = order.parent_run.as_ref().map(ToString::to_string);
    let vars = BTreeMap::from([
        ("JRUN_PROJECT_ID".to_owned(), task.project().to_string()),
        ("JRUN_TASK_ID".to_owned(), task.id().to_string()),
        (RUN_MARKER.to_owned(), run.id().to_string()),
        ("JRUN_PARENT_ID".to_owned(), parent.unwrap_or_default()),
        ("JRUN_RUNS_DIR".to_owned(), text(task.runs_folder())),
        ("JRUN_MESSAGE_BUS".to_owned(), text(task.bus())),
        ("JRUN_TASK_FOLDER".to_owned(), text(task.path().to_owned())),
        ("JRUN_RUN_FOLDER".to_owned(), text(run.path().to_owned())),
        ("JRUN_DEPTH".to_owned(), "0".to_owned()),
        ("JRUN_ATTEMPT".to_owned(), "1".to_owned()),
    ]);
    let extra = INTERACTIVE
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), base.get(*name)?.clone())))
        .collect();
    let executable = std::fs::read_link("/proc/self/exe").ok();
    let runner = RunnerVars {
        vars,
        extra,
        secret_env: order.agent.secret_env(),
        executable_dir: executable.and_then(|path| path.parent().map(Into::into)),
    };
    cl_agent::environment(
        &base,
        &order.agent.spec,
        order.agent.token().as_ref(),
        &runner,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, expected) in [
            ("plain", "plain"),
            ("--a=b", "--a=b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$x", "'$x'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
