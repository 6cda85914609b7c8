//! One client's connection.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;

use super::stream::{Arrived, Stream};
use super::waiting::{reach, wait};
use super::{GREETING, Shared};
use crate::clock::{Clock, NEVER, millis};
use crate::pubsub::Subscription;
use crate::reply::{ErrorReply, Reply};
use crate::resp::Requests;
use crate::table::{Outcome, OutputLimit, message, output_limit, query_limit};
use crate::{Message, Session};

/// Bytes that are read at a time.
const READ: usize = 16 << 10;
/// Replies are written once there are so many bytes of them, or nothing is left to answer.
const WRITE: usize = 32 << 10;
/// Room for replies that is kept when there are none.
const SPARE: usize = 4 << 10;
/// No limit to what a client has the server keep of its requests is below this.
const MODEST: usize = 1 << 20;
/// What a client may send on while its command waits for a key.
const AHEAD: usize = 64 << 10;

/// The client has gone, or has to.
pub(super) struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Gone
    }
}

pub(super) struct Connection<'s> {
    pub stream: Stream,
    pub session: Session,
    requests: Requests,
    /// Replies that are not written yet.
    pub out: Vec<u8>,
    pub shared: &'s Shared,
    pub stopped: watch::Receiver<bool>,
}

/// What comes next for a client of whose requests all have been answered.
enum Next {
    /// More of its requests.
    Arrived,
    Message(Option<Message>),
    Idle,
    Stop,
}

/// Serves a client until it leaves, or has to.
pub(super) async fn run(arrived: Arrived, shared: &Shared, mut stopped: watch::Receiver<bool>) {
    let _counted = Counted::new(shared);
    let greeted = tokio::select! {
        biased;
        greeted = arrived.greet() => greeted,
        _ = stopped.wait_for(|stopped| *stopped) => return,
        () = tokio::time::sleep(GREETING) => return,
    };
    let Ok(stream) = greeted else { return };
    let (client, server) = stream.addresses();
    let session = shared.store.session().compat(shared.options.compat).addresses(client, server);
    #[cfg(feature = "testing")]
    if !session.is_linked() {
        return;
    }
    let requests = Requests::new(session.longest_argument());
    let mut connection = Connection { stream, session, requests, out: Vec::new(), shared, stopped };
    if shared.connected.load(Ordering::Relaxed) > shared.options.max_clients {
        connection.tell(&ErrorReply::known("ERR max number of clients reached").into());
        let _ = connection.flush().await;
        return;
    }
    // However it ends, the client is told no more.
    let _ = connection.serve().await;
}

