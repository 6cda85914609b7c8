//! Whom a fault is for, and how often.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use super::{Commands, Effect, Fault, Received};
use crate::Bytes;
use crate::text::glob::Pattern;

/// For which commands. All that is said must hold.
impl Fault {
    /// Commands by name or category; see [`Commands`].
    ///
    /// ```
    /// # use larder::{Store, testing::Fault};
    /// # let store = Store::new();
    /// let write = store.fault(Fault::readonly().on("@write"));
    /// let two = store.fault(Fault::busy().on(["KEYS", "CONFIG SET"]));
    /// let mut session = store.session();
    /// session.call(["LPUSH", "jobs", "resize"]);
    /// session.call(["CONFIG", "SET", "timeout", "1"]);
    /// session.call(["CONFIG", "GET", "timeout"]);
    /// assert_eq!((write.hits(), two.hits()), (1, 1));
    /// ```
    ///
    /// # Panics
    /// On a category that there is not, and where none is named.
    #[track_caller]
    pub fn on(mut self, commands: impl Into<Commands>) -> Self {
        self.commands = Some(commands.into());
        self
    }

    /// Commands one of whose keys matches this glob; said several times, one of these.
    ///
    /// ```
    /// # use larder::{Store, testing::Fault};
    /// # let store = Store::new();
    /// let fault = store.fault(Fault::loading().key("user:*"));
    /// let mut session = store.session();
    /// session.call(["MGET", "page:1", "user:1"]);
    /// session.call(["GET", "page:1"]);
    /// fault.assert_hits(1);
    /// ```
    pub fn key(mut self, glob: impl Into<Bytes>) -> Self {
        self.keys.push(glob.into());
        self
    }

    /// Commands of the client with this number: what `CLIENT ID` gives.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let (mut slow, mut other) = (store.session(), store.session());
    /// let Reply::Integer(id) = slow.call(["CLIENT", "ID"]) else { panic!("it is a number") };
    /// let _fault = store.fault(Fault::busy().client_id(id as u64));
    /// assert!(matches!(slow.call(["GET", "a"]), Reply::Error(_)));
    /// assert_eq!(other.call(["GET", "a"]), Reply::Nil);
    /// ```
    pub fn client_id(mut self, id: u64) -> Self {
        self.client_id = Some(id);
        self
    }

    /// Commands of clients whose name (`CLIENT SETNAME`) matches this glob.
    ///
    /// ```
    /// # use larder::{Store, testing::Fault};
    /// # let store = Store::new();
    /// let fault = store.fault(Fault::loading().client_name("worker-*"));
    /// let mut session = store.session();
    /// session.call(["CLIENT", "SETNAME", "worker-1"]);
    /// session.call(["GET", "a"]);
    /// store.session().call(["GET", "a"]);
    /// fault.assert_hits(1);
    /// ```
    pub fn client_name(mut self, glob: impl Into<Bytes>) -> Self {
        self.client_name = Some(glob.into());
        self
    }

    /// Commands of clients whose address matches this glob; in the same process it is `?:0`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::loading().client_addr("10.0.0.*"));
    /// let (far, near) = (store.session().addresses("10.0.0.7:50000", "10.0.0.1:6379"), store.session());
    /// let asked = [far, near].map(|mut session| session.call(["GET", "a"]));
    /// assert!(matches!(asked, [Reply::Error(_), Reply::Nil]));
    /// ```
    pub fn client_addr(mut self, glob: impl Into<Bytes>) -> Self {
        self.client_addr = Some(glob.into());
        self
    }

    /// Commands for which this is true. It may read the store; a command that it runs by a session of its own thread meets no
    /// fault. On a server it holds up the client that has sent the command, and nobody else.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::oom().on("SET").when(|command| command.words().iter().any(|w| w.len() > 1_000)));
    /// let mut session = store.session();
    /// assert_eq!(session.call(["SET", "a", "short"]), Reply::OK);
    /// assert!(matches!(session.call(["SET", "a", &"x".repeat(2_000)]), Reply::Error(_)));
    /// ```
    pub fn when(mut self, is_meant: impl Fn(&Received<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(is_meant));
        self
    }
}

/// How often, of the commands for which all else holds.
impl Fault {
    /// So many times at the most: at the first ones, if nothing else is said.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::loading().times(2));
    /// let mut session = store.session();
    /// let struck = [(); 4].map(|()| matches!(session.call(["GET", "a"]), Reply::Error(_)));
    /// assert_eq!(struck, [true, true, false, false]);
    /// ```
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Once at the most: [`times`](Self::times) 1.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// At the n-th alone; the first is 1.
    ///
    /// # Panics
    /// On 0, as it would never strike.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::loading().nth(2));
    /// let mut session = store.session();
    /// let struck = [(); 3].map(|()| matches!(session.call(["GET", "a"]), Reply::Error(_)));
    /// assert_eq!(struck, [false, true, false]);
    /// ```
    #[track_caller]
    pub fn nth(self, n: u64) -> Self {
        assert!(n > 0, "the first is 1");
        self.after(n.saturating_sub(1)).once()
    }

