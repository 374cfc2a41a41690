//! What runs have used, along time.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use cl_storage::Usage;
use cl_wire::usage::{UsageBucket, UsageBy, UsagePoint, UsageTrend, UsageTrendRow};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::account::{Spent, Worth};

/// How many keys have a row of their own.
const MOST_KEYS: usize = 12;

/// The buckets of a trend: without gaps, and none of them empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    bucket: UsageBucket,
    beginnings: Vec<Timestamp>,
    until: Timestamp,
}

impl Grid {
    /// Returns the hours or days from the beginning of the first of `days` days, the last of
    /// which is that of `now`, to the end of the hour or day of `now`.
    ///
    /// Days begin as they do in `zone`, so that one may have 23 hours or 25. `None` for times
    /// that no calendar has.
    pub fn new(bucket: UsageBucket, days: u32, now: Timestamp, zone: &TimeZone) -> Option<Self> {
        let today = now.to_zoned(zone.clone()).date();
        let begins = |date: jiff::civil::Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
        let earlier = i64::from(days.max(1)) - 1;
        let first = today.checked_sub(earlier.days()).ok()?;
        let mut beginnings = Vec::new();
        let until = match bucket {
            UsageBucket::Day => {
                let mut date = first;
                while date <= today {
                    beginnings.push(begins(date)?);
                    date = date.tomorrow().ok()?;
                }
                begins(date)?
            }
            UsageBucket::Hour => {
                let mut at = begins(first)?;
                while at <= now {
                    beginnings.push(at);
                    at = at.checked_add(SignedDuration::from_hours(1)).ok()?;
                }
                at
            }
        };
        (!beginnings.is_empty()).then_some(Self {
            bucket,
            beginnings,
            until,
        })
    }

    /// Returns when the first bucket begins.
    pub fn since(&self) -> Timestamp {
        self.beginnings.first().copied().unwrap_or(self.until)
    }

    /// Returns when the last bucket ends.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Returns the place of the bucket that `at` is in, if any.
    fn place(&self, at: Timestamp) -> Option<usize> {
        if at >= self.until {
            return None;
        }
        let after = self.beginnings.partition_point(|begins| *begins <= at);
        after.checked_sub(1)
    }
}

/// Adds up what runs have used, by key and bucket.
#[derive(Debug)]
pub struct TrendSums {
    grid: Grid,
    rows: BTreeMap<String, Along>,
    unreadable: usize,
}

/// What was used along time.
#[derive(Debug, Default)]
struct Along {
    total: Spent,
    buckets: BTreeMap<usize, Spent>,
}

impl TrendSums {
    /// Begins with nothing.
    pub fn new(grid: Grid) -> Self {
        Self {
            grid,
            rows: BTreeMap::new(),
            unreadable: 0,
        }
    }

    /// Adds a run of `key` that began at `at`; `worth` is `None` if its record cannot be read.
    ///
    /// Runs that began outside of the grid are passed over.
    pub fn add(&mut self, key: &str, at: Timestamp, usage: Option<&Usage>, worth: Option<Worth>) {
        let Some(place) = self.grid.place(at) else {
            return;
        };
        let Some(worth) = worth else {
            self.unreadable += 1;
            return;
        };
        if !self.rows.contains_key(key) {
            self.rows.insert(key.to_owned(), Along::default());
        }
        if let Some(along) = self.rows.get_mut(key) {
            along.total.add(usage, worth);
            let spent = along.buckets.entry(place).or_default();
            spent.add(usage, worth);
        }
    }

