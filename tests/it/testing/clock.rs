//! One clock for all that takes time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use larder::{Error, ManualClock, Reply, Session, Store, Sweeping};

use crate::support::until;

/// Real time after which a test fails rather than to hang.
const LIMIT: Duration = Duration::from_secs(60);

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What a thread comes to; one that does not come to an end is a failure.
fn end<T>(thread: JoinHandle<T>) -> T {
    until("end of a thread", || thread.is_finished());
    thread.join().unwrap()
}

fn store_of(clock: &ManualClock) -> Store {
    Store::builder().clock(clock).sweeping(Sweeping::ByHand).shards(4).seed(7).build()
}

fn text(session: &mut Session, words: &[&str]) -> String {
    match session.call(words) {
        Reply::Verbatim(_, text) => text.as_str().unwrap().to_owned(),
        other => panic!("no text: {other:?}"),
    }
}

#[test]
fn it_stops_at_each_deadline_of_keys_and_fields() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    let step = || clock.advance_to_next_deadline(&store).unwrap().map(|passed| passed.as_millis());
    assert_eq!(step(), None);
    store.insert("for ever", 1).unwrap();
    assert_eq!(step(), None);
    // On one page and on others, in another database, within one tick of the wheel.
    for n in 0..300_u64 {
        store.insert_ex(n, n, millis(1_000 + 7 * n)).unwrap();
    }
    store.db(5).unwrap().insert_ex("other", 1, millis(1_003)).unwrap();
    let hash = store.hash::<String, u32>("hash");
    hash.insert_ex("a", 1, millis(1_005)).unwrap();
    hash.insert_ex("b", 1, millis(1_006)).unwrap();
    hash.insert("stays", 1).unwrap();
    assert_eq!([step(), step(), step(), step(), step()], [1_000, 3, 2, 1, 1].map(Some));
    assert_eq!((hash.len().unwrap(), store.db(5).unwrap().len().unwrap()), (1, 0));
    // What was sooner has gone, or lies further off.
    store.remove(2).unwrap();
    store.persist(3).unwrap();
    assert_eq!(step(), Some(21));
    let mut passed = 28;
    while let Some(more) = step() {
        passed += more;
    }
    assert_eq!(passed, 7 * 299);
    assert_eq!(store.keys("*").unwrap().len(), 3);
    store.sweep().unwrap();
    assert_eq!(step(), None);
    let other = store_of(&ManualClock::new());
    assert!(matches!(clock.advance_to_next_deadline(&other), Err(Error::Invalid(_))));
    assert!(matches!(clock.advance_to_next_deadline(&Store::new()), Err(Error::Invalid(_))));
}

#[test]
fn it_stops_at_the_timeouts_of_those_who_are_blocked() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    store.insert_ex("key", 1, millis(3_000)).unwrap();
    let waits = |timeout: &'static str| {
        let mut session = store.session();
        thread::spawn(move || session.call(["BLPOP", "jobs", timeout]))
    };
    let (long, short) = (waits("5"), waits("2"));
    assert!(store.wait_for_blocked(2, LIMIT));
    assert_eq!(store.blocked(), 2);
    let step = || clock.advance_to_next_deadline(&store).unwrap();
    assert_eq!(step(), Some(millis(2_000)));
    assert_eq!(end(short), Reply::NilArray);
    assert_eq!(store.blocked(), 1);
    assert_eq!((step(), step()), (Some(millis(1_000)), Some(millis(2_000))));
    assert_eq!(end(long), Reply::NilArray);
    assert_eq!((store.blocked(), step()), (0, None));
    // Who waits for ever has no deadline.
    let ever = waits("0");
    assert!(store.wait_for_blocked(1, LIMIT));
    assert_eq!(step(), None);
    store.list::<u32>("jobs").push_back(1).unwrap();
    assert_eq!(store.blocked(), 0);
    end(ever);
}

