//! Journals, as their format is described: a header of 40 bytes with its mark, and numbered records with marks between them.

use std::cell::Cell;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use larder::{Error, JournalError, ManualClock, Store, StreamTrim, Sweeping};

use super::contents::fill_with_producers;
use super::{Format, parts_behind, seal_header};
use crate::support::Folder;

pub const HEADER: usize = 40;
/// The only file of a folder that has not begun anew.
const FILE: &str = "journal-00000000";
/// The magic word.
const MAGIC: usize = 8;
/// A length and a checksum, before each payload.
const PREFIX: usize = 8;
/// What a mark's payload begins with, and how long it is.
const MARK: u8 = 255;
const MARK_LENGTH: usize = 25;
/// What stands in the place of a mark's number.
const NO_PLACE: u64 = u64::MAX;
/// So many stores are open at a time at most, each in a folder of its own.
const FOLDERS: usize = 8;

/// Journals of one file, in folders that are used in turn.
pub struct Journals {
    folders: Folder,
    turn: Cell<usize>,
}

impl Journals {
    pub fn new() -> Self {
        Journals { folders: Folder::in_memory(), turn: Cell::new(0) }
    }

    /// A store whose journal has each kind of change to each type of value.
    pub fn one_of_each(&self) -> (ManualClock, Store) {
        let (clock, store) = self.store();
        change_each(&store);
        (clock, store)
    }

    /// A file of one store, and the one that came after it when it had begun anew.
    pub fn two_in_a_row(&self) -> [Vec<u8>; 2] {
        let (_clock, store) = self.one_of_each();
        let first = self.write(&store);
        store.rewrite_journal().unwrap();
        store.clear_all().unwrap();
        change_each(&store);
        store.sync().unwrap();
        [first, fs::read(folder_of(&store).join("journal-00000001")).unwrap()]
    }

    /// A folder of its own.
    fn folder(&self) -> PathBuf {
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        let folder = self.folders.join(&(turn % FOLDERS).to_string());
        fs::remove_dir_all(&folder).ok();
        fs::create_dir(&folder).unwrap();
        folder
    }
}

impl Format for Journals {
    fn store(&self) -> (ManualClock, Store) {
        let clock = ManualClock::new();
        let store = open(&clock, &self.folder()).unwrap();
        (clock, store)
    }

    /// As it is when the store is closed.
    fn write(&self, store: &Store) -> Vec<u8> {
        store.sync().unwrap();
        let (from, to) = (folder_of(store), self.folder());
        fs::copy(from.join(FILE), to.join(FILE)).unwrap();
        drop(open(&ManualClock::new(), &to).unwrap());
        fs::read(to.join(FILE)).unwrap()
    }

    fn load(&self, file: &[u8]) -> Result<Store, Error> {
        let folder = self.folder();
        fs::write(folder.join(FILE), file).unwrap();
        open(&ManualClock::new(), &folder)
    }

    /// It begins anew, and what it leaves is opened.
    fn again(&self, store: &Store) -> Result<Store, Error> {
        store.rewrite_journal()?;
        let (from, to) = (folder_of(store), self.folder());
        for entry in fs::read_dir(&from).unwrap() {
            let name = entry.unwrap().file_name();
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
        open(&ManualClock::new(), &to)
    }

    /// The header, and the records and marks.
    fn parts(&self, file: &[u8]) -> Vec<Range<usize>> {
        parts_behind(HEADER, file, |rest| PREFIX + claimed(rest))
    }

    /// What is cut off ends where the file does. A mark is one wherever it stands.
    fn seal(&self, mut file: Vec<u8>) -> Vec<u8> {
        if !seal_header(HEADER, &mut file) {
            return file;
        }
        let id = file[12..28].to_vec();
        let (mut at, mut records) = (HEADER, 0_u64);
        while file.len() >= at + PREFIX {
            let room = file.len() - at - PREFIX;
            if claimed(&file[at..]) > room {
                file[at..at + 4].copy_from_slice(&(room as u32).to_le_bytes());
            }
            let end = at + PREFIX + claimed(&file[at..]);
            let place = if is_mark(&file[at..end]) { NO_PLACE } else { records };
            let payload = crc32fast::hash(&file[at + PREFIX..end]);
            let covered = [&id, &place.to_le_bytes()[..], &file[at..at + 4], &payload.to_le_bytes()].concat();
            file[at + 4..at + PREFIX].copy_from_slice(&crc32fast::hash(&covered).to_le_bytes());
            records += u64::from(place != NO_PLACE);
            at = end;
        }
        file
    }

    /// The place that is told is where the part starts in which the damage begins. A mark that is missing shows at the next.
    fn judge(&self, whole: &[u8], first: usize, error: &Error) -> Result<(), &'static str> {
        let Error::Journal(error) = error else { return Err("an error of another kind") };
        let start = self.start(whole, first);
        match &**error {
            JournalError::Foreign { path, .. } | JournalError::Damaged { path, .. }
                if !path.ends_with(FILE) =>
            {
                Err("another file")
            }
            JournalError::Foreign { .. } if first < HEADER => Ok(()),
            JournalError::Damaged { .. } if first < MAGIC => Err("it is no such file at all"),
            JournalError::Damaged { at, .. } if *at == start as u64 => Ok(()),
            // Another's header shows at its mark.
            JournalError::Damaged { at, .. } if first < HEADER && *at == HEADER as u64 => Ok(()),
            JournalError::Damaged { at, .. } if is_mark(&whole[start..]) && *at > start as u64 => Ok(()),
            JournalError::Damaged { .. } => Err("another place"),
            _ => Err("another error"),
        }
    }

