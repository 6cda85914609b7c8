//! A fake Redis for tests in any language: a store on a free port, whose clock and data the test owns.
//!
//! `cargo run --example fake_redis --features server`

use std::io::{BufRead, BufReader, Error, Write};
use std::net::TcpStream;
use std::time::Duration;

use larder::{ManualClock, Store};

fn main() -> Result<(), Error> {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve()?;
    println!("serving {}", server.url());

    // What the code under test does, with whatever client it has.
    let mut client = BufReader::new(TcpStream::connect(server.addr())?);
    let mut ask = |command: &str| {
        let mut reply = String::new();
        write!(client.get_mut(), "{command}\r\n")?;
        client.read_line(&mut reply)?;
        print!("{command}: {reply}");
        Ok::<String, Error>(reply)
    };
    ask("SET session:42 ann EX 30")?;
    ask("INCR visits")?;

    // What its test does: look into the store, and have half a minute pass.
    println!("visits, read directly: {:?}", store.get::<u64>("visits"));
    clock.advance(Duration::from_secs(30));
    assert_eq!(ask("STRLEN session:42")?, ":0\r\n");
    Ok(())
}
