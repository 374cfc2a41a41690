//! What the runs of a task say while they work, line by line and without secrets.

use cl_storage::redact::Redactor;
use cl_storage::{RunId, TaskDir};

use super::series::newest_run;
use crate::error::CliError;
use crate::view::{GrowingFile, MaskedText, Renderer, harmless};

/// The streams of the runs of one task, one after the other.
#[derive(Debug)]
pub(super) struct Following {
    task: TaskDir,
    redactor: Redactor,
    /// The newest run that is known; what it said before is over.
    known: Option<RunId>,
    stream: Option<Stream>,
    /// A line that is not complete.
    line: String,
}

#[derive(Debug)]
struct Stream {
    file: GrowingFile,
    renderer: Renderer,
    masked: MaskedText,
}

impl Following {
    /// Follows the runs that `task` gets from now on.
    pub(super) fn new(task: TaskDir, redactor: Redactor) -> Result<Self, CliError> {
        Ok(Self {
            known: newest_run(&task)?,
            task,
            redactor,
            stream: None,
            line: String::new(),
        })
    }

    /// Hands out the lines that have come since the last look.
    pub(super) fn look(
        &mut self,
        mut say: impl FnMut(&str) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let newest = newest_run(&self.task)?;
        if newest != self.known {
            self.read_on(&mut say)?;
            self.end(&mut say)?;
            if let Some(run) = &newest {
                let run = self.task.run(run)?;
                self.stream = Some(Stream {
                    file: GrowingFile::new(run.stdout()),
                    renderer: Renderer::default(),
                    masked: MaskedText::new(Some(&self.redactor)),
                });
            }
            self.known = newest;
        }
        self.read_on(&mut say)
    }

    /// Hands out what is left when nothing more comes.
    pub(super) fn finish(
        &mut self,
        mut say: impl FnMut(&str) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        self.look(&mut say)?;
        self.end(&mut say)
    }

    fn read_on(
        &mut self,
        say: &mut impl FnMut(&str) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let Stream {
            file,
            renderer,
            masked,
        } = stream;
        let line = &mut self.line;
        file.read_on(|piece| take(line, &masked.feed(&renderer.feed(piece)), say))?;
        Ok(())
    }

    fn end(&mut self, say: &mut impl FnMut(&str) -> Result<(), CliError>) -> Result<(), CliError> {
        if let Some(mut stream) = self.stream.take() {
            let rest = stream.masked.feed(&stream.renderer.finish()) + &stream.masked.finish();
            take(&mut self.line, &rest, say)?;
        }
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(());
        }
        say(&harmless(&line))
    }
}

/// Adds text to a line, and hands out the lines that it completes.
fn take(
    line: &mut String,
    text: &str,
    say: &mut impl FnMut(&str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    for piece in text.split_inclusive('\n') {
        line.push_str(piece);
        if line.ends_with('\n') {
            line.pop();
            let whole = std::mem::take(line);
            say(&harmless(&whole))?;
        }
    }
    Ok(())
}
