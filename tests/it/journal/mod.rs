//! Stores that are kept in folders.

mod damage;
