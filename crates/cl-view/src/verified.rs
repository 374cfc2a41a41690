//! What gates find again, as it is shown.

use cl_runner::verify::{Again, Proof, Proven, Report};
use cl_storage::TaskDir;
use cl_wire::evidence::{GateAgain, TreeAgain, Verified};

/// Shows what the gates of a task find now beside what they found.
pub fn verified(task: &TaskDir, proof: &Proof, report: &Report) -> Verified {
    let gates = proof.gates.iter().zip(&report.gates);
    Verified {
        gates: gates.map(|(then, now)| gate(then, now.as_ref())).collect(),
        project: task.project().clone(),
        reproduced: report.is_reproduced(proof),
        task: task.id().clone(),
        tree: TreeAgain {
            now: report.tree.clone(),
            same: report.same_tree,
            then: proof.tree.clone(),
        },
    }
}

fn gate(then: &Proven, again: Option<&Again>) -> GateAgain {
    let (then, flaws) = (&then.evidence, &then.flaws);
    let reason = again.map(|again| again.reason.clone());
    let took = again.map(|again| u64::try_from(again.took.as_millis()).unwrap_or(u64::MAX));
    GateAgain {
        cwd: then.cwd.display().to_string(),
        duration_ms: took,
        flaws: flaws.clone(),
        name: then.name.clone(),
        now: again.map(|again| again.verdict),
        reason: reason.filter(|reason| !reason.is_empty()),
        run: then.run.clone(),
        same_environment: again.map(|again| again.same_environment),
        same_output: again.map(|again| again.same_output),
        then: then.verdict,
        unquiet: then.unquiet,
    }
}
