//! What every handle is: a key of a database, hashed once.

use super::Database;
use crate::codec::encode;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;
use crate::{Bytes, Decode, IntoValue, Key, Result};

/// A key of a database.
#[derive(Clone)]
pub(crate) struct Handle<'a> {
    db: &'a Database,
    key: Key<'a>,
    hash: u64,
}

impl<'a> Handle<'a> {
    pub(crate) fn new(db: &'a Database, key: Key<'a>) -> Self {
        let hash = db.space().key_ref(&key).hash;
        Handle { db, key, hash }
    }

    pub(crate) fn db(&self) -> &'a Database {
        self.db
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn key(&self) -> KeyRef<'_> {
        KeyRef { bytes: &self.key, hash: self.hash }
    }

    /// Runs an operation that only reads this key.
    pub(crate) fn read<R>(&self, op: impl FnOnce(&View<'_>, KeyRef<'_>) -> Result<R>) -> Result<R> {
        let key = self.key();
        self.db.read(&[key], |view| op(view, key))
    }

    /// Runs an operation that may change this key.
    pub(crate) fn write<R>(&self, op: impl FnOnce(&mut Writer<'_>, KeyRef<'_>) -> Result<R>) -> Result<R> {
        let key = self.key();
        self.db.write(&[key], |writer| op(writer, key))
    }

    /// The bytes of an element that is to be stored.
    pub(crate) fn encode(&self, element: impl IntoValue) -> Result<Bytes> {
        encode(element, self.db.space().limits().value)
    }

    /// The bytes of several elements that are to be stored.
    pub(crate) fn encode_all(
        &self,
        elements: impl IntoIterator<Item = impl IntoValue>,
    ) -> Result<Vec<Bytes>> {
        elements.into_iter().map(|element| self.encode(element)).collect()
    }
}

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
