//! Rate limits: a fixed window for logins, and an even flow with bursts for requests.
//!
//! `cargo run --example rate_limit`

use std::time::Duration;

use larder::{FixedWindow, Gcra, ManualClock, Result, Store};

fn main() -> Result<()> {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();

    let logins = FixedWindow::new(3, Duration::from_secs(60));
    println!("Three logins a minute:");
    for attempt in 1..=4 {
        let permit = logins.check(&store, "logins:ann")?;
        match permit.retry_after() {
            _ if permit.is_allowed() => println!("  {attempt}: allowed, {} left", permit.remaining()),
            Some(wait) => println!("  {attempt}: refused for {wait:?}"),
            None => println!("  {attempt}: never"),
        }
    }
    clock.advance(Duration::from_secs(60));
    println!("  a minute later: {}", logins.check(&store, "logins:ann")?.is_allowed());

    let requests = Gcra::new(5, Duration::from_secs(1)).burst(3);
    println!("\nFive requests a second, three of them at once:");
    let mut allowed = 0;
    for tick in 0..20 {
        let permit = requests.check(&store, "api:ann")?;
        allowed += u32::from(permit.is_allowed());
        let answer =
            if permit.is_allowed() { "200".into() } else { format!("429, {:?}", permit.retry_after()) };
        println!("  {:>4} ms: {answer}", tick * 50);
        clock.advance(Duration::from_millis(50));
    }
    println!("{allowed} of 20 in a second");
    assert_eq!(allowed, 7);
    Ok(())
}
