//! What the author of a test gets: the feature `testing`.

#[cfg(all(feature = "redis", feature = "server"))]
mod fault;
#[cfg(all(feature = "redis", feature = "server"))]
mod helpers;
#[cfg(all(feature = "redis", feature = "server"))]
mod log;
#[cfg(all(feature = "redis", feature = "server"))]
mod strict;
