"""What programs on redis-py do: sessions, leaderboards, rate limits, locks, caches, and all of it async as well.
`redis_py_recipes.py redis://127.0.0.1:6379` ends with "ok" or a traceback."""

import asyncio
import json
import sys

import redis
import redis.asyncio


def sessions(r):
    """As flask-session and django-redis keep them: bytes with a deadline that each visit moves."""
    r.set("session:42", json.dumps({"user": "ann"}), ex=1800)
    assert json.loads(r.get("session:42")) == {"user": "ann"} and 0 < r.ttl("session:42") <= 1800
    assert r.expire("session:42", 3600) and r.ttl("session:42") > 1800
    assert r.set("session:43", "x", nx=True, px=100) and not r.set("session:43", "y", nx=True)
    assert r.expiretime("session:42") > r.time()[0]
    assert r.touch("session:42", "nobody") == 1 and r.unlink("session:42", "session:43") == 2


def leaderboard(r):
    r.zadd("board", {"ann": 100, "bob": 80, "eve": 60})
    assert r.zincrby("board", 50, "bob") == 130
    assert r.zadd("board", {"eve": 90}, gt=True, ch=True) == 1 and r.zadd("board", {"eve": 10}, gt=True, ch=True) == 0
    names = [name for name, _ in r.zrevrange("board", 0, 1, withscores=True)]
    assert names == [b"bob", b"ann"] and r.zrevrank("board", "eve") == 2
    assert r.zrange("board", "(90", "+inf", byscore=True) == [b"ann", b"bob"]
    assert r.zrevrangebyscore("board", 100, 0, start=0, num=1) == [b"ann"]
    r.zadd("bonus", {"ann": 1, "eve": 2})
    assert r.zunionstore("sum", {"board": 1, "bonus": 1000}) == 3
    assert r.zmscore("sum", ["eve", "nobody"]) == [2090.0, None]
    assert r.zpopmin("sum", 1)[0][0] == b"bob" and r.zremrangebyrank("board", 0, -3) == 1


def rate_limit(r):
    def allowed(user):
        with r.pipeline() as pipe:
            count, _ = pipe.incr(f"limit:{user}").expire(f"limit:{user}", 60, nx=True).execute()
        return count <= 3

    assert [allowed("ann") for _ in range(4)] == [True, True, True, False] and allowed("bob")


def sliding_window(r):
    """A sorted set of times, of which the old ones go."""
    for now in (0, 10, 20, 70):
        with r.pipeline() as pipe:
            pipe.zremrangebyscore("window", 0, now - 60)
            pipe.zadd("window", {str(now): now})
            pipe.zcard("window")
            pipe.expire("window", 60)
            count = pipe.execute()[2]
    assert count == 2, count


def queue(r):
    """One that loses no job: it lies in a list of the worker's own until it is done."""
    r.rpush("jobs", "a", "b")
    job = r.lmove("jobs", "working", "LEFT", "RIGHT")
    assert job == b"a" and r.lrem("working", 1, job) == 1 and r.llen("working") == 0
    assert r.blmove("jobs", "working", 1, "LEFT", "RIGHT") == b"b" and r.brpoplpush("jobs", "working", 0.01) is None
    assert r.lmpop(1, "working", direction="LEFT") == [b"working", [b"b"]]
    r.zadd("delayed", {"late": 20, "soon": 10})
    assert [name for name, _ in r.zpopmin("delayed", 1)] == [b"soon"] and r.bzpopmin("delayed", 1)[1] == b"late"


def bits_and_fields(r):
    r.setbit("active:monday", 7, 1)
    r.setbit("active:tuesday", 9, 1)
    assert r.bitop("OR", "active", "active:monday", "active:tuesday") == 2 and r.bitcount("active") == 2
    assert r.bitfield("counters").incrby("u8", "#0", 200).incrby("u8", "#0", 100, "SAT").execute() == [200, 255]
    r.hset("profile", mapping={"name": "ann", "visits": 1})
    assert r.hincrby("profile", "visits", 4) == 5 and r.hmget("profile", "name", "nothing") == [b"ann", None]
    assert r.hsetnx("profile", "name", "bob") == 0 and r.hstrlen("profile", "name") == 3
    assert r.sinterstore("both", ["one", "two"]) == 0 and r.sadd("one", 1, 2, 3) == 3 and r.sadd("two", 2, 3, 4) == 3
    assert r.sinter("one", "two") == {b"2", b"3"} and r.sintercard(2, ["one", "two"], limit=1) == 1
    assert r.getex("counters", ex=10) is not None and 0 < r.pttl("counters") <= 10_000
    assert r.copy("one", "three") and r.rename("three", "four") and r.smove("four", "two", 1)


async def asynchronous(url, protocol):
    async with redis.asyncio.from_url(url, decode_responses=True, protocol=protocol) as r:
        async with r.pipeline(transaction=True) as pipe:
            assert await pipe.set("a", 1).incr("a").execute() == [True, 2]
        async with r.pubsub() as channels:
            await channels.subscribe("news")
            assert (await channels.get_message(timeout=30))["type"] == "subscribe"
            assert await r.publish("news", "hello") == 1
            assert (await channels.get_message(timeout=30))["data"] == "hello"
        waiting = asyncio.create_task(r.blpop("async:jobs", timeout=30))
        while not any(client["cmd"].startswith("blpop") for client in await r.client_list()):
            await asyncio.sleep(0)
        await r.rpush("async:jobs", "job")
        assert tuple(await waiting) == ("async:jobs", "job")
        counts = await asyncio.gather(*(r.incr("hits") for _ in range(20)))
        assert sorted(counts) == list(range(1, 21))
        assert {key async for key in r.scan_iter("hit*")} == {"hits"}


def main():
    url = sys.argv[1]
    for protocol in (2, 3):
        r = redis.Redis.from_url(url, protocol=protocol)
        r.flushall()
        for part in (sessions, leaderboard, rate_limit, sliding_window, queue, bits_and_fields):
            part(r)
        asyncio.run(asynchronous(url, protocol))
    print("ok")


main()
