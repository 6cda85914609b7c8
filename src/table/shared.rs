//! What all sessions of a store have in common: who they are, what is configured, and since when.

use super::clients::Clients;
use super::config::Settings;
use super::info::Pace;
use crate::api::Stats;
use crate::clock::Clock;
use crate::rng;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicUsize;

/// See the [module](self). The keyspace keeps it, and knows nothing of it.
pub(crate) struct Shared {
    pub clients: Clients,
    pub settings: Settings,
    /// What `INFO` has counted from since `CONFIG RESETSTAT`.
    pub counted: Mutex<Stats>,
    /// The highest number of bytes that the store was seen to take.
    pub peak: AtomicUsize,
    pub pace: Mutex<Pace>,
    /// 40 hexadecimal digits that no other store has.
    pub run_id: String,
    /// When the store was made: on its clock's line, and in milliseconds since 1970.
    pub since: u64,
    pub since_wall: u64,
}

impl Shared {
    pub(crate) fn new(clock: &Clock) -> Self {
        Shared {
            clients: Clients::default(),
            settings: Settings::default(),
            counted: Mutex::default(),
            peak: AtomicUsize::new(0),
            pace: Mutex::new(Pace::from(clock.now())),
            run_id: hex(40),
            since: clock.now(),
            since_wall: clock.wall(),
        }
    }
}

/// So many random hexadecimal digits, whatever the store's seed.
pub(super) fn hex(digits: usize) -> String {
    let mut hex = String::with_capacity(digits + 16);
    while hex.len() < digits {
        hex.push_str(&format!("{:016x}", rng::unseeded()));
    }
    hex.truncate(digits);
    hex
}