    /// What a crash may have left is opened: no mark is there that says that what is damaged was on the disk. All that
    /// stands before it is there, and the rest is told.
    fn excuse(&self, whole: &[u8], damaged: &[u8], first: usize, store: &Store) -> Result<(), &'static str> {
        let start = self.start(whole, first);
        let parts = self.parts(whole);
        // Without its mark, a header is no beginning.
        let start = if damaged.len() < parts[1].end { 0 } else { start };
        let mut marks = parts.iter().map(|part| &whole[part.clone()]).filter(|part| is_mark(part));
        let is_left = |mark: &[u8]| damaged[start..].windows(mark.len()).any(|window| window == mark);
        if marks.any(|mark| synced(mark) > start as u64 && is_left(mark)) {
            return Err("a mark says that it was whole, and it was opened");
        }
        let before = parts.iter().skip(1).filter(|part| part.end <= start);
        let records = before.filter(|part| !is_mark(&whole[(*part).clone()])).count() as u64;
        let torn = (damaged.len() - start) as u64;
        let found = store.journal_stats().unwrap().recovered;
        match (found.records == records, found.torn_bytes == torn) {
            (false, _) => Err("other records were put in place than those that are whole"),
            (_, false) => Err("something else is told to be torn off"),
            _ => Ok(()),
        }
    }
}

impl Journals {
    /// Where the part starts that has a byte; behind the last one, the file's end.
    fn start(&self, whole: &[u8], at: usize) -> usize {
        let parts = self.parts(whole);
        parts.iter().find(|part| part.contains(&at)).map_or(whole.len(), |part| part.start)
    }
}

/// Each kind of change to each type of value, in a few stretches that are synced.
fn change_each(store: &Store) {
    fill_with_producers(store);
    store.sync().unwrap();
    change_parts(store);
    store.sync().unwrap();
    change_keys(store);
}

/// A change to a part of each value that has parts.
fn change_parts(store: &Store) {
    let other = store.db(3).unwrap();
    store.string("long").append("at the end").unwrap();
    store.string("long").set_range(70, "within").unwrap();

    let list = other.list::<String>("chunked list");
    list.extend_front(["front", "first"]).unwrap();
    list.push_back("last").unwrap();
    list.set(1, "other").unwrap();
    list.insert_before("a", "between").unwrap();
    list.remove_first("other", 1).unwrap();
    list.remove_last("first", 1).unwrap();
    list.trim(0, 3).unwrap();
    list.pop_front().unwrap();
    list.pop_back().unwrap();

    store.set::<i64>("integers").insert(9).unwrap();
    other.set::<String>("table set").remove("m").unwrap();

    let hash = store.hash::<String, u32>("fleeting hash");
    hash.insert_ex("h", 3, Duration::from_millis(4_000)).unwrap();
    hash.remove("g").unwrap();

    let tree = other.sorted_set::<String>("tree");
    tree.insert("n", 8.0).unwrap();
    tree.remove("m").unwrap();
    tree.remove_range(0, 0).unwrap();

    let stream = store.stream::<String, u32>("stream");
    stream.add([("n", 5)]).unwrap();
    stream.trim(StreamTrim::to_len(3)).unwrap();
    stream.group("g").ack([stream.range(.., 1).unwrap()[0].id]).unwrap();
}

/// A change to keys and to databases of each kind that goes by their names.
fn change_keys(store: &Store) {
    store.remove("inline").unwrap();
    store.expire("number", Duration::from_millis(7_000)).unwrap();
    store.db(1).unwrap().insert("moved", 1).unwrap();
    store.swap_databases(1, 2).unwrap();
    store.db(4).unwrap().insert("cleared", 1).unwrap();
    store.db(4).unwrap().clear().unwrap();
    let both: larder::Result<()> = store.transaction(["packed list", "packed set"], |tx| {
        tx.list::<String>("packed list").push_back("b")?;
        tx.set::<String>("packed set").insert("z").map(drop)
    });
    both.unwrap();
}

fn open(clock: &ManualClock, folder: &Path) -> Result<Store, Error> {
    Store::builder().clock(clock).sweeping(Sweeping::ByHand).shards(1).open(folder)
}

fn folder_of(store: &Store) -> PathBuf {
    store.journal_stats().unwrap().folder
}

/// Whether a mark begins here.
fn is_mark(part: &[u8]) -> bool {
    part.get(PREFIX) == Some(&MARK) && claimed(part) == MARK_LENGTH
}

/// Up to where a mark says that the file was on the disk.
fn synced(mark: &[u8]) -> u64 {
    u64::from_le_bytes(mark[PREFIX + 9..PREFIX + 17].try_into().unwrap())
}

/// How long a record or a mark says that its payload is.
fn claimed(part: &[u8]) -> usize {
    u32::from_le_bytes(part[..4].try_into().unwrap()) as usize
}
