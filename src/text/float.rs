//! What doubles and long doubles have in common: how they are written, and how a value is rounded to fit.

/// A number in the syntax of C's `strtod`, read but not yet rounded.
pub(super) struct Literal<'a> {
    pub(super) negative: bool,
    pub(super) magnitude: Magnitude<'a>,
}

/// How large a [`Literal`] is.
pub(super) enum Magnitude<'a> {
    Infinity,
    Decimal(Decimal<'a>),
    /// The value is `wide` x 2^`exponent`, and a little more if `sticky`.
    Hex {
        wide: u128,
        sticky: bool,
        exponent: i64,
    },
}

/// The value `integer.fraction` x 10^`exponent`; the slices hold ASCII digits only, one may be empty.
pub(super) struct Decimal<'a> {
    pub(super) integer: &'a [u8],
    pub(super) fraction: &'a [u8],
    pub(super) exponent: i64,
}

impl Decimal<'_> {
    /// Whether every digit is a zero.
    pub(super) fn is_zero(&self) -> bool {
        self.integer.iter().chain(self.fraction).all(|&digit| digit == b'0')
    }
}

/// Reads the whole of `text`: an optional sign, then a decimal number, a hexadecimal one (`0x1.8p3`), or
/// `inf` or `infinity` in any case. `None` for everything else: NaN, which no command takes, and spaces
/// before or after. O(n).
pub(super) fn scan(text: &[u8]) -> Option<Literal<'_>> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', rest @ ..] => scan_hex(rest)?,
        [b'i' | b'I', ..] => {
            let infinite =
                unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity");
            infinite.then_some(Magnitude::Infinity)?
        }
        _ => scan_decimal(unsigned)?,
    };
    Some(Literal { negative, magnitude })
}

/// A binary floating-point format.
pub(super) struct Format {
    /// Bits of the mantissa, the leading one among them; 64 at most.
    precision: u32,
    /// The exponents that the mantissa's last bit can have.
    min_exponent: i32,
    max_exponent: i32,
}

/// IEEE 754's double.
pub(super) const DOUBLE: Format = Format { precision: 53, min_exponent: -1074, max_exponent: 971 };

/// The 80-bit long double of x86.
pub(super) const EXTENDED: Format = Format { precision: 64, min_exponent: -16445, max_exponent: 16320 };

impl Format {
    /// The mantissa and exponent nearest to `wide` x 2^`exponent`, ties to even; `None` if it overflows.
    /// O(1).
    ///
    /// `sticky` says that the value is larger by less than one unit of `wide`, which must then have at least
    /// two bits more than the format keeps. The mantissa has its leading bit set unless the number is zero or
    /// subnormal, and then the exponent is the smallest.
    pub(super) fn round(&self, wide: u128, sticky: bool, exponent: i64) -> Option<(u64, i32)> {
        let (min, max) = (i64::from(self.min_exponent), i64::from(self.max_exponent));
        if wide == 0 {
            return Some((0, self.min_exponent));
        }
        let bits = i64::from(u128::BITS - wide.leading_zeros());
        let mut unit = exponent.saturating_add(bits - i64::from(self.precision)).max(min);
        if unit > max {
            return None;
        }
        let dropped = unit - exponent;
        let mut kept = match dropped {
            ..=0 => wide << -dropped, // fills `precision` bits at most
            1..=128 => {
                let half = 1 << (dropped - 1);
                let kept = if dropped == 128 { 0 } else { wide >> dropped };
                let below = wide & (half - 1) != 0 || sticky;
                let up = wide & half != 0 && (below || kept & 1 == 1);
                kept + u128::from(up)
            }
            _ => 0,
        };
        if kept >> self.precision != 0 {
            kept >>= 1;
            unit += 1;
        }
        // Both fit: `kept` has at most 64 bits, and `unit` lies between two i32.
        (unit <= max).then_some((kept as u64, unit as i32))
    }
}

