//! Where a command's keys are, as `COMMAND INFO` tells it to clients that route by them.

use super::facts::Servers;
use crate::reply::Reply;
use crate::table::Compat;

/// The specs of some commands. Each says how the keys are used, where to begin, and how to find them from there;
/// several stand apart by `;`, and their parts by `|`:
///
/// - begin: a word's place, or a keyword and the place from which it is looked for; nothing if it is unknown;
/// - find: the last key, the step and the limit; behind a `#` the place of their number, of the first and the step.
type Specs = (&'static str, &'static str);

/// The specs of a command in that server, as a reply.
pub(super) fn reply(name: &str, compat: Compat) -> Reply {
    let others = OTHERS.iter().filter(|(by, ..)| by(compat)).map(|(_, specs, commands)| (specs, commands));
    let known = others.chain(ALL.iter().map(|(specs, commands)| (specs, commands)));
    let found = known.into_iter().find(|(_, commands)| super::names(commands, name));
    Reply::Set(found.map_or(Vec::new(), |(specs, _)| specs.split(';').map(spec).collect()))
}

fn spec(text: &str) -> Reply {
    let mut parts = text.split('|');
    let mut part = || parts.next().unwrap_or_default();
    let flags = part().split(' ').map(|flag| Reply::Status(flag.to_owned().into())).collect();
    Reply::Map(vec![
        (Reply::text("flags"), Reply::Set(flags)),
        (Reply::text("begin_search"), begin(part())),
        (Reply::text("find_keys"), find(part())),
    ])
}

fn begin(text: &str) -> Reply {
    match text.split_once(' ') {
        Some((keyword, from)) => {
            typed("keyword", vec![("keyword", Reply::text(keyword)), ("startfrom", number(from))])
        }
        None if text.is_empty() => typed("unknown", Vec::new()),
        None => typed("index", vec![("index", number(text))]),
    }
}

fn find(text: &str) -> Reply {
    let (kind, names) = match text.as_bytes().first() {
        None => return typed("unknown", Vec::new()),
        Some(b'#') => ("keynum", ["keynumidx", "firstkey", "keystep"]),
        Some(_) => ("range", ["lastkey", "keystep", "limit"]),
    };
    let numbers = text.trim_start_matches('#').split(' ').map(number);
    typed(kind, names.into_iter().zip(numbers).collect())
}

fn typed(kind: &str, spec: Vec<(&str, Reply)>) -> Reply {
    let spec = spec.into_iter().map(|(name, value)| (Reply::text(name), value)).collect();
    Reply::Map(vec![(Reply::text("type"), Reply::text(kind)), (Reply::text("spec"), Reply::Map(spec))])
}

fn number(text: &str) -> Reply {
    // The table's own.
    Reply::Integer(text.parse().unwrap_or(0))
}

/// What some servers tell in place of the others.
#[rustfmt::skip]
const OTHERS: &[(Servers, &str, &str)] = &[
    (|compat| compat == Compat::Valkey9, "RO access|1|0 1 0;OW update variable_flags|STORE 6|0 1 0;OW update variable_flags|STOREDIST 6|0 1 0", "georadius"),
    (|compat| compat == Compat::Valkey9, "RO access|1|0 1 0;OW update variable_flags|STORE 5|0 1 0;OW update variable_flags|STOREDIST 5|0 1 0", "georadiusbymember"),
    (|compat| compat == Compat::Valkey9, "RW insert|1|0 1 0", "hsetex"),
    (|compat| compat == Compat::Redis70, "RW update|1|0 1 0;RO access|2|-1 1 0", "sinterstore"),
];

