//! Redis behind caches: two stores with a tier of their own each are two processes. On each kind of server.

use std::any::Any;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use larder::{Cache, CacheBuilder, Error, How, Load, LoadError, RedisTier, RedisTierBuilder, Store};

use super::{MINUTE, fails, gives, text, unasked};
use crate::differential::server::Server;
use crate::support::until;

const LONG: Duration = Duration::from_secs(60);

/// A server of one kind or another, for one test.
struct Redis {
    what: String,
    address: SocketAddr,
    _server: Box<dyn Any>,
}

impl Redis {
    /// One of each kind that there is, and a store that is served.
    fn each() -> Vec<Redis> {
        let real = |server: Server| Redis {
            what: format!("port {}", server.port()),
            address: (Ipv4Addr::LOCALHOST, server.port()).into(),
            _server: Box::new(server),
        };
        Server::each().into_iter().map(real).chain([Redis::own()]).collect()
    }

    fn client(&self) -> redis::Client {
        client(self.address)
    }

    fn connection(&self) -> redis::Connection {
        self.client().get_connection().unwrap()
    }

    fn process(&self) -> Process {
        Process::on(self.address)
    }

    /// Returns when these have heard of all that was changed until now.
    #[track_caller]
    fn heard_by(&self, processes: &[&Process]) {
        const SIGN: u64 = 777_777;
        for process in processes {
            process.names.insert(&SIGN, "a sign".to_owned()).unwrap();
            process.flush();
            redis::cmd("DEL").arg(format!("larder:v:names:{SIGN}")).exec(&mut self.connection()).unwrap();
            process.until_it_has_not(SIGN);
        }
    }

    fn processes<const N: usize>(&self) -> [Process; N] {
        std::array::from_fn(|_| self.process())
    }

    /// A store that is served, where the kinds cannot differ.
    fn own() -> Redis {
        let own = Store::new().serve().unwrap();
        Redis { what: "larder".to_owned(), address: own.addr(), _server: Box::new(own) }
    }
}

fn client(address: SocketAddr) -> redis::Client {
    redis::Client::open(format!("redis://{address}")).unwrap()
}

/// What a process has: a tier, and a cache of a store of its own.
struct Process {
    names: Cache<u64, String>,
    store: Store,
    tier: RedisTier,
}

impl Process {
    fn on(address: SocketAddr) -> Self {
        Process::with(calm(address), |cache| cache)
    }

    fn with(
        tier: RedisTierBuilder,
        cache: impl FnOnce(CacheBuilder<u64, String>) -> CacheBuilder<u64, String>,
    ) -> Self {
        let tier = tier.open();
        let store = Store::new();
        let names = cache(super::cache(&store).shared()).second_level(&tier).build().unwrap();
        Process { names, store, tier }
    }

    /// Asks, and has what was handed over done.
    fn get(&self, key: u64, loader: impl FnOnce() -> Result<String, String>) -> (String, How) {
        let answer = self.names.ask(&key, |_| loader()).unwrap();
        self.flush();
        (answer.value.as_deref().cloned().unwrap_or_default(), answer.how)
    }

    #[track_caller]
    fn flush(&self) {
        assert!(self.tier.flush(LONG), "Redis has all");
    }

    #[track_caller]
    fn until_it_has_not(&self, key: u64) {
        until("message", || self.names.peek(&key).unwrap().is_none());
    }
}

/// On a machine that has much to do an answer takes its time.
fn calm(address: SocketAddr) -> RedisTierBuilder {
    RedisTier::builder(client(address)).timeout(Duration::from_secs(20))
}

/// One that does not wait for long: for a Redis that goes away.
fn hasty(address: SocketAddr) -> RedisTierBuilder {
    RedisTier::builder(client(address)).timeout(Duration::from_secs(5)).retry_after(Duration::from_millis(20))
}

