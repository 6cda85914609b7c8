//! What stands at a key of Redis: a value with what is known of it, or the mark of a load that is under way.
//!
//! ```text
//! "LRDR"  version  kind  id      checksum  body
//!   4        1       1    16        4      of a value: times, version, tags, bytes; numbers are little-endian
//! ```
//!
//! The id is drawn anew for whatever is put there. So the first bytes tell one thing from any other that ever stood at
//! the key, and "still what I have seen" is a comparison of [`MARK`] bytes.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::Bytes;
use crate::cache::second::Record;

/// How many bytes tell what stands at a key from all else.
pub(super) const MARK: usize = 22;

/// What tells one thing that stood at a key from another.
pub(super) type Id = [u8; 16];

const MAGIC: &[u8; 4] = b"LRDR";
/// Raised when the body changes: what others have written counts as foreign.
const VERSION: u8 = 1;
const LEASE: u8 = 0;
const VALUE: u8 = 1;
const ABSENT: u8 = 2;

/// What was found at a key.
#[derive(Debug, PartialEq)]
pub(super) enum Stored {
    Nothing,
    /// A load is under way.
    Lease(Id),
    Record(Record),
    /// Bytes that are of no meaning here.
    Foreign,
}

/// The mark of a load. O(1)
pub(super) fn lease(id: Id) -> Vec<u8> {
    head(LEASE, id)
}

/// O(bytes)
pub(super) fn encode(record: &Record, id: Id) -> Vec<u8> {
    let mut bytes = head(if record.value.is_some() { VALUE } else { ABSENT }, id);
    bytes.extend_from_slice(&[0; 4]);
    for number in [record.began, record.fresh_for, record.life, record.took] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let version = record.version.as_deref().map(str::as_bytes);
    bytes.push(version.is_some().into());
    put(&mut bytes, version.unwrap_or_default());
    bytes.extend_from_slice(&len(record.tags.len()));
    record.tags.iter().for_each(|tag| put(&mut bytes, tag));
    bytes.extend_from_slice(record.value.as_deref().unwrap_or_default());
    let checksum = checksum(&bytes);
    // The head and these four were put there above.
    bytes[MARK..MARK + 4].copy_from_slice(&checksum);
    bytes
}

/// O(bytes)
pub(super) fn decode(bytes: &[u8]) -> Stored {
    if bytes.is_empty() {
        return Stored::Nothing;
    }
    let mut input = Input(bytes);
    let head = || {
        let is_ours = input.take(4)? == MAGIC && input.take(1)? == [VERSION];
        Some((input.take(1)?[0], Id::try_from(input.take(16)?).ok()?)).filter(|_| is_ours)
    };
    match { head }() {
        Some((LEASE, id)) if bytes.len() == MARK => Stored::Lease(id),
        Some((kind @ (VALUE | ABSENT), _)) => {
            record(bytes, input, kind == VALUE).map_or(Stored::Foreign, Stored::Record)
        }
        _ => Stored::Foreign,
    }
}

fn record(bytes: &[u8], mut input: Input<'_>, is_value: bool) -> Option<Record> {
    if input.take(4)? != checksum(bytes) {
        return None;
    }
    let [began, fresh_for, life, took] = [input.number()?, input.number()?, input.number()?, input.number()?];
    let has_version = input.take(1)? == [1];
    let version = std::str::from_utf8(input.bytes()?).ok()?;
    let tags = input.len()?;
    let mut record = Record {
        began,
        fresh_for,
        life,
        took,
        version: has_version.then(|| Arc::from(version)),
        tags: SmallVec::new(),
        value: None,
    };
    for _ in 0..tags {
        record.tags.push(Bytes::from(input.bytes()?));
    }
    record.value = is_value.then(|| Bytes::from(input.0));
    Some(record)
}

fn head(kind: u8, id: Id) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MARK);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&id);
    bytes
}

/// Of all but the four bytes that it stands in.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..MARK).unwrap_or_default());
    hasher.update(bytes.get(MARK + 4..).unwrap_or_default());
    hasher.finalize().to_le_bytes()
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&len(part.len()));
    bytes.extend_from_slice(part);
}

/// What is longer than that is not stored: the checksum would tell.
fn len(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

/// What is left to be read.
struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = self.len()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..40)
    }

    prop_compose! {
        fn a_record()(
            numbers: [u64; 4], version in of(".{0,8}"), tags in vec(bytes(), 0..4), value in of(bytes()),
        ) -> Record {
            let [began, fresh_for, life, took] = numbers;
            Record {
                began,
                fresh_for,
                life,
                took,
                version: version.map(|version| version.as_str().into()),
                tags: tags.into_iter().map(Bytes::from).collect(),
                value: value.map(Bytes::from),
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back(record in a_record(), id: Id) {
            let bytes = encode(&record, id);
            prop_assert_eq!(decode(&bytes), Stored::Record(record));
            prop_assert_eq!(&bytes[6..MARK], &id);
        }

        /// Whatever was changed, cut off or put behind it: it is nobody's value then.
        #[test]
        fn a_record_that_was_touched_is_foreign(
            record in a_record(), id: Id, at: prop::sample::Index, mask in 1..=255_u8, cut: prop::sample::Index,
        ) {
            let bytes = encode(&record, id);
            let mut touched = bytes.clone();
            touched[at.index(bytes.len())] ^= mask;
            // But for its id, of which the mark of a load has one too.
            prop_assert!(!matches!(decode(&touched), Stored::Record(_) | Stored::Nothing));
            let rest = cut.index(bytes.len() - 1) + 1;
            prop_assert!(!matches!(decode(&bytes[..rest]), Stored::Record(_)));
            prop_assert_eq!(decode(&[bytes, vec![mask]].concat()), Stored::Foreign);
        }

        #[test]
        fn any_bytes_are_something(mut bytes in vec(any::<u8>(), 0..200), is_headed: bool, kind in 0..4_u8, id: Id) {
            if is_headed {
                bytes = [head(kind, id), bytes].concat();
            }
            prop_assert!(!matches!(decode(&bytes), Stored::Record(_)));
            // With a checksum that fits, too.
            if bytes.len() >= MARK + 4 {
                let checksum = checksum(&bytes);
                bytes[MARK..MARK + 4].copy_from_slice(&checksum);
                decode(&bytes);
            }
        }
    }

    #[test]
    fn a_lease_comes_back() {
        assert_eq!(decode(&lease([7; 16])), Stored::Lease([7; 16]));
        assert_eq!(decode(b""), Stored::Nothing);
    }
}
