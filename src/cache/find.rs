//! Looking for a key's entry in the store's table.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use super::entry::Entry;
use super::load::Load;
use super::name::CacheKey;
use super::stats::Counters;
use crate::key::KeyRef;
use crate::value::native::Held;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Error, Result, trace};

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// The entry of a key, whatever its age, if none of its tags was removed.
    pub(super) fn find<Q>(&self, key: &Q, name: KeyRef<'_>) -> Result<Option<Arc<Entry<K, V>>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        enum Found {
            Native(Held),
            Text(Bytes, u64),
        }

        let removals = self.space.caches().tags.now();
        let found = {
            let shard = self.space.reading(name)?;
            match self.space.kept(&shard, self.db, name) {
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
                // Of another type: of a cache that has been closed.
                let entry = native.downcast::<Entry<K, V>>().filter(|entry| entry.stamp.is_valid());
                if let Some(entry) = &entry {
                    entry.found(removals);
                    let is_near = self.near.found(entry, key, removals);
                    if !is_near && entry.is_at_home(&self.me) && entry.is_current() {
                        self.near.put(key.to_owned(), entry);
                    }
                }
                Ok(entry)
            }
            Some(Found::Text(text, deadline)) => self.decode(key, name, text, deadline, removals),
        }
    }

    /// Makes an entry of bytes that another has put there: a snapshot, or a Redis client. Those that do not decode count
    /// as missing.
    fn decode<Q>(
        &self,
        key: &Q,
        name: KeyRef<'_>,
        text: Bytes,
        deadline: u64,
        removals: u64,
    ) -> Result<Option<Arc<Entry<K, V>>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let Some(form) = &self.settings.form else { return Ok(None) };
        let value = match (form.decode)(text.clone()) {
            Ok(value) => value,
            Err(why) => {
                Counters::add(&self.counters.undecodable, 1);
                trace::undecodable(name.bytes, &why);
                return Ok(None);
            }
        };
        let left = deadline.saturating_sub(self.space.clock().now());
        let load = Load::value(value).ttl(Duration::from_millis(left.min(self.policy.ttl)));
        let Some(entry) = self.entry(key, load, removals, 0, None)? else { return Ok(None) };
        let native = Value::Native(Held::new(Arc::<Entry<K, V>>::clone(&entry)));
        let deadline = entry.deadline();
        let stands = self.space.write_one(self.db, name, |writer, name| {
            writer.put_in_form(name, |value| *value == *text, native, deadline)
        })?;
        if stands {
            self.near.put(key.to_owned(), &entry);
        }
        Ok(Some(entry))
    }
}
