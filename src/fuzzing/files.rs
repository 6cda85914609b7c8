//! Files and payloads.

use super::BESIDE;
use crate::clock::ManualClock;
use crate::reply::Reply;
use crate::table::Session;
use crate::{Bytes, Compat, Store, Sweeping, rdb, snapshot};

/// What the values of a snapshot may take for each byte of it.
pub(super) const SPELLED_OUT: usize = 64;
/// What those of an RDB file or a payload may, if none of its strings is compressed: entries of a stream share the
/// names of their fields, up to 256 times.
const PACKED: usize = 320;

/// Any bytes are an error or keys: as a file, or as what stands behind right checksums. What was read takes memory in
/// proportion, is written, and is the same when it is read again.
pub fn snapshot(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let file = match choice & 1 {
        0 => Ok(bytes.to_vec()),
        _ => snapshot::sealed(bytes),
    };
    let clock = ManualClock::new();
    let store = empty(&clock);
    let (Ok(file), unused) = (file, held(&store)) else { return };
    if snapshot::from_bytes(store.space(), &file).is_err() {
        return;
    }
    let held = held(&store).saturating_sub(unused);
    assert!(held <= SPELLED_OUT * bytes.len() + BESIDE, "{held} bytes for {}", bytes.len());
    let again = empty(&clock);
    let Ok(file) = snapshot::to_bytes(store.space()) else { panic!("it cannot be written") };
    let read = snapshot::from_bytes(again.space(), &file);
    assert!(read.is_ok(), "{read:?}: {}", file.escape_ascii());
    assert_same(&store, &again);
    assert!(store.clear_all().is_ok());
    assert_eq!(self::held(&store), unused);
}

/// Any bytes are an error or keys: as a file's (that begins with `REDIS` or `VALKEY` if they do not), or as a payload's
/// for `RESTORE`, of any version. What was read takes memory in proportion, is written, and is the same when it is
/// read again.
pub fn rdb(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let compat = [Compat::Redis70, Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9];
    let compat = compat[usize::from(choice & 7) % compat.len()];
    let clock = ManualClock::new();
    let empty = empty(&clock);
    let unused = held(&empty);
    let store = match choice & 8 {
        0 => {
            let payload = rdb::payload(bytes, compat);
            let words = ["RESTORE".into(), "key".into(), "0".into(), Bytes::from(payload)];
            assert!(empty.session().compat(compat).call(words) != Reply::Nil);
            empty
        }
        _ => {
            let header: &[u8] = if compat == Compat::Valkey9 { b"VALKEY080" } else { b"REDIS0015" };
            let is_whole = bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY");
            let file = [if is_whole { &[] } else { header }, bytes, &[0xff; 1], &[0; 8]].concat();
            let Ok(store) = builder(&clock).read_rdb(&file[..]) else { return };
            store
        }
    };
    let held = held(&store).saturating_sub(unused);
    let is_packed = bytes.contains(&0xc3);
    assert!(is_packed || held <= PACKED * bytes.len() + BESIDE, "{held} bytes for {}", bytes.len());
    let again = self::empty(&clock);
    for db in 0..16 {
        let (Ok(of), Ok(to)) = (store.db(db), again.db(db)) else { continue };
        let (mut first, mut second) = (of.session().compat(compat), to.session().compat(compat));
        for key in of.scan().map_while(Result::ok) {
            let dump = |session: &mut Session| session.call(["DUMP".into(), key.clone()]);
            // What that server cannot hold is refused by name.
            let Reply::Bulk(payload) = dump(&mut first) else { continue };
            let words = ["RESTORE".into(), key.clone(), "0".into(), payload.clone()];
            let restored = second.call(words);
            assert_eq!(restored, Reply::OK, "{}", payload.escape_ascii());
            assert_eq!(dump(&mut second), Reply::Bulk(payload));
        }
    }
}

