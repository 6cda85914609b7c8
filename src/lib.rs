//! The SQLite of Redis: Redis's data structures as a library, in your own process.
//!
//! A [`Store`] is a handle on concurrent maps of strings, lists, sets, hashes and sorted sets, with a
//! deadline for every key. There is no server, no socket and no async runtime.
//!
//! ```
//! use std::time::Duration;
//! use larder::Store;
//!
//! let store = Store::new();
//! store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
//! assert_eq!(store.get::<String>("session:42")?.as_deref(), Some("ann"));
//!
//! let jobs = store.list::<String>("jobs");
//! jobs.push_back("resize")?;
//! assert_eq!(jobs.pop_front_wait(Duration::from_secs(5))?.as_deref(), Some("resize"));
//!
//! let board = store.sorted_set::<String>("scores");
//! board.insert_many([("ann", 20.0), ("bob", 10.0)])?;
//! assert_eq!(board.rank_rev("ann")?, Some(0));
//!
//! let name = store.get_or_load("product:7", Duration::from_secs(60), || {
//!     Ok::<_, std::io::Error>("a product, loaded once".to_owned())
//! });
//! assert!(name.is_ok());
//! # Ok::<(), larder::Error>(())
//! ```
//!
//! # Where things are
//!
//! - [`Store`]: making, saving, clearing and watching a store; loads; messages. It dereferences to
//! - [`Database`]: all that is done with keys and values, in a store as in a transaction ([`Tx`]).
//! - Handles on one key: [`List`], [`Set`], [struct@Hash], [`SortedSet`], [`Counter`], [`Text`], [`Bitmap`],
//!   [`HyperLogLog`], [`Geo`].
//! - [`Record`] turns serde on for a type of yours; [`Encode`] and [`Decode`] are for types with a form
//!   of their own; [`Element`] says what a collection takes; [`Bytes`] and [`Key`] are what values and
//!   names are made of.
//! - [`Store::fork`] and [`Checkpoint`]: a trial beside a store, and a state to come back to.
//! - [`ManualClock`] and [`StoreBuilder`]: for tests, and for all that is not the default, a limit
//!   ([`StoreBuilder::max_bytes`]) and what goes when it is reached ([`Eviction`]) among it.
//! - [`FixedWindow`], [`Gcra`] and [`Lock`]: rate limits and locks.
//! - With features: `Session` (commands as a client sends them), `RedisConnection` (redis-rs without a socket), `Server` (a
//!   socket for clients in any language), and the module `testing` (faults, the log of commands, strict modes).
//! - [`Subscription`]: messages, and the news of changed keys ([`KeyEvents`]). [`Stats`]: what a store
//!   counts. [`Error`] and [`LoadError`]: what can go wrong.
//!
//! Who knows Redis finds a method by its command: a search on this page for `RPUSH` gives
//! [`List::push_back`], and each method names its command, its cost and its errors.
//!
//! # What holds everywhere
//!
//! - **No panic, no unsafe code**: what cannot be done is an [`Error`], and has changed nothing (but see
//!   [`Error::Decode`]).
//! - **A missing key is an empty value**: a list is made by the first push and goes with its last
//!   element, as in Redis.
//! - **Time** is counted in whole milliseconds; a zero timeout means now, and `None` for ever.
//! - **Costs** are those of the structures, as each method says; n is the size of the collection.
//! - **Your code never runs under a lock**, but for a transaction's closure.
//!
//! # Names
//!
//! | a name that ends in | means |
//! | --- | --- |
//! | `_many` | several at once, in one step: `get_many`, `insert_many`, `pop_front_many` (but `extend_back`) |
//! | `_all` | all that there are: `clear_all`, `List::remove_all` |
//! | `_if_absent`, `_if_present`, `_if_equal` | only then; tells whether it was done |
//! | `_if` | the same with the condition as an argument: `expire_if(key, ttl, ExpireIf::Later)` |
//! | `_with` | the same with an options type (or a closure) as the last argument |
//! | `_ex`, `_at` | with a time to live; with a wall time |
//! | `_by`, `_by_float` | how much: `incr_by` |
//! | `_rev` | from the highest down: `range_rev`, `rank_rev` |
//! | `_into` | stored under another key, which is the first argument |
//! | `_of` | from the first of several keys that has something |
//! | `_wait`, `_async` | waits for it: a thread, a task |
//!
//! # Handles in structs
//!
//! A handle borrows its store. [`into_owned`](List::into_owned) makes one that holds the store itself,
//! to be kept as long as you like:
//!
//! ```
//! use larder::{Counter, List, Store};
//!
//! #[derive(Clone, Debug)]
//! struct Jobs {
//!     queue: List<'static, String>,
//!     done: Counter<'static>,
//! }
//!
//! impl Jobs {
//!     fn new(store: &Store) -> Self {
//!         Jobs { queue: store.list("jobs").into_owned(), done: store.counter("done").into_owned() }
//!     }
//!
//!     fn run_next(&self) -> larder::Result<Option<String>> {
//!         let job = self.queue.pop_front()?;
//!         if job.is_some() {
//!             self.done.incr()?;
//!         }
//!         Ok(job)
//!     }
//! }
//!
//! let jobs = Jobs::new(&Store::new());
//! jobs.queue.push_back("resize")?;
//! assert_eq!(jobs.run_next()?.as_deref(), Some("resize"));
//! # Ok::<(), larder::Error>(())
//! ```
//!
//! A handle stands for its key wherever one is asked for: `store.expire(&jobs.queue, ttl)`. Inside a
//! transaction the store's own handles cannot be used: `tx.list::<String>(&jobs.queue)` makes one that can.
//!
//! # A time to live of zero
//!
//! Times are cut to whole milliseconds, timeouts rounded up to them. As in Redis, a zero is
//!
//! | in | what it does |
//! | --- | --- |
//! | `insert_ex`, `insert_with`, `get_and_expire`, `try_lock`, `get_or_load` and their kin | [`Error::InvalidExpire`] |
//! | `expire`, `expire_if`, [`HashOptions::expire_key_in`] | removes the key |
//! | `insert_ex`, `get_and_expire`, `expire_field` of a [struct@Hash], [`HashOptions::expire_in`] | removes the field |
//! | `pop_front_wait` and all that waits | does not wait |
//! | `save_every`, [`FixedWindow::new`], [`Gcra::new`] | counts as the shortest there is |
//!
//! A wall time that has passed (`expire_at` and its kin) removes the key or the field; one before 1970
//! is [`Error::InvalidExpire`] where a key's value is set or read with it.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `bincode` (default), `postcard`, `json` | [`Record`], [`Encoded`] and [`Codec`]: your own serde types, written so |
//! | `journal` | `Store::open`: a store that is kept in a folder, write by write |
//! | `tracing` | spans around loads, events for sweeps and snapshots |
//! | `metrics` | [`Store::report_metrics`] for the `metrics` facade |
//! | `commands` | `Store::session`: Redis's commands by name, as a client sends them |
//! | `lua` | `EVAL`, `FCALL` and their kin for those commands, and [`Store::script`](crate::Store): Redis's Lua, built from source |
//! | `redis` | `Store::redis_connection`: redis-rs's connection trait, with no socket |
//! | `redis-aio` | `Store::redis_async_connection`: the same for redis-rs's async commands |
//! | `redis-tier` | `RedisTier`: Redis, Valkey or a cluster as the second level of caches, shared with other processes |
//! | `server` | `Store::serve`: RESP2 and RESP3 on a socket, for clients in any language |
//! | `tls` | `ServerBuilder::tls`: the server's TCP port with TLS |
//! | `rusqlite` | `larder::sqlite`: caches that follow what a SQLite connection changes; its build takes libclang |
//! | `testing` | `larder::testing`: faults, the log of commands, strict modes, the data as text and what differs |
//!
//! Without any, the store depends on neither serde nor a codec.
//!
//! # What it is not
//!
//! - Not durable write by write by itself: without `Store::open` what was written after the last snapshot is gone after a
//!   crash.
//! - Not all of Redis: no modules, no clustering.

