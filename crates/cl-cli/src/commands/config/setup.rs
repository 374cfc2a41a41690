//! `config init` and `config migrate`: a first file, and one of the earlier implementation in YAML.

use std::io;
use std::path::Path;

use cl_storage::durable::{self, Mode};
use serde_json::json;

use crate::context::Context;
use crate::error::{CliError, Exit};

/// Writes the template below the home folder; never over a file.
pub(super) fn init(ctx: &mut Context) -> Result<Exit, CliError> {
    let path = cl_config::home_config_path(&ctx.environment);
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return CliError::conflict(format!("{} is there already", path.display()))
                .hint("it was left as it is; `run-agent validate` checks it");
        }
        CliError::failed(format!("could not write {}", path.display())).caused_by(error)
    };
    if let Some(folder) = path.parent() {
        // Here, what is there already is something else in the folder's place.
        durable::create_folders(folder, Mode::Private).map_err(|error| {
            CliError::failed(format!("could not make the folder {}", folder.display()))
                .hint("move away what stands there")
                .caused_by(error)
        })?;
    }
    durable::create_new(&path, cl_config::TEMPLATE.as_bytes(), Mode::Private).map_err(failed)?;
    if ctx.console.is_json() {
        ctx.console.json(&json!({"path": path}))?;
    } else {
        ctx.console.line(path.display())?;
    }
    Ok(Exit::Success)
}

/// Prints the settings of a file of the earlier implementation in YAML; writes nothing.
pub(super) fn migrate(ctx: &mut Context, file: Option<&Path>) -> Result<Exit, CliError> {
    let file = file.map(|file| ctx.absolute(file));
    let found = cl_config::translate(file.as_deref(), &ctx.environment)?;
    let Some(found) = found else {
        return Err(
            CliError::not_found("there is no file of the earlier implementation")
                .hint("name one: run-agent config migrate FILE"),
        );
    };
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "path": found.path,
            "yaml": found.yaml,
            "not_understood": found.reason,
            "write_to": found.write_to,
        }))?;
    } else {
        ctx.console.line(found.yaml.trim_end())?;
        ctx.console.note(format_args!(
            "Write this to {}; secrets are left for you to copy",
            found.write_to.display()
        ));
    }
    if let Some(reason) = found.reason {
        let what = format!("not all of {} could be understood", found.path.display());
        return Err(CliError::failed(what).hint(reason));
    }
    Ok(Exit::Success)
}
