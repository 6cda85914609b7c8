//! Members from the ends of a sorted set, and members at random.

use super::{SortedSet, decode_all_scored, decode_scored};
use crate::api::{Database, names};
use crate::command::sorted_set::Popped;
use crate::command::{Draw, sorted_set};
use crate::value::list::End;
use crate::value::sorted_set::Scored;
use crate::{Bytes, Decode, Encode, Key, Result};

impl<M: Encode + Decode> SortedSet<'_, M> {
    /// Takes the member with the lowest score; `None` if there is none. `ZPOPMIN`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let due = store.sorted_set::<String>("due");
    /// due.insert_many([("later", 20.0), ("soon", 10.0)])?;
    /// assert_eq!(due.pop_first()?, Some(("soon".to_owned(), 10.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "ZPOPMIN")]
    pub fn pop_first(&self) -> Result<Option<(M, f64)>> {
        self.pop(End::Front)
    }

    /// Takes the member with the highest score; `None` if there is none. `ZPOPMAX`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 20.0), ("bob", 10.0)])?;
    /// assert_eq!(board.pop_last()?, Some(("ann".to_owned(), 20.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_first`](Self::pop_first).
    #[doc(alias = "ZPOPMAX")]
    pub fn pop_last(&self) -> Result<Option<(M, f64)>> {
        self.pop(End::Back)
    }

    /// Takes at most `count` members in one step, from the lowest score up. `ZPOPMIN` with a count,
    /// O(taken * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let due = store.sorted_set::<String>("due");
    /// due.insert_many([("later", 20.0), ("soon", 10.0)])?;
    /// assert_eq!(due.pop_first_many(9)?.len(), 2);
    /// assert!(due.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if one of the members is no `M`: then all are put back
    /// with their scores (but for those that were inserted again meanwhile), unless the key was given
    /// another type.
    #[doc(alias = "ZPOPMIN")]
    pub fn pop_first_many(&self, count: usize) -> Result<Vec<(M, f64)>> {
        self.pop_many(End::Front, count)
    }

    /// Takes at most `count` members in one step, from the highest score down. `ZPOPMAX` with a count,
    /// O(taken * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 20.0), ("bob", 10.0)])?;
    /// assert_eq!(board.pop_last_many(2)?, [("ann".to_owned(), 20.0), ("bob".to_owned(), 10.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_first_many`](Self::pop_first_many).
    #[doc(alias = "ZPOPMAX")]
    pub fn pop_last_many(&self, count: usize) -> Result<Vec<(M, f64)>> {
        self.pop_many(End::Back, count)
    }

    /// A member at random, each as likely as any other, with its score; `None` if there is none.
    /// `ZRANDMEMBER` with `WITHSCORES`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert_eq!(board.random()?, None);
    /// board.insert("ann", 1.0)?;
    /// assert_eq!(board.random()?, Some(("ann".to_owned(), 1.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZRANDMEMBER")]
    pub fn random(&self) -> Result<Option<(M, f64)>> {
        Ok(self.random_repeated(1)?.pop())
    }

    /// `count` different members at random with their scores, or all if there are fewer, in no order.
    /// `ZRANDMEMBER` with a positive count and `WITHSCORES`, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// assert_eq!(board.random_many(1)?.len(), 1);
    /// assert_eq!(board.random_many(5)?.len(), 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`random`](Self::random); [`Error::Invalid`](crate::Error::Invalid) for more than
    /// memory can hold.
    #[doc(alias = "ZRANDMEMBER")]
    pub fn random_many(&self, count: usize) -> Result<Vec<(M, f64)>> {
        self.draw(Draw::Distinct(count))
    }

    /// `count` members at random with their scores, each drawn from all, so that one can come more than
    /// once; none if the set is empty. `ZRANDMEMBER` with a negative count and `WITHSCORES`, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert!(board.random_repeated(5)?.is_empty());
    /// board.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// assert_eq!(board.random_repeated(5)?.len(), 5);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`random_many`](Self::random_many).
    #[doc(alias = "ZRANDMEMBER")]
    pub fn random_repeated(&self, count: usize) -> Result<Vec<(M, f64)>> {
        self.draw(Draw::repeated(count))
    }

    fn pop(&self, end: End) -> Result<Option<(M, f64)>> {
        let popped = self.handle.write(|writer, key| sorted_set::pop(writer, key, end, 1))?;
        popped.and_then(|popped| popped.into_vec().pop()).map(decode_scored).transpose()
    }

    fn pop_many(&self, end: End, count: usize) -> Result<Vec<(M, f64)>> {
        let (deadline, popped) = self.handle.write(|writer, key| {
            let deadline = writer.deadline(key);
            Ok((deadline, sorted_set::pop(writer, key, end, count)?))
        })?;
        let popped = popped.map(Popped::into_vec).unwrap_or_default();
        decode_taken(popped, |popped| {
            self.handle.write(|writer, key| sorted_set::put_back(writer, key, popped, deadline))
        })
    }

    fn draw(&self, draw: Draw) -> Result<Vec<(M, f64)>> {
        decode_all_scored(self.handle.read(|view, key| sorted_set::random(view, key, draw))?)
    }
}

