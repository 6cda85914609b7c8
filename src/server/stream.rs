//! Where clients come in, and what they are spoken to through.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
#[cfg(feature = "tls")]
use tokio::io::AsyncWrite;
use tokio::io::{AsyncRead, Interest, ReadBuf};
#[cfg(unix)]
use tokio::net::unix;
use tokio::net::{TcpListener, TcpStream, tcp};

use super::outlet::{Outlet, Writer};
#[cfg(unix)]
use super::socket_file::SocketFile;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often is looked whether a client that is not read from has gone.
const LOOK: Duration = Duration::from_secs(1);

/// One of a server's doors.
pub(super) enum Listener {
    Tcp(TcpListener),
    /// The file goes with the listener.
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, SocketFile),
    #[cfg(feature = "tls")]
    Tls(TcpListener, TlsAcceptor),
}

/// Who has come in, and has not been spoken to.
pub(super) enum Arrived {
    Plain(Stream),
    #[cfg(feature = "tls")]
    Tls(TcpStream, TlsAcceptor),
}

/// A client's connection.
pub(super) enum Stream {
    Tcp(tcp::OwnedReadHalf, Arc<Outlet>),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf, Arc<Outlet>, String),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Listener::Tcp(listener) => {
                let (reader, writer) = tcp(listener).await?.into_split();
                Ok(Arrived::Plain(Stream::Tcp(reader, Outlet::new(Writer::Tcp(writer)))))
            }
            #[cfg(unix)]
            Listener::Unix(listener, file) => {
                let (stream, _) = listener.accept().await?;
                let (reader, writer) = stream.into_split();
                Ok(Arrived::Plain(Stream::Unix(reader, Outlet::new(Writer::Unix(writer)), file.name())))
            }
            #[cfg(feature = "tls")]
            Listener::Tls(listener, acceptor) => Ok(Arrived::Tls(tcp(listener).await?, acceptor.clone())),
        }
    }
}

async fn tcp(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Without it replies come later, and no less right.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

impl Arrived {
    /// A stream to speak through, once both have agreed on how. O(1) but for TLS.
    pub(super) async fn greet(self) -> io::Result<Stream> {
        match self {
            Arrived::Plain(stream) => Ok(stream),
            #[cfg(feature = "tls")]
            Arrived::Tls(stream, acceptor) => Ok(Stream::Tls(Box::new(acceptor.accept(stream).await?))),
        }
    }
}

impl Stream {
    /// Has the system ask after a client of whom nothing is heard for so long; not at all at zero.
    pub(super) fn keep_alive(&self, after: Duration) {
        if let Some(stream) = self.tcp().filter(|_| !after.is_zero()) {
            // Without it one who is gone stays longer.
            let _ = SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(after));
        }
    }

    /// Ends when the client has closed its end, whatever there is still to be read: that is looked at now and then.
    pub(super) async fn closed(&self) {
        while !self.is_closed().await {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn is_closed(&self) -> bool {
        let ready = match self {
            #[cfg(unix)]
            Stream::Unix(stream, ..) => stream.ready(Interest::READABLE).await,
            Stream::Tcp(stream, _) => stream.ready(Interest::READABLE).await,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.get_ref().0.ready(Interest::READABLE).await,
        };
        ready.is_ok_and(|ready| ready.is_read_closed())
    }

    /// Tells who is turned away why, or what else it is to know, as far as the system takes it at once.
    pub(super) async fn say_once(&mut self, text: &[u8]) {
        poll_fn(|context| Poll::Ready(_ = self.poll_write(context, text))).await;
        poll_fn(|context| Poll::Ready(_ = self.poll_flush(context))).await;
        self.take_leave().await;
    }

    /// Says that nothing more comes, where there is a word for that: to who knows TLS all else is as if it had been cut off.
    pub(super) async fn take_leave(&mut self) {
        #[cfg(feature = "tls")]
        if let Stream::Tls(stream) = self {
            // Once: who does not take it at once may do without.
            poll_fn(|context| Poll::Ready(_ = Pin::new(&mut *stream).poll_shutdown(context))).await;
        }
    }

    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(_, outlet) => outlet.poll_write(context, bytes),
            #[cfg(unix)]
            Stream::Unix(_, outlet, _) => outlet.poll_write(context, bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    /// Has all that was written leave: TLS may have kept some of it.
    #[cfg_attr(not(feature = "tls"), allow(unused_variables))]
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(..) => Poll::Ready(Ok(())),
            #[cfg(unix)]
            Stream::Unix(..) => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    /// Where replies may be left that need not be written at once. Those that are encrypted are.
    pub(super) fn outlet(&self) -> Option<&Arc<Outlet>> {
        match self {
            Stream::Tcp(_, outlet) => Some(outlet),
            #[cfg(unix)]
            Stream::Unix(_, outlet, _) => Some(outlet),
            #[cfg(feature = "tls")]
            Stream::Tls(_) => None,
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(stream, _) => Some(stream.as_ref()),
            #[cfg(unix)]
            Stream::Unix(..) => None,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Some(stream.get_ref().0),
        }
    }

    /// Where the client is, and where it has connected to.
    pub(super) fn addresses(&self) -> (String, String) {
        let stream = match self {
            Stream::Tcp(stream, _) => stream.as_ref(),
            #[cfg(unix)]
            Stream::Unix(.., name) => return (format!("{name}:0"), format!("{name}:0")),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.get_ref().0,
        };
        let text = |addr: io::Result<SocketAddr>| addr.map_or("?:0".into(), |addr| addr.to_string());
        (text(stream.peer_addr()), text(stream.local_addr()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream, _) => Pin::new(stream).poll_read(context, bytes),
            #[cfg(unix)]
            Stream::Unix(stream, ..) => Pin::new(stream).poll_read(context, bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, bytes),
        }
    }
}
