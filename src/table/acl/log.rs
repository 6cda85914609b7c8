//! ACL LOG: what was refused, the latest first.

use std::collections::VecDeque;

use crate::Bytes;
use crate::reply::Reply;
use crate::table::row::Compat;

/// What is the same within so many milliseconds is counted in one entry.
const TOGETHER: u64 = 60_000;

/// So many of the latest entries are looked at for that.
const LOOKED_AT: usize = 10;

/// An entry keeps no more of a key than so many bytes.
const LONGEST: usize = 1024;

/// See the [module](self). No longer than `acllog-max-len`.
#[derive(Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// How many there have ever been.
    count: i64,
    /// How often each reason was, since there is the store.
    counts: [u64; Reason::ALL.len()],
}

struct Entry {
    refused: Refused,
    count: i64,
    id: i64,
    /// On the store's clock.
    at: u64,
    /// Since 1970.
    made: u64,
    updated: u64,
}

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::table) enum Reason {
    Auth,
    Command,
    Key,
    Channel,
    Database,
}

impl Reason {
    const ALL: [Reason; 5] = [Reason::Auth, Reason::Command, Reason::Key, Reason::Channel, Reason::Database];

    fn name(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Database => "database",
        }
    }
}

/// What was refused, to whom, and where.
pub(super) struct Refused {
    pub reason: Reason,
    /// `toplevel`, `multi`, `lua`
    pub context: &'static str,
    /// The command, the key or the channel.
    pub object: Bytes,
    pub user: Bytes,
    /// The client's line of `CLIENT LIST`. It is none of what makes two the same.
    pub client: String,
}

impl Refused {
    fn is_same(&self, other: &Refused) -> bool {
        self.reason == other.reason
            && self.context == other.context
            && self.object == other.object
            && self.user == other.user
    }
}

impl Log {
    /// Adds what was refused at that moment, which is that time since 1970. O(1)
    pub(super) fn add(&mut self, mut refused: Refused, at: u64, wall: u64, longest: usize) {
        // As many as there are reasons.
        self.counts[refused.reason as usize] += 1;
        if refused.object.len() > LONGEST {
            refused.object = refused.object[..LONGEST].into();
        }
        let mut latest = self.entries.iter().take(LOOKED_AT);
        let is_it =
            |entry: &Entry| at.saturating_sub(entry.at) <= TOGETHER && entry.refused.is_same(&refused);
        let known = latest.position(is_it).and_then(|place| self.entries.remove(place));
        if let Some(entry) = known {
            let count = entry.count.saturating_add(1);
            self.entries.push_front(Entry { refused, count, at, updated: wall, ..entry });
            return;
        }
        self.entries.push_front(Entry { refused, count: 1, id: self.count, at, made: wall, updated: wall });
        self.count += 1;
        self.entries.truncate(longest);
    }

    /// Forgets the entries, but not how many there were.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// How often something was refused for that reason.
    pub(super) fn count_of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// The latest entries as they are told at that moment.
    pub(super) fn latest(&self, count: usize, now: u64, compat: Compat) -> Reply {
        let latest = self.entries.iter().take(count);
        Reply::Array(latest.map(|entry| entry.reply(now, compat)).collect())
    }
}

impl Entry {
    fn reply(&self, now: u64, compat: Compat) -> Reply {
        let time = |millis: u64| Reply::Integer(i64::try_from(millis).unwrap_or(i64::MAX));
        let age = now.saturating_sub(self.at) as f64 / 1000.0;
        let mut facts = vec![
            ("count", Reply::Integer(self.count)),
            ("reason", Reply::text(self.refused.reason.name())),
            ("context", Reply::text(self.refused.context)),
            ("object", Reply::Bulk(self.refused.object.clone())),
            ("username", Reply::Bulk(self.refused.user.clone())),
            ("age-seconds", Reply::Double(age)),
            ("client-info", Reply::text(&self.refused.client)),
        ];
        if compat != Compat::Redis70 {
            facts.extend([
                ("entry-id", Reply::Integer(self.id)),
                ("timestamp-created", time(self.made)),
                ("timestamp-last-updated", time(self.updated)),
            ]);
        }
        Reply::Map(facts.into_iter().map(|(name, fact)| (Reply::text(name), fact)).collect())
    }
}
