//! What a subscriber gets.

// Some of it is reached by commands alone.
#![cfg_attr(not(feature = "commands"), allow(dead_code, unused_imports))]

use crate::Bytes;

/// A message that was published to a channel.
///
/// ```
/// let store = larder::Store::new();
/// let sub = store.psubscribe(["user:*"]);
/// store.publish("user:1", "signed in")?;
/// let message = sub.recv().unwrap();
/// assert_eq!(message.channel, "user:1");
/// assert_eq!(message.payload, "signed in");
/// assert_eq!(message.pattern.unwrap(), "user:*");
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Message {
    /// The channel it was published to.
    pub channel: Bytes,
    /// What was published, shared between all who get it.
    pub payload: Bytes,
    /// The pattern that the channel matched; `None` for a subscription to the channel itself.
    pub pattern: Option<Bytes>,
    /// What it is besides: a subscription that is made from Rust gets but the first kind.
    pub(crate) origin: Origin,
}

/// Where a message comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Channel,
    /// The channels of SPUBLISH, which have names of their own.
    Shard,
    /// A session: the payload is a command of its, as a monitor is shown it.
    #[cfg(feature = "commands")]
    Monitor,
    /// Those who write: keys that a session is to take out of its cache; `None` for all.
    #[cfg(feature = "commands")]
    Invalidation(Option<std::sync::Arc<[Bytes]>>),
    /// The client of this id, which such were to be sent to, has gone.
    #[cfg(feature = "commands")]
    BrokenRedirect(u64),
}

impl Message {
    /// One that comes from no channel.
    #[cfg(feature = "commands")]
    pub(crate) fn unasked(origin: Origin, payload: Bytes) -> Self {
        Message { channel: Bytes::new(), payload, pattern: None, origin }
    }

    /// The payload as text; `None` if it is not UTF-8. O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// store.publish("news", "hello")?;
    /// store.publish("news", [0xff])?;
    /// assert_eq!(sub.recv().unwrap().payload_str(), Some("hello"));
    /// assert_eq!(sub.recv().unwrap().payload_str(), None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn payload_str(&self) -> Option<&str> {
        self.payload.as_str()
    }

    /// The channel's name as text; `None` if it is not UTF-8. O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let sub = store.psubscribe(["user:*"]);
    /// store.publish("user:1", "signed in")?;
    /// let message = sub.recv().unwrap();
    /// assert_eq!(message.channel_str().and_then(|name| name.strip_prefix("user:")), Some("1"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn channel_str(&self) -> Option<&str> {
        self.channel.as_str()
    }

    /// What it counts for in a backlog's bytes.
    pub(super) fn size(&self) -> u64 {
        let pattern = self.pattern.as_ref().map_or(0, |pattern| pattern.len());
        let keys = match &self.origin {
            #[cfg(feature = "commands")]
            Origin::Invalidation(Some(keys)) => keys.iter().map(|key| key.len()).sum(),
            _ => 0,
        };
        [self.channel.len(), self.payload.len(), pattern, keys].iter().map(|len| *len as u64).sum()
    }
}
