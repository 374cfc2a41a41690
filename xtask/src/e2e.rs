//! The web UI in a real browser, with real servers and scripted agents.
//!
//! The tests and what they stand on are written for Playwright, in `crates/cl-api/ui/e2e`. Here everything is built that
//! they need, and what they measured is compared with what was promised (docs/dev/performance.md, U1 and U2).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cl_testkit::bench_data;
use serde::Deserialize;
use xshell::cmd;

use crate::ui;
use crate::workspace::{Workspace, outside_any_run};

const BINARIES: &[&str] = &["conductor", "run-agent"];
/// Where Debian's package puts it.
const CHROMIUM: &str = "/usr/bin/chromium";
/// Tasks, and runs of each, of the root whose first paint is measured.
const SHOWN: (u32, u32) = (1000, 3);
/// How long lines are watched unless something else is said, in minutes.
const MINUTES: u32 = 10;
/// How long the installation of the browser may take, in seconds.
const INSTALLATION: &str = "300";

/// What is tested or measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Measure U1 and U2 instead, and fail if one is missed
    #[arg(long)]
    performance: bool,
    /// How long the log of a noisy agent is watched
    #[arg(long, value_name = "MINUTES", default_value_t = MINUTES, requires = "performance")]
    minutes: u32,
    /// With binaries of the dev profile, which are built sooner and are slower
    #[arg(long)]
    dev: bool,
    /// As a step of all checks: build nothing, and skip it where there is no browser
    #[arg(long, conflicts_with_all = ["performance", "dev", "filter"])]
    built: bool,
    /// Passed on to Playwright, for example a test's name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// One thing that was measured.
#[derive(Debug, Deserialize)]
struct Figure {
    /// What it belongs to, such as `U1`.
    group: String,
    name: String,
    value: f64,
    unit: String,
    /// The largest value that keeps the promise.
    goal: f64,
}

impl Figure {
    fn is_kept(&self) -> bool {
        self.value <= self.goal
    }
}

/// Tests, or measures and judges.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String> {
    if options.built {
        return check(workspace);
    }
    let stage = Stage::build(workspace, options.dev)?;
    if !options.performance {
        stage.play("behaviour", &[], &options.filter)?;
        return Ok(format!(
            "e2e: passed, screenshots in {}",
            stage.out.display()
        ));
    }
    let figures = stage.measure(options.minutes, &options.filter)?;
    let missed = figures.iter().filter(|figure| !figure.is_kept()).count();
    ensure!(
        missed == 0,
        "{missed} of {} figures are beyond their goals",
        figures.len()
    );
    Ok(format!(
        "e2e: {} figures, all within their goals",
        figures.len()
    ))
}

/// Tests what users do with the UI and the binaries of the dev profile that earlier steps have built. Says that this
/// was skipped where there is no browser and none can be installed.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    if chromium(workspace).is_err()
        && let Err(error) = install_chromium(workspace)
    {
        return Ok(format!("e2e: SKIPPED, there is no browser: {error:#}"));
    }
    ui::install(workspace)?;
    let page = ui::folder(workspace).join("dist/index.html");
    ensure!(
        page.is_file(),
        "{} was not built: cargo xtask ui",
        page.display()
    );
    let stage = Stage::find(workspace, "debug")?;
    stage.play("behaviour", &[], &[])?;
    Ok("e2e: all that users do was done in a real browser".to_owned())
}

/// What Playwright needs to know.
struct Stage<'a> {
    workspace: &'a Workspace,
    chromium: PathBuf,
    binaries: PathBuf,
    target: PathBuf,
    out: PathBuf,
}

impl<'a> Stage<'a> {
    /// Builds the UI and the binaries that hold it.
    fn build(workspace: &'a Workspace, dev: bool) -> Result<Self> {
        chromium(workspace)?;
        let quick = ui::Options {
            quick: true,
            ..ui::Options::default()
        };
        println!("{}", ui::run(workspace, quick)?);
        let mut build = workspace.cargo("build");
        if !dev {
            build = build.arg("--release");
        }
        for name in BINARIES {
            build = build.args(["--package", name]);
        }
        build.run()?;
        Self::find(workspace, if dev { "debug" } else { "release" })
    }

