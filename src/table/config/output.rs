//! `client-output-buffer-limit`: what may wait for a client that does not read.

use super::default_of;
#[cfg(feature = "server")]
use super::value;
use super::value::memory;
use crate::Bytes;
#[cfg(feature = "server")]
use crate::keyspace::Keyspace;
use crate::pubsub::Bounds;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::text::number;

pub(super) const NAME: &str = "client-output-buffer-limit";
/// The classes, in the order in which they are told.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// What may wait for a client of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputLimit {
    /// More bytes than that end its connection at once.
    pub hard: Option<usize>,
    /// More than that do when they have waited for `seconds`.
    pub soft: Option<usize>,
    pub seconds: u64,
}

/// The hard limits, where they are asked with each message: what a session's inbox is held to.
pub(super) struct Hard(pub Arc<Bounds>);

impl Default for Hard {
    fn default() -> Self {
        let [listener, other] = [(); 2].map(|()| AtomicU64::new(u64::MAX));
        let bounds = Bounds { listener, other, closed: AtomicU64::new(0) };
        let hard = Hard(Arc::new(bounds));
        hard.set(default_of(NAME).as_bytes());
        hard
    }
}

impl Hard {
    /// They are what a value of the parameter says from now on.
    pub(super) fn set(&self, text: &[u8]) {
        let most = |class| limit_of(text, class).hard.map_or(u64::MAX, |bytes| bytes as u64);
        self.0.listener.store(most("pubsub"), Ordering::Relaxed);
        self.0.other.store(most("normal"), Ordering::Relaxed);
    }
}

/// That of a class: `normal` or `pubsub`. O(1)
#[cfg(feature = "server")]
pub(crate) fn output_limit(space: &Keyspace, class: &str) -> OutputLimit {
    limit_of(&value(space, NAME), class)
}

fn limit_of(text: &[u8], class: &str) -> OutputLimit {
    let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    let found = words.chunks_exact(4).find(|words| words[0] == class.as_bytes());
    let number = |at: usize| found.and_then(|words| number::parse_i64(words[at])).unwrap_or(0);
    let bytes = |at| usize::try_from(number(at)).ok().filter(|bytes| *bytes > 0);
    OutputLimit { hard: bytes(1), soft: bytes(2), seconds: u64::try_from(number(3)).unwrap_or(0) }
}

/// Checks what was given, and writes it in the form in which it is told.
///
/// # Errors
/// What Redis says of one that makes no sense.
pub(super) fn read(text: &[u8]) -> Result<Bytes, &'static str> {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let words: Vec<&str> = text.split(' ').collect();
    if text.is_empty() {
        return Ok(Bytes::new());
    }
    if words.len() % 4 != 0 {
        return Err("Wrong number of arguments in buffer limit configuration.");
    }
    let mut all = Vec::new();
    for words in words.chunks_exact(4) {
        let class = if words[0] == "replica" { "slave" } else { words[0] };
        if !CLASSES.contains(&class) {
            return Err("Invalid client class specified in buffer limit configuration.");
        }
        let bytes = |word: &str| memory(word).map(|(bytes, _)| bytes).filter(|_| !word.is_empty());
        let seconds = number::parse_i64(words[3].as_bytes()).filter(|seconds| *seconds >= 0);
        let (Some(hard), Some(soft), Some(seconds)) = (bytes(words[1]), bytes(words[2]), seconds) else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        };
        all.push(format!("{class} {hard} {soft} {seconds}"));
    }
    Ok(Bytes::from(all.join(" ")))
}

/// The classes that were given take the place of those before; the others stay as they are.
pub(super) fn merge(before: &[u8], given: &[u8]) -> Bytes {
    let words = |text: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(text).split(' ').map(str::to_owned).collect()
    };
    let (before, given) = (words(before), words(given));
    let all = CLASSES.map(|class| {
        let of = |words: &[String]| {
            words.chunks_exact(4).rfind(|words| words[0] == class).map(|words| words.join(" "))
        };
        of(&given).or_else(|| of(&before)).unwrap_or_else(|| format!("{class} 0 0 0"))
    });
    Bytes::from(all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let merged =
            merge(b"normal 0 0 0 slave 1 2 3 pubsub 4 5 6", &read(b"PubSub 1kb 2 3 normal 7 8 9").unwrap());
        assert_eq!(merged, "normal 7 8 9 slave 1 2 3 pubsub 1024 2 3");
    }
}
