//! Walking over the keys of a database.

use super::Store;
use crate::keyspace::whole::PAGE;
use crate::text::glob::Pattern;
use crate::{Bytes, Result, Type};

/// An iterator over the names of a database's keys; made by [`Store::scan`].
///
/// It goes on while others change the database, and holds no lock in between: a shard is locked for
/// 128 keys at a time. A key that is there from the beginning to the end is met; one that is added
/// or removed meanwhile may be met or not, and one that others' changes move, twice.
///
/// ```
/// let store = larder::Store::new();
/// store.insert_many([("page:1", "hello"), ("page:2", "world")])?;
/// store.list::<String>("jobs").push_back("resize")?;
/// let mut names = store.scan().matching("page:?").collect::<larder::Result<Vec<_>>>()?;
/// names.sort();
/// assert_eq!(names, ["page:1", "page:2"]);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// An item is [`Error::InTransaction`](crate::Error::InTransaction) where the walk goes on inside a
/// transaction of the same store; after it, the walk can go on.
#[derive(Debug, Clone)]
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct Scan<'s> {
    store: &'s Store,
    pattern: Option<Bytes>,
    kind: Option<Type>,
    /// Where the walk goes on; past the last shard when it is over.
    shard: usize,
    cursor: usize,
    /// Names that were found and not given yet, the next one last.
    found: Vec<Bytes>,
}

impl Store {
    /// The names of all keys, one after another and in no order. `SCAN`, O(keys), a page of 128 at a
    /// time.
    ///
    /// ```
    /// use larder::{Store, Type};
    ///
    /// let store = Store::new();
    /// store.insert_many([("user:1", "ann"), ("user:2", "bob"), ("page:1", "hello")])?;
    /// for name in store.scan().matching("user:*").of_type(Type::String) {
    ///     store.remove(name?)?;
    /// }
    /// assert_eq!(store.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "SCAN")]
    pub fn scan(&self) -> Scan<'_> {
        Scan { store: self, pattern: None, kind: None, shard: 0, cursor: 0, found: Vec::new() }
    }
}

impl Scan<'_> {
    /// Only names that match a glob (`MATCH`): `*`, `?`, `[a-z]`, `[^x]`, and `\` before a byte that is
    /// to be taken as it is. All keys are still walked over: O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("user:1", "ann"), ("user:12", "bob"), ("page:1", "hello")])?;
    /// assert_eq!(store.scan().matching("user:?").count(), 1);
    /// assert_eq!(store.scan().matching("[pu]*:1").count(), 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "MATCH")]
    pub fn matching(mut self, pattern: impl Into<Bytes>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Only keys that hold a value of this type (`TYPE`). All keys are still walked over: O(keys).
    ///
    /// ```
    /// use larder::{Store, Type};
    ///
    /// let store = Store::new();
    /// store.insert("greeting", "hello")?;
    /// store.list::<String>("jobs").push_back("resize")?;
    /// let lists: Vec<_> = store.scan().of_type(Type::List).collect::<Result<_, _>>()?;
    /// assert_eq!(lists, ["jobs"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "TYPE")]
    pub fn of_type(mut self, kind: Type) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Looks at the next page; false at the end of the walk.
    fn turn(&mut self) -> Result<bool> {
        let space = self.store.space();
        if self.shard >= space.shard_count() {
            return Ok(false);
        }
        let Scan { pattern, kind, found, .. } = self;
        let pattern = pattern.as_deref().map(Pattern::new);
        self.cursor = space.walk(None, self.store.index(), self.shard, self.cursor, PAGE, |entry| {
            let is_meant = kind.is_none_or(|kind| entry.value.kind() == kind)
                && pattern.is_none_or(|pattern| pattern.matches(entry.key));
            if is_meant {
                found.push(Bytes::from(entry.key));
            }
        })?;
        if self.cursor == 0 {
            self.shard += 1;
        }
        Ok(true)
    }
}

/// # Errors
/// [`Error::InTransaction`](crate::Error::InTransaction), and the walk can go on after the transaction.
impl Iterator for Scan<'_> {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(name) = self.found.pop() {
                return Some(Ok(name));
            }
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
