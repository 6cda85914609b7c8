//! Things by the id of an entry, in the order of the ids: what is pending.
//!
//! They stand in runs of neighbours, each behind an `Arc`: no run is empty, none holds more than [`MOST`], and
//! two neighbouring runs together hold more than half of that. Clones share the runs.

use std::collections::VecDeque;
use std::sync::Arc;

use super::StreamId;

const MOST: usize = if crate::TINY { 4 } else { 128 };

type Run<V> = Vec<(StreamId, V)>;

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Sorted<V> {
    runs: VecDeque<Arc<Run<V>>>,
    len: usize,
    /// Heap memory of the runs, in bytes.
    held: usize,
}

impl<V> Default for Sorted<V> {
    fn default() -> Self {
        Sorted { runs: VecDeque::new(), len: 0, held: 0 }
    }
}

impl<V: Clone> Sorted<V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// O(log n)
    pub(crate) fn get(&self, id: StreamId) -> Option<&V> {
        let run = self.runs.get(self.run_of(id))?;
        let at = run.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        run.get(at).map(|(_, thing)| thing)
    }

    /// Puts a thing under an id; gives the one that was there. O(log n), amortised.
    pub(crate) fn insert(&mut self, id: StreamId, thing: V) -> Option<V> {
        if self.runs.is_empty() {
            self.runs.push_back(Arc::default());
            self.held += bytes_of::<V>(0);
        }
        let at = self.run_of(id);
        let is_last = at + 1 == self.runs.len();
        let (old, len) = self.change(at, |run| match run.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(place) => (Some(std::mem::replace(&mut run[place].1, thing)), run.len()),
            Err(place) => {
                run.insert(place, (id, thing));
                (None, run.len())
            }
        })?;
        self.len += usize::from(old.is_none());
        if len > MOST {
            // What comes in order fills its runs.
            let from = if is_last { MOST } else { MOST / 2 };
            let mut other = self.change(at, |run| {
                let other = run.split_off(from);
                run.shrink_to_fit();
                other
            })?;
            other.shrink_to_fit();
            self.held += bytes_of::<V>(other.capacity());
            self.runs.insert(at + 1, Arc::new(other));
        }
        old
    }

    /// O(log n), amortised.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<V> {
        let at = self.run_of(id);
        // Nothing is copied for what is not there.
        let place = self.runs.get(at)?.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (removed, left) = self.change(at, |run| (run.remove(place).1, run.len()))?;
        self.len -= 1;
        if left == 0 {
            self.unlink(at);
            if self.runs.is_empty() {
                self.runs = VecDeque::new();
            }
        } else if left <= MOST / 4 {
            self.join(at.saturating_sub(1));
            self.join(at);
        }
        Some(removed)
    }

    /// Those from an id on, in their order. O(log n) to start.
    pub(crate) fn from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, &V)> {
        let at = self.run_of(start);
        let runs = self.runs.range(at.min(self.runs.len())..);
        runs.flat_map(|run| run.iter()).skip_while(move |(id, _)| *id < start).map(|(id, thing)| (*id, thing))
    }

    pub(crate) fn first(&self) -> Option<StreamId> {
        self.runs.front()?.first().map(|(id, _)| *id)
    }

    pub(crate) fn last(&self) -> Option<StreamId> {
        self.runs.back()?.last().map(|(id, _)| *id)
    }

    /// Changes the thing under an id; `None` if there is none. O(log n)
    pub(crate) fn update<R>(&mut self, id: StreamId, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let at = self.run_of(id);
        let place = self.runs.get(at)?.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.change(at, |run| run.get_mut(place).map(|(_, thing)| change(thing)))?
    }

    /// Heap memory, in bytes. O(1)
    pub(crate) fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Arc<Run<V>>>() + self.held
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        let runs = self.runs.iter().map(|run| bytes_of::<V>(run.capacity())).sum::<usize>();
        self.runs.capacity() * size_of::<Arc<Run<V>>>() + runs
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        assert_eq!(self.len, self.runs.iter().map(|run| run.len()).sum::<usize>());
        assert_eq!(self.bytes(), self.recount());
        assert!(self.runs.iter().all(|run| (1..=MOST).contains(&run.len())));
        assert!(self.from(StreamId::MIN).map(|(id, _)| id).is_sorted_by(|a, b| a < b));
        let lens: Vec<_> = self.runs.iter().map(|run| run.len()).collect();
        assert!(lens.windows(2).all(|pair| pair[0] + pair[1] > MOST / 2), "{lens:?}");
    }

    /// The run in which an id is, or would be.
    fn run_of(&self, id: StreamId) -> usize {
        let is_before = |run: &Arc<Run<V>>| run.first().is_some_and(|(first, _)| *first <= id);
        self.runs.partition_point(is_before).saturating_sub(1)
    }

    /// Changes a run, copied first if it is shared.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Run<V>) -> R) -> Option<R> {
        let run = self.runs.get_mut(at)?;
        self.held -= bytes_of::<V>(run.capacity());
        let run = Arc::make_mut(run);
        let result = change(run);
        self.held += bytes_of::<V>(run.capacity());
        Some(result)
    }

    fn unlink(&mut self, at: usize) -> Option<Arc<Run<V>>> {
        let run = self.runs.remove(at)?;
        self.held -= bytes_of::<V>(run.capacity());
        Some(run)
    }

    /// Makes one run of two neighbours that hold little together.
    fn join(&mut self, at: usize) {
        let together = self.runs.get(at).zip(self.runs.get(at + 1)).map(|(run, next)| run.len() + next.len());
        if together.is_some_and(|len| len <= MOST / 2) {
            if let Some(next) = self.unlink(at + 1) {
                self.change(at, |run| run.extend(next.iter().cloned()));
            }
        }
    }
}

/// What a run with room for so many takes.
fn bytes_of<V>(capacity: usize) -> usize {
    /// The two counters that an `Arc` keeps beside the value.
    const ARC: usize = 2 * size_of::<usize>();
    ARC + size_of::<Run<V>>() + capacity * size_of::<(StreamId, V)>()
}
