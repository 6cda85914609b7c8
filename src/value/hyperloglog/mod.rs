//! HyperLogLogs: about how many different elements there were, in at most 12 KB however many those are.
//!
//! They are strings, byte for byte those of Redis. Behind a header of 16 bytes (the mark `HYLL`, the form, and
//! the count as it was last asked for) stand 16,384 registers: of those elements whose hashes end in a
//! register's number, how many zeros in a row one of the hashes has at most, and one more. The dense form has
//! six bits for each register; the [sparse](self::sparse) one runs of equal registers, as long as these take
//! little.
//!
//! A string that comes from elsewhere may be anything: what does not describe all registers is [`Corrupted`].

mod estimate;
mod murmur;
mod sparse;

use self::sparse::{Op, Raised};

/// How many registers there are.
pub(crate) const REGISTERS: usize = 1 << INDEX_BITS;
/// The most bytes that the sparse form takes, header included, unless told otherwise.
pub(crate) const SPARSE_MAX: usize = 3000;

/// How many bits of a hash are the register's number.
const INDEX_BITS: u32 = 14;
pub(crate) const HEADER: usize = 16;
const MARK: &[u8] = b"HYLL";
/// Where the header has the form, and the count.
const FORM: usize = 4;
const COUNT: usize = 8;
/// In the last byte of the count: it is no longer true.
const STALE: u8 = 0x80;
const DENSE_LEN: usize = HEADER + REGISTERS * 6 / 8;

/// It has the header of a HyperLogLog, and does not describe its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupted;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Dense,
    Sparse,
}

/// A string with the header of a HyperLogLog.
#[derive(Clone, Copy)]
pub(crate) struct HyperLogLog<'b> {
    bytes: &'b [u8],
    form: Form,
}

impl<'b> HyperLogLog<'b> {
    /// The string as a HyperLogLog, if its header says that it is one. O(1)
    pub(crate) fn of(bytes: &'b [u8]) -> Option<Self> {
        let form = match bytes.get(FORM)? {
            0 if bytes.len() == DENSE_LEN => Form::Dense,
            1 if bytes.len() >= HEADER => Form::Sparse,
            _ => return None,
        };
        bytes.starts_with(MARK).then_some(HyperLogLog { bytes, form })
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The count as it was last asked for, if nothing has changed since. O(1)
    pub(crate) fn kept_count(&self) -> Option<u64> {
        let count = u64::from_le_bytes(*self.bytes.get(COUNT..)?.first_chunk()?);
        (count >> 63 == 0).then_some(count)
    }

    /// About how many different elements there were. O(16,384)
    pub(crate) fn count(&self) -> Result<u64, Corrupted> {
        let mut of_value = [0_u32; 64];
        match self.form {
            Form::Dense => self.dense_registers().for_each(|value| of_value[usize::from(value & 63)] += 1),
            // A value is 32 at most.
            Form::Sparse => {
                self.each_run(|_, run| of_value[usize::from(run.value & 63)] += u32::from(run.len))?
            }
        }
        Ok(estimate::cardinality(&of_value))
    }

    /// Raises registers to those of this one. O(16,384)
    pub(crate) fn raise_into(&self, registers: &mut Registers) -> Result<(), Corrupted> {
        match self.form {
            Form::Dense => {
                let pairs = registers.0.iter_mut().zip(self.dense_registers());
                pairs.for_each(|(register, value)| *register = value.max(*register));
                Ok(())
            }
            Form::Sparse => self.each_run(|start, run| {
                let end = start + usize::from(run.len);
                let covered = registers.0.get_mut(start..end).unwrap_or_default();
                covered.iter_mut().for_each(|register| *register = run.value.max(*register));
            }),
        }
    }

    /// The runs of the sparse form, as people read them: `Z:12711 v:2,1 z:64`.
    #[cfg(feature = "commands")]
    pub(crate) fn describe(&self) -> Option<String> {
        let describe = |op: Op| match op {
            Op { value: 0, size: 1, len } => format!("z:{len}"),
            Op { value: 0, len, .. } => format!("Z:{len}"),
            Op { value, len, .. } => format!("v:{value},{len}"),
        };
        let ops = sparse::ops(self.body()).map(describe);
        (self.form == Form::Sparse).then(|| ops.collect::<Vec<_>>().join(" "))
    }

    fn body(&self) -> &'b [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// Four registers stand in three bytes, the first in the lowest bits.
    fn dense_registers(&self) -> impl Iterator<Item = u8> + 'b {
        self.body().chunks_exact(3).flat_map(|bytes| {
            let word = bytes.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
            [0, 6, 12, 18].map(|shift| (word >> shift) as u8 & 63)
        })
    }

    /// Hands over the runs of registers with the number of the first, if they are neither too many nor too few.
    fn each_run(&self, mut each: impl FnMut(usize, Op)) -> Result<(), Corrupted> {
        let mut start = 0;
        for op in sparse::ops(self.body()) {
            let end = start + usize::from(op.len);
            if end > REGISTERS {
                return Err(Corrupted);
            }
            each(start, op);
            start = end;
        }
        if start == REGISTERS { Ok(()) } else { Err(Corrupted) }
    }
}

