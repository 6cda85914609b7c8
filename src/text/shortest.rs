//! The digits of a double, as a Redis server finds them from 7.2 on: Florian Loitsch's Grisu2, from "Printing
//! Floating-Point Numbers Quickly and Accurately with Integers" (2010).
//!
//! The digits always read back as the same double. In one of a thousand random doubles they are not the
//! fewest possible or not the nearest of the fewest (`1e23` gives 9999999999999999 x 10^7), and a client of
//! Redis sees that: std's own digits, which are always the best, would differ from the server's.

/// A positive number without a fraction: `digits` x 10^`scale`.
pub(super) struct Shortest {
    digits: [u8; Shortest::ROOM],
    count: usize,
    pub(super) scale: i32,
}

impl Shortest {
    /// 17 digits tell all doubles apart, and the algorithm stops there.
    const ROOM: usize = 17;

    /// The digits of `value`, which is finite and above zero. O(1), without allocation.
    pub(super) fn new(value: f64) -> Self {
        let interval = Interval::around(value);
        let power = PowerOfTen::for_exponent(interval.exponent);
        let mut shortest = Shortest { digits: [b'0'; Shortest::ROOM], count: 0, scale: -power.decimal };
        shortest.generate(interval.scaled(power));
        shortest
    }

    /// The digits in ASCII; the first is not a zero.
    pub(super) fn digits(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.count]).unwrap_or_default() // `push` keeps `count` in range
    }

    /// Writes digits of the interval's upper end until the rest is smaller than the interval.
    fn generate(&mut self, interval: Interval) {
        // The exponent is -60 to -32, so the whole part has at most 32 bits, and ten times the fraction 64.
        let point = interval.exponent.unsigned_abs();
        let mut whole = interval.upper >> point;
        let mut fraction = interval.upper & ((1 << point) - 1);
        let mut width = interval.upper - interval.lower;
        let distance = interval.upper - interval.value;
        for kappa in (0..10).rev() {
            let unit = 10_u64.pow(kappa);
            self.push(whole / unit);
            whole %= unit;
            let rest = (whole << point) + fraction;
            if rest <= width {
                self.scale += kappa as i32;
                return self.approach(rest, width, unit << point, distance);
            }
        }
        let mut unit = 1_u64;
        // It ends long before: the width is at least two, and grows tenfold with each digit.
        while unit < 10_u64.pow(19) {
            unit *= 10;
            fraction = fraction.wrapping_mul(10);
            width = width.wrapping_mul(10);
            self.scale -= 1;
            self.push(fraction >> point);
            fraction &= (1 << point) - 1;
            if fraction < width {
                return self.approach(fraction, width, 1 << point, distance.wrapping_mul(unit));
            }
        }
    }

    /// Lowers the last digit, worth `unit`, while that stays in the interval and comes nearer to the value.
    /// `rest` and `distance` say how far the digits and the value lie below the upper end.
    fn approach(&mut self, mut rest: u64, width: u64, unit: u64, distance: u64) {
        let Some(last) = self.count.checked_sub(1).and_then(|last| self.digits.get_mut(last)) else { return };
        while rest < distance && width - rest >= unit {
            let lower = rest + unit; // at most `width`
            if lower >= distance && distance - rest <= lower - distance {
                return;
            }
            *last -= 1; // a digit below which nothing is left is not in reach of `width`
            rest = lower;
        }
    }

    fn push(&mut self, digit: u64) {
        if digit == 0 && self.count == 0 {
            return;
        }
        if let Some(place) = self.digits.get_mut(self.count) {
            *place = b'0' + digit as u8;
            self.count += 1;
        }
    }
}

/// A double between the ends of the numbers that read as it, all three x 2^`exponent`.
struct Interval {
    lower: u64,
    value: u64,
    upper: u64,
    exponent: i32,
}

