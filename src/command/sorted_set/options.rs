//! What callers can choose.

use std::ops::Range;

use crate::keyspace::writer::Absent;

/// When a member is given a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum InsertIf {
    /// In any case.
    #[default]
    Always,
    /// If the member is not there (`NX`).
    Absent,
    /// If the member is there (`XX`).
    Present,
    /// If the member is not there, or the new score is greater than the one it has (`GT`).
    Greater,
    /// If the member is not there, or the new score is less than the one it has (`LT`).
    Less,
    /// If the member is there, and the new score is greater than the one it has (`XX GT`).
    PresentGreater,
    /// If the member is there, and the new score is less than the one it has (`XX LT`).
    PresentLess,
}

impl InsertIf {
    /// Whether a member that has this score, or none, may be given one at all.
    pub(super) fn admits(self, old: Option<f64>) -> bool {
        match self {
            InsertIf::Always | InsertIf::Greater | InsertIf::Less => true,
            InsertIf::Absent => old.is_none(),
            InsertIf::Present | InsertIf::PresentGreater | InsertIf::PresentLess => old.is_some(),
        }
    }

    /// Whether a member that has the old score, or none, is given the new one.
    pub(super) fn allows(self, old: Option<f64>, new: f64) -> bool {
        self.admits(old)
            && match self {
                InsertIf::Greater | InsertIf::PresentGreater => old.is_none_or(|old| new > old),
                InsertIf::Less | InsertIf::PresentLess => old.is_none_or(|old| new < old),
                InsertIf::Always | InsertIf::Absent | InsertIf::Present => true,
            }
    }

    /// What becomes of a key that is missing.
    pub(super) fn absent(self) -> Absent {
        if self.admits(None) { Absent::Create } else { Absent::Skip }
    }
}

/// What came of a member that was inserted under a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inserted {
    /// It is new.
    Added,
    /// It was there, and has another score now.
    Updated,
    /// Nothing: it has that score already, or the condition does not hold.
    Unchanged,
}

/// What came of several members that were inserted under a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct InsertCount {
    /// How many are new.
    pub added: usize,
    /// How many were there, and have another score now.
    pub updated: usize,
}

impl From<InsertCount> for Inserted {
    fn from(counts: InsertCount) -> Self {
        match counts {
            InsertCount { added: 0, updated: 0 } => Inserted::Unchanged,
            InsertCount { added: 0, .. } => Inserted::Updated,
            _ => Inserted::Added,
        }
    }
}

/// Which part of a range is wanted, and in which order: as with an iterator, the range is first
/// reversed, then the start skipped, then the length limited.
///
/// ```
/// use larder::{Store, Window};
///
/// let store = Store::new();
/// let board = store.sorted_set::<String>("board");
/// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
/// let second = board.range_by_score_with(.., Window::new().reversed().skip(1).take(1))?;
/// assert_eq!(second, [("bob".to_owned(), 2.0)]);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Window {
    pub(super) reversed: bool,
    skip: usize,
    take: Option<usize>,
}

impl Window {
    /// The whole range, from the lowest to the highest.
    pub const fn new() -> Self {
        Window { reversed: false, skip: 0, take: None }
    }

    /// From the highest to the lowest (`REV`).
    #[must_use]
    pub const fn reversed(mut self) -> Self {
        self.reversed = true;
        self
    }

    /// Without the first `count` (the offset of `LIMIT`). O(log n), however many they are.
    #[must_use]
    pub const fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// At most `count` (the count of `LIMIT`).
    #[must_use]
    pub const fn take(mut self, count: usize) -> Self {
        self.take = Some(count);
        self
    }

    /// The ranks that are left of a range of ranks.
    pub(super) fn cut(self, ranks: Range<usize>) -> Range<usize> {
        let skip = self.skip.min(ranks.len());
        let take = self.take.unwrap_or(usize::MAX).min(ranks.len() - skip);
        if self.reversed {
            let end = ranks.end - skip;
            end - take..end
        } else {
            let start = ranks.start + skip;
            start..start + take
        }
    }
}

/// What the score of a member is that several sorted sets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Aggregate {
    /// The sum of its scores; the sum of `inf` and `-inf` counts as 0.
    #[default]
    Sum,
    /// The least of its scores.
    Min,
    /// The greatest of its scores.
    Max,
    /// How many of the sets it is in: the sum of their weights, whatever its scores are.
    Count,
}

impl Aggregate {
    /// What a set of this weight contributes for a member that has this score in it.
    pub(super) fn of(self, score: f64, weight: f64) -> f64 {
        if self == Aggregate::Count { weight } else { score * weight }
    }

    pub(super) fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => not_nan(a + b),
            // A NaN for `b` leaves `a`: see `combine::intersect`.
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Redis's rule for `inf - inf` and `inf * 0` where sorted sets are combined.
pub(super) fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// How the scores of several sorted sets become one.
///
/// ```
/// use larder::{Aggregate, Combine, Store};
///
/// let store = Store::new();
/// let today = store.sorted_set::<String>("today");
/// today.insert("ann", 10.0)?;
/// store.sorted_set::<String>("yesterday").insert_many([("ann", 30.0), ("bob", 8.0)])?;
/// let combine = Combine::new().weights([1.0, 0.5]).aggregate(Aggregate::Max);
/// let both = today.union_with(["yesterday"], &combine)?;
/// assert_eq!(both, [("bob".to_owned(), 4.0), ("ann".to_owned(), 15.0)]);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Combine {
    pub(super) weights: Vec<f64>,
    pub(super) aggregate: Aggregate,
}

impl Combine {
    /// The sum of the scores, as they are.
    pub const fn new() -> Self {
        Combine { weights: Vec::new(), aggregate: Aggregate::Sum }
    }

    /// What each set's scores are multiplied with: one number for each, first that of the handle's
    /// own (`WEIGHTS`). `inf` times 0 counts as 0.
    #[must_use]
    pub fn weights(mut self, weights: impl IntoIterator<Item = f64>) -> Self {
        self.weights = weights.into_iter().collect();
        self
    }

    /// What becomes of several scores (`AGGREGATE`).
    #[must_use]
    pub const fn aggregate(mut self, aggregate: Aggregate) -> Self {
        self.aggregate = aggregate;
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count() -> impl Strategy<Value = usize> {
        prop_oneof![8 => 0..12_usize, 1 => Just(usize::MAX)]
    }

    proptest! {
        #[test]
        fn a_window_is_what_an_iterator_leaves(
            (start, len) in (0..10_usize, 0..10_usize),
            reversed: bool, skip in count(), take in prop::option::of(count()),
        ) {
            let mut window = Window { reversed, ..Window::new() }.skip(skip);
            if let Some(take) = take {
                window = window.take(take);
            }
            let ranks = start..start + len;
            let mut expected: Vec<usize> = ranks.clone().collect();
            if reversed {
                expected.reverse();
            }
            let mut expected: Vec<usize> =
                expected.into_iter().skip(skip).take(take.unwrap_or(usize::MAX)).collect();
            expected.sort_unstable();
            prop_assert_eq!(window.cut(ranks).collect::<Vec<_>>(), expected);
        }
    }
}
