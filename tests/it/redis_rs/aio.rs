//! redis-rs's async commands on a connection without a socket.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use larder::{ManualClock, Store};
use redis::aio::ConnectionLike;
use redis::{AsyncCommands, ConnectionLike as _, RedisResult};

async fn visits(con: &mut impl AsyncCommands, page: &str) -> RedisResult<u64> {
    con.incr(format!("visits:{page}"), 1).await
}

/// Ends when somebody waits.
async fn until_waiting(store: &Store) {
    while store.waiting().unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn code_for_a_server_runs_on_a_store() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    assert_eq!(visits(&mut con, "home").await, Ok(1));
    assert_eq!(visits(&mut store.redis_async_connection(), "home").await, Ok(2));
    assert_eq!(store.get("visits:home").unwrap(), Some(2));
    assert_eq!(con.get("visits:other").await, Ok(None::<u64>));
    store.list::<i64>("jobs").push_back(7).unwrap();
    assert_eq!(con.get::<_, String>("jobs").await.unwrap_err().code(), Some("WRONGTYPE"));
}

#[tokio::test]
async fn it_goes_where_a_task_goes_and_its_clones_are_one_connection() {
    let store = Store::new();
    let con = store.redis_async_connection();
    let mut other = con.clone();
    let task = tokio::spawn(async move {
        let (): () = redis::cmd("SELECT").arg(3).query_async(&mut other).await?;
        visits(&mut other, "home").await
    });
    assert_eq!(task.await.unwrap(), Ok(1));
    assert_eq!(con.get_db(), 3);
    fn goes_anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    goes_anywhere(&con);
    assert_eq!(store.db(3).unwrap().get("visits:home").unwrap(), Some(1));
}

#[tokio::test]
async fn a_pipeline_gives_all_its_replies() {
    let mut con = Store::new().redis_async_connection();
    let (first, second): (String, u64) = redis::pipe()
        .set("greeting", "hello")
        .ignore()
        .get("greeting")
        .incr("hits", 5)
        .query_async(&mut con)
        .await
        .unwrap();
    assert_eq!((&*first, second), ("hello", 5));
}

#[tokio::test]
async fn an_atomic_pipeline_is_a_transaction() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    let both: (i64, i64) =
        redis::pipe().atomic().decr("ann", 30).incr("bob", 30).query_async(&mut con).await.unwrap();
    assert_eq!(both, (-30, 30));
    let nothing = redis::pipe().atomic().cmd("SET").arg("ann").get("bob").query_async::<()>(&mut con).await;
    assert_eq!(nothing.unwrap_err().code(), Some("EXECABORT"));
    // Nothing of it is left on the connection.
    assert_eq!(con.get("ann").await, Ok(-30));
}

#[tokio::test]
async fn a_transaction_that_was_overtaken_is_tried_again() {
    let store = Store::new();
    store.insert("stock", 10).unwrap();
    let mut tries = 0;
    let left: (i64,) =
        redis::aio::transaction_async(store.redis_async_connection(), &["stock"], |mut con, mut pipe| {
            tries += 1;
            let (store, first) = (store.clone(), tries == 1);
            async move {
                let stock: i64 = con.get("stock").await?;
                if first {
                    store.insert("stock", 5).unwrap();
                }
                pipe.set("stock", stock - 1).ignore().get("stock").query_async(&mut con).await
            }
        })
        .await
        .unwrap();
    assert_eq!((tries, left), (2, (4,)));
}

#[tokio::test]
async fn who_waits_is_woken_by_another_connection_and_blocks_no_thread() {
    let store = Store::new();
    let (mut worker, mut client) = (store.redis_async_connection(), store.redis_async_connection());
    let (job, pushed) = tokio::join!(worker.blpop(&["high", "low"], 0.0), async {
        until_waiting(&store).await;
        client.rpush("low", "resize").await
    });
    assert_eq!(job, Ok(("low".to_owned(), "resize".to_owned())));
    assert_eq!(pushed, Ok(1));
    assert_eq!(client.exists("low").await, Ok(false));
}

#[tokio::test]
async fn a_timeout_follows_the_store_s_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut con = store.redis_async_connection();
    let (job, ()) = tokio::join!(con.blpop("jobs", 3600.0), async {
        until_waiting(&store).await;
        clock.advance(Duration::from_secs(3600));
    });
    assert_eq!(job, Ok(None::<(String, String)>));
    assert_eq!(store.waiting().unwrap(), 0);
}

#[test]
fn a_timeout_needs_no_runtime() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut con = Store::new().redis_async_connection();
    for timeout in [0.02, 0.01] {
        let mut waiting = pin!(con.blpop::<_, Option<(String, String)>>("jobs", timeout));
        loop {
            match waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(job) => break assert_eq!(job, Ok(None)),
                Poll::Pending => thread::park(),
            }
        }
    }
}

