//! What a subscriber gets.

use crate::Bytes;

/// A message that was published to a channel.
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
    /// The payload as UTF-8 text, if it is. O(n).
    pub fn payload_str(&self) -> Option<&str> {
        self.payload.as_str()
    }

    /// The channel's name as UTF-8 text, if it is. O(n).
    pub fn channel_str(&self) -> Option<&str> {
        self.channel.as_str()
    }

    /// What it counts for in a backlog's bytes.
    pub(super) fn size(&self) -> u64 {
        let pattern = self.pattern.as_ref().map_or(0, |pattern| pattern.len());
        [self.channel.len(), self.payload.len(), pattern].iter().map(|len| *len as u64).sum()
    }
}
