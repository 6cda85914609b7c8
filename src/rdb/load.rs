//! Reading a file.

use std::io::BufRead;

use super::decode::{Decoded, Decoder};
use super::error::Fault;
use super::kind::*;
use super::reader::Reader;
use super::skip::{self, Skipping};
use super::{REDIS, RdbError, VALKEY, VALKEY_NEWEST, Version};
use crate::clock::NEVER;
use crate::keyspace::Keyspace;
use crate::keyspace::writer::Deadline;
use crate::value::Value;
use crate::{Bytes, Compat, Error, KeyEvent};

/// What came of loading an RDB file.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("larder-doc-rdb-report-{}", std::process::id()));
/// use larder::{Compat, RdbOptions, Store};
///
/// let store = Store::new();
/// store.insert("greeting", "hello")?;
/// store.save_rdb(&path, Compat::Redis72)?;
/// let (_, report) = Store::builder().load_rdb_with(&path, RdbOptions::new())?;
/// assert_eq!((report.version, report.entries, report.expired), (11, 1, 0));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdbReport {
    /// The version of the file's format: 9 for Redis 6, 10 for 7.0, 80 for Valkey 9.
    pub version: u32,
    /// Keys loaded.
    pub entries: u64,
    /// Keys left out, as they have expired since.
    pub expired: u64,
    /// What could not be held and was passed over. What a module keeps beside its keys is so, whatever the options say.
    pub skipped: Vec<RdbSkipped>,
    /// The code of function libraries that the file has, as it stands there. With the feature `lua` the store has them too, but
    /// for those that were skipped.
    pub functions: Vec<Bytes>,
}

/// Something in an RDB file that could not be held and was passed over.
///
/// ```
/// use larder::{RdbOptions, RdbUnsupported, Store};
///
/// let file = b"REDIS0004\x07\x05graph\x81\0\0\0\0\0\0\0\0\0\xff";
/// let options = RdbOptions::new().unsupported(RdbUnsupported::Skip);
/// let (_, report) = Store::builder().read_rdb_with(&file[..], options)?;
/// let skipped = &report.skipped[0];
/// assert_eq!((skipped.db, skipped.at), (0, 9));
/// assert_eq!(skipped.key, "graph");
/// assert_eq!(skipped.what, "a value of the module type AAAAAAAAA");
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdbSkipped {
    /// The number of its database.
    pub db: u64,
    /// Its key; empty if it belongs to none.
    pub key: Bytes,
    /// What it is.
    pub what: String,
    /// Where it stands in the file.
    pub at: u64,
}

/// How to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loading {
    /// What cannot be held is an error.
    Strict,
    /// What cannot be held is passed over, where it is known how far it goes.
    Lenient,
}

/// Reads the keys of a file into an empty store. O(file)
///
/// # Errors
/// Those of [`RdbError`], and the store's own.
pub(crate) fn load(space: &Keyspace, input: impl BufRead, loading: Loading) -> Result<Found, Error> {
    let mut file = Load {
        space,
        reader: Reader::new(input, space.limits_of_files().value),
        version: Version(0),
        skipping: if loading == Loading::Strict { Skipping::Not } else { Skipping::Where },
        report: RdbReport::default(),
        libraries: Vec::new(),
        is_valkeys: false,
        place: Place::default(),
    };
    match file.read() {
        Ok(()) => {
            let server = file.version.server(file.is_valkeys);
            Ok(Found { report: file.report, libraries: file.libraries, server })
        }
        Err(fault) => Err(file.error(fault)),
    }
}

/// What a file holds, and for whoever can hold them too where its libraries stand.
pub(crate) struct Found {
    pub report: RdbReport,
    #[cfg_attr(not(feature = "lua"), expect(dead_code, reason = "nobody can hold them"))]
    pub libraries: Vec<Library>,
    /// Which kind of server has written it.
    #[cfg_attr(not(feature = "lua"), expect(dead_code, reason = "nobody can hold its libraries"))]
    pub server: Compat,
}

/// A library of functions in a file, the code of which is in the report.
#[cfg_attr(not(feature = "lua"), expect(dead_code, reason = "nobody can hold it"))]
pub(crate) struct Library {
    pub name: String,
    pub at: u64,
}

