//! Bad input: a clear message, the right exit code, and no new files.

use std::os::unix::fs::PermissionsExt as _;

use crate::place::{Place, TASK};

/// Every command that takes a scope; `@` stands for the scope's flags.
const SCOPED: [&str; 16] = [
    "list @",
    "status @",
    "watch --timeout 100ms @",
    "output @",
    "logs @",
    "task show @",
    "task stop @",
    "task resume @",
    "resume @",
    "stop @",
    "task --prompt x @",
    "job --prompt x @",
    "bus post --body x @",
    "bus read @",
    "bus check @",
    "bus discover @",
];

fn each(scope: &str) -> impl Iterator<Item = String> {
    SCOPED.iter().map(move |line| line.replace('@', scope))
}

#[test]
fn a_time_that_never_ends_is_refused() {
    let place = Place::new();
    place.task(TASK);
    for line in [
        "stop --grace 18446744073709551615",
        "watch --timeout 8761h",
        "task --prompt x --idle-timeout 99999999999",
    ] {
        let line = format!("{line} --project demo --task {TASK}");
        (place.run_changing_nothing(&line)).fails(2, "the longest is 365 days");
    }
}

#[test]
fn ids_that_are_none_are_refused_by_every_command() {
    let place = Place::new();
    place.task(TASK);
    for project in [
        "../../x",
        "..",
        "a/b",
        "_audit",
        ".conductor",
        "UPPER",
        "a\u{1}b",
    ] {
        for line in each(&format!("--project {project} --task {TASK}")) {
            place.run_changing_nothing(&line).fails(2, "from --project");
        }
    }
    for task in ["../x", "..", "a/b", ".git", "_x", "a\\b"] {
        for line in each(&format!("--project demo --task {task}")) {
            place.run_changing_nothing(&line).fails(2, "from --task");
        }
    }
}

#[test]
fn recovering_what_does_not_exist_is_no_success() {
    let place = Place::new();
    place.task(TASK);
    for line in ["recover", "recover --dry-run"] {
        let fails = |scope: &str, part: &str| {
            (place.run(&format!("{line} {scope}"))).fails(3, part);
        };
        fails("--project nowhere", "project nowhere does not exist");
        fails(
            "--project demo --task task-20260101-000000-none",
            "does not exist in project demo",
        );
        fails("--task nothing", "does not exist in any project");
        place.run(&format!("{line} --project demo")).ok();
        place.run(&format!("{line} --task {TASK}")).ok();
    }
}

#[test]
fn an_empty_id_is_named() {
    let place = Place::new();
    for line in [
        "list --project=",
        "status --project=",
        "bus read --project=",
    ] {
        place
            .run_changing_nothing(line)
            .fails(2, "project ID is empty");
    }
}

#[test]
fn tampered_variables_are_refused_by_every_command() {
    let place = Place::new();
    place.task(TASK);
    let before = place.files();
    for line in each("") {
        let mut command = place.command(line.split_whitespace());
        let output = command.env("JRUN_PROJECT_ID", "../../x").output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {err}");
        assert!(err.contains("from $JRUN_PROJECT_ID"), "{line}: {err}");
    }
    assert_eq!(place.files(), before);
}

#[test]
fn linked_folders_are_refused_by_every_command() {
    let place = Place::new();
    // With an agent that could be started, nothing but the link is in the way.
    let config = "agents:\n  none:\n    type: command\n    command: [/bin/true]\n";
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let task = place.task(TASK);
    let outside = place.work().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::remove_dir_all(task.path()).unwrap();
    std::os::unix::fs::symlink(&outside, task.path()).unwrap();
    for line in each(&format!("--project demo --task {TASK}")) {
        place.run_changing_nothing(&line).fails(4, "symbolic link");
    }
    let project = place.root.path().join("linked");
    std::os::unix::fs::symlink(&outside, &project).unwrap();
    for line in each(&format!("--project linked --task {TASK}")) {
        place.run_changing_nothing(&line).fails(4, "symbolic link");
    }
    // A listing passes over them.
    assert_eq!(place.run_changing_nothing("list").ok(), "demo\n");
    assert_eq!(place.run_changing_nothing("list --project demo").ok(), "");
}

