//! Integration tests: a server in a process of its own, and clients on real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test as the tests themselves may"
)]

mod bodies;
mod families;
mod files;
mod grown;
mod guard;
mod http;
mod journal;
mod life;
mod limits;
mod messages;
mod resources;
mod scene;
mod search;
mod server;
mod streams;
mod submitting;
mod traversal;

/// A file that nobody names in this module would never be compiled.
#[test]
fn every_file_beside_this_one_is_a_module_of_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let named = name == "main" || main.contains(&format!("\nmod {name};\n"));
        let is_rust = path.extension().is_some_and(|e| e == "rs");
        assert!(named || !is_rust, "{name}");
    }
}
