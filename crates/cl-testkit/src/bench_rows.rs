//! The rows that benchmarks report: ours, the floor of the same run, and the goal.
//!
//! A benchmark makes a [`Plan`] from its arguments, measures the rows that the plan wants, and ends with
//! [`Plan::finish`], which prints the table for people and, where the environment variable `BENCH_JSON` names a file,
//! appends one line of JSON per row to it. `cargo xtask bench` collects these.
//!
//! No figure is checked: a row says whether its goal is met, and nothing fails if it is not.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The variable that names the file to which rows are appended as JSON.
pub const JSON_VARIABLE: &str = "BENCH_JSON";
/// The variable that names the folder of generated data.
pub const DATA_VARIABLE: &str = "BENCH_DATA";

/// How often ours and the floor take turns.
const ROUNDS: u32 = 5;
/// How long one of them is measured before it is the other's turn.
const TURN: Duration = Duration::from_millis(300);
const TEST_TURN: Duration = Duration::from_millis(2);

/// One measured row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The row of the table of goals, for example `B1`.
    pub id: String,
    /// What was measured.
    pub what: String,
    /// The unit of the figures, for example `1/s`, `ms` or `MB`.
    pub unit: String,
    /// Our figure, the median of all rounds.
    pub ours: f64,
    /// The least figure of all rounds.
    #[serde(default)]
    pub min: Option<f64>,
    /// The greatest figure of all rounds.
    #[serde(default)]
    pub max: Option<f64>,
    /// What the bare system calls gave in the same run.
    pub floor: Option<f64>,
    /// Ours divided by the floor.
    pub ratio: Option<f64>,
    /// What is wanted, as text.
    pub goal: String,
    /// Whether the goal is met; `None` where there is none.
    pub goal_met: Option<bool>,
    /// The figure of reference, as text. Another machine, another day: for orientation only.
    #[serde(rename = "ref", default)]
    pub reference: Option<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What is wanted of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Ours is at least this.
    AtLeast(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is at least this part of the floor.
    RatioAtLeast(f64),
    /// Ours is at most this multiple of the floor.
    RatioAtMost(f64),
    /// Ours is at most the limit and what the disk took for one sync in this run.
    AtMostAndSync {
        /// The limit without the sync.
        limit: f64,
        /// The sync, in the unit of the row.
        sync: f64,
    },
}

impl Row {
    /// Returns a row without floor and goal.
    pub fn new(id: &str, what: &str, unit: &str, ours: &Samples) -> Self {
        Self {
            id: id.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            ours: ours.median(),
            min: Some(ours.min()),
            max: Some(ours.max()),
            floor: None,
            ratio: None,
            goal: "–".to_owned(),
            goal_met: None,
            reference: None,
            note: None,
        }
    }

    /// Sets what the bare system calls gave.
    #[must_use]
    pub fn floor(mut self, floor: &Samples) -> Self {
        let floor = floor.median();
        self.floor = Some(floor);
        self.ratio = (floor > 0.0).then(|| self.ours / floor);
        self
    }

    /// Sets the goal; one that speaks of the floor is set after the floor.
    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        let unit = &self.unit;
        (self.goal, self.goal_met) = match goal {
            Goal::AtLeast(least) => (
                format!("≥ {} {unit}", figure(least)),
                Some(self.ours >= least),
            ),
            Goal::AtMost(most) => (
                format!("≤ {} {unit}", figure(most)),
                Some(self.ours <= most),
            ),
            Goal::RatioAtLeast(least) => (
                format!("≥ {} × floor", figure(least)),
                self.ratio.map(|ratio| ratio >= least),
            ),
            Goal::RatioAtMost(most) => (
                format!("≤ {} × floor", figure(most)),
                self.ratio.map(|ratio| ratio <= most),
            ),
            Goal::AtMostAndSync { limit, sync } => (
                format!(
                    "≤ {} {unit} + one sync ({} {unit})",
                    figure(limit),
                    figure(sync)
                ),
                Some(self.ours <= limit + sync),
            ),
        };
        self
    }

    /// Sets the figure of reference.
    #[must_use]
    pub fn reference(mut self, text: &str) -> Self {
        self.reference = Some(text.to_owned());
        self
    }

    /// Sets what else there is to say.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }

    /// Returns the cells of the row, as [`HEADINGS`] names them.
    pub fn cells(&self) -> [String; 8] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let spread = match (self.min, self.max) {
            (Some(min), Some(max)) if min < max => {
                format!(" ({}…{})", figure(min), figure(max))
            }
            _ => String::new(),
        };
        let what = match &self.note {
            Some(note) => format!("{}; {note}", self.what),
            None => self.what.clone(),
        };
        [
            self.id.clone(),
            what,
            format!("{} {}{spread}", figure(self.ours), self.unit),
            or_dash(
                self.floor
                    .map(|floor| format!("{} {}", figure(floor), self.unit)),
            ),
            or_dash(self.ratio.map(figure)),
            self.goal.clone(),
            or_dash(self.goal_met.map(|met| {
                let word = if met { "yes" } else { "no" };
                word.to_owned()
            })),
            or_dash(self.reference.clone()),
        ]
    }
}

