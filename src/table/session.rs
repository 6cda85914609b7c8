//! What one client is to the store: a database, a transaction it queues, what it watches.

use std::sync::Arc;

use super::acl::{Account, Claim};
use super::args::Args;
use super::call::Call;
use super::checks::{Named, unknown_subcommand};
use super::clients::{Client, Facts};
use super::hash::Fieldsets;
use super::measure::Meter;
use super::pubsub::mail;
use super::row::{Compat, Row, Run, flag};
use super::saving::Shutdown;
use super::shared::Shared;
use super::transaction::Queue;
use crate::api::{Database, Store};
use crate::clock::NEVER;
use crate::command::blocking::{self, Ticket};
use crate::keyspace::transaction::{Transaction, Watched};
use crate::reply::Reply;
use crate::resp::Protocol;
use crate::tracking::As;
use crate::{Bytes, IntoValue};

/// What one connection is to a server: commands by name, in their order. It has a database selected, may be in
/// the middle of a `MULTI`, watches keys; several sessions of one store are as several clients of one server.
///
/// Made by [`Store::session`].
///
/// ```
/// use larder::{Reply, Store};
///
/// let mut session = Store::new().session();
/// assert_eq!(session.call(["SET", "answer", "42"]), Reply::OK);
/// assert_eq!(session.call(["MULTI"]), Reply::OK);
/// session.call(["INCR", "answer"]);
/// session.call(["INCR", "answer"]);
/// assert_eq!(session.call(["EXEC"]), Reply::Array(vec![Reply::Integer(43), Reply::Integer(44)]));
/// ```
pub struct Session {
    pub(super) db: Database,
    pub(super) compat: Compat,
    pub(super) protocol: Protocol,
    /// The commands since `MULTI`.
    pub(super) queue: Option<Queue>,
    pub(super) watched: Vec<Watched>,
    /// What others see of it.
    pub(super) client: Arc<Client>,
    /// Whose it is, and whether that one has given a password, or none was wanted when it came.
    pub(super) account: Arc<Account>,
    pub(super) is_known: bool,
    pub(super) silence: Silence,
    /// What `HIMPORT PREPARE` has been told.
    pub(super) fieldsets: Fieldsets,
    /// To how many channels, patterns and shard channels it listens.
    pub(super) listening: [usize; 3],
    /// It is shown the commands of all.
    pub(super) monitors: bool,
    /// It has said `CLIENT CACHING`: what that means is for the next command.
    pub(super) caching: bool,
    /// It was disconnected, and its last command has got no reply.
    #[cfg(feature = "redis")]
    pub(super) is_cut: bool,
    /// It has said good-bye: nothing comes after this reply.
    pub(super) is_over: bool,
    /// It is a client of a server, which can be shut down; and has asked for that.
    pub(super) is_served: bool,
    /// It is who runs the server.
    #[cfg(feature = "server")]
    pub(super) is_trusted: bool,
    pub(super) shuts_down: Option<Shutdown>,
    /// Until when its last command has it wait, by DEBUG SLEEP.
    pub(super) sleeps: Option<u64>,
    /// A command's name as the client has said it last, and its row: clients say the same again and again.
    pub(super) last: Option<(Bytes, &'static Row)>,
    pub(super) meter: Meter,
    /// What its command that waits for a key is called with.
    pub(super) claim: Option<Arc<Claim>>,
    /// Where the reply to the command that is under way can be [written](super::pieces) at once.
    pub(super) lent: Option<Vec<u8>>,
    /// It waits for what another thread will tell.
    #[cfg(feature = "server")]
    pub(super) elsewhere: Option<Ticket>,
    /// What a test's faults have made of its connection.
    #[cfg(feature = "testing")]
    pub(super) link: super::hooks::Link,
    #[cfg(feature = "lua")]
    pub(super) scripting: super::script::Scripting,
}

/// Which replies a client does not want: `CLIENT REPLY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    No,
    /// That to the command that says so, and to the next one.
    Next,
    /// That to the one behind it.
    This,
    Lasting,
}

