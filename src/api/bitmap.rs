//! Strings as arrays of bits, and of integers of any width.

use super::handle::{Handle, public_handle};
use super::{Database, names};
use crate::command::bitmap::{self, FieldOp};
use crate::value::bitfield::{BitInt, Overflow};
use crate::value::bits::{BitOp, BitUnit, Within};
use crate::{Key, Result};

/// A handle on a string's bits. Bit 0 is the most significant bit of the first byte; bits past the
/// end, and those of a missing key, are zeros.
///
/// Changes keep the deadline that the key has.
///
/// ```
/// let store = larder::Store::new();
/// let visitors = store.bitmap("visitors:monday");
/// visitors.set(7, true)?;
/// visitors.set(1_000, true)?;
/// assert_eq!(visitors.count()?, 2);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// [`Error::BitOffset`](crate::Error::BitOffset) for an offset that lies beyond what a string may
/// hold (2^32 bits by default), and [`Error::WrongType`](crate::Error::WrongType).
pub struct Bitmap<'a> {
    handle: Handle<'a>,
}

impl<'a> Bitmap<'a> {
    fn of(handle: Handle<'a>) -> Self {
        Bitmap { handle }
    }
}

impl Database {
    /// A handle on the bits of the string at `key`. Nothing is made until one is set. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.bitmap("flags").set(3, true)?;
    /// assert!(store.bitmap("flags").get(3)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn bitmap<'a>(&'a self, key: impl Into<Key<'a>>) -> Bitmap<'a> {
        Bitmap::of(Handle::new(self, key.into()))
    }

    /// Combines strings bit by bit into one as long as the longest, which takes the place of whatever
    /// `destination` held; gives its length in bytes. An empty result removes the destination.
    /// `BITOP`, O(n) for n bytes of all sources.
    ///
    /// ```
    /// use larder::{BitOp, Store};
    ///
    /// let store = Store::new();
    /// store.bitmap("monday").set(1, true)?;
    /// store.bitmap("tuesday").set(2, true)?;
    /// store.bit_op(BitOp::Or, "week", ["monday", "tuesday"])?;
    /// assert_eq!(store.bitmap("week").count()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for fewer or more sources than the operation takes;
    /// [`Error::WrongType`](crate::Error::WrongType) if a source holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) for the destination's name.
    #[doc(alias = "BITOP")]
    pub fn bit_op<'s, 'd>(
        &self,
        op: BitOp,
        destination: impl Into<Key<'d>>,
        sources: impl IntoIterator<Item = impl Into<Key<'s>>>,
    ) -> Result<usize> {
        let (sources, destination) = (names(sources), destination.into());
        let (sources, destination) = (self.key_refs(&sources), self.key_ref(&destination));
        let keys = [&sources[..], &[destination]].concat();
        self.write(&keys, |writer| bitmap::combine(writer, op, destination, &sources))
    }
}

impl<'a> Bitmap<'a> {
    /// The bit at `offset`. `GETBIT`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("bits", [0b1000_0001])?;
    /// let bits = store.bitmap("bits");
    /// assert_eq!((bits.get(0)?, bits.get(1)?, bits.get(7)?), (true, false, true));
    /// assert!(!bits.get(1_000)?); // past the end
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BitOffset`](crate::Error::BitOffset) for an offset beyond what a string may hold;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "GETBIT")]
    pub fn get(&self, offset: u64) -> Result<bool> {
        self.handle.read(|view, key| bitmap::get(view, key, offset))
    }

    /// Sets or clears the bit at `offset`; gives what it was. The string grows with zeros to hold it,
    /// also where it is cleared. `SETBIT`, O(1), and O(n) for n bytes added; the string is copied once
    /// if a reader still shares it.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(!store.bitmap("flags").set(3, true)?);
    /// assert_eq!(store.get::<Vec<u8>>("flags")?, Some(vec![0b0001_0000]));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    #[doc(alias = "SETBIT")]
    pub fn set(&self, offset: u64, bit: bool) -> Result<bool> {
        self.handle.write(|writer, key| bitmap::set(writer, key, offset, bit))
    }

    /// How many bits are set. `BITCOUNT`, O(n) for n bytes.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("bits", [0xff, 0x0f])?;
    /// assert_eq!(store.bitmap("bits").count()?, 12);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "BITCOUNT")]
    pub fn count(&self) -> Result<u64> {
        self.handle.read(|view, key| bitmap::count(view, key, None))
    }

    /// How many bits are set between two positions, both included; negative ones count from the end.
    /// `BITCOUNT`, O(n) for n bytes between.
    ///
    /// ```
    /// use larder::{BitUnit, Store};
    ///
    /// let store = Store::new();
    /// store.insert("bits", [0xff, 0x0f])?;
    /// assert_eq!(store.bitmap("bits").count_in(0, 0, BitUnit::Byte)?, 8);
    /// assert_eq!(store.bitmap("bits").count_in(-8, -1, BitUnit::Bit)?, 4);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "BITCOUNT")]
    pub fn count_in(&self, start: i64, stop: i64, unit: BitUnit) -> Result<u64> {
        self.handle.read(|view, key| bitmap::count(view, key, Some((start, stop, unit))))
    }

