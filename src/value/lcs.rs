//! The longest common subsequence of two byte strings: LCS.
//!
//! Two strings may have many; this is the one that Redis finds, walking its table of lengths from
//! the end. No such table is made here. Within a row, the length grows by zero or one a column, so
//! a row is a string of bits, and the next one follows from it a word at a time (H. Hyyrö, *A note
//! on bit-parallel alignment computation*, 2004). The bits are also all that the walk asks for.

use std::ops::Range;

use crate::Error;

/// The bytes that Redis's table of 32-bit lengths may take: `proto-max-bulk-len`, as it is by
/// default.
const LIMIT: u64 = 512 << 20;

/// The two strings are too long for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl From<TooLong> for Error {
    fn from(_: TooLong) -> Self {
        Error::LcsTooLarge
    }
}

/// A stretch of the subsequence that lies without a gap in both strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LcsMatch {
    /// Where it lies in the first string, in bytes.
    pub a: Range<usize>,
    /// Where it lies in the second.
    pub b: Range<usize>,
}

/// What LCS IDX replies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LcsMatches {
    /// From the end of the strings to their start.
    pub list: Vec<LcsMatch>,
    /// The length of the whole subsequence in bytes, short matches included.
    pub len: usize,
}

/// The longest common subsequence of `a` and `b` (LCS). O(a * b / 64); transient memory is at most a
/// 16th of Redis's table, or an eighth where `b` is shorter than a word.
pub(crate) fn lcs(a: &[u8], b: &[u8]) -> Result<Vec<u8>, TooLong> {
    let LcsMatches { list, len } = lcs_matches(a, b, 0)?;
    let mut common = Vec::with_capacity(len);
    list.into_iter().rev().for_each(|found| common.extend_from_slice(a.get(found.a).unwrap_or_default()));
    Ok(common)
}

/// The length of the longest common subsequence (LCS LEN). O(a * b / 64), with one row in memory.
pub(crate) fn lcs_len(a: &[u8], b: &[u8]) -> Result<usize, TooLong> {
    check(a, b)?;
    let masks = Masks::new(a, b);
    let mut row = Row::new(b.len());
    a.iter().for_each(|byte| row.step(masks.of(*byte)));
    Ok(row.len())
}

/// The matches of at least `min_len` bytes, and the whole length (LCS IDX, MINMATCHLEN). Cost and
/// memory as for [`lcs`].
pub(crate) fn lcs_matches(a: &[u8], b: &[u8], min_len: usize) -> Result<LcsMatches, TooLong> {
    check(a, b)?;
    let table = Table::new(a, b);
    let (mut list, mut len) = (Vec::new(), 0);
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        let run = same_suffix(a.get(..i).unwrap_or_default(), b.get(..j).unwrap_or_default());
        if run > 0 {
            let found = LcsMatch { a: i - run..i, b: j - run..j };
            (i, j) = (found.a.start, found.b.start);
            len += run;
            if run >= min_len {
                list.push(found);
            }
        } else if table.grows(i - 1, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    Ok(LcsMatches { list, len })
}

/// Refuses what Redis refuses, whose table has a row and a column more than the strings.
fn check(a: &[u8], b: &[u8]) -> Result<(), TooLong> {
    fits(a.len(), b.len()).then_some(()).ok_or(TooLong)
}

fn fits(a: usize, b: usize) -> bool {
    let cells = (a as u128 + 1).saturating_mul(b as u128 + 1);
    cells.saturating_mul(4) <= u128::from(LIMIT)
}

/// How many bytes at the end are the same.
fn same_suffix(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// For each byte of `a`, the columns (bytes of `b`) that hold it, as bits; column 0 is the lowest
/// bit of word 0. At most 256 rows, and no more than `a` has bytes: [`fits`] bounds it.
struct Masks {
    /// Where the byte's words start.
    starts: [usize; 256],
    words: Vec<u64>,
    width: usize,
}

impl Masks {
    fn new(a: &[u8], b: &[u8]) -> Self {
        const NONE: usize = usize::MAX;
        let width = b.len().div_ceil(64);
        let (mut starts, mut len) = ([NONE; 256], 0);
        for byte in a {
            let start = &mut starts[usize::from(*byte)];
            if *start == NONE {
                *start = len;
                len += width;
            }
        }
        let mut words = vec![0; len];
        for (column, byte) in b.iter().enumerate() {
            let start = starts[usize::from(*byte)];
            // A byte that is not in `a` starts past every word.
            if let Some(word) = words.get_mut(start.saturating_add(column / 64)) {
                *word |= 1 << (column % 64);
            }
        }
        Masks { starts, words, width }
    }

    /// The words of a byte of `a`.
    fn of(&self, byte: u8) -> &[u64] {
        let start = self.starts[usize::from(byte)];
        self.words.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }
}

/// A row of the table of lengths: a bit is *clear* in the columns where the length grows by one.
struct Row(Vec<u64>);

impl Row {
    /// The row above the first byte of `a`, where no length grows.
    fn new(columns: usize) -> Self {
        Row(vec![u64::MAX; columns.div_ceil(64)])
    }

    /// Goes on to the row of the next byte of `a`, given the columns that hold that byte.
    ///
    /// In each stretch of set bits, the sum clears the first column that holds the byte and sets the
    /// clear bit that ends the stretch: the length grows there already. The rest keeps its bits.
    fn step(&mut self, mask: &[u64]) {
        let mut carry = false;
        for (row, mask) in self.0.iter_mut().zip(mask) {
            let held = *row & mask;
            let (sum, over) = row.overflowing_add(held);
            let (sum, over_too) = sum.overflowing_add(u64::from(carry));
            carry = over || over_too;
            *row = sum | (*row & !mask);
        }
    }

    /// The length at the end of the row: columns past the last never match and stay set.
    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_zeros() as usize).sum()
    }
}

