//! Which tasks of a plan are launched next: a pure function.
//!
//! A task is launched before its turn where that can do no harm. Its supervisor waits
//! for the tasks before it, so it begins by itself, whatever becomes of the command. The
//! plan's limit on tasks at work must hold without the command, too: however the
//! launched tasks end, no more of them can be ready at once than the limit allows.

use std::collections::BTreeSet;

/// Where a task of a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Nobody has launched it.
    Pending,
    /// Its supervisor waits for other tasks.
    Blocked,
    /// Its supervisor does something else.
    Running,
    /// It ended well.
    Done,
    /// It did not.
    Failed,
}

/// What the decision weighs.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The tasks with those that each depends on.
    pub(super) items: &'a [(Stand, Vec<usize>)],
    /// How many may be at work at once.
    pub(super) parallel: usize,
    /// How many supervisors may wait for other tasks.
    pub(super) ahead: usize,
}

/// What to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// Tasks to launch, each behind those that it depends on.
    pub(super) start: Vec<usize>,
    /// Tasks that do not begin as things stand, and the one right before each of them.
    pub(super) stuck: Vec<(usize, usize)>,
}

/// Decides the next launches. Tasks keep their order as far as dependencies allow.
pub(super) fn next(view: &View<'_>) -> Next {
    let items = view.items;
    let stuck = stuck(items);
    let is_stuck = |item: usize| stuck.iter().any(|(known, _)| *known == item);
    let stands = |item: usize| items[item].0;
    let is_ready = |item: usize| {
        items[item]
            .1
            .iter()
            .all(|&need| stands(need) == Stand::Done)
    };
    let mut open: Vec<usize> = (0..items.len())
        .filter(|&item| matches!(stands(item), Stand::Blocked | Stand::Running) && !is_stuck(item))
        .collect();
    let mut waiting = (0..items.len())
        .filter(|&item| stands(item) == Stand::Blocked)
        .count();
    let before = reach(items);
    let mut start = Vec::new();
    loop {
        let found = (0..items.len()).find(|&item| {
            let is_candidate = stands(item) == Stand::Pending && !is_stuck(item);
            let is_launched = |need: &usize| stands(*need) == Stand::Done || open.contains(need);
            is_candidate
                && !start.contains(&item)
                && items[item].1.iter().all(is_launched)
                && (is_ready(item) || waiting < view.ahead)
                && width(&[open.as_slice(), &[item]].concat(), &before) <= view.parallel
        });
        let Some(item) = found else {
            return Next { start, stuck };
        };
        waiting += usize::from(!is_ready(item));
        open.push(item);
        start.push(item);
    }
}

/// Returns the tasks that wait for one that failed, or for one that waits for such a one.
fn stuck(items: &[(Stand, Vec<usize>)]) -> Vec<(usize, usize)> {
    let mut stuck: Vec<(usize, usize)> = Vec::new();
    loop {
        let found = (0..items.len()).find_map(|item| {
            let (stand, needs) = &items[item];
            let waits = matches!(stand, Stand::Pending | Stand::Blocked);
            let is_known = |item: usize| stuck.iter().any(|(known, _)| *known == item);
            let broken = |need: &&usize| items[**need].0 == Stand::Failed || is_known(**need);
            let need = needs.iter().find(broken)?;
            (waits && !is_known(item)).then_some((item, *need))
        });
        match found {
            Some(found) => stuck.push(found),
            None => return stuck,
        }
    }
}

/// Returns for each task all those that must be done before it.
fn reach(items: &[(Stand, Vec<usize>)]) -> Vec<BTreeSet<usize>> {
    let mut before: Vec<BTreeSet<usize>> = items
        .iter()
        .map(|(_, needs)| needs.iter().copied().collect())
        .collect();
    loop {
        let mut has_grown = false;
        for item in 0..items.len() {
            let more: BTreeSet<usize> = before[item]
                .iter()
                .flat_map(|&need| before[need].iter().copied())
                .collect();
            let count = before[item].len();
            before[item].extend(more);
            has_grown |= before[item].len() > count;
        }
        if !has_grown {
            return before;
        }
    }
}

/// Returns how many of `tasks` can be ready at once: the most of which none comes before another.
///
/// That is their number without the pairs of a largest matching of tasks with later ones
/// (Dilworth's theorem).
fn width(tasks: &[usize], before: &[BTreeSet<usize>]) -> usize {
    let mut later_of: Vec<Option<usize>> = vec![None; tasks.len()];
    let mut pairs = 0;
    for first in 0..tasks.len() {
        let mut seen = vec![false; tasks.len()];
        pairs += usize::from(pair_up(first, tasks, before, &mut seen, &mut later_of));
    }
    tasks.len() - pairs
}

