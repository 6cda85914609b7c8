//! A journal's file: a header, and records one behind the other.
//!
//! Integers are little-endian.
//!
//! - **Header**, 40 bytes: `LARDERJ\n`, format version (u32), the store's id (u64, drawn at random), the file's number (u64), the
//!   id of the snapshot that was taken as it began (u64; 0 for the first, which begins with nothing), CRC-32 of all that.
//! - **Records**: payload length (u32), checksum (u32), payload. The checksum is the CRC-32 of the store's id, the file's number,
//!   the record's place in the file's order, its length and the CRC-32 of its payload. So a record that was changed, left out,
//!   repeated, moved or taken from elsewhere is found.
//! - **A mark** stands behind the header, written and synced together with it: so a file of which no record or mark fits its header
//!   has another one's.
//! - **Marks** stand between records and look like them: a payload of 25 bytes that begins with 255, which no item does; then where
//!   the mark stands (u64), up to where the file was on the disk as it was written (u64), and the wall time (u64). In the checksum
//!   their place is all ones. They tell a tail that a crash has torn from a middle that was damaged since: what lies before the
//!   end of a mark's stretch was whole once.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile};
use crate::planted::{Bug, is_planted};
use crate::snapshot::block::{fill, part};
use crate::snapshot::error::Fault;

/// The newest format, which is the one written.
pub(super) const FORMAT: u32 = 1;
pub(super) const HEADER: usize = 40;
/// Length and checksum, before a payload.
pub(super) const PREFIX: usize = 8;
/// What a file begins with: the header, and a mark.
pub(super) const START: usize = HEADER + PREFIX + MARK_LENGTH;
const MAGIC: [u8; 8] = *b"LARDERJ\n";
const MARK: u8 = 255;
const MARK_LENGTH: usize = 25;
/// How much of a file is looked at in one go.
const STEP: usize = 1 << 20;
/// How much of it is read ahead.
const AHEAD: usize = 128 << 10;

/// Which file of which store it is, and what it goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    pub store: u64,
    pub number: u64,
    /// 0 for none.
    pub snapshot: u64,
}

impl FileId {
    fn header(self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(FORMAT.to_le_bytes());
        header.extend(self.store.to_le_bytes());
        header.extend(self.number.to_le_bytes());
        header.extend(self.snapshot.to_le_bytes());
        header.extend(crc32fast::hash(&header).to_le_bytes());
        header
    }

    fn read(header: &[u8; HEADER]) -> Result<FileId, Fault> {
        let damaged = |what| Err(Fault::Damaged { at: 0, what });
        if header[..MAGIC.len()] != MAGIC {
            return Err(Fault::NotASnapshot);
        }
        if crc32fast::hash(&header[..HEADER - 4]) != u32::from_le_bytes(part(header, HEADER - 4)) {
            return damaged("the header's checksum is wrong");
        }
        let number = |from| u64::from_le_bytes(part(header, from));
        match u32::from_le_bytes(part(header, 8)) {
            FORMAT => Ok(FileId { store: number(12), number: number(20), snapshot: number(28) }),
            0 => damaged("there is no format 0"),
            newer => Err(Fault::Newer(newer)),
        }
    }

    /// The checksum of a record at a place in the order.
    pub(super) fn checksum(self, place: u64, length: u32, payload: u32) -> u32 {
        let place = if is_planted(Bug::UncheckedPlace) { 0 } else { place };
        let mut covered = [0; 32];
        let numbers = [self.store, self.number, place, u64::from(length) | u64::from(payload) << 32];
        for (number, part) in numbers.iter().zip(covered.chunks_exact_mut(8)) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        crc32fast::hash(&covered)
    }

    /// What a file begins with.
    fn start(self, wall: u64) -> Vec<u8> {
        [self.header(), self.mark(HEADER as u64, 0, wall)].concat()
    }

    /// Whether the header's own mark stands behind it.
    fn begins(self, start: &[u8]) -> bool {
        let payload = start.get(HEADER + PREFIX..START).unwrap_or_default();
        self.read_mark(part(start, HEADER), payload).is_some_and(|mark| mark.at == HEADER as u64)
    }

