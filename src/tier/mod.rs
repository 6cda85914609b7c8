//! Redis as the second level of caches (feature `redis-tier`).
//!
//! ```text
//! cache      asks, stores, removes: crate::cache::second says what
//!   |
//! queue      what waits for the one thread that talks to Redis; what is remembered while Redis is away
//!   |
//! worker     all that waits, in one pipeline: values with the marks of loads, removals, times of tags
//!   |
//! link       the connection for that, and a listener on another, which tells the caches what others change
//! ```

mod keys;
mod link;
mod listener;
mod queue;
mod record;
mod stats;
mod store;
mod worker;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::{Client, ConnectionLike, RedisResult};

use crate::cache::second::pending::Pending;
use crate::cache::second::{FirstLevel, Place, Record, Removal, SecondLevel};
use crate::clock::{Clock, millis};
use crate::sync::atomic::Ordering;
use crate::sync::thread;
use crate::{Bytes, Result};
use keys::Keys;
use queue::{Read, Request, Shared, Value};
use stats::Counters;

pub use stats::TierStats;

/// Redis, Valkey or a cluster behind the caches of several processes: what one of them has loaded, the others find
/// there, and what one removes goes from all.
///
/// Handles are cheap to clone and one and the same. A cache is given one by
/// [`CacheBuilder::second_level`](crate::CacheBuilder::second_level). What it has not got it asks Redis for, before its
/// loader is run ([`How::SecondLevel`](crate::How::SecondLevel)), and what is loaded goes there for the rest of its
/// life, with its tags, its version, or as a mark that there is nothing.
///
/// ```
/// # #[cfg(all(feature = "server", feature = "bincode"))] {
/// use std::time::Duration;
/// use larder::{Cache, How, RedisTier, Store};
///
/// let server = Store::new().serve()?; // a Redis for this example; in production, your own
/// let url = server.url();
///
/// // Two processes, each with a store and a tier of its own.
/// let process = || -> Result<(RedisTier, Cache<u64, String>), Box<dyn std::error::Error>> {
///     let tier = RedisTier::open(redis::Client::open(&*url)?); // of the crate `redis`, version 1
///     let names = Store::new().cache("names").shared().second_level(&tier).build()?;
///     Ok((tier, names))
/// };
/// let (tier, here) = process()?;
/// let (_, there) = process()?;
///
/// here.get_or_load(&7, || Ok::<_, std::io::Error>("tea".to_owned()))?;
/// assert!(tier.flush(Duration::from_secs(5)), "Redis has it");
///
/// let found = there.ask(&7, |_| -> std::io::Result<String> { unreachable!("it is in Redis") })?;
/// assert_eq!((found.value.as_deref().map(String::as_str), found.how), (Some("tea"), How::SecondLevel));
///
/// here.remove(&7)?; // a moment later it has gone from there too
/// # let start = std::time::Instant::now();
/// while there.peek(&7)?.is_some() {
/// #   assert!(start.elapsed() < Duration::from_secs(60));
///     std::thread::yield_now();
/// }
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is promised
///
/// - **A removal counts at once in its own process**: whoever asks there from then on is not served what was removed, by
///   either level. [`remove`](crate::Cache::remove), [`remove_tag`](crate::Cache::remove_tag),
///   [`clear`](crate::Cache::clear), [`writing`](crate::Cache::writing), and what a followed SQLite connection changes,
///   are told; what is done to the store's keys by other ways is not.
/// - **In the others it counts once its message has arrived**, whether Redis had the value or not, usually within a millisecond: they may serve the old value
///   until then. It is eventual consistency, with the way of one message through Redis as its window. What nobody may see
///   old is not to be cached.
/// - **What was read before a removal never comes back after it.** A load leaves a mark in Redis that names it, and what
///   it brings is stored only in that mark's place; a removal takes the mark along. (Leases: Nishtala and others,
///   "Scaling Memcache at Facebook", 2013.) Who finds another process's mark loads too, and leaves Redis to that.
///   A load that takes longer than its [lease](RedisTierBuilder::lease) is not stored there. A value from Redis is fenced
///   in the first level as a loaded one.
/// - **No caller touches the network.** One thread does, all that waits in one pipeline. Who asks for a key waits for it,
///   [`timeout`](RedisTierBuilder::timeout) at the most, as a thread or as a task; writes and removals wait for nothing.
/// - **While Redis is away** the caches go on as if there was none: it is tried again once in a
///   [`retry_after`](RedisTierBuilder::retry_after), and nobody waits for that. What others change is not heard until
///   then, so what the first level has may be outdated for as long; when Redis is back, the first level begins anew.
///   What was removed meanwhile is remembered, and removed there before anything is read. A Redis that accepts and never
///   answers costs those who ask the timeout, once. That a connection is dead without a word is noticed after
///   about `retry_after` and two timeouts. Removals that this process could not send before it ended are lost:
///   [`flush`](Self::flush) tells.
/// - **A writer to the database who removes nothing** is seen by neither level before a value's time is over.
///
/// # What stands in Redis
///
/// Keys with the tier's [prefix](RedisTierBuilder::prefix), one for each value (`larder:v:products:7`, where a colon in the
/// cache's own name is written `%3A`), and one for each tag and cache that was removed. All but one have a time to live: a value's own with the time for which it may be served stale, so that Redis
/// forgets it no earlier than the first level; a week at the most, as for tags. Bytes that are not this crate's, or do not
/// decode, count as missing, and are replaced. What was read of them is bounded by
/// [`max_value`](RedisTierBuilder::max_value).
///
/// A Redis with a limit and an `allkeys-..` policy may evict a tag's removal before a value that has the tag, and so
/// bring that back; each read of a value is a use of its tags, which makes it unlikely under LRU and LFU. With
/// `volatile-ttl` it does not happen to values that live less than a week.
///
/// # Which servers
///
/// Redis since 6.2, Valkey, and larder's own server. They tell a process what others change (`CLIENT TRACKING`, with
/// `BCAST` for the prefix). Each change is one message to each process, a load's mark and a value that is stored as well:
/// who had another in its first level finds that one in Redis then. Where Redis does not tell, as to a user who may not
/// ask for it, each process publishes what it removes on a channel, and a `FLUSHALL` or an eviction is not heard of.
/// Values are put in their places in a transaction; where Redis does not track, by a script if it has any.
///
/// # Clusters
///
/// By [`builder_with`](Self::builder_with), with a `ClusterClient` of redis-rs (its feature `cluster`). Tried with three
/// nodes of Redis 7.0: loads, absence, `get_many`, removals and fences over all of them, a slot that is moved meanwhile, a
/// node that is killed and comes back. Where it differs:
///
/// - What one process changes it publishes, and the others hear it on one node: each node knows its own keys alone, so
///   there is no tracking. A `FLUSHALL`, an eviction, and what others than the caches do, is not heard of. That messages
///   pass between the nodes is seen when a connection is made, and then about once in a
///   [`retry_after`](RedisTierBuilder::retry_after); one that is lost in between is not noticed.
/// - redis-rs sends a cluster one command at a time: some four for a key that is asked for, each with a way of its own. So
///   `get_many` of a hundred keys over a network takes hundreds of ways; see to the [`timeout`](RedisTierBuilder::timeout).
/// - A user who may use no scripts stores no loads there, but what is inserted.
/// - The cluster is away while one of its masters is, and until a replica has taken its place.
/// - **A node that comes back without its data has forgotten what was removed by tag, or cleared**: values on other nodes
///   are found again then, until their time is over. So does one whose replica had not heard of it yet. Have nodes keep
///   their data, or `remove_tag` and `clear` once more.
/// - No reads from replicas: `read_from_replicas` would have a load miss its own mark.
#[derive(Clone)]
pub struct RedisTier(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// How a [`RedisTier`] is to behave; made by [`RedisTier::builder`], ended by [`open`](Self::open).
#[must_use = "a builder does nothing before `open`"]
pub struct RedisTierBuilder(Options);

/// Times are in milliseconds.
struct Options {
    source: Source,
    keys: Keys,
    timeout: u64,
    pause: u64,
    queue: usize,
    lease: u64,
    max_value: usize,
}

impl Options {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout)
    }
}

