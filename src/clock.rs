//! The one source of time: the system's, or a clock that a test moves by hand.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// A deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The last moment that a deadline can be, as in Redis.
pub(crate) const LAST: u64 = i64::MAX as u64 - 1;

/// How far ahead, in milliseconds, a moment is far: many times what a coarse clock lags behind.
const FAR: u64 = 1_000;

/// Where a store takes its time from.
///
/// ```
/// use std::time::Duration;
/// use larder::{ManualClock, Store};
///
/// let clock = ManualClock::new();
/// let store = Store::builder().clock(&clock).build();
/// store.insert_ex("session", "ann", Duration::from_secs(30))?;
///
/// clock.advance(Duration::from_millis(29_999));
/// assert!(store.contains("session")?);
/// clock.advance(Duration::from_millis(1));
/// assert!(!store.contains("session")?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The system's monotonic clock; wall time is read only for `*_at` methods, saving and loading.
    #[default]
    System,
    /// A clock that a test moves, and that stands still until then.
    Manual(ManualClock),
}

impl From<&ManualClock> for Clock {
    fn from(clock: &ManualClock) -> Self {
        Clock::Manual(clock.clone())
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Clock::Manual(clock)
    }
}

impl Clock {
    /// Milliseconds on the monotonic line.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self {
            Clock::System => millis(origin().elapsed()),
            Clock::Manual(clock) => clock.0.now(),
        }
    }

    /// Whether a moment lies ahead by more than a second. Where the system has a clock for it that is
    /// coarse and cheap, this takes a third of the time of [`now`](Self::now); else nothing is far.
    #[inline]
    pub(crate) fn is_far(&self, moment: u64) -> bool {
        match self {
            // No clock is asked for what never comes.
            Clock::System if moment >= LAST => true,
            Clock::System => coarse::now().is_some_and(|now| moment > now.saturating_add(FAR)),
            Clock::Manual(_) => false,
        }
    }

    /// Whether a moment still lies ahead.
    #[inline]
    pub(crate) fn is_before(&self, moment: u64) -> bool {
        // No clock is asked for what never comes; and to ask one is a call, so that callers keep small.
        (matches!(self, Clock::System) && moment >= LAST) || self.shows_before(moment)
    }

    #[inline(never)]
    fn shows_before(&self, moment: u64) -> bool {
        self.is_far(moment) || self.now() < moment
    }

    /// Nanoseconds on the monotonic line; of a manual clock, whole milliseconds.
    #[cfg(feature = "commands")]
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        match self {
            Clock::System => {
                let since = origin().elapsed();
                since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(since.subsec_nanos().into())
            }
            Clock::Manual(_) => self.now().saturating_mul(1_000_000),
        }
    }

    /// The time, give or take some milliseconds; cheap where the system has a clock for it.
    pub(crate) fn about_now(&self) -> u64 {
        match self {
            Clock::System => coarse::now().unwrap_or_else(|| self.now()),
            Clock::Manual(_) => self.now(),
        }
    }

    /// Whether it shows the same time until it is moved.
    pub(crate) fn is_still(&self) -> bool {
        matches!(self, Clock::Manual(clock) if !clock.is_running())
    }

    /// The time, or one that lies before it if the moment is far ahead anyway.
    pub(crate) fn now_before(&self, moment: u64) -> u64 {
        if self.is_far(moment) { 0 } else { self.now() }
    }

    /// Milliseconds since the Unix epoch.
    #[cfg(any(test, feature = "commands", feature = "redis-tier"))]
    pub(crate) fn wall(&self) -> u64 {
        self.wall_of(self.now())
    }

    /// The wall time of a moment of the monotonic line.
    pub(crate) fn wall_of(&self, moment: u64) -> u64 {
        moment.saturating_add(self.epoch())
    }

    /// The moment of a wall time: as often as it is asked, the same one, while nobody sets the system's
    /// clock. 0 for one that lies before the line's start.
    pub(crate) fn moment_of(&self, wall: u64) -> u64 {
        wall.saturating_sub(self.epoch())
    }

    /// Wall time at the monotonic line's start.
    fn epoch(&self) -> u64 {
        match self {
            Clock::System => steady_epoch(),
            Clock::Manual(clock) => clock.0.epoch,
        }
    }

    /// Microseconds since the Unix epoch.
    #[cfg(feature = "commands")]
    pub(crate) fn wall_micros(&self) -> u64 {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
            }
            Clock::Manual(_) => self.wall().saturating_mul(1_000),
        }
    }

    /// Waits on `condvar` until it is notified or the deadline may have come; spurious returns are
    /// allowed, so callers look at their condition and at [`Clock::now`] again.
    ///
    /// Under a manual clock the waiter must also have set an [`Alarm`], rung by `advance`.
    pub(crate) fn wait<T>(&self, condvar: &Condvar, guard: &mut MutexGuard<'_, T>, deadline: u64) {
        match self.system_time_of(deadline) {
            Some(instant) => _ = condvar.wait_until(guard, instant),
            None => condvar.wait(guard),
        }
    }

    /// When the system's clock will have come to a deadline of this one, as things are: never, where there is none,
    /// where it is too far off, and while the clock stands still.
    pub(crate) fn system_time_of(&self, deadline: u64) -> Option<Instant> {
        origin().checked_add(Duration::from_millis(self.system_line(deadline)?))
    }

    /// The same, on the system clock's line.
    pub(crate) fn system_line(&self, deadline: u64) -> Option<u64> {
        match self {
            _ if deadline == NEVER => None,
            Clock::System => Some(deadline),
            Clock::Manual(clock) => clock.0.system_line(deadline),
        }
    }
}

