//! Launches that cannot be: a clear message, the right exit code, and no new files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::place::{Files, PROJECT, Place, Ran, TASK};

/// A config whose only agent can start, so that something else is the reason.
const WORKING: &str = "agents:\n  s: {type: scripted, script: script.yaml}\n";
const SCRIPT: &str = "version: 1\nsteps:\n  - say: hello\n  - done: true\n";

fn place(config: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    std::fs::write(place.work().join("script.yaml"), SCRIPT).unwrap();
    place
}

fn launch(place: &Place, more: &str) -> Ran {
    place.run_changing_nothing(&format!("task --project {PROJECT} {more}"))
}

#[test]
fn a_working_launch_is_not_refused() {
    let place = place(WORKING);
    place
        .run(&format!(
            "task --project {PROJECT} --task {TASK} --prompt x"
        ))
        .ok();
}

#[test]
fn an_agent_that_cannot_be_had_is_named() {
    let nothing = Place::new();
    launch(&nothing, "--prompt x").fails(
        2,
        "none of claude, codex, gemini, opencode, qwen found on PATH",
    );
    launch(&nothing, "--prompt x --agent claude")
        .fails(2, "program \"claude\" was not found in PATH");
    let place = place(WORKING);
    launch(&place, "--prompt x --agent nonsense").fails(2, "unknown agent \"nonsense\"");
    let missing = self::place("agents:\n  x: {type: command, command: /nowhere/agent}\n");
    launch(&missing, "--prompt x").fails(2, "/nowhere/agent");
    let scriptless = self::place("agents:\n  s: {type: scripted, script: none.yaml}\n");
    launch(&scriptless, "--prompt x").fails(2, "none.yaml");
}

#[test]
fn a_prompt_that_is_none_is_refused() {
    let place = place(WORKING);
    std::fs::write(place.work().join("blank.md"), " \n\t\n").unwrap();
    std::fs::write(place.work().join("binary.md"), b"\xff\xfe").unwrap();
    launch(&place, "").fails(2, "there is no prompt");
    launch(&place, &format!("--task {TASK}")).fails(2, "no TASK.md");
    launch(&place, "--prompt-file missing.md").fails(3, "missing.md");
    launch(&place, "--prompt-file blank.md").fails(2, "the prompt is empty");
    launch(&place, "--prompt-file binary.md").fails(2, "not UTF-8");
    launch(&place, "--prompt-file .").fails(1, "could not read the prompt file");
}

#[test]
fn a_file_without_end_is_refused_wherever_one_is_named() {
    let place = place(WORKING);
    let endless = "larger than 16 MiB";
    place
        .run_changing_nothing(&format!(
            "job batch --project {PROJECT} --manifest /dev/zero"
        ))
        .fails(2, endless);
    (place.run_changing_nothing("goal apply /dev/zero")).fails(2, endless);
    (place.run_changing_nothing("list --config /dev/zero")).fails(2, endless);
    (place.run_changing_nothing("config migrate /dev/zero")).fails(2, endless);
    std::fs::write(place.work().join("binary.yaml"), b"\xff\xfe").unwrap();
    let line = format!("job batch --project {PROJECT} --manifest binary.yaml");
    place.run_changing_nothing(&line).fails(2, "not UTF-8");
}

#[test]
fn a_prompt_may_be_piped() {
    let place = place(WORKING);
    let line = format!("job --project {PROJECT} --task {TASK} --prompt-file -");
    for (input, part) in [
        (&b""[..], "the prompt is empty"),
        (b" \n", "the prompt is empty"),
        (b"\xff", "not UTF-8"),
        (&vec![b'x'; 16 * 1024 * 1024 + 1], "larger than 16 MiB"),
    ] {
        place.run_with_input(&line, input).fails(2, part);
    }
    assert!(place.root.path().read_dir().unwrap().next().is_none());
    place.run_with_input(&line, b"- one\n- two\n").ok();
    let prompt = std::fs::read_to_string(place.task(TASK).prompt()).unwrap();
    assert_eq!(prompt, "- one\n- two\n");
}

#[test]
fn a_blank_gate_is_refused() {
    let place = place(WORKING);
    for blank in ["", " "] {
        let mut command = place.command(["task", "--project", PROJECT, "--prompt", "x"]);
        let output = command.args(["--gate", blank]).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("the command is empty"), "{err}");
    }
    let blank = self::place(
        "agents:\n  s: {type: scripted, script: script.yaml}\ndefaults:\n  gates: [\" \"]\n",
    );
    launch(&blank, "--prompt x").fails(2, "conductor.yaml:4:");
}

