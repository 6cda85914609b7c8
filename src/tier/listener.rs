//! The thread that hears what others change, on a connection of its own.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Connection, Msg, ProtocolVersion, RedisResult, cmd};

use super::keys::{INVALIDATED, Keys};
use super::queue::Shared;
use super::stats::Counters;
use crate::cache::second::Removal;
use crate::clock::Clock;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread;
use crate::sync::{Condvar, Mutex};
use crate::trace;

/// What the thread that listens and the one that talks know of each other.
pub(super) struct Ears {
    is_closed: AtomicBool,
    /// When something was heard last.
    heard_at: AtomicU64,
    /// Something was.
    have_heard: Mutex<bool>,
    /// Tells who waits for that.
    hear: Condvar,
}

impl Ears {
    /// It is to listen no more.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    fn heard(&self) {
        self.heard_at.store(Clock::System.now(), Ordering::Release);
        if !mem::replace(&mut *self.have_heard.lock(), true) {
            self.hear.notify_all();
        }
    }

    /// Waits until something was heard, no longer than to this time; gives whether it was.
    pub(super) fn have_heard_by(&self, deadline: u64) -> bool {
        let mut have_heard = self.have_heard.lock();
        while !*have_heard && Clock::System.now() < deadline {
            Clock::System.wait(&self.hear, &mut have_heard, deadline);
        }
        *have_heard
    }

    /// For how many milliseconds nothing was heard.
    pub(super) fn silent_for(&self, now: u64) -> u64 {
        now.saturating_sub(self.heard_at.load(Ordering::Acquire))
    }
}

/// Begins to listen; gives the connection's id too, to which Redis is to tell what others change, if it has any.
///
/// # Errors
/// Redis's, the network's, or the system's, if it has no thread.
pub(super) fn open(client: &Client, shared: &Arc<Shared>) -> RedisResult<(Arc<Ears>, Option<i64>)> {
    let timeout = shared.options.timeout();
    let info = client.get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let mut connection =
        Client::open(info.set_redis_settings(settings))?.get_connection_with_timeout(timeout)?;
    connection.set_read_timeout(Some(timeout))?;
    connection.set_write_timeout(Some(timeout))?;
    let id = cmd("CLIENT").arg("ID").query(&mut connection).ok();
    let keys = &shared.options.keys;
    let channels = [INVALIDATED.as_bytes().to_vec(), keys.changes(), keys.own_channel(shared.me)];
    let mut subscribe = cmd("SUBSCRIBE");
    subscribe.arg(&channels);
    connection.send_packed_command(&subscribe.get_packed_command())?;
    for _ in channels {
        connection.recv_response()?.extract_error()?;
    }
    let ears = Arc::new(Ears {
        is_closed: AtomicBool::new(false),
        heard_at: AtomicU64::new(Clock::System.now()),
        have_heard: Mutex::default(),
        hear: Condvar::new(),
    });
    let (its, shared) = (Arc::clone(&ears), Arc::clone(shared));
    thread::Builder::new().name("larder-tier-ear".into()).spawn(move || listen(connection, &its, &shared))?;
    Ok((ears, id))
}

fn listen(mut connection: Connection, ears: &Ears, shared: &Shared) {
    // What was subscribed to stays so; nothing is asked here but for the next message.
    let mut channels = connection.as_pubsub();
    // A timeout, so that a connection that is dead without a word is left, too.
    let is_read_by_turns = channels.set_read_timeout(Some(LOOK.min(shared.options.timeout()))).is_ok();
    while is_read_by_turns && !ears.is_closed.load(Ordering::Acquire) {
        match channels.get_message() {
            Ok(message) => {
                ears.heard();
                heard(&message, shared);
            }
            Err(error) if error.is_timeout() => {}
            Err(_) => break,
        }
    }
    if !ears.is_closed.load(Ordering::Acquire) {
        shared.broken();
    }
}

/// How often who listens looks whether it is to end.
const LOOK: Duration = Duration::from_millis(250);

fn heard(message: &Msg, shared: &Shared) {
    let keys = &shared.options.keys;
    if message.get_channel_name() == INVALIDATED {
        match message.get_payload::<Option<Vec<Vec<u8>>>>() {
            Ok(Some(changed)) => changed.iter().for_each(|key| changed_elsewhere(key, shared)),
            // All keys are gone, or nobody knows which.
            _ => outdate(&Removal::Everything, shared),
        }
    } else if message.get_channel_name().as_bytes() == keys.changes() {
        if let Some(key) = Keys::told(shared.me, message.get_payload_bytes()) {
            changed_elsewhere(key, shared);
        }
    }
}

fn changed_elsewhere(key: &[u8], shared: &Shared) {
    if let Some(removal) = shared.options.keys.removal(key) {
        outdate(&removal, shared);
    }
}

fn outdate(removal: &Removal, shared: &Shared) {
    Counters::add(&shared.counters.invalidations);
    trace::outdated(removal);
    shared.outdate(removal);
}
