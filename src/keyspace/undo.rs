//! How a transaction is taken back: the state of each key before it was first touched, and which keys
//! came and went.

use hashbrown::HashMap;

use super::Missed;
use crate::Bytes;
use crate::event::KeyEvent;
use crate::value::Value;

/// A key's value and deadline, or that it was missing.
pub(super) type State = Option<(Value, u64)>;

/// See the [module](self). Keeping a collection costs one reference a segment: the segments are
/// shared until the transaction writes to them.
pub(crate) struct Undo {
    pub(super) states: HashMap<(u16, Bytes), State, ahash::RandomState>,
    pub(super) steps: Vec<Step>,
    pub(super) changes: Vec<Change>,
    /// Keys that were not found since the last of these.
    pub(super) missed: Missed,
    /// Of which keys how many parts have expired.
    pub(super) expired_parts: Vec<(u16, Bytes, u64)>,
}

/// A key that was added to its table, or removed from it. Taken back in reverse order, all keys stand
/// where they stood: a scan that is under way misses none.
pub(super) struct Step {
    pub db: u16,
    pub key: Bytes,
    /// The position from which it was removed, and what it weighed.
    pub from: Option<(u32, u64)>,
}

/// What is told of at the transaction's end.
pub(super) struct Change {
    pub db: u16,
    pub key: Bytes,
    pub event: KeyEvent,
    /// Whether this is a change by itself, and not another event of one.
    pub counts: bool,
}

impl Undo {
    pub(super) fn new() -> Self {
        Undo {
            states: HashMap::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            missed: Missed::later(),
            expired_parts: Vec::new(),
        }
    }

    /// Keeps the state of a key that is touched for the first time.
    pub(super) fn remember(&mut self, db: u16, key: &[u8], state: impl FnOnce() -> State) {
        self.states.entry((db, Bytes::from(key))).or_insert_with(state);
    }

    pub(super) fn moved(&mut self, db: u16, key: &[u8], from: Option<(u32, u64)>) {
        self.steps.push(Step { db, key: Bytes::from(key), from });
    }

    pub(super) fn changed(&mut self, db: u16, key: &[u8], event: KeyEvent) {
        self.keep_missed();
        self.changes.push(Change { db, key: Bytes::from(key), event, counts: true });
    }

    /// Another event of the last change, or of the next.
    pub(super) fn told_too(&mut self, db: u16, key: &[u8], event: KeyEvent) {
        self.keep_missed();
        self.changes.push(Change { db, key: Bytes::from(key), event, counts: false });
    }

    /// Keys that were not found have their place before what follows.
    pub(super) fn keep_missed(&mut self) {
        let told = |(db, key)| Change { db, key, event: KeyEvent::KeyMiss, counts: false };
        self.changes.extend(self.missed.take().into_iter().map(told));
    }
}
