//! redis-rs's commands, pipelines and transactions on a connection without a socket.

#[cfg(feature = "redis-aio")]
mod aio;
mod same;
#[cfg(feature = "redis-aio")]
mod same_aio;
#[cfg(feature = "server")]
mod socket;

use std::time::Duration;

use larder::{ManualClock, Store};
use redis::{Commands, ConnectionLike, ErrorKind, ServerErrorKind, Value};

fn visits(con: &mut impl Commands, page: &str) -> redis::RedisResult<u64> {
    con.incr(format!("visits:{page}"), 1)
}

#[test]
fn code_for_a_server_runs_on_a_store() {
    let store = Store::new();
    let mut con = store.redis_connection();
    assert_eq!(visits(&mut con, "home"), Ok(1));
    assert_eq!(visits(&mut store.redis_connection(), "home"), Ok(2));
    assert_eq!(store.get("visits:home").unwrap(), Some(2));
    assert_eq!(con.get("visits:other"), Ok(None::<u64>));
    assert!(con.check_connection() && con.is_open() && con.get_db() == 0);
}

#[test]
fn a_connection_that_is_over_is_found_to_be() {
    let store = Store::new();
    let mut con = store.redis_connection();
    redis::cmd("QUIT").query::<()>(&mut con).unwrap();
    // As with a socket, which is only found to be closed by who uses it.
    assert!(con.is_open());
    assert!(!con.check_connection());
    assert!(redis::cmd("PING").query::<String>(&mut con).unwrap_err().is_io_error());
    assert!(!con.is_open() && !con.check_connection());
}

#[test]
fn a_reply_that_nobody_waits_for_is_not_given() {
    let store = Store::new();
    let mut con = store.redis_connection();
    for reply in [Value::Int(1), Value::Nil] {
        let mut cmd = redis::cmd("INCR");
        cmd.arg("hits").set_no_response(reply == Value::Nil);
        assert_eq!(con.req_command(&cmd), Ok(reply));
    }
    assert_eq!(con.req_command(redis::cmd("WHAT").set_no_response(true)), Ok(Value::Nil));
    assert_eq!(store.get("hits").unwrap(), Some(2));
}

#[test]
fn a_pipeline_gives_all_its_replies() {
    let mut con = Store::new().redis_connection();
    let (first, second): (String, u64) = redis::pipe()
        .set("greeting", "hello")
        .ignore()
        .get("greeting")
        .incr("hits", 5)
        .query(&mut con)
        .unwrap();
    assert_eq!((&*first, second), ("hello", 5));
}

#[test]
fn an_atomic_pipeline_is_a_transaction() {
    let store = Store::new();
    let mut con = store.redis_connection();
    let (ann, bob): (i64, i64) =
        redis::pipe().atomic().decr("ann", 30).incr("bob", 30).query(&mut con).unwrap();
    assert_eq!((ann, bob), (-30, 30));
    let nothing = redis::pipe().atomic().cmd("SET").arg("ann").get("bob").query::<()>(&mut con);
    assert_eq!(nothing.unwrap_err().code(), Some("EXECABORT"));
    assert_eq!(store.get("ann").unwrap(), Some(-30));
}

#[test]
fn a_transaction_that_was_overtaken_is_tried_again() {
    let store = Store::new();
    store.insert("stock", 10).unwrap();
    let mut tries = 0;
    let left: (i64,) = redis::transaction(&mut store.redis_connection(), &["stock"], |con, pipe| {
        let stock: i64 = con.get("stock")?;
        tries += 1;
        if tries == 1 {
            store.insert("stock", 5).unwrap();
        }
        pipe.set("stock", stock - 1).ignore().get("stock").query(con)
    })
    .unwrap();
    assert_eq!((tries, left), (2, (4,)));
}

#[test]
fn errors_are_those_of_a_server() {
    let store = Store::new();
    store.list::<i64>("jobs").push_back(7).unwrap();
    let mut con = store.redis_connection();
    let error = con.get::<_, String>("jobs").unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert_eq!(error.detail(), Some("Operation against a key holding the wrong kind of value"));
    let error = redis::cmd("NOSUCH").arg("x").query::<()>(&mut con).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
    assert_eq!(error.detail(), Some("unknown command 'NOSUCH', with args beginning with: 'x' "));
}

#[test]
fn deadlines_follow_the_store_s_clock() {
    let clock = ManualClock::new();
    let mut con = Store::builder().clock(&clock).build().redis_connection();
    let (): () = con.set_ex("session", "ann", 30).unwrap();
    assert_eq!(con.get("session"), Ok(Some("ann".to_owned())));
    clock.advance(Duration::from_secs(30));
    assert_eq!(con.get("session"), Ok(None::<String>));
}

#[test]
fn what_is_packed_by_hand_is_read() {
    let mut con = Store::new().redis_connection();
    let set = redis::cmd("SET").arg("a").arg("b").get_packed_command();
    assert_eq!(con.req_packed_command(&set), Ok(Value::Okay));
    assert!(con.req_packed_command(b"*1\r\n$-5\r\n").is_err());
    assert!(con.req_packed_command(b"").is_err());
}

#[cfg(feature = "lua")]
#[test]
fn a_script_is_sent_once_and_then_called_by_its_sha() {
    let store = Store::new();
    let mut con = store.redis_connection();
    let sha = "b9c7ab7a7ba8e3eb0e35e3ba5a9ce6dcd8d3ce7f";
    let by_sha = |con: &mut larder::RedisConnection, sha: &str| {
        redis::cmd("EVALSHA").arg(sha).arg(1).arg("hits").arg(5).query::<i64>(con)
    };
    let error = by_sha(&mut con, sha).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::NoScript));
    let script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    let sha: String = redis::cmd("SCRIPT").arg("LOAD").arg(script).query(&mut con).unwrap();
    assert_eq!(by_sha(&mut con, &sha), Ok(5));
    let (six, seven): (i64, i64) = redis::pipe()
        .atomic()
        .cmd("EVALSHA")
        .arg(&sha)
        .arg(1)
        .arg("hits")
        .arg(1)
        .incr("hits", 1)
        .query(&mut con)
        .unwrap();
    assert_eq!((six, seven), (6, 7));
}
