//! Zipmaps: small hashes before Redis 2.6.
//!
//! A count (u8, not to be relied on), fields, `0xff`. A field is a length and its name, a length, how many bytes
//! behind the value are free (u8), and the value. A length is a u8, or 254 and a u32.

use super::{Bad, split, split_at};

const END: u8 = 0xff;

/// A field and its value.
type Field<'m> = (&'m [u8], &'m [u8]);

/// The fields of a zipmap with their values. O(n)
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Field<'_>>, Bad> {
    let ([_count], mut rest) = split(bytes)?;
    let mut fields = Vec::new();
    while rest != [END] {
        let (name, behind) = length(rest)?;
        let (name, behind) = split_at(behind, name)?;
        let (value, behind) = length(behind)?;
        let ([free], behind) = split(behind)?;
        let (value, behind) = split_at(behind, value)?;
        (_, rest) = split_at(behind, free.into())?;
        fields.push((name, value));
    }
    Ok(fields)
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), Bad> {
    match split(bytes)? {
        ([255], _) => Err("a zipmap is cut off"),
        ([254], rest) => split(rest).map(|(length, rest)| (u32::from_le_bytes(length) as usize, rest)),
        ([length], rest) => Ok((length.into(), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_come_out_with_what_is_free_left_aside() {
        let bytes = b"\x02\x03foo\x03\x02bar..\x05hello\xfe\x05\x00\x00\x00\x00world\xff";
        assert_eq!(read(bytes), Ok(vec![(&b"foo"[..], &b"bar"[..]), (b"hello", b"world")]));
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_fields_or_an_error(bytes in prop::collection::vec(prop_oneof![0u8..9, 250u8..], 0..40)) {
            let _ = read(&bytes);
        }
    }
}