#[test]
fn who_waits_for_the_blocked_is_told_or_gives_up() {
    let store = Store::new();
    assert!(store.wait_for_blocked(0, Duration::ZERO));
    assert!(!store.wait_for_blocked(1, millis(1)));
    let context = &mut Context::from_waker(Waker::noop());
    let (jobs, board) = (store.list::<u32>("jobs"), store.sorted_set::<u32>("board"));
    let mut pop = Box::pin(jobs.pop_front_async());
    let mut first = Box::pin(board.pop_first_async());
    // It waits in two queues, and is one.
    let mut either = Box::pin(store.pop_front_of_async::<u32>(["jobs", "others"]));
    assert!(pop.as_mut().poll(context).is_pending() && pop.as_mut().poll(context).is_pending());
    assert!(first.as_mut().poll(context).is_pending() && either.as_mut().poll(context).is_pending());
    assert_eq!((store.blocked(), store.waiting().unwrap()), (3, 4));
    jobs.push_back(1).unwrap();
    // Served, though it has not been asked again.
    assert_eq!(store.blocked(), 2);
    drop(first);
    assert_eq!(store.blocked(), 1);
    let mut blocked = Box::pin(store.wait_for_blocked_async(2));
    assert!(blocked.as_mut().poll(context).is_pending());
    let mut one_more = Box::pin(jobs.pop_back_async());
    assert!(one_more.as_mut().poll(context).is_pending());
    assert!(blocked.as_mut().poll(context).is_ready());
    assert!(matches!(pop.as_mut().poll(context), Poll::Ready(Ok(1))));
    drop((either, one_more));
    assert_eq!(store.blocked(), 0);
}

#[test]
fn many_are_waited_for_while_they_come_and_go() {
    let store = Store::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16_u32)
            .map(|n| {
                let store = &store;
                scope.spawn(move || store.list::<u32>(n % 3).pop_front_wait(LIMIT).unwrap())
            })
            .collect();
        assert!(store.wait_for_blocked(16, LIMIT));
        for n in 0..16_u32 {
            store.list::<u32>(n % 3).push_back(n).unwrap();
        }
        assert_eq!(store.blocked(), 0);
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap().is_some()));
    });
}

#[test]
fn a_running_clock_goes_and_can_be_moved_and_stopped() {
    let clock = ManualClock::running();
    let store = store_of(&clock);
    store.insert_ex("short", 1, millis(1)).unwrap();
    // In real time.
    while store.contains("short").unwrap() {
        thread::yield_now();
    }
    let before = clock.now();
    store.insert_ex("hour", 1, Duration::from_secs(3600)).unwrap();
    clock.advance(Duration::from_secs(3600));
    assert!(!store.contains("hour").unwrap());
    assert!(clock.now() >= before + Duration::from_secs(3600));
    clock.pause();
    let stopped = clock.now();
    store.insert_ex("short", 1, millis(1)).unwrap();
    (0..10_000).for_each(|_| thread::yield_now());
    assert_eq!((clock.now(), store.contains("short").unwrap()), (stopped, true));
    clock.resume();
    clock.resume();
    while store.contains("short").unwrap() {
        thread::yield_now();
    }
    assert!(clock.now() > stopped && clock.now() < stopped + Duration::from_secs(60));
}

/// Whoever has parked for one kind of time is parked anew for the other.
#[test]
fn those_who_wait_go_along_when_the_clock_is_stopped_and_set_going() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    let waits = |timeout: u64| {
        let store = store.clone();
        thread::spawn(move || store.list::<u32>("jobs").pop_front_wait(millis(timeout)).unwrap())
    };
    // Parked while it stands still, over while it goes.
    let waiter = waits(5);
    assert!(store.wait_for_blocked(1, LIMIT));
    clock.resume();
    assert_eq!(end(waiter), None);
    // Parked for an hour of the system's time, which then passes at once, but for some milliseconds.
    let waiter = waits(3_600_000);
    assert!(store.wait_for_blocked(1, LIMIT));
    clock.advance(millis(3_599_990));
    assert_eq!(end(waiter), None);
    // Parked while it goes, and stopped: only a step ends it.
    let waiter = waits(3_600_000);
    assert!(store.wait_for_blocked(1, LIMIT));
    clock.pause();
    clock.advance(millis(3_600_000));
    assert_eq!(end(waiter), None);
}

#[test]
fn sessions_tell_the_clocks_time() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    let mut ann = store.session();
    ann.call(["SET", "k", "v"]);
    let mut bob = store.session();
    clock.advance(Duration::from_millis(10_500));
    let time = bob.call(["TIME"]);
    assert_eq!(time, Reply::Array(["946684810", "500000"].map(|part| Reply::Bulk(part.into())).into()));
    clock.advance(Duration::from_secs(5));
    let list = text(&mut bob, &["CLIENT", "LIST"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].contains(" age=15 idle=15 "), "{list}");
    assert!(lines[1].contains(" age=15 idle=0 "), "{list}");
}

#[cfg(feature = "server")]
mod server {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn client(server: &larder::Server) -> TcpStream {
        let client = TcpStream::connect(server.addr()).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client
    }

