//! Reading: bytes, lengths and strings, with a checksum of what was read.
//!
//! A **length** has its form in the upper two bits of its first byte: `00`, six bits; `01`, six bits and the
//! next byte; `10`, a number of 32 bits (`0x80`) or of 64 (`0x81`) that follows, big-endian. With `11` it is no
//! length, but a string in another form: an integer of 8, 16 or 32 bits, or a compressed one.

use std::io::{self, BufRead};

use super::error::Fault;
use super::{crc64, lzf};
use crate::Bytes;
use crate::text::number::{IntegerBuffer, format_i64};

/// No more than that is allocated for a string before more of it was read.
const CHUNK: usize = 1 << 16;

/// See the [module](self).
pub(super) struct Reader<R> {
    inner: R,
    /// How much of what `inner` has buffered was read.
    used: usize,
    /// Bytes that `inner` has been told of.
    passed: u64,
    /// The checksum of those.
    crc: u64,
    /// The longest string that is taken.
    limit: usize,
}

/// What stands where a length can.
pub(super) enum Length {
    Plain(u64),
    /// The form of a string.
    Encoded(u8),
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(inner: R, limit: usize) -> Self {
        Reader { inner, used: 0, passed: 0, crc: 0, limit }
    }

    /// Bytes read.
    pub(super) fn at(&self) -> u64 {
        self.passed + self.used as u64
    }

    /// The checksum of all bytes read.
    pub(super) fn checksum(&mut self) -> Result<u64, Fault> {
        self.pass()?;
        Ok(self.crc)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        let mut filled = 0;
        while filled < N {
            let part = self.part()?;
            let taken = part.len().min(N - filled);
            array[filled..filled + taken].copy_from_slice(&part[..taken]);
            self.used += taken;
            filled += taken;
        }
        Ok(array)
    }

    /// A number that cannot be a string.
    pub(super) fn length(&mut self) -> Result<u64, Fault> {
        match self.length_or_form()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(Fault::Damaged("there is a string where a length should be")),
        }
    }

    pub(super) fn length_or_form(&mut self) -> Result<Length, Fault> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match first >> 6 {
            0 => Length::Plain(low.into()),
            1 => Length::Plain(u64::from(low) << 8 | u64::from(self.byte()?)),
            2 if first == 0x80 => Length::Plain(u32::from_be_bytes(self.array()?).into()),
            2 if first == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            2 => return Err(Fault::Damaged("a length has an unknown form")),
            _ => Length::Encoded(low),
        })
    }

    /// A string, in whichever form.
    pub(super) fn string(&mut self) -> Result<Bytes, Fault> {
        let integer = match self.length_or_form()? {
            Length::Plain(length) => return self.raw(length),
            Length::Encoded(0) => i8::from_le_bytes(self.array()?).into(),
            Length::Encoded(1) => i16::from_le_bytes(self.array()?).into(),
            Length::Encoded(2) => i32::from_le_bytes(self.array()?).into(),
            Length::Encoded(3) => return self.compressed(),
            Length::Encoded(_) => return Err(Fault::Damaged("a string has an unknown form")),
        };
        Ok(format_i64(integer, &mut IntegerBuffer::default()).into())
    }

    /// So many bytes.
    pub(super) fn raw(&mut self, length: u64) -> Result<Bytes, Fault> {
        let length = self.within_limit(length)?;
        let part = self.part_or_end()?;
        if let Some(whole) = part.get(..length) {
            let bytes = Bytes::from(whole);
            self.used += length;
            return Ok(bytes);
        }
        let mut bytes = Vec::with_capacity(length.min(CHUNK));
        while bytes.len() < length {
            let part = self.part()?;
            let taken = part.len().min(length - bytes.len());
            bytes.extend_from_slice(&part[..taken]);
            self.used += taken;
        }
        Ok(bytes.into())
    }

    fn compressed(&mut self) -> Result<Bytes, Fault> {
        let (small, length) = (self.length()?, self.length()?);
        let length = self.within_limit(length)?;
        let small = self.raw(small)?;
        Ok(lzf::decompress(&small, length)?.into())
    }

    fn within_limit(&self, length: u64) -> Result<usize, Fault> {
        let fits = usize::try_from(length).ok().filter(|length| *length <= self.limit);
        fits.ok_or(Fault::TooLong { length, limit: self.limit })
    }

    /// What is buffered and not read yet; never empty.
    fn part(&mut self) -> Result<&[u8], Fault> {
        let part = self.part_or_end()?;
        if part.is_empty() { Err(Fault::Damaged("it is cut off")) } else { Ok(part) }
    }

    /// The same; empty at the end of the input.
    fn part_or_end(&mut self) -> Result<&[u8], Fault> {
        // It is asked twice, as a borrow that is returned in one case lasts for the other too.
        if self.used >= fill(&mut self.inner)?.len() {
            self.pass()?;
        }
        let used = self.used;
        Ok(fill(&mut self.inner)?.get(used..).unwrap_or_default())
    }

    /// Takes what was read into the checksum, and out of the buffer.
    fn pass(&mut self) -> Result<(), Fault> {
        let buffered = fill(&mut self.inner)?;
        let used = self.used.min(buffered.len());
        self.crc = crc64::update(self.crc, &buffered[..used]);
        self.inner.consume(used);
        self.passed += used as u64;
        self.used = 0;
        Ok(())
    }
}

fn fill(inner: &mut impl BufRead) -> Result<&[u8], Fault> {
    loop {
        match inner.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    // What is buffered already is given again.
    Ok(inner.fill_buf()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    proptest! {
        #[test]
        fn reads_the_same_in_parts_of_any_size(
            bytes in prop::collection::vec(any::<u8>(), 0..200), room in 1usize..50,
        ) {
            let run = |reader: &mut dyn FnMut() -> Option<Bytes>| std::iter::from_fn(reader).collect::<Vec<_>>();
            let mut whole = Reader::new(&bytes[..], 100);
            let mut parts = Reader::new(BufReader::with_capacity(room, &bytes[..]), 100);
            prop_assert_eq!(run(&mut || whole.string().ok()), run(&mut || parts.string().ok()));
            prop_assert_eq!(whole.at(), parts.at());
            let read = whole.at() as usize;
            prop_assert_eq!(whole.checksum().unwrap(), crc64::update(0, &bytes[..read]));
            prop_assert_eq!(parts.checksum().unwrap(), crc64::update(0, &bytes[..read]));
        }
    }

    #[test]
    fn a_string_that_claims_more_than_there_is_takes_no_more_than_there_is() {
        let claim = [&[0x81, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff][..], b"abc"].concat();
        let error = Reader::new(&claim[..], usize::MAX).string().unwrap_err();
        assert!(matches!(error, Fault::Damaged(_)), "{error:?}");
        let error = Reader::new(&claim[..], 1000).string().unwrap_err();
        assert!(matches!(error, Fault::TooLong { length: 0x7fff_ffff, .. }), "{error:?}");
    }
}
