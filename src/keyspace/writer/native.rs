//! What caches do to entries of their own: nothing that anybody else is told of.

use super::Writer;
use crate::Bytes;
use crate::key::KeyRef;
use crate::value::native::Held;
use crate::value::{Kind, Value, ValueRef};

impl Writer<'_> {
    /// The native value of a key, whatever its age.
    pub(crate) fn native(&mut self, key: KeyRef<'_>) -> Option<&Held> {
        let table = self.table(key)?;
        let at = table.find(key.hash, key.bytes)?;
        match table.get(at)?.value {
            ValueRef::Whole(Value::Native(native)) => Some(native),
            _ => None,
        }
    }

    /// Puts the same value in another form in the place of a string, if the string `is_same`; gives whether it was.
    pub(crate) fn put_in_form(
        &mut self,
        key: KeyRef<'_>,
        is_same: impl FnOnce(&[u8]) -> bool,
        value: Value,
        deadline: u64,
    ) -> bool {
        let at = self.live(key);
        let entry = at.and_then(|at| Some((at, self.table(key)?.get(at)?)));
        let found = entry.filter(|(_, entry)| Bytes::of(entry.value).is_some_and(|text| is_same(&text)));
        let Some(at) = found.map(|(at, _)| at) else {
            self.discard_value(value);
            return false;
        };
        self.remember(key);
        let old = self.table_mut(key).and_then(|table| table.replace(at, value, deadline));
        self.effects.garbage.extend(old);
        self.effects.wake_at = self.effects.wake_at.min(deadline);
        // It is its cache's from now on.
        self.note_unheard(key);
        true
    }

    /// Puts the deadline of a native value off, if it is the one that is meant.
    pub(crate) fn put_off(&mut self, key: KeyRef<'_>, is_meant: impl FnOnce(&Held) -> bool, deadline: u64) {
        let Some(table) = self.table_mut(key) else { return };
        let Some(at) = table.find(key.hash, key.bytes) else { return };
        let value = table.get(at).map(|entry| entry.value);
        let is_it = matches!(value, Some(ValueRef::Whole(Value::Native(native))) if is_meant(native));
        if is_it && table.deadline_at(at) < deadline {
            table.set_deadline(at, deadline);
        }
    }
}