    /// Takes the binaries that are there.
    fn find(workspace: &'a Workspace, profile: &str) -> Result<Self> {
        for name in BINARIES {
            workspace.binary(profile, name)?;
        }
        let program = workspace.binary(profile, BINARIES[0])?;
        let binaries = parent(&program)?.to_path_buf();
        let target = parent(&binaries)?.to_path_buf();
        Ok(Self {
            workspace,
            chromium: chromium(workspace)?,
            out: target.join("e2e"),
            binaries,
            target,
        })
    }

    /// Runs one of Playwright's projects, with what else it is told by the environment.
    fn play(&self, project: &str, told: &[(&str, OsString)], filter: &[String]) -> Result<()> {
        let shell = self.workspace.shell();
        let _folder = shell.push_dir(ui::folder(self.workspace));
        let command = cmd!(
            shell,
            "npx --no-install playwright test --config e2e/playwright.config.ts --project={project} {filter...}"
        );
        outside_any_run(command)
            .env("CHROMIUM", &self.chromium)
            .env("E2E_BINARIES", &self.binaries)
            .env("E2E_OUT", &self.out)
            .envs(told.iter().map(|(name, value)| (name, value)))
            .run()
            .with_context(|| format!("traces are in {}", self.out.join("results").display()))
    }

    /// Makes the data, measures, prints the figures and returns them.
    fn measure(&self, minutes: u32, filter: &[String]) -> Result<Vec<Figure>> {
        let data = self.target.join("bench/data");
        let shown = bench_data::root(&data, SHOWN.0, SHOWN.1)
            .context("could not make the root of tasks")?;
        let path = self.out.join("figures.jsonl");
        std::fs::create_dir_all(&self.out)?;
        std::fs::write(&path, "")?;
        let told = [
            ("E2E_MINUTES", OsString::from(minutes.to_string())),
            ("E2E_SHOWN", shown.into_os_string()),
        ];
        self.play("measurements", &told, filter)?;
        let figures = parse(&std::fs::read_to_string(&path)?)?;
        ensure!(!figures.is_empty(), "nothing was measured");
        print!("{}", table(&figures));
        Ok(figures)
    }
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent()
        .with_context(|| format!("{} has no parent", path.display()))
}

/// Installs Debian's package of the browser, where this may be done.
fn install_chromium(workspace: &Workspace) -> Result<()> {
    let shell = workspace.shell();
    let install = |arguments: &[&str]| {
        cmd!(shell, "timeout {INSTALLATION} apt-get {arguments...}")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .ignore_stdout()
            .run()
    };
    install(&["update"]).context("the lists of packages cannot be had")?;
    install(&["install", "--yes", "--no-install-recommends", "chromium"])
        .context("the package chromium cannot be installed")?;
    chromium(workspace).map(drop)
}

/// Finds the browser.
fn chromium(workspace: &Workspace) -> Result<PathBuf> {
    let named = workspace.shell().var_os("CHROMIUM").map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from(CHROMIUM));
    if !path.is_file() {
        bail!(
            "{} is not there: install Debian's package chromium, or name another one in CHROMIUM",
            path.display()
        );
    }
    Ok(path)
}

fn parse(lines: &str) -> Result<Vec<Figure>> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no figure: {line}")))
        .collect()
}

fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    for figure in figures {
        let Figure {
            group,
            name,
            value,
            unit,
            goal,
        } = figure;
        let verdict = if figure.is_kept() { "kept" } else { "MISSED" };
        writeln!(
            text,
            "{group}  {verdict:<6}  {value:>9.1} {unit:<6} (goal {goal})  {name}"
        )
        .expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_judged() {
        let lines = r#"{"group":"U1","name":"first paint","value":120.4,"unit":"ms","goal":500}
{"group":"U2","name":"requests","value":2,"unit":"/min","goal":0}
"#;
        let figures = parse(lines).unwrap();
        let kept: Vec<_> = figures.iter().map(Figure::is_kept).collect();
        assert_eq!(kept, [true, false]);
        let text = table(&figures);
        assert_eq!(
            text,
            "U1  kept        120.4 ms     (goal 500)  first paint\n\
             U2  MISSED        2.0 /min   (goal 0)  requests\n"
        );
        parse("{}").unwrap_err();
    }
}
