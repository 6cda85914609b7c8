//! A byte string as an array of integers of any width: BITFIELD.
//!
//! An integer may lie at any bit; its most significant bit comes first. Offsets are in bits: an
//! offset written `#n` is `n` times the width.

use std::fmt;

use super::bits;

/// The type of an integer in a string's bits: `i1` to `i64`, signed (two's complement), or `u1`
/// to `u63`, unsigned.
///
/// ```
/// use larder::BitInt;
///
/// assert_eq!(BitInt::unsigned(8).map(|int| int.to_string()), Some("u8".to_owned()));
/// assert_eq!(BitInt::parse("i5"), BitInt::signed(5));
/// assert_eq!(BitInt::unsigned(64), None); // a reply holds 63 bits and a sign
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitInt {
    signed: bool,
    /// 1 to 64; 1 to 63 where unsigned.
    bits: u8,
}

/// What BITFIELD does with a number that does not fit its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// Keeps the low bits.
    #[default]
    Wrap,
    /// Takes the type's nearest limit. As in Redis, a negative number *set* as unsigned becomes the
    /// greatest, not zero; so does one set as signed that lies 2^63 or more below the greatest.
    Sat,
    /// Changes nothing.
    Fail,
}

impl BitInt {
    /// A signed integer of 1 to 64 bits; `None` for another width. O(1)
    ///
    /// ```
    /// use larder::BitInt;
    ///
    /// assert_eq!(BitInt::signed(5).map(|int| int.to_string()), Some("i5".to_owned()));
    /// assert_eq!(BitInt::signed(65), None);
    /// ```
    pub const fn signed(bits: u8) -> Option<Self> {
        if 1 <= bits && bits <= 64 { Some(BitInt { signed: true, bits }) } else { None }
    }

    /// An unsigned integer of 1 to 63 bits; `None` for another width. O(1)
    ///
    /// ```
    /// use larder::BitInt;
    ///
    /// assert_eq!(BitInt::unsigned(63).map(|int| int.to_string()), Some("u63".to_owned()));
    /// assert_eq!(BitInt::unsigned(64), None);
    /// ```
    pub const fn unsigned(bits: u8) -> Option<Self> {
        if 1 <= bits && bits <= 63 { Some(BitInt { signed: false, bits }) } else { None }
    }

    /// The type that BITFIELD writes as `text`: `i` or `u` and its width, with no leading zero. O(1)
    ///
    /// ```
    /// use larder::BitInt;
    ///
    /// assert_eq!(BitInt::parse("u8"), BitInt::unsigned(8));
    /// assert_eq!(BitInt::parse("u08"), None);
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let (sign, digits) = text.as_ref().split_first()?;
        let bits = match digits {
            [one @ b'1'..=b'9'] => one - b'0',
            [ten @ b'1'..=b'9', one @ b'0'..=b'9'] => (ten - b'0') * 10 + (one - b'0'),
            _ => return None,
        };
        match sign {
            b'i' => BitInt::signed(bits),
            b'u' => BitInt::unsigned(bits),
            _ => None,
        }
    }

    /// Its width in bits. O(1)
    ///
    /// ```
    /// assert_eq!(larder::BitInt::parse("u12").map(|int| int.bits()), Some(12));
    /// ```
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Whether it holds negative numbers. O(1)
    ///
    /// ```
    /// assert_eq!(larder::BitInt::parse("i8").map(|int| int.is_signed()), Some(true));
    /// ```
    pub const fn is_signed(self) -> bool {
        self.signed
    }

    /// The least and greatest number it holds.
    fn limits(self) -> (i128, i128) {
        if self.signed {
            let half = 1 << (self.bits - 1);
            (-half, half - 1)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }

    /// The number that SET takes `value` for, which differs where Redis's check of the limits wraps
    /// around: to an unsigned type a negative number is one of 64 bits, and to a signed one whose
    /// greatest number lies 2^63 or more above `value`, it is too large instead of too small. Only
    /// `Sat` shows it, as the low bits stay the same.
    fn to_set(self, value: i64) -> i128 {
        let (_, greatest) = self.limits();
        let number = i128::from(value);
        let wraps =
            if self.signed { self.bits < 64 && greatest - number > i128::from(i64::MAX) } else { number < 0 };
        if wraps { number + (1 << 64) } else { number }
    }

    /// The number that the top `bits` bits of `word` stand for.
    fn decode(self, word: u128) -> i64 {
        let unused = 128 - u32::from(self.bits);
        // At most 64 bits signed or 63 unsigned are left, which an i64 holds.
        if self.signed { (word as i128 >> unused) as i64 } else { (word >> unused) as i64 }
    }

    /// `number` as this type has it, or `None` where that overflows and must not.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (least, greatest) = self.limits();
        if (least..=greatest).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.decode((number as u128) << (128 - u32::from(self.bits)))),
            Overflow::Sat => Some(number.clamp(least, greatest) as i64),
            Overflow::Fail => None,
        }
    }
}

