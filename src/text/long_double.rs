//! The 80-bit long double of x86, in which INCRBYFLOAT and HINCRBYFLOAT compute on a Redis server.
//!
//! Sums of short decimals come out as people write them (`0.1 + 0.2` is `0.3`), because they are computed
//! with 64 bits and written with 17 decimals. It is emulated with integers, bit for bit, so that every
//! machine gives the result of an x86-64 server.

use super::big::Big;
use super::float::{self, Decimal, EXTENDED, Magnitude};

/// The longest text that is read as a number, in bytes: Redis's buffer for one holds 5 KiB with its end mark.
const MAX_TEXT: usize = 5 * 1024 - 1;

/// The decimals that are written.
const DECIMALS: usize = 17;

/// A number of x86's 80-bit format; never NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongDouble {
    negative: bool,
    size: Size,
}

/// The size of a number without its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// `mantissa` x 2^`exponent`, as [`float::Format::round`] leaves them.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

impl LongDouble {
    /// Reads a number as Redis does for INCRBYFLOAT: decimal or hexadecimal with an optional exponent, or an
    /// infinity, rounded to nearest. O(n^2) for n digits, n being 5119 at most.
    ///
    /// `None` (`ERR value is not a valid float`) for the empty text, spaces, NaN, 5120 bytes or more,
    /// and a number that overflows or vanishes.
    pub(crate) fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let literal = float::scan(text)?;
        let (zero, (wide, sticky, exponent)) = match literal.magnitude {
            Magnitude::Infinity => {
                return Some(LongDouble { negative: literal.negative, size: Size::Infinite });
            }
            Magnitude::Decimal(decimal) => (decimal.is_zero(), decimal_to_binary(&decimal)?),
            Magnitude::Hex { wide, sticky, exponent } => (wide == 0, (wide, sticky, exponent)),
        };
        let (mantissa, exponent) = EXTENDED.round(wide, sticky, exponent)?;
        let vanished = mantissa == 0 && !zero;
        (!vanished)
            .then_some(LongDouble { negative: literal.negative, size: Size::Finite { mantissa, exponent } })
    }

    /// The sum, rounded to nearest; `None` (`ERR increment would produce NaN or Infinity`) if it is not
    /// finite. O(1).
    pub(crate) fn checked_add(&self, other: &LongDouble) -> Option<LongDouble> {
        let (mut high, mut low) = (self.finite()?, other.finite()?);
        let (mut negative, mut low_negative) = (self.negative, other.negative);
        // By exponent first: the leading bit of a number above the smallest exponent is set.
        if (high.1, high.0) < (low.1, low.0) {
            std::mem::swap(&mut high, &mut low);
            std::mem::swap(&mut negative, &mut low_negative);
        }
        // 63 bits below the larger mantissa are kept exactly. If the smaller one reaches below them, the
        // larger one is normal, so even a difference has far more bits than the result.
        let wide = u128::from(high.0) << 63;
        let distance = high.1.abs_diff(low.1);
        let aligned = u128::from(low.0) << 63;
        let (shifted, sticky) = match distance {
            0..=127 => (aligned >> distance, aligned & ((1 << distance) - 1) != 0),
            _ => (0, aligned != 0),
        };
        let sum = if negative == low_negative {
            wide + shifted // both are below 2^127
        } else {
            wide - shifted - u128::from(sticky) // what is missing is again less than one unit: sticky stays
        };
        let (mantissa, exponent) = EXTENDED.round(sum, sticky, i64::from(high.1) - 63)?;
        let negative = negative && (mantissa != 0 || low_negative);
        Some(LongDouble { negative, size: Size::Finite { mantissa, exponent } })
    }

    /// The number as Redis replies and stores it: rounded to 17 decimals (ties to even), without zeros at the
    /// end, never with an exponent, and no minus before a zero. O(1) below 2^64, else O(n^2) for n digits, of
    /// which there are 4933 at most.
    pub(crate) fn to_human(self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let Some((mantissa, exponent)) = self.finite() else {
            return format!("{sign}inf");
        };
        if exponent > 0 {
            let mut integer = Big::new(mantissa);
            integer.shift_left(u64::from(exponent.unsigned_abs()));
            return format!("{sign}{}", integer.into_decimal());
        }
        let (integer, fraction) = split_decimals(mantissa, exponent.unsigned_abs());
        match (integer, fraction) {
            (0, 0) => "0".to_owned(),
            (_, 0) => format!("{sign}{integer}"),
            _ => format!("{sign}{integer}.{fraction:0DECIMALS$}").trim_end_matches('0').to_owned(),
        }
    }

    /// The nearest double, ties to even; infinite where it would overflow. O(1).
    pub(crate) fn to_f64(self) -> f64 {
        let infinity = if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
        let double = |(mantissa, exponent): (u64, i32)| {
            float::to_double(self.negative, mantissa.into(), false, exponent.into())
        };
        self.finite().and_then(double).unwrap_or(infinity)
    }

    #[cfg(feature = "commands")]
    pub(crate) const ZERO: LongDouble =
        LongDouble { negative: false, size: Size::Finite { mantissa: 0, exponent: 0 } };

    /// The largest finite number there is, or below zero its opposite.
    #[cfg(feature = "commands")]
    pub(crate) fn largest(negative: bool) -> LongDouble {
        LongDouble { negative, size: Size::Finite { mantissa: u64::MAX, exponent: 16_383 - 63 } }
    }

    #[cfg(feature = "commands")]
    pub(crate) fn negated(self) -> LongDouble {
        LongDouble { negative: !self.negative, size: self.size }
    }

    #[cfg(feature = "commands")]
    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// Which of two is the larger; there is one zero. O(1)
    #[cfg(feature = "commands")]
    pub(crate) fn compare(&self, other: &LongDouble) -> std::cmp::Ordering {
        // By exponent first, as the leading bit is set; zero is below all.
        let rank = |number: &LongDouble| match number.finite() {
            None => (2, 0, 0),
            Some((0, _)) => (0, 0, 0),
            Some((mantissa, exponent)) => (1, exponent, mantissa),
        };
        let sign = |number: &LongDouble| match rank(number) {
            (0, ..) => 0,
            _ if number.negative => -1,
            _ => 1,
        };
        let by_size =
            || if self.negative { rank(other).cmp(&rank(self)) } else { rank(self).cmp(&rank(other)) };
        sign(self).cmp(&sign(other)).then_with(by_size)
    }

    /// Whether it is a number that has an end.
    #[cfg(feature = "commands")]
    pub(crate) fn is_finite(&self) -> bool {
        self.finite().is_some()
    }

    /// A thousand times the number, rounded to nearest as Redis computes it, and then up to a whole one: seconds
    /// in milliseconds. What does not fit is the largest there is. O(1).
    #[cfg(feature = "commands")]
    pub(crate) fn thousandfold(self) -> i128 {
        let product = self.finite().and_then(|(mantissa, exponent)| {
            EXTENDED.round(u128::from(mantissa) * 1000, false, exponent.into())
        });
        let (whole, rest) = match product {
            Some((mantissa, exponent @ ..=-1)) => {
                let wide = u128::from(mantissa);
                let whole = wide.checked_shr(exponent.unsigned_abs()).unwrap_or(0);
                (whole, whole.checked_shl(exponent.unsigned_abs()).unwrap_or(0) != wide)
            }
            Some((0, _)) => (0, false),
            Some((mantissa, exponent @ 0..=63)) => (u128::from(mantissa) << exponent, false),
            _ => (u128::MAX, false),
        };
        let whole = i128::try_from(whole).unwrap_or(i128::MAX);
        if self.negative { -whole } else { whole.saturating_add(rest.into()) }
    }

    fn finite(&self) -> Option<(u64, i32)> {
        match self.size {
            Size::Finite { mantissa, exponent } => Some((mantissa, exponent)),
            Size::Infinite => None,
        }
    }
}

