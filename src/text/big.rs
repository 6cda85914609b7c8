//! Natural numbers of any size, as far as turning decimals into binary and back needs them.

use std::cmp::Ordering;

/// A natural number in 64-bit limbs, the lowest first; the highest limb is not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Big(Vec<u64>);

/// The largest power of ten in a limb, and its exponent.
const TEN_POWER: (u64, u32) = (10_u64.pow(19), 19);

/// The largest power of five in a limb, and its exponent.
const FIVE_POWER: (u64, u32) = (5_u64.pow(27), 27);

impl Big {
    /// A small number.
    pub(super) fn new(value: u64) -> Self {
        Big(if value == 0 { Vec::new() } else { vec![value] })
    }

    /// The number written in ASCII digits. O(n^2).
    pub(super) fn from_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut big = Big::new(0);
        let (mut chunk, mut power) = (0, 1);
        for digit in digits {
            chunk = chunk * 10 + u64::from(digit - b'0');
            power *= 10;
            if power == TEN_POWER.0 {
                big.mul_add(power, chunk);
                (chunk, power) = (0, 1);
            }
        }
        big.mul_add(power, chunk);
        big
    }

    /// Multiplies by 5^`exponent`. O(n x exponent).
    pub(super) fn mul_power_of_five(&mut self, exponent: u32) {
        for _ in 0..exponent / FIVE_POWER.1 {
            self.mul_add(FIVE_POWER.0, 0);
        }
        self.mul_add(5_u64.pow(exponent % FIVE_POWER.1), 0);
    }

    /// The bits of the number; 0 for zero. O(1).
    pub(super) fn bits(&self) -> u64 {
        self.0.last().map_or(0, |high| self.0.len() as u64 * 64 - u64::from(high.leading_zeros()))
    }

    /// The number, if it has one limb and is not zero.
    pub(super) fn to_limb(&self) -> Option<u64> {
        if let [limb] = self.0[..] { Some(limb) } else { None }
    }

    /// The lowest 128 bits.
    pub(super) fn to_wide(&self) -> u128 {
        self.0.iter().take(2).rev().fold(0, |wide, &limb| wide << 64 | u128::from(limb))
    }

    /// Multiplies by 2^`count`. O(n + count).
    pub(super) fn shift_left(&mut self, count: u64) {
        if self.0.is_empty() {
            return;
        }
        let small = count % 64;
        if small != 0 {
            let mut carry = 0;
            for limb in &mut self.0 {
                let high = *limb >> (64 - small);
                *limb = *limb << small | carry;
                carry = high;
            }
            self.push_carry(carry);
        }
        let zeros = usize::try_from(count / 64).unwrap_or(usize::MAX);
        self.0.splice(0..0, std::iter::repeat_n(0, zeros));
    }

    /// Takes `other` away if it is not the larger one, and says whether it did. O(n).
    pub(super) fn try_sub(&mut self, other: &Big) -> bool {
        if self.compare(other) == Ordering::Less {
            return false;
        }
        let mut borrow = false;
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (limb, other) in self.0.iter_mut().zip(others) {
            let (less, first) = limb.overflowing_sub(other);
            let (less, second) = less.overflowing_sub(u64::from(borrow));
            *limb = less;
            borrow = first || second;
        }
        self.trim();
        true
    }

    /// Divides by `divisor`, which is not zero, and gives the remainder. O(n).
    pub(super) fn div_rem(&mut self, divisor: u64) -> u64 {
        let divisor = u128::from(divisor);
        let mut remainder = 0;
        for limb in self.0.iter_mut().rev() {
            let wide = remainder << 64 | u128::from(*limb);
            *limb = (wide / divisor) as u64;
            remainder = wide % divisor;
        }
        self.trim();
        remainder as u64
    }

    /// The number in ASCII digits. O(n^2).
    pub(super) fn into_decimal(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.0.is_empty() {
            chunks.push(self.div_rem(TEN_POWER.0));
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:0width$}", width = TEN_POWER.1 as usize));
        }
        text
    }

    fn mul_add(&mut self, factor: u64, mut carry: u64) {
        for limb in &mut self.0 {
            let wide = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = wide as u64;
            carry = (wide >> 64) as u64;
        }
        self.push_carry(carry);
    }

    fn compare(&self, other: &Big) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    fn push_carry(&mut self, carry: u64) {
        if carry != 0 {
            self.0.push(carry);
        }
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn big(value: u128) -> Big {
        let mut big = Big(vec![value as u64, (value >> 64) as u64]);
        big.trim();
        big
    }

    #[test]
    fn a_borrow_crosses_equal_limbs() {
        let mut big = Big(vec![0, 5, 2]);
        assert!(big.try_sub(&Big(vec![1, 5, 1])));
        assert_eq!(big, Big(vec![u64::MAX, u64::MAX]));
    }

    proptest! {
        #[test]
        fn agrees_with_u128(a in any::<u128>(), b in any::<u128>(), shift in 0_u32..128) {
            let (a, b) = (a >> shift, b >> (shift / 2));
            prop_assert_eq!(Big::from_digits(a.to_string().bytes()), big(a));
            prop_assert_eq!(big(a).into_decimal(), a.to_string());
            prop_assert_eq!(big(a).to_wide(), a);
            prop_assert_eq!(big(a).to_limb(), u64::try_from(a).ok().filter(|&a| a != 0));
            prop_assert_eq!(big(a).bits(), u64::from(u128::BITS - a.leading_zeros()));
            let mut shifted = big(a);
            shifted.shift_left(shift.into());
            prop_assert_eq!(shifted, big(a << shift));
            let mut less = big(a);
            prop_assert_eq!(less.try_sub(&big(b)), a >= b);
            prop_assert_eq!(less, big(a.checked_sub(b).unwrap_or(a)));
        }

        #[test]
        fn a_long_number_survives_the_way_there_and_back(digits in "[1-9][0-9]{0,400}", power in 0_u32..400) {
            let mut big = Big::from_digits(digits.bytes());
            prop_assert_eq!(big.clone().into_decimal(), digits.clone());
            big.mul_power_of_five(power);
            big.shift_left(power.into());
            prop_assert_eq!(big.into_decimal(), digits + &"0".repeat(power as usize));
        }
    }
}
