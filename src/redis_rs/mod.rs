//! redis-rs without a socket: its connection trait over a session.

#[cfg(feature = "redis-aio")]
mod aio;

#[cfg(feature = "redis-aio")]
pub use aio::RedisAsyncConnection;

use redis::{Arg, Cmd, ConnectionLike, PushKind, RedisError, RedisResult, Value, VerbatimFormat};

use crate::reply::{ErrorReply, Reply};
use crate::resp::{Dialect, Protocol, Requests, coordinate, double};
use crate::{Bytes, Session, Store};

/// Commands of a pipeline for which there is room at once.
const FEW: usize = 32;

/// A connection of redis-rs to a store in the same process: no server, no socket, no thread.
///
/// What is written against `redis::Commands`, `redis::pipe()` or `redis::transaction` runs on it as on a
/// connection to a server; so a test gives it to the code that has a real one in production.
///
/// ```
/// use larder::Store;
/// use redis::Commands;
///
/// fn greet(con: &mut impl Commands, name: &str) -> redis::RedisResult<u64> {
///     con.incr(format!("greeted:{name}"), 1)
/// }
///
/// let mut con = Store::new().redis_connection();
/// assert_eq!(greet(&mut con, "ann")?, 1);
/// assert_eq!(greet(&mut con, "ann")?, 2);
/// # Ok::<(), redis::RedisError>(())
/// ```
///
/// Commands that block have the thread wait. Messages of channels do not come this way, as redis-rs takes
/// those from its own connection alone; a [`Subscription`](crate::Subscription) of the store hears what is
/// published here, and what it publishes is heard by all:
///
/// ```
/// # use std::time::Duration;
/// # use larder::Store;
/// use redis::Commands;
///
/// let store = Store::new();
/// let news = store.subscribe(["news"]);
/// let heard: u64 = store.redis_connection().publish("news", "hello")?;
/// assert_eq!(heard, 1);
/// let message = news.recv_timeout(Duration::from_secs(5)).expect("a message");
/// assert_eq!((&*message.channel, &*message.payload), (&b"news"[..], &b"hello"[..]));
/// # Ok::<(), redis::RedisError>(())
/// ```
#[derive(Debug)]
pub struct RedisConnection(Session);

impl Store {
    /// A connection of redis-rs to this store, with this handle's database selected. O(1)
    ///
    /// ```
    /// use larder::Store;
    /// use redis::Commands;
    ///
    /// let store = Store::new();
    /// let mut con = store.redis_connection();
    /// let (): () = con.set("answer", 42)?;
    /// assert_eq!(store.get("answer").expect("a string"), Some(42));
    /// # Ok::<(), redis::RedisError>(())
    /// ```
    pub fn redis_connection(&self) -> RedisConnection {
        self.session().into()
    }
}

/// For a session with settings of its own.
impl From<Session> for RedisConnection {
    fn from(session: Session) -> Self {
        RedisConnection(session)
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command(&mut self, cmd: &[u8]) -> RedisResult<Value> {
        let mut values = self.run_packed(cmd)?;
        values.pop().ok_or_else(no_command)
    }

    fn req_packed_commands(&mut self, cmd: &[u8], offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        wanted(self.run_packed(cmd)?, offset, count)
    }

    fn req_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        let words = words(cmd, self.0.longest_argument())?;
        #[cfg(feature = "testing")]
        self.0.begin_trip();
        awaited(cmd, self.run(&words))
    }

    fn get_db(&self) -> i64 {
        self.0.db().index().into()
    }

    fn check_connection(&mut self) -> bool {
        self.is_open() && !self.0.is_over()
    }

    fn is_open(&self) -> bool {
        #[cfg(feature = "testing")]
        if !self.0.is_linked() {
            return false;
        }
        !self.0.is_killed() && !self.0.is_cut()
    }
}

impl RedisConnection {
    fn run_packed(&mut self, bytes: &[u8]) -> RedisResult<Vec<Value>> {
        let all = Packed::read(bytes, self.0.longest_argument())?;
        #[cfg(feature = "testing")]
        self.0.begin_trip();
        replies(all.commands().map(|words| self.run(words)))
    }

