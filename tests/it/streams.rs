//! Streams through the typed API.

use std::thread;
use std::time::Duration;

use larder::{AddOptions, Error, GroupStart, Store, StreamId, StreamTrim, Type};

use crate::support::{manual_store, picture, until};

type Result = std::result::Result<(), Error>;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(ms: u64) -> AddOptions {
    AddOptions::new().id(StreamId::new(ms, 0))
}

fn until_waiting(store: &Store, count: usize) {
    until("waiter", || store.waiting().unwrap() >= count);
}

#[test]
fn entries_of_one_group_go_to_one_consumer_each_and_are_claimed() -> Result {
    let (clock, store) = manual_store();
    let jobs = store.stream::<String, u32>("jobs");
    let workers = jobs.group("workers");
    assert!(matches!(workers.consumer("a").read(1), Err(Error::NoGroup(_))));
    assert!(workers.create(GroupStart::First)? && store.type_of("jobs")? == Some(Type::Stream));
    for n in 1..=5 {
        jobs.add_with([("n", n)], at(n.into()))?;
    }
    let (a, b) = (workers.consumer("a"), workers.consumer("b"));
    assert_eq!(a.read(2)?.len(), 2);
    assert_eq!(b.read(9)?.iter().map(|entry| entry.id.ms).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(a.read(1)?.is_empty());
    clock.advance(millis(50));
    assert!(a.ack(StreamId::new(1, 0))? && !a.ack(StreamId::new(1, 0))?);
    assert_eq!(b.claim([StreamId::new(1, 0), StreamId::new(2, 0)], millis(51))?, []);
    assert_eq!(b.claim([StreamId::new(1, 0), StreamId::new(2, 0)], millis(50))?.len(), 1);
    jobs.remove(StreamId::new(4, 0))?;
    let claimed = a.auto_claim(millis(10), StreamId::MIN, 2)?;
    assert_eq!((claimed.entries[0].id.ms, claimed.next), (3, Some(StreamId::new(5, 0))));
    let info = workers.info()?.expect("it is there");
    assert_eq!((info.consumers, info.pending, info.lag), (2, 3, Some(0)));
    // What cannot be read is pending all the same.
    store.stream::<String, String>("jobs").add([("n", "not a number")])?;
    assert!(matches!(a.read(1), Err(Error::Decode(_))));
    assert_eq!(workers.pending()?.len(), 4);
    Ok(())
}

#[test]
fn a_transaction_is_taken_back_with_its_groups() -> Result {
    let (_clock, store) = manual_store();
    let jobs = store.stream::<String, u32>("jobs");
    jobs.add_with([("n", 1)], at(1))?;
    jobs.group("g").create(GroupStart::First)?;
    let before = picture(&store);
    let undone = store.transaction(["jobs"], |tx| {
        let jobs = tx.stream::<String, u32>("jobs");
        jobs.add([("n", 2)])?;
        jobs.group("g").consumer("a").read(2)?;
        jobs.trim(StreamTrim::to_len(0))?;
        jobs.group("h").create(GroupStart::New)?;
        Err::<(), _>(Error::NoSuchKey)
    });
    assert!(undone.is_err());
    assert_eq!(picture(&store), before);
    Ok(())
}

#[test]
fn all_readers_get_what_comes_and_one_consumer_of_a_group() {
    let (_clock, store) = manual_store();
    store.stream::<String, u32>("s").group("g").create(GroupStart::New).unwrap();
    thread::scope(|scope| {
        let read = || store.stream::<String, u32>("s").read_wait(StreamId::MIN, 5, None).unwrap().len();
        let work = |name: &'static str| {
            let consumer = store.stream::<String, u32>("s").group("g").consumer(name);
            consumer.read_wait(1, None).unwrap()[0].fields[0].1
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        until_waiting(&store, 2);
        let first = scope.spawn(move || work("a"));
        until_waiting(&store, 3);
        let second = scope.spawn(move || work("b"));
        until_waiting(&store, 4);
        let stream = store.stream::<String, u32>("s");
        stream.add([("n", 1)]).unwrap();
        assert_eq!(readers.map(|reader| reader.join().unwrap()), [1, 1]);
        assert_eq!(first.join().unwrap(), 1);
        assert_eq!(store.waiting().unwrap(), 1);
        stream.add([("n", 2)]).unwrap();
        assert_eq!(second.join().unwrap(), 2);
    });
    assert_eq!(store.stream::<String, u32>("s").group("g").pending().unwrap().len(), 2);
}
