//! The libraries of functions that are loaded.

use std::collections::BTreeMap;

use super::register::Registered;
use super::shebang::{Flags, of_library};
use crate::Bytes;
use crate::keyspace::libraries::Codes;
use crate::reply::ErrorReply;

/// See the [module](self). In the order of their names, which Redis leaves open.
#[derive(Default)]
pub(super) struct Libraries {
    pub by_name: BTreeMap<String, Library>,
    /// By what they are [`found_by`].
    pub functions: BTreeMap<String, Function>,
}

#[derive(Clone)]
pub(crate) struct Library {
    /// The text as it was given.
    pub text: Bytes,
    /// The names of its functions, in the order in which they were registered.
    pub functions: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Function {
    /// As it was registered.
    pub name: String,
    pub library: String,
    pub description: Option<Bytes>,
    pub flags: Flags,
}

/// What becomes of libraries that are there when others are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restoring {
    /// They go.
    Flush,
    /// They stay; those to come must have other names.
    Append,
    /// Those of the same names go.
    Replace,
}

/// What a function is found by: names of functions are the same in any case, those of libraries are not.
pub(super) fn found_by(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Libraries {
    pub(super) fn function(&self, name: &[u8]) -> Option<&Function> {
        self.functions.get(&found_by(std::str::from_utf8(name).ok()?))
    }

    /// Whether a library of that name may take these functions.
    ///
    /// # Errors
    /// Redis's, if there are none, or another library has one of them.
    pub(super) fn check(&self, name: &str, registered: &[Registered]) -> Result<(), ErrorReply> {
        if registered.is_empty() {
            return Err(ErrorReply::known("ERR No functions registered"));
        }
        let is_others =
            |function: &str| self.function(function.as_bytes()).is_some_and(|of| of.library != name);
        match registered.iter().find(|registered| is_others(&registered.name)) {
            Some(taken) => Err(ErrorReply::new(format!("ERR Function {} already exists", taken.name))),
            None => Ok(()),
        }
    }

    /// Puts a library in, in place of one of the same name.
    pub(super) fn insert(&mut self, name: &str, text: &Bytes, registered: &[Registered]) {
        self.remove(name);
        for of in registered {
            let function = Function {
                name: of.name.clone(),
                library: name.to_owned(),
                description: of.description.clone(),
                flags: of.flags,
            };
            self.functions.insert(found_by(&of.name), function);
        }
        let functions = registered.iter().map(|of| of.name.clone()).collect();
        self.by_name.insert(name.to_owned(), Library { text: text.clone(), functions });
    }

    /// Keeps the text of a library that cannot be loaded here, if it has a name.
    pub(super) fn keep(&mut self, text: &Bytes) {
        if let Ok((name, _)) = of_library(text) {
            self.insert(&name, text, &[]);
        }
    }

    /// The code of each, in the order of their names.
    pub(super) fn codes(&self) -> Codes {
        self.by_name.values().map(|library| library.text.clone()).collect()
    }

    /// What they take, in bytes. O(functions)
    pub(super) fn bytes(&self) -> usize {
        let libraries = self.by_name.iter().map(|(name, library)| {
            let names = library.functions.iter().map(|name| size_of::<String>() + name.len());
            size_of::<(String, Library)>() + name.len() + library.text.len() + names.sum::<usize>()
        });
        let functions = self.functions.iter().map(|(name, of)| {
            let description = of.description.as_ref().map_or(0, |text| text.len());
            size_of::<(String, Function)>() + name.len() + of.name.len() + of.library.len() + description
        });
        libraries.sum::<usize>() + functions.sum::<usize>()
    }

    /// Gives what the functions that go with it were found by; nothing if there is no such library.
    pub(super) fn remove(&mut self, name: &str) -> Option<Vec<String>> {
        let library = self.by_name.remove(name)?;
        let gone: Vec<String> = library.functions.iter().map(|name| found_by(name)).collect();
        for function in &gone {
            self.functions.remove(function);
        }
        Some(gone)
    }

    /// Takes in all of the others, or none; gives what the functions that go for them were found by.
    ///
    /// # Errors
    /// Redis's, for names that are taken.
    pub(super) fn join(
        &mut self,
        others: Libraries,
        restoring: Restoring,
    ) -> Result<Vec<String>, ErrorReply> {
        if restoring == Restoring::Flush {
            return Ok(std::mem::replace(self, others).functions.into_keys().collect());
        }
        let is_taken = |name: &&String| self.by_name.contains_key(*name);
        if restoring == Restoring::Append {
            if let Some(name) = others.by_name.keys().find(is_taken) {
                return Err(ErrorReply::new(format!("ERR Library {name} already exists")));
            }
        }
        let stays = |of: &Function| !others.by_name.contains_key(&of.library);
        let is_taken = |(name, _): &(&String, &Function)| self.functions.get(*name).is_some_and(stays);
        if let Some((_, taken)) = others.functions.iter().find(is_taken) {
            return Err(ErrorReply::new(format!("ERR Function {} already exists", taken.name)));
        }
        let gone = others.by_name.keys().filter_map(|name| self.remove(name)).flatten().collect();
        self.by_name.extend(others.by_name);
        self.functions.extend(others.functions);
        Ok(gone)
    }
}
