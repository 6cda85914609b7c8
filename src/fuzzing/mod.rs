//! What the fuzz targets do with their bytes (`fuzz/`), and the crate's own tests with a few random ones.
//!
//! | target | the bytes | what must hold |
//! | --- | --- | --- |
//! | [`requests`] | what clients send | the same requests in whatever pieces they come, in bounded memory |
//! | [`session`] | commands with arguments | replies that can be written |
//! | [`rdb`], [`snapshot`], `journal` | files, payloads | an error, or keys in bounded memory that come back from a file |
//! | [`packed`] | operations on one value | what a collection of std's does, and the bytes that it counts |
//! | [`text`] | patterns, numbers | what a plain and slow version says |
//! | [`model`] | operations on a store | what maps of std's do, with transactions and time |
//!
//! And nothing panics.

mod commands;
mod files;
#[cfg(all(feature = "journal", not(shuttle)))]
mod journal;
mod model;
mod packed;
mod text;

use crate::Bytes;

pub use commands::{requests, session};
pub use files::{rdb, snapshot};
#[cfg(all(feature = "journal", not(shuttle)))]
pub use journal::journal;
pub use model::model;
pub use packed::packed;
pub use text::text;

/// What may be allocated beside what is in proportion to the bytes.
const BESIDE: usize = 64 << 10;

/// Choices, out of the fuzzer's bytes.
struct Draw<'d>(&'d [u8]);

impl Draw<'_> {
    /// The next byte; `None` when all are used up, which is the end.
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number below a limit of up to 65,536; 0 at the end.
    fn below(&mut self, limit: usize) -> usize {
        let low = usize::from(self.byte().unwrap_or(0));
        let high = if limit > 256 { usize::from(self.byte().unwrap_or(0)) } else { 0 };
        (low | high << 8) % limit.max(1)
    }

    /// How many at once: few, and sometimes so many that a collection changes its form.
    fn count(&mut self) -> usize {
        match self.byte().unwrap_or(0) {
            choice @ 0..=239 => 1 + usize::from(choice % 8),
            choice => 60 + 6 * usize::from(choice - 240),
        }
    }

    fn is(&mut self) -> bool {
        self.byte().is_some_and(|byte| byte & 1 == 1)
    }

    /// The next few bytes as they are.
    fn raw(&mut self, count: usize) -> &[u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// An element of a collection: of few that come again, numbers of each width, lengths around each edge, and any.
    fn element(&mut self) -> Bytes {
        let choice = self.byte().unwrap_or(0);
        match choice {
            0..=99 => Bytes::from(choice.to_string()),
            100..=129 => Bytes::from([b'a' + choice % 26]),
            130..=192 => {
                let power = 1_i64 << (choice - 130);
                Bytes::from(if self.is() { power.to_string() } else { (-power).to_string() })
            }
            193..=243 => Bytes::from(vec![b'x'; 3 * usize::from(choice - 190)]),
            _ => Bytes::from(self.raw(usize::from(choice - 244))),
        }
    }

    fn score(&mut self) -> f64 {
        let choice = self.byte().unwrap_or(0);
        match choice {
            0..=199 => f64::from(choice) - 100.0,
            200..=219 => f64::from(choice) / 7.0,
            220..=229 => (f64::from(choice) - 224.5) * 1e6,
            230 => f64::INFINITY,
            231 => f64::NEG_INFINITY,
            232 => -0.0,
            233 => f64::MIN_POSITIVE,
            _ => {
                let bits = self.raw(8).iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                Some(f64::from_bits(bits)).filter(|score| !score.is_nan()).unwrap_or(0.5)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..most)
    }

    proptest! {
        #[test]
        fn session(data in bytes(2_000)) {
            super::session(&data);
        }

        #[test]
        fn packed(data in bytes(2_000)) {
            super::packed(&data);
        }

        #[test]
        fn text(data in bytes(60)) {
            super::text(&data);
        }

        #[test]
        fn model(data in bytes(2_000)) {
            super::model(&data);
        }
    }
}
