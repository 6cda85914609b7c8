//! Redis's own files: loading one into a store, and writing one.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{Store, StoreBuilder};
use crate::rdb::{self, Loading, RdbError, RdbReport};
use crate::{Compat, Error, Progress, Result};

/// What an RDB file is read into memory by, in bytes.
const BUFFER: usize = 1 << 18;

/// How an RDB file is loaded.
///
/// ```
/// use larder::{RdbOptions, RdbUnsupported, Store};
///
/// let file = b"REDIS0012\xf5\x10#!lua name=mine\n\xff\0\0\0\0\0\0\0\0";
/// assert!(Store::builder().read_rdb(&file[..]).is_err()); // a library that has no functions
///
/// let options = RdbOptions::new().unsupported(RdbUnsupported::Skip);
/// let (_, report) = Store::builder().read_rdb_with(&file[..], options)?;
/// assert!(report.functions[0].starts_with(b"#!lua name=mine"));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RdbOptions {
    unsupported: RdbUnsupported,
}

/// What is done about what an RDB file has and the store cannot hold: values of modules, and libraries of functions that
/// do not load, or any of them without the feature `lua`.
///
/// ```
/// use larder::RdbUnsupported;
///
/// assert_eq!(RdbUnsupported::default(), RdbUnsupported::Refuse);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RdbUnsupported {
    /// The file is not loaded; the error names what it was.
    #[default]
    Refuse,
    /// It is passed over, and named in the [`RdbReport`]. What nobody can tell the length of (values of
    /// types that are newer than this version) is refused all the same.
    Skip,
}

impl RdbOptions {
    /// Those of [`Store::load_rdb`]. O(1)
    ///
    /// ```
    /// # use larder::{RdbOptions, Store};
    /// let (store, _) = Store::builder().read_rdb_with(&b"REDIS0004\xff"[..], RdbOptions::new())?;
    /// assert!(store.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// What is done about what no store can hold. O(1)
    ///
    /// ```
    /// # use larder::{RdbOptions, RdbUnsupported};
    /// let options = RdbOptions::new().unsupported(RdbUnsupported::Skip);
    /// ```
    #[must_use]
    pub fn unsupported(mut self, unsupported: RdbUnsupported) -> Self {
        self.unsupported = unsupported;
        self
    }

    fn loading(&self) -> Loading {
        match self.unsupported {
            RdbUnsupported::Refuse => Loading::Strict,
            RdbUnsupported::Skip => Loading::Lenient,
        }
    }
}

impl Store {
    /// A store with the default settings and the keys of an RDB file, as Redis (up to 8.10) and Valkey 9 write
    /// it: `dump.rdb`. Keys and fields that have expired since are left out; notes on how often or how long
    /// ago a key was used are ignored. With the feature `lua`, libraries of functions are loaded. O(file)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-load-rdb-{}", std::process::id()));
    /// # std::fs::write(&path, b"REDIS0004\x00\x08greeting\x05hello\xff").unwrap();
    /// use larder::Store;
    ///
    /// let store = Store::load_rdb(&path)?;
    /// assert_eq!(store.get::<String>("greeting")?.as_deref(), Some("hello"));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Rdb`](crate::Error::Rdb) if the file cannot be read, is none, is damaged, or has what the store
    /// cannot hold: it says what, and where. There is then no store with a part of the data.
    pub fn load_rdb(path: impl AsRef<Path>) -> Result<Store> {
        Store::builder().load_rdb(path)
    }

    /// Writes all databases, as they are at one instant, to an RDB file that a server of that kind loads; gives
    /// how many keys and bytes. As with [`save`](Self::save), the file at `path` is replaced in one step, and
    /// writers wait only while the pages of all keys are shared. Libraries of functions are written too. `SAVE`, O(all data).
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-save-rdb-{}", std::process::id()));
    /// use std::time::Duration;
    /// use larder::{Compat, Error, Store};
    ///
    /// let store = Store::new();
    /// store.insert("greeting", "hello")?;
    /// store.save_rdb(&path, Compat::Redis70)?;
    /// assert!(std::fs::read(&path)?.starts_with(b"REDIS0010"));
    ///
    /// let cart = store.hash::<String, u32>("cart");
    /// cart.insert("apple", 3)?;
    /// cart.expire_field("apple", Duration::from_secs(60))?;
    /// let error = store.save_rdb(&path, Compat::Redis70).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "key b\"cart\" of database 0 has a hash with fields that expire, which that server cannot hold"
    /// );
    /// store.save_rdb(&path, Compat::Redis82)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Rdb`](crate::Error::Rdb) if the file cannot be written, or that server has not what a key
    /// holds; the old file is then there, whole, but for the last step as told at [`save`](Self::save).
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn save_rdb(&self, path: impl AsRef<Path>, compat: Compat) -> Result<Progress> {
        rdb::save(self.space(), path.as_ref(), compat, |_| {})
    }
}

