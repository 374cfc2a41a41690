//! Bodies that are too large for a message: they go into a file beside the bus.
//!
//! ```text
//! file, synced → message with its beginning, a link and the digest
//! ```
//!
//! Killed between the two, a file is left that no message names; it does no harm.
//! The file stays as long as the folder of the bus. Its name is relative to that
//! folder, so the folder may be moved.

use std::io;
use std::path::{Path, PathBuf};

use cl_storage::durable::{self, Mode};
use cl_storage::{crash, digest, id};
use jiff::Timestamp;

use crate::append::{AppendError, Appended};
use crate::bus::Bus;
use crate::file::FileError;
use crate::message::{Draft, DraftError, Link, MAX_BODY_BYTES};

/// The most bytes that [`Bus::append_large`] takes; they are held in memory once.
pub const MAX_ATTACHMENT_BYTES: usize = 64 * 1024 * 1024;
/// How much of an attached body the message itself shows.
pub const PREVIEW_BYTES: usize = 4 * 1024;
/// The kind of the link from a message to its attachment.
pub const ATTACHMENT_KIND: &str = "attachment";
/// The meta keys that name an attachment: its file, its size, its SHA-256.
pub const ATTACHMENT_KEYS: [&str; 3] = ["attachment_path", "attachment_bytes", "attachment_sha256"];

/// How often another name is tried; two of the same second differ by chance alone.
const TRIES: usize = 10;
/// How many characters of a name are chance.
const RANDOM_CHARACTERS: usize = 8;

/// The acknowledgement of a message that may have an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// That of the message.
    pub message: Appended,
    /// The path of the attachment; `None` if the body fits into a message.
    pub attachment: Option<PathBuf>,
}

impl Bus {
    /// Appends a message; a body above [`MAX_BODY_BYTES`] goes into a file beside the bus.
    ///
    /// The message then shows the first [`PREVIEW_BYTES`] of it and names the file in a
    /// link and in its meta data. The file is on disk before the message is written,
    /// whatever durability the bus promises; if the message fails, the file is removed
    /// unless the message may be there. Everything else is as [`Bus::append`] says.
    pub fn append_large(&self, draft: &Draft) -> Result<Posted, AppendError> {
        if draft.body.len() <= MAX_BODY_BYTES {
            return Ok(Posted {
                message: self.append(draft)?,
                attachment: None,
            });
        }
        if draft.body.len() > MAX_ATTACHMENT_BYTES {
            let bytes = draft.body.len();
            return Err(DraftError::AttachmentTooLarge { bytes }.into());
        }
        for key in ATTACHMENT_KEYS {
            if draft.meta.contains_key(key) {
                return Err(DraftError::ReservedMeta(key).into());
            }
        }
        let digest = digest::sha256_hex(&draft.body);
        // A message that would be refused gets no file.
        self.admit(&pointing(draft, &name_at(Timestamp::MAX, true), &digest))?;
        let (name, path) = self.write_attachment(&draft.body)?;
        crash::point("bus-attached");
        let message = self
            .append(&pointing(draft, &name, &digest))
            .inspect_err(|error| {
                if !matches!(error, AppendError::Unsynced { .. }) {
                    durable::discard(&path).unwrap_or_default();
                }
            })?;
        Ok(Posted {
            message,
            attachment: Some(path),
        })
    }

    fn write_attachment(&self, body: &[u8]) -> Result<(String, PathBuf), AppendError> {
        let is_text = std::str::from_utf8(body).is_ok();
        let mut outcome = Err(io::Error::from(io::ErrorKind::AlreadyExists));
        for _ in 0..TRIES {
            let name = name_at(self.now(), is_text);
            let path = self.path().with_file_name(&name);
            outcome = durable::create_new(&path, body, Mode::Shared);
            match &outcome {
                Ok(()) => return Ok((name, path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) => break,
            }
        }
        let error = outcome
            .err()
            .unwrap_or_else(|| io::Error::other("no free name"));
        Err(FileError::io("write an attachment beside", self.path(), error).into())
    }
}

/// Returns the file that `link` names if it is the attachment of a message on `bus`.
///
/// `None` for every other link, and for a name that is none of ours: whoever follows
/// the link of a stranger must not be led out of the folder.
pub fn attachment_of(bus: &Path, link: &Link) -> Option<PathBuf> {
    (link.kind == ATTACHMENT_KIND && is_name(&link.url)).then(|| bus.with_file_name(&link.url))
}

/// Tells whether `name` may be that of an attachment of ours.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with("ATTACH-")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

fn name_at(now: Timestamp, is_text: bool) -> String {
    let stamp = id::stamp(now);
    let random = id::random_text(RANDOM_CHARACTERS);
    let extension = if is_text { "txt" } else { "bin" };
    format!("ATTACH-{stamp}-{random}.{extension}")
}

/// Makes the message that stands for `draft`.
fn pointing(draft: &Draft, name: &str, digest: &str) -> Draft {
    let bytes = draft.body.len();
    let head = Draft {
        kind: draft.kind.clone(),
        project_id: draft.project_id.clone(),
        task_id: draft.task_id.clone(),
        run_id: draft.run_id.clone(),
        issue_id: draft.issue_id.clone(),
        parents: draft.parents.clone(),
        links: draft.links.clone(),
        meta: draft.meta.clone(),
        timestamp: draft.timestamp,
        body: preview(&draft.body).to_vec(),
    };
    let [path_key, bytes_key, digest_key] = ATTACHMENT_KEYS;
    head.meta(path_key, name)
        .meta(bytes_key, bytes.to_string())
        .meta(digest_key, digest)
        .link(Link {
            url: name.to_owned(),
            label: format!("{bytes} bytes, SHA-256 {digest}"),
            kind: ATTACHMENT_KIND.to_owned(),
        })
}

/// Returns the beginning of `body`, without half a character at its end.
fn preview(body: &[u8]) -> &[u8] {
    let head = &body[..body.len().min(PREVIEW_BYTES)];
    match std::str::from_utf8(head) {
        // Without a length the error is that the text ends too early.
        Err(error) if error.error_len().is_none() => &head[..error.valid_up_to()],
        _ => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_ends_with_a_whole_character() {
        let text = format!("x{}", "ä".repeat(PREVIEW_BYTES));
        assert_eq!(preview(text.as_bytes()).len(), PREVIEW_BYTES - 1);
        assert_eq!(preview(&[0xff; PREVIEW_BYTES + 1]).len(), PREVIEW_BYTES);
        assert_eq!(preview(b"short"), b"short");
    }

    #[test]
    fn only_files_of_ours_are_followed() {
        let link = |url: &str, kind: &str| Link {
            url: url.into(),
            label: String::new(),
            kind: kind.into(),
        };
        let bus = Path::new("/r/p/BUS.md");
        let name = name_at(Timestamp::UNIX_EPOCH, true);
        assert!(name.starts_with("ATTACH-19700101-000000-"), "{name}");
        assert_eq!(
            attachment_of(bus, &link(&name, "attachment")),
            Some(Path::new("/r/p").join(&name))
        );
        for (url, kind) in [
            (name.as_str(), "output"),
            ("ATTACH-/../../x", "attachment"),
            ("/etc/passwd", "attachment"),
            ("../ATTACH-1.txt", "attachment"),
        ] {
            assert_eq!(attachment_of(bus, &link(url, kind)), None, "{url}");
        }
    }
}
