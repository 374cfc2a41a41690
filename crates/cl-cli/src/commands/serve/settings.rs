//! `serve --print-config`: the settings that a server would have.

use serde_json::json;

use crate::args::ServeArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Sections of the configuration that say something about the server.
const SECTIONS: [&str; 5] = ["api", "storage", "limits", "defaults", "update"];

struct Setting {
    key: String,
    value: String,
    origin: String,
}

/// Prints them with their origins; secrets are masked.
pub(super) fn print(ctx: &mut Context, args: &ServeArgs) -> Result<Exit, CliError> {
    let serving = super::serving(ctx, args)?;
    let scope = ctx.scope()?;
    let loaded = ctx.config()?;
    let file = loaded.source.path().map(std::path::Path::to_owned);
    let mut settings = vec![Setting {
        key: "root".to_owned(),
        value: serving.root.display().to_string(),
        origin: scope.root.from.to_string(),
    }];
    for entry in cl_config::show(loaded) {
        let section = entry.key.split('.').next().unwrap_or_default();
        if SECTIONS.contains(&section) {
            settings.push(Setting {
                key: entry.key,
                value: entry.value,
                origin: entry.origin.to_string(),
            });
        }
    }
    let mut flag = |key: &str, value: Option<String>, name: &str| {
        let Some(value) = value else { return };
        settings.retain(|setting| setting.key != key);
        settings.push(Setting {
            key: key.to_owned(),
            value,
            origin: name.to_owned(),
        });
    };
    flag("api.host", args.host.clone(), "--host");
    flag("api.port", args.port.map(|it| it.to_string()), "--port");
    let own = |is_given: bool, name: &'static str| if is_given { name } else { "default" };
    let interval = serving.operation.watchdog_interval;
    flag(
        "watchdog_interval",
        Some(interval.map_or_else(|| "0s".to_owned(), |it| format!("{it:?}"))),
        own(args.watchdog_interval.is_some(), "--watchdog-interval"),
    );
    flag(
        "watchdog_max_failures",
        Some(serving.operation.watchdog_failures.to_string()),
        own(
            args.watchdog_max_failures.is_some(),
            "--watchdog-max-failures",
        ),
    );
    flag(
        "read_only",
        Some(serving.is_read_only.to_string()),
        own(args.read_only, "--read-only"),
    );
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    if ctx.console.is_json() {
        let settings: Vec<_> = settings
            .iter()
            .map(|it| json!({"key": it.key, "value": it.value, "origin": it.origin}))
            .collect();
        let document = json!({"path": file, "settings": settings});
        ctx.console.json(&document)?;
        return Ok(Exit::Success);
    }
    for Setting { key, value, origin } in settings {
        ctx.console
            .line(format_args!("{key}: {value}  # {origin}"))?;
    }
    Ok(Exit::Success)
}
