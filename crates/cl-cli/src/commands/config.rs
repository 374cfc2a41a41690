//! `config`: what is configured, and where that is written.

mod setup;

use serde_json::json;

use crate::args::ConfigCommand;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Shows the configuration.
pub fn run(ctx: &mut Context, command: &ConfigCommand) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Show { origin } => show(ctx, *origin),
        ConfigCommand::Path => path(ctx),
        ConfigCommand::Init => setup::init(ctx),
        ConfigCommand::Migrate { file } => setup::migrate(ctx, file.as_deref()),
        ConfigCommand::Schema => {
            let schema = serde_json::to_string_pretty(&cl_config::schema::schema())
                .map_err(|error| CliError::failed("could not write JSON").caused_by(error))?;
            ctx.console.line(schema)?;
            Ok(Exit::Success)
        }
    }
}

fn show(ctx: &mut Context, with_origin: bool) -> Result<Exit, CliError> {
    let loaded = ctx.config.get()?;
    for warning in &loaded.warnings {
        ctx.console.warn(cl_config::render_warning(warning));
    }
    if ctx.console.is_json() {
        let settings: Vec<_> = cl_config::show(loaded)
            .into_iter()
            .map(|entry| {
                json!({
                    "key": entry.key,
                    "value": entry.value,
                    "origin": entry.origin.to_string(),
                })
            })
            .collect();
        let path = loaded.source.path();
        ctx.console
            .json(&json!({"path": path, "settings": settings}))?;
    } else if with_origin {
        let text = cl_config::show_text(loaded);
        ctx.console.line(text.trim_end())?;
    } else {
        for entry in cl_config::show(loaded) {
            ctx.console
                .line(format_args!("{}: {}", entry.key, entry.value))?;
        }
    }
    Ok(Exit::Success)
}

fn path(ctx: &mut Context) -> Result<Exit, CliError> {
    let loaded = ctx.config.get()?;
    let searched = cl_config::paths_searched(&ctx.environment);
    let found = loaded.source.path();
    if ctx.console.is_json() {
        ctx.console
            .json(&json!({"path": found, "searched": searched}))?;
        return Ok(Exit::Success);
    }
    if let Some(found) = found {
        ctx.console.line(found.display())?;
        return Ok(Exit::Success);
    }
    let searched: Vec<String> = searched
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Err(
        CliError::not_found("there is no config file; defaults are used")
            .hint(format!("looked for {}", searched.join(", "))),
    )
}