    fn run(&mut self, words: &[Bytes]) -> RedisResult<Value> {
        let reply = self.0.call_words(words);
        #[cfg(feature = "testing")]
        if let Some(loss) = self.0.take_loss() {
            return Err(lost(loss));
        }
        if self.0.is_cut() {
            return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        }
        to_value(reply, self.0.dialect())
    }
}

/// What a command gives: nothing if its caller does not wait for a reply.
fn awaited(cmd: &Cmd, value: RedisResult<Value>) -> RedisResult<Value> {
    match value {
        Ok(_) if cmd.is_no_response() => Ok(Value::Nil),
        Err(error) if cmd.is_no_response() && error.is_timeout() => Ok(Value::Nil),
        value => value,
    }
}

/// The words of a command.
fn words(cmd: &Cmd, longest: usize) -> RedisResult<Vec<Bytes>> {
    let words: Option<Vec<Bytes>> = cmd
        .args_iter()
        .map(|arg| match arg {
            Arg::Simple(word) => Some(Bytes::from(word)),
            _ => None,
        })
        .collect();
    match words {
        Some(words) => Ok(words),
        // Only the command itself knows where its cursor stands.
        None => {
            let packed = Packed::read(&cmd.get_packed_command(), longest)?;
            packed.commands().next_back().map(<[Bytes]>::to_vec).ok_or_else(no_command)
        }
    }
}

/// Commands that were packed in some bytes: all their words, and where those of each end.
struct Packed {
    words: Vec<Bytes>,
    ends: Vec<usize>,
}

impl Packed {
    fn read(bytes: &[u8], longest: usize) -> RedisResult<Self> {
        let mut requests = Requests::new(longest);
        requests.feed(bytes);
        let mut packed = Packed { words: Vec::with_capacity(FEW), ends: Vec::with_capacity(FEW) };
        while let Some(mut words) = requests.next().map_err(|error| io_error(error.to_string()))? {
            packed.words.append(&mut words);
            packed.ends.push(packed.words.len());
            requests.reuse(words);
        }
        Ok(packed)
    }

    fn commands(&self) -> impl ExactSizeIterator<Item = &[Bytes]> + DoubleEndedIterator {
        let begins = |at: usize| at.checked_sub(1).map_or(0, |before| self.ends[before]);
        (0..self.ends.len()).map(move |at| &self.words[begins(at)..self.ends[at]])
    }
}

/// The replies to a pipeline.
fn replies(all: impl ExactSizeIterator<Item = RedisResult<Value>>) -> RedisResult<Vec<Value>> {
    let (mut values, mut lost) = (Vec::with_capacity(all.len()), None);
    for value in all {
        match value {
            // Who waits for a reply in vain has sent the rest nevertheless.
            Err(error) if cfg!(feature = "testing") && error.is_timeout() => lost = Some(error),
            value => values.push(value?),
        }
    }
    lost.map_or(Ok(values), Err)
}

/// What comes before the offset only tells that commands were queued. Where one was not, the transaction did not happen, and
/// that is redis-rs's error: by its kind and code `EXECABORT`, with all the reasons.
fn wanted(mut values: Vec<Value>, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
    values.truncate(offset.saturating_add(count));
    let mut reasons = String::new();
    for (at, value) in values.drain(..offset.min(values.len())).enumerate() {
        if let Value::ServerError(error) = value {
            let before = if reasons.is_empty() { "" } else { ", " };
            // The first is MULTI's own.
            reasons += &format!("{before}(Index {}, error: {error})", at.saturating_sub(1));
        }
    }
    if reasons.is_empty() {
        return Ok(values);
    }
    // redis-rs alone makes its errors, from what a server sends.
    let line = ErrorReply::new(format!("EXECABORT Transaction aborted: [{reasons}]"));
    match to_value(line.into(), Dialect::default())? {
        Value::ServerError(error) => Err(error.into()),
        _ => Err(io_error("the transaction was aborted")),
    }
}

