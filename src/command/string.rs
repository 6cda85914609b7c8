//! Strings: what SET, INCR and their kin mean.

use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Deadline, Writer};
use crate::text::number;
use crate::value::Value;
use crate::{Bytes, Error, Result};

/// GET
pub(crate) fn get(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<Bytes>> {
    Ok(view.find::<Bytes>(key)?.cloned())
}

/// SET, whatever the key held before.
pub(crate) fn set(writer: &mut Writer<'_>, key: KeyRef<'_>, value: Bytes, deadline: Deadline) -> Result<()> {
    if let Some(old) = writer.set(key, Value::String(value), deadline, KeyEvent::Set)? {
        writer.discard_value(old);
    }
    Ok(())
}

/// INCR, INCRBY, DECR, DECRBY: the new value.
pub(crate) fn increase(writer: &mut Writer<'_>, key: KeyRef<'_>, by: i64) -> Result<i64> {
    let increased = writer.update(key, Absent::Create, |string: &mut Bytes| {
        let old = if string.is_empty() { Some(0) } else { number::parse_i64(string) };
        let new = old.ok_or(Error::NotAnInteger)?.checked_add(by).ok_or(Error::Overflow)?;
        *string = number::decimal(new.into());
        Ok((new, Some(KeyEvent::IncrBy)))
    })?;
    Ok(increased.unwrap_or(by))
}
