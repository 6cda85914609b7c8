//! Locks with an owner and a deadline.

use std::time::Duration;

use super::Store;
use crate::clock::millis;
use crate::command::lock;
use crate::{Bytes, Key, Result};

impl Store {
    /// Takes the lock at `key` for `ttl`, if it is free; `None` if it is held. Whoever holds it is
    /// known by a token, so nobody frees a lock that is no longer theirs; and if its holder never frees
    /// it, its time runs out. `SET NX PX`, O(1).
    ///
    /// Keep the result in a variable: a lock that is not kept is freed at once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let lock = store.try_lock("report", Duration::from_secs(30))?.expect("it is free");
    /// assert!(store.try_lock("report", Duration::from_secs(30))?.is_none());
    /// // ... make the report; if it takes longer than thought: lock.extend(..)
    /// assert!(lock.unlock()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) if `ttl` is under a millisecond or beyond
    /// the clock's range. Never [`Error::WrongType`](crate::Error::WrongType): a key of another type
    /// counts as a lock that is held.
    #[doc(alias = "redlock")]
    #[must_use = "a lock that is not kept is freed at once"]
    pub fn try_lock<'k>(&self, key: impl Into<Key<'k>>, ttl: Duration) -> Result<Option<Lock>> {
        let name = key.into().into_bytes();
        let rng = self.space().rng();
        let token = Bytes::from(format!("{:016x}{:016x}", rng.next(), rng.next()));
        let deadline = self.time().deadline_in(millis(ttl), "set")?;
        let key = self.key_ref(&name);
        let acquired =
            self.write_one(key, |writer, key| lock::acquire(writer, key, token.clone(), deadline))?;
        Ok(acquired.then(|| Lock { store: self.clone(), name, token }))
    }
}

/// A lock that was taken by [`Store::try_lock`]; freed when this is dropped, or if that is inside a
/// transaction of the store, when that has ended.
#[derive(Debug)]
#[must_use = "a lock that is not kept is freed at once"]
pub struct Lock {
    store: Store,
    name: Bytes,
    token: Bytes,
}

impl Lock {
    /// What tells this holder from all others: the value of the lock's key, 32 hexadecimal digits.
    /// O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Bytes, Store};
    ///
    /// let store = Store::new();
    /// let lock = store.try_lock("report", Duration::from_secs(30))?.expect("it is free");
    /// let holder: Option<Bytes> = store.get("report")?;
    /// assert_eq!(holder.as_deref(), Some(lock.token()));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// Has the lock last `ttl` from now; false if it is no longer held, and then nothing is changed.
    /// `PEXPIRE` for the token's holder, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let lock = store.try_lock("report", Duration::from_secs(30))?.expect("it is free");
    /// clock.advance(Duration::from_secs(20));
    /// assert!(lock.extend(Duration::from_secs(30))?);
    /// clock.advance(Duration::from_secs(20));
    /// assert!(store.try_lock("report", Duration::from_secs(30))?.is_none());
    /// clock.advance(Duration::from_secs(10));
    /// assert!(!lock.extend(Duration::from_secs(30))?); // too late
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) as for [`Store::try_lock`];
    /// [`Error::WrongType`](crate::Error::WrongType) if the key was given another type.
    pub fn extend(&self, ttl: Duration) -> Result<bool> {
        let deadline = self.store.time().deadline_in(millis(ttl), "set")?;
        let key = self.store.key_ref(&self.name);
        self.store.write_one(key, |writer, key| lock::extend(writer, key, &self.token, deadline))
    }

    /// Frees the lock; false if it was no longer held, because its time had run out: then others may
    /// have done meanwhile what it was to keep them from. `DELEX IFEQ`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let late = store.try_lock("report", Duration::from_secs(30))?.expect("it is free");
    /// clock.advance(Duration::from_secs(30));
    /// let lock = store.try_lock("report", Duration::from_secs(30))?.expect("its time has run out");
    /// assert!(!late.unlock()?); // leaves the other's lock alone
    /// assert!(lock.unlock()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key was given another type.
    pub fn unlock(self) -> Result<bool> {
        self.release()
    }

    fn release(&self) -> Result<bool> {
        let key = self.store.key_ref(&self.name);
        self.store.write_one(key, |writer, key| lock::release(writer, key, &self.token))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let (db, name, token) =
            (self.store.index(), std::mem::take(&mut self.name), std::mem::take(&mut self.token));
        self.store.space().when_free(move |space| {
            let key = space.key_ref(&name);
            // Nobody is left to tell, and a lock that is no longer held needs no freeing.
            let _ = space.write(db, &[key], |writer| lock::release(writer, key, &token));
        });
    }
}
