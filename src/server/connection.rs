//! One client's connection.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::task::unconstrained;

use super::output::{Moment, SPARE, WRITE};
use super::stream::{Arrived, Stream};
use super::{FAREWELL, GREETING, Shared};
#[cfg(feature = "journal")]
use crate::SyncPolicy;
use crate::clock::millis;
#[cfg(feature = "journal")]
use crate::journal::deferred::deferring;
use crate::reply::Reply;
use crate::resp::{Requests, Style};
#[cfg(feature = "lua")]
use crate::script::Held;
use crate::table::{Named, Outcome, Waiting, keep_alive, query_limit};
#[cfg(feature = "lua")]
use crate::waiting::hold;
use crate::waiting::{reach, wait};
use crate::{Bytes, Compat, Message, Recv, Session};

/// Bytes that are read at a time.
const READ: usize = 16 << 10;
/// No limit to what a client has the server keep of its requests is below this.
const MODEST: usize = 1 << 20;
/// So many requests are answered at a time.
const TURN: usize = 1 << 10;
/// What a client may send on while its command waits for a key, or before it has said who it is.
pub(super) const AHEAD: usize = 64 << 10;

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
    pub(super) requests: Requests,
    /// Replies that are not written yet, and where that to the last command begins.
    pub out: Vec<u8>,
    told: usize,
    /// When a part of a request has last arrived, or of a long reply was taken, if there is a limit to being idle.
    pub(super) heard: u64,
    pub shared: &'s Shared,
    pub stopped: watch::Receiver<bool>,
    /// Up to where the store's journal has to be on the disk before the replies are sent.
    #[cfg(feature = "journal")]
    pub(super) unsynced: u64,
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
    let counted = Counted::new(shared);
    let patience = if counted.is_none() { FAREWELL } else { GREETING };
    let greeted = tokio::select! {
        biased;
        greeted = arrived.greet() => greeted,
        _ = stopped.wait_for(|stopped| *stopped) => return,
        () = tokio::time::sleep(patience) => return,
    };
    let Ok(mut stream) = greeted else { return };
    if counted.is_none() {
        shared.store.space().shared().clients.count_rejected();
        stream.say_once(b"-ERR max number of clients reached\r\n").await;
        return;
    }
    stream.keep_alive(keep_alive(shared.store.space()));
    let (client, server) = stream.addresses();
    let session = shared.store.session().compat(shared.options.compat).addresses(client, server).served();
    #[cfg(feature = "lua")]
    let session = session.ending_with(&shared.ending);
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
        told: 0,
        heard: 0,
        shared,
        stopped,
        #[cfg(feature = "journal")]
        unsynced: 0,
    };
    // However it ends, the client is told no more.
    let _ = connection.serve().await;
    connection.stream.take_leave().await;
}

