//! What a user may do, and how one is known: the rules of `ACL SETUSER`.

use super::selector::{Access, Selector, has_spaces};
use super::sha256;
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::is;
use crate::table::command;
use crate::table::row::{Compat, Keys, Row, flag};

/// See the [module](self). They are replaced, never changed while somebody acts on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub is_on: bool,
    pub any_password: bool,
    /// Whether payloads of RESTORE are looked through, if that was ever said. It has no effect: they always are.
    sanitizes: Option<bool>,
    /// Their SHA-256, in hexadecimal digits.
    passwords: Vec<Bytes>,
    /// The user's own, and those within parentheses.
    root: Selector,
    selectors: Vec<Selector>,
}

/// Why a rule is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Syntax,
    /// No command or category.
    Unknown,
    FirstOfSubcommand,
    /// A pattern behind one that stands for all.
    AllKeys,
    AllChannels,
    NoPassword,
    Hash,
    Database,
}

impl Refusal {
    pub(super) fn text(self) -> &'static str {
        match self {
            Refusal::Syntax => "Syntax error",
            Refusal::Unknown => "Unknown command or category name in ACL",
            Refusal::FirstOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            Refusal::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Refusal::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Refusal::NoPassword => "The password you are trying to remove from the user does not exist",
            Refusal::Hash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            Refusal::Database => "The provided database ID is out of range",
        }
    }
}

/// What a user lacks for a command: what weighs most comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    Database,
    Command,
    Key,
    Channel,
}

/// What a user lacks, and the place of the word that it is about.
pub(super) type Denied = (Lack, usize);

