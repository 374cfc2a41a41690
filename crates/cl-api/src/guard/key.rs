//! The key that opens the server: the owner's from the configuration, or one made here.

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use cl_config::Serving;
use cl_storage::digest::{hmac_sha256_hex, unguessable_hex};
use cl_storage::durable::{self, Mode};
use cl_wire::{Problem, ProblemCode};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// The header that carries the key alone.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where the key of a user is kept, below the home folder.
const PATH: &str = ".run-agent/token";
/// A file with less in it holds no key of ours.
const SHORTEST: usize = 32;
/// A file with more in it holds no key either.
const LONGEST: u64 = 4096;

/// The key that opens the server; `Debug` does not show it.
pub(crate) struct Key {
    secret: SecretString,
    /// The user chose it, so that it may be used from other machines.
    is_chosen: bool,
}

/// What a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Right,
    Wrong,
}

impl Key {
    /// Returns the configured key, else that of this user, which is made on the first call.
    ///
    /// Blocks. A key that is made is on disk, readable by its user alone, when this returns.
    ///
    /// # Errors
    ///
    /// A server that others can reach, or that was told to ask for a key, has none configured;
    /// or the file cannot be used.
    pub(crate) fn open(serving: &Serving) -> Result<Self, Problem> {
        let api = &serving.config.api;
        let configured = api.api_key.clone().filter(|_| api.auth_enabled);
        if api.auth_enabled && configured.is_none() {
            let message = "api.auth_enabled is true and there is no key";
            return Err(refused(message)
                .hint("set api.api_key in the configuration, or the variable CONDUCTOR_API_KEY"));
        }
        if let Some(secret) = configured {
            return Ok(Self {
                secret,
                is_chosen: true,
            });
        }
        if !is_loopback(&serving.host) {
            return Err(unsafe_host(&serving.host));
        }
        let home = serving.environment.home().ok_or_else(|| {
            refused("there is no home folder to keep the server's token in")
                .hint("set HOME, or set api.auth_enabled and api.api_key in the configuration")
        })?;
        let secret = kept(&home.join(PATH))?;
        Ok(Self {
            secret,
            is_chosen: false,
        })
    }

    /// Refuses to serve other machines without a key that the user chose.
    pub(super) fn must_do_for(&self, host: &str, address: IpAddr) -> Result<(), Problem> {
        if self.is_chosen || address.to_canonical().is_loopback() {
            Ok(())
        } else {
            Err(unsafe_host(host))
        }
    }

