//! Has the crate compiled again when another web UI was built.

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told things by the environment"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Debug builds embed nothing: they read the files when they are asked for. And a path that is
    // not there would have the crate compiled again each time; `cargo xtask ui` touches this file
    // when it has built the first UI.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && std::path::Path::new("ui/dist/index.html").is_file() {
        println!("cargo::rerun-if-changed=ui/dist");
    }
}
