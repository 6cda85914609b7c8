//! What an application asks of its products, and a cache around whatever answers: the same for any database.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, CacheStats, Load, LoadError, Store};

#[derive(Debug, Clone)]
pub struct Product {
    pub id: u64,
    pub name: String,
    pub price_cents: u64,
}

/// The application's products, wherever they are.
///
/// Products come as `Arc`s, so that a cache can give out the one that it keeps.
pub trait ProductsRepository {
    type Error: Display;

    fn find(&self, id: u64) -> Result<Option<Arc<Product>>, Self::Error>;
    /// Puts a product in, or in the place of the one with its id.
    fn save(&self, product: &Product) -> Result<(), Self::Error>;
    /// Whether there was one.
    fn remove(&self, id: u64) -> Result<bool, Self::Error>;
    /// Makes all products cheaper or dearer.
    fn change_prices(&self, percent: u64) -> Result<(), Self::Error>;
}

/// A cache around any repository. It is a repository itself, so nothing that uses one needs to know.
pub struct CachedProducts<R> {
    inner: R,
    store: Store,
    cache: Cache<u64, Product>,
}

impl<R: ProductsRepository> CachedProducts<R> {
    /// # Errors
    /// [`larder::Error::CacheInUse`] if the store has a cache of that name.
    pub fn new(inner: R, store: &Store) -> larder::Result<Self> {
        let cache = store
            .cache("products")
            .ttl(Duration::from_secs(300))
            .jitter(0.1)
            .stale_for(Duration::from_secs(3600)) // while the database is down
            .absent_ttl(Duration::from_secs(30)) // there is no such product
            .build()?;
        Ok(CachedProducts { inner, store: store.clone(), cache })
    }

    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

impl<R: ProductsRepository> ProductsRepository for CachedProducts<R> {
    type Error = LoadError<R::Error>;

    fn find(&self, id: u64) -> Result<Option<Arc<Product>>, Self::Error> {
        self.cache.get_or_load(&id, || {
            let found = self.inner.find(id)?;
            Ok(Load::from(found).tag("priced"))
        })
    }

    // While a write is under way nothing that is read is kept. When it has ended, or failed, or panicked, the next one
    // who asks reads anew: also where the database had committed before the connection broke.
    fn save(&self, product: &Product) -> Result<(), Self::Error> {
        let writing = self.cache.writing(&[product.id])?;
        writing.run(|| self.inner.save(product)).map_err(LoadError::Loader)
    }

    fn remove(&self, id: u64) -> Result<bool, Self::Error> {
        let writing = self.cache.writing(&[id])?;
        writing.run(|| self.inner.remove(id)).map_err(LoadError::Loader)
    }

    fn change_prices(&self, percent: u64) -> Result<(), Self::Error> {
        // One call for all products that are cached, however many they are.
        let writing = self.store.writing().tag("priced");
        writing.run(|| self.inner.change_prices(percent)).map_err(LoadError::Loader)
    }
}

/// What the decorator does, on a repository that is a map: no database is asked.
#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;

    use larder::{ManualClock, Store};

    use super::*;

    /// Counts what it is asked for, and fails when it is told to.
    #[derive(Default)]
    struct Fake {
        products: RefCell<HashMap<u64, Product>>,
        finds: Cell<u64>,
        is_down: Cell<bool>,
    }

    impl Fake {
        fn reach(&self) -> Result<(), String> {
            if self.is_down.get() { Err("the database is down".to_owned()) } else { Ok(()) }
        }
    }

    impl ProductsRepository for Fake {
        type Error = String;

        fn find(&self, id: u64) -> Result<Option<Arc<Product>>, String> {
            self.finds.set(self.finds.get() + 1);
            self.reach()?;
            Ok(self.products.borrow().get(&id).cloned().map(Arc::new))
        }

        fn save(&self, product: &Product) -> Result<(), String> {
            self.reach()?;
            self.products.borrow_mut().insert(product.id, product.clone());
            Ok(())
        }

        fn remove(&self, id: u64) -> Result<bool, String> {
            self.reach()?;
            Ok(self.products.borrow_mut().remove(&id).is_some())
        }

        fn change_prices(&self, percent: u64) -> Result<(), String> {
            self.reach()?;
            let mut products = self.products.borrow_mut();
            products
                .values_mut()
                .for_each(|product| product.price_cents = product.price_cents * percent / 100);
            Ok(())
        }
    }

    fn tea() -> Product {
        Product { id: 7, name: "tea".to_owned(), price_cents: 450 }
    }

    /// With tea in it, on a clock that is moved by hand.
    fn cached() -> (ManualClock, CachedProducts<Fake>) {
        let clock = ManualClock::new();
        let products = CachedProducts::new(Fake::default(), &Store::builder().clock(&clock).build()).unwrap();
        products.save(&tea()).unwrap();
        (clock, products)
    }

    fn price(products: &CachedProducts<Fake>, id: u64) -> Option<u64> {
        products.find(id).unwrap().map(|product| product.price_cents)
    }

    #[test]
    fn a_product_is_read_once() {
        let (_clock, products) = cached();
        let first = products.find(7).unwrap().unwrap();
        let again = products.find(7).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!((products.inner.finds.get(), products.stats().hits), (1, 1));
    }

    #[test]
    fn that_there_is_none_is_read_once_too() {
        let (_clock, products) = cached();
        assert_eq!((price(&products, 8), price(&products, 8)), (None, None));
        assert_eq!(products.inner.finds.get(), 1);
        products.save(&Product { id: 8, ..tea() }).unwrap();
        assert_eq!(price(&products, 8), Some(450));
    }

    #[test]
    fn what_is_written_is_read_at_once() {
        let (_clock, products) = cached();
        assert_eq!(price(&products, 7), Some(450));
        products.save(&Product { price_cents: 500, ..tea() }).unwrap();
        assert_eq!(price(&products, 7), Some(500));
        products.change_prices(200).unwrap();
        assert_eq!(price(&products, 7), Some(1000));
        assert!(products.remove(7).unwrap());
        assert_eq!(price(&products, 7), None);
        assert!(!products.remove(7).unwrap());
    }

    #[test]
    fn after_a_write_that_fails_the_database_is_asked() {
        let (_clock, products) = cached();
        assert_eq!(price(&products, 7), Some(450));
        products.inner.is_down.set(true);
        assert!(matches!(products.change_prices(200), Err(LoadError::Loader(_))));
        products.inner.is_down.set(false);
        assert_eq!((price(&products, 7), products.inner.finds.get()), (Some(450), 2));
    }

    #[test]
    fn a_database_that_is_down_is_not_noticed() {
        let (clock, products) = cached();
        assert_eq!(price(&products, 7), Some(450));
        products.inner.is_down.set(true);
        clock.advance(Duration::from_secs(600));
        assert_eq!(price(&products, 7), Some(450));
        assert_eq!(products.stats().stale, 1);
        assert!(matches!(products.find(8), Err(LoadError::Loader(_))), "of this one nothing is known");
        clock.advance(Duration::from_secs(3600));
        assert!(products.find(7).is_err(), "an hour is over");
    }
}
