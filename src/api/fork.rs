//! A store as it is at one instant: to go on with by itself, and to come back to.

use std::fmt;
use std::sync::Arc;

use super::Store;
use crate::Result;
use crate::keyspace::State;

impl Store {
    /// A store of its own, with all that this one holds at this instant: every database, deadlines and pins, and the
    /// libraries of functions. What is done to one of both is not seen by the other. Not in Redis.
    ///
    /// It has the same settings (limits, clock, seed and how its random numbers go on, a listener for evictions, what
    /// `CONFIG SET` has changed) and the same counts. Nobody watches it, waits in it, is subscribed to it or has a
    /// session yet, a test's faults, logs and strict modes are those of the store that they were set for, and what it lets
    /// expire is given back by a sweeper of its own.
    ///
    /// No value is copied: both share all pages, and copy those that they write to later. Writers wait meanwhile, less
    /// than a millisecond for a million keys. O(pages), of some 64 keys each; in a store with a limit, a byte or eight are
    /// copied for each key.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::new();
    /// store.insert("balance", 100)?;
    /// let trial = store.fork()?;
    /// trial.counter("balance").decr_by(30)?;
    /// assert_eq!(trial.get::<i64>("balance")?, Some(70));
    /// assert_eq!(store.get::<i64>("balance")?, Some(100));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn fork(&self) -> Result<Store> {
        Store::of(self.space().fork()?).db(self.index())
    }

    /// Keeps what the store holds at this instant, to come back to by [`roll_back`](Self::roll_back) as often as
    /// wanted. Costs what a [`fork`](Self::fork) does. Not in Redis. O(pages)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("user:1", "ann")?;
    /// let seeded = store.checkpoint()?;
    /// for name in ["bob", "carol"] {
    ///     store.insert("user:2", name)?; // a test case each
    ///     assert_eq!(store.len()?, 2);
    ///     store.roll_back(&seeded)?;
    ///     assert_eq!(store.len()?, 1);
    /// }
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint(Arc::new(self.space().state()?)))
    }

    /// Puts every database back to what it was, at one instant: keys, values, pins, the next random numbers, and the
    /// time to live that each key and field had left, counted from now on (a clock does not go back); the libraries of
    /// functions too, and scripts draw from the seed anew. Not in Redis.
    ///
    /// - Who watches a key that is there before or after is told that it has changed: a transaction behind `WATCH`
    ///   is not carried out, and what a load under way has read is not stored.
    /// - Who waits for a key that holds something again is served, and goes on waiting otherwise. For a state
    ///   without anything that was served, let nobody wait.
    /// - Sessions, subscriptions, settings and what the store has counted stay, and it counts as one write; no key
    ///   events are told.
    ///
    /// A checkpoint of a store can be used on its forks too, and the other way round. O(pages); if time has passed and
    /// there are deadlines, O(keys).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// let fresh = store.checkpoint()?;
    /// clock.advance(Duration::from_secs(3600));
    /// assert!(store.is_empty()?);
    /// store.roll_back(&fresh)?;
    /// assert_eq!(store.ttl("session:42")?, Ttl::Left(Duration::from_secs(30)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for the checkpoint of another store that is no fork;
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn roll_back(&self, to: &Checkpoint) -> Result<()> {
        self.space().roll_back(&to.0)
    }
}

/// What a store held at one instant; made by [`Store::checkpoint`]. Clones are one and the same. It keeps the pages
/// that have changed since in memory.
///
/// ```
/// let store = larder::Store::new();
/// let empty = store.checkpoint()?;
/// store.insert("greeting", "hello")?;
/// store.roll_back(&empty)?;
/// assert!(store.is_empty()?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone)]
pub struct Checkpoint(pub(crate) Arc<State>);

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.0.contents().map(|(_, contents)| contents.len()).sum();
        f.debug_struct("Checkpoint").field("keys", &keys).finish_non_exhaustive()
    }
}
