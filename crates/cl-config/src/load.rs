//! Finding, reading and checking the configuration.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::{ConfigError, Place, Problem, Warning, mask_line};
use crate::legacy;
use crate::model::Config;
use crate::origin::Origins;
use crate::overlay;
use crate::read::{self, Outcome};
use crate::search::{self, Found, Source};
use crate::secret::exposed_mode;
use crate::tree::{self, Document};

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Flags {
    /// The file named by `--config`.
    pub config: Option<PathBuf>,
}

impl Flags {
    /// Returns flags that name the file `config`, or none.
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { config }
    }
}

/// How many bytes of a file are read at the most; no configuration is that large.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// A first config file: comments only, so that it changes nothing.
pub const TEMPLATE: &str = include_str!("template.yaml");

/// A file of the earlier implementation, in YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The file.
    pub path: PathBuf,
    /// The same settings in YAML, without secrets.
    pub yaml: String,
    /// Why a part of the file is missing in `yaml`.
    pub reason: Option<String>,
    /// Where to write them.
    pub write_to: PathBuf,
}

/// Translates `path`, else the file below the home folder; none if there is none there.
pub fn translate(
    path: Option<&Path>,
    environment: &Environment,
) -> Result<Option<Translation>, ConfigError> {
    let is_named = path.is_some();
    let path = path.map(Path::to_owned);
    let Some(path) = path.or_else(|| search::legacy_path(environment)) else {
        return Ok(None);
    };
    let bytes = match read_bounded(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => return Ok(None),
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    let settings = legacy::read(&String::from_utf8_lossy(&bytes));
    Ok(Some(Translation {
        path,
        yaml: settings.to_yaml(),
        reason: settings.reason().map(str::to_owned),
        write_to: search::home_config_path(environment),
    }))
}

/// A configuration, and where it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file they came from.
    pub source: Source,
    /// Where each value came from.
    pub origins: Origins,
    /// What should be looked at.
    pub warnings: Vec<Warning>,
    /// `CONDUCTOR_ROOT`, absolute: it ranks above `storage.runs_dir` when the
    /// root is resolved.
    pub root_variable: Option<PathBuf>,
}

/// Finds, reads and checks the configuration.
///
/// The first file that exists is read: the one in `flags`, `CONDUCTOR_CONFIG`,
/// then those of [`crate::paths_searched`]. All problems are reported at once.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
    let found = search::find(flags, environment)?;
    let mut outcome = match &found {
        Some(found) => read_file(found, environment)?,
        None => without_file(environment)?,
    };
    let root_variable = overlay::apply(&mut outcome, environment);
    if !outcome.problems.is_empty() {
        let mut problems = outcome.problems;
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        return Err(ConfigError::Problems(problems));
    }
    warn_about_server(&mut outcome);
    outcome.origins.add_defaults(&shown_sections(&outcome));
    Ok(Loaded {
        config: outcome.config,
        source: found.map_or(Source::None, |found| Source::File(found.path)),
        origins: outcome.origins,
        warnings: outcome.warnings,
        root_variable,
    })
}

/// Reads a file whole, unless it is too large to be meant.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(bytes)
}

