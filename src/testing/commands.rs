//! Which commands are meant, and what is known of one that has come.

use std::fmt;

use crate::Bytes;
use crate::table::{Row, category, is_of};

/// Some commands, by name or by category.
///
/// A name stands for itself, a container's for all that is behind it (`CONFIG` for `CONFIG GET` and the others, each
/// of which can be named: `CONFIG GET` or `config|get`). Behind an `@` stands one of the categories that `ACL CAT`
/// lists: `@write`, `@list`, `@dangerous`. Capitals or not is all the same.
///
/// It is the command that counts, not the client's method: redis-rs's `incr` sends `INCRBY`. The
/// [log](super::CommandLog) shows what was sent, and [`Fault::must_strike`](super::Fault::must_strike) notices.
///
/// ```
/// use larder::testing::Commands;
///
/// for commands in [Commands::from("GET"), ["GET", "MGET"].into(), vec!["@write", "CONFIG SET"].into()] {
///     println!("{commands}");
/// }
/// ```
///
/// # Panics
/// Made from the name of a category that there is not, or from no name: a rule that can never match would let a test pass
/// for no reason.
#[derive(Clone, Debug)]
pub struct Commands(Vec<Named>);

#[derive(Clone, Debug)]
enum Named {
    /// In small letters, a container and its subcommand with a `|` between them.
    Command(String),
    Category(&'static str),
}

impl Commands {
    #[track_caller]
    fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        match Commands::parse(names) {
            Ok(commands) => commands,
            Err(why) => panic!("{why}"),
        }
    }

    /// # Errors
    /// Why the first name that can be none is none.
    pub(crate) fn parse<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let named =
            names.into_iter().map(|name| Named::parse(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if named.is_empty() { Err("no command is named".to_owned()) } else { Ok(Commands(named)) }
    }

    /// Whether one of them has this name.
    pub(crate) fn has(&self, name: &str, row: Option<&Row>) -> bool {
        self.0.iter().any(|named| match named {
            Named::Command(of) => {
                name.strip_prefix(&**of).is_some_and(|sub| sub.is_empty() || sub.starts_with('|'))
            }
            Named::Category(category) => row.is_some_and(|row| is_of(row, category)),
        })
    }
}

impl Named {
    fn parse(name: &str) -> Result<Self, String> {
        let name = name.trim().to_ascii_lowercase();
        let Some(of) = name.strip_prefix('@') else {
            let words: Vec<&str> = name.split([' ', '|']).filter(|word| !word.is_empty()).collect();
            if words.is_empty() {
                return Err("a command has a name".to_owned());
            }
            return Ok(Named::Command(words.join("|")));
        };
        let known = category(of).ok_or_else(|| format!("there is no category of commands @{of}"))?;
        Ok(Named::Category(known))
    }
}

impl From<&str> for Commands {
    #[track_caller]
    fn from(name: &str) -> Self {
        Commands::new([name])
    }
}

impl From<&String> for Commands {
    #[track_caller]
    fn from(name: &String) -> Self {
        Commands::new([name])
    }
}

impl From<String> for Commands {
    #[track_caller]
    fn from(name: String) -> Self {
        Commands::new([name])
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for Commands {
    #[track_caller]
    fn from(names: [S; N]) -> Self {
        Commands::new(names)
    }
}

impl<S: AsRef<str>> From<&[S]> for Commands {
    #[track_caller]
    fn from(names: &[S]) -> Self {
        Commands::new(names)
    }
}

impl<S: AsRef<str>> From<Vec<S>> for Commands {
    #[track_caller]
    fn from(names: Vec<S>) -> Self {
        Commands::new(names)
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, named) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            match named {
                Named::Command(name) => f.write_str(&name.to_ascii_uppercase().replace('|', " "))?,
                Named::Category(category) => write!(f, "@{category}")?,
            }
        }
        Ok(())
    }
}

/// A command that has come, and from whom: what the predicate of [`Fault::when`](super::Fault::when) is shown.
///
/// ```
/// # use larder::{Store, testing::Fault};
/// # let store = Store::new();
/// let _fault = store.fault(Fault::loading().when(|command| {
///     command.name() == "get" && command.keys() == ["user:1"] && command.db() == 0
/// }));
/// assert!(matches!(store.session().call(["GET", "user:1"]), larder::Reply::Error(_)));
/// ```
pub struct Received<'r> {
    pub(crate) name: String,
    pub(crate) row: Option<&'static Row>,
    pub(crate) words: &'r [Bytes],
    pub(crate) db: u16,
    pub(crate) client: u64,
    pub(crate) client_name: Bytes,
    pub(crate) client_addr: String,
}

