//! `serve unit`: units for service managers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cl_storage::server;

use crate::args::{ServeUnitArgs, ServiceManager};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// What a unit starts.
#[derive(Debug)]
struct Service {
    program: PathBuf,
    args: Vec<String>,
    path: String,
    log: PathBuf,
}

/// Prints the unit for a service manager.
pub(super) fn run(ctx: &mut Context, args: &ServeUnitArgs) -> Result<Exit, CliError> {
    let service = service(ctx)?;
    let text = match args.manager {
        ServiceManager::Systemd => systemd(&service),
        ServiceManager::Launchd => launchd(&service),
    };
    ctx.console.line(text.trim_end())?;
    Ok(Exit::Success)
}

fn service(ctx: &Context) -> Result<Service, CliError> {
    let root = ctx.scope()?.root().clone();
    let program = std::env::current_exe()
        .map_err(|error| CliError::failed("could not find this program").caused_by(error))?;
    let text = |path: &Path| match path.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(CliError::usage(format!(
            "{} cannot be written into a unit",
            path.display()
        ))),
    };
    let mut args = vec!["serve".to_owned(), "--root".to_owned(), text(root.path())?];
    if let Some(config) = ctx.config()?.source.path() {
        args.push("--config".to_owned());
        args.push(text(&ctx.absolute(config))?);
    }
    text(&program)?;
    // Agents are looked up there; a service manager has a short one of its own.
    let path = ctx
        .environment
        .get("PATH")
        .unwrap_or("/usr/local/bin:/usr/bin:/bin");
    Ok(Service {
        program,
        args,
        path: text(Path::new(path))?,
        log: server::log_path(&root),
    })
}

/// A user's unit: `~/.config/systemd/user/conductor.service`.
fn systemd(service: &Service) -> String {
    let words = [service.program.to_string_lossy().into_owned()];
    let words = words.iter().chain(&service.args);
    let line: Vec<String> = words.map(|word| systemd_word(word)).collect();
    format!(
        "# ~/.config/systemd/user/conductor.service; then\n\
         #   systemctl --user daemon-reload && systemctl --user enable --now conductor\n\
         [Unit]\n\
         Description=Conductor Loop\n\
         After=network.target\n\
         StartLimitIntervalSec=600\n\
         StartLimitBurst=10\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={}\n\
         Environment={}\n\
         Restart=on-failure\n\
         RestartSec=2\n\
         # A wrong command line or configuration, and another server: no restart helps.\n\
         RestartPreventExitStatus=2 3 4\n\
         # The server's end must not be that of the agents it has started.\n\
         KillMode=process\n\
         TimeoutStopSec=30\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        line.join(" "),
        systemd_value(&format!("PATH={}", service.path)),
    )
}

/// Quotes a word of a command line, in which `$` and `%` mean something.
fn systemd_word(word: &str) -> String {
    systemd_value(&word.replace('$', "$$"))
}

/// Quotes a value, in which `%` means something.
fn systemd_value(value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{value}\"")
}

/// A user's agent: `~/Library/LaunchAgents/conductor-loop.plist`.
fn launchd(service: &Service) -> String {
    let mut words = String::new();
    let program = service.program.to_string_lossy();
    for word in [program.as_ref()]
        .into_iter()
        .chain(service.args.iter().map(String::as_str))
    {
        // Writing to a String cannot fail.
        writeln!(words, "    <string>{}</string>", xml(word)).unwrap_or_default();
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- ~/Library/LaunchAgents/conductor-loop.plist; then\n     \
         launchctl bootstrap gui/$UID ~/Library/LaunchAgents/conductor-loop.plist -->\n\
         <plist version=\"1.0\">\n\
         <dict>\n  \
         <key>Label</key><string>conductor-loop</string>\n  \
         <key>ProgramArguments</key>\n  \
         <array>\n{words}  </array>\n  \
         <key>EnvironmentVariables</key>\n  \
         <dict><key>PATH</key><string>{path}</string></dict>\n  \
         <key>RunAtLoad</key><true/>\n  \
         <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n  \
         <key>ThrottleInterval</key><integer>10</integer>\n  \
         <!-- The server's end must not be that of the agents it has started. -->\n  \
         <key>AbandonProcessGroup</key><true/>\n  \
         <key>ExitTimeOut</key><integer>30</integer>\n  \
         <key>StandardErrorPath</key><string>{log}</string>\n\
         </dict>\n\
         </plist>\n",
        path = xml(&service.path),
        log = xml(&service.log.to_string_lossy()),
    )
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd() -> Service {
        Service {
            program: "/opt/a b/run-agent".into(),
            args: vec!["serve".into(), "--root".into(), "/r/50%/$x\"<&>".into()],
            path: "/p:/q".into(),
            log: "/l".into(),
        }
    }

    #[test]
    fn a_systemd_unit_leaves_agents_alone_and_quotes_its_words() {
        let unit = systemd(&odd());
        let line = "ExecStart=\"/opt/a b/run-agent\" \"serve\" \"--root\" \"/r/50%%/$$x\\\"<&>\"\n";
        assert!(unit.contains(line), "{unit}");
        for line in [
            "KillMode=process",
            "Restart=on-failure",
            "Environment=\"PATH=/p:/q\"",
        ] {
            assert!(unit.lines().any(|it| it == line), "{line}: {unit}");
        }
    }

    #[test]
    fn a_launchd_agent_leaves_agents_alone_and_escapes_its_words() {
        let agent = launchd(&odd());
        assert!(
            agent.contains("<key>AbandonProcessGroup</key><true/>"),
            "{agent}"
        );
        assert!(
            agent.contains("<string>/r/50%/$x\"&lt;&amp;&gt;</string>"),
            "{agent}"
        );
        assert!(
            agent.contains("<key>SuccessfulExit</key><false/>"),
            "{agent}"
        );
    }
}
