//! One client's connection.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;

use super::stream::{Arrived, Stream};
use super::{GREETING, Shared};
use crate::clock::{Clock, millis};
#[cfg(feature = "journal")]
use crate::journal::{SyncPolicy, deferred::deferring};
use crate::pubsub::Subscription;
use crate::reply::{ErrorReply, Reply};
use crate::resp::{Requests, Style};
use crate::table::{Outcome, OutputLimit, Waiting, output_limit, query_limit};
#[cfg(feature = "lua")]
use crate::waiting::hold;
use crate::waiting::{reach, wait};
use crate::{Bytes, Compat, Message, Recv, Session};

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
    /// Up to where the store's journal has to be on the disk before the replies are sent.
    #[cfg(feature = "journal")]
    unsynced: u64,
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
    let session = shared.store.session().compat(shared.options.compat).addresses(client, server).served();
    #[cfg(feature = "testing")]
    if !session.is_linked() {
        return;
    }
    let mut requests = Requests::new(session.longest_argument());
    if shared.options.compat == Compat::Valkey9 {
        requests.style = Style::Valkey9;
    }
    let mut connection = Connection {
        stream,
        session,
        requests,
        out: Vec::new(),
        shared,
        stopped,
        #[cfg(feature = "journal")]
        unsynced: 0,
    };
    if shared.connected.load(Ordering::Relaxed) > shared.max_clients() {
        shared.store.space().shared().clients.count_rejected();
        connection.tell(&ErrorReply::known("ERR max number of clients reached").into());
        let _ = connection.flush().await;
        return;
    }
    // However it ends, the client is told no more.
    let _ = connection.serve().await;
}

