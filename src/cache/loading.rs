//! Caches with a loader of their own, which can load behind those who ask.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use super::ask::Who;
use super::behind::{Behind, Claim, Errand};
use super::builder::CacheBuilder;
use super::entry::Entry;
use super::find::Look;
use super::load::{Answer, How, Load, Previous};
use super::name::{CacheKey, Name};
use super::policy::Verdict;
use super::stats::Counters;
use super::worker::Worker;
use super::{Cache, Inner};
use crate::Result;
use crate::load::{Follow, LoadError, Outcome, Waited, is_within_loader};
use crate::sync::Mutex;

/// A [`Cache`] that knows how its values are loaded, so that it can do so behind those who ask. Made by
/// [`CacheBuilder::build_loading`]; clones are one and the same. It dereferences to the cache.
///
/// - A value that is due ([`refresh_after`](CacheBuilder::refresh_after), [`refresh_early`](CacheBuilder::refresh_early))
///   or for whose [window](CacheBuilder::revalidate_for) it is allowed is served at once, and loaded anew by a thread of
///   the cache's own.
/// - With [`wait_at_most`](CacheBuilder::wait_at_most), and for values that could be served stale with
///   [`stale_after`](CacheBuilder::stale_after), that thread makes the caller's own load too: the caller waits so long,
///   and the load goes on to its end behind them. **So such loads are made one after the other**, whoever asks.
/// - Else whoever misses loads, on their own thread.
///
/// The thread is one, starts when it is first needed, and ends with the last handle; what stands in its queue then is not
/// loaded. Up to 256 loads are left to it. When they are too many, and where there is no thread to be had, a value that
/// can be served is served and tried again later, and one that is missing is loaded by who asks. So is what a loader asks
/// for while it runs. A loader that panics behind its callers is counted ([`panics`](crate::CacheStats::panics)) and
/// takes nothing along: for those who wait that is a failure, as
/// [`LoadError::Shared`].
///
/// ```
/// use std::time::Duration;
/// use larder::{LoadError, LoadingCache, Store};
///
/// fn find(id: u64) -> Result<Option<String>, std::io::Error> {
///     Ok((id == 7).then(|| "tea".to_owned())) // the slow way
/// }
///
/// let store = Store::new();
/// let names: LoadingCache<u64, String, std::io::Error> = store
///     .cache("names")
///     .ttl(Duration::from_secs(300))
///     .refresh_after(0.8) // on a thread of its own
///     .stale_for(Duration::from_secs(3600))
///     .stale_after(Duration::from_millis(50)) // serve stale, finish behind
///     .wait_at_most(Duration::from_secs(2))
///     .build_loading(|id: &u64| find(*id))?;
///
/// assert_eq!(names.get(&7)?.as_deref().map(String::as_str), Some("tea"));
/// assert_eq!(names.get(&8)?, None);
/// names.remove(&7)?; // as of any cache
/// # Ok::<(), LoadError<std::io::Error>>(())
/// ```
pub struct LoadingCache<K, V, E>(Arc<Loading<K, V, Loader<K, V, E>>>);

/// A [`LoadingCache`] for async code: its loads are futures, and those behind the callers run where they are spawned.
/// Made by [`CacheBuilder::build_loading_async`].
///
/// It knows no runtime and starts no thread for its loads. Up to 256 of them run behind the callers at a time; beyond
/// that, a value that can be served is, and one that is missing is loaded within the caller's own future.
///
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::time::Duration;
/// use larder::{AsyncLoadingCache, LoadError, Store};
///
/// async fn find(id: u64) -> Result<Option<String>, std::io::Error> {
///     Ok((id == 7).then(|| "tea".to_owned()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), LoadError<std::io::Error>> {
/// let store = Store::new();
/// let names: AsyncLoadingCache<u64, String, std::io::Error> = store
///     .cache("names")
///     .refresh_after(0.8)
///     .build_loading_async(find, |load| drop(tokio::spawn(load)))?;
/// assert_eq!(names.get(&7).await?.as_deref().map(String::as_str), Some("tea"));
/// # Ok(())
/// # }
/// ```
pub struct AsyncLoadingCache<K, V, E>(Arc<Loading<K, V, AsyncLoader<K, V, E>>>);

