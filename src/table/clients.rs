//! The sessions of a store, as they see each other: `CLIENT LIST`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::acl::Account;
use super::row::Compat;
use crate::Bytes;
use crate::command::blocking::Rouse;
use crate::pubsub::Subscription;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use crate::tracking::{Ear, Tracker};
use crate::wake::Wakes;

/// All sessions that there are.
#[derive(Default)]
pub(crate) struct Clients {
    /// How many there have been.
    count: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// What those have done that are gone.
    gone: Work,
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
    /// That is to be an error.
    fails: AtomicBool,
    work: Work,
    facts: Mutex<Facts>,
}

/// What a session has done.
#[derive(Default)]
pub(super) struct Work {
    pub commands: AtomicU64,
    pub errors: AtomicU64,
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
    /// How many commands it has queued behind `MULTI`.
    pub queued: Option<usize>,
    /// To how many channels and patterns it is subscribed.
    pub channels: usize,
    pub patterns: usize,
    pub shards: usize,
    /// It is shown the commands of all.
    pub monitors: bool,
    /// How many keys it watches.
    pub watched: usize,
    /// It waits for a key to hold something.
    pub waits: bool,
    /// It has said `CLIENT NO-EVICT ON`.
    pub stays: bool,
    /// It has said `CLIENT NO-TOUCH ON`.
    pub leaves_no_trace: bool,
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
            fails: AtomicBool::new(false),
            work: Work::default(),
            facts: Mutex::new(Facts::new(now, Arc::clone(user))),
        });
        self.connected.lock().insert(id, Arc::clone(&client));
        client
    }

    pub(super) fn disconnect(&self, client: &Client) {
        if self.connected.lock().remove(&client.id).is_some() {
            let (commands, errors) = client.work.so_far();
            self.gone.add(commands, errors);
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

    /// Counts what was done from now on.
    pub(super) fn reset(&self) {
        let connected = self.connected.lock();
        for work in connected.values().map(|client| &client.work).chain([&self.gone]) {
            work.commands.store(0, Ordering::Relaxed);
            work.errors.store(0, Ordering::Relaxed);
        }
    }

    /// How many there have been.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How many commands, and errors among their replies, there have been. O(connected)
    pub(super) fn work(&self) -> (u64, u64) {
        let connected = self.connected.lock();
        let all = connected.values().map(|client| &client.work).chain([&self.gone]);
        all.map(Work::so_far)
            .fold((0, 0), |(commands, errors), (more, failed)| (commands + more, errors + failed))
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
        self.fails.store(fails, Ordering::Release);
        waits.is_some_and(|waits| waits.rouse())
    }

    /// Whether its command that has waited was ended by an error.
    pub(super) fn has_failed(&self) -> bool {
        self.fails.swap(false, Ordering::AcqRel)
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

    /// Counts a command.
    pub(super) fn count(&self, is_error: bool) {
        self.work.add(1, is_error.into());
    }

    pub(super) fn facts(&self) -> Facts {
        self.facts.lock().clone()
    }

    /// Whether it is that user's.
    pub(super) fn is_of(&self, user: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.facts.lock().user, user)
    }

    /// Its type, as CLIENT LIST has it.
    pub(super) fn kind(&self) -> &'static str {
        let facts = self.facts.lock();
        if facts.listens() { "PUBSUB" } else { "NORMAL" }
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Facts)) {
        note(&mut self.facts.lock());
    }

    /// The line of `CLIENT LIST`, if these are the facts. What a session has no use for, such as buffers, is 0.
    pub(super) fn line(&self, facts: &Facts, now: u64, compat: Compat) -> String {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let seconds = |since: u64| now.saturating_sub(since) / 1000;
        let version = compat.redis();
        let mut line = format!(
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={}",
            self.id,
            facts.peer,
            facts.local,
            text(&facts.name),
            seconds(self.since),
            seconds(facts.at),
            self.flags(facts),
            facts.db,
            facts.channels,
            facts.patterns,
            facts.shards,
            facts.queued.map_or("-1".into(), |queued| queued.to_string()),
        );
        if version >= (7, 4) {
            line.push_str(&format!(" watch={}", facts.watched));
        }
        line.push_str(" qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0");
        line.push_str(&format!(
            " events=r cmd={} user={} redir={} resp={}",
            facts.command,
            text(facts.user.name()),
            self.redirect(),
            facts.protocol
        ));
        if version >= (7, 2) {
            line.push_str(&format!(" lib-name={} lib-ver={}", text(&facts.lib_name), text(&facts.lib_ver)));
        }
        line.push('\n');
        line
    }
}

impl Client {
    /// Where its invalidations go: 0 for to itself, -1 if there are none.
    pub(super) fn redirect(&self) -> i64 {
        let tracker = self.known_tracker().filter(|tracker| tracker.is_on());
        let to = tracker.map(|tracker| tracker.options().redirect.map_or(0, |ear| ear.id));
        to.map_or(-1, |id| i64::try_from(id).unwrap_or(i64::MAX))
    }

    fn flags(&self, facts: &Facts) -> String {
        let tracker = self.known_tracker().filter(|tracker| tracker.is_on());
        let all = [
            (facts.monitors, 'O'),
            (facts.listens(), 'P'),
            (facts.queued.is_some(), 'x'),
            (facts.waits, 'b'),
            (tracker.is_some(), 't'),
            (tracker.is_some_and(|tracker| tracker.is_broken()), 'R'),
            (tracker.is_some_and(|tracker| tracker.options().broadcast), 'B'),
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
            channels: 0,
            patterns: 0,
            shards: 0,
            monitors: false,
            watched: 0,
            waits: false,
            stays: false,
            leaves_no_trace: false,
        }
    }

    fn listens(&self) -> bool {
        self.channels + self.patterns + self.shards > 0
    }
}

impl Work {
    fn add(&self, commands: u64, errors: u64) {
        self.commands.fetch_add(commands, Ordering::Relaxed);
        if errors > 0 {
            self.errors.fetch_add(errors, Ordering::Relaxed);
        }
    }

    fn so_far(&self) -> (u64, u64) {
        (self.commands.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }
}
