//! Redis's data structures as a Rust library, in your own process.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

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
