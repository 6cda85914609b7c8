//! Who has read a key is told of its change, whoever begins or ceases to track meanwhile.

use super::{explore, join, store, with};
use crate::{Reply, Store};

fn tracking(store: &Store) -> crate::Session {
    let mut session = store.session();
    session.call(["HELLO", "3"]);
    session.call(["CLIENT", "TRACKING", "ON"]);
    session
}

/// With the last one who tracks all that was read is forgotten: but not what another one reads by then.
#[test]
fn the_last_one_s_leaving_forgets_nothing_of_the_next_one_s() {
    explore(500, || {
        let (_clock, store) = store();
        let mut first = tracking(&store);
        first.call(["GET", "k"]);
        let leaves = with(&store, move |_| drop(first));
        let reads = with(&store, |store| {
            let mut session = tracking(store);
            session.call(["GET", "k"]);
            session
        });
        join([leaves]);
        let [session] = join([reads]).try_into().ok().unwrap();
        store.insert("k", 1).unwrap();
        let told = session.try_message();
        assert!(matches!(told, Some(Reply::Push(_))), "{told:?}");
    });
}