impl Connection<'_> {
    async fn serve(&mut self) -> Result<(), Gone> {
        // These wait from one request to the next: to begin to anew costs more than to look again.
        let mut stopped = self.stopped.clone();
        let mut stop = pin!(stopped.wait_for(|stopped| *stopped));
        let mail = self.session.mailbox();
        let mut message = pin!(mail.recv_async());
        loop {
            self.answer().await?;
            self.flush().await?;
            self.check_requests()?;
            #[cfg(feature = "testing")]
            let has_begun = self.requests.has_begun();
            match self.next(stop.as_mut(), message.as_mut()).await? {
                Next::Arrived => {
                    // The rest of a request that has begun was sent together with it.
                    #[cfg(feature = "testing")]
                    if !has_begun {
                        self.session.begin_trip();
                    }
                }
                Next::Message(Some(first)) => {
                    message.set(mail.recv_async());
                    self.tell(&self.session.told(first));
                    while let Some(reply) = self.session.try_message().filter(|_| self.out.len() < WRITE) {
                        self.tell(&reply);
                    }
                }
                // There is no next one for who was killed, or does not keep up.
                Next::Message(None) | Next::Idle | Next::Stop => return Err(Gone),
            }
        }
    }

    /// Answers all requests that have arrived.
    async fn answer(&mut self) -> Result<(), Gone> {
        self.session.stop_watch();
        self.tell_requests();
        loop {
            self.requests.is_unknown = !self.session.may_call();
            let words = match self.requests.next() {
                Ok(Some(words)) => words,
                Ok(None) => {
                    self.tell_requests();
                    return Ok(());
                }
                Err(error) => {
                    self.tell(&error.reply().into());
                    self.flush().await?;
                    return Err(Gone);
                }
            };
            #[cfg(feature = "testing")]
            self.endure(&words).await?;
            while let Some(until) = self.session.held_back(&words) {
                self.hold_back(until).await?;
                self.session.stop_watch();
            }
            if self.session.is_killed() {
                return Err(Gone);
            }
            let reply = match self.execute(&words).await? {
                #[cfg(feature = "lua")]
                Outcome::Held(_) => Reply::Nil,
                Outcome::Reply(reply) => reply,
                Outcome::Waits(waiting) => {
                    self.flush().await?;
                    let reply = self.wait(*waiting).await?;
                    self.note_served(&reply);
                    reply
                }
            };
            if let Some(how) = self.session.shuts_down() {
                // What came before it is told.
                self.flush().await?;
                self.shared.shut_down(how);
                return Err(Gone);
            }
            #[cfg(feature = "testing")]
            if !self.endure_reply(&reply).await? {
                continue;
            }
            if self.session.sends_reply() {
                let before = self.out.len();
                self.tell(&reply);
                let bytes = self.out.len().saturating_sub(before);
                self.session.note_reply(&words, bytes);
                // The next command has no part in what it took to write this out.
                if bytes > SPARE {
                    self.session.stop_watch();
                }
            }
            // Neither is kept until the client has read the reply.
            self.requests.reuse(words);
            drop(reply);
            if self.session.is_over() {
                self.flush().await?;
                return Err(Gone);
            }
            if self.out.len() >= WRITE {
                self.flush().await?;
                self.session.stop_watch();
            }
        }
    }

    #[cfg(not(feature = "lua"))]
    async fn execute(&mut self, words: &[Bytes]) -> Result<Outcome, Gone> {
        Ok(self.run(words))
    }

    /// Runs a command. Where that is to be on the disk before it is answered, the replies wait for it together.
    fn run(&mut self, words: &[Bytes]) -> Outcome {
        #[cfg(feature = "journal")]
        {
            let space = self.shared.store.space();
            let (outcome, place) = deferring(space, || self.session.execute(words));
            self.unsynced = self.unsynced.max(place);
            outcome
        }
        #[cfg(not(feature = "journal"))]
        self.session.execute(words)
    }

    /// Runs a command, when no script keeps it from it. A script has this thread for itself: another takes over
    /// the clients that it serves.
    #[cfg(feature = "lua")]
    async fn execute(&mut self, words: &[Bytes]) -> Result<Outcome, Gone> {
        loop {
            let outcome = match self.session.runs_scripts(words) {
                true => tokio::task::block_in_place(|| self.run(words)),
                false => self.run(words),
            };
            let Outcome::Held(held) = outcome else { return Ok(outcome) };
            self.session.stop_watch();
            self.flush().await?;
            let clock = self.shared.store.space().clock();
            let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
            tokio::select! {
                biased;
                () = hold(held, clock) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                gone = leaves(stream, requests) => return Err(gone),
            }
        }
    }

    /// Waits until a command is served, or its time is over. What comes unasked meanwhile is sent.
    async fn wait(&mut self, waiting: Waiting) -> Result<Reply, Gone> {
        let Waiting { ticket, deadline, served, nothing } = waiting;
        let clock = self.shared.store.space().clock();
        let mut got = pin!(wait(&ticket, deadline, clock));
        loop {
            let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
            let message = tokio::select! {
                biased;
                got = &mut got => {
                    if self.session.is_killed() {
                        return Err(Gone);
                    }
                    return Ok(self.session.woken(got, served, nothing));
                }
                _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                message = self.session.mail().recv_async() => message.ok_or(Gone)?,
                gone = leaves(stream, requests) => return Err(gone),
            };
            self.tell(&self.session.told(message));
            self.flush().await?;
        }
    }

    /// What it was served by others is gone from where it was, as if by its own doing.
    fn note_served(&mut self, reply: &Reply) {
        #[cfg(feature = "journal")]
        if let Some(journal) = self.shared.store.space().journal() {
            if journal.policy() == SyncPolicy::Always && !matches!(reply, Reply::Nil | Reply::NilArray) {
                self.unsynced = self.unsynced.max(journal.end());
            }
        }
        #[cfg(not(feature = "journal"))]
        let _ = reply;
    }

    /// Waits as long as commands are held back; what has changed then is the caller's to look at.
    async fn hold_back(&mut self, until: u64) -> Result<(), Gone> {
        self.flush().await?;
        let space = self.shared.store.space();
        let pause = &space.shared().pause;
        let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
        let message = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
            () = poll_fn(|context| pause.poll(context)) => return Ok(()),
            () = reach(space.clock(), until) => return Ok(()),
            message = self.session.mail().recv_async() => message.ok_or(Gone)?,
            gone = leaves(stream, requests) => return Err(gone),
        };
        self.tell(&self.session.told(message));
        Ok(())
    }

    /// Lets others know what is kept of the client's requests.
    fn tell_requests(&self) {
        let traffic = self.session.traffic();
        traffic.received.store(self.requests.received, Ordering::Relaxed);
        traffic.query.store(self.requests.pending(), Ordering::Relaxed);
        traffic.query_room.store(self.requests.room(), Ordering::Relaxed);
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
        #[cfg(feature = "journal")]
        if let Some(journal) = self.shared.store.space().journal() {
            // What it has read, was served or is told of may be another's doing, and no more on the disk than its own.
            let place = if journal.policy() == SyncPolicy::Always { journal.end() } else { self.unsynced };
            // Who is not told may ask again; who was told may not. A stop waits for it too, as the store's end does.
            if let Err(error) = journal.synced(place).await {
                // Others' doings can be read, as within the process. Of its own it is told why they may be lost, and no more.
                if journal.synced(self.unsynced).await.is_err() {
                    self.out.clear();
                    self.tell(&error.into());
                    self.write().await?;
                    return Err(Gone);
                }
            }
            self.unsynced = 0;
        }
        let waiting = self.out.len();
        if waiting > WRITE && self.output_limit().hard.is_some_and(|hard| waiting > hard) {
            return Err(Gone);
        }
        self.write().await?;
        let traffic = self.session.traffic();
        let sent = traffic.sent.load(Ordering::Relaxed);
        traffic.sent.store(sent.wrapping_add(waiting as u64), Ordering::Relaxed);
        let peak = traffic.reply_peak.load(Ordering::Relaxed).max(waiting);
        traffic.reply_peak.store(peak, Ordering::Relaxed);
        self.out.clear();
        // One long reply is no reason to keep so much for the next, and ten thousand idle clients need none.
        if self.out.capacity() > SPARE {
            self.out = Vec::new();
        }
        traffic.reply_room.store(self.out.capacity(), Ordering::Relaxed);
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Gone> {
        let mut written = pin!(send(&mut self.stream, &self.out));
        // Most often the system takes it all at once.
        match poll_fn(|context| Poll::Ready(written.as_mut().poll(context))).await {
            Poll::Ready(written) => written?,
            Poll::Pending => {
                self.session.traffic().reply.store(self.out.len(), Ordering::Relaxed);
                let space = self.shared.store.space();
                let messages = self.session.is_listener().then(|| self.session.mail());
                let limit = output_limit(space, class(messages));
                tokio::select! {
                    biased;
                    written = written => written?,
                    // A client that reads nothing must not hold the server up.
                    _ = self.stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                    () = exceeds(self.out.len(), messages, limit, space.clock()) => return Err(Gone),
                }
                self.session.traffic().reply.store(0, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn output_limit(&self) -> OutputLimit {
        let messages = self.session.is_listener().then(|| self.session.mail());
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

    /// Waits for something to do. Requests come first: for who sends them without a pause the runtime makes one.
    async fn next(&mut self, stop: Pin<&mut impl Future>, message: Pin<&mut Recv<'_>>) -> Result<Next, Gone> {
        let (shared, session) = (self.shared, &self.session);
        let listens = session.is_listener();
        let (stream, requests) = (&mut self.stream, &mut self.requests);
        Ok(tokio::select! {
            biased;
            arrived = arrive(stream, requests) => {
                arrived?;
                Next::Arrived
            }
            _ = stop => Next::Stop,
            message = message => Next::Message(message),
            () = is_idle(shared, session), if !listens => Next::Idle,
        })
    }
}

/// Ends when a client has been idle for as long as it may be, which may be set meanwhile: who sets that has it look
/// again.
async fn is_idle(shared: &Shared, session: &Session) {
    let clock = shared.store.space().clock();
    let mut since = None;
    let mut over: Option<(u64, Pin<Box<_>>)> = None;
    poll_fn(|context| {
        let Some(limit) = shared.idle() else { return Poll::Pending };
        let deadline = since.get_or_insert_with(|| session.last_command()).saturating_add(millis(limit));
        let over = match &mut over {
            Some((of, over)) if *of == deadline => over,
            other => &mut other.insert((deadline, Box::pin(reach(clock, deadline)))).1,
        };
        over.as_mut().poll(context)
    })
    .await;
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
