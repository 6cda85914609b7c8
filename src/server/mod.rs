//! A store as a server: Redis's protocol on a socket.
//!
//! All servers of a process share one runtime with a few threads of its own, so one starts in no time, in
//! a plain `#[test]` as in an async one, and a thousand of them are a thousand tasks.

mod answer;
mod builder;
mod config;
mod connection;
#[cfg(feature = "testing")]
mod faults;
mod outlet;
mod output;
mod pace;
#[cfg(unix)]
mod socket_file;
mod stream;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

#[cfg(feature = "lua")]
use crate::script::Ending;
use crate::table::parameter;
use crate::{Bytes, Compat, Session, Shutdown, Store};

pub use builder::ServerBuilder;
pub use config::{ConfigError, ServerConfig};
use stream::Listener;
#[cfg(feature = "tls")]
pub use tls::ClientCertificates;

/// Threads of the runtime, at most.
const THREADS: usize = 4;
/// So many turns tasks are given before the runtime looks who else is ready, if it never comes to an end of them: more than it
/// takes to read from some dozens of clients and to answer each.
const TURNS: u32 = 256;
/// How long to wait after a connection could not be accepted, for want of descriptors as a rule.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a client may take to agree on how to speak, where there is TLS.
const GREETING: Duration = Duration::from_secs(30);
/// The same for one that is to be told that there are too many: who says nothing must not stay beyond the limit. And how long
/// one may take nothing of what it is told while the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// A server on a store, for clients in other processes and other languages: redis-cli, redis-py, ioredis, any
/// that speaks RESP2 or RESP3. It serves until it is dropped, and then its port is free: a command that is sent after that is
/// not carried out, one that is under way at that moment is; who waits for those takes [`stop`](Self::stop).
///
/// All servers of a process share a few threads, and each client waits for nobody but who holds its keys. A
/// [`transaction`](Store::transaction) in Rust holds those until its closure ends, and a thread with them for each client
/// that wants one: keep it short, and ask no server of the same process from within.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let server = store.serve()?; // on a free port of 127.0.0.1
/// println!("redis-cli -u {}", server.url());
///
/// use std::io::{Read, Write};
/// let mut client = std::net::TcpStream::connect(server.addr())?;
/// client.write_all(b"SET greeting hello\r\n")?;
/// let mut reply = [0; 5];
/// client.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"+OK\r\n");
/// assert_eq!(store.get::<String>("greeting").unwrap().as_deref(), Some("hello"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    doors: Doors,
    shared: Arc<Shared>,
    /// Hears when the listener is closed, and when the last connection is.
    closed: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
    over: mpsc::Receiver<()>,
}

/// Where a server listens.
struct Doors {
    tcp: Option<SocketAddr>,
    unix: Option<PathBuf>,
    is_tls: bool,
}

/// What the connections of a server have in common.
struct Shared {
    store: Store,
    options: Options,
    connected: AtomicUsize,
    stop: watch::Sender<bool>,
    /// How a client wants it to end, once one has said so.
    asked: watch::Sender<Option<Shutdown>>,
    /// What its clients' scripts end with.
    #[cfg(feature = "lua")]
    ending: Arc<Ending>,
}

impl Shared {
    /// How many clients there may be: as a client has set it, or else as the server was built.
    fn max_clients(&self) -> usize {
        let set = self.store.space().shared().settings.max_clients();
        set.map_or(self.options.max_clients, |set| usize::try_from(set).unwrap_or(usize::MAX))
    }

    /// How long a client may be idle, said in the same ways.
    fn idle(&self) -> Option<Duration> {
        match self.store.space().shared().settings.timeout() {
            Some(seconds) => Some(Duration::from_secs(seconds)).filter(|idle| !idle.is_zero()),
            None => self.options.idle,
        }
    }

