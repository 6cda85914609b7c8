//! Loads and removals at once, in several processes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use larder::{How, Load, RedisTier};

use super::super::{fails, gives, text, unasked};
use super::proxy::Proxy;
use super::{LONG, Process, Redis, calm};
use crate::support::until;

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
pub(super) fn told(one: &Process, other: &Process, sign: u64) {
    other.get(sign, gives("a sign"));
    one.flush();
    one.names.remove(&sign).unwrap();
    one.flush();
    other.until_it_has_not(sign);
}
