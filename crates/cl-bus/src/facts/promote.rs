//! Copies facts into a sheet, each once.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use cl_storage::durable::{self, Mode};
use cl_storage::lock::{self, LockError};
use cl_storage::redact::Redactor;
use jiff::Timestamp;

use super::{Fact, FactHash, Sheet, SheetError, SheetPlace, title_of};

/// Why facts could not be promoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromoteError {
    /// Somebody else holds the sheet's lock, or it could not be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The sheet could not be read.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The sheet could not be written; the old one is untouched.
    #[error("could not write {}", path.display())]
    Write {
        /// The sheet.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Who promotes, and when.
#[derive(Debug)]
pub struct Promotion<'a> {
    /// The run that promotes, or another word for who does.
    pub promoted_by: &'a str,
    /// When.
    pub now: Timestamp,
    /// Masks secrets in what is written.
    pub redactor: &'a Redactor,
}

/// What a promotion did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Promoted {
    /// The facts that were new, as they are written.
    pub new: Vec<Fact>,
    /// The candidates that stood in the sheet already, or repeated another one.
    pub present: Vec<Fact>,
}

impl Promotion<'_> {
    /// Adds those of `candidates` to the sheet that are not in it.
    ///
    /// Reading, merging and replacing are one step under the sheet's lock, which is
    /// waited for up to five seconds. Returns after the sheet is on disk; one to
    /// which nothing is new is not touched.
    pub fn promote(
        &self,
        place: &SheetPlace,
        candidates: Vec<Fact>,
    ) -> Result<Promoted, PromoteError> {
        let write_error = |source| PromoteError::Write {
            path: place.path().to_owned(),
            source,
        };
        if let Some(folder) = place.path().parent().filter(|_| place.is_global()) {
            durable::create_folders(folder, Mode::Shared).map_err(write_error)?;
            let found = folder.symlink_metadata().map_err(write_error)?;
            if !found.is_dir() {
                // A link would lead out of the root.
                return Err(SheetError::NotRegular(place.path().to_owned()).into());
            }
        }
        lock::with_lock_file(&place.lock(), lock::SHORT_WAIT, || {
            let sheet = Sheet::read(place)?;
            let promoted = self.merge(&sheet, candidates);
            if !promoted.new.is_empty() {
                let bytes = sheet.with(&promoted.new, self.promoted_by, self.now)?;
                durable::replace(place.path(), &bytes, Mode::Shared).map_err(write_error)?;
            }
            Ok(promoted)
        })?
    }

    /// Tells what [`Promotion::promote`] would do now; takes no lock and writes nothing.
    pub fn preview(
        &self,
        place: &SheetPlace,
        candidates: Vec<Fact>,
    ) -> Result<Promoted, PromoteError> {
        let sheet = Sheet::read(place)?;
        Ok(self.merge(&sheet, candidates))
    }

    fn merge(&self, sheet: &Sheet, candidates: Vec<Fact>) -> Promoted {
        let facts = sheet.facts().iter();
        let mut present: HashSet<FactHash> = facts.map(|fact| fact.hash.clone()).collect();
        let mut promoted = Promoted::default();
        for fact in candidates {
            if present.insert(fact.hash.clone()) {
                promoted.new.push(self.redacted(fact));
            } else {
                promoted.present.push(self.redacted(fact));
            }
        }
        promoted
    }

    /// Masks secrets; a title is cut again, so that no half of a secret is left in it.
    fn redacted(&self, fact: Fact) -> Fact {
        let text = self.redactor.redact(&fact.text).into_owned();
        let is_first_line = title_of(&fact.text) == fact.title;
        let title = if is_first_line {
            title_of(&text)
        } else {
            self.redactor.redact(&fact.title).into_owned()
        };
        Fact {
            title,
            text,
            ..fact
        }
    }
}
