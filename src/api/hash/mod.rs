//! Hashes.

// In the order of the documentation.
mod fields;
mod iter;
mod options;
mod random;

mod expiry;

use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, public_handle};
use crate::{Decode, Encode, Key};

pub use iter::HashIter;
pub use options::HashOptions;

/// A handle on a hash: fields of type `F` with a value of type `V` each. Single fields can expire by
/// themselves.
///
/// - **Fields**: [`insert`](Self::insert), [`get`](Self::get), [`remove`](Self::remove),
///   [`contains`](Self::contains), [`incr_by`](Self::incr_by), their kin for several.
/// - **All**: [`to_map`](Self::to_map), [`entries`](Self::entries), [`keys`](Self::keys),
///   [`values`](Self::values), [`iter`](Self::iter), [`len`](Self::len).
/// - **By chance**: [`random`](Self::random), [`random_many`](Self::random_many),
///   [`random_field`](Self::random_field).
/// - **Deadlines of fields**: [`insert_ex`](Self::insert_ex), [`expire_field`](Self::expire_field),
///   [`field_ttl`](Self::field_ttl), [`persist_field`](Self::persist_field).
///
/// An operation on a field is O(1), but O(log n) where it sets or takes away the field's deadline, as
/// does setting or removing a field that has one.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let cart = store.hash::<String, u32>("cart:42");
/// cart.insert("apple", 3)?;
/// cart.insert("pear", 1)?;
/// assert_eq!(cart.get("apple")?, Some(3));
/// assert_eq!(cart.incr_by("pear", 4)?, 5);
/// assert_eq!(cart.to_map()?.len(), 2);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
/// Those that take fields or values can give [`Error::TooLong`](crate::Error::TooLong) and
/// [`Error::Encode`](crate::Error::Encode), those that give them
/// [`Error::Decode`](crate::Error::Decode).
pub struct Hash<'a, F, V> {
    handle: Handle<'a>,
    types: PhantomData<fn() -> (F, V)>,
}

impl<'a, F, V> Hash<'a, F, V> {
    fn of(handle: Handle<'a>) -> Self {
        Hash { handle, types: PhantomData }
    }
}

impl Database {
    /// A handle on the hash at `key`, whose fields are `F` and whose values are `V`. O(1), and nothing
    /// is looked at or made: the key comes with the first field that is set, and goes with the last
    /// one.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// assert!(!store.contains("cart:42")?);
    /// cart.insert("apple", 3)?;
    /// assert!(store.contains("cart:42")?);
    /// cart.remove("apple")?;
    /// assert!(!store.contains("cart:42")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn hash<'a, F, V>(&'a self, key: impl Into<Key<'a>>) -> Hash<'a, F, V>
    where
        F: Encode + Decode,
        V: Encode + Decode,
    {
        Hash::of(Handle::new(self, key.into()))
    }
}

public_handle!(Hash<'a, F, V>);
