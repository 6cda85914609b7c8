//! The limit of a store: who is over it makes room, and nobody is refused for what others do meanwhile.

use super::{builder, explore, join, with};
use crate::{Eviction, Sweeping};

/// The fewest for which there are two shards.
const MOST: usize = 128;

#[test]
fn nobody_is_refused_where_something_can_go() {
    explore(1000, || {
        let (_, builder) = builder();
        let store = builder.sweeping(Sweeping::ByHand).max_keys(MOST).eviction(Eviction::AllKeys).build();
        for n in 0..MOST {
            store.insert(n.to_string(), 0).unwrap();
        }
        let threads = ["a", "b"].map(|thread| {
            with(&store, move |store| {
                for n in 0..4 {
                    store.insert(format!("{thread}{n}"), 0).unwrap();
                }
            })
        });
        join(threads);
        assert!(store.len().unwrap() <= MOST);
    });
}
