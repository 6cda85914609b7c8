//! The connections to Redis: one on which everything is asked and written, and one that hears what others change.
//!
//! The first has its invalidations redirected to the second (`CLIENT TRACKING .. REDIRECT`, in RESP2), and not pushed
//! to itself as RESP3 would: pushes are read where replies are, and nobody reads those of a connection that asks for
//! nothing. As everything that this process does is done on the first, `NOLOOP` leaves out just that.
//!
//! Tracking is of all keys with the tier's prefix (`BCAST`): so it does not hang on who has read a key since it was
//! written last, covers tags, and takes no memory in Redis for each key.

use std::sync::Arc;

use redis::{Cmd, Connection, ConnectionLike, ErrorKind, Pipeline, RedisError, RedisResult, Value, cmd};

use super::keys::Keys;
use super::listener::{self, Ears};
use super::queue::Shared;
use super::{Connect, Source};
use crate::clock::Clock;
use crate::sync::atomic::Ordering;

/// The replies to several commands, in their order; an error that Redis has answered with is one of them.
pub(super) type Replies = std::vec::IntoIter<RedisResult<Value>>;

/// See the [module](self). Dropped, it ends the thread that listens.
pub(super) struct Link {
    data: Data,
    ears: Option<Arc<Ears>>,
    timeout: u64,
    /// Redis tells who has changed what; else each process does, on a channel.
    pub is_tracked: bool,
    /// Values are put in their places by scripts: see `store.rs`.
    pub has_scripts: bool,
    /// All keys are on one server, which can change several at once.
    pub has_transactions: bool,
    /// The removals' clock was there when it was last looked at.
    pub has_clock: bool,
}

enum Data {
    Own(Box<Connection>),
    /// Made by the caller, who knows what it leads to.
    Given(Box<dyn ConnectionLike + Send>),
}

impl Link {
    /// # Errors
    /// Redis's, or the network's.
    pub(super) fn open(shared: &Arc<Shared>) -> RedisResult<Self> {
        let options = &shared.options;
        let data = Data::open(&options.source, options.timeout())?;
        let (ears, id) = listen(shared)?.map_or((None, None), |(ears, id)| (Some(ears), id));
        let has_transactions = data.is_one_server();
        let (timeout, is_tracked, has_scripts) = (options.timeout, false, true);
        let mut link =
            Link { data, ears, timeout, is_tracked, has_scripts, has_transactions, has_clock: true };
        if let (Some(id), Data::Own(_)) = (id, &link.data) {
            let mut track = cmd("CLIENT");
            track.arg("TRACKING").arg("ON").arg("REDIRECT").arg(id).arg("BCAST");
            track.arg("PREFIX").arg(options.keys.prefix()).arg("NOLOOP");
            link.is_tracked = link.ask(&track)?.is_ok();
            link.has_scripts = !link.is_tracked;
        }
        if !link.is_tracked {
            // A cluster is there if each of its nodes is: else it would come and go with the keys that are asked for.
            let _ = link.ask(&cmd("PING"))?;
            link.greet(shared)?;
        }
        // That it cannot be set, as on a server without memory, is no reason not to read.
        let _ = link.ask(&set_clock(&options.keys))?;
        if let Some(now) = link.ask(&get_clock(&options.keys))?.ok().as_ref().and_then(number) {
            shared.removals.store(now, Ordering::Release);
        }
        Ok(link)
    }

    /// Sends commands and gives their replies, of which there are as many.
    ///
    /// # Errors
    /// The network's: the connection is of no use any more.
    pub(super) fn send(&mut self, commands: &[Cmd]) -> RedisResult<Replies> {
        if commands.is_empty() {
            return Ok(Vec::new().into_iter());
        }
        let replies = match &mut self.data {
            Data::Own(connection) => send_own(connection, commands, self.timeout)?,
            Data::Given(connection) => send_given(&mut **connection, commands)?,
        };
        if replies.len() != commands.len() {
            return Err((ErrorKind::UnexpectedReturnType, "not as many replies as commands").into());
        }
        Ok(replies.into_iter())
    }

    pub(super) fn ask(&mut self, command: &Cmd) -> RedisResult<RedisResult<Value>> {
        let mut replies = self.send(std::slice::from_ref(command))?;
        // There are as many as commands.
        Ok(replies.next().unwrap_or(Ok(Value::Nil)))
    }

    /// Returns when this process has heard itself: from node to node of a cluster messages have a way of their own, and who
    /// is told of none has a place to listen at all the same.
    ///
    /// # Errors
    /// Redis's or the network's; or nothing is heard.
    fn greet(&mut self, shared: &Shared) -> RedisResult<()> {
        let Some(ears) = self.ears.clone() else { return Ok(()) };
        let until = Clock::System.now().saturating_add(self.timeout);
        loop {
            self.publish(shared)?;
            let now = Clock::System.now();
            if ears.have_heard_by(until.min(now.saturating_add(self.timeout.div_ceil(10)))) {
                return Ok(());
            }
            if now >= until {
                return Err((ErrorKind::Io, DEAF).into());
            }
        }
    }

