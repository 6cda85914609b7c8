//! The products: what is asked of them, SQLite, and the cache around it.

use std::fmt::Display;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder::{Answer, Cache, LoadError, Store};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    pub name: String,
    pub price_cents: u64,
}

/// The service's products, wherever they are.
pub trait ProductsRepository: Send + Sync + 'static {
    type Error: Display + Send;

    fn find(&self, id: u64) -> impl Future<Output = Result<Option<Product>, Self::Error>> + Send;
    fn save(&self, id: u64, product: Product) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// Whether there was one.
    fn remove(&self, id: u64) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// Products in SQLite, by one connection, whose queries run where they may block.
#[derive(Clone)]
pub struct SqliteProducts(Arc<Mutex<Connection>>);

impl SqliteProducts {
    /// In this file, or else in memory.
    pub fn open(path: Option<&Path>) -> rusqlite::Result<Self> {
        let connection = path.map_or_else(Connection::open_in_memory, Connection::open)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS products (
                 id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL)",
        )?;
        Ok(SqliteProducts(Arc::new(Mutex::new(connection))))
    }

    async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, String> {
        let connection = Arc::clone(&self.0);
        let done =
            spawn_blocking(move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner))).await;
        done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

impl ProductsRepository for SqliteProducts {
    type Error = String;

    async fn find(&self, id: u64) -> Result<Option<Product>, String> {
        self.with(move |connection| {
            let mut find =
                connection.prepare_cached("SELECT name, price_cents FROM products WHERE id = ?")?;
            find.query_row([id], |row| Ok(Product { name: row.get(0)?, price_cents: row.get(1)? })).optional()
        })
        .await
    }

    async fn save(&self, id: u64, product: Product) -> Result<(), String> {
        self.with(move |connection| {
            let Product { name, price_cents } = product;
            let sql = "INSERT OR REPLACE INTO products VALUES (?, ?, ?)";
            connection.execute(sql, params![id, name, price_cents]).map(drop)
        })
        .await
    }

    async fn remove(&self, id: u64) -> Result<bool, String> {
        self.with(move |connection| Ok(connection.execute("DELETE FROM products WHERE id = ?", [id])? > 0))
            .await
    }
}

/// A cache around any repository.
pub struct CachedProducts<R> {
    inner: Arc<R>,
    pub cache: Cache<u64, Product>,
}

impl<R: ProductsRepository> CachedProducts<R> {
    pub fn new(inner: R, store: &Store) -> larder::Result<Self> {
        let cache = store
            .cache("products")
            .ttl(Duration::from_secs(60))
            .jitter(0.1)
            .stale_for(Duration::from_secs(3600))
            .absent_ttl(Duration::from_secs(10))
            .wait_at_most(Duration::from_secs(5))
            .breaker(10, Duration::from_secs(5))
            .build()?;
        Ok(CachedProducts { inner: Arc::new(inner), cache })
    }

    /// A product, and how it was had.
    pub async fn find(&self, id: u64) -> Result<Answer<Product>, LoadError<R::Error>> {
        self.cache.ask_async(&id, |_| self.inner.find(id)).await
    }

    pub async fn save(&self, id: u64, product: Product) -> Result<(), LoadError<R::Error>> {
        let inner = Arc::clone(&self.inner);
        self.write(id, async move { inner.save(id, product).await }).await
    }

    pub async fn remove(&self, id: u64) -> Result<bool, LoadError<R::Error>> {
        let inner = Arc::clone(&self.inner);
        self.write(id, async move { inner.remove(id).await }).await
    }

    /// While a row is written nothing that is read of it is kept. The query and the write that is told the cache are a task
    /// of their own: where the client has gone, this future is dropped, and the query is carried out all the same. A write
    /// that ended with this future would end before it.
    async fn write<T: Send + 'static>(
        &self,
        id: u64,
        query: impl Future<Output = Result<T, R::Error>> + Send + 'static,
    ) -> Result<T, LoadError<R::Error>> {
        let writing = self.cache.writing(&[id])?;
        let task = tokio::spawn(async move {
            let done = query.await;
            writing.commit();
            done
        });
        match task.await {
            Ok(done) => done.map_err(LoadError::Loader),
            // Nobody aborts it.
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::future::poll_fn;
    use std::sync::mpsc::{Receiver, channel};
    use std::task::Poll;
    use std::time::Instant;

    use super::*;

    /// Rows that are written when the test says so.
    struct Slow {
        rows: Arc<Mutex<HashMap<u64, Product>>>,
        commits: Arc<Mutex<Receiver<()>>>,
    }

    impl ProductsRepository for Slow {
        type Error = String;

        async fn find(&self, id: u64) -> Result<Option<Product>, String> {
            Ok(self.rows.lock().unwrap().get(&id).cloned())
        }

        async fn save(&self, id: u64, product: Product) -> Result<(), String> {
            let (rows, commits) = (Arc::clone(&self.rows), Arc::clone(&self.commits));
            let query = spawn_blocking(move || {
                commits.lock().unwrap().recv().unwrap();
                rows.lock().unwrap().insert(id, product);
            });
            query.await.map_err(|error| error.to_string())
        }

        async fn remove(&self, _: u64) -> Result<bool, String> {
            Err("nobody asks for that".to_owned())
        }
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_leaves_no_old_row_in_the_cache() {
        let tea = |price_cents| Product { name: "tea".to_owned(), price_cents };
        let (commit, commits) = channel();
        let rows = Arc::new(Mutex::new(HashMap::from([(7, tea(450))])));
        let slow = Slow { rows, commits: Arc::new(Mutex::new(commits)) };
        let products = CachedProducts::new(slow, &Store::new()).unwrap();
        let price = async || products.find(7).await.unwrap().value.unwrap().price_cents;

        let mut save = Box::pin(products.save(7, tea(500)));
        assert!(poll_fn(|context| Poll::Ready(save.as_mut().poll(context).is_pending())).await);
        drop(save);
        assert_eq!(price().await, 450, "it is not committed");
        commit.send(()).unwrap();
        let begun = Instant::now();
        while price().await != 500 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the old row is in the cache");
            tokio::task::yield_now().await;
        }
    }
}
