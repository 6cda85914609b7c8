//! hash: what its commands mean.
