//! How a cache is to behave, said once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::breaker::Limit;
use super::entry::Form;
use super::policy::Policy;
use super::{Cache, Settings};
use crate::clock::millis;
use crate::{Database, Decode, Encode, Error, Result};

/// How a [`Cache`] is to behave; made by [`Database::cache`], ended by [`build`](CacheBuilder::build).
///
/// Times are cut to whole milliseconds.
#[must_use = "a builder does nothing before `build`"]
pub struct CacheBuilder<K, V> {
    db: Database,
    name: String,
    policy: Policy,
    settings: Settings<V>,
    keys: PhantomData<fn() -> K>,
}

/// What those who have waited for a load that fails are told, where there is no stale value to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// The same: [`LoadError::Shared`](crate::LoadError::Shared) with the error's text. So a database that is down is
    /// asked once for all who wait.
    #[default]
    Share,
    /// Nothing: one of them tries next, with its own loader.
    Retry,
}

impl<K, V> CacheBuilder<K, V> {
    pub(super) fn new(db: Database, name: String) -> Self {
        let policy = Policy {
            ttl: 60_000,
            jitter: 0.0,
            idle: None,
            stale_for: 0,
            revalidate_for: 0,
            refresh_after: None,
            early: None,
            absent_ttl: None,
            retry_after: 1_000,
        };
        CacheBuilder { db, name, policy, settings: Settings::default(), keys: PhantomData }
    }

