//! `doctor agents`: asks the agents' programs what they can do, without any work but with `--live`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cl_agent::help::{Unknown, flags_in, unknown_flags};
use cl_agent::{
    AgentSpec, CommandRequest, PromptChannel, ResolveError, RunnerVars, Surroundings, Told,
    Version, version_warning,
};
use cl_config::{AgentConfig, AgentKind, select_agent};
use cl_runner::inspect::{Answer, Inspector};
use serde::Serialize;
use serde_json::json;

use super::doctor_live::{self, Live, Trial};
use super::series::Waiting;
use crate::args::DoctorAgentsArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// What is known about one agent.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: String,
    configured: bool,
    pub(super) state: State,
    program: Option<String>,
    version: VersionFact,
    flags: FlagFact,
    /// `config`, `variable`, `file` or `none`; `unknown` where nobody can tell.
    login: &'static str,
    /// None without a program.
    capabilities: Option<Capabilities>,
    /// What is wrong or worth knowing.
    pub(super) findings: Vec<String>,
    /// What came of running it; none if it was not run.
    live: Option<Live>,
}

impl Report {
    /// Tells whether it can be used, as far as is known.
    pub(super) fn is_usable(&self) -> bool {
        let has_failed = self.live.as_ref().is_some_and(|live| !live.ok);
        matches!(self.state, State::Usable | State::Degraded) && !has_failed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It can be used.
    Usable,
    /// It can be used, with less than it should.
    Degraded,
    /// It cannot be used.
    Unusable,
    /// Nobody has configured it, and it is not there.
    NotInstalled,
}

#[derive(Debug, Default, Serialize)]
struct VersionFact {
    installed: Option<String>,
    /// The version that was tried out.
    verified: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct FlagFact {
    /// Whether the program's help could be read.
    known: bool,
    missing_required: Vec<&'static str>,
    missing_optional: Vec<&'static str>,
}

/// What a run of this agent offers.
#[derive(Debug, Serialize)]
struct Capabilities {
    stream: &'static str,
    prompt: cl_agent::PromptChannel,
    resume: bool,
    model: bool,
    tokens: Told,
    cost: Told,
    /// Nothing is known about tool servers.
    mcp: &'static str,
}

/// Asks the agents' programs and prints what they say.
pub(super) fn run(ctx: &mut Context, args: &DoctorAgentsArgs) -> Result<Exit, CliError> {
    let mut reports = match survey(ctx, args.agent.as_deref())? {
        Ok(reports) => reports,
        Err(exit) => return Ok(exit),
    };
    if args.live
        && let Err(exit) = try_out(ctx, &mut reports, args.timeout)?
    {
        return Ok(exit);
    }
    let count = |state| {
        reports
            .iter()
            .filter(|report| report.state == state)
            .count()
    };
    let answered = |ok| {
        let lives = reports.iter().filter_map(|report| report.live.as_ref());
        lives.filter(|live| live.ok == ok).count()
    };
    let (unusable, live_failed) = (count(State::Unusable), answered(false));
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "agents": reports,
            "summary": {
                "usable": count(State::Usable), "degraded": count(State::Degraded),
                "unusable": unusable, "not_installed": count(State::NotInstalled),
                "live_ok": answered(true), "live_failed": live_failed,
            },
        }))?;
    } else {
        for report in &reports {
            print(ctx, report)?;
        }
    }
    Ok(if unusable + live_failed == 0 {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// Asks the program of the agent that is named, or of all; the inner error is that of
/// an interruption.
pub(super) fn survey(
    ctx: &Context,
    named: Option<&str>,
) -> Result<Result<Vec<Report>, Exit>, CliError> {
    let agents = chosen(ctx, named)?;
    let mut inspector = Inspector::prepare()
        .map_err(|error| CliError::failed("could not get ready to ask").caused_by(error))?;
    let executable = super::launching::executable()?;
    let mut reports = Vec::new();
    for (name, agent) in &agents {
        match look(
            ctx,
            &mut inspector,
            &executable,
            name,
            agent,
            named.is_some(),
        )? {
            Ok(report) => reports.push(report),
            Err(exit) => return Ok(Err(exit)),
        }
    }
    // One that came behind the last question.
    Ok(match inspector.interruption() {
        None => Ok(reports),
        Some(2) => Err(Exit::Interrupted),
        Some(_) => Err(Exit::Terminated),
    })
}

/// Runs every agent that can be used once; the inner error is that of an interruption.
fn try_out(
    ctx: &mut Context,
    reports: &mut [Report],
    limit: Duration,
) -> Result<Result<(), Exit>, CliError> {
    let usable: Vec<&mut Report> = (reports.iter_mut())
        .filter(|report| report.is_usable())
        .collect();
    if usable.is_empty() {
        return Ok(Ok(()));
    }
    let names: Vec<&str> = usable.iter().map(|report| report.name.as_str()).collect();
    ctx.console.warn(format_args!(
        "--live runs {} on a tiny prompt each, which spends tokens",
        names.join(", ")
    ));
    let executable = super::launching::executable()?;
    let mut trial = Trial {
        executable: &executable,
        limit,
        waiting: Waiting::plain()?,
    };
    for report in usable {
        ctx.console.note(format_args!("asking {} …", report.name));
        match doctor_live::ask(ctx, &mut trial, &report.name)? {
            Ok(live) => report.live = Some(live),
            Err(exit) => return Ok(Err(exit)),
        }
    }
    Ok(Ok(()))
}

/// Returns the agent that is named, or all there are.
fn chosen(ctx: &Context, named: Option<&str>) -> Result<BTreeMap<String, AgentConfig>, CliError> {
    let config = &ctx.config()?.config;
    if named.is_some() {
        let choice = select_agent(config, named, &ctx.environment).map_err(|error| {
            CliError::not_found(error.to_string())
                .hint("`run-agent doctor agents` without a name lists the agents")
        })?;
        return Ok(BTreeMap::from([(choice.name, choice.agent)]));
    }
    let built_in = AgentKind::BUILT_IN.into_iter().filter_map(|kind| {
        let agent = config.agent(kind.as_str())?;
        Some((kind.as_str().to_owned(), agent.clone()))
    });
    let mut agents: BTreeMap<_, _> = built_in.collect();
    agents.extend(config.agents.clone());
    Ok(agents)
}

/// Looks at one agent; the inner error is that of an interruption.
fn look(
    ctx: &Context,
    inspector: &mut Inspector,
    executable: &Path,
    name: &str,
    agent: &AgentConfig,
    is_named: bool,
) -> Result<Result<Report, Exit>, CliError> {
    let configured = ctx.config()?.config.agents.contains_key(name);
    let mut report = Report {
        name: name.to_owned(),
        kind: agent.kind.as_str().to_owned(),
        configured,
        state: State::Usable,
        program: None,
        version: VersionFact::default(),
        flags: FlagFact::default(),
        login: "unknown",
        capabilities: None,
        findings: Vec::new(),
        live: None,
    };
    let around = Surroundings {
        environment: &ctx.environment,
        executable,
        is_root: rustix::process::geteuid().is_root(),
    };
    let spec = match cl_agent::resolve(name, agent, &around) {
        Ok(spec) => spec,
        Err(ResolveError::ProgramMissing { program, hint, .. }) if !configured && !is_named => {
            report.state = State::NotInstalled;
            report
                .findings
                .push(format!("{program} is not installed; {hint}"));
            return Ok(Ok(report));
        }
        Err(error) => {
            report.state = State::Unusable;
            let error = CliError::failed("it cannot be started").caused_by(error);
            report.findings.push(error.chain());
            return Ok(Ok(report));
        }
    };
    report.login = login(ctx, &spec, agent);
    note_login(&spec, &mut report);
    report.capabilities = Some(capabilities(&spec));
    if !spec.adapter().program.is_empty() {
        report.program = Some(spec.program.display().to_string());
        if let Err(exit) = ask(ctx, inspector, &spec, &mut report) {
            return Ok(Err(exit));
        }
    }
    Ok(Ok(report))
}

/// Asks the program for its version and its help.
fn ask(
    ctx: &Context,
    inspector: &mut Inspector,
    spec: &AgentSpec,
    report: &mut Report,
) -> Result<(), Exit> {
    let table = spec.adapter();
    let base = ctx
        .environment
        .variables()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
    // No token: nothing that is asked here needs one.
    let env = cl_agent::environment(&base.collect(), spec, None, &RunnerVars::default());
    let cwd = ctx.environment.current_dir();
    let mut texts = Vec::new();
    for args in [spec.version_args.clone(), to_args(table.help_args)] {
        match inspector.ask(&spec.program, &args, &env, cwd) {
            Ok(Answer::Text(text)) => texts.push(text),
            Ok(Answer::TooLong) => {
                report.state = State::Degraded;
                let asked = args.join(" ");
                let text = format!("it did not answer {asked} in time");
                report.findings.push(text);
                texts.push(String::new());
            }
            Ok(Answer::Interrupted(2)) => return Err(Exit::Interrupted),
            Ok(Answer::Interrupted(_)) => return Err(Exit::Terminated),
            Err(error) => {
                report.state = State::Unusable;
                let error = CliError::failed("it cannot be started").caused_by(error);
                report.findings.push(error.chain());
                return Ok(());
            }
        }
    }
    note_version(spec, &texts[0], report);
    note_flags(spec, &texts[1], report);
    Ok(())
}

fn note_version(spec: &AgentSpec, text: &str, report: &mut Report) {
    let installed = Version::find(text);
    let verified = spec.adapter().verified_version;
    report.version = VersionFact {
        installed: installed.map(|version| version.to_string()),
        verified: verified.map(|version| version.to_string()),
    };
    if let Some(warning) = version_warning(spec.kind, text) {
        report.state = State::Degraded;
        report.findings.push(warning);
    } else if let (Some(installed), Some(verified)) = (installed, verified)
        && installed != verified
    {
        let text = format!("version {installed} was not tried out; {verified} was");
        report.findings.push(text);
    }
}

fn note_flags(spec: &AgentSpec, help: &str, report: &mut Report) {
    let line = spec.command_line(&CommandRequest {
        prompt_path: Path::new("/prompt.md"),
        prompt_text: "",
        resume_session: None,
    });
    let Some(unknown) = unknown_flags(&flags_in(help), spec, &line) else {
        report
            .findings
            .push("its help could not be read, so its flags are not known".to_owned());
        return;
    };
    let Unknown { required, optional } = unknown;
    if !required.is_empty() {
        report.state = State::Unusable;
        let (flags, hint) = (required.join(", "), spec.adapter().install_hint);
        let text = format!("it does not know {flags}; update it: {hint}");
        report.findings.push(text);
    } else if !optional.is_empty() {
        report.state = State::Degraded;
        let flags = optional.join(", ");
        let text = format!("it does not know {flags}; its output will be plain text");
        report.findings.push(text);
    }
    report.flags = FlagFact {
        known: true,
        missing_required: required,
        missing_optional: optional,
    };
}

/// Tells where a login would come from; no secret is read for that.
fn login(ctx: &Context, spec: &AgentSpec, agent: &AgentConfig) -> &'static str {
    let table = spec.adapter();
    if agent.token.is_some() {
        return "config";
    }
    let secrets = table.secret_vars.iter().copied();
    let has_variable = secrets
        .chain(spec.token_vars.iter().map(String::as_str))
        .any(|name| agent.env.contains_key(name) || ctx.environment.get(name).is_some());
    if has_variable {
        return "variable";
    }
    if spec.kind.is_service() {
        return "none";
    }
    if table.logins.is_empty() {
        return "unknown";
    }
    let home = ctx.environment.get("HOME").unwrap_or_default();
    let has_file = table.logins.iter().any(|login| {
        let named = login.folder_var.and_then(|name| ctx.environment.get(name));
        let folder = named.map_or_else(|| Path::new(home).join(login.folder), Into::into);
        folder.join(login.file).is_file()
    });
    if has_file { "file" } else { "none" }
}

/// A service has no login of its own; a program may have one that nobody else knows of.
fn note_login(spec: &AgentSpec, report: &mut Report) {
    if report.login != "none" {
        return;
    }
    if spec.kind.is_service() {
        report.state = State::Unusable;
        let variable = spec.token_var().unwrap_or("of its key");
        report.findings.push(format!(
            "it has no key; set `token_file` or `token` of this agent, or the variable {variable}"
        ));
    } else {
        let text =
            "no login was found; log in with the program itself, or set `token_file` or `token`";
        report.findings.push(text.to_owned());
    }
}

fn capabilities(spec: &AgentSpec) -> Capabilities {
    let table = spec.adapter();
    let takes_model = table
        .args
        .iter()
        .any(|arg| matches!(arg, cl_agent::adapter::Arg::Model(_)));
    Capabilities {
        stream: spec.dialect.as_str(),
        prompt: spec.prompt,
        resume: spec.resumes(),
        model: takes_model || !spec.model_args.is_empty(),
        tokens: table.tokens,
        cost: table.cost,
        mcp: "unknown",
    }
}

fn print(ctx: &mut Context, report: &Report) -> Result<(), CliError> {
    let state = match report.state {
        State::Usable => "usable",
        State::Degraded => "degraded",
        State::Unusable => "unusable",
        State::NotInstalled => "not installed",
    };
    let console = &mut ctx.console;
    let (name, kind) = (&report.name, &report.kind);
    let channel = |prompt| match prompt {
        PromptChannel::Stdin => "on standard input",
        PromptChannel::Argument => "as an argument",
        PromptChannel::File => "in a file",
    };
    console.line(format_args!("{name} ({kind}): {state}"))?;
    if let Some(program) = &report.program {
        let installed = report.version.installed.as_deref().unwrap_or("unknown");
        let verified = report.version.verified.as_deref().unwrap_or("none");
        console.line(format_args!(
            "    program: {program}, version {installed} (tried out: {verified})"
        ))?;
    }
    if let Some(can) = &report.capabilities {
        let yes = |it| if it { "yes" } else { "no" };
        let told = |told| match told {
            Told::Stream => "in its stream",
            Told::File => "in a file",
            Told::No => "no",
        };
        console.line(format_args!(
            "    stream: {}, prompt: {}, resume: {}, model: {}, tokens: {}, cost: {}, mcp: {}, login: {}",
            can.stream,
            channel(can.prompt),
            yes(can.resume),
            yes(can.model),
            told(can.tokens),
            told(can.cost),
            can.mcp,
            report.login,
        ))?;
    }
    for finding in &report.findings {
        console.line(format_args!("    {finding}"))?;
    }
    if let Some(live) = &report.live {
        console.line(format_args!("    live: {live}"))?;
    }
    Ok(())
}

fn to_args(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}
