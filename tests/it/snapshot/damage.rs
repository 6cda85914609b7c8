//! Damaged snapshots: each is an error, and never a store with a part of the data.

use std::fs;

use larder::{Error, ManualClock, SnapshotError, Store, Sweeping};
use proptest::prelude::*;

use super::{fill, snapshot_error};
use crate::support::{Folder, Picture, manual_store, picture};

const HEADER: usize = 32;
const BLOCK: usize = 256 << 10;

/// A snapshot taken apart, as its format is described: a header, and numbered blocks.
#[derive(Clone)]
struct File {
    header: Vec<u8>,
    blocks: Vec<Vec<u8>>,
}

impl File {
    fn parse(bytes: &[u8]) -> Self {
        let (header, mut rest) = bytes.split_at(HEADER);
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
            let (block, tail) = rest.split_at(8 + length + 4);
            blocks.push(block.to_vec());
            rest = tail;
        }
        File { header: header.to_vec(), blocks }
    }

    /// A file with these entries, whatever they are, and with all its checksums right.
    fn sealed(header: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut file = seal(&header[..HEADER - 4]);
        let blocks = payload.chunks(BLOCK).chain([&[][..]]);
        for (number, payload) in (0_u32..).zip(blocks) {
            let length = (payload.len() as u32).to_le_bytes();
            let body = [&length[..], &number.to_le_bytes(), payload].concat();
            let sum = crc32fast::hash(&[&header[12..20], &body].concat());
            file.extend(body);
            file.extend(sum.to_le_bytes());
        }
        file
    }

    fn payload(&self) -> Vec<u8> {
        self.blocks.iter().flat_map(|block| &block[8..block.len() - 4]).copied().collect()
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.header[..], &self.blocks.concat()].concat()
    }
}

/// Bytes, and the checksum of them.
fn seal(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat()
}

/// Loads bytes as a file, in the year in which the test's stores are.
fn load(folder: &Folder, bytes: &[u8]) -> Result<Store, Error> {
    let path = folder.join("snapshot");
    fs::write(&path, bytes).unwrap();
    let clock = ManualClock::new();
    Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(1).load(&path)
}

/// The bytes of a store's snapshot.
fn saved(folder: &Folder, store: &Store) -> Vec<u8> {
    let path = folder.join("original");
    store.save(&path).unwrap();
    fs::read(path).unwrap()
}

/// A small snapshot, and what is in it.
fn small(folder: &Folder) -> (Vec<u8>, Picture) {
    let (_clock, store) = manual_store();
    fill(&store);
    (saved(folder, &store), picture(&store))
}

/// A snapshot of several blocks, most of which lie within one string: whatever their order, they would
/// decode. Chance is not fixed, so that each has an id of its own.
fn large(folder: &Folder) -> File {
    let store = Store::builder().clock(ManualClock::new()).shards(1).build();
    let string: Vec<u8> = (b'0'..b'4').flat_map(|byte| vec![byte; BLOCK]).collect();
    store.insert("k", string).unwrap();
    let file = File::parse(&saved(folder, &store));
    assert_eq!(file.blocks.len(), 6, "four full ones, one that is not, and the last");
    file
}

/// The error names the file, and what is wrong with it.
#[track_caller]
fn assert_refused(folder: &Folder, bytes: &[u8], about: &str) -> SnapshotError {
    let Err(Error::Snapshot(error)) = load(folder, bytes) else { panic!("{about}: it was loaded") };
    let (SnapshotError::Damaged { path, .. } | SnapshotError::NotASnapshot { path, .. }) = &*error else {
        panic!("{about}: another error: {error}");
    };
    assert_eq!(*path, folder.join("snapshot"));
    *error
}

#[test]
fn every_bit_is_guarded() {
    let folder = Folder::new();
    let (bytes, before) = small(&folder);
    assert_eq!(picture(&load(&folder, &bytes).unwrap()), before);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        for bit in 0..8 {
            damaged[at] = bytes[at] ^ 1 << bit;
            assert_refused(&folder, &damaged, &format!("bit {bit} of byte {at}"));
        }
        damaged[at] = 0;
        if bytes[at] != 0 {
            assert_refused(&folder, &damaged, &format!("byte {at} as zero"));
        }
    }
}

#[test]
fn every_cut_is_found_and_so_is_what_is_added() {
    let folder = Folder::new();
    let (bytes, _) = small(&folder);
    for len in 0..bytes.len() {
        assert_refused(&folder, &bytes[..len], &format!("cut to {len} bytes"));
        assert_refused(&folder, &bytes[bytes.len() - len..], &format!("the last {len} bytes"));
    }
    for byte in [0, b'\n', 0xff] {
        assert_refused(&folder, &[&bytes[..], &[byte]].concat(), "one byte more");
    }
    assert_refused(&folder, &[&bytes[..], &bytes[..]].concat(), "the file twice");
}