/// `u8`, `i16`: as BITFIELD writes it.
impl fmt::Display for BitInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.signed { 'i' } else { 'u' }, self.bits)
    }
}

/// The integer at the bit `offset`; bits past the end are zeros (BITFIELD GET). O(1).
pub(crate) fn get(bytes: &[u8], int: BitInt, offset: u64) -> i64 {
    int.decode(load(bytes, offset))
}

/// Puts `value` at the bit `offset` and returns what was there; `None`, and nothing changed, where
/// it does not fit and `overflow` is `Fail` (BITFIELD SET). O(1), and O(n) in the bytes it grows by.
///
/// Redis lengthens the string to hold every integer of a BITFIELD that is set or incremented
/// before it runs the first of its operations, so also where this one fails: see [`grow`].
/// The caller has checked that `offset` lies within what a string may hold.
pub(crate) fn set(
    bytes: &mut Vec<u8>,
    int: BitInt,
    offset: u64,
    value: i64,
    overflow: Overflow,
) -> Option<i64> {
    let number = int.to_set(value);
    let new = int.fit(number, overflow)?;
    let old = get(bytes, int, offset);
    put(bytes, int, offset, new);
    Some(old)
}

/// Adds `by` to the integer at the bit `offset` and returns the new number; `None`, and nothing
/// changed, where it does not fit and `overflow` is `Fail` (BITFIELD INCRBY). O(1), and O(n) in the
/// bytes it grows by. Growth and limits are as in [`set`].
pub(crate) fn incr(
    bytes: &mut Vec<u8>,
    int: BitInt,
    offset: u64,
    by: i64,
    overflow: Overflow,
) -> Option<i64> {
    let new = int.fit(i128::from(get(bytes, int, offset)) + i128::from(by), overflow)?;
    put(bytes, int, offset, new);
    Some(new)
}

/// Lengthens the string with zeros to hold the integer at the bit `offset`: what Redis does for
/// each SET and INCRBY of a BITFIELD before it runs any of them. O(n) in the bytes added.
pub(crate) fn grow(bytes: &mut Vec<u8>, int: BitInt, offset: u64) {
    bits::grow(bytes, offset.saturating_add(u64::from(int.bits)));
}

/// The 16 bytes from that of `offset`, as far as an integer reaches, with `offset` as the top bit.
fn load(bytes: &[u8], offset: u64) -> u128 {
    let mut word = [0; 16];
    let tail = usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    word.iter_mut().zip(tail.iter().take(REACH)).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(word) << (offset % 8)
}

/// The bytes that 64 bits may lie in.
const REACH: usize = 9;

