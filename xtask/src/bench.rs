//! Benchmarks next to the raw cost of the disk.
//!
//! A stored figure says little on another machine. So the floor, which is the bare system calls on the same disk, is
//! measured in the same run, and what counts is the ratio. No check depends on a time.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::checks;
use crate::workspace::{Depth, Workspace};

/// The size of a usual message.
const RECORD_BYTES: usize = 256;
/// Enough to even out single slow syncs, few enough for a slow disk.
const SYNCED_APPENDS: u32 = 500;
const PLAIN_APPENDS: u32 = 100_000;

/// Whether an append waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    Os,
    Disk,
}

/// Measures the floor, then runs the benchmarks that the crates have.
pub(crate) fn run(workspace: &Workspace) -> Result<String> {
    println!("commit {}", checks::commit(workspace));
    println!("{:<24} {:>12}", "raw append of 256 bytes", "per second");
    for (durability, name, count) in [
        (Durability::Os, "write", PLAIN_APPENDS),
        (Durability::Disk, "write + fdatasync", SYNCED_APPENDS),
    ] {
        let took = raw_appends(workspace, durability, count)?;
        let rate = f64::from(count) / took.as_secs_f64();
        println!("{name:<24} {rate:>12.0}");
    }

    let metadata = workspace.metadata(Depth::Workspace)?;
    let mut measured = 0;
    for package in metadata.workspace_packages() {
        for target in package.targets.iter().filter(|target| target.is_bench()) {
            workspace
                .cargo("bench")
                .args(["--package", package.name.as_str()])
                .args(["--bench", &target.name])
                .run()?;
            measured += 1;
        }
    }
    Ok(match measured {
        0 => "bench: the raw floor only; SKIPPED: no crate has a benchmark".to_owned(),
        count => format!("bench: the raw floor and {count} benchmark(s)"),
    })
}

/// Times bare appends on the disk that holds the build's output.
fn raw_appends(workspace: &Workspace, durability: Durability, count: u32) -> Result<Duration> {
    let target = workspace.metadata(Depth::Workspace)?.target_directory;
    std::fs::create_dir_all(&target)?;
    let folder = tempfile::tempdir_in(&target)
        .with_context(|| format!("could not make a folder in {target}"))?;
    let mut file = File::create(folder.path().join("raw"))?;
    let record = [b'x'; RECORD_BYTES];
    let started = Instant::now();
    for _ in 0..count {
        file.write_all(&record)?;
        if durability == Durability::Disk {
            file.sync_data()?;
        }
    }
    Ok(started.elapsed())
}
