//! The tasks that a goal is cut into: the file, and how it is made.
//!
//! The same goal, project, strategy and template always give the same ids, so that
//! applying a file twice finds the tasks of the first time.

use std::collections::BTreeMap;

use cl_storage::digest::sha256_hex;
use cl_storage::yaml;
use cl_storage::{ProjectId, TaskId};

use crate::commands::plan;

/// The format of the file, and the first line of what is digested.
pub(super) const SCHEMA: &str = "goal-workflow/v1";

/// A plan of tasks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) schema_version: String,
    pub(super) workflow_id: String,
    pub(super) project_id: ProjectId,
    #[serde(default)]
    pub(super) root_dir: Option<String>,
    pub(super) strategy: String,
    pub(super) template: String,
    pub(super) max_parallel: u32,
    pub(super) semantics: Semantics,
    pub(super) goal: Goal,
    pub(super) tasks: Vec<Task>,
}

/// Documents that say what the words mean.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Semantics {
    pub(super) rlm_document: String,
    pub(super) the_prompt_document: String,
}

/// The goal, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Goal {
    /// `inline` or `file`.
    pub(super) mode: String,
    /// The file.
    #[serde(default)]
    pub(super) source: Option<String>,
    pub(super) digest_sha256: String,
    pub(super) bytes: usize,
    pub(super) preview: String,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys of the file")]
pub(super) struct Task {
    pub(super) task_id: TaskId,
    pub(super) title: String,
    pub(super) agent: String,
    pub(super) role_prompt: String,
    pub(super) prompt_file: String,
    #[serde(default)]
    pub(super) depends_on: Vec<TaskId>,
    pub(super) rlm_step: String,
    pub(super) the_prompt_v5_stages: Vec<usize>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) root_dir: Option<String>,
    pub(super) template: &'a str,
    pub(super) max_parallel: u32,
    pub(super) rlm_document: Option<&'a str>,
    /// As it was given; line ends and blanks around it do not count.
    pub(super) goal: &'a str,
    pub(super) source: Option<String>,
}

/// The one strategy there is.
pub(super) const STRATEGY: &str = "rlm";

const DEFAULT_PARALLEL: u32 = 6;

/// A line of the table: slug, title, agent, role, step, stages, numbers of those before.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [usize],
    &'static [usize],
);

const TABLE: [Row; 8] = [
    (
        "assess-context",
        "Assess the context",
        "claude",
        "research",
        "ASSESS",
        &[0, 1, 2],
        &[],
    ),
    (
        "decompose-plan",
        "Cut the work into parts",
        "codex",
        "orchestrator",
        "DECIDE_DECOMPOSE",
        &[3],
        &[1],
    ),
    (
        "implement-changes",
        "Make the changes",
        "codex",
        "implementation",
        "EXECUTE",
        &[5, 6],
        &[2],
    ),
    (
        "run-tests",
        "Plan and run the tests",
        "codex",
        "test",
        "EXECUTE",
        &[4, 7],
        &[3],
    ),
    (
        "review-claude",
        "Review, first",
        "claude",
        "review",
        "EXECUTE",
        &[8, 9],
        &[3],
    ),
    (
        "review-gemini",
        "Review, second",
        "gemini",
        "review",
        "EXECUTE",
        &[8, 9],
        &[3],
    ),
    (
        "synthesize-results",
        "Bring the results together",
        "codex",
        "orchestrator",
        "SYNTHESIZE",
        &[10, 11],
        &[4, 5, 6],
    ),
    (
        "verify-completeness",
        "Verify that nothing is missing",
        "claude",
        "monitor",
        "VERIFY",
        &[12],
        &[7],
    ),
];

/// Returns a goal in the form that is digested.
pub(super) fn normalised(goal: &str) -> String {
    goal.replace("\r\n", "\n").trim().to_owned()
}

