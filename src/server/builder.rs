//! A server's settings.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

#[cfg(unix)]
use super::socket_file;
use super::stream::Listener;
#[cfg(feature = "tls")]
use super::tls::{ClientCertificates, Tls};
use super::{Doors, Options, Server};
use crate::table::{SaveListener, check_users, declare_user, load_users, start};
use crate::{Bytes, Compat, Error, Progress, SaveFile, Store};

/// The settings of a [`Server`]; see [`Server::builder`].
///
/// ```
/// use std::time::Duration;
/// use larder::{Compat, Server, Store};
///
/// let server = Server::builder()
///     .compat(Compat::Redis72)
///     .idle_timeout(Duration::from_secs(300))
///     .start(&Store::new())?;
/// assert!(server.addr().ip().is_loopback());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a server starts with `start`"]
pub struct ServerBuilder {
    addresses: io::Result<Vec<SocketAddr>>,
    /// Others beside the first that can be listened on; whether the server may do without.
    more: Vec<(SocketAddr, bool)>,
    has_tcp: bool,
    backlog: u32,
    #[cfg(unix)]
    socket: Option<(PathBuf, Option<u32>)>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    options: Options,
    parameters: BTreeMap<&'static str, Bytes>,
    /// Names, and the words of their rules.
    users: Vec<(Bytes, Vec<Bytes>)>,
    file: Option<SaveFile>,
    listener: Option<SaveListener>,
    config_file: Option<PathBuf>,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        ServerBuilder {
            addresses: Ok(vec![any]),
            more: Vec::new(),
            has_tcp: true,
            backlog: 511,
            #[cfg(unix)]
            socket: None,
            #[cfg(feature = "tls")]
            tls: None,
            options: Options::default(),
            parameters: BTreeMap::new(),
            users: Vec::new(),
            file: None,
            listener: None,
            config_file: None,
        }
    }

    /// Where to listen, instead of on a free port of 127.0.0.1; port 0 is a free one.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().bind("[::1]:0").start(&Store::new());
    /// # let _ = server; // not every machine has IPv6
    /// ```
    pub fn bind(mut self, addr: impl ToSocketAddrs) -> Self {
        self.addresses = addr.to_socket_addrs().map(Iterator::collect);
        self.more.clear();
        self
    }

    /// Listens on the addresses of a line `bind`: one before which there is a `-` may be missing.
    pub(super) fn listen(mut self, addresses: &str, port: u16) -> Result<Self, String> {
        let mut all = Vec::new();
        for word in addresses.split(' ').filter(|word| !word.is_empty()) {
            let (may_miss, name) = word.strip_prefix('-').map_or((false, word), |name| (true, name));
            let ip = match name {
                "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
                "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                name => name.parse().ok(),
            };
            all.push((
                SocketAddr::new(ip.ok_or_else(|| format!("'{name}' is no IP address"))?, port),
                may_miss,
            ));
        }
        if all.is_empty() {
            return Err("there is no address to listen on".into());
        }
        self.addresses = Ok(Vec::new());
        self.more = all;
        self.options.bind = Some(addresses.into());
        Ok(self)
    }

    /// How many connections may wait to be taken on a TCP port, as far as the system allows it: those of many clients that
    /// come at once. `tcp-backlog`; default: 511, as in Redis.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().backlog(4_096).start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "tcp-backlog")]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// What `CONFIG GET` is to tell.
    pub(super) fn parameters(mut self, parameters: BTreeMap<&'static str, Bytes>) -> Self {
        self.parameters = parameters;
        self
    }

    /// The file for `SAVE`, `BGSAVE`, `SHUTDOWN` and the save points (`CONFIG SET save`), which are looked at each
    /// second of the store's clock. Without one, those commands are answered with an error that names this setting:
    /// a server within a test writes no files. The store is not loaded from it here; see
    /// [`SaveFile::load`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-save-to-{}", std::process::id()));
    /// use larder::{Reply, SaveFile, Server, Store};
    ///
    /// let store = Store::new();
    /// let server = Server::builder().save_to(SaveFile::Rdb(path.clone())).start(&store)?;
    /// assert_eq!(store.session().call(["SAVE"]), Reply::OK);
    /// assert!(std::fs::read(&path)?.starts_with(b"REDIS"));
    /// # drop(server);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SAVE")]
    #[doc(alias = "BGSAVE")]
    #[doc(alias = "dbfilename")]
    pub fn save_to(mut self, file: SaveFile) -> Self {
        self.file = Some(file);
        self
    }

    /// Who is told how each save to the file went, on the thread that saves: to log it. While `SHUTDOWN` saves, the commands of all
    /// sessions wait, so it is not to wait for one of them.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-save-listener-{}", std::process::id()));
    /// use std::sync::mpsc::channel;
    /// use larder::{SaveFile, Server, Store};
    ///
    /// let (send, saves) = channel();
    /// let listener = move |saved: Result<larder::Progress, &larder::Error>| {
    ///     send.send(saved.map_or_else(|error| error.to_string(), |done| format!("{} keys", done.entries))).unwrap();
    /// };
    /// let store = Store::new();
    /// let file = SaveFile::Snapshot(path.clone());
    /// let server = Server::builder().save_to(file).save_listener(listener).start(&store)?;
    /// store.session().call(["SAVE"]);
    /// assert_eq!(saves.recv().as_deref(), Ok("0 keys"));
    /// # drop(server);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn save_listener(
        mut self,
        listener: impl Fn(Result<Progress, &Error>) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// The file that the server's configuration was read from: `CONFIG REWRITE` puts there what clients have set
    /// since, and leaves its other lines, comments too, as they are. Without this it is an error.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-rewrite-{}", std::process::id()));
    /// use larder::{Reply, Server, Store};
    ///
    /// std::fs::write(&path, "# for tests\nmaxclients 10\n")?;
    /// let store = Store::new();
    /// let _server = Server::builder().max_clients(10).config_file(&path).start(&store)?;
    /// let mut session = store.session();
    /// session.call(["CONFIG", "SET", "maxclients", "20"]);
    /// assert_eq!(session.call(["CONFIG", "REWRITE"]), Reply::OK);
    /// assert_eq!(std::fs::read_to_string(&path)?, "# for tests\nmaxclients 20\n");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "CONFIG REWRITE")]
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// Listens on no TCP port, but on a Unix socket alone (Redis's `port 0`).
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use larder::{Server, Store};
    ///
    /// let path = std::env::temp_dir().join(format!("larder-doc-{}.sock", std::process::id()));
    /// let server = Server::builder().unix_socket(&path).no_tcp().start(&Store::new())?;
    /// assert_eq!((server.port(), server.unix_socket()), (0, Some(path.as_path())));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn no_tcp(mut self) -> Self {
        self.has_tcp = false;
        self
    }

    /// Listens on a Unix socket as well. A socket that is there already is replaced if nobody listens on it any
    /// more; the file goes with the server.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let path = std::env::temp_dir().join(format!("larder-doc2-{}.sock", std::process::id()));
    /// let server = Server::builder().unix_socket(&path).start(&Store::new())?;
    /// assert_eq!(server.unix_url().unwrap(), format!("redis+unix://{}", path.display()));
    /// drop(server);
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn unix_socket(mut self, path: impl AsRef<Path>) -> Self {
        let permissions = self.socket.and_then(|(_, permissions)| permissions);
        self.socket = Some((path.as_ref().to_owned(), permissions));
        self
    }

    /// The same, with a file of these permissions, such as `0o770`; those of the process's mask if nothing is said.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let path = std::env::temp_dir().join(format!("larder-doc3-{}.sock", std::process::id()));
    /// let server = Server::builder().unix_socket_with(&path, 0o700).start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn unix_socket_with(mut self, path: impl AsRef<Path>, permissions: u32) -> Self {
        self.socket = Some((path.as_ref().to_owned(), Some(permissions)));
        self
    }

    /// TLS 1.2 and 1.3 on its TCP port, and nothing else: the server's certificate, behind it those that lead to the
    /// one that clients know, and its key, both as PEM.
    ///
    /// ```no_run
    /// use larder::{Server, Store};
    ///
    /// let (certificates, key) = (std::fs::read("server.crt")?, std::fs::read("server.key")?);
    /// let server = Server::builder().tls(certificates, key).start(&Store::new())?;
    /// assert!(server.url().starts_with("rediss://"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let clients = self.tls.and_then(|tls| tls.clients);
        self.tls = Some(Tls { certificates: certificates.into(), key: key.into(), clients });
        self
    }

    /// Asks clients for a certificate too, signed by one of these (PEM). It says something only beside
    /// [`tls`](Self::tls).
    ///
    /// ```no_run
    /// use larder::{ClientCertificates, Server, Store};
    ///
    /// let read = |name: &str| std::fs::read(name);
    /// let server = Server::builder()
    ///     .tls(read("server.crt")?, read("server.key")?)
    ///     .tls_clients(read("ca.crt")?, ClientCertificates::Required)
    ///     .start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls_clients(mut self, authorities: impl Into<Vec<u8>>, wanted: ClientCertificates) -> Self {
        let tls = self.tls.get_or_insert(Tls { certificates: Vec::new(), key: Vec::new(), clients: None });
        tls.clients = Some((authorities.into(), wanted));
        self
    }

    /// What a client has to say in `AUTH` or `HELLO` before anything else. It is the store's `requirepass`: new
    /// sessions of that store have to say it too, whatever way they come in. Rules for the user `default`, here or in an
    /// ACL file, take its place.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().password("secret").start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn password(self, password: impl Into<String>) -> Self {
        self.password_of(password.into().into())
    }

    /// The same of bytes, which need not be text.
    pub(super) fn password_of(mut self, password: Bytes) -> Self {
        self.options.password = Some(password);
        self
    }

    /// A user that clients can be (`AUTH alice secret`), with rules as `ACL SETUSER` takes them, divided by spaces. It is
    /// one of the store's, so it is known to all its sessions. Rules for `default` take the place of its own, which
    /// allow everything.
    ///
    /// ```
    /// use larder::{Reply, Server, Store};
    ///
    /// let server = Server::builder().user("alice", "on >secret ~cached:* +@read").start(&Store::new())?;
    /// let mut session = server.store().session();
    /// session.call(["AUTH", "alice", "secret"]);
    /// assert_eq!(session.call(["GET", "cached:page"]), Reply::Nil);
    /// let Reply::Error(error) = session.call(["SET", "cached:page", "x"]) else { panic!("she may but read") };
    /// assert_eq!(error.to_string(), "NOPERM User alice has no permissions to run the 'set' command");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "ACL")]
    pub fn user(mut self, name: impl AsRef<[u8]>, rules: impl AsRef<[u8]>) -> Self {
        let words = rules.as_ref().split(|byte| byte.is_ascii_whitespace());
        let words = words.filter(|word| !word.is_empty()).map(Bytes::from).collect();
        self.users.push((name.as_ref().into(), words));
        self
    }

    /// The same, with their rules in words.
    pub(super) fn users(mut self, users: impl IntoIterator<Item = (Bytes, Vec<Bytes>)>) -> Self {
        self.users.extend(users);
        self
    }

    /// How many clients may be connected at a time, 10,000 if nothing is said; one more is told
    /// `ERR max number of clients reached`.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().max_clients(100).start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_clients(mut self, clients: usize) -> Self {
        self.options.max_clients = clients;
        self
    }

    /// After how long without a command a client is disconnected; never if nothing is said. Those who wait
    /// for a key or listen to channels stay. The time is that of the store's clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().idle_timeout(Duration::from_secs(60)).start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.options.idle = Some(idle);
        self
    }

    /// Whose commands, error texts and formats it has.
    ///
    /// ```
    /// use larder::{Compat, Server, Store};
    ///
    /// let server = Server::builder().compat(Compat::Valkey9).start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn compat(mut self, compat: Compat) -> Self {
        self.options.compat = compat;
        self
    }

    /// Starts it on a store.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().start(&Store::new())?;
    /// assert_eq!(server.clients(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the system, where the address is none, is in use, or threads cannot be started;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for certificates that are none, for rules of users that make no
    /// sense, if it would listen nowhere, or if the settings are of a [`ServerConfig`](crate::ServerConfig) that the store
    /// was not built with.
    pub fn start(self, store: &Store) -> io::Result<Server> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let mut tcp = Vec::new();
        let addresses = self.addresses?;
        if self.has_tcp && (!addresses.is_empty() || self.more.is_empty()) {
            tcp.push(listen_on_any(&addresses, self.backlog)?);
        }
        let mut port = None;
        for (mut addr, may_miss) in self.more.into_iter().filter(|_| self.has_tcp) {
            // All of them have the free port that the first has found.
            addr.set_port(port.unwrap_or(addr.port()));
            match listen_on(addr, self.backlog, OnlyV6::Yes) {
                Ok(listener) => {
                    port = Some(listener.local_addr()?.port());
                    tcp.push(listener);
                }
                // As Redis: where there is no such address, or none of its kind.
                Err(error) if may_miss && error.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(_) if addr.is_ipv6() && Socket::new(Domain::IPV6, Type::STREAM, None).is_err() => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{addr}: {error}"))),
            }
        }
        let mut doors = Doors { tcp: None, unix: None, is_tls: false };
        for listener in &tcp {
            listener.set_nonblocking(true)?;
        }
        doors.tcp = tcp.first().map(TcpListener::local_addr).transpose()?;
        #[cfg(feature = "tls")]
        let acceptor = self.tls.map(|tls| tls.acceptor()).transpose()?;
        #[cfg(feature = "tls")]
        (doors.is_tls = !tcp.is_empty() && acceptor.is_some());
        #[cfg(unix)]
        let socket = match &self.socket {
            Some((path, permissions)) => Some(
                socket_file::listen(path, *permissions)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
            ),
            None => None,
        };
        #[cfg(unix)]
        (doors.unix = self.socket.map(|(path, _)| path));
        if doors.tcp.is_none() && doors.unix.is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a server that listens nowhere"));
        }
        let channels = self.parameters.get("acl-pubsub-default").map(|value| *value == *b"allchannels");
        // Those of a file will have taken the place of all that there are.
        if self.parameters.get("aclfile").is_none_or(|path| path.is_empty()) {
            check_users(store.space(), &self.users, channels, self.options.compat).map_err(invalid)?;
        }
        let config_file = self.config_file.map(absolute).transpose()?;
        let file = self.file.map(SaveFile::absolute).transpose()?;
        // The store is touched once nothing of these can fail any more. What can is a file of users that makes no sense.
        start(store.space(), self.parameters.into_iter(), self.options.compat)
            .map_err(|name| invalid(format!("the store was built with another {name}")))?;
        let has_default = load_users(store.space(), self.options.compat).map_err(invalid)?;
        if let Some(password) = &self.options.password {
            let shared = store.space().shared();
            // It is the default user's, unless there are rules for that one.
            match has_default {
                true => shared.keep("requirepass", password.clone()),
                false => shared.require_password(password.clone()),
            }
        }
        for (name, words) in &self.users {
            declare_user(store.space(), name, words, self.options.compat).map_err(invalid)?;
        }
        if let Some(path) = config_file {
            store.space().shared().settings.set_file(path);
        }
        if let Some(file) = file {
            let saving = &store.space().shared().saving;
            saving
                .save_to(store.space(), file, self.options.compat, self.listener)
                .map_err(|error| invalid(error.to_string()))?;
        }
        let open = || {
            let mut listeners = Vec::new();
            for listener in tcp {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                #[cfg(feature = "tls")]
                listeners.push(match &acceptor {
                    Some(acceptor) => Listener::Tls(listener, acceptor.clone()),
                    None => Listener::Tcp(listener),
                });
                #[cfg(not(feature = "tls"))]
                listeners.push(Listener::Tcp(listener));
            }
            #[cfg(unix)]
            if let Some((listener, file)) = socket {
                listeners.push(Listener::Unix(tokio::net::UnixListener::from_std(listener)?, file));
            }
            Ok(listeners)
        };
        Server::start(doors, open, store, self.options)
    }
}

/// Listens on the first of the addresses that can be listened on.
fn listen_on_any(addresses: &[SocketAddr], backlog: u32) -> io::Result<TcpListener> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on");
    for addr in addresses {
        match listen_on(*addr, backlog, OnlyV6::No) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Whether who listens on all IPv6 addresses leaves those of IPv4 to others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnlyV6 {
    Yes,
    No,
}

fn listen_on(addr: SocketAddr, backlog: u32, only: OnlyV6) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A port that was in use a moment ago can be taken anew; on Windows that means another thing.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() && only == OnlyV6::Yes {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