    /// A client has shut it down: it closes by itself. With all that is not saved goes what a script is about, which might not
    /// end.
    fn shut_down(&self, how: Shutdown) {
        self.asked.send_replace(Some(how));
        self.stop.send_replace(true);
        // Who waits for the script is told of the stop before it may go on. None runs but where nothing is to be saved: the
        // others have waited for its end, and keep the gate shut until now.
        #[cfg(feature = "lua")]
        self.store.space().shared().scripts.gate.end(&self.ending);
    }
}

/// How a server is built.
#[derive(Clone)]
struct Options {
    password: Option<Bytes>,
    max_clients: usize,
    idle: Option<Duration>,
    compat: Compat,
    /// The addresses as they were said, if they were.
    bind: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { password: None, max_clients: 10_000, idle: None, compat: Compat::default(), bind: None }
    }
}

impl Options {
    /// Puts into the store's settings what is a server's to say: the last one's, if it has several.
    fn tell(&self, doors: &Doors, store: &Store) {
        let settings = &store.space().shared().settings;
        let ports = [(doors.is_tls, "tls-port"), (!doors.is_tls, "port")];
        for (is_open, name) in ports {
            let port = doors.tcp.filter(|_| is_open).map_or(0, |addr| addr.port());
            settings.keep(name, port.to_string().into());
        }
        let said = || doors.tcp.map(|addr| addr.ip().to_string()).unwrap_or_default();
        settings.keep("bind", self.bind.clone().unwrap_or_else(said).into());
        if let Some(path) = &doors.unix {
            settings.keep("unixsocket", path.to_string_lossy().into_owned().into());
        }
        settings.keep("maxclients", self.max_clients.to_string().into());
        settings.keep("timeout", self.idle.unwrap_or_default().as_secs().to_string().into());
    }
}

impl Store {
    /// Serves this store on a free port of 127.0.0.1, with the default settings. Takes no more than it takes
    /// to open the port.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let (a, b) = (Store::new().serve()?, Store::new().serve()?);
    /// assert_ne!(a.addr(), b.addr()); // each has its own data
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the system when the port is opened.
    pub fn serve(&self) -> io::Result<Server> {
        Server::builder().start(self)
    }
}