#[test]
fn a_wrong_id_is_told_with_where_it_was_given() {
    let place = place(WORKING);
    launch(&place, "t1 --prompt x").fails(2, "(from position TASK)");
    launch(&place, "--task t1 --prompt x").fails(2, "(from --task)");
}

#[test]
fn a_working_folder_that_is_none_is_refused() {
    let place = place(WORKING);
    launch(&place, "--prompt x --cwd missing").fails(3, "missing does not exist");
    launch(&place, "--prompt x --cwd script.yaml").fails(2, "is not a folder");
}

#[test]
fn a_wrong_config_is_explained_with_its_place() {
    let check = |config: &str, part: &str| {
        let place = place(config);
        launch(&place, "--prompt x").fails(2, part);
    };
    check("agents: [\n", "conductor.yaml:1:9");
    check(
        "agents:\n  s: {type: scripted, scirpt: x}\n",
        "did you mean \"script\"",
    );
    check(
        "defaults:\n  max_concurrent_runs: -1\n",
        "conductor.yaml:2:24",
    );
    check(
        "agents:\n  claude: {token: a-test-key, token_file: t}\n",
        "both token and token_file",
    );
    let named = place(WORKING);
    launch(&named, "--prompt x --config missing.yaml").fails(2, "missing.yaml");
}

#[test]
fn a_token_file_that_cannot_be_read_is_named() {
    for (config, part) in [
        ("token_file: missing", "missing"),
        ("token_file: .", "not a regular file"),
        ("token_file: empty", "is empty"),
    ] {
        let place = place(&format!(
            "agents:\n  c: {{type: claude, command: ./agent, env: {{IS_SANDBOX: \"1\"}}, {config}}}\n"
        ));
        std::fs::write(place.work().join("empty"), "\n").unwrap();
        program(&place.work().join("agent"), "#!/bin/sh\n");
        launch(&place, "--prompt x").fails(2, part);
    }
}

#[test]
fn a_task_that_is_given_up_must_be_resumed() {
    let place = place(WORKING);
    let task = place.task(TASK);
    cl_storage::marker::cancel(
        &task,
        &cl_storage::marker::Cancellation {
            at: jiff_now(),
            reason: "no longer wanted".into(),
            superseded_by: None,
        },
    )
    .unwrap();
    launch(&place, &format!("--task {TASK} --prompt x")).fails(4, "task resume");
}

#[test]
fn a_new_prompt_for_a_task_that_is_done_is_not_dropped() {
    let place = place(WORKING);
    let line = format!("--project {PROJECT} --task {TASK} --prompt");
    place.run(&format!("task {line} first")).ok();
    for verb in ["task", "job"] {
        let before = place.files();
        let ran = place.run(&format!("{verb} {line} second"));
        let what = format!("run-agent task resume {TASK} --project {PROJECT}");
        ran.fails(4, &what);
        let changed: Vec<_> = changes(&before, &place.files());
        assert!(
            changed.iter().all(|name| name.starts_with("owner")),
            "{changed:?}"
        );
    }
    // What it was done for may be asked again, as a script that runs twice does.
    let out = place.run(&format!("task {line} first")).ok();
    assert!(out.contains("completed (0 attempts)"), "{out}");
    let ran = place.run(&format!("task resume {line} second"));
    assert!(ran.err.contains("TASK.md keeps the first"), "{}", ran.err);
    ran.ok();
    let out = place.run(&format!("task {line} second")).ok();
    assert!(out.contains("completed (0 attempts)"), "{out}");
}

/// Names what differs, derived data aside: a supervisor adds to it as the last thing it does.
fn changes(before: &Files, after: &Files) -> Vec<String> {
    let is_derived = |path: &std::path::Path| path.iter().any(|part| part == ".conductor");
    let mut names: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|path| !is_derived(path))
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.dedup();
    names
}

