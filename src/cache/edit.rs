//! What is done to a cache's entries without a loader.

use std::borrow::Borrow;
use std::sync::Arc;

use super::entry::Entry;
use super::find::Look;
use super::load::{Load, What};
use super::name::CacheKey;
use super::second::Removal;
use super::{Cache, Inner};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::writer::{Deadline, Writer};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::Value;
use crate::value::native::Held;
use crate::{Bytes, Error, Key, Result};

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// The value of a key if it is there and fresh. Nothing is loaded or counted, and it is no use of the value. O(1)
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds a list or such, [`Error::InTransaction`].
    pub fn peek<Q>(&self, key: &Q) -> Result<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let name = self.0.name_of(key)?;
        let found = self.0.find(key, self.0.space.key_ref(&name), Look::Aside)?;
        let now = self.0.space.clock().now();
        Ok(found.filter(|found| found.is_fresh(now)).and_then(|found| found.value.clone()))
    }

    /// Puts a value under a key, whatever was there: a value, an `Arc` of one, or a [`Load`] that says more. Loads of the
    /// key that are under way are fenced. O(1)
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where a store with a limit may evict nothing, [`Error::InTransaction`], and
    /// [`Error::Invalid`] for an [unchanged](Load::unchanged) value.
    #[doc(alias = "SET")]
    pub fn insert<Q>(&self, key: &Q, value: impl Into<Load<V>>) -> Result<()>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let name = self.0.name_of(key)?;
        self.0.put(key, self.0.space.key_ref(&name), value.into(), |_| true).map(drop)
    }

    /// Puts a value under a key that has none that is fresh; true if it was put. O(1)
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    pub fn insert_if_absent<Q>(&self, key: &Q, value: impl Into<Load<V>>) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let name = self.0.name_of(key)?;
        let name = self.0.space.key_ref(&name);
        // What stands there as bytes is an entry from now on, if it is a value.
        self.0.find(key, name, Look::Aside)?;
        let now = self.0.space.clock().now();
        let is_missing = |entry: Option<&Arc<Entry<K, V>>>| {
            entry.is_none_or(|entry| entry.value.is_none() || !entry.is_fresh(now) || !entry.stamp.is_valid())
        };
        self.0.put(key, name, value.into(), is_missing)
    }

    /// Puts what `change` makes of a key's value in its place: `None` where there is none that is fresh, and an
    /// [absent](Load::absent) one takes it away; an [unchanged](Load::unchanged) one leaves it as it is, with its time, its
    /// tags and its version. `change` runs with no lock held, and again if another has written to the key, or removed the
    /// value, meanwhile. Gives the value that is there now. O(1)
    ///
    /// ```
    /// use std::sync::Arc;
    /// use larder::{Cache, Load, Store};
    ///
    /// let store = Store::new();
    /// let visits: Cache<String, u32> = store.cache("visits").build()?;
    /// for _ in 0..3 {
    ///     visits.compute("ann", |old| Load::from(old.map_or(1, |old| *old + 1)))?;
    /// }
    /// assert_eq!(visits.peek("ann")?, Some(Arc::new(3)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    pub fn compute<Q>(
        &self,
        key: &Q,
        mut change: impl FnMut(Option<Arc<V>>) -> Load<V>,
    ) -> Result<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let name = self.0.name_of(key)?;
        let name = self.0.space.key_ref(&name);
        loop {
            let found = self.0.find(key, name, Look::Use)?;
            let now = self.0.space.clock().now();
            let before = found.filter(|found| found.is_fresh(now));
            let load = change(before.as_ref().and_then(|before| before.value.clone()));
            if let (What::Unchanged, Some(before)) = (&load.what, &before) {
                return Ok(before.value.clone());
            }
            let is_same = |entry: Option<&Arc<Entry<K, V>>>| match (&before, entry) {
                // A tag of it may have been removed, or the cache cleared.
                (Some(before), Some(entry)) => Arc::ptr_eq(before, entry) && entry.stamp.is_valid(),
                (None, None) => true,
                (None, Some(entry)) => !entry.is_fresh(now) || !entry.stamp.is_valid(),
                (Some(_), None) => false,
            };
            if self.0.put(key, name, load, is_same)? {
                return self.peek(key);
            }
        }
    }

    /// Removes the value of a key; true if there was one that was fresh. Loads of the key that are under way are fenced.
    /// O(1)
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    #[doc(alias = "invalidate")]
    pub fn remove<Q>(&self, key: &Q) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let had = self.peek(key).is_ok_and(|value| value.is_some());
        let name = self.0.name_of(key)?;
        let name = self.0.space.key_ref(&name);
        self.0.space.write_one(self.0.db, name, |writer, name| {
            self.0.removed_below(name.bytes);
            writer.discard(name, KeyEvent::Del);
            Ok(had)
        })
    }

    /// Removes all values that have a tag, in every cache of the store. Loads under way that give values with it are
    /// fenced. A tag that ends in a colon stands for all that have it before their last word: `shop:products:` for
    /// `shop:products:7`. O(1), for any number of values.
    pub fn remove_tag<'k>(&self, tag: impl Into<Key<'k>>) {
        self.0.space.caches().remove_tag(&tag.into());
    }

    /// Removes all values of this cache, those too that were put there by a cache of the same name before or, where it is
    /// [shared](crate::CacheBuilder::shared), as bytes. Loads under way are fenced. From its start on nobody is served
    /// what was there; to give the memory back it looks at all keys of the database, a bounded number under a lock at a
    /// time. O(keys)
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    pub fn clear(&self) -> Result<()> {
        let Inner { space, db, tag, near, prefix, settings, without_texts, .. } = &*self.0;
        space.check_not_in_transaction()?;
        // Before the tag: what is decoded behind that would be as good as loaded since.
        let _clearing = Clearing::begin(without_texts);
        // First: what is read from there before that is fenced by its removal here.
        if let Some(second) = &settings.second {
            second.remove(Removal::Cache(Arc::clone(&self.0.name)));
        }
        space.caches().tags.remove_all(tag);
        near.clear();
        // What has come since is none of these, and no more is what stands under a longer name that begins so.
        let has_gone = |entry: &Entry<K, V>| entry.stamp.is_of(tag) && !entry.stamp.is_valid();
        for name in space.names_of_cache(*db, prefix)? {
            let is_text_ours = settings.form.is_some() && space.caches().is_owner(*db, &self.0.name, &name);
            space.write_one(*db, space.key_ref(&name), |writer, name| {
                let is_gone = match writer.native(name) {
                    Some(native) => native.downcast().is_some_and(|entry| has_gone(&entry)),
                    None => is_text_ours && matches!(writer.find::<Bytes>(name), Ok(Some(_))),
                };
                if is_gone {
                    writer.discard(name, KeyEvent::Del);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// While a cache is being cleared.
struct Clearing<'c>(&'c AtomicU64);

impl<'c> Clearing<'c> {
    fn begin(without_texts: &'c AtomicU64) -> Self {
        without_texts.fetch_add(1, Ordering::AcqRel);
        Clearing(without_texts)
    }
}

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// Puts what a caller gives under a key, if what is there `may_go`; gives whether it may.
    pub(super) fn put<Q>(
        &self,
        key: &Q,
        name: KeyRef<'_>,
        load: Load<V>,
        may_go: impl Fn(Option<&Arc<Entry<K, V>>>) -> bool,
    ) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let (is_kept, began) = (load.is_kept, self.space.caches().tags.now());
        let second = self.settings.second.as_ref().map(|second| (second, second.now()));
        let entry = self
            .entry(key, load, began, 0, None)?
            .ok_or(Error::Invalid("there is no value to be unchanged"))?;
        let stays = is_kept && entry.is_fresh(self.space.clock().now());
        let value = stays.then(|| Value::Native(Held::new(Arc::<Entry<K, V>>::clone(&entry))));
        let deadline = Deadline::At(entry.deadline());
        let record = second.map(|(second, began)| {
            let record = if stays { self.record(&entry, began) } else { None };
            (second, record)
        });
        let put = |writer: &mut Writer<'_>, name: KeyRef<'_>| {
            let found = writer.native(name).and_then(|native| native.downcast::<Entry<K, V>>());
            let found = found.filter(|entry| entry.stamp.is_of(&self.tag));
            if !may_go(found.as_ref()) {
                value.into_iter().for_each(|value| writer.discard_value(value));
                return Ok(false);
            }
            match value {
                Some(value) => writer.set(name, value, deadline, KeyEvent::Set)?,
                None => drop(writer.discard(name, KeyEvent::Del)),
            }
            // Under the lock: both levels see the writes to a key in one order.
            match record {
                Some((second, Some(record))) => second.insert(name.bytes, record),
                Some((_, None)) => self.removed_below(name.bytes),
                None => {}
            }
            Ok(true)
        };
        let outcome = self.space.write_one(self.db, name, |writer, name| Ok(put(writer, name)))?;
        match outcome {
            Ok(true) if stays => self.near.put(key.to_owned(), &entry),
            _ => entry.never_stood(),
        }
        outcome
    }
}
