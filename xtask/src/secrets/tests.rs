//! The scan over repositories of its own.

use xshell::cmd;

use super::*;

/// A token that does not say that it is made up.
fn token() -> String {
    format!("sk-{}", "7QX4".repeat(10))
}

fn repository() -> (tempfile::TempDir, Shell) {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new().unwrap();
    shell.change_dir(folder.path());
    shell.set_var("GIT_CONFIG_GLOBAL", "/dev/null");
    for name in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        shell.set_var(format!("{name}_NAME"), "a");
        shell.set_var(format!("{name}_EMAIL"), "a@example.org");
    }
    cmd!(shell, "git init --quiet -b main").run().unwrap();
    (folder, shell)
}

fn commit(shell: &Shell, message: &str) -> String {
    cmd!(shell, "git add --all").run().unwrap();
    cmd!(shell, "git commit --quiet --allow-empty -m {message}")
        .run()
        .unwrap();
    cmd!(shell, "git rev-parse HEAD").quiet().read().unwrap()
}

fn found(folder: &tempfile::TempDir, shell: &Shell, options: &Options) -> Vec<Finding> {
    let scan = look(shell, folder.path(), options).unwrap();
    for finding in &scan.findings {
        assert!(!finding.to_string().contains(&token()), "{finding}");
        let json = serde_json::to_string(finding).unwrap();
        assert!(!json.contains(&token()), "{json}");
    }
    scan.findings.into_iter().collect()
}

fn history() -> Options {
    Options {
        history: true,
        ..Options::default()
    }
}

#[test]
fn a_key_that_was_added_and_removed_is_found_in_the_history() {
    let (folder, shell) = repository();
    shell.write_file("a.txt", "one\ntwo\n").unwrap();
    commit(&shell, "first");
    let text = format!(
        "one\n++ not a heading\nkey: {}\n-- nor this\ntwo\n",
        token()
    );
    shell.write_file("a.txt", text).unwrap();
    let added = commit(&shell, "second");
    shell.write_file("a.txt", "one\ntwo\n").unwrap();
    commit(&shell, "third");
    assert_eq!(found(&folder, &shell, &Options::default()), []);
    let hits = found(&folder, &shell, &history());
    assert_eq!(hits.len(), 1, "{hits:?}");
    let place = (
        hits[0].commit.as_deref(),
        hits[0].path.as_str(),
        hits[0].line,
    );
    assert_eq!(place, (Some(added.as_str()), "a.txt", 3));
    assert_eq!(hits[0].excerpt, "sk-7QX********X4");
    let since = Options {
        range: vec![format!("{added}..HEAD")],
        ..history()
    };
    assert_eq!(found(&folder, &shell, &since), []);
}

#[test]
fn messages_and_other_branches_are_looked_through() {
    let (folder, shell) = repository();
    commit(&shell, "first");
    cmd!(shell, "git switch --quiet -c other").run().unwrap();
    commit(&shell, &format!("second\n\n{}", token()));
    cmd!(shell, "git switch --quiet main").run().unwrap();
    let hits = found(&folder, &shell, &history());
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!((hits[0].path.as_str(), hits[0].line), ("(message)", 3));
}

#[test]
fn what_is_staged_counts_and_not_what_stands_in_the_file() {
    let (folder, shell) = repository();
    commit(&shell, "first");
    let options = Options {
        staged: true,
        ..Options::default()
    };
    shell.write_file("a b.txt", token()).unwrap();
    cmd!(shell, "git add --all").run().unwrap();
    shell.write_file("a b.txt", "mended").unwrap();
    let hits = found(&folder, &shell, &options);
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!((&*hits[0].path, hits[0].line), ("a b.txt", 1));
    cmd!(shell, "git add --all").run().unwrap();
    assert_eq!(found(&folder, &shell, &options), []);
}

#[test]
fn ignored_files_are_looked_through_where_secrets_are_kept() {
    let (folder, shell) = repository();
    shell
        .write_file(".gitignore", "*.env\n*.log\n/target\n/runs\n")
        .unwrap();
    for path in ["prod.env", "notes.log", "target/my.env", "runs/p/prompt.md"] {
        shell.write_file(path, token()).unwrap();
    }
    let hits = found(&folder, &shell, &Options::default());
    let paths: Vec<&str> = hits.iter().map(|hit| hit.path.as_str()).collect();
    assert_eq!(paths, ["prod.env", "runs/p/prompt.md"]);
    let one = Options {
        paths: vec!["notes.log".into()],
        ..Options::default()
    };
    assert_eq!(found(&folder, &shell, &one).len(), 1);
    let missing = Options {
        paths: vec!["missing".into()],
        ..Options::default()
    };
    assert!(look(&shell, folder.path(), &missing).is_err());
}

#[test]
fn a_baseline_leaves_out_what_is_known_and_nothing_else() {
    let (folder, shell) = repository();
    shell.write_file("a.txt", token()).unwrap();
    let report = Report {
        version: 1,
        findings: found(&folder, &shell, &Options::default()),
        looked_at: 1,
        skipped: Vec::new(),
    };
    let path = folder.path().join("baseline.json");
    std::fs::write(&path, serde_json::to_string(&report).unwrap()).unwrap();
    let known = baseline(&path).unwrap();
    let other = format!("moved\n{}\nAKIA{}\n", token(), "7QX4".repeat(4));
    shell.write_file("a.txt", other).unwrap();
    let hits = found(&folder, &shell, &Options::default());
    let new: Vec<_> = hits
        .iter()
        .filter(|hit| !known.contains(&hit.fingerprint))
        .map(|hit| hit.rule.as_str())
        .collect();
    assert_eq!((hits.len(), new), (2, vec!["token of AWS"]));
    std::fs::write(&path, "[]").unwrap();
    assert!(baseline(&path).is_err());
}

#[test]
fn the_history_of_this_repository_holds_no_secrets() {
    let workspace = Workspace::open().unwrap();
    let scan = look(workspace.shell(), workspace.root(), &history()).unwrap();
    let report: Vec<String> = scan.findings.iter().map(ToString::to_string).collect();
    assert!(report.is_empty(), "{}", report.join("\n"));
}
