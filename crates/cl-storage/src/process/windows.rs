//! Handles of processes; never run on Windows.
//!
//! A process begins at a moment that no later one shares, so its time of creation needs
//! no boot beside it. Environments and command lines of others are not read.

use std::io;

use super::ProcessStat;
use crate::win32::{self, Process};

/// Windows counts processor time in these.
const TICKS_PER_SECOND: u64 = 10_000_000;
const PAGE_BYTES: u64 = 4096;
/// Seconds between 1601 and 1970.
const SECONDS_TO_1970: i64 = 11_644_473_600;

pub(super) fn stat(pid: i32) -> io::Result<Option<ProcessStat>> {
    let Some(process) = Process::open(pid.cast_unsigned())? else {
        return Ok(None);
    };
    let times = process.times()?;
    let program = process.program().unwrap_or_default();
    let name = program.rsplit(['\\', '/']).next().unwrap_or_default();
    let parent = process.parent().and_then(|pid| i32::try_from(pid).ok());
    Ok(Some(ProcessStat {
        name: name.to_owned(),
        state: if process.has_ended() { 'Z' } else { 'R' },
        parent: parent.unwrap_or_default(),
        group: 0,
        session: 0,
        is_kernel_thread: false,
        cpu_ticks: times.used,
        start_ticks: times.created,
        resident_pages: process.resident_bytes().unwrap_or_default() / PAGE_BYTES,
    }))
}

pub(super) fn started_at(start_ticks: u64) -> Option<jiff::Timestamp> {
    let seconds = i64::try_from(start_ticks / TICKS_PER_SECOND).ok()?;
    jiff::Timestamp::from_second(seconds - SECONDS_TO_1970).ok()
}

pub(super) fn all_pids() -> io::Result<Vec<i32>> {
    let pids = win32::all_processes()?;
    Ok(pids
        .into_iter()
        .filter_map(|pid| i32::try_from(pid).ok())
        .collect())
}

pub(super) fn environment(_pid: i32) -> Option<Vec<u8>> {
    None
}

pub(super) fn command_line(_pid: i32, _most: u64) -> Option<Vec<u8>> {
    None
}

pub(super) fn control_group(_pid: i32) -> Option<String> {
    None
}

pub(super) fn ticks_per_second() -> u64 {
    TICKS_PER_SECOND
}

pub(super) fn page_bytes() -> u64 {
    PAGE_BYTES
}

#[expect(clippy::unnecessary_wraps, reason = "its twin on Linux may fail")]
pub(super) fn boot_id() -> io::Result<String> {
    Ok("windows".to_owned())
}
