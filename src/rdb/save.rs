//! Writing a file: one instant of all databases, while writers go on.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::encode::{Encoding, write_length, write_string};
use super::kind::*;
use super::{RdbError, Version, crc64};
use crate::clock::NEVER;
use crate::disk::Real;
use crate::keyspace::Keyspace;
use crate::keyspace::table::Entry;
use crate::snapshot::{Draft, Moment, Progress, REPORT, collect};
use crate::{Bytes, Compat, Result};

/// Writes all keys of one instant as that server would, with a report now and then. O(all data)
pub(crate) fn save(
    space: &Keyspace,
    path: &Path,
    compat: Compat,
    mut report: impl FnMut(Progress),
) -> Result<Progress> {
    let picture = collect(space)?;
    let moment = picture.moment;
    let mut progress = Progress { total: picture.count(), ..Progress::default() };
    report(progress);
    let mut draft = Draft::create(&Real, path).map_err(RdbError::from)?;
    let failed = |error| RdbError::io("write", path, error);
    let mut out = BufWriter::with_capacity(1 << 16, Summed { inner: &mut draft, crc: 0, bytes: 0 });
    let file = File { version: Version::of(compat), space, moment };
    file.header(&mut out, compat).map_err(failed)?;
    // Each server that is played knows them: they are of 7.0.
    file.libraries(&mut out, &picture.libraries).map_err(failed)?;
    let (mut sizes, mut selected) = (picture.sizes(), None);
    picture.consume(|db, entry| {
        if selected != Some(db) {
            selected = Some(db);
            file.database(&mut out, db, sizes.remove(&db)).map_err(failed)?;
        }
        let encoding = Encoding::of(entry.value, file.version, space.clock(), moment.now);
        let encoding =
            encoding.map_err(|what| RdbError::Refused { what, db, key: Bytes::from(entry.key) })?;
        progress.entries += 1;
        if progress.entries % REPORT == 0 {
            report(progress);
        }
        file.entry(&mut out, entry, &encoding).map_err(failed)
    })?;
    out.write_all(&[OP_EOF]).and_then(|()| out.flush()).map_err(failed)?;
    let checksum = out.get_ref().crc;
    out.write_all(&checksum.to_le_bytes()).and_then(|()| out.flush()).map_err(failed)?;
    progress.bytes = out.get_ref().bytes;
    drop(out);
    draft.commit().map_err(RdbError::from)?;
    Ok(progress)
}

/// What is the same for all keys of a file.
struct File<'f> {
    version: Version,
    space: &'f Keyspace,
    moment: Moment,
}

impl File<'_> {
    fn header(&self, out: &mut impl Write, compat: Compat) -> io::Result<()> {
        match self.version.is_valkey() {
            true => write!(out, "VALKEY{:03}", self.version.0)?,
            false => write!(out, "REDIS{:04}", self.version.0)?,
        }
        let server = format!("{}-ver", compat.server());
        let created = (self.moment.wall / 1000).to_string();
        for (name, value) in [(&*server, compat.version()), ("redis-bits", "64"), ("ctime", &created)] {
            out.write_all(&[OP_AUX])?;
            write_string(out, name.as_bytes())?;
            write_string(out, value.as_bytes())?;
        }
        Ok(())
    }

    fn libraries(&self, out: &mut impl Write, codes: &[Bytes]) -> io::Result<()> {
        codes.iter().try_for_each(|code| {
            out.write_all(&[OP_FUNCTION])?;
            write_string(out, code)
        })
    }

    /// Goes on with a database: for the first time if it has a size, so many keys, and so many with a deadline.
    fn database(&self, out: &mut impl Write, db: u16, size: Option<(u64, u64)>) -> io::Result<()> {
        out.write_all(&[OP_SELECT_DB])?;
        write_length(out, db.into())?;
        let Some((all, expiring)) = size else { return Ok(()) };
        out.write_all(&[OP_RESIZE_DB])?;
        write_length(out, all)?;
        write_length(out, expiring)
    }

    fn entry(&self, out: &mut impl Write, entry: &Entry<'_>, encoding: &Encoding<'_>) -> io::Result<()> {
        if entry.deadline != NEVER {
            let wall = self.space.clock().wall_of(entry.deadline);
            out.write_all(&[OP_EXPIRE_MILLIS])?;
            out.write_all(&i64::try_from(wall).unwrap_or(i64::MAX).to_le_bytes())?;
        }
        out.write_all(&[encoding.kind()])?;
        write_string(out, entry.key)?;
        encoding.write(out)
    }
}

/// Counts what is written, and its checksum.
struct Summed<W> {
    inner: W,
    crc: u64,
    bytes: u64,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc = crc64::update(self.crc, &bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
