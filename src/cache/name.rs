//! The text of a cache's key, as it stands in the store: the cache's name, a colon, and the key as it is displayed.

use std::fmt::{self, Display, Write};
use std::hash::Hash;

use smallvec::SmallVec;

/// What can be asked for in a cache whose keys are `K`: a `&K`, or what it borrows as, such as a `&str` for a
/// `String`.
///
/// Everything is that is hashed and compared, can be displayed, and turned into a `K` when it is stored. How a key is
/// displayed is what it is in the store: **keys that are equal must be displayed alike**, and two keys that are displayed
/// alike are one key. Of a key that is equal to others without regard to case, say, and is displayed as it was written,
/// a value stands there once for each way to write it, and to remove one of them removes no other.
///
/// Several values are one key as a type of their own, whose parts cannot run into each other when it is displayed:
///
/// ```
/// use std::fmt;
/// use larder::{Cache, Store};
///
/// /// A product in a shop's language; a language is never written with a colon.
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Translated { product: u64, language: String }
///
/// impl fmt::Display for Translated {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "{}:{}", self.product, self.language)
///     }
/// }
///
/// let names: Cache<Translated, String> = Store::new().cache("names").build()?;
/// let key = Translated { product: 7, language: "de".to_owned() };
/// names.insert(&key, "Tee".to_owned())?;
/// assert_eq!(names.explain(&key)?.key, "names:7:de");
/// # Ok::<(), larder::Error>(())
/// ```
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