impl Rules {
    /// A new user's: it is off, and may do nothing.
    pub(super) fn new(all_channels: bool) -> Self {
        Rules {
            is_on: false,
            any_password: false,
            sanitizes: None,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// Those of the user `default` as long as nothing else is said.
    pub(super) fn unrestricted() -> Self {
        Rules { is_on: true, any_password: true, root: Selector::unrestricted(), ..Rules::new(true) }
    }

    /// Takes rules one after the other; those within parentheses stand together, each pair in one.
    ///
    /// # Errors
    /// The first that is refused, and why. The rules are good for nothing then.
    pub(super) fn set_all(
        &mut self,
        words: &[Vec<u8>],
        all_channels: bool,
        compat: Compat,
    ) -> Result<(), (Vec<u8>, Refusal)> {
        words.iter().try_for_each(|word| {
            self.set(word, all_channels, compat).map_err(|refusal| (word.clone(), refusal))
        })
    }

    /// Takes one rule more.
    fn set(&mut self, rule: &[u8], all_channels: bool, compat: Compat) -> Result<(), Refusal> {
        match rule {
            [] => {}
            _ if is(rule, "on") => self.is_on = true,
            _ if is(rule, "off") => self.is_on = false,
            _ if is(rule, "nopass") => {
                self.any_password = true;
                self.passwords.clear();
            }
            _ if is(rule, "resetpass") => {
                self.any_password = false;
                self.passwords.clear();
            }
            _ if is(rule, "sanitize-payload") => self.sanitizes = Some(true),
            _ if is(rule, "skip-sanitize-payload") => self.sanitizes = Some(false),
            _ if is(rule, "clearselectors") => self.selectors.clear(),
            _ if is(rule, "reset") => {
                *self = Rules { sanitizes: Some(true), ..Rules::new(all_channels) };
            }
            [b'>', password @ ..] => self.add_password(sha256::hex(password).into()),
            [b'#', hash @ ..] => self.add_password(hash_of(hash)?),
            [b'<', password @ ..] => self.remove_password(sha256::hex(password).as_bytes())?,
            [b'!', hash @ ..] => self.remove_password(&hash_of(hash)?)?,
            [b'(', rules @ .., b')'] => self.selectors.push(Selector::parse(rules, all_channels, compat)?),
            _ => self.root.set(rule, compat)?,
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Bytes) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.any_password = false;
    }

    fn remove_password(&mut self, hash: &[u8]) -> Result<(), Refusal> {
        let at = self.passwords.iter().position(|known| *known == *hash).ok_or(Refusal::NoPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Whether somebody with that password is the user.
    pub(super) fn lets_in(&self, password: &[u8]) -> bool {
        let knows = || {
            let hash = sha256::hex(password);
            self.passwords.iter().any(|known| *known == *hash.as_bytes())
        };
        self.is_on && (self.any_password || knows())
    }

    /// What they take, in bytes, about.
    pub(super) fn weight(&self) -> usize {
        128 + 96 * self.passwords.len() + self.all().map(Selector::weight).sum::<usize>()
    }

    /// Whether all is allowed.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.all().any(Selector::is_unrestricted)
    }

    fn all(&self) -> impl Iterator<Item = &Selector> {
        [&self.root].into_iter().chain(&self.selectors)
    }

    /// Whether a command with these words is allowed on that database.
    ///
    /// # Errors
    /// What is missing. Of several selectors that tells which came the furthest.
    pub(super) fn check(&self, row: &Row, words: &[Bytes], compat: Compat, db: u16) -> Result<(), Denied> {
        let mut denied = (Lack::Database, 0);
        for selector in self.all() {
            match check(selector, row, words, compat, db) {
                Ok(()) => return Ok(()),
                Err(other) => denied = denied.max(other),
            }
        }
        Err(denied)
    }

    /// Whether whoever may call that command may read any key: SORT with patterns.
    pub(super) fn allows_reading_all(&self, row: &Row) -> bool {
        self.all().any(|selector| selector.commands.allows(row, &[]) && selector.allows_reading_all())
    }

    /// Whether all these channels, and patterns of channels, are still allowed to who listens to them.
    pub(super) fn allow_channels(&self, channels: &[Bytes], patterns: &[Bytes]) -> bool {
        let fits = |name: &Bytes, is_pattern| self.all().any(|one| one.allows_channel(name, is_pattern));
        channels.iter().all(|name| fits(name, false)) && patterns.iter().all(|name| fits(name, true))
    }

    fn flags(&self, compat: Compat) -> Vec<&'static str> {
        let sanitizes = match compat {
            Compat::Valkey9 => None,
            Compat::Redis70 => self.sanitizes,
            _ => Some(self.sanitizes.unwrap_or(true)),
        };
        let on = if self.is_on { "on" } else { "off" };
        let sanitizes = sanitizes.map(|does| if does { "sanitize-payload" } else { "skip-sanitize-payload" });
        [Some(on), self.any_password.then_some("nopass"), sanitizes].into_iter().flatten().collect()
    }

    /// As `ACL LIST` tells them.
    pub(super) fn describe(&self, compat: Compat) -> Vec<u8> {
        let mut words: Vec<Vec<u8>> =
            self.flags(compat).into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        words.extend(self.passwords.iter().map(|hash| [b"#", &hash[..]].concat()));
        words.push(self.root.describe(compat));
        words.extend(
            self.selectors.iter().map(|selector| [b"(", &selector.describe(compat)[..], b")"].concat()),
        );
        words.join(&b' ')
    }

    /// As `ACL GETUSER` does.
    pub(super) fn facts(&self, compat: Compat) -> Reply {
        let map = |facts: Vec<(&'static str, Reply)>| {
            Reply::Map(facts.into_iter().map(|(name, fact)| (Reply::text(name), fact)).collect())
        };
        let mut facts = vec![
            ("flags", Reply::Set(self.flags(compat).into_iter().map(Reply::text).collect())),
            ("passwords", Reply::bulks(self.passwords.iter().cloned())),
        ];
        facts.extend(self.root.facts(compat));
        let selectors = self.selectors.iter().map(|selector| map(selector.facts(compat)));
        facts.push(("selectors", Reply::Array(selectors.collect())));
        map(facts)
    }
}

fn hash_of(hash: &[u8]) -> Result<Bytes, Refusal> {
    let is_sound = hash.len() == 64 && hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_sound { Ok(hash.into()) } else { Err(Refusal::Hash) }
}

/// The words of rules, with those put together that stand within a pair of parentheses. In Redis 7.0 one that is opened within
/// another takes its place.
///
/// # Errors
/// The word with the parenthesis that is not closed.
pub(super) fn joined<W: AsRef<[u8]>>(words: &[W], compat: Compat) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut joined = Vec::new();
    let mut open: Option<(Vec<u8>, &[u8])> = None;
    for word in words.iter().map(AsRef::as_ref) {
        let opens = word.starts_with(b"(");
        let begins_anew = compat == Compat::Redis70 && opens && !word.ends_with(b")");
        let (mut text, first) = match open.take().filter(|_| !begins_anew) {
            Some((mut text, first)) => {
                text.push(b' ');
                (text, first)
            }
            None if opens => (Vec::new(), word),
            None => {
                joined.push(word.to_vec());
                continue;
            }
        };
        text.extend_from_slice(word);
        if word.ends_with(b")") {
            joined.push(text);
        } else {
            open = Some((text, first));
        }
    }
    match open {
        None => Ok(joined),
        Some((_, first)) => Err(first.to_vec()),
    }
}

/// # Errors
/// Redis's for what can be no user's name.
pub(super) fn check_name(name: &[u8]) -> Result<(), ErrorReply> {
    if has_spaces(name) {
        return Err(ErrorReply::known("ERR Usernames can't contain spaces or null characters"));
    }
    Ok(())
}

fn check(selector: &Selector, row: &Row, words: &[Bytes], compat: Compat, db: u16) -> Result<(), Denied> {
    if selector.databases.is_some() {
        check_databases(selector, row, words, compat, db)?;
    }
    if !selector.commands.allows(row, words) {
        return Err((Lack::Command, 0));
    }
    if selector.keys.is_some() {
        for (at, usage) in command::keys(row, words, compat) {
            if words.get(at).is_some_and(|key| !selector.allows_key(key, access(usage))) {
                return Err((Lack::Key, at));
            }
        }
    }
    if selector.channels.is_some() && row.has(flag::PUBSUB) {
        let is_pattern = row.name == "psubscribe";
        for at in channels(row, words.len()) {
            if words.get(at).is_some_and(|name| !selector.allows_channel(name, is_pattern)) {
                return Err((Lack::Channel, at));
            }
        }
    }
    Ok(())
}

/// How a key is used, from Redis's words for that.
fn access(usage: &str) -> Access {
    let has = |word: &str| usage.split(' ').any(|one| one == word);
    Access { reads: has("access"), writes: has("insert") || has("update") || has("delete") }
}

/// The places of the channels that a command listens or sends to; who leaves one is asked nothing.
fn channels(row: &Row, words: usize) -> std::ops::Range<usize> {
    match row.name {
        "subscribe" | "psubscribe" | "ssubscribe" => 1..words,
        "publish" | "spublish" => 1..2,
        _ => 0..0,
    }
}

/// The databases that a command names, and the one that it is called on if it has to do with keys.
fn check_databases(
    selector: &Selector,
    row: &Row,
    words: &[Bytes],
    compat: Compat,
    db: u16,
) -> Result<(), Denied> {
    let uses_keys = row.has(flag::READONLY | flag::WRITE)
        || !row.has(flag::PUBSUB) && !matches!(row.keys, Keys::Range { first: 0, .. })
        || command::categories(row, compat).contains(&"keyspace");
    if row.name == "flushall" || uses_keys && !selector.allows_database(db) {
        return Err((Lack::Database, 0));
    }
    let named = match row.name {
        "select" => 1..2,
        "swapdb" => 1..3,
        "move" => 2..3,
        "copy" => {
            let at = words.iter().skip(3).position(|word| is(word, "DB"));
            at.map_or(0..0, |at| at + 4..at + 5)
        }
        _ => 0..0,
    };
    for at in named {
        let number = words.get(at).and_then(|word| crate::text::number::parse_i64(word));
        let number = number.and_then(|number| u16::try_from(number).ok());
        if number.is_some_and(|number| !selector.allows_database(number)) {
            return Err((Lack::Database, at));
        }
    }
    Ok(())
}