/// Writes the low bits of `value`, growing the string to hold them.
fn put(bytes: &mut Vec<u8>, int: BitInt, offset: u64, value: i64) {
    grow(bytes, int, offset);
    let shift = 128 - u32::from(int.bits);
    let skip = offset % 8;
    let value = ((value as u128) << shift >> skip).to_be_bytes();
    let mask = (u128::MAX << shift >> skip).to_be_bytes();
    let tail = usize::try_from(offset / 8).ok().and_then(|at| bytes.get_mut(at..)).unwrap_or_default();
    for ((byte, value), mask) in tail.iter_mut().zip(value).zip(mask).take(REACH) {
        *byte = *byte & !mask | value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn int() -> impl Strategy<Value = BitInt> {
        let wide = prop_oneof![3 => 1..=64u8, 1 => Just(64), 1 => Just(63), 1 => 1..=3u8];
        (any::<bool>(), wide).prop_map(|(signed, bits)| {
            if signed { BitInt::signed(bits).unwrap() } else { BitInt::unsigned(bits.min(63)).unwrap() }
        })
    }

    fn number() -> impl Strategy<Value = i64> {
        let edge = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0), Just(1)];
        let power = (0..63u32, -2..=2i64, any::<bool>()).prop_map(|(n, off, negative)| {
            let power = (1i64 << n).saturating_add(off);
            if negative { -power } else { power }
        });
        prop_oneof![1 => any::<i64>(), 2 => edge, 3 => power, 2 => -300..300i64]
    }

    fn overflow() -> impl Strategy<Value = Overflow> {
        prop_oneof![Just(Overflow::Wrap), Just(Overflow::Sat), Just(Overflow::Fail)]
    }

    /// The integer read one bit at a time.
    fn read(bytes: &[u8], int: BitInt, offset: u64) -> i128 {
        let bits = (0..u64::from(int.bits)).map(|n| i128::from(bits::get(bytes, offset + n)));
        let number = bits.fold(0, |number, bit| number * 2 + bit);
        if int.signed && bits::get(bytes, offset) { number - (1 << int.bits) } else { number }
    }

    /// The string after the integer was written one bit at a time.
    fn written(mut bytes: Vec<u8>, int: BitInt, offset: u64, value: i64) -> Vec<u8> {
        for n in 0..u64::from(int.bits) {
            bits::set(&mut bytes, offset + n, value >> (u64::from(int.bits) - 1 - n) & 1 == 1);
        }
        bytes
    }

    /// What becomes of a number, by arithmetic: `None` is a failure.
    fn fitted(int: BitInt, number: i128, overflow: Overflow) -> Option<i128> {
        let size = 1i128 << int.bits;
        let least = if int.signed { -size / 2 } else { 0 };
        let inside = (number - least).rem_euclid(size) + least;
        match overflow {
            _ if number == inside => Some(number),
            Overflow::Wrap => Some(inside),
            Overflow::Sat if number < least => Some(least),
            Overflow::Sat => Some(least + size - 1),
            Overflow::Fail => None,
        }
    }

    /// The number that SET takes `number` for.
    fn taken(int: BitInt, number: i64) -> i128 {
        let far = match (int.signed, int.bits) {
            (false, _) => number < 0,
            (true, 64) => false,
            (true, bits) => number < i64::MIN + (1 << (bits - 1)),
        };
        i128::from(number) + if far { 1 << 64 } else { 0 }
    }

    proptest! {
        #[test]
        fn get_set_and_incr_are_those_of_single_bits(
            start in vec(any::<u8>(), 0..20),
            steps in vec((int(), 0..200u64, number(), overflow(), any::<bool>()), 1..20),
        ) {
            let mut bytes = start;
            for (int, offset, number, overflow, is_set) in steps {
                let (before, old) = (bytes.clone(), read(&bytes, int, offset));
                prop_assert_eq!(i128::from(get(&bytes, int, offset)), old);
                let (got, new) = if is_set {
                    let got = set(&mut bytes, int, offset, number, overflow);
                    (got, fitted(int, taken(int, number), overflow))
                } else {
                    let got = incr(&mut bytes, int, offset, number, overflow);
                    (got, fitted(int, old + i128::from(number), overflow))
                };
                let answer = if is_set { new.map(|_| old) } else { new };
                prop_assert_eq!(got.map(i128::from), answer, "{} at {}", int, offset);
                let expected = match new {
                    Some(new) => written(before, int, offset, new as i64),
                    None => before,
                };
                prop_assert_eq!(&bytes, &expected, "{} at {}", int, offset);
            }
        }

        #[test]
        fn parse_reads_what_display_writes(int in int(), text in "[iuI]?[+0]?[0-9]{0,3}") {
            prop_assert_eq!(BitInt::parse(int.to_string()), Some(int));
            if let Some(parsed) = BitInt::parse(&text) {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }
    }

    #[test]
    fn the_widths_are_those_of_redis() {
        let all: Vec<String> = (0..=255)
            .flat_map(|bits| [BitInt::signed(bits), BitInt::unsigned(bits)])
            .flatten()
            .map(|int| int.to_string())
            .collect();
        assert_eq!(all.len(), 64 + 63);
        for bad in ["", "i", "u", "8", "i0", "u0", "u64", "i65", "i08", "I8", "i+8", "i 8", "i8 ", "u100"] {
            assert_eq!(BitInt::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_number_set_far_below_its_type_becomes_the_greatest() {
        let (u8, i5) = (BitInt::unsigned(8).unwrap(), BitInt::signed(5).unwrap());
        let mut bytes = vec![0];
        for (value, kept) in [(i64::MIN, 15), (i64::MIN + 15, 15), (i64::MIN + 16, -16), (-17, -16)] {
            set(&mut bytes, i5, 0, value, Overflow::Sat);
            assert_eq!(get(&bytes, i5, 0), kept, "{value}");
        }
        set(&mut bytes, u8, 0, 0, Overflow::Wrap);
        assert_eq!(set(&mut bytes, u8, 0, -1, Overflow::Sat), Some(0));
        assert_eq!(get(&bytes, u8, 0), 255);
        assert_eq!(incr(&mut bytes, u8, 0, -256, Overflow::Sat), Some(0));
    }

    #[test]
    fn offsets_out_of_reach_read_as_zeros() {
        let i64 = BitInt::signed(64).unwrap();
        assert_eq!(get(b"\xff", i64, u64::MAX), 0);
        assert_eq!(get(b"\xff", i64, 7), i64::MIN);
    }
}
