//! Tests of the hash operations.
