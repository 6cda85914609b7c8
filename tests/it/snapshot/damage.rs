//! Damaged snapshots: each is an error, and never a store with a part of the data.

use larder::{ManualClock, SnapshotError, Store};
use proptest::prelude::*;

use super::snapshot_error;
use crate::damage::contents::one_of_each_and_producers;
use crate::damage::snapshot::{BLOCK, Snapshots, payload, sealed};
use crate::damage::{Damage, Format, refused, survived};
use crate::support::picture;

/// A small snapshot with a value of each type.
fn small(format: &Snapshots) -> Vec<u8> {
    format.write(&one_of_each_and_producers().1)
}

/// Two snapshots of one store, an older and a newer one. Most of their blocks lie within one string, so that they
/// would decode in whatever order. Chance is not fixed, so that each has an id of its own.
fn large(format: &Snapshots) -> [Vec<u8>; 2] {
    let store = Store::builder().clock(ManualClock::new()).shards(1).build();
    let string: Vec<u8> = (b'0'..b'4').flat_map(|byte| vec![byte; BLOCK]).collect();
    store.insert("k", string).unwrap();
    let older = format.write(&store);
    store.string("k").set_range(BLOCK / 2, "changed").unwrap();
    let files = [older, format.write(&store)];
    for file in &files {
        assert_eq!(format.parts(file).len(), 7, "a header, four full blocks, one that is not, and the last");
    }
    files
}

#[test]
fn every_bit_and_byte_is_guarded() {
    let format = Snapshots::new();
    let (_clock, store) = one_of_each_and_producers();
    let file = format.write(&store);
    assert!(picture(&format.load(&file).unwrap()) == picture(&store));
    let damages = Damage::flips(file.len()).chain(Damage::zeroes(file.len()));
    let tried = refused(&format, &file, &file, damages);
    println!("{} bytes, {tried} flipped or zeroed", file.len());
    assert!(tried > 8 * file.len());
}

#[test]
fn every_cut_is_found_and_so_is_what_is_added() {
    let format = Snapshots::new();
    let file = small(&format);
    assert_eq!(refused(&format, &file, &file, Damage::cuts(file.len())), file.len());
    for len in 0..file.len() {
        assert!(format.load(&file[file.len() - len..]).is_err(), "the last {len} bytes");
    }
    for byte in [0, b'\n', 0xff] {
        assert!(format.load(&[&file[..], &[byte]].concat()).is_err(), "one byte more");
    }
    assert!(format.load(&[&file[..], &file[..]].concat()).is_err(), "the file twice");
}

#[test]
fn every_block_has_its_place() {
    let format = Snapshots::new();
    let [older, newer] = large(&format);
    let parts = format.parts(&newer).len();
    let tried = refused(&format, &newer, &older, Damage::moves(parts));
    println!("{tried} ways to move {parts} parts");
    assert_eq!(tried, Damage::moves(parts).count());
}

#[test]
fn every_block_is_guarded_whichever_it_is() {
    let format = Snapshots::new();
    let [_, file] = large(&format);
    // What stands around the payloads, and some bytes of each.
    let around = format.parts(&file).into_iter().flat_map(|part| {
        let step = (part.len() / 3).max(1);
        (part.start..part.end.min(part.start + 9))
            .chain(part.clone().step_by(step))
            .chain(part.end.saturating_sub(5).max(part.start)..part.end)
    });
    let flips = around.enumerate().map(|(turn, at)| Damage::Flip { at, bit: (turn % 8) as u8 });
    let cuts = format.parts(&file).into_iter().flat_map(|part| {
        [part.start, part.start + 7, part.start + part.len() / 2, part.end - 1].map(|to| Damage::Cut { to })
    });
    println!("{} flips and cuts", refused(&format, &file, &file, flips.chain(cuts)));
}

