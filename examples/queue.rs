//! A work queue: producers, consumers that wait for jobs, and none lost when a consumer dies.
//!
//! `cargo run --example queue`

use std::thread;
use std::time::Duration;

use larder::{End, Record, Result, Store};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Job {
    id: u32,
    picture: String,
}

impl Record for Job {}

const JOBS: u32 = 20;

fn main() -> Result<()> {
    let store = Store::new();

    // What a consumer has taken stands in a list of its own until it is done: a consumer that died
    // has left its job there. These two are put back before the work begins.
    let jobs = store.list::<Job>("jobs");
    let running = store.list::<Job>("running:3");
    running.push_back(&Job { id: 900, picture: "left behind.png".into() })?;
    while let Some(job) = running.move_to(&jobs, End::Back, End::Front)? {
        println!("put back: {job:?}");
    }

    thread::scope(|scope| {
        let consumers: Vec<_> = (1..=2)
            .map(|number| {
                scope.spawn({
                    let store = store.clone();
                    move || consume(&store, number)
                })
            })
            .collect();
        scope.spawn(|| {
            for id in 1..=JOBS {
                jobs.push_back(&Job { id, picture: format!("picture {id}.png") })?;
            }
            Ok::<_, larder::Error>(())
        });
        for consumer in consumers {
            consumer.join().unwrap()?;
        }
        Ok::<_, larder::Error>(())
    })?;

    let done = store.counter("done").get()?;
    println!("{done} jobs done, {} left", jobs.len()?);
    assert_eq!(done, i64::from(JOBS) + 1);
    Ok(())
}

/// Takes jobs until none has come for a while.
fn consume(store: &Store, number: u32) -> Result<()> {
    let jobs = store.list::<Job>("jobs");
    let running = store.list::<Job>(format!("running:{number}"));
    let patience = Duration::from_millis(200);
    while let Some(job) = jobs.move_to_wait(&running, End::Front, End::Back, patience)? {
        println!("consumer {number} resizes {}", job.picture);
        store.counter("done").incr()?;
        running.remove_all(&job)?;
    }
    Ok(())
}
