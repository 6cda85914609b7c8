//! What goes wrong, and for which commands.

mod aim;
mod rule;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::commands::{Commands, Received};
use crate::Bytes;
use crate::clock::millis;
use crate::reply::ErrorReply;

pub(crate) use aim::Asked;
pub use rule::FaultGuard;
pub(crate) use rule::Rule;

/// Something that goes wrong, for all commands if nothing else is said: first what, then for whom and how often. It
/// holds from [`Store::fault`](crate::Store::fault) until what that gives is dropped.
///
/// ```
/// use larder::{Store, testing::Fault};
///
/// let store = Store::new();
/// let fault = store.fault(Fault::loading().on("GET").key("user:*").times(2));
///
/// let mut session = store.session();
/// let loading = "LOADING Redis is loading the dataset in memory";
/// let mut ask = || match session.call(["GET", "user:1"]) {
///     larder::Reply::Error(error) => error.to_string(),
///     reply => format!("{reply:?}"),
/// };
/// assert_eq!([ask(), ask(), ask()], [loading, loading, "Nil"]);
/// assert_eq!(fault.hits(), 2);
/// ```
#[derive(Clone)]
#[must_use = "a fault holds once it is given to `Store::fault`"]
pub struct Fault {
    pub(super) effect: Effect,
    commands: Option<Commands>,
    keys: Vec<Bytes>,
    client_id: Option<u64>,
    client_name: Option<Bytes>,
    client_addr: Option<Bytes>,
    when: Option<Arc<Predicate>>,
    after: u64,
    every: u64,
    times: u64,
    pub(super) chance: Option<f64>,
    must_strike: bool,
}

/// Whether a command is meant.
type Predicate = dyn Fn(&Received<'_>) -> bool + Send + Sync;

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Error(ErrorReply),
    /// Milliseconds that pass before the command, and before its reply.
    Delay(u64),
    DelayReply(u64),
    /// The same as the first, but a manual clock is moved by it.
    Takes(u64),
    CloseBefore,
    CloseAfter,
    Cut(usize),
    DropReply,
    Hang,
    Refuse,
}

/// What goes wrong.
impl Fault {
    fn new(effect: Effect) -> Self {
        Fault {
            effect,
            commands: None,
            keys: Vec::new(),
            client_id: None,
            client_name: None,
            client_addr: None,
            when: None,
            after: 0,
            every: 1,
            times: u64::MAX,
            chance: None,
            must_strike: false,
        }
    }

