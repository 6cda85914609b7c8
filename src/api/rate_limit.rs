//! Rate limits.

use std::time::Duration;

use super::Database;
use crate::clock::millis;
use crate::command::rate_limit::{self, Verdict};
use crate::{Key, Result};

/// A rate limit that counts anew in each window: simple, and exact within a window; around the border
/// of two windows, up to twice the limit can pass.
///
/// ```
/// use std::time::Duration;
/// use larder::{FixedWindow, Store};
///
/// let store = Store::new();
/// let logins = FixedWindow::new(3, Duration::from_secs(60));
/// for _ in 0..3 {
///     assert!(logins.check(&store, "logins:ann")?.is_allowed());
/// }
/// assert!(!logins.check(&store, "logins:ann")?.is_allowed());
/// assert!(logins.check(&store, "logins:bob")?.is_allowed());
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedWindow {
    limit: u64,
    window: Duration,
}

impl FixedWindow {
    /// At most `limit` in each window, which starts with the first that is asked for; a window is at
    /// least a millisecond long. A limit of 0 allows nothing. O(1).
    pub const fn new(limit: u64, window: Duration) -> Self {
        FixedWindow { limit, window }
    }

    /// Asks for one, and counts it if it is allowed. O(1), atomic.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{FixedWindow, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let logins = FixedWindow::new(1, Duration::from_secs(60));
    /// assert!(logins.check(&store, "logins:ann")?.is_allowed());
    /// clock.advance(Duration::from_secs(20));
    /// let refused = logins.check(&store, "logins:ann")?;
    /// assert_eq!(refused.retry_after(), Some(Duration::from_secs(40)));
    /// clock.advance(Duration::from_secs(40));
    /// assert!(logins.check(&store, "logins:ann")?.is_allowed());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) or
    /// [`Error::NotAnInteger`](crate::Error::NotAnInteger) if the key is used for something else.
    pub fn check<'k>(&self, db: &Database, key: impl Into<Key<'k>>) -> Result<Permit> {
        self.check_many(db, key, 1)
    }

    /// Asks for several at once: all are allowed, or none is and none is counted. A count of 0 is
    /// always allowed, and tells how many remain. O(1), atomic.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{FixedWindow, Store};
    ///
    /// let store = Store::new();
    /// let mails = FixedWindow::new(5, Duration::from_secs(60));
    /// assert!(mails.check_many(&store, "mails:ann", 3)?.is_allowed());
    /// assert!(!mails.check_many(&store, "mails:ann", 3)?.is_allowed());
    /// assert_eq!(mails.check_many(&store, "mails:ann", 0)?.remaining(), 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn check_many<'k>(&self, db: &Database, key: impl Into<Key<'k>>, count: u64) -> Result<Permit> {
        let key = key.into();
        let (key, window) = (db.key_ref(&key), millis(self.window).max(1));
        db.write_one(key, |writer, key| rate_limit::fixed_window(writer, key, self.limit, window, count))
            .map(Permit::of)
    }
}

/// A rate limit without windows: a bucket that lets a burst through and then as many as drain from it,
/// evenly. It is the generic cell rate algorithm, which keeps one number a key.
///
/// ```
/// use std::time::Duration;
/// use larder::{ManualClock, Gcra, Store};
///
/// let clock = ManualClock::new();
/// let store = Store::builder().clock(&clock).build();
/// let requests = Gcra::new(10, Duration::from_secs(1)).burst(2);
/// assert!(requests.check(&store, "api:ann")?.is_allowed());
/// assert!(requests.check(&store, "api:ann")?.is_allowed());
/// let refused = requests.check(&store, "api:ann")?;
/// assert_eq!(refused.retry_after(), Some(Duration::from_millis(100)));
/// clock.advance(Duration::from_millis(100));
/// assert!(requests.check(&store, "api:ann")?.is_allowed());
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    interval: Duration,
    burst: u64,
}

