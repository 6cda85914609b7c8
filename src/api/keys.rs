//! Keys, whatever they hold.

use std::time::{Duration, SystemTime};

use super::{Database, names};
use crate::clock::{NEVER, millis};
use crate::command::keys::{self, Existing, ExpireIf};
use crate::{Error, Key, Result, Type};

/// How long a key, or a field of a hash, still lives.
///
/// ```
/// use std::time::Duration;
/// use larder::{ManualClock, Store, Ttl};
///
/// let store = Store::builder().clock(&ManualClock::new()).build();
/// store.insert("answer", 42)?;
/// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
/// assert_eq!(store.ttl("answer")?, Ttl::Forever);
/// assert_eq!(store.ttl("session:42")?, Ttl::Left(Duration::from_secs(30)));
/// assert_eq!(store.ttl("nothing")?, Ttl::Missing);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// There is no such key or field.
    Missing,
    /// It has no deadline.
    Forever,
    /// It expires after this time, in whole milliseconds.
    Left(Duration),
}

/// When a key, or a field of a hash, expires.
///
/// Given by [`Database::expires_at`], with an example there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiresAt {
    /// There is no such key or field.
    Missing,
    /// It has no deadline.
    Never,
    /// It expires at this wall time, in whole milliseconds.
    At(SystemTime),
}

/// How a key is copied; without options within the database, and not over a key that is there.
///
/// ```
/// use larder::{CopyOptions, Store};
///
/// let store = Store::new();
/// store.insert("greeting", "hello")?;
/// assert!(store.copy_with("greeting", "greeting", CopyOptions::new().to_db(3))?);
/// assert!(store.db(3)?.contains("greeting")?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct CopyOptions {
    replace: bool,
    db: Option<u16>,
}

impl CopyOptions {
    /// Within the database, and not over a key that is there: what [`copy`](Database::copy) does. O(1)
    ///
    /// ```
    /// use larder::{CopyOptions, Store};
    ///
    /// let store = Store::new();
    /// assert!(!store.copy_with("missing", "page", CopyOptions::new())?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn new() -> Self {
        CopyOptions { replace: false, db: None }
    }

    /// A key of that name is replaced (`REPLACE`). O(1)
    ///
    /// ```
    /// use larder::{CopyOptions, Store};
    ///
    /// let store = Store::new();
    /// store.insert_many([("draft", "new"), ("page", "old")])?;
    /// assert!(!store.copy("draft", "page")?);
    /// assert!(store.copy_with("draft", "page", CopyOptions::new().replace())?);
    /// assert_eq!(store.get::<String>("page")?.as_deref(), Some("new"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// The copy goes into this database (`DB`). O(1)
    ///
    /// ```
    /// use larder::{CopyOptions, Store};
    ///
    /// let store = Store::new();
    /// store.insert("page", "hello")?;
    /// assert!(store.copy_with("page", "page", CopyOptions::new().to_db(1))?);
    /// assert_eq!(store.db(1)?.get::<String>("page")?.as_deref(), Some("hello"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn to_db(mut self, index: u16) -> Self {
        self.db = Some(index);
        self
    }
}

impl Ttl {
    /// The time left; `None` where there is no deadline, or no such key. O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// assert_eq!(store.ttl("session:42")?.left(), Some(Duration::from_secs(30)));
    /// assert_eq!(store.ttl("nothing")?.left(), None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn left(self) -> Option<Duration> {
        match self {
            Ttl::Left(left) => Some(left),
            Ttl::Missing | Ttl::Forever => None,
        }
    }

    /// What is left until a deadline on the monotonic line.
    pub(super) fn until(deadline: u64, now: impl FnOnce() -> u64) -> Self {
        match deadline {
            NEVER => Ttl::Forever,
            deadline => Ttl::Left(Duration::from_millis(deadline.saturating_sub(now()))),
        }
    }
}

impl ExpiresAt {
    /// The wall time; `None` where there is no deadline, or no such key. O(1).
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use larder::{ManualClock, Store};
    ///
    /// let start = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    /// let store = Store::builder().clock(&ManualClock::starting_at(start)).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// assert_eq!(store.expires_at("session:42")?.time(), Some(start + Duration::from_secs(30)));
    /// assert_eq!(store.expires_at("nothing")?.time(), None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn time(self) -> Option<SystemTime> {
        match self {
            ExpiresAt::At(time) => Some(time),
            ExpiresAt::Missing | ExpiresAt::Never => None,
        }
    }
}

