//! What values a parameter takes.

use std::io;
use std::path::PathBuf;

use crate::Bytes;
use crate::keyspace::Told;
use crate::table::Compat;
use crate::text::number;

const BELOW_ZERO: &str = "argument must be greater or equal to 0";

/// The kind of a parameter.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `yes` or `no`
    Flag,
    /// A whole number between two.
    Number(i64, i64),
    /// The same without a sign, as the server keeps it.
    Size(i64, i64),
    /// A whole number, in the place of which stands what comes closest between two.
    Within(i64, i64),
    /// A number of bytes between two, perhaps with a unit.
    Memory(u64, u64),
    /// The same without a sign, as the server keeps it.
    MemorySize(u64, u64),
    /// One word of these.
    Choice(&'static [&'static str]),
    /// One word or several of these: how a server ends.
    Words(&'static [&'static str]),
    /// Seconds and numbers of changes.
    Save,
    /// Classes of key events.
    Events,
    Password,
    /// Classes of clients, and what may wait for one to be read.
    Output,
    /// Whatever one likes.
    Text,
    /// Text of some form, which this reads.
    Form(fn(&Bytes, Compat) -> Result<Bytes, String>),
    /// Shares of a hundred.
    Percentiles,
    /// Told, but not to be changed while the server runs.
    Fixed,
    /// A folder that there is: changed by clients where `enable-protected-configs` allows it, since they could do harm.
    Folder,
    /// The name of a file, without folders; likewise.
    FileName,
}

impl Kind {
    /// The value that is written so, in the form in which it is told.
    ///
    /// # Errors
    /// What Redis says of one that makes no sense.
    pub(super) fn read(self, text: &Bytes, compat: Compat) -> Result<Bytes, String> {
        let lower = String::from_utf8_lossy(text).to_ascii_lowercase();
        match self {
            Kind::Flag => match &*lower {
                "yes" | "no" => Ok(Bytes::from(lower)),
                _ => Err("argument must be 'yes' or 'no'".into()),
            },
            Kind::Number(least, most) => {
                let value = number::parse_i64(text).ok_or("argument couldn't be parsed into an integer")?;
                within(value, least, most)
            }
            Kind::Size(least, most) => {
                let value = number::parse_i64(text).ok_or("argument couldn't be parsed into an integer")?;
                if value < 0 && compat.redis() >= (7, 2) && compat != Compat::Valkey9 {
                    return Err(BELOW_ZERO.into());
                }
                within(value, least, most)
            }
            Kind::Within(least, most) => {
                let value = number::parse_i64(text).ok_or("argument couldn't be parsed into an integer")?;
                within(value, 0, i64::from(i32::MAX))?;
                Ok(Bytes::from(value.clamp(least, most).to_string()))
            }
            Kind::Memory(least, most) | Kind::MemorySize(least, most) => {
                let no_memory = "argument must be a memory value";
                let (value, overflows) = memory(&lower).ok_or(no_memory)?;
                if overflows && compat == Compat::Valkey9 {
                    return Err(no_memory.into());
                }
                // It was taken for a number below zero.
                if overflows && compat.redis() >= (7, 2) && matches!(self, Kind::MemorySize(..)) {
                    return Err(BELOW_ZERO.into());
                }
                within(value, least, most)
            }
            Kind::Choice(words) => match words.iter().find(|word| **word == lower) {
                Some(word) => Ok(Bytes::from(*word)),
                None => Err(none_of(words)),
            },
            Kind::Words(words) => {
                if lower.split(' ').any(|word| !words.contains(&word)) {
                    return Err(none_of(words));
                }
                let is_said = |word: &&str| *word != "default" && lower.split(' ').any(|said| said == *word);
                let said: Vec<&str> = words.iter().copied().filter(is_said).collect();
                if ["save", "nosave"].iter().all(|word| said.contains(word)) {
                    return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
                }
                Ok(Bytes::from(if said.is_empty() { "default".to_owned() } else { said.join(" ") }))
            }
            Kind::Save => save(text).ok_or_else(|| "Invalid save parameters".into()),
            Kind::Events => match Told::parse(text) {
                Some(told) if !told.is_new() || compat.redis() >= (8, 2) => Ok(text.clone()),
                _ => Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
            },
            Kind::Output => super::output::read(text).map_err(Into::into),
            Kind::Percentiles => percentiles(text),
            Kind::Folder | Kind::FileName if text.is_empty() && compat == Compat::Valkey9 => {
                let name = if matches!(self, Kind::Folder) { "dir" } else { "dbfilename" };
                Err(format!("{name} can't be empty"))
            }
            Kind::Folder => folder(text),
            Kind::FileName if text.contains(&b'/') => {
                Err("dbfilename can't be a path, just a filename".into())
            }
            Kind::Form(read) => read(text, compat),
            Kind::Password | Kind::Text | Kind::Fixed | Kind::FileName => Ok(text.clone()),
        }
    }
}

fn none_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn within<T: PartialOrd + ToString>(value: T, least: T, most: T) -> Result<Bytes, String> {
    if value < least || value > most {
        let (least, most) = (least.to_string(), most.to_string());
        return Err(format!("argument must be between {least} and {most} inclusive"));
    }
    Ok(Bytes::from(value.to_string()))
}

/// A number of bytes: `100`, `100mb` (of 1024 * 1024), `100m` (of 1000 * 1000); and whether it was too large.
pub(in crate::table) fn memory(text: &str) -> Option<(u64, bool)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    // As C reads numbers: none is 0, and one too large the largest; what the unit makes too large wraps.
    let number = if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    Some((number.unwrap_or(u64::MAX).wrapping_mul(unit), number.is_none()))
}

/// Numbers between 0 and 100, a space between two.
fn percentiles(text: &[u8]) -> Result<Bytes, String> {
    const NAME: &str = "latency-tracking-info-percentiles";
    if text.is_empty() {
        return Ok(Bytes::new());
    }
    let read = |word: &[u8]| {
        let number = number::parse_f64(word).filter(|number| !number.is_nan());
        let number = number.ok_or_else(|| format!("Invalid {NAME} parameters"))?;
        match (0.0..=100.0).contains(&number) {
            true => Ok(number::format_digits(number, 10)),
            false => Err(format!("{NAME} parameters should sit between [0.0,100.0]")),
        }
    };
    let numbers = text.split(|byte| *byte == b' ').map(read).collect::<Result<Vec<_>, String>>()?;
    Ok(Bytes::from(numbers.join(&b' ')))
}

/// Pairs of seconds and changes, or nothing.
fn save(text: &[u8]) -> Option<Bytes> {
    let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    if words == [b""] {
        return Some(Bytes::new());
    }
    let numbers: Vec<i64> = words.iter().map(|word| number::parse_i64(word)).collect::<Option<_>>()?;
    let makes_sense = |pair: &[i64]| matches!(pair, [seconds, changes] if *seconds >= 1 && *changes >= 0);
    numbers.chunks(2).all(makes_sense).then(|| Bytes::from(text))
}

/// A folder that there is, from the root on.
fn folder(path: &[u8]) -> Result<Bytes, String> {
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    let path = path.canonicalize().map_err(|error| plain(&error))?;
    if path.is_dir() {
        Ok(Bytes::from(path.to_string_lossy().into_owned()))
    } else {
        Err("Not a directory".into())
    }
}

/// What the system says of an error, without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