type Connect = dyn Fn() -> RedisResult<Box<dyn ConnectionLike + Send>> + Send + Sync;

/// Where connections come from.
enum Source {
    Client(Client),
    /// And whom to listen to: the first of these who is there.
    Given(Box<Connect>, Vec<Client>),
}

impl Source {
    fn listens_to(&self) -> &[Client] {
        match self {
            Source::Client(client) => std::slice::from_ref(client),
            Source::Given(_, clients) => clients,
        }
    }
}

impl RedisTier {
    /// A tier with everything as it is unless it is said: see [`builder`](Self::builder). O(1)
    pub fn open(client: Client) -> Self {
        RedisTier::builder(client).open()
    }

    /// A tier on the server of a client, to be told how it is to behave. O(1)
    pub fn builder(client: Client) -> RedisTierBuilder {
        RedisTierBuilder::new(Source::Client(client))
    }

    /// A tier on connections that `connect` makes, such as a [cluster's](Self#clusters). They are to give up by themselves
    /// if there is no answer, as the tier cannot have them do so: of itself redis-rs tries sixteen times, and waits for
    /// more than a second each time while a cluster is down. What others change is heard if they are
    /// [listened](RedisTierBuilder::listen) to. O(1)
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use larder::RedisTier;
    ///
    /// let nodes = ["redis://10.0.0.1:7000/", "redis://10.0.0.2:7000/", "redis://10.0.0.3:7000/"];
    /// let timeout = Duration::from_millis(500);
    /// let cluster = redis::cluster::ClusterClient::builder(nodes)
    ///     .connection_timeout(timeout)
    ///     .response_timeout(timeout)
    ///     .retries(2)
    ///     .min_retry_wait(1) // milliseconds, as below
    ///     .max_retry_wait(50)
    ///     .build()?;
    /// let mut tier = RedisTier::builder_with(move || cluster.get_connection());
    /// for node in nodes {
    ///     tier = tier.listen(redis::Client::open(node)?);
    /// }
    /// let tier = tier.open();
    /// # Ok::<(), redis::RedisError>(())
    /// ```
    pub fn builder_with<C>(connect: impl Fn() -> RedisResult<C> + Send + Sync + 'static) -> RedisTierBuilder
    where
        C: ConnectionLike + Send + 'static,
    {
        let connect = move || -> RedisResult<Box<dyn ConnectionLike + Send>> { Ok(Box::new(connect()?)) };
        RedisTierBuilder::new(Source::Given(Box::new(connect), Vec::new()))
    }

    /// Waits until Redis has all that was handed over before, this long at the most; gives whether it has.
    ///
    /// Call it where a removal is to have come there: before the process ends, say. It blocks the thread.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared().flush(Clock::System.now().saturating_add(millis(timeout)))
    }

