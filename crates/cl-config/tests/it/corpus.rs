//! Bad files and what is said about them; good files and what they mean.

use std::path::{Path, PathBuf};

use cl_config::{ConfigError, Environment, Flags, load, render, render_warning, show};

use crate::support::{check_file, manifest_dir};

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

fn load_from(folder: &Path, file: &Path) -> Result<cl_config::Loaded, ConfigError> {
    let environment = Environment::new([("HOME", "/home/u")], folder);
    let name = PathBuf::from(file.file_name().unwrap());
    load(&Flags::new(Some(name)), &environment)
}

#[test]
fn every_bad_file_gets_its_message() {
    let folder = manifest_dir().join("tests/it/bad");
    for file in yaml_files(&folder) {
        let Err(error) = load_from(&folder, &file) else {
            panic!("{} is accepted", file.display())
        };
        let mut text = render(&error);
        assert!(!text.contains("canary"), "a secret is shown:\n{text}");
        text.push('\n');
        check_file(&file.with_extension("txt"), &text);
        let ConfigError::Problems(problems) = error else {
            panic!("{error}")
        };
        let places: Vec<_> = problems.iter().map(|problem| &problem.place).collect();
        assert!(places.is_sorted(), "{text}");
    }
}

#[test]
fn every_good_file_means_what_it_says() {
    let folder = manifest_dir().join("tests/it/good");
    for file in yaml_files(&folder) {
        let loaded = load_from(&folder, &file).unwrap_or_else(|error| panic!("{}", render(&error)));
        let lines = show(&loaded)
            .into_iter()
            .map(|entry| format!("{}: {} # {}\n", entry.key, entry.value, entry.origin));
        let mut text: String = lines.collect();
        for warning in &loaded.warnings {
            text.push_str("warning: ");
            text.push_str(&render_warning(warning));
            text.push('\n');
        }
        assert!(!text.contains("canary"), "a secret is shown:\n{text}");
        let manifest = folder.to_str().unwrap();
        check_file(
            &file.with_extension("txt"),
            &text.replace(manifest, "<folder>"),
        );
    }
}
