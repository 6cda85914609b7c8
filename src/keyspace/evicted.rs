//! Telling the caller what was evicted.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Keyspace;
use super::weigh::pass_on;
use crate::sync::thread_local;
use crate::{Bytes, Type};

thread_local! {
    /// The stores whose listener runs on this thread: what its own calls evict there is told to nobody, or it
    /// might never end.
    static TELLING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
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
        self.listener.is_some() && !TELLING.with(|telling| telling.borrow().contains(&self.id()))
    }

    /// Tells of what was evicted. No lock is held: this runs the caller's code. After a panic in it the others
    /// are told too, and then the panic goes on, unless the thread panics already.
    #[cold]
    pub(super) fn tell_evicted(&self, evicted: &[Evicted]) {
        let Some(Listener(listener)) = &self.listener else { return };
        TELLING.with(|telling| telling.borrow_mut().push(self.id()));
        let tell = |one| catch_unwind(AssertUnwindSafe(|| listener(one))).err();
        let panics: Vec<_> = evicted.iter().filter_map(tell).collect();
        TELLING.with(|telling| telling.borrow_mut().pop());
        pass_on(panics.into_iter().next());
    }
}
