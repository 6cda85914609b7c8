//! How a transaction is taken back: the state of each key before it was first touched.

use hashbrown::HashMap;

use crate::Bytes;
use crate::event::KeyEvent;
use crate::value::Value;

/// A key's value and deadline, or that it was missing.
type State = Option<(Value, u64)>;

/// See the [module](self). Keeping a collection costs one reference a segment: the segments are
/// shared until the transaction writes to them.
#[derive(Default)]
pub(crate) struct Undo {
    states: HashMap<(u16, Bytes), State, ahash::RandomState>,
    events: Vec<(u16, Bytes, KeyEvent)>,
}

impl Undo {
    pub(crate) fn knows(&self, db: u16, key: &[u8]) -> bool {
        self.states.contains_key(&(db, Bytes::from(key)))
    }

    pub(crate) fn remember(&mut self, db: u16, key: &[u8], state: State) {
        self.states.insert((db, Bytes::from(key)), state);
    }

    pub(crate) fn changed(&mut self, db: u16, key: &[u8], event: KeyEvent) {
        self.events.push((db, Bytes::from(key), event));
    }

    pub(crate) fn into_states(self) -> impl Iterator<Item = (u16, Bytes, State)> {
        self.states.into_iter().map(|((db, key), state)| (db, key, state))
    }

    pub(crate) fn into_events(self) -> impl Iterator<Item = (u16, Bytes, KeyEvent)> {
        self.events.into_iter()
    }
}
