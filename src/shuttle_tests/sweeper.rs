//! The sweeper: it comes for what is due, touches nothing else, and goes with the last handle.

use std::time::Duration;

use super::{builder, explore, join, store, with};
use crate::{KeyEvents, Sweeping, Ttl};

const SHORT: Duration = Duration::from_millis(32);

#[test]
fn the_thread_comes_for_each_key_and_goes_with_the_store() {
    explore(800, || {
        let (clock, builder) = builder();
        let store = builder.sweeping(Sweeping::Background).key_events(KeyEvents::On).build();
        let expired = store.subscribe(["__keyevent@0__:expired"]);
        let (tick, tock) = (clock.clone(), clock);
        store.insert_ex("early", 1, SHORT).unwrap();
        let threads = [
            with(&store, |store| store.insert_ex("a", 1, 3 * SHORT).unwrap()),
            with(&store, |store| store.insert_ex("b", 2, 2 * SHORT).unwrap()),
            with(&store, move |_| tick.advance(SHORT)),
        ];
        join(threads);
        tock.advance(10 * SHORT);
        // Nobody else removes them: without the sweeper this would wait for ever.
        let mut names = [0; 3].map(|_| expired.recv().unwrap().payload);
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "early"]);
        drop(store);
        // A sweep that is under way holds a handle to its end.
        assert!(expired.recv().is_none());
    });
}

#[test]
fn the_thread_goes_whatever_it_is_doing() {
    explore(1000, || {
        let (clock, builder) = builder();
        let store = builder.sweeping(Sweeping::Background).build();
        store.insert_ex("a", 1, SHORT).unwrap();
        let other = with(&store, |store| store.insert_ex("b", 2, 2 * SHORT).unwrap());
        let time = with(&store, move |_| clock.advance(SHORT));
        drop(store);
        join([other, time]);
    });
}

#[test]
fn a_sweep_takes_only_what_is_due() {
    explore(1000, || {
        let (clock, store) = store();
        store.insert_ex("renewed", 1, SHORT).unwrap();
        store.insert_ex("kept", 1, SHORT).unwrap();
        store.insert_ex("gone", 1, SHORT).unwrap();
        let kept = with(&store, |store| store.persist("kept").unwrap());
        let renewed = with(&store, |store| store.insert("renewed", 2).unwrap());
        let sweep = with(&store, move |store| {
            clock.advance(2 * SHORT);
            store.sweep().unwrap()
        });
        assert!(store.len().unwrap() <= 3);
        renewed.join().unwrap();
        let (kept, swept) = (kept.join().unwrap(), sweep.join().unwrap());
        assert_eq!(store.get::<i64>("renewed").unwrap(), Some(2));
        assert_eq!(store.ttl("kept").unwrap(), if kept { Ttl::Forever } else { Ttl::Missing });
        assert_eq!(store.ttl("gone").unwrap(), Ttl::Missing);
        assert!(swept <= 3);
        assert_eq!(store.stats().unwrap().entries, 1 + usize::from(kept));
    });
}
