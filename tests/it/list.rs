//! Tests of the list operations.