// A promise of the README's first page.
#![forbid(unsafe_code)]
// The docs are how users find the operation that they know from Redis.
#![deny(missing_docs)]
// What a user keeps in a struct must not keep that struct from being printed.
#![warn(missing_debug_implementations)]

/// The README's program is run with the examples of the documentation.
#[cfg(all(doctest, feature = "bincode"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod api;
mod bytes;
mod cache;
mod clock;
mod codec;
mod command;
mod disk;
mod error;
mod event;
#[cfg(all(fuzzing, feature = "server"))]
pub mod fuzzing;
#[cfg(all(test, not(fuzzing), feature = "server"))]
mod fuzzing;
#[cfg(feature = "journal")]
mod journal;
mod key;
mod keyspace;
mod load;
#[cfg_attr(not(feature = "journal"), allow(dead_code, reason = "some are the journal's"))]
mod planted;
mod pubsub;
#[cfg(feature = "commands")]
mod rdb;
mod records;
#[cfg(feature = "redis")]
mod redis_rs;
#[cfg(feature = "commands")]
mod reply;
#[cfg(feature = "commands")]
mod resp;
mod rng;
#[cfg(feature = "lua")]
mod script;
#[cfg(feature = "server")]
mod server;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod snapshot;
#[cfg(feature = "rusqlite")]
pub mod sqlite;
mod sync;
#[cfg(feature = "commands")]
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
#[cfg(feature = "redis-tier")]
mod tier;
mod trace;
#[cfg(feature = "commands")]
mod tracking;
mod value;
mod waiting;
mod wake;

