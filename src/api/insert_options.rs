//! How a value is set: under which condition, and until when.

use std::time::{Duration, SystemTime};

use crate::clock::millis;
use crate::command::string::Condition;
use crate::keyspace::Keyspace;
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
    /// In any case, until it is removed.
    pub const fn new() -> Self {
        InsertOptions { condition: When::Always, until: Until::Removed }
    }

    /// Only if the key is missing (`NX`).
    #[doc(alias = "NX")]
    pub fn if_absent(mut self) -> Self {
        self.condition = When::Absent;
        self
    }

    /// Only if the key is there (`XX`).
    #[doc(alias = "XX")]
    pub fn if_present(mut self) -> Self {
        self.condition = When::Present;
        self
    }

    /// Only if the key holds this value (`IFEQ`).
    #[doc(alias = "IFEQ")]
    pub fn if_equal(mut self, value: impl IntoValue) -> Self {
        self.condition = When::Equal(sought(value));
        self
    }

    /// Only if the key holds another value than this, or is missing (`IFNE`).
    #[doc(alias = "IFNE")]
    pub fn if_not_equal(mut self, value: impl IntoValue) -> Self {
        self.condition = When::NotEqual(sought(value));
        self
    }

    /// The value expires after this time, at least a millisecond (`PX`).
    #[doc(alias = "EX")]
    #[doc(alias = "PX")]
    pub fn expire_in(mut self, ttl: Duration) -> Self {
        self.until = Until::In(ttl);
        self
    }

    /// The value expires at this time (`PXAT`). If that has passed, the key is removed; one
    /// before 1970-01-01 00:00:00.001 UTC is [`Error::InvalidExpire`](crate::Error::InvalidExpire), as in
    /// Redis.
    #[doc(alias = "EXAT")]
    #[doc(alias = "PXAT")]
    pub fn expire_at(mut self, time: SystemTime) -> Self {
        self.until = Until::At(time);
        self
    }

    /// The key keeps the deadline that it has (`KEEPTTL`).
    #[doc(alias = "KEEPTTL")]
    pub fn keep_ttl(mut self) -> Self {
        self.until = Until::Kept;
        self
    }

    /// The options as an operation takes them.
    pub(super) fn resolve(self, space: &Keyspace, command: &'static str) -> Result<(Condition, Deadline)> {
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
            Until::In(ttl) => Deadline::At(space.deadline_in(millis(ttl), command)?),
            Until::At(time) => Deadline::At(space.value_deadline_at(time, command)?),
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
