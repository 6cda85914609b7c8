//! MIGRATE: keys that move to another server.
//!
//! Redis serves nobody else meanwhile, so a key is here or there at any time. Here no lock is held while the other
//! server is talked to, by a thread of the call's own: the client waits as for a key, and others are served. What is
//! written to a key in between is not lost for that: it stays here, and the reply says so.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::is;
use super::call::{Answer, Call};
use super::row::flag::{MOVABLEKEYS, WRITE};
use super::row::{Keys, Row, row};
use crate::clock::NEVER;
use crate::command::blocking::{Served, Ticket};
use crate::event::KeyEvent;
use crate::keyspace::Keyspace;
use crate::keyspace::watch::Watch;
use crate::reply::{ErrorReply, Reply};
use crate::value::{Value, ValueRef};
use crate::{Bytes, Compat, rdb};

pub(super) const ROWS: &[Row] =
    &[row("migrate", -6, WRITE | MOVABLEKEYS, Keys::Find { told: (3, 3, 1), find: keys }, migrate)
        .since(2, 6)];

/// How long the other server has for each step, unless told.
const USUAL: Duration = Duration::from_secs(1);
const CONNECTING: ErrorReply = ErrorReply::known("IOERR error or timeout connecting to the client");
const WRITING: ErrorReply = ErrorReply::known("IOERR error or timeout writing to target instance");
const READING: ErrorReply = ErrorReply::known("IOERR error or timeout reading to target instance");
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest line of a reply: those to what is sent are short.
const LONGEST: u64 = 64 << 10;

/// What is to be moved, and how.
struct Move {
    space: Arc<Keyspace>,
    db: u16,
    items: Vec<Item>,
    host: String,
    port: u16,
    to: i64,
    timeout: Duration,
    copies: bool,
    replaces: bool,
    auth: Vec<Bytes>,
}

/// A key on its way.
struct Item {
    key: Bytes,
    payload: Vec<u8>,
    /// Milliseconds that are left to it; 0 for ever.
    ttl: u64,
    /// Set by whoever writes to the key meanwhile. The second of the same name has none: it goes with the first.
    watch: Option<Arc<Watch>>,
}

fn keys(words: &[Bytes]) -> Vec<usize> {
    // The first one in the place of an option counts, if anything is behind it; beside a key it makes no sense.
    let mut at = 6;
    while let Some(word) = words.get(at) {
        match word {
            word if is(word, "KEYS") && at + 1 < words.len() => {
                let has_key = words.get(3).is_some_and(|key| !key.is_empty());
                return if has_key { Vec::new() } else { (at + 1..words.len()).collect() };
            }
            word if is(word, "AUTH") => at += 2,
            word if is(word, "AUTH2") => at += 3,
            _ => at += 1,
        }
    }
    vec![3]
}

