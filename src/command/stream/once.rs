//! Messages that are added once, however often their producer sends them.

use super::{NewId, wall};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::writer::{Absent, Writer};
use crate::value::stream::{Retention, Stream, StreamId};
use crate::{Error, Result};

/// What a producer calls a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'m> {
    pub producer: &'m [u8],
    pub id: &'m [u8],
}

/// XADD with IDMP: the id of the entry, and whether it is new; `None` if there is no stream and none is to be made.
/// A stream that has heard of no producer keeps to that retention from now on.
///
/// # Errors
/// [`Error::Invalid`] if the stream has had the last id that there is.
pub(crate) fn add_once(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    message: Message<'_>,
    fields: &[(&[u8], &[u8])],
    absent: Absent,
    retention: Retention,
) -> Result<Option<(StreamId, bool)>> {
    let now = wall(writer);
    writer.admit(key, 0)?;
    writer.update(key, absent, |stream: &mut Stream| {
        let known = stream.producers().and_then(|known| known.get(message.producer, message.id, now));
        if let Some(id) = known {
            let producers = stream.producers_mut(retention);
            producers.duplicates = producers.duplicates.saturating_add(1);
            producers.expire(now);
            return Ok(((id, false), Some(KeyEvent::XPending)));
        }
        let id = NewId::Auto.resolve(stream.facts().last, now)?;
        stream.push(id, fields);
        let producers = stream.producers_mut(retention);
        producers.added = producers.added.saturating_add(1);
        producers.expire(now);
        producers.insert(message.producer, message.id, id);
        Ok(((id, true), Some(KeyEvent::XAdd)))
    })
}

/// XCFGSET: how long messages are known, and how many of each producer; what is not given stays as it is. If that
/// changes anything, all that are known are forgotten.
///
/// # Errors
/// [`Error::NoSuchKey`]
pub(crate) fn configure(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    default: Retention,
    change: impl FnOnce(Retention) -> Retention,
) -> Result<()> {
    let configured = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let before = stream.producers().map_or(default, |producers| producers.retention());
        stream.producers_mut(before).retain(change(before));
        Ok(((), Some(KeyEvent::XPending)))
    })?;
    configured.ok_or(Error::NoSuchKey)
}

/// XIDMPRECORD: an entry is known as that message from now on.
///
/// # Errors
/// [`Error::NoSuchKey`]; [`Error::Invalid`] if there is no such entry, or another one is known so.
pub(crate) fn record(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    message: Message<'_>,
    id: StreamId,
    retention: Retention,
) -> Result<()> {
    let now = wall(writer);
    let recorded = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        if stream.get(id).is_none() {
            return Err(Error::Invalid("The specified stream ID was deleted or doesn't exist"));
        }
        match stream.producers().and_then(|known| known.get(message.producer, message.id, now)) {
            Some(known) if known == id => return Ok(((), None)),
            Some(_) => {
                const OTHER: &str =
                    "The specified IDMP producer-id/idempotent-id pair maps to a different stream ID";
                return Err(Error::Invalid(OTHER));
            }
            None => (),
        }
        let producers = stream.producers_mut(retention);
        producers.added = producers.added.saturating_add(1);
        producers.expire(now);
        producers.insert(message.producer, message.id, id);
        // One that is over already is known to nobody.
        producers.expire(now);
        Ok(((), Some(KeyEvent::XPending)))
    })?;
    recorded.ok_or(Error::NoSuchKey)
}
