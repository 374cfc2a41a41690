//! Whole processes as benchmarks measure them: how long they take, how much memory they need.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// How many more processes are run if all of them ended before they were looked at.
const SPARE_RUNS: u32 = 100;

/// What a process did.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// From before its start until it was reaped, in milliseconds.
    pub millis: f64,
    /// What it printed.
    pub stdout: String,
}

/// Runs a program to its end, which must be a success. It reads nothing; its errors go where ours go.
pub fn run(program: &Path, args: &[&OsStr]) -> io::Result<Measured> {
    let mut command = command(program, args);
    let started = Instant::now();
    let output = command.stderr(Stdio::inherit()).output()?;
    let millis = started.elapsed().as_secs_f64() * 1e3;
    if !output.status.success() {
        return Err(failed(program, &output.status.to_string()));
    }
    let stdout = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    Ok(Measured { millis, stdout })
}

/// Runs a program several times, like [`run`] but with nothing to print to, and returns its peak of memory in megabytes.
///
/// The peak is asked for again and again until the process ends, so that what it needs in its last microseconds may be
/// missing; the most of all runs counts, and the shorter a process lives, the more `times` it should be run. That
/// disturbs the process: it is not timed.
pub fn peak_mb(program: &Path, args: &[&OsStr], times: u32) -> io::Result<f64> {
    let mut peak = 0.0_f64;
    for run in 1..=times + SPARE_RUNS {
        let mut child = command(program, args).stdout(Stdio::null()).spawn()?;
        let seen = watch(&mut child);
        let status = child.wait()?;
        if !status.success() {
            return Err(failed(program, &status.to_string()));
        }
        peak = peak.max(seen?);
        if run >= times && peak > 0.0 {
            return Ok(peak);
        }
    }
    Err(io::Error::other("every process ended unseen"))
}

fn watch(child: &mut Child) -> io::Result<f64> {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    while child.try_wait()?.is_none() {
        if let Some(now) = peak_in(&std::fs::read_to_string(&path)?) {
            peak = peak.max(now);
        }
    }
    Ok(peak)
}

/// Returns the peak of memory of this process in megabytes.
pub fn own_peak_mb() -> io::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    peak_in(&status).ok_or_else(|| io::Error::other("the system does not tell the peak of memory"))
}

/// Finds the peak in what the kernel says of a process; a process that has ended has none.
fn peak_in(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

/// Returns the command with nothing in its environment but `PATH`, so that no enclosing run is found.
pub fn command(program: &Path, args: &[&OsStr]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program that is measured")]
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

fn failed(program: &Path, how: &str) -> io::Error {
    io::Error::other(format!("{} ended with {how}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_found_in_what_the_kernel_says() {
        let status = "Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t    2000 kB\nVmRSS:\t 100 kB\n";
        assert_eq!(peak_in(status), Some(2.048));
        assert_eq!(peak_in("Name:\tx\nState:\tZ (zombie)\n"), None);
        assert!(own_peak_mb().unwrap() > 0.1);
    }

    #[test]
    fn a_process_is_run_and_its_failure_told() {
        let shell = Path::new("/bin/sh");
        let args = |script: &'static str| ["-c".as_ref(), OsStr::new(script)];
        let measured = run(shell, &args("echo done")).unwrap();
        assert_eq!(measured.stdout, "done\n");
        assert!(run(shell, &args("exit 3")).is_err());
        assert!(peak_mb(shell, &args("exit 3"), 1).is_err());
        assert!(peak_mb(shell, &args("sleep 0"), 2).unwrap() > 0.1);
    }
}
