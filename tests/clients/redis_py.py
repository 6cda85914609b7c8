"""What users of redis-py do, on any server: `redis_py.py redis://127.0.0.1:6379`. It ends with "ok" or a traceback.

Run on a real Redis first, unchanged: what passes there and not on larder is a fault of larder's."""

import sys
import threading
import time

import redis


def connect(url, protocol):
    return redis.Redis.from_url(url, decode_responses=True, protocol=protocol)


def values(r):
    assert r.set("a", "1") and r.get("a") == "1" and r.incrby("a", 4) == 5
    assert r.set("s", "x", nx=True, ex=10) is True and r.set("s", "y", nx=True) is None
    assert 0 < r.ttl("s") <= 10 and r.getdel("s") == "x" and r.get("s") is None
    assert r.mset({"m1": 1, "m2": 2}) and r.mget("m1", "m2", "m3") == ["1", "2", None]
    assert r.setbit("bits", 7, 1) == 0 and r.bitcount("bits") == 1
    try:
        r.lpush("a", 1)
    except redis.ResponseError as error:
        assert str(error).startswith("WRONGTYPE"), error
    else:
        raise AssertionError("a string is no list")


def collections(r):
    assert r.rpush("list", 1, 2, 3) == 3 and r.lrange("list", 0, -1) == ["1", "2", "3"]
    assert r.lpop("list", 2) == ["1", "2"] and r.sort("list", desc=True) == ["3"]
    assert r.hset("hash", mapping={"f": 1, "g": 2}) == 2 and r.hgetall("hash") == {"f": "1", "g": "2"}
    assert r.sadd("set", "x", "y") == 2 and r.smembers("set") == {"x", "y"}
    assert r.zadd("board", {"ann": 10, "bob": 7.5}) == 2 and r.zrevrank("board", "ann") == 0
    assert [tuple(entry) for entry in r.zrange("board", 0, -1, withscores=True)] == [("bob", 7.5), ("ann", 10.0)]
    assert sorted(r.scan_iter(match="*", count=2)) == sorted(r.keys("*"))
    assert dict(r.hscan_iter("hash")) == r.hgetall("hash") and set(r.sscan_iter("set")) == r.smembers("set")


def transactions(r):
    with r.pipeline() as pipe:
        assert pipe.incr("n").incr("n").get("n").execute() == [1, 2, "2"]

    def tenfold(pipe):
        value = int(pipe.get("n"))
        if value == 2:
            r.set("n", 3)  # somebody else is faster, once
        pipe.multi()
        pipe.set("n", value * 10)

    assert r.transaction(tenfold, "n") == [True] and r.get("n") == "30"


def pipelines(r):
    # All of it is written before a reply is read, and neither fits what lies between.
    page = "x" * 1024
    r.set("page", page)
    with r.pipeline(transaction=False) as pipe:
        for _ in range(50_000):
            pipe.get("page")
        assert all(got == page for got in pipe.execute())
    r.delete("page")


def waiting(r, other):
    popped = []
    thread = threading.Thread(target=lambda: popped.append(other.blpop(["high", "low"], timeout=30)))
    thread.start()
    while other.connection_pool and not any(c["cmd"].startswith("blpop") for c in r.client_list()):
        time.sleep(0.001)
    r.rpush("low", "job")
    thread.join()
    assert [tuple(element) for element in popped] == [("low", "job")], popped
    assert r.llen("low") == 0 and r.blpop("low", timeout=0.01) is None


def messages(r, other):
    channels = other.pubsub()
    channels.subscribe("news")
    channels.psubscribe("n*")
    assert [channels.get_message(timeout=30)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert r.publish("news", "hello") == 2
    got = [channels.get_message(timeout=30) for _ in range(2)]
    assert sorted((m["type"], m["data"]) for m in got) == [("message", "hello"), ("pmessage", "hello")], got
    assert r.pubsub_channels() == ["news"] and r.pubsub_numpat() == 1
    channels.close()


def server(r):
    info = r.info()
    assert info["role"] == "master" and info["redis_version"] and info["db0"]["keys"] == r.dbsize()
    assert r.config_get("maxmemory")["maxmemory"] == "0" and r.command_count() > 100
    assert r.client_setname("tests") and r.client_getname() == "tests" and r.client_id() > 0
    assert r.object("encoding", "a") == "int" and r.type("board") == "zset" and r.time()[0] > 0


def main():
    url = sys.argv[1]
    for protocol in (2, 3):
        r, other = connect(url, protocol), connect(url, protocol)
        r.flushall()
        values(r)
        collections(r)
        transactions(r)
        pipelines(r)
        waiting(r, other)
        messages(r, other)
        server(r)
    print("ok")


main()