/// Finds a later task for `first`, moving other pairs if need be.
fn pair_up(
    first: usize,
    tasks: &[usize],
    before: &[BTreeSet<usize>],
    seen: &mut [bool],
    later_of: &mut [Option<usize>],
) -> bool {
    for later in 0..tasks.len() {
        if seen[later] || !before[tasks[later]].contains(&tasks[first]) {
            continue;
        }
        seen[later] = true;
        let is_free = match later_of[later] {
            None => true,
            Some(other) => pair_up(other, tasks, before, seen, later_of),
        };
        if is_free {
            later_of[later] = Some(first);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::Stand::{Blocked, Done, Failed, Pending, Running};
    use super::*;

    fn check(items: &[(Stand, Vec<usize>)], parallel: usize, ahead: usize, start: &[usize]) {
        let view = View {
            items,
            parallel,
            ahead,
        };
        assert_eq!(next(&view).start, start, "{view:?}");
    }

    /// One, then three beside each other, then one.
    fn diamond(stands: [Stand; 5]) -> Vec<(Stand, Vec<usize>)> {
        let needs = [vec![], vec![0], vec![0], vec![0], vec![1, 2, 3]];
        stands.into_iter().zip(needs).collect()
    }

    #[test]
    fn all_is_launched_where_the_limit_holds_by_itself() {
        let fresh = diamond([Pending; 5]);
        check(&fresh, 3, 32, &[0, 1, 2, 3, 4]);
        check(&fresh, 2, 32, &[0, 1, 2]);
        check(&fresh, 1, 32, &[0, 1]);
        // As soon as it holds with one more, that one follows.
        check(
            &diamond([Running, Blocked, Blocked, Pending, Pending]),
            2,
            32,
            &[],
        );
        check(
            &diamond([Done, Done, Running, Pending, Pending]),
            2,
            32,
            &[3, 4],
        );
        check(
            &diamond([Done, Running, Running, Pending, Pending]),
            2,
            32,
            &[],
        );
    }

    #[test]
    fn no_more_wait_than_may() {
        let fresh = diamond([Pending; 5]);
        check(&fresh, 3, 0, &[0]);
        check(&fresh, 3, 2, &[0, 1, 2]);
        check(
            &diamond([Running, Blocked, Blocked, Pending, Pending]),
            3,
            2,
            &[],
        );
        check(
            &diamond([Done, Pending, Pending, Pending, Pending]),
            3,
            0,
            &[1, 2, 3],
        );
    }

    #[test]
    fn what_depends_on_a_failure_is_stuck_and_in_nobodys_way() {
        let items = [
            (Failed, vec![]),
            (Blocked, vec![0]),
            (Pending, vec![1]),
            (Pending, vec![]),
            (Running, vec![0]),
        ];
        let decided = next(&View {
            items: &items,
            parallel: 2,
            ahead: 32,
        });
        assert_eq!(decided.stuck, [(1, 0), (2, 1)]);
        assert_eq!(decided.start, [3]);
    }

    #[test]
    fn an_order_that_stands_later_in_the_plan_is_kept() {
        let items = [(Pending, vec![1]), (Pending, vec![2]), (Pending, vec![])];
        check(&items, 1, 32, &[2, 1, 0]);
    }

    #[test]
    fn the_width_is_that_of_the_widest_row() {
        // Two chains that are tied in the middle: 0-1-2, 3-1, 1-4.
        let items = [
            (Pending, vec![]),
            (Pending, vec![0, 3]),
            (Pending, vec![1]),
            (Pending, vec![]),
            (Pending, vec![1]),
        ];
        let before = reach(&items);
        assert_eq!(width(&[0, 1, 2, 3, 4], &before), 2);
        assert_eq!(width(&[0, 2], &before), 1, "through one that is not there");
        assert_eq!(width(&[2, 4], &before), 2);
        assert_eq!(width(&[], &before), 0);
    }

    #[test]
    fn whatever_ends_first_the_limit_holds() {
        // Every plan of five tasks, and every order in which they can end.
        for edges in 0..1_u32 << 10 {
            let mut bit = 0;
            let mut needs: Vec<Vec<usize>> = vec![Vec::new(); 5];
            for (later, needs) in needs.iter_mut().enumerate() {
                for earlier in 0..later {
                    if edges >> bit & 1 == 1 {
                        needs.push(earlier);
                    }
                    bit += 1;
                }
            }
            for parallel in 1..=3 {
                let fresh: Vec<_> = needs.iter().map(|n| (Pending, n.clone())).collect();
                let launched = next(&View {
                    items: &fresh,
                    parallel,
                    ahead: 32,
                })
                .start;
                // The command dies here; each set of tasks may have ended.
                for ended in 0..1_usize << 5 {
                    let has_ended = |item: usize| ended >> item & 1 == 1;
                    let is_possible = (0..5).all(|item| {
                        !has_ended(item)
                            || launched.contains(&item) && needs[item].iter().all(|n| has_ended(*n))
                    });
                    let ready = launched.iter().filter(|item| {
                        !has_ended(**item) && needs[**item].iter().all(|need| has_ended(*need))
                    });
                    assert!(!is_possible || ready.count() <= parallel, "{needs:?}");
                }
            }
        }
    }
}