#[test]
fn every_block_has_its_place() {
    let folder = Folder::new();
    let (file, foreign) = (large(&folder), large(&folder));
    assert_ne!(file.header, foreign.header);
    assert!(load(&folder, &file.bytes()).is_ok());
    let check = |about: &str, change: &dyn Fn(&mut File)| {
        let mut changed = file.clone();
        change(&mut changed);
        assert_refused(&folder, &changed.bytes(), about);
    };
    for at in 0..file.blocks.len() {
        check("a block left out", &|file| drop(file.blocks.remove(at)));
        check("a block twice", &|file| file.blocks.insert(at, file.blocks[at].clone()));
        check("a block of another snapshot", &|file| file.blocks[at].clone_from(&foreign.blocks[at]));
        for other in 0..at {
            check("blocks swapped", &|file| file.blocks.swap(at, other));
            check("a block in another's place", &|file| file.blocks[at] = file.blocks[other].clone());
        }
    }
    check("another snapshot's header", &|file| file.header.clone_from(&foreign.header));
    check("blocks reversed", &|file| file.blocks.reverse());
}

#[test]
fn the_error_says_where_the_damage_is() {
    let folder = Folder::new();
    let mut file = large(&folder);
    file.blocks[2][1000] ^= 1;
    let second = HEADER + 2 * (8 + BLOCK + 4);
    let error = assert_refused(&folder, &file.bytes(), "a bit in the third block");
    assert!(matches!(&error, SnapshotError::Damaged { at, .. } if *at == second as u64), "{error}");
    let path = folder.join("snapshot");
    let text = format!("snapshot {path:?} is damaged at byte {second}: the block's checksum is wrong");
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_newer_format_is_named() {
    let folder = Folder::new();
    let (bytes, _) = small(&folder);
    let mut header = bytes[..HEADER - 4].to_vec();
    header[8..12].copy_from_slice(&7_u32.to_le_bytes());
    let newer = [&seal(&header)[..], b"whatever it may hold"].concat();
    let error = snapshot_error(load(&folder, &newer));
    assert!(matches!(&error, SnapshotError::Newer { version: 7, known: 1, .. }));
    assert!(error.to_string().ends_with("has format 7, newer than the 1 that this version reads"), "{error}");
}

#[test]
fn a_format_that_never_was_is_damage() {
    let folder = Folder::new();
    let (bytes, _) = small(&folder);
    let mut header = bytes[..HEADER - 4].to_vec();
    header[8..12].copy_from_slice(&0_u32.to_le_bytes());
    let error = assert_refused(&folder, &[&seal(&header)[..], &bytes[HEADER..]].concat(), "format 0");
    assert!(error.to_string().ends_with("is damaged at byte 0: there is no format 0"), "{error}");
}

#[test]
fn what_is_no_snapshot_is_called_that() {
    let folder = Folder::new();
    for bytes in [&b""[..], b"L", b"REDIS0011\xfa\x09redis-ver", &[0; 4096]] {
        let error = snapshot_error(load(&folder, bytes));
        assert!(matches!(error, SnapshotError::NotASnapshot { .. }), "{error}");
    }
    let path = folder.join("nowhere");
    let error = snapshot_error(Store::load(&path));
    assert!(error.to_string().starts_with(&format!("cannot open snapshot {path:?}: ")), "{error}");
    let error = snapshot_error(Store::load(folder.path()));
    assert!(matches!(error, SnapshotError::Io { .. }), "a folder: {error}");
}

/// Whatever the entries are: an error, or a store that is whole.
fn load_garbage(folder: &Folder, header: &[u8], payload: &[u8]) {
    if let Ok(store) = load(folder, &File::sealed(header, payload)) {
        let before = picture(&store);
        assert_eq!(before.len(), store.stats().unwrap().entries);
        let path = folder.join("again");
        store.save(&path).unwrap();
        let again = Store::builder().clock(ManualClock::new()).sweeping(Sweeping::ByHand).load(&path);
        assert_eq!(picture(&again.unwrap()), before);
        store.clear_all().unwrap();
        assert_eq!(store.stats().unwrap().bytes, 0);
    }
}

#[test]
fn a_sealed_payload_loads() {
    let folder = Folder::new();
    let (bytes, before) = small(&folder);
    let file = File::parse(&bytes);
    assert_eq!(File::sealed(&file.header, &file.payload()), bytes);
    let (store, large) = (large(&folder), Folder::new());
    let loaded = load(&large, &File::sealed(&store.header, &store.payload())).unwrap();
    assert_eq!(loaded.string("k").len().unwrap(), 4 * BLOCK);
    assert_eq!(picture(&load(&folder, &bytes).unwrap()), before);
}

#[test]
fn claims_of_any_length_cost_nothing() {
    let folder = Folder::new();
    let (bytes, _) = small(&folder);
    let file = File::parse(&bytes);
    let payload = file.payload();
    // As LEB128: 2^62, 2^64 - 1, over 64 bits, and the store's limit of 512 MB.
    let claims: [&[u8]; 4] = [
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x80, 0x80, 0x80, 0x80, 0x02],
    ];
    for at in 0..payload.len() {
        for claim in claims {
            // In the place of a byte, and of all that follows.
            load_garbage(&folder, &file.header, &[&payload[..at], claim, &payload[at + 1..]].concat());
            load_garbage(&folder, &file.header, &[&payload[..at], claim].concat());
        }
    }
    for count in [0, 1, 9, u64::MAX] {
        let payload = [&count.to_le_bytes()[..], &payload[8..]].concat();
        let error = snapshot_error(load(&folder, &File::sealed(&file.header, &payload)));
        assert!(matches!(error, SnapshotError::Damaged { .. }), "a number of entries of {count}: {error}");
    }
}

