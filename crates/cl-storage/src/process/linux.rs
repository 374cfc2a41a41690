//! `/proc`: `proc_pid_stat(5)` and its neighbours.

use std::fs;
use std::io;

use super::ProcessStat;

/// The flag of kernel threads (`PF_KTHREAD`) in field 9.
const KERNEL_THREAD: u64 = 0x0020_0000;

pub(super) fn stat(pid: i32) -> io::Result<Option<ProcessStat>> {
    match read_line(&format!("/proc/{pid}/stat")) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        // The process ended between open and read.
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads a file of the kernel that holds one line.
///
/// Such files have no length, and a reader that asks for one takes a handful of calls for
/// each: too much for those who look at every process of the machine.
fn read_line(path: &str) -> io::Result<Vec<u8>> {
    // Longer than any line of numbers; a longer one takes another turn.
    const ROOM: usize = 2048;
    let mut file = fs::File::open(path)?;
    let mut line = vec![0; ROOM];
    let mut length = 0;
    loop {
        let read = match io::Read::read(&mut file, &mut line[length..]) {
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        length += read;
        // The name of a program may hold a line feed, but not the last one.
        if read == 0 || (length < line.len() && line[length - 1] == b'\n') {
            line.truncate(length);
            return Ok(line);
        }
        if length == line.len() {
            line.resize(2 * length, 0);
        }
    }
}

/// Parses one line; the name in parentheses may hold anything, `)` included.
fn parse(text: &str) -> Option<ProcessStat> {
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    // `fields[0]` is field 3 of the manual page.
    let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
    let signed = |n: usize| fields.get(n - 3)?.parse::<i32>().ok();
    Some(ProcessStat {
        name,
        state: fields.first()?.chars().next()?,
        parent: signed(4)?,
        group: signed(5)?,
        session: signed(6)?,
        is_kernel_thread: number(9)? & KERNEL_THREAD != 0,
        cpu_ticks: number(14)? + number(15)?,
        start_ticks: number(22)?,
        resident_pages: number(24)?,
    })
}

/// Returns when a process with `start_ticks` was started, as wall-clock time.
pub(super) fn started_at(start_ticks: u64) -> Option<jiff::Timestamp> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse::<i64>()
        .ok()?;
    let seconds = i64::try_from(start_ticks / ticks_per_second().max(1)).ok()?;
    jiff::Timestamp::from_second(boot.checked_add(seconds)?).ok()
}

pub(super) fn all_pids() -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// Returns the variables with their values, separated by NUL.
pub(super) fn environment(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok()
}

/// Returns `most` bytes of the arguments at the most, separated by NUL.
pub(super) fn command_line(pid: i32, most: u64) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

pub(super) fn control_group(pid: i32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(unified.to_owned())
}

pub(super) fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

pub(super) fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

pub(super) fn boot_id() -> io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let fields = "S 1 2 3 0 0 0 0 0 0 0 5 6 0 0 0 0 0 0 77 0 99 0";
        let stat = parse(&format!("12 (a) b (c)) {fields}")).unwrap();
        assert_eq!(
            (stat.name.as_str(), stat.parent, stat.start_ticks),
            ("a) b (c)", 1, 77)
        );
        assert_eq!((stat.cpu_ticks, stat.resident_pages), (11, 99));
        assert!(!stat.is_kernel_thread);
        assert_eq!(parse("garbage"), None);
        let kernel = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 9 0 0 0";
        assert!(parse(kernel).unwrap().is_kernel_thread);
    }
}
