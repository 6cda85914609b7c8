//! Several keys at once: one call of a loader for all of them that are missing, and each with its own single flight.
//!
//! First all loads that nobody makes yet are taken on, then the loader is called, and only when its loads have ended are
//! others waited for. So nobody waits for another with loads in hand, and calls whose keys cross cannot wait for each
//! other in a circle.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::mem;
use std::sync::Arc;

use hashbrown::HashTable;

use super::ask::{Asked, Duty, Panics, Step, Together, Who};
use super::load::{Answer, Load};
use super::name::{CacheKey, Name};
use super::second::{Below, Found, Question};
use super::{Cache, Inner};
use crate::Result;
use crate::load::{Follow, LoadError, Waited};

impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// The values of several keys, in their order: `None` for those that have none. One call of `loader` gives all that
    /// are missing; which they are, it is told.
    ///
    /// The loader gives pairs of a key and what [`get_or_load`](Self::get_or_load) takes for one: a map, a `Vec`, any
    /// iterator. A key that it does not give has no value, and that is remembered for as long as
    /// [`absent_ttl`](crate::CacheBuilder::absent_ttl) says. What nobody has asked it for is ignored: it may be older than
    /// a write that nobody was there to notice. Of two values for one key the last counts.
    ///
    /// Each key has its own single flight: those that others load are waited for, after this call's own load, and those
    /// who ask for one of these wait for this. Each is fenced, stored and served stale as if it were alone. Only if
    /// another's load is abandoned is the loader called again, for those keys. With nothing missing it is not called.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use larder::{Cache, LoadError, Store};
    ///
    /// /// SELECT id, name FROM products WHERE id IN (..)
    /// fn find_all(ids: &[u64]) -> Result<HashMap<u64, String>, std::io::Error> {
    ///     Ok(ids.iter().filter(|id| **id < 100).map(|id| (*id, format!("product {id}"))).collect())
    /// }
    ///
    /// let store = Store::new();
    /// let products: Cache<u64, String> = store.cache("products").build()?;
    /// products.insert(&2, "tea".to_owned())?;
    ///
    /// let many = products.get_many(&[1, 2, 300], |missing| {
    ///     assert_eq!(missing, [1, 300]);
    ///     find_all(missing)
    /// })?;
    /// let names: Vec<_> = many.iter().map(|name| name.as_deref().map(String::as_str)).collect();
    /// assert_eq!(names, [Some("product 1"), Some("tea"), None]);
    /// # Ok::<(), LoadError<std::io::Error>>(())
    /// ```
    ///
    /// O(keys) beside the loader.
    ///
    /// # Errors
    /// Those of [`get_or_load`](Self::get_or_load), of the first key that has one. What was loaded for the others is
    /// stored. If the loader fails, it is an error only if a key has no stale value that may be served.
    #[doc(alias = "MGET")]
    pub fn get_many<'q, Q, A, L, E>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        loader: impl FnMut(&[K]) -> Result<A, E>,
    ) -> Result<Vec<Option<Arc<V>>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized + 'q,
        A: IntoIterator<Item = (K, L)>,
        L: Into<Load<V>>,
        E: Display,
    {
        let (mut values, rest) = self.hits(keys);
        if !rest.is_empty() {
            let answers = self.ask_many(rest.iter().map(|(_, key)| *key), loader)?;
            rest.iter().zip(answers).for_each(|((at, _), answer)| values[*at] = answer.value);
        }
        Ok(values)
    }

    /// [`get_many`](Self::get_many) for a caller who is told how each value was had.
    ///
    /// # Errors
    /// Those of [`get_many`](Self::get_many).
    pub fn ask_many<'q, Q, A, L, E>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        mut loader: impl FnMut(&[K]) -> Result<A, E>,
    ) -> Result<Vec<Answer<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized + 'q,
        A: IntoIterator<Item = (K, L)>,
        L: Into<Load<V>>,
        E: Display,
    {
        let mut many = Many::of(&self.0, keys)?;
        while let Some(mut round) = many.next_round()? {
            let found = many.question(&round).map(Question::wait);
            many.begin(&mut round, found)?;
            let Round { loads, missing, waits, .. } = round;
            if let Some((_, first)) = loads.first() {
                let panics = Panics(&self.0);
                let loaded = first.lead.run(|| loader(&missing).map(given));
                mem::forget(panics);
                many.settle(loads, loaded)?;
            }
            for (at, follow, asked) in waits {
                let waited = follow.wait(self.0.deadline(asked.old.as_deref()));
                many.waited(at, waited, asked)?;
            }
        }
        Ok(many.answers())
    }

    /// [`get_many`](Self::get_many) for async code: `loader` makes a future, which is awaited within this one. Dropped
    /// before it has ended, it hands over to those who wait.
    ///
    /// # Errors
    /// Those of [`get_many`](Self::get_many).
    pub async fn get_many_async<'q, Q, A, L, E, F>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        loader: impl FnMut(Vec<K>) -> F,
    ) -> Result<Vec<Option<Arc<V>>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized + 'q,
        F: Future<Output = Result<A, E>>,
        A: IntoIterator<Item = (K, L)>,
        L: Into<Load<V>>,
        E: Display,
    {
        let (mut values, rest) = self.hits(keys);
        if !rest.is_empty() {
            let answers = self.ask_many_async(rest.iter().map(|(_, key)| *key), loader).await?;
            rest.iter().zip(answers).for_each(|((at, _), answer)| values[*at] = answer.value);
        }
        Ok(values)
    }

    /// [`ask_many`](Self::ask_many) for async code: see [`get_many_async`](Self::get_many_async).
    ///
    /// # Errors
    /// Those of [`get_many`](Self::get_many).
    pub async fn ask_many_async<'q, Q, A, L, E, F>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        mut loader: impl FnMut(Vec<K>) -> F,
    ) -> Result<Vec<Answer<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized + 'q,
        F: Future<Output = Result<A, E>>,
        A: IntoIterator<Item = (K, L)>,
        L: Into<Load<V>>,
        E: Display,
    {
        let mut many = Many::of(&self.0, keys)?;
        while let Some(mut round) = many.next_round()? {
            let found = match many.question(&round) {
                Some(question) => Some(question.wait_async().await),
                None => None,
            };
            many.begin(&mut round, found)?;
            let Round { loads, missing, waits, .. } = round;
            if let Some((_, first)) = loads.first() {
                let loading = loader(missing);
                let panics = Panics(&self.0);
                let loaded = first.lead.run_async(async { loading.await.map(given) }).await;
                mem::forget(panics);
                many.settle(loads, loaded)?;
            }
            for (at, follow, asked) in waits {
                let waited = follow.wait_async(self.0.deadline(asked.old.as_deref())).await;
                many.waited(at, waited, asked)?;
            }
        }
        Ok(many.answers())
    }

    /// The values that are found without a look into the store, and the keys of the others with their places.
    #[allow(clippy::type_complexity)] // of a caller's two variables
    fn hits<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> (Vec<Option<Arc<V>>>, Vec<(usize, &'q Q)>)
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized,
    {
        let mut rest = Vec::new();
        let values = keys.into_iter().enumerate().map(|(at, key)| {
            let hit = self.0.hit(key);
            if hit.is_none() {
                rest.push((at, key));
            }
            hit.flatten()
        });
        (values.collect(), rest)
    }
}

/// What a loader gives, by key. Runs the caller's iterator.
fn given<K: Hash + Eq, V, L: Into<Load<V>>>(pairs: impl IntoIterator<Item = (K, L)>) -> HashMap<K, Load<V>> {
    pairs.into_iter().map(|(key, load)| (key, load.into())).collect()
}

/// Somebody who asks for several keys.
struct Many<'c, 'q, K, V, Q: ?Sized> {
    inner: &'c Inner<K, V>,
    /// Each once.
    wanted: Vec<Wanted<'q, V, Q>>,
    /// Which of them each of the caller's keys is.
    places: Vec<usize>,
    /// Those that are not answered yet.
    open: Vec<usize>,
}

struct Wanted<'q, V, Q: ?Sized> {
    key: &'q Q,
    name: Name,
    answer: Option<Answer<V>>,
    /// It was asked for, and counted.
    was_asked: bool,
}

