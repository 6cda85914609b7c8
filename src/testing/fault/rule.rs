//! A fault that holds: whom it strikes, and how often it has.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Effect, Fault, Received};
use crate::rng::Rng;
use crate::testing::Hooks;

/// How long of real time [`FaultGuard::wait_for_hits`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Rule {
    fault: Fault,
    rng: Option<Rng>,
    count: Mutex<Count>,
    struck: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Count {
    calls: u64,
    hits: u64,
    /// Of how many hits those who wait for them know.
    told: u64,
}

impl Rule {
    pub(crate) fn new(fault: Fault, rng: Option<Rng>) -> Self {
        Rule { fault, rng, count: Mutex::default(), struck: Condvar::new() }
    }

    /// Counts a command that has come; whether the fault strikes it, of which others are [told](Self::tell) when all is set
    /// up that it does.
    pub(crate) fn strikes(&self, received: &Received<'_>) -> bool {
        self.fault.effect != Effect::Refuse && self.fault.means(received) && self.is_next()
    }

    /// Whether it asks code of the caller's.
    #[cfg(feature = "server")]
    pub(crate) fn asks_closure(&self) -> bool {
        self.fault.asks_closure()
    }

    pub(crate) fn effect(&self) -> &Effect {
        &self.fault.effect
    }

    /// Counts a client that has come, and tells whether it is turned away.
    pub(crate) fn refuses(&self) -> bool {
        let refuses = self.fault.effect == Effect::Refuse && self.is_next();
        if refuses {
            self.tell();
        }
        refuses
    }

    /// Wakes those who wait for a hit.
    pub(crate) fn tell(&self) {
        self.count().told += 1;
        self.struck.notify_all();
    }

    fn is_next(&self) -> bool {
        let mut count = self.count();
        count.calls += 1;
        let past = count.calls.saturating_sub(self.fault.after);
        let strikes = past > 0
            && past % self.fault.every == 0
            && count.hits < self.fault.times
            && self.fault.chance.zip(self.rng.as_ref()).is_none_or(|(chance, rng)| fraction(rng) < chance);
        if strikes {
            count.hits += 1;
        }
        strikes
    }

    fn count(&self) -> std::sync::MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number from 0 to 1, without the 1.
fn fraction(rng: &Rng) -> f64 {
    (rng.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A fault that holds until this is dropped; made by [`Store::fault`](crate::Store::fault).
///
/// ```
/// use larder::{Store, testing::Fault};
///
/// let store = Store::new();
/// let fault = store.fault(Fault::busy().on("@list"));
/// store.session().call(["LPUSH", "jobs", "resize"]);
/// fault.assert_hits(1);
/// drop(fault); // all is well again
/// store.session().call(["LPUSH", "jobs", "resize"]);
/// assert_eq!(store.list::<String>("jobs").len()?, 1);
/// # Ok::<(), larder::Error>(())
/// ```
#[must_use = "a fault holds until its guard is dropped"]
pub struct FaultGuard {
    hooks: Arc<Hooks>,
    rule: Arc<Rule>,
}

impl FaultGuard {
    pub(crate) fn new(hooks: Arc<Hooks>, rule: Arc<Rule>) -> Self {
        FaultGuard { hooks, rule }
    }

    /// How often it struck. O(1)
    pub fn hits(&self) -> u64 {
        self.rule.count().hits
    }

    /// How many commands have come for which all but the counts held, and which no earlier fault had struck. O(1)
    ///
    /// ```
    /// # use larder::{Store, testing::Fault};
    /// # let store = Store::new();
    /// let fault = store.fault(Fault::loading().on("GET").nth(2));
    /// let mut session = store.session();
    /// [(); 3].map(|()| session.call(["GET", "a"]));
    /// assert_eq!((fault.calls(), fault.hits()), (3, 1));
    /// ```
    pub fn calls(&self) -> u64 {
        self.rule.count().calls
    }

    /// Has the thread wait until it has struck so often: then a [`ManualClock`](crate::ManualClock) knows when what it delays is
    /// to go on, and can be advanced; see [`Fault::delay`] for an example.
    ///
    /// # Panics
    /// If that takes more than ten seconds of real time.
    #[track_caller]
    pub fn wait_for_hits(&self, hits: u64) {
        let waited =
            self.rule.struck.wait_timeout_while(self.rule.count(), PATIENCE, |count| count.told < hits);
        let count = *waited.unwrap_or_else(PoisonError::into_inner).0;
        assert!(
            count.told >= hits,
            "\"{}\" has struck {} of {hits} times in {} s ({} calls matched)",
            self.rule.fault,
            count.hits,
            PATIENCE.as_secs(),
            count.calls
        );
    }

    /// Fails the test unless it has struck exactly so often.
    ///
    /// # Panics
    /// If it has not; with what it is and how many commands it was asked of.
    #[track_caller]
    pub fn assert_hits(&self, hits: u64) {
        let count = *self.rule.count();
        assert!(
            count.hits == hits,
            "\"{}\" struck {} times, not {hits} ({} calls matched)",
            self.rule.fault,
            count.hits,
            count.calls
        );
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.hooks.change(|set| set.rules.retain(|rule| !Arc::ptr_eq(rule, &self.rule)));
        let is_vain = self.rule.fault.must_strike && self.hits() == 0;
        if is_vain && !std::thread::panicking() {
            panic!("\"{}\" never struck ({} calls matched)", self.rule.fault, self.calls());
        }
    }
}

impl fmt::Debug for FaultGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultGuard")
            .field("fault", &self.rule.fault)
            .field("calls", &self.calls())
            .field("hits", &self.hits())
            .finish()
    }
}