    /// How long a value is fresh: a minute, unless this is said.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.ttl = millis(ttl);
        self
    }

    /// Takes up to this share off each time to live, at random, so that what was loaded together does not end
    /// together: 0.1 makes five minutes four and a half to five.
    pub fn jitter(mut self, share: f64) -> Self {
        self.policy.jitter = share;
        self
    }

    /// A value that nobody asks for lives so long, one that is used lives on, until the end of its time to live.
    ///
    /// In such a cache no hit is near: each formats its key, looks at the clock and at the store's table, under its shard's
    /// lock for reading. Once in an eighth of this time one writes there.
    pub fn idle_ttl(mut self, idle: Duration) -> Self {
        self.policy.idle = Some(millis(idle));
        self
    }

    /// Keeps a value for so long after its time to live, to be served while it cannot be loaded anew: when the database
    /// is down. It may be shorter than the time to live, or longer.
    pub fn stale_for(mut self, window: Duration) -> Self {
        self.policy.stale_for = millis(window);
        self
    }

    /// For so long after its time to live, a value is served at once while one of those who ask loads it anew.
    #[doc(alias = "stale-while-revalidate")]
    pub fn revalidate_for(mut self, window: Duration) -> Self {
        self.policy.revalidate_for = millis(window);
        self
    }

    /// After this share of its time to live a value is loaded anew by one of those who ask, while the others are served.
    pub fn refresh_after(mut self, share: f64) -> Self {
        self.policy.refresh_after = Some(share);
        self
    }

    /// Has a value loaded anew before its time is over, at random: the nearer the end, and the longer its load took, the
    /// likelier. With a `beta` of 1 that is, on the average, about one load ahead of time; more is earlier.
    ///
    /// Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015.
    #[doc(alias = "XFetch")]
    pub fn refresh_early(mut self, beta: f64) -> Self {
        self.policy.early = Some(beta);
        self
    }

    /// How long it is remembered that there is nothing under a key. Unless this is said, that is asked each time.
    pub fn absent_ttl(mut self, ttl: Duration) -> Self {
        self.policy.absent_ttl = Some(millis(ttl));
        self
    }

    /// While there is a stale value to serve, the next load after one that has failed is tried after this time: a
    /// second, unless this is said.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.policy.retry_after = millis(pause);
        self
    }

    /// Who waits for another's load waits so long at the most, and is told [`LoadError::TimedOut`] then, or served a
    /// stale value if there is one.
    ///
    /// In a [`LoadingCache`](crate::LoadingCache) it holds for one's own load too, and has **all that is missing loaded by
    /// its one thread, one after the other**: ten keys that are asked for at once and take 100 ms each take a second. Where
    /// many keys miss at once, leave it away, or load by [`get_or_load`](Cache::get_or_load), on the threads that ask.
    ///
    /// [`LoadError::TimedOut`]: crate::LoadError::TimedOut
    pub fn wait_at_most(mut self, limit: Duration) -> Self {
        self.settings.wait_at_most = Some(millis(limit).max(1));
        self
    }

    /// Who waits for another's load and could be served a stale value is, after so long. That takes a window in which
    /// there is one: [`stale_for`](Self::stale_for).
    #[doc(alias = "soft timeout")]
    pub fn stale_after(mut self, limit: Duration) -> Self {
        self.settings.stale_after = Some(millis(limit));
        self
    }

    /// What those who have waited for a load that fails are told.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.settings.on_failure = policy;
        self
    }

    /// After so many loads in a row that have failed, none is tried for a while: whoever asks is served a stale value,
    /// or told [`LoadError::Paused`]. Then one load tries for all.
    ///
    /// [`LoadError::Paused`]: crate::LoadError::Paused
    #[doc(alias = "circuit breaker")]
    pub fn breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.settings.breaker = Some(Limit { failures: failures.max(1), pause: millis(pause) });
        self
    }

    /// What a value takes beside its own size, in bytes, as for a store with
    /// [`max_bytes`](crate::StoreBuilder::max_bytes). It is called once a value, with no lock held.
    pub fn weigher(mut self, bytes: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        self.settings.weigher = Some(Arc::new(bytes));
        self
    }

    /// Lets others see the values, as [`Encode`] writes them: Redis clients as strings, and snapshots, from which they
    /// come back. Without it a value needs no trait at all, and nobody else sees it.
    ///
    /// What comes back is the value alone, for what is left of its time: **its tags and its version are not kept**. So
    /// [`remove_tag`](Cache::remove_tag) and a write that is told by a tag do not reach it, [`remove`](Cache::remove),
    /// [`clear`](Cache::clear) and a [`Writing`](crate::Writing) of its key do. Once all tags of a store were removed, as
    /// when a `larder::sqlite::Followed` connection begins, or another process has cleared a cache with a second level, what
    /// stands there as bytes counts as missing, whoever has put it there. If values are removed by tags and their source may
    /// have been written since the snapshot was, `clear` the cache when the store has been loaded.
    ///
    /// The other way round, a string that somebody has put under the name of one of its keys is its value, from when it first
    /// reads it. In a store that is kept in a folder the string is no longer kept there from then on, as no entry of a cache is.
    pub fn shared(self) -> Self
    where
        V: Encode + Decode + 'static,
    {
        self.form(Form { encode: Box::new(|value: &V| value.encode()), decode: Box::new(V::decode) })
    }

    /// The same for any serde type, foreign ones such as `Vec<Product>` among them, by a codec. Raise the version when
    /// the type's fields change: values of another one count as missing.
    #[cfg(feature = "serde")]
    pub fn shared_as(self, codec: crate::Codec, version: u8) -> Self
    where
        V: serde::Serialize + serde::de::DeserializeOwned + 'static,
    {
        self.form(Form {
            encode: Box::new(move |value: &V| crate::codec::write_record(value, codec, version)),
            decode: Box::new(move |bytes| crate::codec::read_record(bytes, version)),
        })
    }

    /// Has what this cache loads kept in Redis too, where other processes find it, and what is removed in one of them
    /// removed in all: see [`RedisTier`](crate::RedisTier), which tells what is promised. It needs to know how values
    /// are encoded ([`shared`](Self::shared), [`shared_as`](Self::shared_as)), and is known there by its name, so a tier
    /// has one cache of each.
    #[cfg(feature = "redis-tier")]
    pub fn second_level(mut self, tier: &crate::RedisTier) -> Self {
        self.settings.second = Some(tier.of_cache(&self.name));
        self
    }

    fn form(mut self, form: Form<V>) -> Self {
        self.settings.form = Some(Arc::new(form));
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// - [`Error::CacheInUse`] if one of this name is open in the same database, whatever its types.
    /// - [`Error::Invalid`] for a time to live of zero, a share that does not lie between 0 and 1, a `beta` that is
    ///   no positive number, [`stale_after`](Self::stale_after) without a window in which values are kept
    ///   ([`stale_for`](Self::stale_for)), or a second level where nobody has said how values are encoded;
    ///   [`Error::InTransaction`] within one.
    pub fn build(self) -> Result<Cache<K, V>>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let CacheBuilder { db, name, policy, settings, .. } = self;
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        if policy.ttl == 0 || policy.idle == Some(0) || policy.absent_ttl == Some(0) {
            return Err(Error::Invalid("a cache's times to live must be a millisecond or more"));
        }
        if !is_share(policy.jitter) || !policy.refresh_after.is_none_or(is_share) {
            return Err(Error::Invalid("a share of a cache's time to live must lie between 0 and 1"));
        }
        if !policy.early.is_none_or(|beta| beta.is_finite() && beta > 0.0) {
            return Err(Error::Invalid("how early a cache refreshes must be a positive number"));
        }
        if settings.stale_after.is_some() && policy.stale_for == 0 && policy.revalidate_for == 0 {
            return Err(Error::Invalid("serving stale needs a window: `stale_for`"));
        }
        if settings.second.is_some() && settings.form.is_none() {
            return Err(Error::Invalid(
                "a cache with a second level needs to know how its values are encoded: `shared` or `shared_as`",
            ));
        }
        Cache::open(&db, name, policy, settings)
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
