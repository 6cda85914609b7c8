//! Spans and events for `tracing`, and nothing at all without that feature.

/// Runs the loader of a key within a span.
pub(crate) fn load<R>(key: &[u8], loader: impl FnOnce() -> R) -> R {
    #[cfg(feature = "tracing")]
    let _span = tracing::debug_span!("larder.load", key = %key.escape_ascii()).entered();
    #[cfg(not(feature = "tracing"))]
    let _ = key;
    loader()
}

/// The same for a loader that is a future.
pub(crate) async fn load_async<R>(key: &[u8], loader: impl Future<Output = R>) -> R {
    #[cfg(feature = "tracing")]
    {
        let span = tracing::debug_span!("larder.load", key = %key.escape_ascii());
        let mut loader = std::pin::pin!(loader);
        std::future::poll_fn(|context| span.in_scope(|| loader.as_mut().poll(context))).await
    }
    #[cfg(not(feature = "tracing"))]
    {
        let _ = key;
        loader.await
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
