//! Things that are too large or too rich for a record, found by a number that stays theirs.

use std::sync::Arc;

/// Places to a page.
const PLACES: usize = if crate::TINY { 4 } else { 64 };

/// See the [module](self). Clones share the pages until one of them is written.
#[derive(Clone)]
pub(crate) struct Slab<T> {
    pages: Vec<Arc<Page<T>>>,
    /// The first free place, as numbers go on from one free place to the next.
    free: u32,
    len: usize,
}

struct Page<T>(Vec<Place<T>>);

/// With the room of the original: a page is copied because it is about to change.
impl<T: Clone> Clone for Page<T> {
    fn clone(&self) -> Self {
        let mut places = Vec::with_capacity(self.0.capacity());
        places.extend_from_slice(&self.0);
        Page(places)
    }
}

#[derive(Clone)]
enum Place<T> {
    Taken(T),
    /// The next free place, [`NONE`] after the last.
    Free(u32),
}

const NONE: u32 = u32::MAX;
/// The two counters that an `Arc` keeps, and the head of a page.
const ARC: usize = 2 * size_of::<usize>() + size_of::<Vec<u8>>();

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { pages: Vec::new(), free: NONE, len: 0 }
    }
}

impl<T: Clone> Slab<T> {
    /// O(1).
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        match self.pages.get(number as usize / PLACES)?.0.get(number as usize % PLACES)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// O(1).
    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        match self.place(number)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// Takes a thing in; gives its number. O(1).
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        self.len += 1;
        let number = self.free;
        if let Some(place) = self.place(number) {
            if let Place::Free(next) = std::mem::replace(place, Place::Taken(thing)) {
                self.free = next;
            }
            return number;
        }
        if self.pages.last().is_none_or(|page| page.0.len() == PLACES) {
            let room = if self.pages.is_empty() { 1 } else { PLACES };
            self.pages.push(Arc::new(Page(Vec::with_capacity(room))));
        }
        let number = (self.pages.len() - 1) * PLACES;
        match self.pages.last_mut() {
            Some(page) => {
                let Page(page) = Arc::make_mut(page);
                page.push(Place::Taken(thing));
                (number + page.len() - 1) as u32
            }
            None => NONE,
        }
    }

    /// Gives a thing back, and its number to be used again. O(1).
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let next = self.free;
        let place = self.place(number)?;
        if matches!(place, Place::Free(_)) {
            return None;
        }
        let Place::Taken(thing) = std::mem::replace(place, Place::Free(next)) else { return None };
        self.free = number;
        self.len -= 1;
        if self.len == 0 {
            *self = Slab::default();
        }
        Some(thing)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| &page.0).filter_map(|place| match place {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        })
    }

    /// Heap memory of the slab itself, in bytes; what the things hold comes on top. O(1).
    pub(crate) fn bytes(&self) -> usize {
        // All pages but the first are as large as a page can be.
        let first = self.pages.first().map_or(0, |page| page.0.capacity());
        let places = first + self.pages.len().saturating_sub(1) * PLACES;
        self.pages.capacity() * size_of::<usize>() + self.pages.len() * ARC + places * size_of::<Place<T>>()
    }

    /// The same, counted anew.
    #[cfg(test)]
    pub(crate) fn recount(&self) -> usize {
        let pages = self.pages.iter().map(|page| ARC + page.0.capacity() * size_of::<Place<T>>());
        self.pages.capacity() * size_of::<usize>() + pages.sum::<usize>()
    }

    fn place(&mut self, number: u32) -> Option<&mut Place<T>> {
        let page = self.pages.get_mut(number as usize / PLACES)?;
        Arc::make_mut(page).0.get_mut(number as usize % PLACES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn numbers_stay_and_are_used_again(steps in prop::collection::vec(any::<(bool, u8)>(), 1..100)) {
            let (mut slab, mut model) = (Slab::default(), BTreeMap::new());
            let (mut most, mut shared) = (0, None);
            for (adds, id) in steps {
                if id % 8 == 0 {
                    shared = Some(slab.clone());
                }
                if adds {
                    let number = slab.insert(id);
                    prop_assert_eq!(model.insert(number, id), None);
                } else {
                    let number = u32::from(id) % 32;
                    prop_assert_eq!(slab.remove(number), model.remove(&number));
                }
                most = most.max(model.len());
                prop_assert!(model.keys().all(|&number| (number as usize) < most));
                prop_assert_eq!(slab.iter().count(), model.len());
                prop_assert_eq!(slab.bytes(), slab.recount());
                for number in 0..32 {
                    prop_assert_eq!(slab.get(number), model.get(&number));
                }
            }
            drop(shared);
        }
    }
}
