//! The thread that talks to Redis: it takes all that waits, and sends it in one go.

use std::sync::Arc;
use std::vec;

use redis::{Cmd, RedisResult, Value as Reply, cmd};

use super::keys::Keys;
use super::link::{Link, Replies, get_clock, number, set_clock};
use super::queue::{Read, Request, Shared, Work};
use super::record::{self, Id, MARK, Stored};
use super::stats::Counters;
use super::store::{self, Store};
use crate::Bytes;
use crate::cache::second::{Found, Place, Record, Removal};
use crate::sync::atomic::Ordering;
use crate::trace;

/// How long it is remembered when a tag or a cache was removed, and how long a value is kept at the most: a week.
pub(super) const LONGEST: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Runs until the last handle is gone.
pub(super) fn run(shared: &Arc<Shared>) {
    /// However the thread ends, nobody waits for it any more.
    struct End<'s>(&'s Shared);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.lost(Vec::new());
        }
    }

    let _end = End(shared);
    let mut link = None;
    while let Some(work) = shared.next(link.is_some()) {
        let mut batch = Vec::new();
        let outcome = match (work, link.as_mut()) {
            (Work::Connect, _) => connect(shared).map(|new| link = Some(new)),
            (Work::Batch(requests), Some(link)) => {
                batch = requests;
                let outcome = carry_out(shared, link, &mut batch);
                if outcome.is_ok() {
                    shared.done();
                }
                outcome
            }
            (Work::Beat, Some(link)) => link.beat(shared),
            (Work::Broken, _) => Err((redis::ErrorKind::Io, "what others change is heard no more").into()),
            // There is a link whenever these come.
            (Work::Batch(_) | Work::Beat, None) => Ok(()),
        };
        if let Err(error) = outcome {
            Counters::add(&shared.counters.errors);
            trace::tier_away(&error);
            link = None;
            shared.lost(batch);
        }
    }
    if let Some(link) = link {
        link.close(shared);
    }
}

/// Connects, and does first what could not be done while Redis was away.
fn connect(shared: &Arc<Shared>) -> RedisResult<Link> {
    shared.mended();
    let mut link = Link::open(shared)?;
    shared.connected();
    while let Some(removals) = shared.kept() {
        let mut requests = removals.into_iter().map(Request::Remove).collect();
        if let Err(error) = carry_out(shared, &mut link, &mut requests) {
            shared.lost(requests);
            return Err(error);
        }
    }
    Counters::add(&shared.counters.connects);
    trace::tier_up();
    Ok(link)
}

