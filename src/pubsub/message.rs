//! What a subscriber gets.

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
}

impl Message {
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
        [self.channel.len(), self.payload.len(), pattern].iter().map(|len| *len as u64).sum()
    }
}
