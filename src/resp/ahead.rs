//! What has arrived ahead of the requests that are being read.

use std::collections::VecDeque;

use crate::TINY;

/// How much is kept in one piece.
const PIECE: usize = if TINY { 64 } else { 16 << 10 };

/// Bytes in the order in which they came. They are kept in pieces, so that what follows moves nothing, and each piece
/// is given back as soon as it is read.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pieces: VecDeque<Vec<u8>>,
    len: usize,
}

impl Ahead {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(any(test, fuzzing, feature = "server"))]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// O(n)
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let last = match self.pieces.back_mut() {
                Some(last) if last.len() < PIECE => last,
                _ => {
                    self.pieces.push_back(Vec::with_capacity(PIECE));
                    continue;
                }
            };
            let (own, rest) = bytes.split_at(bytes.len().min(PIECE - last.len()));
            last.extend_from_slice(own);
            bytes = rest;
        }
    }

    /// The first piece. O(1)
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop_front()?;
        self.len -= piece.len(); // each was counted as it came
        if self.pieces.is_empty() {
            // A list of many pieces is not kept for the next few.
            self.pieces = VecDeque::new();
        }
        Some(piece)
    }

    /// Bytes that are allocated.
    #[cfg(any(test, fuzzing))]
    pub(super) fn allocated(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(Vec::capacity).sum();
        pieces + self.pieces.capacity() * size_of::<Vec<u8>>()
    }
}
