//! Bytes for each key or element, of all that the allocator has given out, beside what the store says of
//! itself. Single keys are counted at many numbers of them: the worst is reported, not the best.

use std::time::Duration;

use larder::{Error, Store, Sweeping};
use larder_benches::counting::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HOUR: Duration = Duration::from_secs(3600);
const MILLION: usize = 1_000_000;

fn main() -> Result<(), Error> {
    println!("{:44} {:>9} {:>9}", "bytes a key or element", "allocated", "accounted");
    worst("key of 16, value of 12", |store, n| store.insert(key(n), text(n)))?;
    worst("the same with a time to live", |store, n| store.insert_ex(key(n), text(n), HOUR))?;
    worst("key of 16, value of 100", |store, n| store.insert(key(n), [b'v'; 100].as_slice()))?;
    small("hash of 10 fields of 6, values of 10", 10, |store, n| {
        let hash = store.hash::<String, String>(key(n));
        (0..10).try_for_each(|field| hash.insert(format!("name{field:02}"), &text(n)[2..]).map(drop))
    })?;
    small("list of 20 items of 12", 20, |store, n| {
        store.list::<String>(key(n)).extend_back((0..20).map(text)).map(drop)
    })?;
    small("set of 20 integers, one after the other", 20, |store, n| {
        store.set::<usize>(key(n)).insert_many(n * 20..n * 20 + 20).map(drop)
    })?;
    small("set of 20 integers under a million", 20, |store, n| {
        let scattered = (n * 20..n * 20 + 20).map(|m| m * 618_033 % MILLION);
        store.set::<usize>(key(n)).insert_many(scattered).map(drop)
    })?;
    small("set of 20 members of 12", 20, |store, n| {
        store.set::<String>(key(n)).insert_many((0..20).map(text)).map(drop)
    })?;
    small("sorted set of 20 members of 12", 20, |store, n| {
        store.sorted_set::<String>(key(n)).insert_many((0..20).map(|m| (text(m), m as f64))).map(drop)
    })?;
    one("hash of 1M fields of 12, values of 12", |store, n| {
        store.hash::<String, String>("k").insert(text(n), text(n)).map(drop)
    })?;
    one("list of 1M items of 12", |store, n| store.list::<String>("k").push_back(text(n)).map(drop))?;
    one("set of 1M members of 12", |store, n| store.set::<String>("k").insert(text(n)).map(drop))?;
    one("set of 1M integers", |store, n| store.set::<usize>("k").insert(n).map(drop))?;
    one("sorted set of 1M members of 12", |store, n| {
        store.sorted_set::<String>("k").insert(text(n), n as f64).map(drop)
    })
}

fn key(n: usize) -> String {
    format!("key:{n:012}")
}

fn text(n: usize) -> String {
    format!("item{n:08}")
}

type Fill = fn(&Store, usize) -> Result<(), Error>;

fn store() -> Store {
    // Nothing is due, so no thread is needed.
    Store::builder().sweeping(Sweeping::ByHand).build()
}

/// From 100 thousand to 2.2 million keys, in steps of 2 percent.
fn worst(name: &str, fill: Fill) -> Result<(), Error> {
    let (before, store) = (counting::live(), store());
    let (mut worst, mut accounted) = (0.0_f64, 0.0);
    let mut next = 100_000;
    for n in 0..2_200_000 {
        fill(&store, n)?;
        if n + 1 == next {
            next += next / 50;
            let bytes = (counting::live() - before) as f64 / (n + 1) as f64;
            if bytes > worst {
                (worst, accounted) = (bytes, store.stats()?.bytes as f64 / (n + 1) as f64);
            }
        }
    }
    report(name, worst, accounted);
    Ok(())
}

/// 50 thousand collections of so many elements.
fn small(name: &str, elements: usize, fill: Fill) -> Result<(), Error> {
    let (before, store) = (counting::live(), store());
    (0..50_000).try_for_each(|n| fill(&store, n))?;
    let all = (50_000 * elements) as f64;
    report(name, (counting::live() - before) as f64 / all, store.stats()?.bytes as f64 / all);
    Ok(())
}

/// One collection of a million elements.
fn one(name: &str, fill: Fill) -> Result<(), Error> {
    let (before, store) = (counting::live(), store());
    (0..MILLION).try_for_each(|n| fill(&store, n))?;
    let all = MILLION as f64;
    report(name, (counting::live() - before) as f64 / all, store.stats()?.bytes as f64 / all);
    Ok(())
}

fn report(name: &str, allocated: f64, accounted: f64) {
    println!("{name:44} {allocated:9.1} {accounted:9.1}");
}
