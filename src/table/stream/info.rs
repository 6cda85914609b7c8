//! XINFO.

use super::group::no_such_group;
use super::{Answer, Bytes, Call, ErrorReply, Item, Reply, StreamId, number, of_id, of_item};
use crate::Error;
use crate::command::stream as command;
use crate::value::stream::{Consumer, Entry, Group, Producers, Stream};

/// How many entries and pending ones XINFO STREAM FULL shows unless told.
const SHOWN: i64 = 10;

fn map(pairs: Vec<(&'static str, Reply)>) -> Reply {
    Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::text(name), value)).collect())
}

fn entry(entry: Option<Entry<'_>>) -> Reply {
    entry.map_or(Reply::Nil, |entry| of_item(Item::of(entry)))
}

fn read(group: &Group) -> Reply {
    group.read.map_or(Reply::Nil, number)
}

fn lag(stream: &Stream, group: &Group, version: (u8, u8)) -> Reply {
    // What is told by hand may be more than there ever was.
    stream.lag(group, version).map_or(Reply::Nil, |lag| Reply::Integer(lag as i64))
}

pub(super) fn stream(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    if call.read(key, |view, key| command::look(view, key, |_| ()))?.is_none() {
        return Err(Error::NoSuchKey.into());
    }
    let mut full = None;
    if !call.args.is_empty() {
        let is_full = call.args.keyword("FULL");
        let words = call.args.len();
        let mut count = SHOWN;
        if is_full && words > 0 {
            if words != 2 || !call.args.keyword("COUNT") {
                return Err(call.wrong_subcommand());
            }
            count = call.args.integer()?;
            if count < 0 {
                count = SHOWN;
            }
        }
        if !is_full {
            return Err(call.wrong_subcommand());
        }
        full = Some(if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) });
    }
    let version = call.compat().streams();
    let retention = (version >= (8, 6)).then(|| super::once::retention(call));
    let now = call.time().wall();
    let told = call.read(key, |view, key| {
        command::look(view, key, |stream| {
            let facts = stream.facts();
            let mut pairs = vec![
                ("length", Reply::count(stream.len())),
                ("radix-tree-keys", Reply::count(stream.chunks().len())),
                ("radix-tree-nodes", Reply::count(nodes(stream))),
                ("last-generated-id", of_id(facts.last)),
                ("max-deleted-entry-id", of_id(facts.max_deleted)),
                ("entries-added", number(facts.added)),
                ("recorded-first-entry-id", of_id(stream.first().unwrap_or(StreamId::MIN))),
            ];
            if let Some(retention) = retention {
                pairs.extend(producers(stream.producers().unwrap_or(&Producers::of(retention)), now));
            }
            let Some(most) = full else {
                pairs.push(("groups", Reply::count(stream.groups().len())));
                pairs.push(("first-entry", entry(stream.range(StreamId::MIN, StreamId::MAX).next())));
                pairs.push(("last-entry", entry(stream.range_back(StreamId::MIN, StreamId::MAX).next())));
                return map(pairs);
            };
            let entries = stream.range(StreamId::MIN, StreamId::MAX).take(most);
            pairs.push(("entries", Reply::Array(entries.map(|one| entry(Some(one))).collect())));
            let groups = stream.groups().map(|group| full_group(stream, group, most, version));
            pairs.push(("groups", Reply::Array(groups.collect())));
            map(pairs)
        })
    })?;
    told.ok_or_else(|| Error::NoSuchKey.into())
}

