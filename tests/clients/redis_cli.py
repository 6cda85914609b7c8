"""What people do with redis-cli: `redis_cli.py redis://127.0.0.1:6379` ends with "ok" or a traceback."""

import re
import subprocess
import sys
import urllib.parse

PORT = str(urllib.parse.urlsplit(sys.argv[1]).port)


def cli(*arguments, text=None, fails=False):
    command = ["redis-cli", "-p", PORT, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == fails, (arguments, done)
    return done.stdout


def one_by_one():
    assert cli("FLUSHALL") == "OK\n"
    assert cli("SET", "greeting", "hello") == "OK\n" and cli("--no-raw", "GET", "greeting") == '"hello"\n'
    assert cli("-x", "SET", "read", text="from its input") == "OK\n" and cli("STRLEN", "read") == "14\n"
    assert cli("-r", "3", "INCR", "n") == "1\n2\n3\n" and cli("-n", "3", "EXISTS", "n") == "0\n"
    assert cli("--no-raw", "GET", "nothing") == "(nil)\n" and cli("--no-raw", "TTL", "n") == "(integer) -1\n"
    assert cli("LPUSH", "n", "x") == "WRONGTYPE Operation against a key holding the wrong kind of value\n\n"
    assert cli("-e", "LPUSH", "n", "x", fails=True) == ""
    assert cli("NOSUCH") == "ERR unknown command 'NOSUCH', with args beginning with: \n\n"


def how_it_prints():
    cli("HSET", "hash", "f", "1", "g", "2")
    cli("ZADD", "board", "1", "ann", "2.5", "bob")
    assert cli("--no-raw", "HGETALL", "hash") == '1) "f"\n2) "1"\n3) "g"\n4) "2"\n'
    assert cli("--no-raw", "-3", "HGETALL", "hash") == '1# "f" => "1"\n2# "g" => "2"\n'
    assert cli("--no-raw", "-3", "ZSCORE", "board", "bob") == "(double) 2.5\n"
    assert cli("--csv", "ZRANGE", "board", "0", "-1", "WITHSCORES") == '"ann","1","bob","2.5"\n'
    assert cli("--json", "-3", "HGETALL", "hash") == '{"f":"1","g":"2"}\n'
    assert cli("-3", "ZRANGE", "board", "0", "-1", "WITHSCORES") == "ann\n1\nbob\n2.5\n"
    assert "redis_version:" in cli("INFO", "server") and int(cli("COMMAND", "COUNT")) > 100


def a_session():
    """Over one connection: what a line does, the next one sees."""
    lines = ["MULTI", "INCR n", "GET greeting", "EXEC", "SELECT 2", 'SET "a key" "a\\nvalue"', "KEYS *", "CLIENT GETNAME"]
    assert cli("--no-raw", text="\n".join(lines)).splitlines() == [
        "OK", "QUEUED", "QUEUED", "1) (integer) 4", '2) "hello"', "OK", "OK", '1) "a key"', "(nil)",
    ]  # fmt: skip


def looking_through():
    cli("--pipe", text="".join(f"SET key:{n} {n}\r\n" for n in range(500)))
    assert len(cli("--scan", "--pattern", "key:*").split()) == 500
    assert cli("SCAN", "0", "COUNT", "1000", "TYPE", "hash") == "0\nhash\n"
    for option in ("--bigkeys", "--memkeys"):
        summary = cli(option)
        assert re.search(r"Sampled 505 keys in the keyspace", summary), summary
        assert re.search(r"""Biggest\s+hash found ['"]+hash['"]+ has""", summary), summary
        assert "503 strings" in summary, summary


def filling():
    """Both forms that --pipe takes: the protocol, and plain lines."""
    many = "".join(f"*3\r\n$4\r\nSADD\r\n$3\r\nset\r\n${len(str(n))}\r\n{n}\r\n" for n in range(2000))
    assert "errors: 0, replies: 2000" in cli("--pipe", text=many)
    assert "errors: 1, replies: 2" in cli("--pipe", text="SET n x\r\nLPUSH n x\r\n", fails=True)
    assert cli("SCARD", "set") == "2000\n"


def listening():
    """It listens until it is ended."""
    listener = subprocess.Popen(["redis-cli", "-p", PORT, "SUBSCRIBE", "news"], stdout=subprocess.PIPE, text=True)
    try:
        assert [listener.stdout.readline().strip() for _ in range(3)] == ["subscribe", "news", "1"]
        assert cli("PUBLISH", "news", "hello") == "1\n"
        assert [listener.stdout.readline().strip() for _ in range(3)] == ["message", "news", "hello"]
    finally:
        listener.kill()
        listener.wait()


def measuring():
    least, most, average, samples = cli("--latency", "--raw", "-i", "0.1").split()[:4]
    assert 0 <= int(least) <= float(average) <= int(most) and int(samples) >= 1


def main():
    for part in (one_by_one, how_it_prints, a_session, looking_through, filling, listening, measuring):
        part()
    print("ok")


main()