/// How a command ends.
pub(crate) enum Outcome {
    Reply(Reply),
    /// It waits, until it is served or the deadline has come. The others need not be as large.
    Waits(Box<Waiting>),
    /// It has not been carried out, since somebody's script runs: it waits for that, and is to be tried again.
    #[cfg(feature = "lua")]
    Held(crate::script::Held),
}

/// A command that waits.
pub(crate) struct Waiting {
    pub ticket: Ticket,
    pub deadline: u64,
    pub served: fn(blocking::Served) -> Reply,
    pub nothing: Reply,
}

impl Store {
    /// A session of its own, on this handle's database, as a new connection to a server is one. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.session().call(["RPUSH", "jobs", "resize", "upload"]);
    /// assert_eq!(store.list::<String>("jobs").len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn session(&self) -> Session {
        Session::new(self.share())
    }
}

impl Session {
    fn new(db: Database) -> Self {
        // Within a transaction it is noted from the next session on.
        let _ = db.space().note_uses();
        let shared = db.space().shared();
        let account = shared.users.default_account();
        Session {
            client: shared.clients.connect(db.space().clock().now(), mail(db.space()), account),
            account: Arc::clone(account),
            is_known: shared.users.is_open(),
            #[cfg(feature = "testing")]
            link: super::hooks::Link::connect(&shared.hooks),
            db,
            compat: Compat::default(),
            protocol: Protocol::default(),
            queue: None,
            watched: Vec::new(),
            listening: [0; 3],
            monitors: false,
            caching: false,
            #[cfg(feature = "redis")]
            is_cut: false,
            silence: Silence::No,
            fieldsets: Fieldsets::new(),
            is_over: false,
            is_served: false,
            #[cfg(feature = "server")]
            is_trusted: false,
            shuts_down: None,
            sleeps: None,
            last: None,
            meter: Meter::default(),
            claim: None,
            lent: None,
            #[cfg(feature = "server")]
            elsewhere: None,
            #[cfg(feature = "lua")]
            scripting: Default::default(),
        }
    }

    /// The same session as one of another server.
    #[must_use]
    pub fn compat(mut self, compat: Compat) -> Self {
        self.compat = compat;
        // It need not have that command.
        self.last = None;
        self
    }