fn migrate(call: &mut Call<'_>) -> Answer {
    let (host, port, key, to, timeout) =
        (call.args.next()?, call.args.next()?, call.args.next()?, call.args.next()?, call.args.next()?);
    let (mut copies, mut replaces, mut auth) = (false, false, &[][..]);
    let mut names = std::slice::from_ref(key);
    while let Some(word) = call.args.take() {
        let more = call.args.len();
        if is(word, "COPY") {
            copies = true;
        } else if is(word, "REPLACE") {
            replaces = true;
        } else if is(word, "AUTH") && more >= 1 {
            auth = call.args.take_many(1)?;
        } else if is(word, "AUTH2") && more >= 2 {
            auth = call.args.take_many(2)?;
        } else if is(word, "KEYS") {
            if !key.is_empty() {
                return Err(ErrorReply::known(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            names = call.args.take_rest();
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let (timeout, to) = (integer(timeout)?, integer(to)?);
    let timeout = u64::try_from(timeout).ok().filter(|millis| *millis > 0);
    let timeout = timeout.map_or(USUAL, Duration::from_millis).min(LONGEST_WAIT);
    if call.db().in_transaction() {
        return Err(ErrorReply::known(
            "ERR MIGRATE waits for another server, which nothing does within a transaction or a script here",
        ));
    }
    let items = take(call, names)?;
    if items.is_empty() {
        return Ok(Reply::Status("NOKEY".into()));
    }
    let space = Arc::clone(call.db().space());
    let ticket = Ticket::of_nobody(&space);
    let told = ticket.rouse();
    let moves = Move {
        db: call.db().index(),
        items,
        host: String::from_utf8_lossy(host).into_owned(),
        // As C reads numbers: what is none is 0, where nobody listens.
        port: std::str::from_utf8(port).ok().and_then(|port| port.trim().parse().ok()).unwrap_or(0),
        to,
        timeout,
        copies,
        replaces,
        auth: auth.to_vec(),
        space,
    };
    let spawned = std::thread::Builder::new().name("larder-migrate".into()).spawn(move || {
        let reply = moves.run().map_or_else(Reply::from, |()| Reply::OK);
        moves.forget();
        told.serve(Served::Told(reply));
    });
    spawned.map_err(|_| ErrorReply::known("ERR there is no thread to be had for MIGRATE"))?;
    call.session.elsewhere = Some(ticket);
    Ok(Reply::OK)
}

fn integer(text: &Bytes) -> Result<i64, ErrorReply> {
    crate::text::number::parse_i64(text).ok_or(ErrorReply::NOT_AN_INTEGER)
}

/// The keys that are there, as they are now; each is watched from before that.
fn take(call: &Call<'_>, names: &[Bytes]) -> Result<Vec<Item>, ErrorReply> {
    let (clock, compat, db) = (call.space().clock(), call.compat(), call.db().index());
    let mut items = Vec::new();
    let mut known = HashSet::with_capacity(names.len());
    for name in names {
        let key = call.db().key_ref(name);
        let watch = if known.contains(name) { None } else { Some(call.space().watch(db, &[key])?) };
        let found = call
            .read(key, |view, key| Ok(view.entry(key).map(|entry| (entry.value.to_value(), entry.deadline))));
        let item = found.map_err(ErrorReply::from).and_then(|found| {
            let Some((value, deadline)) = found else { return Ok(None) };
            let payload = payload(&value, compat, call.space())?;
            let ttl = if deadline == NEVER { 0 } else { deadline.saturating_sub(clock.now()).max(1) };
            Ok(Some(Item { key: name.clone(), payload, ttl, watch: watch.clone() }))
        });
        match item {
            Ok(Some(item)) => {
                known.insert(name);
                items.push(item);
            }
            nothing => {
                if let Some(watch) = &watch {
                    call.space().unwatch(db, &[key], watch);
                }
                if let Err(error) = nothing {
                    forget(call.space(), db, &items);
                    return Err(error);
                }
            }
        }
    }
    Ok(items)
}

fn payload(value: &Value, compat: Compat, space: &Keyspace) -> Result<Vec<u8>, ErrorReply> {
    let clock = space.clock();
    rdb::dump(ValueRef::Whole(value), compat, clock, clock.now()).map_err(|what| {
        ErrorReply::new(format!("ERR the key has {what}, which this version of the server cannot hold"))
    })
}

/// Nothing of it is watched any more.
fn forget(space: &Keyspace, db: u16, items: &[Item]) {
    for item in items {
        if let Some(watch) = &item.watch {
            space.unwatch(db, &[space.key_ref(&item.key)], watch);
        }
    }
}

impl Move {
    /// Sends all keys, and removes those that have arrived.
    fn run(&self) -> Result<(), ErrorReply> {
        let mut stream = self.connect()?;
        stream.write_all(&self.requests()).map_err(|_| WRITING)?;
        let mut replies = BufReader::new(stream);
        let refused = |text: &str| ErrorReply::new(format!("ERR Target instance replied with error: {text}"));
        for _ in 0..self.greetings() {
            read(&mut replies)?.map_err(|text| refused(&text))?;
        }
        // Of several errors the first is told; what arrives behind it arrives all the same.
        let mut failed = None;
        for item in &self.items {
            match read(&mut replies)? {
                Err(text) => failed = failed.or_else(|| Some(refused(&text))),
                Ok(()) if self.copies => {}
                Ok(()) => failed = failed.or(self.remove(item).err()),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn connect(&self) -> Result<TcpStream, ErrorReply> {
        let until = Instant::now() + self.timeout;
        let addresses = (&*self.host, self.port).to_socket_addrs();
        let addresses = addresses
            .map_err(|error| ErrorReply::new(format!("ERR Can't connect to target node: {error}")))?;
        let mut failed = CONNECTING;
        for address in addresses {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CONNECTING);
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => {
                    // Both fail but for a time of 0, which this is not.
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(self.timeout));
                    let _ = stream.set_write_timeout(Some(self.timeout));
                    return Ok(stream);
                }
                // Who is turned away notices that in Redis when it writes.
                Err(error) => failed = if error.kind() == ErrorKind::TimedOut { CONNECTING } else { WRITING },
            }
        }
        Err(failed)
    }

    /// How many replies come before those to the keys.
    fn greetings(&self) -> usize {
        1 + usize::from(!self.auth.is_empty())
    }

    fn requests(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.auth.is_empty() {
            let words: Vec<&[u8]> =
                std::iter::once(&b"AUTH"[..]).chain(self.auth.iter().map(|word| &word[..])).collect();
            request(&mut out, &words);
        }
        request(&mut out, &[b"SELECT", self.to.to_string().as_bytes()]);
        for Item { key, payload, ttl, .. } in &self.items {
            let ttl = ttl.to_string();
            let mut words: Vec<&[u8]> = vec![b"RESTORE", key, ttl.as_bytes(), payload];
            words.extend(self.replaces.then_some(&b"REPLACE"[..]));
            request(&mut out, &words);
        }
        out
    }

    /// Removes a key that has arrived, unless it is another by now.
    fn remove(&self, item: &Item) -> Result<(), ErrorReply> {
        let Some(watch) = &item.watch else { return Ok(()) };
        let is_same = self.space.write(self.db, &[self.space.key_ref(&item.key)], |writer| {
            let is_same = !watch.is_changed();
            if is_same {
                writer.discard(self.space.key_ref(&item.key), KeyEvent::Del);
            }
            is_same
        })?;
        if is_same {
            return Ok(());
        }
        let key = item.key.escape_ascii();
        Err(ErrorReply::new(format!(
            "ERR '{key}' was changed while it was copied, and is on both servers now"
        )))
    }

    fn forget(&self) {
        forget(&self.space, self.db, &self.items);
    }
}

fn request(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// A reply of one line: nothing, or the text of an error.
///
/// # Errors
/// If none comes, or one that is neither.
fn read(replies: &mut impl BufRead) -> Result<Result<(), String>, ErrorReply> {
    let mut line = Vec::new();
    replies.take(LONGEST).read_until(b'\n', &mut line).map_err(|_| READING)?;
    match line.strip_suffix(b"\r\n").and_then(<[u8]>::split_first) {
        Some((b'+', _)) => Ok(Ok(())),
        Some((b'-', text)) => Ok(Err(String::from_utf8_lossy(text).into_owned())),
        _ => Err(READING),
    }
}
