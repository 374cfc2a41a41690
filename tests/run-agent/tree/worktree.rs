//! Tasks on the sources of a git repository, which stay apart from what runs leave.

use std::path::Path;

use crate::stage::{Stage, id};

/// Runs git in `folder` and returns what it printed.
#[track_caller]
fn git(folder: &Path, line: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the judge of what is untracked")]
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args(line.split_whitespace())
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {line}: {err}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes the agents' working folder a repository with the ignore rules of this one.
fn repository(stage: &Stage) -> std::path::PathBuf {
    let top = stage.scenario.work();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.gitignore");
    std::fs::copy(rules, top.join(".gitignore")).unwrap();
    std::fs::write(top.join("source.rs"), "").unwrap();
    git(&top, "init --quiet");
    git(&top, "add .");
    git(&top, "commit --quiet -m start");
    top
}

#[test]
fn a_run_leaves_nothing_untracked_but_what_the_agent_made() {
    for root in ["runs", "../elsewhere"] {
        let stage = Stage::new(
            "  - run: touch made.rs
  - run: touch @/begun-it
  - wait_for: @/go
  - done: true",
        );
        let top = repository(&stage);
        let root = top.join(root);
        stage.detach("top", &format!("--root {}", root.display()));
        stage.wait_for("begun-it");
        let task = root.join("demo").join(id("top"));
        assert!(task.join("owner.yaml").exists(), "it is active");
        assert_eq!(git(&top, "status --short"), "?? made.rs\n", "while it runs");
        stage.touch("go");
        stage.ok(&format!(
            "watch --root {} --task {}",
            root.display(),
            id("top")
        ));
        assert!(task.join("DONE").exists());
        assert_eq!(git(&top, "status --short"), "?? made.rs\n", "afterwards");
        assert_eq!(git(&top, "ls-files -ci --exclude-standard"), "");
    }
}

#[test]
fn the_top_of_a_work_tree_is_no_root_and_no_task_folder() {
    let stage = Stage::new("  - done: true");
    let top = repository(&stage);
    let said = stage.task("top", "--root .");
    said.assert_code(2);
    assert!(said.stderr.contains("is the top of a git work tree"));
    assert!(said.stderr.contains("such as ./runs"), "{}", said.stderr);
    assert_eq!(git(&top, "status --short"), "", "nothing was written");

    let folder = stage.dir("top");
    let clone = folder.path().join("clone");
    std::fs::create_dir_all(&clone).unwrap();
    git(&clone, "init --quiet");
    let said = stage.task("top", &format!("--cwd {}", clone.display()));
    said.assert_code(2);
    assert!(said.stderr.contains("contains the git work tree"));
    git(folder.path(), "init --quiet");
    let said = stage.task("top", "");
    said.assert_code(2);
    assert!(said.stderr.contains("is the top of a git work tree"));
    assert_eq!(git(folder.path(), "status --short"), "?? clone/\n");
}
