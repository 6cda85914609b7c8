//! A user's own serde types: the codec's id and the type's version, then the codec's bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Decode, Element, Encode, IntoValue};
use crate::{Bytes, DecodeError, Error, Result};

/// The first byte of every record: not the start of any UTF-8 text or number.
const MARK: u8 = 0xd1;

/// Turns serde on for a type of your own, in one line.
///
/// The stored bytes carry the codec's id and [`VERSION`](Record::VERSION), so that bytes of an older
/// shape of the type are a decode error and never garbage: raise the version when the type's
/// fields change.
///
/// Only the version of the type that is stored counts, not those of records within it: where the fields
/// of a nested type change, raise the version of every record that has it inside. [`Encoded`] has no
/// version to raise.
///
/// ```
/// use larder::{Record, Store};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Job { id: u64, name: String }
///
/// impl Record for Job {}
///
/// let store = Store::new();
/// let jobs = store.list::<Job>("jobs");
/// jobs.push_back(&Job { id: 1, name: "resize".into() })?;
/// assert_eq!(jobs.pop_front()?, Some(Job { id: 1, name: "resize".into() }));
/// # Ok::<(), larder::Error>(())
/// ```
pub trait Record: Serialize + DeserializeOwned {
    /// The version of the type's shape.
    const VERSION: u8 = 0;
    /// How the type's values are written.
    const CODEC: Codec = Codec::DEFAULT;
}

/// The name of the codec that a record was written by, its version, and what the codec wrote; `None` for what is no
/// record.
#[cfg(feature = "testing")]
pub(crate) fn parts(bytes: &[u8]) -> Option<(&'static str, u8, &[u8])> {
    let [MARK, id, version, payload @ ..] = bytes else { return None };
    let codec = match id {
        b'b' => "bincode",
        b'p' => "postcard",
        b'j' => "json",
        _ => return None,
    };
    Some((codec, *version, payload))
}

impl<T: Record> Encode for T {
    fn encode(&self) -> Result<Bytes> {
        write(self, T::CODEC, T::VERSION)
    }
}

impl<T: Record> Decode for T {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        read(bytes, T::VERSION)
    }
}

/// A wrapper that stores a serde type which is not yours to implement [`Record`] for, by the
/// default codec.
///
/// It has no version: bytes of an older shape of the type may come back as garbage of the new one. A
/// record of yours around the type has one.
///
/// ```
/// use larder::{Encoded, Store};
///
/// let store = Store::new();
/// store.insert("point", Encoded((1.5, 2.5)))?;
/// let Some(Encoded((x, y))) = store.get::<Encoded<(f64, f64)>>("point")? else { panic!() };
/// assert_eq!((x, y), (1.5, 2.5));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoded<T>(pub T);

impl<T: Serialize> Encode for Encoded<T> {
    fn encode(&self) -> Result<Bytes> {
        write(&self.0, Codec::DEFAULT, 0)
    }
}

impl<T: Serialize> IntoValue for Encoded<T> {
    fn into_value(self) -> Result<Bytes> {
        self.encode()
    }
}

impl<T: Serialize> Element<Encoded<T>> for Encoded<T> {}

impl<T: DeserializeOwned> Decode for Encoded<T> {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        read(bytes, 0).map(Encoded)
    }
}

/// How serde types are written. Reading goes by the id in the bytes, so a type's codec can change
/// while older values are still there.
///
/// ```
/// use larder::{Codec, Record, Store};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Job { id: u64 }
///
/// impl Record for Job {
///     const CODEC: Codec = Codec::DEFAULT; // or `Codec::Json`, with that feature on
///     const VERSION: u8 = 2;
/// }
///
/// let store = Store::new();
/// store.insert("job", &Job { id: 7 })?;
/// assert_eq!(store.get("job")?, Some(Job { id: 7 }));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// bincode 2: small and fast (feature `bincode`, on by default).
    #[cfg(feature = "bincode")]
    Bincode,
    /// postcard: smaller still, with a written specification (feature `postcard`).
    #[cfg(feature = "postcard")]
    Postcard,
    /// JSON, where people want to read the values in a client (feature `json`).
    #[cfg(feature = "json")]
    Json,
}

