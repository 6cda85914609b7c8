//! What commands cost: how often each was called, how long it took, and what was slow.
//!
//! A session notes each command in its own seat, beside what it notes there anyway, and hands sixteen at a time to
//! the store's table; who asks collects what is left in the seats. A command is timed by the store's clock, once behind
//! each: within what a client sent at once the end of one is the beginning of the next. What is within a
//! transaction or a script is timed by itself too.
//!
//! Time is looked at only if somebody may want to know: `slowlog-log-slower-than` is not below 0 (it is 10,000 by
//! default), `latency-tracking` is on (so it is), or `latency-monitor-threshold` is above 0. In a store that no
//! server serves it is not, until one of those has been set: a look costs a twentieth of a call there. Calls are counted in any
//! case. With a [`ManualClock`](crate::ManualClock) a command takes the time by which the clock was moved meanwhile,
//! and as long as a test's [`Fault::delay`](crate::testing::Fault::delay) or
//! [`Fault::takes`](crate::testing::Fault::takes) has it take: the same on every machine.

mod histogram;
mod latency;
mod log;
mod tell;

use std::collections::{BTreeMap, HashMap};

use super::row::{Compat, Row, flag};
use super::session::{Outcome, Session};
use crate::Bytes;
use crate::clock::Clock;
use crate::reply::{ErrorReply, Reply};
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use histogram::Histogram;
use latency::Events;
use log::{Entry, Kind, Logs};
pub(super) use tell::{Line, commandstats, errorstats, latencystats};

/// SLOWLOG and COMMANDLOG.
pub(super) const LOG_ROWS: &[Row] = log::ROWS;
/// LATENCY.
pub(super) const LATENCY_ROWS: &[Row] = latency::ROWS;

/// Commands that a session keeps before it hands them over.
const KEPT: usize = 16;
/// Codes of errors that are told apart: what a script calls an error may be anything.
const CODES: usize = 128;

/// Somebody wants to know how long commands take.
const WANTED: u8 = 1;
/// And has said so.
const SAID: u8 = 2;

/// What all sessions of a store have done. See the [module](self).
pub(crate) struct Measures {
    /// A sum of [`WANTED`] and [`SAID`].
    timing: AtomicU8,
    /// From how many nanoseconds on a command is to be looked at more closely.
    slow: AtomicU64,
    limits: Limits,
    commands: Mutex<HashMap<&'static str, Stat, ahash::RandomState>>,
    errors: Mutex<BTreeMap<Box<str>, u64>>,
    logs: Logs,
    events: Mutex<Events>,
}

/// What the parameters say.
struct Limits {
    /// In microseconds; below 0 nothing is slow.
    slow: AtomicI64,
    /// In bytes; below 0 nothing is large.
    request: AtomicI64,
    reply: AtomicI64,
    /// In milliseconds; none at 0.
    latency: AtomicI64,
    tracks: AtomicBool,
}

/// What a command has done.
#[derive(Default)]
struct Stat {
    calls: u64,
    nanos: u64,
    /// It was not carried out.
    rejected: u64,
    /// It ended with an error.
    failed: u64,
    times: Histogram,
}

/// How many commands there have been, how long they took, and how many errors there were.
pub(super) struct Work {
    pub commands: u64,
    pub nanos: u64,
    pub errors: u64,
}

/// A command that was carried out.
#[derive(Clone, Copy)]
pub(super) struct Done {
    row: &'static Row,
    nanos: u64,
    failed: bool,
}

/// The last commands of a session.
#[derive(Default)]
pub(super) struct Tally {
    done: Vec<Done>,
    /// How many there have been.
    pub count: u64,
}

/// A session's watch.
#[derive(Default)]
pub(super) struct Meter {
    /// When the last command ended, if the next has been there already; else 0.
    mark: u64,
    /// What is to be noted of the command that has ended.
    done: Option<Done>,
    /// The command that waits.
    waits: Option<Box<Waits>>,
}

struct Waits {
    row: &'static Row,
    words: Arc<[Bytes]>,
    nanos: u64,
    /// When it began to, if that is part of the command: DEBUG SLEEP.
    since: Option<u64>,
}

