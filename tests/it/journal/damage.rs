//! Damaged journals: each is an error, but for what a crash may have left, which is told.

use larder::{Error, JournalError, Store};

use crate::damage::journal::{HEADER, Journals};
use crate::damage::{Damage, Format, refused};
use crate::support::picture;

/// The file of a closed store with each kind of change.
fn small(format: &Journals) -> Vec<u8> {
    format.write(&format.one_of_each().1)
}

/// A file of another store, with as many parts and more that could be taken for each other.
fn of_another(format: &Journals) -> Vec<u8> {
    let (_clock, store) = format.one_of_each();
    store.insert("theirs", 1).unwrap();
    format.write(&store)
}

fn torn(store: &Store) -> (u64, u64) {
    let recovered = store.journal_stats().unwrap().recovered;
    (recovered.records, recovered.torn_bytes)
}

#[test]
fn every_bit_and_byte_is_guarded() {
    let format = Journals::new();
    let (_clock, store) = format.one_of_each();
    let file = format.write(&store);
    assert!(picture(&format.load(&file).unwrap()) == picture(&store));
    assert!(format.seal(file.clone()) == file);
    let damages = Damage::flips(file.len()).chain(Damage::zeroes(file.len()));
    let tried = refused(&format, &file, &file, damages);
    println!("{} bytes in {} parts, {tried} flipped or zeroed", file.len(), format.parts(&file).len());
    assert!(tried > 8 * file.len());
}

#[test]
fn every_cut_is_found_or_told() {
    let format = Journals::new();
    let file = small(&format);
    assert_eq!(refused(&format, &file, &file, Damage::cuts(file.len())), file.len());
}

#[test]
fn every_record_has_its_place() {
    let format = Journals::new();
    let [file, later] = format.two_in_a_row();
    let other = of_another(&format);
    for other in [other, later] {
        let parts = format.parts(&file).len();
        assert!(format.parts(&other).len() >= parts);
        let tried = refused(&format, &file, &other, Damage::moves(parts));
        println!("{tried} ways to move {parts} parts");
        assert!(tried > parts * parts);
    }
}

/// No snapshot or other file says whose it should be.
#[test]
fn another_stores_header_is_found() {
    let format = Journals::new();
    let (file, other) = (small(&format), of_another(&format));
    let mixed = [&other[..HEADER], &file[HEADER..]].concat();
    let Err(Error::Journal(error)) = format.load(&mixed) else { panic!("it was opened") };
    assert!(matches!(*error, JournalError::Damaged { at, .. } if at == HEADER as u64), "{error}");
}

/// What was torn off is cut off for good: the next to open it finds a whole file.
#[test]
fn what_is_told_once_is_gone() {
    let format = Journals::new();
    let file = small(&format);
    let store = format.load(&file[..file.len() - 7]).unwrap();
    let (records, bytes) = torn(&store);
    assert!(records > 0 && bytes > 0);
    let held = picture(&store);
    let again = format.load(&format.write(&store)).unwrap();
    assert_eq!(torn(&again), (records, 0));
    assert!(picture(&again) == held);
}
