//! What is left to be done when the locks are free.

use smallvec::SmallVec;

use crate::Bytes;
use crate::clock::NEVER;
#[cfg(feature = "journal")]
use crate::keyspace::journaling::Draft;
use crate::keyspace::undo::Undo;
use crate::keyspace::view::View;
use crate::keyspace::weigh::ToWeigh;
use crate::keyspace::{Evicted, Missed};
use crate::value::Value;
use crate::wake::Wakes;

/// What a writer leaves to be done when its locks are free.
#[derive(Default)]
pub(crate) struct Effects {
    /// Removed values: their memory is freed, and their `Drop` run, outside the lock.
    pub(in crate::keyspace) garbage: SmallVec<[Value; 2]>,
    /// The earliest deadline that was set.
    pub wake_at: u64,
    /// In a transaction: how to take everything back, and what to announce at its end.
    pub undo: Option<Box<Undo>>,
    /// Memory is no reason to refuse anything: those who began had room, and half of what they do would be worse.
    #[cfg(feature = "commands")]
    pub(in crate::keyspace) is_whole: bool,
    /// Most often nobody waits.
    pub(in crate::keyspace) others: Option<Box<Others>>,
    /// What the journal is to be told, and the place behind what it was told.
    #[cfg(feature = "journal")]
    pub(in crate::keyspace) draft: Option<Box<Draft>>,
    #[cfg(feature = "journal")]
    pub(in crate::keyspace) sealed: u64,
}

/// What there is to do for others.
#[derive(Default)]
pub(crate) struct Others {
    pub wakes: Wakes,
    missed: Missed,
    /// Keys that hold something new for those who wait for them.
    pub(super) ready: Vec<(u16, Bytes)>,
    /// Ready keys whose first waiter needs another key of their database too.
    pub across: Vec<(u16, Bytes, Bytes)>,
    /// Keys of whose eviction somebody is to be told.
    pub evicted: Vec<Evicted>,
    /// Keys that have changed, while anybody is told of them.
    #[cfg(feature = "commands")]
    pub touched: Vec<Bytes>,
    pub(in crate::keyspace) to_weigh: ToWeigh,
}

impl Effects {
    pub(crate) fn new() -> Self {
        Effects { wake_at: NEVER, ..Effects::default() }
    }

    /// Whether there is nothing to be done but to tell the sweeper of a deadline.
    #[inline]
    pub(in crate::keyspace) fn is_nothing(&self) -> bool {
        #[cfg(feature = "journal")]
        if self.sealed > 0 {
            return false;
        }
        self.garbage.is_empty() && self.others.is_none()
    }

    /// What was sealed is nobody's to wait for.
    pub(in crate::keyspace) fn wait_for_nothing(&mut self) {
        #[cfg(feature = "journal")]
        {
            self.sealed = 0;
        }
    }

    #[cfg(feature = "journal")]
    pub(in crate::keyspace) fn draft(&mut self) -> &mut Draft {
        self.draft.get_or_insert_with(Draft::take)
    }

    /// The view, which tells of the keys that it does not find, if somebody wants to know.
    #[inline]
    pub(in crate::keyspace) fn have_told<'v>(&'v mut self, view: View<'v>) -> View<'v> {
        if !view.space().told().has_misses() {
            return view;
        }
        match &self.undo {
            Some(undo) => view.telling(&undo.missed),
            None => view.telling(&self.others.get_or_insert_default().missed),
        }
    }

    pub(in crate::keyspace) fn others(&mut self) -> &mut Others {
        self.others.get_or_insert_default()
    }

    /// Effects of what is carried out as a whole, and not taken back.
    #[cfg(feature = "commands")]
    pub(in crate::keyspace) fn whole() -> Self {
        Effects { is_whole: true, ..Effects::new() }
    }

    /// Effects that can be taken back until they are committed.
    pub(in crate::keyspace) fn undoable() -> Self {
        Effects { undo: Some(Box::new(Undo::new())), ..Effects::new() }
    }
}
