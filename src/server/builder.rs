//! A server's settings.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use super::{Options, Server};
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
    options: Options,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        ServerBuilder { addresses: Ok(vec![any]), options: Options::default() }
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
    /// Those of the system, where the address is none, is in use, or threads cannot be started.
    pub fn start(self, store: &Store) -> io::Result<Server> {
        let listener = TcpListener::bind(&*self.addresses?)?;
        Server::start(listener, store, self.options)
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
