"use strict";
// What users of ioredis do, on any server: `ioredis.js redis://127.0.0.1:6379`. It ends with "ok" or an error.

const assert = require("node:assert/strict");
const { once } = require("node:events");
const Redis = require("ioredis");

async function startUp(url) {
  const r = new Redis(url, { connectionName: "tests", db: 1 });
  await once(r, "ready"); // after INFO, as ioredis waits until the server has loaded its data
  assert.match(await r.info("server"), /\r\nredis_mode:standalone\r\n/);
  assert.equal(await r.client("GETNAME"), "tests");
  const line = await r.client("INFO");
  assert.match(line, /^id=\d+ addr=\S+ .* name=tests .* db=1 /);
  await r.flushall();
  return r;
}

async function values(r) {
  assert.equal(await r.set("a", 1, "EX", 100, "NX"), "OK");
  assert.equal(await r.set("a", 2, "NX"), null);
  assert.equal(await r.incrby("a", 4), 5);
  assert.ok((await r.ttl("a")) > 90);
  assert.equal(await r.set("a", 6, "KEEPTTL", "GET"), "5");
  assert.equal(await r.pexpire("a", 1), 1);
  await r.mset({ m1: "1", m2: "2" });
  assert.deepEqual(await r.mget("m1", "m2", "m3"), ["1", "2", null]);
  const bytes = Buffer.from([0, 255, 13, 10]);
  await r.set("bytes", bytes);
  assert.deepEqual(await r.getBuffer("bytes"), bytes);
  assert.deepEqual(await r.hgetall("nothing"), {});
  await assert.rejects(r.lpush("m1", "x"), { name: "ReplyError", message: /^WRONGTYPE/ });
  await assert.rejects(r.call("NOSUCH", "x"), { message: /^ERR unknown command 'NOSUCH', with args beginning with: 'x'/ });
}

async function collections(r) {
  assert.equal(await r.hset("user", { name: "ann", age: 41 }), 2);
  assert.deepEqual(await r.hgetall("user"), { name: "ann", age: "41" });
  assert.equal(await r.hincrbyfloat("user", "age", 0.5), "41.5");
  assert.equal(await r.zadd("board", 10, "ann", 7.5, "bob", "-inf", "eve"), 3);
  assert.deepEqual(await r.zrange("board", 0, -1, "WITHSCORES"), ["eve", "-inf", "bob", "7.5", "ann", "10"]);
  assert.deepEqual(await r.zrangebyscore("board", "(7.5", "+inf"), ["ann"]);
  assert.equal(await r.zincrby("board", 3, "bob"), "10.5");
  assert.deepEqual(await r.zpopmax("board"), ["bob", "10.5"]);
  assert.equal(await r.rpush("list", 1, 2, 3), 3);
  assert.deepEqual(await r.lrange("list", 0, -1), ["1", "2", "3"]);
  assert.equal(await r.sadd("set", "x", "y"), 2);
  assert.deepEqual((await r.smembers("set")).sort(), ["x", "y"]);
}

async function pipelines(r) {
  const replies = await r.pipeline().set("p", 1).incr("p").lpush("p", 1).get("p").exec();
  assert.deepEqual(replies.map(([, value]) => value), ["OK", 2, undefined, "2"]);
  assert.match(replies[2][0].message, /^WRONGTYPE/);
  assert.deepEqual(await r.multi().incr("p").incr("p").exec(), [[null, 3], [null, 4]]);
  const aborted = r.multi().set("p", 1).call("SET", "p").exec();
  await assert.rejects(aborted, { message: /^EXECABORT Transaction discarded because of previous errors/ });

  await r.watch("p");
  const other = r.duplicate();
  await other.incr("p");
  assert.equal(await r.multi().set("p", 0).exec(), null);
  assert.equal(await r.get("p"), "5");
  other.disconnect();

  const automatic = new Redis({ ...r.options, enableAutoPipelining: true });
  assert.deepEqual(await Promise.all([automatic.incr("q"), automatic.incr("q"), automatic.get("q")]), [1, 2, "2"]);
  automatic.disconnect();
}

async function messages(r) {
  const listener = r.duplicate();
  assert.equal(await listener.subscribe("news", "weather"), 2);
  assert.equal(await listener.psubscribe("n*"), 3);
  const got = [];
  const both = new Promise((resolve) => {
    const note = (...message) => got.push(message) === 2 && resolve();
    listener.on("message", note);
    listener.on("pmessage", note);
  });
  assert.equal(await r.publish("news", "hello"), 2);
  await both;
  assert.deepEqual(got, [["news", "hello"], ["n*", "news", "hello"]]);
  assert.deepEqual(await listener.ping(), ["pong", ""]);
  await assert.rejects(listener.get("a"));
  assert.equal(await listener.unsubscribe("news", "weather"), 1);
  assert.equal(await listener.punsubscribe("n*"), 0);
  assert.equal(await listener.get("nothing"), null);
  listener.disconnect();
}

async function waiting(r) {
  const worker = r.duplicate();
  const job = worker.blpop("high", "low", 30);
  while (!(await r.client("LIST")).includes("cmd=blpop")) await new Promise(setImmediate);
  await r.rpush("low", "resize");
  assert.deepEqual(await job, ["low", "resize"]);
  assert.equal(await worker.blpop("low", 0.01), null);
  const moved = worker.blmove("low", "done", "LEFT", "RIGHT", 30);
  await r.rpush("low", "upload");
  assert.equal(await moved, "upload");
  const task = worker.bzpopmin("tasks", 30);
  await r.zadd("tasks", 1.5, "fix");
  assert.deepEqual(await task, ["tasks", "fix", "1.5"]);
  worker.disconnect();
}

async function scans(r) {
  const pipeline = r.pipeline();
  for (let n = 0; n < 200; n++) pipeline.set(`scan:${n}`, n).hset("scanned", n, n).sadd("seen", n).zadd("ranked", n, n);
  await pipeline.exec();
  const all = async (stream) => {
    const seen = new Set();
    for await (const page of stream) page.forEach((element) => seen.add(element));
    return seen.size;
  };
  assert.equal(await all(r.scanStream({ match: "scan:*", count: 30 })), 200);
  assert.equal(await all(r.scanStream({ type: "zset" })), 2);
  assert.equal(await all(r.sscanStream("seen")), 200);
  assert.equal(await all(r.hscanStream("scanned", { match: "1*" })), 111);
  assert.equal(await all(r.zscanStream("ranked")), 200);
}

/** Sessions as express-session's store keeps them. */
async function sessions(r) {
  await r.set("sess:42", JSON.stringify({ user: "ann" }), "EX", 3600);
  assert.deepEqual(JSON.parse(await r.get("sess:42")), { user: "ann" });
  assert.equal(await r.expire("sess:42", 7200), 1);
  assert.ok((await r.ttl("sess:42")) > 3600);
  assert.equal(await r.del(["sess:42"]), 1);
}

async function rateLimit(r) {
  const allowed = async () => {
    const [[, count]] = await r.multi().incr("limit:ann").expire("limit:ann", 60, "NX").exec();
    return count <= 3;
  };
  assert.deepEqual([await allowed(), await allowed(), await allowed(), await allowed()], [true, true, true, false]);
}

async function main() {
  const r = await startUp(process.argv[2]);
  for (const part of [values, collections, pipelines, messages, waiting, scans, sessions, rateLimit]) await part(r);
  assert.equal(await r.quit(), "OK");
  console.log("ok");
}

main();
