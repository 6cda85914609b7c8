//! What a file of the simulated disk holds, and what a crash may leave of it.

use crate::rng::Rng;

const SECTOR: usize = 512;

/// What is known of a change after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A sync may come yet.
    Unsynced,
    /// It is there.
    Synced,
    /// No sync will say.
    InDoubt,
}

/// What a file holds.
pub(super) struct Content {
    /// What the program finds.
    pub(super) bytes: Vec<u8>,
    /// What the disk had before any of the edits.
    synced: Vec<u8>,
    /// Edits of which a sync has said something, by sync.
    told: Vec<(Fate, Vec<Edit>)>,
    /// Edits since.
    edits: Vec<Edit>,
}

pub(super) enum Edit {
    /// From there on, those bytes.
    Write(usize, Vec<u8>),
    /// To that length.
    Cut(usize),
}

impl Content {
    pub(super) fn synced(bytes: Vec<u8>) -> Self {
        Content { synced: bytes.clone(), bytes, told: Vec::new(), edits: Vec::new() }
    }

    pub(super) fn edit(&mut self, edit: Edit) {
        edit.apply(&mut self.bytes);
        self.edits.push(edit);
    }

    /// A sync that makes durable what was edited since the last one, or leaves it in doubt.
    pub(super) fn sync(&mut self, fate: Fate) {
        if fate == Fate::Unsynced {
            return;
        }
        let edits = std::mem::take(&mut self.edits);
        match (fate, self.told.is_empty()) {
            (Fate::Synced, true) => edits.iter().for_each(|edit| edit.apply(&mut self.synced)),
            _ => self.told.push((fate, edits)),
        }
    }

    /// What the machine finds of it, on a disk that has held those bytes too.
    pub(super) fn after_crash(&self, others: &[&[u8]], rng: &Rng) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (fate, edits) in &self.told {
            match fate {
                Fate::Synced => edits.iter().for_each(|edit| edit.apply(&mut bytes)),
                Fate::Unsynced | Fate::InDoubt => bytes = torn(bytes, edits, others, rng),
            }
        }
        torn(bytes, &self.edits, others, rng)
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write(at, new) => {
                let end = at + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(new);
            }
            Edit::Cut(length) => bytes.resize(*length, 0),
        }
    }
}

/// How the sectors' moments go together.
#[derive(Clone, Copy)]
enum Moments {
    /// All of one: the system wrote all back, and then no more.
    Same,
    /// The first or the last, for each sector.
    OldOrNew,
    Any,
}

/// A file with some of the edits.
fn torn(old: Vec<u8>, edits: &[Edit], others: &[&[u8]], rng: &Rng) -> Vec<u8> {
    if edits.is_empty() {
        return old;
    }
    let mut lengths = vec![old.len()];
    let mut bytes = old.clone();
    for edit in edits {
        edit.apply(&mut bytes);
        lengths.push(bytes.len());
    }
    let (shortest, longest) =
        lengths.iter().fold((usize::MAX, 0), |(low, high), length| (low.min(*length), high.max(*length)));
    let length = match rng.below(3) {
        0 => lengths[edits.len()],
        1 => lengths[rng.below(lengths.len())],
        _ => shortest + rng.below(longest - shortest + 1),
    };
    let kind = [Moments::Same, Moments::OldOrNew, Moments::Any][rng.below(3)];
    let same = rng.below(lengths.len());
    let moments: Vec<usize> = (0..length.div_ceil(SECTOR))
        .map(|_| match kind {
            Moments::Same => same,
            Moments::OldOrNew => rng.below(2) * edits.len(),
            Moments::Any => rng.below(lengths.len()),
        })
        .collect();

    let mut found = vec![0; length];
    let mut then = old.clone();
    for moment in 0..lengths.len() {
        if let Some(edit) = moment.checked_sub(1).map(|last| &edits[last]) {
            edit.apply(&mut then);
        }
        for (at, sector) in found.chunks_mut(SECTOR).enumerate().filter(|(at, _)| moments[*at] == moment) {
            let start = at * SECTOR;
            match then.get(start..) {
                Some(from) if !from.is_empty() => copy_what_fits(from, sector),
                _ => fill_unwritten(sector, start, others, rng),
            }
        }
    }
    let last_new = moments.iter().rposition(|moment| *moment > 0);
    if let Some(at) = last_new.filter(|_| rng.below(2) == 0) {
        let (start, end) = (at * SECTOR, length.min((at + 1) * SECTOR));
        let from = start + rng.below(end - start + 1);
        found[from..end].fill(0);
        copy_what_fits(old.get(from..).unwrap_or_default(), &mut found[from..end]);
    }
    found
}

