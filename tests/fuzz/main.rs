//! The fuzz targets on stable Rust: the corpus, and a bounded, seeded run of changed inputs.
//!
//! `CL_FUZZ_SEED` repeats a run, `CL_FUZZ_COUNT` makes it longer.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(
    clippy::print_stdout,
    reason = "the input that failed must be known to repeat it"
)]

mod bodies;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// How many changed inputs a target gets; fewer where each is several synced files.
const COUNT: u64 = 2000;
const SYNCED_COUNT: u64 = 800;

#[expect(
    clippy::disallowed_methods,
    reason = "how a person repeats or prolongs a run"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Returns the inputs kept for a target, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut inputs: Vec<_> = std::fs::read_dir(folder.join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    inputs.sort();
    assert!(inputs.len() > 4, "{target} has inputs to start from");
    inputs
}

#[track_caller]
fn check_target(target: &str, count: u64, body: fn(&[u8])) {
    let inputs = corpus(target);
    for (name, bytes) in &inputs {
        println!("corpus/{target}/{name}");
        body(bytes);
    }
    let seed = number("CL_FUZZ_SEED").unwrap_or(20_260_223);
    let mut random = mutate::Random::new(seed);
    for n in 0..number("CL_FUZZ_COUNT").unwrap_or(count) {
        let input = mutate::changed(&inputs, &mut random);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(&input))) {
            println!(
                "{target} fails on input {n} of CL_FUZZ_SEED={seed}: {}",
                input.escape_ascii()
            );
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn bus_parse() {
    check_target("bus_parse", COUNT, bodies::bus_parse);
}

#[test]
fn bus_roundtrip() {
    check_target("bus_roundtrip", SYNCED_COUNT, bodies::bus_roundtrip);
}

#[test]
fn yaml_entry_points() {
    check_target("yaml_entry_points", COUNT, bodies::yaml_entry_points);
}

#[test]
fn ids() {
    check_target("ids", COUNT, bodies::ids);
}

#[test]
fn every_target_of_cargo_fuzz_is_run_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let here = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join("fuzz_targets")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let call = format!("bodies::{name}");
        assert!(text.contains(&call) && here.contains(&call), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(folder.join("corpus").join(name).is_dir(), "{name}");
        count += 1;
    }
    assert_eq!(count, 4);
}