impl Server {
    /// A server with settings of its own.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().password("secret").max_clients(10).start(&Store::new())?;
    /// assert_eq!(server.url(), format!("redis://:secret@{}", server.addr()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Where it listens; port 0 of no address if it has no TCP port. O(1)
    pub fn addr(&self) -> SocketAddr {
        self.doors.tcp.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into())
    }

    /// The port on which it listens, or 0. O(1)
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// What a client of this machine takes to connect: `redis://127.0.0.1:6379`, with the password if it has one;
    /// `rediss://` with TLS. Without a TCP port it is that of its Unix socket.
    pub fn url(&self) -> String {
        let Some(mut addr) = self.doors.tcp else { return self.unix_url().unwrap_or_default() };
        match addr.ip() {
            ip if !ip.is_unspecified() => {}
            IpAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
        let scheme = if self.doors.is_tls { "rediss" } else { "redis" };
        match &self.shared.options.password {
            Some(password) => format!("{scheme}://:{}@{addr}", escaped(password, b"")),
            None => format!("{scheme}://{addr}"),
        }
    }

    /// What a client takes to connect to its Unix socket, if it has one: `redis+unix:///run/redis.sock`, with the
    /// password as `?pass=` if there is one. redis-rs reads it; others take [`unix_socket`](Self::unix_socket).
    pub fn unix_url(&self) -> Option<String> {
        let path = self.unix_socket()?.to_string_lossy();
        let path = path.as_bytes();
        let password = self.shared.options.password.as_ref();
        Some(match password {
            Some(password) => {
                format!("redis+unix://{}?pass={}", escaped(path, b"/"), escaped(password, b""))
            }
            None => format!("redis+unix://{}", escaped(path, b"/")),
        })
    }

    /// The path of its Unix socket, if it has one. O(1)
    pub fn unix_socket(&self) -> Option<&Path> {
        self.doors.unix.as_deref()
    }

    /// The store that it serves. O(1)
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// A session of the store for who runs the server: it may do everything, whatever users and passwords there are, and no
    /// `CLIENT PAUSE` holds it back. O(1)
    ///
    /// ```
    /// use larder::{Reply, Server, Store};
    ///
    /// let server = Server::builder().password("secret").start(&Store::new())?;
    /// assert!(matches!(server.store().session().call(["DBSIZE"]), Reply::Error(_)));
    /// assert_eq!(server.session().call(["DBSIZE"]), Reply::Integer(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn session(&self) -> Session {
        self.store().session().compat(self.shared.options.compat).trusted()
    }

    /// The value of a parameter as `CONFIG GET` tells it, without a command; nothing for one that there is not. O(1)
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().max_clients(10).start(&Store::new())?;
    /// assert_eq!(server.parameter("maxclients"), "10");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn parameter(&self, name: &str) -> String {
        String::from_utf8_lossy(&parameter(self.store().space(), name)).into_owned()
    }

    /// How many clients are connected. O(1)
    pub fn clients(&self) -> usize {
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// Stops it: the port is free at once, each client gets the reply to the command that is under way (one
    /// that waits gets none), and when the last has gone this is done. One that takes nothing of it for a second is not waited
    /// for, and none for more than ten. On any runtime.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// let server = larder::Store::new().serve()?;
    /// let addr = server.addr();
    /// let stopped = server.stop();
    /// # let mut stopped = pin!(stopped);
    /// # while stopped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
    /// #     std::thread::yield_now();
    /// # }
    /// // stopped.await;
    /// assert!(std::net::TcpStream::connect(addr).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn stop(mut self) {
        self.close();
        // Nothing is ever sent: it ends when the last connection has let go of its end.
        while self.over.recv().await.is_some() {}
    }

    /// Waits until a client shuts the server down; gives how. Its listener and its connections close by themselves
    /// then.
    ///
    /// ```no_run
    /// # async fn example() -> larder::Result<()> {
    /// let server = larder::Store::new().serve().unwrap();
    /// let how = server.asked_to_shut_down().await;
    /// server.shut_down(how).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SHUTDOWN")]
    pub async fn asked_to_shut_down(&self) -> Shutdown {
        let mut asked = self.shared.asked.subscribe();
        match asked.wait_for(Option::is_some).await.map(|how| *how) {
            Ok(Some(how)) => how,
            // The server has the other end: it is there.
            _ => std::future::pending().await,
        }
    }

    /// Saves the store as [`shut_down`](Self::shut_down) would, and serves on: for who ends it only if nothing is lost by
    /// that. Gives whether the file that it has now holds all. O(all data), on the caller's thread.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-save-as-{}", std::process::id()));
    /// use larder::{SaveFile, Server, Shutdown, Store};
    ///
    /// let store = Store::new();
    /// let server = Server::builder().save_to(SaveFile::Rdb(path.clone())).start(&store).unwrap();
    /// assert!(!server.save_as(Shutdown::NoSave)?);
    /// assert!(server.save_as(Shutdown::Save)?);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::save`] and [`Store::save_rdb`].
    pub fn save_as(&self, how: Shutdown) -> crate::Result<bool> {
        self.store().space().shared().saving.end(self.store(), how)
    }

    /// Stops it as [`stop`](Self::stop) does, and then saves the store to the file that it was given
    /// ([`ServerBuilder::save_to`]), if that is to be and there is anything that is not in it; gives whether the file
    /// now holds all. `SHUTDOWN`, O(all data).
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # let path = std::env::temp_dir().join(format!("larder-doc-shut-down-{}", std::process::id()));
    /// use larder::{SaveFile, Server, Shutdown, Store};
    ///
    /// let (file, store) = (SaveFile::Snapshot(path.clone()), Store::new());
    /// let server = Server::builder().save_to(file).start(&store).unwrap();
    /// store.insert("greeting", "hello")?;
    /// let ended = server.shut_down(Shutdown::Default);
    /// # let mut ended = pin!(ended);
    /// # let saved = loop {
    /// #     if let Poll::Ready(saved) = ended.as_mut().poll(&mut Context::from_waker(Waker::noop())) { break saved; }
    /// #     std::thread::yield_now();
    /// # };
    /// // let saved = ended.await;
    /// assert!(saved?);
    /// assert!(Store::load(&path)?.contains("greeting")?);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::save`] and [`Store::save_rdb`]; the server has stopped in any case.
    #[doc(alias = "SHUTDOWN")]
    pub async fn shut_down(self, how: Shutdown) -> crate::Result<bool> {
        let store = self.shared.store.clone();
        self.stop().await;
        store.space().shared().saving.end(&store, how)
    }

    /// Listens at all doors, of which each is opened within the runtime.
    fn start(
        doors: Doors,
        open: impl FnOnce() -> io::Result<Vec<Listener>>,
        store: &Store,
        options: Options,
    ) -> io::Result<Server> {
        let runtime = runtime()?;
        let listeners = {
            let _entered = runtime.enter();
            open()?
        };
        options.tell(&doors, store);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            store: store.clone(),
            options,
            connected: AtomicUsize::new(0),
            stop,
            asked: watch::channel(None).0,
            #[cfg(feature = "lua")]
            ending: Arc::default(),
        });
        let (closing, closed) = std::sync::mpsc::channel();
        let (alive, over) = mpsc::channel(1);
        for listener in listeners {
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            let (alive, closing) = (alive.clone(), closing.clone());
            runtime.spawn(async move {
                accept(&listener, shared, stopped, alive).await;
                drop(listener);
                drop(closing);
            });
        }
        if store.space().shared().saving.has_file() {
            runtime.spawn(save_at_points(Arc::clone(&shared), stopped));
        }
        Ok(Server { doors, shared, closed: Mutex::new(Some(closed)), over })
    }

    /// Closes the listener, and waits until it is closed; the connections follow.
    fn close(&self) {
        self.shared.stop.send_replace(true);
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(closed) = closed {
            // Nothing is ever sent: this ends when the other end is dropped.
            let _ = closed.recv();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.addr())
            .field("unix_socket", &self.unix_socket())
            .field("clients", &self.clients())
            .finish_non_exhaustive()
    }
}

