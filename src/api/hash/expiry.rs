//! Fields that expire.

use std::time::{Duration, SystemTime};

use super::{Hash, HashOptions};
use crate::api::handle::{decode_option, sought};
use crate::api::keys::{ExpiresAt, Ttl};
use crate::clock::{NEVER, millis};
use crate::command::hash::{self as fields, FieldExpiry};
use crate::command::keys::ExpireIf;
use crate::{Bytes, Decode, Element, Encode, Result};

/// # Fields that expire
/// A field's deadline is kept to the millisecond, and is gone when the field is set anew. A field is
/// never seen once it has expired, and the key goes with the last field. A deadline that has passed
/// (a time to live of zero, a time in the past) removes the field. One beyond what Redis can hold
/// (46 bits of milliseconds, the year 4199) gives [`Error::InvalidExpire`](crate::Error::InvalidExpire).
impl<F: Encode + Decode, V: Encode + Decode> Hash<'_, F, V> {
    /// Sets a field that expires `ttl` from now; true if it is new. Setting it again, by this or by
    /// [`insert`](Self::insert), replaces the deadline. `HSETEX` with `PX`, O(log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    ///
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(user.keys()?, ["name"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); [`Error::InvalidExpire`](crate::Error::InvalidExpire) for a
    /// deadline after the year 4199.
    #[doc(alias = "HSETEX")]
    pub fn insert_ex(&self, field: impl Element<F>, value: impl Element<V>, ttl: Duration) -> Result<bool> {
        Ok(self.insert_counted([(field, value)], HashOptions::new().expire_in(ttl))? == Some(1))
    }

    /// The value of a field, which then expires `ttl` from now; `None` if it is missing. A `ttl` under
    /// a millisecond removes it. `HGETEX` with `PX`, O(log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("token", "k7Yp")?;
    /// assert_eq!(user.get_and_expire("token", Duration::from_secs(60))?.as_deref(), Some("k7Yp"));
    /// assert_eq!(user.field_ttl("token")?, Ttl::Left(Duration::from_secs(60)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) for a deadline after the year 4199;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a field that does not encode;
    /// [`Error::Decode`](crate::Error::Decode) for a value that is no `V`, whose field has the deadline
    /// then.
    #[doc(alias = "HGETEX")]
    pub fn get_and_expire(&self, field: impl Element<F>, ttl: Duration) -> Result<Option<V>> {
        Ok(self.get_many_and_expire([field], ttl)?.pop().flatten())
    }

    /// The values of several fields at one instant, which then expire `ttl` from now; `None` for those
    /// that are missing. A `ttl` under a millisecond removes them. `HGETEX` with `PX`, O(fields * log
    /// n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// let counts = cart.get_many_and_expire(["apple", "pear"], Duration::from_secs(60))?;
    /// assert_eq!(counts, [Some(3), None]);
    /// assert_eq!(cart.field_ttl("apple")?, Ttl::Left(Duration::from_secs(60)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get_and_expire`](Self::get_and_expire).
    #[doc(alias = "HGETEX")]
    pub fn get_many_and_expire(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        ttl: Duration,
    ) -> Result<Vec<Option<V>>> {
        let deadline = fields::deadline_in(self.handle.db().time(), millis(ttl), "hgetex")?;
        self.get_and_time(sought(fields)?, deadline)
    }

    /// The values of several fields at one instant, which then expire at a wall time; `None` for those
    /// that are missing. A time that has passed removes them. `HGETEX` with `PXAT`, O(fields * log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpiresAt, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// let midnight = clock.now() + Duration::from_secs(3600);
    /// assert_eq!(cart.get_many_and_expire_at(["apple"], midnight)?, [Some(3)]);
    /// assert_eq!(cart.field_expires_at("apple")?, ExpiresAt::At(midnight));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get_and_expire`](Self::get_and_expire).
    #[doc(alias = "HGETEX")]
    pub fn get_many_and_expire_at(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        time: SystemTime,
    ) -> Result<Vec<Option<V>>> {
        let deadline = fields::deadline_at(self.handle.db().time(), time, "hgetex")?;
        self.get_and_time(sought(fields)?, deadline)
    }

    /// The value of a field, which then has no deadline; `None` if it is missing. `HGETEX` with
    /// `PERSIST`, O(log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Store, Ttl};
    ///
    /// let store = Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_ex("draft", "Dear Bob", Duration::from_secs(60))?;
    /// assert_eq!(user.get_and_persist("draft")?.as_deref(), Some("Dear Bob"));
    /// assert_eq!(user.field_ttl("draft")?, Ttl::Forever);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a field that does not encode;
    /// [`Error::Decode`](crate::Error::Decode) for a value that is no `V`, whose field has no deadline
    /// then.
    #[doc(alias = "HGETEX")]
    pub fn get_and_persist(&self, field: impl Element<F>) -> Result<Option<V>> {
        Ok(self.get_many_and_persist([field])?.pop().flatten())
    }

    /// The values of several fields at one instant, which then have no deadline; `None` for those that
    /// are missing. `HGETEX` with `PERSIST`, O(fields * log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Store, Ttl};
    ///
    /// let store = Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_ex("draft", "Dear Bob", Duration::from_secs(60))?;
    /// let drafts = user.get_many_and_persist(["draft", "mail"])?;
    /// assert_eq!(drafts, [Some("Dear Bob".to_owned()), None]);
    /// assert_eq!(user.field_ttl("draft")?, Ttl::Forever);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get_and_persist`](Self::get_and_persist).
    #[doc(alias = "HGETEX")]
    pub fn get_many_and_persist(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
    ) -> Result<Vec<Option<V>>> {
        self.get_and_time(sought(fields)?, NEVER)
    }

    /// Has a field expire `ttl` from now; tells what came of it. A `ttl` under a millisecond removes
    /// it. `HPEXPIRE`, O(log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{FieldExpiry, Store, Ttl};
    ///
    /// let store = Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("token", "k7Yp")?;
    /// assert_eq!(user.expire_field("token", Duration::from_secs(60))?, FieldExpiry::Set);
    /// assert_eq!(user.expire_field("nothing", Duration::from_secs(60))?, FieldExpiry::Missing);
    /// assert!(matches!(user.field_ttl("token")?, Ttl::Left(_)));
    /// assert_eq!(user.expire_field("token", Duration::ZERO)?, FieldExpiry::Removed);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) for a deadline after the year 4199;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a field that does not encode.
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_field(&self, field: impl Element<F>, ttl: Duration) -> Result<FieldExpiry> {
        Ok(first(self.expire_fields([field], ttl)?, FieldExpiry::Missing))
    }

    /// Has several fields expire `ttl` from now, in one step; tells what came of each, in their order.
    /// `HPEXPIRE`, O(fields * log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{FieldExpiry, Store};
    ///
    /// let store = Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("token", "k7Yp")?;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(user.expire_fields(["token", "mail"], minute)?, [FieldExpiry::Set, FieldExpiry::Missing]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`expire_field`](Self::expire_field).
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_fields(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        ttl: Duration,
    ) -> Result<Vec<FieldExpiry>> {
        self.expire_fields_if(fields, ttl, ExpireIf::Always)
    }

    /// [`expire_fields`](Self::expire_fields) under a condition on the deadline that each field has
    /// now. `HPEXPIRE` with `NX`, `XX`, `GT`, `LT`, O(fields * log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpireIf, FieldExpiry, Store};
    ///
    /// let store = Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// // Only those that expire already are given more time.
    /// let came = user.expire_fields_if(["name", "token"], Duration::from_secs(90), ExpireIf::Expiring)?;
    /// assert_eq!(came, [FieldExpiry::ConditionNotMet, FieldExpiry::Set]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`expire_field`](Self::expire_field).
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_fields_if(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        ttl: Duration,
        condition: ExpireIf,
    ) -> Result<Vec<FieldExpiry>> {
        let deadline = fields::deadline_in(self.handle.db().time(), millis(ttl), "hpexpire")?;
        self.time(fields, deadline, condition)
    }

    /// Has several fields expire at a wall time, in one step; tells what came of each, in their order.
    /// A time that has passed removes them. `HPEXPIREAT`, O(fields * log n).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use larder::{FieldExpiry, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_many([("name", "ann"), ("token", "k7Yp")])?;
    /// let midnight = clock.now() + Duration::from_secs(3600);
    /// assert_eq!(user.expire_fields_at(["token"], midnight)?, [FieldExpiry::Set]);
    /// assert_eq!(user.expire_fields_at(["name"], SystemTime::UNIX_EPOCH)?, [FieldExpiry::Removed]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`expire_field`](Self::expire_field).
    #[doc(alias = "HEXPIREAT")]
    #[doc(alias = "HPEXPIREAT")]
    pub fn expire_fields_at(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        time: SystemTime,
    ) -> Result<Vec<FieldExpiry>> {
        self.expire_fields_at_if(fields, time, ExpireIf::Always)
    }

    /// [`expire_fields_at`](Self::expire_fields_at) under a condition on the deadline that each field
    /// has now. `HPEXPIREAT` with `NX`, `XX`, `GT`, `LT`, O(fields * log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpireIf, FieldExpiry, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// let soon = clock.now() + Duration::from_secs(30);
    /// let came = user.expire_fields_at_if(["token"], soon, ExpireIf::Later)?;
    /// assert_eq!(came, [FieldExpiry::ConditionNotMet]);
    /// let came = user.expire_fields_at_if(["token"], soon, ExpireIf::Earlier)?;
    /// assert_eq!(came, [FieldExpiry::Set]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`expire_field`](Self::expire_field).
    #[doc(alias = "HEXPIREAT")]
    #[doc(alias = "HPEXPIREAT")]
    pub fn expire_fields_at_if(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        time: SystemTime,
        condition: ExpireIf,
    ) -> Result<Vec<FieldExpiry>> {
        let deadline = fields::deadline_at(self.handle.db().time(), time, "hpexpireat")?;
        self.time(fields, deadline, condition)
    }

    /// How long a field still lives, in whole milliseconds; [`Ttl`] says so too if it has no deadline
    /// or is missing. `HPTTL`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// clock.advance(Duration::from_secs(20));
    /// assert_eq!(user.field_ttl("token")?, Ttl::Left(Duration::from_secs(40)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a field that does not encode.
    #[doc(alias = "HTTL")]
    #[doc(alias = "HPTTL")]
    pub fn field_ttl(&self, field: impl Element<F>) -> Result<Ttl> {
        Ok(first(self.field_ttls([field])?, Ttl::Missing))
    }

    /// How long each of several fields still lives, in their order and at one instant. `HPTTL`,
    /// O(fields).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// let ttls = user.field_ttls(["name", "token", "mail"])?;
    /// assert_eq!(ttls, [Ttl::Forever, Ttl::Left(Duration::from_secs(60)), Ttl::Missing]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`field_ttl`](Self::field_ttl).
    #[doc(alias = "HTTL")]
    #[doc(alias = "HPTTL")]
    pub fn field_ttls(&self, fields: impl IntoIterator<Item = impl Element<F>>) -> Result<Vec<Ttl>> {
        let names = sought(fields)?;
        self.handle.read(|view, key| {
            let until = |deadline| Ttl::until(deadline, || view.now());
            let ttl = |deadline: Option<u64>| deadline.map_or(Ttl::Missing, until);
            Ok(fields::deadlines(view, key, &names)?.into_iter().map(ttl).collect())
        })
    }

    /// When a field expires: a wall time, or that it never does or is missing. `HPEXPIRETIME`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpiresAt, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// let due = clock.now() + Duration::from_secs(60);
    /// clock.advance(Duration::from_secs(20));
    /// assert_eq!(user.field_expires_at("token")?, ExpiresAt::At(due));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`field_ttl`](Self::field_ttl).
    #[doc(alias = "HEXPIRETIME")]
    #[doc(alias = "HPEXPIRETIME")]
    pub fn field_expires_at(&self, field: impl Element<F>) -> Result<ExpiresAt> {
        Ok(first(self.field_expirations([field])?, ExpiresAt::Missing))
    }

    /// When each of several fields expires, in their order and at one instant. `HPEXPIRETIME`,
    /// O(fields).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ExpiresAt, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// let due = ExpiresAt::At(clock.now() + Duration::from_secs(60));
    /// let at = user.field_expirations(["name", "token", "mail"])?;
    /// assert_eq!(at, [ExpiresAt::Never, due, ExpiresAt::Missing]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`field_ttl`](Self::field_ttl).
    #[doc(alias = "HEXPIRETIME")]
    #[doc(alias = "HPEXPIRETIME")]
    pub fn field_expirations(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
    ) -> Result<Vec<ExpiresAt>> {
        let names = sought(fields)?;
        self.handle.read(|view, key| {
            let at = |deadline| match deadline {
                None => ExpiresAt::Missing,
                Some(NEVER) => ExpiresAt::Never,
                Some(deadline) => ExpiresAt::At(view.space().wall_at(deadline)),
            };
            Ok(fields::deadlines(view, key, &names)?.into_iter().map(at).collect())
        })
    }

    /// Takes a field's deadline away; true if it had one. `HPERSIST`, O(log n).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Store, Ttl};
    ///
    /// let store = Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert_ex("draft", "Dear Bob", Duration::from_secs(60))?;
    /// assert!(user.persist_field("draft")?);
    /// assert!(!user.persist_field("draft")?);
    /// assert_eq!(user.field_ttl("draft")?, Ttl::Forever);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`field_ttl`](Self::field_ttl).
    #[doc(alias = "HPERSIST")]
    pub fn persist_field(&self, field: impl Element<F>) -> Result<bool> {
        Ok(first(self.persist_fields([field])?, false))
    }

    /// Takes the deadlines of several fields away in one step; for each, in their order, true if it had
    /// one. `HPERSIST`, O(fields * log n).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// user.insert_ex("draft", "Dear Bob", Duration::from_secs(60))?;
    /// assert_eq!(user.persist_fields(["name", "draft", "mail"])?, [false, true, false]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`field_ttl`](Self::field_ttl).
    #[doc(alias = "HPERSIST")]
    pub fn persist_fields(&self, fields: impl IntoIterator<Item = impl Element<F>>) -> Result<Vec<bool>> {
        let names = sought(fields)?;
        let old = self.handle.write(|writer, key| fields::persist(writer, key, &names))?;
        Ok(old.into_iter().map(|old| old.is_some_and(|old| old != NEVER)).collect())
    }

    fn time(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        deadline: u64,
        condition: ExpireIf,
    ) -> Result<Vec<FieldExpiry>> {
        let names = sought(fields)?;
        self.handle.write(|writer, key| fields::expire(writer, key, &names, deadline, &[condition]))
    }

    fn get_and_time(&self, names: Vec<Bytes>, deadline: u64) -> Result<Vec<Option<V>>> {
        let got = self.handle.write(|writer, key| fields::get_and_expire(writer, key, &names, deadline))?;
        got.into_iter().map(decode_option).collect()
    }
}

/// The answer for the one field that was asked about.
fn first<T>(answers: Vec<T>, otherwise: T) -> T {
    answers.into_iter().next().unwrap_or(otherwise)
}
