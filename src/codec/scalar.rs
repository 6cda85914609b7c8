//! Text, bytes and numbers, stored as Redis stores them.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Decode, Encode, IntoValue};
use crate::text::number;
use crate::{Bytes, DecodeError, Result};

macro_rules! text {
    ($($text:ty)*) => {$(
        impl Encode for $text {
            #[inline]
            fn encode(&self) -> Result<Bytes> {
                let text: &str = self;
                Ok(text.into())
            }
        }
    )*};
}

text!(str String &str Box<str> Arc<str> Cow<'_, str>);

macro_rules! owned_text {
    ($($text:ty)*) => {$(
        impl Decode for $text {
            fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
                match bytes.as_str() {
                    Some(text) => Ok(text.into()),
                    None => Err(DecodeError::new::<Self>(bytes, "not UTF-8")),
                }
            }
        }
    )*};
}

owned_text!(String Box<str> Arc<str>);

impl Encode for char {
    fn encode(&self) -> Result<Bytes> {
        Ok(Bytes::from(&*self.encode_utf8(&mut [0; 4])))
    }
}

impl Decode for char {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut chars = bytes.as_str().unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(char),
            _ => Err(DecodeError::new::<Self>(bytes, "not one character")),
        }
    }
}

impl Encode for [u8] {
    #[inline]
    fn encode(&self) -> Result<Bytes> {
        Ok(self.into())
    }
}

impl<const N: usize> Encode for [u8; N] {
    #[inline]
    fn encode(&self) -> Result<Bytes> {
        Ok(self.as_slice().into())
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        match Self::try_from(bytes.as_slice()) {
            Ok(array) => Ok(array),
            Err(_) => Err(DecodeError::new::<Self>(bytes, format_args!("not {N} bytes"))),
        }
    }
}

impl Encode for Vec<u8> {
    #[inline]
    fn encode(&self) -> Result<Bytes> {
        Ok(self.as_slice().into())
    }
}

impl Decode for Vec<u8> {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Ok(bytes.into())
    }
}

impl Encode for Bytes {
    fn encode(&self) -> Result<Bytes> {
        Ok(self.clone())
    }
}

impl Decode for Bytes {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Ok(bytes)
    }

    #[inline]
    fn decode_found(found: Result<Option<Bytes>>) -> Result<Option<Self>> {
        found
    }
}

impl IntoValue for Bytes {
    #[inline]
    fn into_value(self) -> Result<Bytes> {
        Ok(self)
    }
}

impl IntoValue for String {
    #[inline]
    fn into_value(self) -> Result<Bytes> {
        Ok(self.into())
    }
}

impl IntoValue for Vec<u8> {
    #[inline]
    fn into_value(self) -> Result<Bytes> {
        Ok(self.into())
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Encode for $integer {
            fn encode(&self) -> Result<Bytes> {
                Ok(number::integer(*self))
            }
        }

        impl Decode for $integer {
            fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
                let number = bytes.as_str().and_then(|text| text.parse().ok());
                number.ok_or_else(|| DecodeError::new::<Self>(bytes, "not an integer of this type"))
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

/// Written as Redis writes a double, and read as it reads one.
impl Encode for f64 {
    fn encode(&self) -> Result<Bytes> {
        Ok(if self.is_nan() { Bytes::from("nan") } else { number::format_score(*self) })
    }
}

impl Decode for f64 {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        match number::parse_f64(&bytes) {
            Some(number) => Ok(number),
            None if bytes.eq_ignore_ascii_case(b"nan") => Ok(f64::NAN),
            None => Err(DecodeError::new::<Self>(bytes, "not a number")),
        }
    }
}

/// The shortest text that is this number among the `f32`.
impl Encode for f32 {
    fn encode(&self) -> Result<Bytes> {
        Ok(format!("{self}").into())
    }
}

impl Decode for f32 {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let number = bytes.as_str().and_then(|text| text.parse().ok());
        number.ok_or_else(|| DecodeError::new::<Self>(bytes, "not a number"))
    }
}

/// `1` or `0`, the way Redis clients write a bool.
impl Encode for bool {
    fn encode(&self) -> Result<Bytes> {
        Ok(Bytes::from(if *self { "1" } else { "0" }))
    }
}

impl Decode for bool {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        match bytes.as_slice() {
            b"1" => Ok(true),
            b"0" => Ok(false),
            _ => Err(DecodeError::new::<Self>(bytes, "neither 0 nor 1")),
        }
    }
}

macro_rules! by_value {
    ($($scalar:ty)*) => {$(
        impl IntoValue for $scalar {
            fn into_value(self) -> Result<Bytes> {
                self.encode()
            }
        }
    )*};
}

by_value!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 bool char);
by_value!(Box<str> Arc<str> Cow<'_, str>);

impl<const N: usize> IntoValue for [u8; N] {
    #[inline]
    fn into_value(self) -> Result<Bytes> {
        self.encode()
    }
}