/// Does all of a batch, in one step, or in two where values are stored and tags looked at or removed. If it fails, any of it
/// may not have been done.
fn carry_out(shared: &Shared, link: &mut Link, batch: &mut Vec<Request>) -> RedisResult<()> {
    expand(shared, batch);
    let keys = &shared.options.keys;
    let mut commands = vec![get_clock(keys)];
    let moves_clock = |request: &Request| matches!(request, Request::Remove(removal) if !is_key(removal));
    if !link.has_clock || batch.iter().any(moves_clock) {
        commands.insert(0, set_clock(keys));
    }
    let first = commands.len();
    let (mut marks, mut stores) = (Vec::new(), Vec::new());
    for request in &*batch {
        match request {
            Request::Read(read) => ask(shared, read, &mut marks, &mut commands),
            Request::Store { name, mark, value } => {
                let store = Store { name, mark, value: value.as_ref() };
                if link.has_scripts {
                    commands.push(store::script(shared, store));
                } else {
                    stores.push(store);
                }
            }
            Request::Insert { name, value } => {
                let key = keys.value(name);
                commands.push(store::set(&key, value));
                tell(shared, link, &key, &mut commands);
            }
            Request::Remove(Removal::Key(name)) => {
                let key = keys.value(name);
                commands.push(command("DEL", &key));
                tell(shared, link, &key, &mut commands);
            }
            Request::Remove(_) => commands.push(command("INCR", &keys.clock())),
        }
    }
    // Behind what else is done to the same keys.
    commands.extend(store::watch(shared, &stores));
    let mut replies = link.send(&commands)?;
    let clock = replies.by_ref().take(first).last();
    let clock = clock.and_then(|reply| counted(shared, reply)).as_ref().and_then(number);
    link.has_clock = clock.is_some();
    if let Some(clock) = clock {
        shared.removals.store(clock, Ordering::Release);
    }

    let mut unscripted = Vec::new();
    let mut round = Round { clock, marks: marks.into_iter(), ..Round::default() };
    for request in &*batch {
        match request {
            Request::Read(read) => round.read(shared, read, &mut replies),
            Request::Store { .. } if !link.has_scripts => {}
            Request::Store { name, mark, value } => {
                let store = Store { name, mark, value: value.as_ref() };
                match replies.next() {
                    Some(Ok(reply)) => store.count(shared, number(&reply) == Some(1)),
                    Some(Err(error)) if link.has_transactions && store::is_without_scripts(&error) => {
                        unscripted.push(store)
                    }
                    reply => _ = counted(shared, reply.unwrap_or(Ok(Reply::Nil))),
                }
            }
            Request::Insert { name, .. } | Request::Remove(Removal::Key(name)) => {
                let reply = replies.next().unwrap_or(Ok(Reply::Nil));
                let is_insert = matches!(request, Request::Insert { .. });
                match if is_insert { Ok(counted(shared, reply)) } else { reply.map(Some) }? {
                    // A value that cannot be put there must not leave an older one behind.
                    None => round.unstored.push(name),
                    // Redis tells of what it had, and others may have what it has not: of what is too long for it, say.
                    Some(reply) if !is_insert && number(&reply) == Some(0) => round.untold.push(name),
                    Some(_) => {}
                }
                if !link.is_tracked {
                    replies.next().transpose()?;
                }
            }
            Request::Remove(removal) => {
                let time = replies.next().transpose()?.as_ref().and_then(number);
                let time = time.ok_or((redis::ErrorKind::UnexpectedReturnType, "the clock is no number"))?;
                // Who has asked behind it begins behind it.
                round.clock = Some(time);
                round.removals.push((removal, time));
            }
        }
    }
    let there = store::there(&stores, &mut replies);
    let is_done = round.end(shared, link, store::exec(shared, &stores, &there))?;
    match is_done {
        Some(is_done) => {
            stores.iter().zip(there).for_each(|(store, is_there)| store.count(shared, is_there && is_done));
        }
        // Somebody has changed one of them in between.
        None => unscripted = stores,
    }
    link.has_scripts &= unscripted.is_empty();
    unscripted.into_iter().try_for_each(|store| store::transact(shared, link, store))
}

