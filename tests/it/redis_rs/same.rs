//! What users of redis-rs do with scripts, streams, positions, transactions, cursors and replies of every type: the
//! same code on the real servers that there are, in both protocols, and then on a store without a socket.

use std::collections::{BTreeMap, HashMap, HashSet};

use larder::{Compat, Store};
use redis::geo::{Coord, RadiusOptions, RadiusOrder, RadiusSearchResult, Unit};
use redis::streams::{
    StreamAddOptions, StreamAutoClaimOptions, StreamAutoClaimReply, StreamClaimOptions, StreamClaimReply,
    StreamInfoConsumersReply, StreamInfoGroupsReply, StreamInfoStreamReply, StreamMaxlen,
    StreamPendingCountReply, StreamPendingReply, StreamRangeReply, StreamReadOptions, StreamReadReply,
    StreamTrimStrategy, StreamTrimmingMode,
};
use redis::{Commands, ConnectionLike, ErrorKind, RedisResult, Script, ServerErrorKind, Value, cmd};

use crate::differential::server::Server;

/// Runs it on each real server, and on a store that is like it; in RESP2 and in RESP3.
macro_rules! everywhere {
    ($($name:ident => $task:ident;)*) => { $(
        #[test]
        fn $name() {
            let servers = Server::each();
            for resp3 in [false, true] {
                for server in &servers {
                    let port = server.port();
                    let protocol = if resp3 { "?protocol=resp3" } else { "" };
                    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/{protocol}")).unwrap();
                    let mut con = client.get_connection().unwrap();
                    let (): () = cmd("FLUSHALL").query(&mut con).unwrap();
                    $task(&mut con);
                }
                for compat in [Compat::Redis70, Compat::Redis82, Compat::Redis810, Compat::Valkey9] {
                    let mut con = larder::RedisConnection::from(Store::new().session().compat(compat));
                    if resp3 {
                        let _: Value = cmd("HELLO").arg(3).query(&mut con).unwrap();
                    }
                    $task(&mut con);
                }
            }
        }
    )* };
}

everywhere! {
    scripts_are_loaded_when_they_are_missing => scripts;
    streams_are_read_by_groups => streams;
    streams_tell_of_themselves => stream_facts;
    positions_are_found => positions;
    transactions_are_tried_again => transactions;
    pipelines_give_all_replies => pipelines;
    cursors_meet_all => cursors;
    replies_are_of_every_type => replies;
}

#[cfg(feature = "lua")]
fn scripts<C: ConnectionLike>(con: &mut C) {
    let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    // Missing: it is loaded on the way. Then it is there.
    assert_eq!(add.key("hits").arg(5).invoke(con), Ok(5));
    assert_eq!(add.key("hits").arg(2).invoke(con), Ok(7));
    let (): () = cmd("SCRIPT").arg("FLUSH").query(con).unwrap();
    assert_eq!(add.key("hits").arg(1).invoke(con), Ok(8));
    assert_eq!(add.prepare_invoke().load(con).unwrap(), add.get_hash());
    let known: Vec<bool> = cmd("SCRIPT").arg("EXISTS").arg(add.get_hash()).arg("0").query(con).unwrap();
    assert_eq!(known, [true, false]);
    let mut pipe = redis::pipe();
    pipe.load_script(&add).ignore().invoke_script(add.key("hits").arg(10)).get("hits");
    assert_eq!(pipe.query(con), Ok((18, 18)));
    // Values of every kind.
    let table = Script::new("return {1, 'two', false, {ok = 'FINE'}, {3, {}}}");
    let values: Vec<Value> = table.invoke(con).unwrap();
    assert_eq!(
        values,
        [
            Value::Int(1),
            Value::BulkString(b"two".into()),
            Value::Nil,
            Value::SimpleString("FINE".into()),
            Value::Array(vec![Value::Int(3), Value::Array(vec![])])
        ]
    );
    let fails = Script::new("return redis.error_reply('MINE no')");
    assert_eq!(fails.invoke::<()>(con).unwrap_err().code(), Some("MINE"));
    let (): () = con.lpush("list", 1).unwrap();
    let wrong = add.key("list").arg(1).invoke::<()>(con).unwrap_err();
    assert_eq!(wrong.code(), Some("WRONGTYPE"));
    let error = cmd("EVALSHA").arg("0".repeat(40)).arg(0).query::<()>(con).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::NoScript));
}

