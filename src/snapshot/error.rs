//! Why a snapshot could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

use super::file::FileError;
use crate::Error;

/// Why a snapshot could not be written or read. When saving fails, the file that was there before
/// is whole (but see [`Store::save`](crate::Store::save) on its last step); when loading fails, nothing was
/// loaded.
///
/// ```
/// use larder::{Error, SnapshotError, Store};
///
/// let Err(Error::Snapshot(error)) = Store::load("no such file") else { panic!("it is missing") };
/// let SnapshotError::Io { source, .. } = *error else { panic!("{error}") };
/// assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file system refused.
    #[error("cannot {action} snapshot {path:?}: {source}")]
    #[non_exhaustive]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path:?} is not a larder snapshot")]
    #[non_exhaustive]
    NotASnapshot {
        /// The file.
        path: PathBuf,
    },
    /// The file was written in a format that this version does not know.
    #[error("snapshot {path:?} has format {version}, newer than the {known} that this version reads")]
    #[non_exhaustive]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// The file is whole, and has keys in a database that the store has not: see
    /// [`databases`](crate::StoreBuilder::databases).
    #[error("snapshot {path:?} has keys in database {index}, beyond the {databases} of this store")]
    #[non_exhaustive]
    NoSuchDatabase {
        /// The file.
        path: PathBuf,
        /// The number of the database.
        index: u16,
        /// How many the store has, from 0 on.
        databases: u16,
    },
    /// The file is whole, and has a key, value or element that is longer than the store takes: see
    /// [`value_limit`](crate::StoreBuilder::value_limit).
    #[error("snapshot {path:?} has a string of {length} bytes, over the {limit} that this store takes")]
    #[non_exhaustive]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The store's limit in bytes.
        limit: usize,
    },
    /// The file is damaged or was cut off.
    #[error("snapshot {path:?} is damaged at byte {at}: {what}")]
    #[non_exhaustive]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage was found: the start of the block.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl SnapshotError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Self::error(SnapshotError::Io { action, path: path.into(), source })
    }

    /// A fault in the file at `path`, or the store's own error.
    pub(super) fn of(fault: Fault, path: &Path) -> Error {
        let path = path.to_owned();
        Self::error(match fault {
            Fault::Io(source) => SnapshotError::Io { action: "read", path, source },
            Fault::NotASnapshot => SnapshotError::NotASnapshot { path },
            Fault::Newer(version) => SnapshotError::Newer { path, version, known: super::block::FORMAT },
            Fault::NoSuchDatabase { index, databases } => {
                SnapshotError::NoSuchDatabase { path, index, databases }
            }
            Fault::TooLong { length, limit } => SnapshotError::TooLong { path, length, limit },
            Fault::Damaged { at, what } => SnapshotError::Damaged { path, at, what },
            Fault::Store(error) => return error,
        })
    }

    fn error(self) -> Error {
        Error::Snapshot(Box::new(self))
    }
}

impl From<FileError> for Error {
    fn from(FileError { action, path, source }: FileError) -> Self {
        SnapshotError::Io { action, path, source }.error()
    }
}

/// What is wrong with a file, before its path is known.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    NotASnapshot,
    Newer(u32),
    NoSuchDatabase { index: u16, databases: u16 },
    TooLong { length: u64, limit: usize },
    Damaged { at: u64, what: &'static str },
    Store(Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Store(error)
    }
}