/// A load as it is spawned.
type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

type Loaded<V, E> = Pin<Box<dyn Future<Output = Result<Load<V>, E>> + Send>>;

type Loader<K, V, E> = dyn Fn(&K, Previous<V>) -> Result<Load<V>, E> + Send + Sync;

type AsyncLoader<K, V, E> = dyn Fn(K, Previous<V>) -> Loaded<V, E> + Send + Sync;

/// Of one or the other.
struct Loading<K, V, F: ?Sized> {
    cache: Cache<K, V>,
    behind: Arc<Behind>,
    runner: Runner,
    loader: Arc<F>,
}

/// Who makes the loads behind the callers.
enum Runner {
    Thread(Arc<Worker>),
    Spawn(Box<dyn Fn(Spawned) + Send + Sync>),
}

/// What a load behind the callers has come to, for those who wait for it.
struct Done<V, E> {
    /// An error by its text.
    loaded: Result<Answer<V>, Arc<str>>,
    /// The same by value, for the first of them.
    error: Mutex<Option<LoadError<E>>>,
}

/// What is to be done for somebody who asks.
enum Glance<K, V> {
    Served(Answer<V>),
    /// It is served, and to be loaded anew: by when it was stored.
    Due(Answer<V>, u64),
    /// It is to be loaded; and what may be served if that fails.
    Needed(Option<Arc<Entry<K, V>>>),
}

/// What is done for them, and what is left.
enum Left<V> {
    Served(Answer<V>),
    /// For a load behind them, until then.
    Waits {
        follow: Follow,
        how: How,
        deadline: u64,
    },
    /// They load themselves.
    Loads,
}

impl<K, V> CacheBuilder<K, V>
where
    K: CacheKey<K> + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The cache, with a loader of its own: see [`LoadingCache`].
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn build_loading<L, E>(
        self,
        loader: impl Fn(&K) -> Result<L, E> + Send + Sync + 'static,
    ) -> Result<LoadingCache<K, V, E>>
    where
        L: Into<Load<V>>,
        E: Display + Send + 'static,
    {
        self.build_reloading(move |key, _| loader(key))
    }

    /// [`build_loading`](Self::build_loading) with a loader that is given what was there before, as [`Cache::ask`]'s is:
    /// to ask whether it has changed, and say [`Load::unchanged`] if not.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Load, LoadError, LoadingCache, ManualClock, Previous, Store};
    ///
    /// /// The page, if it is not this version: "If-None-Match".
    /// fn fetch(path: &str, have: Option<&str>) -> Result<Option<(String, String)>, std::io::Error> {
    ///     Ok((have != Some("v1")).then(|| (format!("page of {path}"), "v1".to_owned())))
    /// }
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let pages: LoadingCache<String, String, std::io::Error> = store
    ///     .cache("pages")
    ///     .ttl(Duration::from_secs(60))
    ///     .stale_for(Duration::from_secs(3600)) // what is kept can be asked about
    ///     .build_reloading(|path: &String, old: Previous<String>| {
    ///         Ok(match fetch(path, old.version())? {
    ///             Some((page, version)) => Load::value(page).version(version),
    ///             None => Load::unchanged(),
    ///         })
    ///     })?;
    /// let first = pages.get("/")?;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(pages.get("/")?, first); // was asked, and has not changed
    /// # Ok::<(), LoadError<std::io::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn build_reloading<L, E>(
        self,
        loader: impl Fn(&K, Previous<V>) -> Result<L, E> + Send + Sync + 'static,
    ) -> Result<LoadingCache<K, V, E>>
    where
        L: Into<Load<V>>,
        E: Display + Send + 'static,
    {
        Ok(LoadingCache(Arc::new(Loading {
            cache: self.build()?,
            behind: Arc::default(),
            runner: Runner::Thread(Arc::default()),
            loader: Arc::new(move |key: &K, old| loader(key, old).map(Into::into)),
        })))
    }

    /// The same for async code; `spawn` is given each load that is to run behind the callers, such as
    /// `|load| drop(tokio::spawn(load))`: see [`AsyncLoadingCache`]. It is called with no lock held, by whoever asks.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn build_loading_async<L, E, F>(
        self,
        loader: impl Fn(K) -> F + Send + Sync + 'static,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Result<AsyncLoadingCache<K, V, E>>
    where
        F: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Load<V>>,
        E: Display + Send + 'static,
    {
        self.build_reloading_async(move |key, _| loader(key), spawn)
    }

    /// [`build_reloading`](Self::build_reloading) for async code, with `spawn` as
    /// [`build_loading_async`](Self::build_loading_async) takes it.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn build_reloading_async<L, E, F>(
        self,
        loader: impl Fn(K, Previous<V>) -> F + Send + Sync + 'static,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Result<AsyncLoadingCache<K, V, E>>
    where
        F: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Load<V>>,
        E: Display + Send + 'static,
    {
        let loader = move |key: K, old: Previous<V>| -> Loaded<V, E> {
            let loading = loader(key, old);
            Box::pin(async move { loading.await.map(Into::into) })
        };
        Ok(AsyncLoadingCache(Arc::new(Loading {
            cache: self.build()?,
            behind: Arc::default(),
            runner: Runner::Spawn(Box::new(spawn)),
            loader: Arc::new(loader),
        })))
    }
}

