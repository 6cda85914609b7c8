//! A second level behind a cache, which it shares with other processes: what the cache asks of it, and what it is told.
//!
//! ```text
//! miss     `read`: a value, and the right to put another in its place -> the loader
//! loaded   the first level, and if it was stored there -> `store`, which does nothing if the key was removed meanwhile
//! written  `insert` and `remove`, said under the lock of the key's shard, so that both levels see them in one order
//! heard    what another process has changed goes from the first level, as if it was removed here
//! ```
//!
//! The caches know no Redis, and the second level (`crate::tier`) no entries: they meet in these types.
#![cfg_attr(not(feature = "redis-tier"), allow(dead_code))] // Without one to be had, nobody is behind the trait.

pub(crate) mod pending;

use std::borrow::Borrow;
use std::sync::{Arc, Weak};

use smallvec::SmallVec;

use super::Inner;
use super::ask::Duty;
use super::entry::Entry;
use super::landing::native;
use super::load::{Answer, How};
use super::name::{CacheKey, Name};
use super::policy::{Lived, Verdict};
use super::stats::Counters;
use crate::clock::Clock;
use crate::event::KeyEvent;
use crate::keyspace::writer::Deadline;
use crate::load::Kept;
use crate::sync::atomic::Ordering;
use crate::value::Value;
use crate::value::native::Held;
use crate::{Bytes, Result, trace};
use pending::Pending;

/// A value as the second level keeps it. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// The second level's time, on its removals' line, when the load began.
    pub began: u64,
    pub fresh_for: u64,
    /// How long it is kept, stale or not.
    pub life: u64,
    /// How long it took to load.
    pub took: u64,
    pub version: Option<Arc<str>>,
    pub tags: SmallVec<[Bytes; 2]>,
    /// Encoded; none where it is known that there is nothing.
    pub value: Option<Bytes>,
}

/// What the second level has for a key.
#[derive(Default)]
pub(crate) struct Found {
    /// A value, none of whose tags was removed, and how long it has stood there.
    pub record: Option<(Record, u64)>,
    /// By which another can be put in the place of what is there; none where another process loads it.
    pub place: Option<Place>,
}

/// What stands at a key, so that a load can say what it was that it replaces.
pub(crate) struct Place {
    pub mark: Bytes,
    /// Whether it is there for this load alone, and of no use to others.
    pub is_new: bool,
    /// The second level's time on its removals' line.
    pub began: u64,
}

/// What is removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Removal {
    Key(Bytes),
    Tag(Bytes),
    EveryTag,
    /// All of a cache.
    Cache(Arc<str>),
    /// All that this process knows: more was to be remembered than can be.
    Everything,
}

/// The second level of one cache. Nothing here waits for it but who waits for what is [pending](Pending).
pub(crate) trait SecondLevel: Send + Sync {
    /// Who is told what others change; for as long as it is there.
    ///
    /// # Errors
    /// [`Error::CacheInUse`](crate::Error::CacheInUse) if there is another of this cache's name.
    fn connect(&self, first: Weak<dyn FirstLevel>) -> Result<()>;

    /// Asks for these keys, in one or more parts that are answered one after the other.
    fn read(&self, names: Vec<Bytes>) -> Vec<Arc<Pending>>;

    /// By when a part of it is answered that is the next, on the system clock's line, if at all.
    fn deadline(&self) -> u64;

    /// Puts a value in this place, or nothing, if it is still there.
    fn store(&self, name: &[u8], place: &Place, record: Option<Record>);

    /// Puts a value there, whatever there was.
    fn insert(&self, name: &[u8], record: Record);

    fn remove(&self, removal: Removal);

    /// The last time on its removals' line that is known.
    fn now(&self) -> u64;

    /// Whether it cannot be reached.
    fn is_away(&self) -> bool;

    /// The same for all caches that have theirs in one place.
    fn id(&self) -> usize;
}

/// A cache as its second level knows it.
pub(crate) trait FirstLevel: Send + Sync {
    /// Others have changed that.
    fn outdated(&self, removal: &Removal);
}

/// A place in the second level that a load may fill. Dropped, it is given back.
pub(super) struct Lease {
    second: Arc<dyn SecondLevel>,
    name: Bytes,
    /// None once it was filled.
    place: Option<Place>,
}