/// What is to be done next.
struct Round<K, V> {
    /// To be made by one call of the loader; with which of the wanted each is.
    loads: Vec<(usize, Duty<K, V>)>,
    /// Their keys.
    missing: Vec<K>,
    /// For the loads of others.
    waits: Vec<(usize, Follow, Asked<K, V>)>,
    together: Together,
}

impl<'c, 'q, K, V, Q> Many<'c, 'q, K, V, Q>
where
    K: Borrow<Q> + Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    Q: CacheKey<K> + ?Sized,
{
    fn of(inner: &'c Inner<K, V>, keys: impl IntoIterator<Item = &'q Q>) -> Result<Self> {
        let (mut wanted, mut places) = (Vec::<Wanted<'q, V, Q>>::new(), Vec::new());
        // By name: keys that are displayed alike are one, and one flight.
        let mut known = HashTable::new();
        let hash_of = |name: &Name| inner.space.key_ref(name).hash;
        for key in keys {
            let name = inner.name_of(key)?;
            let hash = hash_of(&name);
            let at = match known.find(hash, |at: &usize| wanted[*at].name == name) {
                Some(at) => *at,
                None => {
                    wanted.push(Wanted { key, name, answer: None, was_asked: false });
                    let at = wanted.len() - 1;
                    known.insert_unique(hash, at, |at| hash_of(&wanted[*at].name));
                    at
                }
            };
            places.push(at);
        }
        let open = (0..wanted.len()).collect();
        Ok(Many { inner, wanted, places, open })
    }

    /// Answers what can be, and takes on all loads that nobody makes; none if all keys are answered.
    fn next_round<E>(&mut self) -> Result<Option<Round<K, V>>, LoadError<E>> {
        let (loads, missing, waits) = (Vec::new(), Vec::new(), Vec::new());
        let mut round = Round { loads, missing, waits, together: Together::default() };
        let mut who = Who::Many(&mut round.together);
        if self.open.is_empty() {
            return Ok(None);
        }
        for at in mem::take(&mut self.open) {
            let Wanted { key, name, answer, was_asked } = &mut self.wanted[at];
            let is_counted = !mem::replace(was_asked, true);
            match self.inner.step(*key, name, &mut who, is_counted)? {
                Step::Answer(found) => *answer = Some(found),
                Step::Load(duty) => round.loads.push((at, duty)),
                Step::Wait(follow, asked) => round.waits.push((at, follow, asked)),
            }
        }
        Ok(Some(round))
    }

    /// Asks the second level, if there is one, for all that is to be loaded.
    fn question(&self, round: &Round<K, V>) -> Option<Question> {
        if round.loads.is_empty() {
            return None;
        }
        self.inner.question(round.loads.iter().map(|(at, _)| &self.wanted[*at].name))
    }

    /// Answers what was found there; the rest is left to the loader.
    fn begin<E>(&mut self, round: &mut Round<K, V>, found: Option<Vec<Found>>) -> Result<(), LoadError<E>> {
        let mut who = Who::Many(&mut round.together);
        let mut found = found.unwrap_or_default().into_iter();
        for (at, duty) in mem::take(&mut round.loads) {
            let Wanted { key, answer, .. } = &mut self.wanted[at];
            match self.inner.begin(*key, duty, found.next(), &mut who)? {
                Below::Answer(found) => *answer = Some(found),
                Below::Load(duty) => {
                    round.loads.push((at, duty));
                    round.missing.push((*key).to_owned());
                }
            }
        }
        Ok(())
    }

    /// Brings the loads of one call of the loader to their end, each on its own.
    fn settle<E: Display>(
        &mut self,
        loads: Vec<(usize, Duty<K, V>)>,
        loaded: Result<HashMap<K, Load<V>>, E>,
    ) -> Result<(), LoadError<E>> {
        let took = loads.first().map_or(0, |(_, first)| self.inner.took(first.started));
        match loaded {
            Ok(mut loaded) => {
                self.inner.breaker.succeeded();
                let mut refused = None;
                for (at, duty) in loads {
                    let Wanted { key, answer, .. } = &mut self.wanted[at];
                    let load = loaded.remove(*key).unwrap_or_else(Load::absent);
                    match self.inner.landed(*key, duty, load, took) {
                        Ok(landed) => *answer = Some(landed),
                        Err(error) => refused = refused.or(Some(error)),
                    }
                }
                refused.map_or(Ok(()), |error| Err(error.into()))
            }
            Err(error) => {
                self.inner.count_failure();
                let mut is_served = true;
                for (at, duty) in loads {
                    let answer = self.inner.failed(duty, &error);
                    is_served &= answer.is_some();
                    self.wanted[at].answer = answer;
                }
                if is_served { Ok(()) } else { Err(LoadError::Loader(error)) }
            }
        }
    }

    fn waited<E>(&mut self, at: usize, waited: Waited, asked: Asked<K, V>) -> Result<(), LoadError<E>> {
        let Wanted { key, name, answer, .. } = &mut self.wanted[at];
        *answer = self.inner.waited(*key, name, waited, asked)?;
        if answer.is_none() {
            self.open.push(at);
        }
        Ok(())
    }

    /// The answers, once there is one for each key, in the order of the caller's keys.
    fn answers(self) -> Vec<Answer<V>> {
        let counters = &self.inner.counters;
        self.wanted
            .iter()
            .filter_map(|wanted| wanted.answer.as_ref())
            .for_each(|answer| counters.served(answer));
        let answer = |at: usize| self.wanted[at].answer.clone();
        // Each has one by now: those that had none were open.
        self.places.into_iter().filter_map(answer).collect()
    }
}