/// The moment, by the system's clock, at which so much real time will have passed; none if that is too far off.
pub(crate) fn in_real_time(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

/// Whether a moment of the system's clock has come.
pub(crate) fn has_come(instant: Instant) -> bool {
    Instant::now() >= instant
}

/// A clock for tests: it stands still until [`advance`](ManualClock::advance) moves it, and then
/// wakes whoever waits for a time that has come. Clones are one and the same clock.
///
/// All time of a store with this clock is this clock's: deadlines of keys and fields, timeouts of those who wait,
/// `TIME`, the idle times of clients. [`running`](ManualClock::running) makes one that goes as the system's does until
/// it is told to [`pause`](ManualClock::pause); both can be advanced. Within a transaction, `EXEC` and scripts included, it
/// shows the store the time at which that began.
///
/// ```
/// use std::time::Duration;
/// use larder::{ManualClock, Store};
///
/// let clock = ManualClock::new();
/// let store = Store::builder().clock(&clock).build();
/// let minute = Duration::from_secs(60);
/// store.insert_if_absent_ex("leader", "ann", minute)?;
/// clock.advance(minute);
/// assert!(store.insert_if_absent_ex("leader", "bob", minute)?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Manual>);

/// In place of a time: what the clock has come to is being noted.
const BETWEEN: u64 = NEVER - 1;

struct Manual {
    /// Wall time at the line's start, in milliseconds since the Unix epoch.
    epoch: u64,
    /// The time, or what it was when the clock was set going.
    now: AtomicU64,
    /// When that was, on the system's line; [`NEVER`] while the clock stands still, and [`BETWEEN`] while it is stopped.
    since: AtomicU64,
    /// Held while `since` is changed.
    alarms: Mutex<Vec<(u64, Weak<dyn Alarm>)>>,
}

impl Manual {
    fn now(&self) -> u64 {
        loop {
            let since = self.since();
            let now = self.now.load(Ordering::Acquire);
            let Some(since) = since else { return now };
            let passed = Clock::System.now().saturating_sub(since);
            // One that was stopped in between has noted a later time, to which nothing is to be added; one that is stopped from now
            // on stands at no earlier one than this.
            if self.since.load(Ordering::Acquire) == since {
                return now.saturating_add(passed).min(NEVER - 1);
            }
        }
    }

    /// Since when it goes, on the system's line; nothing while it stands still.
    fn since(&self) -> Option<u64> {
        loop {
            match self.since.load(Ordering::Acquire) {
                NEVER => return None,
                // For a few instructions.
                BETWEEN => thread::yield_now(),
                since => return Some(since),
            }
        }
    }

    /// A moment of this clock's line on the system's, while it goes.
    fn system_line(&self, moment: u64) -> Option<u64> {
        let since = self.since()?;
        let ahead = moment.saturating_sub(self.now.load(Ordering::Acquire));
        Some(since.saturating_add(ahead))
    }

    /// Moves the time on, short of `NEVER`, so that a key without a deadline stays one.
    fn add(&self, by: u64) {
        let add = |now: u64| Some(now.saturating_add(by).min(NEVER - 1));
        // The closure never returns None, so the update cannot fail.
        let _ = self.now.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }
}

impl ManualClock {
    /// A clock that starts on 2000-01-01 00:00 UTC. O(1)
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let clock = larder::ManualClock::new();
    /// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(946_684_800));
    /// ```
    pub fn new() -> Self {
        Self::starting_at(UNIX_EPOCH + Duration::from_secs(946_684_800))
    }

    /// A clock that starts at the given wall time, in milliseconds; times before 1970 count as 1970. O(1)
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use larder::ManualClock;
    ///
    /// let moon_landing = UNIX_EPOCH - Duration::from_secs(14_182_940);
    /// assert_eq!(ManualClock::starting_at(moon_landing).now(), UNIX_EPOCH);
    /// ```
    pub fn starting_at(wall: SystemTime) -> Self {
        let epoch = millis(wall.duration_since(UNIX_EPOCH).unwrap_or_default());
        let [now, since] = [0, NEVER].map(AtomicU64::new);
        ManualClock(Arc::new(Manual { epoch, now, since, alarms: Mutex::new(Vec::new()) }))
    }

    /// A clock that shows the system's time and goes as that does, until it is told to
    /// [`pause`](Self::pause). O(1)
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::running();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?; // as in production
    /// clock.advance(Duration::from_secs(30)); // and yet nobody has to wait
    /// assert!(!store.contains("session:42")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn running() -> Self {
        let clock = Self::starting_at(SystemTime::now());
        clock.resume();
        clock
    }

    /// Stops the clock: it stands still until it is advanced or told to [`resume`](Self::resume). O(1)
    ///
    /// ```
    /// let clock = larder::ManualClock::running();
    /// clock.pause();
    /// assert_eq!(clock.now(), clock.now());
    /// assert!(!clock.is_running());
    /// ```
    pub fn pause(&self) {
        let _one_at_a_time = self.0.alarms.lock();
        // Nobody adds to a time that is noted already.
        let since = self.0.since.swap(BETWEEN, Ordering::AcqRel);
        if since != NEVER {
            self.0.add(Clock::System.now().saturating_sub(since));
        }
        self.0.since.store(NEVER, Ordering::Release);
    }

    /// Sets the clock going, from the time that it shows and as fast as the system's. O(waiters)
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// clock.resume();
    /// let waited = store.list::<String>("jobs").pop_front_wait(Duration::from_millis(5))?;
    /// assert_eq!(waited, None); // five real milliseconds later
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn resume(&self) {
        let alarms = self.0.alarms.lock();
        if self.is_running() {
            return;
        }
        self.0.since.store(Clock::System.now(), Ordering::Release);
        let waiting: Vec<_> = alarms.iter().filter_map(|(_, alarm)| alarm.upgrade()).collect();
        drop(alarms);
        waiting.iter().for_each(|alarm| alarm.ring());
    }

    /// Whether it goes by itself. O(1)
    ///
    /// ```
    /// use larder::ManualClock;
    ///
    /// assert!(ManualClock::running().is_running() && !ManualClock::new().is_running());
    /// ```
    pub fn is_running(&self) -> bool {
        self.0.since().is_some()
    }

    /// Whether both are one and the same clock.
    pub(crate) fn is(&self, other: &Clock) -> bool {
        matches!(other, Clock::Manual(other) if Arc::ptr_eq(&self.0, &other.0))
    }

    /// Moves the clock to a moment, unless that has come already.
    pub(crate) fn advance_to(&self, moment: u64) {
        self.advance(Duration::from_millis(moment.saturating_sub(self.0.now())));
    }

    /// Moves the clock forward, in whole milliseconds, and wakes threads and tasks whose deadline
    /// has come. O(waiters)
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let waiting = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || store.list::<String>("jobs").pop_front_wait(Duration::from_secs(3600))
    /// });
    /// assert!(store.wait_for_blocked(1, Duration::from_secs(60)));
    /// clock.advance(Duration::from_secs(3600)); // an hour, in no time
    /// assert_eq!(waiting.join().expect("it does not panic")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        self.0.add(millis(by));
        let mut due = Vec::new();
        // Nobody stops it, or has it go, until all of them have been looked at.
        let mut alarms = self.0.alarms.lock();
        // While it goes by itself, all of them wait for a time of the system's that is now another.
        let (now, is_running) = (self.0.now(), self.is_running());
        alarms.retain(|(deadline, alarm)| {
            let is_due = *deadline <= now;
            if is_due || is_running {
                due.extend(alarm.upgrade());
            }
            !is_due
        });
        drop(alarms);
        due.iter().for_each(|alarm| alarm.ring());
    }

    /// Wall time as this clock shows it. O(1)
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let clock = larder::ManualClock::new();
    /// let start = clock.now();
    /// clock.advance(Duration::from_micros(2_900)); // cut to whole milliseconds
    /// assert_eq!(clock.now(), start + Duration::from_millis(2));
    /// ```
    pub fn now(&self) -> SystemTime {
        let millis = self.0.epoch.saturating_add(self.0.now());
        since_epoch(Duration::from_millis(millis))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManualClock").field("now", &self.now()).finish()
    }
}