/// Small structures turn into larger ones early, and those are cut into small parts, so that tests cross
/// every turn: the crate's own, and with `--cfg tiny` those through the public interface too.
const TINY: bool = cfg!(any(test, tiny));

pub use api::*;
pub use bytes::Bytes;
pub use cache::{
    Answer, AsyncLoadingCache, Cache, CacheBuilder, CacheIter, CacheKey, CacheState, CacheStats, Explanation,
    How, Load, LoadingCache, OnFailure, Previous, Warmed, Writing,
};
pub use clock::{Clock, ManualClock};
pub use codec::*;
pub use command::hash::FieldExpiry;
pub use command::keys::ExpireIf;
pub use command::list::PositionOptions;
pub use command::sorted_set::{Aggregate, Combine, InsertCount, InsertIf, Inserted, Window};
pub use command::stream::Removal;
pub use error::{DecodeError, Error, NoGroup, Result};
pub use event::KeyEvent;
#[cfg(feature = "journal")]
pub use journal::{JournalError, JournalStats, Recovered, SyncPolicy};
pub use key::Key;
pub use keyspace::{Evicted, Sweeping, Weighed};
pub use load::LoadError;
pub use pubsub::{Backlog, IntoIter, Iter, Message, Recv, Subscription};
#[cfg(feature = "commands")]
pub use rdb::{RdbError, RdbReport, RdbSkipped};
#[cfg(feature = "redis-aio")]
pub use redis_rs::RedisAsyncConnection;
#[cfg(feature = "redis")]
pub use redis_rs::RedisConnection;
#[cfg(feature = "commands")]
pub use reply::{ErrorReply, Reply};
#[cfg(feature = "commands")]
pub use resp::Protocol;
#[cfg(feature = "tls")]
pub use server::ClientCertificates;
#[cfg(feature = "server")]
pub use server::{ConfigError, Server, ServerBuilder, ServerConfig};
pub use snapshot::{Progress, SnapshotError};
#[cfg(feature = "commands")]
pub use table::{Compat, SaveFile, Session, Shutdown};
#[cfg(feature = "redis-tier")]
pub use tier::{RedisTier, RedisTierBuilder, TierStats};
pub use value::Type;
pub use value::bitfield::{BitInt, Overflow};
pub use value::bits::{BitOp, BitUnit};
pub use value::geo::{Distance, Position};
pub use value::lcs::{LcsMatch, LcsMatches};
pub use value::list::End;
pub use value::stream::{InvalidStreamId, References, Retention, StreamId};
