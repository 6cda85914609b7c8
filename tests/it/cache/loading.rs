//! Caches with a loader of their own: loads behind those who ask.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use larder::{AsyncLoadingCache, CacheBuilder, How, Load, LoadError, LoadingCache, ManualClock, Previous};

use super::{MINUTE, cache, gives};
use crate::support::{manual_store, until};

const SECOND: Duration = Duration::from_secs(1);

type Row = Result<String, String>;

/// A database whose answers a test gives one by one: whoever asks waits for the next, or fails once there are no more to
/// come.
struct Asked {
    clock: ManualClock,
    names: LoadingCache<u64, String, String>,
    begun: Receiver<u64>,
    answers: Sender<Row>,
}

fn asked(with: impl FnOnce(CacheBuilder<u64, String>) -> CacheBuilder<u64, String>) -> Asked {
    let (clock, store) = manual_store();
    let ((begins, begun), (answers, answer)) = (channel(), channel::<Row>());
    let answer = Mutex::new(answer);
    let loader = move |id: &u64| {
        let _ = begins.send(*id);
        let row = answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let row = row.unwrap_or_else(|_| Err("nobody answers any more".to_owned()));
        if row.as_deref() == Ok("panic") { panic!("the loader's own") } else { row }
    };
    let names = with(cache(&store)).build_loading(loader).unwrap();
    Asked { clock, names, begun, answers }
}

impl Asked {
    fn put(&self, id: u64, value: &str) {
        self.names.insert(&id, value.to_owned()).unwrap();
    }

    fn now(&self, id: u64) -> (How, String) {
        let answer = self.names.get_answer(&id).unwrap();
        (answer.how, answer.value.map_or_else(String::new, |value| (*value).clone()))
    }

    fn answer(&self, row: &str) {
        self.answers.send(Ok(row.to_owned())).unwrap();
    }

    fn until_it_holds(&self, id: u64, value: &str) {
        until("value", || self.names.peek(&id).unwrap().is_some_and(|there| *there == value));
    }
}

#[test]
fn what_is_due_is_loaded_behind_those_who_ask() {
    let a = asked(|names| names.refresh_after(0.5).revalidate_for(MINUTE));
    a.put(7, "old");
    a.clock.advance(MINUTE / 2);
    assert_eq!(a.now(7), (How::Hit, "old".to_owned()));
    assert_eq!(a.now(7), (How::Hit, "old".to_owned()), "one load at a time");
    a.answer("new");
    a.until_it_holds(7, "new");
    a.clock.advance(MINUTE);
    a.answer("newer");
    until("the load behind", || {
        let (how, value) = a.now(7);
        assert!(
            how == How::Stale && value == "new" || how == How::Hit && value == "newer",
            "{how:?} {value}"
        );
        value == "newer"
    });
    let stats = a.names.stats();
    assert_eq!((stats.loads, stats.misses), (2, 0));
    assert_eq!(a.begun.try_iter().collect::<Vec<_>>(), [7, 7]);
}

#[test]
fn without_deadlines_a_miss_is_loaded_by_who_asks() {
    let (_clock, store) = manual_store();
    let names: LoadingCache<u64, String, String> =
        cache(&store).build_loading(|id: &u64| Ok(format!("{id} by {:?}", thread::current().id()))).unwrap();
    let me = format!("7 by {:?}", thread::current().id());
    assert_eq!(names.get(&7).unwrap().as_deref(), Some(&me));
    assert_eq!(names.get_or_load(&8, gives("8")).unwrap().as_deref().map(String::as_str), Some("8"));
}

#[test]
fn a_deadline_ends_the_wait_for_ones_own_load() {
    let a = asked(|names| names.wait_at_most(SECOND));
    thread::scope(|scope| {
        // In here, so that a failed assertion lets the loader go.
        let a = a;
        let names = a.names.clone();
        let waits = scope.spawn(move || names.get(&7));
        assert_eq!(a.begun.recv().unwrap(), 7);
        until("its time is over", || {
            a.clock.advance(SECOND / 10);
            waits.is_finished()
        });
        assert!(matches!(waits.join().unwrap(), Err(LoadError::TimedOut)));
        a.answer("late");
        a.until_it_holds(7, "late");
        assert_eq!(a.now(7), (How::Hit, "late".to_owned()));
    });
}

#[test]
fn stale_is_served_after_the_soft_deadline_and_the_load_ends_behind() {
    let a = asked(|names| names.stale_for(MINUTE * 10).stale_after(Duration::ZERO));
    a.put(7, "old");
    a.clock.advance(MINUTE);
    assert_eq!(a.now(7), (How::Stale, "old".to_owned()));
    a.answer("new");
    a.until_it_holds(7, "new");
    assert_eq!(a.now(7).0, How::Hit);
}

