//! Integers and doubles as text: what the commands accept, and how they write them.

use std::io::{Cursor, Write};

use super::float::{self, Magnitude};
use super::shortest::Shortest;
use crate::Bytes;

/// Room for any `i64` or `u64` in decimal.
pub(crate) type IntegerBuffer = [u8; 20];

/// Digits of an integer that a double holds exactly, whichever they are.
const EXACT: usize = 15;

/// The numbers below 100 in two digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
};

/// Reads an integer in the one form that Redis writes: no plus, no spaces, no zero in front, no `-0`. `None`
/// (`ERR value is not an integer or out of range`) for everything else. O(n).
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', b'0', ..] => None,
        [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(parse_u64(digits)?),
        _ => i64::try_from(parse_u64(text)?).ok(),
    }
}

/// Reads a number without sign in the one form that Redis writes, as [`parse_i64`]. O(n).
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [] => None,
        [b'0'] => Some(0),
        [b'0', ..] => None,
        digits => digits.iter().try_fold(0_u64, |value, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            value.checked_mul(10)?.checked_add(digit)
        }),
    }
}

/// An integer in decimal. O(1), without allocation (an `i64` or `u64` has at most 20 characters).
pub(crate) fn decimal(value: i128) -> Bytes {
    let mut buffer = IntegerBuffer::default();
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Bytes::from(format_i64(value, &mut buffer)),
        (_, Ok(value)) => Bytes::from(format_u64(value, &mut buffer)),
        _ => Bytes::from(value.to_string()),
    }
}

/// An integer of any type in decimal. O(1), without allocation up to 64 bits.
pub(crate) fn integer<I: TryInto<i128> + Copy + ToString>(value: I) -> Bytes {
    match value.try_into() {
        Ok(value) => decimal(value),
        // The upper half of `u128`.
        Err(_) => value.to_string().into(),
    }
}

/// Writes the integer in decimal into `buffer`, and gives the part that it takes. O(1), without allocation.
pub(crate) fn format_i64(value: i64, buffer: &mut IntegerBuffer) -> &[u8] {
    let mut start = buffer.len() - format_u64(value.unsigned_abs(), buffer).len();
    if value < 0 {
        start -= 1; // 2^63 has 19 digits, which leaves a place
        buffer[start] = b'-';
    }
    &buffer[start..]
}

/// Writes a number without sign, as [`format_i64`]. O(1), without allocation.
pub(crate) fn format_u64(mut value: u64, buffer: &mut IntegerBuffer) -> &[u8] {
    let mut start = buffer.len(); // a u64 has at most 20 digits
    // Two at a time: each division waits for the one before it.
    while value >= 10 {
        start -= 2;
        buffer[start..start + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if value > 0 || start == buffer.len() {
        start -= 1;
        buffer[start] = b'0' + value as u8;
    }
    &buffer[start..]
}

/// Reads a double as Redis does for scores: decimal or hexadecimal with an optional exponent, or `inf` or
/// `infinity` in any case, with an optional sign. O(n).
///
/// `None` (`ERR value is not a valid float`) for the empty text, spaces, NaN, and a number that overflows or
/// vanishes.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    // Most scores are whole numbers, and a double holds those of so few digits as they are.
    let whole = if text.len() <= EXACT { parse_i64(text) } else { None };
    match whole {
        Some(whole) => Some(whole as f64),
        None => parse_any_f64(text),
    }
}

fn parse_any_f64(text: &[u8]) -> Option<f64> {
    let literal = float::scan(text)?;
    let (zero, value) = match literal.magnitude {
        Magnitude::Infinity if literal.negative => return Some(f64::NEG_INFINITY),
        Magnitude::Infinity => return Some(f64::INFINITY),
        Magnitude::Decimal(decimal) => (decimal.is_zero(), std::str::from_utf8(text).ok()?.parse().ok()?),
        Magnitude::Hex { wide, sticky, exponent } => {
            (wide == 0, float::to_double(literal.negative, wide, sticky, exponent)?)
        }
    };
    let vanished = value == 0.0 && !zero;
    (value.is_finite() && !vanished).then_some(value)
}

/// The same without hexadecimal numbers, as Valkey reads scores. O(n).
#[cfg(feature = "commands")]
pub(crate) fn parse_decimal(text: &[u8]) -> Option<f64> {
    // No other number, nor infinity, has the letter.
    parse_f64(text).filter(|_| !text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'x')))
}

