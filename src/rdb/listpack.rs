//! Listpacks: the elements of a small collection, packed.
//!
//! Length of all in bytes (u32), number of elements (u16, 65535 for "count them"), the elements, `0xff`. An
//! element is its form, its bytes, and the length of both once more, seven bits a byte with the highest first,
//! so that it can be read from behind.

use super::{Bad, Element, signed, split, split_at};
use crate::text::number::parse_i64;

const HEADER: usize = 6;
const END: u8 = 0xff;
/// The number of elements that says nothing.
const UNKNOWN: u16 = u16::MAX;

/// The elements of a listpack, one after the other; see the [module](self). An error is the last item.
pub(super) struct Listpack<'l> {
    rest: &'l [u8],
    /// How many are left, if that is known.
    left: Option<u16>,
}

impl<'l> Listpack<'l> {
    /// Checks the header; the elements are checked as they are read.
    pub(super) fn new(bytes: &'l [u8]) -> Result<Self, Bad> {
        let (total, rest) = split(bytes)?;
        if u32::from_le_bytes(total) as usize != bytes.len() {
            return Err("a listpack is of another length than it says");
        }
        let (count, rest) = split(rest)?;
        let count = u16::from_le_bytes(count);
        if rest.last() != Some(&END) {
            return Err("a listpack has no end");
        }
        Ok(Listpack { rest, left: (count != UNKNOWN).then_some(count) })
    }

    /// The next element as such, and what is behind it.
    fn read(bytes: &'l [u8]) -> Result<(Element<'l>, &'l [u8]), Bad> {
        let ([first], rest) = split(bytes)?;
        let number = |width: usize| {
            let (number, rest) = split_at(rest, width)?;
            Ok((Element::Integer(signed(number)), rest))
        };
        let text = |length: usize, rest: &'l [u8]| {
            let (text, rest) = split_at(rest, length)?;
            Ok((Element::Text(text), rest))
        };
        match first {
            0..=0x7f => Ok((Element::Integer(first.into()), rest)),
            0x80..=0xbf => text((first & 0x3f).into(), rest),
            0xc0..=0xdf => {
                let ([low], rest) = split(rest)?;
                let bits = i64::from(first & 0x1f) << 8 | i64::from(low);
                Ok((Element::Integer(bits << 51 >> 51), rest))
            }
            0xe0..=0xef => {
                let ([low], rest) = split(rest)?;
                text(usize::from(first & 0x0f) << 8 | usize::from(low), rest)
            }
            0xf0 => {
                let (length, rest) = split(rest)?;
                text(u32::from_le_bytes(length) as usize, rest)
            }
            0xf1 => number(2),
            0xf2 => number(3),
            0xf3 => number(4),
            0xf4 => number(8),
            _ => Err("an element of a listpack has an unknown form"),
        }
    }

    fn step(&mut self) -> Result<Option<Element<'l>>, Bad> {
        if self.rest == [END] {
            self.rest = &[];
            return match self.left {
                None | Some(0) => Ok(None),
                Some(_) => Err("a listpack has fewer elements than it says"),
            };
        }
        if self.left == Some(0) {
            return Err("a listpack has more elements than it says");
        }
        let (element, behind) = Self::read(self.rest)?;
        let length = self.rest.len() - behind.len();
        let (mut buffer, width) = ([0; 5], back_width(length));
        let (written, rest) = split_at(behind, width)?;
        if written != back(length, &mut buffer) {
            return Err("an element of a listpack is of another length than it says");
        }
        if rest.is_empty() {
            return Err("the end of a listpack is part of an element");
        }
        self.rest = rest;
        self.left = self.left.map(|left| left - 1);
        Ok(Some(element))
    }
}

impl<'l> Iterator for Listpack<'l> {
    type Item = Result<Element<'l>, Bad>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.rest = &[];
        }
        step.transpose()
    }
}

