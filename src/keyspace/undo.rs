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
    states: HashMap<Bytes, State, ahash::RandomState>,
    events: Vec<(Bytes, KeyEvent)>,
}

impl Undo {
    pub(crate) fn knows(&self, key: &[u8]) -> bool {
        self.states.contains_key(key)
    }

    pub(crate) fn remember(&mut self, key: &[u8], state: State) {
        self.states.insert(Bytes::from(key), state);
    }

    pub(crate) fn changed(&mut self, key: &[u8], event: KeyEvent) {
        self.events.push((Bytes::from(key), event));
    }

    pub(crate) fn into_states(self) -> impl Iterator<Item = (Bytes, State)> {
        self.states.into_iter()
    }

    pub(crate) fn into_events(self) -> impl Iterator<Item = (Bytes, KeyEvent)> {
        self.events.into_iter()
    }
}