impl Default for Measures {
    fn default() -> Self {
        let limits = Limits {
            slow: AtomicI64::new(10_000),
            request: AtomicI64::new(1 << 20),
            reply: AtomicI64::new(1 << 20),
            latency: AtomicI64::new(0),
            tracks: AtomicBool::new(true),
        };
        Measures {
            timing: AtomicU8::new(WANTED),
            slow: AtomicU64::new(10_000_000),
            limits,
            commands: Mutex::default(),
            errors: Mutex::default(),
            logs: Logs::default(),
            events: Mutex::default(),
        }
    }
}

impl Measures {
    /// A parameter has been set.
    pub(super) fn configure(&self, name: &str, value: &[u8]) {
        let number = || crate::text::number::parse_i64(value).unwrap_or(0);
        let limits = &self.limits;
        match name {
            "slowlog-log-slower-than" | "commandlog-execution-slower-than" => {
                limits.slow.store(number(), Ordering::Relaxed);
            }
            "commandlog-request-larger-than" => limits.request.store(number(), Ordering::Relaxed),
            "commandlog-reply-larger-than" => limits.reply.store(number(), Ordering::Relaxed),
            "latency-monitor-threshold" => limits.latency.store(number(), Ordering::Relaxed),
            "latency-tracking" => limits.tracks.store(value == b"yes", Ordering::Relaxed),
            _ => return self.logs.configure(name, number()),
        }
        let slow = u64::try_from(limits.slow.load(Ordering::Relaxed))
            .ok()
            .map(|micros| micros.saturating_mul(1_000));
        let spike = limits.spike().map(|millis| millis.saturating_mul(1_000_000));
        self.slow.store(slow.into_iter().chain(spike).min().unwrap_or(u64::MAX), Ordering::Relaxed);
        let wanted = slow.is_some() || spike.is_some() || limits.tracks.load(Ordering::Relaxed);
        self.timing.store(SAID | if wanted { WANTED } else { 0 }, Ordering::Relaxed);
    }

    /// Whether a session's commands are timed.
    #[inline]
    fn times(&self, clock: &Clock, is_served: bool) -> bool {
        match self.timing.load(Ordering::Relaxed) {
            WANTED => is_served || matches!(clock, Clock::Manual(_)),
            timing => timing & WANTED != 0,
        }
    }

    /// Adds what a session has done.
    pub(super) fn collect(&self, tally: &mut Tally) {
        if tally.done.is_empty() {
            return;
        }
        let tracks = self.limits.tracks.load(Ordering::Relaxed);
        let mut commands = self.commands.lock();
        let mut done = tally.done.drain(..).peekable();
        while let Some(first) = done.next() {
            let stat = commands.entry(first.row.name).or_default();
            stat.add(first, tracks);
            // Most often a client says the same again.
            while let Some(same) = done.next_if(|done| std::ptr::eq(done.row, first.row)) {
                stat.add(same, tracks);
            }
        }
    }

    /// All that was collected, added up.
    pub(super) fn work(&self) -> Work {
        let mut work = Work { commands: 0, nanos: 0, errors: self.errors.lock().values().sum() };
        for stat in self.commands.lock().values() {
            work.commands += stat.calls;
            work.nanos = work.nanos.saturating_add(stat.nanos);
        }
        work
    }

    /// Counts from now on; what is slow stays written down.
    pub(super) fn reset(&self) {
        self.commands.lock().clear();
        self.errors.lock().clear();
    }

    /// A command was not carried out.
    #[cold]
    pub(super) fn reject(&self, row: Option<&'static Row>, error: &ErrorReply) {
        if let Some(row) = row {
            self.commands.lock().entry(row.name).or_default().rejected += 1;
        }
        self.count_error(error);
    }

    fn count_error(&self, error: &ErrorReply) {
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(error.code()) {
            *count += 1;
        } else if errors.len() < CODES {
            errors.insert(error.code().into(), 1);
        }
    }
}