#[test]
fn a_future_that_is_dropped_withdraws_its_command() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    {
        let mut waiting = pin!(con.blpop::<_, (String, String)>("jobs", 0.0));
        assert!(poll_once(waiting.as_mut()).is_pending());
        assert_eq!(store.waiting().unwrap(), 1);
    }
    assert_eq!(store.waiting().unwrap(), 0);
    let clients = store.redis_connection().req_command(redis::cmd("INFO").arg("clients")).unwrap();
    let clients: String = redis::from_redis_value(clients).unwrap();
    assert!(clients.contains("\r\nblocked_clients:0\r\n"), "{clients}");
    let jobs = store.list::<String>("jobs");
    jobs.push_back("resize").unwrap();
    assert_eq!(jobs.len().unwrap(), 1);
}

#[test]
fn what_a_dropped_future_was_given_goes_back() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    let jobs = store.list::<String>("jobs");
    {
        let mut waiting = pin!(con.blpop::<_, (String, String)>("jobs", 0.0));
        assert!(poll_once(waiting.as_mut()).is_pending());
        jobs.extend_back(["first", "second"]).unwrap();
        assert_eq!(jobs.len().unwrap(), 1);
    }
    assert_eq!(jobs.range(0, -1).unwrap(), ["first", "second"]);
    // The connection is as good as before.
    let Poll::Ready(job) = poll_once(pin!(con.lpop::<_, String>("jobs", None))) else { panic!("it waits") };
    assert_eq!(job, Ok("first".to_owned()));
}

#[test]
fn a_clone_waits_behind_a_command_that_blocks_until_that_is_withdrawn() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    let mut clone = con.clone();
    let mut second = pin!(visits(&mut clone, "home"));
    {
        let mut waiting = pin!(con.blpop::<_, (String, String)>("jobs", 0.0));
        assert!(poll_once(waiting.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
    }
    let Poll::Ready(count) = poll_once(second) else { panic!("it waits") };
    assert_eq!(count, Ok(1));
}

#[tokio::test]
async fn messages_are_heard_by_a_subscription() {
    let store = Store::new();
    let news = store.subscribe(["news"]);
    assert_eq!(store.redis_async_connection().publish("news", "hello").await, Ok(1));
    let message = news.recv_async().await.unwrap();
    assert_eq!(&*message.payload, b"hello");
}

/// Its future is dropped while it is held up.
#[cfg(feature = "testing")]
#[tokio::test]
async fn nothing_comes_of_a_transaction_that_is_dropped() {
    use larder::testing::Fault;

    let store = Store::builder().clock(ManualClock::new()).build();
    let mut con = store.redis_async_connection();
    for command in ["MULTI", "SET", "EXEC"] {
        let slow = store.fault(Fault::delay(Duration::from_secs(10)).on(command));
        {
            let mut transaction = redis::pipe();
            transaction.atomic().set("a", 1);
            let mut other = con.clone();
            let mut run = pin!(transaction.query_async::<()>(&mut other));
            assert!(poll_once(run.as_mut()).is_pending());
        }
        drop(slow);
        assert_eq!(con.get("a").await, Ok(None::<u64>), "{command}");
        let (one,): (u64,) = redis::pipe().atomic().incr("n", 1).query_async(&mut con).await.unwrap();
        assert!(one > 0);
    }
}

/// Nor does a clock stop at the end of a delay that nobody waits for.
#[cfg(feature = "testing")]
#[tokio::test]
async fn a_delay_goes_with_the_command_that_is_dropped() {
    use larder::testing::Fault;

    for (fault, command) in [
        (Fault::delay as fn(Duration) -> Fault, "SET"),
        (Fault::delay_reply, "SET"),
        (Fault::delay_reply, "BLPOP"),
    ] {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        let fault = store.fault(fault(Duration::from_secs(10)).on(command));
        let con = store.redis_async_connection();
        {
            let mut other = con.clone();
            let mut command = redis::cmd(command);
            let mut run = pin!(command.arg("a").arg(0).query_async::<()>(&mut other));
            assert!(poll_once(run.as_mut()).is_pending());
            fault.wait_for_hits(1);
        }
        assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), None, "{command}");
    }
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn one_who_is_killed_while_delayed_is_told_so() {
    use larder::testing::Fault;

    for fault in [Fault::delay, Fault::delay_reply] {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        let mut con = store.redis_async_connection();
        let id: u64 = redis::cmd("CLIENT").arg("ID").query_async(&mut con).await.unwrap();
        let fault = store.fault(fault(Duration::from_secs(10)).on("SET"));
        let delayed = tokio::spawn(async move { con.set::<_, _, ()>("a", 1).await });
        while fault.hits() == 0 {
            tokio::task::yield_now().await;
        }
        store.session().call(["CLIENT", "KILL", "ID", &id.to_string()]);
        assert!(delayed.await.unwrap().is_err_and(|error| error.is_io_error()));
        assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), None);
    }
}

