//! Positions as Redis's commands give them: signed, counted from the end where negative.

use std::ops::Range;

/// The positions that the inclusive `start` and `stop` name in a sequence of `len`, clamped to it;
/// `None` where they name nothing. O(1).
///
/// -1 is the last position, -2 the one before it: the rule of LRANGE, LTRIM, GETRANGE and ZRANGE.
pub(crate) fn resolve_range(start: i64, stop: i64, len: usize) -> Option<Range<usize>> {
    let start = from_front(start, len).max(0);
    let stop = from_front(stop, len);
    // A `stop` before the first position has no `usize` and names nothing.
    let end = usize::try_from(stop).ok()?.saturating_add(1).min(len);
    let start = usize::try_from(start).ok()?;
    (start < end).then_some(start..end)
}

/// The position that `index` names in a sequence of `len`, `None` outside of it: the rule of LINDEX
/// and LSET. O(1).
pub(crate) fn resolve_index(index: i64, len: usize) -> Option<usize> {
    usize::try_from(from_front(index, len)).ok().filter(|&index| index < len)
}

/// A negative index counted from the front instead; still negative where it lies before the first.
fn from_front(index: i64, len: usize) -> i64 {
    // A sequence that is held in memory is never longer than `i64::MAX`.
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    if index < 0 { index.saturating_add(len) } else { index }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -12i64..12,
            1 => any::<i64>(),
            1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]),
        ]
    }

    fn len() -> impl Strategy<Value = usize> {
        prop_oneof![8 => 0usize..10, 1 => Just(isize::MAX as usize), 1 => Just(isize::MAX as usize - 1)]
    }

    /// The position counted from the front, where no sum can overflow.
    fn wide(index: i64, len: usize) -> i128 {
        i128::from(index) + if index < 0 { len as i128 } else { 0 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_range_holds_what_lies_between_both_ends(start in index(), stop in index(), len in len()) {
            let (first, last) = (wide(start, len).max(0), wide(stop, len).min(len as i128 - 1));
            let expected = (first <= last).then(|| first as usize..last as usize + 1);
            prop_assert_eq!(resolve_range(start, stop, len), expected);
        }

        #[test]
        fn an_index_is_inside_or_nothing(index in index(), len in len()) {
            let at = wide(index, len);
            let expected = (0..len as i128).contains(&at).then_some(at as usize);
            prop_assert_eq!(resolve_index(index, len), expected);
        }
    }

    #[test]
    fn the_ends_of_i64_are_clamped() {
        assert_eq!(resolve_range(i64::MIN, i64::MAX, 3), Some(0..3));
        assert_eq!(resolve_range(i64::MAX, i64::MIN, 3), None);
        assert_eq!(resolve_range(i64::MIN, i64::MIN, 3), None);
        assert_eq!(resolve_range(i64::MIN, i64::MAX, 0), None);
        assert_eq!(resolve_range(-2, -1, 3), Some(1..3));
        assert_eq!((resolve_index(i64::MIN, 3), resolve_index(i64::MAX, 3)), (None, None));
        assert_eq!((resolve_index(-3, 3), resolve_index(-4, 3), resolve_index(0, 0)), (Some(0), None, None));
    }
}
