//! Copying between the user's streams and the session's, each way in a thread.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::time::Duration;

/// Bytes that are kept of what was shown, up to a limit.
#[derive(Debug)]
pub(super) struct Transcript {
    file: File,
    left: u64,
}

impl Transcript {
    /// Keeps what is shown in `file`, at most `limit` bytes of it.
    pub(super) fn new(file: File, limit: u64) -> Self {
        Self { file, left: limit }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.left -= most as u64;
        let mut kept = self.file.write_all(&bytes[..most]);
        if most < bytes.len() {
            let note =
                b"\n[Conductor Loop left out the rest: the transcript has reached its limit]\n";
            self.left = 0;
            kept = kept.and_then(|()| self.file.write_all(note));
        }
        if kept.is_err() {
            // The session goes on; a full disk must not end it.
            self.left = 0;
        }
    }
}

/// A copy that goes on in a thread of its own until its source ends.
#[derive(Debug)]
pub(super) struct Copy(mpsc::Receiver<()>);

impl Copy {
    /// Copies `from` to `to` and keeps it in `transcript`.
    ///
    /// Goes on reading when nobody reads `to` any more, so that the writer is not held up.
    pub(super) fn start(
        mut from: impl Read + Send + 'static,
        mut to: impl Write + Send + 'static,
        mut transcript: Option<Transcript>,
    ) -> Self {
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            let mut is_read = true;
            loop {
                let read = match from.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    // The other end of a terminal is closed.
                    Err(_) => break,
                };
                let bytes = &buffer[..read];
                if let Some(transcript) = &mut transcript {
                    transcript.keep(bytes);
                }
                is_read = is_read && to.write_all(bytes).and_then(|()| to.flush()).is_ok();
            }
            // Nobody may be waiting.
            ended.send(()).unwrap_or_default();
        });
        Self(end)
    }

    /// Waits for the end of the source, for `most` at the longest.
    pub(super) fn wait(&self, most: Duration) {
        // Both errors, late and gone, mean that there is nothing more to wait for.
        self.0.recv_timeout(most).unwrap_or_default();
    }
}