#[rustfmt::skip]
const ALL: &[Specs] = &[
    (
        "RW insert|1|0 1 0",
        "append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd",
    ),
    (
        "RO access|1|0 1 0",
        "bitcount bitfield_ro bitpos digest dump expiretime geodist geohash geopos georadius_ro \
        georadiusbymember_ro geosearch get getbit getrange hexpiretime hget hgetall hkeys hmget \
        hpexpiretime hpttl hrandfield hscan httl hvals lindex lpos lrange pexpiretime pttl smembers \
        smismember srandmember sscan substr ttl xpending xrange xrevrange zcount zlexcount zmscore \
        zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore \
        zrevrank zscan zscore",
    ),
    (
        "RW access update variable_flags|1|0 1 0",
        "bitfield set",
    ),
    (
        "OW update|2|0 1 0;RO access|3|-1 1 0",
        "bitop",
    ),
    (
        "RW access delete|1|0 1 0;RW insert|2|0 1 0",
        "blmove blmovem brpoplpush lmove lmovem rpoplpush smove",
    ),
    (
        "RW access delete|2|#0 1 1",
        "blmpop bzmpop",
    ),
    (
        "RW access delete|1|-2 1 0",
        "blpop brpop bzpopmax bzpopmin",
    ),
    (
        "not_key|1|0 1 0",
        "clusterscan spublish",
    ),
    (
        "RO access|1|0 1 0;OW update|2|0 1 0",
        "copy",
    ),
    (
        "RW access update|1|0 1 0",
        "decr decrby getex getset hgetex hincrby hincrbyfloat incr incrby incrbyfloat increx move \
        setbit zincrby",
    ),
    (
        "RM delete|1|-1 1 0",
        "del unlink",
    ),
    (
        "RM delete|1|0 1 0",
        "delifeq",
    ),
    (
        "RW access update|2|#0 1 1",
        "eval evalsha fcall",
    ),
    (
        "RO access|2|#0 1 1",
        "eval_ro evalsha_ro fcall_ro",
    ),
    (
        "RO|1|-1 1 0",
        "exists touch watch",
    ),
    (
        "RW update|1|0 1 0",
        "expire expireat geoadd hexpire hexpireat hmset hpersist hpexpire hpexpireat hset hsetex lset \
        persist pexpire pexpireat setrange xack xadd xcfgset xclaim xidmprecord xsetid zadd",
    ),
    (
        "RO access|1|0 1 0;OW update|STORE 6|0 1 0;OW update|STOREDIST 6|0 1 0",
        "georadius",
    ),
    (
        "RO access|1|0 1 0;OW update|STORE 5|0 1 0;OW update|STOREDIST 5|0 1 0",
        "georadiusbymember",
    ),
    (
        "OW update|1|0 1 0;RO access|2|0 1 0",
        "geosearchstore zrangestore",
    ),
    (
        "RW access delete|1|0 1 0",
        "getdel hgetdel lpop rpop spop zpopmax zpopmin",
    ),
    (
        "RW delete|1|0 1 0",
        "delex hdel lrem ltrim srem xautoclaim xdel xdelex xtrim zrem zremrangebylex zremrangebyrank \
        zremrangebyscore",
    ),
    (
        "RO|1|0 1 0",
        "hexists hlen hstrlen llen scard sismember strlen type xlen zcard",
    ),
    (
        "RO access|1|1 1 0",
        "lcs",
    ),
    (
        "RW access delete|1|#0 1 1",
        "lmpop zmpop",
    ),
    (
        "RO|2|0 1 0",
        "memory|usage object|encoding object|freq object|idletime object|refcount",
    ),
    (
        "RO access|1|-1 1 0",
        "mget sdiff sinter sunion",
    ),
    (
        "RW access delete|3|0 1 0;RW access delete incomplete|KEYS -2|-1 1 0",
        "migrate",
    ),
    (
        "OW update|1|-1 2 0",
        "mset",
    ),
    (
        "OW update|1|#0 1 2",
        "msetex",
    ),
    (
        "OW insert|1|-1 2 0",
        "msetnx",
    ),
    (
        "RW access|1|-1 1 0",
        "pfcount",
    ),
    (
        "RW access|2|0 1 0",
        "pfdebug",
    ),
    (
        "RW access insert|1|0 1 0;RO access|2|-1 1 0",
        "pfmerge",
    ),
    (
        "OW update|1|0 1 0",
        "psetex restore restore-asking setex",
    ),
    (
        "RW access delete|1|0 1 0;OW update|2|0 1 0",
        "rename",
    ),
    (
        "RW access delete|1|0 1 0;OW insert|2|0 1 0",
        "renamenx",
    ),
    (
        "OW update|1|0 1 0;RO access|2|-1 1 0",
        "sdiffstore sinterstore sunionstore",
    ),
    (
        "OW insert|1|0 1 0",
        "setnx",
    ),
    (
        "RO access|1|#0 1 1",
        "sdiffcard sintercard sunioncard zdiff zinter zintercard zunion",
    ),
    (
        "RO access|1|0 1 0;RO access||;OW update||",
        "sort",
    ),
    (
        "RO access|1|0 1 0;RO access||",
        "sort_ro",
    ),
    (
        "not_key|1|-1 1 0",
        "ssubscribe sunsubscribe",
    ),
    (
        "RW update delete|1|0 1 0",
        "xackdel",
    ),
    (
        "RW insert|2|0 1 0",
        "xgroup|create xgroup|createconsumer",
    ),
    (
        "RW delete|2|0 1 0",
        "xgroup|delconsumer xgroup|destroy",
    ),
    (
        "RW update|2|0 1 0",
        "xgroup|setid",
    ),
    (
        "RO access|2|0 1 0",
        "xinfo|consumers xinfo|groups xinfo|stream",
    ),
    (
        "RO access|STREAMS 1|-1 1 2",
        "xread",
    ),
    (
        "RO access|STREAMS 4|-1 1 2",
        "xreadgroup",
    ),
    (
        "OW update|1|0 1 0;RO access|2|#0 1 1",
        "zdiffstore zinterstore zunionstore",
    ),
    (
        "OW update|2|0 1 0",
        "himport|set",
    ),
];
