//! The typed handles: how Rust says what Redis's commands mean.
//!
//! A handle turns Rust values into bytes before a lock is taken and back after it was let go; what
//! happens in between is a typed operation of `command`.

mod bitmap;
mod builder;
mod counter;
mod database;
mod fork;
mod geo;
mod handle;
mod hash;
mod hyperloglog;
mod insert_options;
#[cfg(feature = "journal")]
mod journal;
mod keys;
mod list;
mod load;
mod lock;
#[cfg(feature = "metrics")]
mod metrics;
mod pins;
mod pubsub;
mod rate_limit;
#[cfg(feature = "commands")]
mod rdb;
mod scan;
#[cfg(feature = "lua")]
mod script;
mod set;
mod snapshot;
mod sorted_set;
mod stats;
mod store;
mod stream;
mod strings;
mod text;
mod time;
mod transaction;
mod whole;

// Declared last so that the documentation of a handle ends with what waits.
mod blocking;

pub use bitmap::{BitFields, Bitmap};
pub use builder::{Eviction, KeyEvents, StoreBuilder};
pub use counter::Counter;
pub use database::Database;
pub use fork::Checkpoint;
pub use geo::{Area, Geo, Place, SearchOptions};
pub use hash::{Hash, HashIter, HashOptions};
pub use hyperloglog::HyperLogLog;
pub use insert_options::InsertOptions;
pub use keys::{CopyOptions, ExpiresAt, Ttl};
pub use list::{List, ListIter};
pub use lock::Lock;
pub use rate_limit::{FixedWindow, Gcra, Permit};
#[cfg(feature = "commands")]
pub use rdb::{RdbOptions, RdbUnsupported};
pub use scan::Scan;
#[cfg(feature = "lua")]
pub use script::{Script, ScriptCall};
pub use set::{Set, SetIter};
pub use snapshot::{Autosave, Saving};
pub use sorted_set::{PoppedFrom, SortedSet, SortedSetIter};
pub use stats::{DatabaseStats, Stats};
pub use store::Store;
pub use stream::{
    AddOptions, AddedOnce, AutoClaimed, ConsumerInfo, GroupInfo, GroupStart, PendingEntry, ProducersInfo,
    Stream, StreamConsumer, StreamEntry, StreamGroup, StreamTrim,
};
pub use text::Text;
pub use transaction::{Tx, Watched};

use crate::{Bytes, Key};

/// The names of several keys, as the layers below keep them.
fn names<'k>(keys: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Vec<Bytes> {
    keys.into_iter().map(|key| key.into().into_bytes()).collect()
}
