//! The log of commands.

mod entry;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Hooks;
use super::commands::{Commands, Received};
use crate::Bytes;
use crate::table::Row;

pub use entry::{Answered, Logged};

/// What is kept: commands, and bytes of their words; and of one command.
const COMMANDS: usize = 10_000;
const BYTES: usize = 16 << 20;
const BYTES_OF_ONE: usize = 4 << 10;
/// Of how many clients the last round trip is known.
const CLIENTS: usize = 10_000;
/// How many of the last commands a failed assertion shows.
const SHOWN: usize = 20;

/// What commands have come to a store, and in how many round trips; made by
/// [`Store::command_log`](crate::Store::command_log), and kept up until it is dropped.
///
/// Commands stand in the order in which they came, also those that faults keep from being carried out. What a `MULTI`
/// queues stands where it was queued, and not again at its `EXEC`; what a script calls does not stand here.
///
/// It is bounded: the last 10,000 commands are kept, of their words 16 MiB in all and 4 KiB of each command. Counts
/// are exact for all that ever came, but for commands that are not known: those are counted among the kept.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let log = store.command_log();
/// let mut session = store.session();
/// session.call(["SET", "user:1", "ann lee"]);
/// session.call(["GET", "user:1"]);
///
/// assert_eq!(log.lines(), ["SET user:1 \"ann lee\"", "GET user:1"]);
/// log.assert_count("@write", 1);
/// log.assert_round_trips(2);
/// println!("{log}"); // as MONITOR shows it, with the replies
/// ```
#[must_use = "commands are noted until the log is dropped"]
pub struct CommandLog {
    hooks: Arc<Hooks>,
    recorder: Arc<Recorder>,
}

impl CommandLog {
    pub(super) fn new(hooks: Arc<Hooks>, recorder: Arc<Recorder>) -> Self {
        CommandLog { hooks, recorder }
    }

    /// How many of these commands have come. O(commands kept)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["CONFIG", "GET", "port"]);
    /// assert_eq!((log.count("CONFIG GET"), log.count("CONFIG"), log.count("@write")), (1, 1, 0));
    /// ```
    ///
    /// # Panics
    /// On a category that there is not.
    #[track_caller]
    pub fn count(&self, commands: impl Into<Commands>) -> u64 {
        self.recorder.lock().count(&commands.into())
    }

    /// How many round trips the clients have made: how often they waited for replies before they sent more. A pipeline
    /// is one. In the same process each call of a session and each of redis-rs's connection is one. Over a socket it
    /// is what has arrived when the server comes to read: a pipeline of many kilobytes may count for several. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// let mut session = store.session();
    /// session.call(["GET", "a"]);
    /// session.call(["GET", "b"]);
    /// assert_eq!(log.round_trips(), 2);
    /// ```
    pub fn round_trips(&self) -> u64 {
        self.recorder.lock().trips
    }

    /// The commands that are kept, in the order in which they came. O(commands)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["GET", "a"]);
    /// let command = &log.commands()[0];
    /// assert_eq!((command.name(), command.words().len(), command.db()), ("get", 2, 0));
    /// ```
    pub fn commands(&self) -> Vec<Logged> {
        self.recorder.lock().entries.iter().cloned().collect()
    }

    /// The same, each as one would type it, for an `assert_eq`. O(commands)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["SET", "user:1", "ann lee"]);
    /// assert_eq!(log.lines(), ["SET user:1 \"ann lee\""]);
    /// ```
    pub fn lines(&self) -> Vec<String> {
        self.recorder.lock().entries.iter().map(Logged::line).collect()
    }

    /// Forgets all that has come so far: what a client says when it connects, or a test's own preparations. O(commands)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["HELLO", "3"]);
    /// log.clear();
    /// assert_eq!((log.lines().len(), log.round_trips()), (0, 0));
    /// ```
    pub fn clear(&self) {
        let mut kept = self.recorder.lock();
        let next = kept.next;
        *kept = Kept { next, ..Kept::default() };
    }

    /// Fails the test unless so many of these commands have come. O(commands kept)
    ///
    /// ```should_panic
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["GET", "user:1"]);
    /// log.assert_count("GET", 2);
    /// // panics: GET has come 1 time, not 2; the last commands: 946684800.000000 [0 1] "GET" "user:1" -> (nil)
    /// ```
    ///
    /// # Panics
    /// If it were more or fewer; with the end of the log.
    #[track_caller]
    pub fn assert_count(&self, commands: impl Into<Commands>, count: u64) {
        let commands = commands.into();
        let kept = self.recorder.lock();
        let came = kept.count(&commands);
        kept.check(came == count, || format!("{commands} has come {}, not {count}", times(came)));
    }

    /// Fails the test if any of these commands has come. O(commands kept)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// store.session().call(["SCAN", "0"]);
    /// log.assert_never(["KEYS", "@write"]);
    /// ```
    ///
    /// # Panics
    /// If one has; with those, and the end of the log.
    #[track_caller]
    pub fn assert_never(&self, commands: impl Into<Commands>) {
        let commands = commands.into();
        let kept = self.recorder.lock();
        let came = kept.count(&commands);
        kept.check(came == 0, || {
            let found = kept.entries.iter().filter(|entry| entry.is(&commands)).take(SHOWN);
            let found: String = found.map(|entry| format!("\n    {}", entry.line())).collect();
            format!("{commands} has come {}:{found}\n ", times(came))
        });
    }

    /// Fails the test unless there have been so many [round trips](Self::round_trips).
    ///
    /// ```
    /// # #[cfg(feature = "redis")] {
    /// let store = larder::Store::new();
    /// let log = store.command_log();
    /// let mut con = store.redis_connection();
    /// let (a, b): (u64, u64) = redis::pipe().incr("a", 1).incr("b", 1).query(&mut con)?;
    /// log.assert_round_trips(1);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If it were more or fewer; with the trip of each command.
    #[track_caller]
    pub fn assert_round_trips(&self, trips: u64) {
        let kept = self.recorder.lock();
        kept.check(kept.trips == trips, || {
            let marked = kept.end(|entry| format!("trip {}: {}", entry.round_trip(), entry.line()));
            format!("{} round trips were made, not {trips}:{marked}\n ", kept.trips)
        });
    }
}

