//! What is counted and measured, in the form that Prometheus reads.
//!
//! What other processes do is counted when the index sees it; what is true at the moment is
//! looked up when somebody asks.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use cl_storage::run_info::RunStatus;
use cl_storage::status::TaskStatus;
use cl_storage::{ProjectId, RunId, TaskId};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::error::RecvError;

use super::{Told, seconds};
use crate::app::App;
use crate::state::{Change, RunFacts, TaskEntry};

type Labels = Vec<(&'static str, String)>;

/// How often the sizes of all buses are looked up at the most.
const BUSES_EVERY: Duration = Duration::from_mins(1);
/// How often it is asked whether the index has been built.
const BUILDING: Duration = Duration::from_millis(100);
/// How late a run may be seen and still say something about the index: others ended before the
/// server looked, or by a clock that is wrong.
const LATE: f64 = 600.0;

/// All that is counted and measured.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    uptime: Gauge<f64, AtomicU64>,
    active_runs: Gauge,
    completed_runs: Counter,
    failed_runs: Counter,
    appends: Counter,
    queued_runs: Gauge,
    requests: Family<Labels, Counter>,
    durations: Family<Labels, Histogram>,
    agent_runs: Family<Labels, Counter>,
    fallbacks: Family<Labels, Counter>,
    streams: Gauge,
    planner_queue: Gauge,
    bus_bytes: Gauge,
    index_lag: Histogram,
    index_version: Gauge,
    index_polls: Gauge,
    lost_lines: Counter,
    audit_failures: Counter,
    buses_looked_at: Mutex<Option<Instant>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let mut add = Adding(&mut registry);
        Self {
            uptime: add.metric(
                "conductor_uptime_seconds",
                "Seconds since the server started",
            ),
            active_runs: add.metric("conductor_active_runs_total", "Tasks that are at work"),
            completed_runs: add.metric("conductor_completed_runs", "Runs that completed"),
            failed_runs: add.metric("conductor_failed_runs", "Runs that failed"),
            appends: add.metric(
                "conductor_messagebus_appends",
                "Messages posted through the server",
            ),
            queued_runs: add.metric("conductor_queued_runs_total", "Tasks that wait for a slot"),
            requests: add.metric(
                "conductor_api_requests",
                "Total API requests by method and status",
            ),
            durations: add.with(
                "conductor_api_request_duration_seconds",
                "Time until the head of the answer, by pattern of the path",
                Family::new_with_constructor(durations as fn() -> Histogram),
            ),
            agent_runs: add.metric("conductor_agent_runs", "Runs that ended, by kind of agent"),
            fallbacks: add.metric(
                "conductor_agent_fallbacks",
                "Runs of another kind of agent than the run before",
            ),
            streams: add.metric("conductor_sse_clients", "Event streams that are open"),
            planner_queue: add.metric(
                "conductor_planner_queue",
                "Submissions that wait to be launched",
            ),
            bus_bytes: add.metric("conductor_messagebus_bytes", "Size of all message buses"),
            index_lag: add.with(
                "conductor_index_lag_seconds",
                "Time from the recorded end of a run until the index shows it",
                Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0]),
            ),
            index_version: add.metric("conductor_index_version", "Changes that the index has seen"),
            index_polls: add.metric(
                "conductor_index_polling",
                "1 where the index looks again and again because it cannot watch",
            ),
            lost_lines: add.metric(
                "conductor_access_log_lost_lines",
                "Lines of the access log that came too fast",
            ),
            audit_failures: add.metric(
                "conductor_audit_failures",
                "Lines of the audit that could not be written",
            ),
            buses_looked_at: Mutex::default(),
            registry,
        }
    }

    /// Counts a message that was posted.
    pub(crate) fn appended(&self) {
        self.appends.inc();
    }

    pub(super) fn lost_a_line(&self) {
        self.lost_lines.inc();
    }

    pub(super) fn audit_failed(&self) {
        self.audit_failures.inc();
    }

    /// Counts a request whose answer begins.
    pub(super) fn answered(&self, told: &Told, took: Duration) {
        let method = method(&told.method);
        let status = told.status.as_str().to_owned();
        let labels = vec![("method", method.to_owned()), ("status", status)];
        self.requests.get_or_create(&labels).inc();
        let path = told.found.endpoint.as_deref().unwrap_or("other").to_owned();
        let labels = vec![("method", method.to_owned()), ("path", path)];
        self.durations.get_or_create(&labels).observe(seconds(took));
    }

    /// Counts a stream until what is returned is dropped.
    pub(super) fn stream_begins(&self) -> Stream {
        self.streams.inc();
        Stream(self.streams.clone())
    }

    /// Counts a run that has ended.
    fn ended(&self, run: &Run, before: Option<&Run>, now: Timestamp) {
        match run.status {
            RunStatus::Completed => self.completed_runs.inc(),
            _ => self.failed_runs.inc(),
        };
        let kind = run.kind.as_deref().unwrap_or("unknown");
        let labels = vec![("agent_type", kind.to_owned())];
        self.agent_runs.get_or_create(&labels).inc();
        let other = before.and_then(|before| before.kind.as_deref());
        if let Some(other) = other.filter(|other| *other != kind) {
            let labels = vec![
                ("from_type", other.to_owned()),
                ("to_type", kind.to_owned()),
            ];
            self.fallbacks.get_or_create(&labels).inc();
        }
        let lag = run.end.map(|end| now.duration_since(end).as_secs_f64());
        if let Some(lag) = lag.filter(|lag| (0.0..LATE).contains(lag)) {
            self.index_lag.observe(lag);
        }
    }

    /// Returns all of it as text; in the older form unless the newer one is wanted.
    ///
    /// Blocks: sizes of buses may have to be looked up.
    pub(crate) fn text(&self, app: &App, openly: bool) -> Result<String, std::fmt::Error> {
        self.look(app);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(if openly { text } else { plain(&text) })
    }

    /// Looks up what is true at the moment.
    fn look(&self, app: &App) {
        self.uptime.set(seconds(app.started.elapsed()));
        let view = app.index.view();
        let (mut active, mut queued) = (0, 0);
        for task in view.tasks() {
            let status = task.row.status;
            let is_at_work = matches!(status, TaskStatus::Running | TaskStatus::PartialFailure);
            active += i64::from(task.row.active && is_at_work);
            queued += i64::from(status == TaskStatus::Queued);
        }
        self.active_runs.set(active);
        self.queued_runs.set(queued);
        self.planner_queue
            .set(number(app.conductor.waiting() as u64));
        let health = app.index.health();
        self.index_version.set(number(health.version));
        self.index_polls.set(i64::from(health.problem.is_some()));
        let mut looked_at = (self.buses_looked_at.lock()).unwrap_or_else(PoisonError::into_inner);
        if looked_at.is_none_or(|at| at.elapsed() >= BUSES_EVERY) {
            let size = |path: std::path::PathBuf| path.symlink_metadata().map_or(0, |it| it.len());
            let of_projects = (view.projects.keys())
                .filter_map(|id| app.root.project(id).ok())
                .map(|project| size(project.bus()));
            let of_tasks = (view.tasks())
                .filter_map(|task| task.dir(&app.root).ok())
                .map(|task| size(task.bus()));
            self.bus_bytes
                .set(number(of_projects.chain(of_tasks).sum()));
            *looked_at = Some(Instant::now());
        }
    }
}

