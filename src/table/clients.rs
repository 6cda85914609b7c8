//! The sessions of a store, as they see each other: `CLIENT LIST`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::acl::Account;
use super::measure::{Done, Measures, Tally};
use super::row::Compat;
use crate::Bytes;
use crate::command::blocking::Rouse;
use crate::keyspace::watch::Watch;
use crate::pubsub::Subscription;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex};
use crate::tracking::{Ear, Tracker};
use crate::wake::Wakes;

/// All sessions that there are.
#[derive(Default)]
pub(crate) struct Clients {
    /// How many there have been.
    count: AtomicU64,
    /// Those that were not let in, as there were too many.
    rejected: AtomicU64,
    /// Those that were disconnected, as they would have had the server keep too much of their requests, and of its replies.
    over_query: AtomicU64,
    over_output: AtomicU64,
    /// What the connections have moved of those that are gone.
    gone: Mutex<Sums>,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
}

/// What clients have done and met with, all added up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    pub connections: u64,
    pub rejected: u64,
    pub over_query: u64,
    pub over_output: u64,
    pub received: u64,
    pub sent: u64,
    pub reads: u64,
    pub writes: u64,
    pub shrinks: u64,
    pub expands: u64,
}

/// One session. Its own thread writes here, others read.
pub(crate) struct Client {
    /// From 1, never given twice.
    pub id: u64,
    /// When it came, on the store's clock.
    since: u64,
    /// Where it is told what it has not asked for; closed once it is gone.
    pub ear: Arc<Ear>,
    /// Its cache, once it has said that it keeps one.
    tracker: OnceLock<Arc<Tracker>>,
    /// How its command that waits is had to wait no longer.
    waits: Mutex<Option<Rouse>>,
    /// How many errors its commands have met with.
    errors: AtomicU64,
    /// What its connection has moved and keeps.
    pub traffic: Traffic,
    seat: Mutex<Seat>,
}

/// What a client's connection has moved and keeps, in bytes: its own task writes, others read.
#[derive(Default)]
pub(crate) struct Traffic {
    pub received: AtomicU64,
    pub sent: AtomicU64,
    /// In how many reads and writes.
    pub reads: AtomicU64,
    pub writes: AtomicU64,
    /// How often the room for replies was given back, and had not been enough.
    pub shrinks: AtomicU64,
    pub expands: AtomicU64,
    /// Requests that have arrived and are not carried out, and the room behind them.
    pub query: AtomicUsize,
    pub query_room: AtomicUsize,
    /// Replies that the client does not take, the room that is kept for replies, and the most that there was at once.
    pub reply: AtomicUsize,
    pub reply_room: AtomicUsize,
    pub reply_peak: AtomicUsize,
}

/// What a session notes of itself with each command.
struct Seat {
    facts: Facts,
    tally: Tally,
}

/// What others may know of a session.
#[derive(Clone)]
pub(super) struct Facts {
    pub name: Bytes,
    pub user: Arc<Account>,
    pub lib_name: Bytes,
    pub lib_ver: Bytes,
    /// Where its client is, and where that has connected to.
    pub peer: String,
    pub local: String,
    /// Its last command, and when that was.
    pub command: &'static str,
    pub at: u64,
    pub db: u16,
    /// The version of its protocol.
    pub protocol: u8,
    /// How many commands it has queued behind `MULTI`, and their bytes.
    pub queued: Option<usize>,
    pub queued_bytes: usize,
    /// Bytes of the command that is under way.
    pub words: usize,
    /// To how many channels and patterns it is subscribed.
    pub channels: usize,
    pub patterns: usize,
    pub shards: usize,
    /// It is shown the commands of all.
    pub monitors: bool,
    /// How many keys it watches, and what tells whether something happened to one.
    pub watched: usize,
    pub watches: Vec<Arc<Watch>>,
    /// It waits for a key to hold something, and no longer than until some time.
    pub waits: bool,
    pub has_deadline: bool,
    /// It has said `CLIENT NO-EVICT ON`.
    pub stays: bool,
    /// It has said `CLIENT NO-TOUCH ON`.
    pub leaves_no_trace: bool,
    /// It has said `CLIENT CAPA REDIRECT`.
    pub takes_redirects: bool,
}

