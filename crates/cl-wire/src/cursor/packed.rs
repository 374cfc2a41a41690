//! Numbers and sorted texts in few bytes.

/// Writes what a [`Reader`] reads.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Writes a number: seven bits in each byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    /// Writes a text as what differs from `last`, which the reader must know then.
    pub(super) fn text(&mut self, last: &str, text: &str) {
        let same = last.bytes().zip(text.bytes());
        let same = same.take_while(|(a, b)| a == b).count();
        let rest = &text.as_bytes()[same..];
        self.number(same as u64);
        self.number(rest.len() as u64);
        self.bytes.extend_from_slice(rest);
    }

    /// Returns what was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what a [`Writer`] has written; `None` if it has not.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for at in 0..10 {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds the one bit that is left; a last byte of zero is not needed.
            if at == 9 && bits > 1 || at > 0 && *byte == 0 {
                return None;
            }
            number |= bits << (7 * at);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Reads a text of at most `longest` bytes.
    pub(super) fn text(&mut self, last: &str, longest: usize) -> Option<String> {
        let same = usize::try_from(self.number()?).ok()?;
        let rest = usize::try_from(self.number()?).ok()?;
        let start = last.as_bytes().get(..same)?;
        if same.checked_add(rest)? > longest {
            return None;
        }
        let (text, left) = self.bytes.split_at_checked(rest)?;
        self.bytes = left;
        String::from_utf8([start, text].concat()).ok()
    }

    /// Tells whether everything was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }
}
