//! sorted set: what its commands mean.
