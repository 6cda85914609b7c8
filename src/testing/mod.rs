//! What the author of a test wants of a fake Redis (feature `testing`): faults on demand, the log of what the code
//! under test has sent, and modes that fail a test for what should never be sent.
//!
//! All of it is set up on a [`Store`], holds for whoever comes to that store by commands (a
//! [`Session`](crate::Session), redis-rs in the same process, a client of [`Store::serve`](crate::Store)), and ends
//! when the guard that it gave is dropped. The store's own Rust methods are left alone (but for
//! [`Script`](crate::Store::script), which sends commands): a test reads and writes its data directly, whatever goes
//! wrong around it.
//!
//! ```
//! use larder::{Reply, Store, testing::{Fault, Strict}};
//!
//! /// The code under test: it tries again when the connection is lost.
//! fn visit(store: &Store) -> Reply {
//!     loop {
//!         match store.session().call(["INCR", "visits"]) {
//!             Reply::Error(error) if error.code() == "LOST" => continue,
//!             reply => return reply,
//!         }
//!     }
//! }
//!
//! let store = Store::new();
//! let _strict = store.strict(Strict::new().unknown_commands().forbid("KEYS"));
//! let log = store.command_log();
//! let lost = store.fault(Fault::close_after().on("INCR").once());
//!
//! assert_eq!(visit(&store), Reply::Integer(2)); // counted twice: a lost reply is no reason to do it again
//! lost.assert_hits(1);
//! log.assert_count("INCR", 2);
//! log.assert_round_trips(2);
//! ```
//!
//! # Faults
//!
//! [`Fault`] says what goes wrong, for which commands (name, category, key, client, closure), and how often.
//!
//! | what | is |
//! | --- | --- |
//! | an error | [`Fault::error`], [`loading`](Fault::loading), [`readonly`](Fault::readonly), [`busy`](Fault::busy), [`oom`](Fault::oom), [`noscript`](Fault::noscript), [`moved`](Fault::moved), [`ask`](Fault::ask), [`cluster_down`](Fault::cluster_down), [`master_down`](Fault::master_down), [`no_auth`](Fault::no_auth) |
//! | a slow server | [`Fault::delay`], [`delay_reply`](Fault::delay_reply), [`takes`](Fault::takes) |
//! | a lost connection | [`Fault::close_before`], [`close_after`](Fault::close_after), [`half_reply`](Fault::half_reply), [`refuse_connections`](Fault::refuse_connections) |
//! | silence | [`Fault::drop_reply`], [`hang`](Fault::hang) |
//!
//! **Several faults** are asked in the order in which they were added. The first that strikes settles what happens,
//! and those behind it do not see the command (nor count it), so they make a script: `loading().times(2)`, then
//! `close_after().once()`, are two errors and then a lost reply. Delays settle nothing: they add up, and the next
//! fault is asked.
//!
//! **A command is met as it is received**, before it is looked at: unknown ones and those that are queued behind a
//! `MULTI` too. `EXEC` is met by its own name, with all that it carries out; a script likewise, and not what it
//! calls.
//!
//! **Where there is no socket**, redis-rs's connection gives the I/O errors that a socket would:
//!
//! | fault | the command | later ones |
//! | --- | --- | --- |
//! | `close_before`, `close_after`, `half_reply` | `UnexpectedEof` | `BrokenPipe` |
//! | `refuse_connections` | `ConnectionRefused` | the same |
//! | `drop_reply`, `hang` | `WouldBlock`, at once: a timeout for reads that is over | `hang`: the same |
//!
//! A [`Session`](crate::Session) has no connection; there an error whose code is `LOST`, which no server gives, stands
//! for all of them.
//!
//! **In other languages** a client of a server that allows `DEBUG` has all of these but closures: `DEBUG FAULT ADD CLOSE-AFTER ON
//! incr TIMES 1` is `Fault::close_after().on("INCR").once()`, until `DEBUG FAULT DEL` or `CLEAR`; `DEBUG HELP` tells the rest
//! (`moved` and `ask` are errors by their text there). A fault that was set up so spares `DEBUG`, unless `ON` names that.
//!
//! # The log
//!
//! [`Store::command_log`](crate::Store::command_log) notes each command, its reply and its round trip, answers
//! questions, and fails a test with the end of what it has noted.
//!
//! # Strict modes
//!
//! [`Strict`] collects what should never be sent, or be left behind, and fails the test when its guard is dropped.
//!
//! # The data
//!
//! [`Store::dump`](crate::Store::dump) is the whole store as text, [`Store::difference`](crate::Store::difference)
//! what differs from another, key by key and element by element, and [`assert_same`] fails with that.
//! [`Store::checkpoint`](crate::Store::checkpoint) and [`Store::fork`](crate::Store::fork) need no feature.
//!
//! # What it costs
//!
//! Without the feature, nothing. With it, a command looks at one flag while nothing is set up.