    /// Not at the first `calls`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::loading().after(2));
    /// let mut session = store.session();
    /// let struck = [(); 4].map(|()| matches!(session.call(["GET", "a"]), Reply::Error(_)));
    /// assert_eq!(struck, [false, false, true, true]);
    /// ```
    pub fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// At each n-th: `every(3)` at the third, the sixth, and so on.
    ///
    /// # Panics
    /// On 0.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::loading().every(2));
    /// let mut session = store.session();
    /// let struck = [(); 5].map(|()| matches!(session.call(["GET", "a"]), Reply::Error(_)));
    /// assert_eq!(struck, [false, true, false, true, false]);
    /// ```
    #[track_caller]
    pub fn every(mut self, n: u64) -> Self {
        assert!(n > 0, "each is 1");
        self.every = n;
        self
    }

    /// At each with this probability, from 0 to 1. It is drawn from the store's
    /// [`seed`](crate::StoreBuilder::seed), so a run with one thread repeats.
    ///
    /// # Panics
    /// On what is no probability: percents, or a NaN.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let run = || {
    ///     let store = Store::builder().seed(7).build();
    ///     let _fault = store.fault(Fault::busy().chance(0.5));
    ///     let mut session = store.session();
    ///     (0..20).map(|_| session.call(["GET", "a"])).collect::<Vec<Reply>>()
    /// };
    /// assert_eq!(run(), run());
    /// ```
    #[track_caller]
    pub fn chance(mut self, probability: f64) -> Self {
        assert!((0.0..=1.0).contains(&probability), "{probability} is not from 0 to 1");
        self.chance = Some(probability);
        self
    }

    /// The test fails if the fault has never struck when its guard is dropped: for the fault whose pattern has a slip
    /// of the pen.
    ///
    /// ```should_panic
    /// # use larder::{Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::loading().on("GTE").must_strike());
    /// store.session().call(["GET", "a"]);
    /// // panics: "LOADING Redis is ... on GTE" never struck
    /// ```
    pub fn must_strike(mut self) -> Self {
        self.must_strike = true;
        self
    }
}

impl Fault {
    /// Whether it is said only of commands.
    pub(crate) fn names_commands(&self) -> bool {
        self.commands.is_some()
            || !self.keys.is_empty()
            || self.client_id.is_some()
            || self.client_name.is_some()
            || self.client_addr.is_some()
            || self.when.is_some()
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.effect == Effect::Refuse
    }

    pub(crate) fn is_by_chance(&self) -> bool {
        self.chance.is_some()
    }

    pub(super) fn means(&self, received: &Received<'_>) -> bool {
        let matches = |glob: &[u8], text: &[u8]| Pattern::new(glob).matches(text);
        let is_key = || {
            let keys = received.keys();
            self.keys.iter().any(|glob| keys.iter().any(|key| matches(glob, key)))
        };
        self.commands.as_ref().is_none_or(|commands| received.is(commands))
            && self.client_id.is_none_or(|id| id == received.client)
            && self.client_name.as_ref().is_none_or(|glob| matches(glob, &received.client_name))
            && self.client_addr.as_ref().is_none_or(|glob| matches(glob, received.client_addr.as_bytes()))
            && (self.keys.is_empty() || is_key())
            && self.when.as_ref().is_none_or(|when| {
                let _asked = Asked::new();
                when(received)
            })
    }

    /// Whether code of the caller's is asked.
    #[cfg(feature = "server")]
    pub(crate) fn asks_closure(&self) -> bool {
        self.when.is_some()
    }
}

/// A closure is being asked on this thread, until this is dropped.
pub(crate) struct Asked(());

thread_local! {
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
}

impl Asked {
    fn new() -> Self {
        IS_ASKED.set(true);
        Asked(())
    }

    pub(crate) fn is_now() -> bool {
        IS_ASKED.get()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        IS_ASKED.set(false);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.effect {
            Effect::Error(error) => write!(f, "{error}")?,
            Effect::Delay(time) => write!(f, "delay by {time} ms")?,
            Effect::DelayReply(time) => write!(f, "delay of the reply by {time} ms")?,
            Effect::Takes(time) => write!(f, "taking {time} ms")?,
            Effect::CloseBefore => f.write_str("closing before")?,
            Effect::CloseAfter => f.write_str("closing after")?,
            Effect::Cut(bytes) => write!(f, "closing after {bytes} bytes of the reply")?,
            Effect::DropReply => f.write_str("dropping the reply")?,
            Effect::Hang => f.write_str("hanging")?,
            Effect::Refuse => f.write_str("refusing connections")?,
        }
        if let Some(commands) = &self.commands {
            write!(f, " on {commands}")?;
        }
        for key in &self.keys {
            write!(f, " key {}", String::from_utf8_lossy(key))?;
        }
        if let Some(id) = self.client_id {
            write!(f, " client {id}")?;
        }
        for client in [&self.client_name, &self.client_addr].into_iter().flatten() {
            write!(f, " client {}", String::from_utf8_lossy(client))?;
        }
        if self.when.is_some() {
            f.write_str(" when a closure says so")?;
        }
        match self.after {
            0 => {}
            1 => f.write_str(", after 1 call")?,
            after => write!(f, ", after {after} calls")?,
        }
        match self.times {
            u64::MAX => {}
            1 => f.write_str(", once")?,
            times => write!(f, ", {times} times")?,
        }
        if self.every > 1 {
            write!(f, ", every {} calls", self.every)?;
        }
        self.chance.map_or(Ok(()), |chance| write!(f, ", with probability {chance}"))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}
