//! Which key to evict: one that is not likely to be asked for again.
//!
//! The scheme is that of S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache
//! eviction", 2023): new keys are on probation in a short queue. At its end those that were used
//! meanwhile stay, and the others go; so a scan passes through without touching what is in use. What
//! stays is gone round by a hand (CLOCK) that takes one use off each key that it passes and evicts
//! the first that has none left. Fingerprints of what was evicted tell a key that comes back: it is
//! spared the probation.
//!
//! How long the short queue is, is learned, as in ARC (Megiddo and Modha, 2003): a key that comes back from
//! it says that it was too short, one that comes back from the rest says the opposite.
//!
//! A key pays one byte for its uses, two for the fingerprints, and four more while it is on probation. Its
//! place in the table is its place on the clock: the table moves its last entry to where one went, which is
//! just behind the hand.

mod ghosts;
#[cfg(all(test, not(shuttle)))]
mod tests;

use std::collections::VecDeque;
use std::mem;

use ghosts::Ghosts;

use crate::records::Records;
use crate::sync::atomic::{AtomicU8, Ordering};

/// Uses of a key that count.
const MOST: u8 = 2;
/// The bits of a mark: how many those were, whether the key is on probation, and whether it has a deadline.
const USES: u8 = 3;
const PROBATION: u8 = 4;
const TIMED: u8 = 8;

/// How large a part of all keys may be on probation: at the start, at the least and at the most.
const SHARE: f32 = 0.05;
const SHARE_LEAST: f32 = 0.01;
const SHARE_MOST: f32 = 0.9;
/// By how many keys that changes when one comes back.
const STEP: f32 = 3.0;

/// See the [module](self). Knows the keys by their positions, and follows them as they move.
#[derive(Default)]
pub(super) struct Recency {
    /// What is known of the key at each position.
    marks: Vec<AtomicU8>,
    /// Hashes of the keys on probation, as they came. Some are of keys that went by another way.
    queue: VecDeque<u32>,
    on_probation: usize,
    share: Share,
    hand: u32,
    /// What was evicted from probation, and what from the rest.
    passed: Ghosts,
    retired: Ghosts,
    /// The last new key was one that had retired. Of two in a row only one is spared the probation: in a loop
    /// over more keys than there is room for, each would drive out the one that is asked for next.
    was_let_back: bool,
    /// How many keys the last eviction left. While there are far fewer, all that is new may stay.
    full: Option<usize>,
}

#[derive(Clone, Copy)]
struct Share(f32);

impl Default for Share {
    fn default() -> Self {
        Share(SHARE)
    }
}

impl Clone for Recency {
    /// O(n)
    fn clone(&self) -> Self {
        Recency {
            marks: self.marks.iter().map(|mark| AtomicU8::new(mark.load(Ordering::Relaxed))).collect(),
            queue: self.queue.clone(),
            passed: self.passed.clone(),
            retired: self.retired.clone(),
            ..*self
        }
    }
}

impl Recency {
    /// The key at a position was used. O(1)
    #[inline]
    pub(super) fn touch(&self, at: u32) {
        let Some(mark) = self.marks.get(at as usize) else { return };
        let before = mark.load(Ordering::Relaxed);
        // A key in constant use is written no more. A use that is lost to another at the same time is no loss.
        if before & USES < MOST {
            mark.store(before + 1, Ordering::Relaxed);
        }
    }

    /// The key at a position has a deadline, or none. O(1)
    pub(super) fn set_timed(&mut self, at: u32, is_timed: bool) {
        if let Some(mark) = self.marks.get_mut(at as usize).map(AtomicU8::get_mut) {
            *mark = if is_timed { *mark | TIMED } else { *mark & !TIMED };
        }
    }

    /// A key was added at the end. O(1) amortised
    pub(super) fn pushed(&mut self, hash: u32) {
        let is_known = self.is_known(hash);
        self.marks.push(AtomicU8::new(if is_known { 0 } else { PROBATION }));
        if is_known {
            return;
        }
        self.on_probation += 1;
        self.queue.push_back(hash);
    }

    /// Whether a new key is spared the probation.
    fn is_known(&mut self, hash: u32) -> bool {
        let len = self.marks.len();
        if self.full.is_none_or(|full| len < full - full / 8) {
            return true;
        }
        let step = STEP / len.max(1) as f32;
        let Share(share) = &mut self.share;
        if self.passed.take(hash) {
            *share = (*share + step).min(SHARE_MOST);
            self.was_let_back = false;
            return true;
        }
        let has_retired = self.retired.take(hash);
        if has_retired {
            *share = (*share - step).max(SHARE_LEAST);
        }
        self.was_let_back = has_retired && !self.was_let_back;
        self.was_let_back
    }

