//! `wrap`, on real terminals and without one.

use std::fs;
use std::process::{Command, Stdio};

use cl_storage::TaskDir;
use cl_storage::run_info::{RunInfo, RunStatus};
use cl_storage::task_state::{ResultStatus, TaskState};
use cl_testkit::survivors::Survivors;
use cl_testkit::terminal::Terminal;
use rustix::process::Signal;

use crate::place::{PROJECT, Place, TASK, eventually};
use crate::schema::assert_valid;

/// Returns a session with a shell that runs `script`.
fn session(place: &Place, flags: &str, script: &str) -> Command {
    let mut command = place.command(["wrap", "--agent", "/bin/sh"]);
    command
        .args(["--project", PROJECT, "--task", TASK])
        .args(flags.split_whitespace())
        .args(["--", "-c", script])
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "dumb");
    command
}

fn dir(place: &Place) -> TaskDir {
    place.task(TASK)
}

/// Returns the record of the only run.
#[track_caller]
fn info(place: &Place) -> RunInfo {
    let runs = dir(place).runs().unwrap();
    assert_eq!(runs.len(), 1);
    RunInfo::read(&runs[0]).unwrap().unwrap()
}

fn stdout(place: &Place) -> String {
    fs::read_to_string(dir(place).runs().unwrap()[0].stdout()).unwrap()
}

fn bus(place: &Place) -> String {
    fs::read_to_string(dir(place).bus()).unwrap()
}

fn result(place: &Place) -> ResultStatus {
    let state = TaskState::read(&dir(place)).unwrap().unwrap();
    assert!(!dir(place).owner().exists(), "the task was given up");
    state.result.unwrap().status
}

#[test]
fn a_session_has_a_terminal_of_its_own_and_its_code_is_passed_on() {
    let place = Place::new();
    let script = "stty size; echo in $JRUN_TASK_ID; read x; echo got $x; exit 7";
    let terminal = Terminal::start(&session(&place, "--capture", script));
    terminal.wait_for("24 80");
    terminal.wait_for(&format!("in {TASK}"));
    assert!(!terminal.is_cooked(), "keys go to the session");
    terminal.enter("hello\r");
    terminal.wait_for("got hello");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 7, "{shown}");
    let info = info(&place);
    assert_eq!((info.status, info.exit_code), (RunStatus::Failed, 7));
    assert_eq!(info.agent_name, "/bin/sh");
    assert!(
        info.commandline.contains("-c 'stty size"),
        "{}",
        info.commandline
    );
    assert!(info.pid > 0 && info.pid == info.pgid && !info.is_external);
    assert!(stdout(&place).contains("got hello"));
    assert!(bus(&place).contains("run started\nrun_dir: "));
    assert!(bus(&place).contains("run stopped with code 7"));
    assert_eq!(result(&place), ResultStatus::Failed);
    let prompt = fs::read_to_string(dir(&place).prompt()).unwrap();
    assert!(
        prompt.starts_with("Interactive session\n\nagent: /bin/sh\n"),
        "{prompt}"
    );
}

#[test]
fn nothing_is_captured_unless_asked_and_the_terminal_is_restored() {
    let place = Place::new();
    let flags = "--task-prompt Talk.";
    // A shell around it shows how the terminal is left.
    let wrap = session(&place, flags, "echo typed-$((40+2))");
    let words: Vec<String> = std::iter::once(wrap.get_program())
        .chain(wrap.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    #[expect(clippy::disallowed_methods, reason = "the user's shell")]
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{}; echo code $?; read x", words.join(" "))]);
    for (name, value) in wrap.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.current_dir(place.work());
    let terminal = Terminal::start(&shell);
    terminal.wait_for("code 0");
    assert!(terminal.is_cooked(), "the terminal is as it was");
    assert!(
        terminal.shown().contains("typed-42"),
        "{}",
        terminal.shown()
    );
    terminal.enter("\r");
    terminal.finish();
    assert_eq!(info(&place).status, RunStatus::Completed);
    assert_eq!(result(&place), ResultStatus::Completed);
    let kept = stdout(&place);
    assert!(
        kept.contains("captured nothing") && kept.lines().count() == 1,
        "{kept}"
    );
    assert_eq!(fs::read_to_string(dir(&place).prompt()).unwrap(), "Talk.\n");
}

#[test]
fn the_window_may_change_and_ctrl_c_goes_to_the_session() {
    let place = Place::new();
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    let terminal = Terminal::start(&session(&place, "", script));
    terminal.wait_for("ready");
    terminal.resize(41, 101);
    terminal.wait_for("41 101");
    terminal.enter("\x03");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 130, "{shown}");
    assert_eq!(info(&place).exit_code, 130);
}

/// A script that holds the pipe, with something in the background that holds it, too.
fn holding(survivors: &Survivors) -> String {
    format!(
        "exec 9>{}; (trap '' HUP TERM; setsid sleep 1000 >/dev/null 2>&1) & echo ready; sleep 1000; sleep 1000",
        survivors.path().display()
    )
}

#[test]
fn stop_ends_the_session_and_nothing_else() {
    let place = Place::new();
    let survivors = Survivors::new(&place.path().join("survivors"));
    let terminal = Terminal::start(&session(&place, "", &holding(&survivors)));
    terminal.wait_for("ready");
    assert!(survivors.exist());
    let stopped = place.run(&format!("stop {TASK} --project {PROJECT} --grace 500ms"));
    assert!(stopped.ok().contains("Stopped task"));
    let (code, _) = terminal.finish();
    assert_eq!(code, 143);
    assert!(!survivors.exist());
    let info = info(&place);
    assert_eq!(info.error_summary, "stopped by request");
    assert_eq!(info.stop.unwrap().by, "run-agent stop");
    assert_eq!(result(&place), ResultStatus::Stopped);
}