/// The decimal as `(wide, sticky, exponent)` in the sense of [`float::Format::round`]; `None` if it
/// overflows.
///
/// The length of the numbers in it is bounded by the digits written and by the format's range, whatever
/// exponent is claimed.
fn decimal_to_binary(decimal: &Decimal<'_>) -> Option<(u128, bool, i64)> {
    // The largest number is below 10^4933, and half of the smallest above 10^-4951.
    const HIGHEST: i64 = 4933;
    const LOWEST: i64 = -4951;
    let digits = decimal.integer.iter().chain(decimal.fraction).copied().skip_while(|&digit| digit == b'0');
    let count = digits.clone().count() as i64;
    let scale = decimal.exponent - decimal.fraction.len() as i64;
    if count == 0 || count + scale <= LOWEST {
        return Some((0, false, 0));
    }
    if count + scale > HIGHEST {
        return None;
    }
    // The value is numerator / denominator x 2^scale: each power of ten is one of five and one of two.
    let (mut numerator, mut denominator) = (Big::from_digits(digits), Big::new(1));
    let fives = if scale < 0 { &mut denominator } else { &mut numerator };
    fives.mul_power_of_five(u32::try_from(scale.unsigned_abs()).ok()?); // the limits above keep it small
    let (above, below) = (numerator.bits(), denominator.bits());
    if above < below {
        numerator.shift_left(below - above);
    } else {
        denominator.shift_left(above - below);
    }
    let (wide, sticky) = divide(numerator, &denominator);
    Some((wide, sticky, scale + above as i64 - below as i64 - (QUOTIENT_BITS - 1)))
}

