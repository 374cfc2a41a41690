//! Faults that tests have armed.

use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::io::Errno;

use super::Target;

/// The errors that a process can be told by name.
const ERRORS: [(&str, Errno); 7] = [
    ("EIO", Errno::IO),
    ("ENOSPC", Errno::NOSPC),
    ("EROFS", Errno::ROFS),
    ("EINTR", Errno::INTR),
    ("EACCES", Errno::ACCESS),
    ("EDQUOT", Errno::DQUOT),
    ("ENOLCK", Errno::NOLCK),
];

/// A failure of one kind of operation.
#[derive(Debug, Clone)]
pub struct Fault {
    operation: String,
    error: Errno,
    file: String,
    at: usize,
    times: usize,
    after: Option<usize>,
}

impl Fault {
    /// Makes every passage of `operation` fail with the error of this name, `ENOSPC` for example.
    ///
    /// A name that is not known is an input/output error.
    pub fn new(operation: &str, error: &str) -> Self {
        let known = ERRORS.iter().find(|(name, _)| *name == error);
        Self {
            operation: operation.to_owned(),
            error: known.map_or(Errno::IO, |(_, error)| *error),
            file: String::new(),
            at: 1,
            times: usize::MAX,
            after: None,
        }
    }

    /// Concerns only files whose path holds `part`.
    #[must_use]
    pub fn on(mut self, part: &Path) -> Self {
        self.file = part.to_string_lossy().into_owned();
        self
    }

    /// Begins with the n-th passage, counted from 1.
    #[must_use]
    pub fn at(mut self, passage: usize) -> Self {
        self.at = passage;
        self
    }

    /// Ends after so many failures.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Lets an append take so many bytes first; what follows fails.
    #[must_use]
    pub fn after_bytes(mut self, bytes: usize) -> Self {
        self.after = Some(bytes);
        self
    }

    /// Reads a fault as `CL_FAULT` holds it.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut fault = Self::new(parts.next()?, parts.next()?);
        for part in parts {
            let (key, value) = part.split_once('=')?;
            match key {
                "file" => value.clone_into(&mut fault.file),
                "at" => fault.at = value.parse().ok()?,
                "times" => fault.times = value.parse().ok()?,
                "after" => fault.after = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(fault)
    }
}

/// An armed fault; dropping it disarms.
#[derive(Debug)]
pub struct Armed(Arc<Trap>);

impl Armed {
    /// Returns how many operations failed so far.
    pub fn fired(&self) -> usize {
        self.0.fired.load(Ordering::SeqCst)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        traps().retain(|trap| !Arc::ptr_eq(trap, &self.0));
    }
}

/// Arms a fault for this process.
pub fn arm(fault: Fault) -> Armed {
    let trap = Arc::new(Trap::of(fault));
    traps().push(Arc::clone(&trap));
    Armed(trap)
}

#[derive(Debug)]
struct Trap {
    fault: Fault,
    passed: AtomicUsize,
    fired: AtomicUsize,
    /// The append that took its bytes; its next part fails.
    cut_short: AtomicUsize,
}

impl Trap {
    fn of(fault: Fault) -> Self {
        Self {
            fault,
            passed: AtomicUsize::new(0),
            fired: AtomicUsize::new(0),
            cut_short: AtomicUsize::new(0),
        }
    }

    /// Returns how many of `length` bytes are taken.
    fn meet(&self, operation: &str, path: &Path, length: usize) -> io::Result<usize> {
        if self.cut_short.swap(0, Ordering::SeqCst) == 0 {
            let passage = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
            if passage < self.fault.at || self.fired.load(Ordering::SeqCst) >= self.fault.times {
                return Ok(length);
            }
            if let Some(after) = self.fault.after.filter(|after| (1..length).contains(after)) {
                self.cut_short.store(1, Ordering::SeqCst);
                return Ok(after);
            }
        }
        self.fired.fetch_add(1, Ordering::SeqCst);
        log(&format!("{operation} {}", path.display()));
        Err(self.fault.error.into())
    }
}

static TRAPS: OnceLock<Mutex<Vec<Arc<Trap>>>> = OnceLock::new();

/// Those of the environment, and those that this process has armed.
fn traps() -> std::sync::MutexGuard<'static, Vec<Arc<Trap>>> {
    let traps = TRAPS.get_or_init(|| {
        let text = variable("CL_FAULT").unwrap_or_default();
        let told = text.split_whitespace().map(|text| {
            let fault = Fault::parse(text);
            assert!(fault.is_some(), "CL_FAULT: {text} is no fault");
            fault.map(|fault| Arc::new(Trap::of(fault)))
        });
        Mutex::new(told.flatten().collect())
    });
    traps.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Meets what is armed for `operation`; returns how many of `length` bytes are taken.
pub(super) fn meet(operation: &str, target: Target<'_>, length: usize) -> io::Result<usize> {
    let armed: Vec<Arc<Trap>> = traps()
        .iter()
        .filter(|trap| trap.fault.operation == operation)
        .cloned()
        .collect();
    if armed.is_empty() {
        return Ok(length);
    }
    let path = path_of(target);
    let mut taken = length;
    for trap in armed {
        if path.to_string_lossy().contains(&trap.fault.file) {
            taken = trap.meet(operation, &path, taken)?;
        }
    }
    Ok(taken)
}

fn path_of(target: Target<'_>) -> PathBuf {
    match target {
        Target::Path(path) => path.to_owned(),
        Target::File(file) => {
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            std::fs::read_link(link).unwrap_or_default()
        }
    }
}

fn log(line: &str) {
    if let Some(path) = variable("CL_FAULT_LOG")
        && let Ok(mut file) = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
    {
        // Losing the log line only makes the test fail, which is its purpose.
        writeln!(file, "{line}").unwrap_or_default();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test hook, absent from released binaries"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_text() {
        let fault = Fault::parse("append:ENOSPC:file=BUS.md:at=2:times=3:after=10").unwrap();
        assert_eq!(
            (fault.operation.as_str(), fault.file.as_str()),
            ("append", "BUS.md")
        );
        assert_eq!((fault.error, fault.at, fault.times), (Errno::NOSPC, 2, 3));
        assert_eq!(fault.after, Some(10));
        assert!(Fault::parse("append").is_none());
        assert!(Fault::parse("append:EIO:at=soon").is_none());
    }
}
