"use strict";
// What users of ioredis and node-redis do with scripts: `scripts.js redis://127.0.0.1:6379`. It ends with "ok" or an error.

const assert = require("node:assert/strict");
const Redis = require("ioredis");
const { createClient, defineScript } = require("redis");

const COUNT = `
  local count = redis.call('INCR', KEYS[1])
  if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return count <= tonumber(ARGV[1]) and 1 or 0`;

const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/** A rate limiter: EVALSHA first, EVAL where the server does not know the script yet. */
async function rateLimit(r) {
  await r.script("FLUSH");
  r.defineCommand("allow", { numberOfKeys: 1, lua: COUNT });
  const allowed = [];
  for (let n = 0; n < 4; n++) allowed.push(await r.allow("limit:ann", 3, 60000));
  assert.deepEqual(allowed, [1, 1, 1, 0]);
  assert.ok((await r.pttl("limit:ann")) > 50000);
  const results = await r.pipeline().allow("limit:bob", 1, 1000).allow("limit:bob", 1, 1000).exec();
  assert.deepEqual(results, [[null, 1], [null, 0]]);
}

/** A lock that only its owner gives back, as the redlock packages have it. */
async function lock(r) {
  assert.equal(await r.set("lock", "ann", "PX", 30000, "NX"), "OK");
  assert.equal(await r.set("lock", "bob", "PX", 30000, "NX"), null);
  assert.equal(await r.eval(RELEASE, 1, "lock", "bob"), 0);
  assert.equal(await r.eval(RELEASE, 1, "lock", "ann"), 1);
  assert.equal(await r.exists("lock"), 0);
}

async function replies(r) {
  assert.deepEqual(await r.eval("return {1, 'two', {3}, 4.9, true, false, 5}", 0), [1, "two", [3], 4, 1, null, 5]);
  assert.deepEqual(await r.eval("return {1, nil, 3}", 0), [1]);
  assert.equal(await r.eval("return redis.status_reply('FINE')", 0), "FINE");
  assert.equal(await r.eval("return cjson.encode({a = {1, 2}})", 0), '{"a":[1,2]}');
  await assert.rejects(r.eval("return redis.error_reply('MINE of my own')", 0), { message: "MINE of my own" });
  await assert.rejects(r.eval("return redis.call('LPUSH', 'text', 'x')", 0), /wrong number|WRONGTYPE|attempt|script/i);
  await assert.rejects(r.evalsha("0".repeat(40), 0), { message: "NOSCRIPT No matching script. Please use EVAL." });
  const sha = await r.script("LOAD", RELEASE);
  assert.deepEqual(await r.script("EXISTS", sha, "0".repeat(40)), [1, 0]);
}

async function nodeRedis(url) {
  const allow = defineScript({
    SCRIPT: COUNT,
    NUMBER_OF_KEYS: 1,
    parseCommand: (parser, key, most) => (parser.pushKey(key), parser.push(`${most}`, "60000")),
    transformReply: (reply) => reply === 1,
  });
  for (const RESP of [2, 3]) {
    const r = await createClient({ url, RESP, scripts: { allow } }).connect();
    await r.flushAll();
    assert.deepEqual([await r.allow("limit", 1), await r.allow("limit", 1)], [true, false]);
    assert.equal(await r.eval(RELEASE, { keys: ["limit"], arguments: ["2"] }), 1);
    await r.close();
  }
}

async function main() {
  const url = process.argv[2];
  const r = new Redis(url);
  await r.flushall();
  await r.set("text", "x");
  for (const part of [rateLimit, lock, replies]) await part(r);
  await r.quit();
  await nodeRedis(url);
  console.log("ok");
}

main();