impl StoreBuilder {
    /// The store, with the keys of an RDB file; see [`Store::load_rdb`]. O(file)
    ///
    /// ```
    /// use larder::{Error, RdbError, Store};
    ///
    /// let Err(Error::Rdb(error)) = Store::builder().seed(7).load_rdb("no such file") else { panic!("missing") };
    /// assert!(matches!(*error, RdbError::Io { .. }));
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load_rdb`].
    pub fn load_rdb(self, path: impl AsRef<Path>) -> Result<Store> {
        self.load_rdb_with(path, RdbOptions::new()).map(|(store, _)| store)
    }

    /// [`load_rdb`](Self::load_rdb) with options, and a report of what was found. O(file)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-load-rdb-with-{}", std::process::id()));
    /// use larder::{Compat, RdbOptions, RdbUnsupported, Store};
    ///
    /// # Store::new().save_rdb(&path, Compat::Valkey9)?;
    /// let options = RdbOptions::new().unsupported(RdbUnsupported::Skip);
    /// let (store, report) = Store::builder().load_rdb_with(&path, options)?;
    /// for skipped in &report.skipped {
    ///     eprintln!("{} of {:?} is not there", skipped.what, skipped.key);
    /// }
    /// # assert_eq!((store.len()?, report.version), (0, 80));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load_rdb`].
    pub fn load_rdb_with(self, path: impl AsRef<Path>, options: RdbOptions) -> Result<(Store, RdbReport)> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| RdbError::io("open", path, error))?;
        self.read_rdb_with(file, options).map_err(|error| match error {
            // What reads does not know where from.
            Error::Rdb(error) => match *error {
                RdbError::Io { action, source, .. } => RdbError::io(action, path, source),
                other => other.into(),
            },
            other => other,
        })
    }

    /// The store, with the keys of an RDB file that comes from anywhere; see [`Store::load_rdb`]. It is read to
    /// its own end, and a part of what follows may be read too. O(file)
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::builder().read_rdb(&b"REDIS0004\x00\x04hits\xc0\x07\xff"[..])?;
    /// assert_eq!(store.counter("hits").incr()?, 8);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load_rdb`].
    pub fn read_rdb(self, input: impl Read) -> Result<Store> {
        self.read_rdb_with(input, RdbOptions::new()).map(|(store, _)| store)
    }

    /// [`read_rdb`](Self::read_rdb) with options, and a report of what was found. O(file)
    ///
    /// ```
    /// use larder::{RdbOptions, Store};
    ///
    /// let file = b"REDIS0004\xfd\x01\x00\x00\x00\x00\x03old\x01x\xff"; // it expired in 1970
    /// let (store, report) = Store::builder().read_rdb_with(&file[..], RdbOptions::new())?;
    /// assert_eq!((store.len()?, report.expired), (0, 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load_rdb`].
    pub fn read_rdb_with(self, input: impl Read, options: RdbOptions) -> Result<(Store, RdbReport)> {
        let store = self.build();
        let input = BufReader::with_capacity(BUFFER, input);
        let found = rdb::load(store.space(), input, options.loading())?;
        #[cfg(feature = "lua")]
        let found = hold_libraries(&store, found, options.loading())?;
        #[cfg(feature = "commands")]
        store.space().shared().saving.note_loaded(found.report.entries, found.report.expired);
        Ok((store, found.report))
    }
}

/// Loads the libraries of functions that were found.
///
/// # Errors
/// [`Error::Rdb`](crate::Error::Rdb), if one of them cannot be and nothing is to be skipped.
#[cfg(feature = "lua")]
fn hold_libraries(store: &Store, found: rdb::Found, loading: Loading) -> Result<rdb::Found> {
    let rdb::Found { mut report, libraries, server } = found;
    let skipped = &mut report.skipped;
    store.space().shared().scripts.adopt(store.space(), server, &report.functions, |number, why| {
        let rdb::Library { name, at } = &libraries[number];
        let what = format!("the function library {name} ({why})");
        let (db, key, at) = (0, crate::Bytes::new(), *at);
        if loading == Loading::Strict {
            return Err(RdbError::Unsupported { what, db, key, at });
        }
        skipped.push(rdb::RdbSkipped { db, key, what, at });
        Ok(())
    })?;
    Ok(rdb::Found { report, libraries, server })
}
