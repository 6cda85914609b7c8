//! RDB files as they are loaded and saved, whole and damaged; `wire::rdb` has those of live servers.

mod damage;

use std::fs;
use std::io::Read;
use std::time::{Duration, SystemTime};

use larder::{Compat, Error, ManualClock, RdbError, RdbOptions, Store};

use crate::support::{Folder, manual_store, picture};

const ALL: [Compat; 5] =
    [Compat::Redis70, Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9];

/// All types in each form that they are written in, in two databases.
fn fill(store: &Store, with_field_deadlines: bool) {
    let other = store.db(7).unwrap();
    store.insert("short", "x").unwrap();
    store.insert("number", -70_000).unwrap();
    other.insert_ex("long", "abc".repeat(500), Duration::from_secs(70)).unwrap();
    for count in [3_u32, 700] {
        let names = || (0..count).map(|number| format!("name {number}"));
        store.list::<String>(format!("list {count}")).extend_back(names()).unwrap();
        store.set::<u32>(format!("integers {count}")).insert_many(0..count).unwrap();
        other.set::<String>(format!("set {count}")).insert_many(names()).unwrap();
        let hash = store.hash::<String, u32>(format!("hash {count}"));
        hash.insert_many(names().zip(0..)).unwrap();
        if with_field_deadlines {
            hash.expire_field("name 1", Duration::from_secs(50)).unwrap();
        }
        let set = other.sorted_set::<String>(format!("sorted {count}"));
        set.insert_many(names().zip((0..).map(|number| f64::from(number) / 4.0))).unwrap();
        store.expire(&hash, Duration::from_secs(90)).unwrap();
    }
    store.list::<String>("long elements").extend_back([".".repeat(9_000), "x".repeat(8_000)]).unwrap();
}

fn saved(store: &Store, compat: Compat) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.join("dump.rdb");
    store.save_rdb(&path, compat).unwrap();
    assert_eq!(folder.names(), ["dump.rdb"], "nothing is left beside it");
    fs::read(path).unwrap()
}

fn read(clock: &ManualClock, bytes: impl Read) -> Result<Store, Error> {
    Store::builder().clock(clock).read_rdb(bytes)
}

fn fault(bytes: &[u8]) -> RdbError {
    match Store::builder().read_rdb(bytes) {
        Err(Error::Rdb(error)) => *error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was loaded: {}", bytes.escape_ascii()),
    }
}

#[test]
fn what_was_saved_is_loaded_as_it_was() {
    for compat in ALL {
        let (clock, store) = manual_store();
        fill(&store, !matches!(compat, Compat::Redis70 | Compat::Redis72));
        let file = saved(&store, compat);
        assert!(picture(&read(&clock, &file[..]).unwrap()) == picture(&store), "{compat:?}");
        // What is over when it is saved or loaded is in none of both.
        clock.advance(Duration::from_secs(60));
        assert!(picture(&read(&clock, &file[..]).unwrap()) == picture(&store), "{compat:?}");
        assert!(picture(&read(&clock, &saved(&store, compat)[..]).unwrap()) == picture(&store), "{compat:?}");
        clock.advance(Duration::from_secs(40));
        let options = RdbOptions::new();
        let (loaded, report) = Store::builder().clock(&clock).read_rdb_with(&file[..], options).unwrap();
        assert!(picture(&loaded) == picture(&store), "{compat:?}");
        assert_eq!(report.expired, 3, "{compat:?}");
    }
}

#[test]
fn a_file_is_read_from_its_start_to_its_end_and_no_further() {
    let (clock, store) = manual_store();
    store.insert("a", 1).unwrap();
    let file = saved(&store, Compat::Redis82);
    let more = [file.as_slice(), b"and more"].concat();
    assert_eq!(read(&clock, &more[..]).unwrap().len().unwrap(), 1);
    // A byte at a time.
    struct Slow<'s>(&'s [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.take(1).read(buffer).inspect(|read| self.0 = &self.0[*read..])
        }
    }
    assert_eq!(read(&clock, Slow(&file)).unwrap().len().unwrap(), 1);
}

