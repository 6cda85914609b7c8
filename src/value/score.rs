//! Scores in few bytes, as they stand in a packed sorted set: whole numbers that are small take one or two.

use smallvec::SmallVec;

use super::packed::LONGEST;

/// Whole numbers from 0 up to this one are a byte.
const BYTE: u8 = 0xc0;
/// Whole numbers from `-PAIR_BELOW` on are two bytes, the first of them from `BYTE` up to `TAG`.
const PAIR: i64 = (TAG - BYTE) as i64 * 256;
const PAIR_BELOW: i64 = 4096;
/// The first byte of the others: this, and how many bytes of a whole number follow; or 8 for a double.
const TAG: u8 = 0xf0;
const DOUBLE: u8 = TAG + 8;
/// A number that a float holds just as well.
const FLOAT: u8 = TAG + 12;

/// The bytes of a score followed by those of a member, if they are few enough to be packed.
pub(super) fn encode(score: f64, member: &[u8]) -> Option<SmallVec<[u8; 64]>> {
    if member.len() > LONGEST {
        return None;
    }
    let mut out = SmallVec::new();
    let whole = score as i64;
    // `-0.0` is told from `0.0`.
    if (whole as f64).to_bits() != score.to_bits() || whole == i64::MAX {
        let float = score as f32;
        if f64::from(float) == score {
            out.push(FLOAT);
            out.extend_from_slice(&float.to_le_bytes());
        } else {
            out.push(DOUBLE);
            out.extend_from_slice(&score.to_le_bytes());
        }
    } else if (0..i64::from(BYTE)).contains(&whole) {
        out.push(whole as u8);
    } else if (-PAIR_BELOW..PAIR - PAIR_BELOW).contains(&whole) {
        let pair = whole + PAIR_BELOW;
        out.extend_from_slice(&[BYTE + (pair / 256) as u8, pair as u8]);
    } else {
        // The bits above the sign's last one say nothing.
        let bits = 65 - (whole ^ (whole >> 63)).leading_zeros() as usize;
        let width = bits.div_ceil(8);
        if width < 8 {
            out.push(TAG + width as u8);
            out.extend_from_slice(whole.to_le_bytes().get(..width).unwrap_or_default());
        } else {
            out.push(DOUBLE);
            out.extend_from_slice(&score.to_le_bytes());
        }
    }
    out.extend_from_slice(member);
    (out.len() <= LONGEST).then_some(out)
}

/// A score and the bytes behind it.
#[inline]
pub(super) fn decode(entry: &[u8]) -> (f64, &[u8]) {
    let Some((&first, rest)) = entry.split_first() else { return (0.0, entry) };
    if first < BYTE {
        return (f64::from(first), rest);
    }
    let (own, member) = rest.split_at_checked(follow(first)).unwrap_or((&[], rest));
    let score = if first < TAG {
        let low = own.first().copied().unwrap_or_default();
        (i64::from(first - BYTE) * 256 + i64::from(low) - PAIR_BELOW) as f64
    } else if first == DOUBLE {
        own.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
    } else if first == FLOAT {
        own.first_chunk().map_or(0.0, |bytes| f64::from(f32::from_le_bytes(*bytes)))
    } else {
        let mut wide = [0; 8];
        wide.iter_mut().zip(own).for_each(|(to, from)| *to = *from);
        let spare = 64 - 8 * own.len() as u32;
        i64::from_le_bytes(wide).wrapping_shl(spare).wrapping_shr(spare) as f64
    };
    (score, member)
}

/// Whether an entry is that of a member.
#[inline]
pub(super) fn is_of(entry: &[u8], member: &[u8]) -> bool {
    let Some((&first, rest)) = entry.split_first() else { return false };
    rest.len() == follow(first) + member.len() && rest.ends_with(member)
}

/// How many bytes of a score follow the first.
#[inline]
fn follow(first: u8) -> usize {
    match first {
        0..BYTE => 0,
        BYTE..TAG => 1,
        FLOAT => 4,
        _ => usize::from(first - TAG).min(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score() -> impl Strategy<Value = f64> {
        let edges = vec![f64::INFINITY, f64::NEG_INFINITY, -0.0, i64::MAX as f64, i64::MIN as f64, f64::MAX];
        prop_oneof![
            (0u32..64, any::<i64>()).prop_map(|(shift, whole)| (whole >> shift) as f64),
            (-5000i64..9000).prop_map(|whole| whole as f64),
            any::<f64>().prop_filter("a score", |score| !score.is_nan()),
            any::<f32>().prop_map(f64::from).prop_filter("a score", |score| !score.is_nan()),
            prop::sample::select(edges),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn comes_back_as_it_was(
            score in score(), member in prop::collection::vec(any::<u8>(), 0..4),
            other in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let entry = encode(score, &member).unwrap();
            let (got, rest) = decode(&entry);
            prop_assert_eq!((got.to_bits(), rest), (score.to_bits(), &member[..]));
            prop_assert!(is_of(&entry, &member));
            prop_assert_eq!(is_of(&entry, &other), other == member);
        }
    }

    #[test]
    fn is_none_when_it_is_too_long() {
        let longest = vec![7; LONGEST - 1];
        assert_eq!(encode(1.0, &longest).map(|entry| entry.len()), Some(LONGEST));
        assert_eq!(encode(1000.0, &longest), None);
        assert_eq!(encode(1.0, &[7; LONGEST + 1]), None);
    }

    #[test]
    fn takes_few_bytes() {
        let sizes = [
            (0.0, 1),
            (191.0, 1),
            (192.0, 2),
            (-1.0, 2),
            (-4096.0, 2),
            (8191.0, 2),
            (8192.0, 3),
            (-4097.0, 3),
            (32767.0, 3),
            (32768.0, 4),
            (-32769.0, 4),
            (1.7e9, 5),
            (1.7e12, 7),
            (2.0f64.powi(53), 8),
            (0.5, 5),
            (-0.0, 5),
            (f64::INFINITY, 5),
            (0.1, 9),
            (1e300, 9),
            (2.0f64.powi(60), 9),
        ];
        for (score, size) in sizes {
            assert_eq!(encode(score, b"").unwrap().len(), size, "{score}");
        }
    }
}
