//! Asking a cache: what is there, who loads what is not, and what becomes of that.
//!
//! One way for threads and for tasks: [`Inner::step`] says what is to be done next, and only who does it differs.

use std::borrow::Borrow;
use std::fmt::Display;
use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::entry::Entry;
use super::find::Look;
use super::load::{Answer, How, Load, Previous};
use super::name::{CacheKey, Name, name_of};
use super::policy::Verdict;
use super::second::{Below, Found, Lease, Question};
use super::stats::Counters;
use super::{Cache, Inner};
use crate::Result;
use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::load::{Batch, Follow, Join, Lead, LoadError, Outcome, Waited};
use crate::sync::thread;

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// The value of a key, or what `loader` gives, which is then kept; `None` if there is nothing under the key.
    ///
    /// - **One load**: while a key is being loaded, all others who ask for it, threads and tasks, wait for that load and
    ///   share its value, or its failure as [`on_failure`](crate::CacheBuilder::on_failure) says.
    /// - **Never an old value back**: if the key is written or removed, or a tag of the value, while its load runs, the
    ///   value goes to those who wait for it and is not stored, and whoever asks from then on loads anew.
    /// - **Stale values**: one that is kept for longer than it is fresh ([`stale_for`](crate::CacheBuilder::stale_for)) is
    ///   served if the loader fails; while another loads it, only with
    ///   [`revalidate_for`](crate::CacheBuilder::revalidate_for), or after a while with
    ///   [`stale_after`](crate::CacheBuilder::stale_after). [`ask`](Self::ask) tells the difference.
    /// - **No lock is held** while the loader runs: it may use the cache. If it panics, the panic is its caller's alone,
    ///   and one of those who wait loads in its stead.
    ///
    /// The loader gives a value, an `Option`, an `Arc` of one, or a [`Load`] that says more. It is run by this thread,
    /// also where the value is only loaded anew ahead of time. O(1) beside it. A hit formats no key and takes no lock of
    /// the store, but in a cache with an [`idle_ttl`](crate::CacheBuilder::idle_ttl); it counts in [`stats`](Self::stats).
    ///
    /// # Errors
    /// - [`LoadError::Loader`]: the loader's own error, by value, where there is no stale value to serve.
    /// - [`LoadError::Shared`]: another's load, which this call waited for, failed with that text.
    /// - [`LoadError::TimedOut`]: it took longer than [`wait_at_most`](crate::CacheBuilder::wait_at_most).
    /// - [`LoadError::Paused`]: the [`breaker`](crate::CacheBuilder::breaker) is open.
    /// - [`LoadError::Cycle`]: the loader asks for a key whose load waits for this one.
    /// - [`LoadError::Store`]: [`Error::WrongType`] if the key holds a list or such, [`Error::TooLong`] for a name over
    ///   the limit, [`Error::Invalid`] for an [unchanged](Load::unchanged) value where there was none,
    ///   [`Error::InTransaction`] within one of the same store.
    ///
    /// [`Error::WrongType`]: crate::Error::WrongType
    /// [`Error::TooLong`]: crate::Error::TooLong
    /// [`Error::Invalid`]: crate::Error::Invalid
    /// [`Error::InTransaction`]: crate::Error::InTransaction
    #[inline]
    pub fn get_or_load<Q, L, E>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> Result<L, E>,
    ) -> Result<Option<Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        L: Into<Load<V>>,
        E: Display,
    {
        match self.0.hit(key) {
            Some(value) => Ok(value),
            None => self.0.ask(key, Who::One, |_| loader()).map(|answer| answer.value),
        }
    }

    /// [`get_or_load`](Self::get_or_load) for a loader that is told what was there, and a caller who is told how the
    /// value was had.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Cache, How, Load, LoadError, ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let pages: Cache<String, String> =
    ///     store.cache("pages").ttl(Duration::from_secs(60)).stale_for(Duration::from_secs(3600)).build()?;
    ///
    /// let first = pages.ask("/", |_| Ok(Load::value("hello".to_owned()).version("v1")))?;
    /// assert_eq!(first.how, How::Loaded);
    ///
    /// clock.advance(Duration::from_secs(61));
    /// let again = pages.ask("/", |old| {
    ///     // "If-None-Match: v1" is answered by "304 Not Modified".
    ///     assert_eq!(old.version(), Some("v1"));
    ///     Ok(Load::unchanged())
    /// })?;
    /// assert_eq!((again.how, again.age), (How::Loaded, Duration::ZERO));
    ///
    /// clock.advance(Duration::from_secs(61));
    /// let down = pages.ask("/", |_| Err::<Load<String>, _>("the network is down"));
    /// assert_eq!(down.unwrap().how, How::Stale);
    /// # Ok::<(), LoadError<&str>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load).
    pub fn ask<Q, L, E>(
        &self,
        key: &Q,
        loader: impl FnOnce(Previous<V>) -> Result<L, E>,
    ) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        L: Into<Load<V>>,
        E: Display,
    {
        self.0.ask(key, Who::One, loader)
    }

    /// [`get_or_load`](Self::get_or_load) for async code, on any runtime: `loader` makes a future, which is awaited
    /// within this one.
    ///
    /// A future that is dropped before it has ended loads no more: one of those who wait, if any do, loads in its stead
    /// with its own loader. What the loader has done by then, such as a query that was sent, is not taken back.
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load).
    pub async fn get_or_load_async<Q, L, E, F>(
        &self,
        key: &Q,
        loader: impl FnOnce() -> F,
    ) -> Result<Option<Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        F: Future<Output = Result<L, E>>,
        L: Into<Load<V>>,
        E: Display,
    {
        match self.0.hit(key) {
            Some(value) => Ok(value),
            None => self.0.ask_async(key, Who::One, |_| loader()).await.map(|answer| answer.value),
        }
    }

    /// [`ask`](Self::ask) for async code: see [`get_or_load_async`](Self::get_or_load_async).
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load).
    pub async fn ask_async<Q, L, E, F>(
        &self,
        key: &Q,
        loader: impl FnOnce(Previous<V>) -> F,
    ) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        F: Future<Output = Result<L, E>>,
        L: Into<Load<V>>,
        E: Display,
    {
        self.0.ask_async(key, Who::One, loader).await
    }
}