/// Reads the end of a range of scores as Redis does up to 7.4, by C's `strtod`: what [`parse_f64`] reads, and besides it
/// spaces in front, nothing at all (as 0), numbers that overflow (as infinite) or vanish, and whatever follows
/// a zero byte. `None` (`ERR min or max is not a float`) for the rest. Later ones are `strict`: they take no
/// spaces and no hexadecimal numbers. O(n).
#[cfg(feature = "commands")]
pub(crate) fn parse_bound(text: &[u8], strict: bool) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r')).unwrap_or(text.len());
    if strict && start > 0 {
        return None;
    }
    let text = text.get(start..)?;
    let literal = float::scan(text)?;
    let magnitude = match literal.magnitude {
        Magnitude::Infinity => f64::INFINITY,
        Magnitude::Decimal(_) => return std::str::from_utf8(text).ok()?.parse().ok(),
        Magnitude::Hex { .. } if strict => return None,
        Magnitude::Hex { wide, sticky, exponent } => {
            float::to_double(false, wide, sticky, exponent).unwrap_or(f64::INFINITY)
        }
    };
    Some(if literal.negative { -magnitude } else { magnitude })
}

/// Writes a double as Redis 7.0 does, by C's `%.17g`: 17 digits, without zeros at their end, and with an
/// exponent for what is below 10^-4 or has more than 17 digits before the point. O(1).
#[cfg(feature = "commands")]
pub(crate) fn format_general(value: f64) -> Bytes {
    format_digits(value, 17)
}