#[test]
fn what_one_process_has_loaded_the_others_find() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        assert_eq!(one.get(7, gives("tea")), ("tea".into(), How::Loaded), "{}", redis.what);
        redis.heard_by(&[&one, &two]);
        assert_eq!(one.get(7, unasked).1, How::Hit, "of its own doing it is not told: {}", redis.what);
        assert_eq!(two.get(7, unasked), ("tea".into(), How::SecondLevel), "{}", redis.what);
        assert_eq!(two.get(7, unasked).1, How::Hit);
        assert_eq!((two.names.stats().second_level, two.names.stats().loads), (1, 0));
        // With its version and its tags.
        let load = || Ok::<_, String>(Load::value("map".to_owned()).version("v3").tag("drawings"));
        one.names.get_or_load(&8, load).unwrap();
        one.flush();
        two.get(8, unasked);
        two.names.remove_tag("drawings");
        let seen =
            two.names.ask(&8, |old| Ok::<_, String>(old.version().unwrap_or("none").to_owned())).unwrap();
        assert_eq!(seen.value.as_deref().map(String::as_str), Some("none"));
        two.flush();
        let stats = two.tier.stats();
        assert_eq!((stats.hits, stats.misses, stats.errors), (2, 1, 0), "{}", redis.what);
    }
}

#[test]
fn that_there_is_nothing_is_shared_too() {
    let redis = Redis::own();
    let absent = || Process::with(calm(redis.address), |cache| cache.absent_ttl(MINUTE));
    let (one, two) = (absent(), absent());
    assert_eq!(text(one.names.get_or_load(&7, || Ok::<_, String>(None::<String>))), None);
    one.flush();
    let answer = two.names.ask(&7, |_| unasked()).unwrap();
    assert_eq!((answer.value, answer.how), (None, How::SecondLevel));
    // Without a time for it there is nothing to be kept, and nothing is in the way of what comes.
    let three = redis.process();
    assert_eq!(text(three.names.get_or_load(&8, || Ok::<_, String>(None::<String>))), None);
    three.flush();
    assert_eq!(three.get(8, gives("new")), ("new".into(), How::Loaded));
    redis.heard_by(&[&two]);
    assert_eq!(two.get(8, unasked), ("new".into(), How::SecondLevel));
}

#[test]
fn what_one_process_changes_goes_from_all() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        type Change = fn(&Process);
        let changes: [(&str, Change); 7] = [
            ("remove", |one| _ = one.names.remove(&7).unwrap()),
            ("insert", |one| one.names.insert(&7, "inserted".to_owned()).unwrap()),
            ("tag", |one| one.names.remove_tag("shop:products:7")),
            ("group", |one| one.names.remove_tag("shop:products:")),
            ("clear", |one| one.names.clear().unwrap()),
            ("writing", |one| one.names.writing(&[7]).unwrap().commit()),
            ("writing a tag", |one| one.store.writing().tag("shop:products:7").commit()),
        ];
        for (what, change) in changes {
            let load = || Ok::<_, String>(Load::value("old".to_owned()).tag("shop:products:7"));
            redis.heard_by(&[&one, &two]);
            one.names.get_or_load(&7, load).unwrap();
            one.flush();
            redis.heard_by(&[&two]);
            assert_eq!(two.get(7, unasked), ("old".into(), How::SecondLevel), "{what}, {}", redis.what);
            change(&one);
            one.flush();
            two.until_it_has_not(7);
            let is_insert = what == "insert";
            let (now, how) = if is_insert { ("inserted", How::SecondLevel) } else { ("new", How::Loaded) };
            assert_eq!(two.get(7, gives("new")), (now.into(), how), "{what}, {}", redis.what);
            one.names.remove(&7).unwrap();
            one.flush();
            two.until_it_has_not(7);
        }
    }
}

#[test]
fn a_load_that_was_overtaken_in_another_process_is_stored_nowhere() {
    for redis in Redis::each() {
        type Overtake = fn(&Process);
        let overtakes: [Overtake; 4] = [
            |two| _ = two.names.remove(&7).unwrap(),
            |two| two.names.remove_tag("teas"),
            |two| two.names.clear().unwrap(),
            |two| two.names.insert(&7, "new".to_owned()).unwrap(),
        ];
        for (nth, overtake) in overtakes.into_iter().enumerate() {
            let [one, two, three] = redis.processes();
            thread::scope(|scope| {
                let ((begun, begins), (end, ends)) = (channel(), channel::<()>());
                let names = &one.names;
                let slow = scope.spawn(move || {
                    names.get_or_load(&7, || {
                        begun.send(()).unwrap();
                        ends.recv().unwrap();
                        Ok::<_, String>(Load::value("old".to_owned()).tag("teas"))
                    })
                });
                begins.recv().unwrap();
                let heard = one.tier.stats().invalidations;
                overtake(&two);
                two.flush();
                // Even where the first level has not heard of it yet, the second is not fooled.
                if nth % 2 == 0 {
                    until("message", || one.tier.stats().invalidations > heard);
                }
                end.send(()).unwrap();
                assert_eq!(text(slow.join().unwrap()).as_deref(), Some("old"), "who waited has it");
            });
            one.flush();
            one.until_it_has_not(7);
            let (now, _) = three.get(7, gives("new"));
            assert_eq!(now, "new", "{nth}, {}", redis.what);
            redis::cmd("FLUSHALL").exec(&mut redis.connection()).unwrap();
        }
    }
}