#[cfg(not(feature = "lua"))]
fn scripts<C: ConnectionLike>(_: &mut C) {}

fn streams<C: ConnectionLike>(con: &mut C) {
    let created: RedisResult<()> = con.xgroup_create("jobs", "workers", "$");
    assert_eq!(created.unwrap_err().code(), Some("ERR"));
    let (): () = con.xgroup_create_mkstream("jobs", "workers", "0").unwrap();
    assert_eq!(
        con.xgroup_create::<_, _, _, ()>("jobs", "workers", "0").unwrap_err().code(),
        Some("BUSYGROUP")
    );
    let mut ids: Vec<String> = Vec::new();
    for n in 1..=5 {
        ids.push(con.xadd("jobs", format!("{n}-0"), &[("n", n)]).unwrap());
    }
    let map = BTreeMap::from([("a", "1"), ("b", "2")]);
    let sixth: String = con.xadd_map("jobs", "6-0", map).unwrap();
    assert_eq!((sixth.as_str(), con.xlen("jobs")), ("6-0", Ok(6)));

    let all: StreamReadReply = con.xread(&["jobs"], &["0"]).unwrap();
    assert_eq!((all.keys.len(), all.keys[0].key.as_str(), all.keys[0].ids.len()), (1, "jobs", 6));
    assert_eq!(all.keys[0].ids[5].get::<i64>("b"), Some(2));
    let options = StreamReadOptions::default().count(2);
    let some: StreamReadReply = con.xread_options(&["jobs"], &["3-0"], &options).unwrap();
    assert_eq!(some.keys[0].ids.iter().map(|id| id.id.as_str()).collect::<Vec<_>>(), ["4-0", "5-0"]);
    let none: Option<StreamReadReply> = con.xread_options(&["jobs"], &["6-0"], &options.block(1)).unwrap();
    assert_eq!(none.map_or(0, |reply| reply.keys.len()), 0);

    let group = |consumer: &str| StreamReadOptions::default().group("workers", consumer).count(3);
    let first: StreamReadReply = con.xread_options(&["jobs"], &[">"], &group("ann")).unwrap();
    assert_eq!(first.keys[0].ids.len(), 3);
    let second: StreamReadReply = con.xread_options(&["jobs"], &[">"], &group("bob")).unwrap();
    assert_eq!(second.keys[0].ids[0].id, "4-0");
    let again: StreamReadReply = con.xread_options(&["jobs"], &["0"], &group("ann")).unwrap();
    assert_eq!(again.keys[0].ids.len(), 3);
    let missing = StreamReadOptions::default().group("nobody", "ann");
    let error = con.xread_options::<_, _, Option<StreamReadReply>>(&["jobs"], &[">"], &missing).unwrap_err();
    assert_eq!(error.code(), Some("NOGROUP"));

    assert_eq!(con.xack("jobs", "workers", &["1-0", "9-9"]), Ok(1));
    let pending: StreamPendingReply = con.xpending("jobs", "workers").unwrap();
    let StreamPendingReply::Data(pending) = pending else { panic!("none") };
    assert_eq!((pending.count, &*pending.start_id, &*pending.end_id), (5, "2-0", "6-0"));
    let by: HashMap<_, _> = pending.consumers.iter().map(|it| (it.name.as_str(), it.pending)).collect();
    assert_eq!(by, HashMap::from([("ann", 2), ("bob", 3)]));
    let pending: StreamPendingCountReply = con.xpending_count("jobs", "workers", "-", "+", 10).unwrap();
    assert_eq!(pending.ids.len(), 5);
    assert_eq!((&*pending.ids[0].consumer, pending.ids[0].times_delivered), ("ann", 2));
    let anns: StreamPendingCountReply =
        con.xpending_consumer_count("jobs", "workers", "-", "+", 10, "ann").unwrap();
    assert_eq!(anns.ids.len(), 2);

    let options = StreamClaimOptions::default().with_force().retry(7);
    let claimed: RedisResult<StreamClaimReply> =
        con.xclaim_options("jobs", "workers", "eve", 0, &["2-0"], options);
    let claimed = claimed.unwrap();
    assert_eq!((claimed.ids.len(), claimed.ids[0].get::<i64>("n")), (1, Some(2)));
    let claimed: StreamClaimReply = con.xclaim("jobs", "workers", "eve", 0, &["3-0"]).unwrap();
    assert_eq!(claimed.ids[0].id, "3-0");
    assert_eq!(con.xdel("jobs", &["4-0"]), Ok(1));
    let options = StreamAutoClaimOptions::default().count(2);
    let auto: StreamAutoClaimReply =
        con.xautoclaim_options("jobs", "workers", "ann", 0, "0-0", options).unwrap();
    assert_eq!((auto.claimed.len(), &*auto.next_stream_id), (2, "4-0"));
    let options = StreamAutoClaimOptions::default().count(5);
    let auto: StreamAutoClaimReply =
        con.xautoclaim_options("jobs", "workers", "ann", 0, auto.next_stream_id, options).unwrap();
    assert_eq!((auto.claimed.len(), auto.deleted_ids, &*auto.next_stream_id), (2, vec!["4-0".into()], "0-0"));
    let ids = StreamAutoClaimOptions::default().with_justid();
    let auto: StreamAutoClaimReply = con.xautoclaim_options("jobs", "workers", "bob", 0, "0-0", ids).unwrap();
    assert_eq!(auto.claimed.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["2-0", "3-0", "5-0", "6-0"]);
    assert_eq!(con.xgroup_delconsumer("jobs", "workers", "bob"), Ok(4));
    assert_eq!(con.xgroup_destroy("jobs", "workers"), Ok(true));
}

