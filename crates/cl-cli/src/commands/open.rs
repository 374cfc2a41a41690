//! `open`: the web UI in a browser, logged in.

use std::path::Path;
use std::time::Duration;

use cl_client::blocking::Blocking;
use cl_client::{Builder, ClientError};
use cl_storage::durable::{self, Mode};
use cl_storage::server::{own_address, record_path};
use cl_wire::LoginLink;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::serve::running;
use crate::args::OpenArgs;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// How long the server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Where the server keeps the key of this user, below the home folder.
const TOKEN: &str = ".run-agent/token";
/// The page that leads a browser on, below the home folder.
const PAGE: &str = ".run-agent/open.html";

/// Asks the server of the root for a link that logs in once, and opens it or prints it.
pub fn run(ctx: &mut Context, args: &OpenArgs) -> Result<Exit, CliError> {
    let root = ctx.scope()?.root().clone();
    let server = running(&root)?;
    // The key is shown to no server that somebody else names.
    if !matches!(own_address(&root), Ok(Some(_))) {
        let own = record_path(&root);
        let message = format!("{} belongs to another user", own.display());
        return Err(CliError::conflict(message).hint("only its owner can log in there"));
    }
    let link = ask(&server.api_url, &key(ctx)?)?;
    let browser = browser(ctx).filter(|_| !args.print && !ctx.console.is_json());
    if let (Some(program), Some(home)) = (browser, ctx.environment.home()) {
        let page = home.join(PAGE);
        match show(program, &page, &link.login_url) {
            Ok(()) => {
                ctx.console
                    .line(format_args!("Opened {} in a browser", server.ui_url))?;
                return Ok(Exit::Success);
            }
            Err(error) => ctx
                .console
                .warn(format!("could not open a browser: {error}")),
        }
    }
    if ctx.console.is_json() {
        ctx.console.json(&json!({
            "ui_url": server.ui_url,
            "login_url": link.login_url,
            "expires_at": link.expires_at,
        }))?;
    } else {
        ctx.console.line(&link.login_url)?;
        ctx.console.note("The link works once, for ten minutes");
    }
    Ok(Exit::Success)
}

/// Returns the key of the server: the configured one, else that of this user.
fn key(ctx: &Context) -> Result<String, CliError> {
    let api = &ctx.config()?.config.api;
    if let Some(key) = api.api_key.as_ref().filter(|_| api.auth_enabled) {
        return Ok(key.expose_secret().to_owned());
    }
    let home = (ctx.environment.home())
        .ok_or_else(|| CliError::failed("there is no home folder with the server's token"))?;
    let path = home.join(TOKEN);
    let text = cl_storage::record::read_text(&path)
        .map_err(|error| CliError::failed("could not read the server's token").caused_by(error))?;
    text.ok_or_else(|| {
        CliError::not_found(format!("there is no token in {}", path.display())).hint(
            "the server was started by another user, or with a key of its own: set CONDUCTOR_API_KEY",
        )
    })
}

fn ask(url: &str, key: &str) -> Result<LoginLink, CliError> {
    let failed = |error: cl_client::BadServer| {
        CliError::failed(format!("could not ask the server at {url}")).caused_by(error)
    };
    let client = Builder::new(url)
        .and_then(|builder| builder.token(key))
        .and_then(|builder| builder.answer_within(ANSWER_WITHIN).build())
        .map_err(failed)?;
    let client = Blocking::new(client)
        .map_err(|error| CliError::failed("could not ask the server").caused_by(error))?;
    client
        .ask(async |client| client.login_link().await)
        .map_err(|error| {
            let exit = match error {
                ClientError::Unreachable { .. } => Exit::Unreachable,
                ClientError::Timeout { .. } => Exit::Timeout,
                _ => Exit::Failed,
            };
            CliError::new(exit, "the server gave no link").caused_by(error)
        })
}

/// Returns the program that opens a browser, if there is a display to open it on.
fn browser(ctx: &Context) -> Option<&'static str> {
    if cfg!(target_os = "macos") {
        return Some("open");
    }
    let has = |name| ctx.environment.get(name).is_some();
    (has("DISPLAY") || has("WAYLAND_DISPLAY")).then_some("xdg-open")
}

/// Opens a page that leads to `url`: arguments of programs are there for all to see.
fn show(program: &str, page: &Path, url: &str) -> std::io::Result<()> {
    let text = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Conductor Loop</title>\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n<a href=\"{url}\">Open</a>\n"
    );
    if let Some(folder) = page.parent() {
        durable::create_folders(folder, Mode::Private)?;
    }
    durable::replace_for_now(page, text.as_bytes(), Mode::Private)?;
    cl_runner::service::open_with(program, page)
}
