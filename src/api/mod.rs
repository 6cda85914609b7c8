//! The typed handles: how Rust says what Redis's commands mean.
//!
//! A handle turns Rust values into bytes before a lock is taken and back after it was let go; what
//! happens in between is a typed operation of `command`.

mod builder;
mod database;
mod handle;
mod hash;
mod keys;
mod list;
mod load;
mod set;
mod sorted_set;
mod store;
mod strings;
mod transaction;

pub use builder::{KeyEvents, StoreBuilder};
pub use database::Database;
pub use hash::{Hash, HashIter, HashOptions};
pub use keys::{ExpiresAt, Ttl};
pub use list::List;
pub use store::Store;
pub use transaction::{Tx, Watched};
