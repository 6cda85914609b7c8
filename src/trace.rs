//! Spans and events for `tracing`, and nothing at all without that feature.

use crate::clock::Clock;

/// The span around a load: its key, the cache it is for, how it ended (`outcome`), and how long it took (`millis`). It
/// begins with the loader.
#[derive(Default)]
pub(crate) struct LoadSpan {
    #[cfg(feature = "tracing")]
    cache: Option<std::sync::Arc<str>>,
    /// And when it began, by the store's clock.
    #[cfg(feature = "tracing")]
    begun: std::sync::OnceLock<(tracing::Span, u64)>,
}

impl LoadSpan {
    /// Says which cache it is for.
    pub(crate) fn of_cache(&mut self, name: &std::sync::Arc<str>) {
        #[cfg(feature = "tracing")]
        {
            self.cache = Some(std::sync::Arc::clone(name));
        }
        #[cfg(not(feature = "tracing"))]
        let _ = name;
    }

    /// Runs the loader of a key within it, or polls its future.
    pub(crate) fn within<R>(&self, key: &[u8], clock: &Clock, loader: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = {
            let begin = || {
                let cache = self.cache.as_deref();
                let key = tracing::field::display(key.escape_ascii());
                let (outcome, millis) = (tracing::field::Empty, tracing::field::Empty);
                (tracing::debug_span!("larder.load", cache, key, outcome, millis), clock.now())
            };
            self.begun.get_or_init(begin).0.enter()
        };
        #[cfg(not(feature = "tracing"))]
        let _ = (key, clock);
        loader()
    }

    /// The load has ended.
    pub(crate) fn end(&self, outcome: &'static str, clock: &Clock) {
        #[cfg(feature = "tracing")]
        if let Some((span, began)) = self.begun.get() {
            span.record("outcome", outcome);
            span.record("millis", clock.now().saturating_sub(*began));
        }
        #[cfg(not(feature = "tracing"))]
        let _ = (outcome, clock);
    }
}

/// What a sweep has removed.
pub(crate) fn swept(keys: usize) {
    #[cfg(feature = "tracing")]
    if keys > 0 {
        tracing::debug!(target: "larder", keys, "expired keys removed");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = keys;
}

/// A value that is loaded anew, since it does not decode as what was asked for.
pub(crate) fn undecodable(key: &[u8], why: &crate::DecodeError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "larder", key = %key.escape_ascii(), %why, "stored value loaded anew");
    #[cfg(not(feature = "tracing"))]
    let _ = (key, why);
}

/// A load that failed.
pub(crate) fn load_failed(key: &[u8], why: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "larder", key = %key.escape_ascii(), why, "load failed");
    #[cfg(not(feature = "tracing"))]
    let _ = (key, why);
}

/// A loaded value that was not stored, since its key was written meanwhile.
pub(crate) fn load_fenced(key: &[u8]) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "larder", key = %key.escape_ascii(), "load fenced");
    #[cfg(not(feature = "tracing"))]
    let _ = key;
}

/// A snapshot that was written or read.
pub(crate) fn snapshot(what: &str, path: &std::path::Path, progress: crate::Progress) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "larder",
        path = %path.display(),
        entries = progress.entries,
        bytes = progress.bytes,
        "snapshot {what}"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (what, path, progress);
}

/// Redis is the second level of caches, and is there.
#[cfg(feature = "redis-tier")]
pub(crate) fn tier_up() {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "larder", "connected to the second level");
}

/// It is not.
#[cfg(feature = "redis-tier")]
pub(crate) fn tier_away(why: &dyn std::fmt::Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "larder", %why, "the second level is away");
    #[cfg(not(feature = "tracing"))]
    let _ = why;
}

/// What others have changed.
#[cfg(feature = "redis-tier")]
pub(crate) fn outdated(what: &dyn std::fmt::Debug) {
    #[cfg(feature = "tracing")]
    tracing::trace!(target: "larder", ?what, "changed by another process");
    #[cfg(not(feature = "tracing"))]
    let _ = what;
}
