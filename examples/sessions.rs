//! Sessions that live as long as they are used: each visit moves the deadline.
//!
//! `cargo run --example sessions`

use std::time::Duration;

use larder::{ManualClock, Record, Result, Store};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    cart: Vec<u64>,
}

impl Record for Session {}

const IDLE: Duration = Duration::from_secs(30 * 60);

struct Sessions {
    store: Store,
}

impl Sessions {
    fn start(&self, id: &str, user: &str) -> Result<()> {
        self.store.insert_ex(key(id), &Session { user: user.into(), cart: Vec::new() }, IDLE)
    }

    /// The session, whose time starts anew with each visit: one step, so it cannot expire in between.
    fn visit(&self, id: &str) -> Result<Option<Session>> {
        self.store.get_and_expire(key(id), IDLE)
    }

    fn end(&self, id: &str) -> Result<bool> {
        self.store.remove(key(id))
    }
}

fn key(id: &str) -> String {
    format!("session:{id}")
}

fn main() -> Result<()> {
    // A clock that is moved by hand shows in a moment what takes hours.
    let clock = ManualClock::new();
    let sessions = Sessions { store: Store::builder().clock(&clock).build() };
    sessions.start("7f3a", "ann")?;
    sessions.start("9c21", "bob")?;
    for minutes in [20, 20, 20] {
        clock.advance(Duration::from_secs(minutes * 60));
        let ann = sessions.visit("7f3a")?.map(|session| session.user);
        let bob = sessions.store.ttl(key("9c21"))?;
        println!("{minutes} minutes later: {ann:?} is back, bob is not ({bob:?})");
        assert_eq!(ann.as_deref(), Some("ann"));
    }
    assert!(sessions.visit("9c21")?.is_none());
    assert!(sessions.end("7f3a")?);
    println!("ann logs out; {} sessions are left", sessions.store.len()?);
    Ok(())
}
