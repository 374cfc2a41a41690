//! Named places in the code at which a test can kill the process.
//!
//! With the feature `test-hooks`, a process whose environment holds
//! `CL_CRASH_POINT=name` (or `name:n` for the n-th passage) sends itself SIGKILL
//! when it reaches that point, after appending the name to the file named by
//! `CL_CRASH_LOG`, so that a test can prove that the fault landed. Without the
//! feature a point is an empty function, and released binaries are checked to
//! hold none of these names.

/// Marks a named point; kills the process there when a test armed it.
#[cfg(not(feature = "test-hooks"))]
#[inline]
pub fn point(_name: &'static str) {}

/// Marks a named point; kills the process there when a test armed it.
#[cfg(feature = "test-hooks")]
pub fn point(name: &'static str) {
    armed::reach(name);
}

#[cfg(feature = "test-hooks")]
mod armed {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Armed {
        name: String,
        passage: u32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    #[expect(
        clippy::disallowed_methods,
        reason = "a test hook, absent from released binaries"
    )]
    fn variable(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    pub(super) fn reach(name: &'static str) {
        let armed = ARMED.get_or_init(|| {
            let value = variable("CL_CRASH_POINT")?;
            let (name, passage) = match value.rsplit_once(':') {
                Some((name, n)) => (name.to_owned(), n.parse().unwrap_or(1)),
                None => (value, 1),
            };
            Some(Armed { name, passage })
        });
        let Some(armed) = armed else { return };
        if armed.name != name || PASSED.fetch_add(1, Ordering::SeqCst) + 1 != armed.passage {
            return;
        }
        if let Some(log) = variable("CL_CRASH_LOG")
            && let Ok(mut file) = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(log)
        {
            // Losing the log line only makes the test fail, which is its purpose.
            writeln!(file, "{name}").unwrap_or_default();
        }
        #[cfg(unix)]
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
            .unwrap_or_default();
        // SIGKILL is delivered before the call returns to user space; should a
        // sandbox refuse it, abort is the next best thing.
        std::process::abort();
    }
}
