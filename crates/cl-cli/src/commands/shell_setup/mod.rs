//! `shell-setup`: aliases that run agents below `wrap`, in one marked block of the user's file.

mod block;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cl_storage::durable::{self, Mode};
use serde_json::json;

use crate::args::{AliasShell, ShellInstallArgs, ShellPlaceArgs, ShellSetupCommand};
use crate::context::Context;
use crate::error::{CliError, Exit};
use block::{Change, Unfinished};

/// A file that a shell reads at each start is far smaller.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// Installs or removes the aliases.
pub fn run(ctx: &mut Context, command: &ShellSetupCommand) -> Result<Exit, CliError> {
    match command {
        ShellSetupCommand::Install(args) => install(ctx, args),
        ShellSetupCommand::Uninstall(args) => change(ctx, args, None),
    }
}

fn install(ctx: &mut Context, args: &ShellInstallArgs) -> Result<Exit, CliError> {
    let program = args.run_agent_bin.as_str();
    if !block::is_one_word(program) {
        return Err(CliError::usage(format!(
            "--run-agent-bin {program:?} is not one plain word"
        ))
        .hint("name a program on the PATH, or a path without blanks, quotes and marks of the shell"));
    }
    change(ctx, &args.place, Some(program))
}

/// Replaces the block by one that calls `program`, or removes it.
fn change(
    ctx: &mut Context,
    args: &ShellPlaceArgs,
    program: Option<&str>,
) -> Result<Exit, CliError> {
    let shell = shell(ctx, args)?;
    let file = file(ctx, args, shell)?;
    let failed = |what: &str, error: io::Error| {
        CliError::failed(format!("could not {what} {}", file.display())).caused_by(error)
    };
    let before = read(&file).map_err(|error| failed("read", error))?;
    let (after, change) = match program {
        Some(program) => block::with(&before, &block::aliases(program)),
        None => block::without(&before),
    }
    .map_err(|Unfinished { line }| {
        CliError::conflict(format!(
            "{}:{line}: the block of aliases begins here and does not end",
            file.display()
        ))
        .hint("remove the rest of the block by hand and try again; nothing was changed")
    })?;
    if change.is_one() && !args.dry_run {
        if program.is_some() {
            make_folder(&file).map_err(|error| failed("make the folder of", error))?;
        }
        durable::replace_in_place(&file, after.as_bytes(), Mode::Shared)
            .map_err(|error| failed("write", error))?;
    }
    tell(ctx, args, shell, &file, change)?;
    if change.is_one() && !args.dry_run {
        ctx.console.note(format_args!(
            "Open a new shell, or read {} again, for it to take effect",
            file.display()
        ));
    }
    Ok(Exit::Success)
}

fn shell(ctx: &Context, args: &ShellPlaceArgs) -> Result<AliasShell, CliError> {
    if let Some(shell) = args.shell {
        return Ok(shell);
    }
    let path = ctx.environment.get("SHELL").unwrap_or_default();
    let name = Path::new(path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let known = [AliasShell::Zsh, AliasShell::Bash, AliasShell::Fish];
    let found = known.into_iter().find(|shell| shell.as_str() == name);
    found.ok_or_else(|| {
        let what = if path.is_empty() {
            "$SHELL is not set".to_owned()
        } else {
            format!("the shell {path} is not supported")
        };
        CliError::usage(what).hint("name one with --shell: zsh, bash or fish")
    })
}

fn file(ctx: &Context, args: &ShellPlaceArgs, shell: AliasShell) -> Result<PathBuf, CliError> {
    let home = ctx
        .environment
        .get_os("HOME")
        .filter(|home| !home.is_empty());
    let home = || {
        let home = home.map(PathBuf::from);
        home.ok_or_else(|| CliError::usage("$HOME is not set").hint("name the file with --rc-file"))
    };
    if let Some(path) = &args.rc_file {
        return match path.strip_prefix("~") {
            Ok(rest) => Ok(home()?.join(rest)),
            Err(_) => Ok(ctx.absolute(path)),
        };
    }
    Ok(match shell {
        AliasShell::Zsh => home()?.join(".zshrc"),
        AliasShell::Bash => home()?.join(".bashrc"),
        AliasShell::Fish => {
            let settings = ctx.environment.get_os("XDG_CONFIG_HOME");
            let settings = settings.filter(|path| Path::new(path).is_absolute());
            let settings = match settings {
                Some(path) => PathBuf::from(path),
                None => home()?.join(".config"),
            };
            settings.join("fish/config.fish")
        }
    })
}

/// Reads a file that need not exist. A file that is no text is not edited.
fn read(path: &Path) -> io::Result<String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(text)
}

fn make_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.exists() => durable::create_folders(folder, Mode::Shared),
        _ => Ok(()),
    }
}

fn tell(
    ctx: &mut Context,
    args: &ShellPlaceArgs,
    shell: AliasShell,
    file: &Path,
    change: Change,
) -> Result<(), CliError> {
    if ctx.console.is_json() {
        return ctx.console.json(&json!({
            "shell": shell.as_str(),
            "file": file,
            "change": change.as_str(),
            "dry_run": args.dry_run,
            "agents": block::AGENTS,
        }));
    }
    let (would, path) = (if args.dry_run { "[dry-run] " } else { "" }, file.display());
    ctx.console.line(match change {
        Change::Added => format!("{would}shell aliases installed in {path}"),
        Change::Updated => format!("{would}shell aliases updated in {path}"),
        Change::Removed => format!("{would}shell aliases removed from {path}"),
        Change::AlreadyThere => format!("shell aliases are already installed in {path}"),
        Change::Absent => format!("no shell aliases in {path}"),
    })
}
