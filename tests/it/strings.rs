//! Tests of the strings operations.
