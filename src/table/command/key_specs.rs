//! Where a command's keys are, as `COMMAND INFO` tells it to clients that route by them.

use super::facts::Servers;
use crate::Bytes;
use crate::reply::Reply;
use crate::table::Compat;
use crate::table::args::is;
use crate::text::number::parse_i64;

/// The specs of some commands. Each says how the keys are used, where to begin, and how to find them from there;
/// several stand apart by `;`, and their parts by `|`:
///
/// - begin: a word's place, or a keyword and the place from which it is looked for; nothing if it is unknown;
/// - find: the last key, the step and the limit; behind a `#` the place of their number, of the first and the step.
type Specs = (&'static str, &'static str);

/// A spec, read.
struct Spec {
    /// How the keys are used, in Redis's words.
    flags: &'static str,
    begin: Begin,
    find: Find,
}

#[derive(Clone, Copy)]
enum Begin {
    Unknown,
    Index(i64),
    /// Behind this word, which is looked for from there: from the end if that is negative.
    Keyword(&'static str, i64),
}

#[derive(Clone, Copy)]
enum Find {
    Unknown,
    /// The last one, counted from the first or, if negative, from the end; the step; which part of the rest is keys.
    Range(i64, i64, i64),
    /// From where the keys begin: where their number is, and the first; the step.
    Number(i64, i64, i64),
}

/// The specs of a command in that server, as a reply.
pub(super) fn reply(name: &str, compat: Compat) -> Reply {
    Reply::Set(specs(name, compat).map(|spec| spec.reply()).collect())
}

/// The places of a command's keys among its words, each with how the key is used, in Redis's words; `None` if
/// the words are not as the specs have them, or the specs do not tell. O(words)
pub(super) fn places(name: &str, compat: Compat, words: &[Bytes]) -> Option<Vec<(usize, &'static str)>> {
    let mut places = Vec::new();
    for spec in specs(name, compat).filter(|spec| !spec.has("not_key")) {
        places.extend(spec.places(words).filter(|_| spec.tells())?.map(|place| (place, spec.flags)));
    }
    Some(places)
}

/// Whether the specs tell all that there is to be told of a command's keys.
pub(super) fn tell_all(name: &str, compat: Compat) -> bool {
    specs(name, compat).all(|spec| spec.tells())
}

fn specs(name: &str, compat: Compat) -> impl Iterator<Item = Spec> {
    let others = OTHERS.iter().filter(|(by, ..)| by(compat)).map(|(_, specs, commands)| (specs, commands));
    let known = others.chain(ALL.iter().map(|(specs, commands)| (specs, commands)));
    let found = known.into_iter().find(|(_, commands)| super::names(commands, name));
    found.into_iter().flat_map(|(specs, _)| specs.split(';').map(Spec::parse))
}

impl Spec {
    fn parse(text: &'static str) -> Spec {
        let mut parts = text.split('|');
        let mut part = || parts.next().unwrap_or_default();
        Spec { flags: part(), begin: Begin::parse(part()), find: Find::parse(part()) }
    }

    fn has(&self, flag: &str) -> bool {
        super::names(self.flags, flag)
    }

    /// Whether that is all, whatever the words are.
    fn tells(&self) -> bool {
        !self.has("variable_flags") && !self.has("incomplete")
    }

    fn reply(&self) -> Reply {
        Reply::Map(vec![
            (Reply::text("flags"), flags(self.flags)),
            (Reply::text("begin_search"), self.begin.reply()),
            (Reply::text("find_keys"), self.find.reply()),
        ])
    }

