//! Sorted sets.

// In the order of the documentation.
mod members;
mod pop;
mod range;

mod combine;
mod iter;

pub use iter::SortedSetIter;
pub use pop::PoppedFrom;

use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, decode, public_handle};
use crate::value::sorted_set::Scored;
use crate::{Bytes, Decode, Encode, Key, Result};

/// A handle on a sorted set: members of type `M`, each once, with a score each. They stand in the
/// order of their scores, and those with the same score in the order of their bytes, so that the rank
/// of a member and the member of a rank are found in O(log n).
///
/// - **Members**: [`insert`](Self::insert), [`incr_by`](Self::incr_by), [`remove`](Self::remove),
///   [`score`](Self::score), [`rank`](Self::rank), [`rank_rev`](Self::rank_rev), their kin for several.
/// - **Ranges**: [`range`](Self::range) and [`range_rev`](Self::range_rev) by rank,
///   [`range_by_score`](Self::range_by_score), [`range_by_member`](Self::range_by_member), and the same
///   counted, removed or stored under another key.
/// - **Ends and chance**: [`first`](Self::first), [`pop_first`](Self::pop_first),
///   [`pop_last`](Self::pop_last), [`random`](Self::random).
/// - **All**: [`to_vec`](Self::to_vec), [`iter`](Self::iter), [`len`](Self::len).
/// - **Several sets**: [`union`](Self::union), [`intersection`](Self::intersection),
///   [`difference`](Self::difference), [`Database::pop_first_of`].
///
/// A missing key is an empty set: methods give what an empty set would give.
///
/// # Errors
/// Every method can give [`Error::WrongType`](crate::Error::WrongType); those that store members
/// [`Error::TooLong`](crate::Error::TooLong), those that take some
/// [`Error::Encode`](crate::Error::Encode), those that give some
/// [`Error::Decode`](crate::Error::Decode).
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let board = store.sorted_set::<String>("board");
/// board.insert_many([("ann", 120.0), ("bob", 80.0)])?;
/// board.incr_by("bob", 60.0)?;
/// assert_eq!(board.rank_rev("bob")?, Some(0));
/// assert_eq!(board.range_rev(0, 9)?, [("bob".to_owned(), 140.0), ("ann".to_owned(), 120.0)]);
/// # Ok::<(), larder::Error>(())
/// ```
pub struct SortedSet<'a, M> {
    pub(super) handle: Handle<'a>,
    member: PhantomData<fn() -> M>,
}

impl<'a, M> SortedSet<'a, M> {
    fn of(handle: Handle<'a>) -> Self {
        SortedSet { handle, member: PhantomData }
    }
}

impl Database {
    /// A handle on the sorted set at `key`. O(1), and nothing is looked at or made: the key comes with
    /// the first member that is inserted, and goes with the last one.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert!(!store.contains("board")?);
    /// board.insert("ann", 1.0)?;
    /// assert!(store.contains("board")?);
    /// board.remove("ann")?;
    /// assert!(!store.contains("board")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn sorted_set<'a, M: Encode + Decode>(&'a self, key: impl Into<Key<'a>>) -> SortedSet<'a, M> {
        SortedSet::of(Handle::new(self, key.into()))
    }
}

/// A member and its score, as they were stored.
fn decode_scored<M: Decode>((score, member): Scored) -> Result<(M, f64)> {
    Ok((decode(member)?, score))
}

/// Members and their scores, as they were stored.
fn decode_all_scored<M: Decode>(members: impl IntoIterator<Item = Scored>) -> Result<Vec<(M, f64)>> {
    members.into_iter().map(decode_scored).collect()
}

/// The names of a handle's key and of other keys.
fn names_with<'k>(handle: &Handle<'_>, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Vec<Bytes> {
    let mut names = vec![Bytes::from(handle.name())];
    names.extend(others.into_iter().map(|key| key.into().into_bytes()));
    names
}

public_handle!(SortedSet<'a, M>);
