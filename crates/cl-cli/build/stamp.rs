//! What a build calls itself; shared by the build script and its tests.

use std::path::{Path, PathBuf};

/// The variables that decide, in order of precedence, and the one that qualifies the last.
pub(crate) const VARIABLES: [&str; 4] = [
    "CONDUCTOR_BUILD_ID",
    "CL_BUILD_VERSION",
    "GITHUB_REF_NAME",
    "GITHUB_REF_TYPE",
];

/// Returns the version that a build of `package_version` shows.
pub(crate) fn version(
    package_version: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    commit: Option<&str>,
) -> String {
    let given = |name: &str| {
        let value = variable(name)?.trim().to_owned();
        let is_one_word = !value.is_empty() && !value.contains(char::is_whitespace);
        is_one_word.then_some(value)
    };
    let tag = || {
        // On a branch the same variable holds the branch's name.
        let is_tag = given("GITHUB_REF_TYPE").is_some_and(|kind| kind == "tag");
        given("GITHUB_REF_NAME").filter(|_| is_tag)
    };
    given("CONDUCTOR_BUILD_ID")
        .or_else(|| given("CL_BUILD_VERSION"))
        .or_else(tag)
        .unwrap_or_else(|| match commit {
            Some(commit) => format!("{package_version}-SNAPSHOT-{commit}"),
            None => format!("{package_version}-SNAPSHOT"),
        })
}

/// Returns the files whose change means another commit: the head and what it points to.
///
/// A file that does not exist is left out: cargo would build every time.
pub(crate) fn watched(git_folder: &Path) -> Vec<PathBuf> {
    let head = git_folder.join("HEAD");
    // A linked worktree keeps its branches in the folder that `commondir` names.
    let common = std::fs::read_to_string(git_folder.join("commondir"))
        .map_or_else(|_| git_folder.to_owned(), |at| git_folder.join(at.trim()));
    let mut files = vec![head.clone(), common.join("packed-refs")];
    let branch = std::fs::read_to_string(&head).unwrap_or_default();
    if let Some(branch) = branch.trim().strip_prefix("ref: ") {
        files.push(common.join(branch));
    }
    files.retain(|file| file.exists());
    files
}
