//! How a value is set: under which condition, and until when.

use std::time::{Duration, SystemTime};

use crate::clock::{Time, millis};
use crate::command::string::Condition;
use crate::keyspace::writer::Deadline;
use crate::{Bytes, Error, IntoValue, Result};

/// The options of [`Database::insert_with`](crate::Database::insert_with): a condition (the last one
/// said counts), and what becomes of the key's deadline. Without any, the value is set in any case,
/// and stays until it is removed.
///
/// ```
/// use std::time::Duration;
/// use larder::{InsertOptions, Store};
///
/// let store = Store::new();
/// store.insert("state", "idle")?;
/// let options = InsertOptions::new().if_equal("idle").expire_in(Duration::from_secs(5));
/// assert!(store.insert_with("state", "busy", options)?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct InsertOptions {
    condition: When,
    until: Until,
}

#[derive(Debug, Clone, Default)]
enum When {
    #[default]
    Always,
    Absent,
    Present,
    /// What failed to encode, and why, is an error of the operation.
    Equal(Result<Bytes, String>),
    NotEqual(Result<Bytes, String>),
}

#[derive(Debug, Clone, Copy, Default)]
enum Until {
    #[default]
    Removed,
    Kept,
    In(Duration),
    At(SystemTime),
}

impl InsertOptions {
    /// In any case, until it is removed: what [`insert`](crate::Database::insert) does. O(1), as are the
    /// methods below.
    ///
    /// ```
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// assert!(store.insert_with("state", "idle", InsertOptions::new())?);
    /// assert!(store.insert_with("state", "busy", InsertOptions::new())?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn new() -> Self {
        InsertOptions { condition: When::Always, until: Until::Removed }
    }

    /// Only if the key is missing (`NX`).
    ///
    /// ```
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// assert!(store.insert_with("leader", "ann", InsertOptions::new().if_absent())?);
    /// assert!(!store.insert_with("leader", "bob", InsertOptions::new().if_absent())?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "NX")]
    pub fn if_absent(mut self) -> Self {
        self.condition = When::Absent;
        self
    }

    /// Only if the key is there (`XX`).
    ///
    /// ```
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// assert!(!store.insert_with("leader", "ann", InsertOptions::new().if_present())?);
    /// assert!(!store.contains("leader")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "XX")]
    pub fn if_present(mut self) -> Self {
        self.condition = When::Present;
        self
    }

    /// Only if the key holds this value (`IFEQ`): the bytes are compared, as they would be stored.
    ///
    /// ```
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// store.insert("state", "idle")?;
    /// assert!(store.insert_with("state", "busy", InsertOptions::new().if_equal("idle"))?);
    /// assert!(!store.insert_with("state", "busy", InsertOptions::new().if_equal("idle"))?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "IFEQ")]
    pub fn if_equal(mut self, value: impl IntoValue) -> Self {
        self.condition = When::Equal(sought(value));
        self
    }

    /// Only if the key holds another value than this, or is missing (`IFNE`).
    ///
    /// ```
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// let unless_closed = || InsertOptions::new().if_not_equal("closed");
    /// assert!(store.insert_with("state", "closed", unless_closed())?);
    /// assert!(!store.insert_with("state", "open", unless_closed())?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "IFNE")]
    pub fn if_not_equal(mut self, value: impl IntoValue) -> Self {
        self.condition = When::NotEqual(sought(value));
        self
    }

    /// The value expires after this time, at least a millisecond (`PX`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{InsertOptions, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_with("lease", "ann", InsertOptions::new().expire_in(Duration::from_secs(5)))?;
    /// clock.advance(Duration::from_secs(5));
    /// assert!(!store.contains("lease")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "EX")]
    #[doc(alias = "PX")]
    pub fn expire_in(mut self, ttl: Duration) -> Self {
        self.until = Until::In(ttl);
        self
    }

    /// The value expires at this time (`PXAT`). If that has passed, the key is removed; one
    /// before 1970-01-01 00:00:00.001 UTC is [`Error::InvalidExpire`](crate::Error::InvalidExpire), as in
    /// Redis.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{InsertOptions, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let midnight = clock.now() + Duration::from_secs(3600);
    /// store.insert_with("offer", "half price", InsertOptions::new().expire_at(midnight))?;
    /// assert_eq!(store.expires_at("offer")?.time(), Some(midnight));
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "EXAT")]
    #[doc(alias = "PXAT")]
    pub fn expire_at(mut self, time: SystemTime) -> Self {
        self.until = Until::At(time);
        self
    }

    /// The key keeps the deadline that it has (`KEEPTTL`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{InsertOptions, Store, Ttl};
    ///
    /// let store = Store::new();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// store.insert_with("session:42", "bob", InsertOptions::new().keep_ttl())?;
    /// assert_ne!(store.ttl("session:42")?, Ttl::Forever);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "KEEPTTL")]
    pub fn keep_ttl(mut self) -> Self {
        self.until = Until::Kept;
        self
    }

    /// The options as an operation takes them.
    pub(super) fn resolve(self, time: Time<'_>, command: &'static str) -> Result<(Condition, Deadline)> {
        let condition = match self.condition {
            When::Always => Condition::Always,
            When::Absent => Condition::Absent,
            When::Present => Condition::Present,
            When::Equal(value) => Condition::Equal(value.map_err(Error::Encode)?),
            When::NotEqual(value) => Condition::NotEqual(value.map_err(Error::Encode)?),
        };
        let deadline = match self.until {
            Until::Removed => Deadline::Clear,
            Until::Kept => Deadline::Keep,
            Until::In(ttl) => Deadline::At(time.deadline_in(millis(ttl), command)?),
            Until::At(wall) => Deadline::At(time.value_deadline_at(wall, command)?),
        };
        Ok((condition, deadline))
    }
}

/// The bytes of a value that is compared with, or why there are none.
fn sought(value: impl IntoValue) -> Result<Bytes, String> {
    value.into_value().map_err(|error| match error {
        Error::Encode(why) => why,
        other => other.to_string(),
    })
}
