//! Code written against redis-rs's traits: on a server in production, on a store in its tests.
//!
//! `cargo run --example redis_rs --features redis`

use std::time::Duration;

use larder::{ManualClock, Store};
use redis::{Commands, RedisResult};

/// Lets a user in three times a minute. Any connection will do: to Redis, to Valkey, to a cluster, to a store.
fn may_log_in(con: &mut impl Commands, user: &str) -> RedisResult<bool> {
    let key = format!("logins:{user}");
    let (tries, _): (u32, bool) = redis::pipe().atomic().incr(&key, 1).expire(&key, 60).query(con)?;
    Ok(tries <= 3)
}

fn main() -> RedisResult<()> {
    // In production: redis::Client::open("redis://127.0.0.1/")?.get_connection()?
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut con = store.redis_connection();

    for attempt in 1..=4 {
        println!("attempt {attempt}: {}", if may_log_in(&mut con, "ann")? { "welcome" } else { "later" });
    }
    // The test owns the clock: a minute takes no time.
    clock.advance(Duration::from_secs(60));
    println!("a minute later: {}", if may_log_in(&mut con, "ann")? { "welcome" } else { "later" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_let_in_three_times_a_minute() {
        let clock = ManualClock::new();
        let mut con = Store::builder().clock(&clock).build().redis_connection();
        let tries: Vec<bool> = (0..4).map(|_| may_log_in(&mut con, "ann").unwrap()).collect();
        assert_eq!(tries, [true, true, true, false]);
        assert!(may_log_in(&mut con, "bob").unwrap());
        clock.advance(Duration::from_secs(60));
        assert!(may_log_in(&mut con, "ann").unwrap());
    }
}
