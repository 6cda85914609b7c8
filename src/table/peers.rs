//! CLIENT KILL, UNBLOCK, PAUSE and UNPAUSE: what a session does to others.

use super::acl::Account;
use super::args::is;
use super::call::{Answer, Call};
use super::clients::Client;
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, row};
use super::session::Session;
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::sync::Arc;
use crate::text::number;

const RULE: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    row("client|kill", -3, RULE, Keys::NONE, kill).since(2, 4),
    row("client|pause", -3, RULE, Keys::NONE, pause).since(3, 0),
    row("client|unblock", -3, RULE, Keys::NONE, unblock).since(5, 0),
    row("client|unpause", 2, RULE, Keys::NONE, unpause).since(6, 2),
];

/// # Errors
/// Redis's for what is no type of client.
pub(super) fn check_type(name: &[u8]) -> Result<(), ErrorReply> {
    if ["NORMAL", "MASTER", "REPLICA", "SLAVE", "PUBSUB"].iter().any(|known| is(name, known)) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name);
    Err(ErrorReply::new(format!("ERR Unknown client type '{name}'")))
}

/// Which clients are meant.
#[derive(Default)]
struct Filter<'c> {
    /// One of these, if there are any.
    ids: Vec<i64>,
    kind: Option<&'c Bytes>,
    peer: Option<&'c Bytes>,
    local: Option<&'c Bytes>,
    user: Option<Arc<Account>>,
    /// Milliseconds since it came, at least.
    age: Option<u64>,
    skips_me: bool,
}

impl<'c> Filter<'c> {
    /// The options of `CLIENT KILL`, in any order; of several of one kind the last counts.
    fn read(call: &mut Call<'c>) -> Result<Self, ErrorReply> {
        let mut filter = Filter { skips_me: true, ..Filter::default() };
        let has_age = call.compat().redis() >= (7, 4);
        while let Some(option) = call.args.take() {
            let value = call.args.next()?;
            match option {
                option if is(option, "ID") => filter.ids = ids(call, value)?,
                option if is(option, "TYPE") => {
                    check_type(value)?;
                    filter.kind = Some(value);
                }
                option if is(option, "ADDR") => filter.peer = Some(value),
                option if is(option, "LADDR") => filter.local = Some(value),
                option if is(option, "USER") => {
                    let unknown = || ErrorReply::of_bytes([b"ERR No such user '", &value[..], b"'"].concat());
                    filter.user = Some(call.shared().users.find(value).ok_or_else(unknown)?);
                }
                option if is(option, "SKIPME") && is(value, "YES") => filter.skips_me = true,
                option if is(option, "SKIPME") && is(value, "NO") => filter.skips_me = false,
                option if has_age && is(option, "MAXAGE") => {
                    let error = "ERR maxage is not an integer or out of range";
                    let age = number::parse_i64(value).ok_or(ErrorReply::known(error))?;
                    let age = u64::try_from(age).ok().filter(|age| *age > 0);
                    let age = age.ok_or(ErrorReply::known("ERR maxage should be greater than 0"))?;
                    filter.age = Some(age.saturating_mul(1000));
                }
                _ => return Err(ErrorReply::SYNTAX),
            }
        }
        Ok(filter)
    }

    fn lets(&self, client: &Client, now: u64, me: u64) -> bool {
        let facts = client.facts();
        (self.ids.is_empty() || self.ids.iter().any(|id| u64::try_from(*id) == Ok(client.id)))
            && self.kind.is_none_or(|kind| is(kind, client.kind()))
            && self.peer.is_none_or(|peer| **peer == *facts.peer.as_bytes())
            && self.local.is_none_or(|local| **local == *facts.local.as_bytes())
            && self.user.as_ref().is_none_or(|user| client.is_of(user))
            && self.age.is_none_or(|age| now.saturating_sub(client.since()) >= age)
            && !(self.skips_me && client.id == me)
    }
}