impl Lease {
    fn end(mut self, record: Option<Record>) {
        if let Some(place) = self.place.take() {
            self.second.store(&self.name, &place, record);
        }
    }

    fn began(&self) -> u64 {
        self.place.as_ref().map_or(0, |place| place.began)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(place) = self.place.take().filter(|place| place.is_new) {
            self.second.store(&self.name, &place, None);
        }
    }
}

/// What is to be done once the second level was asked.
pub(super) enum Below<K, V> {
    Answer(Answer<V>),
    Load(Duty<K, V>),
}

/// A question to the second level.
pub(super) struct Question {
    second: Arc<dyn SecondLevel>,
    parts: Vec<Arc<Pending>>,
}

impl Question {
    /// Blocks the thread until it is answered, or that has taken too long; gives something for each of the keys.
    pub(super) fn wait(self) -> Vec<Found> {
        let (mut all, mut deadline) = (Vec::new(), self.second.deadline());
        for part in self.parts {
            all.extend(part.wait(deadline));
            deadline = next_deadline(&*self.second, deadline);
        }
        all
    }

    pub(super) async fn wait_async(self) -> Vec<Found> {
        let (mut all, mut deadline) = (Vec::new(), self.second.deadline());
        for part in self.parts {
            all.extend(part.wait_async(deadline).await);
            deadline = next_deadline(&*self.second, deadline);
        }
        all
    }
}

/// By when the next part is answered, if the one before it was by then. Else nobody waits for more.
fn next_deadline(second: &dyn SecondLevel, deadline: u64) -> u64 {
    if Clock::System.now() < deadline { second.deadline() } else { deadline }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// Asks the second level, if there is one, for what is to be loaded.
    pub(super) fn question<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Option<Question> {
        let second = self.settings.second.as_ref()?;
        let parts = second.read(names.map(|name| Bytes::from(&**name)).collect());
        Some(Question { second: Arc::clone(second), parts })
    }

    /// Has a load end with what was found in the second level, if that is as good as loaded; else it goes on, with a
    /// place for what it brings.
    pub(super) fn below<Q>(&self, key: &Q, mut duty: Duty<K, V>, found: Option<Found>) -> Result<Below<K, V>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let (Some(Found { record, place }), Some(second)) = (found, &self.settings.second) else {
            return Ok(Below::Load(duty));
        };
        let name = Bytes::from(duty.lead.key());
        let lease = place.map(|place| Lease { second: Arc::clone(second), name, place: Some(place) });
        if let Some((record, age)) = record {
            let (entry, now) = (self.revived(key, &duty, record, age), self.space.clock().now());
            // What is loaded ahead of time has had its chance: one that is as old would have the same.
            let is_ahead = duty.old.as_ref().is_some_and(|old| old.is_fresh(now));
            let chance = || if is_ahead { 0.0 } else { self.chance() };
            match entry {
                Some(entry) if self.policy.judge(&entry.life, now, chance) == Verdict::Fresh => {
                    Counters::add(&self.counters.second, 1);
                    let kept = if entry.stamp.is_valid() { kept(&entry) } else { Kept::Nothing };
                    self.stands(key, &entry, duty.lead.hand_over(kept, native(&entry))?);
                    return Ok(Below::Answer(self.answer_as(&entry, now, How::SecondLevel)));
                }
                Some(entry) if entry.is_kept(now) && duty.old.is_none() => {
                    // It is served if the loader fails, and tells it the version.
                    entry.never_stood();
                    duty.old = Some(entry);
                }
                _ => {}
            }
        }
        duty.lease = lease;
        Ok(Below::Load(duty))
    }

    /// The entry of a record that has stood there for so long; none if it does not decode.
    fn revived<Q>(&self, key: &Q, duty: &Duty<K, V>, record: Record, age: u64) -> Option<Arc<Entry<K, V>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let Record { fresh_for, took, version, tags, value, .. } = record;
        let form = self.settings.form.as_ref()?;
        let value = match value.map(|bytes| (form.decode)(bytes)) {
            None => None,
            Some(Ok(value)) => Some(Arc::new(value)),
            Some(Err(why)) => {
                Counters::add(&self.counters.undecodable, 1);
                trace::undecodable(duty.lead.key(), &why);
                return None;
            }
        };
        let lived = Lived { age, fresh_for, took };
        let now = self.space.clock().now();
        let life = self.policy.life_of(now, lived, value.is_none(), self.chance());
        Some(self.made(key, value, version, life, self.stamp(duty.began, &tags)))
    }

    /// Has what was loaded stored in the second level, as it was in the first.
    pub(super) fn landed_below(
        &self,
        lease: Option<Lease>,
        entry: &Entry<K, V>,
        is_stored: bool,
        stays: bool,
    ) {
        let Some(lease) = lease else { return };
        match self.record(entry, lease.began()).filter(|_| is_stored) {
            Some(record) => lease.end(Some(record)),
            // What was there before goes, as in the first level.
            None if !stays => lease.end(None),
            None => drop(lease),
        }
    }

    /// What the second level is to keep of an entry; none if it cannot be encoded. Runs the caller's code.
    pub(super) fn record(&self, entry: &Entry<K, V>, began: u64) -> Option<Record> {
        let form = self.settings.form.as_ref()?;
        let value = match &entry.value {
            None => None,
            Some(value) => Some((form.encode)(value).ok()?),
        };
        let fresh_for = entry.life.ends.saturating_sub(entry.life.stored_at);
        Some(Record {
            began,
            fresh_for,
            life: fresh_for.saturating_add(entry.life.kept_for),
            took: entry.life.took,
            version: entry.version.clone(),
            tags: self.space.caches().tags.names(&entry.stamp),
            value,
        })
    }

    /// A key was removed: said before, or under the lock under which, the first level does it.
    #[inline]
    pub(super) fn removed_below(&self, name: &[u8]) {
        if let Some(second) = &self.settings.second {
            second.remove(Removal::Key(Bytes::from(name)));
        }
    }
}

