//! Looking things up on the real machine.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cl_storage::{Root, TaskId, yaml};

use super::Origin;
use super::inputs::{FoundRun, ProjectHome, Surroundings};
use crate::error::CliError;

/// Files and folders whose presence makes a folder that of a project.
const PROJECT_MARKERS: [&str; 8] = [
    ".git",
    "Cargo.toml",
    "package.json",
    "go.mod",
    "pyproject.toml",
    "pom.xml",
    "build.gradle",
    "AGENTS.md",
];

/// The most bytes that are read of a small file.
const SMALL_FILE: u64 = 1024 * 1024;

/// The machine that the command runs on.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The configuration, loaded when it is asked for.
    pub config: &'a crate::context::LazyConfig,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Ids {
    #[serde(rename = "project_id")]
    project: Option<String>,
    #[serde(rename = "task_id")]
    task: Option<String>,
    #[serde(rename = "run_id")]
    run: Option<String>,
}

#[derive(serde::Deserialize)]
struct HomeFolders {
    #[serde(default)]
    project_root: Option<PathBuf>,
}

impl Surroundings for Machine<'_> {
    fn run_info_above(&self, from: &Path) -> Result<Option<FoundRun>, CliError> {
        let record = from
            .ancestors()
            .map(|folder| folder.join("run-info.yaml"))
            .find(|path| {
                path.symlink_metadata()
                    .is_ok_and(|found| found.file_type().is_file())
            });
        let Some(path) = record else {
            return Ok(None);
        };
        // A damaged record says nothing; its place may still do.
        let ids = read_small(&path).and_then(|text| yaml::parse::<Ids>(&text).ok());
        let ids = ids.unwrap_or_default();
        Ok(Some(FoundRun {
            path,
            project: ids.project,
            task: ids.task,
            run: ids.run,
        }))
    }

    fn holds_tasks(&self, folder: &Path) -> bool {
        let Ok(entries) = fs::read_dir(folder) else {
            return false;
        };
        entries.filter_map(Result::ok).any(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir())
                && entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| TaskId::parse(name).is_ok())
        })
    }

    fn project_folder(&self, from: &Path) -> PathBuf {
        from.ancestors()
            .find(|folder| {
                PROJECT_MARKERS
                    .iter()
                    .any(|marker| folder.join(marker).exists())
            })
            .unwrap_or(from)
            .to_owned()
    }

    fn project_homes(&self, root: &Root) -> Vec<ProjectHome> {
        // A root that cannot be listed describes no project; the command says why.
        let projects = root.projects().unwrap_or_default();
        let home = |project: &cl_storage::ProjectDir| {
            let described_in = project.path().join("home-folders.md");
            let text = read_small(&described_in)?;
            let folder = yaml::parse::<HomeFolders>(&text).ok()?.project_root?;
            folder.is_absolute().then(|| ProjectHome {
                project: project.id().clone(),
                folder,
                described_in,
            })
        };
        projects.iter().filter_map(home).collect()
    }

    fn configured_root(&self) -> Result<Option<(PathBuf, Origin)>, CliError> {
        let loaded = self.config.get()?;
        let path = loaded.source.path().map(Path::to_owned).unwrap_or_default();
        let root = loaded.config.storage.runs_dir.clone();
        Ok(root.map(|root| (root, Origin::Config(path))))
    }

    fn real_path(&self, path: &Path) -> PathBuf {
        fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
    }
}

/// Reads a regular file of moderate size; none if it is anything else.
fn read_small(path: &Path) -> Option<String> {
    if !path.symlink_metadata().ok()?.file_type().is_file() {
        return None;
    }
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(SMALL_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}
