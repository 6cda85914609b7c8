//! The same for redis-rs's async commands.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::Poll;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::Mutex;

#[cfg(feature = "testing")]
use super::lost;
use super::{Packed, awaited, replies, to_value, wanted, words};
#[cfg(feature = "testing")]
use crate::reply::Reply;
#[cfg(feature = "testing")]
use crate::table::{Ahead, Behind};
use crate::table::{Outcome, Waiting};
#[cfg(feature = "lua")]
use crate::waiting::hold;
use crate::waiting::{reach, wait};
use crate::{Bytes, Session, Store};

/// An async connection of redis-rs to a store in the same process: no server, no socket, no thread.
///
/// What is written against `redis::AsyncCommands`, `redis::pipe()` or `redis::aio::transaction_async` runs on it, on
/// any runtime. Clones are one and the same connection, as those of redis-rs's `MultiplexedConnection` are: each
/// command waits until those before it are answered, so a command that blocks wants a connection of its own.
///
/// ```
/// use larder::Store;
/// use redis::AsyncCommands;
///
/// async fn greet(con: &mut impl AsyncCommands, name: &str) -> redis::RedisResult<u64> {
///     con.incr(format!("greeted:{name}"), 1).await
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
/// # runtime.block_on(async {
/// let mut con = Store::new().redis_async_connection();
/// assert_eq!(greet(&mut con, "ann").await?, 1);
/// assert_eq!(greet(&mut con, "ann").await?, 2);
/// # Ok::<(), redis::RedisError>(())
/// # }).unwrap();
/// ```
///
/// A command that blocks lets its task wait, and no thread; it follows the store's clock. Who drops its future
/// withdraws it: nothing is taken for it any more, and what it had just been given goes back. What stands behind
/// it in a pipeline is not run then, and nothing comes of a transaction of which `EXEC` is.
///
/// Messages of channels do not come this way: await those of a [`Subscription`](crate::Subscription).
#[derive(Debug, Clone)]
pub struct RedisAsyncConnection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    session: Mutex<Session>,
    /// The database that is selected, for those who ask in between.
    db: AtomicU16,
}

impl Store {
    /// An async connection of redis-rs to this store, with this handle's database selected. O(1)
    ///
    /// ```
    /// use larder::Store;
    /// use redis::AsyncCommands;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    /// # runtime.block_on(async {
    /// let store = Store::new();
    /// let mut con = store.redis_async_connection();
    /// let (): () = con.set("answer", 42).await?;
    /// assert_eq!(store.get("answer").expect("a string"), Some(42));
    /// # Ok::<(), redis::RedisError>(())
    /// # }).unwrap();
    /// ```
    pub fn redis_async_connection(&self) -> RedisAsyncConnection {
        self.session().into()
    }
}

/// For a session with settings of its own.
impl From<Session> for RedisAsyncConnection {
    fn from(session: Session) -> Self {
        let db = AtomicU16::new(session.db().index());
        RedisAsyncConnection(Arc::new(Shared { session: Mutex::new(session), db }))
    }
}

impl ConnectionLike for RedisAsyncConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut session = self.0.session.lock().await;
            let words = words(cmd, session.longest_argument())?;
            #[cfg(feature = "testing")]
            session.begin_trip();
            awaited(cmd, self.0.run(&mut session, &words).await)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            // Held until the last is answered: nobody's commands come in between.
            let mut session = self.0.session.lock().await;
            let all = Packed::read(&pipeline.get_packed_pipeline(), session.longest_argument())?;
            #[cfg(feature = "testing")]
            session.begin_trip();
            let mut values = Vec::new();
            let mut pipe = Whole { began: session.queues(), session: &mut session, has_ended: false };
            for words in all.commands() {
                let value = self.0.run(pipe.session, words).await;
                let is_timeout = value.as_ref().is_err_and(RedisError::is_timeout);
                let is_lost = value.is_err() && !(cfg!(feature = "testing") && is_timeout);
                values.push(value);
                if is_lost {
                    break;
                }
            }
            pipe.has_ended = true;
            drop(pipe);
            wanted(replies(values.into_iter())?, offset, count)
        })
    }

    fn get_db(&self) -> i64 {
        self.0.db.load(Ordering::Relaxed).into()
    }
}

impl Shared {
    async fn run(&self, session: &mut Session, words: &[Bytes]) -> RedisResult<Value> {
        let mut under_way = UnderWay { session, has_ended: false };
        let value = self.carry_out(under_way.session, words).await;
        under_way.has_ended = true;
        value
    }