/// An entry as it is put into its table.
pub(super) fn kept<K: Send + Sync + 'static, V: Send + Sync + 'static>(entry: &Arc<Entry<K, V>>) -> Kept {
    let native = Value::Native(Held::new(Arc::<Entry<K, V>>::clone(entry)));
    Kept::Value(native, Deadline::At(entry.deadline()))
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> FirstLevel for Inner<K, V> {
    fn outdated(&self, removal: &Removal) {
        let tags = &self.space.caches().tags;
        let is_removed = match removal {
            Removal::Key(name) => {
                let discarded = self.space.write_one(self.db, self.space.key_ref(name), |writer, name| {
                    writer.discard(name, KeyEvent::Del);
                    Ok(())
                });
                discarded.is_ok()
            }
            Removal::Tag(tag) => {
                tags.remove(tag);
                true
            }
            Removal::EveryTag => {
                tags.remove_every();
                true
            }
            Removal::Cache(_) | Removal::Everything => false,
        };
        // All of it: their memory comes back as they are looked for, evicted, or expire. So too where a store whose
        // journal has failed takes no write: what this process may not serve any more is served no more.
        if !is_removed {
            self.without_texts.fetch_add(1, Ordering::AcqRel);
            tags.remove_all(&self.tag);
        }
    }
}

#[cfg(all(test, feature = "journal", not(shuttle)))]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::{FirstLevel, Removal};
    use crate::cache::Cache;
    use crate::disk::simulated::{Failure, Simulated};
    use crate::{Bytes, ManualClock, Store, SyncPolicy};

    #[test]
    fn what_others_remove_is_served_no_more_where_nothing_can_be_written() {
        let (disk, clock) = (Simulated::new(), ManualClock::new());
        let store = Store::builder().clock(&clock).build();
        let policy = SyncPolicy::Always;
        crate::journal::open(store.space(), Arc::new(disk.clone()), Path::new("/data"), policy, None)
            .unwrap();
        let names: Cache<u64, u64> = store.cache("names").build().unwrap();
        names.insert(&7, 7).unwrap();
        disk.fail_at(disk.steps() + 1, Failure::Eio);
        assert!(store.insert("other", 1).is_err(), "the journal has failed");
        assert!(names.0.hit(&7).is_some());
        names.0.outdated(&Removal::Key(Bytes::from("names:7")));
        assert!(names.0.hit(&7).is_none());
    }
}