impl Connection<'_> {
    async fn serve(&mut self) -> Result<(), Gone> {
        loop {
            self.answer().await?;
            self.flush().await?;
            self.check_requests()?;
            #[cfg(feature = "testing")]
            let has_begun = self.requests.has_begun();
            match self.next().await? {
                Next::Arrived => {
                    // The rest of a request that has begun was sent together with it.
                    #[cfg(feature = "testing")]
                    if !has_begun {
                        self.session.begin_trip();
                    }
                }
                Next::Message(Some(first)) => {
                    // Redis too disconnects who does not keep up, sooner than to leave messages out.
                    if self.session.subscription().is_some_and(|subscription| subscription.lagged() > 0) {
                        return Err(Gone);
                    }
                    self.tell(&message(first));
                    while let Some(reply) = self.session.try_message().filter(|_| self.out.len() < WRITE) {
                        self.tell(&reply);
                    }
                }
                Next::Message(None) | Next::Idle | Next::Stop => return Err(Gone),
            }
        }
    }

    /// Answers all requests that have arrived.
    async fn answer(&mut self) -> Result<(), Gone> {
        loop {
            self.requests.is_unknown = !self.session.may_call();
            let words = match self.requests.next() {
                Ok(Some(words)) => words,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.tell(&error.reply().into());
                    self.flush().await?;
                    return Err(Gone);
                }
            };
            #[cfg(feature = "testing")]
            self.endure(&words).await?;
            let reply = match self.session.execute(&words) {
                Outcome::Reply(reply) => reply,
                Outcome::Waits(waiting) => {
                    self.flush().await?;
                    let clock = self.shared.store.space().clock();
                    let (stream, requests, stopped) =
                        (&mut self.stream, &mut self.requests, &mut self.stopped);
                    let reply = tokio::select! {
                        biased;
                        reply = wait(waiting, clock) => reply,
                        _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                        gone = leaves(stream, requests) => return Err(gone),
                    };
                    self.session.wake();
                    reply
                }
            };
            #[cfg(feature = "testing")]
            if !self.endure_reply(&reply).await? {
                continue;
            }
            if self.session.sends_reply() {
                self.tell(&reply);
            }
            // Neither is kept until the client has read the reply.
            drop((words, reply));
            if self.session.is_over() {
                self.flush().await?;
                return Err(Gone);
            }
            if self.out.len() >= WRITE {
                self.flush().await?;
            }
        }
    }

    fn tell(&mut self, reply: &Reply) {
        self.session.encode_to(reply, &mut self.out);
    }

    /// Writes what there is to be written, once the client has read enough of what came before.
    ///
    /// # Errors
    /// [`Gone`] also if more waits for the client than it may: a reply that is too long, or messages behind one
    /// that it does not read.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.out.is_empty() {
            return Ok(());
        }
        let waiting = self.out.len();
        if waiting > WRITE && self.output_limit().hard.is_some_and(|hard| waiting > hard) {
            return Err(Gone);
        }
        self.write().await?;
        self.out.clear();
        // One long reply is no reason to keep so much for the next, and ten thousand idle clients need none.
        if self.out.capacity() > SPARE {
            self.out = Vec::new();
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Gone> {
        let mut written = pin!(send(&mut self.stream, &self.out));
        // Most often the system takes it all at once.
        match poll_fn(|context| Poll::Ready(written.as_mut().poll(context))).await {
            Poll::Ready(written) => written?,
            Poll::Pending => {
                let space = self.shared.store.space();
                let messages = self.session.subscription().filter(|_| self.session.subscriptions() > 0);
                let limit = output_limit(space, class(messages));
                tokio::select! {
                    biased;
                    written = written => written?,
                    // A client that reads nothing must not hold the server up.
                    _ = self.stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                    () = exceeds(self.out.len(), messages, limit, space.clock()) => return Err(Gone),
                }
            }
        }
        Ok(())
    }

    fn output_limit(&self) -> OutputLimit {
        let messages = self.session.subscription().filter(|_| self.session.subscriptions() > 0);
        output_limit(self.shared.store.space(), class(messages))
    }

    /// What a client has begun and not ended (a request, a `MULTI`) must not grow without a limit. Redis too closes
    /// the connection without a word.
    fn check_requests(&self) -> Result<(), Gone> {
        let kept = self.requests.pending().saturating_add(self.session.queued_bytes());
        if kept > MODEST && kept > query_limit(self.shared.store.space()) {
            return Err(Gone);
        }
        Ok(())
    }

    /// Waits for something to do.
    async fn next(&mut self) -> Result<Next, Gone> {
        let clock = self.shared.store.space().clock();
        let idle = self.shared.options.idle.filter(|_| self.session.subscriptions() == 0);
        let idle = idle.map_or(NEVER, |idle| clock.now().saturating_add(millis(idle)));
        let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
        let messages = self.session.subscription();
        Ok(tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => Next::Stop,
            arrived = arrive(stream, requests) => {
                arrived?;
                Next::Arrived
            }
            message = next_message(messages) => Next::Message(message),
            () = reach(clock, idle), if idle != NEVER => Next::Idle,
        })
    }
}

/// Hands over what arrives, once something does. The buffer is on the stack, for ten thousand idle clients need
/// none.
async fn arrive(stream: &mut Stream, requests: &mut Requests) -> Result<(), Gone> {
    poll_fn(|context| {
        let mut bytes = [MaybeUninit::uninit(); READ];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        let Poll::Ready(read) = Pin::new(&mut *stream).poll_read(context, &mut bytes) else {
            requests.rest();
            return Poll::Pending;
        };
        read?;
        requests.feed(bytes.filled());
        Poll::Ready(if bytes.filled().is_empty() { Err(Gone) } else { Ok(()) })
    })
    .await
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS may have kept some of it.
    stream.flush().await
}

/// Ends when a client that takes nothing has had too much waiting for it, or for too long.
async fn exceeds(waiting: usize, messages: Option<&Subscription>, limit: OutputLimit, clock: &Clock) {
    let over = async |bytes: u64| match messages {
        Some(messages) => poll_fn(|context| messages.poll_over(bytes, context)).await,
        None => std::future::pending().await,
    };
    if let Some(soft) = limit.soft {
        if waiting <= soft {
            over((soft - waiting) as u64).await;
        }
        let until = clock.now().saturating_add(limit.seconds.saturating_mul(1000));
        tokio::select! {
            () = reach(clock, until) => {}
            // A message that was left out is beyond the hard limit.
            () = over(u64::MAX) => {}
        }
    } else {
        over(u64::MAX).await;
    }
}

/// The class of a client, as its limits are told.
fn class(messages: Option<&Subscription>) -> &'static str {
    if messages.is_some() { "pubsub" } else { "normal" }
}

/// Ends when the client does. What it sends meanwhile is kept for later, up to a limit.
async fn leaves(stream: &mut Stream, requests: &mut Requests) -> Gone {
    loop {
        if requests.pending() >= AHEAD {
            std::future::pending::<()>().await;
        }
        if let Err(gone) = arrive(stream, requests).await {
            return gone;
        }
    }
}

async fn next_message(subscription: Option<&Subscription>) -> Option<Message> {
    match subscription {
        Some(subscription) => subscription.recv_async().await,
        None => std::future::pending().await,
    }
}

/// One of the clients that are connected.
struct Counted<'s>(&'s Shared);

impl<'s> Counted<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.connected.fetch_add(1, Ordering::Relaxed);
        Counted(shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}
