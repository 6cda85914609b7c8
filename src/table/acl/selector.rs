//! A selector: commands that are allowed together with keys, channels and databases. The rules of a user itself are
//! one, and each pair of parentheses is another.

use std::collections::BTreeSet;

use super::Refusal;
use super::commands::Commands;
use crate::Bytes;
use crate::reply::Reply;
use crate::table::args::is;
use crate::table::row::Compat;
use crate::text::glob;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    pub commands: Commands,
    /// `None` for all keys.
    pub keys: Option<Vec<KeyPattern>>,
    /// `None` for all channels.
    pub channels: Option<Vec<Bytes>>,
    /// `None` for all databases: only Valkey knows others.
    pub databases: Option<BTreeSet<u16>>,
}

/// Keys that may be read, written, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPattern {
    pub glob: Bytes,
    pub access: Access,
}

/// How a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Access {
    pub reads: bool,
    pub writes: bool,
}

impl Access {
    pub(super) const BOTH: Access = Access { reads: true, writes: true };

    /// Whether who may do this may do the other.
    fn covers(self, other: Access) -> bool {
        (self.reads || !other.reads) && (self.writes || !other.writes)
    }
}

impl Selector {
    /// One that allows nothing, or no more than all channels.
    pub(super) fn new(all_channels: bool) -> Self {
        Selector {
            commands: Commands::new(false),
            keys: Some(Vec::new()),
            channels: (!all_channels).then(Vec::new),
            databases: None,
        }
    }

    /// One that allows everything.
    pub(super) fn unrestricted() -> Self {
        Selector { commands: Commands::new(true), keys: None, channels: None, databases: None }
    }

    pub(super) fn is_unrestricted(&self) -> bool {
        self.commands.is_all() && self.keys.is_none() && self.channels.is_none() && self.databases.is_none()
    }

    /// Reads what stands within parentheses.
    pub(super) fn parse(rules: &[u8], all_channels: bool, compat: Compat) -> Result<Self, Refusal> {
        let mut selector = Selector::new(all_channels);
        for rule in rules.split(|byte| *byte == b' ').filter(|rule| !rule.is_empty()) {
            selector.set(rule, compat)?;
        }
        Ok(selector)
    }

    /// Takes one rule more.
    pub(super) fn set(&mut self, rule: &[u8], compat: Compat) -> Result<(), Refusal> {
        match rule {
            _ if is(rule, "allkeys") || rule == b"~*" => self.keys = None,
            _ if is(rule, "resetkeys") => self.keys = Some(Vec::new()),
            _ if is(rule, "allchannels") || rule == b"&*" => self.channels = None,
            _ if is(rule, "resetchannels") => self.channels = Some(Vec::new()),
            _ if is(rule, "allcommands") => self.commands = Commands::new(true),
            _ if is(rule, "nocommands") => self.commands = Commands::new(false),
            [b'~', glob @ ..] => self.add_key(glob, Access::BOTH)?,
            [b'%', rest @ ..] => self.add_typed_key(rest)?,
            [b'&', glob @ ..] => self.add_channel(glob)?,
            [sign @ (b'+' | b'-'), b'@', name @ ..] => {
                self.commands.set_category(name, *sign == b'+', compat)?;
            }
            [sign @ (b'+' | b'-'), name @ ..] => self.commands.set_command(name, *sign == b'+', compat)?,
            _ if compat == Compat::Valkey9 => self.set_databases(rule)?,
            _ => return Err(Refusal::Syntax),
        }
        Ok(())
    }

    /// `%RW~pattern`, without the first sign.
    fn add_typed_key(&mut self, rest: &[u8]) -> Result<(), Refusal> {
        if self.keys.is_none() {
            return Err(Refusal::AllKeys);
        }
        let end = rest.iter().position(|byte| *byte == b'~').unwrap_or(rest.len());
        let mut access = Access::default();
        for letter in &rest[..end] {
            let which = match letter {
                b'R' | b'r' => &mut access.reads,
                b'W' | b'w' => &mut access.writes,
                _ => return Err(Refusal::Syntax),
            };
            if std::mem::replace(which, true) {
                return Err(Refusal::Syntax);
            }
        }
        if end == 0 {
            return Err(Refusal::Syntax);
        }
        self.add_key(rest.get(end + 1..).unwrap_or_default(), access)
    }

    fn add_key(&mut self, glob: &[u8], access: Access) -> Result<(), Refusal> {
        let patterns = self.keys.as_mut().ok_or(Refusal::AllKeys)?;
        if has_spaces(glob) {
            return Err(Refusal::Syntax);
        }
        match patterns.iter_mut().find(|known| known.glob == *glob) {
            Some(known) => {
                known.access.reads |= access.reads;
                known.access.writes |= access.writes;
            }
            None => patterns.push(KeyPattern { glob: glob.into(), access }),
        }
        Ok(())
    }