    /// The offset of the first bit that is `bit`. The first zero after a string of ones is the one
    /// behind its end. `BITPOS`, O(n) for n bytes.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("bits", [0x00, 0x0f])?;
    /// assert_eq!(store.bitmap("bits").first(true)?, Some(12));
    /// assert_eq!(store.bitmap("missing").first(true)?, None);
    /// store.insert("ones", [0xff])?;
    /// assert_eq!(store.bitmap("ones").first(false)?, Some(8));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "BITPOS")]
    pub fn first(&self, bit: bool) -> Result<Option<u64>> {
        self.handle.read(|view, key| bitmap::position(view, key, bit, Within::All))
    }

    /// The offset, from the string's start, of the first bit that is `bit` from a byte on; a negative
    /// `start` counts bytes from the end. A zero may lie behind the end, as in [`first`](Self::first).
    /// `BITPOS`, O(n) for n bytes from there.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("bits", [0xff, 0x00, 0xf0])?;
    /// let bits = store.bitmap("bits");
    /// assert_eq!(bits.first_from(true, 1)?, Some(16));
    /// assert_eq!(bits.first_from(false, -1)?, Some(20));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "BITPOS")]
    pub fn first_from(&self, bit: bool, start: i64) -> Result<Option<u64>> {
        self.handle.read(|view, key| bitmap::position(view, key, bit, Within::From(start)))
    }

    /// The offset, from the string's start, of the first bit that is `bit` between two positions, both
    /// included; negative ones count from the end. A zero behind the end does not count here. `BITPOS`, O(n)
    /// for n bytes between.
    ///
    /// ```
    /// use larder::{BitUnit, Store};
    ///
    /// let store = Store::new();
    /// store.insert("bits", [0xff, 0x0f])?;
    /// let bits = store.bitmap("bits");
    /// assert_eq!(bits.first_in(true, 8, 15, BitUnit::Bit)?, Some(12));
    /// assert_eq!(bits.first_in(false, 0, 0, BitUnit::Byte)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "BITPOS")]
    pub fn first_in(&self, bit: bool, start: i64, stop: i64, unit: BitUnit) -> Result<Option<u64>> {
        self.handle.read(|view, key| bitmap::position(view, key, bit, Within::Range(start, stop, unit)))
    }

    /// The string as an array of integers of any width: collects steps, which
    /// [`run`](BitFields::run) does as one. `BITFIELD`, O(1) until then.
    ///
    /// ```
    /// use larder::{BitInt, Overflow, Store};
    ///
    /// let store = Store::new();
    /// let u4 = BitInt::unsigned(4).expect("a width of 1 to 63");
    /// let bits = store.bitmap("player:7");
    /// let fields = bits.fields().set(u4, 0, 14).overflow(Overflow::Sat).incr(u4, 0, 5).get(u4, 4);
    /// assert_eq!(fields.run()?, [Some(0), Some(15), Some(0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "BITFIELD")]
    #[doc(alias = "BITFIELD_RO")]
    pub fn fields(&self) -> BitFields<'a> {
        BitFields { handle: self.handle.clone(), steps: Vec::new(), overflow: Overflow::Wrap }
    }
}

/// Steps on a string's integers, done by [`run`](Self::run); made by [`Bitmap::fields`].
///
/// Offsets are in bits: integer `n` of an array of `u4` lies at `4 * n`.
///
/// ```
/// use larder::{BitInt, Store};
///
/// let store = Store::new();
/// let u8 = BitInt::unsigned(8).expect("a width of 1 to 63");
/// let steps = store.bitmap("player:7").fields().set(u8, 0, 200).incr(u8, 8, 3).get(u8, 0);
/// assert_eq!(steps.run()?, [Some(0), Some(3), Some(200)]);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is done before `run`"]
pub struct BitFields<'a> {
    handle: Handle<'a>,
    steps: Vec<FieldOp>,
    overflow: Overflow,
}

