//! Values that are text of some form.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::value::memory;
use crate::Bytes;
use crate::table::Compat;
use crate::text::number;

/// What it says of a value that makes no sense, in Redis's words.
type Read = Result<Bytes, String>;

/// A number of bytes, or a share of all memory as `5%`.
pub(super) fn share(text: &Bytes, compat: Compat) -> Read {
    const NEITHER: &str = "argument must be a memory or percent value";
    let lower = String::from_utf8_lossy(text).to_ascii_lowercase();
    let bytes = memory(&lower).filter(|(_, overflows)| !overflows || compat != Compat::Valkey9);
    // Redis keeps a share as a number below zero, which a number of bytes may be too.
    let kept = match (bytes, text.strip_suffix(b"%")) {
        (Some((bytes, _)), _) => bytes as i64,
        (None, Some(percent)) => {
            let percent = number::parse_i64(percent).filter(|percent| *percent >= 0).ok_or(NEITHER)?;
            -percent
        }
        (None, None) => return Err(NEITHER.into()),
    };
    match kept {
        0.. => Ok(Bytes::from(kept.to_string())),
        -100..0 => Ok(Bytes::from(format!("{}%", -kept))),
        _ => Err("percentage argument must be less or equal to 100".into()),
    }
}

/// How soon the system ends the process for its memory: as a primary, as a replica, and while it saves.
pub(super) fn scores(text: &Bytes, _: Compat) -> Read {
    const BEYOND: &str = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    if words.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    // As C reads numbers: none is 0, and white space may stand before one.
    let score = |word: &&[u8]| match until_zero(word) {
        [] => Some(0),
        word => {
            let number = std::str::from_utf8(word.trim_ascii_start()).ok()?.parse::<i64>().ok();
            number.filter(|number| (-2000..=2000).contains(number))
        }
    };
    let scores = words.iter().map(score).collect::<Option<Vec<i64>>>().ok_or(BEYOND)?;
    Ok(Bytes::from(scores.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")))
}

/// What the process is to be called, with `{names}` for what the server knows.
pub(super) fn template(text: &Bytes, _: Compat) -> Read {
    const NAMES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"config-file", b"unixsocket"];
    const WRONG: &str = "template format is invalid or contains unknown variables";
    let mut says_something = false;
    let text = until_zero(text);
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = match (*first, behind.strip_prefix(b"{")) {
            (b'{', Some(quoted)) => {
                says_something = true;
                quoted
            }
            (b'{', None) => {
                let end = behind.iter().position(|byte| *byte == b'}').ok_or(WRONG)?;
                let (name, behind) = behind.split_at(end);
                if !NAMES.contains(&name) {
                    return Err(WRONG.into());
                }
                // These two may be empty.
                says_something |= !matches!(name, b"title" | b"unixsocket");
                behind.get(1..).unwrap_or_default()
            }
            (byte, _) => {
                says_something |= byte != b' ';
                behind
            }
        };
    }
    if says_something { Ok(Bytes::from(text)) } else { Err(WRONG.into()) }
}

/// The name of a host.
pub(super) fn host(text: &Bytes, _: Compat) -> Read {
    let name = until_zero(text);
    if name.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if !name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(Bytes::from(name))
}

/// A node's name for people.
pub(super) fn node(text: &Bytes, compat: Compat) -> Read {
    let is_one = match compat {
        Compat::Valkey9 => is_plain(text),
        _ => !text.iter().any(|byte| b"!#$%&()*+:;<>?@[]^{|}~\0".contains(byte)),
    };
    if !is_one {
        return Err("Announced human node name contained invalid character".into());
    }
    Ok(text.clone())
}

/// A node's address: Valkey looks at it.
pub(super) fn address(text: &Bytes, compat: Compat) -> Read {
    if compat == Compat::Valkey9 && text.len() >= 46 {
        return Err("cluster-announce-ip is too long".into());
    }
    if compat == Compat::Valkey9 && !is_plain(text) {
        return Err("cluster-announce-ip contains invalid character".into());
    }
    Ok(text.clone())
}

/// What C reads of it.
fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Whether it can stand in a line of Valkey's `nodes.conf`.
fn is_plain(text: &[u8]) -> bool {
    let is_special = |byte: &u8| byte.is_ascii_punctuation() && !b"-./:_`".contains(byte);
    !text.iter().any(|byte| byte.is_ascii_control() || *byte == b' ' || is_special(byte))
}

pub(super) fn ipv4(text: &Bytes, _: Compat) -> Read {
    parsed::<Ipv4Addr>(text).ok_or_else(|| "Invalid IPv4 address".into())
}

pub(super) fn ipv6(text: &Bytes, _: Compat) -> Read {
    parsed::<Ipv6Addr>(text).ok_or_else(|| "Invalid IPv6 address".into())
}

/// The same text, if it is nothing or can be read so.
fn parsed<T: std::str::FromStr>(text: &Bytes) -> Option<Bytes> {
    let text = until_zero(text);
    let is_one = std::str::from_utf8(text).is_ok_and(|text| text.is_empty() || text.parse::<T>().is_ok());
    is_one.then(|| Bytes::from(text))
}