    fn add_channel(&mut self, glob: &[u8]) -> Result<(), Refusal> {
        let patterns = self.channels.as_mut().ok_or(Refusal::AllChannels)?;
        if has_spaces(glob) {
            return Err(Refusal::Syntax);
        }
        if !patterns.iter().any(|known| known == glob) {
            patterns.push(glob.into());
        }
        Ok(())
    }

    /// `alldbs`, `resetdbs`, `db=0,1`
    fn set_databases(&mut self, rule: &[u8]) -> Result<(), Refusal> {
        if is(rule, "alldbs") {
            self.databases = None;
        } else if is(rule, "resetdbs") {
            self.databases = Some(BTreeSet::new());
        } else {
            let numbers = rule.get(..3).filter(|name| is(name, "db=")).and_then(|_| rule.get(3..));
            let number = |text: &[u8]| {
                let number = crate::text::number::parse_i64(text).ok_or(Refusal::Syntax)?;
                u16::try_from(number).map_err(|_| Refusal::Database)
            };
            let numbers = numbers.ok_or(Refusal::Syntax)?.split(|byte| *byte == b',').map(number);
            self.databases = Some(numbers.collect::<Result<_, _>>()?);
        }
        Ok(())
    }

    /// What it takes, in bytes, about.
    pub(super) fn weight(&self) -> usize {
        let keys = self.keys.iter().flatten().map(|pattern| &pattern.glob);
        let globs = keys.chain(self.channels.iter().flatten());
        let databases = self.databases.as_ref().map_or(0, BTreeSet::len);
        self.commands.weight() + globs.map(|glob| 48 + glob.len()).sum::<usize>() + 16 * databases
    }

    pub(super) fn allows_key(&self, key: &[u8], access: Access) -> bool {
        self.keys.as_ref().is_none_or(|patterns| {
            let mut fitting = patterns.iter().filter(|pattern| pattern.access.covers(access));
            fitting.any(|pattern| glob::matches(&pattern.glob, key))
        })
    }

    /// Whether any key may be read.
    pub(super) fn allows_reading_all(&self) -> bool {
        self.keys.as_ref().is_none_or(|patterns| {
            patterns.iter().any(|pattern| pattern.access.reads && *pattern.glob == *b"*")
        })
    }

    /// Whether a channel is allowed; a pattern of channels is only if it is one of those here.
    pub(super) fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        let fits = |known: &Bytes| if is_pattern { known == channel } else { glob::matches(known, channel) };
        self.channels.as_ref().is_none_or(|patterns| patterns.iter().any(fits))
    }

    pub(super) fn allows_database(&self, index: u16) -> bool {
        self.databases.as_ref().is_none_or(|databases| databases.contains(&index))
    }

    /// Its parts as `ACL GETUSER` tells them.
    pub(super) fn facts(&self, compat: Compat) -> Vec<(&'static str, Reply)> {
        let mut commands = Vec::new();
        self.commands.describe(compat, &mut commands);
        let mut facts = vec![
            ("commands", Reply::text(commands)),
            ("keys", Reply::text(self.keys().join(&b' '))),
            ("channels", Reply::text(self.channels().join(&b' '))),
        ];
        if compat == Compat::Valkey9 {
            facts.push(("databases", Reply::text(self.databases())));
        }
        facts
    }

    /// The same as `ACL LIST` does, in one line.
    pub(super) fn describe(&self, compat: Compat) -> Vec<u8> {
        let mut words = self.keys();
        if self.channels.is_some() {
            words.push(b"resetchannels".to_vec());
        }
        words.extend(self.channels());
        if let (Compat::Valkey9, Some(databases)) = (compat, &self.databases) {
            let none = if databases.is_empty() { "resetdbs".into() } else { self.databases() };
            words.push(none.into_bytes());
        }
        let mut commands = Vec::new();
        self.commands.describe(compat, &mut commands);
        words.push(commands);
        words.join(&b' ')
    }

    fn keys(&self) -> Vec<Vec<u8>> {
        let Some(patterns) = &self.keys else { return vec![b"~*".to_vec()] };
        let word = |pattern: &KeyPattern| {
            let sign: &[u8] = match pattern.access {
                Access { reads: true, writes: true } => b"~",
                Access { reads: true, .. } => b"%R~",
                _ => b"%W~",
            };
            [sign, &pattern.glob].concat()
        };
        patterns.iter().map(word).collect()
    }

    fn channels(&self) -> Vec<Vec<u8>> {
        let Some(patterns) = &self.channels else { return vec![b"&*".to_vec()] };
        patterns.iter().map(|glob| [b"&", &glob[..]].concat()).collect()
    }

    fn databases(&self) -> String {
        match &self.databases {
            None => "alldbs".into(),
            Some(databases) if databases.is_empty() => String::new(),
            Some(databases) => {
                let numbers: Vec<String> = databases.iter().map(u16::to_string).collect();
                format!("db={}", numbers.join(","))
            }
        }
    }
}

pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r'))
}