#[test]
fn entries_that_no_store_can_have_written_are_refused() {
    let folder = Folder::new();
    let (bytes, _) = small(&folder);
    let header = File::parse(&bytes).header;
    let check = |entries: &[&[u8]], expected: &str| {
        let payload = [&(entries.len() as u64).to_le_bytes()[..], &entries.concat()[..]].concat();
        let error = snapshot_error(load(&folder, &File::sealed(&header, &payload)));
        assert!(error.to_string().ends_with(expected), "{error}, and not {expected}");
    };
    // Database, type, key, deadline, value.
    let string: &[u8] = &[0, 0, 1, b'k', 0, 1, b'v'];
    let nan = f64::NAN.to_le_bytes();
    let one = 1_f64.to_le_bytes();
    check(&[string, string], "a key occurs twice");
    check(&[&[16, 0, 1, b'k', 0, 1, b'v']], "has keys in database 16, beyond the 16 of this store");
    check(&[&[0xff, 0xff, 0x7f, 0, 1, b'k', 0, 1, b'v']], "it has a database that no store has");
    check(&[&[0, 99, 1, b'k', 0, 1, b'v']], "it has a value of an unknown type");
    check(&[&[0, 2, 1, b'k', 0, 2, 1, b'm', 1, b'm']], "a set has a member twice");
    check(&[&[0, 3, 1, b'k', 0, 2, 1, b'f', 0, 0, 1, b'f', 0, 0]], "a hash has a field twice");
    let unordered = [&[0, 4, 1, b'k', 0, 1][..], &nan, &[1, b'm']].concat();
    check(&[&unordered], "a score is not a number");
    let twice = [&[0, 4, 1, b'k', 0, 2][..], &one, &[1, b'm'], &one, &[1, b'm']].concat();
    check(&[&twice], "a sorted set has a member twice");
    // Last id 1-0, none removed, 2 added, 2 entries of no field.
    let stream: &[u8] = &[0, 5, 1, b'k', 0, 1, 0, 0, 0, 2, 2, 1, 0, 0, 1, 0, 0, 0];
    check(&[stream], "a stream has an entry that is not in its order");
    check(&[string, &[0]], "it ends before the entries it announces");
    let more = [string, &[0][..]].concat();
    check(&[&more], "there is more than the entries it announces");
    let huge: &[u8] = &[0, 0, 1, b'k', 0, 0x81, 0x80, 0x80, 0x80, 0x02];
    check(&[huge], "has a string of 536870913 bytes, over the 536870912 that this store takes");
    let endless: &[u8] = &[0, 0, 1, b'k', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    check(&[endless], "a number is over 64 bits long");
}

#[test]
fn what_is_empty_or_over_is_left_out() {
    let folder = Folder::new();
    let (bytes, _) = small(&folder);
    let header = File::parse(&bytes).header;
    let empty: [&[u8]; 4] =
        [&[0, 1, 1, b'a', 0, 0], &[0, 2, 1, b'b', 0, 0], &[0, 3, 1, b'c', 0, 0], &[0, 4, 1, b'd', 0, 0]];
    // Two in 1970, whole and by its only field, and a string that may well be empty.
    let over: [&[u8]; 3] =
        [&[0, 0, 1, b'e', 9, 1, b'v'], &[0, 3, 1, b'f', 0, 1, 1, b'f', 0, 9], &[0, 0, 1, b'g', 0, 0]];
    let payload = [&7_u64.to_le_bytes()[..], &empty.concat()[..], &over.concat()].concat();
    let store = load(&folder, &File::sealed(&header, &payload)).unwrap();
    assert_eq!(store.keys("*").unwrap(), ["g"]);
    assert_eq!(store.stats().unwrap().entries, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn garbage_under_right_checksums_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..8),
    ) {
        let folder = Folder::new();
        let (bytes, _) = small(&folder);
        let file = File::parse(&bytes);
        let mut payload = file.payload();
        for (at, how, byte) in changes {
            let at = at.index(payload.len());
            match how {
                0 => payload[at] = byte,
                1 => payload[at] ^= 1 << (byte % 8),
                2 => payload.insert(at, byte),
                _ => payload.truncate((at + 200).min(payload.len())),
            }
        }
        load_garbage(&folder, &file.header, &payload);
    }

    #[test]
    fn any_bytes_do_no_harm(payload in prop::collection::vec(prop_oneof![0..6_u8, any::<u8>()], 0..300)) {
        let folder = Folder::new();
        let header = [&b"LARDER\r\n\x01\0\0\0"[..], &[0; 20]].concat();
        let count = (payload.len() as u64 / 16).to_le_bytes();
        load_garbage(&folder, &header, &[&count[..], &payload].concat());
        prop_assert!(load(&folder, &payload).is_err());
    }
}
