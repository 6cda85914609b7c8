//! Scripts as people have them: locks, rate limits, queues.

use super::compare_all;
use crate::wire::{Words, words};

const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
const EXTEND: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";

const FIXED_WINDOW: &str = "local current = redis.call('INCR', KEYS[1])
if tonumber(current) == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
if current > tonumber(ARGV[1]) then return {0, 0} end
return {1, tonumber(ARGV[1]) - current}";

const SLIDING_WINDOW: &str =
    "local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
if count < limit then
  redis.call('ZADD', KEYS[1], now, ARGV[4])
  redis.call('PEXPIRE', KEYS[1], window)
  return {1, limit - count - 1, cjson.encode({count = count, at = now})}
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {0, 0, tostring(tonumber(oldest[2]) + window - now)}";

const TOKEN_BUCKET: &str = "local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(state[1]) or tonumber(ARGV[1]), tonumber(state[2]) or 0
local now = tonumber(ARGV[3])
tokens = math.min(tonumber(ARGV[1]), tokens + (now - at) * tonumber(ARGV[2]))
local allowed = tokens >= 1
if allowed then tokens = tokens - 1 end
redis.call('HMSET', KEYS[1], 'tokens', tokens, 'at', now)
return {allowed and 1 or 0, tostring(tokens)}";

const ADD_JOB: &str = "local prefix = KEYS[1]
local args = cmsgpack.unpack(ARGV[1])
local id = args[1] ~= '' and args[1] or redis.call('INCR', prefix .. 'id')
local key = prefix .. id
if redis.call('EXISTS', key) == 1 then return id .. '' end
local opts = cjson.decode(ARGV[3])
redis.call('HMSET', key, 'name', args[2], 'data', ARGV[2], 'opts', cjson.encode({delay = opts.delay}),
  'timestamp', args[3], 'delay', opts.delay or 0, 'priority', opts.priority or 0)
if (opts.delay or 0) > 0 then
  redis.call('ZADD', prefix .. 'delayed', (args[3] + opts.delay) * 0x1000 + bit.band(id, 0xfff), id)
elseif (opts.priority or 0) > 0 then
  redis.call('ZADD', prefix .. 'prioritized', opts.priority, id)
else
  redis.call(opts.lifo and 'RPUSH' or 'LPUSH', prefix .. 'wait', id)
end
return id .. ''";

const MOVE_TO_ACTIVE: &str = "local prefix, now = KEYS[1], tonumber(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', prefix .. 'delayed', 0, (now + 1) * 0x1000 - 1, 'LIMIT', 0, 1000)
if #due > 0 then
  redis.call('ZREM', prefix .. 'delayed', unpack(due))
  for _, id in ipairs(due) do redis.call('LPUSH', prefix .. 'wait', id) end
end
local id = redis.call('RPOPLPUSH', prefix .. 'wait', prefix .. 'active')
if not id then return {false, false, (redis.call('ZRANGE', prefix .. 'delayed', 0, 0, 'WITHSCORES')[2] or 0)} end
redis.call('SET', prefix .. id .. ':lock', ARGV[2], 'PX', 30000)
redis.call('HSET', prefix .. id, 'processedOn', now)
return {redis.call('HGETALL', prefix .. id), id, #due}";

const FINISH: &str = "local prefix, id = KEYS[1], ARGV[1]
if redis.call('EXISTS', prefix .. id) ~= 1 then return -1 end
local token = redis.call('GET', prefix .. id .. ':lock')
if token ~= ARGV[2] then return token and -6 or -2 end
redis.call('DEL', prefix .. id .. ':lock')
if redis.call('LREM', prefix .. 'active', -1, id) < 1 then return redis.error_reply('NOTACTIVE job ' .. id) end
redis.call('ZADD', prefix .. 'completed', ARGV[3], id)
redis.call('HMSET', prefix .. id, 'returnvalue', ARGV[4], 'finishedOn', ARGV[3])
redis.call('PUBLISH', prefix .. 'events', cjson.encode({event = 'completed'}))
return redis.status_reply('DONE')";

fn eval(script: &str, key: &str, args: &[&str]) -> Words {
    let mut words = words!["EVAL", script, "1", key];
    words.extend(args.iter().map(|arg| arg.as_bytes().to_vec()));
    words
}

#[test]
fn locks_and_limits_run_as_on_redis() {
    let mut commands = vec![
        words!["SET", "lock", "me", "NX", "PX", "30000"],
        eval(RELEASE, "lock", &["you"]),
        eval(EXTEND, "lock", &["me", "60000"]),
        eval(RELEASE, "lock", &["me"]),
        eval(RELEASE, "lock", &["me"]),
        words!["SCRIPT", "LOAD", FIXED_WINDOW],
    ];
    for at in 0..6 {
        commands.push(eval(FIXED_WINDOW, "fixed", &["3", "60"]));
        let now = (1000 + at * 300).to_string();
        commands.push(eval(SLIDING_WINDOW, "sliding", &[&now, "1000", "3", &now]));
        commands.push(eval(TOKEN_BUCKET, "bucket", &["2", "0.001", &now]));
    }
    compare_all(&commands);
}

#[test]
fn a_queue_runs_as_on_redis() {
    // {"", "name", 1700000000000} and {"mine", "name", 1700000000000}
    let any = b"\x93\xa0\xa4name\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x00".as_slice();
    let mine = b"\x93\xa4mine\xa4name\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x00".as_slice();
    let mut commands = Vec::new();
    for (packed, opts) in [
        (any, "{}"),
        (mine, "{\"lifo\":true}"),
        (mine, "{}"),
        (any, "{\"delay\":5000}"),
        (any, "{\"priority\":3}"),
        (any, "x"),
        (b"\xc1", "{}"),
    ] {
        commands.push(words!["EVAL", ADD_JOB, "1", "q:", packed, "{\"a\":1}", opts]);
    }
    for (now, token) in [("1700000000000", "t1"), ("1700000000001", "t2"), ("1700000005000", "t3")] {
        commands.push(eval(MOVE_TO_ACTIVE, "q:", &[now, token]));
    }
    for (id, token) in [("mine", "t2"), ("mine", "t1"), ("mine", "t1"), ("1", "t2"), ("9", "t2"), ("2", "t3")]
    {
        commands.push(eval(FINISH, "q:", &[id, token, "1700000006000", "\"ok\""]));
    }
    commands.push(eval(MOVE_TO_ACTIVE, "q:", &["1700000006000", "t4"]));
    commands.push(words!["ZRANGE", "q:completed", "0", "-1", "WITHSCORES"]);
    compare_all(&commands);
}