impl Codec {
    /// The first of bincode, postcard and JSON that is turned on.
    #[cfg(feature = "bincode")]
    pub const DEFAULT: Codec = Codec::Bincode;
    /// The first of bincode, postcard and JSON that is turned on.
    #[cfg(all(feature = "postcard", not(feature = "bincode")))]
    pub const DEFAULT: Codec = Codec::Postcard;
    /// The first of bincode, postcard and JSON that is turned on.
    #[cfg(all(feature = "json", not(feature = "bincode"), not(feature = "postcard")))]
    pub const DEFAULT: Codec = Codec::Json;

    const fn id(self) -> u8 {
        match self {
            #[cfg(feature = "bincode")]
            Codec::Bincode => b'b',
            #[cfg(feature = "postcard")]
            Codec::Postcard => b'p',
            #[cfg(feature = "json")]
            Codec::Json => b'j',
        }
    }

    fn of(id: u8) -> Option<Codec> {
        match id {
            #[cfg(feature = "bincode")]
            b'b' => Some(Codec::Bincode),
            #[cfg(feature = "postcard")]
            b'p' => Some(Codec::Postcard),
            #[cfg(feature = "json")]
            b'j' => Some(Codec::Json),
            _ => None,
        }
    }

    fn write<T: Serialize>(self, value: &T, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            #[cfg(feature = "bincode")]
            Codec::Bincode => bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
                .map(drop)
                .map_err(|error| error.to_string()),
            #[cfg(feature = "postcard")]
            Codec::Postcard => {
                let start = std::mem::take(out);
                *out = postcard::to_extend(value, start).map_err(|error| error.to_string())?;
                Ok(())
            }
            #[cfg(feature = "json")]
            Codec::Json => serde_json::to_writer(out, value).map_err(|error| error.to_string()),
        }
    }

    fn read<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, String> {
        match self {
            #[cfg(feature = "bincode")]
            Codec::Bincode => read_bincode(bytes),
            #[cfg(feature = "postcard")]
            Codec::Postcard => match postcard::take_from_bytes(bytes).map_err(|error| error.to_string())? {
                (value, []) => Ok(value),
                (_, rest) => Err(leftover(rest.len())),
            },
            #[cfg(feature = "json")]
            Codec::Json => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        }
    }
}

pub(crate) fn write<T: Serialize>(value: &T, codec: Codec, version: u8) -> Result<Bytes> {
    let mut out = vec![MARK, codec.id(), version];
    codec.write(value, &mut out).map_err(Error::Encode)?;
    Ok(out.into())
}

pub(crate) fn read<T: DeserializeOwned>(bytes: Bytes, version: u8) -> Result<T, DecodeError> {
    let value = match *bytes {
        [MARK, id, found, ref payload @ ..] => match Codec::of(id) {
            None => Err(format!("written by codec {:?}, which is not turned on", char::from(id))),
            Some(_) if found != version => Err(format!("it has version {found}, expected {version}")),
            Some(codec) => codec.read(payload),
        },
        _ => Err("it is not a record".to_owned()),
    };
    value.map_err(|reason| DecodeError::new::<T>(bytes, reason))
}

#[cfg(any(feature = "bincode", feature = "postcard"))]
fn leftover(bytes: usize) -> String {
    format!("{bytes} bytes are left over")
}

/// bincode allocates what a length prefix claims before it reads. Its limit is a constant, so the
/// smallest of a few that is at least 16 times the input bounds the claim.
#[cfg(feature = "bincode")]
fn read_bincode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};

    fn limited<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<T, String> {
        let config: Configuration<LittleEndian, Varint, Limit<LIMIT>> = standard().with_limit::<LIMIT>();
        match bincode::serde::decode_from_slice(bytes, config).map_err(|error| error.to_string())? {
            (value, read) if read == bytes.len() => Ok(value),
            (_, read) => Err(leftover(bytes.len() - read)),
        }
    }

    match bytes.len() {
        0..=0xff => limited::<T, 0x1000>(bytes),
        0x100..=0xfff => limited::<T, 0x1_0000>(bytes),
        0x1000..=0xffff => limited::<T, 0x10_0000>(bytes),
        0x1_0000..=0xf_ffff => limited::<T, 0x100_0000>(bytes),
        0x10_0000..=0xff_ffff => limited::<T, 0x1000_0000>(bytes),
        _ => limited::<T, 0x4000_0000>(bytes),
    }
}
