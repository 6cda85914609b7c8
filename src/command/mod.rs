//! What each operation means: one function for one meaning, whoever asks for it.
//!
//! A typed operation takes a [`View`](crate::keyspace::view::View) if it only reads and a
//! [`Writer`](crate::keyspace::writer::Writer) if it may write, and keys as
//! [`KeyRef`](crate::key::KeyRef). It holds locks, so it runs no user code: elements come in as
//! bytes and go out as bytes.

pub(crate) mod bitmap;
pub(crate) mod hash;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod sorted_set;
pub(crate) mod string;
