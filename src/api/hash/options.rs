//! How fields are set: under which condition, and until when.

use std::time::{Duration, SystemTime};

use crate::Result;
use crate::clock::{Time, millis};
use crate::command::hash::{self, FieldsIf};
use crate::keyspace::writer::Deadline;

/// The options of [`Hash::insert_with`](crate::Hash::insert_with): a condition, what becomes of the
/// fields' deadlines, and a deadline for the whole key. Without any, the fields are set in any case
/// and have no deadline, and the key keeps its own.
///
/// ```
/// use std::time::Duration;
/// use larder::{HashOptions, Store};
///
/// let store = Store::new();
/// let session = store.hash::<String, String>("session:42");
/// let options = HashOptions::new().if_absent().expire_key_in(Duration::from_secs(1800));
/// assert!(session.insert_with([("user", "ann"), ("lang", "en")], options)?);
/// assert!(!session.insert_with([("user", "bob")], options)?);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// ```
/// use std::time::Duration;
/// use larder::{HashOptions, ManualClock, Store, Ttl};
///
/// let store = Store::builder().clock(&ManualClock::new()).build();
/// let user = store.hash::<String, String>("user:1");
/// user.insert_with([("token", "k7Yp")], HashOptions::new().expire_in(Duration::from_secs(60)))?;
/// // A new value for a field that must be there, under the deadline that it has:
/// assert!(user.insert_with([("token", "x3Qa")], HashOptions::new().if_present().keep_ttl())?);
/// assert_eq!(user.field_ttl("token")?, Ttl::Left(Duration::from_secs(60)));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct HashOptions {
    condition: FieldsIf,
    until: Until,
    key_ttl: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Until {
    #[default]
    Removed,
    Kept,
    In(Duration),
    At(SystemTime),
}

impl HashOptions {
    /// The fields are set in any case and then have no deadline; the key keeps its own.
    pub fn new() -> Self {
        HashOptions::default()
    }

    /// Sets the fields only if the hash has none of them (`FNX`).
    #[doc(alias = "FNX")]
    pub fn if_absent(mut self) -> Self {
        self.condition = FieldsIf::Absent;
        self
    }

    /// Sets the fields only if the hash has all of them (`FXX`).
    #[doc(alias = "FXX")]
    pub fn if_present(mut self) -> Self {
        self.condition = FieldsIf::Present;
        self
    }

    /// Each of the fields expires after this time (`PX`); one under a millisecond removes them.
    /// Replaces [`expire_at`](Self::expire_at) and [`keep_ttl`](Self::keep_ttl).
    #[doc(alias = "EX")]
    #[doc(alias = "PX")]
    pub fn expire_in(mut self, ttl: Duration) -> Self {
        self.until = Until::In(ttl);
        self
    }

    /// Each of the fields expires at this time (`PXAT`); one that has passed removes them. Replaces
    /// [`expire_in`](Self::expire_in) and [`keep_ttl`](Self::keep_ttl).
    #[doc(alias = "EXAT")]
    #[doc(alias = "PXAT")]
    pub fn expire_at(mut self, time: SystemTime) -> Self {
        self.until = Until::At(time);
        self
    }

    /// Fields that have a deadline keep it (`KEEPTTL`). Replaces [`expire_in`](Self::expire_in) and
    /// [`expire_at`](Self::expire_at).
    #[doc(alias = "KEEPTTL")]
    pub fn keep_ttl(mut self) -> Self {
        self.until = Until::Kept;
        self
    }

    /// The whole key expires after this time, if the fields are set; one under a millisecond removes
    /// it.
    pub fn expire_key_in(mut self, ttl: Duration) -> Self {
        self.key_ttl = Some(ttl);
        self
    }

    /// The options as the operations take them: the condition, the fields' deadline, the key's.
    pub(super) fn resolve(self, time: Time<'_>) -> Result<(FieldsIf, Deadline, Option<u64>)> {
        let deadline = match self.until {
            Until::Removed => Deadline::Clear,
            Until::Kept => Deadline::Keep,
            Until::In(ttl) => Deadline::At(hash::deadline_in(time, millis(ttl), "hsetex")?),
            Until::At(wall) => Deadline::At(hash::deadline_at(time, wall, "hsetex")?),
        };
        let key_deadline = match self.key_ttl.map(millis) {
            None => None,
            Some(0) => Some(0),
            Some(ttl) => Some(time.deadline_in(ttl, "pexpire")?),
        };
        Ok((self.condition, deadline, key_deadline))
    }
}