/// Who asks for a key.
pub(super) enum Who<'t> {
    /// Somebody who asks for it alone.
    One,
    /// The same, who was counted when they asked.
    Counted,
    /// Somebody who asks for several at once.
    Many(&'t mut Together),
    /// Nobody: it is loaded behind those who have asked. They were counted. Where they have found it due, when that was
    /// stored: chance has been asked then, and is not again.
    Behind(Option<u64>),
}

impl Who<'_> {
    /// Whether it is counted that they ask.
    fn is_counted(&self) -> bool {
        matches!(self, Who::One | Who::Many(_))
    }

    /// What is counted of an answer, where somebody is given it.
    fn served<V>(&self, counters: &Counters, answer: &Answer<V>) {
        if !matches!(self, Who::Behind(_)) {
            counters.served(answer);
        }
    }
}

/// What the loads that one call of a loader makes have in common.
#[derive(Default)]
pub(super) struct Together {
    batch: Batch,
    /// Whether the breaker lets that call be made, once it was asked.
    is_admitted: Option<bool>,
}

/// What is to be done for somebody who asks.
pub(super) enum Step<K, V> {
    Answer(Answer<V>),
    /// To load the value.
    Load(Duty<K, V>),
    /// To wait for another's load, for so long as [`Inner::deadline`] says.
    Wait(Follow, Asked<K, V>),
}

/// What there is to know of somebody who waits for another's load.
pub(super) struct Asked<K, V> {
    /// What may be served if that fails.
    pub old: Option<Arc<Entry<K, V>>>,
    /// The removals' time when they asked.
    removals: u64,
}

/// A load to be made.
pub(super) struct Duty<K, V> {
    pub lead: Lead,
    /// What is there, and may be served if nothing better can be had.
    pub old: Option<Arc<Entry<K, V>>>,
    /// Where the second level takes what it brings.
    pub lease: Option<Lease>,
    /// The removals' time, and the store's, when it began.
    pub began: u64,
    pub started: u64,
}

