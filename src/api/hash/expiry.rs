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
    /// Sets a field that expires `ttl` from now; true if it is new. `HSETEX` with `PX`, O(log n).
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
    #[doc(alias = "HSETEX")]
    pub fn insert_ex(&self, field: impl Element<F>, value: impl Element<V>, ttl: Duration) -> Result<bool> {
        Ok(self.insert_counted([(field, value)], HashOptions::new().expire_in(ttl))? == Some(1))
    }

    /// The value of a field, which then expires `ttl` from now. `HGETEX` with `PX`, O(log n).
    #[doc(alias = "HGETEX")]
    pub fn get_and_expire(&self, field: impl Element<F>, ttl: Duration) -> Result<Option<V>> {
        Ok(self.get_many_and_expire([field], ttl)?.pop().flatten())
    }

    /// The values of several fields, which then expire `ttl` from now. `HGETEX` with `PX`,
    /// O(fields * log n).
    #[doc(alias = "HGETEX")]
    pub fn get_many_and_expire(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        ttl: Duration,
    ) -> Result<Vec<Option<V>>> {
        let deadline = fields::deadline_in(self.handle.db().space(), millis(ttl), "hgetex")?;
        self.get_and_time(sought(fields)?, deadline)
    }

    /// The values of several fields, which then expire at a wall time. `HGETEX` with `PXAT`,
    /// O(fields * log n).
    #[doc(alias = "HGETEX")]
    pub fn get_many_and_expire_at(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        time: SystemTime,
    ) -> Result<Vec<Option<V>>> {
        let deadline = fields::deadline_at(self.handle.db().space(), time, "hgetex")?;
        self.get_and_time(sought(fields)?, deadline)
    }

    /// The value of a field, which then has no deadline. `HGETEX` with `PERSIST`, O(log n).
    #[doc(alias = "HGETEX")]
    pub fn get_and_persist(&self, field: impl Element<F>) -> Result<Option<V>> {
        Ok(self.get_many_and_persist([field])?.pop().flatten())
    }

    /// The values of several fields, which then have no deadline. `HGETEX` with `PERSIST`,
    /// O(fields * log n).
    #[doc(alias = "HGETEX")]
    pub fn get_many_and_persist(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
    ) -> Result<Vec<Option<V>>> {
        self.get_and_time(sought(fields)?, NEVER)
    }

    /// Has a field expire `ttl` from now; tells what came of it. `HPEXPIRE`, O(log n).
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
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_field(&self, field: impl Element<F>, ttl: Duration) -> Result<FieldExpiry> {
        Ok(first(self.expire_fields([field], ttl)?, FieldExpiry::Missing))
    }

    /// Has several fields expire `ttl` from now; tells what came of each. `HPEXPIRE`,
    /// O(fields * log n).
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_fields(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        ttl: Duration,
    ) -> Result<Vec<FieldExpiry>> {
        self.expire_fields_if(fields, ttl, ExpireIf::Always)
    }

    /// [`expire_fields`](Self::expire_fields) under a condition on the deadline that each field has now.
    /// `HPEXPIRE` with `NX`, `XX`, `GT`, `LT`, O(fields * log n).
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_fields_if(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        ttl: Duration,
        condition: ExpireIf,
    ) -> Result<Vec<FieldExpiry>> {
        let deadline = fields::deadline_in(self.handle.db().space(), millis(ttl), "hpexpire")?;
        self.time(fields, deadline, condition)
    }

    /// Has several fields expire at a wall time; tells what came of each. `HPEXPIREAT`,
    /// O(fields * log n).
    #[doc(alias = "HEXPIREAT")]
    #[doc(alias = "HPEXPIREAT")]
    pub fn expire_fields_at(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        time: SystemTime,
    ) -> Result<Vec<FieldExpiry>> {
        self.expire_fields_at_if(fields, time, ExpireIf::Always)
    }

    /// [`expire_fields_at`](Self::expire_fields_at) under a condition on the deadline that each field has
    /// now. `HPEXPIREAT` with `NX`, `XX`, `GT`, `LT`, O(fields * log n).
    #[doc(alias = "HEXPIREAT")]
    #[doc(alias = "HPEXPIREAT")]
    pub fn expire_fields_at_if(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
        time: SystemTime,
        condition: ExpireIf,
    ) -> Result<Vec<FieldExpiry>> {
        let deadline = fields::deadline_at(self.handle.db().space(), time, "hpexpireat")?;
        self.time(fields, deadline, condition)
    }

    /// How long a field still lives. `HPTTL`, O(1).
    #[doc(alias = "HTTL")]
    #[doc(alias = "HPTTL")]
    pub fn field_ttl(&self, field: impl Element<F>) -> Result<Ttl> {
        Ok(first(self.field_ttls([field])?, Ttl::Missing))
    }

    /// How long each of several fields still lives. `HPTTL`, O(fields).
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

    /// When a field expires. `HPEXPIRETIME`, O(1).
    #[doc(alias = "HEXPIRETIME")]
    #[doc(alias = "HPEXPIRETIME")]
    pub fn field_expires_at(&self, field: impl Element<F>) -> Result<ExpiresAt> {
        Ok(first(self.field_expirations([field])?, ExpiresAt::Missing))
    }

    /// When each of several fields expires. `HPEXPIRETIME`, O(fields).
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
    #[doc(alias = "HPERSIST")]
    pub fn persist_field(&self, field: impl Element<F>) -> Result<bool> {
        Ok(first(self.persist_fields([field])?, false))
    }

    /// Takes the deadlines of several fields away; true for each that had one. `HPERSIST`,
    /// O(fields * log n).
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
        self.handle.write(|writer, key| fields::expire(writer, key, &names, deadline, condition))
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
