//! Secrets in what agents have written, on their way to a screen.

use std::io::{BufRead as _, BufReader, Write as _};

use cl_storage::run_info::{self, RunStatus};

use crate::place::{Place, TASK, add_run, alive, ended};

const KNOWN: &str = "canary-known-to-the-configuration";
const SHAPED: &str = "sk-ant-canary-0123456789abcdef";

fn place() -> Place {
    let place = Place::new();
    let config = format!("agents:\n  mine: {{type: claude, token: {KNOWN}}}\n");
    let path = place.work().join("conductor.yaml");
    std::fs::write(&path, config).unwrap();
    // Tokens are for the owner's eyes.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).unwrap();
    place
}

fn said(text: &str) -> String {
    let event = serde_json::json!({
        "type": "assistant", "message": {"content": [{"type": "text", "text": text}]},
    });
    format!("{event}\n")
}

fn filled() -> Place {
    let place = place();
    let task = place.task(TASK);
    let run = add_run(&task, 1, ended(RunStatus::Completed, 0));
    let text = format!("The keys are {KNOWN} and {SHAPED}, not sk-nothing.");
    std::fs::write(run.output(), format!("{text}\n")).unwrap();
    std::fs::write(run.stdout(), said(&text)).unwrap();
    std::fs::write(run.stderr(), format!("{text}\n\u{fffd} end")).unwrap();
    std::fs::write(run.prompt(), &text).unwrap();
    std::fs::write(task.supervisor_log(), format!("{text}\n")).unwrap();
    place
}

#[test]
fn what_agents_wrote_is_printed_without_secrets() {
    let place = filled();
    for line in [
        "output",
        "output --tail 1",
        "output --follow",
        "output --file stdout",
        "output --file stderr",
        "output --file prompt",
        "output --json",
        "output --json --file stdout",
        "logs",
        "logs --runs",
        "logs --runs --json",
        "logs --follow",
    ] {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let line = format!("{verb} {TASK} --project demo {rest}");
        let out = place.run_changing_nothing(&line).ok();
        assert!(!out.contains("canary"), "{line}: {out}");
        assert_eq!(out.matches("[REDACTED]").count(), 2, "{line}: {out}");
        assert!(out.contains("not sk-nothing."), "{line}: {out}");
        let raw = place.run_changing_nothing(&format!("{line} --raw")).ok();
        assert!(raw.contains(KNOWN) && raw.contains(SHAPED), "{line}: {raw}");
    }
    let run = place.task(TASK).runs().unwrap().pop().unwrap();
    let kept = std::fs::read_to_string(run.stdout()).unwrap();
    assert!(kept.contains(KNOWN), "files stay as they are: {kept}");
}

#[test]
fn a_configuration_that_cannot_be_read_hides_nothing_else() {
    let place = filled();
    std::fs::write(place.work().join("conductor.yaml"), "agents: [\n").unwrap();
    let root = place.path().join("root");
    let line = format!("output {TASK} --project demo --root {}", root.display());
    let ran = place.run(&line);
    if ran.code == Some(0) {
        assert!(!ran.out.contains(SHAPED), "{}", ran.out);
        assert!(ran.err.contains("are not masked"), "{}", ran.err);
    } else {
        // It needs the configuration for more than masking, and says so.
        assert!(!ran.out.contains("canary"), "{}", ran.out);
        assert!(ran.err.contains("conductor.yaml"), "{}", ran.err);
    }
}

#[test]
fn a_secret_that_comes_in_two_pieces_is_masked() {
    let place = place();
    let run = add_run(&place.task(TASK), 1, alive);
    let mut stdout = std::fs::File::create(run.stdout()).unwrap();
    write!(stdout, "begun {}", &KNOWN[..20]).unwrap();
    let mut child = place.start(&format!(
        "output {TASK} --project demo --follow --file stdout"
    ));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = [0; 6];
    std::io::Read::read_exact(&mut out, &mut first).unwrap();
    assert_eq!(&first, b"begun ", "what is certain is shown at once");
    writeln!(stdout, "{} goes on", &KNOWN[20..]).unwrap();
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "[REDACTED] goes on\n");
    write!(stdout, "the last words").unwrap();
    run_info::update(&run, ended(RunStatus::Completed, 0)).unwrap();
    let rest: Vec<String> = out.lines().map(Result::unwrap).collect();
    assert_eq!(rest.last().map(String::as_str), Some("the last words"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_shown_of_a_task_at_work_is_masked() {
    let place = place();
    let script = format!(
        "#!/bin/sh\necho 'key {KNOWN} {SHAPED}'\necho end >\"$JRUN_RUN_FOLDER/output.md\"\n"
    );
    std::fs::write(place.work().join("agent.sh"), script).unwrap();
    let config = format!(
        "agents:\n  mine: {{type: command, command: [/bin/sh, agent.sh], version_args: []}}\n  \
         other: {{type: claude, token: {KNOWN}}}\ndefaults: {{agent: mine}}\n"
    );
    std::fs::write(place.work().join("conductor.yaml"), config).unwrap();
    let ran = place.run(&format!("job {TASK} --project demo --prompt x --follow"));
    let out = ran.ok();
    assert!(out.contains("key [REDACTED] [REDACTED]"), "{out}");
    assert!(!out.contains("canary"), "{out}");
}