#[test]
fn a_new_prompt_for_a_task_that_is_not_done_is_used_and_told() {
    let place = place(WORKING);
    let script = "version: 1\nsteps:\n  - say: not yet\n";
    std::fs::write(place.work().join("script.yaml"), script).unwrap();
    let line = format!("--project {PROJECT} --task {TASK} --prompt");
    let told = "TASK.md keeps the first";
    for (prompt, is_told) in [("first", false), ("first", false), ("second", true)] {
        let ran = place.run(&format!("job {line} {prompt}"));
        assert_eq!(ran.err.contains(told), is_told, "{prompt}: {}", ran.err);
        ran.ok();
    }
    let task = place.task(TASK);
    assert_eq!(std::fs::read_to_string(task.prompt()).unwrap(), "first\n");
    let newest = task
        .runs()
        .unwrap()
        .into_iter()
        .max_by_key(|run| run.id().started_at());
    let prompt = std::fs::read_to_string(newest.unwrap().prompt()).unwrap();
    assert!(prompt.ends_with("second\n"), "{prompt}");
}

#[test]
fn an_id_is_announced_once_the_launch_is_accepted() {
    let place = place(WORKING);
    let below_file = place.work().join("script.yaml/root");
    let line = format!("job --project {PROJECT} --prompt x");
    let ran = place.run(&format!("{line} --root {}", below_file.display()));
    assert!(!ran.err.contains("task: "), "{}", ran.err);
    ran.fails(1, "");
    let ran = place.run(&line);
    assert!(ran.err.starts_with("task: task-"), "{}", ran.err);
    ran.ok();
}

#[test]
fn a_root_that_cannot_be_written_is_told() {
    // The folder of the root is a file: nobody, the superuser included, can make a folder below it.
    let place = place(WORKING);
    let below_file = place.work().join("script.yaml/root");
    let line = format!(
        "task --project {PROJECT} --prompt x --root {}",
        below_file.display()
    );
    let ran = place.run_changing_nothing(&line);
    assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
    assert!(ran.err.contains("script.yaml"), "{}", ran.err);
}

#[test]
fn a_root_of_somebody_else_is_told() {
    const NOBODY: u32 = 65534;
    let place = place(WORKING);
    open(place.path(), 0o755);
    open(place.root.path(), 0o755);
    open(&place.work(), 0o755);
    let binary = place.path().join("run-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_run-agent"), &binary).unwrap();
    open(&binary, 0o755);
    let script = format!(
        "cd {} && exec {} task --project {PROJECT} --prompt x --root {}",
        place.work().display(),
        binary.display(),
        place.root.path().display()
    );
    let before = place.files();
    let ran = as_user(
        &script,
        rustix::process::geteuid().is_root().then_some(NOBODY),
        place.root.path(),
    );
    assert_eq!(place.files(), before);
    ran.fails(1, "ermission denied");
}

/// Runs a shell line as another user; without the right to, takes away the own right to write.
fn as_user(script: &str, user: Option<u32>, root: &Path) -> Ran {
    use std::os::unix::process::CommandExt as _;
    #[expect(
        clippy::disallowed_methods,
        reason = "this test is about the process that users start"
    )]
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env_clear()
        .env("HOME", "/nowhere")
        .env("PATH", "/usr/bin:/bin");
    match user {
        Some(user) => {
            command.uid(user).gid(user);
        }
        None => open(root, 0o555),
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left() {
    // A file system of its own, in a mount namespace that ends with the shell.
    let place = place(WORKING);
    let full = place.path().join("full");
    std::fs::create_dir(&full).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k,nr_inodes=64 tmpfs {full} && cd {work} && \
         {{ head -c 1M /dev/zero > {full}/filler 2>/dev/null; true; }} && \
         {binary} task --project {PROJECT} --prompt x --root {full}/root; \
         code=$?; echo left: $(ls -A {full}); exit $code",
        full = full.display(),
        work = place.work().display(),
        binary = env!("CARGO_BIN_EXE_run-agent"),
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "this test is about the process that users start"
    )]
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "/bin/sh", "-c", &script])
        .env("HOME", "/nowhere");
    command.env("CONDUCTOR_CONFIG", place.work().join("conductor.yaml"));
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(err.contains("less than 100 MiB are free"), "{err}");
    assert_eq!(out.trim(), "left: filler", "{err}");
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    open(path, 0o755);
}

fn jiff_now() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

