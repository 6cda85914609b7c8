//! What every handle is: a key of a database, hashed once.

use std::fmt;

use super::Database;
use crate::codec::encode;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;
use crate::{Bytes, Decode, IntoValue, Key, Result};

/// A key of a database.
#[derive(Clone)]
pub(crate) struct Handle<'a> {
    db: Held<'a>,
    key: Key<'a>,
    hash: u64,
}

/// A database that is borrowed from its store, or kept.
enum Held<'a> {
    Borrowed(&'a Database),
    Kept(Database),
}

impl<'a> Handle<'a> {
    pub(crate) fn new(db: &'a Database, key: Key<'a>) -> Self {
        let hash = db.space().key_ref(&key).hash;
        Handle { db: Held::Borrowed(db), key, hash }
    }

    pub(crate) fn into_owned(self) -> Handle<'static> {
        Handle { db: Held::Kept(self.db().share()), key: self.key.into_owned(), hash: self.hash }
    }

    #[inline]
    pub(crate) fn db(&self) -> &Database {
        match &self.db {
            Held::Borrowed(db) => db,
            Held::Kept(db) => db,
        }
    }

    pub(crate) fn key(&self) -> &Key<'a> {
        &self.key
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.key
    }

    #[inline]
    pub(crate) fn key_ref(&self) -> KeyRef<'_> {
        KeyRef { bytes: &self.key, hash: self.hash }
    }

    /// Runs an operation that only reads this key.
    pub(crate) fn read<R>(&self, op: impl FnOnce(&View<'_>, KeyRef<'_>) -> Result<R>) -> Result<R> {
        self.db().read_one(self.key_ref(), op)
    }

    /// Runs an operation that may change this key.
    pub(crate) fn write<R>(&self, op: impl FnOnce(&mut Writer<'_>, KeyRef<'_>) -> Result<R>) -> Result<R> {
        self.db().write_one(self.key_ref(), op)
    }

    /// The bytes of an element that is to be stored.
    pub(crate) fn encode(&self, element: impl IntoValue) -> Result<Bytes> {
        encode(element, self.db().space().limits().value)
    }

    /// The bytes of several elements that are to be stored.
    pub(crate) fn encode_all(
        &self,
        elements: impl IntoIterator<Item = impl IntoValue>,
    ) -> Result<Vec<Bytes>> {
        elements.into_iter().map(|element| self.encode(element)).collect()
    }
}

impl Clone for Held<'_> {
    fn clone(&self) -> Self {
        match self {
            Held::Borrowed(db) => Held::Borrowed(db),
            Held::Kept(db) => Held::Kept(db.share()),
        }
    }
}

impl fmt::Debug for Handle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// What all public handles have in common, whatever their elements are.
macro_rules! public_handle {
    ($handle:ident<'a $(, $element:ident)*>) => {
        impl<'a $(, $element)*> $handle<'a $(, $element)*> {
            /// The name of the key. O(1)
            ///
            /// ```
            /// let store = larder::Store::new();
            /// assert_eq!(store.list::<String>("jobs").key(), "jobs");
            /// ```
            pub fn key(&self) -> &$crate::Key<'a> {
                self.handle.key()
            }

            /// The same handle with no borrow, to be kept in a struct or given to a thread: it holds
            /// the store itself. O(1), and O(n) for a name of n bytes that was borrowed.
            ///
            /// ```
            /// let store = larder::Store::new();
            /// let jobs = store.list::<String>(format!("jobs:{}", 7)).into_owned();
            /// drop(store);
            /// let pusher = std::thread::spawn(move || jobs.push_back("resize"));
            /// assert_eq!(pusher.join().expect("it does not panic")?, 1);
            /// # Ok::<(), larder::Error>(())
            /// ```
            pub fn into_owned(self) -> $handle<'static $(, $element)*> {
                $handle::of(self.handle.into_owned())
            }
        }

        impl<$($element),*> Clone for $handle<'_ $(, $element)*> {
            fn clone(&self) -> Self {
                $handle::of(self.handle.clone())
            }
        }

        impl<$($element),*> std::fmt::Debug for $handle<'_ $(, $element)*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($handle)).field("key", &self.handle).finish_non_exhaustive()
            }
        }

        impl<'k $(, $element)*> From<&'k $handle<'_ $(, $element)*>> for $crate::Key<'k> {
            fn from(handle: &'k $handle<'_ $(, $element)*>) -> Self {
                handle.key().into()
            }
        }
    };
}

pub(super) use public_handle;

/// The bytes of elements that are only looked for: one over the store's limit is simply not there.
pub(crate) fn sought(elements: impl IntoIterator<Item = impl IntoValue>) -> Result<Vec<Bytes>> {
    elements.into_iter().map(IntoValue::into_value).collect()
}

/// The value that was stored as `bytes`.
#[inline]
pub(crate) fn decode<T: Decode>(bytes: Bytes) -> Result<T> {
    Ok(T::decode(bytes)?)
}

/// The value that was stored as `bytes`, if there is one.
#[inline]
pub(crate) fn decode_option<T: Decode>(bytes: Option<Bytes>) -> Result<Option<T>> {
    bytes.map(decode).transpose()
}

/// The values that were stored as these bytes.
pub(crate) fn decode_all<T: Decode>(bytes: impl IntoIterator<Item = Bytes>) -> Result<Vec<T>> {
    bytes.into_iter().map(decode).collect()
}

/// The values of elements that were taken out; if one of them does not decode, all are handed to
/// `put_back`, so that none is lost.
pub(crate) fn decode_taken<T, C>(taken: C, put_back: impl FnOnce(C) -> Result<()>) -> Result<Vec<T>>
where
    T: Decode,
    C: Clone + IntoIterator<Item = Bytes>,
{
    decode_all(taken.clone()).inspect_err(|_| {
        // It fails only where the key was given another type meanwhile; the first error says more.
        put_back(taken).ok();
    })
}
