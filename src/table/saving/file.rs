//! A file that a store is loaded from and saved to.

use std::path::{Path, PathBuf};

use super::Compat;
use crate::Progress;
use crate::api::{Store, StoreBuilder};
use crate::rdb;

/// Where a server loads its store from and saves it to, and in what format.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("larder-doc-save-file-{}", std::process::id()));
/// use larder::{Reply, SaveFile, Server, Store};
///
/// let file = SaveFile::Snapshot(path.clone());
/// let store = file.load(Store::builder())?; // there is none yet: it is empty
/// let server = Server::builder().save_to(file.clone()).start(&store).unwrap();
/// store.insert("greeting", "hello")?;
/// assert_eq!(store.session().call(["SAVE"]), Reply::OK);
/// assert_eq!(file.load(Store::builder())?.len()?, 1);
/// # drop(server);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveFile {
    /// In larder's own format; see [`Store::save`].
    Snapshot(PathBuf),
    /// In Redis's, as the server that is played writes it; see [`Store::save_rdb`].
    Rdb(PathBuf),
}

impl SaveFile {
    /// Where it is. O(1)
    ///
    /// ```
    /// let file = larder::SaveFile::Snapshot("larder.snapshot".into());
    /// assert_eq!(file.path().to_str(), Some("larder.snapshot"));
    /// ```
    pub fn path(&self) -> &Path {
        match self {
            SaveFile::Snapshot(path) | SaveFile::Rdb(path) => path,
        }
    }

    /// A store with what is in the file, an empty one if there is no file. O(file)
    ///
    /// ```
    /// use larder::{SaveFile, Store};
    ///
    /// let store = SaveFile::Rdb("no such file".into()).load(Store::builder().databases(2))?;
    /// assert!(store.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load`] and [`Store::load_rdb`]: a file that cannot be read, is damaged, or has what the
    /// store cannot hold.
    pub fn load(&self, builder: StoreBuilder) -> crate::Result<Store> {
        match self {
            // One of which that cannot be told is read, and gives the error.
            _ if self.path().try_exists().is_ok_and(|exists| !exists) => Ok(builder.build()),
            SaveFile::Snapshot(path) => builder.load(path),
            SaveFile::Rdb(path) => builder.load_rdb(path),
        }
    }

    /// The same file, wherever the process goes later.
    #[cfg(feature = "server")]
    pub(crate) fn absolute(self) -> std::io::Result<SaveFile> {
        Ok(match self {
            SaveFile::Snapshot(path) => SaveFile::Snapshot(std::path::absolute(path)?),
            SaveFile::Rdb(path) => SaveFile::Rdb(std::path::absolute(path)?),
        })
    }

    pub(super) fn save(
        &self,
        store: &Store,
        compat: Compat,
        report: impl FnMut(Progress),
    ) -> crate::Result<Progress> {
        match self {
            SaveFile::Snapshot(path) => store.save_with(path, report),
            SaveFile::Rdb(path) => rdb::save(store.space(), path, compat, report),
        }
    }
}
