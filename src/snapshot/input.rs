//! Where values are read from: the blocks of a snapshot, or bytes in memory.

use super::error::Fault;
use crate::Bytes;

/// A stream of bytes that may turn out to be damaged.
pub(crate) trait Input {
    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], Fault>;

    /// Appends the next bytes. What a length claims is not allocated before it was read.
    fn read_bytes(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// The next bytes, as a string.
    fn read_string(&mut self, length: usize) -> Result<Bytes, Fault> {
        let mut bytes = Vec::new();
        self.read_bytes(length, &mut bytes)?;
        Ok(Bytes::from(bytes))
    }

    /// Damage found here.
    fn damaged(&self, what: &'static str) -> Fault;

    fn read_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.read_array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damaged("a number is over 64 bits long"))
    }
}

/// Bytes in memory that stand at a place of a file.
#[cfg(feature = "journal")]
pub(crate) struct Slice<'s> {
    pub bytes: &'s [u8],
    pub at: u64,
}

#[cfg(feature = "journal")]
impl<'s> Slice<'s> {
    fn take(&mut self, length: usize) -> Result<&'s [u8], Fault> {
        let Some((head, rest)) = self.bytes.split_at_checked(length) else {
            return Err(self.damaged("it ends before what it announces"));
        };
        self.bytes = rest;
        Ok(head)
    }
}

#[cfg(feature = "journal")]
impl Input for Slice<'_> {
    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn read_bytes(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(self.take(length)?);
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> Fault {
        Fault::Damaged { at: self.at, what }
    }
}
