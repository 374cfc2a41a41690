//! Tables: aligned columns without borders; a status may be coloured on a terminal.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};

use crate::console::Console;
use crate::error::CliError;

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Grid {
    table: Table,
    /// The word of each row that may be coloured.
    statuses: Vec<String>,
}

impl Grid {
    /// Starts a table with these headings.
    pub(crate) fn new(header: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            // A line of data stays one line, however narrow the terminal is.
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(header.iter().copied());
        Self {
            table,
            statuses: Vec::new(),
        }
    }

    /// Adds a row; `status` is the one of its cells that may be coloured.
    pub(crate) fn row(&mut self, cells: Vec<String>, status: &str) {
        // A line break or an escape sequence in a cell would break the table.
        let cells = cells
            .into_iter()
            .map(|cell| cell.replace(char::is_control, " "));
        self.table.add_row(cells.collect::<Vec<_>>());
        self.statuses.push(status.to_owned());
    }

    /// Prints the table.
    pub(crate) fn print(&self, console: &mut Console) -> Result<(), CliError> {
        let has_color = console.has_color();
        for (index, line) in self.table.lines().enumerate() {
            // Every column has a blank on both sides; the outer ones carry nothing.
            let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
            let status = index.checked_sub(1).and_then(|row| self.statuses.get(row));
            match status.filter(|_| has_color) {
                Some(status) => console.line(paint(line, status))?,
                None => console.line(line)?,
            }
        }
        Ok(())
    }
}

/// Colours the first cell that is exactly `status`.
fn paint(line: &str, status: &str) -> String {
    let style = style_of(status);
    let mut start = 0;
    while let Some(found) = line[start..].find(status) {
        let at = start + found;
        let end = at + status.len();
        let is_free = |text: Option<char>| text.is_none_or(|c| c == ' ');
        if is_free(line[..at].chars().next_back()) && is_free(line[end..].chars().next()) {
            let (before, after) = (&line[..at], &line[end..]);
            return format!("{before}{style}{status}{style:#}{after}");
        }
        start = end;
    }
    line.to_owned()
}

fn style_of(status: &str) -> Style {
    let color = match status {
        "all_finished" | "completed" => AnsiColor::Green,
        "running" => AnsiColor::Blue,
        "blocked" | "waiting" | "queued" | "partial_failure" => AnsiColor::Yellow,
        "failed" => AnsiColor::Red,
        _ => return Style::new(),
    };
    color.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_status_cell_is_coloured() {
        assert_eq!(
            paint("task-failed-x  failed  1", "failed"),
            "task-failed-x  \u{1b}[31mfailed\u{1b}[0m  1"
        );
        assert_eq!(paint("a  b", "running"), "a  b");
    }
}
