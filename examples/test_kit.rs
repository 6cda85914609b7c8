//! A suite of tests over one prepared store: each case begins with the same data, moves the clock itself, and says
//! what it has changed.
//!
//! `cargo run --example test_kit --features testing`

use std::thread;
use std::time::Duration;

use larder::testing::{ToDump, assert_same};
use larder::{Checkpoint, ManualClock, Result, Store};

const MINUTE: Duration = Duration::from_secs(60);
/// Real time after which a case fails rather than to hang.
const LIMIT: Duration = Duration::from_secs(10);

/// The code under test: a shop's carts, which are forgotten after an hour, and its orders.
struct Shop(Store);

impl Shop {
    fn put(&self, user: &str, article: &str, count: i64) -> Result<()> {
        let cart = self.0.hash::<String, i64>(format!("cart:{user}"));
        cart.incr_by(article, count)?;
        self.0.expire(&cart, 60 * MINUTE)?;
        Ok(())
    }

    fn order(&self, user: &str) -> Result<()> {
        let cart = format!("cart:{user}");
        self.0.transaction([cart.as_str(), "orders", "sold"], |tx| {
            for (article, count) in tx.hash::<String, i64>(&cart).entries()? {
                tx.list::<String>("orders").push_back(format!("{user} {article} {count}"))?;
                tx.sorted_set::<String>("sold").incr_by(article, count as f64)?;
            }
            tx.remove(&cart)?;
            Ok(())
        })
    }

    /// Waits for an order, for a minute.
    fn next_order(&self) -> Result<Option<String>> {
        self.0.list::<String>("orders").pop_front_wait(MINUTE)
    }
}

/// What the cases share: nothing that one of them does is seen by the next.
struct Suite {
    clock: ManualClock,
    store: Store,
    prepared: Checkpoint,
}

impl Suite {
    fn new() -> Result<Self> {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).seed(7).build();
        let shop = Shop(store.clone());
        shop.put("ann", "apple", 3)?;
        shop.put("ann", "pear", 1)?;
        store.sorted_set::<String>("sold").insert_many([("apple", 40.0), ("plum", 7.0)])?;
        let prepared = store.checkpoint()?;
        println!("{}\n", store.dump()?);
        Ok(Suite { clock, store, prepared })
    }

    fn case(&self, name: &str, case: impl FnOnce(&Shop) -> Result<()>) -> Result<()> {
        case(&Shop(self.store.clone()))?;
        println!("{name}: {}\n", ToDump::to_dump(&self.prepared)?.difference(&self.store.dump()?));
        self.store.roll_back(&self.prepared)?;
        assert_same(&self.prepared, &self.store);
        Ok(())
    }
}

fn main() -> Result<()> {
    let suite = Suite::new()?;

    suite.case("an order takes the cart away", |shop| {
        shop.order("ann")?;
        assert_eq!(shop.0.sorted_set::<String>("sold").score("apple")?, Some(43.0));
        Ok(())
    })?;

    suite.case("a cart that is used lives on", |shop| {
        suite.clock.advance(59 * MINUTE);
        shop.put("ann", "plum", 2)?;
        suite.clock.advance(59 * MINUTE);
        assert!(shop.0.contains("cart:ann")?);
        Ok(())
    })?;

    suite.case("a cart is forgotten after an hour", |shop| {
        assert_eq!(suite.clock.advance_to_next_deadline(&shop.0)?, Some(60 * MINUTE));
        assert!(!shop.0.contains("cart:ann")?);
        Ok(())
    })?;

    suite.case("a worker gives up after a minute", |shop| {
        thread::scope(|scope| {
            let worker = scope.spawn(|| shop.next_order());
            assert!(shop.0.wait_for_blocked(1, LIMIT), "the worker does not wait");
            assert_eq!(suite.clock.advance_to_next_deadline(&shop.0)?, Some(MINUTE));
            assert_eq!(worker.join().expect("it does not panic")?, None);
            Ok(())
        })
    })?;

    // What if: a store of its own, and nobody else sees it.
    let trial = suite.store.fork()?;
    Shop(trial.clone()).order("ann")?;
    println!("a trial, beside the store: {}", suite.store.difference(&trial)?);
    Ok(())
}