fn stream_facts<C: ConnectionLike>(con: &mut C) {
    for n in 1..=4 {
        let (): () = con.xadd("log", format!("{n}-1"), &[("n", n)]).unwrap();
    }
    let (): () = con.xgroup_create("log", "readers", "2-1").unwrap();
    assert_eq!(con.xgroup_createconsumer("log", "readers", "ann"), Ok(true));
    let stream: StreamInfoStreamReply = con.xinfo_stream("log").unwrap();
    assert_eq!((stream.length, stream.groups, &*stream.last_generated_id), (4, 1, "4-1"));
    assert_eq!((&*stream.first_entry.id, &*stream.last_entry.id), ("1-1", "4-1"));
    let StreamInfoGroupsReply { groups, .. } = con.xinfo_groups("log").unwrap();
    assert_eq!((&*groups[0].name, groups[0].consumers, groups[0].pending), ("readers", 1, 0));
    assert_eq!((&*groups[0].last_delivered_id, groups[0].entries_read), ("2-1", None));
    let StreamInfoConsumersReply { consumers, .. } = con.xinfo_consumers("log", "readers").unwrap();
    assert_eq!((&*consumers[0].name, consumers[0].pending), ("ann", 0));
    let ids = |reply: RedisResult<StreamRangeReply>| -> Vec<String> {
        reply.unwrap().ids.into_iter().map(|it| it.id).collect()
    };
    assert_eq!(ids(con.xrange("log", "2", "3")), ["2-1", "3-1"]);
    assert_eq!(ids(con.xrange_all("log")).len(), 4);
    assert_eq!(ids(con.xrange_count("log", "-", "+", 1)), ["1-1"]);
    assert_eq!(ids(con.xrevrange_count("log", "+", "-", 1)), ["4-1"]);
    assert_eq!(ids(con.xrevrange_all("log")).len(), 4);
    assert_eq!(con.xtrim("log", StreamMaxlen::Equals(3)), Ok(1));
    let options = StreamAddOptions::default()
        .trim(StreamTrimStrategy::minid(StreamTrimmingMode::Exact, "4-1"))
        .nomkstream();
    let added: Option<String> = con.xadd_options("log", "9-9", &[("n", 9)], &options).unwrap();
    assert_eq!((added.as_deref(), con.xlen("log")), (Some("9-9"), Ok(2)));
    let added: Option<String> = con.xadd_options("nowhere", "*", &[("n", 9)], &options).unwrap();
    assert_eq!((added, con.exists("nowhere")), (None, Ok(false)));
    assert_eq!(
        con.xinfo_stream::<_, StreamInfoStreamReply>("nowhere").unwrap_err().detail(),
        Some("no such key")
    );
}