impl Gcra {
    /// `limit` in each `period` on the long run, and no burst: they must be `period / limit` apart. A
    /// limit of 0 counts as 1; periods of over a year count as a year, and those of under `limit`
    /// nanoseconds as that many. O(1).
    pub fn new(limit: u32, period: Duration) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let interval = period.min(YEAR) / limit.max(1);
        Gcra { interval: interval.max(Duration::from_nanos(1)), burst: 1 }
    }

    /// Lets up to `burst` through at once, at least one and at most a million, after a time of rest.
    /// O(1).
    pub fn burst(self, burst: u32) -> Self {
        Gcra { burst: u64::from(burst.clamp(1, 1_000_000)), ..self }
    }

    /// Asks for one, and counts it if it is allowed. O(1), atomic.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Gcra, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let requests = Gcra::new(10, Duration::from_secs(1));
    /// assert!(requests.check(&store, "api:ann")?.is_allowed());
    /// clock.advance(Duration::from_millis(70));
    /// let refused = requests.check(&store, "api:ann")?;
    /// assert_eq!(refused.retry_after(), Some(Duration::from_millis(30)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) or
    /// [`Error::NotAnInteger`](crate::Error::NotAnInteger) if the key is used for something else.
    pub fn check<'k>(&self, db: &Database, key: impl Into<Key<'k>>) -> Result<Permit> {
        self.check_many(db, key, 1)
    }

    /// Asks for several at once: all are allowed, or none is and none is counted. More than the burst
    /// are never allowed. A count of 0 counts nothing, and tells how many remain. O(1), atomic.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Gcra, Store};
    ///
    /// let store = Store::new();
    /// let uploads = Gcra::new(10, Duration::from_secs(60)).burst(5);
    /// assert_eq!(uploads.check_many(&store, "uploads:ann", 6)?.retry_after(), None);
    /// assert!(uploads.check_many(&store, "uploads:ann", 5)?.is_allowed());
    /// assert_eq!(uploads.check_many(&store, "uploads:ann", 0)?.remaining(), 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn check_many<'k>(&self, db: &Database, key: impl Into<Key<'k>>, count: u64) -> Result<Permit> {
        let key = key.into();
        let (key, interval) = (db.key_ref(&key), self.interval.as_nanos());
        db.write_one(key, |writer, key| rate_limit::gcra(writer, key, interval, self.burst, count))
            .map(Permit::of)
    }
}

/// What a rate limit said: whether it may be done, and what to tell who asks (as in the headers
/// `RateLimit` and `Retry-After`).
///
/// ```
/// use std::time::Duration;
/// use larder::{FixedWindow, ManualClock, Store};
///
/// let store = Store::builder().clock(&ManualClock::new()).build();
/// let logins = FixedWindow::new(3, Duration::from_secs(60));
/// let permit = logins.check(&store, "logins:ann")?;
/// assert!(permit.is_allowed());
/// assert_eq!(permit.remaining(), 2);
/// assert_eq!(permit.retry_after(), Some(Duration::ZERO));
/// assert_eq!(permit.reset_after(), Duration::from_secs(60));
///
/// logins.check_many(&store, "logins:ann", 2)?;
/// let refused = logins.check(&store, "logins:ann")?;
/// assert!(!refused.is_allowed());
/// assert_eq!(refused.retry_after(), Some(Duration::from_secs(60)));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    allowed: bool,
    remaining: u64,
    retry_after: Option<Duration>,
    reset_after: Duration,
}

impl Permit {
    fn of(verdict: Verdict) -> Self {
        let duration = |nanos: u128| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Permit {
            allowed: verdict.allowed,
            remaining: verdict.remaining,
            retry_after: verdict.retry_after.map(duration),
            reset_after: duration(verdict.reset_after),
        }
    }

    /// Whether it may be done. O(1).
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// How many more may be done right now. O(1).
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// How long to wait before asking again: zero if it was allowed, `None` if so many are never
    /// allowed at once. O(1).
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How long until the limit is as if nothing had been done. O(1).
    pub fn reset_after(&self) -> Duration {
        self.reset_after
    }
}
