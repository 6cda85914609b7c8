//! One client's connection.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::task::unconstrained;

use super::output::{Moment, WRITE, step_back};
use super::stream::{Arrived, Stream};
use super::{FAREWELL, GREETING, Shared};
use crate::clock::millis;
use crate::resp::{Requests, Style};
use crate::table::{keep_alive, query_limit};
use crate::{Compat, Message, Recv, Session, Subscription};

/// Bytes that are read at a time.
const READ: usize = 16 << 10;
/// No limit to what a client has the server keep of its requests is below this.
const MODEST: usize = 1 << 20;
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
    pub(super) told: usize,
    /// When a part of a request has last arrived, or of a long reply was taken, if there is a limit to being idle.
    pub(super) heard: u64,
    pub shared: &'s Shared,
    pub stopped: watch::Receiver<bool>,
    /// Up to where the store's journal has to be on the disk before the replies are sent.
    #[cfg(feature = "journal")]
    pub(super) unsynced: u64,
}

/// What comes next for a client of whose requests all have been answered. Small, as what has come is not in it.
enum Next {
    /// What was [left](Connection::hand_out) was more than could be written.
    Rest,
    /// More of its requests.
    Arrived,
    /// What has come unasked: the mail has the [first](Mail::first) of it.
    Mail,
    Idle,
    Stop,
}

/// Serves a client until it leaves, or has to. A stop waits for the end of all who hold `_alive`.
pub(super) async fn run(
    arrived: Arrived,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
) {
    let shared = &*shared;
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
    let _ = connection.serve().await;
    // However it ends, the client is told no more than what has been left for it.
    connection.out.clear();
    let _ = connection.flush().await;
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
        let inbox = self.session.mailbox();
        let mut mail = Mail::new(&inbox);
        loop {
            let are_several = self.answer().await?;
            let received = self.requests.received;
            if !poll_fn(|context| Poll::Ready(self.hand_out(are_several, context))).await {
                // What cannot be left may wait for the others all the same: for one write to the disk, say.
                if are_several && self.out.len() < WRITE / 2 {
                    step_back().await;
                }
                self.flush().await?;
            }
            self.check_requests()?;
            self.check_stop()?;
            if self.requests.received != received {
                // That took a while, and has come in the meantime.
                continue;
            }
            #[cfg(feature = "testing")]
            let has_begun = self.requests.has_begun();
            let mut idle = Moment::new(self.shared.store.space().clock());
            match poll_fn(|context| self.poll_next(context, &mut poll_stop, &mut mail, &mut idle)).await? {
                Next::Rest => self.flush().await?,
                Next::Arrived => {
                    // What was left is told before that is answered which has come behind it, and may take its time.
                    if self.stream.outlet().is_some_and(|outlet| !outlet.is_clear()) {
                        self.flush().await?;
                    }
                    if self.shared.idle().is_some() {
                        self.heard = self.shared.store.space().clock().now();
                    }
                    // The rest of a request that has begun was sent together with it.
                    #[cfg(feature = "testing")]
                    if !has_begun {
                        self.session.begin_trip();
                    }
                }
                Next::Mail => {
                    // There is no next one for who was killed, or does not keep up.
                    let first = mail.first.take().ok_or(Gone)?;
                    self.tell(&self.session.told(first))?;
                    // One that is taken is told: how much there is to write is asked first.
                    while self.out.len() < WRITE {
                        let Some(reply) = self.session.try_message() else { break };
                        self.tell(&reply)?;
                    }
                }
                Next::Idle | Next::Stop => return Err(Gone),
            }
        }
    }

    /// Who sends requests without a pause is never waited for, and a stop is noticed all the same.
    pub(super) fn check_stop(&self) -> Result<(), Gone> {
        if has_stopped(&self.stopped) { Err(Gone) } else { Ok(()) }
    }

    /// What a client has begun and not ended (a request, a `MULTI`) must not grow without a limit. Redis too closes
    /// the connection without a word.
    fn check_requests(&self) -> Result<(), Gone> {
        self.check_kept(self.requests.pending().saturating_add(self.session.queued_bytes()))
    }

    pub(super) fn check_kept(&self, kept: usize) -> Result<(), Gone> {
        let space = self.shared.store.space();
        if kept > MODEST && kept > query_limit(space) {
            space.shared().clients.count_over_query();
            return Err(Gone);
        }
        Ok(())
    }

    /// Whether there is something to do. Requests come first: for who sends them without a pause the runtime makes one.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        mut poll_stop: impl FnMut(&watch::Receiver<bool>, &mut Context<'_>) -> Poll<()>,
        mail: &mut Mail<'_>,
        idle: &mut Moment<'_>,
    ) -> Poll<Result<Next, Gone>> {
        if self.stream.outlet().is_some_and(|outlet| outlet.is_stuck()) {
            return Poll::Ready(Ok(Next::Rest));
        }
        if let Poll::Ready(arrived) = poll_arrive(&mut self.stream, &mut self.requests, context)? {
            return Poll::Ready(if arrived == 0 { Err(Gone) } else { Ok(Next::Arrived) });
        }
        if poll_stop(&self.stopped, context).is_ready() {
            return Poll::Ready(Ok(Next::Stop));
        }
        if mail.poll(context).is_ready() {
            return Poll::Ready(Ok(Next::Mail));
        }
        let since = || self.session.last_command().max(self.heard);
        if !self.session.is_listener() && poll_idle(self.shared, idle, since, context).is_ready() {
            return Poll::Ready(Ok(Next::Idle));
        }
        Poll::Pending
    }
}

/// What comes unasked, and is looked for with each request.
struct Mail<'m> {
    inbox: &'m Subscription,
    next: Recv<'m>,
    /// How often something had come to pass when there was nothing to be read, and the task was to be woken for more.
    seen: Option<u64>,
    /// What has been found, if there is something.
    first: Option<Message>,
}

impl<'m> Mail<'m> {
    fn new(inbox: &'m Subscription) -> Self {
        Mail { inbox, next: inbox.recv_async(), seen: None, first: None }
    }

    /// Ends when something has been found, or nothing will be any more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let events = self.inbox.events();
        // It still is: that takes no lock.
        if self.seen == Some(events) {
            return Poll::Pending;
        }
        let Poll::Ready(first) = Pin::new(&mut self.next).poll(context) else {
            self.seen = Some(events);
            return Poll::Pending;
        };
        *self = Mail { first, ..Mail::new(self.inbox) };
        Poll::Ready(())
    }
}

/// Whether the server is to stop. One load
#[inline]
fn has_stopped(stopped: &watch::Receiver<bool>) -> bool {
    // It is told but once, and who told it may have gone.
    stopped.has_changed().unwrap_or(true)
}

/// Ends when a client has been idle for as long as it may be. How long that is may be set meanwhile: who sets that has it
/// look again.
pub(super) async fn is_idle(shared: &Shared, since: impl Fn() -> u64) {
    let mut over = Moment::new(shared.store.space().clock());
    poll_fn(|context| poll_idle(shared, &mut over, &since, context)).await;
}

fn poll_idle(
    shared: &Shared,
    over: &mut Moment<'_>,
    since: impl Fn() -> u64,
    context: &mut Context<'_>,
) -> Poll<()> {
    match shared.idle() {
        Some(limit) => over.poll(since().saturating_add(millis(limit)), context),
        None => Poll::Pending,
    }
}

/// Hands over what arrives, once something does.
pub(super) async fn arrive(stream: &mut Stream, requests: &mut Requests) -> Result<(), Gone> {
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
