//! What a command takes, written in one line and told as `COMMAND DOCS` tells it.

use crate::reply::Reply;
use crate::table::Compat;

/// An argument, which may be made of others.
///
/// It is written as its parts in this order, of which only the name must be there:
///
/// | part | is |
/// | --- | --- |
/// | `TOKEN=` | the word before it |
/// | `name` | its name; in capitals, without a token or a type: a token of that name and nothing else |
/// | `:type` | its type, if that is no `string`; a `#` makes it a `key` |
/// | `~text` | what to show for it, if not its name |
/// | `#0` | the key spec that it belongs to |
/// | `(a\|b)`, `{a b}` | one of these, or all of them |
/// | `@6.2`, `!6.2` | the version that it came with, or that advised against it |
/// | `*`, `+` | there may be several; with a token before each |
///
/// Brackets around all of that say that it may be left out, and quotes hold a token or a name of other signs
/// than letters, digits and `-._`.
#[derive(Debug, Default, PartialEq)]
struct Argument<'a> {
    token: Option<&'a str>,
    name: &'a str,
    kind: &'a str,
    shown: Option<&'a str>,
    key_spec: Option<&'a str>,
    since: Option<&'a str>,
    deprecated: Option<&'a str>,
    is_optional: bool,
    is_multiple: bool,
    repeats_token: bool,
    parts: Vec<Argument<'a>>,
}

/// What that line says, without what came behind that version of Redis. O(line)
pub(super) fn arguments(line: &str, until: (u8, u8), compat: Compat) -> Reply {
    let mut reader = Reader { rest: line };
    replies(reader.list(' '), until, compat)
}

fn replies(arguments: Vec<Argument<'_>>, until: (u8, u8), compat: Compat) -> Reply {
    let known = arguments.into_iter().filter(|argument| {
        let since = argument.since.map(super::version);
        since.is_none_or(|since| since <= until)
    });
    Reply::Array(known.map(|argument| argument.reply(until, compat)).collect())
}

impl Argument<'_> {
    fn reply(self, until: (u8, u8), compat: Compat) -> Reply {
        let mut facts = Vec::new();
        let mut tell = |name: &str, value: Reply| facts.push((Reply::text(name), value));
        let is_whole = matches!(self.kind, "oneof" | "block");
        // The name of a token that stands alone is the token, in small letters.
        let name = if self.kind == TOKEN && self.token.is_none() {
            self.name.to_ascii_lowercase()
        } else {
            self.name.to_owned()
        };
        tell("name", Reply::text(&name));
        tell("type", Reply::text(self.kind));
        if !is_whole && compat != Compat::Redis70 {
            tell("display_text", Reply::text(self.shown.unwrap_or(&name)));
        }
        if let Some(spec) = self.key_spec {
            tell("key_spec_index", Reply::Integer(spec.parse().unwrap_or(0)));
        }
        let alone = (self.kind == TOKEN).then_some(self.name);
        if let Some(token) = self.token.or(alone) {
            tell("token", Reply::text(token));
        }
        if let Some(since) = self.since {
            tell("since", Reply::text(super::in_full(since)));
        }
        if let Some(deprecated) = self.deprecated {
            tell("deprecated_since", Reply::text(super::in_full(deprecated)));
        }
        let flags = [
            (self.is_optional, "optional"),
            (self.is_multiple, "multiple"),
            (self.repeats_token, "multiple_token"),
        ];
        let flags: Vec<_> = flags
            .into_iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, name)| Reply::Status(name.into()))
            .collect();
        if !flags.is_empty() {
            tell("flags", Reply::Set(flags));
        }
        if is_whole {
            tell("arguments", replies(self.parts, until, compat));
        }
        Reply::Map(facts)
    }
}

const TOKEN: &str = "pure-token";

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Arguments, with that between them.
    fn list(&mut self, between: char) -> Vec<Argument<'a>> {
        let mut list = Vec::new();
        loop {
            list.push(self.argument());
            if !self.takes(between) {
                return list;
            }
        }
    }

    fn argument(&mut self) -> Argument<'a> {
        let is_optional = self.takes('[');
        let mut argument = Argument { name: self.word(), is_optional, ..Argument::default() };
        if self.takes('=') {
            argument.token = Some(std::mem::replace(&mut argument.name, self.word()));
        }
        let typed = self.takes(':').then(|| self.word());
        argument.shown = self.takes('~').then(|| self.word());
        argument.key_spec = self.takes('#').then(|| self.word());
        argument.kind = match typed {
            Some("token") => TOKEN,
            Some(kind) => kind,
            None if self.rest.starts_with('(') => "oneof",
            None if self.rest.starts_with('{') => "block",
            None if argument.key_spec.is_some() => "key",
            None if argument.token.is_none() && is_in_capitals(argument.name) => TOKEN,
            None => "string",
        };
        for (open, between, close) in [('(', '|', ')'), ('{', ' ', '}')] {
            if self.takes(open) {
                argument.parts = self.list(between);
                self.takes(close);
            }
        }
        argument.since = self.takes('@').then(|| self.word());
        argument.deprecated = self.takes('!').then(|| self.word());
        argument.repeats_token = self.takes('+');
        argument.is_multiple = argument.repeats_token || self.takes('*');
        self.takes(']');
        argument
    }

    /// The next word: what stands in quotes, or letters, digits and `-._`.
    fn word(&mut self) -> &'a str {
        if let Some((word, rest)) = self.rest.strip_prefix('\'').and_then(|quoted| quoted.split_once('\'')) {
            self.rest = rest;
            return word;
        }
        let is_in = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let end = self.rest.find(|letter| !is_in(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn takes(&mut self, sign: char) -> bool {
        self.rest.strip_prefix(sign).map(|rest| self.rest = rest).is_some()
    }
}

fn is_in_capitals(name: &str) -> bool {
    name.contains(|letter: char| letter.is_ascii_uppercase())
        && !name.contains(|letter: char| letter.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Argument<'_>> {
        Reader { rest: line }.list(' ')
    }

    #[test]
    fn an_argument_is_read_with_all_its_parts() {
        let whole = Argument {
            token: Some("*"),
            name: "ip:port",
            kind: "integer",
            shown: Some("address"),
            key_spec: Some("1"),
            since: Some("2.6.12"),
            deprecated: Some("7.0"),
            is_optional: true,
            is_multiple: true,
            repeats_token: true,
            parts: Vec::new(),
        };
        assert_eq!(read("['*'='ip:port':integer~address#1@2.6.12!7.0+]"), [whole]);
    }

    #[test]
    fn arguments_are_made_of_others() {
        let token = |name| Argument { name, kind: TOKEN, ..Argument::default() };
        let offset = Argument { name: "offset", kind: "string", ..Argument::default() };
        let inner =
            Argument { name: "in", kind: "block", parts: vec![offset, token("B")], ..Argument::default() };
        let one =
            Argument { name: "one", kind: "oneof", parts: vec![token("A"), inner], ..Argument::default() };
        let key = Argument { name: "key", kind: "key", key_spec: Some("0"), ..Argument::default() };
        assert_eq!(read("one(A|in{offset B}) key#0"), [one, key]);
    }
}
