//! What becomes of an entry of the queue when it is looked at.

use cl_storage::owner::OwnerState;

/// What was read of a task when its entry was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them occur together"
)]
pub(crate) struct Facts {
    /// The supervisor that this planner has launched for it is alive.
    pub(crate) in_flight: bool,
    /// The launch on record is the one that the entry names.
    pub(crate) was_launched: bool,
    /// That launch waits for a run slot, at the entry's place; others need none.
    pub(crate) takes_place: bool,
    /// The owner on record has the launch that the entry names, and may not have recorded it.
    pub(crate) is_being_launched: bool,
    /// Whether somebody runs the task.
    pub(crate) owner: OwnerState,
    /// Somebody gave the task up, or wants it stopped, and the submission is no resume.
    pub(crate) is_given_up: bool,
    /// What it depends on is not done, and may be.
    pub(crate) is_blocked: bool,
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its supervisor takes it over.
    Leave,
    /// It has had its launch.
    Forget,
    /// Nobody wants it any more.
    GiveUp,
    /// Somebody else has begun the task.
    Overtaken,
    /// It waits for other tasks, and holds up nobody.
    Block,
    /// It is launched.
    Launch,
}

/// Decides what becomes of an entry.
///
/// Pure. A launch that is on record is never made again: if its supervisor is gone, the
/// task is lost and recovery's, not the queue's.
pub(crate) fn judge(facts: Facts) -> Verdict {
    // Nobody takes over the place of a launch that needs no slot.
    if facts.was_launched && !facts.takes_place {
        return Verdict::Forget;
    }
    if facts.in_flight {
        return Verdict::Leave;
    }
    if facts.was_launched {
        return match facts.owner {
            OwnerState::Alive => Verdict::Leave,
            _ => Verdict::Forget,
        };
    }
    if facts.is_being_launched && facts.owner == OwnerState::Alive {
        return Verdict::Leave;
    }
    if facts.is_given_up {
        return Verdict::GiveUp;
    }
    if facts.owner == OwnerState::Alive {
        return Verdict::Overtaken;
    }
    if facts.is_blocked {
        return Verdict::Block;
    }
    Verdict::Launch
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: Facts = Facts {
        in_flight: false,
        was_launched: false,
        takes_place: true,
        is_being_launched: false,
        owner: OwnerState::None,
        is_given_up: false,
        is_blocked: false,
    };

    #[test]
    fn what_was_launched_is_never_launched_again() {
        let owners = [OwnerState::None, OwnerState::Alive, OwnerState::Lost];
        for bits in 0..64_u8 {
            for owner in owners {
                let facts = Facts {
                    in_flight: bits & 1 != 0,
                    was_launched: bits & 2 != 0,
                    is_given_up: bits & 4 != 0,
                    is_blocked: bits & 8 != 0,
                    is_being_launched: bits & 16 != 0,
                    takes_place: bits & 32 != 0,
                    owner,
                };
                // A launch that ended before it was on record has not been.
                let may_launch = matches!(bits & !32, 0 | 16) && owner != OwnerState::Alive;
                assert_eq!(judge(facts) == Verdict::Launch, may_launch, "{facts:?}");
            }
        }
    }

    #[test]
    fn each_reason_has_its_verdict() {
        let check = |facts, verdict| assert_eq!(judge(facts), verdict);
        let launched = Facts {
            was_launched: true,
            ..WAITING
        };
        check(launched, Verdict::Forget);
        let owner = OwnerState::Alive;
        check(Facts { owner, ..launched }, Verdict::Leave);
        let needs_no_slot = Facts {
            in_flight: true,
            takes_place: false,
            owner,
            ..launched
        };
        check(needs_no_slot, Verdict::Forget);
        check(Facts { owner, ..WAITING }, Verdict::Overtaken);
        let taking = Facts {
            is_being_launched: true,
            ..WAITING
        };
        check(Facts { owner, ..taking }, Verdict::Leave);
        let owner = OwnerState::Lost;
        check(Facts { owner, ..taking }, Verdict::Launch);
        let given_up = Facts {
            is_given_up: true,
            is_blocked: true,
            ..WAITING
        };
        check(given_up, Verdict::GiveUp);
        let blocked = Facts {
            is_blocked: true,
            ..WAITING
        };
        check(blocked, Verdict::Block);
    }
}