/// What is told of messages under ids of their producers.
fn producers(known: &Producers, now: u64) -> [(&'static str, Reply); 6] {
    let (producers, messages) = known.count(now);
    [
        ("idmp-duration", number(known.retention().seconds().into())),
        ("idmp-maxsize", number(known.retention().messages().into())),
        ("pids-tracked", Reply::count(producers)),
        ("iids-tracked", Reply::count(messages)),
        ("iids-added", number(known.added)),
        ("iids-duplicates", number(known.duplicates)),
    ]
}

fn full_group(stream: &Stream, group: &Group, most: usize, version: (u8, u8)) -> Reply {
    let pending = group.pending().from(StreamId::MIN).take(most).map(|(id, pending)| {
        let consumer = pending.consumer.and_then(|number| group.consumer(number));
        let name = consumer.map(|consumer| consumer.name.clone()).unwrap_or_default();
        Reply::Array(vec![of_id(id), Reply::Bulk(name), number(pending.time), number(pending.count)])
    });
    let consumers = group.consumers().map(|(_, consumer)| full_consumer(group, consumer, most, version));
    map(vec![
        ("name", Reply::Bulk(group.name().clone())),
        ("last-delivered-id", of_id(group.last)),
        ("entries-read", read(group)),
        ("lag", lag(stream, group, version)),
        ("pel-count", Reply::count(group.pending().len())),
        ("pending", Reply::Array(pending.collect())),
        ("consumers", Reply::Array(consumers.collect())),
    ])
}

fn full_consumer(group: &Group, consumer: &Consumer, most: usize, version: (u8, u8)) -> Reply {
    let pending = consumer.pending.from(StreamId::MIN).take(most).filter_map(|(id, ())| {
        let pending = group.pending().get(id)?;
        Some(Reply::Array(vec![of_id(id), number(pending.time), number(pending.count)]))
    });
    let pending = Reply::Array(pending.collect());
    let mut pairs = vec![("name", Reply::Bulk(consumer.name.clone())), ("seen-time", number(consumer.seen))];
    if version >= (7, 2) {
        pairs.push(("active-time", consumer.active.map_or(Reply::Integer(-1), number)));
    }
    pairs.extend([("pel-count", Reply::count(consumer.pending.len())), ("pending", pending)]);
    map(pairs)
}

pub(super) fn groups(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let version = call.compat().streams();
    let told = call.read(key, |view, key| {
        command::look(view, key, |stream| {
            let one = |group: &Group| {
                map(vec![
                    ("name", Reply::Bulk(group.name().clone())),
                    ("consumers", Reply::count(group.len())),
                    ("pending", Reply::count(group.pending().len())),
                    ("last-delivered-id", of_id(group.last)),
                    ("entries-read", read(group)),
                    ("lag", lag(stream, group, version)),
                ])
            };
            Reply::Array(stream.groups().map(one).collect())
        })
    })?;
    told.ok_or_else(|| Error::NoSuchKey.into())
}

pub(super) fn consumers(call: &mut Call<'_>) -> Answer {
    let (key, name): (_, &Bytes) = (call.key()?, call.args.next()?);
    let version = call.compat().streams();
    let now = call.time().wall();
    let told = call.read(key, |view, key| {
        command::look(view, key, |stream| {
            let one = |consumer: &Consumer| {
                let mut pairs = vec![
                    ("name", Reply::Bulk(consumer.name.clone())),
                    ("pending", Reply::count(consumer.pending.len())),
                    ("idle", number(now.saturating_sub(consumer.seen))),
                ];
                if version >= (7, 2) {
                    let inactive = |active| number(now.saturating_sub(active));
                    pairs.push(("inactive", consumer.active.map_or(Reply::Integer(-1), inactive)));
                }
                map(pairs)
            };
            let group = stream.group(name)?;
            Some(Reply::Array(group.consumers().map(|(_, consumer)| one(consumer)).collect()))
        })
    })?;
    told.ok_or(ErrorReply::from(Error::NoSuchKey))?.ok_or_else(|| no_such_group(key.bytes, name))
}

const HELP: [&str; 9] = [
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <group>",
    "    The consumers of a group.",
    "GROUPS <key>",
    "    The groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]]",
    "    What there is to tell of a stream.",
    "HELP",
    "    These lines.",
];

pub(super) fn help(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(HELP.into_iter().map(|line| Reply::Status(line.into())).collect()))
}

/// How many nodes the radix tree has in which Redis keeps the first ids of its blocks: a string that all below
/// have in common is one, as are each place where they part, and each end.
fn nodes(stream: &Stream) -> usize {
    let keys: Vec<_> = stream.chunks().map(StreamId::to_be_bytes).collect();
    if keys.is_empty() { 1 } else { nodes_below(&keys, 0) }
}

fn nodes_below(keys: &[[u8; 16]], depth: usize) -> usize {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 0 };
    if keys.len() == 1 {
        return 1 + usize::from(depth < 16);
    }
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let branches = keys.chunk_by(|a, b| a.get(common) == b.get(common));
    usize::from(common > depth) + 1 + branches.map(|keys| nodes_below(keys, common + 1)).sum::<usize>()
}