    pub(crate) fn of_cache(&self, name: &str) -> Arc<dyn SecondLevel> {
        Arc::new(OfCache { tier: self.clone(), name: Arc::from(name) })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }
}

impl RedisTierBuilder {
    fn new(source: Source) -> Self {
        RedisTierBuilder(Options {
            source,
            keys: Keys::new("larder:".to_owned()),
            timeout: 500,
            pause: 1_000,
            queue: 10_000,
            lease: 10_000,
            max_value: 1 << 20,
        })
    }

    /// What the names of its keys and channels in Redis begin with: `larder:`, unless this is said. The same in all
    /// processes, and of no other use.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.keys = Keys::new(prefix.into());
        self
    }

    /// How long a connection, and an answer, may take: half a second, unless this is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = millis(timeout).max(1);
        self
    }

    /// How long after Redis was found to be away it is tried again, and how often connections are looked after: a second,
    /// unless this is said.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.0.pause = millis(pause).max(1);
        self
    }

    /// How many questions and values may wait to be sent: 10,000, unless this is said. Those beyond are answered with
    /// nothing, and dropped. Removals never are: of very many, one remains, that of all.
    pub fn queue(mut self, requests: usize) -> Self {
        self.0.queue = requests.max(1);
        self
    }

    /// How long a load may take to be stored in Redis: ten seconds, unless this is said.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = millis(lease).max(1);
        self
    }

    /// How long a value may be that is stored and read there, encoded and with what is known of it: a megabyte, unless
    /// this is said. Longer ones stay in the first level.
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.0.max_value = bytes;
        self
    }

    /// Hears on this server what others change: for [`builder_with`](RedisTier::builder_with), as of one node of a
    /// cluster, which hears what is published on any. Said of several, it listens to the first that lets it. O(1)
    pub fn listen(mut self, client: Client) -> Self {
        if let Source::Given(_, clients) = &mut self.0.source {
            clients.push(client);
        }
        self
    }

    /// The tier. Redis need not be there: it is tried again and again, by a thread that starts here, and ends soon after
    /// the last handle and cache. O(1)
    pub fn open(self) -> RedisTier {
        let shared = Shared::new(self.0);
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new().name("larder-tier".into());
        if thread.spawn(move || worker::run(&its)).is_err() {
            // Without a thread Redis is away for good.
            Counters::add(&shared.counters.errors);
            shared.lost(Vec::new());
        }
        RedisTier(Arc::new(Handle(shared)))
    }
}