/// Where metrics are added.
struct Adding<'a>(&'a mut Registry);

impl Adding<'_> {
    fn metric<M>(&mut self, name: &str, help: &str) -> M
    where
        M: Default + Clone + prometheus_client::registry::Metric,
    {
        self.with(name, help, M::default())
    }

    fn with<M: Clone + prometheus_client::registry::Metric>(
        &mut self,
        name: &str,
        help: &str,
        metric: M,
    ) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}

/// A stream, counted as long as this is there.
#[derive(Debug)]
pub(super) struct Stream(Gauge);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn durations() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
}

/// Returns one of few words: clients may make methods up.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the older text form of the newer one: names of counters have their ending everywhere.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let help = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' '));
        let kind = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '));
        let is_counter = match (help, kind) {
            (Some((name, _)), _) => {
                let next = format!("# TYPE {name} counter");
                lines.peek().is_some_and(|line| **line == next)
            }
            (_, Some((_, kind))) => kind == "counter",
            _ => false,
        };
        let written = match (help, kind) {
            (Some((name, rest)), _) if is_counter => {
                writeln!(plain, "# HELP {name}_total {}", rest.trim_end_matches('.'))
            }
            (Some((name, rest)), _) => {
                writeln!(plain, "# HELP {name} {}", rest.trim_end_matches('.'))
            }
            (_, Some((name, kind))) if is_counter => {
                writeln!(plain, "# TYPE {name}_total {kind}")
            }
            _ => writeln!(plain, "{line}"),
        };
        written.unwrap_or_default();
    }
    plain
}