#[test]
fn beyond_its_window_nobody_is_served_a_stale_value() {
    let waits = |fails: bool| {
        let a = asked(|names| names.stale_for(MINUTE).wait_at_most(MINUTE * 30));
        thread::scope(|scope| {
            let a = a;
            a.put(7, "old");
            a.clock.advance(MINUTE);
            let names = a.names.clone();
            let waits = scope.spawn(move || names.get(&7));
            assert_eq!(a.begun.recv().unwrap(), 7);
            // It waits by now, or is going to: its deadline is half an hour from then.
            a.clock.advance(MINUTE);
            if fails {
                a.answers.send(Err("down".to_owned())).unwrap();
            } else {
                until("its time is over", || {
                    a.clock.advance(MINUTE);
                    waits.is_finished()
                });
            }
            waits.join().unwrap()
        })
    };
    let failed = waits(true);
    assert!(matches!(failed, Err(LoadError::Loader(_))), "{failed:?}");
    let late = waits(false);
    assert!(matches!(late, Err(LoadError::TimedOut)), "{late:?}");
}

#[test]
fn a_value_that_is_served_is_counted_as_often_as_it_is() {
    let a = asked(|names| names.revalidate_for(MINUTE).retry_after(Duration::ZERO));
    a.put(7, "old");
    a.clock.advance(MINUTE);
    assert_eq!(a.now(7), (How::Stale, "old".to_owned()));
    a.answers.send(Err("down".to_owned())).unwrap();
    until("the load behind", || a.names.stats().failed_loads == 1);
    assert_eq!(a.names.stats().stale, 1, "nobody is served what a load behind falls back on");
    // Who waits for one is.
    let a = asked(|names| names.stale_for(MINUTE).wait_at_most(MINUTE * 30));
    a.put(7, "old");
    a.clock.advance(MINUTE);
    a.answers.send(Err("down".to_owned())).unwrap();
    assert_eq!(a.now(7), (How::Stale, "old".to_owned()));
    let stats = a.names.stats();
    assert_eq!((stats.stale, stats.misses), (1, 1));
}

#[test]
fn errors_and_panics_go_to_who_waits() {
    let a = asked(|names| names.wait_at_most(MINUTE * 60).stale_for(MINUTE * 10));
    a.answers.send(Err("down".to_owned())).unwrap();
    assert!(matches!(a.names.get(&7), Err(LoadError::Loader(why)) if why == "down"));
    a.answer("panic");
    assert!(matches!(a.names.get(&7), Err(LoadError::Shared(why)) if &*why == "the loader panicked"));
    assert_eq!((a.names.stats().panics, a.names.stats().failed_loads), (1, 2));
    a.answer("there");
    assert_eq!(a.now(7), (How::Loaded, "there".to_owned()), "the thread goes on");
    // With a stale value, that is served; after a panic too the next load waits a while.
    a.clock.advance(MINUTE);
    a.answer("panic");
    assert_eq!(a.now(7), (How::Stale, "there".to_owned()));
    assert_eq!(a.now(7), (How::Stale, "there".to_owned()));
    assert_eq!(a.begun.try_iter().count(), 4);
}

#[test]
fn who_asks_after_a_write_is_not_given_what_is_loaded_behind() {
    for remove in [|a: &Asked| drop(a.names.remove(&7)), |a: &Asked| a.names.remove_tag("any")] {
        let a = asked(|names| names.wait_at_most(MINUTE * 60));
        thread::scope(|scope| {
            let a = a;
            let names = a.names.clone();
            let first = scope.spawn(move || names.get(&7).map(|got| (*got.unwrap()).clone()));
            a.begun.recv().unwrap();
            remove(&a);
            let names = a.names.clone();
            let second =
                scope.spawn(move || names.get_or_load(&7, gives("new")).map(|got| (*got.unwrap()).clone()));
            until("it has asked", || second.is_finished() || names_shared(&a) == 1);
            a.answer("old");
            assert_eq!(first.join().unwrap().unwrap(), "old");
            assert!(second.join().unwrap().is_ok());
        });
    }

    fn names_shared(a: &Asked) -> u64 {
        a.names.stats().shared
    }
}

#[test]
fn a_loader_that_needs_another_key_loads_that_itself() {
    let (_clock, store) = manual_store();
    let own = Arc::new(std::sync::OnceLock::<LoadingCache<u64, u64, String>>::new());
    let names = {
        let own = Arc::clone(&own);
        let builder: CacheBuilder<u64, u64> = store.cache("fibonacci").wait_at_most(MINUTE);
        let loader = move |n: &u64| -> Result<u64, String> {
            let part =
                |n: u64| own.get().unwrap().get(&n).map(|part| *part.unwrap()).map_err(|why| why.to_string());
            if *n < 2 { Ok(*n) } else { Ok(part(n - 1)? + part(n - 2)?) }
        };
        builder.build_loading(loader).unwrap()
    };
    assert!(own.set(names.clone()).is_ok());
    assert_eq!(*names.get(&30).unwrap().unwrap(), 832_040);
    assert_eq!(names.stats().loads, 31);
}