impl<K, V, E> LoadingCache<K, V, E>
where
    K: CacheKey<K> + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Display + Send + 'static,
{
    /// The value of a key, loaded if it is missing; `None` if there is nothing under it. O(1) beside the loader
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`]; [`LoadError::TimedOut`] for the caller's own load too.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Result<Option<Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        match self.0.cache.0.hit(key) {
            Some(value) => Ok(value),
            None => self.get_answer(key).map(|answer| answer.value),
        }
    }

    /// [`get`](Self::get) for a caller who is told how the value was had.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn get_answer<Q>(&self, key: &Q) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let inner = &*self.0.cache.0;
        let name = inner.name_of(key)?;
        let who = match inner.leave(key, &name, |due| self.send(key, &name, due))? {
            Left::Served(answer) => return Ok(answer),
            Left::Waits { follow, how, deadline } => {
                let waited = follow.wait(deadline);
                if let Some(answer) = inner.delivered(key, &name, waited, how)? {
                    return Ok(answer);
                }
                Who::Counted
            }
            Left::Loads => Who::One,
        };
        inner.ask(key, who, |old| (self.0.loader)(&key.to_owned(), old))
    }

    /// Leaves a load to the thread, of what is `due` or missing; none if it cannot be.
    fn send<Q>(&self, key: &Q, name: &Name, due: Option<u64>) -> Result<Option<(Follow, How)>>
    where
        Q: CacheKey<K> + ?Sized,
    {
        let Loading { cache, loader, runner: Runner::Thread(worker), .. } = &*self.0 else { return Ok(None) };
        let errand = match self.0.claim(name)? {
            Claim::Refused => return Ok(None),
            Claim::Theirs(follow) => return Ok(Some((follow, How::Shared))),
            Claim::Ours(errand) => errand,
        };
        let (follow, key) = (errand.follow(), key.to_owned());
        let (cache, loader) = (cache.clone(), Arc::clone(loader));
        let is_sent = worker.offer(Box::new(move || {
            let load = || cache.0.ask(&key, Who::Behind(due), |old| loader(&key, old));
            cache.0.deliver(&key, errand, catch_unwind(AssertUnwindSafe(load)).ok());
        }));
        Ok(is_sent.then_some((follow, How::Loaded)))
    }
}

impl<K, V, E> AsyncLoadingCache<K, V, E>
where
    K: CacheKey<K> + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Display + Send + 'static,
{
    /// The value of a key, loaded if it is missing; `None` if there is nothing under it. O(1) beside the loader
    ///
    /// # Errors
    /// Those of [`Cache::get_or_load`]; [`LoadError::TimedOut`] for the caller's own load too.
    pub async fn get<Q>(&self, key: &Q) -> Result<Option<Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        match self.0.cache.0.hit(key) {
            Some(value) => Ok(value),
            None => self.get_answer(key).await.map(|answer| answer.value),
        }
    }

    /// [`get`](Self::get) for a caller who is told how the value was had.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn get_answer<Q>(&self, key: &Q) -> Result<Answer<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let inner = &*self.0.cache.0;
        let name = inner.name_of(key)?;
        let who = match inner.leave(key, &name, |due| self.send(key, &name, due))? {
            Left::Served(answer) => return Ok(answer),
            Left::Waits { follow, how, deadline } => {
                let waited = follow.wait_async(deadline).await;
                if let Some(answer) = inner.delivered(key, &name, waited, how)? {
                    return Ok(answer);
                }
                Who::Counted
            }
            Left::Loads => Who::One,
        };
        inner.ask_async(key, who, |old| (self.0.loader)(key.to_owned(), old)).await
    }

    /// Spawns a load, of what is `due` or missing; none if it cannot be.
    fn send<Q>(&self, key: &Q, name: &Name, due: Option<u64>) -> Result<Option<(Follow, How)>>
    where
        Q: CacheKey<K> + ?Sized,
    {
        let Loading { cache, loader, runner: Runner::Spawn(spawn), .. } = &*self.0 else { return Ok(None) };
        let errand = match self.0.claim(name)? {
            Claim::Refused => return Ok(None),
            Claim::Theirs(follow) => return Ok(Some((follow, How::Shared))),
            Claim::Ours(errand) => errand,
        };
        let (follow, key) = (errand.follow(), key.to_owned());
        let (cache, loader) = (cache.clone(), Arc::clone(loader));
        spawn(Box::pin(async move {
            let load = cache.0.ask_async(&key, Who::Behind(due), |old| loader(key.to_owned(), old));
            let loaded = contained(load).await;
            cache.0.deliver(&key, errand, loaded);
        }));
        Ok(Some((follow, How::Loaded)))
    }
}

/// What a future gives; none if it panics.
async fn contained<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

impl<K, V, F: ?Sized> Loading<K, V, F> {
    fn claim(&self, name: &Name) -> Result<Claim> {
        let Inner { space, db, .. } = &*self.cache.0;
        self.behind.claim(space, *db, name)
    }
}

impl<K, V, F: ?Sized> Drop for Loading<K, V, F> {
    fn drop(&mut self) {
        if let Runner::Thread(worker) = &self.runner {
            worker.stop();
        }
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// Looks at what is there for somebody who asks, and leaves to others what is to be loaded behind them: `send` does
    /// that, if it can be done.
    fn leave<Q>(
        &self,
        key: &Q,
        name: &Name,
        send: impl FnOnce(Option<u64>) -> Result<Option<(Follow, How)>>,
    ) -> Result<Left<V>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let old = match self.glance(key, name)? {
            Glance::Served(answer) => return Ok(Left::Served(answer)),
            Glance::Due(answer, due) => {
                send(Some(due))?;
                return Ok(Left::Served(answer));
            }
            Glance::Needed(old) => old,
        };
        let sent = if self.leaves_loads(old.as_deref()) { send(None)? } else { None };
        let Some((follow, how)) = sent else { return Ok(Left::Loads) };
        self.count_wait(how);
        Ok(Left::Waits { follow, how, deadline: self.deadline(old.as_deref()) })
    }

    fn glance<Q>(&self, key: &Q, name: &Name) -> Result<Glance<K, V>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let name = self.space.key_ref(name);
        let found = self.find(key, name, Look::Use)?;
        let now = self.space.clock().now();
        let verdict = found.as_ref().map_or(Verdict::Gone, |found| self.judge(found, now));
        let (Some(found), false) = (found, verdict == Verdict::Gone) else { return Ok(Glance::Needed(None)) };
        if verdict == Verdict::Reload {
            return Ok(Glance::Needed(Some(found)));
        }
        self.counters.lookups.count(true);
        self.put_off(&found, name, now)?;
        let answer = self.answer(&found, now);
        self.counters.served(&answer);
        let is_due = matches!(verdict, Verdict::Refresh | Verdict::Revalidate);
        Ok(if is_due { Glance::Due(answer, found.life.stored_at) } else { Glance::Served(answer) })
    }

    /// Whether a caller leaves its own load to others, to wait for it no longer than was said. One within a loader does
    /// not: that may be what the others wait for.
    fn leaves_loads(&self, old: Option<&Entry<K, V>>) -> bool {
        let soft = old.and(self.settings.stale_after);
        (soft.is_some() || self.settings.wait_at_most.is_some()) && !is_within_loader()
    }

    /// Counts somebody who has missed and waits.
    fn count_wait(&self, how: How) {
        self.counters.lookups.count(false);
        Counters::add(&self.counters.shared, (how == How::Shared).into());
    }

    /// Hands what was loaded to those who wait; none where the loader has panicked.
    fn deliver<E>(&self, key: &K, errand: Errand, loaded: Option<Result<Answer<V>, LoadError<E>>>)
    where
        K: CacheKey<K>,
        E: Display + Send + 'static,
    {
        let loaded = loaded.unwrap_or_else(|| {
            self.panicked(key, errand.name());
            Err(LoadError::Shared("the loader panicked".into()))
        });
        let text = |error: &LoadError<E>| match error {
            LoadError::Loader(error) => error.to_string().into(),
            LoadError::Shared(why) => Arc::clone(why),
            other => other.to_string().into(),
        };
        let (loaded, error) = match loaded {
            Ok(answer) => (Ok(answer), None),
            Err(error) => (Err(text(&error)), Some(error)),
        };
        errand.done(Outcome::Native(Arc::new(Done { loaded, error: Mutex::new(error) })));
    }

    /// A loader has panicked where nobody sees it. That its load has failed was counted where it ran.
    fn panicked(&self, key: &K, name: &Name)
    where
        K: CacheKey<K>,
    {
        Counters::add(&self.counters.panics, 1);
        if let Ok(Some(old)) = self.find(key, self.space.key_ref(name), Look::Aside) {
            self.policy.failed(&old.life, self.space.clock().now());
        }
    }

    /// What becomes of somebody who has waited; none if they are to load themselves.
    fn delivered<Q, E>(
        &self,
        key: &Q,
        name: &Name,
        waited: Waited,
        how: How,
    ) -> Result<Option<Answer<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
        E: Display + Send + 'static,
    {
        let answer = match waited {
            Waited::Ended(Outcome::Native(done)) => {
                let Ok(done) = done.downcast::<Done<V, E>>() else { return Ok(None) };
                match &done.loaded {
                    Ok(answer) => {
                        let how = if answer.how == How::Loaded { how } else { answer.how };
                        Answer { how, ..answer.clone() }
                    }
                    Err(why) => self.instead(key, name, || {
                        let error = done.error.lock().take();
                        error.unwrap_or_else(|| LoadError::Shared(Arc::clone(why)))
                    })?,
                }
            }
            Waited::TooLate => match self.too_late(key, name)? {
                Some(answer) => answer,
                None => return Ok(None),
            },
            Waited::Ended(_) | Waited::Cycle(_) => return Ok(None),
        };
        self.counters.served(&answer);
        Ok(Some(answer))
    }
}

impl<K, V, E> Deref for LoadingCache<K, V, E> {
    type Target = Cache<K, V>;

    fn deref(&self) -> &Cache<K, V> {
        &self.0.cache
    }
}

impl<K, V, E> Deref for AsyncLoadingCache<K, V, E> {
    type Target = Cache<K, V>;

    fn deref(&self) -> &Cache<K, V> {
        &self.0.cache
    }
}

impl<K, V, E> Clone for LoadingCache<K, V, E> {
    fn clone(&self) -> Self {
        LoadingCache(Arc::clone(&self.0))
    }
}

impl<K, V, E> Clone for AsyncLoadingCache<K, V, E> {
    fn clone(&self) -> Self {
        AsyncLoadingCache(Arc::clone(&self.0))
    }
}

impl<K, V, E> fmt::Debug for LoadingCache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadingCache").field(&self.0.cache).finish()
    }
}

impl<K, V, E> fmt::Debug for AsyncLoadingCache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncLoadingCache").field(&self.0.cache).finish()
    }
}