#[test]
fn what_does_not_exist_is_an_exit_code_of_three() {
    let place = Place::new();
    place.task(TASK);
    let none = "--project demo --task task-20260101-000000-none";
    for line in each(none) {
        if line.starts_with("task --prompt") || line.starts_with("job") {
            continue;
        }
        place.run_changing_nothing(&line).fails(3, "does not exist");
    }
    for line in ["list", "status", "watch", "bus read", "bus post --body x"] {
        let line = format!("{line} --project none");
        place.run_changing_nothing(&line).fails(3, "does not exist");
    }
}

#[test]
fn a_root_that_is_a_file_is_refused_by_every_command() {
    let place = Place::new();
    let file = place.work().join("file");
    std::fs::write(&file, "").unwrap();
    for line in each(&format!("--project demo --task {TASK} --root file")) {
        place
            .run_changing_nothing(&line)
            .fails(2, "is not a folder");
    }
}

#[test]
fn errors_are_json_when_json_was_asked_for() {
    let place = Place::new();
    for (line, code, word) in [
        ("list --json --project ../x", 2, "usage"),
        ("status --json --project none", 3, "not_found"),
        ("nonsense --json", 2, "usage"),
        ("watch --json --timeout soon", 2, "usage"),
    ] {
        let ran = place.run_changing_nothing(line);
        assert_eq!(ran.code, Some(code), "{line}");
        assert_eq!(ran.out, "", "{line}");
        let json: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!(json["error"]["code"], word, "{line}");
        assert!(json["error"]["message"].is_string());
        assert!(json["error"].get("hint").is_some());
    }
}

#[test]
fn errors_come_with_what_to_do() {
    let place = Place::new();
    let ran = place.run_changing_nothing("status --project none");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].starts_with("Error: "), "{}", ran.err);
    assert!(lines[1].starts_with("Hint: "), "{}", ran.err);
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_folder_that_may_not_be_read_is_told() {
    if rustix::process::geteuid().is_root() {
        // Permissions do not hold for the superuser; `as_nobody` covers this.
        return as_nobody();
    }
    let place = Place::new();
    place.task(TASK);
    let project = place.root.path().join("demo");
    std::fs::set_permissions(&project, std::fs::Permissions::from_mode(0o000)).unwrap();
    let ran = place.run("list --project demo");
    std::fs::set_permissions(&project, std::fs::Permissions::from_mode(0o700)).unwrap();
    ran.fails(1, "could not use");
}

/// Looks at a root that belongs to somebody else.
fn as_nobody() {
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65534;
    let place = Place::new();
    place.task(TASK);
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(place.path(), 0o755);
    let binary = place.path().join("run-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_run-agent"), &binary).unwrap();
    open(&binary, 0o755);
    let run = |line: &str| {
        let before = place.files();
        #[expect(
            clippy::disallowed_methods,
            reason = "this test is about the process that users start"
        )]
        let mut command = std::process::Command::new(&binary);
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", "/nowhere")
            .env("CONDUCTOR_ROOT", place.root.path())
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY);
        let output = command.output().unwrap();
        assert_eq!(place.files(), before, "{line}");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), out, err)
    };
    let (code, _, err) = run(&format!("bus post --project demo --task {TASK} --body x"));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("ermission denied"), "{err}");
    let (code, out, _) = run("list");
    assert_eq!((code, out.as_str()), (Some(0), "demo\n"));
    let (code, out, _) = run("validate");
    assert_eq!(code, Some(1));
    assert!(out.contains("cannot be written to"), "{out}");
    open(place.root.path(), 0o700);
    let (code, _, err) = run("list");
    assert_eq!(code, Some(1), "{err}");
}
