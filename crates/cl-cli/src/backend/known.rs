//! Which server is meant where none was named, and which key it is shown.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use cl_storage::{durable, server};
use secrecy::{ExposeSecret as _, SecretString};

use crate::context::Context;
use crate::error::CliError;
use crate::scope::Scope;
use crate::view::open_regular;

/// Names a server for programs that run below one.
const URL_VARIABLE: &str = "JRUN_CONDUCTOR_URL";
/// Where the key of a user is kept, below the home folder.
const TOKEN: &str = ".run-agent/token";
/// Files with more in them are not ours.
const LONGEST: u64 = 64 * 1024;

/// Finds the server of the root that a command is about, and where it is named.
pub(super) fn find(ctx: &Context, scope: &Scope) -> Result<Option<(String, String)>, CliError> {
    let url = ctx.environment.get(URL_VARIABLE).map(str::trim);
    if let Some(url) = url.filter(|url| !url.is_empty()) {
        return Ok(Some((url.to_owned(), format!("${URL_VARIABLE}"))));
    }
    let root = scope.root();
    let shown = server::record_path(root).display().to_string();
    match server::own_address(root) {
        Ok(address) => Ok(address.map(|address| (address, shown))),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(CliError::failed(format!("{shown} cannot be used"))
                .caused_by(error)
                .hint("start the server again, or name it with --server"))
        }
        Err(error) => Err(CliError::failed(format!("could not read {shown}")).caused_by(error)),
    }
}

/// Returns the key that servers are shown, and where it was taken from.
pub(super) fn key(ctx: &Context) -> Result<Option<(SecretString, String)>, CliError> {
    if let Some(key) = ctx.environment.get("CONDUCTOR_API_KEY")
        && !key.trim().is_empty()
    {
        let key = key.trim().to_owned().into();
        return Ok(Some((key, "$CONDUCTOR_API_KEY".to_owned())));
    }
    // A broken config file must not keep anybody from asking a server.
    if let Ok(loaded) = ctx.config()
        && let Some(key) = loaded.config.api.api_key.clone()
        && loaded.config.api.auth_enabled
    {
        return Ok(Some((key, "api.api_key of the config file".to_owned())));
    }
    let Some(home) = ctx.environment.home() else {
        return Ok(None);
    };
    let path = home.join(TOKEN);
    let text = own_file(&path)?.map(|text| text.trim().to_owned());
    let shown = path.display().to_string();
    Ok(text
        .filter(|text| !text.is_empty())
        .map(|text| (SecretString::from(text), shown)))
}

/// Returns the text of a key.
pub(super) fn text(key: &SecretString) -> &str {
    key.expose_secret()
}

/// Reads a file of this user; what somebody else put there is nobody's word.
fn own_file(path: &Path) -> Result<Option<String>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("could not read {}", path.display())).caused_by(error)
    };
    let Some(file) = open_regular(path).map_err(failed)? else {
        return Ok(None);
    };
    if !durable::is_own(&file).map_err(failed)? {
        return Ok(None);
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Some(text))
}
