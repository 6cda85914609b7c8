//! A few integers among the bytes of [`Entries`], in the order in which they came: what a small set of
//! integers stands in.
//!
//! The first byte tells their form; then comes a base, then how far each integer lies above it, all of
//! them in as many bytes as the farthest needs. So neighbours (numbers handed out one after the other,
//! moments of one day) take a byte or a few, however large they are.

use std::iter;

use smallvec::SmallVec;

use super::entries::Entries;
use super::packed;

/// See the [module](self).
#[derive(Clone, Copy)]
pub(super) struct Integers<'e> {
    base: i64,
    /// Bytes that an integer takes, from 1 to [`WIDEST`].
    width: usize,
    distances: &'e [u8],
}

/// Added to what the first byte tells, so that it is no length of a packed name.
const MARK: u8 = 0x80;
const _: () = assert!(packed::LONGEST < MARK as usize);
const _: () = assert!(WIDEST * (WIDEST + 1) <= MARK as usize);

/// Bytes that a base or a distance can take.
const WIDEST: usize = size_of::<i64>();

impl<'e> Integers<'e> {
    /// The integers that stand in those bytes; `None` if something else does, or nothing. O(1)
    #[inline]
    pub(super) fn of(entries: &'e Entries) -> Option<Self> {
        let (form, rest) = entries.as_slice().split_first()?;
        let form = usize::from(form.checked_sub(MARK)?);
        let (base, distances) = rest.split_at_checked(form / WIDEST)?;
        let sign = if base.last().is_some_and(|last| last >> 7 == 1) { -1 } else { 0 };
        let base = base.iter().rev().fold(sign, |base, byte| base << 8 | i64::from(*byte));
        Some(Integers { base, width: form % WIDEST + 1, distances })
    }

    /// The place of an integer. O(n)
    #[inline]
    pub(super) fn find(self, integer: i64) -> Option<usize> {
        let distance = self.distance(integer)?.to_le_bytes();
        match self.width {
            1 => find::<1>(self.distances, distance),
            2 => find::<2>(self.distances, distance),
            3 => find::<3>(self.distances, distance),
            4 => find::<4>(self.distances, distance),
            5 => find::<5>(self.distances, distance),
            6 => find::<6>(self.distances, distance),
            7 => find::<7>(self.distances, distance),
            _ => find::<8>(self.distances, distance),
        }
    }

    /// The integer at a place. O(1)
    #[inline]
    pub(super) fn get(self, place: usize) -> Option<i64> {
        let start = place.checked_mul(self.width)?;
        self.distances.get(start..start + self.width).map(|distance| self.integer(distance))
    }

    #[inline]
    pub(super) fn iter(self) -> impl Iterator<Item = i64> + Clone + 'e {
        self.distances.chunks_exact(self.width).map(move |distance| self.integer(distance))
    }

    /// How far an integer lies above the base, if that can be written in the width that all have.
    #[inline]
    fn distance(self, integer: i64) -> Option<u64> {
        Some(integer.wrapping_sub(self.base) as u64).filter(|distance| *distance <= farthest(self.width))
    }

    #[inline]
    fn integer(self, distance: &[u8]) -> i64 {
        let distance = distance.iter().rev().fold(0, |distance, byte| distance << 8 | i64::from(*byte));
        self.base.wrapping_add(distance)
    }
}

/// Adds an integer that is not there yet behind the last of others, or to nothing at all. O(1) amortised,
/// O(n) where it lies too far from the others.
pub(super) fn push(entries: &mut Entries, integer: i64) {
    let (len, end) = (entries.len() + 1, entries.as_slice().len());
    let integers = Integers::of(entries);
    if let Some((distance, width)) = integers.and_then(|all| Some((all.distance(integer)?, all.width))) {
        entries.splice(end..end, &[&distance.to_le_bytes()[..width]], len);
    } else {
        let others = integers.into_iter().flat_map(Integers::iter);
        let all = written(others.chain(iter::once(integer)));
        entries.splice(0..end, &[&all], len);
    }
}

