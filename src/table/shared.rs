//! What all sessions of a store have in common: who they are, what is configured, and since when.

use super::acl::Users;
use super::clients::{Client, Clients};
use super::config::Settings;
use super::info::{Counted, Pace};
use super::measure::{Measures, Tally};
use super::memory::Seen;
use super::monitor::Monitors;
use super::pause::Pause;
use super::saving::Saving;
use crate::Bytes;
use crate::clock::Clock;
use crate::rng::{self, Rng};
use crate::sync::Mutex;

/// See the [module](self). The keyspace keeps it, and knows nothing of it.
pub(crate) struct Shared {
    pub clients: Clients,
    pub monitors: Monitors,
    pub pause: std::sync::Arc<Pause>,
    pub settings: Settings,
    pub users: Users,
    pub saving: Saving,
    /// What commands have cost.
    pub measures: Measures,
    /// What a test has set up.
    #[cfg(feature = "testing")]
    pub hooks: std::sync::Arc<crate::testing::Hooks>,
    #[cfg(feature = "testing")]
    pub faults: super::debug::Faults,
    /// What DEBUG ROLLBACK goes back to.
    pub checkpoint: Mutex<Option<crate::Checkpoint>>,
    #[cfg(feature = "lua")]
    pub scripts: crate::script::Scripts,
    /// What `INFO` has counted from since `CONFIG RESETSTAT`.
    pub counted: Mutex<Counted>,
    /// What the store was seen to take.
    pub seen: Mutex<Seen>,
    pub pace: Mutex<Pace>,
    /// 40 hexadecimal digits that no other store has, but for forks and those of the same seed.
    pub run_id: String,
    /// What takes its place since DEBUG CHANGE-REPL-ID.
    pub replication_id: Mutex<Option<String>>,
    /// When the store was made: on its clock's line, and in milliseconds since 1970.
    pub since: u64,
}

impl Shared {
    /// Those of a fork: as configured, and nobody connected.
    pub(crate) fn fork(&self, clock: &Clock) -> Self {
        let fork = Shared {
            settings: self.settings.fork(),
            users: self.users.fork(),
            run_id: self.run_id.clone(),
            #[cfg(feature = "lua")]
            scripts: self.scripts.fork(),
            ..Shared::new(clock, None)
        };
        for (name, value) in fork.settings.all_changed() {
            fork.measures.configure(name, &value);
        }
        fork
    }

    pub(crate) fn new(clock: &Clock, seed: Option<u64>) -> Self {
        // Numbers of its own, so that those of the store are the same with this feature and without.
        let own = seed.map(|seed| Rng::new(!seed));
        let draw = || own.as_ref().map_or_else(rng::unseeded, Rng::next);
        let run_id = rng::hex(40, draw);
        Shared {
            clients: Clients::default(),
            monitors: Monitors::default(),
            pause: std::sync::Arc::default(),
            settings: Settings::default(),
            users: Users::default(),
            saving: Saving::new(clock),
            measures: Measures::default(),
            #[cfg(feature = "testing")]
            hooks: std::sync::Arc::default(),
            #[cfg(feature = "testing")]
            faults: Default::default(),
            checkpoint: Mutex::default(),
            #[cfg(feature = "lua")]
            scripts: crate::script::Scripts::new(draw()),
            counted: Mutex::default(),
            seen: Mutex::default(),
            pace: Mutex::new(Pace::from(clock.now())),
            run_id,
            replication_id: Mutex::default(),
            since: clock.now(),
        }
    }
}

impl Shared {
    /// Has the default user say that password, if it is any.
    pub(crate) fn require_password(&self, password: Bytes) {
        self.users.set_password(&password);
        self.keep("requirepass", password);
    }

    /// Gives a parameter a value.
    pub(crate) fn keep(&self, name: &'static str, value: crate::Bytes) {
        self.measures.configure(name, &value);
        self.settings.keep(name, value);
    }

    /// Collects what all sessions have noted of their commands. O(connected)
    pub(super) fn collect(&self) {
        for client in self.clients.all() {
            client.with_tally(|tally| self.measures.collect(tally));
        }
    }

    /// Counts commands and errors from now on.
    pub(super) fn reset_measures(&self) {
        self.clients.all().iter().for_each(|client| client.with_tally(Tally::forget));
        self.measures.reset();
    }

    /// A session goes.
    pub(super) fn leave(&self, client: &Client) {
        client.with_tally(|tally| self.measures.collect(tally));
        self.clients.disconnect(client);
        self.monitors.remove(&client.ear);
    }
}