    /// Returns the one JSON form.
    pub fn report(self, by: UsageBy, time_zone: String) -> UsageTrend {
        let mut total = Spent::default();
        for along in self.rows.values() {
            total.add_spent(&along.total);
        }
        let keys = self.rows.len();
        let mut rows: Vec<(String, Along)> = self.rows.into_iter().collect();
        rows.sort_by(|(a_key, a), (b_key, b)| {
            dearest_first(&a.total, &b.total).then_with(|| a_key.cmp(b_key))
        });
        // A rest that is a single key is no shorter than that key.
        let left = if keys > MOST_KEYS {
            rows.split_off(MOST_KEYS - 1)
        } else {
            Vec::new()
        };
        let mut shown: Vec<UsageTrendRow> = rows
            .into_iter()
            .map(|(key, along)| along.to_row(Some(key)))
            .collect();
        if !left.is_empty() {
            let mut rest = Along::default();
            for (_, along) in &left {
                rest.add(along);
            }
            shown.push(rest.to_row(None));
        }
        let problems = match self.unreadable {
            0 => Vec::new(),
            1 => vec!["the record of one run could not be read".to_owned()],
            many => vec![format!("the records of {many} runs could not be read")],
        };
        UsageTrend {
            by,
            bucket: self.grid.bucket,
            time_zone,
            buckets: self.grid.beginnings,
            until: self.grid.until,
            keys,
            rows: shown,
            total: total.to_row(None),
            problems,
        }
    }
}

impl Along {
    fn add(&mut self, other: &Self) {
        self.total.add_spent(&other.total);
        for (place, spent) in &other.buckets {
            self.buckets.entry(*place).or_default().add_spent(spent);
        }
    }

    fn to_row(&self, key: Option<String>) -> UsageTrendRow {
        let points = self
            .buckets
            .iter()
            .map(|(bucket, spent)| point(*bucket, spent));
        UsageTrendRow {
            key,
            total: self.total.to_row(None),
            points: points.collect(),
        }
    }
}

fn point(bucket: usize, spent: &Spent) -> UsagePoint {
    let all = spent.all.to_sum();
    UsagePoint {
        bucket,
        cache_read_tokens: all.cache_read_tokens,
        cache_write_tokens: all.cache_write_tokens,
        cost_usd: all.cost_usd,
        input_tokens: all.input_tokens,
        output_tokens: all.output_tokens,
        runs: all.runs,
        runs_without_cost: all.runs_without_cost,
        wasted_cost_usd: spent.wasted.usage.cost_usd,
    }
}