/// Counts runs as they end, until the server does.
pub(crate) fn follow(app: App) {
    let mut changes = app.index.changes();
    let ending = app.ending.clone();
    // Records tell whole seconds.
    let started = Timestamp::from_second(app.now().as_second()).unwrap_or_default();
    tokio::spawn(async move {
        let mut tally = Tally::since(started);
        while app.index.is_building() {
            tokio::select! {
                () = tokio::time::sleep(BUILDING) => {}
                () = ending.cancelled() => return,
            }
        }
        // What ended while the index was being built is no change of it.
        let worker = app.clone();
        let first = tokio::task::spawn_blocking(move || {
            tally.look_at_all(&worker);
            tally
        });
        let Ok(mut tally) = first.await else {
            return;
        };
        loop {
            let change = tokio::select! {
                // A receive that was not finished has taken no change.
                change = changes.recv() => change,
                () = ending.cancelled() => return,
            };
            let worker = app.clone();
            let work = move || {
                match change {
                    Ok(Change::Task(entry)) => tally.look(&worker, &entry),
                    Ok(Change::TaskGone(project, task)) => {
                        tally.seen.remove(&(project, task));
                    }
                    Ok(Change::ProjectGone(gone)) => {
                        tally.seen.retain(|(project, _), _| *project != gone);
                    }
                    Ok(Change::Project(_) | Change::Queue) => {}
                    Err(RecvError::Lagged(_)) => tally.look_at_all(&worker),
                    Err(RecvError::Closed) => return None,
                }
                Some(tally)
            };
            // What was seen stands in files, so a lost tally would count runs twice: it ends.
            match tokio::task::spawn_blocking(work).await {
                Ok(Some(after)) => tally = after,
                Ok(None) | Err(_) => return,
            }
        }
    });
}

/// What counts of a run.
#[derive(Debug)]
struct Run {
    id: RunId,
    kind: Option<Arc<str>>,
    status: RunStatus,
    end: Option<Timestamp>,
    previous: Option<RunId>,
}

impl Run {
    fn of(facts: &RunFacts) -> Self {
        Self {
            id: facts.id.clone(),
            kind: facts.kind.clone(),
            status: facts.status,
            end: facts.end,
            previous: facts.previous.clone(),
        }
    }
}

/// Which runs have been counted.
#[derive(Debug)]
struct Tally {
    since: Timestamp,
    /// When the last runs ended that were counted, and which ones, of each task that had any.
    seen: HashMap<(ProjectId, TaskId), (Timestamp, Vec<RunId>)>,
}

impl Tally {
    fn since(since: Timestamp) -> Self {
        Self {
            since,
            seen: HashMap::new(),
        }
    }

    fn look_at_all(&mut self, app: &App) {
        for entry in app.index.view().tasks() {
            self.look(app, entry);
        }
    }

    fn look(&mut self, app: &App, entry: &TaskEntry) {
        if entry.row.last_activity.is_none_or(|at| at < self.since) {
            return;
        }
        let facts = app.index.run_facts(entry);
        let runs: Vec<Run> = facts.iter().map(Run::of).collect();
        let key = (entry.row.project_id.clone(), entry.row.task_id.clone());
        for (before, run) in self.fresh(key, &runs) {
            app.metrics.ended(run, before, app.now());
        }
    }