    /// Sees whether both connections still carry, by a message from the one to the other.
    ///
    /// # Errors
    /// Redis's or the network's; or nobody listens any more.
    pub(super) fn beat(&mut self, shared: &Shared) -> RedisResult<()> {
        let options = &shared.options;
        let Some(ears) = &self.ears else { return self.ask(&cmd("PING"))?.map(drop) };
        if ears.silent_for(Clock::System.now())
            > options.pause.saturating_add(options.timeout.saturating_mul(2))
        {
            return Err((ErrorKind::Io, DEAF).into());
        }
        self.publish(shared)
    }

    /// Says something to itself.
    fn publish(&mut self, shared: &Shared) -> RedisResult<()> {
        let mut publish = cmd("PUBLISH");
        publish.arg(shared.options.keys.own_channel(shared.me)).arg("");
        self.ask(&publish)?.map(drop)
    }

    /// Ends both connections; who listens is told, and so ends at once.
    pub(super) fn close(mut self, shared: &Shared) {
        if let Some(ears) = &self.ears {
            ears.close();
            // If that does not arrive, the other sees it at its next timeout.
            let _ = self.beat(shared);
        }
    }
}

const DEAF: &str = "nothing is heard of what others change";

/// Listens at the first of those who are to be listened to that can be.
fn listen(shared: &Arc<Shared>) -> RedisResult<Option<(Arc<Ears>, Option<i64>)>> {
    let mut last = Ok(None);
    for client in shared.options.source.listens_to() {
        last = listener::open(client, shared).map(Some);
        if last.is_ok() {
            break;
        }
    }
    last
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(ears) = &self.ears {
            ears.close();
        }
    }
}

impl Data {
    /// And not a cluster's: see [`send_given`].
    fn is_one_server(&self) -> bool {
        match self {
            Data::Own(_) => true,
            Data::Given(connection) => connection.supports_pipelining(),
        }
    }

    fn open(source: &Source, timeout: std::time::Duration) -> RedisResult<Self> {
        match source {
            Source::Client(client) => {
                let connection = client.get_connection_with_timeout(timeout)?;
                connection.set_read_timeout(Some(timeout))?;
                connection.set_write_timeout(Some(timeout))?;
                Ok(Data::Own(Box::new(connection)))
            }
            Source::Given(connect, _) => {
                let connect: &Connect = connect;
                Ok(Data::Given(connect()?))
            }
        }
    }
}

/// redis-rs's own pipeline waits for each reply once more after one that was late: this gives up with the first.
fn send_own(
    connection: &mut Connection,
    commands: &[Cmd],
    timeout: u64,
) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut packed = Vec::new();
    commands.iter().for_each(|command| command.write_packed_command(&mut packed));
    let until = Clock::System.now().saturating_add(timeout);
    connection.send_packed_command(&packed)?;
    let mut replies = Vec::with_capacity(commands.len());
    while replies.len() < commands.len() {
        match connection.recv_response()? {
            Value::Push { .. } => {}
            value => replies.push(value.extract_error()),
        }
        if Clock::System.now() > until {
            return Err((ErrorKind::Io, "the replies took too long").into());
        }
    }
    Ok(replies)
}

fn send_given(
    connection: &mut (dyn ConnectionLike + Send),
    commands: &[Cmd],
) -> RedisResult<Vec<RedisResult<Value>>> {
    if connection.supports_pipelining() {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        pipeline.ignore_errors();
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let values: Vec<Value> = pipeline.query(connection)?;
        return Ok(values.into_iter().map(Value::extract_error).collect());
    }
    // A cluster's: each goes to the node that has its key, once the one before it is done: a key is read behind the
    // removals' clock, and its tags behind it, whichever nodes have them.
    let mut replies = Vec::with_capacity(commands.len());
    for command in commands {
        match connection.req_command(command) {
            Err(error) if !is_reply(&error) => return Err(error),
            reply => replies.push(reply.and_then(Value::extract_error)),
        }
    }
    Ok(replies)
}

/// Whether an error is what Redis has answered.
fn is_reply(error: &RedisError) -> bool {
    error.code().is_some()
}

/// The removals' clock begins with the wall time in microseconds: so one that was lost goes on ahead of what it was.
pub(super) fn set_clock(keys: &Keys) -> Cmd {
    let mut command = cmd("SET");
    command.arg(keys.clock()).arg(Clock::System.wall().saturating_mul(1_000)).arg("NX");
    command
}

pub(super) fn get_clock(keys: &Keys) -> Cmd {
    let mut command = cmd("GET");
    command.arg(keys.clock());
    command
}

/// A number, as an integer, a double or text.
pub(super) fn number(value: &Value) -> Option<u64> {
    let number: Option<f64> = redis::from_redis_value_ref(value).ok()?;
    // Below 2^53 each integer is one of these.
    number.filter(|number| (0.0..9_007_199_254_740_992.0).contains(number)).map(|number| number as u64)
}
