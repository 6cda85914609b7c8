//! Things that are too large or too rich for a record, found by a number that stays theirs.
//!
//! Numbers that are free are used again before new ones are, and a page of which all are free is given back
//! until one of them is. Pages with free numbers wait in a stack: as a new page is only begun when there is
//! none, the last one stands at its bottom.

use std::sync::Arc;

/// Places to a page.
const PLACES: usize = if crate::TINY { 4 } else { 64 };

/// See the [module](self). Clones share the pages until one of them is written.
#[derive(Clone)]
pub(crate) struct Slab<T> {
    /// Nothing where all numbers are free. The last one is there.
    pages: Vec<Option<Arc<Page<T>>>>,
    /// The pages that have free numbers, each once, and perhaps some that are not there any more.
    open: Vec<u32>,
    len: usize,
    /// What the pages hold on the heap, in bytes.
    held: usize,
}

struct Page<T> {
    places: Vec<Place<T>>,
    /// The first place that was given back, as places go on from one to the next, [`NONE`] without one.
    free: u32,
    len: u32,
}

#[derive(Clone)]
enum Place<T> {
    Taken(T),
    /// The next free place of the page, [`NONE`] after the last.
    Free(u32),
}

const NONE: u32 = u32::MAX;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { pages: Vec::new(), open: Vec::new(), len: 0, held: 0 }
    }
}

impl<T: Clone> Slab<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// O(1).
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let page = self.pages.get(number as usize / PLACES)?.as_ref()?;
        match page.places.get(number as usize % PLACES)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// O(1).
    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let page = self.pages.get_mut(number as usize / PLACES)?.as_mut()?;
        match Arc::make_mut(page).places.get_mut(number as usize % PLACES)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// Takes a thing in; gives its number. O(1) amortised.
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        self.len += 1;
        let number = self.open_page();
        // All pages but the first are made as large as a page can be.
        let room = if self.pages.len() == 1 { 1 } else { PLACES };
        let Some(page) = self.pages.get_mut(number) else { return NONE };
        let page = match page {
            Some(page) => {
                let page = Arc::make_mut(page);
                self.held -= page.bytes();
                page
            }
            None => {
                let places = Vec::with_capacity(room);
                Arc::make_mut(page.insert(Arc::new(Page { places, free: NONE, len: 0 })))
            }
        };
        let place = page.insert(thing);
        self.held += page.bytes();
        if page.len as usize == PLACES {
            self.open.pop();
        }
        (number * PLACES + place) as u32
    }

    /// Gives a thing back, and its number to be used again. O(1) amortised.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let (at, place) = (number as usize / PLACES, number as usize % PLACES);
        let slot = self.pages.get_mut(at)?;
        let page = slot.as_mut()?;
        if !matches!(page.places.get(place)?, Place::Taken(_)) {
            return None;
        }
        let page = Arc::make_mut(page);
        let was_full = page.len as usize == PLACES;
        let thing = page.remove(place)?;
        self.len -= 1;
        if was_full {
            self.open.push(at as u32);
        }
        if page.len == 0 {
            self.held -= page.bytes();
            *slot = None;
            self.trim();
        }
        Some(thing)
    }

    /// How many things each page has. O(pages)
    pub(crate) fn counts(&self) -> Vec<u32> {
        self.pages.iter().map(|page| page.as_ref().map_or(0, |page| page.len)).collect()
    }

    /// Gives back a thing that has been read for the last time, with the last of its page at the latest. Where clones share
    /// the page, earlier if `is_now`, so that who writes to those has nothing to copy: for that its other things are cloned.
    /// `left` has how many of each page have not been given back. The slab is only read and dropped from then on. O(1)
    pub(crate) fn let_go(&mut self, number: u32, left: &mut [u32], is_now: bool) {
        let (at, place) = (number as usize / PLACES, number as usize % PLACES);
        let (Some(slot), Some(left)) = (self.pages.get_mut(at), left.get_mut(at)) else { return };
        *left = left.saturating_sub(1);
        let Some(page) = slot.as_mut().filter(|_| *left > 0) else {
            *slot = None;
            return;
        };
        let page = if is_now { Some(Arc::make_mut(page)) } else { Arc::get_mut(page) };
        if let Some(place) = page.and_then(|page| page.places.get_mut(place)) {
            *place = Place::Free(NONE);
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().flat_map(|page| &page.places).filter_map(|place| match place {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        })
    }

    /// Heap memory of the slab itself, in bytes; what the things hold comes on top. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Option<Arc<Page<T>>>>()
            + self.open.capacity() * size_of::<u32>()
            + self.held
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        let pages = self.pages.iter().flatten().map(|page| {
            let places = page.places.capacity() * size_of::<Place<T>>();
            2 * size_of::<usize>() + size_of_val(&**page) + places
        });
        self.pages.capacity() * size_of::<usize>()
            + self.open.capacity() * size_of::<u32>()
            + pages.sum::<usize>()
    }

    /// A page that has a free number.
    fn open_page(&mut self) -> usize {
        while let Some(&page) = self.open.last() {
            if (page as usize) < self.pages.len() {
                return page as usize;
            }
            self.open.pop();
        }
        let page = self.pages.len();
        self.pages.push(None);
        self.open.push(page as u32);
        page
    }

    /// Forgets the pages at the end that are not there any more.
    fn trim(&mut self) {
        if self.len == 0 {
            *self = Slab::default();
            return;
        }
        while let Some(None) = self.pages.last() {
            self.pages.pop();
        }
        let len = self.pages.len();
        if self.pages.capacity() > 16 && len * 4 < self.pages.capacity() {
            self.pages.shrink_to(len * 2);
        }
        // Half of them go, or more.
        if self.open.len() > 16 && len * 2 < self.open.len() {
            self.open.retain(|&page| (page as usize) < len);
            self.open.shrink_to(len * 2);
        }
    }
}