#[test]
fn who_finds_the_load_of_another_process_loads_and_leaves_redis_to_it() {
    let redis = Redis::own();
    let [one, two, three] = redis.processes();
    thread::scope(|scope| {
        let ((begun, begins), (end, ends)) = (channel(), channel::<()>());
        let names = &one.names;
        let slow = scope.spawn(move || {
            names.get_or_load(&7, || {
                begun.send(()).unwrap();
                ends.recv().unwrap();
                Ok::<_, String>("of one".to_owned())
            })
        });
        begins.recv().unwrap();
        assert_eq!(two.get(7, gives("of two")), ("of two".into(), How::Loaded));
        assert_eq!(two.tier.stats().stores, 0);
        end.send(()).unwrap();
        assert_eq!(text(slow.join().unwrap()).as_deref(), Some("of one"));
    });
    one.flush();
    assert_eq!(three.get(7, unasked), ("of one".into(), How::SecondLevel));
    two.until_it_has_not(7);
}

/// A mark that nobody needs any more is in nobody's way.
#[test]
fn a_load_that_fails_gives_its_place_back() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        assert!(one.names.get_or_load(&7, fails).is_err());
        one.flush();
        redis.heard_by(&[&two]);
        assert_eq!(two.get(7, gives("tea")), ("tea".into(), How::Loaded));
        assert_eq!(one.get(7, unasked), ("tea".into(), How::SecondLevel), "{}", redis.what);
    }
}

#[test]
fn a_stale_value_is_found_by_a_process_that_never_had_it() {
    let redis = Redis::own();
    let brief = Duration::from_millis(30);
    let stale = || Process::with(calm(redis.address), |cache| cache.ttl(brief).stale_for(MINUTE));
    let (one, two) = (stale(), stale());
    let load = || Ok::<_, String>(Load::value("tea".to_owned()).version("v1"));
    one.names.get_or_load(&7, load).unwrap();
    one.flush();
    let mut con = redis.connection();
    let mut left = || redis::cmd("PTTL").arg("larder:v:names:7").query::<u64>(&mut con).unwrap();
    until("stale value", || left() < 60_000 && one.names.peek(&7).unwrap().is_none());
    let answer = two.names.ask(&7, |old| {
        assert_eq!(old.version(), Some("v1"));
        fails()
    });
    let answer = answer.unwrap();
    assert_eq!((answer.value.as_deref().map(String::as_str), answer.how), (Some("tea"), How::Stale));
    // What is loaded anew takes its place.
    two.names.ask(&7, |_| Ok::<_, String>(Load::value("green tea".to_owned()).ttl(MINUTE))).unwrap();
    two.flush();
    assert_eq!(one.get(7, unasked), ("green tea".into(), How::SecondLevel));
}

#[test]
fn get_many_asks_redis_once_and_the_loader_for_the_rest() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        one.get(1, gives("one"));
        one.names.get_or_load(&2, || Ok::<_, String>(Load::value("two".to_owned()).tag("t"))).unwrap();
        one.flush();
        let many = two.names.ask_many(&[1, 2, 3, 4], |missing| {
            assert_eq!(missing, [3, 4]);
            Ok::<_, String>([(3, "three".to_owned()), (4, "four".to_owned())])
        });
        let hows: Vec<_> = many.unwrap().iter().map(|answer| answer.how).collect();
        assert_eq!(hows, [How::SecondLevel, How::SecondLevel, How::Loaded, How::Loaded], "{}", redis.what);
        two.flush();
        let all = one.names.get_many(&[3, 4], |_: &[u64]| -> Result<Vec<(u64, String)>, String> { panic!() });
        assert_eq!(
            all.unwrap().iter().flatten().map(|text| text.as_str()).collect::<Vec<_>>(),
            ["three", "four"]
        );
    }
}

