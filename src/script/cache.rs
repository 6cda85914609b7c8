//! The texts of scripts, by their SHA1.

use std::collections::HashMap;

use ahash::RandomState;

use super::shebang::Flags;
use crate::Bytes;

/// How many scripts are kept that came by `EVAL` alone, as Redis does from 7.4 on.
const KEPT: usize = 500;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Cache {
    scripts: HashMap<String, Script, RandomState>,
    /// Counts the uses.
    uses: u64,
    /// How many of them may go.
    evictable: usize,
    bytes: usize,
}

#[derive(Clone)]
pub(super) struct Script {
    pub text: Bytes,
    /// None for one that does not say what it is, which may do all.
    pub flags: Option<Flags>,
    used: u64,
    stays: bool,
}

impl Script {
    fn bytes(&self, sha: &str) -> usize {
        size_of::<(String, Script)>() + sha.len() + self.text.len()
    }
}

impl Cache {
    pub(super) fn has(&self, sha: &str) -> bool {
        self.scripts.contains_key(sha)
    }

    /// What a script says of itself, which is no use of it.
    pub(super) fn flags(&self, sha: &str) -> Option<Flags> {
        self.scripts.get(sha)?.flags
    }

    pub(super) fn len(&self) -> usize {
        self.scripts.len()
    }

    /// What they take, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A script, which counts as a use. O(1)
    pub(super) fn get(&mut self, sha: &str) -> Option<&Script> {
        self.uses += 1;
        let script = self.scripts.get_mut(sha)?;
        script.used = self.uses;
        Some(script)
    }

    /// Keeps a script: for good if it `stays`, and else until many others have been used. Gives the SHA1 of the
    /// one that goes for it. O(1), or O(n) if one goes.
    pub(super) fn insert(
        &mut self,
        sha: &str,
        text: &[u8],
        flags: Option<Flags>,
        stays: bool,
    ) -> Option<String> {
        self.uses += 1;
        if let Some(script) = self.scripts.get_mut(sha) {
            self.evictable -= usize::from(stays && !script.stays);
            script.stays |= stays;
            return None;
        }
        let script = Script { text: Bytes::from(text), flags, used: self.uses, stays };
        self.bytes += script.bytes(sha);
        self.scripts.insert(sha.to_owned(), script);
        self.evictable += usize::from(!stays);
        if self.evictable <= KEPT {
            return None;
        }
        let oldest =
            self.scripts.iter().filter(|(_, script)| !script.stays).min_by_key(|(_, script)| script.used);
        let oldest = oldest.map(|(sha, _)| sha.clone())?;
        if let Some(script) = self.scripts.remove(&oldest) {
            self.bytes -= script.bytes(&oldest);
        }
        self.evictable -= 1;
        Some(oldest)
    }

    pub(super) fn clear(&mut self) {
        *self = Cache::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_by_eval_goes_when_others_come_and_what_was_loaded_stays() {
        let mut cache = Cache::default();
        cache.insert("loaded", b"", None, true);
        cache.insert("later", b"", None, false);
        cache.insert("used", b"", None, false);
        assert_eq!(cache.insert("later", b"", None, true), None);
        let gone: Vec<String> = (0..KEPT + 10)
            .filter_map(|at| {
                assert!(cache.get("used").is_some());
                cache.insert(&at.to_string(), b"", None, false)
            })
            .collect();
        let expected: Vec<String> = (0..11).map(|at: u32| at.to_string()).collect();
        assert_eq!(gone, expected);
        assert!(cache.has("loaded") && cache.has("later") && cache.has("used") && !cache.has("10"));
        assert_eq!(cache.scripts.len(), KEPT + 2);
    }
}
