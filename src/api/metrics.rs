//! The store's counters as metrics of the `metrics` facade.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use super::Store;
use crate::Result;

impl Store {
    /// Hands the store's counters to the recorder that the `metrics` crate has installed, under names
    /// that start with `larder_` and with the label `store`. Call it when metrics are scraped, or now
    /// and then: nothing is paid for them in between. O(shards * databases), as
    /// [`stats`](Self::stats). Feature `metrics`.
    ///
    /// Counters: `larder_hits_total`, `larder_misses_total`, `larder_writes_total`,
    /// `larder_expirations_total`, `larder_expired_fields_total`, `larder_evictions_total`,
    /// `larder_loads_total`, `larder_failed_loads_total`, `larder_fenced_loads_total`,
    /// `larder_shared_loads_total`. Gauges: `larder_entries`, `larder_expiring`, `larder_bytes`, `larder_weight`.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.report_metrics("products")?;
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn report_metrics(&self, name: &str) -> Result<()> {
        let stats = self.stats()?;
        for (metric, value, about) in [
            ("larder_hits_total", stats.hits, "Reads that found their key"),
            ("larder_misses_total", stats.misses, "Reads that did not"),
            ("larder_writes_total", stats.writes, "Changes of keys"),
            ("larder_expirations_total", stats.expirations, "Keys whose time had come"),
            ("larder_expired_fields_total", stats.expired_fields, "Fields of hashes whose time had come"),
            ("larder_evictions_total", stats.evictions, "Keys removed to keep within a limit"),
            ("larder_loads_total", stats.loads, "Loaders run"),
            ("larder_failed_loads_total", stats.failed_loads, "Loaders that failed or panicked"),
            ("larder_fenced_loads_total", stats.fenced_loads, "Loads overtaken by a write"),
            ("larder_shared_loads_total", stats.shared_loads, "Calls that waited for another's load"),
        ] {
            describe_counter!(metric, about);
            counter!(metric, "store" => name.to_owned()).absolute(value);
        }
        for (metric, value, unit, about) in [
            ("larder_entries", stats.entries as f64, Unit::Count, "Keys"),
            ("larder_expiring", stats.expiring as f64, Unit::Count, "Keys with a deadline"),
            ("larder_bytes", stats.bytes as f64, Unit::Bytes, "Bytes of keys, values and tables"),
            ("larder_weight", stats.weight as f64, Unit::Count, "Weight of keys, by the store's weigher"),
        ] {
            describe_gauge!(metric, unit, about);
            gauge!(metric, "store" => name.to_owned()).set(value);
        }
        Ok(())
    }
}
