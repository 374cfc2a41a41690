//! `validate`: would a task start here?

mod agents;
mod root;

use serde::Serialize;
use serde_json::{Value, json};

use crate::args::ValidateArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// Good to know.
    Info,
    /// It works, but should be looked at.
    Warning,
    /// It does not work.
    Error,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// The part that it is about: `config`, `root` or an agent's name.
    about: String,
    message: String,
}

impl Finding {
    fn new(level: Level, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            level,
            about: about.into(),
            message: message.into(),
        }
    }
}

/// Everything that is reported.
#[derive(Debug, Default)]
struct Report {
    config: Option<String>,
    root: Option<root::RootReport>,
    agents: Vec<agents::AgentReport>,
    findings: Vec<Finding>,
}

/// Checks configuration, root and agents.
pub fn run(ctx: &mut Context, args: &ValidateArgs) -> Result<Exit, CliError> {
    let mut report = Report::default();
    match ctx.config.load() {
        Err(error) => {
            let text = cl_config::render(&error);
            report
                .findings
                .push(Finding::new(Level::Error, "config", text));
        }
        Ok(loaded) => {
            let path = loaded.source.path();
            report.config = path.map(|path| path.display().to_string());
            for warning in &loaded.warnings {
                let text = cl_config::render_warning(warning);
                report
                    .findings
                    .push(Finding::new(Level::Warning, "config", text));
            }
            let scope = ctx.scope();
            let root = scope.as_ref().ok().map(|scope| scope.root().clone());
            report.root = Some(root::look(scope, &mut report.findings));
            report.agents = agents::look(ctx, args, &loaded, root.as_ref(), &mut report.findings)?;
        }
    }
    if ctx.console.is_json() {
        let document = to_json(&report);
        ctx.console.json(&document)?;
    } else {
        print(ctx, &report)?;
    }
    let worst = report.findings.iter().map(|finding| finding.level).max();
    let fails = match worst {
        Some(Level::Error) => true,
        Some(Level::Warning) => args.strict,
        _ => false,
    };
    Ok(if fails { Exit::Failed } else { Exit::Success })
}

fn count(report: &Report, level: Level) -> usize {
    let of_level = |finding: &&Finding| finding.level == level;
    report.findings.iter().filter(of_level).count()
}

fn to_json(report: &Report) -> Value {
    json!({
        "config": report.config,
        "root": report.root,
        "agents": report.agents,
        "findings": report.findings,
        "errors": count(report, Level::Error),
        "warnings": count(report, Level::Warning),
    })
}

fn print(ctx: &mut Context, report: &Report) -> Result<(), CliError> {
    let console = &mut ctx.console;
    let config = report.config.as_deref();
    let has_config_error = report
        .findings
        .iter()
        .any(|finding| finding.level == Level::Error && finding.about == "config");
    let config = match (config, has_config_error) {
        (Some(path), _) => path,
        (None, true) => "cannot be used",
        (None, false) => "none, defaults are used",
    };
    console.line(format_args!("Config: {config}"))?;
    if let Some(root) = &report.root {
        console.line(format_args!("Root: {root}"))?;
    }
    if !report.agents.is_empty() {
        console.line("Agents:")?;
        for agent in &report.agents {
            console.line(format_args!("  {agent}"))?;
        }
    }
    for finding in &report.findings {
        let word = match finding.level {
            Level::Info => "Info",
            Level::Warning => "Warning",
            Level::Error => "Error",
        };
        let (about, message) = (&finding.about, finding.message.trim_end());
        console.line(format_args!("{word}: {about}: {message}"))?;
    }
    let (errors, warnings) = (count(report, Level::Error), count(report, Level::Warning));
    console.line(format_args!(
        "Validation: {errors} errors, {warnings} warnings"
    ))
}