/// The second level of one cache.
struct OfCache {
    tier: RedisTier,
    name: Arc<str>,
}

impl OfCache {
    fn push(&self, request: Request) {
        self.tier.shared().push(request);
    }

    fn key(&self, name: &[u8]) -> Bytes {
        Keys::of_cache(&self.name, name)
    }

    /// None if it is too long.
    fn value(&self, record: &Record) -> Option<Value> {
        let shared = self.tier.shared();
        Counters::add(&shared.counters.stores);
        let value = Value::new(record, shared.id());
        if value.bytes.len() > shared.options.max_value {
            Counters::add(&shared.counters.dropped);
            return None;
        }
        Some(value)
    }
}

impl SecondLevel for OfCache {
    fn connect(&self, first: Weak<dyn FirstLevel>) -> Result<()> {
        self.tier.shared().connect(&self.name, first)
    }

    fn read(&self, names: Vec<Bytes>) -> Vec<Arc<Pending>> {
        let reads = Read::of(&self.name, names.iter().map(|name| self.key(name)).collect());
        let pending = reads.iter().map(|read| Arc::clone(&read.pending)).collect();
        reads.into_iter().for_each(|read| self.push(Request::Read(read)));
        pending
    }

    fn deadline(&self) -> u64 {
        Clock::System.now().saturating_add(self.tier.shared().options.timeout)
    }

    fn store(&self, name: &[u8], place: &Place, record: Option<Record>) {
        let value = record.and_then(|record| self.value(&record));
        self.push(Request::Store { name: self.key(name), mark: place.mark.clone(), value });
    }

    fn insert(&self, name: &[u8], record: Record) {
        let name = self.key(name);
        self.push(match self.value(&record) {
            Some(value) => Request::Insert { name, value },
            None => Request::Remove(Removal::Key(name)),
        });
    }

    fn remove(&self, removal: Removal) {
        self.push(Request::Remove(match removal {
            Removal::Key(name) => Removal::Key(self.key(&name)),
            other => other,
        }));
    }

    fn now(&self) -> u64 {
        self.tier.shared().removals.load(Ordering::Acquire)
    }

    fn is_away(&self) -> bool {
        self.tier.shared().is_away()
    }

    fn id(&self) -> usize {
        Arc::as_ptr(self.tier.shared()).addr()
    }
}

impl fmt::Debug for RedisTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared();
        f.debug_struct("RedisTier")
            .field("prefix", &shared.options.keys.prefix())
            .field("is_up", &shared.is_up())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisTierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { keys, timeout, pause, queue, lease, max_value, .. } = &self.0;
        let mut text = f.debug_struct("RedisTierBuilder");
        text.field("prefix", &keys.prefix()).field("timeout", timeout).field("retry_after", pause);
        text.field("queue", queue).field("lease", lease).field("max_value", max_value);
        text.finish_non_exhaustive()
    }
}
