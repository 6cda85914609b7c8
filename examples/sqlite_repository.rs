//! A repository on SQLite, and the same with a cache around it.
//!
//! `cargo run --example sqlite_repository`; `cargo test --example sqlite_repository` runs its tests. The trait and the
//! cache are in `repository/products.rs`; `mysql_repository` puts the same ones around MariaDB or MySQL.

#[path = "repository/products.rs"]
mod products;

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use larder::Store;
use rusqlite::{Connection, OptionalExtension, Row, params};

use products::{CachedProducts, Product, ProductsRepository};

/// Products in SQLite, by one connection.
struct SqliteProducts(Mutex<Connection>);

impl SqliteProducts {
    fn new(connection: Connection) -> rusqlite::Result<Self> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS products (
                 id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL)",
        )?;
        Ok(SqliteProducts(Mutex::new(connection)))
    }

    fn with<R>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> rusqlite::Result<R> {
        // A connection has no state that a panic could leave half done.
        work(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn product(row: &Row<'_>) -> rusqlite::Result<Arc<Product>> {
    Ok(Arc::new(Product { id: row.get(0)?, name: row.get(1)?, price_cents: row.get(2)? }))
}

impl ProductsRepository for SqliteProducts {
    type Error = rusqlite::Error;

    fn find(&self, id: u64) -> rusqlite::Result<Option<Arc<Product>>> {
        self.with(|connection| {
            let mut find =
                connection.prepare_cached("SELECT id, name, price_cents FROM products WHERE id = ?")?;
            find.query_row([id], product).optional()
        })
    }

    fn save(&self, product: &Product) -> rusqlite::Result<()> {
        let Product { id, name, price_cents } = product;
        self.with(|connection| {
            let mut save = connection.prepare_cached(
                "INSERT INTO products VALUES (?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents",
            )?;
            save.execute(params![id, name, price_cents]).map(drop)
        })
    }

    fn remove(&self, id: u64) -> rusqlite::Result<bool> {
        self.with(|connection| Ok(connection.execute("DELETE FROM products WHERE id = ?", [id])? > 0))
    }

    fn change_prices(&self, percent: u64) -> rusqlite::Result<()> {
        self.with(|connection| {
            connection.execute("UPDATE products SET price_cents = price_cents * ? / 100", [percent]).map(drop)
        })
    }
}

/// The application: it knows the trait alone.
fn shop<R: ProductsRepository>(products: &R) -> Result<u64, R::Error> {
    products.save(&Product { id: 7, name: "tea".to_owned(), price_cents: 450 })?;
    let mut sum = 0;
    for _ in 0..1000 {
        sum += products.find(7)?.map_or(0, |tea| tea.price_cents);
    }
    products.change_prices(110)?;
    sum += products.find(7)?.map_or(0, |tea| tea.price_cents);
    products.remove(7)?;
    sum += products.find(7)?.map_or(0, |tea| tea.price_cents);
    Ok(sum)
}

fn main() -> Result<(), Box<dyn Error>> {
    let sqlite = SqliteProducts::new(Connection::open_in_memory()?)?;
    println!("without a cache: {}", shop(&sqlite)?);
    let products = CachedProducts::new(sqlite, &Store::new())?;
    println!("with one:        {}", shop(&products)?);
    let stats = products.stats();
    println!("{} of 1002 products came from the cache, {} from SQLite", stats.hits, stats.loads);
    assert_eq!((stats.hits, stats.loads), (999, 3));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_changes_no_answer() {
        let open = || SqliteProducts::new(Connection::open_in_memory().unwrap()).unwrap();
        let cached = CachedProducts::new(open(), &Store::new()).unwrap();
        assert_eq!(shop(&open()).unwrap(), 1000 * 450 + 495);
        assert_eq!(shop(&cached).unwrap(), 1000 * 450 + 495);
    }
}
