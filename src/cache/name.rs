//! The text of a cache's key, as it stands in the store: the cache's name, a colon, and the key as it is displayed.

use std::fmt::{self, Display, Write};
use std::hash::Hash;

use smallvec::SmallVec;

/// What can be asked for in a cache whose keys are `K`: a `&K`, or what it borrows as, such as a `&str` for a
/// `String`.
///
/// Everything is that is hashed and compared, can be displayed, and turned into a `K` when it is stored. Two keys that
/// are displayed alike are one key.
pub trait CacheKey<K>: Hash + Eq + Display + ToOwned<Owned = K> {}

impl<K, Q: Hash + Eq + Display + ToOwned<Owned = K> + ?Sized> CacheKey<K> for Q {}

/// Names are seldom longer; these do not allocate.
pub(super) type Name = SmallVec<[u8; 96]>;

/// The name of a key of the cache with this prefix. Runs the caller's `Display`.
///
/// # Errors
/// [`crate::Error::Invalid`] if that fails.
pub(super) fn name_of<Q: Display + ?Sized>(prefix: &[u8], key: &Q) -> crate::Result<Name> {
    struct Text(Name);

    impl Write for Text {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    let mut text = Text(Name::from_slice(prefix));
    match write!(text, "{key}") {
        Ok(()) => Ok(text.0),
        Err(fmt::Error) => Err(crate::Error::Invalid("the cache's key cannot be displayed")),
    }
}
