//! Publish and subscribe.

use super::Store;
use crate::codec::encode;
use crate::pubsub::{Backlog, Hub, Subscription};
use crate::{Bytes, IntoValue, Key, Result};

impl Store {
    /// Sends a message to all who listen to a channel right now; gives how many subscriptions got it.
    /// Never waits for a reader. Channels are the store's, not a database's. `PUBLISH`, O(receivers +
    /// patterns).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let news = store.subscribe(["news"]);
    /// assert_eq!(store.publish("news", "hello")?, 1);
    /// assert_eq!(news.recv().unwrap().payload, "hello");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`](crate::Error::TooLong), [`Error::Encode`](crate::Error::Encode).
    #[doc(alias = "PUBLISH")]
    pub fn publish<'k>(&self, channel: impl Into<Key<'k>>, payload: impl IntoValue) -> Result<usize> {
        let payload = encode(payload, self.space().limits().value)?;
        Ok(self.space().hub().publish(&channel.into(), &payload))
    }

    /// Listens to channels, from now on. `SUBSCRIBE`, O(channels).
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

    /// [`subscribe`](Self::subscribe) with a bound of one's own on what waits to be read.
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

    /// The channels that somebody listens to and that match a glob, in no order. `PUBSUB CHANNELS`,
    /// O(channels).
    #[doc(alias = "PUBSUB CHANNELS")]
    pub fn channels<'k>(&self, pattern: impl Into<Key<'k>>) -> Vec<Bytes> {
        self.space().hub().channels(&pattern.into())
    }

    /// How many subscriptions listen to a channel, patterns not counted. `PUBSUB NUMSUB`, O(1).
    #[doc(alias = "PUBSUB NUMSUB")]
    pub fn subscribers<'k>(&self, channel: impl Into<Key<'k>>) -> usize {
        self.space().hub().subscribers(&channel.into())
    }

    /// How many subscriptions to patterns there are. `PUBSUB NUMPAT`, O(1).
    #[doc(alias = "PUBSUB NUMPAT")]
    pub fn pattern_subscribers(&self) -> usize {
        self.space().hub().patterns()
    }
}
