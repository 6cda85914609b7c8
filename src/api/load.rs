//! Cache-aside: a value from the store, or from a loader that is run once for all who ask.

use std::fmt::Display;
use std::time::Duration;

use super::Store;
use crate::clock::NEVER;
use crate::clock::millis;
use crate::codec::encode;
use crate::key::KeyRef;
use crate::keyspace::writer::Deadline;
use crate::load::{Join, Kept, Lead, LoadError, Outcome, Waited};
use crate::value::{StringRef, Value};
use crate::{Bytes, Decode, Encode, Key, trace};

impl Store {
    /// The value of a key, or what `loader` gives, which is then kept for `ttl`.
    ///
    /// - **One load**: while a key is being loaded, all others who ask for it wait for that load and
    ///   share its value, or its failure.
    /// - **Never an old value back**: if the key is written, removed, renamed or cleared while its
    ///   load runs, the loaded value goes to those who wait for it but is not stored, and whoever
    ///   asks after the write starts a load anew. Expiry and eviction are no writes.
    /// - **No lock is held** while the loader runs: it may use the store. If it panics, the panic is
    ///   its caller's alone, and one of those who wait loads in its stead.
    /// - **A value that does not decode as `T` counts as missing**: it is loaded anew and overwritten,
    ///   so that a program whose types have changed need not wait for the old values to expire. A key
    ///   that holds another type, such as a list, is an error.
    ///
    /// A hit is a `GET`, O(1). A miss costs the loader, and ends with a `SET` with `PX`, O(1); it blocks
    /// the thread until the value is there, whoever loads it. In async code call it where blocking is
    /// allowed, such as within the `spawn_blocking` of your runtime, or use a cache:
    /// [`Cache::get_or_load_async`](crate::Cache::get_or_load_async).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{LoadError, Store};
    ///
    /// fn find_name(id: u64) -> Result<String, std::io::Error> {
    ///     Ok(format!("product {id}")) // the slow way
    /// }
    ///
    /// let store = Store::new();
    /// for _ in 0..2 {
    ///     let name = store.get_or_load("product:7", Duration::from_secs(60), || find_name(7))?;
    ///     assert_eq!(name, "product 7");
    /// }
    /// assert_eq!(store.stats()?.hits, 1);
    /// # Ok::<(), LoadError<std::io::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`LoadError::Loader`]: the loader's own error, by value. Nothing is stored.
    /// - [`LoadError::Shared`]: another's load, which this call waited for, failed with that text.
    /// - [`LoadError::Cycle`]: the loader asks for a key whose load waits for this one.
    /// - [`LoadError::Store`]: [`WrongType`](crate::Error::WrongType), [`Encode`](crate::Error::Encode),
    ///   [`TooLong`](crate::Error::TooLong), [`InvalidExpire`](crate::Error::InvalidExpire) (a `ttl`
    ///   under a millisecond).
    #[doc(alias = "cache-aside")]
    pub fn get_or_load<'k, T: Encode + Decode, E: Display>(
        &self,
        key: impl Into<Key<'k>>,
        ttl: Duration,
        loader: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, LoadError<E>> {
        let key = key.into();
        let key = self.key_ref(&key);
        check(ttl)?;
        loop {
            match self.seek(key)? {
                Seek::Found(Some(value)) => return Ok(value),
                // Someone's `get_or_find` found nothing; this loader always gives a value.
                Seek::Found(None) => {}
                Seek::Lead(lead) => {
                    let loaded = self.run(&lead, key, ttl, loader)?;
                    return self.fill(lead, ttl, loaded, |value| Some(value));
                }
            }
        }
    }

    /// [`get_or_load`](Self::get_or_load) for a loader that may find nothing, such as a query for one
    /// row. That there is nothing is shared with those who wait, but not stored. It blocks the thread
    /// in the same way, and a value that does not decode as `T` counts as missing here too. O(1) beside the
    /// loader.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{LoadError, Store};
    ///
    /// let store = Store::new();
    /// let minute = Duration::from_secs(60);
    /// let name = store.get_or_find("product:8", minute, || Ok(None::<String>))?;
    /// assert_eq!(name, None);
    /// assert!(!store.contains("product:8")?); // the next one asks again
    ///
    /// let name = store.get_or_find("product:8", minute, || Ok(Some("tea".to_owned())))?;
    /// assert_eq!(name.as_deref(), Some("tea"));
    /// # Ok::<(), LoadError<std::io::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load).
    #[doc(alias = "cache-aside")]
    pub fn get_or_find<'k, T: Encode + Decode, E: Display>(
        &self,
        key: impl Into<Key<'k>>,
        ttl: Duration,
        loader: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, LoadError<E>> {
        let key = key.into();
        let key = self.key_ref(&key);
        check(ttl)?;
        match self.seek(key)? {
            Seek::Found(value) => Ok(value),
            Seek::Lead(lead) => {
                let loaded = self.run(&lead, key, ttl, loader)?;
                self.fill(lead, ttl, loaded, Option::as_ref)
            }
        }
    }