/// All registers, a byte each: what several HyperLogLogs come to.
pub(crate) struct Registers(Box<[u8]>);

impl Registers {
    /// All at zero.
    pub(crate) fn new() -> Self {
        Registers(vec![0; REGISTERS].into())
    }

    /// About how many different elements there were. O(16,384)
    pub(crate) fn count(&self) -> u64 {
        let mut of_value = [0; 64];
        self.0.iter().for_each(|value| of_value[usize::from(value & 63)] += 1);
        estimate::cardinality(&of_value)
    }

    #[cfg(feature = "commands")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().copied()
    }
}

/// The string of one that has seen nothing.
pub(crate) fn empty() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    bytes.extend_from_slice(MARK);
    bytes.push(1);
    bytes.resize(HEADER, 0);
    sparse::push_zeros(REGISTERS, &mut bytes);
    bytes
}

/// Has a HyperLogLog see an element; whether that changed a register. O(1), and O(n) for n bytes of the sparse
/// form, which turns dense where it would take over `sparse_max` bytes.
///
/// The count that is kept stays as it was: see [`forget_count`].
pub(crate) fn insert(bytes: &mut Vec<u8>, element: &[u8], sparse_max: usize) -> Result<bool, Corrupted> {
    let hash = murmur::hash(element);
    let index = hash as usize % REGISTERS;
    // A one behind the last bit ends the zeros.
    let zeros = (hash >> INDEX_BITS | 1 << (u64::BITS - INDEX_BITS)).trailing_zeros();
    raise(bytes, index, zeros as u8 + 1, sparse_max)
}

/// Raises the registers of a HyperLogLog to these, one after the other. O(16,384), and O(n) each as long as it
/// is sparse with n bytes.
pub(crate) fn raise_all(
    bytes: &mut Vec<u8>,
    registers: &Registers,
    sparse_max: usize,
) -> Result<(), Corrupted> {
    for (index, value) in registers.0.iter().enumerate().filter(|(_, value)| **value > 0) {
        raise(bytes, index, *value, sparse_max)?;
    }
    Ok(())
}

/// Gives a HyperLogLog the dense form; false if it has it already. O(16,384)
pub(crate) fn make_dense(bytes: &mut Vec<u8>) -> Result<bool, Corrupted> {
    let Some(sparse) = HyperLogLog::of(bytes).filter(|log| log.form == Form::Sparse) else {
        return Ok(false);
    };
    let mut dense = vec![0; DENSE_LEN];
    sparse.each_run(|start, run| {
        if run.value > 0 {
            (start..start + usize::from(run.len)).for_each(|index| set_dense(&mut dense, index, run.value));
        }
    })?;
    dense.iter_mut().zip(bytes.iter().take(HEADER)).for_each(|(to, from)| *to = *from);
    if let Some(form) = dense.get_mut(FORM) {
        *form = 0;
    }
    *bytes = dense;
    Ok(true)
}

/// The count that is kept is no longer true.
pub(crate) fn forget_count(bytes: &mut [u8]) {
    if let Some(last) = bytes.get_mut(COUNT + 7) {
        *last |= STALE;
    }
}

/// Keeps the count for those who ask again.
pub(crate) fn keep_count(bytes: &mut [u8], count: u64) {
    if let Some(place) = bytes.get_mut(COUNT..HEADER) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// Raises one register; whether it was lower.
fn raise(bytes: &mut Vec<u8>, index: usize, value: u8, sparse_max: usize) -> Result<bool, Corrupted> {
    if HyperLogLog::of(bytes).is_some_and(|log| log.form == Form::Sparse) {
        match sparse::raise(bytes, index, value, sparse_max)? {
            Raised::Yes => return Ok(true),
            Raised::No => return Ok(false),
            Raised::IsFull => make_dense(bytes)?,
        };
    }
    let is_lower = dense(bytes, index) < value;
    if is_lower {
        set_dense(bytes, index, value);
    }
    Ok(is_lower)
}

/// Where a register's six bits begin in the dense form: a byte of the string, and a bit of it.
fn place(index: usize) -> (usize, u32) {
    (HEADER + index * 6 / 8, (index * 6 % 8) as u32)
}

fn dense(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = place(index);
    let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0));
    ((byte(at) | byte(at + 1) << 8) >> shift) as u8 & 63
}

