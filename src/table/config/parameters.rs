//! The parameters of `redis.conf`: their names, what values they take, and what they are by default.

use super::Kind::{
    self, Choice, Events, FileName, Fixed, Flag, Folder, Form, Memory, MemorySize, Number, Output, Password,
    Percentiles, Save, Size, Text, Within, Words,
};
use super::{Compat, text};

/// A line of `redis.conf`.
pub(crate) struct Parameter {
    pub name: &'static str,
    /// What it was once called, and still can be.
    pub other: Option<&'static str>,
    /// What it is called too since 7.2.
    pub newer: Option<&'static str>,
    pub kind: Kind,
    pub default: &'static str,
    pub default_in_valkey: &'static str,
    /// Who has it.
    pub is_in: fn(Compat) -> bool,
}

const AFTER_70: fn(Compat) -> bool = |compat| compat != Compat::Redis70;
const SINCE_74: fn(Compat) -> bool = |compat| compat.has_since(7, 4);
const SINCE_82: fn(Compat) -> bool = |compat| compat.has_since(8, 2);
const SINCE_86: fn(Compat) -> bool = |compat| compat.redis() >= (8, 6);
const BEFORE_86: fn(Compat) -> bool = |compat| compat.redis() < (8, 6);
const REDIS_80: fn(Compat) -> bool = |compat| compat.redis() >= (8, 0);
const REDIS: fn(Compat) -> bool = |compat| compat != Compat::Valkey9;
const REDIS_70: fn(Compat) -> bool = |compat| compat == Compat::Redis70;
const BEFORE_80: fn(Compat) -> bool = |compat| !compat.has_since(8, 0);
const BEFORE_82: fn(Compat) -> bool = |compat| !compat.has_since(8, 2);
const VALKEY: fn(Compat) -> bool = |compat| compat == Compat::Valkey9;

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const SIZE: u64 = i64::MAX as u64;

const fn parameter(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, other: None, newer: None, kind, default, default_in_valkey: default, is_in: |_| true }
}

impl Parameter {
    const fn or(mut self, other: &'static str) -> Self {
        self.other = Some(other);
        self
    }

    const fn or_since_72(mut self, newer: &'static str) -> Self {
        self.newer = Some(newer);
        self
    }

    const fn only(mut self, is_in: fn(Compat) -> bool) -> Self {
        self.is_in = is_in;
        self
    }

    const fn in_valkey(mut self, default: &'static str) -> Self {
        self.default_in_valkey = default;
        self
    }
}

