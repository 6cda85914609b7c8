//! What a test asks of time: what comes next, and whether the others wait already.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use super::Store;
use crate::clock::NEVER;
use crate::{Error, ManualClock, Result};

impl Store {
    /// Waits until at least `count` clients are blocked in this store, in any database: threads, tasks, sessions and
    /// clients of a server that wait for an element. False if `limit`, in real time whatever the store's clock, has
    /// passed before. Nobody polls: who blocks tells. O(1)
    ///
    /// A client counts once its timeout can be found: after this,
    /// [`advance_to_next_deadline`](ManualClock::advance_to_next_deadline) knows of it. One that has been served counts
    /// no more, nor does one whose time is over, whether it has noticed or not.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let worker = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || store.list::<String>("jobs").pop_front_wait(Duration::from_secs(5))
    /// });
    /// assert!(store.wait_for_blocked(1, Duration::from_secs(60)), "the worker does not wait");
    /// assert_eq!(clock.advance_to_next_deadline(&store)?, Some(Duration::from_secs(5)));
    /// assert_eq!(worker.join().expect("it does not panic")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[must_use = "whether they are blocked"]
    pub fn wait_for_blocked(&self, count: usize, limit: Duration) -> bool {
        self.space().blocked().wait(self.space().clock(), count, limit)
    }

    /// The same for a task, of any runtime, and without a limit: that is the runtime's.
    ///
    /// ```
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let store = larder::Store::new();
    /// let context = &mut Context::from_waker(Waker::noop());
    /// let mut blocked = pin!(store.wait_for_blocked_async(1));
    /// assert!(blocked.as_mut().poll(context).is_pending());
    /// let jobs = store.list::<String>("jobs");
    /// let mut pop = pin!(jobs.pop_front_async());
    /// assert!(pop.as_mut().poll(context).is_pending());
    /// assert!(blocked.as_mut().poll(context).is_ready());
    /// ```
    pub fn wait_for_blocked_async(&self, count: usize) -> impl Future<Output = ()> + Send + use<> {
        let (blocked, clock) = (Arc::clone(self.space().blocked()), self.space().clock().clone());
        poll_fn(move |context| blocked.poll(&clock, count, context))
    }

    /// How many clients are blocked at this moment. O(1)
    ///
    /// ```
    /// assert_eq!(larder::Store::new().blocked(), 0);
    /// ```
    pub fn blocked(&self) -> usize {
        self.space().blocked().count(self.space().clock())
    }
}

impl ManualClock {
    /// Moves the clock to the next deadline that lies ahead in a store: a key or a field that expires, a timeout of
    /// somebody who is blocked, an idle time or a save that is due; gives how far that was, or nothing if there is
    /// none. O(pages log pages)
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("code", 1234, Duration::from_secs(60))?;
    /// store.insert_ex("session", "ann", Duration::from_secs(3600))?;
    /// assert_eq!(clock.advance_to_next_deadline(&store)?, Some(Duration::from_secs(60)));
    /// assert!(!store.contains("code")? && store.contains("session")?);
    /// assert_eq!(clock.advance_to_next_deadline(&store)?, Some(Duration::from_secs(3540)));
    /// assert_eq!(clock.advance_to_next_deadline(&store)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if the store has another clock; [`Error::InTransaction`] from inside a transaction of the
    /// store.
    pub fn advance_to_next_deadline(&self, store: &Store) -> Result<Option<Duration>> {
        let clock = store.space().clock();
        if !self.is(clock) {
            return Err(Error::Invalid("the store has another clock"));
        }
        let (now, next) = (clock.now(), store.space().next_deadline()?);
        if next == NEVER {
            return Ok(None);
        }
        self.advance_to(next);
        Ok(Some(Duration::from_millis(next.saturating_sub(now))))
    }
}