    fn mark(self, at: u64, synced: u64, wall: u64) -> Vec<u8> {
        let mut payload = vec![MARK];
        [at, synced, wall].iter().for_each(|number| payload.extend(number.to_le_bytes()));
        let length = payload.len() as u32;
        let checksum = self.checksum(u64::MAX, length, crc32fast::hash(&payload));
        [&length.to_le_bytes()[..], &checksum.to_le_bytes()[..], &payload[..]].concat()
    }

    /// What a mark says, if it is one.
    fn read_mark(self, prefix: [u8; PREFIX], payload: &[u8]) -> Option<Mark> {
        let payload: &[u8; MARK_LENGTH] = payload.try_into().ok()?;
        let (length, checksum) = (u32::from_le_bytes(part(&prefix, 0)), u32::from_le_bytes(part(&prefix, 4)));
        let number = |from| u64::from_le_bytes(part(payload, from));
        let is_one =
            payload[0] == MARK && self.checksum(u64::MAX, length, crc32fast::hash(payload)) == checksum;
        is_one.then(|| Mark { at: number(1), synced: number(9), wall: number(17) })
    }
}

/// Where it was put, up to where the file was on the disk then, and when that was.
struct Mark {
    at: u64,
    synced: u64,
    wall: u64,
}

/// The file that records are written to.
pub(super) struct Output {
    file: Box<dyn DiskFile>,
    pub id: FileId,
    pub path: PathBuf,
    pub length: u64,
    /// How much of it is on the disk, and of how much a mark says so.
    synced: u64,
    marked: u64,
}

impl Output {
    /// A new file, on the disk with its header.
    pub(super) fn create(disk: &dyn Disk, folder: &Path, id: FileId, wall: u64) -> io::Result<Self> {
        let path = folder.join(name(id.number));
        let mut file = disk.create(&path)?;
        file.write_all(&id.start(wall))?;
        file.sync()?;
        if !is_planted(Bug::SkippedFolderSync) {
            disk.sync_folder(folder)?;
        }
        let length = START as u64;
        Ok(Output { file, id, path, length, synced: length, marked: length })
    }

    /// The file that was read, up to where it is whole.
    pub(super) fn go_on(disk: &dyn Disk, path: &Path, id: FileId, length: u64) -> io::Result<Self> {
        let mut file = disk.open_at(path, length)?;
        // What was read may be in the system's memory alone.
        file.sync()?;
        Ok(Output { file, id, path: path.into(), length, synced: length, marked: 0 })
    }

    /// Writes records, behind a mark if more is on the disk than the last one says.
    pub(super) fn write(&mut self, records: &[u8], wall: u64) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        // Written by itself: what comes behind it may be long, and is not copied.
        if let Some(mark) = self.next_mark(wall) {
            self.write_all(&mark)?;
        }
        self.write_all(records)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// What says of how much of it is on the disk, if no mark says so yet.
    fn next_mark(&mut self, wall: u64) -> Option<Vec<u8>> {
        let is_news = self.synced > self.marked;
        self.marked = self.synced;
        is_news.then(|| self.id.mark(self.length, self.synced, wall))
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.length {
            if !is_planted(Bug::SkippedSync) {
                self.file.sync()?;
            }
            self.synced = self.length;
        }
        Ok(())
    }

    /// Nothing more comes: says so, that all is there, and what time it is. What has expired since the last record stays gone
    /// by that.
    pub(super) fn end(&mut self, wall: u64) -> io::Result<()> {
        self.sync()?;
        self.marked = self.synced;
        self.write_all(&self.id.mark(self.length, self.synced, wall))?;
        self.sync()
    }
}

/// The name of a journal's file.
pub(crate) fn name(number: u64) -> String {
    format!("journal-{number:08}")
}

/// A file with one record that holds these bytes, whatever they are, and with right checksums.
#[cfg(all(any(fuzzing, test), feature = "server", not(shuttle)))]
pub(crate) fn sealed(payload: &[u8]) -> Vec<u8> {
    let id = FileId { store: 0, number: 0, snapshot: 0 };
    let length = payload.len() as u32;
    let checksum = id.checksum(0, length, crc32fast::hash(payload));
    [&id.start(0), &length.to_le_bytes()[..], &checksum.to_le_bytes(), payload].concat()
}

/// What reading a file has come to.
pub(super) struct Found {
    pub records: u64,
    /// Up to where it is whole.
    pub length: u64,
    /// What lies behind that: the rest of a write that a crash has torn.
    pub torn: u64,
    /// The latest wall time of its marks.
    pub wall: u64,
}

