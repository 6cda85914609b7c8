//! XGROUP, XACK, XPENDING, XCLAIM and their kin.

use super::parse::{self, strict_id};
use super::{Absent, Answer, Bytes, Call, ErrorReply, Reply, StreamId, is, number, of_id, of_item, removals};
use crate::Error;
use crate::command::stream::{self, AutoClaim, Claim, GroupStart, Item, Negate, Recount, Sought};
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::text::number::parse_i64;

/// XGROUP CREATE and SETID behind the key and the group's name.
struct Options {
    start: Bytes,
    absent: Absent,
    read: Option<u64>,
}

fn options(call: &mut Call<'_>, creates: bool) -> Result<Options, ErrorReply> {
    let mut options = Options { start: call.args.next()?.clone(), absent: Absent::Skip, read: None };
    while let Some(word) = call.args.take() {
        if creates && is(word, "MKSTREAM") {
            options.absent = Absent::Create;
        } else if is(word, "ENTRIESREAD") && !call.args.is_empty() {
            let read = call.args.integer()?;
            if read < -1 {
                return Err(ErrorReply::known("ERR value for ENTRIESREAD must be positive or -1"));
            }
            options.read = u64::try_from(read).ok();
        } else {
            return Err(call.wrong_subcommand());
        }
    }
    Ok(options)
}

fn start(text: &[u8]) -> Result<GroupStart, ErrorReply> {
    if *text == *b"$" { Ok(GroupStart::New) } else { strict_id(text).map(GroupStart::After) }
}

/// XGROUP CREATE: whether there is a stream comes before what is wrong with the id.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.key()?, call.args.next()?);
    let options = options(call, true)?;
    if options.absent == Absent::Skip {
        check_stream(call, key)?;
    } else {
        call.look(key, |view, key| stream::look(view, key, |_| ()))?;
    }
    let start = start(&options.start)?;
    let version = call.compat().streams();
    call.write(key, |writer, key| {
        stream::create_group(writer, key, name, start, options.read, options.absent, version)
    })?;
    Ok(Reply::OK)
}

pub(super) fn set(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.key()?, call.args.next()?);
    let options = options(call, false)?;
    check_group(call, key, name)?;
    // Unlike CREATE, it takes the ends of a range.
    let start = match &options.start[..] {
        b"-" => GroupStart::After(StreamId::MIN),
        b"+" => GroupStart::After(StreamId::MAX),
        text => start(text)?,
    };
    let version = call.compat().streams();
    call.write(key, |writer, key| stream::set_group(writer, key, name, start, options.read, version))?;
    Ok(Reply::OK)
}

pub(super) fn destroy(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.key()?, call.args.next()?);
    Ok(Reply::flag(call.write(key, |writer, key| stream::destroy_group(writer, key, name))?))
}

pub(super) fn add_consumer(call: &mut Call<'_>) -> Answer {
    let (key, name, consumer) = (call.key()?, call.args.next()?, call.args.next()?);
    check_group(call, key, name)?;
    Ok(Reply::flag(call.write(key, |writer, key| stream::add_consumer(writer, key, name, consumer))?))
}

pub(super) fn delete_consumer(call: &mut Call<'_>) -> Answer {
    let (key, name, consumer) = (call.key()?, call.args.next()?, call.args.next()?);
    check_group(call, key, name)?;
    let removed = call.write(key, |writer, key| stream::delete_consumer(writer, key, name, consumer))?;
    Ok(Reply::count(removed.unwrap_or(0)))
}

const HELP: [&str; 16] = [
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
    "    A new group, which reads what comes after the id, or from now on.",
    "    MKSTREAM: makes the stream if there is none.",
    "    ENTRIESREAD: how many entries the group counts as read.",
    "CREATECONSUMER <key> <group> <consumer>",
    "    A new consumer of the group.",
    "DELCONSUMER <key> <group> <consumer>",
    "    Removes a consumer, with what is pending for it.",
    "DESTROY <key> <group>",
    "    Removes the group.",
    "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
    "    Has the group read on from another id.",
    "    ENTRIESREAD: as above.",
    "HELP",
    "    These lines.",
];

pub(super) fn help(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(HELP.into_iter().map(|line| Reply::Status(line.into())).collect()))
}

pub(super) fn acknowledge(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.key()?, call.args.next()?);
    let ids = call.args.take_rest();
    if !has_group(call, key, name)?.unwrap_or(false) {
        return Ok(Reply::Integer(0));
    }
    let ids = parse::ids(ids)?;
    Ok(Reply::count(call.write(key, |writer, key| stream::acknowledge(writer, key, name, &ids))?))
}

