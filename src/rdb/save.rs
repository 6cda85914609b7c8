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
use crate::snapshot::{Draft, Moment, Picture, Progress, collect};
use crate::{Bytes, Compat, Result};

/// Writes all keys of one instant as that server would. O(all data)
pub(crate) fn save(space: &Keyspace, path: &Path, compat: Compat) -> Result<Progress> {
    let Picture { tables: mut databases, moment, .. } = collect(space)?;
    // A database's tables one behind the other: they come by shard.
    databases.sort_by_key(|(db, _)| *db);
    let lives = |entry: &Entry<'_>| !entry.is_expired(|_| moment.now);
    let total = databases.iter().map(|(_, contents)| contents.iter().filter(lives).count() as u64).sum();
    let mut progress = Progress { total, ..Progress::default() };
    let mut draft = Draft::create(&Real, path).map_err(RdbError::from)?;
    let failed = |error| RdbError::io("write", path, error);
    let mut out = BufWriter::with_capacity(1 << 16, Summed { inner: &mut draft, crc: 0, bytes: 0 });
    let file = File { version: Version::of(compat), space, moment };
    file.header(&mut out, compat).map_err(failed)?;
    for tables in databases.chunk_by(|(one, _), (next, _)| one == next) {
        let Some((db, _)) = tables.first() else { continue };
        let entries = || tables.iter().flat_map(|(_, contents)| contents.iter()).filter(lives);
        if entries().next().is_none() {
            continue;
        }
        let (all, expiring) = (entries().count(), entries().filter(|entry| entry.deadline != NEVER).count());
        file.database(&mut out, *db, all as u64, expiring as u64).map_err(failed)?;
        for entry in entries() {
            let encoding = Encoding::of(entry.value, file.version, space.clock(), moment.now);
            let encoding =
                encoding.map_err(|what| RdbError::Refused { what, db: *db, key: Bytes::from(entry.key) })?;
            file.entry(&mut out, &entry, &encoding).map_err(failed)?;
            progress.entries += 1;
        }
    }
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

    fn database(&self, out: &mut impl Write, db: u16, all: u64, expiring: u64) -> io::Result<()> {
        out.write_all(&[OP_SELECT_DB])?;
        write_length(out, db.into())?;
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
