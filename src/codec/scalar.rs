//! Text, bytes and numbers, stored as Redis stores them.

use super::{Decode, Encode, IntoValue};
use crate::text::number;
use crate::{Bytes, DecodeError, Result};

impl Encode for str {
    #[inline]
    fn encode(&self) -> Result<Bytes> {
        Ok(self.into())
    }
}

impl Encode for String {
    #[inline]
    fn encode(&self) -> Result<Bytes> {
        Ok(self.as_str().into())
    }
}

impl Decode for String {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        match bytes.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(DecodeError::new::<Self>(bytes, "not UTF-8")),
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
                // Every integer type up to 64 bits fits into an i128.
                Ok(number::decimal(*self as i128))
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

integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

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

by_value!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64 bool);
