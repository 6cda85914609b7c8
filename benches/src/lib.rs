//! What the benchmarks share: keys and the order they are asked for in, and one face for every peer.
#![deny(unsafe_code)]

pub mod counting;
pub mod peers;
pub mod workload;