#[tokio::test]
async fn tasks_wait_for_redis_as_threads_do() {
    let redis = Redis::own();
    let [one, two] = redis.processes();
    let loaded = one.names.get_or_load_async(&7, || async { Ok::<_, String>("tea".to_owned()) }).await;
    assert_eq!(text(loaded).as_deref(), Some("tea"));
    one.flush();
    let answer = two.names.ask_async(&7, |_| async { unasked() }).await.unwrap();
    assert_eq!(answer.how, How::SecondLevel);
    let many = two.names.ask_many_async(&[7, 8], |missing| async move {
        assert_eq!(missing, [8]);
        Ok::<_, String>([(8, "new".to_owned())])
    });
    assert_eq!(many.await.unwrap().len(), 2);
    // A future that is dropped while it waits lets another ask.
    let server = Silent::new();
    let process = Process::on(server.address);
    {
        let mut asks = std::pin::pin!(process.names.get_or_load_async(&7, || async { gives("never")() }));
        let waker = std::task::Waker::noop();
        assert!(asks.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    let loading = process.names.explain(&7).unwrap();
    assert!(!loading.is_loading);
}

#[test]
fn bytes_of_others_count_as_missing_and_are_replaced() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        let mut con = redis.connection();
        for (nth, bytes) in
            [&b"garbage"[..], b"LRDR", b"LRDR\x01\x00", &[0; 4000], &[b'x'; 3 << 20]].iter().enumerate()
        {
            let key = nth as u64;
            redis::cmd("SET").arg(format!("larder:v:names:{key}")).arg(*bytes).exec(&mut con).unwrap();
            redis.heard_by(&[&one]);
            assert_eq!(one.get(key, gives("mine")), ("mine".into(), How::Loaded), "{nth}, {}", redis.what);
            assert_eq!(two.get(key, unasked), ("mine".into(), How::SecondLevel), "{nth}, {}", redis.what);
        }
        // Nor is a value that another kind of thing keeps from being stored.
        redis::cmd("RPUSH").arg("larder:v:names:99").arg("x").exec(&mut con).unwrap();
        assert_eq!(one.get(99, gives("mine")), ("mine".into(), How::Loaded));
        assert_eq!(two.get(99, gives("mine")), ("mine".into(), How::Loaded));
        assert!(one.tier.stats().is_up && one.tier.stats().errors > 0);
    }
}

#[test]
fn a_value_that_does_not_decode_is_loaded_anew() {
    let redis = Redis::own();
    let one = redis.process();
    one.get(7, gives("tea"));
    let tier = calm(redis.address).open();
    let numbers: Cache<u64, u64> = Store::new().cache("names").shared().second_level(&tier).build().unwrap();
    assert_eq!(*numbers.get_or_load(&7, || Ok::<_, String>(1)).unwrap().unwrap(), 1);
    assert_eq!(numbers.stats().undecodable, 1);
}

#[test]
fn what_is_too_long_for_redis_stays_in_the_first_level() {
    let redis = Redis::own();
    let small = || Process::with(calm(redis.address).max_value(1_000), |cache| cache);
    let (one, two) = (small(), small());
    let long = "x".repeat(1_000);
    one.get(7, gives("short"));
    one.names.insert(&7, long.clone()).unwrap();
    assert_eq!(one.get(7, unasked).1, How::Hit);
    redis.heard_by(&[&two]);
    assert_eq!(two.get(7, gives(&long)).1, How::Loaded, "the short one has gone");
    assert_eq!((one.tier.stats().dropped, two.tier.stats().dropped), (1, 1));
}

#[test]
fn a_flushed_redis_empties_the_first_levels() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        one.get(7, gives("tea"));
        two.get(7, unasked);
        redis::cmd("FLUSHALL").exec(&mut redis.connection()).unwrap();
        one.until_it_has_not(7);
        two.until_it_has_not(7);
        redis.heard_by(&[&one]);
        // The removals' clock has gone with it, and begins anew: with the second load at the latest.
        one.get(8, gives("map"));
        one.get(9, gives("list"));
        assert_eq!(two.get(9, unasked).1, How::SecondLevel, "{}", redis.what);
        let load = |value: &'static str| move || Ok::<_, String>(Load::value(value.to_owned()).tag("teas"));
        one.names.get_or_load(&7, load("first")).unwrap();
        one.names.remove_tag("teas");
        one.names.get_or_load(&7, load("green")).unwrap();
        one.flush();
        one.names.remove(&7).unwrap();
        one.flush();
        one.names.get_or_load(&7, load("black")).unwrap();
        one.flush();
        assert_eq!(two.get(7, unasked), ("black".into(), How::SecondLevel), "{}", redis.what);
    }
}