/// What ID is followed by: an id, or several in Valkey, where what is no number is the next option.
fn ids(call: &mut Call<'_>, first: &Bytes) -> Result<Vec<i64>, ErrorReply> {
    let checked = |id: Option<i64>| {
        let error = ErrorReply::known("ERR client-id should be greater than 0");
        id.filter(|id| *id > 0).ok_or(error)
    };
    if call.compat() != Compat::Valkey9 {
        return Ok(vec![checked(number::parse_i64(first))?]);
    }
    let mut ids = vec![checked(Some(number::parse_i64(first).ok_or(ErrorReply::SYNTAX)?))?];
    while let Some(id) = call.args.peek().and_then(|word| number::parse_i64(word)) {
        ids.push(checked(Some(id))?);
        call.args.take();
    }
    Ok(ids)
}

/// CLIENT KILL of an address, or of all that a filter lets through.
fn kill(call: &mut Call<'_>) -> Answer {
    let address = Some(call.args.rest()).filter(|words| words.len() == 1).and_then(|words| words.first());
    let filter = match address {
        Some(_) => Filter { peer: address, ..Filter::default() },
        None => Filter::read(call)?,
    };
    let (now, me) = (call.space().clock().now(), call.session.client.id);
    let count = call.session.end_those(|client| filter.lets(client, now, me));
    match address {
        None => Ok(Reply::count(count)),
        Some(_) if count == 0 => Err(ErrorReply::known("ERR No such client")),
        Some(_) => Ok(Reply::OK),
    }
}

impl Session {
    /// Closes the connections of those clients, and tells how many they are. Its own gets the reply still.
    pub(super) fn end_those(&mut self, meant: impl Fn(&Client) -> bool) -> usize {
        let clients = self.shared().clients.all();
        let killed: Vec<_> = clients.into_iter().filter(|client| meant(client)).collect();
        let count = killed.len();
        for client in killed {
            if client.id == self.client.id {
                self.is_over = true;
            } else {
                self.kill(client);
            }
        }
        count
    }

    /// Closes another's connection; within a transaction its threads are woken at the end.
    fn kill(&self, client: Arc<Client>) {
        self.shared().leave(&client);
        self.db().space().when_free(move |space| {
            client.cut();
            space.shared().pause.ring_all();
            if let Some(tracker) = client.known_tracker() {
                space.tracking().leave(tracker);
            }
        });
    }
}

/// CLIENT UNBLOCK: as if its time were over, or by an error.
fn unblock(call: &mut Call<'_>) -> Answer {
    let words = call.args.take_rest();
    let (id, fails) = match words {
        [id] => (id, false),
        [id, how] if is(how, "TIMEOUT") => (id, false),
        [id, how] if is(how, "ERROR") => (id, true),
        [_, _] => return Err(ErrorReply::known("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        // What else there is, Valkey does not look at, nor at the reason then.
        [id, _, ..] if call.compat() == Compat::Valkey9 => (id, false),
        _ => return Err(call.wrong_subcommand()),
    };
    let id = number::parse_i64(id).ok_or(ErrorReply::NOT_AN_INTEGER)?;
    let Some(client) = call.shared().clients.find(id) else { return Ok(Reply::Integer(0)) };
    Ok(Reply::flag(client.rouse(fails)))
}

/// CLIENT PAUSE. Keys go on expiring meanwhile: to whoever asks they are gone in any case.
fn pause(call: &mut Call<'_>) -> Answer {
    let (millis, all) = match call.args.take_rest() {
        [millis] => (millis, true),
        [millis, mode] if is(mode, "ALL") => (millis, true),
        [millis, mode] if is(mode, "WRITE") => (millis, false),
        [_, _] => return Err(ErrorReply::known("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        // What else there is, Valkey does not look at, nor at the mode then.
        [millis, _, ..] if call.compat() == Compat::Valkey9 => (millis, true),
        _ => return Err(call.wrong_subcommand()),
    };
    let error = ErrorReply::known("ERR timeout is not an integer or out of range");
    let millis = number::parse_i64(millis).ok_or(error)?;
    let millis = u64::try_from(millis).map_err(|_| ErrorReply::known("ERR timeout is negative"))?;
    call.shared().pause.start(call.space().clock().now().saturating_add(millis), all);
    Ok(Reply::OK)
}

fn unpause(call: &mut Call<'_>) -> Answer {
    call.db().space().when_free(|space| space.shared().pause.end());
    Ok(Reply::OK)
}