impl Limits {
    /// From how many milliseconds on a command is a spike.
    fn spike(&self) -> Option<u64> {
        u64::try_from(self.latency.load(Ordering::Relaxed)).ok().filter(|millis| *millis > 0)
    }
}

impl Stat {
    fn add(&mut self, done: Done, tracks: bool) {
        self.calls += 1;
        self.nanos = self.nanos.saturating_add(done.nanos);
        self.failed += u64::from(done.failed);
        if tracks {
            self.times.add(done.nanos);
        }
    }
}

impl Tally {
    /// Notes a command; true if it is time to hand over.
    #[inline]
    pub(super) fn note(&mut self, done: Done) -> bool {
        if self.done.capacity() == 0 {
            self.done.reserve_exact(KEPT);
        }
        self.done.push(done);
        self.count += 1;
        self.done.len() >= KEPT
    }

    /// Forgets what was not handed over.
    pub(super) fn forget(&mut self) {
        self.done.clear();
    }
}

impl Session {
    /// What passes from now on belongs to no command.
    pub(crate) fn stop_watch(&mut self) {
        self.meter.mark = 0;
    }

    /// When the command that comes now begins, in nanoseconds; `None` if it is not timed.
    #[inline]
    pub(super) fn start_watch(&mut self) -> Option<u64> {
        let clock = self.db().space().clock();
        if !self.shared().measures.times(clock, self.is_served) {
            return None;
        }
        let began = match self.meter.mark {
            0 => clock.nanos(),
            mark => mark,
        };
        #[cfg(feature = "testing")]
        let began = match self.take_delay() {
            0 => began,
            delay => self.db().space().clock().nanos().saturating_sub(delay),
        };
        Some(began)
    }

    /// A command has ended, that began then.
    #[inline]
    pub(super) fn measure(
        &mut self,
        row: &'static Row,
        words: &[Bytes],
        began: Option<u64>,
        outcome: &Outcome,
        errors: u64,
    ) {
        let nanos = began.map_or(0, |began| {
            let now = self.db().space().clock().nanos();
            self.meter.mark = if self.is_served { now } else { 0 };
            now.saturating_sub(began)
        });
        let error = match outcome {
            Outcome::Reply(Reply::Error(error)) => Some(error),
            Outcome::Waits(_) if !self.db().in_transaction() => return self.measure_wait(row, words, nanos),
            _ => None,
        };
        self.note_done(row, words, nanos, error, errors);
    }

    /// Notes a command. Of an error that its script has met with before, it is not the first to tell.
    #[inline]
    fn note_done(
        &mut self,
        row: &'static Row,
        words: &[Bytes],
        nanos: u64,
        error: Option<&ErrorReply>,
        errors: u64,
    ) {
        if nanos >= self.shared().measures.slow.load(Ordering::Relaxed) {
            self.note_slow(row, words, nanos);
        }
        if self.compat == Compat::Valkey9 {
            self.note_large_request(row, words);
        }
        if let Some(error) = error {
            if self.client.errors() == errors {
                self.client.count_error();
                self.shared().measures.count_error(error);
            }
        }
        let done = Done { row, nanos, failed: error.is_some() };
        if self.db().in_transaction() {
            self.client.tally(done, &self.shared().measures);
        } else {
            self.meter.done = Some(done);
        }
    }

    /// What is to be noted of the command that has ended.
    pub(super) fn take_done(&mut self) -> Option<Done> {
        self.meter.done.take()
    }

    /// When the last command ended, in milliseconds, if it was timed.
    pub(super) fn ended(&self) -> Option<u64> {
        Some(self.meter.mark / 1_000_000).filter(|_| self.meter.mark > 0)
    }

    /// A command waits: it is noted when it does no more.
    #[cold]
    fn measure_wait(&mut self, row: &'static Row, words: &[Bytes], nanos: u64) {
        let sleeps = row.name == "debug";
        let since = sleeps.then(|| self.db().space().clock().nanos());
        let words = self.claim.as_ref().map_or_else(|| words.into(), |claim| Arc::clone(claim.words()));
        self.meter.waits = Some(Box::new(Waits { row, words, nanos, since }));
    }