impl<K, V> Duty<K, V> {
    fn previous(&self) -> Previous<V> {
        let old = self.old.as_ref();
        Previous {
            value: old.and_then(|old| old.value.clone()),
            version: old.and_then(|old| old.version.clone()),
        }
    }
}

/// Counts a loader that panics: what would come behind it never does. One that has ended is forgotten.
pub(super) struct Panics<'c, K, V>(pub &'c Inner<K, V>);

impl<K, V> Drop for Panics<'_, K, V> {
    fn drop(&mut self) {
        // Else it is a future that was dropped.
        if thread::panicking() {
            let Inner { counters, breaker, settings, space, .. } = self.0;
            Counters::add(&counters.loads, 1);
            Counters::add(&counters.failed, 1);
            breaker.failed(settings.breaker, space.clock().now());
        }
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// The value of a key that was found before, is fresh, and stands in its table without a doubt.
    #[inline]
    pub(super) fn hit<Q>(&self, key: &Q) -> Option<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let (hash, removals) = (self.near.hash(key), self.space.caches().tags.now());
        let value = self.near.hit(hash, key, self.space.clock(), removals)?;
        self.counters.lookups.count(true);
        Some(value)
    }

    pub(super) fn ask<Q, L, E>(
        &self,
        key: &Q,
        mut who: Who<'_>,
        loader: impl FnOnce(Previous<V>) -> Result<L, E>,
    ) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        L: Into<Load<V>>,
        E: Display,
    {
        let name = self.name_of(key)?;
        let mut is_counted = who.is_counted();
        let answer = loop {
            match self.step(key, &name, &mut who, mem::take(&mut is_counted))? {
                Step::Answer(answer) => break answer,
                Step::Load(duty) => {
                    let found = self.question([&name].into_iter()).map(Question::wait);
                    let duty =
                        match self.begin(key, duty, found.and_then(|mut found| found.pop()), &mut who)? {
                            Below::Answer(answer) => break answer,
                            Below::Load(duty) => duty,
                        };
                    let panics = Panics(self);
                    let loaded = duty.lead.run(|| loader(duty.previous()));
                    mem::forget(panics);
                    break self.settle(key, duty, loaded.map(Into::into))?;
                }
                Step::Wait(follow, asked) => {
                    let waited = follow.wait(self.deadline(asked.old.as_deref()));
                    if let Some(answer) = self.waited(key, &name, waited, asked)? {
                        break answer;
                    }
                }
            }
        };
        who.served(&self.counters, &answer);
        Ok(answer)
    }

    pub(super) async fn ask_async<Q, L, E, F>(
        &self,
        key: &Q,
        mut who: Who<'_>,
        loader: impl FnOnce(Previous<V>) -> F,
    ) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        F: Future<Output = Result<L, E>>,
        L: Into<Load<V>>,
        E: Display,
    {
        let name = self.name_of(key)?;
        let mut is_counted = who.is_counted();
        let answer = loop {
            match self.step(key, &name, &mut who, mem::take(&mut is_counted))? {
                Step::Answer(answer) => break answer,
                Step::Load(duty) => {
                    let found = match self.question([&name].into_iter()) {
                        Some(question) => question.wait_async().await.pop(),
                        None => None,
                    };
                    let duty = match self.begin(key, duty, found, &mut who)? {
                        Below::Answer(answer) => break answer,
                        Below::Load(duty) => duty,
                    };
                    let panics = Panics(self);
                    let loaded = duty.lead.run_async(loader(duty.previous())).await;
                    mem::forget(panics);
                    break self.settle(key, duty, loaded.map(Into::into))?;
                }
                Step::Wait(follow, asked) => {
                    let waited = follow.wait_async(self.deadline(asked.old.as_deref())).await;
                    if let Some(answer) = self.waited(key, &name, waited, asked)? {
                        break answer;
                    }
                }
            }
        };
        who.served(&self.counters, &answer);
        Ok(answer)
    }

    pub(super) fn name_of<Q: Display + ?Sized>(&self, key: &Q) -> Result<Name> {
        let name = name_of(&self.prefix, key)?;
        self.space.key_ref(&name).check(self.space.limits().value)?;
        Ok(name)
    }

    /// What is to be done for somebody who asks for a key, which is counted once.
    pub(super) fn step<Q, E>(
        &self,
        key: &Q,
        name: &Name,
        who: &mut Who<'_>,
        is_counted: bool,
    ) -> Result<Step<K, V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let (name, removals) = (self.space.key_ref(name), self.space.caches().tags.now());
        let found = self.find(key, name, Look::Use)?;
        let now = self.space.clock().now();
        let verdict = found.as_ref().map_or(Verdict::Gone, |found| match who {
            Who::Behind(Some(due)) if *due == found.life.stored_at => {
                self.policy.judge(&found.life, now, || 0.0)
            }
            _ => self.judge(found, now),
        });
        if is_counted {
            self.counters.lookups.count(!matches!(verdict, Verdict::Gone | Verdict::Reload));
        }
        match (verdict, found) {
            (Verdict::Fresh | Verdict::Wait, Some(found)) => {
                self.put_off(&found, name, now)?;
                Ok(Step::Answer(self.answer(&found, now)))
            }
            // It is served anyway: by another's load nobody waits.
            (Verdict::Refresh | Verdict::Revalidate, Some(found)) => match self.lead(name, who)? {
                Join::Follow(_) => Ok(Step::Answer(self.answer(&found, now))),
                Join::Lead(lead) => self.duty(key, name, lead, Some(&found)),
            },
            (_, found) => {
                let old = found.filter(|_| verdict == Verdict::Reload);
                match self.lead(name, who)? {
                    Join::Lead(lead) => self.duty(key, name, lead, old.as_ref()),
                    Join::Follow(follow) => {
                        Counters::add(&self.counters.shared, is_counted.into());
                        Ok(Step::Wait(follow, Asked { old, removals }))
                    }
                }
            }
        }
    }

    /// Leads a load or joins one.
    fn lead(&self, name: KeyRef<'_>, who: &Who<'_>) -> Result<Join> {
        let batch = if let Who::Many(together) = who { Some(&together.batch) } else { None };
        let mut join = self.space.flights().join(&self.space, self.db, name, batch)?;
        if let Join::Lead(lead) = &mut join {
            lead.of_cache(&self.name);
        }
        Ok(join)
    }

    /// What becomes of a load before its loader is run: it may be found below, and the breaker may be open.
    pub(super) fn begin<Q, E>(
        &self,
        key: &Q,
        duty: Duty<K, V>,
        found: Option<Found>,
        who: &mut Who<'_>,
    ) -> Result<Below<K, V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let duty = match self.below(key, duty, found)? {
            Below::Load(duty) => duty,
            answer => return Ok(answer),
        };
        let now = self.space.clock().now();
        let admits = || self.breaker.admits(self.settings.breaker, now);
        let is_tried = match who {
            Who::Many(together) => *together.is_admitted.get_or_insert_with(admits),
            _ => admits(),
        };
        if is_tried {
            return Ok(Below::Load(duty));
        }
        Counters::add(&self.counters.paused, 1);
        let old = duty.old.filter(|old| old.is_kept(now)).ok_or(LoadError::Paused)?;
        Ok(Below::Answer(self.answer(&old, now)))
    }

    /// Until when somebody who begins to wait now does: less long if there is something stale to serve.
    pub(super) fn deadline(&self, old: Option<&Entry<K, V>>) -> u64 {
        let soft = old.and(self.settings.stale_after);
        let limit = soft.into_iter().chain(self.settings.wait_at_most).min();
        limit.map_or(NEVER, |limit| self.space.clock().now().saturating_add(limit))
    }

    /// The duty to load a key, unless another's load has landed between the look, which has found this, and the lead.
    fn duty<Q, E>(
        &self,
        key: &Q,
        name: KeyRef<'_>,
        lead: Lead,
        seen: Option<&Arc<Entry<K, V>>>,
    ) -> Result<Step<K, V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        // Read before the loader does: what is removed from now on fences it.
        let began = self.space.caches().tags.now();
        let (found, now) = (self.find(key, name, Look::ToLoad)?, self.space.clock().now());
        let is_another = |found: &Arc<Entry<K, V>>| !seen.is_some_and(|seen| Arc::ptr_eq(seen, found));
        match found.as_ref().filter(|found| is_another(found)) {
            Some(found) if self.judge(found, now) == Verdict::Fresh => {
                return Ok(Step::Answer(self.answer(found, now)));
            }
            _ => {}
        }
        // What was removed since the first look is served to nobody: of those who wait, some ask after that.
        let old = found.filter(|found| found.is_kept(now));
        Ok(Step::Load(Duty { lead, old, lease: None, began, started: now }))
    }

    pub(super) fn judge(&self, entry: &Entry<K, V>, now: u64) -> Verdict {
        self.policy.judge(&entry.life, now, || self.chance())
    }

    /// A number from 0 to 1.
    pub(super) fn chance(&self) -> f64 {
        (self.space.rng().next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn answer(&self, entry: &Entry<K, V>, now: u64) -> Answer<V> {
        let how = if entry.is_fresh(now) { How::Hit } else { How::Stale };
        self.answer_as(entry, now, how)
    }

    pub(super) fn answer_as(&self, entry: &Entry<K, V>, now: u64, how: How) -> Answer<V> {
        let age = Duration::from_millis(now.saturating_sub(entry.life.stored_at));
        Answer { value: entry.value.clone(), how, age }
    }

    /// Has an entry that was used live on, where the cache's do.
    pub(super) fn put_off(&self, entry: &Arc<Entry<K, V>>, name: KeyRef<'_>, now: u64) -> Result<()> {
        if let Some(deadline) = self.policy.used(&entry.life, now) {
            self.space.write_one(self.db, name, |writer, name| {
                writer.put_off(name, |native| native.is(entry), deadline);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What becomes of somebody who has waited for a load; none if they are to ask again.
    pub(super) fn waited<Q, E>(
        &self,
        key: &Q,
        name: &Name,
        waited: Waited,
        asked: Asked<K, V>,
    ) -> Result<Option<Answer<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let now = self.space.clock().now();
        let loaded = match waited {
            Waited::Ended(Outcome::Native(loaded)) => loaded,
            Waited::Ended(Outcome::Failed(why)) => {
                return self.instead(key, name, || LoadError::Shared(why)).map(Some);
            }
            Waited::TooLate => return self.too_late(key, name),
            Waited::Ended(Outcome::Abandoned | Outcome::Loaded(_)) => return Ok(None),
            Waited::Cycle(keys) => return Err(LoadError::Cycle(keys)),
        };
        // Of another cache it is of no use, should its name and key come to the same as this one's.
        let loaded = loaded.downcast::<Entry<K, V>>().ok().filter(|entry| entry.stamp.is_of(&self.tag));
        // A tag of it may have been removed before they asked: they have seen that, and it has not.
        let loaded = loaded.filter(|entry| entry.stamp.is_for(asked.removals));
        Ok(loaded.map(|entry| match entry.is_fresh(now) {
            true => self.answer_as(&entry, now, How::Shared),
            // That load has failed, or its value ends at once.
            false => self.answer(&entry, now),
        }))
    }

    /// What becomes of somebody whose deadline has come; none if they are to ask again.
    pub(super) fn too_late<Q, E>(&self, key: &Q, name: &Name) -> Result<Option<Answer<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        match self.instead(key, name, || LoadError::TimedOut) {
            // They were to wait less long as there was something stale to serve, and that has gone.
            Err(LoadError::TimedOut) if self.settings.wait_at_most.is_none() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// What is served where nothing was loaded: what is there now, if it may be, and not what was there before.
    pub(super) fn instead<Q, E>(
        &self,
        key: &Q,
        name: &Name,
        error: impl FnOnce() -> LoadError<E>,
    ) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let found = self.find(key, self.space.key_ref(name), Look::Use)?;
        let now = self.space.clock().now();
        let left = found.filter(|found| found.is_kept(now)).ok_or_else(error)?;
        Ok(self.answer(&left, now))
    }
}
