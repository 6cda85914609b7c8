//! Commands that wait for a key, without a thread.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{Alarm, Clock, NEVER};
use crate::reply::Reply;
use crate::table::Waiting;

/// Waits until the command is served, or its time is over; gives its reply.
pub(super) async fn wait(waiting: Waiting, clock: &Clock) -> Reply {
    let Waiting { ticket, deadline, served, nothing } = waiting;
    let mut over = pin!(reach(clock, deadline));
    let got = poll_fn(|context| {
        // First the alarm, then the look: who is counted as blocked is found by whoever moves the clock on.
        let over = over.as_mut().poll(context);
        match ticket.poll(context) {
            Poll::Ready(served) => Poll::Ready(Some(served)),
            Poll::Pending => over.map(|()| None),
        }
    })
    .await;
    match got {
        Some(Ok(got)) => served(got),
        Some(Err(error)) => error.into(),
        None => nothing,
    }
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
            let mut sleep = None;
            poll_fn(|context| {
                let rung = bell.poll(context, || clock.now() >= deadline);
                // While the clock goes by itself, the system's tells when it will have come there.
                let until = clock.system_time_of(deadline).filter(|_| rung.is_pending());
                sleep = until.map(|until| Box::pin(tokio::time::sleep_until(until.into())));
                if sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready()) {
                    // It has just come: look at the clock again.
                    context.waker().wake_by_ref();
                }
                rung
            })
            .await;
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
