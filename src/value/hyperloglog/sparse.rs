//! The sparse form: runs of registers that have the same value.
//!
//! | bytes | so many registers | their value |
//! | --- | --- | --- |
//! | `00llllll` | l + 1 | 0 |
//! | `01llllll llllllll` | l + 1 | 0 |
//! | `1vvvvvll` | l + 1 | v + 1 |
//!
//! Which of many ways to say the same a string has depends on the order of all changes. The changes are Redis's,
//! so that the bytes are.

use smallvec::SmallVec;

use super::{Corrupted, HEADER};

/// The greatest value that a run can have.
const MOST_VALUE: u8 = 32;
/// The longest run of a value above zero.
const MOST_LEN: u16 = 4;
/// The longest run of zeros in one byte.
const MOST_SHORT: usize = 64;
/// How many runs are looked at for two that can be one, after a change.
const MERGED: usize = 5;

/// A run of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Op {
    pub value: u8,
    pub len: u16,
    /// How many bytes it takes.
    pub size: usize,
}

/// What came of raising a register.
pub(super) enum Raised {
    Yes,
    /// It was not lower.
    No,
    /// The sparse form has no room for that.
    IsFull,
}

/// The runs that these bytes describe.
pub(super) fn ops(mut body: &[u8]) -> impl Iterator<Item = Op> + '_ {
    std::iter::from_fn(move || {
        let op = read(body)?;
        body = body.get(op.size..).unwrap_or_default();
        Some(op)
    })
}

/// Writes a run of 1 to 16,384 zeros.
pub(super) fn push_zeros(len: usize, out: &mut Vec<u8>) {
    out.extend(zeros(len));
}

/// Raises a register of a string in the sparse form, if it is lower. O(n)
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<Raised, Corrupted> {
    if value > MOST_VALUE {
        return Ok(Raised::IsFull);
    }
    let Found { op, at, first, before } = find(bytes, index).ok_or(Corrupted)?;
    if op.value >= value {
        return Ok(Raised::No);
    }
    if at + op.size > bytes.len() {
        // It is cut off. Redis writes behind the string's end there.
        return Err(Corrupted);
    }
    let (left, right) = (index - first, first + usize::from(op.len) - 1 - index);
    let run = |len: usize| match op.value {
        0 => zeros(len),
        value => SmallVec::from_slice(&[values(value, len)]),
    };
    let mut new = SmallVec::<[u8; 8]>::new();
    if left > 0 {
        new.extend(run(left));
    }
    new.push(values(value, 1));
    if right > 0 {
        new.extend(run(right));
    }
    if new.len() > op.size && bytes.len() + new.len() - op.size > sparse_max {
        return Ok(Raised::IsFull);
    }
    bytes.splice(at..at + op.size, new);
    merge(bytes, before.unwrap_or(HEADER));
    Ok(Raised::Yes)
}

/// The run that covers a register.
struct Found {
    op: Op,
    /// Where it stands.
    at: usize,
    /// The number of its first register.
    first: usize,
    /// Where the run before it stands.
    before: Option<usize>,
}

fn find(bytes: &[u8], index: usize) -> Option<Found> {
    let (mut at, mut first, mut before) = (HEADER, 0, None);
    loop {
        let op = read(bytes.get(at..)?)?;
        let next = first + usize::from(op.len);
        if index < next {
            return Some(Found { op, at, first, before });
        }
        (before, at, first) = (Some(at), at + op.size, next);
    }
}

/// Makes one of neighbouring runs that have the same value, from a place on, for a few runs.
fn merge(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..MERGED {
        let Some(op) = bytes.get(at..).and_then(read) else { return };
        let next = bytes.get(at + op.size..).and_then(read);
        match next.filter(|next| op.value > 0 && next.value == op.value && next.len + op.len <= MOST_LEN) {
            Some(next) => {
                bytes.remove(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = values(op.value, usize::from(next.len + op.len));
                }
            }
            None => at += op.size,
        }
    }
}

/// The run at the start of these bytes. The second byte of one that is cut off counts as a zero.
fn read(bytes: &[u8]) -> Option<Op> {
    let first = *bytes.first()?;
    Some(match first >> 6 {
        0 => Op { value: 0, len: u16::from(first) + 1, size: 1 },
        1 => Op {
            value: 0,
            len: u16::from_be_bytes([first & 63, bytes.get(1).copied().unwrap_or(0)]) + 1,
            size: 2,
        },
        _ => Op { value: (first >> 2 & 31) + 1, len: u16::from(first & 3) + 1, size: 1 },
    })
}

/// 1 to 16,384 zeros.
fn zeros(len: usize) -> SmallVec<[u8; 8]> {
    let [high, low] = (len.saturating_sub(1) as u16).to_be_bytes();
    if len > MOST_SHORT { SmallVec::from_slice(&[high & 63 | 64, low]) } else { SmallVec::from_slice(&[low]) }
}

/// One to four times a value of 1 to 32.
fn values(value: u8, len: usize) -> u8 {
    0x80 | value.saturating_sub(1) << 2 | len.saturating_sub(1) as u8 & 3
}
