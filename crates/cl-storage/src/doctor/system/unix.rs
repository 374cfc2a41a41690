//! `statfs(2)`: a number on Linux, a name on macOS.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Kind;

pub(super) fn kind_of(path: &Path) -> io::Result<Kind> {
    let stat = rustix::fs::statfs(path)?;
    #[cfg(target_os = "macos")]
    return Ok(of_name(&stat.f_fstypename.map(i8::cast_unsigned)));
    #[cfg(not(target_os = "macos"))]
    Ok(of_magic(u64::try_from(stat.f_type).unwrap_or(0)))
}

/// Returns the permissions, if others than the owner have any.
pub(in crate::doctor) fn open_bits(meta: &Metadata) -> Option<u32> {
    let mode = meta.permissions().mode();
    (mode & 0o077 != 0).then_some(mode & 0o7777)
}

#[cfg(not(target_os = "macos"))]
fn of_magic(magic: u64) -> Kind {
    match magic {
        0x6969 => Kind::Network("NFS"),
        0x517b => Kind::Network("SMB"),
        0xfe53_4d42 => Kind::Network("SMB2"),
        0xff53_4d42 => Kind::Network("CIFS"),
        0x5346_414f => Kind::Network("AFS"),
        0x00c3_6400 => Kind::Network("Ceph"),
        0x0102_1997 => Kind::Network("9P"),
        0x6573_5546 => Kind::Network("FUSE"),
        0x0102_1994 => Kind::Passing("tmpfs"),
        0x8584_58f6 => Kind::Passing("ramfs"),
        0x794c_7630 => Kind::Passing("overlay"),
        _ => Kind::Local,
    }
}

/// The name ends with its first zero.
#[cfg(any(target_os = "macos", test))]
fn of_name(name: &[u8]) -> Kind {
    let end = name.iter().position(|byte| *byte == 0);
    match &name[..end.unwrap_or(name.len())] {
        b"nfs" => Kind::Network("NFS"),
        b"smbfs" => Kind::Network("SMB"),
        b"afpfs" => Kind::Network("AFP"),
        b"webdav" => Kind::Network("WebDAV"),
        b"macfuse" | b"osxfuse" => Kind::Network("FUSE"),
        b"tmpfs" => Kind::Passing("tmpfs"),
        _ => Kind::Local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn file_systems_are_known_by_their_number() {
        for (magic, kind) in [
            (0x6969, Kind::Network("NFS")),
            (0xff53_4d42, Kind::Network("CIFS")),
            (0x0102_1994, Kind::Passing("tmpfs")),
            (0x794c_7630, Kind::Passing("overlay")),
            (0xef53, Kind::Local),
            (0, Kind::Local),
        ] {
            assert_eq!(of_magic(magic), kind, "{magic:x}");
        }
    }

    #[test]
    fn file_systems_are_known_by_their_name() {
        assert_eq!(of_name(b"smbfs\0\0"), Kind::Network("SMB"));
        assert_eq!(of_name(b"tmpfs"), Kind::Passing("tmpfs"));
        assert_eq!(of_name(b"apfs\0smbfs"), Kind::Local);
    }
}
