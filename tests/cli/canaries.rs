//! Every command of the tree is run among agents with made-up tokens, and none of those is seen again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cl_storage::TaskDir;

use crate::place::{PROJECT, Place, eventually};

const INLINE: &str = "canary-inline-7f3a9c51d2e84b60";
const FILED: &str = "canary-filed-52b7e0417a9c3d18";
const VARIED: &str = "canary-varied-c08d6f5be12a4793";
const SECRET: &str = "canary-variable-90b1c2d3e4f5";
const OLD: &str = "canary-earlier-3b1f6a2c9d07";
const CANARIES: [&str; 5] = [INLINE, FILED, VARIED, SECRET, OLD];

/// Commands that are not run here, each with the reason.
const LEFT_OUT: [(&str, &str); 0] = [];

/// Exit code and command line, in this order; the project is added.
///
/// `RUN1` and `RUN2` are runs of the task `%one`, `PID` is a process of somebody else, and `%` is the
/// start of an id. What only reads is run again with `--json`, and everything with `-vv`.
const LINES: &[&str] = &[
    // Work: each agent has its token from another place.
    "0 job %one --agent inline --prompt once",
    "0 job %one --agent filed --prompt once",
    "0 task %two --agent filed --prompt FINISH --restart-delay 0 --max-attempts 2",
    "0 task %three --agent varied --prompt FINISH --restart-delay 0 --json",
    "0 task %four --agent inline --prompt FINISH --gate tell --max-attempts 2",
    "0 verify %four",
    "0 task %played --agent player --prompt x",
    "0 job batch --agent varied --prompt one --prompt two --parallel 2",
    "0 iterate %iterated --agent inline --reviewer varied --prompt work --review-prompt judge",
    "0 workflow run %flow --agent filed --prompt stages --to-stage 1",
    "0 goal decompose --goal FINISH --out plan.json",
    "0 goal apply plan.json --agent varied --max-parallel 2",
    "0 monitor --once --agent inline --todo TODOs.md",
    "0 monitor --status",
    "0 wrap --agent inline --task %wrapped --capture -- hello",
    "0 run import --task %foreign --pid PID --agent claude --stdout log --command-line RAW",
    // Reviews and answers.
    "0 review run RUN1 --reviewer varied,filed",
    "1 review quorum --runs RUN1,RUN2",
    "0 output synthesize --task %one --runs RUN1,RUN2 --post-fact",
    "0 output synthesize --task %one --runs RUN1,RUN2 --out document.md",
    "0 output %one",
    "0 output %one --file prompt",
    "0 logs %one",
    "0 logs %three",
    "0 logs %three --runs",
    "0 output %three --file stderr",
    "0 output %three --file stdout",
    // Looking.
    "0 ps",
    "0 ps --all",
    "0 list",
    "0 list --task %one",
    "0 list --blocked --all",
    "0 status",
    "0 status --activity",
    "0 status --concise",
    "0 task show %one",
    "0 task show %three",
    "0 watch %three",
    "0 usage --by task",
    "0 limits",
    // Messages and facts.
    "0 bus post --task %one --type FACT --body told",
    "0 bus read --task %one --tail 0",
    "0 bus read --all",
    "0 bus discover",
    "0 bus check --task %one",
    "0 facts list",
    "0 facts promote",
    "0 facts promote --global",
    // Tasks that are stopped, given up and taken up.
    "0 task %hung --agent inline --prompt HANG --detach",
    "0 ps",
    "0 status --activity",
    "0 logs %hung",
    "0 stop %hung",
    "0 task resume %hung --no-start",
    "0 task resume %hung --agent varied --prompt FINISH",
    "0 task %late --agent filed --prompt HANG --detach",
    "0 task stop %late --force",
    "4 task wake %late",
    "0 task %limited --agent varied --prompt LIMIT --detach",
    "0 status",
    "0 limits",
    "0 task show %limited",
    "0 task wake %limited",
    "0 limits clear varied",
    "0 stop %limited",
    "0 task cancel %late --reason enough",
    "0 task uncancel %late",
    "0 task %blocked --agent inline --prompt FINISH --depends-on %late --detach",
    "0 task unblock %blocked",
    "0 watch %blocked",
    "0 recover",
    "0 task delete %late --yes",
    // Settings and the machine.
    "0 config show",
    "0 config show --origin",
    "0 config path",
    "0 config schema",
    "0 config init",
    "0 config migrate old.hcl",
    "0 validate",
    "0 validate --check-tokens",
    "0 doctor",
    "0 doctor storage",
    "0 doctor agents",
    "0 doctor processes",
    "0 shell-setup install --shell bash",
    "0 shell-setup uninstall --shell bash",
    "0 serve --print-config",
    "0 serve unit systemd",
    "3 serve status",
    "3 serve stop",
    "3 open",
    "0 version",
    "0 completion bash",
    "0 gc --dry-run",
    "0 gc --older-than 0s --rotate-bus --bus-max-size 1KB",
    // Groups of commands, which say what is in them.
    "2 run",
    "2 workflow",
    "2 goal",
    "2 review",
    "2 bus",
    "2 facts",
    "2 config",
    "2 shell-setup",
];

