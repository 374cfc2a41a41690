//! Changes inputs by chance, the same way for the same seed.

/// What readers could stumble over.
const PIECES: [&[u8]; 24] = [
    b"---\n",
    b"---\nmsg_id: A\n",
    b"---\nmsg_id: Z\ntype: FACT\n---\n",
    b"---\r\nmsg_id: C\r\n",
    b"msg_id:",
    b"type: FACT\n",
    b"body_bytes: 3\n",
    b"body_bytes: 18446744073709551615\n",
    b"meta:\n    body_escape: backslash\n",
    b"\\---\n",
    b"\n",
    b"\r\n",
    b"\0",
    b"\0\0\0\0\0\0\0\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"[2026-02-01 10:00:00] FACT: x\n",
    b"..",
    b"/",
    b"version: 1\n",
    b"&a [*a, *a]",
    b"{",
    b"- ",
    b"\"",
];

/// Numbers that look random (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `limit`, or 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0);
        number % limit.max(1)
    }
}

/// Takes one of `inputs` and changes it a few times.
pub(crate) fn changed(inputs: &[(String, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut bytes = inputs[random.below(inputs.len())].1.clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 => {
                let other = &inputs[random.below(inputs.len())].1;
                let from = random.below(other.len() + 1);
                bytes.splice(at..at, other[from..].iter().copied());
            }
            4 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => bytes.push(u8::try_from(random.below(256)).unwrap_or(0)),
        }
    }
    bytes.truncate(64 * 1024);
    bytes
}
