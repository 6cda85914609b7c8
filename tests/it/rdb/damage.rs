//! Damaged RDB files: each is an error, but for what no checksum covers.

use larder::{Compat, ManualClock, RdbError, RdbOptions, RdbUnsupported, Store};
use proptest::prelude::*;

use super::{fault, read, saved};
use crate::damage::contents::{one_of_each, one_of_each_and_producers};
use crate::damage::rdb::{Rdb, checksum};
use crate::damage::{Damage, Format, refused};
use crate::support::{manual_store, picture};

/// Two files of one store, an older and a newer one.
fn files(format: &Rdb) -> [Vec<u8>; 2] {
    let (_clock, store) = match format.0 {
        Compat::Redis810 => one_of_each_and_producers(),
        _ => one_of_each(),
    };
    let older = format.write(&store);
    assert!(picture(&format.load(&older).unwrap()) == picture(&store));
    store.insert("inline", "new!").unwrap();
    store.db(3).unwrap().sorted_set::<String>("tree").insert("0", 77.5).unwrap();
    [older, format.write(&store)]
}

#[test]
fn every_bit_and_byte_is_guarded() {
    let format = Rdb(Compat::Redis810);
    let [_, file] = files(&format);
    let damages = Damage::flips(file.len()).chain(Damage::zeroes(file.len()));
    let tried = refused(&format, &file, &file, damages);
    println!("{} bytes, {tried} flipped or zeroed", file.len());
    assert!(tried > 8 * file.len());
}

#[test]
fn every_cut_and_every_piece_in_another_place_is_found() {
    for compat in [Compat::Redis82, Compat::Redis810, Compat::Valkey9] {
        let format = Rdb(compat);
        let [older, file] = files(&format);
        assert_eq!(refused(&format, &file, &older, Damage::cuts(file.len())), file.len());
        // One bit of each byte, and each in its turn.
        let flips = (0..file.len()).map(|at| Damage::Flip { at, bit: (at % 8) as u8 });
        assert_eq!(refused(&format, &file, &older, flips), file.len());
        let pieces = format.parts(&older).len().min(format.parts(&file).len());
        // What stands behind a file that is whole is not read.
        let moves =
            Damage::moves(pieces).filter(|moved| !moved.of(&format, &file, &older).starts_with(&file));
        let moved = refused(&format, &file, &older, moves);
        println!("{compat:?}: {} bytes, {moved} ways to move {pieces} pieces", file.len());
        assert!(moved > pieces * pieces);
    }
}

#[test]
fn a_sealed_file_loads() {
    let format = Rdb(Compat::Redis82);
    let [_, file] = files(&format);
    assert!(format.seal(file.clone()) == file);
    assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca, "the published value");
}

/// What Redis accepts, and why: up to version 4 no checksum stands behind the entries, and one flip makes such a
/// version of a newer one. We find it by what such old files cannot have: notes about the file, which all servers write
/// since Redis 3.2.
#[test]
fn a_version_from_before_checksums_hides_nothing_that_is_newer() {
    let format = Rdb(Compat::Redis82);
    let [_, mut file] = files(&format);
    assert_eq!(&file[..10], b"REDIS0012\xfa");
    file[7] ^= 1;
    assert_eq!(&file[..9], b"REDIS0002");
    let error = fault(&file);
    let text = "the RDB file is damaged before byte 10: it has what its version does not know";
    assert_eq!(error.to_string(), text);
}

/// What is accepted, since nothing covers it: all of a file from before Redis 2.6 and of one from Redis 2.6 to 3.0 in
/// which a flip makes such a version of its own; all of a file whose checksum is eight zeros, which is how a server says
/// that it was told not to count it; and what stands behind the end, which is not read.
#[test]
fn what_no_checksum_covers() {
    let whole = [b"REDIS0006\x00\x01a\x01b\xff".as_slice()].concat();
    let whole = [whole.clone(), checksum(&whole).to_le_bytes().to_vec()].concat();
    let loads = |file: &[u8]| read(&ManualClock::new(), file).is_ok();
    assert!(loads(&whole));
    let version_flips = (0..8).filter(|bit| {
        let mut damaged = whole.clone();
        damaged[8] ^= 1 << bit;
        loads(&damaged)
    });
    assert_eq!(version_flips.collect::<Vec<_>>(), [1, 2], "4 and 2 in the place of 6");
    for at in 0..8 {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(!loads(&damaged));
    }
    let end = whole.len() - 8;
    let mut unchecked = whole.clone();
    unchecked[end..].fill(0);
    assert!(loads(&unchecked));
    unchecked[end - 2] ^= 1;
    assert!(loads(&unchecked));
    unchecked[end] = 1;
    assert!(!loads(&unchecked));
    assert!(loads(&[&whole[..], b"and more"].concat()));
}

#[test]
fn what_is_found_before_the_checksum_is_called_what_it_looks_like() {
    let (_clock, store) = manual_store();
    store.db(7).unwrap().insert("k", "v").unwrap();
    let mut file = saved(&store, Compat::Redis82);
    let at = file.windows(2).position(|bytes| bytes == [0xfe, 7]).unwrap() + 1;
    file[at] ^= 1 << 5;
    assert!(matches!(fault(&file), RdbError::NoSuchDatabase { index: 39, .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn changed_bytes_are_found_or_a_store(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5), checked: bool,
        valkey: bool,
    ) {
        let (clock, store) = manual_store();
        super::fill(&store, true);
        let mut file = saved(&store, if valkey { Compat::Valkey9 } else { Compat::Redis82 });
        let whole = file.clone();
        let end = file.len() - 8;
        for (at, to) in changes {
            file[9 + at.index(end - 9)] = to;
        }
        if !checked {
            // No checksum: what was changed is read.
            file[end..].fill(0);
        }
        let options = RdbOptions::new().unsupported(RdbUnsupported::Skip);
        let loaded = Store::builder().clock(&clock).read_rdb_with(&file[..], options);
        prop_assert!(!checked || file == whole || loaded.is_err());
    }
}