#[test]
fn connections_that_are_killed_are_made_anew_and_the_first_level_begins_anew() {
    for redis in Redis::each() {
        for kind in ["normal", "pubsub"] {
            let process =
                Process::with(calm(redis.address).retry_after(Duration::from_millis(20)), |cache| cache);
            let other = redis.process();
            process.get(7, gives("tea"));
            let mut con = redis.connection();
            redis::cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg(kind)
                .arg("SKIPME")
                .arg("yes")
                .exec(&mut con)
                .unwrap();
            until("new connection", || process.tier.stats().connects > 1 && process.tier.stats().is_up);
            process.until_it_has_not(7);
            assert_eq!(process.get(7, unasked), ("tea".into(), How::SecondLevel), "{kind}, {}", redis.what);
            until("the other's", || other.tier.stats().is_up);
            other.names.remove(&7).unwrap();
            other.flush();
            process.until_it_has_not(7);
        }
    }
}

/// Stands between a client and a server, and can cut what goes through.
struct Proxy {
    address: SocketAddr,
    state: Arc<Door>,
}

#[derive(Default)]
struct Door {
    is_shut: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
    /// Every second connection, of which a tier's listens, hears nothing while this is so.
    is_deaf: Mutex<bool>,
    hears: Condvar,
}

impl Proxy {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), state: Arc::default() };
        let door = Arc::clone(&proxy.state);
        // It ends with the process, or with the proxy's last connection.
        thread::spawn(move || {
            let mut number = 0;
            for client in listener.incoming().map_while(Result::ok) {
                if Arc::strong_count(&door) == 1 {
                    return;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                let mut streams = door.streams.lock().unwrap();
                if door.is_shut.load(Ordering::SeqCst) {
                    continue;
                }
                number += 1;
                let ways = [(&client, &server, false), (&server, &client, number % 2 == 0)];
                for (from, to, may_be_held) in ways {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    streams.push(from.try_clone().unwrap());
                    let door = Arc::downgrade(&door);
                    thread::spawn(move || copy(from, to, may_be_held.then_some(door)));
                }
            }
        });
        proxy
    }

    fn shut(&self) {
        let mut streams = self.state.streams.lock().unwrap();
        self.state.is_shut.store(true, Ordering::SeqCst);
        streams.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    fn open(&self) {
        self.state.is_shut.store(false, Ordering::SeqCst);
    }

    fn deafen(&self, is_deaf: bool) {
        *self.state.is_deaf.lock().unwrap() = is_deaf;
        self.state.hears.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.deafen(false);
        self.shut();
        self.state = Arc::default();
        let _ = TcpStream::connect(self.address);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, held: Option<Weak<Door>>) {
    let mut bytes = [0; 8192];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        if let Some(door) = held.as_ref().and_then(Weak::upgrade) {
            let deaf = door.is_deaf.lock().unwrap();
            drop(door.hears.wait_while(deaf, |is_deaf| *is_deaf).unwrap());
        }
        if to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Redis's own state fences a load where its process has not heard yet, in a transaction and in a script alike.
#[test]
fn a_load_is_fenced_in_redis_where_its_process_has_not_heard() {
    for redis in Redis::each() {
        let proxy = Proxy::to(redis.address);
        let client = redis.client();
        let unheard = RedisTier::builder_with(move || client.get_connection());
        // It has not looked whether anything is heard before all is over.
        let ones = [
            Process::with(calm(proxy.address).retry_after(LONG), |cache| cache),
            Process::with(unheard, |cache| cache),
        ];
        for (nth, one) in ones.iter().enumerate() {
            let [two, three] = redis.processes();
            for is_over_a_value in [false, true] {
                one.get(1, gives("it is connected"));
                if is_over_a_value {
                    let brief = || {
                        Ok::<_, String>(
                            Load::value("stale".to_owned()).ttl(Duration::from_millis(1)).tag("t"),
                        )
                    };
                    two.names.get_or_load(&7, brief).unwrap();
                    two.names.remove_tag("t");
                    two.flush();
                }
                redis.heard_by(&[&two]);
                if nth == 0 {
                    redis.heard_by(&[one]);
                }
                proxy.deafen(true);
                thread::scope(|scope| {
                    let ((begun, begins), (end, ends)) = (channel(), channel::<()>());
                    let slow = scope.spawn(move || {
                        one.names.get_or_load(&7, || {
                            begun.send(()).unwrap();
                            ends.recv().unwrap();
                            Ok::<_, String>("old".to_owned())
                        })
                    });
                    begins.recv().unwrap();
                    two.names.remove(&7).unwrap();
                    two.flush();
                    end.send(()).unwrap();
                    assert_eq!(text(slow.join().unwrap()).as_deref(), Some("old"));
                });
                one.flush();
                assert_eq!(
                    one.names.peek(&7).unwrap().as_deref().map(String::as_str),
                    Some("old"),
                    "not heard yet"
                );
                assert!(one.tier.stats().fenced > 0);
                assert_eq!(three.get(7, gives("new")), ("new".into(), How::Loaded), "{}", redis.what);
                proxy.deafen(false);
                one.names.remove(&7).unwrap();
                one.flush();
                redis.heard_by(&[&three, &two]);
            }
        }
    }
}

#[test]
fn while_redis_is_away_the_first_level_goes_on() {
    for redis in Redis::each() {
        let proxy = Proxy::to(redis.address);
        let process = Process::with(hasty(proxy.address), |cache| cache);
        let other = redis.process();
        until("connection", || process.tier.stats().is_up);
        process.get(1, gives("removed meanwhile"));
        process.names.get_or_load(&2, || Ok::<_, String>(Load::value("tagged".to_owned()).tag("t"))).unwrap();
        process.get(3, gives("kept"));
        process.get(4, gives("inserted over"));
        proxy.shut();
        until("loss", || !process.tier.stats().is_up);
        // What is there is served, what is not is loaded, and nobody waits.
        assert_eq!(text(process.names.get_or_load(&3, unasked)).as_deref(), Some("kept"));
        assert_eq!(text(process.names.get_or_load(&5, gives("alone"))).as_deref(), Some("alone"));
        assert!(process.tier.stats().unasked > 0);
        process.names.remove(&1).unwrap();
        process.names.remove_tag("t");
        process.names.insert(&4, "new".to_owned()).unwrap();
        assert!(!process.tier.flush(Duration::from_millis(1)), "{}", redis.what);
        assert_eq!(other.get(1, unasked), ("removed meanwhile".into(), How::SecondLevel), "it cannot know");
        proxy.open();
        // All that was removed is, before anything is read.
        process.flush();
        assert!(process.tier.stats().is_up);
        other.until_it_has_not(1);
        for key in [1, 2, 4] {
            assert_eq!(other.get(key, gives("loaded")).0, "loaded", "{key}, {}", redis.what);
        }
        assert_eq!(process.get(3, unasked), ("kept".into(), How::SecondLevel), "the first level began anew");
        assert_eq!(process.get(5, gives("again")).0, "again");
    }
}

#[test]
fn more_removals_than_can_be_remembered_are_one_of_everything() {
    let redis = Redis::own();
    let proxy = Proxy::to(redis.address);
    let process = Process::with(hasty(proxy.address), |cache| cache);
    until("connection", || process.tier.stats().is_up);
    process.get(7, gives("tea"));
    proxy.shut();
    until("loss", || !process.tier.stats().is_up);
    (0..70_000_u64).for_each(|key| _ = process.names.remove(&(key + 1_000)).unwrap());
    proxy.open();
    process.flush();
    let other = redis.process();
    assert_eq!(other.get(7, gives("new")), ("new".into(), How::Loaded));
}

/// Accepts, and never says a word.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Silent { address: listener.local_addr().unwrap(), _listener: listener }
    }
}

