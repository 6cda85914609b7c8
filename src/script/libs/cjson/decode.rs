//! JSON to values.

use mlua::{Lua, Table, Value};

use super::ARRAY;
use super::options::Options;
use crate::script::budget::HELD;
use crate::script::raise;
use crate::text::number::parse_f64;

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    End,
    Error(&'static str),
}

impl Token {
    /// What an error calls it.
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::End => "T_END",
            Token::Error(what) => what,
        }
    }
}

/// What is being read: an array with how many items, or an object with the name that comes next.
enum Open {
    Array(Table, usize),
    Object(Table, Vec<u8>),
}

/// The value that a text is. The depth is bounded by the options, and takes no stack.
pub(super) fn decode(lua: &Lua, text: &[u8], options: &Options) -> mlua::Result<Value> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(raise::at_caller(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut decoder = Decoder { lua, text, at: 0, begun: 0, held: 0, options };
    let mut open: Vec<Open> = Vec::new();
    let mut token = decoder.next();
    loop {
        // A value, which may open something and then has no end yet.
        let mut value = match token {
            Token::String(bytes) => Value::String(lua.create_string(bytes)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(flag) => Value::Boolean(flag),
            Token::Null => Value::NULL,
            Token::ObjectBegin => {
                decoder.descend(open.len(), OBJECTS)?;
                let table = lua.create_table()?;
                match decoder.next() {
                    Token::ObjectEnd => decoder.end(table, OBJECTS),
                    first => {
                        let name = decoder.name(first)?;
                        open.push(Open::Object(table, name));
                        token = decoder.next();
                        continue;
                    }
                }
            }
            Token::ArrayBegin => {
                decoder.descend(open.len(), ARRAYS)?;
                let table = lua.create_table()?;
                if options.marks_arrays {
                    table.set_metatable(Some(lua.named_registry_value(ARRAY)?))?;
                }
                match decoder.next() {
                    Token::ArrayEnd => decoder.end(table, ARRAYS),
                    first => {
                        open.push(Open::Array(table, 0));
                        token = first;
                        continue;
                    }
                }
            }
            other => return Err(decoder.expected("value", &other)),
        };
        // It is put where it belongs, and so is what ends with it.
        loop {
            match open.pop() {
                None => {
                    return match decoder.next() {
                        Token::End => Ok(value),
                        other => Err(decoder.expected("the end", &other)),
                    };
                }
                Some(Open::Array(table, count)) => {
                    table.raw_set(count + 1, value)?;
                    match decoder.next() {
                        Token::ArrayEnd => value = decoder.end(table, ARRAYS),
                        Token::Comma => {
                            open.push(Open::Array(table, count + 1));
                            break;
                        }
                        other => return Err(decoder.expected("comma or array end", &other)),
                    }
                }
                Some(Open::Object(table, name)) => {
                    table.raw_set(lua.create_string(name)?, value)?;
                    match decoder.next() {
                        Token::ObjectEnd => value = decoder.end(table, OBJECTS),
                        Token::Comma => {
                            let next = decoder.next();
                            let name = decoder.name(next)?;
                            open.push(Open::Object(table, name));
                            break;
                        }
                        other => return Err(decoder.expected("comma or object end", &other)),
                    }
                }
            }
        }
        token = decoder.next();
    }
}

struct Decoder<'d> {
    lua: &'d Lua,
    text: &'d [u8],
    at: usize,
    /// Where the last token begins, or where it went wrong.
    begun: usize,
    /// How many places of Lua's stack that what is open takes in Redis, which is as many as it holds here.
    held: usize,
    options: &'d Options,
}

/// What an array takes of them, and an object.
const ARRAYS: usize = 1;
const OBJECTS: usize = 2;

impl Decoder<'_> {
    fn descend(&mut self, depth: usize, takes: usize) -> mlua::Result<()> {
        let depth = depth as i64 + 1;
        if depth <= self.options.decode_depth && self.held <= HELD {
            self.held += takes;
            return Ok(());
        }
        let at = self.begun + 1;
        let text = format!("Found too many nested data structures ({depth}) at character {at}");
        Err(raise::at_caller(self.lua, &text))
    }

    fn end(&mut self, table: Table, takes: usize) -> Value {
        self.held -= takes;
        Value::Table(table)
    }

    /// The name of a member, and the colon behind it.
    fn name(&mut self, token: Token) -> mlua::Result<Vec<u8>> {
        let Token::String(name) = token else { return Err(self.expected("object key string", &token)) };
        match self.next() {
            Token::Colon => Ok(name),
            other => Err(self.expected("colon", &other)),
        }
    }

    fn expected(&self, what: &str, found: &Token) -> mlua::Error {
        let (found, at) = (found.name(), self.begun + 1);
        raise::at_caller(self.lua, &format!("Expected {what} but found {found} at character {at}"))
    }

    /// The byte at a place; 0 behind the end, as a text in C has it.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.begun = self.at;
        let single = match self.byte(self.at) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.options.decode_invalid && self.is_invalid_number() {
                    return Token::Error("invalid number");
                }
                return self.number();
            }
            first => {
                let rest = &self.text[self.at..];
                let words = [
                    (&b"true"[..], Token::Boolean(true)),
                    (b"false", Token::Boolean(false)),
                    (b"null", Token::Null),
                ];
                for (word, token) in words {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return token;
                    }
                }
                let may_be = matches!(first, b'+' | b'i' | b'I' | b'n' | b'N');
                if may_be && self.options.decode_invalid && self.is_invalid_number() {
                    return self.number();
                }
                return Token::Error("invalid token");
            }
        };
        self.at += 1;
        single
    }

    /// Whether it is a number that C reads and JSON does not have.
    fn is_invalid_number(&self) -> bool {
        let sign = self.byte(self.at);
        let at = self.at + usize::from(sign == b'-');
        let rest = &self.text[at.min(self.text.len())..];
        match self.byte(at) {
            _ if sign == b'+' => true,
            b'0' => matches!(self.byte(at + 1), b'x' | b'X' | b'0'..=b'9'),
            0..=b'9' => false,
            _ => {
                let word = rest.get(..3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        let (value, len) = read_number(&self.text[self.at..]);
        if len == 0 {
            return Token::Error("invalid number");
        }
        self.at += len;
        Token::Number(value)
    }

    fn string(&mut self) -> Token {
        let mut bytes = Vec::new();
        let mut at = self.at + 1;
        loop {
            match self.byte(at) {
                b'"' => break,
                0 => return self.wrong(at, "unexpected end of string"),
                b'\\' => {
                    let escaped = match self.byte(at + 1) {
                        same @ (b'"' | b'\\' | b'/') => same,
                        b'b' => 8,
                        b't' => 9,
                        b'n' => 10,
                        b'f' => 12,
                        b'r' => 13,
                        b'u' => match self.code_point(at) {
                            Some((code, len)) => {
                                bytes.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                                at += len;
                                continue;
                            }
                            None => return self.wrong(at, "invalid unicode escape code"),
                        },
                        _ => return self.wrong(at, "invalid escape code"),
                    };
                    bytes.push(escaped);
                    at += 2;
                }
                byte => {
                    bytes.push(byte);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        Token::String(bytes)
    }

    fn wrong(&mut self, at: usize, what: &'static str) -> Token {
        self.begun = at;
        Token::Error(what)
    }

    /// The character of `\uXXXX`, or of two of them, and how long that is.
    fn code_point(&self, at: usize) -> Option<(char, usize)> {
        let unit = self.hex(at + 2)?;
        match unit {
            0xdc00..=0xdfff => None,
            0xd800..=0xdbff => {
                if self.byte(at + 6) != b'\\' || self.byte(at + 7) != b'u' {
                    return None;
                }
                let low = self.hex(at + 8).filter(|low| (0xdc00..=0xdfff).contains(low))?;
                let code = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
                char::from_u32(code).map(|code| (code, 12))
            }
            unit => char::from_u32(unit).map(|code| (code, 6)),
        }
    }

    fn hex(&self, at: usize) -> Option<u32> {
        (at..at + 4).try_fold(0, |sum, at| Some(sum << 4 | char::from(self.byte(at)).to_digit(16)?))
    }
}

/// The number at the start of a text as C's `strtod` reads it, and how long it is.
fn read_number(text: &[u8]) -> (f64, usize) {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    let sign = usize::from(matches!(byte(0), b'+' | b'-'));
    let negative = byte(0) == b'-';
    let signed = |value: f64| if negative { -value } else { value };
    let begins =
        |word: &[u8]| text[sign..].get(..word.len()).is_some_and(|got| got.eq_ignore_ascii_case(word));
    if begins(b"inf") {
        return (signed(f64::INFINITY), sign + if begins(b"infinity") { 8 } else { 3 });
    }
    if begins(b"nan") {
        return (signed(f64::NAN), sign + 3);
    }
    let is_hex = begins(b"0x");
    let is_digit = |byte: u8| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    let start = sign + if is_hex { 2 } else { 0 };
    let digits = |mut at: usize| {
        while is_digit(byte(at)) {
            at += 1;
        }
        at
    };
    let mut end = digits(start);
    let mut count = end - start;
    if byte(end) == b'.' {
        let after = digits(end + 1);
        count += after - end - 1;
        if count > 0 {
            end = after;
        }
    }
    if count == 0 {
        // Of `0x` alone the zero is a number.
        return if is_hex { (signed(0.0), sign + 1) } else { (0.0, 0) };
    }
    let mark = byte(end).to_ascii_lowercase();
    if mark == if is_hex { b'p' } else { b'e' } {
        let first = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
        let mut at = first;
        while byte(at).is_ascii_digit() {
            at += 1;
        }
        if at > first {
            end = at;
        }
    }
    let number = &text[..end];
    let value = match is_hex {
        true => parse_f64(number).unwrap_or_else(|| signed(f64::INFINITY)),
        false => std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or_default(),
    };
    (value, end)
}
