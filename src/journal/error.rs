//! Why a store's folder could not be opened, or nothing more is written to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::FORMAT;
use crate::Error;
use crate::snapshot::error::Fault;

/// Why a store's folder could not be opened, or why nothing more is written to it.
///
/// ```
/// use larder::{Error, JournalError, Store};
///
/// # let folder = std::env::temp_dir().join(format!("larder-doc-journal-error-{}", std::process::id()));
/// let store = Store::open(&folder)?;
/// let Err(Error::Journal(error)) = Store::open(&folder) else { panic!("it is open already") };
/// assert!(matches!(*error, JournalError::Locked { .. }));
/// # drop(store);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {action} {path:?}: {source}")]
    #[non_exhaustive]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A store has the folder open, in this process or in another one.
    #[error("a store has {folder:?} open already")]
    #[non_exhaustive]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that others go on from is not there.
    #[error("{path:?} is missing")]
    #[non_exhaustive]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is something else, or belongs to another store or to another time of this one.
    #[error("{path:?} is no part of this store")]
    #[non_exhaustive]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file was written in a format that this version does not know.
    #[error("{path:?} has format {version}, newer than the {known} that this version reads")]
    #[non_exhaustive]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// A file is whole, and the store has not the databases, or takes no strings so long, as it holds.
    #[error("{path:?} holds what this store does not take: {what}")]
    #[non_exhaustive]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What that is.
        what: String,
    },
    /// A file is damaged where it once was whole. What a crash has torn is at the end, and no error.
    #[error("{path:?} is damaged at byte {at}: {what}")]
    #[non_exhaustive]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage was found: the start of the record or block.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Writing or syncing has failed before, and nothing is written since. What was done until then and is not in
    /// [`unsynced_bytes`](crate::JournalStats::unsynced_bytes) is safe. Drop the store and open it again.
    ///
    /// `MISCONF Errors writing to the AOF file: ...`
    #[error("MISCONF Errors writing to the AOF file: {why}")]
    #[non_exhaustive]
    Failed {
        /// What failed, as it was told then.
        why: Arc<str>,
    },
}

impl JournalError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        JournalError::Io { action, path: path.into(), source }.into()
    }

    /// A fault in the file at `path`, or the store's own error.
    pub(super) fn of(fault: Fault, path: &Path) -> Error {
        let path = path.to_owned();
        match fault {
            Fault::Io(source) => JournalError::Io { action: "read", path, source },
            Fault::NotASnapshot => JournalError::Foreign { path },
            Fault::Newer(version) => JournalError::Newer { path, version, known: FORMAT },
            Fault::NoSuchDatabase { index, databases } => {
                let what = format!("keys in database {index}, beyond its {databases}");
                JournalError::Unfit { path, what }
            }
            Fault::TooLong { length, limit } => {
                let what = format!("a string of {length} bytes, over its limit of {limit}");
                JournalError::Unfit { path, what }
            }
            Fault::Damaged { at, what } => JournalError::Damaged { path, at, what },
            Fault::Store(error) => return error,
        }
        .into()
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        Error::Journal(Box::new(error))
    }
}
