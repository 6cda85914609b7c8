//! Commands that wait for a key, without a thread.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{Alarm, Clock, NEVER};
use crate::command::blocking::{Served, Ticket};

/// Waits until the command is served, or its time is over.
pub(super) async fn wait(ticket: &Ticket, deadline: u64, clock: &Clock) -> crate::Result<Option<Served>> {
    let mut over = pin!(reach(clock, deadline));
    poll_fn(|context| match ticket.poll(context) {
        Poll::Ready(end) => Poll::Ready(end),
        Poll::Pending => over.as_mut().poll(context).map(|()| Ok(None)),
    })
    .await
}

/// Ends when a clock has reached the deadline.
pub(super) async fn reach(clock: &Clock, deadline: u64) {
    match clock {
        _ if deadline == NEVER => std::future::pending().await,
        Clock::System => loop {
            let left = deadline.saturating_sub(clock.now());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left)).await;
        },
        Clock::Manual(_) => {
            let bell = Arc::new(Bell::default());
            let alarm: Arc<dyn Alarm> = Arc::<Bell>::clone(&bell);
            clock.set_alarm(deadline, Arc::downgrade(&alarm));
            poll_fn(|context| bell.poll(context, || clock.now() >= deadline)).await;
        }
    }
}

/// Wakes a task when a manual clock comes to its deadline.
#[derive(Default)]
struct Bell(Mutex<Option<Waker>>);

impl Bell {
    fn poll(&self, context: &Context<'_>, is_over: impl FnOnce() -> bool) -> Poll<()> {
        // First the waker, then the look at the clock: what comes in between wakes it.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        if is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Alarm for Bell {
    fn ring(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
