//! Which key events are told, and how: `notify-keyspace-events`.

use crate::{KeyEvent, KeyEvents};

/// A set of Redis's letters: `K` and `E` for the channels, the others for classes of events; and whose words they are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told(u32);

/// The letters in the order in which Redis writes them, `A` standing for the first ten and hiding the next three.
const LETTERS: [u8; 16] = *b"g$lshzxetdnocKEm";
/// Those for which `A` stands.
const CLASSES: u32 = (1 << 10) - 1;
/// Those that are not told when there is an `A`.
#[cfg(feature = "commands")]
const HIDDEN: u32 = (1 << 13) - 1;
/// Those that are told.
const TOLD: u32 = CLASSES | OVERWRITING | letter(b'n') | letter(b'm');
/// What is gone by a deadline that had passed already is told of in Valkey's words.
const VALKEY: u32 = 1 << 16;
/// Those of a value that took another one's place.
const OVERWRITING: u32 = letter(b'o') | letter(b'c');

impl From<KeyEvents> for Told {
    fn from(events: KeyEvents) -> Self {
        match events {
            KeyEvents::Off => Told(0),
            KeyEvents::On => Told(CLASSES | letter(b'K') | letter(b'E')),
        }
    }
}

impl Told {
    pub(super) const fn from_bits(bits: u32) -> Self {
        Told(bits)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether it has letters that are Redis's since 8.2 and never Valkey's.
    #[cfg(feature = "commands")]
    pub(crate) fn is_new(self) -> bool {
        self.0 & OVERWRITING != 0
    }

    /// The same in the words of Valkey, or in those of Redis.
    #[cfg(feature = "commands")]
    pub(crate) fn in_words_of(self, valkey: bool) -> Self {
        Told(if valkey { self.0 | VALKEY } else { self.0 & !VALKEY })
    }

    /// The set that is written so; `None` if one of the letters has no meaning.
    #[cfg(feature = "commands")]
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let bits = text.iter().map(|byte| match byte {
            b'A' => CLASSES,
            byte => letter(*byte),
        });
        bits.map(|bits| Some(bits).filter(|bits| *bits != 0))
            .try_fold(0, |all, bits| Some(all | bits?))
            .map(Told)
    }

    /// How Redis writes it.
    #[cfg(feature = "commands")]
    pub(crate) fn text(self) -> String {
        let has_all = self.0 & CLASSES == CLASSES;
        let mut text = String::from(if has_all { "A" } else { "" });
        for of in LETTERS {
            let bit = letter(of);
            if self.0 & bit != 0 && !(has_all && bit & HIDDEN != 0) {
                text.push(char::from(of));
            }
        }
        text
    }

    /// Whether anything is told at all.
    pub(crate) fn is_any(self) -> bool {
        self.0 & TOLD != 0 && self.0 & (letter(b'K') | letter(b'E')) != 0
    }

    /// Whether somebody is told of a value that took another one's place.
    #[inline]
    pub(super) fn has_overwriting(self) -> bool {
        self.0 & OVERWRITING != 0
    }

    /// What subscribers are told of an event.
    pub(super) fn word(self, event: KeyEvent) -> KeyEvent {
        match event {
            KeyEvent::Overdue if self.is_valkey() => KeyEvent::Expired,
            KeyEvent::HOverdue if self.is_valkey() => KeyEvent::HExpired,
            event => event,
        }
    }

    /// Whether subscribers are told that a key was set whose deadline had passed by then.
    pub(super) fn tells_of_what_is_over(self) -> bool {
        self.is_any() && !self.is_valkey()
    }

    /// Whether it is told in the words of Valkey.
    pub(crate) fn is_valkey(self) -> bool {
        self.0 & VALKEY != 0
    }

    /// Whether somebody is told of new keys.
    #[inline]
    pub(super) fn has_new(self) -> bool {
        self.has(KeyEvent::New)
    }

    /// Whether somebody is told of reads that have found no key, which CONFIG SET alone can ask for: without it no read pays.
    #[inline]
    pub(super) fn has_misses(self) -> bool {
        cfg!(feature = "commands") && self.has(KeyEvent::KeyMiss)
    }

    pub(super) fn has(self, event: KeyEvent) -> bool {
        self.0 & letter(class(event)) != 0
    }

    pub(super) fn by_key(self) -> bool {
        self.0 & letter(b'K') != 0
    }

    pub(super) fn by_event(self) -> bool {
        self.0 & letter(b'E') != 0
    }
}

/// The bit of a letter; none if it is not one of them.
const fn letter(of: u8) -> u32 {
    let mut at = 0;
    while at < LETTERS.len() {
        if LETTERS[at] == of {
            return 1 << at;
        }
        at += 1;
    }
    0
}

/// The letter of an event's class.
fn class(event: KeyEvent) -> u8 {
    use KeyEvent::*;
    match event {
        Expired => b'x',
        Evicted => b'e',
        Del | Overdue | Emptied | Expire | Persist | RenameFrom | RenameTo | MoveFrom | MoveTo | CopyTo
        | Restore => b'g',
        Set | Append | SetRange | SetBit | IncrBy | IncrByFloat | PfAdd => b'$',
        LPush | RPush | LPop | RPop | LInsert | LSet | LRem | LTrim | SortStore => b'l',
        SAdd | SRem | SPop | SInterStore | SUnionStore | SDiffStore => b's',
        HSet | HDel | HOverdue | HIncrBy | HIncrByFloat | HExpire | HExpired | HPersist => b'h',
        ZAdd | ZIncr | ZRem | ZRemRangeByRank | ZRemRangeByScore | ZRemRangeByLex | ZPopMin | ZPopMax
        | ZRangeStore | ZInterStore | ZUnionStore | ZDiffStore | GeoRadiusStore | GeoSearchStore => b'z',
        XAdd | XDel | XTrim | XSetId | XGroupCreate | XGroupCreateConsumer | XGroupSetId
        | XGroupDelConsumer | XGroupDestroy => b't',
        New => b'n',
        KeyMiss => b'm',
        Overwritten => b'o',
        TypeChanged => b'c',
        PfCount | XPending => b' ',
    }
}