/// It proves that it has a token, notes every command line of the machine, and tells its secrets in its
/// answer, its errors and its messages.
///
/// A token that the user types into a command line of his own is there for all to see; the
/// look at the arguments leaves that one line out.
const AGENT: &str = r#"#!/bin/sh
case "$1" in --version) echo 2.1.0; exit;; --help) exit;; esac
test -n "$ANTHROPIC_API_KEY" && test -n "$SOME_SECRET" || exit 9
{ for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done; ps -eo args; } 2>/dev/null |
  grep -v -- ' --command-line canary' >>@/arguments
run-agent ps --json >>@/arguments
echo "failing with $ANTHROPIC_API_KEY" >&2
echo "I was given $ANTHROPIC_API_KEY and $SOME_SECRET" | run-agent bus post --type FACT || exit 8
echo "$JRUN_ID $1" >>@/worked
prompt=$(cat "$JRUN_RUN_FOLDER/prompt.md" 2>/dev/null)
case "$prompt" in
*HANG*) touch @/hangs-$JRUN_TASK_ID; exec sleep 1000;;
*LIMIT*) echo "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"result\":\"Claude AI usage limit reached|$(($(date +%s) + 3600)) for $ANTHROPIC_API_KEY\",\"session_id\":\"s\"}"; exit 1;;
*FINISH*) touch "$JRUN_TASK_FOLDER/DONE";;
esac
printf '{"type":"result","subtype":"success","is_error":false,"result":"it is %s and %s\\n\\nVERDICT: pass","session_id":"s"}\n' "$ANTHROPIC_API_KEY" "$SOME_SECRET"
"#;

/// A process of somebody else; killed when it is dropped.
struct Foreign(Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn foreign() -> Foreign {
    #[expect(clippy::disallowed_methods, reason = "a process of somebody else")]
    let mut command = Command::new("/bin/sleep");
    command.arg("1000").env_clear().stdin(Stdio::null());
    Foreign(command.spawn().unwrap())
}

fn id(name: &str) -> String {
    format!("task-20260101-000000-{name}")
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn place() -> Place {
    let place = Place::new();
    let work = place.work();
    let config = format!(
        "agents:\n  \
         inline: {{type: claude, command: ./agent, token: {INLINE}, env: &e {{IS_SANDBOX: \"1\", SOME_SECRET: {SECRET}}}}}\n  \
         filed: {{type: claude, command: ./agent, token_file: token, env: *e}}\n  \
         varied: {{type: claude, command: ./agent, env: *e}}\n  \
         player: {{type: scripted, script: script.yaml, env: *e}}\n\
         defaults: {{agent: inline}}\n"
    );
    write(&work.join("conductor.yaml"), &config, 0o600);
    write(&work.join("token"), FILED, 0o600);
    write(&work.join("log"), "", 0o600);
    let agent = AGENT.replace('@', place.path().to_str().unwrap());
    write(&work.join("agent"), &agent, 0o755);
    let script = "version: 1\nsteps:\n  - run: echo also $SOME_SECRET | run-agent bus post --type FACT\n  \
                  - run: echo $SOME_SECRET; echo $SOME_SECRET >$JRUN_RUN_FOLDER/output.md\n  - done: true\n";
    write(&work.join("script.yaml"), script, 0o600);
    let todo = format!("- [ ] {}: FINISH it.\n", id("listed"));
    write(&work.join("TODOs.md"), &todo, 0o600);
    let old = format!("codex {{\n  token = \"{OLD}\"\n}}\n");
    write(&work.join("old.hcl"), &old, 0o600);
    place
}

/// Returns every command that the reference names.
fn commands() -> BTreeSet<String> {
    let text = include_str!("../../docs/user/cli.md");
    let headings = text
        .lines()
        .filter_map(|line| line.strip_prefix("### `run-agent "));
    let commands: BTreeSet<String> = headings
        .map(|rest| rest.trim_end_matches('`').to_owned())
        .collect();
    assert!(commands.len() > 50, "{commands:?}");
    commands
}

/// Returns the command that `line` is about: the longest one that it begins with.
fn command_of<'c>(line: &str, commands: &'c BTreeSet<String>) -> Option<&'c String> {
    let line = format!("{line} ");
    let fits = commands
        .iter()
        .filter(|it| line.starts_with(&format!("{it} ")));
    fits.max_by_key(|command| command.len())
}

fn only_reads(line: &str) -> bool {
    let verbs = [
        "ps",
        "list",
        "status",
        "task show",
        "usage",
        "limits",
        "bus read",
        "bus check",
        "facts list",
        "config show",
        "validate",
        "doctor ",
        "logs",
        "output task",
        "verify",
        "review quorum",
    ];
    verbs.iter().any(|verb| line.starts_with(verb))
        && !line.starts_with("limits clear")
        && !line.contains("--concise")
}

fn runs(task: &TaskDir) -> Vec<String> {
    let mut runs = task.runs().unwrap();
    runs.sort_by_key(|run| run.id().started_at());
    runs.iter().map(|run| run.id().to_string()).collect()
}