impl Database {
    /// Whether the key is there, whatever it holds; one that has expired is not. `EXISTS`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(!store.contains("jobs")?);
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert!(store.contains("jobs")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "EXISTS")]
    pub fn contains<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read_one(key, |view, key| Ok(keys::exists(view, key)))
    }

    /// For each of these keys, in their order, whether it is there: as it is at one instant. `EXISTS`
    /// with several keys (which only counts them), O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("a", 1)?;
    /// assert_eq!(store.contains_many(["a", "b"])?, [true, false]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "EXISTS")]
    pub fn contains_many<'k>(&self, keys: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<bool>> {
        let names = names(keys);
        let keys = self.key_refs(&names);
        self.read(&keys, |view| Ok(keys.iter().map(|key| keys::exists(view, *key)).collect()))
    }

    /// How many of these keys are there, one that is named twice counted twice; each counts as a read
    /// of it in [`Stats`](crate::Stats). `TOUCH`, O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("a", 1)?;
    /// assert_eq!(store.touch(["a", "a", "b"])?, 2);
    /// let stats = store.stats()?;
    /// assert_eq!((stats.hits, stats.misses), (2, 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "TOUCH")]
    #[doc(alias = "EXISTS")]
    pub fn touch<'k>(&self, keys: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<usize> {
        let names = names(keys);
        let keys = self.key_refs(&names);
        self.read(&keys, |view| Ok(keys::count(view, &keys)))
    }

    /// The type of the key's value; `None` if the key is missing. `TYPE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert_eq!(store.type_of("jobs")?, Some(larder::Type::List));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "TYPE")]
    pub fn type_of<'k>(&self, key: impl Into<Key<'k>>) -> Result<Option<Type>> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read_one(key, |view, key| Ok(keys::kind(view, key)))
    }

    /// Removes a key, whatever it holds; true if it was there. `DEL` and `UNLINK` in one: O(1) under the
    /// lock, since the value is freed after that is let go.
    ///
    /// A missing key is no error, but even then a load of it that is under way is not stored: see
    /// [`Store::get_or_load`](crate::Store::get_or_load).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.list::<u32>("numbers").extend_back([1, 2, 3])?;
    /// assert!(store.remove("numbers")?);
    /// assert!(!store.remove("numbers")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "DEL")]
    #[doc(alias = "UNLINK")]
    pub fn remove<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.write_one(key, |writer, key| Ok(keys::remove(writer, key)))
    }

    /// Removes several keys, as one; gives how many were there. `DEL` and `UNLINK`, O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("a", 1)?;
    /// assert_eq!(store.remove_many(["a", "b"])?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "DEL")]
    #[doc(alias = "UNLINK")]
    pub fn remove_many<'k>(&self, keys: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<usize> {
        let names = names(keys);
        let keys = self.key_refs(&names);
        self.write(&keys, |writer| Ok(keys::remove_many(writer, &keys)))
    }

    /// Gives a key another name, under which a key that was there is replaced. Its deadline goes with
    /// it. `RENAME`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("draft", "new"), ("page", "old")])?;
    /// store.rename("draft", "page")?;
    /// assert_eq!(store.get::<String>("page")?.as_deref(), Some("new"));
    /// assert!(!store.contains("draft")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchKey`] if there is no key to rename; [`Error::TooLong`] for the new name.
    #[doc(alias = "RENAME")]
    pub fn rename<'f, 't>(&self, from: impl Into<Key<'f>>, to: impl Into<Key<'t>>) -> Result<()> {
        self.rename_to(from.into(), to.into(), Existing::Replaced).map(drop)
    }

    /// Gives a key another name if there is no key of that name; true if there was none. Its deadline
    /// goes with it. `RENAMENX`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("draft", "new"), ("page", "old")])?;
    /// assert!(!store.rename_if_absent("draft", "page")?);
    /// assert!(store.rename_if_absent("draft", "page:2")?);
    /// assert_eq!(store.get_many::<String>(["page", "page:2"])?, [Some("old".into()), Some("new".into())]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`rename`](Self::rename).
    #[doc(alias = "RENAMENX")]
    pub fn rename_if_absent<'f, 't>(&self, from: impl Into<Key<'f>>, to: impl Into<Key<'t>>) -> Result<bool> {
        self.rename_to(from.into(), to.into(), Existing::Kept)
    }

    /// Copies a key and its deadline to another name; false, and nothing is done, if the key is missing
    /// or one of that name is there. `COPY`, O(1): a collection is shared, and copied bit by bit as
    /// one of the two is changed.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert!(store.copy("jobs", "backup")?);
    /// assert_eq!(store.list::<String>("backup").len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::SameKey`] for a copy over itself; [`Error::TooLong`] for the new name.
    #[doc(alias = "COPY")]
    pub fn copy<'f, 't>(&self, from: impl Into<Key<'f>>, to: impl Into<Key<'t>>) -> Result<bool> {
        self.copy_with(from, to, CopyOptions::new())
    }

    /// [`copy`](Self::copy) over a key that is there, or into another database. `COPY`, O(1).
    ///
    /// ```
    /// use larder::{CopyOptions, Store};
    ///
    /// let store = Store::new();
    /// store.insert_many([("draft", "new"), ("page", "old")])?;
    /// assert!(store.copy_with("draft", "page", CopyOptions::new().replace())?);
    /// assert!(store.copy_with("draft", "draft", CopyOptions::new().to_db(1))?);
    /// assert_eq!(store.get::<String>("page")?.as_deref(), Some("new"));
    /// assert!(store.db(1)?.contains("draft")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`copy`](Self::copy); [`Error::NoSuchDatabase`] for a number that the store has not.
    #[doc(alias = "COPY")]
    pub fn copy_with<'f, 't>(
        &self,
        from: impl Into<Key<'f>>,
        to: impl Into<Key<'t>>,
        options: CopyOptions,
    ) -> Result<bool> {
        let (from, to) = (from.into(), to.into());
        let (from, to) = (self.key_ref(&from), self.key_ref(&to));
        let db = self.check_index(options.db.unwrap_or(self.index()))?;
        let existing = if options.replace { Existing::Replaced } else { Existing::Kept };
        self.write(&[from, to], |writer| keys::copy(writer, from, db, to, existing))
    }

    /// Moves a key and its deadline to another database; false, and nothing is done, if the key is
    /// missing, or is there already. `MOVE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// assert!(store.move_to_db("greeting", 3)?);
    /// assert!(store.db(3)?.contains("greeting")?);
    /// assert!(!store.contains("greeting")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::SameKey`] if that database is this one; [`Error::NoSuchDatabase`] for a number that the
    /// store has not.
    #[doc(alias = "MOVE")]
    pub fn move_to_db<'k>(&self, key: impl Into<Key<'k>>, index: u16) -> Result<bool> {
        let key = key.into();
        let (key, db) = (self.key_ref(&key), self.check_index(index)?);
        self.write_one(key, |writer, key| keys::move_to(writer, key, db))
    }

    /// Has a key expire `ttl` from now, cut to whole milliseconds; false if the key is missing. A `ttl` of
    /// zero removes it. `PEXPIRE`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert!(store.expire("jobs", Duration::from_secs(30))?);
    /// assert!(!store.expire("nothing", Duration::from_secs(30))?);
    /// clock.advance(Duration::from_secs(30));
    /// assert!(!store.contains("jobs")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`] if that is beyond the clock's range.
    #[doc(alias = "EXPIRE")]
    #[doc(alias = "PEXPIRE")]
    pub fn expire<'k>(&self, key: impl Into<Key<'k>>, ttl: Duration) -> Result<bool> {
        self.expire_if(key, ttl, ExpireIf::Always)
    }

    /// [`expire`](Self::expire) under a condition on the deadline that the key has now; false if it is not
    /// met. `PEXPIRE` with `NX`, `XX`, `GT` or `LT`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpireIf, Store};
    ///
    /// let (short, long) = (Duration::from_secs(10), Duration::from_secs(60));
    /// let store = Store::new();
    /// store.insert_ex("session:42", "ann", short)?;
    /// assert!(store.expire_if("session:42", long, ExpireIf::Later)?);
    /// assert!(!store.expire_if("session:42", short, ExpireIf::Later)?);
    ///
    /// store.insert("answer", 42)?; // no deadline counts as the latest
    /// assert!(!store.expire_if("answer", long, ExpireIf::Later)?);
    /// assert!(store.expire_if("answer", long, ExpireIf::Forever)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`expire`](Self::expire).
    #[doc(alias = "EXPIRE")]
    #[doc(alias = "PEXPIRE")]
    pub fn expire_if<'k>(&self, key: impl Into<Key<'k>>, ttl: Duration, condition: ExpireIf) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        let deadline = match millis(ttl) {
            0 => 0,
            ttl => self.time().deadline_in(ttl, "pexpire")?,
        };
        self.write_one(key, |writer, key| Ok(keys::expire(writer, key, deadline, condition)))
    }

    /// Has a key expire at a wall time, cut to whole milliseconds; false if the key is missing. A time that
    /// has passed removes it. `PEXPIREAT`, O(1).
    ///
    /// The time is turned into a time to live when this is called: a later step of the system's clock
    /// does not move it.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let store = larder::Store::new();
    /// store.insert("offer", "half price")?;
    /// assert!(store.expire_at("offer", SystemTime::now() + Duration::from_secs(3600))?);
    /// assert!(store.contains("offer")?);
    /// assert!(store.expire_at("offer", SystemTime::UNIX_EPOCH)?);
    /// assert!(!store.contains("offer")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`] if that is beyond the clock's range.
    #[doc(alias = "EXPIREAT")]
    #[doc(alias = "PEXPIREAT")]
    pub fn expire_at<'k>(&self, key: impl Into<Key<'k>>, time: SystemTime) -> Result<bool> {
        self.expire_at_if(key, time, ExpireIf::Always)
    }

    /// [`expire_at`](Self::expire_at) under a condition on the deadline that the key has now; false if it is
    /// not met. `PEXPIREAT` with `NX`, `XX`, `GT` or `LT`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpireIf, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("offer", "half price", Duration::from_secs(3600))?;
    /// let in_a_minute = clock.now() + Duration::from_secs(60);
    /// assert!(!store.expire_at_if("offer", in_a_minute, ExpireIf::Forever)?);
    /// assert!(store.expire_at_if("offer", in_a_minute, ExpireIf::Earlier)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`expire_at`](Self::expire_at).
    #[doc(alias = "EXPIREAT")]
    #[doc(alias = "PEXPIREAT")]
    pub fn expire_at_if<'k>(
        &self,
        key: impl Into<Key<'k>>,
        time: SystemTime,
        condition: ExpireIf,
    ) -> Result<bool> {
        let key = key.into();
        let (key, deadline) = (self.key_ref(&key), self.time().deadline_at(time, "pexpireat")?);
        self.write_one(key, |writer, key| Ok(keys::expire(writer, key, deadline, condition)))
    }

    /// How long a key still lives, in whole milliseconds. `PTTL`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(10));
    /// assert_eq!(store.ttl("session:42")?, Ttl::Left(Duration::from_secs(20)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "TTL")]
    #[doc(alias = "PTTL")]
    pub fn ttl<'k>(&self, key: impl Into<Key<'k>>) -> Result<Ttl> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read_one(key, |view, key| {
            let deadline = keys::deadline(view, key);
            let left = deadline.map_or(Ttl::Missing, |deadline| Ttl::until(deadline, || view.now()));
            // Its time has come since it was found.
            Ok(if left == Ttl::Left(Duration::ZERO) { Ttl::Missing } else { left })
        })
    }

    /// When a key expires, by the wall clock. `PEXPIRETIME`, O(1).
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use larder::{ExpiresAt, ManualClock, Store};
    ///
    /// let start = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    /// let store = Store::builder().clock(&ManualClock::starting_at(start)).build();
    /// store.insert("answer", 42)?;
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// assert_eq!(store.expires_at("answer")?, ExpiresAt::Never);
    /// assert_eq!(store.expires_at("session:42")?, ExpiresAt::At(start + Duration::from_secs(30)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "EXPIRETIME")]
    #[doc(alias = "PEXPIRETIME")]
    pub fn expires_at<'k>(&self, key: impl Into<Key<'k>>) -> Result<ExpiresAt> {
        let key = key.into();
        let key = self.key_ref(&key);
        Ok(match self.read_one(key, |view, key| Ok(keys::deadline(view, key)))? {
            None => ExpiresAt::Missing,
            Some(NEVER) => ExpiresAt::Never,
            Some(deadline) => ExpiresAt::At(self.space().wall_at(deadline)),
        })
    }

    /// Takes a key's deadline away; true if it had one. `PERSIST`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Store, Ttl};
    ///
    /// let store = Store::new();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// assert!(store.persist("session:42")?);
    /// assert!(!store.persist("session:42")?);
    /// assert_eq!(store.ttl("session:42")?, Ttl::Forever);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`], [`Error::Undeclared`].
    #[doc(alias = "PERSIST")]
    pub fn persist<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.write_one(key, |writer, key| Ok(keys::persist(writer, key)))
    }

    fn rename_to(&self, from: Key<'_>, to: Key<'_>, existing: Existing) -> Result<bool> {
        let (from, to) = (self.key_ref(&from), self.key_ref(&to));
        self.write(&[from, to], |writer| keys::rename(writer, from, to, existing))
    }

    fn check_index(&self, index: u16) -> Result<u16> {
        if index < self.space().limits().databases { Ok(index) } else { Err(Error::NoSuchDatabase) }
    }
}
