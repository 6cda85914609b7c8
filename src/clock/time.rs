//! The time as somebody sees it: the clock's, or, for who does several things as one, the moment at which that began.

#[cfg(feature = "commands")]
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(feature = "commands")]
use super::origin;
use super::{Clock, millis};
use crate::{Error, Result};

/// A moment at which time stands still for a transaction: for `EXEC`, a script, and one in Rust alike.
pub(crate) struct Still {
    /// Milliseconds on the monotonic line.
    now: u64,
    /// Microseconds on it.
    #[cfg(feature = "commands")]
    micros: u64,
    /// Microseconds since 1970, once they were asked for.
    #[cfg(feature = "commands")]
    wall: OnceLock<u64>,
}

impl Still {
    /// The present moment.
    pub(crate) fn of(clock: &Clock) -> Self {
        #[cfg(feature = "commands")]
        let (micros, now) = clock.micros();
        #[cfg(not(feature = "commands"))]
        let now = clock.now();
        Still {
            now,
            #[cfg(feature = "commands")]
            micros,
            #[cfg(feature = "commands")]
            wall: OnceLock::new(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }
}

/// See the [module](self).
#[derive(Clone, Copy)]
pub(crate) struct Time<'t> {
    clock: &'t Clock,
    still: Option<&'t Still>,
}

impl<'t> Time<'t> {
    pub(crate) fn new(clock: &'t Clock, still: Option<&'t Still>) -> Self {
        Time { clock, still }
    }

    #[cfg(feature = "commands")]
    pub(crate) fn clock(self) -> &'t Clock {
        self.clock
    }

    /// Milliseconds on the monotonic line.
    pub(crate) fn now(self) -> u64 {
        self.still.map_or_else(|| self.clock.now(), Still::now)
    }

    /// See [`Clock::now_before`].
    pub(crate) fn now_before(self, moment: u64) -> u64 {
        self.still.map_or_else(|| self.clock.now_before(moment), Still::now)
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn wall(self) -> u64 {
        self.clock.wall_of(self.now())
    }

    /// Microseconds since the Unix epoch.
    #[cfg(feature = "commands")]
    pub(crate) fn wall_micros(self) -> u64 {
        let Some(still) = self.still else { return self.clock.wall_micros() };
        *still.wall.get_or_init(|| self.clock.wall_micros_of(still.now, still.micros))
    }

    /// See [`Clock::wall_of`].
    #[cfg(feature = "commands")]
    pub(crate) fn wall_of(self, moment: u64) -> u64 {
        self.clock.wall_of(moment)
    }

    /// See [`Clock::moment_of`].
    #[cfg(feature = "commands")]
    pub(crate) fn moment_of(self, wall: u64) -> u64 {
        self.clock.moment_of(wall)
    }

    /// The deadline that lies `ttl` milliseconds ahead.
    ///
    /// # Errors
    /// [`Error::InvalidExpire`] for zero, and for one beyond what Redis can hold (a signed 64-bit
    /// count of milliseconds).
    pub(crate) fn deadline_in(self, ttl: u64, command: &'static str) -> Result<u64> {
        match self.now().checked_add(ttl) {
            Some(deadline) if ttl > 0 && deadline < i64::MAX as u64 => Ok(deadline),
            _ => Err(Error::InvalidExpire(command)),
        }
    }

    /// The deadline at a wall time: 0, which is over already, for one that has passed.
    ///
    /// # Errors
    /// [`Error::InvalidExpire`] for one beyond what Redis can hold.
    pub(crate) fn deadline_at(self, wall: SystemTime, command: &'static str) -> Result<u64> {
        let wall = millis(wall.duration_since(UNIX_EPOCH).unwrap_or_default());
        match self.clock.moment_of(wall) {
            deadline if deadline <= self.now() => Ok(0),
            deadline if deadline < i64::MAX as u64 => Ok(deadline),
            _ => Err(Error::InvalidExpire(command)),
        }
    }

    /// [`deadline_at`](Self::deadline_at) where a value is set or read: Redis refuses the start of 1970
    /// there, and what lies before.
    ///
    /// # Errors
    /// [`Error::InvalidExpire`]
    pub(crate) fn value_deadline_at(self, wall: SystemTime, command: &'static str) -> Result<u64> {
        match wall.duration_since(UNIX_EPOCH) {
            Ok(since) if millis(since) > 0 => self.deadline_at(wall, command),
            _ => Err(Error::InvalidExpire(command)),
        }
    }
}

#[cfg(feature = "commands")]
impl Clock {
    /// Microseconds on the monotonic line, and [`now`](Self::now) at the same moment.
    fn micros(&self) -> (u64, u64) {
        match self {
            Clock::System => {
                let since = origin().elapsed();
                let micros = since.as_secs().saturating_mul(1_000_000);
                (micros.saturating_add(since.subsec_micros().into()), millis(since))
            }
            Clock::Manual(clock) => {
                let now = clock.0.now();
                (now.saturating_mul(1_000), now)
            }
        }
    }

    /// Microseconds since the Unix epoch at a moment that has passed, given in milliseconds and in microseconds of the
    /// monotonic line: not before what was told before it, nor behind what is told from now on.
    fn wall_micros_of(&self, moment: u64, micros: u64) -> u64 {
        match self {
            Clock::System => {
                let (now, _) = self.micros();
                self.wall_micros().saturating_sub(now.saturating_sub(micros))
            }
            Clock::Manual(_) => self.wall_of(moment).saturating_mul(1_000),
        }
    }
}
