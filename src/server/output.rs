//! What a client is told: how it is written, and what of it may wait.

use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::task::unconstrained;

use super::FAREWELL;
use super::connection::{AHEAD, Connection, Gone, is_idle, poll_arrive, tell_requests};
use super::outlet::note_answered;
use super::stream::Stream;
use crate::Session;
use crate::clock::Clock;
#[cfg(feature = "journal")]
use crate::journal::SyncPolicy;
use crate::reply::Reply;
use crate::resp::least_bytes;
use crate::table::{Traffic, query_limit};
use crate::waiting::reach;

/// Replies are written once there are so many bytes of them, or nothing is left to answer.
pub(super) const WRITE: usize = 32 << 10;
/// For how many times a [`FAREWELL`] one that takes more each time is given the rest of a reply when the server stops.
const FAREWELLS: usize = 10;
/// Room for replies that is kept when there are none.
pub(super) const SPARE: usize = 4 << 10;

impl Connection<'_> {
    /// Puts a reply behind those that wait to be written, unless the client wants none.
    ///
    /// # Errors
    /// [`Gone`] if more would wait than may, or than memory holds. A long one is not made before that is known: it may
    /// be a value that is in the store once, a hundred times.
    #[inline]
    pub(super) fn tell(&mut self, reply: &Reply) -> Result<(), Gone> {
        // All of it stands there already.
        if matches!(reply, Reply::Several(rest) if rest.is_empty()) {
            return self.check_output(self.out.len());
        }
        self.put(reply)
    }

    /// The same for one of which anything is left to be said.
    fn put(&mut self, reply: &Reply) -> Result<(), Gone> {
        if !self.session.sends(reply) {
            return Ok(());
        }
        let least = least_bytes(reply);
        let waiting = self.out.len().saturating_add(least);
        self.check_output(waiting)?;
        if least > WRITE {
            self.out.try_reserve_exact(least).map_err(|_| Gone)?;
        }
        self.session.encode_to(reply, &mut self.out);
        Ok(())
    }

    /// Has what there is to be written leave together with what others are told: where those are many, or it is the replies to
    /// several requests, as their client does not wait for each. Whether nothing is there any more to be written here.
    pub(super) fn hand_out(&mut self, are_several: bool, context: &Context<'_>) -> bool {
        if self.out.is_empty() {
            return true;
        }
        let Some(outlet) = self.stream.outlet() else { return false };
        let leaves = note_answered(self.session.id()) || are_several;
        // Who has much to be written is not to keep it while others are served.
        if !leaves || !outlet.is_clear() || self.out.len() >= WRITE / 2 || !self.is_settled() {
            return false;
        }
        let room = self.out.capacity();
        self.note_sent(self.out.len(), true);
        outlet.leave(&mut self.out, context);
        self.note_room(room);
        true
    }

    /// Whether nothing has to be on the disk before the replies are told.
    fn is_settled(&self) -> bool {
        #[cfg(feature = "journal")]
        if let Some(journal) = self.shared.store.space().journal() {
            return self.unsynced == 0 && journal.policy() != SyncPolicy::Always;
        }
        true
    }

    /// Writes what there is to be written, once the client has read enough of what came before.
    ///
    /// # Errors
    /// [`Gone`] also if more waits for the client than it may: a reply that is too long, or messages behind one
    /// that it does not read.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        let rest = self.take_back();
        if self.out.is_empty() {
            return Ok(());
        }
        if self.out.len() > rest {
            self.settle(rest).await?;
        }
        let waiting = self.out.len();
        if let Err(gone) = self.check_output(waiting) {
            // What was left before is told, as far as that can be at once.
            self.out.truncate(rest);
            self.stream.say_once(&self.out).await;
            return Err(gone);
        }
        self.write().await?;
        self.note_sent(waiting.saturating_sub(rest), rest == 0);
        self.out.clear();
        let room = self.out.capacity();
        // One long reply is no reason to keep so much for the next, and ten thousand idle clients need none.
        if room > SPARE {
            self.out = Vec::new();
        }
        self.note_room(room);
        Ok(())
    }

    /// Takes back what has been left and is not written, as the first of what there is to be; says how much that is.
    fn take_back(&mut self) -> usize {
        let rest = self.stream.outlet().map(|outlet| outlet.take_back()).unwrap_or_default();
        if !rest.is_empty() {
            self.out.splice(..0, rest.iter().copied());
        }
        rest.len()
    }

    /// Waits until that is on the disk which the replies tell of, where it has to be. The rest of one is before that.
    #[cfg_attr(not(feature = "journal"), expect(unused_variables, clippy::unused_async))]
    async fn settle(&mut self, rest: usize) -> Result<(), Gone> {
        #[cfg(feature = "journal")]
        if let Some(journal) = self.shared.store.space().journal() {
            // What it has read, was served or is told of may be another's doing, and no more on the disk than its own.
            let place = if journal.policy() == SyncPolicy::Always { journal.end() } else { self.unsynced };
            // Who is not told may ask again; who was told may not. A stop waits for it too, as the store's end does.
            if let Err(error) = journal.synced(place).await {
                // Others' doings can be read, as within the process. Of its own it is told why they may be lost, and no more.
                if journal.synced(self.unsynced).await.is_err() {
                    self.out.truncate(rest);
                    self.tell(&error.into())?;
                    self.write().await?;
                    return Err(Gone);
                }
            }
            self.unsynced = 0;
        }
        Ok(())
    }

    /// So many bytes have been sent, or left, and by a write of their own or by the rest of another's.
    fn note_sent(&self, bytes: usize, is_write: bool) {
        let traffic = self.session.traffic();
        Traffic::count(&traffic.sent, bytes as u64);
        Traffic::count(&traffic.writes, u64::from(is_write));
        if self.out.capacity() > traffic.reply_room.load(Ordering::Relaxed) {
            Traffic::count(&traffic.expands, 1);
        }
        let peak = traffic.reply_peak.load(Ordering::Relaxed).max(bytes);
        traffic.reply_peak.store(peak, Ordering::Relaxed);
    }

    /// So much room there was for replies; what is kept for the next may be less.
    fn note_room(&self, was: usize) {
        let traffic = self.session.traffic();
        if was > SPARE {
            Traffic::count(&traffic.shrinks, 1);
        }
        traffic.reply_room.store(self.out.capacity(), Ordering::Relaxed);
    }

    /// # Errors
    /// [`Gone`] if so many bytes of replies are more than may wait for the client.
    #[inline]
    fn check_output(&self, waiting: usize) -> Result<(), Gone> {
        if waiting > WRITE && waiting > self.session.most_output() {
            self.shared.store.space().shared().clients.count_over_output();
            return Err(Gone);
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Gone> {
        let mut written = 0;
        let (stream, out) = (&mut self.stream, &self.out);
        // Most often the system takes it all at once; that the task has had its turn is no reason not to ask.
        match unconstrained(poll_fn(|context| Poll::Ready(poll_write(stream, out, &mut written, context))))
            .await
        {
            Poll::Ready(result) => Ok(result?),
            Poll::Pending => self.write_on(written).await,
        }
    }

    /// The same for a client that does not take it at once. It may be one that sends all its requests before it reads,
    /// and waits for them to be taken: so they are, and answered later. Beyond the limit it waits in its turn.
    async fn write_on(&mut self, mut written: usize) -> Result<(), Gone> {
        let space = self.shared.store.space();
        // Who it is has to be said first.
        let most = if self.requests.is_unknown { AHEAD } else { query_limit(space) };
        let (stream, requests) = (&mut self.stream, &mut self.requests);
        let (session, out) = (&self.session, &self.out);
        session.traffic().reply.store(out.len(), Ordering::Relaxed);
        let mut has_ended = false;
        let (shared, clock) = (self.shared, space.clock());
        let listens = session.is_listener();
        // How much it has taken, and when it last did.
        let (taken, took) = (AtomicUsize::new(0), AtomicU64::new(clock.now()));
        let exchange = poll_fn(|context| {
            let before = taken.load(Ordering::Relaxed);
            if let Poll::Ready(result) = poll_write(stream, out, &mut written, context) {
                return Poll::Ready(result);
            }
            if written > before {
                taken.store(written, Ordering::Relaxed);
                took.store(clock.now(), Ordering::Relaxed);
            }
            while !has_ended && requests.pending() < most {
                match poll_arrive(stream, requests, context) {
                    Poll::Pending => break,
                    // It has said all that it wants to, and may still read.
                    Poll::Ready(arrived) => has_ended = arrived? == 0,
                }
            }
            tell_requests(session, requests);
            Poll::Pending
        });
        // A client that reads nothing must not hold the server up, one that reads not for long.
        let stopped = async {
            // By a receiver of its own: the connection's, having waited for it, would look for it in vain.
            let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
            let mut before = usize::MAX;
            for _ in 0..FAREWELLS {
                if taken.load(Ordering::Relaxed) == before {
                    break;
                }
                before = taken.load(Ordering::Relaxed);
                tokio::time::sleep(FAREWELL).await;
            }
        };
        tokio::select! {
            biased;
            result = exchange => result?,
            () = stopped => return Err(Gone),
            () = is_idle(shared, || took.load(Ordering::Relaxed)), if !listens => return Err(Gone),
            is_over = exceeds(session, out.len(), clock) => {
                if is_over {
                    space.shared().clients.count_over_output();
                }
                return Err(Gone);
            }
        }
        session.traffic().reply.store(0, Ordering::Relaxed);
        self.heard = clock.now();
        Ok(())
    }
}

/// Writes what is left of the bytes, of which so many are written.
fn poll_write(
    stream: &mut Stream,
    bytes: &[u8],
    written: &mut usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
        match ready!(stream.poll_write(context, rest))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            more => *written += more,
        }
    }
    // TLS may have kept some of it.
    stream.poll_flush(context)
}

