//! Those who ask: 64 threads or 1,000 tasks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::peers::{Kind, Tasks, Threads};
use crate::{Answers, Database, Scenario};

const THREADS: usize = 64;
const TASKS: usize = 1000;
const ROUNDS: u64 = 40;
const LASTS: Duration = Duration::from_secs(2);

/// How long a thread or a task waits between two questions for the hot key: some 13,000 and 20,000 questions a second
/// in all.
const THREAD_PAUSES: Duration = Duration::from_millis(5);
const TASK_PAUSES: Duration = Duration::from_millis(50);

pub fn threads(kind: Kind, scenario: Scenario, database: &Database) -> Answers {
    let cache = Threads::new(kind);
    if let Scenario::Expiring | Scenario::Down = scenario {
        cache.ask(0, database);
    }
    database.is_down.store(matches!(scenario, Scenario::Down), Ordering::Relaxed);
    database.queries.store(0, Ordering::Relaxed);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = Answers::new();
                    let mut ask = |key| {
                        let asked = Instant::now();
                        let got = cache.ask(key, database);
                        answers.push((asked.elapsed(), got));
                    };
                    start.wait();
                    if let Scenario::Cold = scenario {
                        (1..=ROUNDS).for_each(|key| {
                            start.wait();
                            ask(key);
                        });
                    } else {
                        let started = Instant::now();
                        while started.elapsed() < LASTS {
                            ask(0);
                            thread::sleep(THREAD_PAUSES);
                        }
                    }
                    answers
                })
            })
            .collect();
        asking.into_iter().flat_map(|thread| thread.join().expect("it does not panic")).collect()
    })
}

pub fn tasks(kind: Kind, scenario: Scenario, database: &Arc<Database>) -> Answers {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("threads can be started").block_on(async {
        let cache = Arc::new(Tasks::new(kind));
        if let Scenario::Expiring | Scenario::Down = scenario {
            cache.ask(0, database).await;
        }
        database.is_down.store(matches!(scenario, Scenario::Down), Ordering::Relaxed);
        database.queries.store(0, Ordering::Relaxed);
        let start = Arc::new(tokio::sync::Barrier::new(TASKS));
        let asking: Vec<_> = (0..TASKS)
            .map(|number| {
                let (cache, database, start) = (Arc::clone(&cache), Arc::clone(database), Arc::clone(&start));
                tokio::spawn(async move {
                    let mut answers = Answers::new();
                    start.wait().await;
                    if let Scenario::Cold = scenario {
                        for key in 1..=ROUNDS {
                            start.wait().await;
                            let asked = Instant::now();
                            let got = cache.ask(key, &database).await;
                            answers.push((asked.elapsed(), got));
                        }
                    } else {
                        // They do not come all at once: that is the other scenario.
                        tokio::time::sleep(TASK_PAUSES * number as u32 / TASKS as u32).await;
                        let started = Instant::now();
                        while started.elapsed() < LASTS {
                            let asked = Instant::now();
                            let got = cache.ask(0, &database).await;
                            answers.push((asked.elapsed(), got));
                            tokio::time::sleep(TASK_PAUSES).await;
                        }
                    }
                    answers
                })
            })
            .collect();
        let mut answers = Answers::new();
        for task in asking {
            answers.extend(task.await.expect("it does not panic"));
        }
        answers
    })
}
