"""What programs that show a server to people send when they start, and to show a key: RedisInsight, Another Redis
Desktop Manager, Medis, redis_exporter and the like. `gui.py redis://127.0.0.1:6379` prints the shape of each reply, to be
compared with that of another server."""

import re
import socket
import sys
import urllib.parse

# The facts that those programs read.
FACTS = """redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz
executable config_file redis_git_sha1 redis_build_id multiplexing_api gcc_version lru_clock
connected_clients blocked_clients maxclients used_memory used_memory_human used_memory_rss used_memory_rss_human
used_memory_peak used_memory_peak_human used_memory_lua used_memory_dataset total_system_memory maxmemory maxmemory_human
maxmemory_policy mem_fragmentation_ratio mem_allocator number_of_cached_scripts loading rdb_changes_since_last_save
rdb_last_save_time rdb_last_bgsave_status aof_enabled total_connections_received total_commands_processed
instantaneous_ops_per_sec total_net_input_bytes total_net_output_bytes instantaneous_input_kbps
instantaneous_output_kbps rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses pubsub_channels
pubsub_patterns role connected_slaves master_repl_offset used_cpu_sys used_cpu_user used_cpu_sys_children
used_cpu_user_children cluster_enabled db0""".split()

# Replies of which only the kind is compared: what they tell is each server's own.
TEXTS = ["INFO commandstats", "INFO latencystats", "LATENCY DOCTOR", "LATENCY HISTOGRAM get", "MEMORY DOCTOR"]
TEXTS += ["COMMAND INFO get ft.search json.get", "COMMAND DOCS get"]

DATA = [
    "FLUSHALL",
    "SET text hello",
    "SET number 42 EX 1000",
    "RPUSH list a b c",
    "SADD set x y",
    "SADD numbers 1 2 3",
    "HSET hash f 1 g 2",
    "ZADD board 1 ann 2.5 bob",
]

START = [
    "PING",
    "AUTH wrong",
    "AUTH default anything",
    "CLIENT SETNAME a-gui",
    "CLIENT GETNAME",
    "CLIENT SETINFO LIB-NAME gui",
    "CLIENT ID",
    "CLIENT INFO",
    "CLIENT LIST",
    "CLIENT LIST TYPE normal",
    "CLIENT NO-EVICT on",
    "CLIENT NO-TOUCH on",
    "CLIENT TRACKINGINFO",
    "CLUSTER INFO",
    "CLUSTER NODES",
    "CLUSTER SLOTS",
    "SENTINEL masters",
    "ROLE",
    "TIME",
    "LASTSAVE",
    "INFO",
    "INFO all",
    "INFO everything",
    "INFO server",
    "INFO keyspace",
    "INFO server clients",
    "INFO commandstats",
    "INFO latencystats",
    "INFO nothing",
    "CONFIG GET databases",
    "CONFIG GET maxmemory*",
    "CONFIG GET slowlog-log-slower-than",
    "CONFIG GET slowlog-max-len",
    "CONFIG GET notify-keyspace-events",
    "CONFIG GET databases maxclients",
    "CONFIG GET no-such-parameter",
    "CONFIG SET slowlog-max-len 128",
    "MODULE LIST",
    "COMMAND COUNT",
    "COMMAND INFO get ft.search json.get",
    "COMMAND DOCS get",
    "COMMAND GETKEYS mset a 1 b 2",
    "COMMAND LIST FILTERBY MODULE search",
    "ACL WHOAMI",
    "ACL LIST",
    "ACL USERS",
    "ACL CAT",
    "ACL GETUSER default",
    "MEMORY DOCTOR",
    "MEMORY STATS",
    "LATENCY LATEST",
    "LATENCY HISTORY command",
    "LATENCY HISTOGRAM get",
    "LATENCY RESET",
    "LATENCY DOCTOR",
    "SLOWLOG GET 10",
    "SLOWLOG LEN",
    "SLOWLOG RESET",
    "PUBSUB CHANNELS",
    "PUBSUB NUMPAT",
    "PUBSUB NUMSUB news",
    "PUBSUB SHARDCHANNELS",
    "DBSIZE",
    "SELECT 15",
    "SELECT 16",
    "SELECT 0",
    "SCAN 0 MATCH * COUNT 1000",
    "SCAN 0 MATCH * COUNT 1000 TYPE string",
    "SCAN 0 COUNT 1000 TYPE ReJSON-RL",
    "SCAN 0 COUNT 1000 TYPE stream",
    "WAIT 0 0",
]