/// Fails unless both hold the same, for the same time.
pub(super) fn assert_same(store: &Store, other: &Store) {
    assert_eq!(store.space().libraries().codes(), other.space().libraries().codes());
    for db in 0..16 {
        let (Ok(of), Ok(to)) = (store.db(db), other.db(db)) else { continue };
        assert_eq!(of.len().ok(), to.len().ok());
        let mut sessions = [of.session(), to.session()].map(|session| session.compat(Compat::Redis810));
        for key in of.scan().map_while(Result::ok) {
            for name in ["DUMP", "PEXPIRETIME"] {
                let [first, second] =
                    sessions.each_mut().map(|session| session.call([name.into(), key.clone()]));
                assert_eq!(first, second, "{name} of {}", key.escape_ascii());
            }
        }
    }
}

fn builder(clock: &ManualClock) -> crate::StoreBuilder {
    Store::builder().clock(clock).seed(1).shards(1).sweeping(Sweeping::ByHand).value_limit(1 << 20)
}

pub(super) fn empty(clock: &ManualClock) -> Store {
    builder(clock).build()
}

pub(super) fn held(store: &Store) -> usize {
    store.stats().map_or(0, |stats| stats.bytes)
}

/// Values as they stand in a payload, one of each type that is not made of a listpack alone.
#[cfg(test)]
#[rustfmt::skip]
const SEEDS: [&[u8]; 9] = [
    b"\x00\x05hello",
    b"\x01\x02\x01a\xc0\x05",
    b"\x02\x02\x01a\x01b",
    b"\x04\x01\x01f\x01v",
    b"\x05\x01\x01m\0\0\0\0\0\0\xf8\x3f",
    b"\x0b\x0a\x02\0\0\0\x01\0\0\0\x05\0",
    b"\x1b\0\0\0\0\0\0\0\0\0\0\x40\x64\x40\x64\x01\x01p\x01\x01m\x07\x01\x05\x02",
    b"\x13\0\0\x07\x01\0\0\x07\x01\x05\x01\x01g\x07\x01\x03\0\x01\x01c\0\0\0\0\0\0\0\0\0",
    // A key of a file, with its deadline.
    b"\xfe\x02\xfc\0\0\0\0\0\x02\0\0\x00\x01k\x01v",
];

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use crate::{GroupStart, ManualClock, Result, Store, snapshot};

    /// Puts values of each type into a store.
    pub(in crate::fuzzing) fn fill(store: &Store) -> Result<()> {
        store.insert("string", "text")?;
        store.list::<String>("list").extend_back(["a", "b"])?;
        store.set::<u32>("set").insert_many([1, 2])?;
        store.hash::<String, u32>("hash").insert_ex("f", 1, std::time::Duration::from_secs(9))?;
        store.sorted_set::<String>("sorted").insert("m", 1.5)?;
        store.space().put_libraries([crate::Bytes::from("#!lua name=mine"), crate::Bytes::new()].into());
        let stream = store.stream::<String, u32>("stream");
        stream.add_once("shop", "order", [("cents", 5)])?;
        stream.group("g").create(GroupStart::First)?;
        stream.group("g").consumer("ann").read(1).map(drop)
    }

    /// The entries of a snapshot with values of each type.
    fn entries() -> Vec<u8> {
        let store = super::empty(&ManualClock::new());
        fill(&store).unwrap();
        let file = snapshot::to_bytes(store.space()).unwrap();
        // Between the header with the first block's own, and its checksum with the last block.
        file[40..file.len() - 16].to_vec()
    }

    proptest! {
        #[test]
        fn rdb(
            file in prop::sample::select(&super::SEEDS[..]), choice in any::<u8>(), end in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut data = [&[choice], file].concat();
            for (at, to) in &changes {
                let at = at.index(data.len());
                data[at] = *to;
            }
            crate::fuzzing::rdb(&data);
            crate::fuzzing::rdb(&data[..end.index(data.len())]);
        }

        #[test]
        fn snapshot(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
            let mut data = [&[1][..], &entries()].concat();
            for (at, to) in &changes {
                let at = at.index(data.len() - 1);
                data[at + 1] = *to;
            }
            crate::fuzzing::snapshot(&data);
        }
    }

    #[test]
    fn entries_come_from_behind_right_checksums() {
        let store = super::empty(&ManualClock::new());
        let file = snapshot::sealed(&entries()).unwrap();
        assert_eq!(snapshot::from_bytes(store.space(), &file).unwrap().entries, 6);
    }
}
