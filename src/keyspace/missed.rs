//! Reads that have found no key, of which subscribers may be told.

use std::cell::{Cell, RefCell};
use std::mem;

use super::Keyspace;
use crate::Bytes;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::wake::Wakes;

/// Whom such reads wake. They are when this is dropped: it has to outlive the locks.
#[derive(Default)]
pub(crate) struct Missed {
    wakes: Cell<Option<Box<Wakes>>>,
    /// What is told later, if it is not taken back.
    later: Option<RefCell<Vec<(u16, Bytes)>>>,
}

impl Missed {
    /// That of who may take back what it does.
    pub(super) fn later() -> Self {
        Missed { later: Some(RefCell::default()), ..Missed::default() }
    }

    /// Tells subscribers that a key was not found.
    #[cold]
    pub(super) fn tell(&self, space: &Keyspace, db: u16, key: KeyRef<'_>) {
        if let Some(later) = &self.later {
            later.borrow_mut().push((db, Bytes::from(key.bytes)));
            return;
        }
        let mut wakes = self.wakes.take().unwrap_or_default();
        space.publish_event(db, key.bytes, KeyEvent::KeyMiss, &mut wakes);
        self.wakes.set(Some(wakes));
    }

    /// What is to be told later, in its order.
    pub(super) fn take(&mut self) -> Vec<(u16, Bytes)> {
        self.later.as_mut().map_or_else(Vec::new, |later| mem::take(later.get_mut()))
    }
}
