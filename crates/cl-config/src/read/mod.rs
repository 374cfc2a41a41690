//! Reading a parsed file into the settings, collecting every mistake.
//!
//! [`Reader`] knows the file and gathers problems, warnings and origins;
//! [`Section`] is one mapping of it, checked against the table of keys; `values`
//! and `lists` turn what stands there into what the settings hold; `agents` and
//! `settings` put the settings together.

mod address;
mod agents;
mod lists;
mod retry;
mod section;
mod settings;
mod task;
mod values;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use cl_storage::redact::Redactor;
use cl_storage::yaml::Location;
use secrecy::SecretString;

use crate::environment::Environment;
use crate::error::{Place, Problem, Warning, mask_line};
use crate::model::Config;
use crate::origin::{Origin, Origins};
use crate::schema;
use crate::tree::{Document, Value};

pub(crate) use address::{without_paths, without_users};
pub(crate) use section::Section;
pub(crate) use task::read_task_gates;

/// What is known about the file that is read.
pub(crate) struct File<'d> {
    /// The file as users know it.
    pub(crate) shown: &'d Path,
    /// The folder that relative paths are relative to, absolute.
    pub(crate) folder: &'d Path,
    /// Whether others on this machine can read the file.
    pub(crate) is_exposed: bool,
}

/// Everything that reading a file results in.
pub(crate) struct Outcome {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

/// Reads `document` into settings; mistakes are in the outcome's problems.
pub(crate) fn read(document: &Document, file: &File<'_>, environment: &Environment) -> Outcome {
    let mut reader = Reader::new(document, file, environment);
    let config = match &document.root.value {
        Value::Null => Config::default(),
        Value::Map(_) => {
            let root = Section::open(&mut reader, "", &document.root, schema::ROOT);
            settings::read(&mut reader, &root)
        }
        other => {
            let message = format!(
                "a config file is a mapping such as \"agents: ...\", found {}",
                other.describe()
            );
            reader.problem(document.root.at, "", message);
            Config::default()
        }
    };
    reader.finish(config)
}

/// Gathers what is found while a file is read.
pub(crate) struct Reader<'d> {
    document: &'d Document,
    file: &'d File<'d>,
    environment: &'d Environment,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    origins: Origins,
    /// What must not be shown when a line of the file is quoted.
    secrets: Vec<SecretString>,
}

impl<'d> Reader<'d> {
    /// Begins to read `document`; keys that stand twice are reported at once.
    fn new(document: &'d Document, file: &'d File<'d>, environment: &'d Environment) -> Self {
        let mut reader = Self {
            document,
            file,
            environment,
            problems: Vec::new(),
            warnings: Vec::new(),
            origins: Origins::default(),
            secrets: Vec::new(),
        };
        reader.report_repeated();
        reader
    }
}

impl Reader<'_> {
    fn report_repeated(&mut self) {
        for key in &self.document.repeated {
            let place = self.place(key.line, key.column, key.length);
            self.problems.push(Problem {
                place,
                key: key.name.clone(),
                message: format!("key \"{}\" stands twice in this mapping", key.name),
                hint: None,
            });
        }
    }

    fn problem(&mut self, at: Location, key: impl Into<String>, message: impl Into<String>) {
        self.problem_with_hint(at, key, message, None);
    }

    fn problem_with_hint(
        &mut self,
        at: Location,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let place = self.place_of(at);
        self.problems.push(Problem {
            place,
            key: key.into(),
            message: message.into(),
            hint,
        });
    }

    fn warning(&mut self, at: Location, message: impl Into<String>) {
        let place = self.place_of(at);
        self.warnings.push(Warning {
            place: Some(place),
            message: message.into(),
        });
    }

    fn place_of(&self, at: Location) -> Place {
        self.place(at.line(), at.column(), at.span().len())
    }

    fn place(&self, line: u64, column: u64, length: u64) -> Place {
        Place::File {
            path: self.file.shown.to_owned(),
            line,
            column,
            length,
            source_line: self.document.line(line).to_owned(),
        }
    }

    /// Remembers where the value of `key` came from.
    ///
    /// Whatever looks like a secret in what is shown of it is masked.
    fn note(&mut self, key: String, shown: String, at: Location) {
        let shown = match Redactor::default().redact(&shown) {
            Cow::Borrowed(_) => shown,
            Cow::Owned(masked) => masked,
        };
        let shown = address::without_users(&shown);
        let origin = Origin::File {
            path: self.file.shown.to_owned(),
            line: at.line(),
        };
        self.origins.set(key, shown, origin);
    }

    /// Makes a path absolute: `~` is the home folder, relative to the file's folder.
    fn resolve(&self, text: &str) -> Result<PathBuf, String> {
        crate::search::expand(text, self.file.folder, self.environment)
    }

    fn finish(mut self, config: Config) -> Outcome {
        let redactor = Redactor::new(self.secrets);
        let places = self.problems.iter_mut().map(|problem| &mut problem.place);
        let warned = self.warnings.iter_mut().filter_map(|w| w.place.as_mut());
        for place in places.chain(warned) {
            if let Place::File { source_line, .. } = place {
                *source_line = mask_line(&redactor.redact(source_line));
            }
        }
        Outcome {
            config,
            origins: self.origins,
            problems: self.problems,
            warnings: self.warnings,
        }
    }
}