impl<T: Clone> Clone for Page<T> {
    /// With as much room, which is counted.
    fn clone(&self) -> Self {
        let mut places = Vec::with_capacity(self.places.capacity());
        places.extend_from_slice(&self.places);
        Page { places, ..*self }
    }
}

impl<T> Page<T> {
    /// Takes a thing in; gives its place. The page is not full.
    fn insert(&mut self, thing: T) -> usize {
        self.len += 1;
        let at = self.free as usize;
        if let Some(place) = self.places.get_mut(at) {
            if let Place::Free(next) = std::mem::replace(place, Place::Taken(thing)) {
                self.free = next;
            }
            return at;
        }
        self.places.push(Place::Taken(thing));
        self.places.len() - 1
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        let place = self.places.get_mut(at)?;
        let Place::Taken(thing) = std::mem::replace(place, Place::Free(self.free)) else { return None };
        self.free = at as u32;
        self.len -= 1;
        Some(thing)
    }

    /// Heap memory of the page, in bytes.
    fn bytes(&self) -> usize {
        2 * size_of::<usize>() + size_of::<Self>() + self.places.capacity() * size_of::<Place<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(usize),
        Remove(u32),
        RemoveFrom(u32, u32),
        Write(u32),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        let number = || 0..5 * PLACES as u32;
        prop_oneof![
            6 => (1..PLACES * 2).prop_map(Step::Insert),
            4 => number().prop_map(Step::Remove),
            2 => (number(), 1..3 * PLACES as u32).prop_map(|(first, count)| Step::RemoveFrom(first, count)),
            2 => number().prop_map(Step::Write),
            1 => Just(Step::Clone),
        ]
    }

    fn check(slab: &Slab<u64>, model: &BTreeMap<u32, u64>) -> Result<(), TestCaseError> {
        prop_assert_eq!((slab.len, slab.iter().count()), (model.len(), model.len()));
        let last = model.last_key_value().map_or(0, |(number, _)| *number);
        for number in 0..last + 2 * PLACES as u32 {
            prop_assert_eq!(slab.get(number), model.get(&number));
        }
        prop_assert_eq!(slab.bytes(), slab.recount());
        let pages: std::collections::BTreeSet<_> =
            model.keys().map(|number| number / PLACES as u32).collect();
        prop_assert_eq!(slab.pages.iter().flatten().count(), pages.len());
        prop_assert_eq!(slab.pages.len(), pages.last().map_or(0, |last| *last as usize + 1));
        prop_assert!(!model.is_empty() || slab.bytes() == 0);
        // Each page that has room, and no other, is found once.
        let mut open: Vec<_> = slab.open.iter().filter(|&&page| (page as usize) < slab.pages.len()).collect();
        open.sort_unstable();
        let is_full = |page: &Page<u64>| page.len as usize == PLACES;
        let has_room = |page: &u32| slab.pages[*page as usize].as_deref().is_none_or(|page| !is_full(page));
        let expected: Vec<u32> = (0..slab.pages.len() as u32).filter(has_room).collect();
        prop_assert!(open.into_iter().eq(&expected));
        Ok(())
    }

    proptest! {
        #[test]
        fn numbers_stay_and_are_used_again(steps in prop::collection::vec(step(), 1..60)) {
            let (mut slab, mut model) = (Slab::default(), BTreeMap::new());
            let mut clones = Vec::new();
            let (mut most, mut id) = (0, 0);
            for step in steps {
                match step {
                    Step::Insert(count) => for _ in 0..count {
                        id += 1;
                        let number = slab.insert(id);
                        prop_assert_eq!(model.insert(number, id), None);
                        most = most.max(model.len());
                        prop_assert!((number as usize) < most);
                    },
                    Step::Remove(number) => prop_assert_eq!(slab.remove(number), model.remove(&number)),
                    Step::RemoveFrom(first, count) => for number in first..first + count {
                        prop_assert_eq!(slab.remove(number), model.remove(&number));
                    },
                    Step::Write(number) => {
                        id += 1;
                        prop_assert_eq!(slab.get_mut(number).map(|thing| *thing = id).is_some(), model.contains_key(&number));
                        model.entry(number).and_modify(|thing| *thing = id);
                    }
                    Step::Clone => clones.push((slab.clone(), model.clone())),
                }
                check(&slab, &model)?;
            }
            for (slab, model) in &clones {
                check(slab, model)?;
            }
        }
    }

    #[test]
    fn what_is_left_of_many_holds_little() {
        let mut slab = Slab::default();
        let numbers: Vec<u32> = (0..10_000).map(|id| slab.insert(id)).collect();
        for number in numbers.iter().filter(|number| **number != 5000) {
            slab.remove(*number);
        }
        assert_eq!(slab.get(5000), Some(&5000));
        assert!(slab.bytes() < 16 * PLACES + 10_000 / PLACES * 24, "{} bytes", slab.bytes());
    }
}
