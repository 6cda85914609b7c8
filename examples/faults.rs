//! Code that tries again, and the tests that show it when it must: a server that is loading, a lost reply.
//!
//! `cargo run --example faults --features redis,testing`

use larder::Store;
use larder::testing::Fault;
use redis::{Commands, ConnectionLike, RedisError, RedisResult};

/// Orders by their numbers. In production `connect` is `redis::Client::get_connection`.
struct Orders<F> {
    connect: F,
}

impl<F, C> Orders<F>
where
    F: Fn() -> RedisResult<C>,
    C: ConnectionLike,
{
    const TRIES: u32 = 4;

    /// Books an order once, however often it has to be sent: who has lost a reply cannot know whether it was.
    fn place(&self, number: u32, cents: u64) -> RedisResult<()> {
        self.retry(|con| con.hset_nx("orders", number, cents))
    }

    fn total(&self) -> RedisResult<u64> {
        let orders: Vec<u64> = self.retry(|con| con.hvals("orders"))?;
        Ok(orders.iter().sum())
    }

    fn retry<T>(&self, run: impl Fn(&mut C) -> RedisResult<T>) -> RedisResult<T> {
        let mut tries = 1;
        loop {
            match (self.connect)().and_then(|mut con| run(&mut con)) {
                // (A real one waits here.)
                Err(error) if tries < Self::TRIES && Self::may_pass(&error) => tries += 1,
                result => return result,
            }
        }
    }

    fn may_pass(error: &RedisError) -> bool {
        error.is_connection_dropped() || error.code() == Some("LOADING")
    }
}

fn main() -> RedisResult<()> {
    let store = Store::new();
    let orders = Orders { connect: || Ok(store.redis_connection()) };
    let log = store.command_log();

    let _loading = store.fault(Fault::loading().on("HSETNX").times(2));
    let _lost = store.fault(Fault::close_after().on("HSETNX").once());
    orders.place(17, 4_200)?;
    println!("{log}");
    println!("booked: {}", orders.total()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use larder::testing::Strict;

    use super::*;

    #[test]
    fn an_order_whose_reply_was_lost_is_booked_once() {
        let store = Store::new();
        let orders = Orders { connect: || Ok(store.redis_connection()) };
        let log = store.command_log();
        let lost = store.fault(Fault::close_after().on("HSETNX").once());
        orders.place(17, 4_200).unwrap();
        lost.assert_hits(1);
        log.assert_count("HSETNX", 2);
        assert_eq!(orders.total().unwrap(), 4_200);
    }

    #[test]
    fn a_server_that_loads_is_asked_again_and_not_for_ever() {
        let store = Store::new();
        let orders = Orders { connect: || Ok(store.redis_connection()) };
        let log = store.command_log();
        let loading = store.fault(Fault::loading().on("@hash").times(2));
        orders.place(17, 4_200).unwrap();
        log.assert_round_trips(3);

        drop(loading);
        log.clear();
        let _down = store.fault(Fault::loading());
        assert_eq!(orders.place(18, 100).unwrap_err().code(), Some("LOADING"));
        log.assert_round_trips(4);
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        let store = Store::new();
        let _strict = store.strict(Strict::new().unknown_commands().forbid("@dangerous"));
        let orders = Orders { connect: || Ok(store.redis_connection()) };
        let log = store.command_log();
        let _full = store.fault(Fault::oom().on("@write"));
        assert_eq!(orders.place(17, 4_200).unwrap_err().code(), Some("OOM"));
        log.assert_count("HSETNX", 1);
    }
}