/// What the columns of a table of rows are called.
pub const HEADINGS: [&str; 8] = [
    "row", "what", "ours", "floor", "ratio", "goal", "met", "ref",
];

/// The figures of all rounds of one measurement; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Takes the figures, in any order.
    pub fn new(mut figures: Vec<f64>) -> Self {
        assert!(!figures.is_empty(), "a measurement has figures");
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// Takes a single figure.
    pub fn one(figure: f64) -> Self {
        Self(vec![figure])
    }

    /// Returns the least figure.
    pub fn min(&self) -> f64 {
        self.0[0]
    }

    /// Returns the figure in the middle, the lower one of two.
    pub fn median(&self) -> f64 {
        self.0[(self.0.len() - 1) / 2]
    }

    /// Returns the greatest figure.
    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// What a benchmark was asked to measure, and the rows it has.
#[derive(Debug)]
pub struct Plan {
    is_test: bool,
    wanted: Vec<String>,
    rows: Vec<Row>,
}

impl Plan {
    /// Reads the arguments of a benchmark: names of rows; none means all of them.
    ///
    /// Only `cargo bench` says `--bench`. Without it, or with `--test`, the benchmark merely shows that it works, with
    /// the least work.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Self {
        let args: Vec<String> = args.into_iter().skip(1).collect();
        let has = |flag: &str| args.iter().any(|arg| arg == flag);
        Self {
            is_test: has("--test") || !has("--bench"),
            wanted: args
                .iter()
                .filter(|arg| !arg.starts_with('-'))
                .map(|arg| arg.to_uppercase())
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Tells whether the row `id` was asked for.
    pub fn wants(&self, id: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == id)
    }

    /// Tells whether the benchmark merely shows that it works.
    pub fn is_test(&self) -> bool {
        self.is_test
    }

    /// Returns `usual`, or `least` where the benchmark merely shows that it works.
    pub fn amount<T>(&self, usual: T, least: T) -> T {
        if self.is_test { least } else { usual }
    }

    /// Returns how long one turn lasts.
    pub fn turn(&self) -> Duration {
        self.amount(TURN, TEST_TURN)
    }

    /// Lets the measurements take turns and returns the figures of each.
    ///
    /// A disk that slows down thus hits all of them. The first round warms up and does not count.
    pub fn take_turns<const N: usize>(
        &self,
        mut measurements: [&mut dyn FnMut() -> f64; N],
    ) -> [Samples; N] {
        if !self.is_test {
            for measure in &mut measurements {
                measure();
            }
        }
        Self::rounds(self.amount(ROUNDS, 1), measurements)
    }

    /// Lets measurements take turns `rounds` times, without warming up: few times where one turn takes seconds, many times
    /// where it is one short process.
    pub fn take_turns_for<const N: usize>(
        &self,
        rounds: u32,
        measurements: [&mut dyn FnMut() -> f64; N],
    ) -> [Samples; N] {
        Self::rounds(self.amount(rounds, 1), measurements)
    }

    fn rounds<const N: usize>(
        rounds: u32,
        mut measurements: [&mut dyn FnMut() -> f64; N],
    ) -> [Samples; N] {
        let mut figures: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
        for _ in 0..rounds {
            for (measure, figures) in measurements.iter_mut().zip(&mut figures) {
                figures.push(measure());
            }
        }
        figures.map(Samples::new)
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Prints the rows, and appends them to the file that [`JSON_VARIABLE`] names.
    #[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
    pub fn finish(self) -> io::Result<()> {
        print!("{}", table(&self.rows));
        match folder_of(JSON_VARIABLE) {
            Some(path) => append_json(&path, &self.rows),
            None => Ok(()),
        }
    }
}

/// Returns the folder of generated data: the one that [`DATA_VARIABLE`] names, or else `own`.
pub fn data_folder(own: &Path) -> PathBuf {
    folder_of(DATA_VARIABLE).unwrap_or_else(|| own.to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "benchmarks get their places from the program that starts them"
)]
fn folder_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// Repeats `one` for `turn` and returns how many times a second it was done.
///
/// `one` returns how many things it did.
pub fn rate(turn: Duration, mut one: impl FnMut() -> u32) -> f64 {
    let started = Instant::now();
    let mut done = 0_u32;
    loop {
        done += one();
        let took = started.elapsed();
        if took >= turn {
            return f64::from(done) / took.as_secs_f64();
        }
    }
}

/// Returns how many milliseconds `one` takes.
pub fn millis<T>(one: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    let result = one();
    let took = started.elapsed();
    drop(result);
    took.as_secs_f64() * 1e3
}

/// Returns the figure that `percent` of all are not above; at least one is there.
pub fn percentile(mut figures: Vec<f64>, percent: usize) -> f64 {
    assert!(!figures.is_empty(), "a measurement has figures");
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() * percent)
        .div_ceil(100)
        .clamp(1, figures.len())
        - 1]
}

