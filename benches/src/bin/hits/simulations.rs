//! Policies in the plainest form that tells their hits: they hold keys only, and hold them twice.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ahash::RandomState;

use crate::caches::Cache;

/// Uses of a key that two bits can count.
const MOST: u8 = 3;

/// Evicts by least recent use, exactly.
pub struct Lru {
    capacity: usize,
    now: u64,
    used_at: HashMap<u32, u64, RandomState>,
    by_use: BTreeMap<u64, u32>,
}

/// CLOCK with a counter of two bits: the hand takes one use off each key that it passes, and evicts the first
/// that has none left. A new key stands just behind the hand.
pub struct Clock {
    capacity: usize,
    /// The keys with their uses, from the one under the hand to the one just behind it.
    ring: VecDeque<u32>,
    uses: HashMap<u32, u8, RandomState>,
}

/// S3-FIFO as it was published (Yang, Zhang, Qiu, Yue and Rashmi, 2023): a tenth of the keys on probation, of
/// which those stay that were used twice, and as many ghosts as there are other keys.
pub struct S3Fifo {
    capacity: usize,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    uses: HashMap<u32, u8, RandomState>,
    /// When each key was evicted from probation, in evictions. The too old ones are not ghosts any more.
    ghosts: HashMap<u32, u64, RandomState>,
    now: u64,
}

impl Lru {
    pub fn new(capacity: usize) -> Self {
        Lru { capacity, now: 0, used_at: HashMap::default(), by_use: BTreeMap::new() }
    }
}

impl Cache for Lru {
    fn request(&mut self, key: u32) -> bool {
        self.now += 1;
        let before = self.used_at.insert(key, self.now);
        if let Some(before) = before {
            self.by_use.remove(&before);
        }
        self.by_use.insert(self.now, key);
        while self.by_use.len() > self.capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.used_at.remove(&oldest);
        }
        before.is_some()
    }
}

impl Clock {
    pub fn new(capacity: usize) -> Self {
        Clock { capacity, ring: VecDeque::new(), uses: HashMap::default() }
    }
}

impl Cache for Clock {
    fn request(&mut self, key: u32) -> bool {
        if was_used(&mut self.uses, key) {
            return true;
        }
        if self.ring.len() >= self.capacity {
            evict_unused(&mut self.ring, &mut self.uses);
        }
        self.ring.push_back(key);
        self.uses.insert(key, 0);
        false
    }
}

impl S3Fifo {
    pub fn new(capacity: usize) -> Self {
        S3Fifo {
            capacity,
            small: VecDeque::new(),
            main: VecDeque::new(),
            uses: HashMap::default(),
            ghosts: HashMap::default(),
            now: 0,
        }
    }

    fn probation(&self) -> usize {
        (self.capacity / 10).max(1)
    }

    fn evict(&mut self) {
        while self.small.len() >= self.probation() || self.main.is_empty() {
            let Some(key) = self.small.pop_front() else { return };
            if self.uses.get(&key).is_some_and(|uses| *uses > 1) {
                self.uses.insert(key, 0);
                self.main.push_back(key);
                continue;
            }
            self.uses.remove(&key);
            self.now += 1;
            self.ghosts.insert(key, self.now);
            return;
        }
        evict_unused(&mut self.main, &mut self.uses);
    }

    fn is_ghost(&mut self, key: u32) -> bool {
        let ghosts = (self.capacity - self.probation()) as u64;
        self.ghosts.remove(&key).is_some_and(|at| self.now - at < ghosts)
    }
}

impl Cache for S3Fifo {
    fn request(&mut self, key: u32) -> bool {
        if was_used(&mut self.uses, key) {
            return true;
        }
        if self.uses.len() >= self.capacity {
            self.evict();
        }
        let queue = if self.is_ghost(key) { &mut self.main } else { &mut self.small };
        queue.push_back(key);
        self.uses.insert(key, 0);
        false
    }
}

/// Counts a use of a key that is there.
fn was_used(uses: &mut HashMap<u32, u8, RandomState>, key: u32) -> bool {
    let uses = uses.get_mut(&key);
    let was_there = uses.is_some();
    if let Some(uses) = uses {
        *uses = (*uses + 1).min(MOST);
    }
    was_there
}

/// Lets go the first key without uses left; those before it go to the end with one use less.
fn evict_unused(ring: &mut VecDeque<u32>, uses: &mut HashMap<u32, u8, RandomState>) {
    while let Some(key) = ring.pop_front() {
        match uses.get_mut(&key) {
            Some(left) if *left > 0 => {
                *left -= 1;
                ring.push_back(key);
            }
            _ => {
                uses.remove(&key);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the requests were hits.
    fn hits(mut cache: impl Cache, requests: &[u32]) -> Vec<usize> {
        (0..requests.len()).filter(|at| cache.request(requests[*at])).collect()
    }

    #[test]
    fn lru_evicts_what_was_used_longest_ago() {
        assert_eq!(hits(Lru::new(2), &[1, 2, 1, 3, 1, 2]), [2, 4]);
    }

    #[test]
    fn clock_spares_what_was_used() {
        // 1 was used twice, so the hand passes it twice: 2, 3 and 4 go, each for the next.
        assert_eq!(hits(Clock::new(2), &[1, 1, 1, 2, 3, 4, 1, 2]), [1, 2, 6]);
    }

    #[test]
    fn s3_fifo_lets_a_scan_pass() {
        let hot = [1, 1, 1, 2, 2, 2];
        let requests: Vec<u32> = hot.into_iter().chain(100..200).chain([1, 2]).collect();
        assert_eq!(hits(S3Fifo::new(10), &requests), [1, 2, 4, 5, 106, 107]);
    }

    #[test]
    fn s3_fifo_spares_ghosts_the_probation() {
        // 1 is evicted when 11 comes; as a ghost it comes back to stay while others pass.
        let requests: Vec<u32> = (1..=11).chain([1]).chain(20..60).chain([1]).collect();
        assert_eq!(hits(S3Fifo::new(10), &requests), [52]);
    }
}
