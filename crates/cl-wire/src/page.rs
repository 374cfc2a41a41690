//! Parts of long lists.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many items a page has unless asked otherwise.
pub const USUAL_LIMIT: usize = 50;

/// The most items that a page has.
pub const MOST_ITEMS: usize = 500;

/// A part of a list, counted from its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this part.
    pub items: Vec<T>,
    /// How many there are in all.
    #[schema(example = 1)]
    pub total: usize,
    /// How many were asked for at most.
    #[schema(example = 50)]
    pub limit: usize,
    /// How many stand before this part.
    #[schema(example = 0)]
    pub offset: usize,
    /// Whether something stands behind it.
    #[schema(example = false)]
    pub has_more: bool,
}

impl<T> Page<T> {
    /// Cuts a part out of `all`.
    ///
    /// Takes an iterator that knows its length, so that what is outside is never made.
    pub fn cut(all: impl ExactSizeIterator<Item = T>, limit: usize, offset: usize) -> Self {
        let total = all.len();
        let items: Vec<T> = all.skip(offset).take(limit).collect();
        let has_more = offset.saturating_add(items.len()) < total;
        Self {
            items,
            total,
            limit,
            offset,
            has_more,
        }
    }
}

/// A part of a list that changes while it is read: it goes on behind a place, not a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CursorPage<T> {
    /// The items of this part.
    pub items: Vec<T>,
    /// The place behind the last item; ask with `after=` for what follows it.
    #[schema(
        required = true,
        example = "MSG-20260223-211000-000000001-PID00700-0001"
    )]
    pub next: Option<String>,
    /// The place of the first item; ask with `before=` for what precedes it.
    #[schema(required = true)]
    pub previous: Option<String>,
    /// Whether something stands behind this part, in the direction that was asked for.
    #[schema(example = false)]
    pub has_more: bool,
}

/// Returns the limit that holds: what cannot be used counts as not given.
pub fn limit(asked: Option<&str>) -> usize {
    match asked.and_then(|text| text.trim().parse::<usize>().ok()) {
        None | Some(0) => USUAL_LIMIT,
        Some(limit) => limit.min(MOST_ITEMS),
    }
}

/// Returns the offset that holds: what cannot be used counts as not given.
pub fn offset(asked: Option<&str>) -> usize {
    asked
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limit: usize, offset: usize, items: &[u32], has_more: bool) {
        let page = Page::cut([1, 2, 3].into_iter(), limit, offset);
        assert_eq!(page.items, items);
        assert_eq!(page.has_more, has_more);
        assert_eq!((page.total, page.limit, page.offset), (3, limit, offset));
    }

    #[test]
    fn parts_are_cut_at_both_ends() {
        check(50, 0, &[1, 2, 3], false);
        check(2, 0, &[1, 2], true);
        check(2, 2, &[3], false);
        check(2, 7, &[], false);
        check(usize::MAX, usize::MAX, &[], false);
    }

    #[test]
    fn unusable_numbers_count_as_not_given() {
        for text in [None, Some(""), Some("x"), Some("-1"), Some("0")] {
            assert_eq!(limit(text), USUAL_LIMIT, "{text:?}");
        }
        assert_eq!(limit(Some("7")), 7);
        assert_eq!(limit(Some("100000")), MOST_ITEMS);
        assert_eq!(offset(Some("-3")), 0);
        assert_eq!(offset(Some("3")), 3);
    }
}
