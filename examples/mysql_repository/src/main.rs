//! A repository on MariaDB or MySQL, with a cache around it: the trait and the cache are those of `sqlite_repository`.
//!
//! `LARDER_MYSQL_URL=mysql://user:password@127.0.0.1:3306/database cargo run` in this folder, and `cargo test` likewise:
//! it makes a table `larder_products` there, and drops it.

#[path = "../../repository/products.rs"]
mod products;

use std::env;
use std::error::Error;
use std::sync::Arc;

use larder::Store;
use mysql::prelude::Queryable;
use mysql::{Opts, Pool, params};

use products::{CachedProducts, Product, ProductsRepository};

/// Products in a table, by a pool of connections.
struct MysqlProducts(Pool);

impl MysqlProducts {
    fn new(url: &str) -> Result<Self, mysql::Error> {
        let pool = Pool::new(Opts::from_url(url)?)?;
        pool.get_conn()?.query_drop(
            "CREATE TABLE IF NOT EXISTS larder_products (
                 id BIGINT UNSIGNED PRIMARY KEY, name TEXT NOT NULL, price_cents BIGINT UNSIGNED NOT NULL)",
        )?;
        Ok(MysqlProducts(pool))
    }

    fn drop_table(&self) -> Result<(), mysql::Error> {
        self.0.get_conn()?.query_drop("DROP TABLE larder_products")
    }
}

impl ProductsRepository for MysqlProducts {
    type Error = mysql::Error;

    fn find(&self, id: u64) -> Result<Option<Arc<Product>>, mysql::Error> {
        let sql = "SELECT name, price_cents FROM larder_products WHERE id = ?";
        let row: Option<(String, u64)> = self.0.get_conn()?.exec_first(sql, (id,))?;
        Ok(row.map(|(name, price_cents)| Arc::new(Product { id, name, price_cents })))
    }

    fn save(&self, product: &Product) -> Result<(), mysql::Error> {
        let Product { id, name, price_cents } = product;
        self.0.get_conn()?.exec_drop(
            "INSERT INTO larder_products VALUES (:id, :name, :price)
             ON DUPLICATE KEY UPDATE name = :name, price_cents = :price",
            params! { "id" => id, "name" => name, "price" => price_cents },
        )
    }

    fn remove(&self, id: u64) -> Result<bool, mysql::Error> {
        let mut connection = self.0.get_conn()?;
        connection.exec_drop("DELETE FROM larder_products WHERE id = ?", (id,))?;
        Ok(connection.affected_rows() > 0)
    }

    fn change_prices(&self, percent: u64) -> Result<(), mysql::Error> {
        let sql = "UPDATE larder_products SET price_cents = price_cents * ? DIV 100";
        self.0.get_conn()?.exec_drop(sql, (percent,))
    }
}

fn url() -> Option<String> {
    env::var("LARDER_MYSQL_URL").ok().filter(|url| !url.is_empty())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(url) = url() else {
        println!("skipped: LARDER_MYSQL_URL does not name a database (mysql://user:password@host:port/name)");
        return Ok(());
    };
    let products = CachedProducts::new(MysqlProducts::new(&url)?, &Store::new())?;
    products.save(&Product { id: 7, name: "tea".to_owned(), price_cents: 450 })?;
    for _ in 0..1000 {
        assert_eq!(products.find(7)?.map(|tea| tea.price_cents), Some(450));
    }
    products.change_prices(110)?;
    assert_eq!(products.find(7)?.map(|tea| tea.price_cents), Some(495));
    products.remove(7)?;
    let stats = products.stats();
    println!("{} of 1001 products came from the cache, {} from the database", stats.hits, stats.loads);
    MysqlProducts::new(&url)?.drop_table()?;
    Ok(())
}

/// On a real server; each says so if none is named.
#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// Runs with a table that is there for this test alone.
    fn with_products(name: &str, test: impl FnOnce(&str)) {
        let Some(url) = url() else {
            // By the handle itself: what tests print is shown only when they fail.
            let _ = writeln!(std::io::stderr(), "skipped: {name}; LARDER_MYSQL_URL does not name a database");
            return;
        };
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = MysqlProducts::new(&url).unwrap().drop_table();
        test(&url);
        MysqlProducts::new(&url).unwrap().drop_table().unwrap();
    }

    fn tea(price_cents: u64) -> Product {
        Product { id: 7, name: "tea".to_owned(), price_cents }
    }

    #[test]
    fn a_cache_changes_no_answer() {
        fn shop<R: ProductsRepository<Error: std::fmt::Debug>>(products: &R) -> Vec<Option<Arc<Product>>> {
            let mut found = vec![products.find(7).unwrap()];
            products.save(&tea(450)).unwrap();
            found.push(products.find(7).unwrap());
            products.save(&tea(500)).unwrap();
            found.push(products.find(7).unwrap());
            products.change_prices(110).unwrap();
            found.push(products.find(7).unwrap());
            assert!(products.remove(7).unwrap());
            assert!(!products.remove(7).unwrap());
            found.push(products.find(7).unwrap());
            found
        }

        with_products("a_cache_changes_no_answer", |url| {
            let plain = MysqlProducts::new(url).unwrap();
            let cached = CachedProducts::new(MysqlProducts::new(url).unwrap(), &Store::new()).unwrap();
            let expected = [None, Some(450), Some(500), Some(550), None];
            let prices = |found: Vec<Option<Arc<Product>>>| {
                found.into_iter().map(|found| found.map(|tea| tea.price_cents)).collect::<Vec<_>>()
            };
            assert_eq!(prices(shop(&plain)), expected);
            assert_eq!(prices(shop(&cached)), expected);
        });
    }

    #[test]
    fn many_threads_make_one_query() {
        with_products("many_threads_make_one_query", |url| {
            let products = CachedProducts::new(MysqlProducts::new(url).unwrap(), &Store::new()).unwrap();
            products.save(&tea(450)).unwrap();
            let start = Barrier::new(32);
            thread::scope(|scope| {
                for _ in 0..32 {
                    scope.spawn(|| {
                        start.wait();
                        assert_eq!(products.find(7).unwrap().unwrap().price_cents, 450);
                    });
                }
            });
            assert_eq!(products.stats().loads, 1);
        });
    }

    #[test]
    fn readers_never_see_an_older_price_than_they_were_told() {
        use std::sync::atomic::{AtomicU64, Ordering};

        with_products("readers_never_see_an_older_price_than_they_were_told", |url| {
            let products = CachedProducts::new(MysqlProducts::new(url).unwrap(), &Store::new()).unwrap();
            products.save(&tea(0)).unwrap();
            let told = AtomicU64::new(0);
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..2000 {
                            let least = told.load(Ordering::SeqCst);
                            let price = products.find(7).unwrap().unwrap().price_cents;
                            assert!(price >= least, "{price} after {least}");
                        }
                    });
                }
                for price in 1..=200 {
                    products.save(&tea(price)).unwrap();
                    told.store(price, Ordering::SeqCst);
                }
            });
            assert_eq!(products.find(7).unwrap().unwrap().price_cents, 200);
        });
    }
}
