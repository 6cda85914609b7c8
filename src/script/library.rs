//! The libraries of functions that are loaded.

use std::collections::BTreeMap;

use super::register::Registered;
use super::shebang::Flags;
use crate::Bytes;
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

    /// Gives the functions that go with it; nothing if there is no such library.
    pub(super) fn remove(&mut self, name: &str) -> Option<Vec<String>> {
        let library = self.by_name.remove(name)?;
        for function in &library.functions {
            self.functions.remove(function);
        }
        Some(library.functions)
    }
}
