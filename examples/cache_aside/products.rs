//! The repository: a trait, its SQLite implementation, and a cache around any implementation.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{LoadError, Record, Store};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    pub id: u64,
    pub name: String,
    pub price_cents: u64,
    pub description: String,
}

impl Record for Product {}

/// What an application asks of its products, wherever they are.
pub trait ProductsRepository {
    type Error: Display;

    fn insert(&self, product: &Product) -> Result<(), Self::Error>;
    fn find(&self, id: u64) -> Result<Option<Product>, Self::Error>;
    fn find_by_name(&self, name: &str) -> Result<Option<Product>, Self::Error>;
    /// Whether there was such a product.
    fn update(&self, product: &Product) -> Result<bool, Self::Error>;
    /// Whether there was such a product.
    fn remove(&self, id: u64) -> Result<bool, Self::Error>;
}

impl<R: ProductsRepository> ProductsRepository for Arc<R> {
    type Error = R::Error;

    fn insert(&self, product: &Product) -> Result<(), R::Error> {
        (**self).insert(product)
    }

    fn find(&self, id: u64) -> Result<Option<Product>, R::Error> {
        (**self).find(id)
    }

    fn find_by_name(&self, name: &str) -> Result<Option<Product>, R::Error> {
        (**self).find_by_name(name)
    }

    fn update(&self, product: &Product) -> Result<bool, R::Error> {
        (**self).update(product)
    }

    fn remove(&self, id: u64) -> Result<bool, R::Error> {
        (**self).remove(id)
    }
}

/// Products in SQLite, with a connection for each thread that reads at the same time.
pub struct SqliteProducts {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    reads: AtomicU64,
}

impl SqliteProducts {
    pub fn create(path: &Path) -> rusqlite::Result<Self> {
        let products = SqliteProducts { path: path.into(), idle: Mutex::default(), reads: AtomicU64::new(0) };
        products.with(|connection| {
            connection.execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE products (
                     id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
                     price_cents INTEGER NOT NULL, description TEXT NOT NULL);",
            )
        })?;
        Ok(products)
    }

    /// How many queries have been made.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    pub fn insert_many(&self, products: impl IntoIterator<Item = Product>) -> rusqlite::Result<()> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            products.into_iter().try_for_each(|product| insert(&transaction, &product))?;
            transaction.commit()
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<R>) -> rusqlite::Result<R> {
        let idle = self.idle.lock().unwrap().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.path)?,
        };
        let result = work(&mut connection);
        self.idle.lock().unwrap().push(connection);
        result
    }

    fn query(&self, sql: &str, parameter: impl rusqlite::ToSql) -> rusqlite::Result<Option<Product>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.with(|connection| connection.prepare_cached(sql)?.query_row([parameter], product).optional())
    }
}

fn insert(connection: &Connection, product: &Product) -> rusqlite::Result<()> {
    let Product { id, name, price_cents, description } = product;
    connection
        .prepare_cached("INSERT INTO products VALUES (?, ?, ?, ?)")?
        .execute(params![id, name, price_cents, description])
        .map(drop)
}

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product { id: row.get(0)?, name: row.get(1)?, price_cents: row.get(2)?, description: row.get(3)? })
}

impl ProductsRepository for SqliteProducts {
    type Error = rusqlite::Error;

    fn insert(&self, product: &Product) -> rusqlite::Result<()> {
        self.with(|connection| insert(connection, product))
    }

    fn find(&self, id: u64) -> rusqlite::Result<Option<Product>> {
        self.query("SELECT * FROM products WHERE id = ?", id)
    }

    fn find_by_name(&self, name: &str) -> rusqlite::Result<Option<Product>> {
        self.query("SELECT * FROM products WHERE name = ?", name)
    }

    fn update(&self, product: &Product) -> rusqlite::Result<bool> {
        let Product { id, name, price_cents, description } = product;
        self.with(|connection| {
            let sql = "UPDATE products SET name = ?, price_cents = ?, description = ? WHERE id = ?";
            Ok(connection.execute(sql, params![name, price_cents, description, id])? > 0)
        })
    }

    fn remove(&self, id: u64) -> rusqlite::Result<bool> {
        self.with(|connection| Ok(connection.execute("DELETE FROM products WHERE id = ?", [id])? > 0))
    }
}

/// A cache around any repository. A product is kept under its id, and a name leads to the id, so
/// that there is one copy to invalidate.
pub struct CachedProducts<R> {
    inner: R,
    store: Store,
    ttl: Duration,
}

impl<R: ProductsRepository> CachedProducts<R> {
    pub fn new(inner: R, store: Store, ttl: Duration) -> Self {
        CachedProducts { inner, store, ttl }
    }

    /// Drops what is known of a product. It is called after the database has committed: a load that
    /// has read the old row by then is fenced, and one that starts later reads the new row.
    fn forget(&self, id: u64, names: &[&str]) -> Result<(), larder::Error> {
        self.store.remove(by_id(id))?;
        names.iter().try_for_each(|name| self.store.remove(by_name(name)).map(drop))
    }
}

fn by_id(id: u64) -> String {
    format!("product:{id}")
}

fn by_name(name: &str) -> String {
    format!("product:name:{name}")
}

impl<R: ProductsRepository> ProductsRepository for CachedProducts<R> {
    type Error = LoadError<R::Error>;

    fn insert(&self, product: &Product) -> Result<(), Self::Error> {
        self.inner.insert(product).map_err(LoadError::Loader)?;
        Ok(self.forget(product.id, &[&product.name])?)
    }

    fn find(&self, id: u64) -> Result<Option<Product>, Self::Error> {
        self.store.get_or_find(by_id(id), self.ttl, || self.inner.find(id))
    }

    fn find_by_name(&self, name: &str) -> Result<Option<Product>, Self::Error> {
        let id = self.store.get_or_find(by_name(name), self.ttl, || {
            Ok::<_, R::Error>(self.inner.find_by_name(name)?.map(|product| product.id))
        })?;
        let Some(id) = id else { return Ok(None) };
        // The name may have gone to another product since its id was cached.
        Ok(self.find(id)?.filter(|product| product.name == name))
    }

    fn update(&self, product: &Product) -> Result<bool, Self::Error> {
        let old = self.find(product.id)?;
        let updated = self.inner.update(product).map_err(LoadError::Loader)?;
        let old_name = old.as_ref().map_or(product.name.as_str(), |old| &old.name);
        self.forget(product.id, &[old_name, &product.name])?;
        Ok(updated)
    }

    fn remove(&self, id: u64) -> Result<bool, Self::Error> {
        let old = self.find(id)?;
        let removed = self.inner.remove(id).map_err(LoadError::Loader)?;
        self.forget(id, &old.iter().map(|old| old.name.as_str()).collect::<Vec<_>>())?;
        Ok(removed)
    }
}
