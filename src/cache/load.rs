//! What a loader decides about the value that it gives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::{Bytes, Key};

/// What a loader gives: a value or that there is none, and what is to become of it.
///
/// A loader may give a plain value, an `Arc` of one or an `Option`; each of them is turned into this. To say more:
///
/// ```
/// use std::time::Duration;
/// use larder::{Cache, Load, LoadError, Store};
///
/// let store = Store::new();
/// let names: Cache<u32, String> = store.cache("names").ttl(Duration::from_secs(60)).build()?;
///
/// let name = names.get_or_load(&7, || {
///     let row = "tea".to_owned();
///     Ok(Load::value(row).ttl(Duration::from_secs(5)).tag("products"))
/// })?;
/// assert_eq!(name.as_deref().map(String::as_str), Some("tea"));
/// # Ok::<(), LoadError<std::io::Error>>(())
/// ```
#[must_use = "it is what the loader gives"]
#[derive(Clone)]
pub struct Load<V> {
    pub(super) what: What<V>,
    pub(super) ttl: Option<Duration>,
    pub(super) tags: SmallVec<[Bytes; 2]>,
    pub(super) version: Option<Arc<str>>,
    pub(super) is_kept: bool,
}

#[derive(Clone)]
pub(super) enum What<V> {
    Value(Arc<V>),
    Absent,
    Unchanged,
}

impl<V> Load<V> {
    fn of(what: What<V>) -> Self {
        Load { what, ttl: None, tags: SmallVec::new(), version: None, is_kept: true }
    }

    /// A value. O(1)
    pub fn value(value: impl Into<Arc<V>>) -> Self {
        Load::of(What::Value(value.into()))
    }

    /// There is nothing under this key. It is remembered for as long as
    /// [`absent_ttl`](crate::CacheBuilder::absent_ttl) says, or not at all. O(1)
    pub fn absent() -> Self {
        Load::of(What::Absent)
    }

    /// The value that was there still holds, and begins its time anew: what a source says to a question with the
    /// [version](Previous::version) in hand ("304 Not Modified", a row's `updated_at`). It keeps its version and the time
    /// to live that its own load has said, unless this one says others, and its tags, to which this one's are added: one
    /// of them that is removed while this load runs keeps it from being stored. Where there was none, the load fails with
    /// [`Error::Invalid`](crate::Error::Invalid). O(tags)
    pub fn unchanged() -> Self {
        Load::of(What::Unchanged)
    }

    /// How long this value is fresh, in place of the cache's time to live; a zero is at least a millisecond. O(1)
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Gives it a tag, by which it can be removed with all others that have it: see
    /// [`Cache::remove_tag`](crate::Cache::remove_tag). O(1)
    pub fn tag<'k>(mut self, tag: impl Into<Key<'k>>) -> Self {
        self.tags.push(tag.into().into_bytes());
        self
    }

    /// Several tags. O(tags)
    pub fn tags<'k, T: Into<Key<'k>>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(|tag| tag.into().into_bytes()));
        self
    }

    /// What the source calls this state of the value; the next loader of this key is given it. O(1)
    pub fn version(mut self, version: impl Into<Arc<str>>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// It goes to who has asked for it and to those who wait for this load, and is not stored. O(1)
    pub fn not_stored(mut self) -> Self {
        self.is_kept = false;
        self
    }
}

impl<V> From<V> for Load<V> {
    fn from(value: V) -> Self {
        Load::of(What::Value(Arc::new(value)))
    }
}

impl<V> From<Arc<V>> for Load<V> {
    fn from(value: Arc<V>) -> Self {
        Load::of(What::Value(value))
    }
}

impl<V> From<Option<V>> for Load<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or_else(Load::absent, Load::from)
    }
}

impl<V> From<Option<Arc<V>>> for Load<V> {
    fn from(value: Option<Arc<V>>) -> Self {
        value.map_or_else(Load::absent, Load::from)
    }
}

impl<V> fmt::Debug for Load<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Value(_) => "value",
            What::Absent => "absent",
            What::Unchanged => "unchanged",
        };
        let Load { ttl, tags, version, is_kept, .. } = self;
        let mut text = f.debug_struct("Load");
        text.field("what", &what).field("ttl", ttl).field("tags", tags).field("version", version);
        text.field("is_kept", is_kept).finish()
    }
}

/// What a cache had for a key when its loader was called: for a question such as "has it changed since?".
pub struct Previous<V> {
    pub(super) value: Option<Arc<V>>,
    pub(super) version: Option<Arc<str>>,
}

impl<V> Previous<V> {
    /// The value, if there was one, stale as it may be. O(1)
    pub fn value(&self) -> Option<&Arc<V>> {
        self.value.as_ref()
    }

    /// What its loader called this state of it. O(1)
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl<V> fmt::Debug for Previous<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Previous");
        text.field("is_some", &self.value.is_some()).field("version", &self.version).finish()
    }
}

/// A value that was asked for, and how it was had.
pub struct Answer<V> {
    /// None if there is nothing under the key.
    pub value: Option<Arc<V>>,
    /// Where it comes from.
    pub how: How,
    /// How long ago it was loaded.
    pub age: Duration,
}

impl<V> Clone for Answer<V> {
    fn clone(&self) -> Self {
        Answer { value: self.value.clone(), ..*self }
    }
}

impl<V> fmt::Debug for Answer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Answer");
        text.field("is_some", &self.value.is_some()).field("how", &self.how).field("age", &self.age).finish()
    }
}

/// How a value was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum How {
    /// It was there, and fresh.
    Hit,
    /// It was there, and its time over: nothing better could be had, or another loads it anew.
    Stale,
    /// It was loaded by this call.
    Loaded,
    /// It was loaded by another call, which this one waited for.
    Shared,
    /// It was in the second level, where this process or another had put it: see `CacheBuilder::second_level`.
    SecondLevel,
}
