//! Tests of the keys operations.