fn copy_what_fits(from: &[u8], to: &mut [u8]) {
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
}

/// A sector that belongs to the file and was never written: the disk has there what it has.
fn fill_unwritten(sector: &mut [u8], start: usize, others: &[&[u8]], rng: &Rng) {
    match rng.below(3) {
        0 => {}
        1 => sector.fill_with(|| rng.next() as u8),
        _ => {
            let other = others[rng.below(others.len())];
            copy_what_fits(other.get(start..).unwrap_or_default(), sector);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    #[derive(Debug, Clone)]
    enum Step {
        /// Appends so many bytes.
        Write(usize),
        /// Cuts it to this part of its length, in percent.
        Cut(usize),
        Sync,
        FailedSync,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1..1_500_usize).prop_map(Step::Write),
            1 => (0..101_usize).prop_map(Step::Cut),
            2 => Just(Step::Sync),
            1 => Just(Step::FailedSync),
        ];
        proptest::collection::vec(step, 1..12)
    }

    /// What a byte may be after a crash, and which lengths the file may have.
    struct Allowed {
        /// By place: what was there at some moment that is not ruled out. `None`: it was beyond the end.
        bytes: Vec<Vec<Option<u8>>>,
        shortest: usize,
        longest: usize,
    }

    impl Allowed {
        fn only(bytes: &[u8]) -> Self {
            let (shortest, longest) = (bytes.len(), bytes.len());
            Allowed { bytes: bytes.iter().map(|byte| vec![Some(*byte)]).collect(), shortest, longest }
        }

        fn also(&mut self, bytes: &[u8]) {
            let length = bytes.len().max(self.bytes.len());
            self.bytes.resize(length, vec![None]);
            let now = (0..length).map(|at| bytes.get(at).copied());
            self.bytes.iter_mut().zip(now).for_each(|(allowed, now)| allowed.push(now));
            (self.shortest, self.longest) = (self.shortest.min(bytes.len()), self.longest.max(bytes.len()));
        }

        fn check(&self, found: &[u8]) {
            let lengths = self.shortest..=self.longest;
            assert!(lengths.contains(&found.len()), "{} bytes, not {lengths:?}", found.len());
            for (at, byte) in found.iter().enumerate() {
                let allowed = &self.bytes[at];
                assert!(allowed.contains(&Some(*byte)) || allowed.contains(&None), "{byte} at {at}");
            }
        }
    }

    proptest! {
        /// Each byte is one that was there since the last sync that can be trusted.
        #[test]
        fn a_crash_leaves_nothing_that_never_was(steps in steps(), seed: u64) {
            let mut content = Content::synced(Vec::new());
            let mut allowed = Allowed::only(&[]);
            // Whether a sync has failed: bytes that it left in doubt may be missing for ever.
            let mut is_in_doubt = false;
            let mut next = 0_u8;
            for step in &steps {
                match step {
                    Step::Write(length) => {
                        next = next.wrapping_add(1);
                        content.edit(Edit::Write(content.bytes.len(), vec![next; *length]));
                        allowed.also(&content.bytes);
                    }
                    Step::Cut(percent) => {
                        content.edit(Edit::Cut(content.bytes.len() * percent / 100));
                        allowed.also(&content.bytes);
                    }
                    Step::Sync => {
                        content.sync(Fate::Synced);
                        if !is_in_doubt {
                            allowed = Allowed::only(&content.bytes);
                        }
                    }
                    Step::FailedSync => {
                        content.sync(Fate::InDoubt);
                        is_in_doubt = true;
                    }
                }
            }
            let rng = Rng::new(seed);
            (0..20).for_each(|_| allowed.check(&content.after_crash(&[b"stale"], &rng)));
        }
    }

    fn crashes(content: &Content) -> Vec<Vec<u8>> {
        (0..500).map(|seed| content.after_crash(&[&[9; 4 * SECTOR]], &Rng::new(seed))).collect()
    }

    #[test]
    fn all_that_can_be_lost_is_lost_at_some_time() {
        let mut content = Content::synced(vec![1; 700]);
        content.edit(Edit::Write(700, vec![2; 3 * SECTOR - 700]));
        let found = crashes(&content);
        let seen = |what: &str, is: &dyn Fn(&[u8]) -> bool| {
            assert!(found.iter().any(|found| is(found)), "never {what}");
        };
        assert!(found.iter().all(|found| found.starts_with(&[1; 700])));
        seen("all", &|found| found == content.bytes);
        seen("nothing", &|found| found.len() == 700);
        seen("a part", &|found| {
            found.len() == 1_000 && found.ends_with(&[2; 300]) || found.len() % SECTOR != 0
        });
        let third = 2 * SECTOR..3 * SECTOR;
        let second = SECTOR..2 * SECTOR;
        let is = |range: std::ops::Range<usize>, byte: u8| {
            move |found: &[u8]| found.get(range.clone()).is_some_and(|part| part.iter().all(|is| *is == byte))
        };
        seen("the last without the second", &|found| {
            is(third.clone(), 2)(found) && is(700..2 * SECTOR, 0)(found)
        });
        seen("zeros", &is(third.clone(), 0));
        seen("what another file holds", &is(third.clone(), 9));
        seen("chance bytes", &|found| {
            let distinct = |part: &[u8]| part.iter().collect::<std::collections::HashSet<_>>().len();
            found.get(third.clone()).is_some_and(|part| distinct(part) > 50)
        });
        let is_torn = |part: &[u8]| part.starts_with(&[2]) && part.ends_with(&[0]);
        seen("a torn sector", &|found| found.get(third.clone()).is_some_and(is_torn));
        seen("an old sector before a new one", &|found| {
            is(700..second.end, 0)(found) && is(third.clone(), 2)(found)
        });
    }

    #[test]
    fn what_was_cut_off_may_come_back_until_a_sync() {
        let mut content = Content::synced(vec![1; 1_000]);
        content.edit(Edit::Cut(600));
        content.edit(Edit::Write(600, vec![2; 100]));
        let lengths: Vec<usize> = crashes(&content).iter().map(Vec::len).collect();
        assert!([600, 700, 1_000].iter().all(|length| lengths.contains(length)), "{lengths:?}");
        content.sync(Fate::Synced);
        assert!(crashes(&content).iter().all(|found| *found == content.bytes));
    }

    #[test]
    fn a_sync_says_nothing_about_what_a_failed_one_left() {
        let mut content = Content::synced(Vec::new());
        content.edit(Edit::Write(0, vec![1; SECTOR]));
        content.sync(Fate::InDoubt);
        content.sync(Fate::Synced);
        let found = crashes(&content);
        assert!(found.iter().any(Vec::is_empty) && found.contains(&content.bytes));
        content.edit(Edit::Write(SECTOR, vec![2; SECTOR]));
        content.sync(Fate::Synced);
        let found = crashes(&content);
        assert!(found.iter().all(|found| found[SECTOR..] == [2; SECTOR]), "what came later is there");
        assert!(found.iter().any(|found| found[..SECTOR] == [0; SECTOR]), "what came before may be missing");
        content.edit(Edit::Write(0, vec![1; SECTOR]));
        content.sync(Fate::Synced);
        assert!(crashes(&content).iter().all(|found| *found == content.bytes), "it was written anew");
    }
}