/// Every command that a user may run on a task, for the search for leaked tokens.
const COMMANDS: [&str; 20] = [
    "list --json",
    "list -vv",
    "status --json --project demo",
    "task show --json --project demo --task @",
    "bus read --json --project demo --task @",
    "bus check --project demo --task @",
    "output --project demo --task @",
    "output --file prompt --project demo --task @",
    "logs --project demo --task @",
    "ps --json",
    "ps --all",
    "status --activity --json --project demo",
    "status --activity --concise --project demo",
    "facts list --json --project demo",
    "doctor storage --json",
    "doctor processes --json",
    "config show --json",
    "config show --origin",
    "validate --check-tokens",
    "stop --json --project demo --task @",
];

#[test]
fn no_token_reaches_files_output_or_arguments() {
    const TOKEN: &str = "canary-7f3a9c51d2e84b60";
    const SECRET: &str = "canary-variable-90b1c2d3e4f5";
    let config = format!(
        "agents:\n  c:\n    type: claude\n    command: ./agent\n    token: {TOKEN}\n    \
         env: {{IS_SANDBOX: \"1\", SOME_SECRET: {SECRET}}}\n"
    );
    let place = place(&config);
    // It proves that it was given both, looks at every command line, and tells its secrets as
    // its answer, which we write to output.md.
    program(
        &place.work().join("agent"),
        "#!/bin/sh\n\
         [ \"$1\" = --version ] && { echo 2.1.0; exit; }\n\
         test -n \"$ANTHROPIC_API_KEY\" && test -n \"$SOME_SECRET\" || exit 9\n\
         for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline >> seen-arguments 2>/dev/null; done\n\
         echo \"failing with $ANTHROPIC_API_KEY\" >&2\n\
         printf '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"it is %s and %s\",\"session_id\":\"s\"}\\n' \"$ANTHROPIC_API_KEY\" \"$SOME_SECRET\"\n\
         run-agent bus post --type FACT --body \"I was given $ANTHROPIC_API_KEY and $SOME_SECRET\" || exit 8\n\
         echo \"also $SOME_SECRET\" | run-agent bus post --type FACT || exit 7\n\
         run-agent ps --json >>seen-arguments\n\
         touch \"$JRUN_TASK_FOLDER/DONE\"\n",
    );
    let mut command = place.command(
        format!("task --json -vv --project {PROJECT} --task {TASK} --prompt x").split_whitespace(),
    );
    command.arg("--gate").arg(
        "echo $ANTHROPIC_API_KEY; test -e DONE.rejected-1 -o -e again || { touch again; exit 1; }",
    );
    command
        .args(["--restart-delay", "10ms"])
        .env("PATH", "/usr/bin:/bin");
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    let mut printed = vec![err, String::from_utf8_lossy(&output.stdout).into_owned()];
    for line in COMMANDS {
        let ran = place.run(&line.replace('@', TASK));
        printed.extend([ran.out, ran.err]);
    }
    let seen = std::fs::read_to_string(place.work().join("seen-arguments")).unwrap();
    assert!(
        seen.contains("__supervise"),
        "the look at the arguments saw nothing: {seen}"
    );
    printed.push(seen);
    for text in &printed {
        assert!(!text.contains(TOKEN) && !text.contains(SECRET), "{text}");
    }
    let raw = ["agent-stdout.txt", "agent-stderr.txt"];
    let mut found_raw = false;
    for (path, content) in place.files() {
        if !path.starts_with(place.root.path()) {
            continue;
        }
        let content = String::from_utf8_lossy(&content).into_owned();
        let has_secret = content.contains(TOKEN) || content.contains(SECRET);
        // What an agent or a gate writes does not pass through us; those files are private.
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let is_raw = raw.contains(&name) || path.extension().is_some_and(|end| end == "out");
        if is_raw {
            found_raw |= has_secret;
            assert_eq!(
                path.metadata().unwrap().permissions().mode() & 0o077,
                0,
                "{}",
                path.display()
            );
        } else {
            assert!(!has_secret, "{} holds a secret:\n{content}", path.display());
        }
    }
    assert!(
        found_raw,
        "the agent never had the token, so nothing was shown"
    );
}

#[test]
fn a_server_that_others_can_reach_needs_a_key() {
    let open = Place::new();
    let serve = |place: &Place, more: &str| place.run_changing_nothing(&format!("serve {more}"));
    let refused = serve(&open, "--host 0.0.0.0");
    refused.fails(2, "can be reached from other machines");
    let keyless = self::place("api: {auth_enabled: true}\n");
    serve(&keyless, "").fails(2, "there is no key");
}
