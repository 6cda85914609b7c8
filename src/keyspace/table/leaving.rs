//! The entries of a picture on their way to a file: what has been read is let go of, so that writers copy no more of it, and
//! what they have copied goes.

use super::{Contents, Entry, number_of, parse};
use crate::keyspace::handover::Marks;
use crate::records::{CHUNK, page_range};
use crate::sync::atomic::Ordering;

/// See the [module](self). Pages are read in any order, each once.
pub(crate) struct Leaving {
    contents: Contents,
    /// Which pages need not be handed over.
    marks: Marks,
    /// Which have been read.
    is_read: Vec<bool>,
    /// How many pages of each chunk have not been.
    chunks: Vec<usize>,
    /// How many of the values aside have not been, by the page that they stand in.
    aside: Vec<u32>,
}

impl Leaving {
    /// O(pages)
    pub(crate) fn of(contents: Contents, marks: Marks) -> Self {
        let is_read = vec![false; contents.pages()];
        let chunks = is_read.chunks(CHUNK).map(<[bool]>::len).collect();
        let aside = contents.aside.counts();
        Leaving { contents, marks, is_read, chunks, aside }
    }

    pub(crate) fn pages(&self) -> u32 {
        self.is_read.len() as u32
    }

    /// Reads the entries of a page in their order and lets go of them, unless that has been done: if `is_asked`, for somebody
    /// who is going to write there and has nothing to copy then, or else with those beside them. O(page)
    ///
    /// # Errors
    /// That of the first `read` that gives one.
    pub(crate) fn read<E>(
        &mut self,
        page: u32,
        is_asked: bool,
        mut read: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.is_read.get_mut(page as usize) {
            Some(is_read @ false) => *is_read = true,
            _ => return Ok(()),
        }
        if let Some(mark) = self.marks.get(page as usize) {
            mark.store(true, Ordering::Relaxed);
        }
        let Contents { records, .. } = &self.contents;
        let records = page_range(page).map_while(|at| records.get(at));
        records.filter_map(|record| self.contents.entry(record)).try_for_each(&mut read)?;
        self.let_go(page, is_asked);
        Ok(())
    }

    fn let_go(&mut self, page: u32, is_now: bool) {
        let Contents { records, aside, .. } = &mut self.contents;
        for record in page_range(page).map_while(|at| records.get(at)) {
            let number = parse(record.body).and_then(|(kind, _, rest)| number_of(kind, rest));
            number.into_iter().for_each(|number| aside.let_go(number, &mut self.aside, is_now));
        }
        let Some(left) = self.chunks.get_mut(page as usize / CHUNK) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            records.let_go_of_chunk(page);
        } else {
            records.let_go_of_page(page, is_now);
        }
    }
    /// Whether all is let go of.
    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        let Contents { records, aside, .. } = &self.contents;
        records.get(0).is_none() && records.holds_no_page() && aside.iter().next().is_none()
    }
}
