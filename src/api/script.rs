//! Lua scripts.

use super::Store;
use crate::reply::{ErrorReply, Reply};
use crate::{Bytes, IntoValue, Key};

/// A Lua script, compiled and ready to be called. Made by [`Store::script`].
///
/// It runs as one step, as a script does on a server: nothing else happens in the store meanwhile, and what it
/// did stays even if it fails. Time stands still in it: no key expires between two of its commands, and `TIME` tells one
/// time (as [`Compat::Redis70`](crate::Compat::Redis70) it goes on for `TIME` alone). A transaction does the same in Rust, faster and with types; this is for scripts
/// that a server is to run as well.
#[derive(Debug)]
pub struct Script {
    store: Store,
    text: Bytes,
    sha: String,
}

/// A call of a script: what it is given so far.
#[derive(Debug)]
#[must_use = "a call is made by `call`"]
pub struct ScriptCall<'s> {
    script: &'s Script,
    keys: Vec<Bytes>,
    args: Vec<Bytes>,
    failed: Option<ErrorReply>,
}

impl Store {
    /// Compiles a script, and keeps it for `EVALSHA` too. `SCRIPT LOAD`, O(length of the text).
    ///
    /// ```
    /// use larder::{Reply, Store};
    ///
    /// let store = Store::new();
    /// let add = store.script("return redis.call('INCRBY', KEYS[1], ARGV[1])")?;
    /// assert_eq!(add.key("hits").arg(5).call()?, Reply::Integer(5));
    /// assert_eq!(add.key("hits").arg(2).call()?, Reply::Integer(7));
    /// assert!(store.script("return (").is_err());
    /// # Ok::<(), larder::ErrorReply>(())
    /// ```
    ///
    /// # Errors
    /// Redis's for what is no Lua, and [`Error::InTransaction`](crate::Error::InTransaction)'s from inside a
    /// transaction of the same store.
    #[doc(alias = "SCRIPT LOAD")]
    pub fn script(&self, text: impl Into<Bytes>) -> Result<Script, ErrorReply> {
        self.space().check_not_in_transaction()?;
        let text = text.into();
        match self.session().call([Bytes::from("SCRIPT"), Bytes::from("LOAD"), text.clone()].iter()) {
            Reply::Bulk(sha) => {
                let sha = String::from_utf8_lossy(&sha).into_owned();
                Ok(Script { store: self.clone(), text, sha })
            }
            Reply::Error(error) => Err(error),
            _ => Err(ErrorReply::known("ERR the script was not loaded")),
        }
    }
}

impl Script {
    /// The SHA1 of its text, in hexadecimal: what `EVALSHA` takes. O(1)
    ///
    /// ```
    /// let script = larder::Store::new().script("return 1")?;
    /// assert_eq!(script.sha(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    /// # Ok::<(), larder::ErrorReply>(())
    /// ```
    pub fn sha(&self) -> &str {
        &self.sha
    }

    /// A call with this as its first key. O(length)
    pub fn key<'k>(&self, key: impl Into<Key<'k>>) -> ScriptCall<'_> {
        self.given().key(key)
    }

    /// A call without keys, with this as its first argument. O(length)
    pub fn arg(&self, arg: impl IntoValue) -> ScriptCall<'_> {
        self.given().arg(arg)
    }

    /// Calls it with nothing.
    ///
    /// ```
    /// use larder::{Reply, Store};
    ///
    /// let script = Store::new().script("return {1, 'two', redis.call('PING')}")?;
    /// let expected = [Reply::Integer(1), Reply::Bulk("two".into()), Reply::Status("PONG".into())];
    /// assert_eq!(script.call()?, Reply::Array(expected.to_vec()));
    /// # Ok::<(), larder::ErrorReply>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`ScriptCall::call`].
    pub fn call(&self) -> Result<Reply, ErrorReply> {
        self.given().call()
    }

    fn given(&self) -> ScriptCall<'_> {
        ScriptCall { script: self, keys: Vec::new(), args: Vec::new(), failed: None }
    }
}

impl ScriptCall<'_> {
    /// Gives it one more key. O(length)
    pub fn key<'k>(mut self, key: impl Into<Key<'k>>) -> Self {
        self.keys.push(key.into().into_bytes());
        self
    }

    /// Gives it one more argument. O(length)
    pub fn arg(mut self, arg: impl IntoValue) -> Self {
        match arg.into_value() {
            Ok(arg) => self.args.push(arg),
            Err(error) => self.failed = Some(error.into()),
        }
        self
    }

    /// Calls the script. `EVALSHA`
    ///
    /// # Errors
    /// Redis's, of the script: an error that it raises or gives, one of a command that it calls. Those of
    /// arguments that do not encode.
    #[doc(alias = "EVALSHA")]
    pub fn call(self) -> Result<Reply, ErrorReply> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut session = self.script.store.session();
        let count = Bytes::from(self.keys.len().to_string());
        let mut call = |name: &str, script: Bytes| {
            let words = [Bytes::from(name), script, count.clone()];
            session.call(words.iter().chain(&self.keys).chain(&self.args))
        };
        let reply = match call("EVALSHA", Bytes::from(self.script.sha.as_str())) {
            // Somebody has flushed the scripts.
            Reply::Error(error) if error.code() == "NOSCRIPT" => call("EVAL", self.script.text.clone()),
            reply => reply,
        };
        match reply {
            Reply::Error(error) => Err(error),
            reply => Ok(reply),
        }
    }
}