#[test]
fn a_redis_that_never_answers_costs_its_timeout_once() {
    let server = Silent::new();
    let timeout = Duration::from_millis(300);
    let tier = RedisTier::builder(client(server.address)).timeout(timeout).retry_after(LONG);
    let process = Process::with(tier, |cache| cache);
    let begun = Instant::now();
    for key in 0..50 {
        assert_eq!(text(process.names.get_or_load(&key, gives("alone"))).as_deref(), Some("alone"));
    }
    // Once for the first of them, and room for a machine that has much to do; each would make fifteen seconds.
    assert!(begun.elapsed() < 20 * timeout, "{:?}", begun.elapsed());
    assert!(process.tier.stats().unasked >= 49);
    assert!(process.names.explain(&7).unwrap().is_second_level_away);
}

#[test]
fn a_redis_that_is_not_there_yet_is_found_when_it_is() {
    let redis = Redis::own();
    let proxy = Proxy::to(redis.address);
    proxy.shut();
    let process = Process::with(hasty(proxy.address), |cache| cache);
    assert_eq!(text(process.names.get_or_load(&7, gives("alone"))).as_deref(), Some("alone"));
    proxy.open();
    until("connection", || process.tier.stats().is_up);
    assert_eq!(process.get(8, gives("tea")).1, How::Loaded);
    assert_eq!(redis.process().get(8, unasked).1, How::SecondLevel);
}

