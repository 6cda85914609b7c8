//! Why a snapshot could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// Why a snapshot could not be written or read. When saving fails, the file that was there before
/// is whole; when loading fails, nothing was loaded.
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
            Fault::Damaged { at, what } => SnapshotError::Damaged { path, at, what },
            Fault::Store(error) => return error,
        })
    }

    fn error(self) -> Error {
        Error::Snapshot(Box::new(self))
    }
}

/// What is wrong with a file, before its path is known.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    NotASnapshot,
    Newer(u32),
    Damaged { at: u64, what: &'static str },
    Store(Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}
