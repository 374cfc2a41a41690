//! What the workers have in common that stand for agents without a program of their own.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};

use tokio::runtime::Runtime;

/// Returns the arguments behind the hidden sub-command as text.
pub(crate) fn texts(args: &[OsString]) -> Vec<String> {
    args.iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect()
}

/// Reads the prompt from standard input, `cap` bytes at the most. Blocks.
pub(crate) fn prompt(cap: u64) -> Result<String, String> {
    let mut prompt = Vec::new();
    io::stdin()
        .take(cap + 1)
        .read_to_end(&mut prompt)
        .map_err(|e| format!("could not read the prompt: {e}"))?;
    if prompt.len() as u64 > cap {
        return Err(format!("the prompt has more than {cap} bytes"));
    }
    Ok(String::from_utf8_lossy(&prompt).into_owned())
}

/// Returns what the worker waits in.
pub(crate) fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("could not start: {e}"))
}

/// Prints a line at once: people follow the file.
pub(crate) fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

/// Says something on standard error.
pub(crate) fn tell(line: &str) {
    // There is no other place to say it.
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}
