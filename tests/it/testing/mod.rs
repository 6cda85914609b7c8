//! What the author of a test gets: the feature `testing`.

mod clock;
mod diff;
mod dump;
#[cfg(all(feature = "redis", feature = "server"))]
mod fault;
#[cfg(all(feature = "redis", feature = "server"))]
mod fault_edges;
mod fork;
#[cfg(all(feature = "redis", feature = "server"))]
mod helpers;
#[cfg(all(feature = "redis", feature = "server"))]
mod log;
mod seed;
#[cfg(all(feature = "redis", feature = "server"))]
mod strict;