    /// Returns what a request shows.
    pub(super) fn shown(&self, headers: &HeaderMap) -> Shown {
        let bearer = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .filter_map(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let alone = headers.get_all(API_KEY).iter().map(HeaderValue::as_bytes);
        let mut shown = Shown::Nothing;
        for key in bearer.chain(alone) {
            if self.is(key) {
                return Shown::Right;
            }
            shown = Shown::Wrong;
        }
        shown
    }

    /// Returns a code that only this key gives for `purpose`.
    pub(super) fn derive(&self, purpose: &str) -> SecretString {
        let secret = self.secret.expose_secret();
        hmac_sha256_hex(secret.as_bytes(), purpose.as_bytes()).into()
    }

    fn is(&self, shown: &[u8]) -> bool {
        // Digests are alike in length, so that the time does not tell that of the key.
        let digest = |text: &[u8]| hmac_sha256_hex(b"compare", text);
        let ours = digest(self.secret.expose_secret().as_bytes());
        bool::from(ours.as_bytes().ct_eq(digest(shown.trim_ascii()).as_bytes()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("is_chosen", &self.is_chosen)
            .finish_non_exhaustive()
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn unsafe_host(host: &str) -> Problem {
    refused(format!(
        "{host} can be reached from other machines, and there is no key that they would need"
    ))
    .hint("set api.auth_enabled and api.api_key (or CONDUCTOR_API_KEY), or serve 127.0.0.1")
}

/// Returns the key in the file at `path`, which is made if it is missing.
fn kept(path: &Path) -> Result<SecretString, Problem> {
    match read(path) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.map_err(|error| unusable(path, &error)),
    }
    match make(path) {
        // Another server of this user was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path).map_err(|error| unusable(path, &error))
        }
        made => made.map_err(|error| {
            let message = format!("could not make the token file {}: {error}", path.display());
            Problem::new(ProblemCode::Internal, message)
        }),
    }
}

fn make(path: &Path) -> io::Result<SecretString> {
    if let Some(folder) = path.parent() {
        durable::create_folders(folder, Mode::Private)?;
    }
    let key = unguessable_hex()?;
    durable::create_new(path, format!("{key}\n").as_bytes(), Mode::Private)?;
    Ok(key.into())
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no regular file")]
    NotRegular,
    #[error("others can read it (mode {0:03o})")]
    Exposed(u32),
    #[error("there is no token in it")]
    NoToken,
}

fn read(path: &Path) -> Result<SecretString, ReadError> {
    let file = durable::open_real(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(ReadError::NotRegular);
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(ReadError::Exposed(mode));
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text)?;
    let key = text.trim();
    let is_key = key.len() >= SHORTEST && key.bytes().all(|b| b.is_ascii_graphic());
    if !is_key || text.len() as u64 > LONGEST {
        return Err(ReadError::NoToken);
    }
    Ok(key.to_owned().into())
}

fn unusable(path: &Path, error: &ReadError) -> Problem {
    let path = path.display();
    let hint = match error {
        ReadError::Exposed(_) => {
            format!("chmod 600 {path}; or remove it, and the server makes a new one")
        }
        _ => "remove it, and the server makes a new one".to_owned(),
    };
    refused(format!("cannot use the token file {path}: {error}")).hint(hint)
}

fn refused(message: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key {
            secret: text.to_owned().into(),
            is_chosen: true,
        }
    }

    #[track_caller]
    fn check_shown(said: &[(&str, &str)], expected: Shown) {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        assert_eq!(key("test-key").shown(&headers), expected, "{said:?}");
    }

    #[test]
    fn the_key_is_shown_in_two_ways() {
        check_shown(&[("authorization", "Bearer test-key")], Shown::Right);
        check_shown(&[("x-api-key", "test-key")], Shown::Right);
        check_shown(
            &[("x-api-key", "x"), ("authorization", "Bearer test-key")],
            Shown::Right,
        );
        check_shown(&[], Shown::Nothing);
        check_shown(&[("authorization", "bearer test-key")], Shown::Nothing);
        check_shown(&[("authorization", "Basic dGVzdA==")], Shown::Nothing);
        for wrong in ["", "test-ke", "test-key2", "TEST-KEY"] {
            check_shown(&[("x-api-key", wrong)], Shown::Wrong);
            check_shown(
                &[("authorization", &format!("Bearer {wrong}"))],
                Shown::Wrong,
            );
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let printed = format!("{:?}", key("canary"));
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn a_key_is_made_once_and_for_its_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(PATH);
        let first = kept(&path).unwrap();
        assert_eq!(first.expose_secret().len(), 64);
        assert_eq!(kept(&path).unwrap().expose_secret(), first.expose_secret());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[track_caller]
    fn check_unusable(prepare: impl FnOnce(&Path), expected: &str) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        prepare(&path);
        let message = kept(&path).unwrap_err().message;
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused() {
        let private = |path: &Path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        check_unusable(|path| std::fs::create_dir(path).unwrap(), "no regular file");
        check_unusable(
            |path| {
                std::fs::write(path, "").unwrap();
                private(path);
            },
            "there is no token in it",
        );
        check_unusable(
            |path| {
                std::fs::write(path, "test-key ".repeat(9)).unwrap();
                private(path);
            },
            "there is no token in it",
        );
        check_unusable(
            |path| {
                std::fs::write(path, "test-key".repeat(9)).unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
            },
            "others can read it (mode 640)",
        );
        check_unusable(
            |path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap(),
            "cannot use",
        );
    }
}
