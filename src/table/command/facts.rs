//! What Redis tells of its commands beside what the rows say: `COMMAND DOCS`, and the categories of `ACL CAT`.

use crate::table::Compat;
use crate::table::row::flag::{ALLOW_BUSY, BLOCKING, LOADING, NOSCRIPT, STALE};

/// What is not as the group and the flags of a command have it.
pub(super) struct Exception {
    pub command: &'static str,
    pub also: &'static [&'static str],
    pub not: &'static [&'static str],
}

/// All categories, in the order in which Redis lists them.
pub(crate) const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The category of a group's commands, if they have one of their own.
pub(super) fn category(group: &str) -> Option<&'static str> {
    let category = match group {
        "cluster" | "server" => return None,
        "generic" => "keyspace",
        "sorted-set" => "sortedset",
        "transactions" => "transaction",
        group => group,
    };
    CATEGORIES.into_iter().find(|one| *one == category)
}

/// A subcommand that is not named here is as its container.
#[rustfmt::skip]
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception { command: "asking", also: &["connection"], not: &[] },
    Exception { command: "cluster|flushslot", also: &["keyspace"], not: &[] },
    Exception { command: "clusterscan", also: &["keyspace"], not: &[] },
    Exception { command: "command", also: &["connection"], not: &[] },
    Exception { command: "dbsize", also: &["keyspace"], not: &[] },
    Exception { command: "eval_ro", also: &[], not: &["read"] },
    Exception { command: "evalsha_ro", also: &[], not: &["read"] },
    Exception { command: "fcall_ro", also: &[], not: &["read"] },
    Exception { command: "flushall", also: &["dangerous", "keyspace"], not: &[] },
    Exception { command: "flushdb", also: &["dangerous", "keyspace"], not: &[] },
    Exception { command: "himport", also: &["hash"], not: &[] },
    Exception { command: "info", also: &["dangerous"], not: &[] },
    Exception { command: "keys", also: &["dangerous"], not: &[] },
    Exception { command: "lastsave", also: &["admin", "dangerous"], not: &[] },
    Exception { command: "migrate", also: &["dangerous"], not: &[] },
    Exception { command: "pubsub|help", also: &[], not: &["pubsub"] },
    Exception { command: "readonly", also: &["connection"], not: &[] },
    Exception { command: "readwrite", also: &["connection"], not: &[] },
    Exception { command: "restore", also: &["dangerous"], not: &[] },
    Exception { command: "restore-asking", also: &["dangerous", "keyspace"], not: &[] },
    Exception { command: "role", also: &["admin", "dangerous"], not: &[] },
    Exception { command: "sort", also: &["dangerous", "list", "set", "sortedset"], not: &["keyspace"] },
    Exception { command: "sort_ro", also: &["dangerous", "list", "set", "sortedset"], not: &["keyspace"] },
    Exception { command: "swapdb", also: &["dangerous", "keyspace"], not: &[] },
    Exception { command: "wait", also: &["connection"], not: &["keyspace"] },
    Exception { command: "waitaof", also: &["connection"], not: &["keyspace"] },
];

/// Flags that are told otherwise by some servers.
pub(super) struct Told {
    pub by: Servers,
    pub commands: &'static str,
    pub also: u32,
    pub not: u32,
}

/// Some servers.
pub(super) type Servers = fn(Compat) -> bool;

const AFTER_70: Servers = |compat| compat != Compat::Redis70;
const SINCE_82: Servers = |compat| compat.has_since(8, 2);
const REDIS_82: Servers = |compat| compat.redis() >= (8, 2);
const VALKEY: Servers = |compat| compat == Compat::Valkey9;

#[rustfmt::skip]
pub(super) const FLAGS: &[Told] = &[
    Told {
        by: AFTER_70,
        commands: "blmove blpop brpop brpoplpush bzpopmax bzpopmin wait waitaof",
        also: 0,
        not: NOSCRIPT,
    },
    Told { by: AFTER_70, commands: "wait waitaof", also: BLOCKING, not: 0 },
    Told { by: SINCE_82, commands: "cluster|shards cluster|slots", also: LOADING, not: 0 },
    Told {
        by: VALKEY,
        commands: "client|caching client|getname client|getredir client|id client|no-evict client|no-touch client|reply \
            client|setinfo client|setname select",
        also: ALLOW_BUSY,
        not: 0,
    },
    Told {
        by: VALKEY,
        commands: "cluster|info cluster|myid cluster|myshardid cluster|nodes memory|malloc-stats memory|purge",
        also: LOADING,
        not: 0,
    },
    Told { by: VALKEY, commands: "script|exists script|flush", also: STALE, not: 0 },
];

