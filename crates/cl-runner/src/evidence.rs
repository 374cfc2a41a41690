//! Digests that evidence of gates is made of.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use cl_storage::digest::Sha256Stream;

/// What a gate printed, in digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    /// How many bytes.
    pub(crate) bytes: u64,
    /// SHA-256 of them all.
    pub(crate) sha256: String,
    /// SHA-256 of them without escape sequences of terminals: nothing else is evened out.
    pub(crate) plain_sha256: String,
}

impl Printed {
    /// Reads a file from its start to its end, in bounded memory.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut raw = Sha256Stream::default();
        let mut plain = Sha256Stream::default();
        let mut filter = EscapeFilter::default();
        let mut buffer = vec![0; 64 * 1024];
        let mut kept = Vec::with_capacity(buffer.len());
        let mut position = 0;
        loop {
            let read = file.read_at(&mut buffer, position)?;
            if read == 0 {
                break;
            }
            position += read as u64;
            raw.update(&buffer[..read]);
            kept.clear();
            kept.extend(buffer[..read].iter().filter(|&&byte| filter.keeps(byte)));
            plain.update(&kept);
        }
        Ok(Self {
            bytes: position,
            sha256: raw.finish(),
            plain_sha256: plain.finish(),
        })
    }
}

/// Leaves out escape sequences: ESC `[` up to a letter, ESC `]` up to BEL or ESC `\`, ESC and one byte.
#[derive(Debug, Default)]
enum EscapeFilter {
    #[default]
    Text,
    Escape,
    Control,
    Command,
    CommandEscape,
}

impl EscapeFilter {
    fn keeps(&mut self, byte: u8) -> bool {
        let next = match (&self, byte) {
            (Self::Text | Self::Control | Self::Escape, 0x1b) => Self::Escape,
            (Self::Text, _) => return true,
            (Self::Escape, b'[') => Self::Control,
            (Self::Escape, b']') => Self::Command,
            (Self::Control, 0x40..=0x7e)
            | (Self::Command, 0x07)
            | (Self::Escape | Self::CommandEscape, _) => Self::Text,
            (Self::Control, _) => Self::Control,
            (Self::Command, 0x1b) => Self::CommandEscape,
            (Self::Command, _) => Self::Command,
        };
        *self = next;
        false
    }
}

/// Returns the digest of an environment: names and values, without our own variables,
/// which differ from run to run.
pub(crate) fn environment_digest(env: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256Stream::default();
    let is_ours = |name: &str| name.starts_with("JRUN_") || name.starts_with("CONDUCTOR_REST_");
    for (name, value) in env.iter().filter(|(name, _)| !is_ours(name)) {
        for text in [name, value] {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
    }
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cl_storage::digest::sha256_hex;

    #[track_caller]
    fn check(printed: &str, plain: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, printed).unwrap();
        let found = Printed::of(&File::open(&path).unwrap()).unwrap();
        assert_eq!(found.bytes, printed.len() as u64);
        assert_eq!(found.sha256, sha256_hex(printed.as_bytes()));
        assert_eq!(
            found.plain_sha256,
            sha256_hex(plain.as_bytes()),
            "{printed:?}"
        );
    }

    #[test]
    fn escape_sequences_do_not_count_and_everything_else_does() {
        check("", "");
        check("\u{1b}[31;1mred\u{1b}[0m\r\n 1.23s", "red\r\n 1.23s");
        check("\u{1b}]0;title\u{7}x\u{1b}]8;;u\u{1b}\\y", "xy");
        check("\u{1b}cx\u{1b}[", "x");
        check(
            &format!("{}\u{1b}[0mx", "a".repeat(64 * 1024 - 1)),
            &format!("{}x", "a".repeat(64 * 1024 - 1)),
        );
    }

    #[test]
    fn our_own_variables_do_not_count() {
        let env = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            environment_digest(&pairs.collect())
        };
        assert_eq!(env(&[("A", "1"), ("JRUN_ID", "x")]), env(&[("A", "1")]));
        assert_ne!(env(&[("A", "1")]), env(&[("A", "2")]));
        assert_ne!(env(&[("AB", "1")]), env(&[("A", "B1")]));
    }
}
