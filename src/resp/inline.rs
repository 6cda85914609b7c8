//! Requests without a header, as somebody types them.

use super::style::Style;
use crate::Bytes;

/// The words of a line, apart by white space; within quotes it belongs to the word, and within double quotes
/// there are escapes (`\n`, `\x0a`). `None` if a quote does not end, or, in most
/// [styles](Style), something follows it at once.
pub(crate) fn split_words(line: &[u8], style: Style) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            match rest {
                [] => break,
                [b'"', tail @ ..] => rest = behind_quotes(double_quoted(tail, &mut word)?, style)?,
                [b'\'', tail @ ..] => rest = behind_quotes(single_quoted(tail, &mut word)?, style)?,
                [byte, tail @ ..] => {
                    rest = tail;
                    if byte.is_ascii_whitespace() {
                        break;
                    }
                    word.push(*byte);
                }
            }
        }
        words.push(Bytes::from(word));
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

/// What follows a closing quote, if it may.
fn behind_quotes(rest: &[u8], style: Style) -> Option<&[u8]> {
    let is_end = rest.first().is_none_or(u8::is_ascii_whitespace);
    (is_end || style.goes_on_behind_quotes()).then_some(rest)
}

/// What follows the closing quote.
fn double_quoted<'l>(mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                word.push(hex(*a) << 4 | hex(*b));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn single_quoted<'l>(mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or_default() as u8
}