/// Every row, in whole bytes.
struct Table {
    rows: Vec<u8>,
    width: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let masks = Masks::new(a, b);
        let mut row = Row::new(b.len());
        let width = b.len().div_ceil(8);
        // `fits` bounds it.
        let mut rows = Vec::with_capacity(a.len() * width);
        for byte in a {
            row.step(masks.of(*byte));
            let mut left = width;
            for word in &row.0 {
                let bytes = word.to_le_bytes();
                // At most all of them.
                let part = left.min(bytes.len());
                rows.extend_from_slice(&bytes[..part]);
                left -= part;
            }
        }
        Table { rows, width }
    }

    /// Whether the length grows with this byte of `b`. Where the two bytes differ, that is to say
    /// that leaving out the byte of `a` costs less than leaving out the one of `b`.
    fn grows(&self, a: usize, b: usize) -> bool {
        self.rows.get(a * self.width + b / 8).is_some_and(|bits| bits >> (b % 8) & 1 == 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The subsequence and its matches out of the full table of lengths.
    fn model(a: &[u8], b: &[u8], min_len: usize) -> (Vec<u8>, LcsMatches) {
        let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j) = (a.len(), b.len());
        let (mut common, mut list) = (Vec::new(), Vec::<LcsMatch>::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                common.push(a[i]);
                match list.last_mut() {
                    Some(last) if (last.a.start, last.b.start) == (i + 1, j + 1) => {
                        (last.a.start, last.b.start) = (i, j);
                    }
                    _ => list.push(LcsMatch { a: i..i + 1, b: j..j + 1 }),
                }
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        common.reverse();
        list.retain(|found| found.a.len() >= min_len);
        (common, LcsMatches { list, len: table[a.len()][b.len()] })
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![vec(0..2u8, 0..200), vec(0..5u8, 0..200), vec(any::<u8>(), 0..300), vec(0..3u8, 0..10)]
    }

    proptest! {
        #[test]
        fn it_is_the_one_that_the_full_table_gives(a in string(), b in string(), min_len in 0..6usize) {
            let (common, matches) = model(&a, &b, min_len);
            prop_assert_eq!(lcs_len(&a, &b), Ok(matches.len));
            prop_assert_eq!(lcs(&a, &b), Ok(common));
            prop_assert_eq!(lcs_matches(&a, &b, min_len), Ok(matches));
        }
    }

    #[test]
    fn the_documented_example() {
        let matches = lcs_matches(b"ohmytext", b"mynewtext", 0);
        let list = vec![LcsMatch { a: 4..8, b: 5..9 }, LcsMatch { a: 2..4, b: 0..2 }];
        assert_eq!(matches, Ok(LcsMatches { list, len: 6 }));
        assert_eq!(lcs(b"ohmytext", b"mynewtext"), Ok(b"mytext".to_vec()));
    }

    #[test]
    fn strings_too_long_for_each_other_are_refused() {
        // 11585 * 11585 cells of four bytes are just below 512 MB.
        assert!(fits(11_584, 11_584) && !fits(11_585, 11_585));
        assert!(fits(0, 134_217_727) && !fits(0, 134_217_728));
        assert!(!fits(usize::MAX, usize::MAX));
        let long = vec![0; 11_585];
        assert_eq!(lcs(&long, &long), Err(TooLong));
        assert_eq!(lcs_len(&long, &long), Err(TooLong));
    }
}
