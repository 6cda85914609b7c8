//! Caches in front of a database: what is served, what is loaded, what is stored. A clock that is moved by hand, and
//! threads that meet at channels.

mod explain;
mod flights;
mod kept;
mod loading;
mod many;
mod nested;
mod policy;
mod races;
mod seen;
mod soak;
#[cfg(feature = "rusqlite")]
mod sqlite;
#[cfg(all(feature = "redis-tier", feature = "server"))]
mod tier;
mod told;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, CacheBuilder, LoadError, ManualClock, Store};

use crate::support::manual_store;

const MINUTE: Duration = Duration::from_secs(60);

/// A cache by number, of text, with a time to live of a minute.
fn cache(store: &Store) -> CacheBuilder<u64, String> {
    store.cache("names").ttl(MINUTE)
}

fn manual(with: impl FnOnce(CacheBuilder<u64, String>) -> CacheBuilder<u64, String>) -> Manual {
    let (clock, store) = manual_store();
    let names = with(cache(&store)).build().unwrap();
    Manual { clock, store, names }
}

struct Manual {
    clock: ManualClock,
    store: Store,
    names: Cache<u64, String>,
}

type Got = Result<Option<Arc<String>>, LoadError<String>>;

fn text(got: Got) -> Option<String> {
    got.unwrap().map(|text| (*text).clone())
}

/// A loader that gives this.
fn gives(value: &str) -> impl FnOnce() -> Result<String, String> + use<> {
    let value = value.to_owned();
    move || Ok(value)
}

/// A loader that fails.
fn fails() -> Result<String, String> {
    Err("the database is down".to_owned())
}

/// A loader that must not be run.
fn unasked() -> Result<String, String> {
    panic!("nothing is to be loaded")
}
