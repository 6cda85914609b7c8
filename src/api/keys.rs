//! Keys, whatever they hold.

use std::time::{Duration, SystemTime};

use super::Database;
use crate::clock::{NEVER, millis};
use crate::command::keys::{self, ExpireIf};
use crate::{Key, Result, Type};

/// How long a key still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// There is no such key.
    Missing,
    /// The key has no deadline.
    Forever,
    /// The key expires after this time, in whole milliseconds.
    Left(Duration),
}

/// When a key, or a field of a hash, expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiresAt {
    /// There is no such key or field.
    Missing,
    /// It has no deadline.
    Never,
    /// It expires at this wall time, in whole milliseconds.
    At(SystemTime),
}

impl Ttl {
    /// What is left until a deadline on the monotonic line.
    pub(super) fn until(deadline: u64, now: impl FnOnce() -> u64) -> Self {
        match deadline {
            NEVER => Ttl::Forever,
            deadline => Ttl::Left(Duration::from_millis(deadline.saturating_sub(now()))),
        }
    }
}

impl Database {
    /// Whether the key is there. `EXISTS`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(!store.contains("greeting")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "EXISTS")]
    pub fn contains<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read(&[key], |view| Ok(keys::exists(view, key)))
    }

    /// The type of the key's value; `None` if the key is missing. `TYPE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert_eq!(store.type_of("jobs")?, Some(larder::Type::List));
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "TYPE")]
    pub fn type_of<'k>(&self, key: impl Into<Key<'k>>) -> Result<Option<Type>> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read(&[key], |view| Ok(keys::kind(view, key)))
    }

    /// Removes a key; true if it was there. `DEL` and `UNLINK` in one: O(1), since the value is freed
    /// after the lock is.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// assert!(store.remove("greeting")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "DEL")]
    #[doc(alias = "UNLINK")]
    pub fn remove<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.write(&[key], |writer| Ok(keys::remove(writer, key)))
    }

    /// Has a key expire `ttl` from now, in whole milliseconds; false if the key is missing. A `ttl` of
    /// zero removes it. `PEXPIRE`, O(1).
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) if that is beyond the clock's range.
    #[doc(alias = "EXPIRE")]
    #[doc(alias = "PEXPIRE")]
    pub fn expire<'k>(&self, key: impl Into<Key<'k>>, ttl: Duration) -> Result<bool> {
        self.expire_if(key, ttl, ExpireIf::Always)
    }

    /// [`expire`](Self::expire) under a condition on the deadline that the key has now.
    pub fn expire_if<'k>(&self, key: impl Into<Key<'k>>, ttl: Duration, condition: ExpireIf) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        let deadline = match millis(ttl) {
            0 => 0,
            ttl => self.space().deadline_in(ttl, "expire")?,
        };
        self.write(&[key], |writer| Ok(keys::expire(writer, key, deadline, condition)))
    }

    /// How long a key still lives. `PTTL`, O(1).
    #[doc(alias = "TTL")]
    #[doc(alias = "PTTL")]
    pub fn ttl<'k>(&self, key: impl Into<Key<'k>>) -> Result<Ttl> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read(&[key], |view| {
            Ok(match keys::deadline(view, key) {
                None => Ttl::Missing,
                Some(None) => Ttl::Forever,
                Some(Some(deadline)) => Ttl::Left(Duration::from_millis(deadline.saturating_sub(view.now()))),
            })
        })
    }

    /// Takes a key's deadline away; true if it had one. `PERSIST`, O(1).
    #[doc(alias = "PERSIST")]
    pub fn persist<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.write(&[key], |writer| Ok(keys::persist(writer, key)))
    }
}