pub(super) fn acknowledge_and_delete(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.key()?, call.args.next()?);
    // As with XDELEX.
    let has_group = has_group(call, key, name)?.unwrap_or(false);
    let (references, words) = parse::references_and_ids(&mut call.args)?;
    if !has_group {
        return Ok(removals(vec![stream::Removal::Missing; words.len()]));
    }
    let ids = parse::ids(words)?;
    let removed =
        call.write(key, |writer, key| stream::acknowledge_and_delete(writer, key, name, &ids, references))?;
    Ok(removals(removed))
}

/// XNACK: the mode comes first, all else in any order.
pub(super) fn negate(call: &mut Call<'_>) -> Answer {
    let (key, name, mode) = (call.key()?, call.args.next()?, call.args.next()?);
    let mode = match () {
        () if is(mode, "SILENT") => Recount::Less,
        () if is(mode, "FAIL") => Recount::Same,
        () if is(mode, "FATAL") => Recount::To(i64::MAX.unsigned_abs()),
        () => return Err(ErrorReply::SYNTAX),
    };
    let (mut ids, mut negate) = (None, Negate { count: mode, force: false });
    while let Some(word) = call.args.take() {
        let has_more = !call.args.is_empty();
        if is(word, "IDS") && ids.is_none() && has_more {
            ids = Some(parse::counted_ids(&mut call.args)?);
        } else if is(word, "RETRYCOUNT") && has_more {
            let count = u64::try_from(call.args.integer()?).map_err(|_| ErrorReply::OUT_OF_RANGE)?;
            negate.count = Recount::To(count);
        } else if is(word, "FORCE") {
            negate.force = true;
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let ids = ids.ok_or(ErrorReply::SYNTAX)?;
    Ok(Reply::count(call.write(key, |writer, key| stream::negate(writer, key, name, &ids, negate))?))
}

/// XPENDING: in short, or a range of what is pending.
pub(super) fn pending(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.key()?, call.args.next()?);
    let words = call.args.len();
    if words == 0 {
        let summary = call.read(key, |view, key| stream::summary(view, key, name))?;
        let Some((first, last)) = summary.ends else {
            return Ok(Reply::Array(vec![Reply::Integer(0), Reply::Nil, Reply::Nil, Reply::NilArray]));
        };
        let consumers = summary.consumers.into_iter();
        let consumers = consumers
            .map(|(name, count)| Reply::Array(vec![Reply::Bulk(name), Reply::text(count.to_string())]));
        return Ok(Reply::Array(vec![
            Reply::count(summary.count),
            of_id(first),
            of_id(last),
            Reply::Array(consumers.collect()),
        ]));
    }
    if !(3..=6).contains(&words) {
        return Err(ErrorReply::SYNTAX);
    }
    let mut min_idle = 0;
    if call.args.keyword("IDLE") {
        min_idle = u64::try_from(call.args.integer()?).unwrap_or(0);
        if call.args.len() < 3 {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let (start, end) = (call.args.next()?, call.args.next()?);
    let count = usize::try_from(call.args.integer()?).unwrap_or(0);
    let (start, end) = parse::interval([start, end])?;
    let consumer = call.args.take().map(|name| &name[..]);
    let sought = Sought { start, end, count, consumer, min_idle };
    let found = call.read(key, |view, key| stream::pendings(view, key, name, sought))?;
    let given_back = |pending: &stream::Pendings| pending.consumer.is_none();
    let one = |pending: stream::Pendings| {
        let idle = if given_back(&pending) { Reply::Integer(-1) } else { number(pending.idle) };
        let consumer = Reply::Bulk(pending.consumer.unwrap_or_default());
        Reply::Array(vec![of_id(pending.id), consumer, idle, number(pending.count)])
    };
    Ok(Reply::Array(found.into_iter().map(one).collect()))
}

pub(super) fn claim(call: &mut Call<'_>) -> Answer {
    let (key, name, consumer) = (call.key()?, call.args.next()?, call.args.next()?);
    let min_idle = call.args.next()?;
    check_any_group(call, key, name)?;
    let min_idle =
        parse_i64(min_idle).ok_or(ErrorReply::known("ERR Invalid min-idle-time argument for XCLAIM"))?;
    let mut ids = Vec::new();
    while let Some(id) = call.args.peek().and_then(|word| strict_id(word).ok()) {
        ids.push(id);
        call.args.next()?;
    }
    let now = i64::try_from(call.time().wall()).unwrap_or(i64::MAX);
    let mut claim = Claim {
        consumer,
        min_idle: u64::try_from(min_idle).unwrap_or(0),
        ids: &ids,
        time: None,
        retries: None,
        force: false,
        just_id: false,
        last: None,
        version: call.compat().streams(),
    };
    while let Some(word) = call.args.take() {
        let has_more = !call.args.is_empty();
        let mut given =
            |error| call.args.next().and_then(|text| parse_i64(text).ok_or(ErrorReply::known(error)));
        if is(word, "FORCE") {
            claim.force = true;
        } else if is(word, "JUSTID") {
            claim.just_id = true;
        } else if is(word, "IDLE") && has_more {
            let idle = given("ERR Invalid IDLE option argument for XCLAIM")?;
            claim.time = Some(now.wrapping_sub(idle));
        } else if is(word, "TIME") && has_more {
            claim.time = Some(given("ERR Invalid TIME option argument for XCLAIM")?);
        } else if is(word, "RETRYCOUNT") && has_more {
            let retries = given("ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
            claim.retries = u64::try_from(retries).ok();
        } else if is(word, "LASTID") && has_more {
            claim.last = Some(strict_id(call.args.next()?)?);
        } else {
            let text = [b"ERR Unrecognized XCLAIM option '", &word[..], b"'"];
            return Err(ErrorReply::of_bytes(text.concat()));
        }
    }
    let items = call.write(key, |writer, key| stream::claim(writer, key, name, &claim))?;
    Ok(claimed(items, claim.just_id))
}

/// The bytes of an id in Redis.
const ID: i64 = 16;
/// More memory no process has.
const ADDRESSES: u64 = 1 << 47;

pub(super) fn auto_claim(call: &mut Call<'_>) -> Answer {
    let (key, name, consumer) = (call.key()?, call.args.next()?, call.args.next()?);
    let min_idle = parse_i64(call.args.next()?)
        .ok_or(ErrorReply::known("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
    let mut claim = AutoClaim {
        consumer,
        min_idle: u64::try_from(min_idle).unwrap_or(0),
        start: parse::start_of(call.args.next()?)?,
        count: 100,
        just_id: false,
        version: call.compat().streams(),
    };
    while let Some(word) = call.args.take() {
        if is(word, "COUNT") && !call.args.is_empty() {
            // As many ids of 16 bytes as Redis can count.
            const MOST: i64 = i64::MAX / ID;
            let count = parse_i64(call.args.next()?).filter(|count| (1..=MOST).contains(count));
            let count = count.ok_or(ErrorReply::known("ERR COUNT must be > 0"))?;
            claim.count = usize::try_from(count).unwrap_or(usize::MAX);
        } else if is(word, "JUSTID") {
            claim.just_id = true;
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    // Redis asks for room for so many ids at once.
    if claim.count as u64 > ADDRESSES / ID.unsigned_abs() {
        check_any_group(call, key, name)?;
        return Err(ErrorReply::known(
            "ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
        ));
    }
    let found = call.write(key, |writer, key| stream::auto_claim(writer, key, name, &claim))?;
    let deleted = Reply::Array(found.deleted.into_iter().map(of_id).collect());
    let next = of_id(found.next.unwrap_or(StreamId::MIN));
    Ok(Reply::Array(vec![next, claimed(found.items, claim.just_id), deleted]))
}

fn claimed(items: Vec<Item>, just_id: bool) -> Reply {
    let one = |item: Item| if just_id { of_id(item.id) } else { of_item(item) };
    Reply::Array(items.into_iter().map(one).collect())
}

/// Whether a stream has the group; `None` without a stream.
fn has_group(call: &Call<'_>, key: KeyRef<'_>, name: &[u8]) -> Result<Option<bool>, ErrorReply> {
    Ok(call.read(key, |view, key| knows(view, key, name))?)
}

fn check_stream(call: &Call<'_>, key: KeyRef<'_>) -> Result<(), ErrorReply> {
    let found = call.look(key, |view, key| stream::look(view, key, |_| ()))?;
    found.ok_or_else(|| stream::NO_STREAM.into())
}

fn knows(view: &View<'_>, key: KeyRef<'_>, name: &[u8]) -> crate::Result<Option<bool>> {
    stream::look(view, key, |stream| stream.group(name).is_some())
}

/// What XGROUP says where there is no group.
fn check_group(call: &Call<'_>, key: KeyRef<'_>, name: &[u8]) -> Result<(), ErrorReply> {
    match call.look(key, |view, key| knows(view, key, name))? {
        None => Err(stream::NO_STREAM.into()),
        Some(true) => Ok(()),
        Some(false) => Err(no_such_group(key.bytes, name)),
    }
}

pub(super) fn no_such_group(key: &[u8], name: &[u8]) -> ErrorReply {
    let text = [b"NOGROUP No such consumer group '", name, b"' for key name '", key, b"'"];
    ErrorReply::of_bytes(text.concat())
}

/// What all others say.
fn check_any_group(call: &Call<'_>, key: KeyRef<'_>, name: &[u8]) -> Result<(), ErrorReply> {
    match has_group(call, key, name)? {
        Some(true) => Ok(()),
        _ => Err(Error::from(crate::error::NoGroup::new(key.bytes, name)).into()),
    }
}