mod commands;
mod diff;
mod dump;
mod fault;
mod log;
pub(crate) mod pause;
mod show;
mod stream;
mod strict;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Store;
use crate::clock::Clock;
use crate::reply::{ErrorReply, Reply};
use crate::rng::Rng;
use crate::table::{End, Loss};

pub use commands::{Commands, Received};
pub use diff::{Difference, assert_same};
pub use dump::{Dump, ToDump};
pub use fault::{Fault, FaultGuard};
pub use log::{Answered, CommandLog, Logged};
pub use strict::{Strict, StrictGuard, Violation};

use fault::{Asked, Effect, Rule};
use log::Recorder;
use pause::{Awaited, Bell};
pub(crate) use strict::Watcher;

impl Store {
    /// Has something go wrong, for all who come to this store by commands, until the guard is dropped. O(1)
    ///
    /// ```
    /// use larder::{Reply, Store, testing::Fault};
    ///
    /// let store = Store::new();
    /// let fault = store.fault(Fault::oom().on("SET").nth(2));
    /// let mut session = store.session();
    /// assert_eq!(session.call(["SET", "a", "1"]), Reply::OK);
    /// assert!(matches!(session.call(["SET", "a", "2"]), Reply::Error(_)));
    /// assert_eq!(session.call(["SET", "a", "3"]), Reply::OK);
    /// fault.assert_hits(1);
    /// ```
    ///
    /// # Panics
    /// If clients are to be refused by what only a command has, such as a key.
    #[track_caller]
    pub fn fault(&self, fault: Fault) -> FaultGuard {
        assert!(
            !(fault.is_refusal() && fault.names_commands()),
            "who connects has sent no command yet: \"{fault}\" can only be counted"
        );
        let rng = fault.is_by_chance().then(|| Rng::new(self.space().rng().next()));
        let hooks = Arc::clone(&self.space().shared().hooks);
        let rule = Arc::new(Rule::new(fault, rng));
        hooks.change(|set| set.rules.push(Arc::clone(&rule)));
        FaultGuard::new(hooks, rule)
    }

    /// Notes all commands that come to this store, from now on and until the log is dropped. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["GET", "user:1"]);
    /// log.assert_count("GET", 1);
    /// log.assert_never("KEYS");
    /// ```
    pub fn command_log(&self) -> CommandLog {
        let hooks = Arc::clone(&self.space().shared().hooks);
        let recorder = Arc::new(Recorder::default());
        hooks.change(|set| set.logs.push(Arc::clone(&recorder)));
        CommandLog::new(hooks, recorder)
    }

    /// Watches for what should not be, from now on; the guard fails the test when it is dropped. O(1)
    ///
    /// ```should_panic
    /// use larder::{Store, testing::Strict};
    ///
    /// let store = Store::new();
    /// let _strict = store.strict(Strict::new().forbid("KEYS"));
    /// store.session().call(["KEYS", "*"]);
    /// // panics: KEYS is forbidden: KEYS *
    /// ```
    pub fn strict(&self, strict: Strict) -> StrictGuard {
        let watcher = Arc::new(Watcher::new(strict));
        self.space().shared().hooks.change(|set| set.watchers.push(Arc::clone(&watcher)));
        StrictGuard::new(self.clone(), watcher)
    }
}

/// What is set up on a store.
#[derive(Default)]
pub(crate) struct Hooks {
    is_active: AtomicBool,
    set: Mutex<Arc<Set>>,
    trips: AtomicU64,
    /// Where delayed threads wait.
    pub(crate) bell: Arc<Bell>,
}

#[derive(Clone, Default)]
pub(crate) struct Set {
    rules: Vec<Arc<Rule>>,
    logs: Vec<Arc<Recorder>>,
    watchers: Vec<Arc<Watcher>>,
}

/// What a command is going to meet.
#[derive(Default)]
pub(crate) struct Plan {
    /// When it is carried out, if that is above 0.
    pub until: u64,
    /// How long that is put off, in milliseconds.
    pub delay: u64,
    /// It is not, for the connection is lost.
    pub loss: Option<Loss>,
    /// It is not, and this is the reply.
    pub error: Option<ErrorReply>,
    /// When the reply goes, if that is above 0.
    pub until_reply: u64,
    pub end: Option<End>,
    /// Both moments, for who moves the clock on before anybody has come to wait for them.
    pub awaited: Vec<Awaited>,
    /// Who wants to know of the reply, and by which number the command is known there.
    logs: Vec<(Arc<Recorder>, u64)>,
}

