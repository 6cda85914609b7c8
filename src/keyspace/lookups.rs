//! How many lookups found their key, and how many did not.
//!
//! Readers share a shard's lock, and a counter that they shared too would cost each of them an atomic
//! addition, and have a cache line go from core to core. So each thread counts for itself: it takes
//! a seat, which no other has while it runs, and adds there with a plain load and store.

#[cfg(not(shuttle))]
use std::cell::Cell;
use std::sync::OnceLock;

use crate::sync::atomic::{AtomicU64, Ordering};

/// Seats for one thread each, and behind them one for all others.
const SEATS: usize = 16;

/// Of each database. See the [module](self).
pub(crate) struct Lookups {
    /// Once there are any.
    counts: Box<[OnceLock<Box<Tally>>]>,
}

/// Of one thing that is looked into. See the [module](self).
#[derive(Default)]
pub(crate) struct Tally([Seat; SEATS + 1]);

#[derive(Default)]
#[repr(align(64))]
struct Seat {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Tally {
    #[inline]
    pub(crate) fn count(&self, found: bool) {
        let number = seat();
        let Some(seat) = self.0.get(number) else { return };
        let counter = if found { &seat.hits } else { &seat.misses };
        if number < SEATS {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The hits and the misses.
    pub(crate) fn sums(&self) -> (u64, u64) {
        let of_all =
            |of: fn(&Seat) -> &AtomicU64| self.0.iter().map(|seat| of(seat).load(Ordering::Relaxed)).sum();
        (of_all(|seat| &seat.hits), of_all(|seat| &seat.misses))
    }
}

impl Lookups {
    pub(crate) fn new(databases: u16) -> Self {
        Lookups { counts: (0..databases).map(|_| OnceLock::new()).collect() }
    }

    /// Counts from where others have come to.
    pub(super) fn from_those_of(others: &Lookups) -> Self {
        let lookups = Lookups::new(u16::try_from(others.counts.len()).unwrap_or(u16::MAX));
        for (db, hits, misses) in others.of_databases() {
            let Some(counts) = lookups.counts.get(usize::from(db)) else { continue };
            let Seat { hits: all_hits, misses: all_misses } = &counts.get_or_init(Box::default).0[SEATS];
            all_hits.store(hits, Ordering::Relaxed);
            all_misses.store(misses, Ordering::Relaxed);
        }
        lookups
    }

    #[inline]
    pub(crate) fn count(&self, db: u16, found: bool) {
        if let Some(counts) = self.counts.get(usize::from(db)) {
            counts.get_or_init(Box::default).count(found);
        }
    }

    /// The hits and misses of each database that has seen any.
    pub(crate) fn of_databases(&self) -> impl Iterator<Item = (u16, u64, u64)> {
        (0..).zip(&self.counts).filter_map(|(db, counts)| {
            let (hits, misses) = counts.get()?.sums();
            Some((db, hits, misses))
        })
    }
}

/// The model's threads are none of the system's: they share a seat.
#[cfg(shuttle)]
fn seat() -> usize {
    SEATS
}

/// The number of this thread's seat.
#[cfg(not(shuttle))]
#[inline]
fn seat() -> usize {
    let seat = SEAT.with(Cell::get);
    if seat <= SEATS { seat } else { take_seat() }
}

#[cfg(not(shuttle))]
thread_local! {
    /// Looked at by each lookup; what gives the seat back is apart, as it makes looking slower.
    static SEAT: Cell<usize> = const { Cell::new(usize::MAX) };
    static TAKEN: Taken = const { Taken(Cell::new(None)) };
}

/// Has a bit for each seat that is free.
#[cfg(not(shuttle))]
static FREE: parking_lot::Mutex<u32> = parking_lot::Mutex::new((1 << SEATS) - 1);

/// The seat that a thread gives back at its end.
#[cfg(not(shuttle))]
struct Taken(Cell<Option<usize>>);

#[cfg(not(shuttle))]
#[cold]
fn take_seat() -> usize {
    // While the thread's locals go, it takes none any more.
    let taken = TAKEN.try_with(|taken| {
        let mut free = FREE.lock();
        let seat = (free.trailing_zeros() as usize).min(SEATS);
        if seat < SEATS {
            *free &= !(1 << seat);
            taken.0.set(Some(seat));
        }
        seat
    });
    let seat = taken.unwrap_or(SEATS);
    SEAT.with(|own| own.set(seat));
    seat
}

#[cfg(not(shuttle))]
impl Drop for Taken {
    fn drop(&mut self) {
        SEAT.with(|own| own.set(SEATS));
        if let Some(seat) = self.0.take() {
            *FREE.lock() |= 1 << seat;
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    const EACH: u64 = 200_000;

    #[test]
    fn no_count_is_lost_among_more_threads_than_seats() {
        let lookups = Lookups::new(2);
        let (seated, counted) = (Barrier::new(SEATS + 4), Barrier::new(SEATS + 4));
        thread::scope(|scope| {
            for number in 0..SEATS + 4 {
                let (lookups, seated, counted) = (&lookups, &seated, &counted);
                scope.spawn(move || {
                    let count = || (0..EACH).for_each(|n| lookups.count(1, n % 4 == 0));
                    // The seats are taken, and held until the others have counted on the one they share.
                    if number < SEATS {
                        lookups.count(1, true);
                    }
                    seated.wait();
                    if number >= SEATS {
                        count();
                    }
                    counted.wait();
                });
            }
        });
        let seated = SEATS as u64;
        assert_eq!(lookups.of_databases().collect::<Vec<_>>(), [(1, seated + EACH, 3 * EACH)]);
    }

    #[test]
    fn a_thread_gives_its_seat_back() {
        let seats = || thread::spawn(seat).join().expect("does not panic");
        let many: Vec<_> = (0..100).map(|_| seats()).collect();
        // Other tests' threads have some of the seats, and come and go.
        assert!(many.iter().any(|seat| *seat < SEATS), "{many:?}");
    }
}
