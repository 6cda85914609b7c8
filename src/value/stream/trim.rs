//! Taking entries away at the front, and what becomes of what is pending of them.

use std::sync::Arc;

use super::{Inner, Stream, StreamId};

/// Which entries stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The last so many.
    Len(u64),
    /// Those from this id on.
    From(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    pub keep: Keep,
    /// Whole chunks only, and no more than so many entries.
    pub roughly: Option<usize>,
    pub references: References,
}

/// What becomes of what is pending of an entry that is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum References {
    /// It stays pending (`KEEPREF`).
    #[default]
    Keep,
    /// It is pending for nobody any more (`DELREF`).
    Remove,
    /// Nothing is removed that a group has not read, or that is pending (`ACKED`).
    Acknowledged,
}

impl Stream {
    /// Removes entries at the front; gives how many. O(log n) and O(1) for a chunk, unless it matters who has read
    /// what.
    pub(crate) fn trim(&mut self, trim: Trim) -> usize {
        let stays = match trim.keep {
            Keep::Len(_) => self.0.excess(trim.keep, self.0.len) == 0,
            Keep::From(least) => self.0.chunks.front().is_none_or(|chunk| chunk.first() >= least),
        };
        if stays {
            return 0;
        }
        Arc::make_mut(&mut self.0).trim(trim)
    }

    /// Whether all groups have read an entry, and it is pending in none. O(groups * log pending)
    pub(crate) fn is_acknowledged(&self, id: StreamId) -> bool {
        self.0.is_acknowledged(id)
    }

    /// Has an entry pending in no group. O(groups * log pending)
    pub(crate) fn forget(&mut self, id: StreamId) {
        Arc::make_mut(&mut self.0).forget(id);
    }
}

impl Inner {
    /// How many of so many entries are too many.
    fn excess(&self, keep: Keep, len: usize) -> usize {
        match keep {
            Keep::Len(most) => len.saturating_sub(usize::try_from(most).unwrap_or(usize::MAX)),
            Keep::From(_) => 0,
        }
    }

    fn trim(&mut self, trim: Trim) -> usize {
        let (mut removed, mut at) = (0, 0);
        // What stays although it would go counts as gone for the length.
        let mut stayed = 0;
        while let Some(chunk) = self.chunks.get(at) {
            let len = chunk.len();
            if trim.roughly.is_some_and(|most| removed + stayed + len > most) {
                break;
            }
            let excess = self.excess(trim.keep, self.len - stayed);
            let whole = match trim.keep {
                Keep::Len(_) => excess >= len,
                Keep::From(least) => chunk.last() < least,
            };
            if !whole && trim.roughly.is_some() {
                break;
            }
            if whole && trim.references == References::Keep {
                self.unlink(at);
                removed += len;
                continue;
            }
            let mut left = excess;
            let mut goes = |id: StreamId| match trim.keep {
                Keep::From(least) => id < least,
                Keep::Len(_) => {
                    let goes = left > 0;
                    left = left.saturating_sub(1);
                    goes
                }
            };
            if trim.references == References::Keep {
                let count = self.change(at, |chunk| chunk.remove_first(goes)).unwrap_or(0);
                self.len -= count;
                removed += count;
                if count == len {
                    self.unlink(at);
                }
                break;
            }
            let ids: Vec<_> = chunk.entries().map(|(_, entry)| entry.id).take_while(|id| goes(*id)).collect();
            let mut gone = 0;
            for id in &ids {
                if trim.references == References::Acknowledged && !self.is_acknowledged(*id) {
                    stayed += 1;
                    continue;
                }
                if trim.references == References::Remove {
                    self.forget(*id);
                }
                self.remove(*id);
                gone += 1;
            }
            removed += gone;
            if !whole {
                break;
            }
            if gone < len {
                at += 1;
            }
        }
        removed
    }

    fn is_acknowledged(&self, id: StreamId) -> bool {
        self.groups.iter().all(|group| group.last >= id && group.pending().get(id).is_none())
    }

    fn forget(&mut self, id: StreamId) {
        for place in 0..self.groups.len() {
            // Nothing is copied for what is not pending.
            if self.groups.get(place).is_some_and(|group| group.pending().get(id).is_some()) {
                self.change_group(place, |group| group.acknowledge(id));
            }
        }
    }
}