/// Returns the digest that names a goal of a project.
pub(super) fn digest(project: &ProjectId, strategy: &str, template: &str, goal: &str) -> String {
    let goal = normalised(goal);
    let lines = [SCHEMA, project.as_str(), strategy, template, &goal];
    sha256_hex(lines.join("\n").as_bytes())
}

/// Cuts a goal into tasks.
pub(super) fn decompose(request: &Request<'_>) -> Spec {
    let goal = normalised(request.goal);
    let digest = digest(request.project, STRATEGY, request.template, &goal);
    let workflow_id = format!("workflow-{}-{}", request.project, &digest[..12]);
    let ids: Vec<TaskId> = (1..=TABLE.len())
        .filter_map(|number| task_id(&digest, number))
        .collect();
    let tasks = TABLE
        .iter()
        .enumerate()
        .zip(&ids)
        .map(|((index, row), id)| {
            let (slug, title, agent, role, step, stages, before) = *row;
            Task {
                task_id: id.clone(),
                title: title.to_owned(),
                agent: agent.to_owned(),
                role_prompt: format!("docs/workflow/THE_PROMPT_v5_{role}.md"),
                prompt_file: format!("workflow/{workflow_id}/prompts/{:02}-{slug}.md", index + 1),
                depends_on: before
                    .iter()
                    .map(|number| ids[number - 1].clone())
                    .collect(),
                rlm_step: step.to_owned(),
                the_prompt_v5_stages: stages.to_vec(),
            }
        });
    Spec {
        schema_version: SCHEMA.to_owned(),
        project_id: request.project.clone(),
        root_dir: request.root_dir.clone(),
        strategy: STRATEGY.to_owned(),
        template: request.template.to_owned(),
        max_parallel: match request.max_parallel {
            0 => DEFAULT_PARALLEL,
            n => n,
        },
        semantics: Semantics {
            rlm_document: request
                .rlm_document
                .unwrap_or("artifacts/context/RLM.md")
                .to_owned(),
            the_prompt_document: "docs/workflow/THE_PROMPT_v5.md".to_owned(),
        },
        goal: Goal {
            mode: if request.source.is_some() {
                "file"
            } else {
                "inline"
            }
            .to_owned(),
            source: request.source.clone(),
            digest_sha256: digest.clone(),
            bytes: goal.len(),
            preview: preview(&goal),
        },
        tasks: tasks.collect(),
        workflow_id,
    }
}

/// Returns the id of task `number`: its digits come from the digest and are no date.
fn task_id(digest: &str, number: usize) -> Option<TaskId> {
    let digits: String = digest
        .chars()
        .take(14)
        .filter_map(|nibble| char::from_digit(nibble.to_digit(16)? % 10, 10))
        .collect();
    let slug = TABLE[number - 1].0;
    let (date, time) = digits.split_at_checked(8)?;
    TaskId::parse(&format!("task-{date}-{time}-{number:02}-{slug}")).ok()
}

fn preview(goal: &str) -> String {
    let line = goal.lines().next().unwrap_or_default();
    if line.chars().count() <= 120 {
        return line.to_owned();
    }
    line.chars().take(117).collect::<String>() + "..."
}

/// Reads a plan; the error is a message.
pub(super) fn read(text: &str) -> Result<Spec, String> {
    let spec: Spec = yaml::parse(text).map_err(|error| error.to_string())?;
    if spec.schema_version != SCHEMA {
        return Err(format!(
            "schema_version is {:?}; this build knows {SCHEMA}",
            spec.schema_version
        ));
    }
    if spec.tasks.is_empty() || spec.tasks.len() > 100 {
        return Err(format!(
            "there must be 1 to 100 tasks, not {}",
            spec.tasks.len()
        ));
    }
    if !(1..=16).contains(&spec.max_parallel) {
        return Err(format!(
            "max_parallel is {}; it must be 1 to 16",
            spec.max_parallel
        ));
    }
    for task in &spec.tasks {
        TaskId::parse(task.task_id.as_str()).map_err(|error| error.to_string())?;
        let is_inside = task
            .prompt_file
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."));
        if !is_inside || !task.prompt_file.starts_with("workflow/") {
            return Err(format!(
                "prompt_file {:?} is not below workflow/",
                task.prompt_file
            ));
        }
    }
    if plan::circle(&needs(&spec)?).is_empty() {
        Ok(spec)
    } else {
        Err("depends_on leads in a circle".to_owned())
    }
}