    /// The key at a position was taken out of the records, and the last one took its place. O(1) amortised
    pub(super) fn swap_removed(&mut self, at: u32, records: &Records) {
        if (at as usize) < self.marks.len() {
            let mark = self.marks.swap_remove(at as usize).into_inner();
            self.on_probation -= usize::from(mark & PROBATION != 0);
        }
        self.forget_stale(records);
    }

    /// A [`swap_removed`](Self::swap_removed) is taken back. O(1)
    pub(super) fn swap_inserted(&mut self, at: u32) {
        let mark = match self.marks.get_mut(at as usize) {
            Some(mark) => mem::take(mark.get_mut()),
            None => 0,
        };
        self.marks.push(AtomicU8::new(mark));
    }

    /// Keys were taken out at the records' end. O(1) amortised for each
    pub(super) fn truncated(&mut self, records: &Records) {
        let gone = self.marks.drain(records.len().min(self.marks.len())..);
        self.on_probation -= gone.filter(|mark| mark.load(Ordering::Relaxed) & PROBATION != 0).count();
        self.forget_stale(records);
    }

    /// The position of the key to evict, one that `may_go` and has a deadline if that is asked for; `None` if
    /// there is none. There are `count` of those, or fewer. O(1) amortised where most keys may go, O(n) where
    /// hardly any.
    pub(super) fn victim(
        &mut self,
        records: &Records,
        only_timed: bool,
        count: usize,
        may_go: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        if count == 0 {
            return None;
        }
        let asked = if only_timed { TIMED } else { 0 };
        let may_go = |mark: u8, at: u32| mark & asked == asked && may_go(at);
        let (len, most) = (self.marks.len(), (self.share.0 * count as f32).max(1.0));
        // Enough to take all uses off each key, and to meet it once more.
        let rounds = usize::from(MOST) + 2;
        let mut steps = 0;
        while steps < rounds * len {
            let is_long = self.on_probation as f32 > most;
            // After a round in which none could go, those on probation have to serve.
            let at = if !self.queue.is_empty() && (is_long || self.on_probation == len || steps >= len) {
                self.end_of_probation(records, may_go)
            } else {
                steps += 1;
                self.under_the_hand(records, may_go)
            };
            if at.is_some() {
                return at;
            }
        }
        None
    }

    /// Ends the probation of the key that is on it for the longest; gives its position if it is to go.
    fn end_of_probation(&mut self, records: &Records, may_go: impl Fn(u8, u32) -> bool) -> Option<u32> {
        let hash = self.queue.pop_front()?;
        let at = records.find_where(hash, |at| self.mark(at) & PROBATION != 0)?;
        let mark = self.mark(at);
        if mark & USES == 0 && may_go(mark, at) {
            self.went(hash, |recency| &mut recency.passed);
            return Some(at);
        }
        *self.marks.get_mut(at as usize)?.get_mut() = mark & TIMED;
        self.on_probation -= 1;
        None
    }

    /// Moves the hand on by one key; gives its position if it is to go.
    fn under_the_hand(&mut self, records: &Records, may_go: impl Fn(u8, u32) -> bool) -> Option<u32> {
        let at = if (self.hand as usize) < self.marks.len() { self.hand } else { 0 };
        self.hand = at + 1;
        let mark = self.marks.get_mut(at as usize)?.get_mut();
        if *mark & PROBATION != 0 {
            return None;
        }
        if *mark & USES > 0 {
            *mark -= 1;
            return None;
        }
        let mark = *mark;
        if !may_go(mark, at) {
            return None;
        }
        let hash = records.get(at)?.hash;
        self.went(hash, |recency| &mut recency.retired);
        Some(at)
    }

    fn went(&mut self, hash: u32, to: fn(&mut Self) -> &mut Ghosts) {
        let len = self.marks.len();
        self.full = Some(len.saturating_sub(1));
        let ghosts = to(self);
        ghosts.keep_size(len / 2);
        ghosts.add(hash);
    }

    fn mark(&self, at: u32) -> u8 {
        self.marks.get(at as usize).map_or(0, |mark| mark.load(Ordering::Relaxed))
    }

    /// Gives memory back that keys have left behind.
    fn forget_stale(&mut self, records: &Records) {
        if self.marks.is_empty() {
            *self = Recency::default();
            return;
        }
        if self.marks.capacity() > 64 && self.marks.len() * 4 < self.marks.capacity() {
            self.marks.shrink_to(self.marks.len() * 2);
        }
        if self.queue.len() > 2 * self.on_probation + 64 {
            // Most of it is of keys that went by another way. New keys are added at the end, so this is nearly
            // the order in which they came.
            let waiting =
                (0..).zip(&self.marks).filter(|(_, mark)| mark.load(Ordering::Relaxed) & PROBATION != 0);
            self.queue = waiting.filter_map(|(at, _)| Some(records.get(at)?.hash)).collect();
        }
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.marks.capacity()
            + self.queue.capacity() * size_of::<u32>()
            + self.passed.bytes()
            + self.retired.bytes()
    }
}
