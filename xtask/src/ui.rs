//! The web UI: its packages, its checks and its build.
//!
//! Everything is done by the scripts of `crates/cl-api/ui/package.json`, so that whoever works in that folder alone
//! can run them there. What is built is embedded in the server by the next `cargo build`.

use cl_storage::{Clock as _, SystemClock};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use xshell::cmd;

use crate::workspace::Workspace;

/// The oldest Node.js that the packages work with.
const NODE: (u32, u32) = (20, 19);

/// What `cargo xtask ui` takes.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Options {
    /// Change no source file, fail where types or format differ
    #[arg(long)]
    pub(crate) check: bool,
    /// Only install what is missing, and build
    #[arg(long, conflicts_with = "check")]
    pub(crate) quick: bool,
}

/// Installs, generates the types of the API, formats, checks, tests and builds.
pub(crate) fn run(workspace: &Workspace, options: Options) -> Result<String> {
    let shell = workspace.shell().clone();
    shell.change_dir(folder(workspace));
    install(workspace)?;
    let page = folder(workspace).join("dist/index.html");
    let is_first = !page.is_file();
    let scripts: &[&str] = match options {
        Options { quick: true, .. } => &["build"],
        Options { check: true, .. } => &["types:check", "lint", "check", "test", "build"],
        Options { .. } => &["types", "fix", "check", "test", "build"],
    };
    for script in scripts {
        cmd!(shell, "npm run --silent {script}")
            .run()
            .with_context(|| format!("npm run {script} failed in crates/cl-api/ui"))?;
    }
    ensure!(page.is_file(), "{} was not built", page.display());
    if is_first {
        // The build script says why.
        let script = workspace.root().join("crates/cl-api/build.rs");
        let file = std::fs::File::options().append(true).open(&script)?;
        file.set_modified(SystemClock.now().into())?;
    }
    Ok(format!(
        "web UI: {} passed; cargo build embeds it",
        scripts.join(", ")
    ))
}

/// Installs the packages of the lock file, unless they are there.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let shell = workspace.shell().clone();
    shell.change_dir(folder(workspace));
    check_node(&shell)?;
    let lock = shell.read_file("package-lock.json")?;
    let stamp = folder(workspace).join("node_modules/.conductor-lock");
    if stamp.is_file() && shell.read_file(&stamp)? == lock {
        return Ok(());
    }
    // Not `npm ci`: it removes what is there first, and fails where one optional package cannot be had.
    // Versions and digests are those of the lock file all the same, and it is not changed.
    cmd!(
        shell,
        "npm install --no-save --no-audit --no-fund --ignore-scripts"
    )
    .run()
    .context("the packages of the web UI could not be installed")?;
    shell.write_file(&stamp, lock)?;
    Ok(())
}

/// Where the sources of the UI are.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("crates/cl-api/ui")
}

fn check_node(shell: &xshell::Shell) -> Result<()> {
    let told = cmd!(shell, "node --version")
        .quiet()
        .read()
        .context("the web UI needs Node.js to be built: install Node.js 20.19 or newer with npm")?;
    let mut parts = told.trim_start_matches('v').split('.');
    let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (next(), next()) else {
        bail!("node --version says {told:?}");
    };
    ensure!(
        (major, minor) >= NODE,
        "the web UI needs Node.js {}.{} or newer, and this is {told}",
        NODE.0,
        NODE.1
    );
    Ok(())
}