/// Commands that came with a version between two that the rows tell apart.
#[rustfmt::skip]
pub(super) const SINCE: &[(&str, &str)] = &[
    ("1.0.1", "mset msetnx"),
    ("1.0.5", "zrangebyscore"),
    ("2.2.3", "object object|encoding object|idletime object|refcount"),
    ("2.2.12", "slowlog slowlog|get slowlog|len slowlog|reset"),
    ("2.6.9", "client|getname client|setname"),
    ("2.8.7", "bitpos"),
    ("2.8.9", "pfadd pfcount pfdebug pfmerge pfselftest zlexcount zrangebylex zremrangebylex \
        zrevrangebylex"),
    ("2.8.12", "role"),
    ("2.8.13", "command command|count command|getkeys command|info latency latency|doctor latency|graph \
        latency|help latency|history latency|latest latency|reset"),
    ("3.2.1", "touch"),
    ("3.2.10", "georadius_ro georadiusbymember_ro"),
    ("6.0.6", "lpos"),
];

/// Tips that some servers give in place of the others.
#[rustfmt::skip]
pub(super) const OTHER_TIPS: &[(Servers, &[&str], &str)] = &[
    (
        AFTER_70,
        &["request_policy:all_nodes", "response_policy:all_succeeded"],
        "client|setinfo client|setname config|resetstat config|rewrite",
    ),
    (AFTER_70, &["nondeterministic_output"], "cluster|myshardid"),
    (AFTER_70, &["request_policy:all_nodes", "response_policy:agg_sum"], "latency|reset"),
    (AFTER_70, &[], "msetnx"),
    (
        AFTER_70,
        &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        "randomkey",
    ),
    (
        AFTER_70,
        &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        "scan",
    ),
    (AFTER_70, &["request_policy:all_shards", "response_policy:agg_min"], "waitaof"),
    (REDIS_82, &["nondeterministic_output"], "hpttl httl"),
];

/// What clients are told of how to use a command: the tips, and the commands that they are given for.
#[rustfmt::skip]
pub(super) const TIPS: &[(&[&str], &str)] = &[
    (
        &["nondeterministic_output"],
        "client|info client|list cluster|bumpepoch cluster|count-failure-reports \
        cluster|getkeysinslot cluster|info cluster|links cluster|nodes cluster|replicas \
        cluster|shards cluster|slaves cluster|slots dump hrandfield hscan lastsave migrate \
        object|encoding object|freq object|idletime object|refcount pttl spop srandmember sscan \
        time ttl xadd xautoclaim xclaim xinfo|consumers xpending xtrim zrandmember zscan",
    ),
    (
        &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        "latency|doctor latency|graph latency|histogram latency|history latency|latest",
    ),
    (
        &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        "function|stats info memory|doctor memory|malloc-stats memory|stats",
    ),
    (
        &["nondeterministic_output", "request_policy:all_shards"],
        "cluster|slot-stats",
    ),
    (
        &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        "clusterscan",
    ),
    (
        &["nondeterministic_output", "request_policy:special"],
        "scan",
    ),
    (
        &["nondeterministic_output_order"],
        "command command|docs command|info command|list function|list hgetall hkeys hvals \
        module|list sdiff sinter smembers sunion",
    ),
    (
        &["request_policy:all_nodes", "nondeterministic_output"],
        "commandlog|get slowlog|get",
    ),
    (
        &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        "commandlog|len slowlog|len",
    ),
    (
        &["request_policy:all_nodes", "response_policy:all_succeeded"],
        "config|set latency|reset script|flush script|load commandlog|reset slowlog|reset",
    ),
    (
        &["request_policy:all_shards"],
        "himport|discard himport|discardall himport|prepare",
    ),
    (
        &["request_policy:all_shards", "nondeterministic_output"],
        "randomkey",
    ),
    (
        &["request_policy:all_shards", "nondeterministic_output_order"],
        "keys",
    ),
    (
        &["request_policy:all_shards", "response_policy:agg_logical_and"],
        "script|exists",
    ),
    (
        &["request_policy:all_shards", "response_policy:agg_min"],
        "wait",
    ),
    (
        &["request_policy:all_shards", "response_policy:agg_sum"],
        "dbsize",
    ),
    (
        &["request_policy:all_shards", "response_policy:all_succeeded"],
        "flushall flushdb function|delete function|flush function|load function|restore \
        memory|purge ping",
    ),
    (
        &["request_policy:all_shards", "response_policy:one_succeeded"],
        "function|kill script|kill",
    ),
    (
        &["request_policy:multi_shard"],
        "mget",
    ),
    (
        &["request_policy:multi_shard", "response_policy:agg_min"],
        "msetnx",
    ),
    (
        &["request_policy:multi_shard", "response_policy:agg_sum"],
        "del exists touch unlink",
    ),
    (
        &["request_policy:multi_shard", "response_policy:all_succeeded"],
        "mset msetex",
    ),
];
