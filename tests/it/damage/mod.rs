//! Every file tried: what can happen to a file, and what a load must make of it, for each [`Format`] that there is.
//!
//! A format says how a file is written and loaded, where its parts lie, and how its checksums are made right again. So
//! it is asked two things of each [`Damage`]: [`refused`] says that it is found, with the right error; [`survived`],
//! of a file whose checksums are right again, that it is an error or a store that is whole.
#![allow(dead_code, reason = "two binaries use it, each in its way")]

pub mod contents;
#[cfg(feature = "journal")]
pub mod journal;
#[cfg(feature = "commands")]
pub mod rdb;
pub mod snapshot;

use std::ops::Range;

use larder::{Error, ManualClock, Store};

use crate::support::{manual_store, picture};

/// A kind of file.
pub trait Format {
    /// An empty store, of which such files can be written.
    fn store(&self) -> (ManualClock, Store) {
        manual_store()
    }

    /// The file of a store.
    fn write(&self, store: &Store) -> Vec<u8>;

    /// The store of a file, whose clock shows what those of the tests do.
    fn load(&self, file: &[u8]) -> Result<Store, Error>;

    /// A store that was loaded, as it comes back from what is written of it.
    fn again(&self, store: &Store) -> Result<Store, Error> {
        self.load(&self.write(store))
    }

    /// Where the parts of a whole file lie, one behind the other: those of which each has its place.
    fn parts(&self, file: &[u8]) -> Vec<Range<usize>>;

    /// The file with right checksums, as far as it still has the form that they are found by.
    fn seal(&self, file: Vec<u8>) -> Vec<u8>;

    /// Whether that is what must be said of a file that differs from a whole one from a position on; and if not, why.
    fn judge(&self, whole: &[u8], first: usize, error: &Error) -> Result<(), &'static str>;

    /// Whether that is what may be made of a file that differs from a whole one from a position on; and if not, why.
    fn excuse(
        &self,
        _whole: &[u8],
        _damaged: &[u8],
        _first: usize,
        _store: &Store,
    ) -> Result<(), &'static str> {
        Err("it was loaded")
    }
}

/// A header of so many bytes, and what comes behind it, each part as long as is said of what is left.
fn parts_behind(header: usize, file: &[u8], length: impl Fn(&[u8]) -> usize) -> Vec<Range<usize>> {
    let mut parts: Vec<_> = std::iter::once(0..header).collect();
    let mut at = header;
    while at < file.len() {
        let end = at + length(&file[at..]);
        parts.push(at..end);
        at = end;
    }
    parts
}

/// Puts the right checksum at the end of a header of so many bytes; false if the file has no whole one.
fn seal_header(header: usize, file: &mut [u8]) -> bool {
    let Some((covered, sum)) = file.get_mut(..header).and_then(|header| header.split_last_chunk_mut::<4>())
    else {
        return false;
    };
    *sum = crc32fast::hash(covered).to_le_bytes();
    true
}

/// What can happen to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    Flip {
        at: usize,
        bit: u8,
    },
    Zero {
        at: usize,
    },
    Cut {
        to: usize,
    },
    /// Bytes written over those that were there.
    Over {
        at: usize,
        bytes: &'static [u8],
    },
    /// Its parts in another order, by their numbers; those of another file are counted on behind its own.
    Moved(Vec<usize>),
}

impl Damage {
    /// Each bit flipped.
    pub fn flips(len: usize) -> impl Iterator<Item = Damage> {
        (0..len).flat_map(|at| (0..8).map(move |bit| Damage::Flip { at, bit }))
    }

    /// Each byte zeroed.
    pub fn zeroes(len: usize) -> impl Iterator<Item = Damage> {
        (0..len).map(|at| Damage::Zero { at })
    }

    /// Each beginning of it.
    pub fn cuts(len: usize) -> impl Iterator<Item = Damage> {
        (0..len).map(|to| Damage::Cut { to })
    }

