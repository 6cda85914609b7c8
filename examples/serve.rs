//! Serves a store until its input ends: for a look with redis-cli, or for tests in other languages.
//!
//! `cargo run --example serve --features server`, which prints where; then `redis-cli -u URL`. With a version behind it
//! (`-- 7.0`), it is like that one.

use std::io::{self, Read};

use larder::{Compat, Server, Store};

fn main() -> io::Result<()> {
    let compat = match std::env::args().nth(1) {
        Some(version) => version.parse().map_err(io::Error::other)?,
        None => Compat::default(),
    };
    let server = Server::builder().compat(compat).start(&Store::new())?;
    println!("{}", server.url());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