/// Those that Redis knows, in the order of their names. Ports are 0 and there is nothing to save to as long as
/// nobody has said otherwise: a store is in the process that uses it.
#[rustfmt::skip]
pub(crate) const PARAMETERS: &[Parameter] = &[
    parameter("acl-pubsub-default", Choice(&["allchannels", "resetchannels"]), "resetchannels"),
    parameter("aclfile", Fixed, ""),
    parameter("acllog-max-len", Number(0, LONG), "128"),
    parameter("active-defrag-cycle-max", Number(1, 99), "25"),
    parameter("active-defrag-cycle-min", Number(1, 99), "1"),
    parameter("active-defrag-cycle-us", Number(0, 100000), "500").only(VALKEY),
    parameter("active-defrag-ignore-bytes", MemorySize(1, SIZE), "104857600"),
    parameter("active-defrag-max-scan-fields", Number(1, LONG), "1000"),
    parameter("active-defrag-threshold-lower", Number(0, 1000), "10"),
    parameter("active-defrag-threshold-upper", Number(0, 1000), "100"),
    parameter("active-expire-effort", Number(1, 10), "1"),
    parameter("activedefrag", Flag, "no"),
    parameter("activerehashing", Flag, "yes"),
    parameter("always-show-logo", Fixed, "no"),
    parameter("aof-disable-auto-gc", Flag, "no").only(REDIS_70),
    parameter("aof-load-truncated", Flag, "yes"),
    parameter("aof-rewrite-incremental-fsync", Flag, "yes"),
    parameter("aof-timestamp-enabled", Flag, "no"),
    parameter("aof-use-rdb-preamble", Flag, "yes"),
    parameter("aof_rewrite_cpulist", Fixed, "").or_since_72("aof-rewrite-cpulist"),
    parameter("appenddirname", Fixed, "appendonlydir"),
    parameter("appendfilename", Fixed, "appendonly.aof"),
    parameter("appendfsync", Choice(&["everysec", "always", "no"]), "everysec"),
    parameter("appendonly", Flag, "no"),
    parameter("auto-aof-rewrite-min-size", Memory(0, SIZE), "67108864"),
    parameter("auto-aof-rewrite-percentage", Number(0, INT), "100"),
    parameter("availability-zone", Text, "").only(VALKEY),
    parameter("bgsave_cpulist", Fixed, "").or_since_72("bgsave-cpulist"),
    parameter("bind", Text, ""),
    parameter("bind-source-addr", Text, ""),
    parameter("bio_cpulist", Fixed, "").or_since_72("bio-cpulist"),
    parameter("busy-reply-threshold", Number(0, LONG), "5000").or("lua-time-limit"),
    parameter("client-output-buffer-limit", Output, "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    parameter("client-query-buffer-limit", MemorySize(1048576, SIZE), "1073741824"),
    parameter("cluster-allow-pubsubshard-when-down", Flag, "yes"),
    parameter("cluster-allow-reads-when-down", Flag, "no"),
    parameter("cluster-allow-replica-migration", Flag, "yes"),
    parameter("cluster-announce-bus-port", Number(0, 65535), "0"),
    parameter("cluster-announce-client-ipv4", Form(text::ipv4), "").only(VALKEY),
    parameter("cluster-announce-client-ipv6", Form(text::ipv6), "").only(VALKEY),
    parameter("cluster-announce-client-port", Number(0, 65535), "0").only(VALKEY),
    parameter("cluster-announce-client-tls-port", Number(0, 65535), "0").only(VALKEY),
    parameter("cluster-announce-hostname", Form(text::host), ""),
    parameter("cluster-announce-human-nodename", Form(text::node), "").only(AFTER_70),
    parameter("cluster-announce-ip", Form(text::address), ""),
    parameter("cluster-announce-port", Number(0, 65535), "0"),
    parameter("cluster-announce-tls-port", Number(0, 65535), "0"),
    parameter("cluster-blacklist-ttl", Number(i64::MIN, LONG), "60").only(VALKEY),
    parameter("cluster-compatibility-sample-ratio", Number(0, 100), "0").only(REDIS_80),
    parameter("cluster-config-file", Fixed, "nodes.conf"),
    parameter("cluster-config-save-behavior", Choice(&["sync", "best-effort"]), "sync").only(VALKEY),
    parameter("cluster-databases", Fixed, "1").only(VALKEY),
    parameter("cluster-enabled", Fixed, "no"),
    parameter("cluster-link-sendbuf-limit", MemorySize(0, u64::MAX), "0"),
    parameter("cluster-manual-failover-timeout", Number(1, INT), "5000").only(VALKEY),
    parameter("cluster-migration-barrier", Number(0, INT), "1"),
    parameter("cluster-node-timeout", Number(0, LONG), "15000"),
    parameter("cluster-port", Fixed, "0"),
    parameter("cluster-preferred-endpoint-type", Choice(&["ip", "hostname", "unknown-endpoint"]), "ip"),
    parameter("cluster-replica-no-failover", Flag, "no").or("cluster-slave-no-failover"),
    parameter("cluster-replica-validity-factor", Number(0, INT), "10").or("cluster-slave-validity-factor"),
    parameter("cluster-require-full-coverage", Flag, "yes"),
    parameter("cluster-slot-migration-log-max-len", Number(0, LONG), "1000").only(VALKEY),
    parameter("cluster-slot-stats-enabled", Flag, "no").only(SINCE_82),
    parameter("commandlog-execution-slower-than", Number(-1, LONG), "10000").or("slowlog-log-slower-than").only(VALKEY),
    parameter("commandlog-large-reply-max-len", Number(0, LONG), "128").only(VALKEY),
    parameter("commandlog-large-request-max-len", Number(0, LONG), "128").only(VALKEY),
    parameter("commandlog-reply-larger-than", Number(-1, LONG), "1048576").only(VALKEY),
    parameter("commandlog-request-larger-than", Number(-1, LONG), "1048576").only(VALKEY),
    parameter("commandlog-slow-execution-max-len", Number(0, LONG), "128").or("slowlog-max-len").only(VALKEY),
    parameter("crash-log-enabled", Flag, "yes"),
    parameter("crash-memcheck-enabled", Flag, "yes"),
    parameter("daemonize", Fixed, "no"),
    parameter("databases", Fixed, "16"),
    parameter("dbfilename", FileName, "dump.rdb"),
    parameter("dir", Folder, ""),
    parameter("disable-thp", Fixed, "yes"),
    parameter("dual-channel-replication-enabled", Flag, "no").only(VALKEY),
    parameter("dynamic-hz", Flag, "yes").only(REDIS),
    parameter("enable-debug-command", Fixed, "no"),
    parameter("enable-module-command", Fixed, "no"),
    parameter("enable-protected-configs", Fixed, "no"),
    parameter("extended-redis-compatibility", Flag, "no").only(VALKEY),
    parameter("hash-max-listpack-entries", Size(0, LONG), "512").or("hash-max-ziplist-entries"),
    parameter("hash-max-listpack-value", MemorySize(0, SIZE), "64").or("hash-max-ziplist-value"),
    parameter("hash-seed", Fixed, "").only(VALKEY),
    parameter("hide-user-data-from-log", Flag, "no").only(SINCE_74).in_valkey("yes"),
    parameter("hll-sparse-max-bytes", MemorySize(0, SIZE), "3000"),
    parameter("hz", Within(1, 500), "10"),
    parameter("ignore-warnings", Text, ""),
    parameter("import-mode", Flag, "no").only(VALKEY),
    parameter("io-threads", Fixed, "1").only(REDIS),
    parameter("io-threads", Number(1, 256), "1").only(VALKEY),
    parameter("io-threads-do-reads", Fixed, "no").only(BEFORE_80),
    parameter("jemalloc-bg-thread", Flag, "yes"),
    parameter("latency-monitor-threshold", Number(0, LONG), "0"),
    parameter("latency-tracking", Flag, "yes"),
    parameter("latency-tracking-info-percentiles", Percentiles, "50 99 99.9"),
    parameter("lazyfree-lazy-eviction", Flag, "no").in_valkey("yes"),
    parameter("lazyfree-lazy-expire", Flag, "no").in_valkey("yes"),
    parameter("lazyfree-lazy-server-del", Flag, "no").in_valkey("yes"),
    parameter("lazyfree-lazy-user-del", Flag, "no").in_valkey("yes"),
    parameter("lazyfree-lazy-user-flush", Flag, "no").in_valkey("yes"),
    parameter("lfu-decay-time", Number(0, INT), "1"),
    parameter("lfu-log-factor", Number(0, INT), "10"),
    parameter("list-compress-depth", Number(0, INT), "0"),
    parameter("list-max-listpack-size", Number(-INT - 1, INT), "-2").or("list-max-ziplist-size"),
    parameter("locale-collate", Text, "").only(AFTER_70),
    parameter("log-format", Choice(&["legacy", "logfmt", "json"]), "legacy").only(VALKEY),
    parameter("log-timestamp-format", Choice(&["legacy", "iso8601", "milliseconds"]), "legacy").only(VALKEY),
    parameter("logfile", Fixed, ""),
    parameter("loglevel", Choice(&["debug", "verbose", "notice", "warning"]), "notice").only(BEFORE_82),
    parameter("loglevel", Choice(&["debug", "verbose", "notice", "warning", "nothing"]), "notice").only(SINCE_82),
    parameter("masterauth", Text, "").only(REDIS),
    parameter("masteruser", Text, "").only(REDIS),
    parameter("max-new-connections-per-cycle", Size(1, 1000), "10").only(SINCE_74),
    parameter("max-new-tls-connections-per-cycle", Size(1, 1000), "1").only(SINCE_74),
    parameter("maxclients", Number(1, 4294967295), "10000"),
    parameter("maxmemory", Memory(0, u64::MAX), "0"),
    parameter("maxmemory-clients", Form(text::share), "0"),
    parameter("maxmemory-eviction-tenacity", Number(0, 100), "10"),
    parameter("maxmemory-policy", Choice(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"]), "noeviction").only(BEFORE_86),
    parameter("maxmemory-policy", Choice(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "volatile-lrm", "allkeys-lru", "allkeys-lfu", "allkeys-random", "allkeys-lrm", "noeviction"]), "noeviction").only(SINCE_86),
    parameter("maxmemory-samples", Number(1, INT), "5").only(BEFORE_82),
    parameter("maxmemory-samples", Number(1, 64), "5").only(SINCE_82),
    parameter("min-replicas-max-lag", Number(0, INT), "10").or("min-slaves-max-lag"),
    parameter("min-replicas-to-write", Number(0, INT), "0").or("min-slaves-to-write"),
    parameter("mptcp", Fixed, "no").only(VALKEY),
    parameter("no-appendfsync-on-rewrite", Flag, "no"),
    parameter("notify-keyspace-events", Events, ""),
    parameter("oom-score-adj", Choice(&["no", "yes", "relative", "absolute"]), "no"),
    parameter("oom-score-adj-values", Form(text::scores), "0 200 800"),
    parameter("pidfile", Fixed, ""),
    parameter("port", Number(0, 65535), "0"),
    parameter("prefetch-batch-max-size", Number(0, 128), "16").only(VALKEY),
    parameter("primaryauth", Text, "").or("masterauth").only(VALKEY),
    parameter("primaryuser", Text, "").or("masteruser").only(VALKEY),
    parameter("proc-title-template", Form(text::template), "{title} {listen-addr} {server-mode}"),
    parameter("propagation-error-behavior", Choice(&["ignore", "panic", "panic-on-replicas"]), "ignore"),
    parameter("protected-mode", Flag, "yes"),
    parameter("proto-max-bulk-len", Memory(1048576, SIZE), "536870912"),
    parameter("rdb-del-sync-files", Flag, "no"),
    parameter("rdb-save-incremental-fsync", Flag, "yes"),
    parameter("rdb-version-check", Choice(&["strict", "relaxed"]), "strict").only(VALKEY),
    parameter("rdbchecksum", Fixed, "yes"),
    parameter("rdbcompression", Flag, "yes"),
    parameter("rdma-bind", Text, "").only(VALKEY),
    parameter("rdma-completion-vector", Fixed, "-1").only(VALKEY),
    parameter("rdma-port", Number(0, 65535), "0").only(VALKEY),
    parameter("rdma-rx-size", Fixed, "1048576").only(VALKEY),
    parameter("repl-backlog-size", Memory(1, SIZE), "1048576").in_valkey("10485760"),
    parameter("repl-backlog-ttl", Number(0, LONG), "3600"),
    parameter("repl-disable-tcp-nodelay", Flag, "no"),
    parameter("repl-diskless-load", Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled").only(REDIS),
    parameter("repl-diskless-load", Choice(&["disabled", "on-empty-db", "swapdb", "flush-before-load"]), "disabled").only(VALKEY),
    parameter("repl-diskless-sync", Flag, "yes"),
    parameter("repl-diskless-sync-delay", Number(0, INT), "5"),
    parameter("repl-diskless-sync-max-replicas", Number(0, INT), "0"),
    parameter("repl-mptcp", Fixed, "no").only(VALKEY),
    parameter("repl-ping-replica-period", Number(1, INT), "10").or("repl-ping-slave-period"),
    parameter("repl-timeout", Number(1, INT), "60"),
    parameter("replica-announce-ip", Text, "").or("slave-announce-ip"),
    parameter("replica-announce-port", Number(0, 65535), "0").or("slave-announce-port"),
    parameter("replica-announced", Flag, "yes"),
    parameter("replica-full-sync-buffer-limit", Memory(0, SIZE), "0").only(REDIS_80),
    parameter("replica-ignore-disk-write-errors", Flag, "no"),
    parameter("replica-ignore-maxmemory", Flag, "yes").or("slave-ignore-maxmemory"),
    parameter("replica-lazy-flush", Flag, "no").or("slave-lazy-flush").in_valkey("yes"),
    parameter("replica-priority", Number(0, INT), "100").or("slave-priority"),
    parameter("replica-read-only", Flag, "yes").or("slave-read-only"),
    parameter("replica-serve-stale-data", Flag, "yes").or("slave-serve-stale-data"),
    parameter("replicaof", Fixed, "").or("slaveof"),
    parameter("requirepass", Password, ""),
    parameter("sanitize-dump-payload", Choice(&["no", "yes", "clients"]), "no").only(REDIS),
    parameter("save", Save, ""),
    parameter("server_cpulist", Fixed, "").or_since_72("server-cpulist"),
    parameter("set-max-intset-entries", Size(0, LONG), "512"),
    parameter("set-max-listpack-entries", Size(0, LONG), "128").only(AFTER_70),
    parameter("set-max-listpack-value", Size(0, LONG), "64").only(AFTER_70),
    parameter("set-proc-title", Fixed, "yes"),
    parameter("shutdown-on-sigint", Words(&["default", "save", "nosave", "now", "force"]), "default").only(REDIS),
    parameter("shutdown-on-sigint", Words(&["default", "save", "nosave", "now", "force", "safe", "failover"]), "default").only(VALKEY),
    parameter("shutdown-on-sigterm", Words(&["default", "save", "nosave", "now", "force"]), "default").only(REDIS),
    parameter("shutdown-on-sigterm", Words(&["default", "save", "nosave", "now", "force", "safe", "failover"]), "default").only(VALKEY),
    parameter("shutdown-timeout", Number(0, INT), "10"),
    parameter("slot-migration-max-failover-repl-bytes", Memory(0, SIZE), "0").only(VALKEY),
    parameter("slowlog-log-slower-than", Number(-1, LONG), "10000").only(REDIS),
    parameter("slowlog-max-len", Number(0, LONG), "128").only(REDIS),
    parameter("socket-mark-id", Fixed, "0"),
    parameter("stop-writes-on-bgsave-error", Flag, "yes"),
    parameter("stream-idmp-duration", Number(1, 86400), "100").only(SINCE_86),
    parameter("stream-idmp-maxsize", Number(1, 10000), "100").only(SINCE_86),
    parameter("stream-node-max-bytes", MemorySize(0, SIZE), "4096"),
    parameter("stream-node-max-entries", Number(0, LONG), "100"),
    parameter("supervised", Fixed, "no"),
    parameter("syslog-enabled", Fixed, "no"),
    parameter("syslog-facility", Fixed, "local0"),
    parameter("syslog-ident", Fixed, "redis").in_valkey("valkey"),
    parameter("tcp-backlog", Fixed, "511"),
    parameter("tcp-keepalive", Number(0, INT), "300"),
    parameter("timeout", Number(0, INT), "0"),
    parameter("tls-auth-clients", Choice(&["no", "yes", "optional"]), "yes"),
    parameter("tls-auth-clients-user", Choice(&["CN", "URI", "off"]), "off").only(VALKEY),
    parameter("tls-auto-reload-interval", Number(0, INT), "0").only(VALKEY),
    parameter("tls-ca-cert-dir", Text, ""),
    parameter("tls-ca-cert-file", Text, ""),
    parameter("tls-cert-file", Text, ""),
    parameter("tls-ciphers", Text, ""),
    parameter("tls-ciphersuites", Text, ""),
    parameter("tls-client-cert-file", Text, ""),
    parameter("tls-client-key-file", Text, ""),
    parameter("tls-client-key-file-pass", Text, ""),
    parameter("tls-cluster", Flag, "no"),
    parameter("tls-dh-params-file", Text, ""),
    parameter("tls-key-file", Text, ""),
    parameter("tls-key-file-pass", Text, ""),
    parameter("tls-port", Number(0, 65535), "0"),
    parameter("tls-prefer-server-ciphers", Flag, "no"),
    parameter("tls-protocols", Text, ""),
    parameter("tls-replication", Flag, "no"),
    parameter("tls-session-cache-size", Number(0, INT), "20480"),
    parameter("tls-session-cache-timeout", Number(0, INT), "300"),
    parameter("tls-session-caching", Flag, "yes"),
    parameter("tracking-table-max-keys", Size(0, LONG), "1000000"),
    parameter("unixsocket", Fixed, ""),
    parameter("unixsocketgroup", Fixed, "").only(VALKEY),
    parameter("unixsocketperm", Fixed, "0"),
    parameter("vset-force-single-threaded-execution", Flag, "no").only(REDIS_80),
    parameter("zset-max-listpack-entries", Size(0, LONG), "128").or("zset-max-ziplist-entries"),
    parameter("zset-max-listpack-value", MemorySize(0, SIZE), "64").or("zset-max-ziplist-value"),
];
