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
    /// To the library that has it, and what is known of it.
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

impl Libraries {
    /// Whether a library of that name may take these functions.
    ///
    /// # Errors
    /// Redis's, if there are none, or another library has one of them.
    pub(super) fn check(&self, name: &str, registered: &[Registered]) -> Result<(), ErrorReply> {
        if registered.is_empty() {
            return Err(ErrorReply::known("ERR No functions registered"));
        }
        let is_others = |function: &str| self.functions.get(function).is_some_and(|of| of.library != name);
        match registered.iter().find(|registered| is_others(&registered.name)) {
            Some(taken) => Err(ErrorReply::new(format!("ERR Function {} already exists", taken.name))),
            None => Ok(()),
        }
    }

    /// Puts a library in, in place of one of the same name.
    pub(super) fn insert(&mut self, name: &str, text: &Bytes, registered: &[Registered]) {
        self.remove(name);
        for of in registered {
            let function =
                Function { library: name.to_owned(), description: of.description.clone(), flags: of.flags };
            self.functions.insert(of.name.clone(), function);
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

    /// Gives the functions that go with it; nothing if there is no such library.
    pub(super) fn remove(&mut self, name: &str) -> Option<Vec<String>> {
        let library = self.by_name.remove(name)?;
        for function in &library.functions {
            self.functions.remove(function);
        }
        Some(library.functions)
    }

    /// Takes in all of the others, or none; gives the functions that go for them.
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
        let is_taken = |name: &&String| self.functions.get(*name).is_some_and(stays);
        if let Some(name) = others.functions.keys().find(is_taken) {
            return Err(ErrorReply::new(format!("ERR Function {name} already exists")));
        }
        let gone = others.by_name.keys().filter_map(|name| self.remove(name)).flatten().collect();
        self.by_name.extend(others.by_name);
        self.functions.extend(others.functions);
        Ok(gone)
    }
}