    /// A reply as bytes of the session's protocol, with numbers written as its server writes them. O(reply)
    ///
    /// ```
    /// use larder::{Compat, Store};
    ///
    /// let mut session = Store::new().session().compat(Compat::Redis70);
    /// let reply = session.call(["ZADD", "board", "INCR", "0.1", "ann"]);
    /// assert_eq!(session.encode(&reply), b"$19\r\n0.10000000000000001\r\n");
    /// ```
    pub fn encode(&self, reply: &Reply) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_to(reply, &mut bytes);
        bytes
    }

    /// The same session as that of a client at an address, which has connected to another; `CLIENT LIST` tells
    /// both. Without this they are `?:0`.
    ///
    /// ```
    /// let mut session = larder::Store::new().session().addresses("127.0.0.1:50000", "127.0.0.1:6379");
    /// let larder::Reply::Verbatim(_, line) = session.call(["CLIENT", "INFO"]) else { panic!("no text") };
    /// assert!(String::from_utf8_lossy(&line).contains(" addr=127.0.0.1:50000 laddr=127.0.0.1:6379 "));
    /// ```
    #[must_use]
    pub fn addresses(self, client: impl Into<String>, server: impl Into<String>) -> Self {
        self.client.note(|facts| (facts.peer, facts.local) = (client.into(), server.into()));
        self
    }

    /// The version of the protocol that replies are to be written in: what `HELLO` has said, or RESP2.
    ///
    /// ```
    /// use larder::{Protocol, Store};
    ///
    /// let mut session = Store::new().session();
    /// session.call(["HELLO", "3"]);
    /// assert_eq!(session.protocol(), Protocol::Resp3);
    /// ```
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the client wants the reply to its last command: `CLIENT REPLY` turns them off.
    ///
    /// ```
    /// let mut session = larder::Store::new().session();
    /// session.call(["CLIENT", "REPLY", "OFF"]);
    /// assert!(!session.sends_reply());
    /// ```
    pub fn sends_reply(&self) -> bool {
        self.silence == Silence::No
    }

    /// Whether the client is told this reply: what it listens to it is told in any case.
    #[cfg(feature = "server")]
    pub(crate) fn sends(&self, reply: &Reply) -> bool {
        self.sends_reply() || matches!(reply, Reply::Push(_) | Reply::Several(_))
    }

    /// Whether the client has said `QUIT`, or another `CLIENT KILL`: its connection is to be closed behind the reply.
    /// What a killed session calls is not carried out, and answered with an error whose code is `LOST`.
    ///
    /// ```
    /// let mut session = larder::Store::new().session();
    /// session.call(["QUIT"]);
    /// assert!(session.is_over());
    /// ```
    pub fn is_over(&self) -> bool {
        self.is_over || self.is_killed()
    }

    /// Whether it was disconnected: by `CLIENT KILL`, or for reading too slowly.
    pub(crate) fn is_killed(&self) -> bool {
        self.client.is_cut()
    }

    /// Runs a command, and gives its reply; one that blocks has the thread wait. What is no command, or not
    /// with these arguments, is answered with an error.
    ///
    /// ```
    /// use larder::{Reply, Store};
    ///
    /// let mut session = Store::new().session();
    /// assert_eq!(session.call(["incrby", "hits", "5"]), Reply::Integer(5));
    /// ```
    pub fn call<A: IntoValue>(&mut self, words: impl IntoIterator<Item = A>) -> Reply {
        let words = words.into_iter().map(IntoValue::into_value).collect::<crate::Result<Vec<Bytes>>>();
        #[cfg(feature = "testing")]
        self.begin_trip();
        words.map_or_else(Reply::from, |words| self.call_words(&words))
    }

    /// The same, of words that are bytes already.
    pub(crate) fn call_words(&mut self, words: &[Bytes]) -> Reply {
        #[cfg(feature = "testing")]
        if let Some(lost) = self.endure(words) {
            return lost;
        }
        while let Some(until) = self.held_back(words) {
            let client = &self.client;
            self.shared().pause.wait(self.db.space().clock(), until, || client.is_cut());
        }
        if self.is_over() {
            return self.cut_off();
        }
        let mut has_got = false;
        let reply = match self.execute_now(words) {
            #[cfg(feature = "lua")]
            Outcome::Held(_) => Reply::Nil,
            Outcome::Reply(reply) => reply,
            Outcome::Waits(waiting) => {
                let Waiting { ticket, deadline, served, nothing } = *waiting;
                let got = ticket.wait(self.db.space().clock(), deadline, || self.is_killed());
                has_got = matches!(got, Ok(Some(_)));
                self.woken(got, served, nothing)
            }
        };
        // What was taken for it is nowhere else.
        if self.is_killed() && !has_got {
            return self.cut_off();
        }
        #[cfg(feature = "testing")]
        let reply = self.endure_reply(reply);
        reply
    }

    /// Runs a command; while somebody's script runs the thread waits for that.
    fn execute_now(&mut self, words: &[Bytes]) -> Outcome {
        #[cfg(feature = "lua")]
        loop {
            match self.execute(words) {
                Outcome::Held(held) => held.wait(self.db.space().clock()),
                outcome => return outcome,
            }
        }
        #[cfg(not(feature = "lua"))]
        self.execute(words)
    }

    /// Runs a command, or queues it behind a `MULTI`.
    pub(crate) fn execute(&mut self, words: &[Bytes]) -> Outcome {
        let found = self.look_up_next(words);
        self.execute_found(found, words)
    }

    /// The same with what the command's name has been [found](Self::look_up_next) to be.
    pub(crate) fn execute_found(&mut self, found: Named, words: &[Bytes]) -> Outcome {
        let checked = found.and_then(|row| self.check_known(row));
        #[cfg(feature = "lua")]
        let (checked, passed) = match self.pass(checked, words) {
            Ok(passed) => passed,
            Err(held) => return Outcome::Held(held),
        };
        self.silence = match self.silence {
            Silence::Next => Silence::This,
            Silence::This => Silence::No,
            other => other,
        };
        #[cfg(feature = "testing")]
        if let Some(outcome) = self.meet_fault(words) {
            return outcome;
        }
        #[cfg(feature = "lua")]
        if let Ok(row) = checked {
            self.note_room(row);
        }
        let row = match checked.and_then(|row| self.check_place(row, words)) {
            Ok(row) => row,
            Err(error) => {
                let error = self.refuse(words, error);
                self.shared().measures.reject(self.named(words), &error);
                self.caching &= self.queue.is_some();
                return Outcome::Reply(error.into());
            }
        };
        self.show_natives(row, words);
        let outcome = match self.queue.as_mut().filter(|_| !row.has(flag::RUNS_IN_MULTI)) {
            Some(queue) => Outcome::Reply(queue.add(row, words, &self.watched)),
            None => self.run(row, words),
        };
        // It holds for one command, or for one transaction.
        self.caching = self.caching && (self.queue.is_some() || row.name.starts_with("client|"));
        let done = self.take_done();
        self.client.note_command(done, &self.shared().measures, |facts| {
            self.tell(facts, row.name);
            facts.at = self.ended().unwrap_or_else(|| self.db.space().clock().about_now());
            let waiting = if let Outcome::Waits(waiting) = &outcome { Some(waiting) } else { None };
            facts.waits = waiting.is_some();
            facts.has_deadline = waiting.is_some_and(|waiting| waiting.deadline != NEVER);
        });
        #[cfg(feature = "lua")]
        self.keep_shut(passed);
        outcome
    }

    /// Has the values of caches among a command's keys encoded before it looks at them.
    fn show_natives(&self, row: &Row, words: &[Bytes]) {
        let space = self.db.space();
        if space.caches().has_any() {
            let keys = row.keys.of(words).into_iter().filter_map(|at| words.get(at));
            space.encode_natives(self.db.index(), keys.map(|key| &**key));
        }
    }

    /// What others may know of it while it runs a command.
    fn tell(&self, facts: &mut Facts, command: &'static str) {
        facts.command = command;
        facts.db = self.db.index();
        facts.protocol = self.protocol.number();
        facts.queued = self.queue.as_ref().map(Queue::len);
        facts.queued_bytes = self.queue.as_ref().map_or(0, Queue::bytes);
        [facts.channels, facts.patterns, facts.shards] = self.listening;
        facts.monitors = self.monitors;
        let listens = self.subscriptions() > 0;
        self.client.ear.set_takes(match self.protocol {
            Protocol::Resp3 => 3,
            Protocol::Resp2 if listens => 2,
            Protocol::Resp2 => 0,
        });
        facts.watched = self.watched.iter().map(|watched| watched.names.len()).sum();
    }

    /// The same, as it is now.
    pub(super) fn facts(&self, command: &'static str) -> Facts {
        let mut facts = self.client.facts();
        self.tell(&mut facts, command);
        facts.at = self.db.space().clock().now();
        facts
    }

    #[cfg(feature = "lua")]
    pub(super) fn of(db: Database, client: Arc<Client>, account: Arc<Account>, compat: Compat) -> Self {
        Session {
            db,
            compat,
            protocol: Protocol::default(),
            queue: None,
            watched: Vec::new(),
            client,
            account,
            is_known: true,
            silence: Silence::No,
            listening: [0; 3],
            monitors: false,
            caching: false,
            #[cfg(feature = "redis")]
            is_cut: false,
            fieldsets: Fieldsets::new(),
            is_over: false,
            is_served: false,
            #[cfg(feature = "server")]
            is_trusted: false,
            shuts_down: None,
            sleeps: None,
            last: None,
            meter: Meter::default(),
            claim: None,
            lent: None,
            #[cfg(feature = "server")]
            elsewhere: None,
            #[cfg(feature = "testing")]
            link: Default::default(),
            scripting: Default::default(),
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        self.db.space().shared()
    }

    /// What `RESET` does: all is as for a new connection, but who its client is.
    pub(super) fn reset(&mut self) -> crate::Result<()> {
        self.queue = None;
        self.forget_watched();
        self.fieldsets.clear();
        self.leave_channels();
        self.stop_tracking();
        self.monitors = false;
        self.shared().monitors.remove(&self.client.ear);
        self.select(0)?;
        self.protocol = Protocol::default();
        self.silence = Silence::No;
        self.become_user(None);
        // Redis 7.0 forgets to take that back.
        let keeps = self.compat == Compat::Redis70;
        self.client.note(|facts| {
            facts.name = Bytes::new();
            facts.stays &= keeps;
            facts.leaves_no_trace &= keeps;
        });
        self.db = self.db.leaving_no_trace(keeps && self.db.leaves_no_trace());
        Ok(())
    }

    /// It is this user's from now on, who has given a password; or as a new session's.
    pub(super) fn become_user(&mut self, account: Option<Arc<Account>>) {
        let users = &self.shared().users;
        let is_known = account.is_some() || users.is_open();
        let account = account.unwrap_or_else(|| Arc::clone(users.default_account()));
        self.client.note(|facts| facts.user = Arc::clone(&account));
        (self.account, self.is_known) = (account, is_known);
    }

    /// Runs a command of which all is known but what its arguments mean.
    pub(super) fn run(&mut self, row: &'static Row, words: &[Bytes]) -> Outcome {
        let (began, errors) = (self.start_watch(), self.client.errors());
        // Before the commands that it calls, and else behind what it has done.
        let comes_first = row.has(flag::SKIP_MONITOR);
        if comes_first {
            self.show(row, words);
        }
        let outcome = match self.db.space().is_tracked() {
            false => self.handle(row, words),
            true => self.handle_tracked(row, words),
        };
        if !comes_first {
            self.show(row, words);
        }
        self.measure(row, words, began, &outcome, errors);
        outcome
    }

    /// Has a command's handler run it.
    fn handle(&mut self, row: &'static Row, words: &[Bytes]) -> Outcome {
        let args = Args::new(words.get(row.named..).unwrap_or_default());
        let said = words.get(row.named - 1).map_or(&[][..], |name| name);
        let mut call = Call { args, session: self, name: row.name, said };
        let outcome = match row.run {
            Run::Plain(run) => run(&mut call).map(|reply| self.outcome(reply)),
            Run::Waits(run) => run(&mut call).and_then(|blocked| self.wait(row, words, blocked)),
            Run::Container => Err(unknown_subcommand(words)),
        };
        outcome.unwrap_or_else(|error| Outcome::Reply(error.into()))
    }

    /// The same while others are told what has changed of what they have read.
    #[cold]
    fn handle_tracked(&mut self, row: &'static Row, words: &[Bytes]) -> Outcome {
        let _current = As::client(self.client.id);
        let read = self.remember_reads(row, words);
        let outcome = self.handle(row, words);
        self.tell_again(read);
        outcome
    }

    /// The database that is selected.
    pub(crate) fn db(&self) -> &Database {
        &self.db
    }

    /// Selects another database.
    pub(super) fn select(&mut self, index: u16) -> crate::Result<()> {
        let db = self.db.select(index)?;
        self.db = match self.db.transaction() {
            Some(transaction) => db.within(transaction),
            None => db,
        };
        Ok(())
    }

    /// Runs a task within a transaction that holds all.
    pub(super) fn within<R>(
        &mut self,
        transaction: &Arc<Transaction>,
        task: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.db = self.db.within(transaction);
        let result = task(self);
        self.db = self.db.outside();
        result
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("db", &self.db.index()).finish_non_exhaustive()
    }
}
