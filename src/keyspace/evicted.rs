//! Telling the caller what was evicted.

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::Keyspace;
use crate::sync::thread_local;
use crate::{Bytes, Type};

thread_local! {
    /// This thread is telling: what the listener's own calls evict is told to nobody, or it might never end.
    static TELLS: Cell<bool> = const { Cell::new(false) };
}

/// A key that was evicted; see [`StoreBuilder::eviction_listener`](crate::StoreBuilder::eviction_listener).
///
/// ```
/// use larder::{Evicted, Store, Type};
///
/// let log = |evicted: &Evicted| {
///     if evicted.kind == Type::String {
///         println!("{:?} of database {} went: {:?}", evicted.key, evicted.db, evicted.value);
///     }
/// };
/// let store = Store::builder().max_bytes(64 << 20).eviction_listener(log).build();
/// # store.insert("a", 1)?;
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evicted {
    /// The number of its database.
    pub db: u16,
    /// Its name.
    pub key: Bytes,
    /// The type of what it held.
    pub kind: Type,
    /// Its value, if that was a string: as it was stored, to be decoded as its type.
    pub value: Option<Bytes>,
}

/// Who is told.
#[derive(Clone)]
pub(crate) struct Listener(pub Arc<dyn Fn(&Evicted) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Keyspace {
    /// Whether somebody is told of what is evicted now.
    pub(super) fn tells_evicted(&self) -> bool {
        self.listener.is_some() && !TELLS.with(Cell::get)
    }

    /// Tells of what was evicted. No lock is held: this runs the caller's code. After a panic in it the others
    /// are told too, and then the panic goes on.
    pub(super) fn tell_evicted(&self, evicted: &mut Vec<Evicted>) {
        let Some(Listener(listener)) = self.listener.as_ref().filter(|_| !evicted.is_empty()) else { return };
        let mut panic = None;
        TELLS.with(|tells| tells.set(true));
        for one in mem::take(evicted) {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| listener(&one))) {
                panic.get_or_insert(payload);
            }
        }
        TELLS.with(|tells| tells.set(false));
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}
