//! What the worker is to do, from its arguments.

/// One turn of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Absolute path of the agent's program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The model to ask for.
    pub(super) model: Option<String>,
    /// The agent's mode of work to ask for.
    pub(super) mode: Option<String>,
    /// The session to go on with.
    pub(super) session: Option<String>,
    /// Whether the agent is allowed what it asks for.
    pub(super) allows: bool,
}

/// The arguments are not those of a worker.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl Settings {
    /// Reads arguments, without the sub-command: flags, `--`, the agent's program and its arguments.
    pub fn read(args: &[String]) -> Result<Self, SettingsError> {
        let mut settings = Self {
            program: String::new(),
            args: Vec::new(),
            model: None,
            mode: None,
            session: None,
            allows: true,
        };
        let mut args = args.iter();
        loop {
            let Some(flag) = args.next() else {
                return Err(SettingsError("no program is named behind --".to_owned()));
            };
            if flag == "--" {
                break;
            }
            let value = args
                .next()
                .cloned()
                .ok_or_else(|| SettingsError(format!("{flag} needs a value")))?;
            match (flag.as_str(), value.as_str()) {
                ("--model", _) => settings.model = Some(value),
                ("--mode", _) => settings.mode = Some(value),
                ("--session", _) => settings.session = Some(value),
                ("--permissions", "allow") => settings.allows = true,
                ("--permissions", "reject") => settings.allows = false,
                _ => return Err(SettingsError(format!("unknown argument {flag} {value}"))),
            }
        }
        settings.program = args
            .next()
            .cloned()
            .ok_or_else(|| SettingsError("no program is named behind --".to_owned()))?;
        settings.args = args.cloned().collect();
        Ok(settings)
    }
}