impl Connection<'_> {
    async fn serve(&mut self) -> Result<(), Gone> {
        // These wait from one request to the next: to begin to anew costs more than to look again.
        let mut stopped = self.stopped.clone();
        // Unconstrained: that the task has had its turn would put off what makes it wake this one.
        let mut stop = pin!(unconstrained(stopped.wait_for(|stopped| *stopped)));
        let mut is_set = false;
        // It wakes this task in any case once it has been asked: from then on a look is enough.
        let mut poll_stop = |stopped: &watch::Receiver<bool>, context: &mut Context<'_>| {
            if !mem::replace(&mut is_set, true) {
                return stop.as_mut().poll(context).map(drop);
            }
            if has_stopped(stopped) { Poll::Ready(()) } else { Poll::Pending }
        };
        let mail = self.session.mailbox();
        let mut message = pin!(mail.recv_async());
        loop {
            // Who has much to be written is not to keep it while others are served.
            if self.answer().await? && self.out.len() < WRITE / 2 {
                step_back().await;
            }
            let received = self.requests.received;
            self.flush().await?;
            self.check_requests()?;
            self.check_stop()?;
            if self.requests.received != received {
                // That took a while, and has come in the meantime.
                continue;
            }
            #[cfg(feature = "testing")]
            let has_begun = self.requests.has_begun();
            match self.next(&mut poll_stop, message.as_mut()).await? {
                Next::Arrived => {
                    if self.shared.idle().is_some() {
                        self.heard = self.shared.store.space().clock().now();
                    }
                    // The rest of a request that has begun was sent together with it.
                    #[cfg(feature = "testing")]
                    if !has_begun {
                        self.session.begin_trip();
                    }
                }
                Next::Message(Some(first)) => {
                    message.set(mail.recv_async());
                    self.tell(&self.session.told(first))?;
                    // One that is taken is told: how much there is to write is asked first.
                    while self.out.len() < WRITE {
                        let Some(reply) = self.session.try_message() else { break };
                        self.tell(&reply)?;
                    }
                }
                // There is no next one for who was killed, or does not keep up.
                Next::Message(None) | Next::Idle | Next::Stop => return Err(Gone),
            }
        }
    }

    /// Answers all requests that have arrived; says whether those were several.
    async fn answer(&mut self) -> Result<bool, Gone> {
        self.session.stop_watch();
        tell_requests(&self.session, &self.requests);
        let (mut turn, mut answered) = (0, 0_u64);
        loop {
            turn += 1;
            if turn > TURN {
                self.pause().await?;
                turn = 0;
            }
            self.requests.is_unknown = !self.session.may_call();
            self.requests.longest = self.session.longest_argument();
            let words = match self.requests.next() {
                Ok(Some(words)) => words,
                Ok(None) => {
                    tell_requests(&self.session, &self.requests);
                    return Ok(answered > 1);
                }
                Err(error) => {
                    self.tell(&error.reply().into())?;
                    self.flush().await?;
                    return Err(Gone);
                }
            };
            if is_of_http(&words) {
                return Err(Gone);
            }
            if self.check_stop().is_err() {
                // What comes after the stop is nobody's any more; what was answered before it is told.
                self.flush().await?;
                return Err(Gone);
            }
            #[cfg(feature = "testing")]
            self.endure(&words).await?;
            while let Some(until) = self.session.held_back(&words) {
                self.hold_back(until).await?;
                self.session.stop_watch();
            }
            if self.session.is_killed() {
                return Err(Gone);
            }
            // What came unasked before the command is told before its reply.
            let (hears, protocol) = (self.session.hears(), self.session.protocol());
            let names = if hears { self.session.subscriptions() } else { 0 };
            if hears {
                self.tell_mail().await?;
            }
            #[cfg_attr(not(feature = "lua"), allow(clippy::never_loop))]
            let reply = loop {
                match self.execute(&words) {
                    Outcome::Reply(reply) => break reply,
                    Outcome::Waits(waiting) => {
                        self.flush().await?;
                        let reply = self.wait(*waiting).await?;
                        self.note_served(&reply);
                        break reply;
                    }
                    #[cfg(feature = "lua")]
                    Outcome::Held(held) => {
                        self.give_way(held).await?;
                        self.check_stop()?;
                        if self.session.is_killed() {
                            return Err(Gone);
                        }
                    }
                }
            };
            if let Some(how) = self.session.shuts_down() {
                self.shared.shut_down(how);
                // What waited for that may take locks.
                #[cfg(feature = "lua")]
                tokio::task::block_in_place(|| self.session.let_pass());
                // What came before it is told.
                self.flush().await?;
                return Err(Gone);
            }
            // Nothing comes behind the reply by which it has stopped to listen; after RESET, in words of before, nothing at all.
            if hears && (self.session.subscriptions() < names || !self.session.hears()) {
                if self.session.protocol() == protocol {
                    self.tell_mail().await?;
                } else {
                    while self.session.try_message().is_some() {}
                }
            }
            #[cfg(feature = "testing")]
            if !self.endure_reply(&reply).await? {
                continue;
            }
            if self.session.sends(&reply) {
                // What came before may have been sent since.
                let begin = self.told.min(self.out.len());
                self.tell(&reply)?;
                let bytes = self.out.len().saturating_sub(begin);
                self.session.note_reply(&words, bytes);
                // The next command has no part in what it took to write this out.
                if bytes > SPARE {
                    self.session.stop_watch();
                }
            }
            // Neither is kept until the client has read the reply.
            self.requests.reuse(words);
            answered += 1;
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

    /// Tells what has come unasked so far.
    async fn tell_mail(&mut self) -> Result<(), Gone> {
        for _ in 0..self.session.mail().waiting().0 {
            let Some(reply) = self.session.try_message() else { break };
            self.tell(&reply)?;
            if self.out.len() >= WRITE {
                self.flush().await?;
                self.check_stop()?;
            }
        }
        Ok(())
    }

    /// Lets others have their turn in the midst of many requests.
    async fn pause(&mut self) -> Result<(), Gone> {
        tokio::task::yield_now().await;
        tell_requests(&self.session, &self.requests);
        self.session.stop_watch();
        // What is left may be much, and all of it be for a `MULTI`.
        self.check_kept(self.session.queued_bytes())
    }

    /// Who sends requests without a pause is never waited for, and a stop is noticed all the same.
    fn check_stop(&self) -> Result<(), Gone> {
        if has_stopped(&self.stopped) { Err(Gone) } else { Ok(()) }
    }

    /// Runs a command. One that takes long has this thread for itself: another takes over the clients that it serves.
    fn execute(&mut self, words: &[Bytes]) -> Outcome {
        let found = self.session.look_up_next(words);
        if self.session.takes_long(&found) {
            return tokio::task::block_in_place(|| self.run(found, words));
        }
        self.run(found, words)
    }

    /// The same on this thread. Where what it does is to be on the disk before it is answered, the replies wait for it together.
    fn run(&mut self, found: Named, words: &[Bytes]) -> Outcome {
        self.told = self.out.len();
        #[cfg(feature = "journal")]
        {
            let space = self.shared.store.space();
            let (outcome, place) = deferring(space, || self.session.execute_to(found, words, &mut self.out));
            self.unsynced = self.unsynced.max(place);
            outcome
        }
        #[cfg(not(feature = "journal"))]
        self.session.execute_to(found, words, &mut self.out)
    }

    /// Waits until a command may be tried that somebody's script has kept from being carried out.
    #[cfg(feature = "lua")]
    async fn give_way(&mut self, held: Held) -> Result<(), Gone> {
        self.session.stop_watch();
        self.flush().await?;
        let clock = self.shared.store.space().clock();
        let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
        tokio::select! {
            biased;
            () = hold(held, clock) => Ok(()),
            _ = stopped.wait_for(|stopped| *stopped) => Err(Gone),
            gone = breaks(stream, requests) => Err(gone),
        }
    }

    /// Waits until a command is served, or its time is over. What comes unasked meanwhile is sent.
    async fn wait(&mut self, waiting: Waiting) -> Result<Reply, Gone> {
        let Waiting { ticket, deadline, served, nothing } = waiting;
        let clock = self.shared.store.space().clock();
        let mail = self.session.mailbox();
        let mut got = pin!(wait(&ticket, deadline, clock, || mail.is_closed()));
        loop {
            let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
            let message = tokio::select! {
                biased;
                got = &mut got => {
                    if self.session.is_killed() && matches!(got, Ok(None)) {
                        return Err(Gone);
                    }
                    return Ok(self.session.woken(got, served, nothing));
                }
                _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                message = mail.recv_async() => message.ok_or(Gone)?,
                gone = leaves(stream, requests) => return Err(gone),
            };
            self.tell(&self.session.told(message))?;
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
            () = pause.over() => return Ok(()),
            () = reach(space.clock(), until) => return Ok(()),
            message = self.session.mail().recv_async() => message.ok_or(Gone)?,
            gone = leaves(stream, requests) => return Err(gone),
        };
        self.tell(&self.session.told(message))?;
        Ok(())
    }

    /// What a client has begun and not ended (a request, a `MULTI`) must not grow without a limit. Redis too closes
    /// the connection without a word.
    fn check_requests(&self) -> Result<(), Gone> {
        self.check_kept(self.requests.pending().saturating_add(self.session.queued_bytes()))
    }

    fn check_kept(&self, kept: usize) -> Result<(), Gone> {
        let space = self.shared.store.space();
        if kept > MODEST && kept > query_limit(space) {
            space.shared().clients.count_over_query();
            return Err(Gone);
        }
        Ok(())
    }

    /// Waits for something to do. Requests come first: for who sends them without a pause the runtime makes one.
    async fn next(
        &mut self,
        mut poll_stop: impl FnMut(&watch::Receiver<bool>, &mut Context<'_>) -> Poll<()>,
        message: Pin<&mut Recv<'_>>,
    ) -> Result<Next, Gone> {
        let (shared, session, heard) = (self.shared, &self.session, self.heard);
        let listens = session.is_listener();
        let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &self.stopped);
        Ok(tokio::select! {
            biased;
            arrived = arrive(stream, requests) => {
                arrived?;
                Next::Arrived
            }
            () = poll_fn(|context| poll_stop(stopped, context)) => Next::Stop,
            message = message => Next::Message(message),
            () = is_idle(shared, || session.last_command().max(heard)), if !listens => Next::Idle,
        })
    }
}

/// Whether the server is to stop. One load
#[inline]
fn has_stopped(stopped: &watch::Receiver<bool>) -> bool {
    // It is told but once, and who told it may have gone.
    stopped.has_changed().unwrap_or(true)
}

/// Whether somebody has a browser send commands, as the body of a request: what they are is not asked.
#[inline]
fn is_of_http(words: &[Bytes]) -> bool {
    let Some(word) = words.first() else { return false };
    // That is all there is to be seen of most commands.
    matches!(word.first(), Some(b'P' | b'p' | b'H' | b'h'))
        && (word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:"))
}

/// Lets all have their turn that are ready for it. Who sends many requests at a time does not wait for each reply, and the
/// replies to several clients that are written one after the other wake them, or the one program that they all are, once.
async fn step_back() {
    let mut has_been = false;
    poll_fn(|context| {
        if mem::replace(&mut has_been, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Ends when a client has been idle for as long as it may be. How long that is may be set meanwhile: who sets that has it
/// look again.
pub(super) async fn is_idle(shared: &Shared, since: impl Fn() -> u64) {
    let mut over = Moment::new(shared.store.space().clock());
    poll_fn(|context| match shared.idle() {
        Some(limit) => over.poll(since().saturating_add(millis(limit)), context),
        None => Poll::Pending,
    })
    .await;
}

/// Hands over what arrives, once something does.
async fn arrive(stream: &mut Stream, requests: &mut Requests) -> Result<(), Gone> {
    let arrived = poll_fn(|context| poll_arrive(stream, requests, context)).await?;
    if arrived == 0 { Err(Gone) } else { Ok(()) }
}

/// Hands over what has arrived, and says how many bytes that is: none if the client sends no more. The buffer is on the
/// stack, for ten thousand idle clients need none.
pub(super) fn poll_arrive(
    stream: &mut Stream,
    requests: &mut Requests,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut bytes = [MaybeUninit::uninit(); READ];
    let mut bytes = ReadBuf::uninit(&mut bytes);
    let Poll::Ready(read) = Pin::new(stream).poll_read(context, &mut bytes) else {
        requests.rest();
        return Poll::Pending;
    };
    requests.feed(bytes.filled());
    Poll::Ready(read.map(|()| bytes.filled().len()))
}

/// Lets others know what is kept of a client's requests.
pub(super) fn tell_requests(session: &Session, requests: &Requests) {
    let traffic = session.traffic();
    traffic.received.store(requests.received, Ordering::Relaxed);
    traffic.reads.store(requests.reads, Ordering::Relaxed);
    traffic.query.store(requests.pending(), Ordering::Relaxed);
    traffic.query_room.store(requests.room(), Ordering::Relaxed);
}

/// Ends when the client does. What it sends meanwhile is kept for later, up to a limit.
async fn leaves(stream: &mut Stream, requests: &mut Requests) -> Gone {
    while requests.pending() < AHEAD {
        if let Err(gone) = arrive(stream, requests).await {
            return gone;
        }
    }
    stream.closed().await;
    Gone
}

/// The same for one whose commands are carried out in any case: it may send no more, but what it has sent counts.
#[cfg(feature = "lua")]
async fn breaks(stream: &mut Stream, requests: &mut Requests) -> Gone {
    while requests.pending() < AHEAD {
        match poll_fn(|context| poll_arrive(stream, requests, context)).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Gone,
        }
    }
    std::future::pending().await
}

/// One of the clients that are connected, of whom there are no more than there may be.
struct Counted<'s>(&'s Shared);

impl<'s> Counted<'s> {
    fn new(shared: &'s Shared) -> Option<Self> {
        let most = shared.max_clients();
        let one_more = |connected: usize| (connected < most).then_some(connected + 1);
        shared.connected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Counted(shared))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}
