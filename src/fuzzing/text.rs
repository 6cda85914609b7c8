//! Patterns and numbers.

use super::Draw;
use crate::text::glob::{self, Pattern};
use crate::text::long_double::LongDouble;
use crate::text::number::{self, IntegerBuffer};

/// The plain version of a glob tries everything: so many bytes of both are what it can take.
const MOST: usize = 12;

/// Patterns match what the plain version matches; numbers are what std says they are, and come back as they were
/// written.
pub fn text(data: &[u8]) {
    let mut draw = Draw(data);
    match draw.byte() {
        None => {}
        Some(choice) if choice & 1 == 0 => {
            let pattern = draw.below(MOST + 1);
            let pattern = draw.raw(pattern).to_vec();
            match_glob(&pattern, &draw.0[..draw.0.len().min(MOST)]);
        }
        Some(_) => {
            read_number(draw.0);
            let bits = draw.raw(8).iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            write_number(bits);
        }
    }
}

fn match_glob(pattern: &[u8], text: &[u8]) {
    // No text that is empty matches a star, which is Redis's rule.
    let expected = if text.is_empty() { pattern.is_empty() } else { glob::plain::matches(pattern, text) };
    assert_eq!(glob::matches(pattern, text), expected);
    let keys = Pattern::new(pattern);
    assert_eq!(keys.matches(text), expected || pattern == b"*");
    if let Some(literal) = keys.literal() {
        assert_eq!(expected, literal == text);
    }
}

fn read_number(text: &[u8]) {
    assert_eq!(number::parse_i64(text), number::plain::parse_i64(text));
    assert_eq!(number::parse_u64(text), number::plain::parse_u64(text));
    let double = number::parse_f64(text);
    let is_hex = text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'x'));
    if !is_hex {
        assert_eq!(double.map(f64::to_bits), number::plain::parse_f64(text).map(f64::to_bits));
        assert_eq!(number::parse_decimal(text), double);
    }
    if let Some(double) = double {
        assert_eq!(number::parse_bound(text, false).map(f64::to_bits), Some(double.to_bits()));
        write_number(double.to_bits());
    }
    let Some(long) = LongDouble::parse(text) else { return };
    if let Some(double) = double {
        // Twice rounded is off by one unit at most.
        let (once, twice) = (double.to_bits(), long.to_f64().to_bits());
        assert!(once.abs_diff(twice) <= 1, "{double} and {}", long.to_f64());
    }
    let human = long.to_human();
    if long.is_finite() {
        assert!(!human.contains('e'), "{human}");
        let again = LongDouble::parse(human.as_bytes());
        // What has more digits than are read is none.
        assert!(again.is_some() || human.len() > 5_000 || human == "0", "{human}");
        let Some(doubled) = long.checked_add(&long) else { return };
        assert!(doubled.checked_add(&long.negated()).is_some_and(|back| back.compare(&long).is_eq()));
    }
}

fn write_number(bits: u64) {
    let mut buffer = IntegerBuffer::default();
    let signed = bits as i64;
    assert_eq!(number::format_i64(signed, &mut buffer), signed.to_string().as_bytes());
    assert_eq!(number::format_u64(bits, &mut buffer), bits.to_string().as_bytes());
    let value = f64::from_bits(bits);
    if value.is_nan() {
        return;
    }
    for text in [number::format_score(value), number::format_general(value)] {
        assert_eq!(number::parse_f64(&text).map(f64::to_bits), Some(bits), "{}", text.escape_ascii());
    }
    if value.is_finite() {
        let text = number::format_decimals(value);
        let read = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<f64>().ok());
        assert!(read.is_some_and(|read| (read - value).abs() <= 1e-17), "{value}: {}", text.escape_ascii());
    }
}
