//! Whether a history has an order: the search of Wing and Gong (1993), which remembers where it has been (Lowe 2017).

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What operations are done to, by one alone.
pub trait Object: Clone + Eq + Hash {
    type What: Debug + Clone;
    type Gave: Debug + Clone;

    /// Does an operation, if it can give that here; false if it cannot.
    fn step(&mut self, what: &Self::What, gave: &Self::Gave) -> bool;
}

/// An operation of a history: what it gave, and between which moments it was under way.
#[derive(Debug, Clone)]
pub struct Event<O: Object> {
    pub called: u64,
    pub returned: u64,
    pub what: O::What,
    pub gave: O::Gave,
}

/// An order of the events in which an object that begins as this one gives what they gave, and in which none that was over
/// comes after one that was called later; none if there is no such order. At most 64 events.
pub fn order<O: Object>(begin: &O, history: &[Event<O>]) -> Option<Vec<usize>> {
    assert!(history.len() <= 64, "a history is short");
    let mut search = Search { history, seen: HashSet::new(), order: Vec::new() };
    search.goes_on(0, begin).then_some(search.order)
}

struct Search<'h, O: Object> {
    history: &'h [Event<O>],
    /// What was done, one bit an event, and what it has led to: it leads nowhere from there.
    seen: HashSet<(u64, O)>,
    order: Vec<usize>,
}

impl<O: Object> Search<'_, O> {
    fn goes_on(&mut self, done: u64, object: &O) -> bool {
        let is_left = |at: &usize| done & 1 << at == 0;
        let left = (0..self.history.len()).filter(is_left);
        // Whatever was called after this has to come later.
        let Some(first) = left.clone().map(|at| self.history[at].returned).min() else { return true };
        if !self.seen.insert((done, object.clone())) {
            return false;
        }
        for at in left {
            let event = &self.history[at];
            let mut next = object.clone();
            if event.called < first && next.step(&event.what, &event.gave) {
                self.order.push(at);
                if self.goes_on(done | 1 << at, &next) {
                    return true;
                }
                self.order.pop();
            }
        }
        false
    }
}

mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number that can be read and written.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
    struct Number(u8);

    #[derive(Debug, Clone)]
    enum What {
        Read,
        Swap(u8),
        Add,
    }

    use What::{Add, Read, Swap};

    impl Object for Number {
        type What = What;
        type Gave = u8;

        fn step(&mut self, what: &What, gave: &u8) -> bool {
            let is = self.0;
            match what {
                Read => return is == *gave,
                Swap(to) => self.0 = *to,
                Add => {
                    self.0 = self.0.wrapping_add(1);
                    return self.0 == *gave;
                }
            }
            is == *gave
        }
    }

    fn is_fine<const N: usize>(events: [(u64, u64, What, u8); N]) -> bool {
        let events = events.map(|(called, returned, what, gave)| Event { called, returned, what, gave });
        order(&Number(0), &events).is_some()
    }

    #[test]
    fn what_overlaps_may_come_in_either_order() {
        assert!(is_fine([(0, 3, Swap(1), 0), (1, 2, Read, 0)]));
        assert!(is_fine([(0, 3, Swap(1), 0), (1, 2, Read, 1)]));
        assert!(is_fine([(0, 9, Swap(1), 0), (1, 2, Read, 0), (3, 4, Read, 1)]));
        assert!(is_fine([(0, 3, Add, 2), (1, 2, Add, 1)]));
    }

    #[test]
    fn what_nobody_could_have_seen_is_refused() {
        assert!(!is_fine([(0, 1, Swap(1), 0), (2, 3, Read, 0)]), "a write is read by who comes later");
        assert!(
            !is_fine([(0, 9, Swap(1), 0), (1, 2, Read, 1), (3, 4, Read, 0)]),
            "and seen by all once by one"
        );
        assert!(!is_fine([(0, 3, Add, 1), (1, 2, Add, 1)]), "an update is lost");
        assert!(!is_fine([(0, 3, Swap(1), 0), (1, 2, Swap(2), 0)]), "one of two was the first");
        assert!(!is_fine([(0, 1, Read, 7), (2, 3, Swap(7), 0)]), "nothing is read before it is written");
    }

    /// The definition: any order of all.
    fn has_order(object: &Number, left: &[Event<Number>]) -> bool {
        left.is_empty()
            || (0..left.len()).any(|at| {
                let (mut rest, mut next) = (left.to_vec(), object.clone());
                let event = rest.remove(at);
                rest.iter().all(|other| event.called < other.returned)
                    && next.step(&event.what, &event.gave)
                    && has_order(&next, &rest)
            })
    }

    fn event() -> impl Strategy<Value = Event<Number>> {
        let what = prop_oneof![Just(Read), (0..3_u8).prop_map(Swap), Just(Add)];
        (0..12_u64, 1..6_u64, what, 0..3_u8).prop_map(|(called, time, what, gave)| Event {
            // No two at the same moment.
            called: called * 2,
            returned: (called + time) * 2 + 1,
            what,
            gave,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_finds_an_order_where_there_is_one(history in prop::collection::vec(event(), 0..6)) {
            let found = order(&Number(0), &history);
            prop_assert_eq!(found.is_some(), has_order(&Number(0), &history));
            let mut object = Number(0);
            for at in found.into_iter().flatten() {
                prop_assert!(object.step(&history[at].what, &history[at].gave));
            }
        }
    }
}