/// The double nearest to `wide` x 2^`exponent` (see [`Format::round`]); `None` if it overflows. O(1).
pub(super) fn to_double(negative: bool, wide: u128, sticky: bool, exponent: i64) -> Option<f64> {
    let (mantissa, exponent) = DOUBLE.round(wide, sticky, exponent)?;
    // A subnormal number has the exponent field 0; for the others the leading bit adds one to the field.
    let field = (exponent - DOUBLE.min_exponent) as u64;
    let magnitude = f64::from_bits((field << 52) + mantissa);
    Some(if negative { -magnitude } else { magnitude })
}

fn scan_decimal(text: &[u8]) -> Option<Magnitude<'_>> {
    let (integer, rest) = split_digits(text, u8::is_ascii_digit);
    let (fraction, rest) = split_fraction(rest, u8::is_ascii_digit);
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = scan_exponent(rest, b'e')?;
    Some(Magnitude::Decimal(Decimal { integer, fraction, exponent }))
}

fn scan_hex(text: &[u8]) -> Option<Magnitude<'_>> {
    let (integer, rest) = split_digits(text, u8::is_ascii_hexdigit);
    let (fraction, rest) = split_fraction(rest, u8::is_ascii_hexdigit);
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut exponent = scan_exponent(rest, b'p')? - 4 * fraction.len() as i64;
    let (mut wide, mut sticky) = (0_u128, false);
    for &byte in integer.iter().chain(fraction) {
        let digit = (byte as char).to_digit(16)?;
        if wide >> 124 == 0 {
            wide = wide << 4 | u128::from(digit);
        } else {
            sticky |= digit != 0;
            exponent += 4;
        }
    }
    Some(Magnitude::Hex { wide, sticky, exponent })
}

fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    text.split_at(end)
}

fn split_fraction(text: &[u8], is_digit: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    match text {
        [b'.', rest @ ..] => split_digits(rest, is_digit),
        _ => (&[], text),
    }
}

/// The exponent that is all of `text`, 0 where there is none. Huge ones are cut to 2^40 either way, which is
/// far outside every format yet leaves room to add a length.
fn scan_exponent(text: &[u8], mark: u8) -> Option<i64> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [first, sign @ (b'+' | b'-'), rest @ ..] if first.eq_ignore_ascii_case(&mark) => {
            (*sign == b'-', rest)
        }
        [first, rest @ ..] if first.eq_ignore_ascii_case(&mark) => (false, rest),
        _ => return None,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounds_integers_as_a_cast_does(wide in any::<u128>(), shift in 0_u32..128) {
            let wide = wide >> shift;
            prop_assert_eq!(to_double(false, wide, false, 0), Some(wide as f64));
            // Just above a tie is not a tie.
            if wide >> 56 != 0 && wide < 1 << 126 {
                prop_assert_eq!(to_double(true, wide, true, 0), Some(-((wide << 1 | 1) as f64 / 2.0)));
            }
        }

        #[test]
        fn rounds_subnormals_as_a_product_does(mantissa in 0_u64..1 << 53, exponent in -1300_i32..1000) {
            let first = exponent.clamp(-600, 600);
            let value = mantissa as f64 * 2_f64.powi(first) * 2_f64.powi(exponent - first);
            let expected = value.is_finite().then_some(value);
            prop_assert_eq!(to_double(false, mantissa.into(), false, exponent.into()), expected);
        }

        #[test]
        fn takes_any_exponent(wide in any::<u128>(), sticky in any::<bool>(), exponent in any::<i64>()) {
            let wide = wide | u128::from(sticky) << 127;
            for format in [DOUBLE, EXTENDED] {
                if let Some((mantissa, unit)) = format.round(wide, sticky, exponent) {
                    let leading = mantissa >> (format.precision - 1);
                    prop_assert!(leading == 1 || leading == 0 && unit == format.min_exponent);
                }
            }
        }
    }
}