    #[cfg_attr(not(feature = "lua"), allow(clippy::never_loop))]
    async fn carry_out(&self, session: &mut Session, words: &[Bytes]) -> RedisResult<Value> {
        #[cfg(feature = "testing")]
        self.endure(session, words).await?;
        while let Some(until) = session.held_back(words) {
            held_back(session, until).await;
        }
        if session.is_over() {
            return Err(gone(session));
        }
        let mut has_got = false;
        let reply = loop {
            match session.execute(words) {
                Outcome::Reply(reply) => break reply,
                Outcome::Waits(waiting) => {
                    let Waiting { ticket, deadline, served, nothing } = *waiting;
                    let awake = Awake(&mut *session);
                    let (session, clock) = (&*awake.0, awake.0.db().space().clock());
                    let got = wait(&ticket, deadline, clock, || session.is_killed()).await;
                    let got = awake.0.db().space().catch_up().and(got);
                    has_got = matches!(got, Ok(Some(_)));
                    break awake.0.woken(got, served, nothing);
                }
                #[cfg(feature = "lua")]
                Outcome::Held(held) => hold(held, session.db().space().clock()).await,
            }
        };
        // What was taken for it is nowhere else.
        if session.is_killed() && !has_got {
            return Err(gone(session));
        }
        self.db.store(session.db().index(), Ordering::Relaxed);
        #[cfg(feature = "testing")]
        self.endure_reply(session, &reply).await?;
        to_value(reply, session.dialect())
    }
}

/// What a test's faults do to the connection.
#[cfg(feature = "testing")]
impl Shared {
    async fn endure(&self, session: &mut Session, words: &[Bytes]) -> RedisResult<()> {
        let Some(Ahead { until, loss }) = session.receive(words) else { return Ok(()) };
        pass(session, until).await?;
        let Some(loss) = loss else { return Ok(()) };
        session.lose(loss);
        Err(lost(loss))
    }

    async fn endure_reply(&self, session: &mut Session, reply: &Reply) -> RedisResult<()> {
        let Some(Behind { until, end }) = session.reply(reply) else { return Ok(()) };
        pass(session, until).await?;
        session.end_with(end, reply).map_or(Ok(()), |loss| Err(lost(loss)))
    }
}

/// Waits for a moment of the store's clock, if there is one to wait for.
///
/// # Errors
/// If the session is killed meanwhile.
#[cfg(feature = "testing")]
async fn pass(session: &mut Session, until: u64) -> RedisResult<()> {
    if until == 0 {
        return Ok(());
    }
    let is_killed = {
        let clock = session.db().space().clock();
        let (mut killed, mut over) = (pin!(session.is_cut_off()), pin!(reach(clock, until)));
        poll_fn(|context| match killed.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => over.as_mut().poll(context).map(|()| false),
        })
        .await
    };
    if is_killed { Err(gone(session)) } else { Ok(()) }
}

/// Waits as long as commands are held back, unless the session is killed; what has changed then is the caller's to look at.
async fn held_back(session: &Session, until: u64) {
    let space = session.db().space();
    let pause = &space.shared().pause;
    let (mut over, mut ended) = (pin!(reach(space.clock(), until)), pin!(pause.over()));
    poll_fn(|context| match ended.as_mut().poll(context) {
        // Who kills it rings for it: first the waker, then the look.
        Poll::Pending if !session.is_killed() => over.as_mut().poll(context),
        _ => Poll::Ready(()),
    })
    .await;
}

/// A session that its client cannot use any more keeps nothing.
fn gone(session: &mut Session) -> RedisError {
    session.cut_off();
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}

/// A command that is run: if its future is dropped, nothing waits for it any more.
struct UnderWay<'s> {
    session: &'s mut Session,
    has_ended: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            #[cfg(feature = "testing")]
            self.session.drop_plan();
        }
    }
}

/// A pipeline that is run: if its future is dropped, nothing comes of a transaction that it has begun.
struct Whole<'s> {
    session: &'s mut Session,
    /// Whether a transaction had begun before it.
    began: bool,
    has_ended: bool,
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if !self.has_ended && !self.began {
            self.session.discard();
        }
    }
}

/// Whether it was served or given up: others see that the session waits no more.
struct Awake<'s>(&'s mut Session);

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        self.0.rest();
    }
}
