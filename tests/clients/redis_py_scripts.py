"""What users of redis-py do with scripts: its own locks and registered scripts, redlock.
`redis_py_scripts.py redis://127.0.0.1:6379` ends with "ok" or a traceback."""

import sys

import redis
import redlock


def own_lock(r):
    with r.lock("lock", timeout=30) as lock:
        assert lock.owned() and not r.lock("lock", blocking=False).acquire()
        assert lock.extend(30) and lock.reacquire()
    assert not r.exists("lock")


def registered(r):
    r.script_flush()
    multiply = r.register_script("return redis.call('GET', KEYS[1]) * ARGV[1]")
    r.set("n", 6)
    assert multiply(keys=["n"], args=[7]) == 42 and r.script_exists(multiply.sha) == [True]
    with r.pipeline() as pipe:
        multiply(keys=["n"], args=[2], client=pipe)
        assert pipe.execute() == [12]
    try:
        r.eval("return redis.call('INCR', KEYS[1])", 1, "text")
    except redis.ResponseError as error:
        assert "value is not an integer or out of range" in str(error), error
    else:
        raise AssertionError("a text has been counted up")


def several_servers(url):
    """Here it is one: the algorithm asks a majority."""
    locks = redlock.Redlock([url])
    held = locks.lock("resource", 30_000)
    assert held and not redlock.Redlock([url], retry_count=1).lock("resource", 30_000)
    locks.unlock(held)
    assert locks.lock("resource", 30_000)


def main():
    url = sys.argv[1]
    for protocol in (2, 3):
        r = redis.Redis.from_url(url, decode_responses=True, protocol=protocol)
        r.flushall()
        r.set("text", "x")
        own_lock(r)
        registered(r)
        several_servers(url)
    print("ok")


main()