/// Users who may not do all: without scripts values are put there in a transaction, and without tracking what is removed
/// is published.
#[test]
fn servers_without_scripts_or_tracking_do_too() {
    for redis in Redis::each() {
        for rights in [&["-client|tracking"][..], &["-client|tracking", "-eval"]] {
            let mut con = redis.connection();
            let mut user = redis::cmd("ACL");
            user.arg(&["SETUSER", "modest", "reset", "on", "nopass", "~*", "&*", "+@all"]).arg(rights);
            user.exec(&mut con).unwrap();
            let url = format!("redis://modest:x@{}", redis.address);
            let tier = || RedisTier::builder(redis::Client::open(url.as_str()).unwrap()).timeout(LONG);
            let process = || Process::with(tier(), |cache| cache);
            let (one, two) = (process(), process());
            one.get(1, gives("first"));
            two.get(1, unasked);
            let tagged = || Ok::<_, String>(Load::value("tea".to_owned()).tag("teas"));
            for remove in [
                |names: &Cache<u64, String>| _ = names.remove(&7).unwrap(),
                |names: &Cache<u64, String>| names.remove_tag("teas"),
            ] {
                assert_eq!(one.names.ask(&7, |_| tagged()).unwrap().how, How::Loaded);
                one.flush();
                assert_eq!(
                    two.get(7, unasked),
                    ("tea".into(), How::SecondLevel),
                    "{rights:?}, {}",
                    redis.what
                );
                remove(&one.names);
                two.until_it_has_not(7);
            }
            assert!(one.names.get_or_load(&8, fails).is_err());
            one.flush();
            assert_eq!(two.get(8, gives("map")).1, How::Loaded);
            assert_eq!(one.get(8, unasked).1, How::SecondLevel, "{rights:?}, {}", redis.what);
            redis::cmd("FLUSHALL").exec(&mut con).unwrap();
        }
    }
}

#[test]
#[cfg(feature = "redis")]
fn connections_of_any_kind_will_do() {
    let server = Store::new();
    let tier = || {
        let server = server.clone();
        RedisTier::builder_with(move || Ok(server.redis_connection())).prefix("shop/")
    };
    let (one, two) = (Process::with(tier(), |cache| cache), Process::with(tier(), |cache| cache));
    assert_eq!(one.get(7, gives("tea")).1, How::Loaded);
    assert_eq!(two.get(7, unasked).1, How::SecondLevel);
    one.names.remove(&7).unwrap();
    one.flush();
    assert!(!server.contains("shop/v:names:7").unwrap());
    assert_eq!(two.get(7, unasked).1, How::Hit, "nobody listens");
}

#[test]
fn threads_end_with_the_last_handle_and_removals_are_sent_before() {
    for redis in Redis::each() {
        let mut con = redis.connection();
        let other = redis.process();
        other.get(7, gives("tea"));
        let clients = |con: &mut redis::Connection| -> usize {
            redis::cmd("CLIENT").arg("LIST").query::<String>(con).unwrap().lines().count()
        };
        let before = clients(&mut con);
        let process = redis.process();
        process.get(7, unasked);
        assert_eq!(clients(&mut con), before + 2);
        process.names.remove(&7).unwrap();
        drop(process);
        until("end", || clients(&mut con) == before);
        other.until_it_has_not(7);
    }
}

