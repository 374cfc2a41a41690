//! `shell-setup`, as the built binary does it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::place::Place;
use crate::schema::assert_valid;

const BEGIN: &str = "# >>> conductor-loop shell aliases (managed by run-agent shell-setup) >>>";

fn home(place: &Place, name: &str) -> PathBuf {
    place.path().join("home").join(name)
}

#[test]
fn aliases_come_and_go_and_the_file_keeps_its_link_and_mode() {
    let place = Place::new();
    let real = place.path().join("dotfiles");
    fs::write(&real, "export A=1\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    let rc = home(&place, ".zshrc");
    symlink(&real, &rc).unwrap();
    let line = "shell-setup install --shell zsh";
    let planned = place
        .run_changing_nothing(&format!("{line} --dry-run"))
        .ok();
    assert!(
        planned.starts_with("[dry-run] shell aliases installed in "),
        "{planned}"
    );
    let json = place.run(&format!("{line} --json")).json();
    assert_valid("shell-setup", &json);
    assert_eq!(json["change"], "installed");
    let text = fs::read_to_string(&real).unwrap();
    assert!(text.starts_with("export A=1\n"), "{text}");
    assert!(
        text.contains("alias claude='run-agent wrap --agent claude --'\n"),
        "{text}"
    );
    let told = place.run_changing_nothing(line).ok();
    assert!(told.contains("already installed"), "{told}");
    let other = format!("{line} --run-agent-bin /opt/run-agent");
    assert!(place.run(&other).ok().contains("updated"));
    let text = fs::read_to_string(&real).unwrap();
    assert_eq!(text.matches(BEGIN).count(), 1, "{text}");
    let json = place.run("shell-setup uninstall --shell zsh --json").json();
    assert_valid("shell-setup", &json);
    assert_eq!(fs::read_to_string(&real).unwrap(), "export A=1\n");
    let told = place
        .run_changing_nothing("shell-setup uninstall --shell zsh")
        .ok();
    assert!(told.starts_with("no shell aliases in "), "{told}");
    assert!(rc.is_symlink());
    let mode = fs::metadata(&real).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_without_a_last_line_end_is_given_back_as_it_was() {
    let place = Place::new();
    let rc = home(&place, ".bashrc");
    for before in ["export A=1", "export A=1\n", "export A=1\n\n", "\n"] {
        fs::write(&rc, before).unwrap();
        place.run("shell-setup install --shell bash").ok();
        let other = "shell-setup install --shell bash --run-agent-bin /opt/run-agent";
        assert!(place.run(other).ok().contains("updated"));
        let text = fs::read_to_string(&rc).unwrap();
        assert_eq!(text.lines().next().unwrap(), before.trim());
        place.run("shell-setup uninstall --shell bash").ok();
        assert_eq!(fs::read_to_string(&rc).unwrap(), before);
    }
}

#[test]
fn a_block_that_lost_its_first_line_is_repaired() {
    let place = Place::new();
    let rc = home(&place, ".bashrc");
    fs::write(&rc, "alias ll='ls -l'\n").unwrap();
    place.run("shell-setup install --shell bash").ok();
    let whole = fs::read_to_string(&rc).unwrap();
    let broken = whole.replace(&format!("{BEGIN}\n"), "");
    fs::write(&rc, &broken).unwrap();
    assert!(
        place
            .run("shell-setup install --shell bash")
            .ok()
            .contains("updated")
    );
    assert_eq!(fs::read_to_string(&rc).unwrap(), whole);
    fs::write(&rc, &broken).unwrap();
    place.run("shell-setup uninstall --shell bash").ok();
    assert_eq!(fs::read_to_string(&rc).unwrap(), "alias ll='ls -l'\n");
}

#[test]
fn every_shell_has_its_file() {
    let place = Place::new();
    for (shell, file) in [
        ("zsh", ".zshrc"),
        ("bash", ".bashrc"),
        ("fish", ".config/fish/config.fish"),
    ] {
        let mut command = place.command(["shell-setup", "install"]);
        command.env("SHELL", format!("/usr/bin/{shell}"));
        assert!(command.output().unwrap().status.success());
        let text = fs::read_to_string(home(&place, file)).unwrap();
        assert!(text.contains("alias gemini="), "{shell}: {text}");
    }
    place
        .run("shell-setup install --shell bash --rc-file ~/other")
        .ok();
    assert!(home(&place, "other").exists());
    place
        .run("shell-setup install --shell bash --rc-file here")
        .ok();
    assert!(place.work().join("here").exists());
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let place = Place::new();
    place
        .run_changing_nothing("shell-setup install")
        .fails(2, "$SHELL is not set");
    place
        .run_changing_nothing("shell-setup install --shell tcsh")
        .fails(2, "tcsh");
    for bad in ["a;b", "$(id)", "a'b", "-x"] {
        let line = format!("shell-setup install --shell zsh --run-agent-bin={bad}");
        place
            .run_changing_nothing(&line)
            .fails(2, "not one plain word");
    }
    let rc = home(&place, ".bashrc");
    fs::write(&rc, format!("a\n{BEGIN}\nalias x='y'\n")).unwrap();
    for verb in ["install", "uninstall"] {
        place
            .run_changing_nothing(&format!("shell-setup {verb} --shell bash"))
            .fails(4, ".bashrc:2: ");
    }
    fs::write(&rc, b"\xff\xfe").unwrap();
    place
        .run_changing_nothing("shell-setup install --shell bash")
        .fails(1, "could not read");
    place
        .run_changing_nothing("shell-setup install --shell bash --rc-file .")
        .fails(1, "could not read");
}
