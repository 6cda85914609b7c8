//! HSCAN, SSCAN, ZSCAN: walks over a collection that go on while others change it.
//!
//! A cursor is a position: 0 starts and ends the walk. What stays is met, as entries only move towards the start
//! and the walk goes there too. A small collection comes whole, in one turn: so Redis does, and a small
//! sorted set has its entries by score and not where they were.

use super::object::{Limits, is_of_integers, is_small_hash, is_small_set, is_small_sorted_set};
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::value::hash::{Field, Hash};
use crate::value::members;
use crate::value::set::Set;
use crate::value::sorted_set::{Scored, SortedSet};
use crate::{Bytes, Result};

/// Up to so many come in one turn in any case: what the packed forms hold.
const PACKED: usize = 64;

/// What one step of a walk has found, and where the next one begins.
pub(crate) struct Turn<T> {
    pub cursor: usize,
    pub found: Vec<T>,
    /// Whether all came at once.
    pub is_whole: bool,
}

impl<T> Turn<T> {
    fn whole(found: Vec<T>) -> Self {
        Turn { cursor: 0, found, is_whole: true }
    }

    fn page(len: usize, cursor: usize, count: usize, at: impl FnMut(usize) -> Option<T>) -> Self {
        let positions = members::walk(len, cursor, count);
        Turn { cursor: positions.start, found: positions.rev().filter_map(at).collect(), is_whole: false }
    }
}

/// HSCAN: `None` for a key that is missing.
///
/// # Errors
/// [`Error::WrongType`](crate::Error::WrongType)
pub(crate) fn hash(
    view: &View<'_>,
    key: KeyRef<'_>,
    cursor: usize,
    count: usize,
) -> Result<Option<Turn<Field>>> {
    let Some(hash) = view.find::<Hash>(key)? else { return Ok(None) };
    let (len, now) = (hash.positions() as usize, view.now());
    if len <= PACKED || is_small_hash(hash, view.now(), Limits::DEFAULT.hash) {
        let field = |(name, value)| Field { name: Bytes::from(name), value: Bytes::from(value) };
        return Ok(Some(Turn::whole(hash.iter(now).map(field).collect())));
    }
    Ok(Some(Turn::page(len, cursor, count, |at| hash.at(u32::try_from(at).ok()?, now))))
}

/// SSCAN: `None` for a key that is missing.
///
/// # Errors
/// [`Error::WrongType`](crate::Error::WrongType)
pub(crate) fn set(
    view: &View<'_>,
    key: KeyRef<'_>,
    cursor: usize,
    count: usize,
) -> Result<Option<Turn<Bytes>>> {
    let Some(set) = view.find::<Set>(key)? else { return Ok(None) };
    if set.len() <= PACKED
        || is_small_set(set, Limits::DEFAULT.set)
        || is_of_integers(set, Limits::DEFAULT.integers)
    {
        return Ok(Some(Turn::whole(set.iter().map(Bytes::from).collect())));
    }
    Ok(Some(Turn::page(set.len(), cursor, count, |at| set.get_at(at))))
}

/// ZSCAN: `None` for a key that is missing.
///
/// # Errors
/// [`Error::WrongType`](crate::Error::WrongType)
pub(crate) fn sorted_set(
    view: &View<'_>,
    key: KeyRef<'_>,
    cursor: usize,
    count: usize,
) -> Result<Option<Turn<Scored>>> {
    let Some(set) = view.find::<SortedSet>(key)? else { return Ok(None) };
    if set.len() <= PACKED || is_small_sorted_set(set, Limits::DEFAULT.sorted_set) {
        return Ok(Some(Turn::whole(set.scored(0..set.len()))));
    }
    Ok(Some(Turn::page(set.len(), cursor, count, |at| set.at(at))))
}
