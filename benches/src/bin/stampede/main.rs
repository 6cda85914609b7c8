//! What happens to a database when many ask at once for what its cache does not have, or has no more.
//!
//! `stampede` lets 64 threads, and then 1,000 tasks, ask larder and its peers: for a cold key, for a hot one that expires
//! every 50 ms, and for that one while the database is down. A query takes 5 ms. Then loads race with invalidations. It
//! prints the tables of the README, in some 40 seconds.

mod peers;
mod race;
mod threads_and_tasks;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use peers::Kind;

/// How long a value is fresh.
const TTL: Duration = Duration::from_millis(50);

/// A table of one row, which is a number.
#[derive(Default)]
struct Database {
    queries: AtomicU64,
    is_down: AtomicBool,
}

impl Database {
    const QUERY: Duration = Duration::from_millis(5);

    fn query(&self) -> Result<u64, String> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Self::QUERY);
        self.answer()
    }

    async fn query_async(&self) -> Result<u64, String> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Self::QUERY).await;
        self.answer()
    }

    fn answer(&self) -> Result<u64, String> {
        if self.is_down.load(Ordering::Relaxed) { Err("the database is down".to_owned()) } else { Ok(7) }
    }
}

/// What one who asks has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    Fresh,
    Stale,
    Error,
}

/// All answers of a run: how long each took, and what it was.
type Answers = Vec<(Duration, Got)>;

#[derive(Debug, Clone, Copy)]
enum Scenario {
    Cold,
    Expiring,
    Down,
}

fn main() {
    for (title, scenario) in [
        ("A cold key, in 40 rounds", Scenario::Cold),
        ("A hot key that expires every 50 ms, for 2 s", Scenario::Expiring),
        ("The same while the database is down", Scenario::Down),
    ] {
        println!("\n#### {title}\n");
        println!("| who asks | cache | queries | p50 | p99 | longest | stale | errors |");
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
        for kind in Kind::ALL {
            let database = Database::default();
            row("64 threads", kind, threads_and_tasks::threads(kind, scenario, &database), &database);
        }
        for kind in Kind::ALL {
            let database = std::sync::Arc::new(Database::default());
            row("1,000 tasks", kind, threads_and_tasks::tasks(kind, scenario, &database), &database);
        }
    }
    race::main();
}

fn row(who: &str, kind: Kind, mut answers: Answers, database: &Database) {
    answers.sort_unstable_by_key(|(took, _)| *took);
    let at = |share: f64| micros(answers[((answers.len() - 1) as f64 * share) as usize].0);
    let share = |got: Got| {
        let count = answers.iter().filter(|(_, other)| *other == got).count();
        format!("{:.1} %", 100.0 * count as f64 / answers.len() as f64)
    };
    println!(
        "| {who} | {} | {} | {} | {} | {} | {} | {} |",
        kind.name(),
        database.queries.load(Ordering::Relaxed),
        at(0.5),
        at(0.99),
        at(1.0),
        share(Got::Stale),
        share(Got::Error),
    );
}

fn micros(took: Duration) -> String {
    match took.as_nanos() {
        nanos @ 0..10_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        nanos @ 10_000..1_000_000 => format!("{:.0} µs", nanos as f64 / 1e3),
        nanos => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}
