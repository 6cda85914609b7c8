//! What all sessions of a store have in common: who they are, what is configured, and since when.

use super::clients::{Client, Clients};
use super::config::Settings;
use super::monitor::Monitors;
use super::pause::Pause;
use crate::api::Stats;
use crate::clock::Clock;
use crate::rng;
use crate::sync::Mutex;

/// See the [module](self). The keyspace keeps it, and knows nothing of it.
pub(crate) struct Shared {
    pub clients: Clients,
    pub monitors: Monitors,
    pub pause: std::sync::Arc<Pause>,
    pub settings: Settings,
    /// What a test has set up.
    #[cfg(feature = "testing")]
    pub hooks: std::sync::Arc<crate::testing::Hooks>,
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
            monitors: Monitors::default(),
            pause: std::sync::Arc::default(),
            settings: Settings::default(),
            #[cfg(feature = "testing")]
            hooks: std::sync::Arc::default(),
            counted: Mutex::default(),
            run_id: hex(40),
            since: clock.now(),
            since_wall: clock.wall(),
        }
    }
}

impl Shared {
    /// A session goes.
    pub(super) fn leave(&self, client: &Client) {
        self.clients.disconnect(client);
        self.monitors.remove(&client.ear);
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