impl<'r> Received<'r> {
    /// Its name in small letters, a subcommand's with that of its container: `config|get`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All its words, as they have come.
    pub fn words(&self) -> &'r [Bytes] {
        self.words
    }

    /// The keys among them; none of a command that is not known. O(words)
    pub fn keys(&self) -> Vec<&'r Bytes> {
        let places = self.row.map(|row| row.keys.of(self.words)).unwrap_or_default();
        places.into_iter().filter_map(|at| self.words.get(at)).collect()
    }

    /// The database that is selected.
    pub fn db(&self) -> u16 {
        self.db
    }

    /// The client's number: what `CLIENT ID` gives.
    pub fn client_id(&self) -> u64 {
        self.client
    }

    /// The client's name, as `CLIENT SETNAME` gave it, or nothing.
    pub fn client_name(&self) -> &Bytes {
        &self.client_name
    }

    /// The client's address; `?:0` in the same process.
    pub fn client_addr(&self) -> &str {
        &self.client_addr
    }

    /// Whether it may write.
    pub(crate) fn writes(&self) -> bool {
        self.row.is_some_and(|row| is_of(row, "write"))
    }

    /// Whether it is one of these.
    pub(crate) fn is(&self, commands: &Commands) -> bool {
        commands.has(&self.name, self.row)
    }
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("line", &line(self.words))
            .field("db", &self.db)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Words of a command that a line shows, and bytes of a word.
const SHOWN_WORDS: usize = 32;
const SHOWN_BYTES: usize = 128;

/// A command as one would type it: words that need it in quotes, and long ones cut.
pub(crate) fn line(words: &[Bytes]) -> String {
    let mut line = words.iter().take(SHOWN_WORDS).map(|word| typed(word)).collect::<Vec<_>>().join(" ");
    if words.len() > SHOWN_WORDS {
        line.push_str(&format!(" ... ({} words more)", words.len() - SHOWN_WORDS));
    }
    line
}

fn typed(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !word.is_empty() && word.iter().all(plain) && word.len() <= SHOWN_BYTES {
        return String::from_utf8_lossy(word).into_owned();
    }
    quoted(word)
}

/// A word in quotes, as `MONITOR` shows it; a long one cut.
pub(crate) fn quoted(word: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in word.iter().take(SHOWN_BYTES) {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    if word.len() > SHOWN_BYTES {
        text.push_str(&format!("... ({} bytes)", word.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_read() {
        let line = |words: &[&[u8]]| line(&words.iter().map(|word| Bytes::from(*word)).collect::<Vec<_>>());
        assert_eq!(line(&[b"SET", b"user:1", b"ann lee"]), "SET user:1 \"ann lee\"");
        assert_eq!(line(&[b"GET", b""]), "GET \"\"");
        assert_eq!(line(&[b"GET", b"\"a\\\n\xff"]), "GET \"\\\"a\\\\\\n\\xff\"");
        assert_eq!(line(&[&b"x"[..]; 40]), format!("{} ... (8 words more)", ["x"; 32].join(" ")));
        assert_eq!(line(&[&[b'x'; 200]]), format!("\"{}\"... (200 bytes)", "x".repeat(128)));
    }

    #[test]
    fn names_stand_for_themselves_and_for_what_is_behind_them() {
        let has = |commands: &str, name: &str| Commands::from(commands).has(name, None);
        assert!(has("Get", "get") && has("CONFIG", "config|get") && has("config GET", "config|get"));
        assert!(!has("GET", "getex") && !has("CONFIG SET", "config|get") && !has("CONFIG GET", "config"));
    }
}