fn read_file(found: &Found, environment: &Environment) -> Result<Outcome, ConfigError> {
    let bytes = read_bounded(&found.path).map_err(|source| ConfigError::Read {
        path: found.shown.clone(),
        source,
    })?;
    if found.path.extension().is_some_and(|e| e == "hcl") {
        let text = String::from_utf8_lossy(&bytes);
        let settings = legacy::read(&text);
        return Err(legacy_error(&found.path, &settings, environment));
    }
    let problem = |line, column, length, source_line: &str, message: String, hint| {
        ConfigError::Problems(vec![Problem {
            place: Place::File {
                path: found.shown.clone(),
                line,
                column,
                length,
                // What it is the value of is not known, so no address keeps its path.
                source_line: mask_line(&read::without_paths(source_line)),
            },
            key: String::new(),
            message,
            hint,
        }])
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.lines().last().unwrap_or("").chars().count() as u64 + 1;
        let column = if before.ends_with('\n') { 1 } else { column };
        problem(line, column, 0, "", "not valid UTF-8".to_owned(), None)
    })?;
    let document = Document::parse(text).map_err(|error| {
        let line = tree::line_of(text, error.line);
        let hint = line
            .trim_start_matches(' ')
            .starts_with('\t')
            .then(|| "indent with blanks, not with tabs".to_owned());
        let message = match error.message {
            // The parser's advice is for programmers.
            text if text.starts_with("multiple YAML documents") => {
                "a config file is a single YAML document; remove the line \"---\"".to_owned()
            }
            text => text,
        };
        problem(error.line, error.column, 1, line, message, hint)
    })?;
    let file = read::File {
        shown: &found.shown,
        folder: found.path.parent().unwrap_or(&found.path),
        is_exposed: exposed_mode(&found.path).is_some(),
    };
    let mut outcome = read::read(&document, &file, environment);
    if !found.is_named && document.is_foreign() {
        let hint = format!(
            "if {} belongs to another program, keep the settings in conductor.yaml or name a file with --config",
            found.shown.display()
        );
        if let Some(problem) = outcome.problems.last_mut() {
            problem.hint.get_or_insert(hint);
        }
    }
    Ok(outcome)
}

/// Returns the defaults; refuses if there are settings in the old format only.
fn without_file(environment: &Environment) -> Result<Outcome, ConfigError> {
    let mut outcome = Outcome {
        config: Config::default(),
        origins: Origins::default(),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let legacy = search::legacy_path(environment)
        .and_then(|path| Some((String::from_utf8(read_bounded(&path).ok()?).ok()?, path)));
    if let Some((text, path)) = legacy {
        let settings = legacy::read(&text);
        if settings.has_agents() || settings.reason().is_some() {
            return Err(legacy_error(&path, &settings, environment));
        }
        outcome.warnings.push(Warning {
            place: None,
            message: format!(
                "{} is in the old HCL format, which is no longer read; it names no agents, so it can be removed (settings belong in {})",
                path.display(),
                search::home_config_path(environment).display()
            ),
        });
    }
    Ok(outcome)
}

fn legacy_error(
    path: &Path,
    settings: &legacy::Settings,
    environment: &Environment,
) -> ConfigError {
    ConfigError::LegacyHcl {
        path: path.to_owned(),
        yaml: settings.to_yaml(),
        reason: settings.reason().map(str::to_owned),
        write_to: search::home_config_path(environment),
    }
}

/// Warns about what the server will refuse.
fn warn_about_server(outcome: &mut Outcome) {
    let api = &outcome.config.api;
    let mut warn = |message: String| {
        outcome.warnings.push(Warning {
            place: None,
            message,
        });
    };
    if api.auth_enabled && api.api_key.is_none() {
        warn(
            "api.auth_enabled is true but there is no api.api_key; the server will not start"
                .to_owned(),
        );
    } else if !api.is_loopback() && !api.auth_enabled {
        warn(format!(
            "api.host {} can be reached from other machines and api.auth_enabled is false; the server will not start",
            api.host
        ));
    }
}

/// Returns the sections whose defaults are worth showing.
fn shown_sections(outcome: &Outcome) -> Vec<&'static str> {
    let mut sections = vec![
        "defaults",
        "api",
        "api.sse",
        "api.limits",
        "storage",
        "delegation",
        "update",
    ];
    if outcome.config.webhook.is_some() {
        sections.push("webhook");
    }
    if outcome.config.notify.command.is_some() || outcome.config.notify.terminal {
        sections.push("notify");
    }
    if outcome.config.defaults.diversification.is_some() {
        sections.push("defaults.diversification");
    }
    sections
}
