//! All checks in order, as a developer and the CI run them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{checks, demo, e2e, hygiene, layers, release, schema_fuzz, secrets, smoke, tidy, ui};

/// One check and what to run when it fails.
struct Step {
    name: &'static str,
    run: fn(&Workspace) -> Result<String>,
    remedy: &'static str,
}

/// The cheap checks come first, and the ones that build most come last.
const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        run: checks::format_check,
        remedy: "cargo xtask fmt",
    },
    Step {
        name: "tidy",
        run: tidy::check,
        remedy: "mend what is listed, then: cargo xtask tidy",
    },
    Step {
        name: "hygiene",
        run: hygiene::check,
        remedy: "git rm --cached what is listed, or mend .gitignore, then: cargo xtask hygiene",
    },
    Step {
        name: "secrets",
        run: secrets::check,
        remedy: "revoke what is real, mark what is made up (docs/dev/security.md), then: cargo xtask secrets",
    },
    Step {
        name: "layers",
        run: layers::check,
        remedy: "remove the dependency, or change xtask/src/layers/table.rs with a reason, then: cargo xtask layers",
    },
    // Before whatever builds the server: that embeds what this makes.
    Step {
        name: "ui",
        run: |workspace| {
            let check = ui::Options {
                check: true,
                ..ui::Options::default()
            };
            ui::run(workspace, check)
        },
        remedy: "mend what is listed, then: cargo xtask ui",
    },
    Step {
        name: "lint",
        run: checks::lint,
        remedy: "mend what is listed, then: cargo xtask lint",
    },
    Step {
        name: "test",
        run: |workspace| checks::test(workspace, &[]),
        remedy: "mend what failed, then: cargo xtask test -- NAME",
    },
    // With the binaries that the tests were run with.
    Step {
        name: "e2e",
        run: e2e::check,
        remedy: "look at the traces in target/e2e/results, then: cargo xtask e2e --dev -- NAME",
    },
    Step {
        name: "schema-fuzz",
        run: |workspace| schema_fuzz::run(workspace, &schema_fuzz::Options::default()),
        remedy: "cargo xtask schema-fuzz --path REGEX; its log has a command for each finding",
    },
    Step {
        name: "release-check",
        run: release::check,
        remedy: "mend what is listed, then: cargo xtask release-check",
    },
    Step {
        name: "demo",
        run: |workspace| demo::run(workspace, None),
        remedy: "look at its files: cargo xtask demo --keep DIR",
    },
    Step {
        name: "smoke startup",
        run: smoke::startup::startup,
        remedy: "cargo xtask smoke startup",
    },
    Step {
        name: "smoke agents",
        run: |workspace| smoke::agents(workspace, &smoke::Wish::default()),
        remedy: "cargo xtask smoke agents --keep DIR; --probe tells whether run-agent is to blame",
    },
];

/// How one step went.
enum Verdict {
    Passed {
        detail: String,
        took: Duration,
    },
    /// It could not be done here, and shows nothing.
    Skipped {
        detail: String,
        took: Duration,
    },
    Failed {
        took: Duration,
    },
    NotRun,
}

/// Runs every step up to the first failure and ends with one line for each.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut verdicts = Vec::new();
    let mut failure = None;
    for step in STEPS {
        if failure.is_some() {
            verdicts.push(Verdict::NotRun);
            continue;
        }
        println!("== {}", step.name);
        let started = Instant::now();
        match (step.run)(workspace) {
            Ok(detail) => {
                println!("{detail}");
                let took = started.elapsed();
                verdicts.push(if is_skipped(&detail) {
                    Verdict::Skipped { detail, took }
                } else {
                    Verdict::Passed { detail, took }
                });
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                let took = started.elapsed();
                verdicts.push(Verdict::Failed { took });
                failure = Some(step);
            }
        }
    }

    println!("== summary of {}", checks::commit(workspace));
    for (step, verdict) in STEPS.iter().zip(&verdicts) {
        println!("{}", summary_line(step.name, verdict));
    }
    if let Some(step) = failure {
        bail!("{} failed. To mend it: {}", step.name, step.remedy);
    }
    Ok(())
}

/// Tells whether a step says that it was skipped.
fn is_skipped(detail: &str) -> bool {
    detail.contains(": SKIPPED")
}

fn summary_line(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed { detail, took } => {
            format!("passed   {:>6.1} s  {detail}", took.as_secs_f64())
        }
        Verdict::Skipped { detail, took } => {
            format!("skipped  {:>6.1} s  {detail}", took.as_secs_f64())
        }
        Verdict::Failed { took } => format!("FAILED   {:>6.1} s  {name}", took.as_secs_f64()),
        Verdict::NotRun => format!("not run           {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_says_what_was_not_run() {
        let took = Duration::from_millis(1500);
        let passed = Verdict::Passed {
            detail: "fmt: fine".to_owned(),
            took,
        };
        assert_eq!(summary_line("fmt", &passed), "passed      1.5 s  fmt: fine");
        let detail = "x: SKIPPED, nothing was asked".to_owned();
        assert!(is_skipped(&detail) && !is_skipped("x: 3 tests, 1 skipped"));
        assert_eq!(
            summary_line("x", &Verdict::Skipped { detail, took }),
            "skipped     1.5 s  x: SKIPPED, nothing was asked"
        );
        assert_eq!(
            summary_line("fmt", &Verdict::Failed { took }),
            "FAILED      1.5 s  fmt"
        );
        assert_eq!(
            summary_line("fmt", &Verdict::NotRun),
            "not run           fmt"
        );
    }
}