/// Writes a listpack.
pub(super) struct Builder {
    bytes: Vec<u8>,
    count: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        Builder { bytes: vec![0; HEADER], count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes so far, without the end.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// An element, as a number if it reads as one.
    pub(super) fn push(&mut self, element: &[u8]) {
        match parse_i64(element) {
            Some(number) => self.push_integer(number),
            None => self.push_text(element),
        }
    }

    pub(super) fn push_integer(&mut self, number: i64) {
        let start = self.bytes.len();
        let bytes = number.to_le_bytes();
        let mut wide = |form: u8, width: usize| {
            self.bytes.push(form);
            self.bytes.extend_from_slice(&bytes[..width]);
        };
        match number {
            0..=127 => self.bytes.push(bytes[0]),
            -4096..=4095 => self.bytes.extend([0xc0 | bytes[1] & 0x1f, bytes[0]]),
            -0x8000..=0x7fff => wide(0xf1, 2),
            -0x80_0000..=0x7f_ffff => wide(0xf2, 3),
            -0x8000_0000..=0x7fff_ffff => wide(0xf3, 4),
            _ => wide(0xf4, 8),
        }
        self.end_element(start);
    }

    fn push_text(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        match text.len() {
            length @ ..=63 => self.bytes.push(0x80 | length as u8),
            length @ ..=4095 => self.bytes.extend([0xe0 | (length >> 8) as u8, length as u8]),
            length => {
                self.bytes.push(0xf0);
                // What a store holds is shorter than 4 GB.
                self.bytes.extend((length as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end_element(start);
    }

    fn end_element(&mut self, start: usize) {
        let length = self.bytes.len() - start;
        self.bytes.extend_from_slice(back(length, &mut [0; 5]));
        self.count += 1;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let total = self.bytes.len() as u32;
        let count = u16::try_from(self.count).unwrap_or(UNKNOWN);
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

/// How many bytes an element's length takes behind it.
fn back_width(length: usize) -> usize {
    match length {
        0..=127 => 1,
        128..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0x0fff_ffff => 4,
        _ => 5,
    }
}

/// An element's length, as it stands behind it.
fn back(length: usize, buffer: &mut [u8; 5]) -> &[u8] {
    let width = back_width(length);
    for (at, byte) in buffer[..width].iter_mut().rev().enumerate() {
        *byte = (length >> (7 * at) & 0x7f) as u8 | 0x80;
    }
    buffer[0] &= 0x7f;
    &buffer[..width]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;
    use proptest::prelude::*;

    fn element() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0u32..64, any::<i64>()).prop_map(|(shift, number)| (number >> shift).to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            prop::sample::select(vec![63usize, 64, 4095, 4096, 16_380, 16_390, 2_100_000])
                .prop_map(|length| vec![b'x'; length]),
        ]
    }

    fn read(bytes: &[u8]) -> Result<Vec<Bytes>, Bad> {
        Listpack::new(bytes)?.map(|element| element.map(Bytes::from)).collect()
    }

    fn written(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut builder = Builder::new();
        elements.iter().for_each(|element| builder.push(element));
        builder.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn comes_back_as_it_was(elements in prop::collection::vec(element(), 0..20)) {
            prop_assert_eq!(read(&written(&elements)), Ok(elements.iter().map(|e| Bytes::from(&e[..])).collect()));
        }

        #[test]
        fn changed_or_cut_it_is_read_or_refused(
            elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = written(&elements);
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = read(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(read(&bytes).is_err());
        }

        /// What says of itself how long it is may end too soon all the same.
        #[test]
        fn without_its_end_it_is_refused(
            elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9), is_counted: bool,
        ) {
            let mut bytes = written(&elements);
            bytes.pop();
            let length = (bytes.len() as u32).to_le_bytes();
            bytes[..4].copy_from_slice(&length);
            if !is_counted {
                let count = HEADER - 2;
                bytes[count..HEADER].copy_from_slice(&UNKNOWN.to_le_bytes());
            }
            prop_assert!(read(&bytes).is_err());
        }
    }

    #[test]
    fn more_elements_than_can_be_counted() {
        let elements = vec![b"1".to_vec(); 70_000];
        assert_eq!(read(&written(&elements)).unwrap().len(), 70_000);
    }
}
