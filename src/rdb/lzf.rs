//! LZF (Marc Lehmann): how Redis compresses strings of more than 20 bytes.
//!
//! A control byte below 32 is followed by so many bytes and one more, as they are. Any other has in its upper
//! three bits a length less 2 (7: the next byte is to be added), and in its lower five, and in the byte behind,
//! how far back that many bytes stand already, less 1.

use super::Bad;

const LONGEST_RUN: usize = 32;
const LONGEST_MATCH: usize = 264;
const FARTHEST: usize = 1 << 13;
const HASH_BITS: u32 = 14;

/// The most bytes that one byte can stand for: three that stand for the longest match.
pub(super) const MOST: usize = LONGEST_MATCH / 3;

/// The bytes that were compressed. They are as many as `length`, or it is an error. O(length)
pub(super) fn decompress(mut input: &[u8], length: usize) -> Result<Vec<u8>, Bad> {
    const CUT_OFF: Bad = "a compressed string is cut off";
    const WRONG: Bad = "a compressed string is of another length than it says";
    if length > input.len().saturating_mul(MOST) {
        return Err(WRONG);
    }
    let mut out = Vec::with_capacity(length);
    while let Some((&control, rest)) = input.split_first() {
        let upper = usize::from(control >> 5);
        if upper == 0 {
            let (run, rest) = rest.split_at_checked(usize::from(control) + 1).ok_or(CUT_OFF)?;
            out.extend_from_slice(run);
            input = rest;
        } else {
            let (more, rest) = match upper {
                7 => rest.split_first().ok_or(CUT_OFF)?,
                _ => (&0, rest),
            };
            let (low, rest) = rest.split_first().ok_or(CUT_OFF)?;
            let back = (usize::from(control & 31) << 8 | usize::from(*low)) + 1;
            let start = out.len().checked_sub(back).ok_or("a compressed string points before its start")?;
            let count = upper + usize::from(*more) + 2;
            // What is copied may be what has just been written.
            for at in start..start + count {
                let byte = out[at];
                out.push(byte);
            }
            input = rest;
        }
        if out.len() > length {
            return Err(WRONG);
        }
    }
    if out.len() == length { Ok(out) } else { Err(WRONG) }
}

/// The bytes compressed, if that saves more than four of them. O(n)
pub(super) fn compress(input: &[u8]) -> Option<Vec<u8>> {
    let most = input.len().checked_sub(4)?;
    let mut out = Vec::with_capacity(most.min(1 << 16));
    // Where each three bytes were seen last; the very first place is none.
    let mut seen = vec![0_u32; 1 << HASH_BITS];
    let (mut at, mut run) = (0, 0);
    while let Some(three) = input.get(at..).and_then(|rest| rest.first_chunk::<3>()) {
        let before = std::mem::replace(&mut seen[hash(three)], u32::try_from(at).ok()?) as usize;
        let near = before > 0 && before < at && at - before <= FARTHEST;
        if !near || input.get(before..before + 3) != Some(three) {
            at += 1;
            continue;
        }
        let most_here = (input.len() - at - 2).min(LONGEST_MATCH);
        let same = (3..most_here).take_while(|by| input[before + by] == input[at + by]).count();
        let length = same + 3;
        write_run(&mut out, &input[run..at]);
        write_match(&mut out, at - before - 1, length - 2);
        if out.len() > most {
            return None;
        }
        at += length;
        run = at;
        for passed in at - 2..at {
            if let Some(three) = input.get(passed..).and_then(|rest| rest.first_chunk::<3>()) {
                seen[hash(three)] = passed as u32;
            }
        }
    }
    write_run(&mut out, &input[run..]);
    (out.len() <= most).then_some(out)
}

fn hash(three: &[u8; 3]) -> usize {
    let [a, b, c] = three.map(u32::from);
    ((a << 16 | b << 8 | c).wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

fn write_run(out: &mut Vec<u8>, run: &[u8]) {
    for run in run.chunks(LONGEST_RUN) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

/// How far back, less 1, and a length less 2.
fn write_match(out: &mut Vec<u8>, back: usize, length: usize) {
    // `back` has 13 bits.
    let high = (back >> 8) as u8;
    match u8::try_from(length) {
        Ok(length @ ..7) => out.push(length << 5 | high),
        _ => out.extend([7 << 5 | high, (length - 7) as u8]),
    }
    out.push(back as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_was(
            parts in prop::collection::vec((prop::collection::vec(0u8..4, 1..12), 1usize..200), 0..12),
        ) {
            let input: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            if let Some(small) = compress(&input) {
                prop_assert!(small.len() + 4 <= input.len());
                prop_assert_eq!(decompress(&small, input.len()), Ok(input.clone()));
                prop_assert!(decompress(&small, input.len() + 1).is_err());
                prop_assert!(decompress(&small, input.len().saturating_sub(1)).is_err());
            }
        }

        #[test]
        fn any_bytes_are_a_string_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60), len in 0usize..9000) {
            if let Ok(out) = decompress(&bytes, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }

    #[test]
    fn what_redis_writes() {
        let written = b"\x03abca\xe0i\x02\x01bc";
        assert_eq!(decompress(written, 120), Ok(b"abc".repeat(40)));
        assert_eq!(compress(&b"abc".repeat(40)).as_deref(), Some(&written[..]));
        assert_eq!(compress(&[b'y'; 70]).as_deref(), Some(&b"\x01yy\xe0\x39\x00\x01yy"[..]));
        assert_eq!(compress(b"all of these differ"), None);
    }
}
