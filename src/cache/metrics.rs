//! A cache's counters as metrics of the `metrics` facade.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::{Cache, CacheStats};

impl<K, V> Cache<K, V> {
    /// Hands the cache's counters to the recorder that the `metrics` crate has installed, under names that start with
    /// `larder_cache_`, with the labels `store` and `cache`, its [name](Self::name). Call it when metrics are scraped, or
    /// now and then: nothing is paid for them in between. O(1). Feature `metrics`.
    ///
    /// Counters, each a field of [`stats`](Self::stats): `larder_cache_hits_total`, `larder_cache_misses_total`,
    /// `larder_cache_loads_total`, `larder_cache_failed_loads_total`, `larder_cache_load_milliseconds_total`,
    /// `larder_cache_second_level_total`, `larder_cache_stale_total`, `larder_cache_shared_loads_total`, `larder_cache_fenced_loads_total`,
    /// `larder_cache_paused_loads_total`, `larder_cache_undecodable_total`. A gauge: `larder_cache_paused`, 1 while the
    /// [`breaker`](crate::CacheBuilder::breaker) keeps loads from being tried.
    ///
    /// ```
    /// use larder::{Cache, Store};
    ///
    /// let store = Store::new();
    /// let products: Cache<u64, String> = store.cache("products").build()?;
    /// store.report_metrics("main")?;
    /// products.report_metrics("main");
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn report_metrics(&self, store: &str) {
        let stats = self.stats();
        for (metric, value, about) in counters(&stats) {
            describe_counter!(metric, about);
            counter!(metric, "store" => store.to_owned(), "cache" => self.name().to_owned()).absolute(value);
        }
        describe_gauge!("larder_cache_paused", "Whether the breaker keeps loads from being tried");
        gauge!("larder_cache_paused", "store" => store.to_owned(), "cache" => self.name().to_owned())
            .set(f64::from(u8::from(stats.is_paused)));
    }
}

type Told = (&'static str, u64, &'static str);

fn counters(stats: &CacheStats) -> [Told; 11] {
    [
        ("larder_cache_hits_total", stats.hits, "Asked for, and there, stale ones too"),
        ("larder_cache_misses_total", stats.misses, "Asked for, and to be loaded or waited for"),
        ("larder_cache_loads_total", stats.loads, "Loaders run"),
        ("larder_cache_failed_loads_total", stats.failed_loads, "Loaders that failed or panicked"),
        ("larder_cache_load_milliseconds_total", stats.load_millis, "How long loaders took"),
        ("larder_cache_second_level_total", stats.second_level, "Found in the second level"),
        ("larder_cache_stale_total", stats.stale, "Values served after their time"),
        ("larder_cache_shared_loads_total", stats.shared, "Calls that waited for another's load"),
        ("larder_cache_fenced_loads_total", stats.fenced, "Loads overtaken by a write, not stored"),
        ("larder_cache_paused_loads_total", stats.paused, "Loads not tried, as too many had failed"),
        ("larder_cache_undecodable_total", stats.undecodable, "Stored bytes that counted as missing"),
    ]
}