    /// Returns the runs that have ended since the last look, each with the one that it follows.
    fn fresh<'a>(
        &mut self,
        key: (ProjectId, TaskId),
        runs: &'a [Run],
    ) -> Vec<(Option<&'a Run>, &'a Run)> {
        let counted = self.seen.get(&key).cloned();
        let is_fresh = |run: &Run| {
            let has_ended = matches!(run.status, RunStatus::Completed | RunStatus::Failed);
            let Some(end) = run.end.filter(|_| has_ended) else {
                return false;
            };
            match &counted {
                // Runs of a task follow each other.
                Some((last, ids)) => end > *last || (end == *last && !ids.contains(&run.id)),
                None => end >= self.since,
            }
        };
        let mut fresh: Vec<_> = runs.iter().filter(|run| is_fresh(run)).collect();
        fresh.sort_by_key(|run| run.end);
        if let Some(end) = fresh.last().and_then(|run| run.end) {
            let same = runs.iter().filter(|run| run.end == Some(end));
            let ids = same.map(|run| run.id.clone()).collect();
            self.seen.insert(key, (end, ids));
        }
        let before = |run: &Run| {
            let previous = run.previous.as_ref()?;
            runs.iter().find(|other| other.id == *previous)
        };
        fresh.into_iter().map(|run| (before(run), run)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_form_names_counters_in_full() {
        let newer = "# HELP a_requests Some help.\n# TYPE a_requests counter\n\
            a_requests_total{x=\"y\"} 1\n# HELP b Other.\n# TYPE b gauge\nb 2\n# EOF\n";
        let older = "# HELP a_requests_total Some help\n# TYPE a_requests_total counter\n\
            a_requests_total{x=\"y\"} 1\n# HELP b Other\n# TYPE b gauge\nb 2\n";
        assert_eq!(plain(newer), older);
    }

    #[test]
    fn all_metrics_have_the_documented_names() {
        let metrics = Metrics::new();
        // What has labels is there when it has been counted once.
        let told = Told {
            request_id: String::new(),
            method: Method::GET,
            path: String::new(),
            status: axum::http::StatusCode::OK,
            found: crate::journal::Found::default(),
        };
        metrics.answered(&told, Duration::ZERO);
        let first = run("20260101-0000000000-1-1", "claude", 1, None);
        let second = run("20260101-0000000000-1-2", "codex", 2, None);
        metrics.ended(&second, Some(&first), Timestamp::UNIX_EPOCH);
        let mut text = String::new();
        encode(&mut text, &metrics.registry).unwrap();
        let text = plain(&text);
        for (name, kind) in [
            ("conductor_uptime_seconds", "gauge"),
            ("conductor_active_runs_total", "gauge"),
            ("conductor_completed_runs_total", "counter"),
            ("conductor_failed_runs_total", "counter"),
            ("conductor_messagebus_appends_total", "counter"),
            ("conductor_queued_runs_total", "gauge"),
            ("conductor_api_requests_total", "counter"),
            ("conductor_agent_runs_total", "counter"),
            ("conductor_agent_fallbacks_total", "counter"),
            ("conductor_sse_clients", "gauge"),
            ("conductor_planner_queue", "gauge"),
            ("conductor_messagebus_bytes", "gauge"),
            ("conductor_index_lag_seconds", "histogram"),
            ("conductor_api_request_duration_seconds", "histogram"),
        ] {
            let line = format!("# TYPE {name} {kind}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }

    fn run(id: &str, kind: &str, end: i64, previous: Option<&str>) -> Run {
        let parse = |id: &str| RunId::parse(id).unwrap();
        Run {
            id: parse(id),
            kind: Some(kind.into()),
            status: RunStatus::Completed,
            end: Some(Timestamp::from_second(end).unwrap()),
            previous: previous.map(parse),
        }
    }

    #[test]
    fn each_run_is_counted_once() {
        let mut tally = Tally::since(Timestamp::from_second(100).unwrap());
        let key = || {
            let project = ProjectId::parse("p").unwrap();
            (
                project,
                TaskId::parse("task-20260101-000000-plain").unwrap(),
            )
        };
        let first = "20260101-0000000000-1-1";
        let second = "20260101-0000000000-1-2";
        let third = "20260101-0000000000-1-3";
        let mut runs = vec![
            run(first, "claude", 50, None),
            run(second, "claude", 150, None),
        ];
        let ids = |found: Vec<(Option<&Run>, &Run)>| -> Vec<String> {
            found.iter().map(|(_, run)| run.id.to_string()).collect()
        };
        // The first one ended before the server began.
        assert_eq!(ids(tally.fresh(key(), &runs)), [second]);
        assert_eq!(ids(tally.fresh(key(), &runs)), [""; 0]);
        runs.push(run(third, "codex", 160, Some(second)));
        let fresh = tally.fresh(key(), &runs);
        let kinds: Vec<_> = fresh
            .iter()
            .map(|(before, _)| before.unwrap().kind.clone())
            .collect();
        assert_eq!(kinds, [Some("claude".into())]);
        assert_eq!(ids(fresh), [third]);
    }
}