struct Load<'l, R> {
    space: &'l Keyspace,
    reader: Reader<R>,
    version: Version,
    skipping: Skipping,
    report: RdbReport,
    libraries: Vec<Library>,
    /// It says that Valkey has written it, whichever version it has.
    is_valkeys: bool,
    place: Place,
}

/// Where in the file something stands.
#[derive(Default)]
struct Place {
    db: u64,
    key: Bytes,
    at: u64,
}

impl<R: BufRead> Load<'_, R> {
    fn read(&mut self) -> Result<(), Fault> {
        self.header()?;
        // The wall time at which the next key expires.
        let mut deadline = None;
        loop {
            self.place.at = self.reader.at();
            self.place.key = Bytes::new();
            match self.reader.byte()? {
                // A flip in the digits of a version can say that there is no checksum; all that write one, but the
                // oldest, have such an entry as their first.
                OP_243..=OP_RESIZE_DB if !self.has_checksum() => {
                    return Err(Fault::Damaged("it has what its version does not know"));
                }
                OP_EOF => return self.finish(),
                OP_SELECT_DB => self.place.db = self.reader.length()?,
                OP_EXPIRE_MILLIS => deadline = Some(i64::from_le_bytes(self.reader.array()?)),
                OP_EXPIRE => deadline = Some(i64::from(i32::from_le_bytes(self.reader.array()?)) * 1000),
                OP_RESIZE_DB => self.pass_lengths(2)?,
                OP_SLOT_INFO => self.pass_lengths(3)?,
                OP_IDLE => self.pass_lengths(1)?,
                OP_FREQ => drop(self.reader.byte()?),
                OP_AUX => {
                    self.is_valkeys |= *self.reader.string()? == *b"valkey-ver";
                    self.reader.string()?;
                }
                // It is of use to the module alone, whose keys are refused if there are any.
                OP_MODULE_AUX => {
                    if let Some(what) = skip::module_aux(&mut self.reader)? {
                        self.note(what);
                    }
                }
                OP_FUNCTION => self.library()?,
                OP_FUNCTION_OLD => {
                    return Err(Fault::Unsupported(
                        "functions in the form of a candidate of Redis 7.0".into(),
                    ));
                }
                OP_243 if self.version.is_valkey() => skip::slot_import(&mut self.reader)?,
                OP_243 => {
                    self.refuse("a module's data for a key".into())?;
                    skip::key_metadata(&mut self.reader)?;
                }
                kind => self.key(kind, deadline.take())?,
            }
        }
    }

    /// A magic word and four digits, or three.
    fn header(&mut self) -> Result<(), Fault> {
        let header = match self.reader.array::<9>() {
            Ok(header) => header,
            Err(Fault::Damaged(_)) => return Err(Fault::NotRdb),
            Err(fault) => return Err(fault),
        };
        let (is_valkey, digits) = match (header.strip_prefix(b"REDIS"), header.strip_prefix(b"VALKEY")) {
            (Some(digits), _) => (false, digits),
            (None, Some(digits)) => (true, digits),
            (None, None) => return Err(Fault::NotRdb),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Fault::NotRdb);
        }
        let version = digits.iter().fold(0, |number, digit| 10 * number + u16::from(digit - b'0'));
        let known = if is_valkey { VALKEY..=VALKEY_NEWEST } else { 1..=REDIS };
        if !known.contains(&version) {
            return Err(Fault::Newer(version.into()));
        }
        self.version = Version(version);
        self.report.version = version.into();
        Ok(())
    }

    fn key(&mut self, kind: u8, deadline: Option<i64>) -> Result<(), Fault> {
        // What is neither a key's type nor known otherwise need not be followed by a key.
        if kind > STREAM_5 || kind == 8 || kind == MODULE_OLD {
            return Err(Fault::Unsupported(super::kind::name(kind, self.version.is_valkey())));
        }
        self.place.key = self.reader.string()?;
        let wall = self.space.clock().wall();
        let clock = self.space.clock();
        let mut decoder = Decoder { reader: &mut self.reader, version: self.version, clock, wall };
        let Some(decoded) = decoder.value(kind)? else {
            let what = skip::value(&mut self.reader, kind, self.version, self.skipping)?;
            self.note(what);
            return Ok(());
        };
        let deadline = match deadline {
            None => Deadline::Clear,
            Some(deadline) => match u64::try_from(deadline) {
                Ok(deadline) if deadline > wall => Deadline::At(clock.moment_of(deadline).min(NEVER - 1)),
                _ => {
                    self.report.expired += 1;
                    return Ok(());
                }
            },
        };
        match decoded {
            Decoded::Value(value) => self.put(value, deadline),
            Decoded::Over => {
                self.report.expired += 1;
                Ok(())
            }
            // Redis passes over them too.
            Decoded::Empty => Ok(()),
        }
    }

    fn put(&mut self, value: Value, deadline: Deadline) -> Result<(), Fault> {
        let (index, databases) = (self.place.db, self.space.limits().databases);
        let db = u16::try_from(index).ok().filter(|db| *db < databases);
        let db = db.ok_or(Fault::NoSuchDatabase { index, databases })?;
        let key = self.space.key_ref(&self.place.key);
        let put = self.space.write(db, &[key], |writer| {
            if writer.value(key).is_some() {
                return Ok(false);
            }
            if self.space.takes_files() {
                writer.admit_all();
            }
            writer.set(key, value, deadline, KeyEvent::Restore).map(|()| true)
        });
        match put {
            Ok(Ok(true)) => self.report.entries += 1,
            Ok(Ok(false)) => return Err(Fault::Damaged("a key occurs twice")),
            Ok(Err(error)) | Err(error) => return Err(Fault::Store(error)),
        }
        Ok(())
    }

    fn library(&mut self) -> Result<(), Fault> {
        let code = self.reader.string()?;
        let name = skip::library_name(&code);
        if self.skipping == Skipping::Not && !cfg!(feature = "lua") {
            return Err(Fault::Unsupported(format!("the function library {name}")));
        }
        self.libraries.push(Library { name, at: self.place.at });
        self.report.functions.push(code);
        Ok(())
    }

    fn pass_lengths(&mut self, count: usize) -> Result<(), Fault> {
        (0..count).try_for_each(|_| self.reader.length().map(drop))
    }

    fn refuse(&mut self, what: String) -> Result<(), Fault> {
        if self.skipping == Skipping::Not {
            return Err(Fault::Unsupported(what));
        }
        self.note(what);
        Ok(())
    }

    fn note(&mut self, what: String) {
        let Place { db, at, .. } = self.place;
        self.report.skipped.push(RdbSkipped { db, key: self.place.key.clone(), what, at });
    }

    /// Whether a checksum stands at the end: since Redis 2.6.
    fn has_checksum(&self) -> bool {
        self.version.0 >= 5
    }

    /// The checksum, which is 0 if its writer was told not to count it.
    fn finish(&mut self) -> Result<(), Fault> {
        if !self.has_checksum() {
            return Ok(());
        }
        let counted = self.reader.checksum()?;
        let written = u64::from_le_bytes(self.reader.array()?);
        if written != 0 && written != counted {
            return Err(Fault::Damaged("the checksum is wrong"));
        }
        Ok(())
    }

    fn error(&mut self, fault: Fault) -> Error {
        let Place { db, ref key, at } = self.place;
        let error = match fault {
            Fault::Io(source) => RdbError::Io { action: "read", path: Default::default(), source },
            Fault::NotRdb => RdbError::NotRdb,
            Fault::Newer(version) => RdbError::Newer { version },
            Fault::Unsupported(what) => RdbError::Unsupported { what, db, key: key.clone(), at },
            Fault::NoSuchDatabase { index, databases } => RdbError::NoSuchDatabase { index, databases },
            Fault::TooLong { length, limit } => RdbError::TooLong { length, limit, at: self.reader.at() },
            Fault::Damaged(what) => RdbError::Damaged { at: self.reader.at(), what },
            Fault::Store(error) => return error,
        };
        error.into()
    }
}
