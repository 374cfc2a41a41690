//! The facts of the machine without which a figure means nothing.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a run of benchmarks ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// What the processor calls itself.
    pub(crate) processor: String,
    /// How many threads run at once.
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// The type of the file system that is measured.
    pub(crate) file_system: String,
    /// How many threads wanted to run in the minute before.
    pub(crate) load: String,
}

impl Machine {
    /// Looks at this machine, and at the file system that holds `folder`.
    pub(crate) fn look(folder: &Path) -> Result<Self> {
        let read = |path: &str| {
            std::fs::read_to_string(path).with_context(|| format!("could not read {path}"))
        };
        let folder = folder.canonicalize()?;
        Ok(Self {
            processor: processor(&read("/proc/cpuinfo")?).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: file_system(&read("/proc/self/mountinfo")?, &folder).to_owned(),
            load: first_word(&read("/proc/loadavg")?).to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            kernel,
            file_system,
            load,
        } = self;
        write!(
            f,
            "{cores} × {processor}, Linux {kernel}, {file_system}, load {load}"
        )
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn processor(cpuinfo: &str) -> &str {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(':'))
        .map_or("an unnamed processor", |(_, name)| name.trim())
}

/// Finds the type of the file system that holds `path`: the one with the deepest mount point above it.
///
/// Of two with the same mount point the later one covers the other.
fn file_system<'a>(mountinfo: &'a str, path: &Path) -> &'a str {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        Some((Path::new(front.split(' ').nth(4)?), first_word(back)))
    });
    mounts
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.components().count())
        .map_or("unknown", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
22 21 0:5 / /tmp rw - tmpfs tmpfs rw
23 21 0:6 / /tmp/deep rw - xfs /dev/b rw
24 23 0:7 / /tmp/deep rw - btrfs /dev/c rw
";

    #[test]
    fn the_deepest_and_last_mount_counts() {
        for (path, kind) in [
            ("/srv/a", "ext4"),
            ("/tmp/a", "tmpfs"),
            ("/tmpfile", "ext4"),
            ("/tmp/deep/a", "btrfs"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(path)), kind, "{path}");
        }
        assert_eq!(file_system("", Path::new("/")), "unknown");
    }

    #[test]
    fn a_processor_may_have_no_name() {
        let named = "processor\t: 0\nmodel name\t: Fast One 3\nflags\t: a b\n";
        assert_eq!(processor(named), "Fast One 3");
        assert_eq!(processor("processor\t: 0\n"), "an unnamed processor");
    }

    #[test]
    fn this_machine_has_facts() {
        let machine = Machine::look(Path::new("/")).unwrap();
        assert!(machine.cores > 0);
        assert_ne!(machine.file_system, "unknown");
        assert!(!machine.to_string().contains('\n'));
    }
}
