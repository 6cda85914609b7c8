//! What the operations are made of, drawn at random from small domains so that they meet.

/// A source of random numbers with a seed: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub struct Chance(u64);

/// A key's name.
pub type Key = &'static [u8];

/// The keys of every family; some names are not text.
pub const KEYS: [Key; 6] = [b"a", b"b", b"c", b"d", b"", b"\xff\0\r\n"];

const VALUES: [&[u8]; 26] = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"7",
    b"10",
    b"007",
    b"+7",
    b" 7",
    b"-0",
    b"9223372036854775807",
    b"9223372036854775806",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"3.5",
    b"-.5",
    b"5.0e3",
    b"1e400",
    b"0x10",
    b"inf",
    b"nan",
    b"abc",
    b"ABC",
    b"foobar",
    b"a value that is too long to be kept inline",
    b"\0\x01\xfe\xff",
];

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn flag(&mut self) -> bool {
        self.one_in(2)
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// `least` to `most` of what `make` gives.
    pub fn many<T>(&mut self, least: usize, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| make(self)).collect()
    }

    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    pub fn key(&mut self) -> Key {
        self.pick(&KEYS)
    }

    /// One to four keys, perhaps one of them twice.
    pub fn keys(&mut self) -> Vec<Key> {
        self.many(1, 4, Chance::key)
    }

    /// Text, a number, or any bytes.
    pub fn value(&mut self) -> Vec<u8> {
        if self.one_in(5) {
            return self.many(0, 40, |chance| chance.below(256) as u8);
        }
        self.pick(&VALUES).to_vec()
    }

    /// One of a dozen short names.
    pub fn member(&mut self) -> Vec<u8> {
        const MEMBERS: [&[u8]; 12] = [
            b"",
            b"a",
            b"b",
            b"c",
            b"aa",
            b"ab",
            b"1",
            b"2",
            b"-3",
            b"\0",
            b"\xff",
            b"not kept inline: too long",
        ];
        self.pick(&MEMBERS).to_vec()
    }

    pub fn members(&mut self) -> Vec<Vec<u8>> {
        self.many(1, 5, Chance::member)
    }

    /// Small, or at an end of the range.
    pub fn number(&mut self) -> i64 {
        const ENDS: [i64; 9] = [
            i64::MIN,
            i64::MIN + 1,
            i64::MAX,
            i64::MAX - 1,
            i32::MIN as i64,
            i32::MAX as i64,
            u32::MAX as i64,
            255,
            -129,
        ];
        if self.one_in(5) { self.pick(&ENDS) } else { self.below(19) as i64 - 9 }
    }

    /// What can be put in for an index or the end of a range.
    pub fn index(&mut self) -> i64 {
        const ENDS: [i64; 4] = [i64::MIN, i64::MAX, -100, 100];
        if self.one_in(8) { self.pick(&ENDS) } else { self.below(15) as i64 - 7 }
    }

    /// How many are wanted.
    pub fn count(&mut self) -> usize {
        if self.one_in(10) { 100 } else { self.below(6) }
    }

    /// A number to add to others.
    pub fn float(&mut self) -> f64 {
        const FLOATS: [f64; 20] = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.0,
            0.1,
            0.2,
            0.5,
            -2.75,
            3.0e10,
            1e17,
            -1e17,
            1e-5,
            1e-20,
            123_456_789.125,
            1e300,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        self.pick(&FLOATS)
    }

    /// Milliseconds from now: too long for any test to see the end, and no two of them close.
    pub fn ttl(&mut self) -> u64 {
        match self.below(30) {
            0 => 0,
            1 => i64::MAX as u64,
            2 => i64::MAX as u64 - 1_000_000_000_000_000,
            _ => (1_000 + self.below(1_000_000) as u64 * 100) * 1_000,
        }
    }

    /// Milliseconds since 1970: long past, or one of a few times in the 22nd century, so that the same
    /// comes again.
    pub fn time(&mut self) -> u64 {
        match self.below(12) {
            0 => 0,
            1 => 1,
            2 => 1_000_000_000_000,
            other => 4_200_000_000_000 + other as u64 * 1_000_000_000,
        }
    }
}
