//! Why a value is or is not there.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::time::Duration;

use super::entry::Entry;
use super::find::Text;
use super::name::{CacheKey, Name};
use super::tags::Removed;
use super::{Cache, Inner};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Result};

/// What there is to know of a key of a cache: see [`Cache::explain`]. Displayed, it is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The key's name in the store.
    pub key: Bytes,
    /// What is there.
    pub state: CacheState,
    /// It is being loaded.
    pub is_loading: bool,
    /// It is, and what that load gives will not be stored: the key was written meanwhile.
    pub is_loading_fenced: bool,
    /// A value of it was loaded lately and not stored, as the key was written, or a tag removed, meanwhile: one of the
    /// last 64 of the cache.
    pub was_fenced: bool,
    /// No load is tried for so long, as this key's last one failed and there is something to serve.
    pub retry_in: Option<Duration>,
    /// No load of any key is tried for so long: the [breaker](crate::CacheBuilder::breaker) is open.
    pub paused_for: Option<Duration>,
    /// The second level cannot be reached: see `CacheBuilder::second_level`. It is not asked for this.
    pub is_second_level_away: bool,
}

/// What is there for a key of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheState {
    /// Nothing: it was never stored, was removed or evicted, or its time is long over.
    Missing,
    /// A value that is served.
    Fresh {
        /// How long ago it was loaded.
        age: Duration,
        /// How much longer it is fresh.
        left: Duration,
        /// It is loaded anew as soon as somebody asks.
        is_due: bool,
    },
    /// It is known that there is nothing.
    Absent {
        /// How long ago that was loaded.
        age: Duration,
        /// For how much longer that is believed.
        left: Duration,
    },
    /// A value whose time is over, and which is served if nothing better can be had.
    Stale {
        /// For how long its time has been over.
        since: Duration,
        /// How much longer it is served.
        left: Duration,
    },
    /// A value that counts as missing, as this tag was removed.
    TagRemoved(Bytes),
    /// A value that counts as missing, as the cache was cleared, or all tags of the store were removed.
    Cleared,
    /// Bytes that a snapshot or a Redis client has put there; they are a value, which is decoded when somebody asks.
    Encoded,
    /// Bytes that are no value of this cache's type, and why; they count as missing.
    Undecodable(String),
    /// Bytes, or a value of another type, that are of no meaning to this cache and count as missing.
    Foreign,
    /// A list, a hash or such: asking for the key is [`Error::WrongType`](crate::Error::WrongType).
    WrongType,
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// Why a key's value is or is not there. Nothing is loaded, counted or changed. O(tags of the value)
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Cache, Load, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let names: Cache<u64, String> = store
    ///     .cache("names")
    ///     .ttl(Duration::from_secs(300))
    ///     .stale_for(Duration::from_secs(3600))
    ///     .build()?;
    /// assert_eq!(names.explain(&7)?.to_string(), "names:7: nothing is there");
    ///
    /// names.insert(&7, Load::value("tea".to_owned()).tag("teas"))?;
    /// clock.advance(Duration::from_secs(75));
    /// assert_eq!(names.explain(&7)?.to_string(), "names:7: fresh: loaded 1m 15s ago, good for 3m 45s more");
    ///
    /// clock.advance(Duration::from_secs(300));
    /// assert_eq!(
    ///     names.explain(&7)?.to_string(),
    ///     "names:7: stale since 1m 15s, served for 58m 45s more if it cannot be loaded"
    /// );
    /// names.remove_tag("teas");
    /// assert_eq!(names.explain(&7)?.to_string(), "names:7: missing, as its tag teas was removed");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction), and [`Error::Invalid`](crate::Error::Invalid) for a key that cannot be displayed.
    pub fn explain<Q>(&self, key: &Q) -> Result<Explanation>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let inner = &*self.0;
        let name = inner.name_of(key)?;
        let now = inner.space.clock().now();
        let (state, retry_at) = inner.state(&name, now)?;
        let loading = inner.space.flights().is_loading(inner.db, inner.space.key_ref(&name));
        let some = |millis: u64| (millis > 0).then(|| Duration::from_millis(millis));
        Ok(Explanation {
            is_loading: loading.is_some(),
            is_loading_fenced: loading == Some(false),
            was_fenced: state.is_missing() && inner.fenced.has(inner.near.hash(key)),
            retry_in: some(retry_at.saturating_sub(now)),
            paused_for: some(inner.breaker.left(now)),
            is_second_level_away: inner.settings.second.as_ref().is_some_and(|second| second.is_away()),
            key: Bytes::from(&*name),
            state,
        })
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// What is there, and when a load is tried next.
    fn state(&self, name: &Name, now: u64) -> Result<(CacheState, u64)> {
        let name = self.space.key_ref(name);
        let text = {
            let shard = self.space.reading(name)?;
            match self.space.kept(&shard, self.db, name, false) {
                None => return Ok((CacheState::Missing, 0)),
                Some((ValueRef::Whole(Value::Native(native)), _)) => {
                    let native = native.clone();
                    drop(shard);
                    let entry = native.downcast::<Entry<K, V>>().filter(|entry| entry.stamp.is_of(&self.tag));
                    return Ok(entry.map_or((CacheState::Foreign, 0), |entry| self.state_of(&entry, now)));
                }
                Some((ValueRef::Whole(Value::String(text)), _)) => text.clone(),
                Some((ValueRef::Short(text), _)) => Bytes::from(text),
                Some(_) => return Ok((CacheState::WrongType, 0)),
            }
        };
        let state = match (self.state_of_text(name), &self.settings.form) {
            (Text::Foreign, _) | (_, None) => CacheState::Foreign,
            (Text::Removed, _) => CacheState::Cleared,
            (Text::Own, Some(form)) => match (form.decode)(text) {
                Ok(_) => CacheState::Encoded,
                Err(why) => CacheState::Undecodable(why.to_string()),
            },
        };
        Ok((state, 0))
    }

    fn state_of(&self, entry: &Entry<K, V>, now: u64) -> (CacheState, u64) {
        let (life, millis) = (&entry.life, Duration::from_millis);
        let fresh_until = life.fresh_until.load(Ordering::Acquire);
        let retry_at = life.retry_at.load(Ordering::Acquire);
        let age = millis(now.saturating_sub(life.stored_at));
        let left = millis(fresh_until.saturating_sub(now));
        let kept_until = fresh_until.saturating_add(life.kept_for);
        let state = match self.space.caches().tags.removed_of(&entry.stamp) {
            Some(Removed::All) => CacheState::Cleared,
            Some(Removed::Tag(tag)) => CacheState::TagRemoved(tag),
            None if now >= kept_until.max(fresh_until) => CacheState::Missing,
            None if now >= fresh_until => CacheState::Stale {
                since: millis(now - fresh_until),
                left: millis(kept_until.saturating_sub(now)),
            },
            None if entry.value.is_none() => CacheState::Absent { age, left },
            None => CacheState::Fresh { age, left, is_due: now >= life.refresh_at },
        };
        (state, retry_at)
    }
}

