//! Type checks for systems that this machine is not: Windows and macOS.
//!
//! The pinned toolchain holds the standard library of this system only. Debian ships a newer
//! compiler together with the library's source, from which cargo builds it for any target.
//! The packages are unpacked below `target/`, and nothing is installed. Where they cannot be
//! had, the check is skipped, loudly, and proves nothing.
//!
//! A type check is no test: what has never run there is called untested in the texts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Cmd, cmd};

use crate::workspace::{Depth, Workspace};

/// Which crates are checked for which system, those that stand on others last.
const CHECKED: &[(&str, &[&str])] = &[
    (
        "aarch64-apple-darwin",
        &["cl-storage", "cl-bus", "cl-config", "cl-agent"],
    ),
    // Not `gnu`, which wants import libraries made by a program of another package.
    ("x86_64-pc-windows-msvc", &["cl-storage"]),
];

/// Crates that do not pass yet, with what keeps them from it.
const OPEN: &[(&str, &str, &str)] = &[
    (
        "aarch64-apple-darwin",
        "cl-runner and what stands on it",
        "subreapers, pidfds and /proc are Linux's",
    ),
    (
        "x86_64-pc-windows-msvc",
        "cl-bus, cl-config, cl-agent and what stands on them",
        "they ask for inodes and permission bits themselves; only cl-storage has twins",
    ),
    (
        "x86_64-pc-windows-msvc",
        "the feature test-hooks",
        "faults are named by numbers of Unix",
    ),
];

/// The compiler's packages; the numbers in their names move.
const PACKAGES: [&str; 4] = [
    "rustc-web",
    "libstd-rust-web-dev",
    "rust-web-src",
    "libstd-rust-web-",
];

/// Checks what is expected to pass and tells what is not checked.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let target = workspace.metadata(Depth::Workspace)?.target_directory;
    let folder = target.join("windows-check").into_std_path_buf();
    let compiler = match Compiler::find(workspace, &folder) {
        Ok(compiler) => compiler,
        Err(why) => {
            eprintln!("SKIPPED: windows-check: {why:#}");
            return Ok("windows-check: SKIPPED, nothing was checked".to_owned());
        }
    };
    let mut checked = Vec::new();
    for (system, crates) in CHECKED {
        if crates.is_empty() {
            continue;
        }
        compiler
            .cargo_check(workspace, &folder, system, crates)
            .run()
            .with_context(|| format!("{} do not pass for {system}", crates.join(", ")))?;
        checked.push(format!("{system}: {}", crates.join(", ")));
    }
    for (system, what, why) in OPEN {
        println!("not checked for {system}: {what}: {why}");
    }
    Ok(format!("windows-check: {}", checked.join("; ")))
}

/// A compiler with the source of its standard library.
struct Compiler {
    root: PathBuf,
}

impl Compiler {
    /// Finds the unpacked compiler, or fetches it.
    fn find(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let compiler = Self {
            root: folder.join("compiler"),
        };
        if compiler.version(workspace).is_err() {
            fetch(workspace, folder, &compiler.root)?;
        }
        compiler.version(workspace)?;
        Ok(compiler)
    }

    fn program(&self) -> PathBuf {
        self.root.join("usr/bin/rustc")
    }

    fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    fn version(&self, workspace: &Workspace) -> Result<String> {
        let (shell, program) = (workspace.shell(), self.program());
        ensure!(program.is_file(), "{} is missing", program.display());
        cmd!(shell, "{program} --version")
            .env("LD_LIBRARY_PATH", self.libraries())
            .quiet()
            .read()
            .context("the unpacked compiler does not run")
    }

    fn cargo_check<'a>(
        &self,
        workspace: &'a Workspace,
        folder: &Path,
        system: &str,
        crates: &[&str],
    ) -> Cmd<'a> {
        let packages = crates.iter().flat_map(|name| ["--package", name]);
        // Nothing is linked: what a library compiles from C is not needed, and there is no
        // compiler for it.
        let tool = |name: &str| format!("{name}_{}", system.replace('-', "_"));
        workspace
            .cargo("check")
            .args(["-Zbuild-std=std,panic_abort", "--target", system])
            .args(packages)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", self.program())
            .env("LD_LIBRARY_PATH", self.libraries())
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env(tool("CC"), "true")
            .env(tool("AR"), "true")
            .env("SDKROOT", "/")
    }
}

/// Downloads the packages and unpacks them below `root`.
fn fetch(workspace: &Workspace, folder: &Path, root: &Path) -> Result<()> {
    let shell = workspace.shell();
    let names = package_names(
        &cmd!(shell, "apt-cache pkgnames")
            .quiet()
            .read()
            .context("apt-cache does not answer; this needs Debian's packages")?,
    )?;
    let packages = folder.join("packages");
    std::fs::create_dir_all(&packages)?;
    {
        let _inside = shell.push_dir(&packages);
        cmd!(shell, "apt-get download {names...}")
            .quiet()
            .ignore_stdout()
            .run()
            .context("the compiler's packages cannot be downloaded")?;
    }
    for entry in std::fs::read_dir(&packages)? {
        let file = entry?.path();
        if file.extension().is_some_and(|end| end == "deb") {
            cmd!(shell, "dpkg -x {file} {root}").quiet().run()?;
        }
    }
    Ok(())
}

/// Picks the compiler's packages and the newest of its library and of LLVM.
fn package_names(known: &str) -> Result<Vec<String>> {
    let names: Vec<&str> = known.lines().collect();
    let newest = |prefix: &str| {
        let version = |name: &&str| -> Option<Vec<u32>> {
            let rest = name.strip_prefix(prefix)?;
            rest.split('.').map(|part| part.parse().ok()).collect()
        };
        let numbered = names
            .iter()
            .filter_map(|name| Some((version(name)?, *name)));
        numbered.max().map(|(_, name)| name.to_owned())
    };
    let mut found = Vec::new();
    for package in PACKAGES {
        let name = match package.strip_suffix('-') {
            Some(_) => newest(package),
            None => names.contains(&package).then(|| package.to_owned()),
        };
        match name {
            Some(name) => found.push(name),
            None => bail!("there is no package {package}"),
        }
    }
    found.extend(newest("libllvm"));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_numbered_packages_are_taken() {
        let known = "libstd-rust-web-1.85\nrustc-web\nlibstd-rust-web-dev\nlibllvm9\nlibllvm22\n\
                     rust-web-src\nlibstd-rust-web-1.96\nlibstd-rust-web-dev-bpf\nlibllvm22-extra\n";
        assert_eq!(
            package_names(known).unwrap(),
            [
                "rustc-web",
                "libstd-rust-web-dev",
                "rust-web-src",
                "libstd-rust-web-1.96",
                "libllvm22"
            ]
        );
        assert!(package_names("rustc-web\n").is_err());
    }
}