/// The same with so many digits, 1 at least: C's `%.*g`.
#[cfg(feature = "commands")]
pub(crate) fn format_digits(value: f64, digits: usize) -> Bytes {
    if !value.is_finite() || value == 0.0 {
        return format_score(value);
    }
    let most = digits.max(1) - 1;
    let scientific = format!("{value:.most$e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let without_zeros = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    let text = if exponent >= -4 && i64::from(exponent) <= most as i64 {
        let decimals = usize::try_from(most as i64 - i64::from(exponent)).unwrap_or(0);
        without_zeros(&format!("{value:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", without_zeros(digits), exponent.unsigned_abs())
    };
    text.into()
}

/// Writes a double without an exponent, with 17 decimals but for zeros at their end. O(1), but for a number far
/// beyond those that stand for degrees.
#[cfg(feature = "commands")]
pub(crate) fn format_decimals(value: f64) -> Bytes {
    let text = format!("{value:.17}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => Bytes::from("0"),
        short => Bytes::from(short),
    }
}

/// Writes a double as Redis does from 7.2 on: a whole number up to 2^62 as an integer, everything else with
/// few digits that read back as the same double. O(1).
///
/// An exponent is written where more than seven zeros would follow the digits, and where there are seven
/// decimals or more and the number is 10^4 or more or below 10^-3: so `12345.6789012345` is
/// `1.23456789012345e+4`, as a server writes it too.
pub(crate) fn format_score(score: f64) -> Bytes {
    const WHOLE: f64 = (1_u64 << 62) as f64;
    if score == 0.0 {
        return Bytes::from(if score.is_sign_negative() { "-0" } else { "0" });
    }
    if score.abs() <= WHOLE && score.trunc() == score {
        return Bytes::from(format_i64(score as i64, &mut IntegerBuffer::default()));
    }
    match score {
        f64::INFINITY => Bytes::from("inf"),
        f64::NEG_INFINITY => Bytes::from("-inf"),
        _ if score.is_nan() => Bytes::from("nan"),
        _ => format_shortest(score),
    }
}

/// Writes a finite double that is not zero with its shortest digits.
fn format_shortest(score: f64) -> Bytes {
    let shortest = Shortest::new(score.abs());
    let (digits, scale) = (shortest.digits(), shortest.scale);
    let exponent = scale + digits.len() as i32 - 1;
    let width = scale.unsigned_abs() as usize;
    let sign = if score < 0.0 { "-" } else { "" };
    let (integer, fraction) = digits.split_at(digits.len().saturating_sub(width));
    let (first, others) = digits.split_at(digits.len().min(1));

    // No write fails: the longest is a sign, 17 digits and 7 zeros, or `-1.2345678901234567e-308`.
    let mut out = Cursor::new([0; 32]);
    let _ = match scale {
        0..=7 => write!(out, "{sign}{digits}{:0<width$}", ""),
        ..0 if scale > -7 || exponent.abs() < 4 => {
            if integer.is_empty() {
                write!(out, "{sign}0.{digits:0>width$}")
            } else {
                write!(out, "{sign}{integer}.{fraction}")
            }
        }
        _ if others.is_empty() => write!(out, "{sign}{first}e{exponent:+}"),
        _ => write!(out, "{sign}{first}.{others}e{exponent:+}"),
    };
    let len = usize::try_from(out.position()).unwrap_or(0);
    Bytes::from(out.get_ref().get(..len).unwrap_or_default())
}

/// What numbers are, said by std.
#[cfg(any(test, fuzzing))]
pub(crate) mod plain {
    /// What [`parse_i64`](super::parse_i64) reads.
    pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
        let std = std::str::from_utf8(text).ok()?;
        std.parse::<i64>().ok().filter(|value| value.to_string() == std)
    }

    /// What [`parse_u64`](super::parse_u64) reads.
    pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
        let std = std::str::from_utf8(text).ok()?;
        std.parse::<u64>().ok().filter(|value| value.to_string() == std)
    }

    /// What [`parse_f64`](super::parse_f64) reads of what is not hexadecimal.
    pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(text).ok()?;
        let value: f64 = text.parse().ok()?;
        let says_infinity = text.contains(['i', 'I']);
        let says_zero = !text.split(['e', 'E']).next()?.contains(|c| matches!(c, '1'..='9'));
        (!value.is_nan() && value.is_infinite() == says_infinity && (value != 0.0 || says_zero))
            .then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts that are numbers or nearly so.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "[-+]?[0-9]{0,22}",
            "[-+]?[0-9]{0,5}[.]?[0-9]{0,5}([eE][-+]?[0-9]{0,4})?",
            "[-+]?(0[xX])?[0-9a-fA-F.pP]{0,8}",
            "[-+]?([iI][nN][fF]|[nN][aA][nN]|infinit[yY]?)",
            "[-+0-9.einfaxp \t]{0,9}",
        ]
        .prop_map(String::into_bytes)
        .boxed()
        .prop_union(any::<Vec<u8>>().boxed())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn an_integer_is_read_in_the_form_it_is_written(text in text()) {
            prop_assert_eq!(parse_i64(&text), plain::parse_i64(&text));
            prop_assert_eq!(parse_u64(&text), plain::parse_u64(&text));
        }

        #[test]
        fn an_integer_is_written_as_std_does(value in any::<u64>(), shift in 0_u32..64) {
            let (unsigned, signed) = (value >> shift, value as i64 >> shift);
            let mut buffer = IntegerBuffer::default();
            prop_assert_eq!(format_u64(unsigned, &mut buffer).to_vec(), unsigned.to_string().into_bytes());
            prop_assert_eq!(format_i64(signed, &mut buffer).to_vec(), signed.to_string().into_bytes());
            prop_assert_eq!(parse_i64(signed.to_string().as_bytes()), Some(signed));
        }

        #[test]
        fn a_decimal_is_read_as_std_does(text in text()) {
            if !text.contains(&b'x') && !text.contains(&b'X') {
                prop_assert_eq!(parse_f64(&text), plain::parse_f64(&text));
            }
        }

        #[test]
        fn a_hexadecimal_is_read_exactly(
            mantissa in any::<u64>(),
            point in 0_usize..=16,
            exponent in -900_i32..900,
            zeros in 0_usize..40,
        ) {
            let digits = format!("{mantissa:016X}");
            let (integer, fraction) = digits.split_at(point);
            let text = format!("-0x{integer}.{fraction}{}p{exponent}", "0".repeat(zeros));
            let expected = -(mantissa as f64) * 2_f64.powi(exponent - 4 * fraction.len() as i32);
            prop_assert_eq!(parse_f64(text.as_bytes()), Some(expected));
        }

        #[test]
        fn a_score_reads_back(bits in any::<u64>()) {
            let score = f64::from_bits(bits);
            prop_assume!(!score.is_nan());
            let read = parse_f64(&format_score(score));
            prop_assert_eq!(read.map(f64::to_bits), Some(bits));
        }
    }

    #[cfg(feature = "commands")]
    #[test]
    fn doubles_as_an_older_server_writes_them() {
        let table = [
            (1.0, "1"),
            (-0.0, "-0"),
            (0.1, "0.10000000000000001"),
            (-2.75, "-2.75"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in table {
            assert_eq!(format_general(value), text);
        }
    }

    #[cfg(feature = "commands")]
    #[test]
    fn ends_of_ranges_as_a_server_reads_them() {
        let table = [
            ("", Some(0.0)),
            (" 7", Some(7.0)),
            (" ", None),
            ("1e400", Some(f64::INFINITY)),
            ("-0x1p1024", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("7\0x", Some(7.0)),
            ("+inf", Some(f64::INFINITY)),
            ("7 ", None),
            ("nan", None),
        ];
        for (text, value) in table {
            assert_eq!(parse_bound(text.as_bytes(), false), value, "{text:?}");
        }
    }

    #[test]
    fn the_ends_of_the_integers() {
        for value in [i64::MIN, i64::MIN + 1, -1, 0, 9, 10, i64::MAX] {
            let mut buffer = IntegerBuffer::default();
            assert_eq!(parse_i64(format_i64(value, &mut buffer)), Some(value));
        }
        for text in
            ["9223372036854775808", "-9223372036854775809", "-0", "+1", "01", "-01", "-", "", " 1", "1 "]
        {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }

    #[test]
    fn doubles_as_a_server_reads_them() {
        let table = [
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("+1e+5", Some(1e5)),
            ("0x1p3", Some(8.0)),
            ("0X.8", Some(0.5)),
            ("+InFiNiTy", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("4.9e-324", Some(5e-324)),
            ("0e-400", Some(0.0)),
            ("0x0p99999999999999999999", Some(0.0)),
            ("1e-400", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("2.4703282292062327208e-324", None),
            ("0x1p1024", None),
            ("0x1p-1075", None),
            ("nan", None),
            ("-nan(1)", None),
            ("infinit", None),
            ("0x", None),
            ("0x.p1", None),
            ("1e", None),
            (".", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("1\0", None),
        ];
        for (text, value) in table {
            assert_eq!(parse_f64(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn scores_as_a_server_writes_them() {
        // As ZSCORE of Redis 8.2 answers, from a sorted set that is no listpack.
        let table = [
            (0.1, "0.1"),
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-1e17, "-100000000000000000"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (4_611_686_018_427_389_000.0, "4611686018427389000"),
            (9_223_372_036_854_775_807.0, "9223372036854776000"),
            (1e19, "1e+19"),
            (1e20, "1e+20"),
            (1.5e21, "1.5e+21"),
            (1e23, "99999999999999990000000"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1234.567890123456, "1234.567890123456"),
            (12345.6789012345, "1.23456789012345e+4"),
            (12345.678901, "12345.678901"),
            (1700000000.123456, "1700000000.123456"),
            (1700000000.1234567, "1.7000000001234567e+9"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.001234567890123, "0.001234567890123"),
            (0.0001234567890123, "1.234567890123e-4"),
            (538900.3799, "5.389003799000001e+5"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (-1.2345678901234567e-100, "-1.2345678901234567e-100"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (score, text) in table {
            assert_eq!(format_score(score).as_str(), Some(text));
        }
    }
}
