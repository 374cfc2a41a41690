//! The checkout that this program works on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use xshell::{Cmd, Shell, cmd};

/// Features that compile crash points and the clock file into the binaries.
pub(crate) const TEST_HOOKS: &str = "run-agent/test-hooks,conductor/test-hooks";

/// What an agent's run or a user's settings leave in the environment. Checks give the same result inside a run.
const RUN_VARIABLES: &[&str] = &[
    "CONDUCTOR_CONFIG",
    "CONDUCTOR_ROOT",
    "JRUN_CONDUCTOR_URL",
    "JRUN_ID",
    "JRUN_MESSAGE_BUS",
    "JRUN_PARENT_ID",
    "JRUN_PROJECT_ID",
    "JRUN_RUNS_DIR",
    "JRUN_RUN_FOLDER",
    "JRUN_TASK_FOLDER",
    "JRUN_TASK_ID",
];

/// The checkout and a shell that stands in its top folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    shell: Shell,
}

impl Workspace {
    /// Opens the checkout that this program was compiled from.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask lies one folder below the top")
            .to_path_buf();
        if !root.join("Cargo.toml").is_file() {
            bail!(
                "{} is no longer a checkout: build xtask again there",
                root.display()
            );
        }
        let shell = Shell::new().context("could not open a shell")?;
        shell.change_dir(&root);
        Ok(Self { root, shell })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn shell(&self) -> &Shell {
        &self.shell
    }

    /// Starts a cargo command line in the top folder, without standard input.
    pub(crate) fn cargo(&self, subcommand: &str) -> Cmd<'_> {
        let cargo = self.shell.var("CARGO").unwrap_or_else(|_| "cargo".into());
        outside_any_run(cmd!(self.shell, "{cargo} {subcommand}"))
    }

    /// Asks cargo for the workspace's packages and, if wanted, their resolved dependencies.
    pub(crate) fn metadata(&self, depth: Depth) -> Result<Metadata> {
        let mut command = MetadataCommand::new();
        command.manifest_path(self.root.join("Cargo.toml"));
        if depth == Depth::Workspace {
            command.no_deps();
        }
        command.exec().context("cargo metadata failed")
    }

    /// Builds one binary in the dev profile and returns its path.
    pub(crate) fn build_dev(&self, package: &str) -> Result<PathBuf> {
        self.cargo("build").args(["--package", package]).run()?;
        self.binary("debug", package)
    }

    /// Returns the path of a built binary.
    pub(crate) fn binary(&self, profile: &str, package: &str) -> Result<PathBuf> {
        let target = self.metadata(Depth::Workspace)?.target_directory;
        let name = format!("{package}{}", std::env::consts::EXE_SUFFIX);
        let path = target.join(profile).join(name).into_std_path_buf();
        if !path.is_file() {
            bail!("{} was not built", path.display());
        }
        Ok(path)
    }

    /// Lists the repository's files relative to its top: those tracked, and new ones that are not ignored.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let listing = cmd!(
            self.shell,
            "git ls-files --cached --others --exclude-standard -z"
        )
        .quiet()
        .read()
        .context("git could not list the files: tidy needs a git checkout")?;
        let mut files: Vec<String> = listing
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }
}

/// How much cargo is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The workspace's own packages and what their manifests name.
    Workspace,
    /// The whole resolved graph.
    Resolved,
}

/// Takes from a command's environment what would tie it to an enclosing run.
pub(crate) fn outside_any_run(command: Cmd<'_>) -> Cmd<'_> {
    RUN_VARIABLES.iter().fold(command, Cmd::env_remove)
}

/// Turns a shell command into one whose streams can be redirected.
pub(crate) fn into_process(command: Cmd<'_>) -> Command {
    eprintln!("$ {command}");
    command.into()
}
