//! CLIENT KILL, UNBLOCK, PAUSE and UNPAUSE: what a session does to others.

use super::args::is;
use super::call::{Answer, Call};
use super::clients::Client;
use super::filter::Filter;
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, row};
use super::session::Session;
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

/// CLIENT KILL of an address, or of all that a filter lets through.
fn kill(call: &mut Call<'_>) -> Answer {
    let address = Some(call.args.rest()).filter(|words| words.len() == 1).and_then(|words| words.first());
    let filter = match address {
        Some(address) => Filter::of_peer(address),
        None => Filter::read(call, true)?,
    };
    let meant = filter.meant(call);
    let count = call.session.end_those(meant);
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
            #[cfg(feature = "testing")]
            space.shared().hooks.bell.have_all_look();
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
    let all = match call.args.rest() {
        [_] => true,
        [_, mode] if is(mode, "ALL") => true,
        [_, mode] if is(mode, "WRITE") => false,
        [_, _] => return Err(ErrorReply::known("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        // What else there is, Valkey does not look at, nor at the mode then.
        [_, _, ..] if call.compat() == Compat::Valkey9 => true,
        _ => return Err(call.wrong_subcommand()),
    };
    let millis = call.timeout()?;
    // Where its end cannot be counted it has come already.
    let millis = if call.counts_until(millis) { millis } else { 0 };
    call.shared().pause.start(call.space().clock().now().saturating_add(millis), all);
    Ok(Reply::OK)
}

fn unpause(call: &mut Call<'_>) -> Answer {
    call.db().space().when_free(|space| space.shared().pause.end());
    Ok(Reply::OK)
}
