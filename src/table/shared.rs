//! What all sessions of a store have in common: who they are, what is configured, and since when.

use super::clients::Clients;
use super::config::Settings;
use crate::api::Stats;
use crate::clock::Clock;
use crate::rng;
use crate::sync::Mutex;

/// See the [module](self). The keyspace keeps it, and knows nothing of it.
pub(crate) struct Shared {
    pub clients: Clients,
    pub settings: Settings,
    #[cfg(feature = "lua")]
    pub scripts: crate::script::Scripts,
    /// What `INFO` has counted from since `CONFIG RESETSTAT`.
    pub counted: Mutex<Stats>,
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
            #[cfg(feature = "lua")]
            scripts: crate::script::Scripts::new(),
            counted: Mutex::default(),
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
