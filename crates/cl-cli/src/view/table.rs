//! Tables: aligned columns without borders; a status may be coloured on a terminal.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};

use crate::console::Console;
use crate::error::CliError;

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Grid {
    /// The headings, then the rows.
    rows: Vec<Vec<String>>,
    /// The word of each row that may be coloured.
    statuses: Vec<String>,
}

impl Grid {
    /// Starts a table with these headings.
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()],
            statuses: Vec::new(),
        }
    }

    /// Adds a row; `status` is the one of its cells that may be coloured.
    pub(crate) fn row(&mut self, mut cells: Vec<String>, status: &str) {
        // A line break or an escape sequence in a cell would break the table.
        for cell in &mut cells {
            if cell.contains(char::is_control) {
                *cell = cell.replace(char::is_control, " ");
            }
        }
        self.rows.push(cells);
        self.statuses.push(status.to_owned());
    }

    /// Prints the table.
    pub(crate) fn print(&self, console: &mut Console) -> Result<(), CliError> {
        let has_color = console.has_color();
        for (index, line) in self.lines().iter().enumerate() {
            let status = index.checked_sub(1).and_then(|row| self.statuses.get(row));
            match status.filter(|_| has_color) {
                Some(status) => console.line(paint(line, status))?,
                None => console.line(line)?,
            }
        }
        Ok(())
    }

    /// Returns the lines; where every character is as wide as any other, without measuring each.
    fn lines(&self) -> Vec<String> {
        let is_plain = |cell: &String| cell.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if self.rows.iter().flatten().all(is_plain) {
            self.plain_lines()
        } else {
            self.measured_lines()
        }
    }

    fn plain_lines(&self) -> Vec<String> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.len().max(*width);
            }
        }
        let line = |row: &Vec<String>| {
            let mut line = String::with_capacity(widths.iter().sum::<usize>() + 2 * columns);
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.len() + 2));
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect()
    }

    fn measured_lines(&self) -> Vec<String> {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            // A line of data stays one line, however narrow the terminal is.
            .set_content_arrangement(ContentArrangement::Disabled);
        for (index, row) in self.rows.iter().enumerate() {
            if index == 0 {
                table.set_header(row.clone());
            } else {
                table.add_row(row.clone());
            }
        }
        // Every column has a blank on both sides; the outer ones carry nothing.
        let trim = |line: String| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        };
        table.lines().map(trim).collect()
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
    fn plain_cells_stand_where_measured_ones_do() {
        let mut grid = Grid::new(&["A", "LONGER", "LAST"]);
        for cells in [
            ["first cell", "", "x"],
            ["", "y", ""],
            ["a  b ", "12345678", "-"],
        ] {
            grid.row(cells.map(str::to_owned).into(), "x");
        }
        assert_eq!(grid.plain_lines(), grid.measured_lines());
        assert_eq!(grid.lines()[1], "first cell            x");
        grid.row(
            ["\u{2514} \u{6f22}", "z\n", "."].map(str::to_owned).into(),
            "x",
        );
        assert_eq!(grid.lines()[4], "\u{2514} \u{6f22}        z         .");
    }

    #[test]
    fn only_the_status_cell_is_coloured() {
        assert_eq!(
            paint("task-failed-x  failed  1", "failed"),
            "task-failed-x  \u{1b}[31mfailed\u{1b}[0m  1"
        );
        assert_eq!(paint("a  b", "running"), "a  b");
    }
}