#[test]
fn the_error_says_where_the_damage_is() {
    let format = Snapshots::new();
    let [_, mut file] = large(&format);
    let third = format.parts(&file)[3].start;
    file[third + 1000] ^= 1;
    let error = snapshot_error(format.load(&file));
    assert!(matches!(&error, SnapshotError::Damaged { at, .. } if *at == third as u64), "{error}");
    let path = format.0.join("snapshot");
    let text = format!("snapshot {path:?} is damaged at byte {third}: the block's checksum is wrong");
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_format_that_is_newer_or_never_was_is_named() {
    let format = Snapshots::new();
    let mut file = small(&format);
    file[8..12].copy_from_slice(&7_u32.to_le_bytes());
    let error = snapshot_error(format.load(&format.seal(file.clone())));
    assert!(matches!(&error, SnapshotError::Newer { version: 7, known: 1, .. }));
    assert!(error.to_string().ends_with("has format 7, newer than the 1 that this version reads"), "{error}");
    file[8..12].copy_from_slice(&0_u32.to_le_bytes());
    let error = snapshot_error(format.load(&format.seal(file)));
    assert!(error.to_string().ends_with("is damaged at byte 0: there is no format 0"), "{error}");
}

#[test]
fn what_is_no_snapshot_is_called_that() {
    let format = Snapshots::new();
    for bytes in [&b""[..], b"L", b"REDIS0011\xfa\x09redis-ver", &[0; 4096]] {
        let error = snapshot_error(format.load(bytes));
        assert!(matches!(error, SnapshotError::NotASnapshot { .. }), "{error}");
    }
    let path = format.0.join("nowhere");
    let error = snapshot_error(Store::load(&path));
    assert!(error.to_string().starts_with(&format!("cannot open snapshot {path:?}: ")), "{error}");
    let error = snapshot_error(Store::load(format.0.path()));
    assert!(matches!(error, SnapshotError::Io { .. }), "a folder: {error}");
}

#[test]
fn a_sealed_file_loads() {
    let format = Snapshots::new();
    let file = small(&format);
    assert!(format.seal(file.clone()) == file);
    assert!(sealed(&file, &payload(&file)) == file);
    let [_, file] = large(&format);
    assert!(format.seal(file.clone()) == file);
    assert!(sealed(&file, &payload(&file)) == file);
    // Without its last block, and with one that is cut off.
    assert!(format.seal(file[..file.len() - 12].to_vec()) == file);
    let cut = format.seal(file[..file.len() - 13].to_vec());
    assert_eq!(format.parts(&cut).len(), format.parts(&file).len());
    assert!(matches!(snapshot_error(format.load(&cut)), SnapshotError::Damaged { .. }));
}

#[test]
fn a_wrong_number_of_entries_is_found() {
    let format = Snapshots::new();
    let file = small(&format);
    let payload = payload(&file);
    for count in [0, 1, 9, u64::MAX] {
        let payload = [&count.to_le_bytes()[..], &payload[8..]].concat();
        let error = snapshot_error(format.load(&sealed(&file, &payload)));
        assert!(matches!(error, SnapshotError::Damaged { .. }), "a number of entries of {count}: {error}");
    }
}

#[test]
fn entries_that_no_store_can_have_written_are_refused() {
    let format = Snapshots::new();
    let header = small(&format);
    let check = |entries: &[&[u8]], expected: &str| {
        let payload = [&(entries.len() as u64).to_le_bytes()[..], &entries.concat()[..]].concat();
        let error = snapshot_error(format.load(&sealed(&header, &payload)));
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
    let behind_libraries = [string, &[1, 1, b'x', 0][..]].concat();
    check(&[&behind_libraries], "there is more than the entries it announces");
    check(&[&[string, &[2, 1, b'x'][..]].concat()], "it ends before the entries it announces");
    let huge: &[u8] = &[0, 0, 1, b'k', 0, 0x81, 0x80, 0x80, 0x80, 0x02];
    check(&[huge], "has a string of 536870913 bytes, over the 536870912 that this store takes");
    let endless: &[u8] = &[0, 0, 1, b'k', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    check(&[endless], "a number is over 64 bits long");
}

#[test]
fn what_is_empty_or_over_is_left_out() {
    let format = Snapshots::new();
    let header = small(&format);
    let empty: [&[u8]; 4] =
        [&[0, 1, 1, b'a', 0, 0], &[0, 2, 1, b'b', 0, 0], &[0, 3, 1, b'c', 0, 0], &[0, 4, 1, b'd', 0, 0]];
    // Two in 1970, whole and by its only field, and a string that may well be empty.
    let over: [&[u8]; 3] =
        [&[0, 0, 1, b'e', 9, 1, b'v'], &[0, 3, 1, b'f', 0, 1, 1, b'f', 0, 9], &[0, 0, 1, b'g', 0, 0]];
    let payload = [&7_u64.to_le_bytes()[..], &empty.concat()[..], &over.concat()].concat();
    let store = format.load(&sealed(&header, &payload)).unwrap();
    assert_eq!(store.keys("*").unwrap(), ["g"]);
    assert_eq!(store.stats().unwrap().entries, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn garbage_under_right_checksums_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..8),
    ) {
        let format = Snapshots::new();
        let file = small(&format);
        let mut payload = payload(&file);
        for (at, how, byte) in changes {
            let at = at.index(payload.len());
            match how {
                0 => payload[at] = byte,
                1 => payload[at] ^= 1 << (byte % 8),
                2 => payload.insert(at, byte),
                _ => payload.truncate((at + 200).min(payload.len())),
            }
        }
        survived(&format, &sealed(&file, &payload));
    }

    #[test]
    fn any_bytes_do_no_harm(payload in prop::collection::vec(prop_oneof![0..6_u8, any::<u8>()], 0..300)) {
        let format = Snapshots::new();
        let header = [&b"LARDER\r\n\x01\0\0\0"[..], &[0; 20]].concat();
        let count = (payload.len() as u64 / 16).to_le_bytes();
        survived(&format, &sealed(&header, &[&count[..], &payload].concat()));
        prop_assert!(format.load(&payload).is_err());
    }
}