fn positions<C: ConnectionLike>(con: &mut C) {
    let sicily = [
        (Coord::lon_lat("13.361389", "38.115556"), "Palermo"),
        (Coord::lon_lat("15.087269", "37.502669"), "Catania"),
    ];
    assert_eq!(con.geo_add("sicily", &sicily), Ok(2));
    let far: Option<f64> = con.geo_dist("sicily", "Palermo", "Catania", Unit::Kilometers).unwrap();
    assert!((far.unwrap() - 166.274).abs() < 0.001);
    assert_eq!(con.geo_dist("sicily", "Palermo", "Rome", Unit::Meters), Ok(None::<f64>));
    assert_eq!(con.geo_hash("sicily", &["Palermo"]), Ok(vec!["sqc8b49rny0".to_owned()]));
    let places: Vec<Option<Coord<f64>>> = con.geo_pos("sicily", &["Palermo", "Rome"]).unwrap();
    let palermo = places[0].as_ref().unwrap();
    assert!((palermo.longitude - 13.361).abs() < 0.001 && (palermo.latitude - 38.115).abs() < 0.001);
    assert!(places[1].is_none());
    let options = || RadiusOptions::default().with_dist().with_coord().order(RadiusOrder::Asc).limit(5);
    let found: Vec<RadiusSearchResult> =
        con.geo_radius("sicily", 15.0, 37.0, 200.0, Unit::Kilometers, options()).unwrap();
    assert_eq!(found.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["Catania", "Palermo"]);
    assert!((found[0].dist.unwrap() - 56.441).abs() < 0.001 && found[1].coord.is_some());
    let near: Vec<RadiusSearchResult> =
        con.geo_radius_by_member("sicily", "Palermo", 1.0, Unit::Meters, options()).unwrap();
    assert_eq!((near.len(), &*near[0].name), (1, "Palermo"));
}

fn transactions<C: ConnectionLike>(con: &mut C) {
    let (): () = con.set("stock", 10).unwrap();
    let mut tries = 0;
    let (left,): (i64,) = redis::transaction(con, &["stock"], |con, pipe| {
        let stock: i64 = con.get("stock")?;
        tries += 1;
        if tries == 1 {
            // By the same connection, and seen all the same.
            let (): () = con.set("stock", 5)?;
        }
        pipe.set("stock", stock - 1).ignore().get("stock").query(con)
    })
    .unwrap();
    assert_eq!((tries, left), (2, 4));
    // What cannot be queued ends all; what fails when it runs ends nothing.
    let refused = redis::pipe().atomic().cmd("SET").arg("a").set("b", 1).query::<()>(con).unwrap_err();
    assert_eq!(con.exists("b"), Ok(false), "{refused}");
    assert_eq!(
        (refused.code(), refused.kind()),
        (Some("EXECABORT"), ErrorKind::Server(ServerErrorKind::ExecAbort))
    );
    assert!(refused.to_string().contains("wrong number of arguments for 'set' command"), "{refused}");
    let failed = redis::pipe().atomic().lpush("stock", 1).set("b", 1).query::<()>(con).unwrap_err();
    assert_eq!(con.exists("b"), Ok(true), "{failed}");
    let all = redis::pipe().atomic().set("n", 1).incr("n", 1).ignore().get("n").query(con);
    assert_eq!(all, Ok(("OK".to_owned(), 2)));
}

fn pipelines<C: ConnectionLike>(con: &mut C) {
    let mut pipe = redis::pipe();
    for n in 0..300 {
        pipe.rpush("list", n).ignore();
    }
    pipe.llen("list").lrange("list", -2, -1).exists("none");
    assert_eq!(pipe.query(con), Ok((300, (298, 299), false)));
    let failed = redis::pipe().set("a", 1).lpush("a", 1).get("a").query::<()>(con).unwrap_err();
    assert!(failed.to_string().contains("WRONGTYPE"), "{failed}");
    // The connection is as good as before, and what stood behind the error was done.
    assert_eq!(con.get("a"), Ok(1));
    let mut pipe = redis::pipe();
    pipe.ignore_errors().lpush("a", 1).get("a");
    let (first, second): (RedisResult<i64>, RedisResult<i64>) = pipe.query(con).unwrap();
    assert_eq!((first.unwrap_err().code(), second), (Some("WRONGTYPE"), Ok(1)));
}

