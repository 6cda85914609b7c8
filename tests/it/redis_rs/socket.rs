//! redis-rs over a socket: its own connections to a store that is served.

use std::time::Duration;

use larder::{Server, Store};
use redis::{Commands, RedisResult};

fn serve() -> (Store, Server, redis::Client) {
    let store = Store::new();
    let server = store.serve().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    (store, server, client)
}

/// Both versions of the protocol.
fn clients(server: &Server) -> [redis::Client; 2] {
    [server.url(), format!("{}/?protocol=resp3", server.url())].map(|url| redis::Client::open(url).unwrap())
}

#[test]
fn commands_pipelines_and_transactions() {
    let (store, server, _) = serve();
    for client in clients(&server) {
        store.clear().unwrap();
        let mut con = client.get_connection().unwrap();
        let (): () = con.set("greeting", "hello").unwrap();
        assert_eq!(store.get::<String>("greeting").unwrap().as_deref(), Some("hello"));
        let board = [(10.0, "ann"), (7.5, "bob")];
        assert_eq!(con.zadd_multiple("board", &board), Ok(2));
        let ranks: Vec<(String, f64)> = con.zrange_withscores("board", 0, -1).unwrap();
        assert_eq!(ranks, [("bob".into(), 7.5), ("ann".into(), 10.0)]);
        let (): () = con.hset_multiple("user", &[("name", "ann"), ("age", "41")]).unwrap();
        let user: std::collections::HashMap<String, String> = con.hgetall("user").unwrap();
        assert_eq!((&*user["name"], &*user["age"], user.len()), ("ann", "41", 2));
        let replies: (u64, u64) = redis::pipe().atomic().incr("n", 1).incr("n", 1).query(&mut con).unwrap();
        assert_eq!(replies, (1, 2));
        let left: (i64,) = redis::transaction(&mut con, &["n"], |con, pipe| {
            let n: i64 = con.get("n")?;
            pipe.set("n", n * 10).ignore().get("n").query(con)
        })
        .unwrap();
        assert_eq!(left, (20,));
        let keys: RedisResult<Vec<String>> = con.scan_match("*e*").unwrap().collect();
        let mut keys = keys.unwrap();
        keys.sort();
        assert_eq!(keys, ["greeting", "user"]);
    }
}

#[test]
fn messages_come_to_its_own_subscription() {
    let (store, server, _) = serve();
    for client in clients(&server) {
        let mut con = client.get_connection().unwrap();
        con.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut channels = con.as_pubsub();
        channels.subscribe("news").unwrap();
        channels.psubscribe("w*").unwrap();
        assert_eq!(store.publish("news", "hello").unwrap(), 1);
        assert_eq!(client.get_connection().unwrap().publish("weather", "rain"), Ok(1));
        let got = [channels.get_message().unwrap(), channels.get_message().unwrap()];
        let told: Vec<(String, String)> =
            got.iter().map(|m| (m.get_channel_name().into(), m.get_payload().unwrap())).collect();
        assert_eq!(told, [("news".into(), "hello".into()), ("weather".into(), "rain".into())]);
        assert!(!got[0].from_pattern() && got[1].from_pattern());
        channels.unsubscribe("news").unwrap();
        drop(channels);
        assert_eq!(con.ping(), Ok("PONG".to_owned()));
    }
}

#[cfg(feature = "redis-aio")]
#[tokio::test]
async fn async_commands_share_one_connection() {
    use redis::AsyncCommands;

    let (store, server, _) = serve();
    for client in clients(&server) {
        let con = client.get_multiplexed_async_connection().await.unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let mut con = con.clone();
                tokio::spawn(async move {
                    let pipe = redis::pipe().atomic().incr("hits", 1).ignore().rpush("seen", n).to_owned();
                    pipe.query_async::<(u64,)>(&mut con).await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(store.get("hits").unwrap(), Some(20));
        let mut other = con.clone();
        let mut worker = client.get_multiplexed_async_connection().await.unwrap();
        let (job, pushed) =
            tokio::join!(worker.blpop::<_, (String, String)>("jobs", 30.0), other.rpush("jobs", "resize"));
        assert_eq!((job.unwrap().1.as_str(), pushed), ("resize", Ok(1)));
        store.clear().unwrap();
    }
}

#[cfg(feature = "redis-aio")]
#[tokio::test]
async fn async_messages_come_to_its_own_subscription() {
    let (store, _server, client) = serve();
    let (mut sink, mut messages) = client.get_async_pubsub().await.unwrap().split();
    sink.subscribe("news").await.unwrap();
    assert_eq!(store.publish("news", "hello").unwrap(), 1);
    let message = std::future::poll_fn(|context| {
        futures_core::Stream::poll_next(std::pin::pin!(&mut messages), context)
    });
    assert_eq!(message.await.unwrap().get_payload(), Ok("hello".to_owned()));
}