#[test]
fn the_old_file_stays_where_the_new_one_cannot_be_written() {
    let folder = Folder::new();
    let path = folder.join("dump.rdb");
    fs::write(&path, "old").unwrap();
    let store = Store::new();
    fill(&store, true);
    let Err(Error::Rdb(error)) = store.save_rdb(&path, Compat::Redis70) else {
        panic!("7.0 has no such fields")
    };
    let RdbError::Refused { what, db: 0, .. } = *error else { panic!("{error}") };
    assert_eq!(what, "a hash with fields that expire");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(folder.names(), ["dump.rdb"]);
    let Err(Error::Rdb(error)) = store.save_rdb(folder.join("no/such"), Compat::Redis82) else { panic!() };
    assert!(matches!(*error, RdbError::Io { .. }));
}

#[test]
fn a_database_or_a_string_that_the_store_does_not_take() {
    let store = Store::new();
    fill(&store, false);
    let file = saved(&store, Compat::Redis82);
    let Err(Error::Rdb(error)) = Store::builder().databases(2).read_rdb(&file[..]) else { panic!() };
    assert!(matches!(*error, RdbError::NoSuchDatabase { index: 7, databases: 2, .. }));
    let Err(Error::Rdb(error)) = Store::builder().value_limit(8_500).read_rdb(&file[..]) else { panic!() };
    assert!(matches!(*error, RdbError::TooLong { length: 9_000, limit: 8_500, .. }), "{error}");
}

#[test]
fn what_is_no_file_or_a_damaged_one_is_told() {
    assert!(matches!(fault(b""), RdbError::NotRdb));
    assert!(matches!(fault(b"LARDER\r\nand more"), RdbError::NotRdb));
    assert!(matches!(fault(b"REDIS00a1"), RdbError::NotRdb));
    assert!(matches!(fault(b"REDIS0016\xff"), RdbError::Newer { version: 16, .. }));
    assert!(matches!(fault(b"REDIS0000\xff"), RdbError::Newer { version: 0, .. }));
    assert!(matches!(fault(b"VALKEY082\xff"), RdbError::Newer { version: 82, .. }));
    let twice = fault(b"REDIS0004\x00\x01a\x01b\x00\x01a\x01b\xff");
    assert_eq!(twice.to_string(), "the RDB file is damaged before byte 19: a key occurs twice");
    let unknown = fault(b"REDIS0004\xfe\x03\x1c\x01a");
    assert_eq!(
        unknown.to_string(),
        "the RDB file has an array in database 3, key b\"\", at byte 11, which cannot be loaded"
    );
    // Without a checksum, and with a wrong one.
    let whole = |checksum: [u8; 8]| [b"REDIS0005\x00\x01a\x01b\xff".as_slice(), &checksum].concat();
    assert!(Store::builder().read_rdb(&whole([0; 8])[..]).is_ok());
    assert!(matches!(fault(&whole([1; 8])), RdbError::Damaged { what: "the checksum is wrong", .. }));
}

#[test]
fn old_forms_of_deadlines_and_notes_on_use_are_read() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let clock = ManualClock::starting_at(time);
    let file = b"REDIS0009\xfa\x01a\x01b\xfb\x02\x01\xf9\x07\xfd\xea\x03\x00\x00\x00\x01a\x01b\
        \xf8\x40\xff\xfc\x10\x27\x00\x00\x00\x00\x00\x00\x00\x01c\x01d\x00\x01e\x01f\xff\0\0\0\0\0\0\0\0";
    let options = RdbOptions::new();
    let (store, report) = Store::builder().clock(&clock).read_rdb_with(&file[..], options).unwrap();
    assert_eq!((report.version, report.entries, report.expired), (9, 2, 1));
    assert_eq!(store.ttl("a").unwrap(), larder::Ttl::Left(Duration::from_secs(2)));
    assert_eq!(store.ttl("e").unwrap(), larder::Ttl::Forever);
}

#[test]
fn claims_of_length_are_not_believed() {
    // A list, set, sorted set or hash of 2^63 elements; strings and listpacks of as many bytes.
    let many = b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff";
    for kind in 0..=25_u8 {
        for then in [&b""[..], b"\x01a", many, b"\x01a\x01b\x01c\x01d"] {
            let file = [b"REDIS0009", &[kind][..], b"\x01k", many, then].concat();
            fault(&file);
        }
    }
    // A compressed string that says it is half a gigabyte.
    let file = b"REDIS0009\x00\x01k\xc3\x03\x80\x1f\xff\xff\xff\x00ab\xff";
    assert!(matches!(fault(file), RdbError::Damaged { .. }));
}
