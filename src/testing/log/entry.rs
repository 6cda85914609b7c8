//! One command in the log.

use std::fmt;
use std::time::SystemTime;

use super::cut;
use crate::Bytes;
use crate::clock::since_epoch;
use crate::reply::{ErrorReply, Reply};
use crate::table::Row;
use crate::testing::commands::{Commands, Received, line, quoted};

/// A command in the [log](super::CommandLog). Printed it is a line as `MONITOR` shows it, with the time, the database
/// and the client's number, and the reply behind an arrow.
///
/// ```
/// use larder::{ManualClock, Store};
///
/// let store = Store::builder().clock(ManualClock::new()).build();
/// let log = store.command_log();
/// store.session().call(["INCR", "hits"]);
/// assert_eq!(log.commands()[0].to_string(), "946684800.000000 [0 1] \"INCR\" \"hits\" -> (integer) 1");
/// ```
#[derive(Clone)]
pub struct Logged {
    name: String,
    row: Option<&'static Row>,
    words: Vec<Bytes>,
    /// How many words it had.
    had: usize,
    db: u16,
    client: u64,
    /// Milliseconds since 1970.
    at: u64,
    trip: u64,
    answered: Answered,
}

/// What a command was answered, in short.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answered {
    /// Nothing yet.
    Pending,
    /// Nothing that reached the client: a fault.
    Lost,
    /// A word such as `OK`.
    Status(String),
    /// An error.
    Error(ErrorReply),
    /// A number.
    Integer(i64),
    /// A string of so many bytes.
    Bytes(usize),
    /// Nothing, as a reply.
    Nil,
    /// So many replies, or pairs.
    Items(usize),
    /// A number that need not be whole, or a truth.
    Other(String),
}

impl Logged {
    pub(super) fn new(received: &Received<'_>, at: u64, trip: u64, bytes: usize) -> Self {
        Logged {
            name: received.name.chars().take(64).collect(),
            row: received.row,
            words: cut(received.words, bytes),
            had: received.words.len(),
            db: received.db,
            client: received.client,
            at,
            trip,
            answered: Answered::Pending,
        }
    }

    /// Its name in small letters, a subcommand's with that of its container: `config|get`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its words, as far as they are kept: 4 KiB of a command.
    pub fn words(&self) -> &[Bytes] {
        &self.words
    }

    /// The client's number: what `CLIENT ID` gives.
    pub fn client_id(&self) -> u64 {
        self.client
    }

    /// The database that was selected.
    pub fn db(&self) -> u16 {
        self.db
    }

    /// When it came, by the store's clock.
    pub fn at(&self) -> SystemTime {
        since_epoch(std::time::Duration::from_millis(self.at))
    }

    /// The number of its round trip. Commands of a pipeline have the same one, and no others have it.
    pub fn round_trip(&self) -> u64 {
        self.trip
    }

    /// What it was answered.
    pub fn answered(&self) -> &Answered {
        &self.answered
    }

    /// As one would type it: `SET user:1 "ann lee"`.
    pub fn line(&self) -> String {
        let more = self.had - self.words.len();
        let line = line(&self.words);
        if more > 0 { format!("{line} ... ({more} words more)") } else { line }
    }

    pub(super) fn is(&self, commands: &Commands) -> bool {
        commands.has(&self.name, self.row)
    }

    pub(super) fn is_known(&self) -> bool {
        self.row.is_some()
    }

    pub(super) fn answer(&mut self, answered: Answered) {
        self.answered = answered;
    }

    /// What it is counted as.
    pub(super) fn bytes(&self) -> usize {
        self.words.iter().map(|word| size_of::<Bytes>() + word.len()).sum()
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}000 [{} {}]", self.at / 1000, self.at % 1000, self.db, self.client)?;
        self.words.iter().try_for_each(|word| write!(f, " {}", quoted(word)))?;
        if self.had > self.words.len() {
            write!(f, " ... ({} words more)", self.had - self.words.len())?;
        }
        write!(f, " -> {}", self.answered)
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} (round trip {})", self.trip)
    }
}

impl From<&Reply> for Answered {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Status(text) => Answered::Status(text.to_string()),
            Reply::Error(error) => Answered::Error(error.clone()),
            Reply::Integer(value) => Answered::Integer(*value),
            Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => Answered::Bytes(bytes.len()),
            Reply::Nil | Reply::NilArray => Answered::Nil,
            Reply::Array(items) | Reply::Set(items) | Reply::Push(items) | Reply::Several(items) => {
                Answered::Items(items.len())
            }
            Reply::Map(pairs) | Reply::Pairs(pairs) => Answered::Items(pairs.len()),
            Reply::Double(value) | Reply::Coordinate(value) => Answered::Other(value.to_string()),
            Reply::BigNumber(digits) => Answered::Other(String::from_utf8_lossy(digits).into_owned()),
            Reply::Boolean(value) => Answered::Other(value.to_string()),
            Reply::Attribute(_, reply) => Answered::from(&**reply),
        }
    }
}

/// As redis-cli shows replies, but strings and lists by their length alone.
impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answered::Pending => f.write_str("(no reply yet)"),
            Answered::Lost => f.write_str("(reply lost)"),
            Answered::Status(text) => f.write_str(text),
            Answered::Error(error) => write!(f, "(error) {error}"),
            Answered::Integer(value) => write!(f, "(integer) {value}"),
            Answered::Bytes(1) => f.write_str("(1 byte)"),
            Answered::Bytes(bytes) => write!(f, "({bytes} bytes)"),
            Answered::Nil => f.write_str("(nil)"),
            Answered::Items(1) => f.write_str("(1 item)"),
            Answered::Items(items) => write!(f, "({items} items)"),
            Answered::Other(text) => f.write_str(text),
        }
    }
}