/// What is still to be done when the replies of a batch are there.
#[derive(Default)]
struct Round<'b> {
    clock: Option<u64>,
    /// The marks that were put, in their order.
    marks: vec::IntoIter<Id>,
    /// What was found, whose tags were not looked at yet.
    reads: Vec<(&'b Read, Vec<Found>)>,
    /// Tags and caches, and when they were removed.
    removals: Vec<(&'b Removal, u64)>,
    /// Keys with values that Redis would not take.
    unstored: Vec<&'b Bytes>,
    /// Keys that were removed and that Redis had not.
    untold: Vec<&'b Bytes>,
}

impl<'b> Round<'b> {
    /// What Redis has for what was asked; its replies are next. What has no tags is answered at once.
    fn read(&mut self, shared: &Shared, read: &'b Read, replies: &mut Replies) {
        let found: Vec<_> = read.names.iter().map(|_| self.found(shared, &read.cache, replies)).collect();
        let has_tags =
            |found: &Found| found.record.as_ref().is_some_and(|(record, _)| !record.tags.is_empty());
        if found.iter().any(has_tags) {
            self.reads.push((read, found));
        } else {
            answer(shared, read, found, &mut Vec::new().into_iter());
        }
    }

    /// What Redis has for a key; its replies are next.
    fn found(&mut self, shared: &Shared, cache: &str, replies: &mut Replies) -> Found {
        let mut next = || counted(shared, replies.next().unwrap_or(Ok(Reply::Nil)));
        let (_set, bytes, left, cleared) = (next(), next(), next(), next());
        let mark = self.marks.next().unwrap_or_default();
        let Some(Reply::BulkString(bytes)) = bytes else { return Found::default() };
        // By this batch, before it was asked for: that is not written down yet.
        let cleared_now = self.removals.iter().rev().find_map(|(removal, time)| match removal {
            Removal::Cache(name) if **name == *cache => Some(*time),
            _ => None,
        });
        let cleared = cleared.as_ref().and_then(number).max(cleared_now).unwrap_or(0);
        let left = left.as_ref().and_then(number);
        let (record, is_place, is_new) = match record::decode(&bytes) {
            Stored::Nothing => (None, false, false),
            Stored::Lease(id) => (None, id == mark, true),
            Stored::Record(record) => {
                let holds = record.began >= cleared;
                let age = left.map(|left| record.life.min(LONGEST).saturating_sub(left));
                (age.filter(|_| holds).map(|age| (record, age)), true, false)
            }
            Stored::Foreign => (None, true, false),
        };
        let place = self.clock.filter(|_| is_place).map(|began| Place {
            mark: Bytes::from(&bytes[..MARK.min(bytes.len())]),
            is_new,
            began,
        });
        Found { record, place }
    }

    /// Writes down when tags and caches were removed, tells of what Redis does not, and then looks at the tags of what was read; before that, it ends
    /// the transaction with these commands, and gives whether that was done, or none.
    fn end(self, shared: &Shared, link: &mut Link, exec: Vec<Cmd>) -> RedisResult<Option<bool>> {
        let keys = &shared.options.keys;
        let executed = exec.len();
        let mut commands = exec;
        for (removal, time) in &self.removals {
            let key = match removal {
                Removal::Tag(tag) => keys.tag(tag),
                Removal::Cache(cache) => keys.cache(cache),
                _ => keys.every_tag(),
            };
            // The later of two counts, whichever comes last.
            let mut add = command("ZADD", &key);
            add.arg("GT").arg(*time).arg(MEMBER);
            let mut expire = command("PEXPIRE", &key);
            expire.arg(LONGEST);
            commands.extend([add, expire]);
            tell(shared, link, &key, &mut commands);
        }
        for name in &self.unstored {
            commands.push(command("DEL", &keys.value(name)));
            commands.push(publish(shared, &keys.value(name)));
        }
        if link.is_tracked {
            commands.extend(self.untold.iter().map(|name| publish(shared, &keys.value(name))));
        }
        let written = commands.len();
        let records =
            self.reads.iter().flat_map(|(_, found)| found).filter_map(|found| found.record.as_ref());
        for (record, _) in records {
            commands.extend(tags_of(keys, record).map(|key| score(&key)));
        }
        let mut replies = link.send(&commands)?;
        let done = replies.by_ref().take(executed).last();
        for reply in replies.by_ref().take(written - executed) {
            reply?;
        }
        if let Some(time) = self.removals.iter().map(|(_, time)| *time).max() {
            shared.removals.store(time, Ordering::Release);
        }
        for (read, found) in self.reads {
            answer(shared, read, found, &mut replies);
        }
        Ok(if executed > 1 { store::is_done(shared, done) } else { Some(false) })
    }
}

/// Answers, once it is known when the tags of what was found were removed: the replies to that are next.
fn answer(shared: &Shared, read: &Read, found: Vec<Found>, replies: &mut Replies) {
    read.pending.answer(found.into_iter().map(|found| checked(shared, found, replies)).collect());
}

/// The one member of the sorted sets in which it is written down when something was removed: `ZADD GT` is the one
/// command for the larger of two numbers, and in a cluster each command has one key.
pub(super) const MEMBER: &str = "t";

/// What was found, once it is known when its tags were removed.
fn checked(shared: &Shared, mut found: Found, replies: &mut Replies) -> Found {
    if let Some((record, _)) = &found.record {
        let mut holds = true;
        for _ in tags_of(&shared.options.keys, record) {
            let removed = counted(shared, replies.next().unwrap_or(Ok(Reply::Nil)));
            // A tag that cannot be looked up may have been removed.
            holds &= removed.is_some_and(|removed| number(&removed).unwrap_or(0) <= record.began);
        }
        if !holds {
            found.record = None;
        }
    }
    let counters = &shared.counters;
    Counters::add(if found.record.is_some() { &counters.hits } else { &counters.misses });
    found
}

/// The keys of a value's tags: those, their groups, and what all have in common; see `cache/tags.rs`.
fn tags_of<'r>(keys: &'r Keys, record: &'r Record) -> impl Iterator<Item = Vec<u8>> + 'r {
    let names = record.tags.iter().flat_map(|tag| {
        let colon = tag.iter().rposition(|byte| *byte == b':');
        [Some(&**tag), colon.map(|colon| &tag[..=colon])].into_iter().flatten()
    });
    let every = (!record.tags.is_empty()).then(|| keys.every_tag());
    names.map(|name| keys.tag(name)).chain(every)
}

/// The commands that ask for keys: a mark where there is nothing, then what is there.
fn ask(shared: &Shared, read: &Read, marks: &mut Vec<Id>, commands: &mut Vec<Cmd>) {
    let options = &shared.options;
    for name in &read.names {
        let (key, mark) = (options.keys.value(name), shared.id());
        let mut set = command("SET", &key);
        set.arg(record::lease(mark)).arg("NX").arg("PX").arg(options.lease);
        // No more of it than is of use, however long it is.
        let mut get = command("GETRANGE", &key);
        get.arg(0).arg(options.max_value);
        commands.extend([set, get, command("PTTL", &key), score(&options.keys.cache(&read.cache))]);
        marks.push(mark);
    }
}

fn score(key: &[u8]) -> Cmd {
    let mut command = command("ZSCORE", key);
    command.arg(MEMBER);
    command
}

pub(super) fn command(name: &str, key: &[u8]) -> Cmd {
    let mut command = cmd(name);
    command.arg(key);
    command
}

/// Tells other processes that a key has changed, where Redis does not.
fn tell(shared: &Shared, link: &Link, key: &[u8], commands: &mut Vec<Cmd>) {
    if !link.is_tracked {
        commands.push(publish(shared, key));
    }
}

/// Tells other processes that a key has changed.
fn publish(shared: &Shared, key: &[u8]) -> Cmd {
    let mut publish = command("PUBLISH", &shared.options.keys.changes());
    publish.arg(Keys::message(shared.me, key));
    publish
}

/// What Redis has answered; an error is counted, and nothing.
pub(super) fn counted(shared: &Shared, reply: RedisResult<Reply>) -> Option<Reply> {
    reply.map_err(|_| Counters::add(&shared.counters.errors)).ok()
}

fn is_key(removal: &Removal) -> bool {
    matches!(removal, Removal::Key(_))
}

/// Puts what it stands for in the place of everything.
fn expand(shared: &Shared, batch: &mut Vec<Request>) {
    if batch.iter().any(|request| matches!(request, Request::Remove(Removal::Everything))) {
        batch.retain(|request| !matches!(request, Request::Remove(Removal::Everything)));
        let all = shared.cache_names().into_iter().map(Removal::Cache).chain([Removal::EveryTag]);
        batch.splice(..0, all.map(Request::Remove));
    }
}