/// Takes the integer at a place out, if there is one; those behind it move up. O(n)
pub(super) fn remove(entries: &mut Entries, place: usize) {
    let Some(Integers { width, distances, .. }) = Integers::of(entries) else { return };
    let (len, end) = (entries.len(), entries.as_slice().len());
    if place >= len {
        return;
    }
    let start = end - distances.len() + place * width;
    // Nothing is left of the form when there is nothing that has it.
    let range = if len == 1 { 0..end } else { start..start + width };
    entries.splice(range, &[], len - 1);
}

/// Integers with their form and base, as they stand in the bytes: at least one.
fn written(integers: impl Iterator<Item = i64> + Clone) -> SmallVec<[u8; 256]> {
    let (min, max) = integers.clone().fold((i64::MAX, i64::MIN), |(min, max), it| (min.min(it), max.max(it)));
    let span = max.wrapping_sub(min) as u64;
    let width = bytes_of(span);
    let base = if (min as u64).max(max as u64) <= farthest(width) {
        0
    } else {
        // As much room below the integers as above them, for others to come.
        min.wrapping_sub(((farthest(width) - span) / 2) as i64)
    };
    // One bit more than the magnitude, for the sign.
    let magnitude = base ^ (base >> 63);
    let base_bytes = if base == 0 { 0 } else { bytes_of((magnitude as u64) << 1) };
    let mut all = SmallVec::new();
    all.push(MARK + (base_bytes * WIDEST + width - 1) as u8);
    all.extend_from_slice(&base.to_le_bytes()[..base_bytes]);
    for integer in integers {
        all.extend_from_slice(&integer.wrapping_sub(base).to_le_bytes()[..width]);
    }
    all
}

#[inline]
fn find<const WIDTH: usize>(distances: &[u8], distance: [u8; WIDEST]) -> Option<usize> {
    let distance = distance.first_chunk::<WIDTH>()?;
    distances.chunks_exact(WIDTH).position(|other| other.first_chunk() == Some(distance))
}

/// Bytes that it takes to write a number, at least one.
fn bytes_of(number: u64) -> usize {
    WIDEST - number.leading_zeros().min(63) as usize / 8
}

/// The largest number that can be written in so many bytes, from 1 to [`WIDEST`].
#[inline]
fn farthest(width: usize) -> u64 {
    u64::MAX >> (u64::BITS as usize - 8 * width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_take_no_more_bytes_than_the_farthest_apart_need(
            centre in any::<i64>(),
            shifts in (0u32..64, 0u32..64),
            others in prop::collection::vec(any::<i64>(), 1..20),
        ) {
            let mut integers: Vec<i64> = Vec::new();
            let mut entries = Entries::default();
            for other in others {
                let integer = (centre >> shifts.0).wrapping_add(other >> shifts.1);
                if !integers.contains(&integer) {
                    integers.push(integer);
                    push(&mut entries, integer);
                }
                let span = integers.iter().max().unwrap().wrapping_sub(*integers.iter().min().unwrap());
                let all = integers.len() * bytes_of(span as u64);
                prop_assert!(entries.as_slice().len() <= 1 + WIDEST + all);
            }
            let read = Integers::of(&entries).unwrap();
            prop_assert!(read.iter().eq(integers.iter().copied()));
            for (place, integer) in integers.iter().enumerate() {
                prop_assert_eq!(read.find(*integer), Some(place));
                prop_assert_eq!(read.get(place), Some(*integer));
            }
        }
    }

    #[test]
    fn what_is_written() {
        let table: [(&[i64], usize); 8] = [
            (&[0], 2),
            (&[-1], 3),
            (&[255, 0], 3),
            (&[256], 4),
            (&[1_000_000, 0], 7),
            (&[1_732_184_979_000, 1_732_184_979_255], 9),
            (&[i64::MIN], 10),
            (&[i64::MIN, 0, i64::MAX], 25),
        ];
        for (integers, bytes) in table {
            let mut entries = Entries::default();
            integers.iter().for_each(|integer| push(&mut entries, *integer));
            assert_eq!(entries.as_slice().len(), bytes, "{integers:?}");
        }
    }
}