impl Interval {
    /// The interval of `value`, its upper end shifted to 64 bits.
    fn around(value: f64) -> Self {
        const LEADING: u64 = 1 << 52;
        let field = (value.to_bits() >> 52 & 0x7ff) as i32;
        let fraction = value.to_bits() & (LEADING - 1);
        let mantissa = if field == 0 { fraction } else { fraction | LEADING };
        // In quarters of the last bit. A power of two has its lower neighbour at half the distance.
        let (lower, value, upper) =
            (mantissa * 4 - if mantissa == LEADING { 1 } else { 2 }, mantissa * 4, mantissa * 4 + 2);
        let shift = upper.leading_zeros();
        let exponent = field.max(1) - 1075 - 2 - shift as i32;
        Interval { lower: lower << shift, value: value << shift, upper: upper << shift, exponent }
    }

    /// The interval multiplied by a power of ten, and made narrower by the error which that can bring.
    fn scaled(self, power: PowerOfTen) -> Self {
        let multiply = |number: u64| {
            let product = u128::from(number) * u128::from(power.mantissa);
            ((product + (1 << 63)) >> 64) as u64
        };
        Interval {
            lower: multiply(self.lower) + 1,
            value: multiply(self.value),
            upper: multiply(self.upper) - 1,
            exponent: self.exponent + power.exponent + 64,
        }
    }
}

/// The power 10^`decimal`, rounded to `mantissa` x 2^`exponent`.
#[derive(Clone, Copy)]
struct PowerOfTen {
    mantissa: u64,
    exponent: i32,
    decimal: i32,
}

impl PowerOfTen {
    /// The power that brings a 64-bit number x 2^`exponent` to an exponent between -60 and -32. Where two do,
    /// the digits can depend on which; Redis starts from an estimate, and so must we.
    fn for_exponent(exponent: i32) -> Self {
        const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;
        let estimate = (f64::from(-(exponent + POWERS.len() as i32)) * LOG10_OF_2) as i32;
        let mut index = (estimate - FIRST_POWER) / POWER_STEP;
        loop {
            let power = PowerOfTen::at(index);
            match exponent + power.exponent + 64 {
                ..-60 => index += 1,
                -60..=-32 => return power,
                _ => index -= 1,
            }
        }
    }

    fn at(index: i32) -> Self {
        let decimal = FIRST_POWER + POWER_STEP * index;
        // The exponents of all doubles lie between those of the table's ends.
        let mantissa =
            usize::try_from(index).ok().and_then(|index| POWERS.get(index)).copied().unwrap_or(1 << 63);
        // 217706 / 2^16 is the binary logarithm of ten, near enough for the whole table.
        PowerOfTen { mantissa, exponent: ((decimal * 217_706) >> 16) - 63, decimal }
    }
}

const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// The mantissas of 10^-348, 10^-340 and so on to 10^340.
#[rustfmt::skip]
const POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn the_digits_read_back(bits in 1..f64::INFINITY.to_bits()) {
            let value = f64::from_bits(bits);
            let shortest = Shortest::new(value);
            prop_assert!(!shortest.digits().starts_with('0'));
            prop_assert_eq!(format!("{}e{}", shortest.digits(), shortest.scale).parse::<f64>(), Ok(value));
        }
    }

    #[test]
    fn the_powers_are_those_of_ten() {
        use crate::text::long_double::LongDouble;

        for index in 0..POWERS.len() as i32 {
            let power = PowerOfTen::at(index);
            let exact = LongDouble::parse(format!("1e{}", power.decimal).as_bytes());
            let ours = LongDouble::parse(format!("{:#x}p{}", power.mantissa, power.exponent).as_bytes());
            assert!(exact.is_some() && exact == ours, "{}", power.decimal);
        }
    }

    #[test]
    fn powers_of_two_and_the_ends_of_the_range_read_back() {
        let powers = (-1022..1024).map(|exponent| 2_f64.powi(exponent));
        for value in powers.chain([5e-324, f64::from_bits(0x000f_ffff_ffff_ffff), f64::MAX]) {
            let shortest = Shortest::new(value);
            assert_eq!(format!("{}e{}", shortest.digits(), shortest.scale).parse(), Ok(value));
        }
    }

    #[test]
    fn most_digits_are_the_fewest() {
        let differs = |&thousandths: &u32| {
            let value = f64::from(thousandths) / 1000.0;
            Shortest::new(value).digits() != thousandths.to_string().trim_end_matches('0')
        };
        assert!((1..100_000).filter(differs).count() < 100);
    }
}