    fn expect(client: &mut TcpStream, reply: &str) {
        let mut bytes = vec![0; reply.len()];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), reply);
    }

    #[test]
    fn clients_of_a_server_wait_by_the_clock() {
        let clock = ManualClock::new();
        let store = store_of(&clock);
        let server = store.serve().unwrap();
        let mut waiting = client(&server);
        waiting.write_all(b"BLPOP jobs 30\r\n").unwrap();
        assert!(store.wait_for_blocked(1, LIMIT));
        assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), Some(Duration::from_secs(30)));
        expect(&mut waiting, "*-1\r\n");
        assert_eq!(store.blocked(), 0);
        // The same when the clock is set going meanwhile, and when it goes and is moved.
        waiting.write_all(b"BLPOP jobs 0.005\r\n").unwrap();
        assert!(store.wait_for_blocked(1, LIMIT));
        clock.resume();
        expect(&mut waiting, "*-1\r\n");
        waiting.write_all(b"BLPOP jobs 3600\r\n").unwrap();
        assert!(store.wait_for_blocked(1, LIMIT));
        clock.advance(Duration::from_millis(3_599_990));
        expect(&mut waiting, "*-1\r\n");
        waiting.write_all(b"BLPOP jobs 3600\r\n").unwrap();
        assert!(store.wait_for_blocked(1, LIMIT));
        clock.pause();
        clock.advance(Duration::from_secs(3600));
        expect(&mut waiting, "*-1\r\n");
    }
}

/// Between the look at the clock and the wait for it nothing is lost: time only moves on while others wait.
#[test]
fn nobody_is_left_behind() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4_u64)
            .map(|n| {
                let store = &store;
                scope.spawn(move || {
                    for _ in 0..50 {
                        store.list::<u32>("jobs").pop_front_wait(millis(10 + n)).unwrap();
                    }
                })
            })
            .collect();
        let mover = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if store.wait_for_blocked(1, millis(1)) {
                    clock.advance_to_next_deadline(&store).unwrap();
                }
            }
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
        mover.join().unwrap();
    });
}

#[test]
fn who_is_past_its_time_is_blocked_no_more() {
    for _ in 0..100 {
        let clock = ManualClock::new();
        let store = store_of(&clock);
        let worker = thread::spawn({
            let store = store.clone();
            move || [0; 3].map(|_| store.list::<u32>("jobs").pop_front_wait(millis(5_000)).unwrap())
        });
        for _ in 0..3 {
            assert!(store.wait_for_blocked(1, LIMIT));
            assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), Some(millis(5_000)));
        }
        assert_eq!((end(worker), store.blocked()), ([None; 3], 0));
    }
}

/// What somebody no longer waits for is no deadline, though that somebody is still there.
#[test]
fn it_stops_at_no_deadline_that_nobody_has() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    let sub = store.subscribe(["news"]);
    let step = || clock.advance_to_next_deadline(&store).unwrap();
    store.publish("news", "x").unwrap();
    assert!(sub.recv_timeout(millis(5_000)).is_some());
    let waits = thread::scope(|scope| {
        let waits = scope.spawn(|| sub.recv_timeout(millis(5_000)));
        while clock.advance_to_next_deadline(&store).unwrap().is_none() {
            thread::yield_now();
        }
        waits.join().unwrap()
    });
    assert!(waits.is_none());
    let mut one = store.session();
    one.call(["CLIENT", "PAUSE", "5000", "WRITE"]);
    let mut other = store.session();
    let held = thread::spawn(move || other.call(["SET", "a", "1"]));
    until("one held back", || text(&mut one, &["CLIENT", "LIST"]).contains("flags=b "));
    one.call(["CLIENT", "UNPAUSE"]);
    assert_eq!(end(held), Reply::OK);
    assert_eq!(step(), None);
    store.insert_ex("key", 1, millis(30_000)).unwrap();
    assert_eq!(step(), Some(millis(30_000)));
}

/// Who has not noticed yet that its time is over gets nothing that comes then.
#[test]
fn what_comes_when_the_time_of_one_who_waits_is_over_is_not_its() {
    let clock = ManualClock::new();
    let store = store_of(&clock);
    let jobs = store.list::<String>("jobs");
    for round in 0..100 {
        let (mut session, other) = (store.session(), store.clone());
        let waits = thread::spawn(move || match round % 2 {
            0 => session.call(["BLMOVE", "jobs", "done", "LEFT", "LEFT", "5"]) == Reply::NilArray,
            _ => other.list::<String>("jobs").pop_front_wait(millis(5_000)).unwrap().is_none(),
        });
        assert!(store.wait_for_blocked(1, LIMIT));
        clock.advance(millis(5_000));
        jobs.push_back("x").unwrap();
        assert!(end(waits), "round {round}");
        assert_eq!(jobs.pop_front().unwrap().as_deref(), Some("x"));
    }
}