    /// The command is not carried out, and answered with this error, whose first word is its code. Behind a `MULTI` it
    /// has the transaction fail, as any error there; `EXEC` itself answers `EXECABORT` with the reason, as a server
    /// does (and with the bare error where that is a cluster's).
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::error("TRYAGAIN Multiple keys request during rehashing of slot").on("MGET"));
    /// let Reply::Error(error) = store.session().call(["MGET", "a", "b"]) else { panic!("it is an error") };
    /// assert_eq!(error.code(), "TRYAGAIN");
    /// ```
    pub fn error(text: impl Into<String>) -> Self {
        Fault::new(Effect::Error(ErrorReply::new(text.into())))
    }

    /// [`error`](Self::error) of a server that has just been started: `LOADING`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::loading());
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "LOADING"));
    /// ```
    pub fn loading() -> Self {
        Fault::error("LOADING Redis is loading the dataset in memory")
    }

    /// [`error`](Self::error) of a replica, where a failover has made one of the primary: `READONLY`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::readonly().on("@write"));
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "READONLY"));
    /// ```
    pub fn readonly() -> Self {
        Fault::error("READONLY You can't write against a read only replica.")
    }

    /// [`error`](Self::error) of a server whose script does not end: `BUSY`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::busy());
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "BUSY"));
    /// ```
    pub fn busy() -> Self {
        Fault::error("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
    }

    /// [`error`](Self::error) of a server that is full and may evict nothing: `OOM`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::oom().on("@write"));
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "OOM"));
    /// ```
    pub fn oom() -> Self {
        Fault::error("OOM command not allowed when used memory > 'maxmemory'.")
    }

    /// [`error`](Self::error) of a server that has forgotten its scripts: `NOSCRIPT`, for EVALSHA.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::noscript().on("EVALSHA"));
    /// assert!(matches!(store.session().call(["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"]), Reply::Error(error) if error.code() == "NOSCRIPT"));
    /// ```
    pub fn noscript() -> Self {
        Fault::error("NOSCRIPT No matching script. Please use EVAL.")
    }

    /// [`error`](Self::error) of a cluster's node that has not got the key's slot (any more): `MOVED`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::moved(3999, "127.0.0.1:6381").key("user:*"));
    /// let Reply::Error(error) = store.session().call(["GET", "user:1"]) else { panic!("it has moved") };
    /// assert_eq!(error.to_string(), "MOVED 3999 127.0.0.1:6381");
    /// ```
    pub fn moved(slot: u16, addr: impl fmt::Display) -> Self {
        Fault::error(format!("MOVED {slot} {addr}"))
    }

    /// [`error`](Self::error) of a cluster's node whose slot is being moved: `ASK`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::ask(15495, "127.0.0.1:6382").key("a"));
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "ASK"));
    /// ```
    pub fn ask(slot: u16, addr: impl fmt::Display) -> Self {
        Fault::error(format!("ASK {slot} {addr}"))
    }

    /// [`error`](Self::error) of a cluster that does not hold together: `CLUSTERDOWN`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::cluster_down());
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "CLUSTERDOWN"));
    /// ```
    pub fn cluster_down() -> Self {
        Fault::error("CLUSTERDOWN The cluster is down")
    }

    /// [`error`](Self::error) of a replica that has lost its primary: `MASTERDOWN`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::master_down());
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "MASTERDOWN"));
    /// ```
    pub fn master_down() -> Self {
        Fault::error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
    }

    /// [`error`](Self::error) of a server that does not know the client (any more): `NOAUTH`.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// # let store = Store::new();
    /// let _fault = store.fault(Fault::no_auth().nth(1));
    /// assert!(matches!(store.session().call(["SET", "a", "1"]), Reply::Error(error) if error.code() == "NOAUTH"));
    /// ```
    pub fn no_auth() -> Self {
        Fault::error("NOAUTH Authentication required.")
    }

    /// So much of the store's time passes before the command is carried out; whether the client is still there then
    /// or not, and whether the rule is. With a [`ManualClock`](crate::ManualClock) that is when it has been advanced so far: it
    /// takes another thread, or [`takes`](Self::takes).
    ///
    /// Three things end a delay before its time: `CLIENT KILL`, the end of its server, and dropping the future of a
    /// `RedisAsyncConnection`, which withdraws its command as it does one that blocks. For a client that gives up and whose
    /// command is carried out all the same, let it wait over a socket, or [lose the reply](Self::close_after).
    ///
    /// ```
    /// # use std::{thread, time::Duration};
    /// # use larder::{ManualClock, Reply, Store, testing::Fault};
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let fault = store.fault(Fault::delay(Duration::from_secs(3)).on("SET"));
    /// let mut session = store.session();
    /// let setting = thread::spawn(move || session.call(["SET", "a", "1"]));
    /// fault.wait_for_hits(1); // its time counts from now on
    /// clock.advance(Duration::from_millis(2_999));
    /// assert!(!store.contains("a")?);
    /// clock.advance(Duration::from_millis(1));
    /// assert_eq!(setting.join().expect("it does not panic"), Reply::OK);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn delay(time: Duration) -> Self {
        Fault::new(Effect::Delay(millis(time)))
    }

    /// The command is carried out at once; its reply comes so much of the store's time after it was received.
    ///
    /// ```
    /// # use std::{thread, time::Duration};
    /// # use larder::{ManualClock, Reply, Store, testing::Fault};
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let fault = store.fault(Fault::delay_reply(Duration::from_secs(3)).on("SET"));
    /// let mut session = store.session();
    /// let setting = thread::spawn(move || session.call(["SET", "a", "1"]));
    /// while !store.contains("a")? {
    ///     thread::yield_now();
    /// }
    /// assert!(!setting.is_finished());
    /// clock.advance(Duration::from_secs(3));
    /// assert_eq!(setting.join().expect("it does not panic"), Reply::OK);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn delay_reply(time: Duration) -> Self {
        Fault::new(Effect::DelayReply(millis(time)))
    }

    /// A [`delay`](Self::delay) that moves a [`ManualClock`](crate::ManualClock) by itself: for tests with a single
    /// thread. What was due meanwhile is gone when the command is carried out.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{ManualClock, Reply, Store, testing::Fault};
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let mut session = store.session();
    /// session.call(["SET", "lock", "mine", "EX", "10"]);
    /// let _slow = store.fault(Fault::takes(Duration::from_secs(11)).on("GET"));
    /// assert_eq!(session.call(["GET", "lock"]), Reply::Nil);
    /// ```
    pub fn takes(time: Duration) -> Self {
        Fault::new(Effect::Takes(millis(time)))
    }

    /// The connection is closed when the command has come; it is not carried out.
    ///
    /// ```
    /// # use larder::{Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::close_before().on("INCR"));
    /// let mut session = store.session();
    /// session.call(["INCR", "hits"]);
    /// assert!(session.is_over());
    /// assert!(!store.contains("hits")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn close_before() -> Self {
        Fault::new(Effect::CloseBefore)
    }

    /// The lost reply: the command is carried out, and the connection closed. What the client makes of it is the test
    /// of its retries, for it cannot tell this from [`close_before`](Self::close_before).
    ///
    /// ```
    /// # use larder::{Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::close_after().on("INCR").nth(2));
    /// let mut session = store.session();
    /// session.call(["INCR", "hits"]);
    /// session.call(["INCR", "hits"]);
    /// assert!(session.is_over());
    /// assert_eq!(store.get("hits")?, Some(2));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn close_after() -> Self {
        Fault::new(Effect::CloseAfter)
    }

    /// The command is carried out, and the connection closed behind so many bytes of its reply. Where there are no
    /// bytes (a connection in the same process) that is [`close_after`](Self::close_after), unless all of the reply
    /// is let through.
    ///
    /// ```
    /// # #[cfg(feature = "server")] {
    /// # use std::{io::{Read, Write}, net::TcpStream};
    /// # use larder::{Store, testing::Fault};
    /// let store = Store::new();
    /// let server = store.serve()?;
    /// let _fault = store.fault(Fault::half_reply(4).on("ECHO"));
    /// let mut client = TcpStream::connect(server.addr())?;
    /// client.write_all(b"ECHO hello\r\n")?;
    /// let mut reply = String::new();
    /// client.read_to_string(&mut reply)?; // to the end
    /// assert_eq!(reply, "$5\r\n");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn half_reply(bytes: usize) -> Self {
        Fault::new(Effect::Cut(bytes))
    }

    /// The command is carried out and gets no reply; later ones do. (A client that reads on takes the next reply for
    /// this one's.) A connection in the same process does not wait: it is as if a timeout for reads were over.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::drop_reply().on("INCR"));
    /// let mut session = store.session();
    /// assert!(matches!(session.call(["INCR", "hits"]), Reply::Error(error) if error.code() == "LOST"));
    /// assert_eq!(session.call(["GET", "hits"]), Reply::Bulk("1".into()));
    /// ```
    pub fn drop_reply() -> Self {
        Fault::new(Effect::DropReply)
    }

    /// The command is not carried out, and from it on nothing is; there are no replies any more, and the connection
    /// stays open. In the same process it is as with [`drop_reply`](Self::drop_reply).
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let store = Store::new();
    /// let _fault = store.fault(Fault::hang().on("INCR"));
    /// let (mut session, mut other) = (store.session(), store.session());
    /// for command in [["INCR", "hits"], ["GET", "hits"]] {
    ///     assert!(matches!(session.call(command), Reply::Error(error) if error.code() == "LOST"));
    /// }
    /// assert_eq!(other.call(["GET", "hits"]), Reply::Nil);
    /// ```
    pub fn hang() -> Self {
        Fault::new(Effect::Hang)
    }

    /// New clients are not let in: a server closes their connections at once, and those in the same process fail
    /// with what a refused connection gives. Those who are connected stay.
    ///
    /// ```
    /// # use larder::{Reply, Store, testing::Fault};
    /// let store = Store::new();
    /// let down = store.fault(Fault::refuse_connections());
    /// let Reply::Error(error) = store.session().call(["PING"]) else { panic!("it was let in") };
    /// assert_eq!(error.to_string(), "LOST the connection was refused");
    /// drop(down);
    /// assert_eq!(store.session().call(["PING"]), Reply::Status("PONG".into()));
    /// ```
    pub fn refuse_connections() -> Self {
        Fault::new(Effect::Refuse)
    }
}