/// Returns for each task the places of those that it depends on.
pub(super) fn needs(spec: &Spec) -> Result<Vec<Vec<usize>>, String> {
    let mut places = BTreeMap::new();
    for (index, task) in spec.tasks.iter().enumerate() {
        if places.insert(&task.task_id, index).is_some() {
            return Err(format!("task {} is there twice", task.task_id));
        }
    }
    let place = |task: &TaskId| {
        places
            .get(task)
            .copied()
            .ok_or_else(|| format!("depends_on names {task}, which is not there"))
    };
    spec.tasks
        .iter()
        .map(|task| task.depends_on.iter().map(place).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(goal: &str) -> Spec {
        decompose(&Request {
            project: &ProjectId::parse("demo").unwrap(),
            root_dir: None,
            template: "THE_PROMPT_v5",
            max_parallel: 0,
            rlm_document: None,
            goal,
            source: None,
        })
    }

    #[test]
    fn the_same_goal_gives_the_same_ids() {
        let one = spec("Build it.\r\nWell.\n");
        assert_eq!(one, spec("  Build it.\nWell."));
        assert_ne!(one.workflow_id, spec("Build it.").workflow_id);
        let digest = sha256_hex(b"goal-workflow/v1\ndemo\nrlm\nTHE_PROMPT_v5\nBuild it.\nWell.");
        assert_eq!(one.goal.digest_sha256, digest);
        assert_eq!(one.workflow_id, format!("workflow-demo-{}", &digest[..12]));
        assert_eq!(one.max_parallel, 6);
        assert_eq!(one.goal.preview, "Build it.");
        assert_eq!(one.tasks.len(), 8);
        assert_eq!(one.tasks[6].depends_on.len(), 3);
        assert!(
            one.tasks[0]
                .task_id
                .as_str()
                .ends_with("-01-assess-context")
        );
        let text = yaml::to_text(&one).unwrap();
        assert_eq!(read(&text).unwrap(), one);
        assert_eq!(read(&serde_json::to_string(&one).unwrap()).unwrap(), one);
    }

    #[test]
    fn long_lines_are_cut_in_the_preview() {
        assert_eq!(preview(&"ä".repeat(120)).chars().count(), 120);
        let cut = preview(&"ä".repeat(121));
        assert!(cut.ends_with("ä...") && cut.chars().count() == 120, "{cut}");
    }

    #[test]
    fn mistakes_in_a_plan_are_found() {
        let good = spec("x");
        let check = |change: fn(&mut Spec), part: &str| {
            let mut bad = good.clone();
            change(&mut bad);
            let error = read(&yaml::to_text(&bad).unwrap()).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check(|bad| bad.schema_version = "v9".into(), "schema_version");
        check(|bad| bad.max_parallel = 17, "max_parallel");
        check(|bad| bad.tasks.clear(), "1 to 100 tasks");
        check(
            |bad| bad.tasks[0].prompt_file = "workflow/../../x".into(),
            "prompt_file",
        );
        check(
            |bad| bad.tasks[0].prompt_file = "/etc/x".into(),
            "prompt_file",
        );
        check(
            |bad| bad.tasks[1].task_id = bad.tasks[0].task_id.clone(),
            "twice",
        );
        check(
            |bad| bad.tasks[0].depends_on = vec![bad.tasks[7].task_id.clone()],
            "circle",
        );
        check(
            |bad| {
                bad.tasks[0].depends_on = vec![TaskId::parse("task-20260101-000000-abc").unwrap()];
            },
            "is not there",
        );
        assert!(read("schema_version: goal-workflow/v1\nx: y\n").is_err());
    }
}
