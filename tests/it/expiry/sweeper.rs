//! What a sweep of many keys tells, and what does not end the sweeper.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use larder::{KeyEvents, ManualClock, Store, Sweeping};
use proptest::prelude::*;

use super::{millis, until_expired};
use crate::support::until;

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        // No hook, so that nothing is printed.
        std::panic::resume_unwind(Box::new("a waker's panic"));
    }
}

#[test]
fn a_waker_that_panics_does_not_end_the_sweeper() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).shards(4).key_events(KeyEvents::On).build();
    let expired = store.subscribe(["__keyevent@0__:expired"]);
    let waker = Waker::from(Arc::new(Panics));
    for (key, ttl) in [("first", 10), ("second", 20)] {
        store.insert_ex(key, 1, millis(ttl)).unwrap();
    }
    {
        let mut message = pin!(expired.recv_async());
        assert!(message.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        clock.advance(millis(10));
        until_expired(&store, 1);
    }
    // What was set before is swept a little later, though nobody sets another deadline.
    until("second sweep", || {
        clock.advance(millis(1));
        store.stats().unwrap().expirations == 2
    });
    store.insert_ex("third", 1, millis(10)).unwrap();
    clock.advance(millis(10));
    until_expired(&store, 3);
}

/// Keys of a store, with what is left of each: nothing, 10 ms, or all time; as a string that is long or
/// short, or as a hash, whose one field has the deadline.
fn keys() -> impl Strategy<Value = Vec<(u8, u8, bool)>> {
    let mostly_due =
        prop::collection::vec((prop_oneof![9 => Just(0_u8), 1 => 1..3_u8], 0..3_u8, any::<bool>()), 0..900);
    let mixed = prop::collection::vec((0..3_u8, 0..3_u8, any::<bool>()), 0..400);
    prop_oneof![mostly_due, mixed]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_key_that_is_due_is_told_once(keys in keys()) {
        let clock = ManualClock::new();
        let builder = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(2).seed(7);
        let store = builder.key_events(KeyEvents::On).build();
        let name = |number: usize, is_long: bool| format!("{number}{}", if is_long { "-".repeat(30) } else { String::new() });
        let mut due = BTreeSet::new();
        for (number, &(left, shape, is_long)) in keys.iter().enumerate() {
            let key = name(number, is_long);
            let ttl = [millis(10), millis(20), millis(1_000_000)][usize::from(left)];
            match shape {
                0 => store.insert_ex(&key, 1, ttl).unwrap(),
                1 => store.insert_ex(&key, "x".repeat(100), ttl).unwrap(),
                _ => _ = store.hash::<u8, u8>(&key).insert_ex(1, 1, ttl).unwrap(),
            }
            if left == 0 {
                due.insert(key);
            }
        }
        // A hash is gone with its last field.
        let expired = store.subscribe(["__keyevent@0__:expired", "__keyevent@0__:del"]);
        clock.advance(millis(10));
        prop_assert_eq!(store.sweep().unwrap(), due.len());
        let told: Vec<String> = std::iter::from_fn(|| expired.try_recv()).map(|message| message.payload_str().unwrap().to_owned()).collect();
        prop_assert_eq!(told.len(), due.len());
        prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), due);
        let stats = store.stats().unwrap();
        prop_assert_eq!(stats.expirations as usize + stats.entries, keys.len());
        for (number, &(left, _, is_long)) in keys.iter().enumerate() {
            prop_assert_eq!(store.contains(name(number, is_long)).unwrap(), left > 0);
        }
        clock.advance(millis(10));
        store.sweep().unwrap();
        clock.advance(millis(1_000_000));
        store.sweep().unwrap();
        prop_assert_eq!(store.stats().unwrap().entries, 0);
    }
}
