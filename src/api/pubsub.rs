//! Publish and subscribe.

use super::Store;
use crate::codec::encode;
use crate::pubsub::{Backlog, Hub, Subscription};
use crate::{Bytes, IntoValue, Key, Result};

impl Store {
    /// Sends a message to all who listen to a channel right now; gives how many times it was received:
    /// a subscription gets it once for the channel's name and once for each of its patterns that match.
    /// Never waits for a reader. Channels are the store's, not a database's. `PUBLISH`, O(receivers +
    /// patterns).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let news = store.subscribe(["news"]);
    /// assert_eq!(store.publish("news", "hello")?, 1);
    /// assert_eq!(store.publish("weather", "rain")?, 0);
    /// assert_eq!(news.recv().unwrap().payload, "hello");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`](crate::Error::TooLong) for a payload over the store's limit,
    /// [`Error::Encode`](crate::Error::Encode) for one that does not encode.
    #[doc(alias = "PUBLISH")]
    pub fn publish<'k>(&self, channel: impl Into<Key<'k>>, payload: impl IntoValue) -> Result<usize> {
        let payload = encode(payload, self.space().limits().value)?;
        Ok(self.space().hub().publish(&channel.into(), &payload))
    }

    /// Listens to channels, from now on; to none at first if none is named. Dropping the
    /// [`Subscription`] ends it. `SUBSCRIBE`, O(channels).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let news = store.subscribe(["news", "weather"]);
    /// store.publish("weather", "rain")?;
    /// let message = news.recv().unwrap();
    /// assert_eq!((message.channel_str(), message.payload_str()), (Some("weather"), Some("rain")));
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "SUBSCRIBE")]
    pub fn subscribe<'k>(&self, channels: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Subscription {
        self.subscribe_with(channels, Backlog::new())
    }

    /// [`subscribe`](Self::subscribe) with a bound of one's own on what waits to be read. `SUBSCRIBE`,
    /// O(channels).
    ///
    /// ```
    /// use larder::{Backlog, Store};
    ///
    /// let store = Store::new();
    /// // Only the newest price counts.
    /// let price = store.subscribe_with(["price"], Backlog::new().messages(1));
    /// store.publish("price", "17.2")?;
    /// store.publish("price", "17.4")?;
    /// assert_eq!(price.recv().unwrap().payload, "17.4");
    /// assert_eq!(price.lagged(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "SUBSCRIBE")]
    pub fn subscribe_with<'k>(
        &self,
        channels: impl IntoIterator<Item = impl Into<Key<'k>>>,
        backlog: Backlog,
    ) -> Subscription {
        let subscription = Hub::subscriber(self.space().hub(), self.space().clock(), backlog);
        for channel in channels {
            subscription.subscribe(&*channel.into());
        }
        subscription
    }

    /// Listens to all channels that match a glob: `*`, `?`, `[a-z]`, `\` before a character that is
    /// meant as it is. `PSUBSCRIBE`, O(patterns).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let orders = store.psubscribe(["orders.*"]);
    /// store.publish("orders.new", "7")?;
    /// assert_eq!(orders.recv().unwrap().channel, "orders.new");
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "PSUBSCRIBE")]
    pub fn psubscribe<'k>(&self, patterns: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Subscription {
        self.psubscribe_with(patterns, Backlog::new())
    }

    /// [`psubscribe`](Self::psubscribe) with a bound of one's own on what waits to be read.
    /// `PSUBSCRIBE`, O(patterns).
    ///
    /// ```
    /// use larder::{Backlog, Store};
    ///
    /// let store = Store::new();
    /// let prices = store.psubscribe_with(["price.*"], Backlog::new().messages(2));
    /// for (channel, price) in [("price.a", "17.2"), ("price.b", "9.1"), ("price.a", "17.4")] {
    ///     store.publish(channel, price)?;
    /// }
    /// assert_eq!(prices.recv().unwrap().channel, "price.b");
    /// assert_eq!(prices.lagged(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "PSUBSCRIBE")]
    pub fn psubscribe_with<'k>(
        &self,
        patterns: impl IntoIterator<Item = impl Into<Key<'k>>>,
        backlog: Backlog,
    ) -> Subscription {
        let subscription = Hub::subscriber(self.space().hub(), self.space().clock(), backlog);
        for pattern in patterns {
            subscription.psubscribe(&*pattern.into());
        }
        subscription
    }

    /// The channels that somebody listens to by name and that match a glob, in order. `PUBSUB
    /// CHANNELS`, O(channels).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let news = store.subscribe(["news.de", "news.fr", "weather"]);
    /// let mut channels = store.channels("news.*");
    /// channels.sort();
    /// assert_eq!(channels, ["news.de", "news.fr"]);
    /// drop(news);
    /// assert!(store.channels("*").is_empty());
    /// ```
    #[doc(alias = "PUBSUB CHANNELS")]
    pub fn channels<'k>(&self, pattern: impl Into<Key<'k>>) -> Vec<Bytes> {
        self.space().hub().channels(&pattern.into())
    }

    /// How many subscriptions listen to a channel by name, patterns not counted. `PUBSUB NUMSUB`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (_one, _two) = (store.subscribe(["news"]), store.subscribe(["news"]));
    /// let _all = store.psubscribe(["*"]);
    /// assert_eq!(store.subscribers("news"), 2);
    /// ```
    #[doc(alias = "PUBSUB NUMSUB")]
    pub fn subscribers<'k>(&self, channel: impl Into<Key<'k>>) -> usize {
        self.space().hub().subscribers(&channel.into())
    }

    /// How many different patterns are listened to, each counted once however many listen. `PUBSUB
    /// NUMPAT`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (_one, _two) = (store.psubscribe(["news.*"]), store.psubscribe(["news.*", "weather"]));
    /// assert_eq!(store.pattern_subscribers(), 2);
    /// ```
    #[doc(alias = "PUBSUB NUMPAT")]
    pub fn pattern_subscribers(&self) -> usize {
        self.space().hub().patterns()
    }
}
