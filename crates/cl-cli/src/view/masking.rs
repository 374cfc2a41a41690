//! Masking of what agents have written on its way to whoever asked for it.
//!
//! The files stay as the agents wrote them; only what is printed is masked.

use std::io::{self, Write as _};

use cl_storage::redact::{MaskStream, Redactor, shapes};

use crate::context::Context;

/// Returns what masks the words of agents: configured secrets, those in this command's
/// environment, and what has the shape of a vendor's token.
///
/// A configuration that cannot be read keeps nobody from looking; that is told.
pub(crate) fn redactor(ctx: &mut Context) -> Redactor {
    let configured = ctx.config().map(|it| it.config.all_secrets());
    let configured = configured.unwrap_or_else(|error| {
        ctx.console.warn(format!(
            "secrets of the configuration are not masked: {}",
            error.chain()
        ));
        Vec::new()
    });
    let own = ctx.environment.variables().filter_map(|(name, value)| {
        let is_secret = name.to_str().is_some_and(shapes::is_secret_name);
        value.to_str().filter(|_| is_secret)
    });
    let own: Vec<_> = own.map(|value| value.to_owned().into()).collect();
    Redactor::new(configured.into_iter().chain(own))
}

/// Text that is masked on its way, or left as it is.
#[derive(Debug, Default)]
pub(crate) struct MaskedText {
    stream: Option<MaskStream>,
}

impl MaskedText {
    /// Masks what `redactor` masks; without one, nothing.
    pub(crate) fn new(redactor: Option<&Redactor>) -> Self {
        let stream = redactor.map(MaskStream::new);
        Self { stream }
    }

    /// Takes a piece of the text; returns what is certain so far.
    pub(crate) fn feed(&mut self, text: &str) -> String {
        let Some(stream) = &mut self.stream else {
            return text.to_owned();
        };
        collected(|all| stream.feed(text.as_bytes(), |bytes| all.write_all(bytes)))
    }

    /// Returns more of a line that nobody goes on with at the moment.
    pub(crate) fn settle(&mut self) -> String {
        let Some(stream) = &mut self.stream else {
            return String::new();
        };
        collected(|all| stream.settle(|bytes| all.write_all(bytes)))
    }

    /// Returns what was held back; nothing more comes.
    pub(crate) fn finish(&mut self) -> String {
        let Some(stream) = &mut self.stream else {
            return String::new();
        };
        collected(|all| stream.finish(|bytes| all.write_all(bytes)))
    }
}

fn collected(fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut all = Vec::new();
    // Adding to memory cannot fail.
    fill(&mut all).unwrap_or_default();
    String::from_utf8_lossy(&all).into_owned()
}
