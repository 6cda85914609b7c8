//! Tests of the set operations.
