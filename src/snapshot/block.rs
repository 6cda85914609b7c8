//! The container: a stream of bytes in numbered, checksummed blocks.

use std::io::{self, Read, Write};

use super::error::Fault;
use super::input::Input;
use crate::Bytes;

/// The newest format, which is the one written.
pub(super) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"LARDER\r\n";
const HEADER: usize = 32;
/// Length and number, before a block's payload.
const PREFIX: usize = 8;
const BLOCK: usize = 256 << 10;

/// What is wrong where something follows the last that should.
pub(super) const MORE: &str = "there is more than the entries it announces";

/// Writes a stream of bytes as blocks.
pub(super) struct BlockWriter<W> {
    inner: W,
    id: u64,
    number: u32,
    payload: Vec<u8>,
    bytes: u64,
}

impl<W: Write> BlockWriter<W> {
    pub(super) fn start(mut inner: W, id: u64, taken_at: u64) -> io::Result<Self> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(FORMAT.to_le_bytes());
        header.extend(id.to_le_bytes());
        header.extend(taken_at.to_le_bytes());
        header.extend(crc32fast::hash(&header).to_le_bytes());
        inner.write_all(&header)?;
        Ok(BlockWriter { inner, id, number: 0, payload: Vec::with_capacity(BLOCK), bytes: HEADER as u64 })
    }

    /// Bytes written so far, counting those of the block that is being filled.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.payload.len() as u64
    }

    /// Writes the last block; gives the length of all.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        if !self.payload.is_empty() {
            self.write_block()?;
        }
        self.write_block()?;
        self.inner.flush()?;
        Ok(self.bytes)
    }

    fn write_block(&mut self) -> io::Result<()> {
        // A block holds at most `BLOCK` bytes.
        let length = self.payload.len() as u32;
        let checksum = checksum(self.id, length, self.number, &self.payload);
        self.inner.write_all(&length.to_le_bytes())?;
        self.inner.write_all(&self.number.to_le_bytes())?;
        self.inner.write_all(&self.payload)?;
        self.inner.write_all(&checksum.to_le_bytes())?;
        self.bytes += (PREFIX + self.payload.len() + 4) as u64;
        self.payload.clear();
        let next = self.number.checked_add(1);
        self.number = next.ok_or_else(|| io::Error::other("a snapshot of over 2^32 blocks"))?;
        Ok(())
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.payload.len());
        self.payload.extend_from_slice(&bytes[..taken]);
        if self.payload.len() == BLOCK {
            self.write_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the stream back, a checked block at a time.
pub(super) struct BlockReader<R> {
    inner: R,
    id: u64,
    number: u32,
    payload: Vec<u8>,
    /// How much of the payload has been read.
    read: usize,
    /// Where the current block starts in the file.
    at: u64,
    is_over: bool,
    /// The wall time of the snapshot's instant.
    #[cfg(feature = "journal")]
    pub(super) taken_at: u64,
}

impl<R: Read> BlockReader<R> {
    pub(super) fn start(mut inner: R) -> Result<Self, Fault> {
        let mut header = [0; HEADER];
        let got = fill(&mut inner, &mut header)?;
        if got < MAGIC.len() || header[..MAGIC.len()] != MAGIC {
            return Err(Fault::NotASnapshot);
        }
        let damaged = |what| Fault::Damaged { at: 0, what };
        if got < HEADER {
            return Err(damaged("it ends within the header"));
        }
        let [covered @ .., _, _, _, _] = &header;
        if crc32fast::hash(covered) != u32::from_le_bytes(part(&header, HEADER - 4)) {
            return Err(damaged("the header's checksum is wrong"));
        }
        let version = u32::from_le_bytes(part(&header, 8));
        match version {
            0 => return Err(damaged("there is no format 0")),
            FORMAT => {}
            newer => return Err(Fault::Newer(newer)),
        }
        let id = u64::from_le_bytes(part(&header, 12));
        let (payload, at) = (Vec::new(), HEADER as u64);
        Ok(BlockReader {
            inner,
            id,
            number: 0,
            payload,
            read: 0,
            at,
            is_over: false,
            #[cfg(feature = "journal")]
            taken_at: u64::from_le_bytes(part(&header, 20)),
        })
    }

    /// The snapshot's id.
    #[cfg(feature = "journal")]
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Where the current block starts in the file.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes of the file read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.at + (PREFIX + self.read) as u64
    }

    /// Whether the stream goes on here.
    pub(super) fn has_more(&mut self) -> Result<bool, Fault> {
        if self.read == self.payload.len() && !self.is_over {
            self.next_block()?;
        }
        Ok(self.read < self.payload.len())
    }

    /// Checks that the stream and the file end here.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        if self.read < self.payload.len() {
            return Err(self.damaged(MORE));
        }
        if !self.is_over {
            self.next_block()?;
        }
        if !self.is_over {
            return Err(self.damaged(MORE));
        }
        if fill(&mut self.inner, &mut [0])? > 0 {
            return Err(self.damaged("something follows the last block"));
        }
        Ok(())
    }

    /// The next bytes, if they lie in the current block.
    #[inline]
    fn at_hand(&mut self, length: usize) -> Option<&[u8]> {
        let bytes = self.payload.get(self.read..)?.get(..length)?;
        self.read += length;
        Some(bytes)
    }

    fn read_into(&mut self, mut out: &mut [u8]) -> Result<(), Fault> {
        while !out.is_empty() {
            let payload = self.next_part()?;
            let taken = payload.len().min(out.len());
            let (head, tail) = out.split_at_mut(taken);
            head.copy_from_slice(&payload[..taken]);
            out = tail;
            self.read += taken;
        }
        Ok(())
    }

    /// What is left of the current block, or else the next one; never empty.
    fn next_part(&mut self) -> Result<&[u8], Fault> {
        if self.read == self.payload.len() {
            if !self.is_over {
                self.next_block()?;
            }
            if self.is_over {
                return Err(self.damaged("it ends before the entries it announces"));
            }
        }
        Ok(&self.payload[self.read..])
    }

    fn next_block(&mut self) -> Result<(), Fault> {
        if self.number > 0 {
            self.at += (PREFIX + self.payload.len() + 4) as u64;
        }
        let mut prefix = [0; PREFIX];
        if fill(&mut self.inner, &mut prefix)? < PREFIX {
            return Err(self.damaged("it is cut off"));
        }
        let (length, number) = (u32::from_le_bytes(part(&prefix, 0)), u32::from_le_bytes(part(&prefix, 4)));
        if length as usize > BLOCK {
            return Err(self.damaged("a block is too long"));
        }
        self.payload.resize(length as usize, 0);
        self.read = 0;
        let mut sum = [0; 4];
        if fill(&mut self.inner, &mut self.payload)? < self.payload.len()
            || fill(&mut self.inner, &mut sum)? < 4
        {
            return Err(self.damaged("it is cut off"));
        }
        if checksum(self.id, length, number, &self.payload) != u32::from_le_bytes(sum) {
            return Err(self.damaged("the block's checksum is wrong"));
        }
        if number != self.number {
            return Err(self.damaged("a block is out of its place"));
        }
        self.number = self.number.wrapping_add(1);
        self.is_over = length == 0;
        Ok(())
    }
}

