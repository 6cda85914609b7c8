//! Ziplists: what listpacks were before Redis 7.0.
//!
//! Length of all in bytes (u32), where the last element starts (u32), number of elements (u16, 65535 for "count
//! them"), the elements, `0xff`. An element is the length of the one before it (u8, or 254 and u32), its form
//! and its bytes.

use super::{Bad, Element, signed, split, split_at};

const HEADER: usize = 10;
const END: u8 = 0xff;
const UNKNOWN: u16 = u16::MAX;
/// The first byte of a length that takes four more.
const LONG: u8 = 254;

/// The elements of a ziplist, one after the other; see the [module](self). An error is the last item.
pub(super) struct Ziplist<'l> {
    whole: &'l [u8],
    rest: &'l [u8],
    /// Where the last element starts, as the header has it.
    tail: usize,
    left: Option<u16>,
    /// The length of the element before.
    before: usize,
}

impl<'l> Ziplist<'l> {
    /// Checks the header; the elements are checked as they are read.
    pub(super) fn new(bytes: &'l [u8]) -> Result<Self, Bad> {
        let (total, rest) = split(bytes)?;
        if u32::from_le_bytes(total) as usize != bytes.len() {
            return Err("a ziplist is of another length than it says");
        }
        let (tail, rest) = split(rest)?;
        let (count, rest) = split(rest)?;
        let count = u16::from_le_bytes(count);
        let left = (count != UNKNOWN).then_some(count);
        if rest.last() != Some(&END) {
            return Err("a ziplist has no end");
        }
        Ok(Ziplist { whole: bytes, rest, tail: u32::from_le_bytes(tail) as usize, left, before: 0 })
    }

    fn step(&mut self) -> Result<Option<Element<'l>>, Bad> {
        let at = self.whole.len() - self.rest.len();
        if self.rest == [END] {
            self.rest = &[];
            return match self.left {
                _ if self.tail != (at - self.before).max(HEADER) => {
                    Err("the last element of a ziplist is elsewhere")
                }
                None | Some(0) => Ok(None),
                Some(_) => Err("a ziplist has fewer elements than it says"),
            };
        }
        if self.left == Some(0) {
            return Err("a ziplist has more elements than it says");
        }
        let ([first], mut rest) = split(self.rest)?;
        let mut before = usize::from(first);
        if first == LONG {
            let (length, behind) = split(rest)?;
            (before, rest) = (u32::from_le_bytes(length) as usize, behind);
        }
        if first == END || before != self.before {
            return Err("elements of a ziplist overlap");
        }
        let (element, rest) = read(rest)?;
        if rest.is_empty() {
            return Err("the end of a ziplist is part of an element");
        }
        self.before = self.rest.len() - rest.len();
        self.rest = rest;
        self.left = self.left.map(|left| left - 1);
        Ok(Some(element))
    }
}

fn read(bytes: &[u8]) -> Result<(Element<'_>, &[u8]), Bad> {
    let ([first], rest) = split(bytes)?;
    let number = |width: usize| {
        let (number, rest) = split_at(rest, width)?;
        Ok((Element::Integer(signed(number)), rest))
    };
    let (length, rest) = match first {
        0..=0x3f => (usize::from(first), rest),
        0x40..=0x7f => {
            let ([low], rest) = split(rest)?;
            (usize::from(first & 0x3f) << 8 | usize::from(low), rest)
        }
        0x80 => {
            let (length, rest) = split(rest)?;
            (u32::from_be_bytes(length) as usize, rest)
        }
        0xc0 => return number(2),
        0xd0 => return number(4),
        0xe0 => return number(8),
        0xf0 => return number(3),
        0xf1..=0xfd => return Ok((Element::Integer(i64::from(first & 0x0f) - 1), rest)),
        0xfe => return number(1),
        _ => return Err("an element of a ziplist has an unknown form"),
    };
    let (text, rest) = split_at(rest, length)?;
    Ok((Element::Text(text), rest))
}

impl<'l> Iterator for Ziplist<'l> {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Bytes;
    use crate::text::number::parse_i64;
    use proptest::prelude::*;

    /// A ziplist of these elements: nothing but a test writes one any more.
    pub(crate) fn written(elements: &[Vec<u8>]) -> Vec<u8> {
        let (mut body, mut before, mut tail) = (Vec::new(), 0, HEADER);
        for element in elements {
            let start = body.len();
            tail = HEADER + start;
            match u8::try_from(before) {
                Ok(short @ ..LONG) => body.push(short),
                _ => {
                    body.push(LONG);
                    body.extend((before as u32).to_le_bytes());
                }
            }
            match (parse_i64(element), element.len()) {
                (Some(number @ 0..=12), _) => body.push(0xf1 + number as u8),
                (Some(number), _) => {
                    let (form, width) = match number {
                        -128..=127 => (0xfe, 1),
                        -0x8000..=0x7fff => (0xc0, 2),
                        -0x80_0000..=0x7f_ffff => (0xf0, 3),
                        -0x8000_0000..=0x7fff_ffff => (0xd0, 4),
                        _ => (0xe0, 8),
                    };
                    body.push(form);
                    body.extend_from_slice(&number.to_le_bytes()[..width]);
                }
                (None, length @ ..64) => body.push(length as u8),
                (None, length @ ..16_384) => body.extend([0x40 | (length >> 8) as u8, length as u8]),
                (None, length) => {
                    body.push(0x80);
                    body.extend((length as u32).to_be_bytes());
                }
            }
            if parse_i64(element).is_none() {
                body.extend_from_slice(element);
            }
            before = body.len() - start;
        }
        let mut bytes = Vec::new();
        bytes.extend((HEADER as u32 + body.len() as u32 + 1).to_le_bytes());
        bytes.extend((tail as u32).to_le_bytes());
        bytes.extend((elements.len() as u16).to_le_bytes());
        bytes.extend(body);
        bytes.push(END);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Bytes>, Bad> {
        Ziplist::new(bytes)?.map(|element| element.map(Bytes::from)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn comes_back_as_it_was(
            numbers in prop::collection::vec((0u32..64, any::<i64>()), 0..9),
            lengths in prop::collection::vec(prop::sample::select(vec![0usize, 5, 63, 64, 300, 20_000]), 0..9),
        ) {
            let numbers = numbers.into_iter().map(|(shift, number)| (number >> shift).to_string().into_bytes());
            let elements: Vec<_> = numbers.chain(lengths.into_iter().map(|length| vec![b'x'; length])).collect();
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
}