#[test]
fn beyond_so_many_who_asks_loads() {
    let a = asked(|names| names.wait_at_most(Duration::from_millis(1)));
    let most = 256;
    for id in 0..most {
        // Nobody answers: each gives up, and its load stays in the queue.
        thread::scope(|scope| {
            let names = a.names.clone();
            let waits = scope.spawn(move || names.get(&id).is_err());
            until("its time is over", || {
                a.clock.advance(SECOND);
                waits.is_finished()
            });
        });
    }
    assert_eq!(
        a.names.get_or_load(&9_999, gives("by the caller")).unwrap().unwrap().as_str(),
        "by the caller"
    );
    for id in 0..=most {
        a.answer(&id.to_string());
    }
    // The loader's answers come in the order of the asking, but one: the caller's own.
    assert_eq!(a.now(most).0, How::Loaded);
    until("the queue is done", || a.names.stats().loads == most + 2);
}

#[test]
fn the_thread_goes_with_the_cache() {
    let alive = Arc::new(());
    let (clock, store) = manual_store();
    let runs = Arc::new(AtomicUsize::new(0));
    let names: LoadingCache<u64, String, String> = {
        let (alive, runs) = (Arc::clone(&alive), Arc::clone(&runs));
        let loader = move |_: &u64| {
            let _alive = &alive;
            runs.fetch_add(1, Ordering::Relaxed);
            gives("new")()
        };
        cache(&store).refresh_after(0.5).build_loading(loader).unwrap()
    };
    names.insert(&7, "old".to_owned()).unwrap();
    clock.advance(MINUTE / 2);
    names.get(&7).unwrap();
    until("it was loaded", || runs.load(Ordering::Relaxed) == 1);
    drop(names);
    until("the loader is gone", || Arc::strong_count(&alive) == 1);
    assert!(cache(&store).build().is_ok(), "its name is free");
}

#[test]
fn what_is_in_the_queue_goes_with_the_cache() {
    let a = asked(|names| names.refresh_after(0.5));
    for id in 0..10 {
        a.put(id, "old");
    }
    a.clock.advance(MINUTE / 2);
    for id in 0..10 {
        a.names.get(&id).unwrap();
    }
    a.begun.recv().unwrap();
    let Asked { names, begun, answers, .. } = a;
    drop(names);
    drop(answers);
    assert_eq!(begun.iter().count(), 0, "the first load has ended, and the loader is gone");
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Futures that run when the test says so.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<VecDeque<Task>>>);

impl Tasks {
    fn spawn(&self) -> impl Fn(Task) + Send + Sync + 'static {
        let tasks = self.clone();
        move |task| tasks.0.lock().unwrap().push_back(task)
    }

    /// The next; the lock is not held while it runs.
    fn next(&self) -> Option<Task> {
        self.0.lock().unwrap().pop_front()
    }

    /// Runs all to their end; gives how many.
    fn run(&self) -> usize {
        let mut run = 0;
        while let Some(mut task) = self.next() {
            assert!(poll(task.as_mut()).is_ready());
            run += 1;
        }
        run
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn ready<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(value) = poll(pin!(future)) else { panic!("it waits") };
    value
}

#[test]
fn tasks_load_behind_those_who_ask() {
    let ((clock, store), tasks) = (manual_store(), Tasks::default());
    let names: AsyncLoadingCache<u64, String, String> = cache(&store)
        .refresh_after(0.5)
        .build_loading_async(|id| async move { Ok(format!("row {id}")) }, tasks.spawn())
        .unwrap();
    assert_eq!(ready(names.get(&7)).unwrap().unwrap().as_str(), "row 7");
    names.insert(&7, "old".to_owned()).unwrap();
    clock.advance(MINUTE / 2);
    assert_eq!(ready(names.get(&7)).unwrap().unwrap().as_str(), "old");
    assert_eq!(ready(names.get(&7)).unwrap().unwrap().as_str(), "old");
    assert_eq!(tasks.run(), 1);
    assert_eq!(ready(names.get(&7)).unwrap().unwrap().as_str(), "row 7");
}

/// Chance is asked once: by who finds the value, and not again by who loads it.
#[test]
fn what_chance_has_found_due_is_loaded() {
    let ((clock, store), tasks) = (manual_store(), Tasks::default());
    let takes_a_second = {
        let clock = clock.clone();
        move |_: u64| {
            let clock = clock.clone();
            async move {
                clock.advance(SECOND);
                Ok("row".to_owned())
            }
        }
    };
    let names: AsyncLoadingCache<u64, String, String> =
        cache(&store).refresh_early(1.0).build_loading_async(takes_a_second, tasks.spawn()).unwrap();
    let (mut sent, mut loaded) = (0, 0);
    for id in 0..100 {
        ready(names.get(&id)).unwrap();
        clock.advance(MINUTE - SECOND);
        let before = names.stats().loads;
        ready(names.get(&id)).unwrap();
        sent += tasks.run() as u64;
        loaded += names.stats().loads - before;
    }
    assert!(sent > 10, "one load's time before the end the chance is 1/e: {sent}");
    assert_eq!(loaded, sent);
}

