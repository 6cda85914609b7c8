//! What the benchmarks share: keys and the order they are asked for in, one face for every peer, and what is measured.
#![deny(unsafe_code)]

pub mod counting;
pub mod histogram;
pub mod median;
pub mod peers;
pub mod resident;
pub mod servers;
pub mod turns;
pub mod workload;
