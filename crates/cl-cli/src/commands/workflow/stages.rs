//! The stages of the one template there is, and what their agents are asked.

use std::fmt::Write as _;

use cl_storage::{RunDir, TaskDir};

/// The name of the template, as files and messages spell it.
pub(in crate::commands) const TEMPLATE: &str = "THE_PROMPT_v5";

/// One stage.
#[derive(Debug)]
pub(in crate::commands) struct Stage {
    pub(in crate::commands) name: &'static str,
    /// What it is for.
    pub(in crate::commands) text: &'static str,
}

/// All stages in order; a stage's number is its place.
pub(in crate::commands) const STAGES: [Stage; 13] = [
    Stage {
        name: "Preflight",
        text: "Make sure that the work can begin: the working folder is the right one, the tools that the task needs can be \
               called, the tests that exist can be run. Note what is missing and whether that stands in the way.",
    },
    Stage {
        name: "Context Gathering",
        text: "Find out what is there: the code, documents, tests and history that the task touches. Write down where each of \
               them is and what it means for the task, so that nobody has to search again.",
    },
    Stage {
        name: "Constraint Audit",
        text: "Collect the rules that the result must keep: interfaces, formats, performance, style, security, what must not \
               change. For each one, say where it comes from and how it can be checked.",
    },
    Stage {
        name: "Decomposition",
        text: "Cut the work into parts that can be done and checked one by one. For each part, name its goal, its files, what it \
               depends on, and how it is known to be finished.",
    },
    Stage {
        name: "Test Plan",
        text: "Decide how the result will be proven: which tests are to be written or changed, what each of them would catch, and \
               which commands run them.",
    },
    Stage {
        name: "Implementation",
        text: "Do the work, part by part, with the tests that belong to each part.",
    },
    Stage {
        name: "Implementation Refinement",
        text: "Read what was made as a stranger would. Simplify it, finish what is half done, correct names, messages, documents \
               and edge cases.",
    },
    Stage {
        name: "Validation",
        text: "Run everything that can show a mistake: tests, linters, the program itself. Correct what fails, and note each \
               command with its result.",
    },
    Stage {
        name: "Independent Review A",
        text: "Review the change against the task and its constraints as if somebody else had made it. Look for what is wrong or \
               missing. Change nothing; write down each finding with its place and its weight.",
    },
    Stage {
        name: "Independent Review B",
        text: "Review the change once more, without reading the first review: look at failure, load, misuse and upkeep. Change \
               nothing; write down each finding with its place and its weight.",
    },
    Stage {
        name: "Synthesis",
        text: "Bring the findings of both reviews together. Decide about each one, correct what is accepted, and say why the rest \
               is not.",
    },
    Stage {
        name: "Finalization",
        text: "Bring the result into the form in which it is handed over: clean tree, full test run, documents and notes of what \
               changed.",
    },
    Stage {
        name: "Completion",
        text: "Compare the result with the task, sentence by sentence, and report what is done, what is not, and what a person \
               has to decide.",
    },
];

/// Returns the name of the template that is meant by `given`; none if there is none.
pub(in crate::commands) fn template(given: &str) -> Option<&'static str> {
    let given = given.trim();
    (given.is_empty() || given.eq_ignore_ascii_case(TEMPLATE)).then_some(TEMPLATE)
}

/// Returns the prompt of stage `number` of `task`; `earlier` are the runs of those before.
pub(in crate::commands) fn prompt(
    task: &TaskDir,
    number: usize,
    earlier: &[(usize, RunDir)],
) -> String {
    let Stage { name, text } = &STAGES[number];
    let mut prompt = format!(
        "Workflow {TEMPLATE}, stage {number} of 0 to {}: {name}\n\nTask folder: {}\n\n{text}\n\n",
        STAGES.len() - 1,
        task.path().display()
    );
    let rules = [
        format!(
            "Read {} first: it says what the whole task is.",
            task.prompt().display()
        ),
        "Do this stage and no other. What later stages need goes into files, not only into your answer.".to_owned(),
        "Keep what earlier stages have made; add to it, and correct it only where it is wrong.".to_owned(),
        "End with a summary in output.md: what was done, the decisions, the facts, the risks.".to_owned(),
        "Do not create the file DONE: the workflow decides when the task is finished.".to_owned(),
    ];
    // Writing to a String cannot fail.
    for (index, rule) in rules.iter().enumerate() {
        writeln!(prompt, "{}. {rule}", index + 1).unwrap_or_default();
    }
    if !earlier.is_empty() {
        prompt.push_str("\nWhat earlier stages have left:\n\n");
    }
    for (stage, run) in earlier {
        let name = STAGES[*stage].name;
        writeln!(
            prompt,
            "- stage {stage}, {name}: {}",
            run.output().display()
        )
        .unwrap_or_default();
    }
    prompt
}
