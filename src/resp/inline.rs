//! Requests without a header, as somebody types them.

use super::style::Style;
use crate::Bytes;

/// The words of a line, apart by white space; within quotes it belongs to the word, and within double quotes
/// there are escapes (`\n`, `\x0a`). `None` if a quote does not end, or, in most
/// [styles](Style), something follows it at once. As in C a zero ends the line.
pub(crate) fn split_words(line: &[u8], style: Style) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut rest = behind_spaces(line);
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            rest = match rest {
                [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => break,
                [b'"', tail @ ..] => double_quoted(tail, &mut word)?,
                [b'\'', tail @ ..] => single_quoted(tail, &mut word)?,
                [byte, tail @ ..] => {
                    word.push(*byte);
                    rest = tail;
                    continue;
                }
            };
            match rest.first().is_none_or(is_space) {
                _ if style.goes_on_behind_quotes() => {}
                true => break,
                false => return None,
            }
        }
        words.push(Bytes::from(word));
        rest = behind_spaces(rest);
    }
    Some(words)
}

/// What C takes for white space. Two of them, `\x0b` and `\x0c`, are that between words alone: they end none.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

fn behind_spaces(line: &[u8]) -> &[u8] {
    let spaces = line.iter().take_while(|byte| is_space(byte)).count();
    line.get(spaces..).unwrap_or_default()
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
