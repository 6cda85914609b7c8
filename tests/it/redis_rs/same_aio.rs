//! The same for async code: on the real servers that there are, in both protocols, and then on a store.

use larder::{Compat, Store};
use redis::aio::ConnectionLike;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamInfoGroupsReply, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, AsyncIter, Script, Value, cmd};

use crate::differential::server::Server;

macro_rules! everywhere {
    ($($name:ident => $task:ident;)*) => { $(
        #[tokio::test]
        async fn $name() {
            let servers = Server::each();
            for resp3 in [false, true] {
                for server in &servers {
                    let port = server.port();
                    let protocol = if resp3 { "?protocol=resp3" } else { "" };
                    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/{protocol}")).unwrap();
                    let mut con = client.get_multiplexed_async_connection().await.unwrap();
                    let (): () = cmd("FLUSHALL").query_async(&mut con).await.unwrap();
                    $task(&mut con).await;
                }
                for compat in [Compat::Redis70, Compat::Redis82, Compat::Redis810, Compat::Valkey9] {
                    let mut con = larder::RedisAsyncConnection::from(Store::new().session().compat(compat));
                    if resp3 {
                        let _: Value = cmd("HELLO").arg(3).query_async(&mut con).await.unwrap();
                    }
                    $task(&mut con).await;
                }
            }
        }
    )* };
}

everywhere! {
    scripts_are_loaded_when_they_are_missing => scripts;
    streams_are_read_by_groups => streams;
    pipelines_and_transactions_give_all_replies => pipelines;
    cursors_meet_all => cursors;
}

trait Connection: ConnectionLike + Clone + Send + Sync + 'static {}
impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for C {}

async fn scripts<C: Connection>(con: &mut C) {
    if cfg!(not(feature = "lua")) {
        return;
    }
    let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    assert_eq!(add.key("hits").arg(5).invoke_async(con).await, Ok(5));
    let (): () = cmd("SCRIPT").arg("FLUSH").query_async(con).await.unwrap();
    assert_eq!(add.key("hits").arg(1).invoke_async(con).await, Ok(6));
    assert_eq!(add.prepare_invoke().load_async(con).await.unwrap(), add.get_hash());
    let mut pipe = redis::pipe();
    pipe.atomic().load_script(&add).ignore().invoke_script(add.key("hits").arg(10)).get("hits");
    assert_eq!(pipe.query_async(con).await, Ok((16, 16)));
}

async fn streams<C: Connection>(con: &mut C) {
    let (): () = con.xgroup_create_mkstream("jobs", "workers", "0").await.unwrap();
    for n in 1..=3 {
        let id: String = con.xadd("jobs", format!("{n}-0"), &[("n", n)]).await.unwrap();
        assert_eq!(id, format!("{n}-0"));
    }
    let options = StreamReadOptions::default().group("workers", "ann").count(2).block(1_000);
    let read: Option<StreamReadReply> = con.xread_options(&["jobs"], &[">"], &options).await.unwrap();
    let read = read.unwrap();
    assert_eq!((read.keys[0].ids.len(), read.keys[0].ids[1].get::<i64>("n")), (2, Some(2)));
    assert_eq!(con.xack("jobs", "workers", &["1-0"]).await, Ok(1));
    let options = StreamAutoClaimOptions::default();
    let auto: StreamAutoClaimReply =
        con.xautoclaim_options("jobs", "workers", "bob", 0, "0-0", options).await.unwrap();
    assert_eq!((auto.claimed.len(), &*auto.claimed[0].id, &*auto.next_stream_id), (1, "2-0", "0-0"));
    let StreamInfoGroupsReply { groups, .. } = con.xinfo_groups("jobs").await.unwrap();
    assert_eq!((groups[0].consumers, groups[0].pending, groups[0].lag), (2, 1, Some(1)));
    let rest: Option<StreamReadReply> = con
        .xread_options(&["jobs"], &[">"], &StreamReadOptions::default().group("workers", "bob").noack())
        .await
        .unwrap();
    assert_eq!(rest.unwrap().keys[0].ids[0].id, "3-0");
}

async fn pipelines<C: Connection>(con: &mut C) {
    let failed = redis::pipe().set("a", 1).lpush("a", 1).get("a").query_async::<()>(con).await.unwrap_err();
    assert!(failed.to_string().contains("WRONGTYPE"), "{failed}");
    assert_eq!(con.get("a").await, Ok(1));
    let all = redis::pipe().atomic().set("n", 1).incr("n", 1).ignore().get("n").query_async(con).await;
    assert_eq!(all, Ok(("OK".to_owned(), 2)));
    let failed = redis::pipe().atomic().lpush("n", 1).set("b", 1).query_async::<()>(con).await.unwrap_err();
    assert_eq!(con.exists("b").await, Ok(true), "{failed}");
    let (left,): (i64,) =
        redis::aio::transaction_async(con.clone(), &["n"], |mut con, mut pipe| async move {
            let n: i64 = con.get("n").await?;
            pipe.set("n", n * 10).ignore().get("n").query_async(&mut con).await
        })
        .await
        .unwrap();
    assert_eq!(left, 20);
}

async fn cursors<C: Connection>(con: &mut C) {
    let mut pipe = redis::pipe();
    for n in 0..300 {
        pipe.set(format!("key:{n}"), n).hset("hash", n, n);
    }
    let (): () = pipe.query_async(con).await.unwrap();
    let mut keys: AsyncIter<String> = con.scan_match("key:*").await.unwrap();
    let mut count = 0;
    while let Some(key) = keys.next_item().await {
        assert!(key.unwrap().starts_with("key:"));
        count += 1;
    }
    assert_eq!(count, 300);
    drop(keys);
    let mut fields: AsyncIter<(i64, i64)> = con.hscan("hash").await.unwrap();
    let mut count = 0;
    while let Some(pair) = fields.next_item().await {
        let (name, value) = pair.unwrap();
        assert_eq!(name, value);
        count += 1;
    }
    assert_eq!(count, 300);
}