impl BitFields<'_> {
    /// Reads the integer at a bit offset; zero past the string's end. O(1) when it is run.
    ///
    /// ```
    /// use larder::{BitInt, Store};
    ///
    /// let store = Store::new();
    /// store.insert("bits", [0x12, 0xff])?;
    /// let (u4, i8) = (BitInt::unsigned(4), BitInt::signed(8));
    /// let (u4, i8) = (u4.expect("1 to 63"), i8.expect("1 to 64"));
    /// let fields = store.bitmap("bits").fields().get(u4, 0).get(u4, 4).get(i8, 8);
    /// assert_eq!(fields.run()?, [Some(1), Some(2), Some(-1)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn get(self, int: BitInt, offset: u64) -> Self {
        self.with(FieldOp::Get { int, offset })
    }

    /// Sets the integer at a bit offset; its result is the value before. O(1) when it is run.
    ///
    /// ```
    /// use larder::{BitInt, Store};
    ///
    /// let store = Store::new();
    /// let u4 = BitInt::unsigned(4).expect("1 to 63");
    /// store.bitmap("bits").fields().set(u4, 0, 1).set(u4, 4, 2).run()?;
    /// assert_eq!(store.get::<Vec<u8>>("bits")?, Some(vec![0x12]));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn set(self, int: BitInt, offset: u64, value: i64) -> Self {
        let overflow = self.overflow;
        self.with(FieldOp::Set { int, offset, value, overflow })
    }

    /// Adds to the integer at a bit offset; its result is the new value. O(1) when it is run.
    ///
    /// ```
    /// use larder::{BitInt, Store};
    ///
    /// let store = Store::new();
    /// let u8 = BitInt::unsigned(8).expect("1 to 63");
    /// let fields = store.bitmap("bits").fields().incr(u8, 0, 250).incr(u8, 0, 10);
    /// assert_eq!(fields.run()?, [Some(250), Some(4)]); // it wraps: see `overflow`
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn incr(self, int: BitInt, offset: u64, by: i64) -> Self {
        let overflow = self.overflow;
        self.with(FieldOp::Incr { int, offset, by, overflow })
    }

    /// What the steps after this one do with a number that does not fit. At first they wrap. O(1)
    ///
    /// ```
    /// use larder::{BitInt, Overflow, Store};
    ///
    /// let store = Store::new();
    /// let u8 = BitInt::unsigned(8).expect("1 to 63");
    /// let fields = store.bitmap("bits").fields().set(u8, 0, 250);
    /// let fields = fields.overflow(Overflow::Fail).incr(u8, 0, 10);
    /// let fields = fields.overflow(Overflow::Sat).incr(u8, 0, 10);
    /// assert_eq!(fields.run()?, [Some(0), None, Some(255)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Does the steps in their order, as one, and gives the result of each: `None` for one that
    /// overflowed under [`Overflow::Fail`], and changed nothing. The string grows to hold all that is to be
    /// set, even what then fails. `BITFIELD`, O(steps), and O(n) for n bytes added.
    ///
    /// ```
    /// use larder::{BitInt, Overflow, Store};
    ///
    /// let store = Store::new();
    /// let u2 = BitInt::unsigned(2).expect("1 to 63");
    /// let lives = || store.bitmap("player:7").fields().overflow(Overflow::Fail).incr(u2, 0, -1);
    /// store.bitmap("player:7").fields().set(u2, 0, 1).run()?;
    /// assert_eq!(lives().run()?, [Some(0)]);
    /// assert_eq!(lives().run()?, [None]); // none left to lose
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BitOffset`](crate::Error::BitOffset) if a step lies beyond what a string may hold;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type. No step is done then.
    #[doc(alias = "BITFIELD")]
    #[doc(alias = "BITFIELD_RO")]
    pub fn run(self) -> Result<Vec<Option<i64>>> {
        if self.steps.iter().all(FieldOp::reads) {
            return self.handle.read(|view, key| bitmap::read_fields(view, key, &self.steps));
        }
        self.handle.write(|writer, key| bitmap::fields(writer, key, &self.steps))
    }

    fn with(mut self, step: FieldOp) -> Self {
        self.steps.push(step);
        self
    }
}

public_handle!(Bitmap<'a>);
