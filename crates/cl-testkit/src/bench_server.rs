//! A server that is measured: its place, and what the system says of its process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::run_agent::RunAgent;
use crate::served::Served;

/// A home, a folder to work in and a configuration, for a root.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    root: PathBuf,
}

impl Place {
    /// Makes the folder `name` in `parent`; `settings` is the configuration.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn new(parent: &Path, name: &str, root: &Path, settings: &str) -> io::Result<Self> {
        let folder = parent.join(name);
        for part in ["home", "work"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("conductor.yaml"), settings)?;
        Ok(Self {
            folder,
            root: root.to_owned(),
        })
    }

    /// Returns the folder that agents work in.
    pub fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts a server of `program`.
    #[track_caller]
    pub fn serve(&self, program: &Path) -> Served {
        let home = self.folder.join("home");
        let command = RunAgent::new(program, &self.folder, &self.work())
            .args(&["serve", "--port", "0"])
            .env("HOME", home.clone())
            .env("CONDUCTOR_ROOT", self.root.clone())
            .env("CONDUCTOR_CONFIG", self.folder.join("conductor.yaml"));
        Served::spawn(command, &home)
    }
}

/// Returns the configuration of an agent `name` that runs `script` with a shell.
pub fn shell_agent(name: &str, script: &str) -> String {
    let script = script.replace('\\', "\\\\").replace('"', "\\\"");
    format!("  {name}: {{type: command, version_args: [], command: [/bin/sh, -c, \"{script}\"]}}\n")
}

/// Returns the processor time that a process has used, in seconds, to a hundredth.
///
/// # Errors
///
/// If there is no such process.
pub fn cpu_seconds(pid: i32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = fields.iter().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    #[expect(clippy::cast_precision_loss, reason = "it is 100")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Ok(ticks / per_second)
}

/// Returns the resident memory of a process, in MiB.
///
/// # Errors
///
/// As [`cpu_seconds`].
pub fn memory_mb(pid: i32) -> io::Result<f64> {
    kilobytes(pid, "VmRSS:")
}

/// Returns the most resident memory since [`forget_peak`], in MiB.
///
/// # Errors
///
/// As [`cpu_seconds`].
pub fn peak_memory_mb(pid: i32) -> io::Result<f64> {
    kilobytes(pid, "VmHWM:")
}

/// Begins to measure the most resident memory anew.
///
/// # Errors
///
/// As [`cpu_seconds`].
pub fn forget_peak(pid: i32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

fn kilobytes(pid: i32, key: &str) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes / 1024.0)
        .ok_or_else(|| io::Error::other(format!("no {key}")))
}

/// How many files a process has open, and how many of them are notifiers of the system.
///
/// # Errors
///
/// As [`cpu_seconds`].
pub fn descriptors(pid: i32) -> io::Result<(usize, usize)> {
    let (mut all, mut notifiers) = (0, 0);
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // One that is closed meanwhile is none.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        all += 1;
        notifiers += usize::from(target.to_string_lossy().contains("inotify"));
    }
    Ok((all, notifiers))
}