/// Tells whether a command is asked for an agent's own stream as it is.
fn shows_raw(line: &str) -> bool {
    line.starts_with("wrap ") || line.contains("--raw")
}

/// Runs a line and adds to `printed` what it said; tells what was wrong with its exit code.
fn run(place: &Place, line: &str, code: i32, printed: &mut String) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (ours, theirs) = words.split_at(
        words
            .iter()
            .position(|it| *it == "--")
            .unwrap_or(words.len()),
    );
    let mut command = place.command(ours);
    if !line.starts_with("ps --all") {
        command.args(["--project", PROJECT]);
    }
    command
        .args(theirs)
        .env("PATH", "/usr/bin:/bin")
        .env("CONDUCTOR_AGENT_VARIED_TOKEN", VARIED);
    let output = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let is_expected = output.status.code() == Some(code);
    if !shows_raw(line) {
        writeln!(printed, "$ {line}\n{out}{err}").unwrap();
    }
    (!is_expected).then(|| {
        format!(
            "{line}: {:?} instead of {code}\n{out}{err}",
            output.status.code()
        )
    })
}

#[test]
fn every_command_keeps_every_token_to_itself() {
    let place = place();
    let foreign = foreign();
    let commands = commands();
    let (mut printed, mut wrong, mut leaks) = (String::new(), String::new(), String::new());
    let mut given = BTreeSet::new();
    let mut seen: BTreeSet<&str> = LEFT_OUT.iter().map(|(command, _)| *command).collect();
    let mut ids = Vec::new();
    for entry in LINES {
        let (code, line) = entry.split_once(' ').unwrap();
        seen.insert(command_of(line, &commands).unwrap_or_else(|| panic!("{line} is no command")));
        if ids.is_empty() && line.contains("RUN1") {
            ids = runs(&place.task(&id("one")));
        }
        let mut line = line.replace('%', "task-20260101-000000-");
        line = line
            .replace("PID", &foreign.0.id().to_string())
            .replace("RAW", INLINE);
        line = line.replace("tell", "echo${IFS}$ANTHROPIC_API_KEY");
        for (index, run) in ids.iter().enumerate() {
            line = line.replace(&format!("RUN{}", index + 1), run);
        }
        if line.starts_with("task delete") || line.starts_with("gc ") {
            look(&place, &mut given, &mut leaks);
        }
        let code = code.parse().unwrap();
        wrong.extend(run(&place, &line, code, &mut printed));
        if only_reads(&line) {
            for more in ["--json", "-vv"] {
                wrong.extend(run(&place, &format!("{line} {more}"), code, &mut printed));
            }
        }
        if line.contains("HANG") {
            let task = line.split_whitespace().nth(1).unwrap();
            let mark = place.path().join(format!("hangs-{task}"));
            eventually(|| mark.exists());
        }
        if line.contains("LIMIT") {
            let status = format!("status {}", line.split_whitespace().nth(1).unwrap());
            let mut said = String::new();
            eventually(|| {
                run(&place, &status, 0, &mut said);
                said.contains("waiting")
            });
        }
    }
    let unknown: Vec<_> = commands
        .iter()
        .filter(|it| !seen.contains(it.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "neither run nor left out with a reason: {unknown:?}"
    );
    assert!(wrong.is_empty(), "{wrong}");
    let arguments = std::fs::read_to_string(place.path().join("arguments")).unwrap();
    assert!(
        arguments.contains("__supervise"),
        "the look at the arguments saw nothing"
    );
    leaks += &self::leaks("what commands printed", &printed);
    leaks += &self::leaks("arguments", &arguments);
    look(&place, &mut given, &mut leaks);
    assert!(leaks.is_empty(), "{leaks}");
    let known = BTreeSet::from([INLINE, FILED, VARIED, SECRET]);
    assert_eq!(
        given, known,
        "an agent never had its token, so nothing was shown"
    );
}

/// Looks for canaries in every file; those in raw streams are `given` to agents, others are `leaks`.
fn look(place: &Place, given: &mut BTreeSet<&'static str>, leaks: &mut String) {
    for (path, content) in place.files() {
        let content = String::from_utf8_lossy(&content);
        let name = path.file_name().unwrap().to_string_lossy();
        if is_raw(&path) {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is open to others", path.display());
            given.extend(CANARIES.into_iter().filter(|it| content.contains(it)));
        } else if !["conductor.yaml", "token", "old.hcl"].contains(&name.as_ref()) {
            *leaks += &self::leaks(&path.to_string_lossy(), &content);
        }
    }
}

/// Tells whether a file holds what an agent or a gate wrote itself; those are private.
fn is_raw(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name == "agent-stdout.txt"
        || name == "agent-stderr.txt"
        || path.extension().is_some_and(|end| end == "out")
}

/// Returns the lines of `text` that hold a canary, with where that is.
fn leaks(place: &str, text: &str) -> String {
    let mut command = "";
    let mut found = String::new();
    for line in text.lines() {
        if line.starts_with("$ ") {
            command = line;
        } else if CANARIES.iter().any(|canary| line.contains(canary)) {
            writeln!(found, "{place}: {command}: {line}").unwrap();
        }
    }
    found
}