    /// The command that has waited ends so. How long it waited counts only if it had nothing else to do.
    #[cold]
    pub(super) fn measure_woken(&mut self, reply: &Reply) {
        self.stop_watch();
        let Some(waits) = self.meter.waits.take() else { return };
        let slept = waits.since.map_or(0, |since| self.db().space().clock().nanos().saturating_sub(since));
        let error = match reply {
            Reply::Error(error) => Some(error),
            _ => None,
        };
        let errors = self.client.errors();
        self.note_done(waits.row, &waits.words, waits.nanos.saturating_add(slept), error, errors);
        if let Some(done) = self.meter.done.take() {
            self.client.tally(done, &self.shared().measures);
        }
    }

    /// The command that has waited was not carried out.
    pub(super) fn forget_wait(&mut self) {
        self.stop_watch();
        self.meter.waits = None;
    }

    #[cold]
    fn note_slow(&self, row: &Row, words: &[Bytes], nanos: u64) {
        let measures = &self.shared().measures;
        let (micros, millis) = (nanos / 1_000, nanos / 1_000_000);
        let slow = measures.limits.slow.load(Ordering::Relaxed);
        if u64::try_from(slow).is_ok_and(|slow| micros >= slow) && !row.has(flag::SKIP_SLOWLOG) {
            measures.logs.add(Kind::Slow, self.entry(words, micros), self.compat);
        }
        if measures.limits.spike().is_some_and(|spike| millis >= spike) {
            let event = if row.has(flag::FAST) { "fast-command" } else { "command" };
            measures.events.lock().add(event, self.db().space().clock().wall() / 1_000, millis);
        }
    }

    fn note_large_request(&self, row: &Row, words: &[Bytes]) {
        let measures = &self.shared().measures;
        let Ok(limit) = usize::try_from(measures.limits.request.load(Ordering::Relaxed)) else { return };
        let bytes = request_bytes(words);
        if bytes >= limit && !row.has(flag::SKIP_SLOWLOG) {
            measures.logs.add(Kind::LargeRequest, self.entry(words, bytes as u64), self.compat);
        }
    }

    /// The reply to a command took so many bytes.
    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn note_reply(&self, words: &[Bytes], bytes: usize) {
        if self.compat == Compat::Valkey9 {
            self.note_large_reply(words, bytes);
        }
    }

    #[cfg(feature = "server")]
    fn note_large_reply(&self, words: &[Bytes], bytes: usize) {
        let limit = self.shared().measures.limits.reply.load(Ordering::Relaxed);
        let is_large = usize::try_from(limit).is_ok_and(|limit| bytes >= limit);
        if is_large && self.look_up(words).is_ok_and(|row| !row.has(flag::SKIP_SLOWLOG)) {
            self.shared().measures.logs.add(Kind::LargeReply, self.entry(words, bytes as u64), self.compat);
        }
    }

    /// A command as it is written down.
    fn entry(&self, words: &[Bytes], value: u64) -> Entry {
        let facts = self.client.facts();
        #[cfg(feature = "lua")]
        let is_script = self.scripting.is_part && self.compat != Compat::Valkey9;
        #[cfg(not(feature = "lua"))]
        let is_script = false;
        // A script has been no client since 7.2, and one without an address before.
        let (addr, name) = match is_script {
            false => (facts.peer, facts.name),
            true if self.compat == Compat::Redis70 => ("?:0".into(), Bytes::new()),
            true => (String::new(), Bytes::new()),
        };
        let at = self.db().space().clock().wall() / 1_000;
        Entry { id: 0, at, value, words: log::shown(words, self.compat), addr, name }
    }
}

/// What a request takes in the protocol.
fn request_bytes(words: &[Bytes]) -> usize {
    let digits = |number: usize| number.checked_ilog10().map_or(1, |digits| digits as usize + 1);
    let word = |word: &Bytes| digits(word.len()) + word.len() + 5;
    digits(words.len()) + 3 + words.iter().map(word).sum::<usize>()
}
