//! Why an RDB file could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

use super::Bad;
use crate::snapshot::FileError;
use crate::{Bytes, Error};

/// Why an RDB file could not be read or written. When saving fails, the file that was there before is whole, but
/// for the last step as told at [`Store::save`](crate::Store::save); when loading fails, nothing was loaded.
///
/// ```
/// use larder::{Error, RdbError, Store};
///
/// let Err(Error::Rdb(error)) = Store::builder().read_rdb(&b"REDIS0012\x08"[..]) else { panic!("it is cut off") };
/// let RdbError::Unsupported { what, at, .. } = *error else { panic!("{error}") };
/// assert_eq!((&*what, at), ("a value of the unknown type 8", 9));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// The file system refused.
    #[error("cannot {action} RDB file {path:?}: {source}")]
    #[non_exhaustive]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file; empty if it was none.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The bytes are something else.
    #[error("it is not an RDB file")]
    NotRdb,
    /// The file was written in a format that this version does not know.
    #[error("the RDB file has format {version}, which this version does not read")]
    #[non_exhaustive]
    Newer {
        /// Its format.
        version: u32,
    },
    /// The file has something that no store can hold; see [`RdbOptions`](crate::RdbOptions) on how to do without.
    /// Whether it is whole was not known yet: the checksum stands behind all.
    #[error("the RDB file has {what} in database {db}, key {key:?}, at byte {at}, which cannot be loaded")]
    #[non_exhaustive]
    Unsupported {
        /// What it is: `an array`, `a value of the module type ReJSON-RL`.
        what: String,
        /// The number of the database.
        db: u64,
        /// The key that holds it; empty if it belongs to none.
        key: Bytes,
        /// Where it stands.
        at: u64,
    },
    /// The file has keys in a database that the store has not, see [`databases`](crate::StoreBuilder::databases); or
    /// it is damaged, which was not known yet.
    #[error("the RDB file has keys in database {index}, beyond the {databases} of this store")]
    #[non_exhaustive]
    NoSuchDatabase {
        /// The number of the database.
        index: u64,
        /// How many the store has, from 0 on.
        databases: u16,
    },
    /// The file has a key, value or element that is longer than the store takes, see
    /// [`value_limit`](crate::StoreBuilder::value_limit); or it is damaged, which was not known yet.
    #[error(
        "the RDB file has a string of {length} bytes at byte {at}, over the {limit} that this store takes"
    )]
    #[non_exhaustive]
    TooLong {
        /// Its length in bytes.
        length: u64,
        /// The store's limit in bytes.
        limit: usize,
        /// Where it stands.
        at: u64,
    },
    /// The file is damaged or was cut off.
    #[error("the RDB file is damaged before byte {at}: {what}")]
    #[non_exhaustive]
    Damaged {
        /// How far it was read when that was found.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The server for which a file is written has no such value.
    #[error("key {key:?} of database {db} has {what}, which that server cannot hold")]
    #[non_exhaustive]
    Refused {
        /// What it is.
        what: &'static str,
        /// The number of the database.
        db: u16,
        /// The key.
        key: Bytes,
    },
}

impl RdbError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        RdbError::Io { action, path: path.into(), source }.into()
    }
}

impl From<FileError> for RdbError {
    fn from(FileError { action, path, source }: FileError) -> Self {
        RdbError::Io { action, path, source }
    }
}

impl From<RdbError> for Error {
    fn from(error: RdbError) -> Self {
        Error::Rdb(Box::new(error))
    }
}

/// What is wrong with bytes, before it is known where they are from.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    NotRdb,
    Newer(u32),
    /// It cannot be held, nor skipped.
    Unsupported(String),
    NoSuchDatabase {
        index: u64,
        databases: u16,
    },
    TooLong {
        length: u64,
        limit: usize,
    },
    Damaged(Bad),
    Store(Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<Bad> for Fault {
    fn from(what: Bad) -> Self {
        Fault::Damaged(what)
    }
}
