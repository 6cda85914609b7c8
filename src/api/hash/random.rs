//! Fields at random.

use super::Hash;
use super::iter::entry;
use crate::api::handle::decode;
use crate::command::Draw;
use crate::command::hash as fields;
use crate::value::hash::Field;
use crate::{Decode, Encode, Result};

impl<F: Encode + Decode, V: Encode + Decode> Hash<'_, F, V> {
    /// A field drawn at random, each as likely as any other; `None` if the key is missing. `HRANDFIELD`,
    /// O(1), or O(n) while fields that have expired wait for the sweeper.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// assert_eq!(cart.random_field()?, None);
    /// cart.insert("apple", 3)?;
    /// assert_eq!(cart.random_field()?.as_deref(), Some("apple"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a field that is no `F`.
    #[doc(alias = "HRANDFIELD")]
    pub fn random_field(&self) -> Result<Option<F>> {
        Ok(self.random_fields(1)?.pop())
    }

    /// `count` different fields drawn at random, in no order; all of them if there are fewer.
    /// `HRANDFIELD` with a positive count, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// assert_eq!(cart.random_fields(1)?.len(), 1);
    /// assert_eq!(cart.random_fields(5)?.len(), 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`random_field`](Self::random_field); [`Error::Invalid`](crate::Error::Invalid) for
    /// more than memory can hold.
    #[doc(alias = "HRANDFIELD")]
    pub fn random_fields(&self, count: usize) -> Result<Vec<F>> {
        self.draw(Draw::Distinct(count))?.into_iter().map(|field| decode(field.name)).collect()
    }

    /// `count` fields, each drawn from all of them, so that one can come more than once; none if the
    /// key is missing. `HRANDFIELD` with a negative count, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// assert!(cart.random_fields_repeated(5)?.is_empty());
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// assert_eq!(cart.random_fields_repeated(5)?.len(), 5);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`random_fields`](Self::random_fields).
    #[doc(alias = "HRANDFIELD")]
    pub fn random_fields_repeated(&self, count: usize) -> Result<Vec<F>> {
        self.draw(Draw::repeated(count))?.into_iter().map(|field| decode(field.name)).collect()
    }

    /// A field drawn at random, and its value; `None` if the key is missing. `HRANDFIELD` with
    /// `WITHVALUES`, O(1) as [`random_field`](Self::random_field).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// assert_eq!(cart.random()?, Some(("apple".to_owned(), 3)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a field that is no `F`, or a value that is no `V`.
    #[doc(alias = "HRANDFIELD")]
    pub fn random(&self) -> Result<Option<(F, V)>> {
        Ok(self.random_many(1)?.pop())
    }

    /// [`random_fields`](Self::random_fields) with their values. `HRANDFIELD` with a positive count and
    /// `WITHVALUES`, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// let mut drawn = cart.random_many(5)?;
    /// drawn.sort();
    /// assert_eq!(drawn, [("apple".to_owned(), 3), ("pear".to_owned(), 1)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`random`](Self::random); [`Error::Invalid`](crate::Error::Invalid) for more than
    /// memory can hold.
    #[doc(alias = "HRANDFIELD")]
    pub fn random_many(&self, count: usize) -> Result<Vec<(F, V)>> {
        self.draw(Draw::Distinct(count))?.into_iter().map(entry).collect()
    }

    /// [`random_fields_repeated`](Self::random_fields_repeated) with their values. `HRANDFIELD` with a
    /// negative count and `WITHVALUES`, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// assert_eq!(cart.random_repeated(2)?, vec![("apple".to_owned(), 3); 2]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`random_many`](Self::random_many).
    #[doc(alias = "HRANDFIELD")]
    pub fn random_repeated(&self, count: usize) -> Result<Vec<(F, V)>> {
        self.draw(Draw::repeated(count))?.into_iter().map(entry).collect()
    }

    fn draw(&self, draw: Draw) -> Result<Vec<Field>> {
        self.handle.read(|view, key| fields::random(view, key, draw))
    }
}
