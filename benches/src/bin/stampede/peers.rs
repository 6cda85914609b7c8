//! One face for the caches, by threads and by tasks.

use std::time::{Duration, Instant};

use larder::{Cache, How, LoadError, Store};

use crate::{Database, Got, TTL};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Larder,
    /// With values that are served after their time.
    LarderStale,
    Moka,
    Quick,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Larder, Kind::LarderStale, Kind::Moka, Kind::Quick];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Larder => "larder",
            Kind::LarderStale => "larder, stale for 10 s",
            Kind::Moka => "moka",
            Kind::Quick => "quick_cache",
        }
    }
}

fn larder(is_stale: bool) -> Cache<u64, u64> {
    let builder = Store::new().cache("rows").ttl(TTL);
    let builder = if is_stale {
        let window = Duration::from_secs(10);
        builder.stale_for(window).revalidate_for(window).retry_after(Duration::from_millis(100))
    } else {
        builder
    };
    builder.build().expect("a new name")
}

/// For the race, in which nothing is to expire.
pub fn larder_for_long() -> Cache<u64, u64> {
    Store::new().cache("rows").ttl(Duration::from_secs(3600)).build().expect("a new name")
}

/// quick_cache knows no time, so its values say when theirs is over, and who finds such a one takes it out.
type Timed = (u64, Instant);

fn is_over(found: &Timed) -> bool {
    found.1.elapsed() >= TTL
}

pub enum Threads {
    Larder(Cache<u64, u64>),
    Moka(moka::sync::Cache<u64, u64>),
    Quick(quick_cache::sync::Cache<u64, Timed>),
}

impl Threads {
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Larder => Threads::Larder(larder(false)),
            Kind::LarderStale => Threads::Larder(larder(true)),
            Kind::Moka => Threads::Moka(moka::sync::Cache::builder().time_to_live(TTL).build()),
            Kind::Quick => Threads::Quick(quick_cache::sync::Cache::new(1000)),
        }
    }

    pub fn ask(&self, key: u64, database: &Database) -> Got {
        match self {
            Threads::Larder(cache) => of_larder(cache.ask(&key, |_| database.query())),
            Threads::Moka(cache) => of(cache.try_get_with(key, || database.query())),
            Threads::Quick(cache) => {
                cache.remove_if(&key, is_over);
                of(cache.get_or_insert_with(&key, || Ok::<_, String>((database.query()?, Instant::now()))))
            }
        }
    }
}

pub enum Tasks {
    Larder(Cache<u64, u64>),
    Moka(moka::future::Cache<u64, u64>),
    Quick(quick_cache::sync::Cache<u64, Timed>),
}

impl Tasks {
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Larder => Tasks::Larder(larder(false)),
            Kind::LarderStale => Tasks::Larder(larder(true)),
            Kind::Moka => Tasks::Moka(moka::future::Cache::builder().time_to_live(TTL).build()),
            Kind::Quick => Tasks::Quick(quick_cache::sync::Cache::new(1000)),
        }
    }

    pub async fn ask(&self, key: u64, database: &Database) -> Got {
        match self {
            Tasks::Larder(cache) => of_larder(cache.ask_async(&key, |_| database.query_async()).await),
            Tasks::Moka(cache) => of(cache.try_get_with(key, database.query_async()).await),
            Tasks::Quick(cache) => {
                cache.remove_if(&key, is_over);
                let load = async { Ok::<_, String>((database.query_async().await?, Instant::now())) };
                of(cache.get_or_insert_async(&key, load).await)
            }
        }
    }
}

fn of_larder(answer: Result<larder::Answer<u64>, LoadError<String>>) -> Got {
    match answer {
        Ok(answer) if answer.how == How::Stale => Got::Stale,
        Ok(_) => Got::Fresh,
        Err(_) => Got::Error,
    }
}

fn of<T, E>(answer: Result<T, E>) -> Got {
    if answer.is_ok() { Got::Fresh } else { Got::Error }
}