impl Clients {
    /// Counts a new one in.
    pub(super) fn connect(&self, now: u64, mail: Subscription, user: &Arc<Account>) -> Arc<Client> {
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            since: now,
            ear: Ear::new(id, mail),
            tracker: OnceLock::new(),
            waits: Mutex::default(),
            errors: AtomicU64::new(0),
            traffic: Traffic::default(),
            seat: Mutex::new(Seat { facts: Facts::new(now, Arc::clone(user)), tally: Tally::default() }),
        });
        self.connected.lock().insert(id, Arc::clone(&client));
        client
    }

    pub(super) fn disconnect(&self, client: &Client) {
        // Both locks at once: who adds up meets each once.
        let mut connected = self.connected.lock();
        if connected.remove(&client.id).is_some() {
            self.gone.lock().add(&client.traffic);
        }
    }

    /// The one of that id, if it is connected. O(log n)
    pub(super) fn find(&self, id: i64) -> Option<Arc<Client>> {
        self.connected.lock().get(&u64::try_from(id).ok()?).cloned()
    }

    /// Those that are connected, by their ids. O(n)
    pub(super) fn all(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }

    /// One is turned away.
    #[cfg(feature = "server")]
    pub(crate) fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// One is disconnected, as it would have had the server keep more of its requests than it may.
    #[cfg(feature = "server")]
    pub(crate) fn count_over_query(&self) {
        self.over_query.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, of replies to it.
    #[cfg(feature = "server")]
    pub(crate) fn count_over_output(&self) {
        self.over_output.fetch_add(1, Ordering::Relaxed);
    }

    /// What is kept for all of them, in bytes. O(connected)
    pub(super) fn bytes(&self) -> u64 {
        self.all().iter().map(|client| client.kept(&client.facts()).total).sum()
    }

    /// All added up. O(connected)
    pub(super) fn sums(&self) -> Sums {
        let connected = self.connected.lock();
        let mut sums = *self.gone.lock();
        connected.values().for_each(|client| sums.add(&client.traffic));
        let [connections, rejected, over_query, over_output] =
            [&self.count, &self.rejected, &self.over_query, &self.over_output]
                .map(|count| count.load(Ordering::Relaxed));
        Sums { connections, rejected, over_query, over_output, ..sums }
    }
}

impl Sums {
    fn add(&mut self, traffic: &Traffic) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.received += of(&traffic.received);
        self.sent += of(&traffic.sent);
        self.reads += of(&traffic.reads);
        self.writes += of(&traffic.writes);
        self.shrinks += of(&traffic.shrinks);
        self.expands += of(&traffic.expands);
    }

    /// What has come since they were those.
    pub(super) fn since(&self, before: &Sums) -> Sums {
        Sums {
            connections: self.connections.saturating_sub(before.connections),
            rejected: self.rejected.saturating_sub(before.rejected),
            over_query: self.over_query.saturating_sub(before.over_query),
            over_output: self.over_output.saturating_sub(before.over_output),
            received: self.received.saturating_sub(before.received),
            sent: self.sent.saturating_sub(before.sent),
            reads: self.reads.saturating_sub(before.reads),
            writes: self.writes.saturating_sub(before.writes),
            shrinks: self.shrinks.saturating_sub(before.shrinks),
            expands: self.expands.saturating_sub(before.expands),
        }
    }
}

#[cfg(feature = "server")]
impl Traffic {
    /// Adds to one of the counts, which only the caller's task does.
    pub(crate) fn count(count: &AtomicU64, by: u64) {
        count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
}

impl Client {
    /// Its connection is closed: it is told no more, and waits for nothing. No lock may be held.
    pub(super) fn cut(&self) {
        let mut wakes = Wakes::default();
        self.ear.mail.end(&mut wakes);
        wakes.wake();
        self.rouse(false);
    }

    /// Whether somebody has done that to it, or it is gone.
    pub(super) fn is_cut(&self) -> bool {
        self.ear.mail.is_closed()
    }

