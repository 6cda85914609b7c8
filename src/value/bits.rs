//! A byte string as an array of bits: SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP.
//!
//! Bit 0 is the most significant bit of byte 0. Bits past the end read as zero.

/// What the two ends of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitUnit {
    /// Bytes (`BYTE`).
    Byte,
    /// Bits (`BIT`).
    Bit,
}

/// Where [`position`] looks; the ends are inclusive and count from the end where negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// The whole string, with zeros to its right.
    All,
    /// From a byte to the end, with zeros to its right.
    From(i64),
    /// Between two ends, and nothing to the right of them.
    Range(i64, i64, BitUnit),
}

/// How BITOP makes one bit out of those of its sources X, Y1, Y2, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitOp {
    /// Set in all of them.
    And,
    /// Set in any of them.
    Or,
    /// Set in an odd number of them.
    Xor,
    /// Not set in X, the one source that it takes.
    Not,
    /// Set in X and in no Y; takes two sources or more, as do the next two.
    Diff,
    /// Set in any Y, but not in X.
    Diff1,
    /// Set in X and in any Y.
    AndOr,
    /// Set in exactly one of them.
    One,
}

/// The bit at `offset`. O(1).
pub(crate) fn get(bytes: &[u8], offset: u64) -> bool {
    bytes.get(index(offset)).is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets or clears the bit at `offset` and returns what it was; the string grows with zeros to
/// hold it, also where the bit is cleared. O(1), and O(n) in the bytes it grows by.
///
/// The caller has checked that `offset` lies within what a string may hold.
pub(crate) fn set(bytes: &mut Vec<u8>, offset: u64, value: bool) -> bool {
    grow(bytes, offset.saturating_add(1));
    let Some(byte) = bytes.get_mut(index(offset)) else { return false };
    let old = *byte & mask(offset) != 0;
    if value {
        *byte |= mask(offset);
    } else {
        *byte &= !mask(offset);
    }
    old
}

/// Adds zero bytes until there are at least `bits` bits. O(n) in the bytes added.
///
/// The caller has checked that the length is one it allows: this allocates.
pub(crate) fn grow(bytes: &mut Vec<u8>, bits: u64) {
    let len = index(bits.saturating_add(7));
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}

/// How many bits are set, in the whole string or between two inclusive ends that count from the
/// end where negative (BITCOUNT). O(n), eight bytes at a time.
///
/// Ends out of range are moved to the nearest one in it, so that both before the start means the
/// first byte or bit, as in Redis; two negative ends in the wrong order count nothing.
pub(crate) fn count(bytes: &[u8], range: Option<(i64, i64, BitUnit)>) -> u64 {
    let Some((start, stop, unit)) = range else { return ones(bytes) };
    if start < 0 && stop < 0 && start > stop {
        return 0;
    }
    let Some((first, last)) = resolve(bytes, start, stop, unit) else { return 0 };
    // `resolve` gives ends within the string, so neither slice is empty.
    let Some(slice) = bytes.get(index(first)..=index(last)) else { return 0 };
    let before = slice.first().map_or(0, |byte| byte & !from(first));
    let after = slice.last().map_or(0, |byte| byte & !up_to(last));
    ones(slice) - u64::from(before.count_ones() + after.count_ones())
}

/// The position of the first bit that is `bit`, counted from the string's start (BITPOS, where
/// `None` is -1). O(n), eight bytes at a time.
///
/// A search for a zero without an explicit end finds the one to the right of a string that is
/// all ones. An empty range has neither zeros nor ones; so has an empty string, and a range that
/// starts past the end. A missing key differs from an empty string: there BITPOS is 0 for a zero
/// and -1 for a one whatever the range, which is the caller's to answer.
pub(crate) fn position(bytes: &[u8], bit: bool, within: Within) -> Option<u64> {
    let (start, stop, unit) = match within {
        Within::All => (0, -1, BitUnit::Byte),
        Within::From(start) => (start, -1, BitUnit::Byte),
        Within::Range(start, stop, unit) => (start, stop, unit),
    };
    let (first, last) = resolve(bytes, start, stop, unit)?;
    match find(bytes, bit, first, last) {
        None if !bit && !matches!(within, Within::Range(..)) => Some(last + 1),
        found => found,
    }
}

/// The inputs combined bit by bit into a string as long as the longest; shorter ones, and missing
/// keys as empty ones, are taken to go on with zeros (BITOP). O(n) in the bytes of all inputs.
///
/// `Not` reads the first input alone; that it has just one, and that the last four operations
/// have two or more where Redis asks for them, is the caller's grammar.
pub(crate) fn combine(op: BitOp, inputs: &[&[u8]]) -> Vec<u8> {
    let len = inputs.iter().map(|input| input.len()).max().unwrap_or(0);
    let Some((&x, rest)) = inputs.split_first() else { return Vec::new() };
    match op {
        BitOp::And => fold(x, rest, len, and),
        BitOp::Or => fold(x, rest, len, or),
        BitOp::Xor => fold(x, rest, len, |acc, y| each(acc, y, |a, b| a ^ b)),
        BitOp::Not => x.iter().map(|byte| !byte).collect(),
        BitOp::Diff => fold(x, rest, len, and_not),
        BitOp::Diff1 => {
            let mut any = fold(&[], rest, len, or);
            and_not(&mut any, x);
            any
        }
        BitOp::AndOr => {
            let mut any = fold(&[], rest, len, or);
            and(&mut any, x);
            any
        }
        BitOp::One => {
            let mut several = vec![0; len];
            let mut odd = fold(x, rest, len, |acc, y| {
                for ((seen, a), b) in several.iter_mut().zip(acc).zip(y) {
                    *seen |= *a & b;
                    *a ^= b;
                }
            });
            and_not(&mut odd, &several);
            odd
        }
    }
}

/// The byte that holds a bit, or an index past every string where it is out of reach.
fn index(offset: u64) -> usize {
    usize::try_from(offset / 8).unwrap_or(usize::MAX)
}

/// The bit at `offset`, in its byte.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// The bits from `offset` on, in its byte.
fn from(offset: u64) -> u8 {
    0xff >> (offset % 8)
}

/// The bits up to `offset` and with it, in its byte.
fn up_to(offset: u64) -> u8 {
    0xff << (7 - offset % 8)
}

/// The first and last bit of a range, both within the string; `None` where it is empty.
fn resolve(bytes: &[u8], start: i64, stop: i64, unit: BitUnit) -> Option<(u64, u64)> {
    let scale = match unit {
        BitUnit::Byte => 8,
        BitUnit::Bit => 1,
    };
    // Memory ends long before 2^60 bytes.
    let total = i64::try_from(bytes.len() as u64 * 8 / scale).unwrap_or(i64::MAX);
    let place = |end: i64| if end < 0 { end.saturating_add(total).max(0) } else { end };
    let (start, stop) = (place(start), place(stop).min(total - 1));
    if start > stop {
        return None;
    }
    // 0 <= start <= stop < total.
    let (start, stop) = (start.unsigned_abs(), stop.unsigned_abs());
    Some((start * scale, stop * scale + (scale - 1)))
}

fn ones(bytes: &[u8]) -> u64 {
    let chunks = bytes.chunks_exact(8);
    let tail: u64 = chunks.remainder().iter().map(|byte| u64::from(byte.count_ones())).sum();
    chunks.map(|chunk| u64::from(word(chunk).count_ones())).sum::<u64>() + tail
}

/// Eight bytes as a number whose most significant bit is the string's first.
fn word(chunk: &[u8]) -> u64 {
    chunk.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The first bit that is `bit` from `first` to `last`, both within the string.
fn find(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    let unwanted: u8 = if bit { 0x00 } else { 0xff };
    let (head, rest) = bytes.get(index(first)..=index(last))?.split_first()?;
    let wanted = (head ^ unwanted) & from(first);
    let found = if wanted != 0 {
        first / 8 * 8 + u64::from(wanted.leading_zeros())
    } else {
        let skipped = same(rest, unwanted);
        let wanted = rest.get(skipped)? ^ unwanted;
        (first / 8 + 1 + skipped as u64) * 8 + u64::from(wanted.leading_zeros())
    };
    (found <= last).then_some(found)
}

/// How many bytes at the start are `byte`.
fn same(bytes: &[u8], byte: u8) -> usize {
    // Four words to a step: one branch for them all.
    let blocks =
        bytes.chunks_exact(32).take_while(|block| block.iter().fold(0, |acc, b| acc | (b ^ byte)) == 0);
    let skipped = blocks.count() * 32;
    skipped + bytes.iter().skip(skipped).take_while(|b| **b == byte).count()
}

/// `x` padded to `len`, with each of `rest` worked into it.
fn fold(x: &[u8], rest: &[&[u8]], len: usize, mut work: impl FnMut(&mut [u8], &[u8])) -> Vec<u8> {
    let mut acc = Vec::with_capacity(len);
    acc.extend_from_slice(x);
    acc.resize(len, 0);
    rest.iter().for_each(|y| work(&mut acc, y));
    acc
}

fn each(acc: &mut [u8], y: &[u8], op: impl Fn(u8, u8) -> u8) {
    acc.iter_mut().zip(y).for_each(|(a, b)| *a = op(*a, *b));
}

fn or(acc: &mut [u8], y: &[u8]) {
    each(acc, y, |a, b| a | b);
}

fn and(acc: &mut [u8], y: &[u8]) {
    each(acc, y, |a, b| a & b);
    acc.iter_mut().skip(y.len()).for_each(|a| *a = 0);
}

fn and_not(acc: &mut [u8], y: &[u8]) {
    each(acc, y, |a, b| a & !b);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bit_array(bytes: &[u8]) -> Vec<bool> {
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
    }

    /// The bits of a range, as Redis's documents have it.
    fn in_range(len: usize, start: i64, stop: i64, unit: BitUnit) -> std::ops::Range<usize> {
        let scale = if unit == BitUnit::Byte { 8 } else { 1 };
        let total = (len * 8 / scale) as i128;
        let place = |end: i64| (i128::from(end) + if end < 0 { total } else { 0 }).max(0);
        let (start, stop) = (place(start), place(stop).min(total - 1));
        if start > stop { 0..0 } else { start as usize * scale..(stop as usize + 1) * scale }
    }

    /// Strings of long runs of zeros and ones, where a step of a word or a block may go wrong.
    fn string() -> impl Strategy<Value = Vec<u8>> {
        let run = (prop_oneof![4 => Just(0), 4 => Just(0xff), 1 => any::<u8>()], 1..40usize);
        vec(run, 0..6).prop_map(|runs| runs.into_iter().flat_map(|(byte, n)| vec![byte; n]).collect())
    }

    fn end() -> impl Strategy<Value = i64> {
        prop_oneof![8 => -30..30i64, 8 => -2000..2000i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    fn unit() -> impl Strategy<Value = BitUnit> {
        prop_oneof![Just(BitUnit::Byte), Just(BitUnit::Bit)]
    }

    proptest! {
        #[test]
        fn set_and_get_are_those_of_an_array_of_bits(steps in vec((0..300u64, any::<bool>()), 0..40)) {
            let (mut bytes, mut model) = (Vec::new(), Vec::new());
            for (offset, value) in steps {
                let at = offset as usize;
                if model.len() <= at {
                    model.resize((at / 8 + 1) * 8, false);
                }
                prop_assert_eq!(get(&bytes, offset), model[at]);
                prop_assert_eq!(set(&mut bytes, offset, value), std::mem::replace(&mut model[at], value));
                prop_assert_eq!(bit_array(&bytes), &model[..]);
            }
            prop_assert!(!get(&bytes, model.len() as u64) && !get(&bytes, u64::MAX));
        }

        #[test]
        fn count_counts_the_bits_of_the_range(bytes in string(), start in end(), stop in end(), unit in unit()) {
            let bits = bit_array(&bytes);
            let ones = |bits: &[bool]| bits.iter().filter(|bit| **bit).count() as u64;
            let expected = if start < 0 && stop < 0 && start > stop {
                0
            } else {
                ones(&bits[in_range(bytes.len(), start, stop, unit)])
            };
            prop_assert_eq!(count(&bytes, Some((start, stop, unit))), expected);
            prop_assert_eq!(count(&bytes, None), ones(&bits));
        }

        #[test]
        fn position_is_that_of_the_first(
            bytes in string(), bit in any::<bool>(), start in end(), stop in end(), unit in unit()
        ) {
            let bits = bit_array(&bytes);
            let first = |range: std::ops::Range<usize>| {
                bits[range.clone()].iter().position(|b| *b == bit).map(|at| (range.start + at) as u64)
            };
            let range = in_range(bytes.len(), start, stop, unit);
            prop_assert_eq!(position(&bytes, bit, Within::Range(start, stop, unit)), first(range));

            let open = in_range(bytes.len(), start, -1, BitUnit::Byte);
            let right = (!bit && !open.is_empty()).then_some(bits.len() as u64);
            prop_assert_eq!(position(&bytes, bit, Within::From(start)), first(open).or(right));
            prop_assert_eq!(position(&bytes, bit, Within::All), position(&bytes, bit, Within::From(0)));
        }

        #[test]
        fn combine_works_bit_by_bit(inputs in vec(vec(any::<u8>(), 0..80), 1..5)) {
            let slices: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
            let len = slices.iter().map(|s| s.len()).max().unwrap();
            type Model = fn(bool, &[bool]) -> bool;
            let ops: [(BitOp, Model); 7] = [
                (BitOp::And, |x, y| x && !y.contains(&false)),
                (BitOp::Or, |x, y| x || y.contains(&true)),
                (BitOp::Xor, |x, y| y.iter().fold(x, |a, b| a ^ b)),
                (BitOp::Diff, |x, y| x && !y.contains(&true)),
                (BitOp::Diff1, |x, y| !x && y.contains(&true)),
                (BitOp::AndOr, |x, y| x && y.contains(&true)),
                (BitOp::One, |x, y| y.iter().chain([&x]).filter(|b| **b).count() == 1),
            ];
            for (op, model) in ops {
                let combined = combine(op, &slices);
                prop_assert_eq!(combined.len(), len);
                for at in 0..len as u64 * 8 {
                    let column: Vec<bool> = slices.iter().map(|s| get(s, at)).collect();
                    prop_assert_eq!(get(&combined, at), model(column[0], &column[1..]), "{:?} at {}", op, at);
                }
            }
            let not = combine(BitOp::Not, &slices[..1]);
            prop_assert_eq!(not, inputs[0].iter().map(|byte| !byte).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ends_before_the_start_mean_the_first_byte_or_bit() {
        assert_eq!(count(b"\xff\xff", Some((-9, -5, BitUnit::Byte))), 8);
        assert_eq!(count(b"\xff\xff", Some((-90, -50, BitUnit::Bit))), 1);
        assert_eq!(count(b"\xff\xff", Some((-5, -9, BitUnit::Byte))), 0);
        assert_eq!(position(b"\xff\x00", true, Within::Range(-5, -9, BitUnit::Byte)), Some(0));
    }

    #[test]
    fn a_zero_stands_to_the_right_of_ones_unless_the_end_is_given() {
        assert_eq!(position(b"\xff\xff", false, Within::All), Some(16));
        assert_eq!(position(b"\xff\xff", false, Within::From(1)), Some(16));
        assert_eq!(position(b"\xff\xff", false, Within::From(2)), None);
        assert_eq!(position(b"\xff\xff", false, Within::Range(0, -1, BitUnit::Byte)), None);
        assert_eq!(position(b"", false, Within::All), None);
    }
}
