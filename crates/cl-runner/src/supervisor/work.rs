//! Whether anything was done: the working tree before and after, tools, words.

use cl_agent::Outcome;
use cl_storage::RunDir;
use cl_storage::evidence::NO_TREE;
use cl_storage::marker::{Marker, Markers};
use cl_storage::task_state::ClaimRecord;

use super::{Broken, Supervisor};
use crate::process::census::GATE_MARKER;
use crate::shell::{Shell, ShellEnd, short_text, unnamed_file};
use crate::working_tree::{self, GIT_LIMIT, GitLook};

impl Supervisor {
    /// Remembers the working tree before the first attempt of the launch; written with its count.
    pub(super) async fn note_tree_before(&mut self) -> Result<(), Broken> {
        if self.record.kind != crate::launch::Kind::Task && !self.record.policy.judges_claims() {
            return Ok(());
        }
        if self.state.work.tree_before.is_empty()
            && self.state.attempts.this_launch == 0
            && let Some(tree) = self.working_tree().await?
        {
            self.state.work.tree_before = tree;
        }
        Ok(())
    }

    /// Takes note of what an attempt showed of its work; before its answer is made up for it.
    pub(super) fn note_work(&mut self, run: &RunDir, outcome: &Outcome) {
        let has_answer =
            std::fs::metadata(run.output()).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
        let has_words = |text: &String| !text.trim().is_empty();
        let work = &mut self.state.work;
        work.tools |= outcome.called_tools == Some(true);
        work.output |= has_answer || outcome.final_text.as_ref().is_some_and(has_words);
    }

    /// Tells whether the working tree is known to be another one, or not known well enough to say.
    pub(super) fn has_change(&mut self, tree: &str) -> bool {
        let before = &self.state.work.tree_before;
        if !working_tree::is_known(before) || !working_tree::is_known(tree) {
            let text = "whether anything has changed could not be told; DONE is not refused for it";
            self.post("WARNING", text, &[]);
            return true;
        }
        before != tree
    }

    /// Tells whether nothing was seen of any work: no tool, no word, no message, no change.
    pub(super) fn is_without_work(&self, tree: &str) -> bool {
        let work = &self.state.work;
        let is_same = working_tree::is_known(tree) && work.tree_before == tree;
        is_same && !work.tools && !work.output && !self.has_posted()
    }

    /// Looks, behind a claim that no gate judges, whether anything was done.
    pub(super) async fn look_for_work(&mut self) -> Result<(), Broken> {
        let work = &self.state.work;
        let may_be_without = !work.tools && !work.output && !work.tree_before.is_empty();
        let markers = Markers::read(&self.task, self.now())?;
        if !may_be_without || !markers.has(Marker::Done) {
            return Ok(());
        }
        let Some(tree) = self.working_tree().await? else {
            return Ok(());
        };
        if self.is_without_work(&tree) {
            // On disk with the result.
            self.state.claim = Some(ClaimRecord {
                number: 1,
                tree,
                suspicious: true,
                ..ClaimRecord::default()
            });
            self.tell_suspicion();
        }
        Ok(())
    }

    pub(super) fn tell_suspicion(&mut self) {
        let text = "DONE is suspicious: nothing has changed in the working folder, no tool was called and nothing was said";
        self.post("WARNING", text, &[("suspicious", "true".to_owned())]);
    }

    /// Returns what stands for the working tree now; `None` if somebody wants the task to end.
    pub(super) async fn working_tree(&mut self) -> Result<Option<String>, Broken> {
        let (root, task, cwd) = (
            self.root.clone(),
            self.task.clone(),
            self.record.cwd.clone(),
        );
        let mut env = self.agent_environment(self.previous_run.as_ref(), None);
        env.insert(GATE_MARKER.to_owned(), "tree".to_owned());
        let of_files = || Some(working_tree::of_files(&cwd, root.path(), &task));
        let Some(look) = GitLook::at(&cwd, root.path(), &task, &env) else {
            return Ok(of_files());
        };
        let printed = unnamed_file("tree")?;
        let shell = Shell {
            args: &look.args,
            env: &look.env,
            cwd: &cwd,
            inside: None,
            stdout: printed.try_clone()?,
            stderr: None,
            limit: GIT_LIMIT,
            largest: self.record.policy.max_output_bytes,
        };
        Ok(match self.run_shell(shell).await? {
            ShellEnd::Interrupted(()) => None,
            ShellEnd::Exited(exit) => {
                let answer = GitLook::answer(exit, &short_text(&printed));
                if answer.is_none() {
                    tracing::warn!(?exit, "git could not tell the working tree");
                }
                answer.or_else(of_files)
            }
            // It took too long.
            ShellEnd::Cut(_) => Some(NO_TREE.to_owned()),
        })
    }
}