    /// Looks a key up, waits for the load that is under way, or becomes the one who loads.
    #[inline]
    fn seek<T: Decode, E>(&self, key: KeyRef<'_>) -> Result<Seek<T>, LoadError<E>> {
        match self.found(key)?.map(T::decode) {
            Some(Ok(value)) => Ok(Seek::Found(Some(value))),
            // What does not decode is loaded anew: the type may have changed since it was stored.
            Some(Err(_)) | None => self.lead_or_wait(key),
        }
    }

    /// Leads the load of a key that was missing, or waits for the one under way.
    fn lead_or_wait<T: Decode, E>(&self, key: KeyRef<'_>) -> Result<Seek<T>, LoadError<E>> {
        loop {
            let follow = match self.space().flights().join(self.space(), self.index(), key, None)? {
                Join::Lead(lead) => {
                    // Another's load may have landed between the look and the lead.
                    let landed = self.write_one(key, |writer, key| {
                        Ok(writer.find::<Bytes>(key)?.map(StringRef::to_bytes))
                    })?;
                    return Ok(match landed.map(T::decode).transpose() {
                        Ok(Some(value)) => Seek::Found(Some(value)),
                        Ok(None) => Seek::Lead(lead),
                        Err(error) => {
                            trace::undecodable(key.bytes, &error);
                            Seek::Lead(lead)
                        }
                    });
                }
                Join::Follow(follow) => follow,
            };
            match follow.wait(NEVER) {
                Waited::Ended(Outcome::Loaded(None)) => return Ok(Seek::Found(None)),
                Waited::Ended(Outcome::Loaded(Some(bytes))) => {
                    if let Ok(value) = T::decode(bytes) {
                        return Ok(Seek::Found(Some(value)));
                    }
                }
                Waited::Ended(Outcome::Failed(why)) => return Err(LoadError::Shared(why)),
                // A cache's entry is looked at again, as the string that it is here.
                Waited::Ended(Outcome::Abandoned | Outcome::Native(_)) | Waited::TooLate => {}
                Waited::Cycle(keys) => return Err(LoadError::Cycle(keys)),
            }
        }
    }

    /// Runs a loader, with no lock held, if what it gives could be stored.
    fn run<R>(
        &self,
        lead: &Lead,
        key: KeyRef<'_>,
        ttl: Duration,
        loader: impl FnOnce() -> R,
    ) -> crate::Result<R> {
        key.check(self.space().limits().value)?;
        self.time().deadline_in(millis(ttl), "set")?;
        Ok(lead.run(loader))
    }

    /// Brings a load to its end: stores what the loader gave, and tells those who wait.
    fn fill<T, R: Encode, E: Display>(
        &self,
        lead: Lead,
        ttl: Duration,
        loaded: Result<T, E>,
        value: impl Fn(&T) -> Option<&R>,
    ) -> Result<T, LoadError<E>> {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                lead.fail(&error.to_string());
                return Err(LoadError::Loader(error));
            }
        };
        let limit = self.space().limits().value;
        let prepared = value(&loaded)
            .map(|value| encode(value, limit))
            .transpose()
            .and_then(|bytes| Ok((bytes, self.time().deadline_in(millis(ttl), "set")?)));
        match prepared {
            Ok((bytes, deadline)) => {
                let value = bytes.clone().map(Value::String);
                let kept = value.map_or(Kept::Nothing, |value| Kept::Value(value, Deadline::At(deadline)));
                lead.land(kept, Outcome::Loaded(bytes))?;
            }
            Err(error) => {
                lead.fail(&error.to_string());
                return Err(LoadError::Store(error));
            }
        }
        Ok(loaded)
    }
}

/// A hit does not ask the clock: that the deadline is within its range is seen when there is one.
fn check(ttl: Duration) -> crate::Result<()> {
    if millis(ttl) == 0 { Err(crate::Error::InvalidExpire("set")) } else { Ok(()) }
}

/// How the search for a value ended.
enum Seek<T> {
    Found(Option<T>),
    Lead(Lead),
}
