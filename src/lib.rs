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
//! - Handles on one key: [`List`], [`Set`], [struct@Hash], [`SortedSet`], [`Counter`], [`Text`], [`Bitmap`].
//! - [`Record`] turns serde on for a type of yours; [`Encode`] and [`Decode`] are for types with a form
//!   of their own; [`Bytes`] and [`Key`] are what values and names are made of.
//! - [`ManualClock`] and [`StoreBuilder`]: for tests, and for all that is not the default.
//! - [`FixedWindow`], [`Gcra`] and [`Lock`]: rate limits and locks.
//!
//! # What holds everywhere
//!
//! - **No panic, no unsafe code**: what cannot be done is an [`Error`], and has changed nothing.
//! - **A missing key is an empty value**: a list is made by the first push and goes with its last
//!   element, as in Redis.
//! - **Time** is counted in whole milliseconds; a zero timeout means now, and `None` for ever.
//! - **Costs** are those of the structures, as each method says; n is the size of the collection.
//! - **Your code never runs under a lock**, but for a transaction's closure.
//!
//! # Features
//!
//! `bincode` (default), `postcard`, `json`: how [`Record`]s are written. `tracing`, `metrics`:
//! monitoring. Without any, the store depends on neither serde nor a codec.

// A promise of the README's first page.
#![forbid(unsafe_code)]
// The docs are how users find the operation that they know from Redis.
#![deny(missing_docs)]
// What a user keeps in a struct must not keep that struct from being printed.
#![warn(missing_debug_implementations)]

mod api;
mod bytes;
mod clock;
mod codec;
mod command;
mod dense;
mod error;
mod event;
mod key;
mod keyspace;
mod load;
mod pubsub;
mod rng;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod snapshot;
mod sync;
mod text;
mod trace;
mod value;
mod wake;

pub use api::*;
pub use bytes::Bytes;
pub use clock::{Clock, ManualClock};
pub use codec::*;
pub use command::hash::FieldExpiry;
pub use command::keys::ExpireIf;
pub use command::list::PositionOptions;
pub use command::sorted_set::{Aggregate, Combine, InsertCount, InsertIf, Inserted, Window};
pub use error::{DecodeError, Error, Result};
pub use event::KeyEvent;
pub use key::Key;
pub use keyspace::Sweeping;
pub use load::LoadError;
pub use pubsub::{Backlog, IntoIter, Iter, Message, Recv, Subscription};
pub use snapshot::{Progress, SnapshotError};
pub use value::Type;
pub use value::bitfield::{BitInt, Overflow};
pub use value::bits::{BitOp, BitUnit};
pub use value::lcs::{LcsMatch, LcsMatches};
pub use value::list::End;
