"use strict";
// What users of node-redis do, in RESP2 and RESP3: `node_redis.js redis://127.0.0.1:6379`. It ends with "ok" or an error.

const assert = require("node:assert/strict");
const { createClient, createClientPool, WatchError } = require("redis");

/** Who fails here fails the program. */
const opened = [];
async function connect(options) {
  const r = createClient(options);
  r.on("error", (error) => { throw error; });
  opened.push(r);
  return r.connect();
}

async function values(r) {
  assert.equal(await r.set("a", 1, { expiration: { type: "EX", value: 100 }, condition: "NX" }), "OK");
  assert.equal(await r.set("a", 2, { condition: "NX" }), null);
  assert.equal(await r.incrBy("a", 4), 5);
  assert.ok((await r.ttl("a")) > 90);
  assert.equal(await r.incrByFloat("f", 0.1), "0.1");
  assert.deepEqual(await r.mGet(["a", "nothing"]), ["5", null]);
  assert.equal(await r.exists("a"), 1);
  await assert.rejects(r.lPush("a", "x"), /WRONGTYPE/);
  assert.equal(await r.type("a"), "string");
  assert.equal(await r.getDel("a"), "5");
}

async function collections(r) {
  assert.equal(await r.hSet("user", { name: "ann", age: 41 }), 2);
  assert.deepEqual({ ...(await r.hGetAll("user")) }, { name: "ann", age: "41" });
  assert.deepEqual(await r.hmGet("user", ["name", "nothing"]), ["ann", null]);
  assert.equal(await r.zAdd("board", [{ score: 10, value: "ann" }, { score: 7.5, value: "bob" }, { score: -Infinity, value: "eve" }]), 3);
  const ranked = await r.zRangeWithScores("board", 0, -1);
  assert.deepEqual(ranked, [{ value: "eve", score: -Infinity }, { value: "bob", score: 7.5 }, { value: "ann", score: 10 }]);
  assert.equal(await r.zScore("board", "bob"), 7.5);
  assert.equal(await r.zScore("board", "nobody"), null);
  assert.equal(await r.zIncrBy("board", 3, "bob"), 10.5);
  assert.deepEqual(await r.zPopMax("board"), { value: "bob", score: 10.5 });
  assert.deepEqual(await r.zmScore("board", ["ann", "nobody"]), [10, null]);
  assert.equal(await r.rPush("list", ["1", "2", "3"]), 3);
  assert.deepEqual(await r.lRange("list", 0, -1), ["1", "2", "3"]);
  assert.equal(await r.lPos("list", "2"), 1);
  assert.equal(await r.sAdd("set", ["x", "y"]), 2);
  assert.deepEqual((await r.sMembers("set")).sort(), ["x", "y"]);
  assert.deepEqual(await r.smIsMember("set", ["x", "z"]), [1, 0]);
  assert.ok(["x", "y"].includes(await r.sRandMember("set")));
}

async function transactions(r, options) {
  assert.deepEqual(await r.multi().incr("n").incr("n").get("n").exec(), [1, 2, "2"]);
  const [ok, two] = await Promise.all([r.set("p", 1), r.incr("p")]);
  assert.deepEqual([ok, two], ["OK", 2]);
  await r.watch("n");
  const other = await connect(options);
  await other.incr("n");
  await assert.rejects(r.multi().set("n", 0).exec(), WatchError);
  await assert.rejects(r.multi().addCommand(["SET", "n"]).exec(), /EXECABORT|wrong number/);
  assert.equal(await r.get("n"), "3");
}

async function messages(r, options) {
  const listener = await connect(options);
  const got = [];
  await new Promise((resolve, reject) => {
    const note = (message, channel) => got.push([channel, message]) === 2 && resolve();
    Promise.all([listener.subscribe("news", note), listener.pSubscribe("n*", note)])
      .then(() => r.publish("news", "hello"))
      .then((count) => assert.equal(count, 2))
      .catch(reject);
  });
  assert.deepEqual(got, [["news", "hello"], ["news", "hello"]]);
  assert.match(await listener.ping(), /^pong$/i);
  await listener.unsubscribe("news");
  await listener.pUnsubscribe();
  assert.equal(await listener.get("nothing"), null);
}

async function waiting(r, options) {
  const worker = await connect(options);
  const job = worker.blPop(["high", "low"], 30);
  while (!(await r.clientList()).some((client) => client.cmd === "blpop")) await new Promise(setImmediate);
  await r.rPush("low", "resize");
  assert.deepEqual(await job, { key: "low", element: "resize" });
  assert.equal(await worker.blPop("low", 0.01), null);
  const task = worker.bzPopMin("tasks", 30);
  await r.zAdd("tasks", { score: 1.5, value: "fix" });
  assert.deepEqual(await task, { key: "tasks", value: "fix", score: 1.5 });
}

async function scans(r) {
  await Promise.all(Array.from({ length: 100 }, (_, n) => r.multi().set(`scan:${n}`, n).hSet("scanned", `${n}`, n).exec()));
  const keys = new Set();
  for await (const page of r.scanIterator({ MATCH: "scan:*", COUNT: 30, TYPE: "string" })) page.forEach((key) => keys.add(key));
  assert.equal(keys.size, 100);
  const fields = new Set();
  for await (const page of r.hScanIterator("scanned")) page.forEach(({ field }) => fields.add(field));
  assert.equal(fields.size, 100);
}

async function server(r, options) {
  await r.clientSetName("tests");
  assert.equal(await r.clientGetName(), "tests");
  const info = await r.clientInfo();
  assert.deepEqual([info.name, info.db, info.resp], ["tests", options.database, options.RESP]);
  assert.match(await r.info("server"), /redis_version:/);
  assert.equal((await r.configGet("maxmemory")).maxmemory, "0");
  assert.ok((await r.commandCount()) > 100);
  assert.equal(await r.dbSize(), (await r.keys("*")).length);
  assert.equal(await r.objectEncoding("user"), "listpack");
}

async function pools(options) {
  const pool = await createClientPool(options, { minimum: 1, maximum: 4 }).connect();
  const counts = await Promise.all(Array.from({ length: 20 }, () => pool.incr("pooled")));
  assert.deepEqual(counts.sort((a, b) => a - b), Array.from({ length: 20 }, (_, n) => n + 1));
  pool.destroy();
}

async function main() {
  for (const RESP of [2, 3]) {
    const options = { url: process.argv[2], RESP, database: 2 };
    const r = await connect(options);
    await r.flushAll();
    for (const part of [values, collections, transactions, messages, waiting, scans, server]) await part(r, options);
    await pools(options);
    await Promise.all(opened.splice(0).map((client) => client.close()));
  }
  console.log("ok");
}

// A pool leaves timers behind, which would keep the process for some seconds.
main().then(() => process.exit());
