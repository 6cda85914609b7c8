//! A cache in front of a SQLite table: what it gains, and what happens on update and on expiry.
//!
//! `cargo run --release --example cache_aside`

mod measure;
mod products;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder::{ManualClock, Store};
use measure::{Figures, measure, zipf};
use products::{CachedProducts, Product, ProductsRepository, SqliteProducts};

const PRODUCTS: u64 = 100_000;
const READS: usize = 200_000;
const TTL: Duration = Duration::from_secs(300);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("larder-cache-aside-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = run(&folder.join("products.db"));
    std::fs::remove_dir_all(&folder)?;
    result
}

fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let sqlite = Arc::new(SqliteProducts::create(path)?);
    fill(&sqlite)?;

    // Which products people look at: few of them often, most of them rarely.
    let wanted = [zipf(PRODUCTS, READS, 1), zipf(PRODUCTS, READS, 2)];
    println!("\nReading products by id from 2 threads, {READS} times each, Zipf-distributed ...");

    let without = measure(&wanted, |id| sqlite.find(id))?;
    let store = Store::new();
    let cached = CachedProducts::new(Arc::clone(&sqlite), store.clone(), TTL);
    let cold = measure(&wanted, |id| cached.find(id))?;
    let cold_ratio = store.stats()?.hit_ratio();
    let before = store.stats()?;
    let warm = measure(&wanted, |id| cached.find(id))?;
    let after = store.stats()?;
    let warm_ratio = (after.hits - before.hits) as f64 / (2 * READS) as f64;

    on_update(&cached, &sqlite)?;
    on_removal(&cached)?;
    on_expiry(&sqlite)?;

    println!("\n{:28} {:>12} {:>10} {:>10} {:>10}", "", "reads/s", "p50", "p99", "hit ratio");
    row("SQLite alone", &without, None);
    row("cache, empty at the start", &cold, Some(cold_ratio));
    row("cache, filled", &warm, Some(warm_ratio));
    let gain = warm.per_second / without.per_second;
    println!(
        "\n{gain:.0} times as many reads; {} products in {:.1} MB.",
        after.entries,
        after.bytes as f64 / 1e6
    );
    Ok(())
}

/// Fills the table, with a bar that shows how far it is.
fn fill(sqlite: &SqliteProducts) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    const STEP: u64 = PRODUCTS / 50;
    for step in 1..=50 {
        let ids = (step - 1) * STEP + 1..=step * STEP;
        sqlite.insert_many(ids.map(|id| Product {
            id,
            name: format!("product {id}"),
            price_cents: 100 + id * 7 % 10_000,
            description: format!("The {id}th product, as good as all the others. ").repeat(4),
        }))?;
        let done = step as usize;
        if std::io::stdout().is_terminal() {
            print!("\rFilling SQLite [{}{}] {:>3} %  ", "#".repeat(done), " ".repeat(50 - done), done * 2);
            std::io::stdout().flush()?;
        }
    }
    println!("SQLite: {PRODUCTS} products in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// A writer drops what it has changed, so the next reader loads the new row. A load that was under
/// way meanwhile cannot put the old row back: the store fences it.
fn on_update<R: ProductsRepository>(
    cached: &CachedProducts<Arc<R>>,
    counted: &SqliteProducts,
) -> Result<(), Box<dyn Error>>
where
    R::Error: Error + 'static,
{
    let mut product = cached.find(7)?.ok_or("product 7 is missing")?;
    let (old, reads) = (product.price_cents, counted.reads());
    product.price_cents = 1;
    cached.update(&product)?;
    let seen = cached.find(7)?.map(|product| product.price_cents);
    let again = cached.find_by_name("product 7")?.map(|product| product.price_cents);
    println!("\nOn update: the price of product 7 goes from {old} to {:?}, by name {:?};", seen, again);
    println!(
        "           {} queries (the row, and its id by name), then hits again.",
        counted.reads() - reads
    );
    assert_eq!((seen, again), (Some(1), Some(1)));
    Ok(())
}

/// A product that was removed is gone from the cache too; a new one can be found at once.
fn on_removal<R: ProductsRepository>(cached: &CachedProducts<Arc<R>>) -> Result<(), Box<dyn Error>>
where
    R::Error: Error + 'static,
{
    let product = cached.find(9)?.ok_or("product 9 is missing")?;
    cached.remove(9)?;
    let gone = cached.find(9)?.is_none() && cached.find_by_name(&product.name)?.is_none();
    cached.insert(&product)?;
    let back = cached.find_by_name(&product.name)? == Some(product);
    println!("On removal: product 9 is gone: {gone}; inserted again, it is back: {back}.");
    assert!(gone && back);
    Ok(())
}

/// After its time to live a product is loaded again: here on a clock that is moved by hand.
fn on_expiry(sqlite: &Arc<SqliteProducts>) -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let cached = CachedProducts::new(Arc::clone(sqlite), store, TTL);
    let queries = |of: &dyn Fn() -> Result<(), Box<dyn Error>>| -> Result<u64, Box<dyn Error>> {
        let before = sqlite.reads();
        of()?;
        Ok(sqlite.reads() - before)
    };
    let read =
        || -> Result<(), Box<dyn Error>> { cached.find(8)?.map(drop).ok_or("product 8 is missing".into()) };
    let (first, second) = (queries(&read)?, queries(&read)?);
    clock.advance(TTL);
    let third = queries(&read)?;
    println!("On expiry: queries for product 8: {first}, then {second}, and {third} after {TTL:?}.");
    assert_eq!((first, second, third), (1, 0, 1));
    Ok(())
}

fn row(name: &str, figures: &Figures, hits: Option<f64>) {
    let hits = hits.map_or("-".into(), |ratio| format!("{:.1} %", ratio * 100.0));
    println!(
        "{name:28} {:>12.0} {:>10} {:>10} {hits:>10}",
        figures.per_second,
        format!("{:.1?}", figures.p50),
        format!("{:.1?}", figures.p99),
    );
}