fn cursors<C: ConnectionLike>(con: &mut C) {
    let names: HashSet<String> = (0..500).map(|n| format!("key:{n}")).collect();
    let mut pipe = redis::pipe();
    for name in &names {
        pipe.set(name, 1).hset("hash", name, 2).sadd("set", name).zadd("sorted", name, 3);
    }
    let (): () = pipe.query(con).unwrap();
    let found: RedisResult<HashSet<String>> = con.scan_match("key:*").unwrap().collect();
    assert_eq!(found.unwrap(), names);
    assert_eq!(con.scan::<String>().unwrap().count(), 503);
    let options = redis::ScanOptions::default().with_pattern("s*").with_count(7).with_type("zset");
    let found: RedisResult<Vec<String>> = con.scan_options(options).unwrap().collect();
    assert_eq!(found.unwrap(), ["sorted"]);
    let found: RedisResult<HashMap<String, i64>> = con.hscan("hash").unwrap().collect();
    assert!(found.unwrap().into_iter().all(|(name, value)| value == 2 && names.contains(&name)));
    let found: RedisResult<HashSet<String>> = con.sscan_match("set", "key:1*").unwrap().collect();
    assert_eq!(found.unwrap().len(), 111);
    let found: RedisResult<Vec<(String, f64)>> = con.zscan("sorted").unwrap().collect();
    assert_eq!(found.unwrap().len(), 500);
    let mut scan = cmd("SCAN");
    let mut iter = scan.cursor_arg(0).arg("COUNT").arg(3).clone().iter::<String>(con).unwrap();
    assert!(iter.next().unwrap().is_ok());
}

fn replies<C: ConnectionLike>(con: &mut C) {
    let (): () = con.hset_multiple("hash", &[("a", "1"), ("b", "2")]).unwrap();
    let (): () = con.zadd_multiple("board", &[(1.5, "ann"), (f64::INFINITY, "bob")]).unwrap();
    let (): () = con.sadd("set", &["x", "y"]).unwrap();
    assert_eq!(con.hgetall("hash"), Ok(BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])));
    assert_eq!(con.hmget("hash", &["a", "none"]), Ok((Some(1), None::<i64>)));
    assert_eq!(con.smembers("set"), Ok(HashSet::from(["x".to_owned(), "y".to_owned()])));
    assert_eq!(con.smismember("set", &["x", "z"]), Ok(vec![true, false]));
    assert_eq!(con.zscore("board", "bob"), Ok(Some(f64::INFINITY)));
    assert_eq!(con.zscore("board", "eve"), Ok(None::<f64>));
    assert_eq!(con.zincr("board", "ann", 0.25), Ok(1.75));
    let top: Vec<(String, f64)> = con.zrange_withscores("board", 0, -1).unwrap();
    assert_eq!(top, [("ann".to_owned(), 1.75), ("bob".to_owned(), f64::INFINITY)]);
    let popped: Vec<(String, f64)> = con.zpopmin("board", 1).unwrap();
    assert_eq!(popped, [("ann".to_owned(), 1.75)]);
    assert_eq!(con.get("none"), Ok(None::<String>));
    assert_eq!(con.get_ex("none", redis::Expiry::PERSIST), Ok(Value::Nil));
    assert_eq!(con.set_options("k", "v", redis::SetOptions::default().get(true)), Ok(None::<String>));
    assert_eq!(con.set_nx("k", "w"), Ok(false));
    assert_eq!(con.getset("k", vec![0_u8, 255]), Ok("v".to_owned()));
    assert_eq!(con.get("k"), Ok(vec![0_u8, 255]));
    assert_eq!(cmd("PING").query(con), Ok("PONG".to_owned()));
    assert_eq!(cmd("ECHO").arg("").query(con), Ok(String::new()));
    assert_eq!(cmd("INCRBYFLOAT").arg("float").arg(0.5).query(con), Ok(0.5));
    let info: redis::InfoDict = cmd("INFO").query(con).unwrap();
    assert!(info.get::<String>("redis_version").is_some());
    let config: HashMap<String, String> = cmd("CONFIG").arg("GET").arg("maxmem*").query(con).unwrap();
    assert!(config.contains_key("maxmemory-policy"));
    let (seconds, micros): (u64, u64) = cmd("TIME").query(con).unwrap();
    assert!(seconds > 1_600_000_000 && micros < 1_000_000);
    assert_eq!(con.lpop("nowhere", None), Ok(None::<String>));
    assert_eq!(con.blpop("nowhere", 0.01), Ok(None::<(String, String)>));
    let error = cmd("NOSUCH").query::<()>(con).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
    let (): () = cmd("SELECT").arg(3).query(con).unwrap();
    assert_eq!(con.exists("hash"), Ok(false));
    let error = con.rename::<_, _, ()>("nowhere", "there").unwrap_err();
    assert_eq!(error.detail(), Some("no such key"));
    assert!(con.check_connection() && con.is_open());
}
