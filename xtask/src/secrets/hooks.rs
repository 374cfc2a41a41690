//! `cargo xtask hooks install`: git runs the scan before a commit and before a push.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::workspace::Workspace;

/// Tells a hook of ours from one that was there before.
const MARK: &str = "# Made by cargo xtask hooks install";

/// Scans what is committed. Whatever keeps the scan from running ends the commit.
const PRE_COMMIT: &str = "
exec cargo xtask secrets --staged
";

/// Scans the commits that are pushed and that no remote has.
const PRE_PUSH: &str = r#"
while read -r _ new _ old; do
    case $new in *[!0]*) ;; *) continue ;; esac
    case $old in
    *[!0]*) git cat-file -e "$old" 2>/dev/null && set -- "$new" "^$old" || set -- "$new" --not --remotes ;;
    *) set -- "$new" --not --remotes ;;
    esac
    for word; do set -- "$@" "--range=$word"; shift; done
    cargo xtask secrets --history "$@" </dev/null || exit 1
done <<END
$lines
END
"#;

/// Puts both hooks where git looks for them; those that are there already are run first.
pub(crate) fn install(workspace: &Workspace) -> Result<String> {
    let places = install_in(workspace.shell(), workspace.root())?;
    Ok(format!("hooks: {}", places.join(", ")))
}

fn install_in(shell: &Shell, root: &Path) -> Result<Vec<String>> {
    // git itself knows of core.hooksPath, and of work trees.
    let folder = cmd!(shell, "git rev-parse --git-path hooks")
        .quiet()
        .read()
        .context("git could not say where its hooks are")?;
    let folder = root.join(folder);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    let mut places = Vec::new();
    for (name, body) in [("pre-commit", PRE_COMMIT), ("pre-push", PRE_PUSH)] {
        let path = folder.join(name);
        let earlier = folder.join(format!("{name}.before-conductor"));
        let shown = path.display().to_string();
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if path.symlink_metadata().is_ok() && !found.contains(MARK) {
            cl_storage::durable::rename_no_replace(&path, &earlier)
                .with_context(|| format!("could not keep {shown} as {}", earlier.display()))?;
        }
        let text = format!(
            "#!/bin/sh\n{MARK}; an earlier hook is kept beside it and runs first.\n\
             lines=$(cat)\nbefore=\"$(dirname \"$0\")/{name}.before-conductor\"\n\
             if [ -x \"$before\" ]; then printf '%s\\n' \"$lines\" | \"$before\" \"$@\" || exit $?; fi\n{}",
            body.trim_start()
        );
        let text = if name == "pre-commit" {
            // git gives it nothing to read, and a terminal would be waited for.
            text.replace("lines=$(cat)\n", "lines=\n")
        } else {
            text
        };
        cl_storage::durable::replace(&path, text.as_bytes(), cl_storage::durable::Mode::Shared)
            .with_context(|| format!("could not write {shown}"))?;
        cmd!(shell, "chmod +x {path}").quiet().run()?;
        places.push(shown);
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with a stand-in for cargo that says how it was called, and fails if told to.
    fn repository() -> (tempfile::TempDir, Shell) {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new().unwrap();
        shell.change_dir(folder.path());
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
        ] {
            shell.set_var(name, value);
        }
        cmd!(shell, "git init --quiet -b main").run().unwrap();
        let cargo = "#!/bin/sh\necho \"$*\" >>called\n[ ! -e refuse ]\n";
        shell.write_file("bin/cargo", cargo).unwrap();
        cmd!(shell, "chmod +x bin/cargo").quiet().run().unwrap();
        let path = format!("{}/bin:/usr/bin:/bin", folder.path().display());
        shell.set_var("PATH", path);
        (folder, shell)
    }

    #[test]
    fn hooks_run_the_scan_keep_what_was_there_and_fail_closed() {
        let (folder, shell) = repository();
        let hook = folder.path().join(".git/hooks/pre-commit");
        shell
            .write_file(&hook, "#!/bin/sh\necho earlier >>called\n")
            .unwrap();
        cmd!(shell, "chmod +x {hook}").quiet().run().unwrap();
        let first = install_in(&shell, folder.path()).unwrap();
        let text = shell.read_file(&hook).unwrap();
        assert_eq!(install_in(&shell, folder.path()).unwrap(), first);
        assert_eq!(shell.read_file(&hook).unwrap(), text, "twice is once");
        let commit = || {
            let command = cmd!(shell, "git commit --quiet --allow-empty -m change");
            command.quiet().ignore_stderr().run().is_ok()
        };
        assert!(commit());
        assert_eq!(
            shell.read_file("called").unwrap(),
            "earlier\nxtask secrets --staged\n"
        );
        shell.write_file("refuse", "").unwrap();
        assert!(!commit(), "a finding ends the commit");
        shell.remove_path("refuse").unwrap();
        shell.remove_path("bin/cargo").unwrap();
        assert!(!commit(), "no scan, no commit");
    }

    #[test]
    fn a_push_scans_what_no_remote_has() {
        let (folder, shell) = repository();
        install_in(&shell, folder.path()).unwrap();
        cmd!(shell, "git init --quiet --bare there").run().unwrap();
        cmd!(shell, "git remote add origin there").run().unwrap();
        let commit = || {
            cmd!(
                shell,
                "git commit --quiet --no-verify --allow-empty -m change"
            )
            .run()
            .unwrap();
            cmd!(shell, "git rev-parse HEAD").quiet().read().unwrap()
        };
        let push = || {
            let command = cmd!(shell, "git push --quiet origin main");
            command.quiet().ignore_stderr().run().is_ok()
        };
        let first = commit();
        assert!(push());
        let second = commit();
        assert!(push());
        assert_eq!(
            shell.read_file("called").unwrap(),
            format!(
                "xtask secrets --history --range={first} --range=--not --range=--remotes\n\
                 xtask secrets --history --range={second} --range=^{first}\n"
            )
        );
        commit();
        shell.write_file("refuse", "").unwrap();
        assert!(!push(), "a finding ends the push");
    }

    #[test]
    fn another_place_for_hooks_is_respected() {
        let (folder, shell) = repository();
        cmd!(shell, "git config core.hooksPath my-hooks")
            .run()
            .unwrap();
        install_in(&shell, folder.path()).unwrap();
        assert!(folder.path().join("my-hooks/pre-push").is_file());
        assert!(!folder.path().join(".git/hooks/pre-push").exists());
    }
}
