//! The chunk of a long list: some neighbouring elements, packed.

use std::ops::Range;
use std::sync::Arc;

use super::strip::{Strip, View};
use crate::Bytes;
use crate::records::Text;

/// Some neighbouring elements of a list without room for more: short ones in a strip, long ones beside
/// it. Clones share both until one of them is written.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    strip: Strip,
    /// Those beside the strip, in their order; none rather than no elements.
    long: Option<Arc<Vec<Bytes>>>,
    /// What the strip knows too, without a trip to it.
    len: usize,
}

impl Chunk {
    /// A chunk of those elements, at most [`MOST`](super::strip::MOST). O(bytes).
    pub(super) fn of(elements: View<'_>) -> Chunk {
        let long = (!elements.long.is_empty()).then(|| Arc::new(elements.long.to_vec()));
        Chunk { strip: Strip::of(&[elements]), long, len: elements.len() }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        self.strip.view(self.long.as_ref().map_or(&[], |long| long))
    }

    /// Puts another element in the place of the one at `offset`, which is there. O(bytes).
    pub(super) fn set(&mut self, offset: usize, element: &Bytes) {
        if !self.strip.overwrite(offset, element) {
            self.splice(offset..offset + 1, View::one(&Text::Shared(element)));
        }
    }

    /// Puts other elements in the place of a range, which lies within. O(bytes).
    pub(super) fn splice(&mut self, range: Range<usize>, with: View<'_>) {
        let view = self.view();
        let (before, after) = (view.slice(0..range.start), view.slice(range.end..self.len));
        let long = before.long.len()..view.long.len() - after.long.len();
        self.strip = Strip::of(&[before, with, after]);
        self.len = self.strip.len();
        if !long.is_empty() || !with.long.is_empty() {
            let mut all = self.long.take().unwrap_or_default();
            let inner = Arc::make_mut(&mut all);
            inner.splice(long, with.long.iter().cloned());
            inner.shrink_to_fit();
            self.long = (!inner.is_empty()).then_some(all);
        }
    }

    /// Removes those elements equal to `value` whose number among them is in `which`. O(bytes).
    pub(super) fn remove_matches(&mut self, value: &[u8], which: Range<usize>) {
        let run = self.view().without(value, which);
        *self = Chunk::of(run.view());
    }

    /// Heap memory, in bytes, with what its elements hold. O(1), and O(n) in long elements.
    pub(super) fn bytes(&self) -> usize {
        /// The two counters that an `Arc` keeps beside the value.
        const ARC: usize = 2 * size_of::<usize>();
        let long = self.long.as_ref().map_or(0, |long| {
            let elements: usize = long.iter().map(Bytes::heap_bytes).sum();
            ARC + size_of::<Vec<Bytes>>() + long.capacity() * size_of::<Bytes>() + elements
        });
        self.strip.bytes() + long
    }
}
