//! Stamps the version into the build.

#[path = "build/stamp.rs"]
mod stamp;

use std::path::{Path, PathBuf};
use std::process::Command;

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told things by the environment"
)]
fn main() {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/stamp.rs");
    for name in stamp::VARIABLES {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if let Some(folder) = git(&package, &["rev-parse", "--absolute-git-dir"]) {
        for path in stamp::watched(Path::new(&folder)) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    // Sources that were unpacked inside somebody else's checkout are not of its commit.
    let is_own = git(&package, &["rev-parse", "--show-prefix"])
        .is_some_and(|prefix| prefix.trim_end_matches('/') == "crates/cl-cli");
    let commit = git(&package, &["rev-parse", "--short=12", "HEAD"]).filter(|_| is_own);
    let version = stamp::version(
        env!("CARGO_PKG_VERSION"),
        &|name| std::env::var(name).ok(),
        commit.as_deref(),
    );
    println!("cargo::rustc-env=CL_VERSION_STAMP={version}");
    println!(
        "cargo::rustc-env=CL_COMMIT={}",
        commit.as_deref().unwrap_or_default()
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build script has no runner to start processes with"
)]
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
