//! The arguments of a request that has not arrived whole.

use std::mem;

use crate::{Bytes, TINY};

/// So many are kept as they will be handed over; of those that follow only their bytes are, since an empty one
/// arrives as 6 bytes and takes 24 as [`Bytes`].
const FEW: usize = if TINY { 8 } else { 256 };
/// Room that is made at once.
const EXPECTED: usize = 32;

/// Byte strings in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    few: Vec<Bytes>,
    /// The others: the length of each and one more, 7 bits to a byte, and then its bytes. 0 stands for the next of
    /// `long`.
    packed: Vec<u8>,
    /// How many `packed` stands for.
    count: usize,
    long: Vec<Bytes>,
}

impl Arguments {
    /// So many are announced.
    pub(super) fn expect(&mut self, count: usize) {
        self.few.reserve(count.min(EXPECTED));
    }

    /// Takes the room of those that were handed over for the next, unless it is much.
    #[cfg(any(feature = "redis", feature = "server"))]
    pub(super) fn reuse(&mut self, mut all: Vec<Bytes>) {
        if self.few.capacity() == 0 && all.capacity() <= EXPECTED {
            all.clear();
            self.few = all;
        }
    }

    /// O(n)
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.few.len() < FEW {
            self.few.push(Bytes::from(bytes));
        } else {
            self.pack(bytes);
        }
    }

    /// Forgets those that have come, but not their room.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.few.clear();
        *self = Arguments { few: mem::take(&mut self.few), ..Arguments::default() };
    }

    /// One that has an allocation of its own. O(1)
    pub(super) fn push_long(&mut self, bytes: Bytes) {
        if self.few.len() < FEW {
            self.few.push(bytes);
        } else {
            self.packed.push(0);
            self.count += 1;
            self.long.push(bytes);
        }
    }

    /// All of them; there are none left. O(n)
    #[inline]
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        if self.count == 0 { mem::take(&mut self.few) } else { self.unpack() }
    }

    fn pack(&mut self, bytes: &[u8]) {
        let mut number = bytes.len() + 1; // no slice is as long as the address space
        while number >= 0x80 {
            self.packed.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.packed.push(number as u8);
        self.packed.extend_from_slice(bytes);
        self.count += 1;
    }

    fn unpack(&mut self) -> Vec<Bytes> {
        let Arguments { few: mut all, packed, count, long } = mem::take(self);
        all.reserve_exact(count);
        let mut long = long.into_iter();
        let mut rest = &packed[..];
        while let Some((number, tail)) = read_number(rest) {
            let Some(length) = number.checked_sub(1) else {
                all.extend(long.next());
                rest = tail;
                continue;
            };
            // As long as it was when it was packed.
            let (bytes, tail) = tail.split_at(length.min(tail.len()));
            all.push(Bytes::from(bytes));
            rest = tail;
        }
        all
    }

    /// Bytes that are allocated.
    #[cfg(any(test, fuzzing))]
    pub(super) fn allocated(&self) -> usize {
        let bytes = |all: &Vec<Bytes>| {
            all.iter().map(Bytes::heap_bytes).sum::<usize>() + all.capacity() * size_of::<Bytes>()
        };
        bytes(&self.few) + bytes(&self.long) + self.packed.capacity()
    }
}

/// The number at the front, and what comes behind it.
fn read_number(packed: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (at, byte) in packed.iter().enumerate() {
        number |= usize::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some((number, &packed[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_come_out_as_they_went_in(
            all in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..30),
        ) {
            let mut arguments = Arguments::default();
            for _ in 0..2 {
                let mut expected = Vec::new();
                for (is_long, bytes) in &all {
                    if *is_long {
                        arguments.push_long(Bytes::from_buffer(bytes.clone()));
                    } else {
                        arguments.push(bytes);
                    }
                    expected.push(Bytes::from(&bytes[..]));
                }
                prop_assert_eq!(arguments.take(), expected);
            }
        }
    }

    /// Requests of few words and of many, seldom with a long one.
    #[cfg(feature = "server")]
    fn requests() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
        let length = prop_oneof![8 => 0..40_usize, 1 => 100..300_usize, 1 => 16_000..17_000_usize];
        let word = (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length]);
        let few = prop::collection::vec(word, 1..6);
        let many = prop::collection::vec(Just(b"x".to_vec()), 20..50);
        prop::collection::vec(prop_oneof![3 => few, 1 => many], 1..12)
    }

    #[cfg(feature = "server")]
    proptest! {
        /// Room is handed back behind each request, and at moments when nobody does it: in the middle of the next.
        #[test]
        fn what_comes_into_used_room_is_what_comes_into_new(
            all in requests(), pieces in prop::collection::vec((1..600_usize, any::<bool>()), 1..20),
        ) {
            use crate::resp::Requests;

            let mut bytes = Vec::new();
            for words in &all {
                bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
                for word in words {
                    let head = format!("${}\r\n", word.len());
                    bytes.extend_from_slice(&[head.as_bytes(), word, b"\r\n"].concat());
                }
            }
            let mut pieces = pieces.into_iter().cycle();
            let (mut fresh, mut used) = (Requests::new(1 << 20), Requests::new(1 << 20));
            let (mut rest, mut count) = (&bytes[..], 0);
            while !rest.is_empty() {
                let (length, again) = pieces.next().unwrap_or_default();
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                rest = behind;
                fresh.feed(piece);
                used.feed(piece);
                loop {
                    let (ours, theirs) = (used.next(), fresh.next());
                    prop_assert_eq!(&ours, &theirs);
                    let Ok(Some(words)) = ours else { break };
                    count += 1;
                    used.reuse(words);
                }
                if again {
                    used.reuse(vec![Bytes::from("stale"); length % 40]);
                }
            }
            prop_assert_eq!(count, all.len());
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn much_room_is_not_kept() {
        let mut arguments = Arguments::default();
        arguments.reuse(vec![Bytes::new(); EXPECTED + 1]);
        assert_eq!(arguments.allocated(), 0);
        arguments.reuse(vec![Bytes::new(); EXPECTED]);
        assert_eq!(arguments.allocated(), EXPECTED * size_of::<Bytes>());
        arguments.push(b"first");
        arguments.reuse(vec![Bytes::new(); 2]);
        assert_eq!(arguments.take(), [Bytes::from("first")]);
    }

    #[test]
    fn many_empty_ones_take_a_byte_each() {
        let mut arguments = Arguments::default();
        (0..1_000_000).for_each(|_| arguments.push(b""));
        assert!(arguments.allocated() < 2 << 20, "{}", arguments.allocated());
        assert_eq!(arguments.take().len(), 1_000_000);
    }
}