impl<R: Read> Input for BlockReader<R> {
    #[inline]
    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        match self.at_hand(N) {
            Some(bytes) => array.copy_from_slice(bytes),
            None => self.read_into(&mut array)?,
        }
        Ok(array)
    }

    /// A short string is made in place, without an allocation.
    fn read_string(&mut self, length: usize) -> Result<Bytes, Fault> {
        if let Some(bytes) = self.at_hand(length) {
            return Ok(Bytes::from(bytes));
        }
        let mut bytes = Vec::new();
        self.read_bytes(length, &mut bytes)?;
        Ok(Bytes::from(bytes))
    }

    fn read_bytes(&mut self, mut length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        while length > 0 {
            let payload = self.next_part()?;
            let taken = payload.len().min(length);
            out.extend_from_slice(&payload[..taken]);
            self.read += taken;
            length -= taken;
        }
        Ok(())
    }

    /// In the current block.
    fn damaged(&self, what: &'static str) -> Fault {
        Fault::Damaged { at: self.at, what }
    }
}

fn checksum(id: u64, length: u32, number: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Reads until the buffer is full or the input ends; gives how much that was.
pub(crate) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// `N` bytes of a buffer that is longer.
pub(crate) fn part<const N: usize>(buffer: &[u8], from: usize) -> [u8; N] {
    std::array::from_fn(|at| buffer.get(from + at).copied().unwrap_or_default())
}
