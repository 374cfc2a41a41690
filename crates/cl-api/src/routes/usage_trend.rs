//! What runs have used along time, from the index: records of ended runs are read once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cl_storage::{ProjectId, TaskId};
use cl_view::{Grid, TrendSums};
use cl_wire::usage::{UsageBucket, UsageBy, UsageTrend};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::listing::{Asked, Holds, listed};
use super::place;
use super::projects::view_of;
use crate::answer::{Answer, Refusal};
use crate::app::App;
use crate::state::{RunFacts, TaskEntry};

/// How many days a trend has unless it is said.
const USUAL_DAYS: u32 = 7;
/// How many days a trend of days has at the most, and one of hours: some 750 buckets each.
const MOST_DAYS: u32 = 731;
const MOST_DAYS_OF_HOURS: u32 = 31;
/// How long the name of a time zone may be.
const LONGEST_ZONE: usize = 64;

/// Returns the routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(trend))
}

/// Which runs are meant, and how they are added up.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only runs of this project.
    #[serde(default)]
    project_id: Option<String>,
    /// Only runs of this task; needs `project_id`.
    #[serde(default)]
    task_id: Option<String>,
    /// `agent` (unless given), `model`, `task` or `project`.
    #[serde(default)]
    by: Option<String>,
    /// `day` (unless given) or `hour`.
    #[serde(default)]
    bucket: Option<String>,
    /// So many days, today included; 7 unless given, at most 731, or 31 where buckets are hours.
    #[serde(default)]
    days: Option<String>,
    /// In which days begin, such as `Europe/Berlin`; `UTC` unless given.
    #[serde(default)]
    time_zone: Option<String>,
}

impl Wanted {
    fn by(&self) -> Answer<UsageBy> {
        let Some(word) = given(self.by.as_ref()) else {
            return Ok(UsageBy::Agent);
        };
        // Days are what the buckets are.
        let by = UsageBy::parse(word).filter(|by| *by != UsageBy::Day);
        by.ok_or_else(|| Refusal::bad_request("by must be one of agent, task, project, model"))
    }

    fn bucket(&self) -> Answer<UsageBucket> {
        let Some(word) = given(self.bucket.as_ref()) else {
            return Ok(UsageBucket::Day);
        };
        let bucket = UsageBucket::parse(word);
        bucket.ok_or_else(|| Refusal::bad_request("bucket must be one of hour, day"))
    }

    fn days(&self, bucket: UsageBucket) -> Answer<u32> {
        let Some(text) = given(self.days.as_ref()) else {
            return Ok(USUAL_DAYS);
        };
        let most = match bucket {
            UsageBucket::Hour => MOST_DAYS_OF_HOURS,
            UsageBucket::Day => MOST_DAYS,
        };
        let days = text.parse().ok().filter(|days| (1..=most).contains(days));
        days.ok_or_else(|| Refusal::bad_request(format!("days must be a number from 1 to {most}")))
    }

    /// Returns the time zone, and what is wrong with the one that was named.
    fn zone(&self) -> Answer<(TimeZone, String, Option<String>)> {
        let utc = || (TimeZone::UTC, "UTC".to_owned());
        let Some(name) = given(self.time_zone.as_ref()) else {
            let (zone, name) = utc();
            return Ok((zone, name, None));
        };
        let is_of_names =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        if name.len() > LONGEST_ZONE || !name.bytes().all(is_of_names) {
            let message = "time_zone must be a name such as Europe/Berlin";
            return Err(Refusal::bad_request(message));
        }
        // A machine may know fewer zones than the browser that asks.
        let Ok(zone) = TimeZone::get(name) else {
            let (zone, used) = utc();
            let problem =
                format!("this machine does not know the time zone {name}; days begin in UTC");
            return Ok((zone, used, Some(problem)));
        };
        Ok((zone, name.to_owned(), None))
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Adds up what runs have used along time.
#[utoipa::path(
    get, path = "/api/v1/usage/trend", tag = "resources", params(Wanted),
    responses((status = 200, body = UsageTrend), (status = 304), (status = 400, body = cl_wire::Problem), (status = 404, body = cl_wire::Problem))
)]
async fn trend(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(wanted): Asked<Wanted>,
) -> Answer<Response> {
    let project = given(wanted.project_id.as_ref());
    let project = project.map(place::project_id).transpose()?;
    let task = given(wanted.task_id.as_ref());
    let task = task.map(place::task_id).transpose()?;
    if task.is_some() && project.is_none() {
        return Err(Refusal::bad_request("task_id needs project_id"));
    }
    let (by, bucket) = (wanted.by()?, wanted.bucket()?);
    let days = wanted.days(bucket)?;
    let (zone, zone_name, problem) = wanted.zone()?;
    let grid = Grid::new(bucket, days, app.now(), &zone)
        .ok_or_else(|| Refusal::bad_request("there are no such days"))?;
    let chosen = Chosen::of(&app, project, task)?;
    // What was made yesterday, or an hour ago, has other buckets.
    let key = format!(
        "usage trend {:?} {:?} {by:?} {bucket:?} {days} {zone_name} {problem:?} {:?} {:?}",
        chosen.project,
        chosen.task,
        grid.since(),
        grid.until(),
    );
    let holds = Holds::AtVersion(chosen.version);
    listed(&app, &headers, key, holds, move |app| {
        let since = grid.since();
        let mut sums = TrendSums::new(grid);
        for entry in &chosen.entries {
            // What nothing has happened to since then has no run that began since then.
            if is_before(entry, since) {
                continue;
            }
            for run in &*app.index.run_facts(entry) {
                if let Some(at) = run.start {
                    let key = key_of(by, entry, run);
                    sums.add(&key, at, run.usage.as_deref(), run.worth);
                }
            }
        }
        let mut trend = sums.report(by, zone_name);
        trend.problems.extend(problem);
        Ok(trend)
    })
    .await
}

/// The tasks whose runs are added up.
struct Chosen {
    project: Option<ProjectId>,
    task: Option<TaskId>,
    entries: Vec<Arc<TaskEntry>>,
    /// The version of what they are.
    version: u64,
}

impl Chosen {
    fn of(app: &App, project: Option<ProjectId>, task: Option<TaskId>) -> Answer<Self> {
        let (entries, version) = match (&project, &task) {
            (Some(project), Some(task)) => {
                let view = view_of(app, project)?;
                let not_found =
                    || Refusal::not_found("task not found").detail("task_id", task.as_str());
                let entry = view.tasks.get(task).ok_or_else(not_found)?;
                (vec![Arc::clone(entry)], entry.version)
            }
            (Some(project), None) => {
                let view = view_of(app, project)?;
                (view.tasks.values().cloned().collect(), view.version)
            }
            (None, _) => {
                let view = app.index.view();
                (view.tasks().cloned().collect(), view.version)
            }
        };
        Ok(Self {
            project,
            task,
            entries,
            version,
        })
    }
}

fn is_before(entry: &TaskEntry, since: Timestamp) -> bool {
    !entry.row.active && entry.row.last_activity.is_some_and(|last| last < since)
}

fn key_of(by: UsageBy, entry: &TaskEntry, run: &RunFacts) -> String {
    let known = |name: Option<&str>| name.unwrap_or("unknown").to_owned();
    match by {
        UsageBy::Agent | UsageBy::Day => known(run.agent.as_deref()),
        UsageBy::Model => known(run.model.as_deref()),
        UsageBy::Project => entry.row.project_id.to_string(),
        UsageBy::Task => format!("{}/{}", entry.row.project_id, entry.row.task_id),
    }
}
