//! Operations on several lists.

use super::List;
use crate::api::Database;
use crate::api::handle::{decode_option, decode_taken};
use crate::command::list;
use crate::key::KeyRef;
use crate::value::list::End;
use crate::{Bytes, Decode, Encode, Key, Result};

impl<T: Encode + Decode> List<'_, T> {
    /// Moves the element at an end of this list to an end of another, in one step; gives it. `None` if
    /// this list is empty. The other may be the same, which is then turned. `LMOVE`, `RPOPLPUSH`,
    /// O(1).
    ///
    /// ```
    /// use larder::{End, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.list::<String>("jobs");
    /// jobs.extend_back(["resize", "upload"])?;
    /// let job = jobs.move_to("running", End::Front, End::Back)?;
    /// assert_eq!(job.as_deref(), Some("resize"));
    /// assert_eq!(store.list::<String>("running").to_vec()?, ["resize"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) for either key, with nothing moved;
    /// [`Error::Decode`](crate::Error::Decode) with the element's bytes, which are in the destination.
    #[doc(alias = "LMOVE")]
    #[doc(alias = "RPOPLPUSH")]
    pub fn move_to<'k>(&self, destination: impl Into<Key<'k>>, from: End, to: End) -> Result<Option<T>> {
        let destination = destination.into();
        let (source, destination) = (self.handle.key_ref(), self.handle.db().key_ref(&destination));
        let moved = self
            .handle
            .db()
            .write(&[source, destination], |writer| list::move_(writer, source, destination, from, to))?;
        decode_option(moved)
    }
}

impl Database {
    /// Takes at most `count` elements from the front of the first of several lists that is not empty;
    /// gives its key with them. `LMPOP LEFT`, O(keys + taken). For sorted sets there is
    /// [`pop_first_of`](Self::pop_first_of); to wait for an element,
    /// [`pop_front_of_wait`](Self::pop_front_of_wait).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.list::<String>("later").extend_back(["resize", "upload"])?;
    /// let taken = store.pop_front_of::<String>(["urgent", "later"], 1)?;
    /// assert_eq!(taken, Some(("later".into(), vec!["resize".to_owned()])));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a count of 0;
    /// [`Error::WrongType`](crate::Error::WrongType) for a key that is looked at;
    /// [`Error::Decode`](crate::Error::Decode) with all elements put back, as
    /// [`List::pop_front_many`] does.
    #[doc(alias = "LMPOP")]
    pub fn pop_front_of<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        count: usize,
    ) -> Result<Option<(Bytes, Vec<T>)>> {
        pop_any(self, keys.into_iter().map(|key| key.into().into_bytes()).collect(), End::Front, count)
    }

    /// Takes at most `count` elements from the back of the first of several lists that is not empty, the
    /// last one first; gives its key with them. `LMPOP RIGHT`, O(keys + taken).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.list::<String>("later").extend_back(["resize", "upload", "tidy up"])?;
    /// let taken = store.pop_back_of::<String>(["urgent", "later"], 2)?;
    /// assert_eq!(taken, Some(("later".into(), vec!["tidy up".to_owned(), "upload".to_owned()])));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_front_of`](Self::pop_front_of).
    #[doc(alias = "LMPOP")]
    pub fn pop_back_of<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        count: usize,
    ) -> Result<Option<(Bytes, Vec<T>)>> {
        pop_any(self, keys.into_iter().map(|key| key.into().into_bytes()).collect(), End::Back, count)
    }
}

fn pop_any<T: Decode>(
    db: &Database,
    names: Vec<Bytes>,
    end: End,
    count: usize,
) -> Result<Option<(Bytes, Vec<T>)>> {
    let keys: Vec<KeyRef<'_>> = db.key_refs(&names);
    let taken = db.write(&keys, |writer| {
        let deadlines: Vec<_> = keys.iter().map(|key| writer.deadline(*key)).collect();
        let taken = list::pop_any(writer, &keys, end, count)?;
        Ok(taken.map(|(at, popped)| (at, popped, deadlines.get(at).copied().flatten())))
    })?;
    let Some((at, popped, deadline)) = taken else { return Ok(None) };
    // The position is one of the keys that were handed over.
    let (Some(key), Some(name)) = (keys.get(at).copied(), names.get(at)) else { return Ok(None) };
    let elements = decode_taken(popped.into_taken(), |popped| {
        db.write_one(key, |writer, key| list::put_back(writer, key, end, popped, deadline))
    })?;
    Ok(Some((name.clone(), elements)))
}