/// The key of a sorted set, and the members that were taken from it with their scores.
pub type PoppedFrom<M> = (Bytes, Vec<(M, f64)>);

impl Database {
    /// Takes at most `count` members with the lowest scores from the first of several sorted sets that
    /// is not empty; gives its key with them. `ZMPOP MIN`, O(keys + taken * log n). For lists there is
    /// [`pop_front_of`](Self::pop_front_of); to wait for a member,
    /// [`pop_first_of_wait`](Self::pop_first_of_wait).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.sorted_set::<String>("later").insert("upload", 20.0)?;
    /// let taken = store.pop_first_of::<String>(["urgent", "later"], 1)?;
    /// assert_eq!(taken, Some(("later".into(), vec![("upload".to_owned(), 20.0)])));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a count of 0;
    /// [`Error::WrongType`](crate::Error::WrongType) for a key that is looked at;
    /// [`Error::Decode`](crate::Error::Decode) with all members put back, as
    /// [`SortedSet::pop_first_many`] does.
    #[doc(alias = "ZMPOP")]
    pub fn pop_first_of<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        count: usize,
    ) -> Result<Option<PoppedFrom<M>>> {
        pop_any(self, names(keys), End::Front, count)
    }

    /// Takes at most `count` members with the highest scores from the first of several sorted sets that
    /// is not empty, the highest first; gives its key with them. `ZMPOP MAX`, O(keys + taken * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.sorted_set::<String>("later").insert_many([("upload", 20.0), ("resize", 10.0)])?;
    /// let taken = store.pop_last_of::<String>(["urgent", "later"], 1)?;
    /// assert_eq!(taken, Some(("later".into(), vec![("upload".to_owned(), 20.0)])));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_first_of`](Self::pop_first_of).
    #[doc(alias = "ZMPOP")]
    pub fn pop_last_of<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        count: usize,
    ) -> Result<Option<PoppedFrom<M>>> {
        pop_any(self, names(keys), End::Back, count)
    }
}

fn pop_any<M: Decode>(
    db: &Database,
    names: Vec<Bytes>,
    end: End,
    count: usize,
) -> Result<Option<PoppedFrom<M>>> {
    let keys = db.key_refs(&names);
    let taken = db.write(&keys, |writer| {
        let deadlines: Vec<_> = keys.iter().map(|key| writer.deadline(*key)).collect();
        let taken = sorted_set::pop_any(writer, &keys, end, count)?;
        Ok(taken.map(|(at, popped)| (at, popped, deadlines.get(at).copied().flatten())))
    })?;
    let Some((at, popped, deadline)) = taken else { return Ok(None) };
    // The position is one of the keys that were handed over.
    let (Some(key), Some(name)) = (keys.get(at).copied(), names.get(at)) else { return Ok(None) };
    let members = decode_taken(popped.into_vec(), |popped| {
        db.write_one(key, |writer, key| sorted_set::put_back(writer, key, popped, deadline))
    })?;
    Ok(Some((name.clone(), members)))
}

/// The members that were taken out; if one of them does not decode, all are put back, so that none is
/// lost.
fn decode_taken<M: Decode>(
    popped: Vec<Scored>,
    put_back: impl FnOnce(Vec<Scored>) -> Result<()>,
) -> Result<Vec<(M, f64)>> {
    decode_all_scored(popped.iter().cloned()).inspect_err(|_| {
        // It fails only where the key was given another type meanwhile; the first error says more.
        put_back(popped).ok();
    })
}