    /// Each of these in each place.
    pub fn claims(len: usize, claims: &[&'static [u8]]) -> impl Iterator<Item = Damage> {
        (0..len).flat_map(move |at| claims.iter().map(move |bytes| Damage::Over { at, bytes }))
    }

    /// So many parts: each left out, repeated, exchanged for another, put into another's place or taken from a file
    /// of as many; and all of them but the first from that file.
    pub fn moves(count: usize) -> impl Iterator<Item = Damage> {
        let changed = move |change: &dyn Fn(&mut Vec<usize>)| {
            let mut order: Vec<usize> = (0..count).collect();
            change(&mut order);
            Damage::Moved(order)
        };
        let mut all = vec![
            changed(&|order| order.reverse()),
            changed(&|order| order[1..].iter_mut().for_each(|part| *part += count)),
        ];
        for at in 0..count {
            all.push(changed(&|order| order.retain(|part| *part != at)));
            all.push(changed(&|order| order.insert(at, at)));
            all.push(changed(&|order| order[at] += count));
            all.extend((0..at).map(|other| changed(&|order| order.swap(at, other))));
            let others = (0..count).filter(|other| *other != at);
            all.extend(others.map(|other| changed(&|order| order[at] = other)));
        }
        all.into_iter()
    }

    /// What it makes of a file, and of another one of the same kind where parts of that come in.
    pub fn of(&self, format: &dyn Format, file: &[u8], other: &[u8]) -> Vec<u8> {
        let mut damaged = file.to_vec();
        match self {
            Damage::Flip { at, bit } => damaged[*at] ^= 1 << bit,
            Damage::Zero { at } => damaged[*at] = 0,
            Damage::Cut { to } => damaged.truncate(*to),
            Damage::Over { at, bytes } => {
                let end = file.len().min(at + bytes.len());
                damaged[*at..end].copy_from_slice(&bytes[..end - at]);
            }
            Damage::Moved(order) => {
                let own = format.parts(file).into_iter().map(|part| &file[part]);
                let parts: Vec<_> =
                    own.chain(format.parts(other).into_iter().map(|part| &other[part])).collect();
                damaged = order.iter().map(|part| parts[*part]).collect::<Vec<_>>().concat();
            }
        }
        damaged
    }
}

/// Fails unless each damage is found and called what it is, or there is an [excuse](Format::excuse); gives how many were
/// tried. What changes nothing, as a zero in the place of a zero does, is none; nor is what makes the other file of it.
pub fn refused(
    format: &dyn Format,
    file: &[u8],
    other: &[u8],
    damages: impl Iterator<Item = Damage>,
) -> usize {
    let mut tried = 0;
    for damage in damages {
        let damaged = damage.of(format, file, other);
        let Some(first) = first_difference(file, &damaged).filter(|_| damaged != other) else { continue };
        let loaded = format.load(&damaged);
        let verdict = match &loaded {
            Ok(store) => format.excuse(file, &damaged, first, store),
            Err(error) => format.judge(file, first, error),
        };
        if let Err(why) = verdict {
            panic!("{damage:?}, from byte {first} on: {:?}: {why}", loaded.err());
        }
        tried += 1;
    }
    tried
}

/// Fails unless the store of a file, if it is one, is whole: it is as it is counted, and it comes back from a file.
pub fn survived(format: &dyn Format, file: &[u8]) {
    let Ok(store) = format.load(file) else { return };
    let before = picture(&store);
    assert_eq!(before.len(), store.stats().unwrap().entries, "{}", file.escape_ascii());
    let again = format.again(&store).unwrap_or_else(|error| panic!("{error}"));
    assert!(picture(&again) == before, "{}", file.escape_ascii());
    store.clear_all().unwrap();
    assert_eq!(store.stats().unwrap().bytes, 0, "{}", file.escape_ascii());
}

fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let shared = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (one != other).then_some(shared)
}