/// A connection that will be lost is there until the time before that has passed.
#[cfg(feature = "testing")]
#[tokio::test]
async fn a_connection_is_lost_behind_a_delay() {
    use larder::testing::Fault;

    for delay in [Fault::delay, Fault::delay_reply] {
        for loss in [Fault::close_after, || Fault::half_reply(1)] {
            let clock = ManualClock::new();
            let store = Store::builder().clock(&clock).build();
            let delay = store.fault(delay(Duration::from_secs(10)).on("SET"));
            let _loss = store.fault(loss().on("SET"));
            let mut con = store.redis_async_connection();
            let mut set = pin!(con.set::<_, _, ()>("a", 1));
            assert!(poll_once(set.as_mut()).is_pending());
            delay.wait_for_hits(1);
            assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), Some(Duration::from_secs(10)));
            assert!(set.await.is_err_and(|error| error.is_io_error()));
        }
    }
}

/// What a dropped command was to meet is not met by the next.
#[cfg(feature = "testing")]
#[tokio::test]
async fn a_fault_goes_with_the_command_that_is_dropped() {
    use larder::testing::Fault;

    let store = Store::new();
    let mut con = store.redis_async_connection();
    let fault = store.fault(Fault::close_after().on("BLPOP"));
    {
        let mut other = con.clone();
        let mut pop = pin!(other.blpop::<_, Option<(String, String)>>("none", 0.0));
        assert!(poll_once(pop.as_mut()).is_pending());
    }
    drop(fault);
    let set: RedisResult<()> = con.set("a", 1).await;
    assert_eq!(set, Ok(()));
}

#[tokio::test]
async fn one_who_is_killed_while_waiting_is_told_so() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    let id: u64 = redis::cmd("CLIENT").arg("ID").query_async(&mut con).await.unwrap();
    let mut other = con.clone();
    let waiting = tokio::spawn(async move { other.blpop::<_, Option<(String, String)>>("none", 0.0).await });
    until_waiting(&store).await;
    store.session().call(["CLIENT", "KILL", "ID", &id.to_string()]);
    assert!(waiting.await.unwrap().unwrap_err().is_io_error());
    assert!(con.get::<_, Option<u64>>("a").await.unwrap_err().is_io_error());
}

#[tokio::test]
async fn a_reply_that_nobody_waits_for_is_not_given() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    let mut cmd = redis::cmd("INCR");
    cmd.arg("hits").set_no_response(true);
    assert_eq!(con.req_packed_command(&cmd).await, Ok(redis::Value::Nil));
    assert_eq!(store.get("hits").unwrap(), Some(1));
}

/// An element that was served to it is there again.
#[tokio::test]
async fn nothing_is_lost_with_one_who_is_killed_while_waiting() {
    let store = Store::new();
    let mut con = store.redis_async_connection();
    let id: u64 = redis::cmd("CLIENT").arg("ID").query_async(&mut con).await.unwrap();
    let mut pop = pin!(con.blpop::<_, Option<(String, String)>>("queue", 0.0));
    assert!(poll_once(pop.as_mut()).is_pending());
    store.list::<String>("queue").push_back("x").unwrap();
    store.session().call(["CLIENT", "KILL", "ID", &id.to_string()]);
    let Poll::Ready(Err(error)) = poll_once(pop.as_mut()) else { panic!("it is not told") };
    assert!(error.is_io_error());
    assert_eq!(store.list::<String>("queue").pop_front().unwrap().as_deref(), Some("x"));
}

#[tokio::test]
async fn one_who_is_killed_in_a_pause_is_told_so_at_once() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut con = store.redis_async_connection();
    let id: u64 = redis::cmd("CLIENT").arg("ID").query_async(&mut con).await.unwrap();
    let mut other = store.session();
    other.call(["CLIENT", "PAUSE", "1000", "WRITE"]);
    let mut held = pin!(con.set::<_, _, ()>("a", 1));
    let woken = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(held.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    other.call(["CLIENT", "KILL", "ID", &id.to_string()]);
    assert!(woken.0.load(Ordering::SeqCst));
    let Poll::Ready(Err(error)) = poll_once(held.as_mut()) else { panic!("it is not told") };
    assert!(error.is_io_error());
    assert!(!store.contains("a").unwrap());
}

/// Those whom the pause held back are woken when its time is over, whoever looks first.
#[tokio::test]
async fn a_pause_whose_time_is_over_wakes_all() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    store.session().call(["CLIENT", "PAUSE", "1000", "WRITE"]);
    let mut cons = [(); 3].map(|()| store.redis_async_connection());
    let mut held: Vec<_> = cons.iter_mut().map(|con| Box::pin(con.incr::<_, _, u64>("n", 1))).collect();
    let woken = [(); 3].map(|()| Arc::new(Flag::default()));
    for (held, woken) in held.iter_mut().zip(&woken) {
        let waker = Waker::from(Arc::clone(woken));
        assert!(held.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clock.advance(Duration::from_secs(1));
    assert!(woken.iter().all(|woken| woken.0.load(Ordering::SeqCst)));
    for (n, held) in (1..).zip(&mut held) {
        assert_eq!(poll_once(held.as_mut()), Poll::Ready(Ok(n)));
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