#[test]
fn a_signal_to_the_command_ends_the_session() {
    for signal in [Signal::TERM, Signal::HUP] {
        let place = Place::new();
        let survivors = Survivors::new(&place.path().join("survivors"));
        let terminal = Terminal::start(&session(&place, "--grace 500ms", &holding(&survivors)));
        terminal.wait_for("ready");
        terminal.signal(signal);
        let (code, shown) = terminal.finish();
        assert!([129, 143, 137].contains(&code), "{code} {shown}");
        assert!(!survivors.exist());
        assert_eq!(info(&place).status, RunStatus::Failed);
        assert_eq!(result(&place), ResultStatus::Stopped);
    }
}

#[test]
fn an_interrupt_is_handed_on_without_a_terminal() {
    let place = Place::new();
    let script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done";
    let out = place.path().join("out");
    let mut command = session(&place, "--capture", script);
    command
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let printed = || fs::read_to_string(&out).unwrap();
    eventually(|| printed().contains("ready"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(printed(), "ready\ncaught\n");
    assert_eq!(stdout(&place), "ready\ncaught\n");
    assert_eq!(info(&place).exit_code, 5);
}

#[test]
fn without_a_terminal_the_streams_are_the_users() {
    let place = Place::new();
    let mut command = session(&place, "--json", "cat; echo problem >&2; exit 3");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"piped\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let printed = String::from_utf8(output.stdout).unwrap();
    let (said, json) = printed.split_once('\n').unwrap();
    assert_eq!(said, "piped");
    let json = serde_json::from_str(json).unwrap();
    assert_valid("wrap", &json);
    assert_eq!(json["exit_code"], 3);
    assert!(String::from_utf8_lossy(&output.stderr).contains("problem"));
}

#[test]
fn a_killed_command_leaves_a_lost_run_without_an_agent() {
    let place = Place::new();
    let survivors = Survivors::new(&place.path().join("survivors"));
    let terminal = Terminal::start(&session(&place, "", &holding(&survivors)));
    terminal.wait_for("ready");
    let agent = info(&place).pid;
    terminal.signal(Signal::KILL);
    assert_eq!(terminal.finish().0, 137);
    eventually(|| {
        fs::read(format!("/proc/{agent}/stat")).map_or(true, |stat| stat.contains(&b'Z'))
    });
    let json = place
        .run(&format!("status {TASK} --project {PROJECT} --json"))
        .json();
    assert_eq!(json["tasks"][0]["owner"], "lost", "{json}");
    // What hid from the end of its terminal carries the mark of the run.
    let told = place.run("recover").ok();
    assert!(told.contains("marked as failed"), "{told}");
    assert!(!survivors.exist());
    assert_eq!(info(&place).status, RunStatus::Failed);
    assert!(!dir(&place).owner().exists());
}

#[test]
fn a_session_that_takes_too_long_is_ended() {
    let place = Place::new();
    let mut command = session(&place, "--max-duration 200ms --grace 200ms", "sleep 1000");
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(124));
    assert_eq!(info(&place).error_summary, "timed out");
}

#[test]
fn secrets_are_masked_in_what_is_recorded() {
    let place = Place::new();
    fs::write(
        place.work().join("conductor.yaml"),
        "agents:\n  a: {type: codex, token: canary-secret-0002}\n",
    )
    .unwrap();
    let script = "true canary-secret-0002; env";
    let ran = session(&place, "--task-prompt canary-secret-0002", script)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&ran.stdout).contains("canary"));
    for (path, content) in place.files() {
        let is_ours = path.starts_with(place.root.path());
        let text = String::from_utf8_lossy(&content);
        assert!(!is_ours || !text.contains("canary"), "{}", path.display());
    }
    assert!(info(&place).commandline.contains("[REDACTED]"));
}

#[test]
fn what_cannot_be_wrapped_leaves_nothing() {
    let place = Place::new();
    let line = |agent: &str, more: &str| {
        format!("wrap --project {PROJECT} --task {TASK} --agent {agent} {more}")
    };
    for (line, code, part) in [
        (line("/nowhere/agent", ""), 2, "/nowhere/agent"),
        (line("no-such-agent", ""), 2, "no-such-agent"),
        (line("/bin/sh", "--cwd missing"), 3, "does not exist"),
        (line("/bin/sh", "--max-duration soon"), 2, "duration"),
        (
            line("/bin/sh", "--previous-run-id x"),
            2,
            "--previous-run-id",
        ),
        (format!("wrap --project {PROJECT}"), 2, "--agent"),
    ] {
        place.run_changing_nothing(&line).fails(code, part);
    }
    fs::write(dir(&place).path().join("CANCELLED"), "reason: x\n").unwrap();
    place
        .run_changing_nothing(&line("/bin/sh", "-- -c true"))
        .fails(4, "CANCELLED");
}

#[test]
fn a_program_that_cannot_be_executed_is_a_failed_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let broken = place.work().join("broken");
    fs::write(&broken, "#!/nowhere/interpreter\n").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = place.run(&format!(
        "wrap --project {PROJECT} --task {TASK} --agent {}",
        broken.display()
    ));
    assert_eq!(ran.code, Some(126), "{}", ran.err);
    assert!(ran.err.contains("could not start"), "{}", ran.err);
    assert_eq!(info(&place).status, RunStatus::Failed);
}
