//! set: what its commands mean.
