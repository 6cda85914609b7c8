//! An iterator that is one of two.

/// Over what stands in one of two forms. Which one is asked at each step, and once only where all are
/// gone through in one go.
#[derive(Clone)]
pub(super) enum Either<A, B> {
    A(A),
    B(B),
}

impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Either<A, B> {
    type Item = A::Item;

    #[inline]
    fn next(&mut self) -> Option<A::Item> {
        match self {
            Either::A(a) => a.next(),
            Either::B(b) => b.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Either::A(a) => a.size_hint(),
            Either::B(b) => b.size_hint(),
        }
    }

    #[inline]
    fn fold<T, F: FnMut(T, A::Item) -> T>(self, init: T, f: F) -> T {
        match self {
            Either::A(a) => a.fold(init, f),
            Either::B(b) => b.fold(init, f),
        }
    }
}