/// Whole milliseconds of a duration; one beyond the line's end counts as its end.
pub(crate) fn millis(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000);
    seconds.saturating_add(u64::from(duration.subsec_millis())).min(NEVER - 1)
}

/// The wall time so long after the Unix epoch; beyond what the system's type can hold (on Windows, the
/// year 30828), the last that it can, to the millisecond.
pub(crate) fn since_epoch(duration: Duration) -> SystemTime {
    UNIX_EPOCH.checked_add(duration).unwrap_or_else(|| {
        let (mut last, mut step) = (UNIX_EPOCH, duration);
        while step > Duration::from_micros(100) {
            step /= 2;
            last = last.checked_add(step).unwrap_or(last);
        }
        last
    })
}

/// The start of the monotonic line, one for the process: a second before its first use, so that
/// no deadline is ever zero.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let now = Instant::now();
        now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
    })
}

/// Wall time at the line's start. The clocks are read one after the other, between which the thread may have to
/// wait, and cut to milliseconds: so what they say is taken over only when it cannot be what it was.
fn steady_epoch() -> u64 {
    // It guards nothing, so no interleaving of it is of interest to the model.
    static EPOCH: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let known = EPOCH.load(Ordering::Relaxed);
    let seen = epoch_after(known, || {
        let before = origin().elapsed();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        [before, wall, origin().elapsed()]
    });
    if seen != known {
        EPOCH.store(seen, Ordering::Relaxed);
    }
    seen
}