    /// Where those keys are that it finds, none if its keyword is not there; `None` if the words are not as they
    /// are to be.
    fn places(&self, words: &[Bytes]) -> Option<impl Iterator<Item = usize> + use<>> {
        let len = i64::try_from(words.len()).ok()?;
        let begin = match self.begin {
            Begin::Unknown => return None,
            Begin::Index(index) => Some(index),
            Begin::Keyword(keyword, from) => behind(keyword, from, words),
        };
        let range = match (begin, self.find) {
            (None, _) => (0, -1, 1),
            (_, Find::Unknown) => return None,
            (Some(first), Find::Range(last @ 0.., step, _)) => (first, first + last, step),
            (Some(first), Find::Range(last, step, 0 | 1)) => (first, len + last, step),
            (Some(first), Find::Range(last, step, part)) => {
                (first, first + (len - first) / part + last, step)
            }
            (Some(begin), Find::Number(at, first, step)) => {
                let number = words.get(usize::try_from(begin + at).ok()?)?;
                let more = parse_i64(number)?.checked_sub(1)?.checked_mul(step)?;
                (begin + first, (begin + first).checked_add(more)?, step)
            }
        };
        let (first, last, step) = range;
        // All are there, or there is none because the keyword is not. The words may say any number.
        let is_sound = begin.is_none() || (first <= last && last < len);
        let end = last.checked_add(1).filter(|_| is_sound)?;
        let [first, end, step] = [first, end, step].map(|number| usize::try_from(number).ok());
        Some((first?..end?).step_by(step?.max(1)))
    }
}

/// The place behind a word, which is not the last one.
fn behind(keyword: &str, from: i64, words: &[Bytes]) -> Option<i64> {
    let is_it = |at: &usize| words.get(*at).is_some_and(|word| is(word, keyword));
    let at = match usize::try_from(from) {
        Ok(from) => (from..words.len().saturating_sub(1)).find(is_it),
        Err(_) => {
            let back = usize::try_from(from.unsigned_abs()).ok()?;
            (2..=words.len().checked_sub(back)?).rev().find(is_it)
        }
    };
    i64::try_from(at?).ok().map(|at| at + 1)
}

/// How keys are used, as Redis tells it.
pub(super) fn flags(names: &'static str) -> Reply {
    Reply::Set(names.split_terminator(' ').map(|flag| Reply::Status(flag.into())).collect())
}

impl Begin {
    fn parse(text: &'static str) -> Begin {
        match text.split_once(' ') {
            Some((keyword, from)) => Begin::Keyword(keyword, number(from)),
            None if text.is_empty() => Begin::Unknown,
            None => Begin::Index(number(text)),
        }
    }

    fn reply(self) -> Reply {
        match self {
            Begin::Unknown => typed("unknown", Vec::new()),
            Begin::Index(index) => typed("index", vec![("index", Reply::Integer(index))]),
            Begin::Keyword(keyword, from) => {
                typed("keyword", vec![("keyword", Reply::text(keyword)), ("startfrom", Reply::Integer(from))])
            }
        }
    }
}

impl Find {
    fn parse(text: &str) -> Find {
        let mut numbers = text.trim_start_matches('#').split(' ').map(number);
        let mut next = || numbers.next().unwrap_or_default();
        match text.as_bytes().first() {
            None => Find::Unknown,
            Some(b'#') => Find::Number(next(), next(), next()),
            Some(_) => Find::Range(next(), next(), next()),
        }
    }

    fn reply(self) -> Reply {
        let (kind, names, numbers) = match self {
            Find::Unknown => return typed("unknown", Vec::new()),
            Find::Number(at, first, step) => {
                ("keynum", ["keynumidx", "firstkey", "keystep"], [at, first, step])
            }
            Find::Range(last, step, limit) => ("range", ["lastkey", "keystep", "limit"], [last, step, limit]),
        };
        typed(kind, names.into_iter().zip(numbers.map(Reply::Integer)).collect())
    }
}

fn typed(kind: &str, spec: Vec<(&str, Reply)>) -> Reply {
    let spec = spec.into_iter().map(|(name, value)| (Reply::text(name), value)).collect();
    Reply::Map(vec![(Reply::text("type"), Reply::text(kind)), (Reply::text("spec"), Reply::Map(spec))])
}

/// A number of the table's own.
fn number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
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
