//! All commands by number, with their categories as bits: what users' rules are made of.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::table::command::{self, CATEGORIES};
use crate::table::row::flag::{ADMIN, WRITE};
use crate::table::row::{Compat, Keys, Row, row};
use crate::table::{all, find};

/// What Redis has and this table has not, since a server by itself has no use for it. Rules may name it all the same, and
/// what Redis 7.0 makes of rules depends on how many commands of a category there are.
#[rustfmt::skip]
const ABSENT: &[Row] = &[
    absent("cluster|addslots", ADMIN),
    absent("cluster|addslotsrange", ADMIN),
    absent("cluster|bumpepoch", ADMIN),
    absent("cluster|count-failure-reports", ADMIN),
    absent("cluster|delslots", ADMIN),
    absent("cluster|delslotsrange", ADMIN),
    absent("cluster|failover", ADMIN),
    absent("cluster|flushslots", ADMIN),
    absent("cluster|forget", ADMIN),
    absent("cluster|meet", ADMIN),
    absent("cluster|replicate", ADMIN),
    absent("cluster|reset", ADMIN),
    absent("cluster|saveconfig", ADMIN),
    absent("cluster|set-config-epoch", ADMIN),
    absent("cluster|setslot", ADMIN),
    absent("failover", ADMIN),
    absent("migrate", WRITE),
    absent("psync", ADMIN),
    absent("replconf", ADMIN),
    absent("sync", ADMIN),
];

const fn absent(name: &'static str, flags: u32) -> Row {
    row(name, -1, flags, Keys::NONE, |call| Err(call.wrong_arity()))
}

/// Commands by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// None of the commands, or all of them.
    pub(super) fn new(all: bool) -> Self {
        Bits(vec![if all { u64::MAX } else { 0 }; rows().len().div_ceil(64)].into())
    }

    pub(super) fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Puts a command in or takes it out, and with a container what stands behind it.
    pub(super) fn set(&mut self, row: &Row, on: bool) {
        for number in [number(row)].iter().chain(behind(row)) {
            if let Some(word) = self.0.get_mut(number / 64) {
                let bit = 1 << (number % 64);
                *word = if on { *word | bit } else { *word & !bit };
            }
        }
    }
}

/// All commands, each in the place of its number.
pub(super) fn rows() -> &'static [&'static Row] {
    static ROWS: OnceLock<Vec<&'static Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let absent = ABSENT.iter().filter(|row| find(row.name.as_bytes()).is_none());
        all().chain(absent).collect()
    })
}

/// The number of a command. O(1)
pub(super) fn number(row: &Row) -> usize {
    static NUMBERS: OnceLock<HashMap<&'static str, usize, ahash::RandomState>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| rows().iter().enumerate().map(|(at, row)| (row.name, at)).collect());
    numbers.get(row.name).copied().unwrap_or(usize::MAX)
}

/// The row of a command, or of a subcommand as `container|name`, that a server of that kind has.
pub(super) fn known(name: &[u8], compat: Compat) -> Option<&'static Row> {
    let name = name.to_ascii_lowercase();
    let absent = || ABSENT.iter().find(|row| *row.name.as_bytes() == *name);
    find(&name).or_else(absent).filter(|row| row.is_in(compat))
}

/// The rows of a category, those of other servers too. O(rows)
pub(super) fn of_category(bit: u32, compat: Compat) -> impl Iterator<Item = &'static Row> {
    let sets = categories(compat).iter().zip(rows());
    sets.filter(move |(set, _)| *set & bit != 0).map(|(_, row)| *row)
}

/// The bit of a category.
pub(super) fn category(name: &[u8]) -> Option<u32> {
    CATEGORIES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes())).map(|at| 1 << at)
}

/// The categories of each command in that server, in the places of their numbers.
pub(super) fn categories(compat: Compat) -> &'static [u32] {
    static SETS: [OnceLock<Vec<u32>>; 5] = [const { OnceLock::new() }; 5];
    let bits = |row: &&'static Row| {
        let names = command::categories(row, compat);
        names.iter().filter_map(|name| category(name.as_bytes())).fold(0, |set, bit| set | bit)
    };
    let set = match compat {
        Compat::Redis70 => &SETS[0],
        Compat::Redis72 => &SETS[1],
        Compat::Redis82 => &SETS[2],
        Compat::Redis810 => &SETS[3],
        Compat::Valkey9 => &SETS[4],
    };
    set.get_or_init(|| rows().iter().map(bits).collect())
}

/// The numbers of what stands behind a container.
pub(super) fn behind(row: &Row) -> &'static [usize] {
    static BEHIND: OnceLock<HashMap<&'static str, Vec<usize>, ahash::RandomState>> = OnceLock::new();
    let behind = BEHIND.get_or_init(|| {
        let mut behind = HashMap::<_, Vec<_>, _>::default();
        for (number, row) in rows().iter().enumerate() {
            if let Some((container, _)) = row.name.split_once('|') {
                behind.entry(container).or_default().push(number);
            }
        }
        behind
    });
    behind.get(row.name).map_or(&[], Vec::as_slice)
}
