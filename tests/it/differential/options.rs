//! Times and conditions that several families take.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::ExpireIf;

use super::chance::Chance;
use super::client::Cmd;

/// What a key or its fields must be for a value to be set.
#[derive(Clone, Copy, Debug)]
pub enum When {
    Always,
    Absent,
    Present,
}

/// What becomes of the deadline of a value that is set.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Removed,
    Kept,
    In(u64),
    At(u64),
}

impl When {
    pub fn any(chance: &mut Chance) -> Self {
        chance.pick(&[When::Always, When::Absent, When::Present])
    }

    /// Adds the option to a command that has these names for it.
    pub fn add_to(self, command: &mut Cmd, absent: &str, present: &str) {
        match self {
            When::Always => {}
            When::Absent => drop(command.arg(absent)),
            When::Present => drop(command.arg(present)),
        }
    }
}

impl Until {
    pub fn any(chance: &mut Chance) -> Self {
        match chance.below(4) {
            0 => Until::Removed,
            1 => Until::Kept,
            2 => Until::In(chance.ttl()),
            _ => Until::At(chance.time()),
        }
    }

    pub fn add_to(self, command: &mut Cmd) {
        match self {
            Until::Removed => {}
            Until::Kept => drop(command.arg("KEEPTTL")),
            Until::In(ttl) => drop(command.arg("PX").arg(ttl)),
            Until::At(time) => drop(command.arg("PXAT").arg(time)),
        }
    }
}

pub fn any_expire_if(chance: &mut Chance) -> ExpireIf {
    chance.pick(&[
        ExpireIf::Always,
        ExpireIf::Forever,
        ExpireIf::Expiring,
        ExpireIf::Later,
        ExpireIf::Earlier,
    ])
}

/// The option's name, if it has one.
pub fn expire_if_name(condition: ExpireIf) -> Option<&'static str> {
    match condition {
        ExpireIf::Forever => Some("NX"),
        ExpireIf::Expiring => Some("XX"),
        ExpireIf::Later => Some("GT"),
        ExpireIf::Earlier => Some("LT"),
        _ => None,
    }
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The wall time so many milliseconds after the start of 1970.
pub fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + ms(millis)
}
