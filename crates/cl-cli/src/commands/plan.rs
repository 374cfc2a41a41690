//! Which of several runs or tasks are started next: a pure function.

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits.
    Pending,
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It did not end well, or was never started.
    Failed,
}

/// Why an item is never started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody wants the batch to end.
    Interrupted,
    /// Another item failed.
    OtherFailed,
    /// This item, which it depends on, did not end well.
    Dependency(usize),
}

/// What the decision weighs.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The items with the items that each depends on.
    pub(super) items: &'a [(State, Vec<usize>)],
    pub(super) parallel: usize,
    pub(super) continues: bool,
    pub(super) interrupted: bool,
}

/// What to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// Items to start, in order.
    pub(super) start: Vec<usize>,
    /// Items that are never started.
    pub(super) give_up: Vec<(usize, Why)>,
}

/// Decides the next starts. Items keep their order as far as dependencies allow.
pub(super) fn next(view: &View<'_>) -> Next {
    let mut next = Next::default();
    let has_failed = view.items.iter().any(|(state, _)| *state == State::Failed);
    let mut running = count(view.items, State::Running);
    for (index, (state, needs)) in view.items.iter().enumerate() {
        if *state != State::Pending {
            continue;
        }
        let broken = needs
            .iter()
            .copied()
            .find(|&need| view.items[need].0 == State::Failed);
        let is_ready = needs.iter().all(|&need| view.items[need].0 == State::Done);
        match () {
            () if view.interrupted => next.give_up.push((index, Why::Interrupted)),
            () if broken.is_some() => {
                next.give_up
                    .push((index, Why::Dependency(broken.unwrap_or(index))));
            }
            () if has_failed && !view.continues => next.give_up.push((index, Why::OtherFailed)),
            () if is_ready && running < view.parallel => {
                running += 1;
                next.start.push(index);
            }
            () => {}
        }
    }
    next
}

/// Returns the items that wait for each other in a circle, in order; empty if none do.
pub(super) fn circle(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = (0..needs.len()).collect();
    loop {
        let before = open.len();
        let snapshot = open.clone();
        open.retain(|&item| needs[item].iter().any(|need| snapshot.contains(need)));
        if open.len() == before {
            return open;
        }
    }
}

fn count(items: &[(State, Vec<usize>)], wanted: State) -> usize {
    items.iter().filter(|(state, _)| *state == wanted).count()
}

#[cfg(test)]
mod tests {
    use super::State::{Done, Failed, Pending, Running};
    use super::*;

    fn view(items: &[(State, Vec<usize>)], parallel: usize) -> View<'_> {
        View {
            items,
            parallel,
            continues: false,
            interrupted: false,
        }
    }

    #[test]
    fn items_start_in_order_and_as_many_as_may() {
        let items = [
            (Done, vec![]),
            (Running, vec![]),
            (Pending, vec![]),
            (Pending, vec![]),
        ];
        assert_eq!(next(&view(&items, 1)), Next::default());
        assert_eq!(next(&view(&items, 2)).start, [2]);
        assert_eq!(next(&view(&items, 9)).start, [2, 3]);
    }

    #[test]
    fn a_failure_ends_the_batch_unless_it_is_to_go_on() {
        let items = [
            (Failed, vec![]),
            (Running, vec![]),
            (Pending, vec![]),
            (Pending, vec![0]),
        ];
        let ended = next(&view(&items, 3));
        assert_eq!(ended.start, [0_usize; 0]);
        assert_eq!(
            ended.give_up,
            [(2, Why::OtherFailed), (3, Why::Dependency(0))]
        );
        let going_on = next(&View {
            continues: true,
            ..view(&items, 3)
        });
        assert_eq!(going_on.start, [2]);
        assert_eq!(going_on.give_up, [(3, Why::Dependency(0))]);
    }

    #[test]
    fn an_item_waits_for_what_it_depends_on() {
        let items = [(Pending, vec![1]), (Running, vec![]), (Pending, vec![])];
        assert_eq!(next(&view(&items, 3)).start, [2]);
        let items = [(Pending, vec![1]), (Done, vec![])];
        assert_eq!(next(&view(&items, 1)).start, [0]);
    }

    #[test]
    fn an_interruption_starts_nothing_more() {
        let items = [(Running, vec![]), (Pending, vec![]), (Pending, vec![1])];
        let next = next(&View {
            interrupted: true,
            ..view(&items, 3)
        });
        assert_eq!(next.start, [0_usize; 0]);
        assert_eq!(next.give_up.len(), 2);
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(circle(&[vec![], vec![0], vec![1]]), [0_usize; 0]);
        assert_eq!(circle(&[vec![], vec![2], vec![1], vec![2]]), [1, 2, 3]);
        assert_eq!(circle(&[vec![0]]), [0]);
    }
}
