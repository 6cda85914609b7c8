//! Databases and whole shards exchanged for others, under the eyes of those who watch and wait.

use super::Writer;
use crate::keyspace::shard::Shard;

impl Writer<'_> {
    /// Exchanges two databases in the shards that are held.
    pub(in crate::keyspace) fn swap_tables(&mut self, a: u16, b: u16) {
        #[cfg(feature = "journal")]
        if self.is_journaled() {
            self.journal_swapped(a, b);
        }
        for (_, shard) in self.shards.parts_mut() {
            let (first, second) = (shard.take_table(a), shard.take_table(b));
            for db in [a, b] {
                shard.watches.mark_all(db, |name| {
                    let hash = self.space.key_ref(name).hash;
                    [&first, &second].into_iter().flatten().any(|table| table.find(hash, name).is_some())
                });
            }
            shard.put_table(a, second);
            shard.put_table(b, first);
            let waited_for = shard.waiters.keys().into_iter().filter(|(db, _)| [a, b].contains(db));
            self.effects.others().ready.extend(waited_for);
        }
    }

    /// Exchanges all keys of the shards that are held, which are all there are, for those of others.
    pub(in crate::keyspace) fn exchange_keys(&mut self, others: &mut [Shard]) {
        let now = self.now();
        let Writer { space, shards, effects, .. } = self;
        for ((_, shard), other) in shards.parts_mut().iter_mut().zip(others) {
            shard.exchange_keys(other, now);
            let shard: &Shard = shard;
            shard.watches.mark_each(|db, name| {
                let hash = space.key_ref(name).hash;
                let has =
                    |shard: &Shard| shard.table(db).is_some_and(|table| table.find(hash, name).is_some());
                Some(has(shard) || has(other))
            });
            let wakes = shard.tables().map(|(_, table)| table.next_wake());
            effects.wake_at = wakes.fold(effects.wake_at, u64::min);
            effects.others().ready.extend(shard.waiters.keys());
        }
        #[cfg(feature = "journal")]
        if self.is_journaled() {
            self.journal_exchanged();
        }
    }
}