/// Ends when a client that takes nothing has had too much waiting for it, or for too long, or was killed, which is none of
/// these: it is false then. How much it may be can be set meanwhile: who sets that has it look again.
async fn exceeds(session: &Session, waiting: usize, clock: &Clock) -> bool {
    let (mail, waiting) = (session.mail(), waiting as u64);
    let mut since = None;
    let mut patience = Moment::new(clock);
    poll_fn(|context| {
        loop {
            let limit = session.output_limit();
            let kept = waiting.saturating_add(mail.waiting().1);
            let is_over = |most: &usize| kept > *most as u64;
            if mail.is_closed() {
                return Poll::Ready(false);
            }
            if limit.hard.as_ref().is_some_and(is_over) {
                return Poll::Ready(true);
            }
            let soft = match limit.soft.filter(is_over) {
                None => {
                    since = None;
                    limit.soft
                }
                Some(_) => {
                    let since = *since.get_or_insert_with(|| clock.now());
                    let until = u64::saturating_add(since, limit.seconds.saturating_mul(1000));
                    if patience.poll(until, context).is_ready() {
                        return Poll::Ready(true);
                    }
                    None
                }
            };
            let next = limit.hard.into_iter().chain(soft).min();
            let room = next.map_or(u64::MAX, |next| (next as u64).saturating_sub(waiting));
            if mail.poll_over(room, context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

type Waited<'c> = Pin<Box<dyn Future<Output = ()> + Send + 'c>>;

/// A moment of a clock that is waited for, and may be moved meanwhile.
pub(super) struct Moment<'c> {
    clock: &'c Clock,
    waited: Option<(u64, Waited<'c>)>,
}

impl<'c> Moment<'c> {
    pub(super) fn new(clock: &'c Clock) -> Self {
        Moment { clock, waited: None }
    }

    /// Whether it has come.
    pub(super) fn poll(&mut self, at: u64, context: &mut Context<'_>) -> Poll<()> {
        let waited = match &mut self.waited {
            Some((of, waited)) if *of == at => waited,
            other => &mut other.insert((at, Box::pin(reach(self.clock, at)))).1,
        };
        waited.as_mut().poll(context)
    }
}

/// Lets all have their turn that are ready for it.
pub(super) async fn step_back() {
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
