//! Messages that are added once: XADD's IDMP and IDMPAUTO, XCFGSET, XIDMPRECORD.

use super::parse::{Producer, strict_id};
use super::{Absent, Answer, Call, ErrorReply, Reply, StreamId, is, stream};
use crate::Result;
use crate::key::KeyRef;
use crate::keyspace::writer::Writer;
use crate::table::config::value;
use crate::text::number::parse_i64;
use crate::value::stream::{Retention, message_of};

/// A message of XADD's, to be added once.
pub(super) struct Once<'c> {
    producer: &'c [u8],
    named: Named<'c>,
    retention: Retention,
}

enum Named<'c> {
    ByProducer(&'c [u8]),
    ByFields([u8; 16]),
}

impl<'c> Once<'c> {
    pub(super) fn new(producer: Producer<'c>, fields: &[(&[u8], &[u8])], retention: Retention) -> Self {
        let named = producer.message.map_or_else(|| Named::ByFields(message_of(fields)), Named::ByProducer);
        Once { producer: producer.name, named, retention }
    }

    pub(super) fn add(
        &self,
        writer: &mut Writer<'_>,
        key: KeyRef<'_>,
        fields: &[(&[u8], &[u8])],
        absent: Absent,
    ) -> Result<Option<(StreamId, bool)>> {
        let id = match &self.named {
            Named::ByProducer(id) => id,
            Named::ByFields(id) => &id[..],
        };
        let message = stream::Message { producer: self.producer, id };
        stream::add_once(writer, key, message, fields, absent, self.retention)
    }
}

/// What holds for a stream that has heard of no producer: Redis settles it when the stream is made, and this here
/// when the first producer comes.
pub(super) fn retention(call: &Call<'_>) -> Retention {
    let number = |name| parse_i64(&value(call.space(), name)).and_then(|number| u32::try_from(number).ok());
    let both = number("stream-idmp-duration").zip(number("stream-idmp-maxsize"));
    both.and_then(|(seconds, messages)| Retention::new(seconds, messages)).unwrap_or_default()
}

/// XCFGSET
pub(super) fn configure(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (mut seconds, mut messages) = (None, None);
    if call.args.is_empty() {
        return Err(ErrorReply::known("ERR At least one parameter must be specified"));
    }
    while let Some(word) = call.args.take() {
        let has_more = !call.args.is_empty();
        if is(word, "IDMP-DURATION") && has_more {
            let given = u32::try_from(call.args.integer()?).ok();
            let given = given.filter(|given| Retention::SECONDS.contains(given));
            const BEYOND: ErrorReply =
                ErrorReply::known("ERR IDMP-DURATION must be between 1 and 86400 seconds");
            seconds = Some(given.ok_or(BEYOND)?);
        } else if is(word, "IDMP-MAXSIZE") && has_more {
            let given = u32::try_from(call.args.integer()?).ok();
            let given = given.filter(|given| Retention::MESSAGES.contains(given));
            const BEYOND: ErrorReply =
                ErrorReply::known("ERR IDMP-MAXSIZE must be between 1 and 10000 entries");
            messages = Some(given.ok_or(BEYOND)?);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let default = retention(call);
    call.write(key, |writer, key| {
        stream::configure(writer, key, default, |before| {
            let (seconds, messages) =
                (seconds.unwrap_or(before.seconds()), messages.unwrap_or(before.messages()));
            Retention::new(seconds, messages).unwrap_or(before)
        })
    })?;
    Ok(Reply::OK)
}

/// XIDMPRECORD
pub(super) fn record(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (producer, id) = (call.args.next()?, call.args.next()?);
    let entry = strict_id(call.args.next()?)?;
    if producer.is_empty() {
        return Err(ErrorReply::known("ERR IDMP requires a non-empty producer ID"));
    }
    if id.is_empty() {
        return Err(ErrorReply::known("ERR IDMP requires a non-empty idempotent ID"));
    }
    let default = retention(call);
    call.write(key, |writer, key| {
        stream::record(writer, key, stream::Message { producer, id }, entry, default)
    })?;
    Ok(Reply::OK)
}
