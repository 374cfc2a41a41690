//! What the agent of one task of a goal is asked.

use std::fmt::Write as _;

use super::spec::{Spec, Task};
use crate::commands::workflow::stages::STAGES;

/// Returns the prompt of `task`.
pub(super) fn prompt(spec: &Spec, task: &Task, goal: &str) -> String {
    let quoted: Vec<String> = goal.lines().map(|line| format!("> {line}")).collect();
    let mut text = format!(
        "# {}\n\nThis is one task of {}, step {} of it. The goal of the whole:\n\n{}\n\n## Your part\n\n",
        task.title,
        spec.workflow_id,
        task.rlm_step,
        quoted.join("\n")
    );
    // Writing to a String cannot fail.
    for stage in task
        .the_prompt_v5_stages
        .iter()
        .filter_map(|n| STAGES.get(*n))
    {
        writeln!(text, "- {}: {}", stage.name, stage.text).unwrap_or_default();
    }
    writeln!(
        text,
        "\nDo this part and leave the others to their tasks. If {} or {} is there, read it first.",
        task.role_prompt, spec.semantics.rlm_document
    )
    .unwrap_or_default();
    if !task.depends_on.is_empty() {
        text.push_str("\n## What was done before\n\nRead what these tasks have found out:\n\n");
    }
    for before in &task.depends_on {
        writeln!(text, "    run-agent output --task {before}").unwrap_or_default();
    }
    text.push_str(
        "\nEnd with a summary in output.md: what was done, the decisions, the facts, the risks. Other tasks go by it.\n",
    );
    text
}
