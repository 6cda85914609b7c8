//! The pages of records, in chunks of bounded size: adding one moves no more than a chunk, a clone takes a
//! reference for each of them, and the first write beside a clone copies one.

use std::sync::Arc;
use std::{iter, mem};

use super::page::Page;

/// Pages to a chunk: their ends are some 5 kB.
pub(super) const CHUNK: usize = if crate::TINY { 8 } else { 32 };

/// See the [module](self). How many pages there are, their owner knows; all chunks but the last are full.
#[derive(Clone, Default)]
pub(super) struct Pages {
    chunks: Vec<Chunk>,
}

/// Behind the last page of all stand empty ones, as room to grow.
type Chunk = Arc<[Page]>;

impl Pages {
    /// O(1)
    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<&Page> {
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    /// The page, to be written; a chunk that is shared is copied first. O(1)
    #[inline]
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Page> {
        Arc::make_mut(self.chunks.get_mut(number / CHUNK)?).get_mut(number % CHUNK)
    }

    /// Adds the page of that number, which is the number of pages before. O(1)
    pub(super) fn push(&mut self, number: usize, page: Page) {
        // As much room as an eighth of all pages needs.
        let more = 1 + number / 8;
        if number / CHUNK == self.chunks.len() {
            if self.chunks.len() == self.chunks.capacity() {
                self.chunks.reserve_exact(1 + self.chunks.len() / 8);
            }
            self.chunks.push(chunk(&mut [], more.min(CHUNK)));
        }
        let Some(last) = self.chunks.last_mut() else { return };
        if number % CHUNK == last.len() {
            let room = (last.len() + more).min(CHUNK);
            *last = chunk(Arc::make_mut(last), room);
        }
        if let Some(place) = self.get_mut(number) {
            *place = page;
        }
    }

    /// Drops the last page, which has that number. O(1) amortised
    pub(super) fn pop(&mut self, number: usize) {
        if number % CHUNK == 0 {
            self.chunks.truncate(number / CHUNK);
            if self.chunks.capacity() > 16 && self.chunks.len() * 4 < self.chunks.capacity() {
                self.chunks.shrink_to(self.chunks.len() * 2);
            }
            return;
        }
        if let Some(page) = self.get_mut(number) {
            *page = Page::default();
        }
        let len = number % CHUNK;
        if let Some(last) =
            self.chunks.last_mut().filter(|last| last.len() > CHUNK / 2 && len * 4 < last.len())
        {
            *last = chunk(&mut Arc::make_mut(last)[..len], len * 2);
        }
    }

    /// Gives back a page: where clones share its chunk with it, if `is_now`, for which the chunk's ends are copied. O(1)
    pub(super) fn let_go(&mut self, number: usize, is_now: bool) {
        let Some(chunk) = self.chunks.get_mut(number / CHUNK) else { return };
        let pages = if is_now { Some(Arc::make_mut(chunk)) } else { Arc::get_mut(chunk) };
        if let Some(page) = pages.and_then(|pages| pages.get_mut(number % CHUNK)) {
            *page = Page::default();
        }
    }

    /// Gives back the chunk of a page; the others stay where they are. O(1)
    pub(super) fn let_go_of_chunk(&mut self, number: usize) {
        if let Some(chunk) = self.chunks.get_mut(number / CHUNK) {
            *chunk = Chunk::default();
        }
    }

    /// How many share a page, by itself or with its chunk.
    #[cfg(test)]
    pub(super) fn holders(&self, number: usize) -> usize {
        let page = self.get(number).map_or(0, Page::holders);
        self.chunks.get(number / CHUNK).map_or(0, |chunk| page.max(Arc::strong_count(chunk)))
    }

    /// What the chunks hold on the heap, but for what the pages do, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        let Some(last) = self.chunks.last() else { return self.chunks.capacity() * size_of::<Chunk>() };
        let places = (self.chunks.len() - 1) * CHUNK + last.len();
        self.chunks.capacity() * size_of::<Chunk>()
            + self.chunks.len() * 2 * size_of::<usize>()
            + places * size_of::<Page>()
    }

    /// What the chunks and the pages in them hold on the heap, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| {
            let pages = chunk.iter().map(Page::recount).sum::<usize>();
            2 * size_of::<usize>() + size_of_val(&**chunk) + pages
        });
        self.chunks.capacity() * size_of::<Chunk>() + chunks.sum::<usize>()
    }
}

/// A chunk of so many pages: first these, which are moved, and empty ones behind them.
fn chunk(pages: &mut [Page], len: usize) -> Chunk {
    let empty = iter::repeat_with(Page::default);
    pages.iter_mut().map(mem::take).chain(empty).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Pop(usize),
        Write(usize, u8),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1usize..50).prop_map(Step::Push),
            3 => (1usize..50).prop_map(Step::Pop),
            4 => (any::<usize>(), any::<u8>()).prop_map(|(number, fill)| Step::Write(number, fill)),
            1 => Just(Step::Clone),
        ]
    }

    fn page(fill: u8) -> Page {
        let mut page = Page::with_capacity(1);
        page.push(&[fill]);
        page
    }

    fn check(pages: &Pages, model: &[u8]) -> Result<(), TestCaseError> {
        let seen = |number| pages.get(number).and_then(|page| page.get(0)?.first().copied());
        for number in 0..model.len() + 2 * CHUNK {
            prop_assert_eq!(seen(number), model.get(number).copied());
        }
        // What was dropped holds nothing.
        let held: usize = (0..model.len()).filter_map(|number| pages.get(number)).map(Page::bytes).sum();
        prop_assert_eq!(pages.bytes() + held, pages.recount());
        let room = pages.chunks.iter().map(|chunk| chunk.len()).sum::<usize>() - model.len();
        prop_assert!(room <= 16.max(model.len() / 8 + 1).max(3 * (model.len() % CHUNK)));
        Ok(())
    }

    proptest! {
        #[test]
        fn agree_with_a_list(steps in prop::collection::vec(step(), 1..60)) {
            let (mut pages, mut model) = (Pages::default(), Vec::new());
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Push(count) => for _ in 0..count {
                        let fill = model.len() as u8;
                        pages.push(model.len(), page(fill));
                        model.push(fill);
                    },
                    Step::Pop(count) => for _ in 0..count.min(model.len()) {
                        model.pop();
                        pages.pop(model.len());
                        if let Some(before) = model.len().checked_sub(1) {
                            prop_assert!(pages.get(before).is_some_and(|page| page.len() == 1));
                        }
                    },
                    Step::Write(number, fill) => if let Some(number) = number.checked_rem(model.len()) {
                        pages.get_mut(number).unwrap().get_mut(0).unwrap()[0] = fill;
                        model[number] = fill;
                    },
                    Step::Clone => clones.push((pages.clone(), model.clone())),
                }
                check(&pages, &model)?;
            }
            for (pages, model) in &clones {
                check(pages, model)?;
            }
        }
    }
}
