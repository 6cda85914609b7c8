//! Code written against redis-rs's traits: on Redis, Valkey or a cluster in production, on a store in its tests.
//!
//! `cargo test --example redis_rs --features redis` needs no server.
//! `cargo run --example redis_rs --features redis` runs on a store, and with `-- redis://127.0.0.1:6379` on a server.

use larder::Store;
use redis::{Commands, RedisResult};

/// Lets a user in three times a minute. Any connection will do: to Redis, to Valkey, to a cluster, to a store.
fn may_log_in(con: &mut impl Commands, user: &str) -> RedisResult<bool> {
    let key = format!("logins:{user}");
    let (tries, _): (u32, bool) = redis::pipe().atomic().incr(&key, 1).expire(&key, 60).query(con)?;
    Ok(tries <= 3)
}

fn log_in_four_times(con: &mut impl Commands) -> RedisResult<()> {
    for attempt in 1..=4 {
        println!("attempt {attempt}: {}", if may_log_in(con, "ann")? { "welcome" } else { "later" });
    }
    con.del("logins:ann")
}

fn main() -> RedisResult<()> {
    match std::env::args().nth(1) {
        // In production. A cluster: redis::cluster::ClusterClient::new(urls)?.get_connection()?
        Some(url) => log_in_four_times(&mut redis::Client::open(url)?.get_connection()?),
        None => log_in_four_times(&mut Store::new().redis_connection()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use larder::{ManualClock, Ttl};

    use super::*;

    #[test]
    fn a_user_is_let_in_three_times_a_minute() {
        let clock = ManualClock::new();
        let mut con = Store::builder().clock(&clock).build().redis_connection();
        let tries: Vec<bool> = (0..4).map(|_| may_log_in(&mut con, "ann").unwrap()).collect();
        assert_eq!(tries, [true, true, true, false]);
        assert!(may_log_in(&mut con, "bob").unwrap());
        // The test owns the clock: a minute takes no time.
        clock.advance(Duration::from_secs(60));
        assert!(may_log_in(&mut con, "ann").unwrap());
    }

    #[test]
    fn what_it_leaves_behind_is_read_directly() {
        let store = Store::new();
        may_log_in(&mut store.redis_connection(), "ann").unwrap();
        assert_eq!(store.get("logins:ann").unwrap(), Some(1));
        assert!(
            matches!(store.ttl("logins:ann").unwrap(), Ttl::Left(left) if left <= Duration::from_secs(60))
        );
    }
}