/// What a connection gives that a fault has hit.
#[cfg(feature = "testing")]
fn lost(loss: crate::table::Loss) -> RedisError {
    std::io::Error::from(loss.kind()).into()
}

fn no_command() -> RedisError {
    io_error("no command")
}

fn io_error(text: impl Into<String>) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::InvalidData, text.into()).into()
}

/// A reply as redis-rs has it, once it has read it from a server that writes so.
fn to_value(reply: Reply, dialect: Dialect) -> RedisResult<Value> {
    let resp3 = dialect.protocol == Protocol::Resp3;
    let all = |items: Vec<Reply>| {
        items.into_iter().map(|item| to_value(item, dialect)).collect::<RedisResult<Vec<Value>>>()
    };
    let flat = |pairs: Vec<(Reply, Reply)>| {
        let items = pairs.into_iter().flat_map(|(first, second)| [first, second]);
        items.map(|item| to_value(item, dialect)).collect::<RedisResult<Vec<Value>>>()
    };
    let both = |pairs: Vec<(Reply, Reply)>| {
        let pair = |(name, value)| Ok((to_value(name, dialect)?, to_value(value, dialect)?));
        pairs.into_iter().map(pair).collect::<RedisResult<Vec<(Value, Value)>>>()
    };
    Ok(match reply {
        Reply::Status(text) if text == "OK" => Value::Okay,
        Reply::Status(text) => Value::SimpleString(text.into_owned()),
        // redis-rs alone makes its errors, from what a server sends.
        Reply::Error(_) => redis::parse_redis_value(&reply.to_bytes(dialect.protocol))?,
        Reply::Integer(value) => Value::Int(value),
        Reply::Bulk(bytes) => Value::BulkString(bytes.into()),
        Reply::Nil | Reply::NilArray => Value::Nil,
        Reply::Array(items) => Value::Array(all(items)?),
        Reply::Set(items) if resp3 => Value::Set(all(items)?),
        Reply::Set(items) => Value::Array(all(items)?),
        Reply::Push(items) if resp3 => {
            let mut data = all(items)?;
            let kind = if data.is_empty() { Value::Nil } else { data.remove(0) };
            let kind = redis::from_redis_value(kind).map(PushKind::Other);
            Value::Push { kind: kind.unwrap_or_else(|_| PushKind::Other(String::new())), data }
        }
        Reply::Push(items) => Value::Array(all(items)?),
        Reply::Map(pairs) if resp3 => Value::Map(both(pairs)?),
        Reply::Pairs(pairs) if resp3 => {
            let pair = |(first, second)| to_value(Reply::Array(vec![first, second]), dialect);
            Value::Array(pairs.into_iter().map(pair).collect::<RedisResult<_>>()?)
        }
        Reply::Map(pairs) | Reply::Pairs(pairs) => Value::Array(flat(pairs)?),
        Reply::Double(value) if resp3 => Value::Double(value),
        Reply::Double(value) => Value::BulkString(double(value, dialect.compat).into()),
        Reply::Coordinate(value) if resp3 => Value::Double(value),
        Reply::Coordinate(value) => Value::BulkString(coordinate(value, dialect.compat).into()),
        Reply::Boolean(value) if resp3 => Value::Boolean(value),
        Reply::Boolean(value) => Value::Int(value.into()),
        // redis-rs reads them only where it is built with a type for them.
        Reply::BigNumber(digits) => Value::BulkString(digits.into()),
        Reply::Verbatim(format, text) if resp3 => {
            let format = match format {
                "txt" => VerbatimFormat::Text,
                "mkd" => VerbatimFormat::Markdown,
                other => VerbatimFormat::Unknown(other.to_owned()),
            };
            Value::VerbatimString { format, text: String::from_utf8_lossy(&text).into_owned() }
        }
        Reply::Verbatim(_, text) => Value::BulkString(text.into()),
        Reply::Attribute(attributes, reply) if resp3 => {
            Value::Attribute { data: Box::new(to_value(*reply, dialect)?), attributes: both(attributes)? }
        }
        Reply::Attribute(_, reply) => to_value(*reply, dialect)?,
        Reply::Several(replies) => Value::Array(all(replies)?),
    })
}