fn set_dense(bytes: &mut [u8], index: usize, value: u8) {
    let (at, shift) = place(index);
    let (mask, value) = (63_u16 << shift, u16::from(value & 63) << shift);
    for (at, mask, value) in [(at, mask as u8, value as u8), (at + 1, (mask >> 8) as u8, (value >> 8) as u8)]
    {
        // The last register ends with the last byte.
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *byte & !mask | value;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn registers(bytes: &[u8]) -> Vec<u8> {
        let mut registers = Registers::new();
        HyperLogLog::of(bytes).unwrap().raise_into(&mut registers).unwrap();
        registers.0.into_vec()
    }

    fn count(bytes: &[u8]) -> u64 {
        HyperLogLog::of(bytes).unwrap().count().unwrap()
    }

    /// Elements that hit few registers often, and many registers.
    fn element() -> impl Strategy<Value = u32> {
        prop_oneof![0..30_u32, 0..3_000_u32, any::<u32>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_forms_agree_with_an_array_of_registers(
            elements in vec(element(), 0..2_500), sparse_max in prop_oneof![Just(0), 20..300_usize, Just(SPARSE_MAX)],
        ) {
            let (mut bytes, mut model) = (empty(), vec![0_u8; REGISTERS]);
            let mut seen = Registers::new();
            for element in elements {
                let element = element.to_le_bytes();
                let hash = murmur::hash(&element);
                let register = &mut model[hash as usize % REGISTERS];
                let value = ((hash >> 14).trailing_zeros().min(50) + 1) as u8;
                prop_assert_eq!(insert(&mut bytes, &element, sparse_max), Ok(*register < value));
                *register = value.max(*register);
            }
            prop_assert_eq!(&registers(&bytes), &model);
            let log = HyperLogLog::of(&bytes).unwrap();
            prop_assert!(log.form() == Form::Dense || bytes.len() <= sparse_max.max(18));
            log.raise_into(&mut seen).unwrap();
            prop_assert_eq!(seen.count(), count(&bytes));

            let mut dense = bytes.clone();
            prop_assert_eq!(make_dense(&mut dense), Ok(log.form() == Form::Sparse));
            prop_assert_eq!((registers(&dense), count(&dense)), (model.clone(), count(&bytes)));
            let mut merged = empty();
            raise_all(&mut merged, &seen, sparse_max).unwrap();
            prop_assert_eq!(registers(&merged), model);
        }

        #[test]
        fn the_count_is_near_that_of_a_set(salt in any::<u64>(), many in prop_oneof![0..200_u64, 0..60_000_u64]) {
            let (mut bytes, mut set) = (empty(), HashSet::new());
            for n in 0..many {
                // Some come twice.
                let element = (n - n % 3 / 2, salt);
                set.insert(element);
                insert(&mut bytes, format!("{element:?}").as_bytes(), SPARSE_MAX).unwrap();
            }
            // Six times the standard error of 0.81 %.
            let (truth, count) = (set.len() as f64, count(&bytes) as f64);
            prop_assert!((count - truth).abs() <= 2.0 + truth * 0.0487, "{count} for {truth}");
        }

        #[test]
        fn whatever_has_the_header_is_read_without_a_panic(
            form in 0..3_u8, kept in any::<u64>(), body in vec(op(), 0..40), cut in any::<bool>(),
            elements in vec(any::<u32>(), 0..20),
        ) {
            let mut bytes = b"HYLL\0\0\0\0".to_vec();
            bytes[FORM] = form;
            bytes.extend_from_slice(&kept.to_le_bytes());
            bytes.extend(body.concat());
            if form == 0 {
                bytes.resize(DENSE_LEN - usize::from(cut), 0xff);
            }
            let Some(log) = HyperLogLog::of(&bytes) else { return Ok(()) };
            log.kept_count();
            let whole = log.count().is_ok();
            prop_assert_eq!(log.raise_into(&mut Registers::new()).is_ok(), whole);
            prop_assert_eq!(make_dense(&mut bytes.clone()).is_ok(), whole);
            for element in elements {
                let inserted = insert(&mut bytes, &element.to_le_bytes(), 60);
                prop_assert!(inserted.is_ok() || !whole);
            }
        }
    }

    /// Runs that may come to all registers.
    fn op() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(any::<u8>(), 1..3),
            Just(vec![0x7f, 0xff]),
            (0..3_u8).prop_map(|left| vec![0x7f, 0xff - left]),
            (0..=255_u8).prop_map(|op| vec![op | 0x80]),
        ]
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut bytes = empty();
        assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        for element in [b"a", b"b"] {
            assert_eq!(insert(&mut bytes, element, SPARSE_MAX), Ok(true));
        }
        forget_count(&mut bytes);
        assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80q\xa6\x84K\xfb\x80BZ");
        assert_eq!((HyperLogLog::of(&bytes).unwrap().kept_count(), count(&bytes)), (None, 2));
        keep_count(&mut bytes, 2);
        assert_eq!(HyperLogLog::of(&bytes).unwrap().kept_count(), Some(2));
    }

    #[test]
    fn registers_at_their_end_are_beyond_counting() {
        let mut bytes = empty();
        make_dense(&mut bytes).unwrap();
        bytes[HEADER..].fill(0xff);
        assert_eq!(count(&bytes), 1 << 63);
    }
}
