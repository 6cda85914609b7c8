//! Reads that have found no key, of which subscribers may be told.

use std::cell::Cell;

use super::Keyspace;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::wake::Wakes;

/// Whom such reads wake. They are when this is dropped: it has to outlive the locks.
#[derive(Default)]
pub(crate) struct Missed(Cell<Option<Box<Wakes>>>);

impl Missed {
    /// Tells subscribers that a key was not found.
    #[cold]
    pub(super) fn tell(&self, space: &Keyspace, db: u16, key: KeyRef<'_>) {
        let mut wakes = self.0.take().unwrap_or_default();
        space.publish_event(db, key.bytes, KeyEvent::KeyMiss, &mut wakes);
        self.0.set(Some(wakes));
    }
}
