//! Something of each key of a table, by the key's position: it follows the keys as they move.

use std::mem;

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Column<T>(Vec<T>);

impl<T> Default for Column<T> {
    fn default() -> Self {
        Column(Vec::new())
    }
}

impl<T> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        Column(all.into_iter().collect())
    }
}

impl<T> Column<T> {
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.0.get(at as usize)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.0.get_mut(at as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }

    /// A key was added at the end. O(1) amortised
    pub(super) fn push(&mut self, one: T) {
        self.0.push(one);
    }

    /// The key at a position was taken out, and the last one took its place; gives what was of it. O(1) amortised
    pub(super) fn swap_removed(&mut self, at: u32) -> Option<T> {
        if at as usize >= self.0.len() {
            return None;
        }
        let gone = self.0.swap_remove(at as usize);
        self.give_back();
        Some(gone)
    }

    /// A [`swap_removed`](Self::swap_removed) is taken back. O(1)
    pub(super) fn swap_inserted(&mut self, at: u32, one: T) {
        let last = match self.get_mut(at) {
            Some(place) => mem::replace(place, one),
            None => one,
        };
        self.0.push(last);
    }

    /// Only the first so many keys are left; hands over what was of the others. O(1) amortised for each that went
    pub(super) fn truncated(&mut self, len: usize, gone: impl FnMut(T)) {
        self.0.drain(len.min(self.0.len())..).for_each(gone);
        self.give_back();
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<T>()
    }

    fn give_back(&mut self) {
        if self.0.is_empty() {
            self.0 = Vec::new();
        } else if self.0.capacity() > 64 && self.0.len() * 4 < self.0.capacity() {
            self.0.shrink_to(self.0.len() * 2);
        }
    }
}
