use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::records::Text;

/// Records and their recency, as a table keeps them, of at most so many keys.
#[derive(Default)]
struct Cache {
    records: Records,
    recency: Recency,
}

impl Cache {
    fn find(&self, key: u32) -> Option<u32> {
        self.records.find(hash_of(key), &key.to_le_bytes())
    }

    /// Whether the key was there; it is afterwards.
    fn ask(&mut self, key: u32, most: usize) -> bool {
        if let Some(at) = self.find(key) {
            self.recency.touch(at);
            return true;
        }
        self.records.push(hash_of(key), Text::Slice(&key.to_le_bytes()), Text::Slice(&[]));
        self.recency.pushed(hash_of(key));
        while self.records.len() > most {
            let at = self.recency.victim(&self.records, false, self.records.len(), |_| true).unwrap();
            self.remove(at);
        }
        false
    }

    fn remove(&mut self, at: u32) {
        self.records.swap_remove(at);
        self.recency.swap_removed(at, &self.records);
    }

    fn check(&self) {
        let Recency { marks, queue, on_probation, .. } = &self.recency;
        assert_eq!(marks.len(), self.records.len());
        let waiting: Vec<u32> =
            (0..marks.len() as u32).filter(|at| self.recency.mark(*at) & PROBATION != 0).collect();
        assert_eq!(waiting.len(), *on_probation);
        // Each of them is found in the queue as often as there are keys of that hash.
        let mut queued: HashMap<u32, usize> = HashMap::new();
        queue.iter().for_each(|hash| *queued.entry(*hash).or_default() += 1);
        for at in waiting {
            let count = queued.get_mut(&self.records.get(at).unwrap().hash).unwrap();
            *count = count.checked_sub(1).unwrap();
        }
        assert!(queue.len() <= 2 * on_probation + 65);
    }
}

/// Few different ones, so that some keys have the same.
fn hash_of(key: u32) -> u32 {
    (key / 2).wrapping_mul(0x9e37_79b9)
}

proptest! {
    #[test]
    fn follows_the_records(steps in prop::collection::vec((0_u32..60, 0..8), 1..400), most in 1_usize..30) {
        let mut cache = Cache::default();
        for (key, step) in steps {
            match (step, cache.find(key)) {
                (0, Some(at)) => cache.remove(at),
                (1, Some(at)) => {
                    let name = key.to_le_bytes();
                    cache.remove(at);
                    cache.records.swap_insert(at, hash_of(key), Text::Slice(&name), Text::Slice(&[]));
                    cache.recency.swap_inserted(at);
                }
                (2, _) => {
                    cache.records.pop_while(3, |_| true);
                    cache.recency.truncated(&cache.records);
                }
                _ => _ = cache.ask(key, most),
            }
            cache.check();
            prop_assert!(cache.records.len() <= most.max(1));
        }
    }

    #[test]
    fn only_what_may_goes(keys in prop::collection::vec(0_u32..60, 1..200), odd in any::<bool>()) {
        let mut cache = Cache::default();
        for key in keys {
            cache.ask(key, 40);
        }
        loop {
            let Cache { records, recency } = &mut cache;
            let may_go = |at: u32| (records.get(at).unwrap().name[0] % 2 == 1) == odd;
            let Some(at) = recency.victim(records, false, 60, may_go) else { break };
            prop_assert!(may_go(at));
            cache.remove(at);
            cache.check();
        }
        prop_assert!(cache.records.iter().all(|record| (record.name[0] % 2 == 1) != odd));
    }
}

#[test]
fn a_scan_leaves_what_is_in_use() {
    let mut cache = Cache::default();
    for round in 0..20 {
        (0..50).for_each(|key| _ = cache.ask(key, 100));
        (0..100).for_each(|key| _ = cache.ask(1000 + round * 100 + key, 100));
    }
    let kept = (0..50).filter(|key| cache.find(*key).is_some()).count();
    assert!(kept >= 45, "{kept} of 50");
}

#[test]
fn a_loop_over_more_than_there_is_room_for_keeps_what_came_first() {
    let mut cache = Cache::default();
    let rounds = (0..5).map(|_| (0..1_000).filter(|key| cache.ask(2 * key, 200)).count());
    let hits: Vec<usize> = rounds.collect();
    assert!(hits[1..].iter().all(|hits| *hits > 150), "{hits:?}");
}

#[test]
fn one_that_comes_back_stays() {
    let mut cache = Cache::default();
    (0..100).for_each(|key| _ = cache.ask(key, 100));
    (100..140).for_each(|key| _ = cache.ask(key, 100));
    // It was evicted not long ago, and is spared the probation.
    let back = (100..140).find(|key| cache.find(*key).is_none()).unwrap();
    cache.ask(back, 100);
    let at = cache.find(back).unwrap();
    assert_eq!(cache.recency.mark(at) & PROBATION, 0);
}

#[test]
fn only_what_has_a_deadline_goes_if_that_is_asked_for() {
    let mut cache = Cache::default();
    (0..100).for_each(|key| _ = cache.ask(key, 200));
    let timed = |key: &u32| key % 7 == 0;
    for key in (0..100).filter(timed) {
        let at = cache.find(key).unwrap();
        cache.recency.set_timed(at, true);
        cache.recency.touch(at);
    }
    cache.recency.set_timed(cache.find(7).unwrap(), false);
    while let Some(at) = cache.recency.victim(&cache.records, true, 14, |_| true) {
        cache.remove(at);
        cache.check();
    }
    assert_eq!((0..100).filter(|key| cache.find(*key).is_none()).filter(timed).count(), 14);
    assert_eq!(cache.records.len(), 86);
}

#[test]
fn nothing_is_held_when_nothing_is_left() {
    let mut cache = Cache::default();
    (0..500).for_each(|key| _ = cache.ask(key, 100));
    while !cache.records.is_empty() {
        cache.remove(0);
    }
    assert_eq!(cache.recency.bytes(), 0);
}