async fn accept(
    listener: &Listener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok(arrived) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (shared, stopped, alive) = (Arc::clone(&shared), stopped.clone(), alive.clone());
        tokio::spawn(connection::run(arrived, shared, stopped, alive));
    }
}

/// Looks each second whether a save point has been reached.
async fn save_at_points(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let space = shared.store.space();
    let saving = &space.shared().saving;
    loop {
        let next = space.clock().now().saturating_add(1_000);
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = crate::waiting::reach(space.clock(), next) => {}
        }
        // A script or a transaction may hold the store for long: others serve the clients meanwhile.
        if tokio::task::block_in_place(|| saving.is_due(space)) {
            // It goes on where one is under way already; INFO tells of one that fails.
            let _ = saving.save_in_background(shared.store.clone());
        }
    }
}

/// As it stands in a URL, where these bytes stand for themselves too.
fn escaped(text: &[u8], plain: &[u8]) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || plain.contains(&byte);
    let escape = |byte: u8| if is_plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    text.iter().copied().map(escape).collect()
}

/// The runtime of all servers; it ends with the process.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    // Two that are built at once would be one too many, and who is a task itself may not drop it.
    static BUILDS: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _builds = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let threads = threads();
    // What one of several gets done depends on the others: whether waiting pays has not been measured for those.
    let may_wait = threads == 1;
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("larder-server")
        .event_interval(TURNS)
        .on_thread_park(move || outlet::note_park(may_wait))
        .enable_io()
        .enable_time()
        .build()?;
    for flusher in outlet::Flusher::all() {
        built.spawn(flusher.run());
    }
    Ok(RUNTIME.get_or_init(|| built))
}

/// Half of the cores: the clients of a server on 127.0.0.1 run on the others.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, THREADS))
}