#[test]
fn tasks_have_deadlines_and_contain_panics() {
    let ((clock, store), tasks) = (manual_store(), Tasks::default());
    let loader =
        |id: u64| async move { if id == 1 { panic!("the loader's own") } else { Ok(id.to_string()) } };
    let names: AsyncLoadingCache<u64, String, String> =
        cache(&store).wait_at_most(SECOND).build_loading_async(loader, tasks.spawn()).unwrap();
    let mut late = pin!(names.get(&7));
    assert!(poll(late.as_mut()).is_pending());
    clock.advance(SECOND);
    let Poll::Ready(Err(LoadError::TimedOut)) = poll(late.as_mut()) else { panic!("its time is over") };
    assert_eq!(tasks.run(), 1);
    assert_eq!(ready(names.get(&7)).unwrap().unwrap().as_str(), "7");

    let mut panics = pin!(names.get(&1));
    assert!(poll(panics.as_mut()).is_pending());
    assert_eq!(tasks.run(), 1);
    let Poll::Ready(Err(LoadError::Shared(_))) = poll(panics.as_mut()) else { panic!("it has failed") };
    assert_eq!(names.stats().panics, 1);

    // A runtime that has gone drops them: who asks loads.
    let mut dropped = pin!(names.get(&8));
    assert!(poll(dropped.as_mut()).is_pending());
    tasks.0.lock().unwrap().clear();
    let Poll::Ready(Ok(Some(value))) = poll(dropped.as_mut()) else { panic!("it loads itself") };
    assert_eq!(value.as_str(), "8");
}

/// A row and its version, or that it is still that one.
fn row_unless(version: Option<&str>) -> Load<String> {
    match version {
        None => Load::value("row".to_owned()).version("v1"),
        Some("v1") => Load::unchanged(),
        Some(other) => panic!("nobody has given it {other}"),
    }
}

#[test]
fn a_loader_may_ask_whether_what_was_there_has_changed() {
    let ((clock, store), counts) = (manual_store(), Arc::new([0, 0].map(AtomicUsize::new)));
    let load = {
        let counts = Arc::clone(&counts);
        move |old: &Previous<String>| {
            counts[usize::from(old.version().is_some())].fetch_add(1, Ordering::Relaxed);
            assert_eq!(old.value().map(|value| value.as_str()), old.version().map(|_| "row"));
            Ok::<_, String>(row_unless(old.version()))
        }
    };
    let counted = || [0, 1].map(|at| counts[at].load(Ordering::Relaxed));

    let of_sync = load.clone();
    let names: LoadingCache<u64, String, String> = cache(&store)
        .refresh_after(0.5)
        .stale_for(10 * MINUTE)
        .build_reloading(move |_, old| of_sync(&old))
        .unwrap();
    let first = names.get(&7).unwrap().unwrap();
    // Behind those who ask, and by who asks.
    clock.advance(MINUTE / 2);
    assert!(Arc::ptr_eq(&names.get(&7).unwrap().unwrap(), &first));
    until("the load behind", || names.get_answer(&7).unwrap().age == Duration::ZERO);
    assert_eq!(counted(), [1, 1]);
    clock.advance(MINUTE);
    let answer = names.get_answer(&7).unwrap();
    assert!(answer.how == How::Loaded && Arc::ptr_eq(&answer.value.unwrap(), &first));
    assert_eq!(counted(), [1, 2]);

    let tasks = Tasks::default();
    let names: AsyncLoadingCache<u64, String, String> = store
        .cache("tasks")
        .ttl(MINUTE)
        .refresh_after(0.5)
        .stale_for(10 * MINUTE)
        .build_reloading_async(move |_, old| std::future::ready(load(&old)), tasks.spawn())
        .unwrap();
    let first = ready(names.get(&7)).unwrap().unwrap();
    clock.advance(MINUTE / 2);
    assert!(Arc::ptr_eq(&ready(names.get(&7)).unwrap().unwrap(), &first));
    assert_eq!(tasks.run(), 1);
    assert_eq!(counted(), [2, 3]);
    clock.advance(MINUTE);
    let answer = ready(names.get_answer(&7)).unwrap();
    assert!(answer.how == How::Loaded && Arc::ptr_eq(&answer.value.unwrap(), &first));
    assert_eq!(counted(), [2, 4]);
}