/// The header of a file, which is the one that is expected if it `fits`; `None` for a file that a crash has torn as it was
/// made: what it holds then may be anything, another file's header too.
pub(super) fn read_header(
    disk: &dyn Disk,
    path: &Path,
    fits: impl Fn(FileId) -> bool,
) -> Result<Option<FileId>, Fault> {
    let mut start = [0; START + 1];
    let filled = fill(&mut disk.open(path)?, &mut start)?;
    let is_bare = filled <= START;
    match FileId::read(&part(&start, 0)) {
        Ok(id) if fits(id) && id.begins(&start[..filled]) => Ok(Some(id)),
        _ if is_bare => Ok(None),
        Ok(id) if fits(id) => {
            Err(Fault::Damaged { at: HEADER as u64, what: "the header's mark is not behind it" })
        }
        Ok(_) => Err(Fault::NotASnapshot),
        Err(fault) => Err(fault),
    }
}

/// How long a file is. O(length)
pub(super) fn length(disk: &dyn Disk, path: &Path) -> Result<u64, Fault> {
    Ok(io::copy(&mut disk.open(path)?, &mut io::sink())?)
}

/// Hands over each record of a file, with where it stands.
pub(super) fn read(
    disk: &dyn Disk,
    path: &Path,
    id: FileId,
    mut each: impl FnMut(&[u8], u64) -> Result<(), Fault>,
) -> Result<Found, Fault> {
    let mut input = io::BufReader::with_capacity(AHEAD, disk.open(path)?);
    fill(&mut input, &mut [0; HEADER])?;
    let mut read = Found { records: 0, length: HEADER as u64, torn: 0, wall: 0 };
    let mut payload = Vec::new();
    loop {
        let mut prefix = [0; PREFIX];
        let filled = fill(&mut input, &mut prefix)?;
        if filled == 0 {
            return Ok(read);
        }
        let length = u32::from_le_bytes(part(&prefix, 0));
        payload.clear();
        let is_whole = filled == PREFIX && fill_vec(&mut input, &mut payload, length as usize)?;
        let mark = id.read_mark(prefix, &payload).filter(|mark| is_whole && mark.at == read.length);
        if let Some(mark) = mark {
            read.wall = read.wall.max(mark.wall);
        } else {
            let checksum = id.checksum(read.records, length, crc32fast::hash(&payload));
            let is_written =
                checksum == u32::from_le_bytes(part(&prefix, 4)) || is_planted(Bug::UncheckedRecord);
            if !is_whole || length == 0 || !is_written {
                break;
            }
            each(&payload, read.length)?;
            read.records += 1;
        }
        read.length += (PREFIX + payload.len()) as u64;
    }
    drop(payload);
    let (end, synced) = look_for_marks(disk, path, id, read.length)?;
    if synced > read.length {
        return Err(Fault::Damaged { at: read.length, what: "a record is not what was written" });
    }
    read.torn = end - read.length;
    Ok(read)
}

/// The file's length, and up to where the marks say that it was on the disk which stand from a place on.
fn look_for_marks(disk: &dyn Disk, path: &Path, id: FileId, from: u64) -> Result<(u64, u64), Fault> {
    const WHOLE: usize = PREFIX + MARK_LENGTH;
    let mut input = disk.open(path)?;
    let mut at = io::copy(&mut input.by_ref().take(from), &mut io::sink())?;
    let (mut window, mut synced) = (Vec::new(), 0);
    loop {
        let more = input.by_ref().take(STEP as u64).read_to_end(&mut window)?;
        let places = (window.len() + 1).saturating_sub(WHOLE);
        for place in 0..places {
            // The length of one comes first, and tells most of the others apart.
            if window[place] == MARK_LENGTH as u8 && window[place + PREFIX] == MARK {
                let prefix = part(&window, place);
                let payload = &window[place + PREFIX..place + WHOLE];
                // Wherever it stands now: something may have come in between.
                if let Some(mark) = id.read_mark(prefix, payload) {
                    synced = synced.max(mark.synced);
                }
            }
        }
        if more == 0 {
            return Ok((at + window.len() as u64, synced));
        }
        window.drain(..places);
        at += places as u64;
    }
}

/// The next bytes, of which no more are allocated than there are; false if there are fewer.
fn fill_vec(input: &mut impl Read, out: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    input.take(length as u64).read_to_end(out).map(|read| read == length)
}