impl CacheState {
    fn is_missing(&self) -> bool {
        !matches!(self, CacheState::Fresh { .. } | CacheState::Stale { .. } | CacheState::Absent { .. })
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", String::from_utf8_lossy(&self.key), self.state)?;
        if self.was_fenced {
            f.write_str(
                "; a value was loaded and not stored, as the key was written or a tag removed meanwhile",
            )?;
        }
        match (self.is_loading, self.is_loading_fenced) {
            (true, false) => f.write_str("; it is being loaded")?,
            (true, true) => {
                f.write_str("; it is being loaded, and was written meanwhile: not to be stored")?
            }
            (false, _) => {}
        }
        if let Some(left) = self.retry_in {
            write!(f, "; its last load failed, the next is tried in {}", Span(left))?;
        }
        if let Some(left) = self.paused_for {
            write!(f, "; too many loads have failed, none is tried for {}", Span(left))?;
        }
        if self.is_second_level_away {
            f.write_str("; the second level is away")?;
        }
        Ok(())
    }
}

impl Display for CacheState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheState::Missing => f.write_str("nothing is there"),
            CacheState::Fresh { age, left, is_due } => {
                write!(f, "fresh: loaded {} ago, good for {} more", Span(*age), Span(*left))?;
                f.write_str(if *is_due { ", due to be loaded anew" } else { "" })
            }
            CacheState::Absent { age, left } => {
                write!(f, "known to have no value: loaded {} ago, good for {} more", Span(*age), Span(*left))
            }
            CacheState::Stale { since, left } => {
                let (since, left) = (Span(*since), Span(*left));
                write!(f, "stale since {since}, served for {left} more if it cannot be loaded")
            }
            CacheState::TagRemoved(tag) => {
                write!(f, "missing, as its tag {} was removed", String::from_utf8_lossy(tag))
            }
            CacheState::Cleared => f.write_str("missing, as the cache was cleared"),
            CacheState::Encoded => f.write_str("bytes from elsewhere, decoded when asked for"),
            CacheState::Undecodable(why) => write!(f, "missing, as the bytes there do not decode: {why}"),
            CacheState::Foreign => f.write_str("missing, as what is there is not of this cache's type"),
            CacheState::WrongType => f.write_str("not a cache's: the key holds another kind of value"),
        }
    }
}

/// A time as people say it, by its two largest units.
struct Span(Duration);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match seconds {
            0 => write!(f, "{millis}ms"),
            1..60 if millis == 0 || seconds >= 10 => write!(f, "{seconds}s"),
            1..60 => write!(f, "{seconds}.{}s", millis / 100),
            60..3600 => write!(f, "{}m {}s", seconds / 60, seconds % 60),
            3600..86_400 => write!(f, "{}h {}m", seconds / 3600, seconds / 60 % 60),
            _ => write!(f, "{}d {}h", seconds / 86_400, seconds / 3600 % 24),
        }
    }
}

/// The keys, by their hash, whose loaded values were not stored lately.
#[derive(Default)]
pub(super) struct Fenced(Mutex<VecDeque<u64>>);

impl Fenced {
    const MOST: usize = 64;

    pub(super) fn note(&self, hash: u64) {
        let mut fenced = self.0.lock();
        if fenced.len() == Self::MOST {
            fenced.pop_front();
        }
        fenced.push_back(hash);
    }

    fn has(&self, hash: u64) -> bool {
        self.0.lock().contains(&hash)
    }
}