#[test]
fn a_cache_with_a_second_level_is_shared_and_the_only_one_of_its_name() {
    let redis = Redis::own();
    let tier = calm(redis.address).open();
    let store = Store::new();
    let silent = super::cache(&store).second_level(&tier).build();
    assert!(matches!(silent, Err(Error::Invalid(why)) if why.contains("second level")));
    let first = super::cache(&store).shared().second_level(&tier).build().unwrap();
    let second = || super::cache(&Store::new()).shared().second_level(&tier).build();
    assert!(matches!(second(), Err(Error::CacheInUse(_))));
    drop(first);
    assert!(second().is_ok());
}

#[test]
fn the_breaker_keeps_nobody_from_what_is_in_redis() {
    let redis = Redis::own();
    let one = redis.process();
    one.get(7, gives("tea"));
    let two = Process::with(calm(redis.address), |cache| cache.breaker(1, LONG));
    assert!(two.names.get_or_load(&8, fails).is_err());
    assert!(matches!(two.names.get_or_load(&8, unasked), Err(LoadError::Paused)));
    assert_eq!(two.get(7, unasked), ("tea".into(), How::SecondLevel));
}

/// Writers that raise rows and remove their keys, and readers, in three processes: once a removal has been sent, and its
/// message has arrived, nobody is served an older row.
#[test]
fn in_a_storm_nobody_is_served_what_was_removed() {
    const KEYS: u64 = 4;
    for redis in Redis::each() {
        let processes: [Process; 3] = redis.processes();
        let rows: [AtomicU64; KEYS as usize] = std::array::from_fn(|_| AtomicU64::new(0));
        let read = |key: u64| rows[key as usize].load(Ordering::SeqCst);
        let load = |key: u64| move || Load::value(read(key).to_string()).tag(format!("row:{key}"));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (is_over, processes, rows, what) = (&is_over, &processes, &rows, &*redis.what);
            for process in processes {
                scope.spawn(move || {
                    for turn in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            break;
                        }
                        let key = turn % KEYS;
                        let got = process.names.get_or_load(&key, || Ok::<_, String>(load(key)())).unwrap();
                        let row: u64 = got.unwrap().parse().unwrap();
                        assert!(row <= read(key));
                    }
                });
            }
            let writers: Vec<_> = processes
                .iter()
                .zip(0_u64..)
                .map(|(process, nth)| {
                    scope.spawn(move || {
                        for turn in 0..150 {
                            let key = (turn + nth) % KEYS;
                            let row = rows[key as usize].fetch_add(1, Ordering::SeqCst) + 1;
                            match turn % 3 {
                                0 => _ = process.names.remove(&key).unwrap(),
                                1 => process.names.remove_tag(format!("row:{key}")),
                                _ => process.names.remove_tag("row:"),
                            }
                            let seen = |process: &Process| -> u64 {
                                let got = process.names.get_or_load(&key, || Ok::<_, String>(load(key)()));
                                got.unwrap().unwrap().parse().unwrap()
                            };
                            // In its own process at once.
                            assert!(seen(process) >= row, "{what}");
                            if turn % 10 == 0 {
                                let other = &processes[(nth as usize + 1) % processes.len()];
                                told(process, other, 900 + nth);
                                assert!(seen(other) >= row, "{turn}, {what}");
                            }
                        }
                        assert!(process.tier.flush(LONG));
                    })
                })
                .collect();
            let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            is_over.store(true, Ordering::SeqCst);
            ended.into_iter().for_each(|ended| ended.unwrap());
        });
        // All has been sent; once it has arrived everybody sees the last rows.
        for process in &processes {
            for key in 0..KEYS {
                until("last row", || {
                    let got = process.names.get_or_load(&key, || Ok::<_, String>(load(key)())).unwrap();
                    *got.unwrap() == read(key).to_string()
                });
            }
            process.flush();
        }
        let late = redis.process();
        for key in 0..KEYS {
            assert_eq!(
                late.get(key, || Ok(read(key).to_string())).0,
                read(key).to_string(),
                "{}",
                redis.what
            );
        }
    }
}

/// Returns when all that one process has changed before has been heard by the other.
fn told(one: &Process, other: &Process, sign: u64) {
    other.get(sign, gives("a sign"));
    one.flush();
    one.names.remove(&sign).unwrap();
    one.flush();
    other.until_it_has_not(sign);
}