impl Hooks {
    /// Whether anything is set up.
    pub(crate) fn is_active(&self) -> bool {
        self.is_active.load(Ordering::Acquire)
    }

    /// Sets something up, or takes it away.
    fn change(&self, change: impl FnOnce(&mut Set)) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = (**set).clone();
        change(&mut changed);
        let is_empty = changed.rules.is_empty() && changed.logs.is_empty() && changed.watchers.is_empty();
        *set = Arc::new(changed);
        self.is_active.store(!is_empty, Ordering::Release);
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.set.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of a new round trip, from 1.
    pub(crate) fn next_trip(&self) -> u64 {
        self.trips.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a client that comes is turned away.
    pub(crate) fn refuses(&self) -> bool {
        self.is_active() && self.set().rules.iter().any(|rule| rule.refuses())
    }

    /// Whether code of the caller's is asked of a command that comes.
    #[cfg(feature = "server")]
    pub(crate) fn asks_closures(&self) -> bool {
        self.is_active() && self.set().rules.iter().any(|rule| rule.asks_closure())
    }

    /// Who wants to know what a script does.
    #[cfg(feature = "lua")]
    pub(crate) fn watchers(&self) -> Vec<Arc<Watcher>> {
        if self.is_active() { self.set().watchers.clone() } else { Vec::new() }
    }

    /// A command has come: notes it, and settles what it meets. No lock is held while a rule's closure is asked.
    pub(crate) fn receive(&self, received: &Received<'_>, clock: &Clock, trip: u64) -> Plan {
        let set = self.set();
        let now = clock.now();
        let logs = set.logs.iter().map(|log| (Arc::clone(log), log.note(received, clock.wall_of(now), trip)));
        let mut plan = Plan { logs: logs.collect(), ..Plan::default() };
        set.watchers.iter().for_each(|watcher| watcher.see(received));
        let (mut before, mut behind, mut takes) = (0_u64, 0_u64, 0_u64);
        let mut struck = Vec::new();
        // A closure that runs a command is not asked of that.
        let rules = if Asked::is_now() { &[][..] } else { &set.rules };
        for rule in rules.iter().filter(|rule| rule.strikes(received)) {
            struck.push(rule);
            match rule.effect() {
                Effect::Delay(time) => before = before.saturating_add(*time),
                Effect::DelayReply(time) => behind = behind.saturating_add(*time),
                Effect::Takes(time) => takes = takes.saturating_add(*time),
                settles => {
                    plan.meet(settles);
                    break;
                }
            }
        }
        let until = |time: u64| if time == 0 { 0 } else { now.saturating_add(time) };
        plan.delay = before.saturating_add(takes);
        plan.until = until(plan.delay);
        plan.until_reply =
            until(if behind == 0 { 0 } else { behind.saturating_add(before).saturating_add(takes) });
        let moments = [plan.until, plan.until_reply].into_iter().filter(|moment| *moment > 0);
        plan.awaited = moments.map(|moment| Awaited::new(clock, moment)).collect();
        // Who is told may move the clock on to what is waited for.
        struck.iter().for_each(|rule| rule.tell());
        if let (Clock::Manual(clock), 1..) = (clock, takes) {
            clock.advance(std::time::Duration::from_millis(takes));
        }
        plan
    }
}

impl Plan {
    fn meet(&mut self, effect: &Effect) {
        match effect {
            Effect::Error(error) => self.error = Some(error.clone()),
            Effect::CloseBefore => self.loss = Some(Loss::Closed),
            Effect::Hang => self.loss = Some(Loss::Silence),
            Effect::CloseAfter => self.end = Some(End::Close),
            Effect::Cut(bytes) => self.end = Some(End::Cut(*bytes)),
            Effect::DropReply => self.end = Some(End::Drop),
            // These settle nothing, or not here.
            Effect::Delay(_) | Effect::DelayReply(_) | Effect::Takes(_) | Effect::Refuse => {}
        }
    }

    /// Notes the reply.
    pub(crate) fn tell(&self, reply: &Reply) {
        self.tell_all(|| Answered::from(reply));
    }

    /// Notes that no reply reaches the client.
    pub(crate) fn tell_lost(&self) {
        self.tell_all(|| Answered::Lost);
    }

    fn tell_all(&self, answered: impl Fn() -> Answered) {
        self.logs.iter().for_each(|(log, number)| log.answer(*number, answered()));
    }
}
