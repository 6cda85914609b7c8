//! Intsets: the width of each integer (u32: 2, 4 or 8), how many there are (u32), and the integers, ascending.

use super::{Bad, signed, split};

/// The integers of an intset, in order.
pub(super) fn read(bytes: &[u8]) -> Result<impl Iterator<Item = i64>, Bad> {
    let (width, rest) = split(bytes)?;
    let (count, integers) = split(rest)?;
    let (width, count) = (u32::from_le_bytes(width) as usize, u32::from_le_bytes(count) as usize);
    if !matches!(width, 2 | 4 | 8) {
        return Err("integers of a set have an unknown width");
    }
    if count.checked_mul(width) != Some(integers.len()) {
        return Err("a set of integers is of another length than it says");
    }
    let all = integers.chunks_exact(width).map(signed);
    if all.clone().zip(all.clone().skip(1)).any(|(one, next)| one >= next) {
        return Err("the integers of a set are not in order");
    }
    Ok(all)
}

/// Integers, sorted and each once, in the narrowest width that holds them all.
pub(super) fn write(integers: &[i64]) -> Vec<u8> {
    let fits = |least: i64, most: i64| integers.iter().all(|integer| (least..=most).contains(integer));
    let width = if fits(i16::MIN.into(), i16::MAX.into()) {
        2
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        4
    } else {
        8
    };
    let mut bytes = Vec::with_capacity(8 + width * integers.len());
    bytes.extend((width as u32).to_le_bytes());
    bytes.extend((integers.len() as u32).to_le_bytes());
    integers.iter().for_each(|integer| bytes.extend_from_slice(&integer.to_le_bytes()[..width]));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_was(shift in 0u32..64, integers in prop::collection::btree_set(any::<i64>(), 0..20)) {
            let integers: std::collections::BTreeSet<i64> = integers.into_iter().map(|it| it >> shift).collect();
            let integers: Vec<i64> = integers.into_iter().collect();
            let bytes = write(&integers);
            prop_assert_eq!(read(&bytes).map(Iterator::collect::<Vec<_>>), Ok(integers));
            for end in 0..bytes.len() {
                prop_assert!(read(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_integers_or_an_error(bytes in prop::collection::vec(0u8..9, 0..40)) {
            let _ = read(&bytes).map(Iterator::count);
        }
    }
}
