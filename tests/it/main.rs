//! The tests of the whole library through its public interface, in one binary.

mod accounting;
mod blocking;
mod bounded;
mod cache;
mod damage;
mod differential;
#[cfg(all(unix, feature = "server"))]
mod doors;
mod events;
mod expiry;
#[cfg(target_os = "linux")]
mod full_disk;
mod hash;
mod histories;
#[cfg(feature = "journal")]
mod journal;
mod keys;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(feature = "server")]
mod leaving;
mod list;
mod load;
#[cfg(all(unix, feature = "server", feature = "journal"))]
mod paths;
#[cfg(all(feature = "server", unix))]
mod program;
#[cfg(feature = "commands")]
mod rdb;
mod recipes;
#[cfg(feature = "redis")]
mod redis_rs;
#[cfg(feature = "server")]
mod saving;
#[cfg(feature = "server")]
mod server;
mod set;
mod several;
#[cfg(feature = "server")]
mod slow_readers;
mod snapshot;
mod sorted_set;
mod streams;
mod strings;
mod support;
#[cfg(feature = "testing")]
mod testing;
#[cfg(feature = "server")]
mod together;
mod transaction;
mod values;
mod wall;
#[cfg(feature = "commands")]
mod wire;
