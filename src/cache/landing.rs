//! How a load ends: what was loaded is stored, in both levels, and handed to those who wait.

use std::borrow::Borrow;
use std::fmt::Display;
use std::sync::Arc;

use super::Inner;
use super::ask::Duty;
use super::builder::OnFailure;
use super::entry::{Entry, Life, Parts};
use super::load::{Answer, How, Load, What};
use super::name::CacheKey;
use super::second;
use super::stats::Counters;
use super::tags::Stamp;
use crate::clock::millis;
use crate::load::{Kept, Landing, LoadError, Outcome};
use crate::{Bytes, Error, Result, trace};

/// What those who wait for an entry are given.
pub(super) fn native<K: Send + Sync + 'static, V: Send + Sync + 'static>(
    entry: &Arc<Entry<K, V>>,
) -> Outcome {
    Outcome::Native(Arc::<Entry<K, V>>::clone(entry))
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// Brings a load to its end: stores what the loader gave, and tells those who wait.
    pub(super) fn settle<Q, E>(
        &self,
        key: &Q,
        duty: Duty<K, V>,
        loaded: Result<Load<V>, E>,
    ) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        E: Display,
    {
        let took = self.took(duty.started);
        match loaded {
            Ok(loaded) => {
                self.breaker.succeeded();
                Ok(self.landed(key, duty, loaded, took)?)
            }
            Err(error) => {
                self.count_failure();
                self.failed(duty, &error).ok_or(LoadError::Loader(error))
            }
        }
    }

    /// Counts a loader that has run; gives how long it took.
    pub(super) fn took(&self, started: u64) -> u64 {
        let took = self.space.clock().now().saturating_sub(started);
        Counters::add(&self.counters.loads, 1);
        Counters::add(&self.counters.millis, took);
        took
    }

    /// Counts a loader that has failed.
    pub(super) fn count_failure(&self) {
        Counters::add(&self.counters.failed, 1);
        self.breaker.failed(self.settings.breaker, self.space.clock().now());
    }

    /// Tells those who wait of a load that has failed; gives what is served in its stead.
    pub(super) fn failed(&self, duty: Duty<K, V>, error: &dyn Display) -> Option<Answer<V>> {
        let (Duty { lead, old, .. }, now) = (duty, self.space.clock().now());
        // Its window may have ended while the loader ran.
        if let Some(old) = old.filter(|old| old.is_kept(now)) {
            self.policy.failed(&old.life, now);
            trace::load_failed(lead.key(), &error.to_string());
            lead.end_failed(Outcome::Native(Arc::<Entry<K, V>>::clone(&old)));
            return Some(self.answer(&old, now));
        }
        match self.settings.on_failure {
            OnFailure::Share => lead.fail(&error.to_string()),
            OnFailure::Retry => lead.end_failed(Outcome::Abandoned),
        }
        None
    }

    /// Stores what was loaded, and hands it to those who wait.
    pub(super) fn landed<Q>(&self, key: &Q, duty: Duty<K, V>, loaded: Load<V>, took: u64) -> Result<Answer<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let (Duty { lead, old, began, lease, .. }, now) = (duty, self.space.clock().now());
        let is_kept = loaded.is_kept;
        let entry = match self.entry(key, loaded, began, took, old.as_deref()) {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                let error =
                    Error::Invalid("the loader says that nothing has changed, and there was no value");
                lead.fail(&error.to_string());
                return Err(error);
            }
            Err(error) => {
                lead.fail(&error.to_string());
                return Err(error);
            }
        };
        // What nothing is remembered of is not stored, and what was there before goes.
        let (stays, is_valid) = (is_kept && entry.is_fresh(now), entry.stamp.is_valid());
        let kept = match (stays, is_valid) {
            (true, true) => second::kept(&entry),
            (true, false) => Kept::Nothing,
            (false, _) => Kept::Removed,
        };
        let landing = lead.land(kept, native(&entry))?;
        let is_stored = self.stands(key, &entry, landing);
        // Else there may have been no room for it.
        if stays && (!is_valid || landing == Landing::Fenced) {
            Counters::add(&self.counters.fenced, 1);
            self.fenced.note(entry.hash());
        }
        self.landed_below(lease, &entry, is_stored, stays);
        Ok(self.answer_as(&entry, now, How::Loaded))
    }

    /// An entry was put into its table or not, as is given; gives whether it was.
    pub(super) fn stands<Q>(&self, key: &Q, entry: &Arc<Entry<K, V>>, landing: Landing) -> bool
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let is_stored = landing == Landing::Stored;
        if is_stored {
            self.near.put(key.to_owned(), entry);
        } else {
            // It was never in a table, or is no more.
            entry.never_stood();
        }
        is_stored
    }

    /// The entry of what was loaded; none if that is said to be unchanged and there was nothing.
    pub(super) fn entry<Q>(
        &self,
        key: &Q,
        loaded: Load<V>,
        began: u64,
        took: u64,
        old: Option<&Entry<K, V>>,
    ) -> Result<Option<Arc<Entry<K, V>>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let Load { what, ttl, tags, version, .. } = loaded;
        let (ttl, stamp) = (ttl.map(|ttl| millis(ttl).max(1)), self.stamp(began, &tags));
        let (value, version, ttl, stamp) = match (what, old) {
            (What::Value(value), _) => (Some(value), version, ttl, stamp),
            (What::Absent, _) => (None, version, ttl, stamp),
            (What::Unchanged, Some(old)) => {
                let own_ttl = Some(old.life.own_ttl).filter(|ttl| *ttl > 0);
                let version = version.or_else(|| old.version.clone());
                (old.value.clone(), version, ttl.or(own_ttl), stamp.with(&old.stamp))
            }
            (What::Unchanged, None) => return Ok(None),
        };
        let now = self.space.clock().now();
        let life = self.policy.life(now, ttl, took, value.is_none(), self.chance());
        Ok(Some(self.made(key, value, version, life, stamp)))
    }

    /// The stamp of what is loaded from the removals' time `began` on, with these tags.
    pub(super) fn stamp(&self, began: u64, tags: &[Bytes]) -> Stamp {
        self.space.caches().tags.stamp(began, &self.tag, tags.iter().map(|tag| &**tag))
    }

    /// An entry of the cache for what was loaded, or found elsewhere. Runs the caller's weigher.
    pub(super) fn made<Q>(
        &self,
        key: &Q,
        value: Option<Arc<V>>,
        version: Option<Arc<str>>,
        life: Life,
        stamp: Stamp,
    ) -> Arc<Entry<K, V>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let bytes = match (&value, &self.settings.weigher) {
            (Some(value), Some(weigher)) => weigher(value),
            _ => 0,
        };
        let hash = self.near.hash(key);
        Entry::new(Parts {
            hash,
            turns: Arc::clone(self.near.turns(hash)),
            key: key.to_owned(),
            value,
            version,
            life,
            stamp,
            form: self.settings.form.clone(),
            bytes,
            home: self.me.clone(),
        })
    }
}
