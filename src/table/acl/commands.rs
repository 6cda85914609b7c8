//! Which commands a selector allows, and how that is told.

use std::collections::BTreeMap;

use super::Refusal;
use super::catalog::{self, Bits};
use super::selector::has_spaces;
use crate::Bytes;
use crate::table::command::CATEGORIES;
use crate::table::row::{Compat, Row, flag};

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commands {
    bits: Bits,
    /// Nothing has been taken out since `+@all`.
    all: bool,
    /// It began with `+@all`.
    additive: bool,
    /// First arguments with which a command is allowed that is not.
    firsts: BTreeMap<usize, Vec<Bytes>>,
    /// What was said since `+@all` or `-@all`, as servers after 7.0 tell it: in small letters, without what later
    /// rules have made void.
    said: Vec<(bool, Bytes)>,
}

impl Commands {
    pub(super) fn new(all: bool) -> Self {
        Commands { bits: Bits::new(all), all, additive: !all, firsts: BTreeMap::new(), said: Vec::new() }
    }

    /// Whether it allows all commands, known or not.
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    /// What it takes, in bytes, about.
    pub(super) fn weight(&self) -> usize {
        let firsts = self.firsts.values().flatten();
        let texts = self.said.iter().map(|(_, text)| text).chain(firsts);
        128 + texts.map(|text| 32 + text.len()).sum::<usize>()
    }

    /// Whether a command with these words is allowed. What needs no password is.
    pub(super) fn allows(&self, row: &Row, words: &[Bytes]) -> bool {
        if self.all || row.has(flag::NO_AUTH) {
            return true;
        }
        let number = catalog::number(row);
        self.bits.has(number)
            || self.firsts.get(&number).is_some_and(|firsts| {
                words.get(1).is_some_and(|word| firsts.iter().any(|first| first.eq_ignore_ascii_case(word)))
            })
    }

    /// `+@category` and `-@category`; the name without them.
    pub(super) fn set_category(&mut self, name: &[u8], on: bool, compat: Compat) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case(b"all") {
            *self = Commands::new(on);
            return Ok(());
        }
        let bit = catalog::category(name).ok_or(Refusal::Unknown)?;
        catalog::of_category(bit, compat).for_each(|row| self.set(row, on));
        self.say(on, &[b"@", name].concat());
        Ok(())
    }

    /// `+command`, `-command`, `+container|sub` and `+command|first`; the name without the sign.
    pub(super) fn set_command(&mut self, name: &[u8], on: bool, compat: Compat) -> Result<(), Refusal> {
        let bar = name.iter().rposition(|byte| *byte == b'|').filter(|_| on);
        let Some(bar) = bar else {
            self.set(catalog::known(name, compat).ok_or(Refusal::Unknown)?, on);
            self.say(on, name);
            return Ok(());
        };
        let first = &name[bar + 1..];
        let row = catalog::known(&name[..bar], compat).ok_or(Refusal::Unknown)?;
        if row.named == 2 {
            return Err(Refusal::FirstOfSubcommand);
        }
        if first.is_empty() || has_spaces(first) {
            return Err(Refusal::Syntax);
        }
        if catalog::behind(row).is_empty() {
            let firsts = self.firsts.entry(catalog::number(row)).or_default();
            if !firsts.iter().any(|known| known.eq_ignore_ascii_case(first)) {
                firsts.push(first.into());
            }
        } else {
            self.set(catalog::known(name, compat).ok_or(Refusal::Unknown)?, on);
        }
        self.say(on, name);
        Ok(())
    }

    fn set(&mut self, row: &'static Row, on: bool) {
        self.bits.set(row, on);
        self.firsts.remove(&catalog::number(row));
        self.all &= on;
    }

    /// Keeps a rule for whoever asks, in place of those on the same command and on what stands behind it.
    fn say(&mut self, on: bool, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        let is_void =
            |old: &[u8]| old.strip_prefix(&*name).is_some_and(|rest| matches!(rest, [] | [b'|', ..]));
        self.said.retain(|(_, old)| !is_void(old));
        self.said.push((on, name.into()));
    }

    /// The rules as that server tells them, behind what is there.
    pub(super) fn describe(&self, compat: Compat, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.additive { b"-@all" } else { b"+@all" });
        if compat == Compat::Redis70 {
            return self.sum_up(compat, out);
        }
        for (on, name) in &self.said {
            out.extend_from_slice(if *on { b" +" } else { b" -" });
            out.extend_from_slice(name);
        }
    }

    /// What Redis 7.0 tells: as few rules as it finds that come to the same. It takes, one after the other, the category
    /// that brings it closest, and names single commands for the rest.
    fn sum_up(&self, compat: Compat, out: &mut Vec<u8>) {
        let on = self.additive;
        // What the rules so far come to, and what of it is still to be told.
        let (mut told, mut rest) = (Bits::new(!on), self.bits.clone());
        let mut left: Vec<u32> = (0..CATEGORIES.len() as u32).collect();
        while let Some(at) = closest(&rest, &left, on, compat) {
            let category = left.remove(at);
            for row in catalog::of_category(1 << category, compat) {
                told.set(row, on);
                rest.set(row, !on);
            }
            out.extend_from_slice(if on { b" +@" } else { b" -@" });
            out.extend_from_slice(CATEGORIES[category as usize].as_bytes());
        }
        let known = catalog::rows().iter().filter(|row| row.is_in(compat));
        let (tops, subs): (Vec<&Row>, Vec<&Row>) = known.partition(|row| row.named == 1);
        for row in tops.into_iter().chain(subs) {
            let number = catalog::number(row);
            let is_on = self.bits.has(number);
            if is_on != told.has(number) {
                told.set(row, is_on);
                out.extend_from_slice(if is_on { b" +" } else { b" -" });
                out.extend_from_slice(row.name.as_bytes());
            }
            for first in self.firsts.get(&number).into_iter().flatten().filter(|_| !is_on) {
                out.extend_from_slice(&[b" +", row.name.as_bytes(), b"|", first].concat());
            }
        }
    }
}

/// Which of the categories that are left has more commands in common with what is to be told than not, and the fewest
/// that it has not; of several the one that has most in common, of those the first.
fn closest(rest: &Bits, left: &[u32], on: bool, compat: Compat) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    for (at, category) in left.iter().enumerate() {
        let rows = catalog::of_category(1 << category, compat).filter(|row| row.is_in(compat));
        let (same, other): (Vec<&Row>, Vec<&Row>) =
            rows.partition(|row| rest.has(catalog::number(row)) == on);
        let (same, other) = (same.len(), other.len());
        let is_better = best.is_none_or(|(_, fewest, most)| other < fewest || other == fewest && same > most);
        if same > other && is_better {
            best = Some((at, other, same));
        }
    }
    best.map(|(at, ..)| at)
}
