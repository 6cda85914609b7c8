//! Serves a store until its input ends: for a look with redis-cli, or for tests in other languages.
//!
//! `cargo run --example serve --features server`, which prints where; then `redis-cli -u URL`. With a version behind it
//! (`-- 7.0`), it is like that one.

use std::io::{self, Read};

use larder::{Compat, Server, Store};

fn main() -> io::Result<()> {
    let compat = match std::env::args().nth(1).as_deref() {
        None => Compat::default(),
        Some("7.0") => Compat::Redis70,
        Some("7.2") => Compat::Redis72,
        Some("8.2") => Compat::Redis82,
        Some("8.10") => Compat::Redis810,
        Some("valkey-9") => Compat::Valkey9,
        Some(other) => return Err(io::Error::other(format!("no such version: {other}"))),
    };
    let server = Server::builder().compat(compat).start(&Store::new())?;
    println!("{}", server.url());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
