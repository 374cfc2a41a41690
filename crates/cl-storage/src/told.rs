//! What is logged once for each file in the life of a process.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Beyond so many files nothing more is told; the log is long enough.
const MOST_FILES: usize = 10_000;

/// Returns true the first time it is asked about `path`, and for the first files only.
pub(crate) fn is_first(path: &Path) -> bool {
    static TOLD: OnceLock<Mutex<HashSet<PathBuf>>> = OnceLock::new();
    let told = TOLD.get_or_init(Mutex::default);
    // A set of paths is whole whatever its holder did.
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    told.len() < MOST_FILES && !told.contains(path) && told.insert(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_new_once() {
        let [one, two] = ["/told/one", "/told/two"].map(Path::new);
        let answers = [one, two, one, two, one].map(is_first);
        assert_eq!(answers, [true, true, false, false, false]);
    }
}
