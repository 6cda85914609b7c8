//! Tests of the sorted set operations.
