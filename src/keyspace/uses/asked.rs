//! What is asked of how keys are used, in commands.

use super::{Counting, FRESH, Noting, Uses, second};
use crate::Result;
use crate::key::KeyRef;
use crate::keyspace::Keyspace;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;
use crate::sync::atomic::Ordering;

/// What is known of a key's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    /// For how many seconds there was none.
    pub idle: u64,
    pub count: u8,
}

impl Noting {
    fn count(&self, counting: Option<Counting>) {
        let bits = counting.map_or(0, |Counting { factor, decay }| {
            let [factor, decay] = [factor, decay].map(|number| u64::from(number.min(i32::MAX as u32)));
            factor | decay << 31 | 1 << 62
        });
        self.counting.store(bits, Ordering::Relaxed);
    }
}

impl Uses {
    /// What is known of the key at a position. O(1)
    fn get(&self, at: u32, now: u64, counting: Option<Counting>) -> Option<Use> {
        let last = self.last.get(at)?.load(Ordering::Relaxed);
        let count = self.counts.get(at)?.load(Ordering::Relaxed);
        let count = counting.map_or(count, |counting| counting.after(count, last, now));
        Some(Use { idle: second(now).saturating_sub(last).into(), count })
    }

    /// Has the key at a position have been used so. O(1)
    fn put(&mut self, at: u32, now: u64, seen: Use) {
        if let Some(last) = self.last.get_mut(at) {
            *last.get_mut() = second(now).saturating_sub(u32::try_from(seen.idle).unwrap_or(u32::MAX));
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count.get_mut() = seen.count;
        }
    }
}

impl Keyspace {
    /// Has uses noted from now on: all keys count as used now. O(shards), and O(keys) the first time
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn note_uses(&self) -> Result<()> {
        if self.uses.is_on.load(Ordering::Relaxed) {
            return Ok(());
        }
        let now = self.clock().now();
        self.change(None, 0, |writer| {
            for (_, shard) in writer.parts_mut() {
                shard.note_times(now);
                self.weigh(shard);
            }
        })?;
        self.uses.is_on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Has uses counted so from now on, or not.
    pub(crate) fn count_uses(&self, counting: Option<Counting>) {
        self.uses.count(counting);
    }

    /// Whether they are.
    pub(crate) fn counts_uses(&self) -> bool {
        self.uses.counting().is_some()
    }
}

impl View<'_> {
    /// What is known of a key's use, if it is there. This is none.
    pub(crate) fn last_use(&self, key: KeyRef<'_>) -> Option<Use> {
        let (table, at) = self.quiet().position(key)?;
        let seen = table.uses().and_then(|uses| uses.get(at, self.now(), self.space().uses.counting()));
        Some(seen.unwrap_or(Use { idle: 0, count: FRESH }))
    }
}

impl Writer<'_> {
    /// Has a key that is there have been idle for so many seconds, or used so often.
    pub(crate) fn put_use(&mut self, key: KeyRef<'_>, idle: Option<u64>, count: Option<u8>) {
        let now = self.now();
        let seen = Use { idle: idle.unwrap_or(0), count: count.unwrap_or(FRESH) };
        let Some(at) = self.live(key) else { return };
        if let Some(uses) = self.table_mut(key).and_then(|table| table.uses_mut()) {
            uses.put(at, now, seen);
        }
    }
}
