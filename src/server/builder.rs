//! A server's settings.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(unix)]
use super::socket_file;
use super::stream::Listener;
#[cfg(feature = "tls")]
use super::tls::{ClientCertificates, Tls};
use super::{Doors, Options, Server};
use crate::{Compat, Store};

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
    has_tcp: bool,
    #[cfg(unix)]
    socket: Option<(PathBuf, Option<u32>)>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    options: Options,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        ServerBuilder {
            addresses: Ok(vec![any]),
            has_tcp: true,
            #[cfg(unix)]
            socket: None,
            #[cfg(feature = "tls")]
            tls: None,
            options: Options::default(),
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
    /// sessions of that store have to say it too, whatever way they come in.
    ///
    /// ```
    /// use larder::{Server, Store};
    ///
    /// let server = Server::builder().password("secret").start(&Store::new())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.options.password = Some(password.into());
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
    /// Those of the system, where the address is none, is in use, or threads cannot be started; `InvalidInput` for
    /// certificates that are none, or if it would listen nowhere.
    pub fn start(self, store: &Store) -> io::Result<Server> {
        let tcp = match self.has_tcp {
            true => Some(TcpListener::bind(&*self.addresses?)?),
            false => None,
        };
        let mut doors = Doors { tcp: None, unix: None, is_tls: false };
        if let Some(listener) = &tcp {
            listener.set_nonblocking(true)?;
            doors.tcp = Some(listener.local_addr()?);
        }
        #[cfg(feature = "tls")]
        let acceptor = self.tls.map(|tls| tls.acceptor()).transpose()?;
        #[cfg(feature = "tls")]
        (doors.is_tls = tcp.is_some() && acceptor.is_some());
        #[cfg(unix)]
        let socket = match &self.socket {
            Some((path, permissions)) => Some(socket_file::listen(path, *permissions)?),
            None => None,
        };
        #[cfg(unix)]
        (doors.unix = self.socket.map(|(path, _)| path));
        if doors.tcp.is_none() && doors.unix.is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a server that listens nowhere"));
        }
        let open = || {
            let mut listeners = Vec::new();
            if let Some(listener) = tcp {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                #[cfg(feature = "tls")]
                listeners.push(match acceptor {
                    Some(acceptor) => Listener::Tls(listener, acceptor),
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

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
