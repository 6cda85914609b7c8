//! What stands where in Redis, and how others are told of it.
//!
//! ```text
//! <prefix>v:products:7    a value of the cache `products`, or the mark of a load; a colon in a cache's name is %3A there
//! <prefix>t:catalog       when the tag `catalog` was removed, as the score of the one member of a sorted set
//! <prefix>c:products      when the cache `products` was cleared, likewise
//! <prefix>every           when all tags were
//! <prefix>clock           the removals' clock
//! <prefix>changes         a channel: what was changed, where Redis does not tell itself
//! <prefix>alive:<id>{..}  a channel of one process, to itself; in a cluster of the same slot as the one before
//! ```

use std::borrow::Cow;

use crate::Bytes;
use crate::cache::second::Removal;

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

/// The channel on which Redis tells a connection in RESP2 which keys have changed.
pub(super) const INVALIDATED: &str = "__redis__:invalidate";

impl Keys {
    pub(super) fn new(prefix: String) -> Self {
        Keys { prefix }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn clock(&self) -> Vec<u8> {
        self.of("clock", b"")
    }

    pub(super) fn value(&self, name: &[u8]) -> Vec<u8> {
        self.of("v:", name)
    }

    pub(super) fn cache(&self, name: &str) -> Vec<u8> {
        self.of("c:", name.as_bytes())
    }

    pub(super) fn tag(&self, name: &[u8]) -> Vec<u8> {
        self.of("t:", name)
    }

    pub(super) fn every_tag(&self) -> Vec<u8> {
        self.of("every", b"")
    }

    pub(super) fn changes(&self) -> Vec<u8> {
        self.of("changes", b"")
    }

    pub(super) fn own_channel(&self, me: u64) -> Vec<u8> {
        // What stands in braces decides on the slot: so this goes the way that changes go, from node to node.
        self.of("alive:", &[format!("{me:016x}{{").as_bytes(), &self.changes(), b"}"].concat())
    }

    /// What a process is told on the channel of changes: who has done it, and the key.
    pub(super) fn message(me: u64, key: &[u8]) -> Vec<u8> {
        [&me.to_le_bytes(), key].concat()
    }

    /// The key of such a message, unless it is one's own.
    pub(super) fn told(me: u64, message: &[u8]) -> Option<&[u8]> {
        let (by, key) = message.split_at_checked(8)?;
        (by != me.to_le_bytes()).then_some(key)
    }

    /// What it means that this key has changed.
    pub(super) fn removal(&self, key: &[u8]) -> Option<Removal> {
        let key = key.strip_prefix(self.prefix.as_bytes())?;
        let (kind, name) = key.split_at_checked(2)?;
        match kind {
            b"v:" => Some(Removal::Key(Bytes::from(name))),
            b"t:" => Some(Removal::Tag(Bytes::from(name))),
            b"c:" => std::str::from_utf8(name).ok().map(|name| Removal::Cache(name.into())),
            _ if key == b"every" => Some(Removal::EveryTag),
            _ => None,
        }
    }

    /// What is known here by a key's name in the store: the first colon ends the cache's own name, so that no two caches
    /// come to the same, as `session` with `admin:ann` and `session:admin` with `ann` would.
    pub(super) fn of_cache(cache: &str, name: &[u8]) -> Bytes {
        let rest = name.get(cache.len()..).unwrap_or_default();
        Bytes::from(&*[without_colons(cache).as_bytes(), rest].concat())
    }

    /// The name in the store of such a key, if it is that cache's.
    pub(super) fn in_cache(cache: &str, key: &[u8]) -> Option<Bytes> {
        let rest =
            key.strip_prefix(without_colons(cache).as_bytes()).filter(|rest| rest.starts_with(b":"))?;
        Some(Bytes::from(&*[cache.as_bytes(), rest].concat()))
    }

    fn of(&self, kind: &str, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), name].concat()
    }
}

fn without_colons(cache: &str) -> Cow<'_, str> {
    if cache.contains([':', '%']) {
        cache.replace('%', "%25").replace(':', "%3A").into()
    } else {
        cache.into()
    }
}
