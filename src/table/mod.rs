//! The table of commands: from names and arguments to the typed operations, and from their results to replies.
//!
//! A command is a [`Row`]: its name, how many arguments it takes, what it is, where its keys are, and the
//! handler that reads its arguments. Families stand in files of their own, named as those of the layers below.
//! A handler says nothing about locks: whether it is called by itself, within `MULTI` or by a script, it
//! reaches the store through its [`Call`].

mod acl;
mod args;
mod bitmap;
mod blocking;
mod call;
mod checks;
mod client;
mod clients;
mod command;
mod config;
mod connection;
mod debug;
mod doors;
mod dump;
mod ending;
mod expiry;
mod filter;
mod geo;
mod hash;
#[cfg(feature = "testing")]
mod hooks;
mod hyperloglog;
mod increx;
mod info;
mod keys;
mod list;
mod measure;
mod memory;
#[cfg(feature = "server")]
mod migrate;
mod monitor;
mod object;
mod pause;
mod peers;
mod pieces;
mod pubsub;
mod row;
mod saving;
mod scan;
#[cfg(feature = "lua")]
mod script;
mod secrets;
mod server;
mod session;
mod set;
mod shared;
mod sort;
mod sorted_set;
mod stream;
mod string;
mod tracking;
mod transaction;
mod waits;

use std::collections::HashMap;
use std::sync::OnceLock;

#[cfg(feature = "server")]
pub(crate) use acl::{check_user, check_users, declare_user, load_users};
#[cfg(feature = "server")]
pub(crate) use checks::Named;
#[cfg(feature = "server")]
pub(crate) use clients::Traffic;
#[cfg(feature = "server")]
pub(crate) use config::{
    eviction_of, is_passed_over, keep_alive, names, plain, query_limit, read_at_start, start,
    value as parameter,
};
#[cfg(feature = "lua")]
pub(crate) use info::ScriptCounts;
pub use row::Compat;
#[cfg(feature = "server")]
pub(crate) use saving::Listener as SaveListener;
pub use saving::{SaveFile, Shutdown};
pub use session::Session;
#[cfg(any(feature = "redis-aio", feature = "server"))]
pub(crate) use session::{Outcome, Waiting};

#[cfg(all(any(feature = "redis-aio", feature = "server"), feature = "testing"))]
pub(crate) use hooks::{Ahead, Behind};
#[cfg(feature = "testing")]
pub(crate) use hooks::{End, Loss, category, is_of};
pub(crate) use row::Row;
#[cfg(feature = "lua")]
pub(crate) use script::no_script;
pub(crate) use shared::Shared;

/// All commands, by family.
const FAMILIES: &[&[Row]] = &[
    acl::ROWS,
    bitmap::ROWS,
    blocking::ROWS,
    client::ROWS,
    command::ROWS,
    config::ROWS,
    connection::ROWS,
    debug::ROWS,
    dump::ROWS,
    expiry::ROWS,
    geo::ROWS,
    hash::IMPORT_ROWS,
    hash::ROWS,
    hyperloglog::ROWS,
    increx::ROWS,
    info::ROWS,
    keys::ROWS,
    list::ROWS,
    measure::LOG_ROWS,
    measure::LATENCY_ROWS,
    memory::ROWS,
    #[cfg(feature = "server")]
    migrate::ROWS,
    monitor::ROWS,
    object::ROWS,
    peers::ROWS,
    pubsub::ROWS,
    saving::ROWS,
    scan::ROWS,
    #[cfg(feature = "lua")]
    script::ROWS,
    server::ROWS,
    set::ROWS,
    sort::ROWS,
    sorted_set::ROWS,
    stream::ROWS,
    string::ROWS,
    tracking::ROWS,
    transaction::ROWS,
];

/// The row of a command, or of a subcommand as `container|name`, in small letters. O(1)
fn find(name: &[u8]) -> Option<&'static Row> {
    static ROWS: OnceLock<HashMap<&'static [u8], &'static Row, ahash::RandomState>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| all().map(|row| (row.name.as_bytes(), row)).collect());
    rows.get(name).copied()
}

/// All rows.
fn all() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().copied().flatten()
}

/// The names of all commands; of a subcommand `container|name`.
#[cfg(all(any(test, fuzzing), feature = "server"))]
pub(crate) fn command_names() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| all().map(|row| row.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_in_the_table_once_and_in_small_letters() {
        for row in all() {
            assert!(
                std::ptr::eq(find(row.name.as_bytes()).expect("is in the table"), row),
                "{} twice",
                row.name
            );
            assert_eq!(row.name, row.name.to_ascii_lowercase());
            assert_ne!(row.arity, 0, "{}", row.name);
        }
    }
}