/// The same by looks at the clocks: the line, the wall, and the line again.
fn epoch_after(known: u64, mut look: impl FnMut() -> [Duration; 3]) -> u64 {
    const SLACK: u64 = 2;
    let mut seen = known;
    for _ in 0..TRIES {
        let [before, wall, after] = look();
        let (least, most) = (millis(wall.saturating_sub(after)), millis(wall.saturating_sub(before)));
        if (least.saturating_sub(SLACK)..=most.saturating_add(SLACK)).contains(&known) {
            return known;
        }
        seen = most;
        if most - least <= SLACK {
            break;
        }
    }
    seen
}

/// How often two clocks are read until that is done without a wait in between.
const TRIES: usize = 8;

/// The time as the kernel has noted it at its last tick, some milliseconds ago.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod coarse {
    use std::sync::OnceLock;

    use coarsetime::{Duration, Instant};

    use super::{Clock, NEVER};

    /// Milliseconds on the monotonic line.
    #[inline]
    pub(super) fn now() -> Option<u64> {
        /// Where that line begins, on the line of this clock.
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let now = Instant::now_without_cache_update();
        let origin = ORIGIN.get_or_init(|| {
            let since = Duration::from_millis(Clock::System.now().min(NEVER >> 32));
            now.saturating_sub(since)
        });
        Some(now.duration_since(*origin).as_millis())
    }
}

/// Others have no such clock that goes on as their monotonic one does, while they sleep above all.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod coarse {
    pub(super) fn now() -> Option<u64> {
        None
    }
}

mod alarm;
mod time;

pub(crate) use alarm::Alarm;
pub(crate) use time::{Still, Time};

#[cfg(test)]
mod tests;
