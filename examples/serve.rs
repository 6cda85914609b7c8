//! Serves a store until its input ends: for a look with redis-cli, or for tests in other languages.
//!
//! `cargo run --example serve --features server`, which prints where; then `redis-cli -u URL`.

use std::io::{self, Read};

use larder::Store;

fn main() -> io::Result<()> {
    let server = Store::new().serve()?;
    println!("{}", server.url());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
