//! Files whose checksums are right and whose content is not: an error or a store that is whole, in memory of a small
//! multiple of the file.

use larder::{Compat, GroupStart, Store, StreamId};

use super::alone;
use super::counting::most_during;
use super::damage::contents::{one_of_each, one_of_each_and_producers};
#[cfg(feature = "journal")]
use super::damage::journal::Journals;
use super::damage::rdb::Rdb;
use super::damage::snapshot::Snapshots;
use super::damage::{Damage, Format, survived};

/// What a load may take for each byte of a file.
const TIMES: usize = 32;
/// And beside that: a block of a snapshot, and an empty store.
const BESIDE: usize = 320 << 10;
/// Of so many files one is looked at in full, and saved and loaded again.
const SAMPLE: usize = 29;

/// Lengths, as LEB128: 2^62, and the store's limit of 512 MB.
const CLAIMS: [&[u8]; 2] =
    [&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40], &[0x80, 0x80, 0x80, 0x80, 0x02]];

/// Puts one thing into a store, under a key or name.
type Fill = fn(&Store, &str);

/// Loads a file; gives how much that took.
fn load_within(format: &dyn Format, file: &[u8], about: &dyn std::fmt::Debug) -> usize {
    let (loaded, most) = most_during(|| format.load(file));
    let is_loaded = loaded.is_ok();
    assert!(
        most <= TIMES * file.len() + BESIDE,
        "{about:?}: {most} bytes for {}, loaded: {is_loaded}",
        file.len()
    );
    most
}

fn all_sealed_damage(format: &dyn Format, file: &[u8], claims: &[&'static [u8]]) {
    let len = file.len();
    let damages = Damage::flips(len).chain(Damage::zeroes(len)).chain(Damage::cuts(len));
    let (mut tried, mut loaded, mut most) = (0, 0, 0);
    for damage in damages.chain(Damage::claims(len, claims)) {
        let damaged = format.seal(damage.of(format, file, file));
        most = most.max(load_within(format, &damaged, &damage));
        if tried % SAMPLE == 0 {
            loaded += usize::from(format.load(&damaged).is_ok());
            survived(format, &damaged);
        }
        tried += 1;
    }
    println!(
        "{tried} files of {len} bytes: {most} bytes at most; of {} {loaded} were loaded",
        tried / SAMPLE
    );
    assert!(loaded > 0 && loaded < tried / SAMPLE);
}

#[test]
fn snapshots_under_right_checksums_do_no_harm() {
    let _alone = alone();
    let format = Snapshots::new();
    let file = format.write(&one_of_each_and_producers().1);
    all_sealed_damage(&format, &file, &CLAIMS);
}

#[cfg(feature = "journal")]
#[test]
fn journals_under_right_checksums_do_no_harm() {
    let _alone = alone();
    let format = Journals::new();
    let file = format.write(&format.one_of_each().1);
    all_sealed_damage(&format, &file, &CLAIMS);
}

#[test]
fn rdb_files_under_right_checksums_do_no_harm() {
    let _alone = alone();
    let claims: [&[u8]; 2] = [b"\x81\x40\0\0\0\0\0\0\0", b"\x80\x20\0\0\0"];
    let format = Rdb(Compat::Redis810);
    let file = format.write(&one_of_each_and_producers().1);
    all_sealed_damage(&format, &file, &claims);
    let format = Rdb(Compat::Valkey9);
    let file = format.write(&one_of_each().1);
    all_sealed_damage(&format, &file, &claims[..1]);
}

/// What takes the fewest bytes of a file, as often as it goes: so much takes a file at most that was made to.
#[test]
fn files_of_the_smallest_things_take_a_small_multiple() {
    let _alone = alone();
    const COUNT: u32 = 4_000;
    let fill: [(&str, Fill); 7] = [
        ("strings", |store, key| store.insert(key, "").unwrap()),
        ("lists", |store, key| assert_eq!(store.list::<String>(key).push_back("").unwrap(), 1)),
        ("sets", |store, key| assert!(store.set::<String>(key).insert("").unwrap())),
        ("hashes", |store, key| assert!(store.hash::<String, String>(key).insert("", "").unwrap())),
        ("sorted sets", |store, key| assert!(store.sorted_set::<String>(key).insert("", 1.0).unwrap())),
        ("streams", |store, key| {
            let stream = store.stream::<String, String>(key);
            stream.add([("", "")]).unwrap();
            stream.remove(stream.last_id().unwrap()).unwrap();
        }),
        ("groups", |store, key| {
            let stream = store.stream::<String, String>("one");
            if stream.is_empty().unwrap() {
                stream.add([("", "")]).unwrap();
                stream.set_last_id(StreamId::new(u64::from(u32::MAX) << 20, 0)).unwrap();
            }
            stream.group(key).create(GroupStart::First).unwrap();
        }),
    ];
    let formats: &[(&str, &dyn Format)] = &[
        ("snapshot", &Snapshots::new()),
        ("RDB", &Rdb(Compat::Redis810)),
        #[cfg(feature = "journal")]
        ("journal", &Journals::new()),
    ];
    for (what, fill) in fill {
        for (name, format) in formats {
            let (_clock, store) = format.store();
            (0..COUNT).for_each(|number| fill(&store, &format!("{number:x}")));
            let file = format.write(&store);
            let most = load_within(*format, &file, &what);
            println!("{name} of {what}: {} bytes take {most}", file.len());
        }
    }
}
