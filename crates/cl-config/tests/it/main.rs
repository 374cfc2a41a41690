//! The configuration from files and environment, seen from outside the crate.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod corpus;
mod docs;
mod effects;
mod legacy_files;
mod loading;
mod origins;
mod secrets;
mod selection;
mod support;

#[test]
fn no_file_beside_this_one_is_left_out() {
    let folder = support::manifest_dir().join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(main.contains(&format!("mod {module};")), "{name}");
        }
    }
}