KEYS = "text number list set numbers hash board nothing".split()
EACH = [
    "EXISTS {}",
    "TYPE {}",
    "TTL {}",
    "PTTL {}",
    "EXPIRETIME {}",
    "OBJECT ENCODING {}",
    "OBJECT IDLETIME {}",
    "OBJECT REFCOUNT {}",
    "OBJECT FREQ {}",
    "MEMORY USAGE {}",
    "MEMORY USAGE {} SAMPLES 0",
    "STRLEN {}",
    "GETRANGE {} 0 4999",
    "HLEN {}",
    "HSCAN {} 0 MATCH * COUNT 500",
    "LLEN {}",
    "LRANGE {} 0 499",
    "LINDEX {} 0",
    "SCARD {}",
    "SSCAN {} 0 MATCH * COUNT 500",
    "ZCARD {}",
    "ZRANGE {} 0 499 WITHSCORES",
    "ZREVRANGE {} 0 499 WITHSCORES",
    "ZSCAN {} 0 MATCH * COUNT 500",
    "SORT {} BY nosort LIMIT 0 10",
]


class Connection:
    def __init__(self, url):
        where = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((where.hostname, where.port), timeout=30)
        self.file = self.socket.makefile("rb")

    def ask(self, words):
        bulks = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))
        self.socket.sendall(b"*%d\r\n%s" % (len(words), bulks))
        return self.read()

    def read(self):
        kind, line = self.file.read(1).decode(), self.file.readline()[:-2].decode()
        if kind in "+-:,#(_":
            return kind, line
        if kind in "$=!":
            return (kind, self.file.read(int(line) + 2)[:-2].decode("latin-1")) if line != "-1" else (kind, None)
        count = int(line) * (2 if kind == "%" else 1)
        return kind, None if count < 0 else [self.read() for _ in range(count)]


def text_shape(text):
    """Of INFO the facts that are read, of CLIENT LIST the names, of the rest the words."""
    if text.startswith("# ") or "\r\n# " in text:
        facts = re.findall(r"^(\w+):", text, re.MULTILINE)
        sections = re.findall(r"^# (\w+)", text, re.MULTILINE)
        return f"sections {' '.join(sections)}, facts {' '.join(fact for fact in FACTS if fact in facts)}"
    if re.match(r"id=\d+ addr=", text):
        return "client " + " ".join(field.split("=")[0] for field in text.split())
    return re.sub(r"-?\d+(\.\d+)?", "N", text)


def shape(reply, is_set=False):
    kind, value = reply
    if value is None:
        return kind + "nil"
    if kind == ":":
        return ":-N" if value.startswith("-") else ":N"
    if kind in "+$=,":
        return kind + text_shape(value.removeprefix("txt:"))
    if kind in "-#(_!":
        return kind + value
    items = [shape(item) for item in value]
    return f"{kind}[{', '.join(sorted(items) if is_set or kind == '~' else items)}]"


def main():
    for protocol in ("2", "3"):
        connection = Connection(sys.argv[1])
        connection.ask(["HELLO", protocol])
        for command in DATA:
            connection.ask(command.split())
        for command in START + [command.format(key) for key in KEYS for command in EACH]:
            # Where the order is open, or what is there depends on the version.
            name = command.split()[0]
            reply = connection.ask(command.split())
            is_set = name.endswith("SCAN") or name in ("ACL", "CONFIG", "SORT")
            if command in TEXTS:
                reply = (reply[0], "" if reply[0] in "+-$=" else [])
            if name.endswith("SCAN") and reply[0] == "*":
                reply = ("*", reply[1][1][1])
            print(f"RESP{protocol} {command}: {shape(reply, is_set)}")


main()