    /// Has its command wait no longer, as if its time were over, or with an error; false if none waits. No lock may
    /// be held.
    pub(super) fn rouse(&self, fails: bool) -> bool {
        let waits = self.waits.lock().take();
        waits.is_some_and(|waits| if fails { waits.fail() } else { waits.rouse() })
    }

    /// Its command waits, or does no more.
    pub(super) fn set_waits(&self, waits: Option<Rouse>) {
        *self.waits.lock() = waits;
    }

    /// Its cache, if it has ever said that it keeps one.
    pub(super) fn known_tracker(&self) -> Option<&Arc<Tracker>> {
        self.tracker.get()
    }

    pub(super) fn tracker(&self) -> &Arc<Tracker> {
        self.tracker.get_or_init(|| Tracker::new(Arc::clone(&self.ear)))
    }

    /// Since when it is connected, on the store's clock.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn facts(&self) -> Facts {
        self.seat.lock().facts.clone()
    }

    /// When it has last done something.
    #[cfg(feature = "server")]
    pub(super) fn at(&self) -> u64 {
        self.seat.lock().facts.at
    }

    /// Whether it is that user's.
    pub(super) fn is_of(&self, user: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.seat.lock().facts.user, user)
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Facts)) {
        note(&mut self.seat.lock().facts);
    }

    /// Notes what has become of it with a command, and the command if it was carried out.
    pub(super) fn note_command(
        &self,
        done: Option<Done>,
        measures: &Measures,
        note: impl FnOnce(&mut Facts),
    ) {
        let mut seat = self.seat.lock();
        note(&mut seat.facts);
        if done.is_some_and(|done| seat.tally.note(done)) {
            measures.collect(&mut seat.tally);
        }
    }

    /// Notes a command that was carried out within another one.
    pub(super) fn tally(&self, done: Done, measures: &Measures) {
        self.note_command(Some(done), measures, |_| {});
    }

    /// What it has noted of its commands.
    pub(super) fn with_tally<R>(&self, look: impl FnOnce(&mut Tally) -> R) -> R {
        look(&mut self.seat.lock().tally)
    }

    /// The line of `CLIENT LIST`, if these are the facts. Where there is no connection, its fields are 0.
    pub(super) fn line(&self, facts: &Facts, now: u64, compat: Compat) -> String {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let seconds = |since: u64| now.saturating_sub(since) / 1000;
        let (version, is_valkey) = (compat.redis(), compat == Compat::Valkey9);
        let mut line = format!(
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={}",
            self.id,
            facts.peer,
            facts.local,
            text(&facts.name),
            seconds(self.since),
            seconds(facts.at),
            self.flags(facts),
        );
        let mut add = |field: &str, fact: &dyn std::fmt::Display| line.push_str(&format!(" {field}={fact}"));
        if is_valkey {
            add("capa", &if facts.takes_redirects { "r" } else { "" });
        }
        add("db", &facts.db);
        add("sub", &facts.channels);
        add("psub", &facts.patterns);
        add("ssub", &facts.shards);
        add("multi", &facts.queued.map_or("-1".into(), |queued| queued.to_string()));
        if version >= (7, 4) || is_valkey {
            add("watch", &facts.keys_watched());
        }
        let Traffic { received, sent, query, query_room, reply, reply_room, reply_peak, .. } = &self.traffic;
        let bytes = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let (messages, message_bytes) = self.ear.mail.waiting();
        add("qbuf", &bytes(query));
        add("qbuf-free", &bytes(query_room));
        add("argv-mem", &facts.words);
        add("multi-mem", &facts.queued_bytes);
        add("rbs", &bytes(reply_room));
        add("rbp", &bytes(reply_peak));
        add("obl", &bytes(reply));
        add("oll", &messages);
        add("omem", &message_bytes);
        add("tot-mem", &self.kept(facts).total);
        add("events", &if bytes(reply) > 0 { "rw" } else { "r" });
        add("cmd", &facts.command);
        add("user", &text(facts.user.name()));
        add("redir", &self.redirect());
        add("resp", &facts.protocol);
        if version >= (7, 2) {
            add("lib-name", &text(&facts.lib_name));
            add("lib-ver", &text(&facts.lib_ver));
        }
        if version >= (8, 0) {
            add("io-thread", &0);
        }
        if version >= (8, 0) || is_valkey {
            add("tot-net-in", &received.load(Ordering::Relaxed));
            add("tot-net-out", &sent.load(Ordering::Relaxed));
            add("tot-cmds", &self.with_tally(|tally| tally.count));
        }
        line.push('\n');
        line
    }
}