fn times(count: u64) -> String {
    if count == 1 { "1 time".into() } else { format!("{count} times") }
}

impl Drop for CommandLog {
    fn drop(&mut self) {
        self.hooks.change(|set| set.logs.retain(|log| !Arc::ptr_eq(log, &self.recorder)));
    }
}

/// One line a command, as `MONITOR` shows them, with the replies.
impl fmt::Display for CommandLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recorder.lock().entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Debug for CommandLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.commands()).finish()
    }
}

/// Where commands are noted.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: VecDeque<Logged>,
    /// The number of the next entry; that of the first is this less their number.
    next: u64,
    /// Bytes of their words.
    bytes: usize,
    trips: u64,
    /// The last round trip of each client that was heard of lately. No two are the same, and they grow.
    last_trips: HashMap<u64, u64>,
    /// How often each has come that is known.
    counts: HashMap<&'static str, (&'static Row, u64)>,
}

impl Recorder {
    /// Notes a command that came at this wall time; gives its number.
    pub(crate) fn note(&self, received: &Received<'_>, at: u64, trip: u64) -> u64 {
        let mut kept = self.lock();
        if kept.last_trips.insert(received.client, trip) != Some(trip) {
            kept.trips += 1;
            if kept.last_trips.len() > CLIENTS {
                let old = trip.saturating_sub(CLIENTS as u64 / 2);
                kept.last_trips.retain(|_, last| *last > old);
            }
        }
        if let Some(row) = received.row {
            kept.counts.entry(row.name).or_insert((row, 0)).1 += 1;
        }
        let entry = Logged::new(received, at, trip, BYTES_OF_ONE);
        kept.bytes += entry.bytes();
        kept.entries.push_back(entry);
        while kept.entries.len() > COMMANDS || kept.bytes > BYTES {
            let oldest = kept.entries.pop_front();
            kept.bytes -= oldest.map_or(kept.bytes, |entry| entry.bytes());
        }
        kept.next += 1;
        kept.next - 1
    }

    /// Notes the reply to a command.
    pub(crate) fn answer(&self, number: u64, answered: Answered) {
        let mut kept = self.lock();
        let first = kept.next - kept.entries.len() as u64;
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| kept.entries.get_mut(at)) {
            entry.answer(answered);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn count(&self, commands: &Commands) -> u64 {
        let known = self.counts.values().filter(|(row, _)| commands.has(row.name, Some(row)));
        let unknown = self.entries.iter().filter(|entry| !entry.is_known() && entry.is(commands));
        known.map(|(_, count)| count).sum::<u64>() + unknown.count() as u64
    }

    /// The last entries, one a line.
    fn end(&self, show: impl Fn(&Logged) -> String) -> String {
        let end = self.entries.iter().skip(self.entries.len().saturating_sub(SHOWN));
        end.map(|entry| format!("\n    {}", show(entry))).collect()
    }

    /// # Panics
    /// If it does not hold.
    #[track_caller]
    fn check(&self, holds: bool, says: impl FnOnce() -> String) {
        if holds {
            return;
        }
        let end = self.end(Logged::to_string);
        let end = if end.is_empty() { "\n    (none)".into() } else { end };
        panic!("{}; the last commands:{end}", says());
    }
}

/// The words of a command as they are kept.
fn cut(words: &[Bytes], bytes: usize) -> Vec<Bytes> {
    let mut left = bytes;
    let mut kept = Vec::new();
    for word in words {
        // A word has its own bytes and the place it takes.
        if left < size_of::<Bytes>() {
            break;
        }
        left -= size_of::<Bytes>();
        kept.push(if word.len() <= left { word.clone() } else { Bytes::from(&word[..left]) });
        left -= word.len().min(left);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(words: &[Bytes]) -> Received<'_> {
        let name = words.first().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase());
        Received {
            name: name.unwrap_or_default(),
            row: None,
            words,
            db: 0,
            client: 1,
            client_name: Bytes::new(),
            client_addr: String::new(),
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_its_end() {
        let recorder = Recorder::default();
        for n in 0..COMMANDS as u64 + 5 {
            let words = [Bytes::from("GET"), Bytes::from(n.to_string())];
            assert_eq!(recorder.note(&received(&words), 0, n + 1), n);
            recorder.answer(n, Answered::Integer(n as i64));
        }
        recorder.answer(0, Answered::Nil);
        let kept = recorder.lock();
        assert_eq!((kept.entries.len(), kept.trips), (COMMANDS, COMMANDS as u64 + 5));
        assert_eq!(kept.entries[0].line(), "GET 5");
        assert_eq!(*kept.entries[0].answered(), Answered::Integer(5));
    }

    #[test]
    fn large_words_are_cut_and_count() {
        let recorder = Recorder::default();
        let words =
            [Bytes::from("SET"), Bytes::from("a"), Bytes::from(vec![b'x'; 1 << 20]), Bytes::from("y")];
        for _ in 0..COMMANDS {
            recorder.note(&received(&words), 0, 1);
        }
        let kept = recorder.lock();
        assert!(kept.bytes <= BYTES && kept.entries.len() > BYTES / BYTES_OF_ONE / 2);
        assert_eq!(kept.entries[0].words().len(), 3, "the last finds no room");
        assert_eq!(kept.trips, 1);
    }
}
