//! Looking for a key's entry in the store's table.

use std::borrow::Borrow;
use std::sync::Arc;

use super::Inner;
use super::entry::Entry;
use super::name::CacheKey;
use super::stats::Counters;
use crate::key::KeyRef;
use crate::sync::atomic::Ordering;
use crate::value::native::Held;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Error, Result, trace};

/// Why an entry is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Somebody asks for it: that is a use.
    Use,
    /// What is not found is loaded next: bytes that do not decode are counted here, once for a load.
    ToLoad,
    /// It is looked at from aside: no use, and nothing is counted.
    Aside,
}

/// What becomes of bytes that stand under the name of a cache's key.
#[derive(PartialEq, Eq)]
pub(super) enum Text {
    /// They are decoded.
    Own,
    /// They count as removed.
    Removed,
    /// They are of no meaning to this cache.
    Foreign,
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// The entry of a key, whatever its age, if none of its tags was removed.
    pub(super) fn find<Q>(&self, key: &Q, name: KeyRef<'_>, look: Look) -> Result<Option<Arc<Entry<K, V>>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        enum Found {
            Native(Held),
            Text(Bytes, u64),
        }

        let removals = self.space.caches().tags.now();
        // Behind that and before the look: a `clear` that is not seen here is of a later time.
        let is_without_texts = self.without_texts.load(Ordering::Acquire) > 0;
        let found = {
            let shard = self.space.reading(name)?;
            match self.space.kept(&shard, self.db, name, look == Look::Use) {
                None => None,
                Some((ValueRef::Whole(Value::Native(native)), _)) => Some(Found::Native(native.clone())),
                Some((ValueRef::Whole(Value::String(text)), deadline)) => {
                    Some(Found::Text(text.clone(), deadline))
                }
                Some((ValueRef::Short(text), deadline)) => Some(Found::Text(Bytes::from(text), deadline)),
                Some(_) => return Err(Error::WrongType),
            }
        };
        match found {
            None => Ok(None),
            Some(Found::Native(native)) => {
                // Else it is another cache's: one that has been closed, or whose name and key come to the same.
                let entry = native.downcast::<Entry<K, V>>().filter(|entry| entry.stamp.is_of(&self.tag));
                let entry = entry.filter(|entry| entry.stamp.is_valid());
                if let Some(entry) = &entry {
                    entry.found(removals);
                    let is_near = self.near.has(entry, key);
                    if !is_near && entry.is_at_home(&self.me) && entry.is_current() {
                        self.near.put(key.to_owned(), entry);
                    }
                }
                Ok(entry)
            }
            Some(Found::Text(..)) if is_without_texts || self.state_of_text(name) != Text::Own => Ok(None),
            Some(Found::Text(text, deadline)) => self.decode(key, name, (text, deadline), removals, look),
        }
    }

    /// What bytes are to this cache that stand under a name which is one of its keys'.
    pub(super) fn state_of_text(&self, name: KeyRef<'_>) -> Text {
        let caches = self.space.caches();
        if self.settings.form.is_none() || !caches.is_owner(self.db, &self.name, name.bytes) {
            Text::Foreign
        } else if self.without_texts.load(Ordering::Acquire) > 0 || caches.tags.was_every_removed() {
            // Which tags they had, and when they were loaded, nobody knows.
            Text::Removed
        } else {
            Text::Own
        }
    }

    /// Makes an entry of bytes that another has put there: a snapshot, or a Redis client. Those that do not decode count
    /// as missing.
    fn decode<Q>(
        &self,
        key: &Q,
        name: KeyRef<'_>,
        (text, deadline): (Bytes, u64),
        removals: u64,
        look: Look,
    ) -> Result<Option<Arc<Entry<K, V>>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let Some(form) = &self.settings.form else { return Ok(None) };
        let value = match (form.decode)(text.clone()) {
            Ok(value) => value,
            Err(why) => {
                if look == Look::ToLoad {
                    Counters::add(&self.counters.undecodable, 1);
                    trace::undecodable(name.bytes, &why);
                }
                return Ok(None);
            }
        };
        let now = self.space.clock().now();
        let life = self.policy.life_of_bytes(now, deadline.saturating_sub(now), self.chance());
        let stamp = self.space.caches().tags.stamp_of_unknown(removals, &self.tag);
        let entry = self.made(key, Some(Arc::new(value)), None, life, stamp);
        let native = Value::Native(Held::new(Arc::<Entry<K, V>>::clone(&entry)));
        let deadline = entry.deadline();
        let stands = self.space.write_one(self.db, name, |writer, name| {
            Ok(writer.put_in_form(name, |value| *value == *text, native, deadline))
        })?;
        if stands {
            self.near.put(key.to_owned(), &entry);
        }
        Ok(Some(entry))
    }
}