/// What is kept for a session, in bytes.
pub(super) struct Kept {
    pub input: u64,
    pub output: u64,
    pub total: u64,
}

impl Client {
    /// What is kept for it, if these are the facts: of its requests, of what it has not taken, and in all.
    pub(super) fn kept(&self, facts: &Facts) -> Kept {
        let bytes = |of: &AtomicUsize| of.load(Ordering::Relaxed) as u64;
        let Traffic { query, query_room, reply, reply_room, .. } = &self.traffic;
        let input = bytes(query) + bytes(query_room) + (facts.words + facts.queued_bytes) as u64;
        let (_, messages) = self.ear.mail.waiting();
        let total = input + bytes(reply_room) + size_of::<Self>() as u64;
        Kept { input, output: messages.saturating_add(bytes(reply)), total: total.saturating_add(messages) }
    }

    /// Where its invalidations go: 0 for to itself, -1 if there are none.
    pub(super) fn redirect(&self) -> i64 {
        let tracker = self.known_tracker().filter(|tracker| tracker.is_on());
        let to = tracker.map(|tracker| tracker.options().redirect.map_or(0, |ear| ear.id));
        to.map_or(-1, |id| i64::try_from(id).unwrap_or(i64::MAX))
    }

    /// What it is, in letters.
    pub(super) fn flags(&self, facts: &Facts) -> String {
        let tracker = self.known_tracker().filter(|tracker| tracker.is_on());
        let all = [
            (facts.monitors, 'O'),
            (facts.listens(), 'P'),
            (facts.queued.is_some(), 'x'),
            (facts.waits, 'b'),
            (tracker.is_some(), 't'),
            (tracker.is_some_and(|tracker| tracker.is_broken()), 'R'),
            (tracker.is_some_and(|tracker| tracker.options().broadcast), 'B'),
            (facts.is_dirty(), 'd'),
            (facts.unix_socket().is_some(), 'U'),
            (facts.stays, 'e'),
            (facts.leaves_no_trace, 'T'),
        ];
        let flags: String = all.into_iter().filter_map(|(has, flag)| has.then_some(flag)).collect();
        if flags.is_empty() { "N".into() } else { flags }
    }
}

impl Facts {
    fn new(now: u64, user: Arc<Account>) -> Self {
        Facts {
            name: Bytes::new(),
            user,
            lib_name: Bytes::new(),
            lib_ver: Bytes::new(),
            peer: "?:0".into(),
            local: "?:0".into(),
            command: "NULL",
            at: now,
            db: 0,
            protocol: 2,
            queued: None,
            queued_bytes: 0,
            words: 0,
            channels: 0,
            patterns: 0,
            shards: 0,
            monitors: false,
            watched: 0,
            watches: Vec::new(),
            waits: false,
            has_deadline: false,
            stays: false,
            leaves_no_trace: false,
            takes_redirects: false,
        }
    }

    /// Its type, as CLIENT LIST has it.
    pub(super) fn kind(&self) -> &'static str {
        if self.listens() { "PUBSUB" } else { "NORMAL" }
    }

    /// Whether something happened to what it watches: EXEC will do nothing.
    fn is_dirty(&self) -> bool {
        self.watches.iter().any(|watch| watch.is_changed())
    }

    /// Redis takes all watches off then.
    pub(super) fn keys_watched(&self) -> usize {
        if self.is_dirty() { 0 } else { self.watched }
    }

    /// The path of the Unix socket that it came by.
    pub(super) fn unix_socket(&self) -> Option<&str> {
        self.peer.strip_suffix(":0").filter(|path| path.starts_with('/'))
    }

    fn listens(&self) -> bool {
        self.channels + self.patterns + self.shards > 0
    }
}