/// The bits of a quotient between 1/2 and 2: the 64 of the result, one that may be zero, and two to round by.
const QUOTIENT_BITS: i64 = 67;

/// The quotient of two numbers with equally many bits, x 2^([`QUOTIENT_BITS`] - 1), and whether it is cut.
fn divide(mut numerator: Big, denominator: &Big) -> (u128, bool) {
    if let Some(limb) = denominator.to_limb() {
        numerator.shift_left(QUOTIENT_BITS as u64 - 1);
        let remainder = numerator.div_rem(limb);
        return (numerator.to_wide(), remainder != 0);
    }
    let mut quotient = 0;
    for _ in 0..QUOTIENT_BITS {
        quotient = quotient << 1 | u128::from(numerator.try_sub(denominator));
        numerator.shift_left(1);
    }
    (quotient, numerator.bits() != 0)
}

/// The integer part of `mantissa` / 2^`shift`, and the decimals after it, rounded.
fn split_decimals(mantissa: u64, shift: u32) -> (u64, u64) {
    const ONE: u128 = 10_u128.pow(DECIMALS as u32);
    // Below 2^64 x 10^17 < 2^121, so from a shift of 122 on the value is less than half of the last decimal.
    let scaled = u128::from(mantissa) * ONE;
    let rounded = match shift {
        0 => scaled,
        1..=121 => {
            let (kept, half) = (scaled >> shift, 1 << (shift - 1));
            let rest = scaled & ((1 << shift) - 1);
            kept + u128::from(rest > half || rest == half && kept & 1 == 1)
        }
        _ => 0,
    };
    // The integer part has no more bits than the mantissa, and the remainder is below 10^17.
    ((rounded / ONE) as u64, (rounded % ONE) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<LongDouble> {
        LongDouble::parse(text.as_bytes())
    }

    /// What INCRBYFLOAT makes of the value `a` and the increment `b`.
    fn increment(a: &str, b: &str) -> Result<Option<String>, ()> {
        let (a, b) = (parse(a).ok_or(())?, parse(b).ok_or(())?);
        assert_eq!(a.checked_add(&b), b.checked_add(&a));
        Ok(a.checked_add(&b).map(LongDouble::to_human))
    }

    /// A decimal with 16 digits after the point, from its value x 10^16, as Redis writes it.
    fn sixteen_decimals(value: i64) -> String {
        let sign = if value < 0 { "-" } else { "" };
        let digits = format!("{:017}", value.unsigned_abs());
        let (integer, fraction) = digits.split_at(digits.len() - 16);
        format!("{sign}{integer}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    proptest! {
        #[test]
        fn short_decimals_add_exactly(
            a in -1_i64 << 56..1 << 56,
            b in -1_i64 << 56..1 << 56,
            zeros in 0_u32..16,
        ) {
            let unit = 10_i64.pow(zeros);
            let (a, b) = (a / unit * unit, b / unit * unit);
            let sum = increment(&sixteen_decimals(a), &sixteen_decimals(b));
            prop_assert_eq!(sum, Ok(Some(sixteen_decimals(a + b))));
        }

        #[test]
        fn integers_add_exactly(a in any::<i64>(), b in any::<i64>()) {
            let sum = i128::from(a) + i128::from(b);
            prop_assert_eq!(increment(&a.to_string(), &b.to_string()), Ok(Some(sum.to_string())));
        }

        #[test]
        fn sums_of_doubles_round_once(
            a in -1_i64 << 53..1 << 53,
            b in -1_i64 << 53..1 << 53,
            shift in 0_i32..10,
        ) {
            // The exact sum has at most 64 bits, and so is a long double; its double is the double's sum.
            let scale = 2_f64.powi(shift);
            let (Some(x), Some(y)) = (parse(&a.to_string()), parse(&b.to_string())) else {
                panic!("{a} {b}");
            };
            let scaled = parse(&format!("{}0x{:x}p{shift}", if b < 0 { "-" } else { "" }, b.unsigned_abs()));
            prop_assert_eq!(y.to_f64(), b as f64);
            let sum = scaled.and_then(|y| x.checked_add(&y)).map(LongDouble::to_f64);
            prop_assert_eq!(sum, Some(a as f64 + b as f64 * scale));
        }

        #[test]
        fn a_double_survives(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let expected = (!value.is_nan()).then_some(value);
            // With more digits than it takes, as the shortest may lie so near to the next double that a long
            // double cannot tell them apart.
            prop_assert_eq!(parse(&format!("{value:.25e}")).map(LongDouble::to_f64), expected);
        }

        #[test]
        fn a_large_number_is_written_exactly(mantissa in 1_u64.., exponent in 1_u32..16_320) {
            let number = parse(&format!("{mantissa:#x}p{exponent}"));
            prop_assert!(number.is_some());
            prop_assert_eq!(number.and_then(|number| parse(&number.to_human())), number);
        }

        #[test]
        fn a_decimal_is_within_half_a_unit(digits in 1_u64..1 << 60, exponent in 0_u32..18) {
            let number = parse(&format!("{digits}e-{exponent}"));
            let Some((mantissa, power)) = number.and_then(|number| number.finite()) else {
                panic!("{digits}e-{exponent}");
            };
            prop_assume!(digits.leading_zeros() + 64 >= power.unsigned_abs());
            let (numerator, denominator) = (u128::from(digits) << -power, 10_u128.pow(exponent));
            let (quotient, rest) = (numerator / denominator, numerator % denominator);
            let up = rest * 2 > denominator || rest * 2 == denominator && quotient & 1 == 1;
            prop_assert_eq!(u128::from(mantissa), quotient + u128::from(up));
        }

        #[test]
        fn takes_any_bytes(
            text in any::<Vec<u8>>(),
            other in "[-+]?(0x)?[0-9a-f]{1,30}[.]?[0-9]{0,9}([ep][-+]?[0-9]{1,6})?",
        ) {
            let numbers = [LongDouble::parse(&text), parse(&other)];
            if let [Some(a), Some(b)] = numbers {
                a.checked_add(&b);
            }
            if let Some(number) = numbers[1] {
                prop_assert!(number.to_human().len() <= 4_933 + 1 + 1 + DECIMALS);
                number.checked_add(&number).map(LongDouble::to_f64);
            }
        }
    }

    #[test]
    fn sums_as_a_server_gives_them() {
        // Value, increment, and the reply of INCRBYFLOAT of Redis 7.0 on x86-64: Err for "not a valid
        // float", None for "NaN or Infinity".
        let table = [
            ("0.1", "0.2", Ok(Some("0.3"))),
            ("5.0e3", "2.0e2", Ok(Some("5200"))),
            ("3.0", "0", Ok(Some("3"))),
            ("10.5", "0.1", Ok(Some("10.6"))),
            ("-5", "5", Ok(Some("0"))),
            ("0", "-1e-20", Ok(Some("0"))),
            ("1.5", "-0", Ok(Some("1.5"))),
            ("+.5", "5.", Ok(Some("5.5"))),
            ("1e-17", "0", Ok(Some("0.00000000000000001"))),
            ("5e-18", "0", Ok(Some("0"))),
            ("5.1e-18", "0", Ok(Some("0.00000000000000001"))),
            ("0.000003814697265625", "0", Ok(Some("0.00000381469726562"))),
            ("0.000011444091796875", "0", Ok(Some("0.00001144409179688"))),
            ("0.999999999999999995", "0", Ok(Some("1"))),
            ("123456789.123456789", "0", Ok(Some("123456789.12345678899873747"))),
            ("9223372036854775807", "1", Ok(Some("9223372036854775808"))),
            ("18446744073709551616", "1", Ok(Some("18446744073709551616"))),
            ("36893488147419103232", "3", Ok(Some("36893488147419103236"))),
            ("1e20", "0.5", Ok(Some("100000000000000000000"))),
            ("1e40", "1", Ok(Some("9999999999999999999783686092270256259072"))),
            ("1e40", "-1e40", Ok(Some("0"))),
            ("0x1.8p1", "0X.8", Ok(Some("3.5"))),
            ("0xffffffffffffffffp-4", "0", Ok(Some("1152921504606846975.9375"))),
            ("0x1fffffffffffffffff", "0", Ok(Some("590295810358705651712"))),
            ("0x9000000000000000", "-0x8000000000000000p-64", Ok(Some("10376293541461622784"))),
            ("0x9000000000000000", "-0x8000000000000001p-64", Ok(Some("10376293541461622783"))),
            ("3.6e-4951", "1", Ok(Some("1"))),
            ("1.8e-4951", "1", Err(())),
            ("1e-99999999999", "1", Err(())),
            ("0e99999999999", "1", Ok(Some("1"))),
            ("1e4933", "1", Err(())),
            ("1e99999999999", "1", Err(())),
            ("1.18973149535723176502e4932", "1e4932", Ok(None)),
            ("inf", "1", Ok(None)),
            ("-Infinity", "inf", Ok(None)),
            ("nan", "1", Err(())),
            ("", "1", Err(())),
            (" 1", "1", Err(())),
            ("1 ", "1", Err(())),
            ("1e", "1", Err(())),
            ("0x", "1", Err(())),
        ];
        for (a, b, expected) in table {
            assert_eq!(increment(a, b), expected.map(|sum| sum.map(str::to_owned)), "{a:?} + {b:?}");
        }
    }

    #[test]
    fn a_text_of_five_kibibytes_is_refused() {
        let longest = "0".repeat(5_118) + "1";
        assert_eq!(increment(&longest, "1"), Ok(Some("2".to_owned())));
        assert_eq!(parse(&("0".to_owned() + &longest)), None);
        let longest = "0.".to_owned() + &"9".repeat(5_117);
        assert_eq!(increment(&longest, "0"), Ok(Some("1".to_owned())));
    }
}