/// Compares by what is known of the cost, then by tokens.
fn dearest_first(a: &Spent, b: &Spent) -> Ordering {
    let cost = |spent: &Spent| spent.all.usage.cost_usd.unwrap_or_default();
    let tokens = |spent: &Spent| {
        let usage = &spent.all.usage;
        usage.input_tokens.saturating_add(usage.output_tokens)
    };
    cost(b)
        .total_cmp(&cost(a))
        .then_with(|| tokens(b).cmp(&tokens(a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A zone with a change of the clock, known without files.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn used(cost: Option<f64>, input_tokens: u64) -> Usage {
        Usage {
            input_tokens,
            cost_usd: cost,
            ..Usage::default()
        }
    }

    fn days(count: u32, now: &str) -> Grid {
        Grid::new(UsageBucket::Day, count, at(now), &TimeZone::UTC).unwrap()
    }

    #[test]
    fn days_begin_at_midnight_of_the_zone() {
        let now = at("2026-10-25T12:30:00Z");
        let grid = Grid::new(UsageBucket::Day, 2, now, &berlin()).unwrap();
        let expected = [at("2026-10-23T22:00:00Z"), at("2026-10-24T22:00:00Z")];
        assert_eq!(grid.beginnings, expected);
        // The day on which clocks go back has 25 hours.
        assert_eq!(grid.until, at("2026-10-25T23:00:00Z"));
        assert_eq!(grid.since(), expected[0]);
    }

    #[test]
    fn hours_end_with_the_present_one() {
        let now = at("2026-03-01T02:00:00Z");
        let grid = Grid::new(UsageBucket::Hour, 1, now, &TimeZone::UTC).unwrap();
        assert_eq!(grid.beginnings.len(), 3);
        assert_eq!(grid.until, at("2026-03-01T03:00:00Z"));
        let grid = Grid::new(UsageBucket::Hour, 31, now, &TimeZone::UTC).unwrap();
        assert_eq!(grid.beginnings.len(), 30 * 24 + 3);
    }

    #[track_caller]
    fn check_place(time: &str, place: Option<usize>) {
        assert_eq!(days(2, "2026-03-02T10:00:00Z").place(at(time)), place);
    }

    #[test]
    fn a_bucket_holds_its_beginning_and_not_its_end() {
        check_place("2026-02-28T23:59:59.999Z", None);
        check_place("2026-03-01T00:00:00Z", Some(0));
        check_place("2026-03-01T23:59:59.999Z", Some(0));
        check_place("2026-03-02T00:00:00Z", Some(1));
        check_place("2026-03-02T23:59:59Z", Some(1));
        check_place("2026-03-03T00:00:00Z", None);
    }

    #[test]
    fn what_is_used_stands_in_its_bucket() {
        let mut sums = TrendSums::new(days(3, "2026-03-03T10:00:00Z"));
        let (first, last) = (at("2026-03-01T01:00:00Z"), at("2026-03-03T01:00:00Z"));
        let half = used(Some(0.5), 10);
        sums.add(
            "cheap",
            first,
            Some(&used(Some(0.1), 99)),
            Some(Worth::Used),
        );
        sums.add("dear", first, Some(&half), Some(Worth::Used));
        sums.add("dear", last, Some(&half), Some(Worth::Wasted));
        sums.add("dear", last, None, Some(Worth::Used));
        sums.add("dear", last, None, None);
        sums.add(
            "dear",
            at("2026-02-01T00:00:00Z"),
            Some(&half),
            Some(Worth::Used),
        );
        let trend = sums.report(UsageBy::Agent, "UTC".into());
        assert_eq!(trend.buckets.len(), 3);
        let keys: Vec<_> = trend.rows.iter().map(|row| row.key.as_deref()).collect();
        assert_eq!(keys, [Some("dear"), Some("cheap")]);
        let points = &trend.rows[0].points;
        let shown: Vec<_> = points
            .iter()
            .map(|p| {
                (
                    p.bucket,
                    p.cost_usd,
                    p.wasted_cost_usd,
                    p.runs,
                    p.runs_without_cost,
                )
            })
            .collect();
        let expected = [(0, Some(0.5), None, 1, 0), (2, Some(0.5), Some(0.5), 2, 1)];
        assert_eq!(shown, expected);
        assert_eq!(trend.rows[0].total.wasted.cost_usd, Some(0.5));
        assert_eq!((trend.total.runs, trend.keys), (4, 2));
        assert_eq!(trend.problems, ["the record of one run could not be read"]);
    }

    #[test]
    fn what_is_not_known_is_not_nothing() {
        let mut sums = TrendSums::new(days(1, "2026-03-03T10:00:00Z"));
        sums.add("a", at("2026-03-03T01:00:00Z"), None, Some(Worth::Used));
        let trend = sums.report(UsageBy::Agent, "UTC".into());
        let point = &trend.rows[0].points[0];
        assert_eq!((point.input_tokens, point.cost_usd), (None, None));
    }

    #[test]
    fn many_keys_share_a_row() {
        let mut sums = TrendSums::new(days(1, "2026-03-03T10:00:00Z"));
        for number in 0..40_u32 {
            let usage = used(Some(f64::from(number)), 1);
            let key = format!("task {number}");
            sums.add(
                &key,
                at("2026-03-03T01:00:00Z"),
                Some(&usage),
                Some(Worth::Used),
            );
        }
        let trend = sums.report(UsageBy::Task, "UTC".into());
        assert_eq!((trend.rows.len(), trend.keys), (MOST_KEYS, 40));
        assert_eq!(trend.rows[0].key.as_deref(), Some("task 39"));
        let rest = trend.rows.last().unwrap();
        assert_eq!((rest.key.as_deref(), rest.points.len()), (None, 1));
        assert_eq!(rest.total.runs, 29);
        let cost: f64 = trend.rows.iter().filter_map(|row| row.total.cost_usd).sum();
        assert_eq!(Some(cost), trend.total.cost_usd);
    }

    #[test]
    fn as_many_keys_as_rows_have_one_each() {
        let mut sums = TrendSums::new(days(1, "2026-03-03T10:00:00Z"));
        for number in 0..MOST_KEYS {
            let key = number.to_string();
            sums.add(&key, at("2026-03-03T01:00:00Z"), None, Some(Worth::Used));
        }
        let trend = sums.report(UsageBy::Task, "UTC".into());
        assert!(trend.rows.iter().all(|row| row.key.is_some()));
    }
}