/// Appends rows to a file, one line of JSON each.
pub fn append_json(path: &Path, rows: &[Row]) -> io::Result<()> {
    let mut lines = String::new();
    for row in rows {
        lines.push_str(&serde_json::to_string(row)?);
        lines.push('\n');
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(lines.as_bytes())
}

/// Reads the rows that benchmarks appended to a file.
pub fn read_json(text: &str) -> serde_json::Result<Vec<Row>> {
    text.lines().map(serde_json::from_str).collect()
}

/// Returns the rows as a table for people; every line ends with a line feed.
pub fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let lines: Vec<[String; 8]> = std::iter::once(HEADINGS.map(str::to_owned))
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        let widths = lines.iter().map(|cells| cells[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for cells in &lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            write!(line, "{cell:<width$}  ").expect("writing to a string cannot fail");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes a figure with three digits that count.
pub fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 999_500.0 => format!("{:.2} M", value / 1e6),
        _ if size >= 99_950.0 => format!("{:.0} k", value / 1e3),
        _ if size >= 9_995.0 => format!("{:.1} k", value / 1e3),
        _ if size >= 99.95 => format!("{value:.0}"),
        _ if size >= 9.995 => format!("{value:.1}"),
        _ if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_figure_that_was_there() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        for (percent, expected) in [(1, 2.0), (50, 100.0), (99, 198.0), (100, 200.0)] {
            let found = percentile(figures.clone(), percent);
            assert!((found - expected).abs() < 0.1, "{percent}: {found}");
        }
        assert!((percentile(vec![7.0], 99) - 7.0).abs() < 0.1);
    }

    fn plan(args: &[&str]) -> Plan {
        let args = std::iter::once("bench").chain(args.iter().copied());
        Plan::from_args(args.map(str::to_owned))
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        for (value, text) in [
            (0.0123, "0.0123"),
            (0.9, "0.90"),
            (6.2249, "6.22"),
            (42.0, "42.0"),
            (99.96, "100"),
            (733.4, "733"),
            (12_340.0, "12.3 k"),
            (152_400.0, "152 k"),
            (1_250_000.0, "1.25 M"),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
    }

    #[test]
    fn samples_know_their_middle() {
        let samples = Samples::new(vec![5.0, 1.0, 3.0, 2.0]);
        let middle = [samples.min(), samples.median(), samples.max()];
        assert_eq!(middle.map(figure), ["1.00", "2.00", "5.00"]);
    }

    #[test]
    fn goals_are_judged() {
        let met = |ours: f64, floor: f64, goal: Goal| {
            Row::new("B1", "x", "ms", &Samples::one(ours))
                .floor(&Samples::one(floor))
                .goal(goal)
                .goal_met
        };
        assert_eq!(met(150.0, 1.0, Goal::AtLeast(150.0)), Some(true));
        assert_eq!(met(149.0, 1.0, Goal::AtLeast(150.0)), Some(false));
        assert_eq!(met(4.0, 1.0, Goal::AtMost(4.0)), Some(true));
        assert_eq!(met(4.1, 1.0, Goal::AtMost(4.0)), Some(false));
        assert_eq!(met(0.9, 1.0, Goal::RatioAtLeast(0.9)), Some(true));
        assert_eq!(met(0.8, 1.0, Goal::RatioAtLeast(0.9)), Some(false));
        assert_eq!(met(3.0, 1.0, Goal::RatioAtMost(3.0)), Some(true));
        assert_eq!(met(3.1, 1.0, Goal::RatioAtMost(3.0)), Some(false));
        let goal = Goal::AtMostAndSync {
            limit: 3.0,
            sync: 0.5,
        };
        assert_eq!(met(3.5, 1.0, goal), Some(true));
        assert_eq!(met(3.6, 1.0, goal), Some(false));
    }

    #[test]
    fn a_goal_about_a_missing_floor_is_not_judged() {
        let row = Row::new("B2", "x", "1/s", &Samples::one(1.0)).goal(Goal::RatioAtLeast(0.9));
        assert_eq!(row.goal_met, None);
        assert_eq!(row.goal, "≥ 0.90 × floor");
    }

    #[test]
    fn rows_go_to_json_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let samples = Samples::new(vec![2.0, 4.0, 3.0]);
        let first = Row::new("B1", "append, os", "1/s", &samples)
            .floor(&Samples::one(6.0))
            .goal(Goal::AtLeast(2.5))
            .reference("39 k/s")
            .note("two floors");
        let second = Row::new("B6", "RSS", "MB", &Samples::one(16.0));
        append_json(&path, std::slice::from_ref(&first)).unwrap();
        append_json(&path, std::slice::from_ref(&second)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(read_json(&text).unwrap(), [first, second]);
        let json: serde_json::Value =
            serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap();
        assert_eq!(json["ratio"], 0.5);
        assert_eq!(json["ref"], "39 k/s");
        assert_eq!(json["goal_met"], true);
    }

    #[test]
    fn rows_without_spread_and_note_are_understood() {
        let line = r#"{"id":"R1","what":"runs","unit":"1/s","ours":1.0,"floor":2.0,"ratio":0.5,"goal":"≥ 0.8","goal_met":false,"ref":"285/s"}"#;
        let rows = read_json(line).unwrap();
        assert_eq!(rows[0].min, None);
        assert_eq!(rows[0].cells()[2], "1.00 1/s");
    }

    #[test]
    fn a_table_is_aligned_and_says_what_is_met() {
        let rows = [
            Row::new("B1", "append", "1/s", &Samples::one(200.0)).goal(Goal::AtLeast(100.0)),
            Row::new("B22", "tail", "ms", &Samples::new(vec![5.0, 7.0, 6.0]))
                .goal(Goal::AtMost(4.0)),
        ];
        let expected = "\
row  what    ours                 floor  ratio  goal       met  ref
B1   append  200 1/s              –      –      ≥ 100 1/s  yes  –
B22  tail    6.00 ms (5.00…7.00)  –      –      ≤ 4.00 ms  no   –
";
        assert_eq!(table(&rows), expected);
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn a_plan_follows_its_arguments() {
        let all = plan(&["--bench"]);
        assert!(all.wants("B1") && !all.is_test());
        let some = plan(&["--bench", "b1", "B4"]);
        assert!(some.wants("B1") && some.wants("B4") && !some.wants("B2"));
        assert!(plan(&[]).is_test());
        assert!(plan(&["--bench", "--test"]).is_test());
    }

    #[test]
    fn measurements_take_turns_after_a_round_that_does_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let measure = |name| {
            order.borrow_mut().push(name);
            f64::from(u32::try_from(order.borrow().len()).unwrap())
        };
        let [ours, floor] =
            plan(&["--bench"]).take_turns([&mut || measure('o'), &mut || measure('f')]);
        assert_eq!(order.into_inner(), "of".repeat(6));
        assert_eq!([ours.min(), ours.max()].map(figure), ["3.00", "11.0"]);
        assert_eq!([floor.min(), floor.max()].map(figure), ["4.00", "12.0"]);
    }
}
