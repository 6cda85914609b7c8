//! Replies that leave together.
//!
//! A server of many clients that are ready at a time does not tell each at once what it has asked: the first would go on, and
//! what the others wait for be put off by it. It leaves their replies with a flusher, a task that lets all have their turn who
//! are ready, and then writes what has been left. So the clients, or the one program that they all are, are woken once.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::unix;

use super::output::SPARE;
use super::{pace, threads};

/// So many clients that are answered in one round are told together. Of fewer, each that is told at once goes on at once: seven
/// connections that wait for each other's replies get but two thirds as much done.
const MANY: usize = 16;
/// So many clients a flusher tells at the most before others have their turn.
const AT_A_TIME: usize = 256;

thread_local! {
    /// How many this thread has answered in this round, and in the one before.
    static ANSWERED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    static FLUSHER: Cell<Option<&'static Flusher>> = const { Cell::new(None) };
}

/// A client that has an outlet has been answered once more; whether those are many. O(1)
#[inline]
pub(super) fn note_answered(client: u64) -> bool {
    pace::note_answered(client);
    let (now, before) = ANSWERED.get();
    ANSWERED.set((now + 1, before));
    now.max(before) >= MANY
}

/// This thread has nothing to do, and is about to look for more.
pub(super) fn note_park(may_wait: bool) {
    if may_wait {
        pace::wait();
    }
    note_rest();
}

/// A round is over: this thread has nothing to do, or has told those whom it answered.
fn note_rest() {
    let (now, before) = ANSWERED.get();
    // One in which nobody was answered was none.
    ANSWERED.set((0, if now == 0 { before } else { now }));
}

/// Where a client's replies leave.
pub(super) struct Outlet {
    writer: Writer,
    /// Set with `left` locked, for those who ask often.
    state: AtomicU8,
    /// What is left, or has come back: an empty buffer else, for the next time.
    left: Mutex<Vec<u8>>,
    /// The connection's task.
    task: OnceLock<Waker>,
}

pub(super) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

/// Nothing is left: the connection may write, and leave something.
const CLEAR: u8 = 0;
/// Something is left for a flusher.
const LEFT: u8 = 1;
/// A flusher could not write all of it: the rest is the connection's again.
const STUCK: u8 = 2;

impl Outlet {
    pub(super) fn new(writer: Writer) -> Arc<Self> {
        Arc::new(Outlet {
            writer,
            state: AtomicU8::new(CLEAR),
            left: Mutex::default(),
            task: OnceLock::new(),
        })
    }

    /// Leaves what there is to be written, in exchange for an empty buffer. It is for the one task of the connection, and for
    /// when nothing is left. O(1)
    pub(super) fn leave(self: &Arc<Self>, out: &mut Vec<u8>, context: &Context<'_>) {
        debug_assert!(self.is_clear(), "what was left is taken back first");
        self.task.get_or_init(|| context.waker().clone());
        let mut left = self.left.lock();
        mem::swap(&mut *left, out);
        self.state.store(LEFT, Ordering::Release);
        drop(left);
        Flusher::of_this_thread().add(Arc::clone(self));
    }

    /// Whether nothing has been left, or it has been written. O(1)
    pub(super) fn is_clear(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLEAR
    }

    /// Whether what was left could not all be written: the task is woken then. O(1)
    pub(super) fn is_stuck(&self) -> bool {
        self.state.load(Ordering::Acquire) == STUCK
    }

    /// Takes what is left, or has come back: a flusher that has not come to it yet need not any more. O(1), but for
    /// a write that is under way
    pub(super) fn take_back(&self) -> Vec<u8> {
        if self.is_clear() {
            return Vec::new();
        }
        let mut left = self.left.lock();
        // It may have been written meanwhile, and the buffer be there for the next time.
        if self.state.swap(CLEAR, Ordering::Release) == CLEAR { Vec::new() } else { mem::take(&mut *left) }
    }

    /// Writes what is left, if something still is.
    fn flush(&self) {
        let mut left = self.left.lock();
        if self.state.load(Ordering::Relaxed) != LEFT {
            return;
        }
        // Whatever it is that is met with here, the connection meets with it as well.
        let written = self.try_write(&left).unwrap_or(0);
        if written == left.len() {
            // One long reply is no reason to keep so much for the next.
            if left.capacity() > SPARE {
                *left = Vec::new();
            } else {
                left.clear();
            }
            return self.state.store(CLEAR, Ordering::Release);
        }
        left.drain(..written);
        self.state.store(STUCK, Ordering::Release);
        drop(left);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.writer {
            Writer::Tcp(writer) => writer.try_write(bytes),
            #[cfg(unix)]
            Writer::Unix(writer) => writer.try_write(bytes),
        }
    }

    /// Writes at once. It is for when nothing is left.
    pub(super) fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(match &self.writer {
                Writer::Tcp(writer) => writer.as_ref().poll_write_ready(context),
                #[cfg(unix)]
                Writer::Unix(writer) => writer.as_ref().poll_write_ready(context),
            })?;
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

/// Who writes what has been left: a task of the runtime's, which goes on when the thread does something else.
#[derive(Default)]
pub(super) struct Flusher {
    due: Mutex<Vec<Arc<Outlet>>>,
    task: OnceLock<Waker>,
}

impl Flusher {
    /// One for each thread of the runtime.
    pub(super) fn all() -> &'static [Flusher] {
        static ALL: OnceLock<Vec<Flusher>> = OnceLock::new();
        ALL.get_or_init(|| (0..threads()).map(|_| Flusher::default()).collect())
    }

    /// The one for whom this thread answers. Threads come and go: several may have the same.
    fn of_this_thread() -> &'static Flusher {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        FLUSHER.get().unwrap_or_else(|| {
            let all = Flusher::all();
            let one = &all[NEXT.fetch_add(1, Ordering::Relaxed) % all.len()];
            FLUSHER.set(Some(one));
            one
        })
    }

    fn add(&self, outlet: Arc<Outlet>) {
        let mut due = self.due.lock();
        due.push(outlet);
        let is_first = due.len() == 1;
        drop(due);
        if let Some(task) = self.task.get().filter(|_| is_first) {
            task.wake_by_ref();
        }
    }

    /// Writes what is left from now on, for ever.
    pub(super) async fn run(&self) {
        let (mut has_stepped_back, mut taken) = (false, Vec::new());
        poll_fn(|context| {
            self.task.get_or_init(|| context.waker().clone());
            let mut due = self.due.lock();
            if due.is_empty() {
                return Poll::Pending;
            }
            if !mem::replace(&mut has_stepped_back, true) {
                drop(due);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            note_rest();
            // Others have their turn in between.
            let some = due.len().min(AT_A_TIME);
            taken.extend(due.drain(..some));
            has_stepped_back = !due.is_empty();
            drop(due);
            taken.drain(..).for_each(|outlet: Arc<Outlet>| outlet.flush());
            if has_stepped_back {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        })
        .await;
    }
}
