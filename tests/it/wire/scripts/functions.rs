//! FUNCTION and FCALL.

use larder::{Protocol, Reply, Session, Store};

use super::compare_all;
use crate::differential::server::Server;
use crate::wire::redis::Redis;
use crate::wire::value::Value;
use crate::wire::{Words, answer, words};

fn load(code: &str) -> Words {
    words!["FUNCTION", "LOAD", code]
}

#[test]
fn libraries_are_loaded_and_told_as_redis_does() {
    let named = |what: &str| load(&format!("#!lua name=lz\nredis.register_function({what})"));
    let mut commands = vec![
        load(
            "#!lua name=one\nredis.register_function('f', function(keys, args) return {keys[1], args[1], #keys} end)",
        ),
        load("#!lua name=one\nredis.register_function('f', function() return 1 end)"),
        load("#!lua name=two\nredis.register_function('f', function() return 1 end)"),
        load("#!lua name=one\n"),
        load("return 1"),
        load("#!lua\nreturn 1"),
        load("#!lua name=x"),
        load("#!\nreturn 1"),
        load("#!foo name=x\nreturn 1"),
        load("#!LUA name=x\nreturn 1"),
        load("#!lua name=x what=1\nreturn 1"),
        load("#!lua name=x name=y\nreturn 1"),
        load("#!lua name=\nreturn 1"),
        load("#!lua name=l-4\nreturn 1"),
        load("#!lua name=x\nreturn 1"),
        load("#!lua name=x\nx x"),
        load("#!lua name=x\nerror('x')"),
        load("#!lua name=x\nx = 1"),
        load("#!lua name=x\nlocal a = nil; a.b = 1"),
        load("#!lua name=x\nredis.call('set', 'a', 'b')"),
        load("#!lua name=x\nredis.log(redis.LOG_NOTICE, 'x') return foo"),
        // Half a second each.
        load("#!lua name=x\nwhile true do end"),
        load("#!lua name=x\nlocal function f() while true do end end f()"),
        words!["FUNCTION", "LOAD"],
        words!["FUNCTION", "LOAD", "what", "#!lua name=x\nreturn 1"],
        words!["FUNCTION", "LOAD", "replace", "what", "#!lua name=x\nreturn 1"],
        words!["FUNCTION", "LOAD", "replace", "#!lua name=x\nreturn 1"],
        words!["FUNCTION", "LIST"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "o*"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "x*"],
        words!["FUNCTION", "LIST", "WITHCODE"],
        words!["FUNCTION", "LIST", "withcode", "libraryname", "one"],
        words!["FUNCTION", "LIST", "LIBRARYNAME"],
        words!["FUNCTION", "LIST", "WHAT"],
        words!["FUNCTION", "LIST", "WITHCODE", "WITHCODE"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "a", "LIBRARYNAME", "b"],
        words!["FUNCTION", "STATS"],
        words!["FUNCTION", "STATS", "x"],
        words!["FUNCTION", "KILL"],
        words!["FUNCTION", "WHAT"],
        words!["FUNCTION", "HELP"],
        words!["FUNCTION"],
        words![
            "FUNCTION",
            "LOAD",
            "REPLACE",
            "#!lua name=one\nredis.register_function('g', function() return 7 end)"
        ],
        words!["FCALL", "f", "0"],
        words!["FCALL", "g", "0"],
        words!["FUNCTION", "LOAD", "REPLACE", "#!lua name=one\nx x"],
        words!["FCALL", "g", "0"],
        words!["FUNCTION", "DELETE", "what"],
        words!["FUNCTION", "DELETE"],
        words!["FUNCTION", "DELETE", "one"],
        words!["FCALL", "g", "0"],
        words!["FUNCTION", "FLUSH", "x"],
        words!["FUNCTION", "FLUSH", "sync", "x"],
    ];
    for what in [
        "",
        "'f'",
        "'f', 1",
        "1, 2",
        "{}, function() end",
        "'f', function() end, 3",
        "{}",
        "{1}",
        "{function_name = 1}",
        "{function_name = {}, callback = function() end}",
        "{function_name = 'a', callback = 1}",
        "{callback = function() end}",
        "{function_name = 'a', callback = function() end, flags = {'x'}}",
        "{function_name = 'a', callback = function() end, flags = 'x'}",
        "{function_name = 'a', callback = function() end, x = 'x'}",
        "{function_name = 'a-b', callback = function() end}",
        "{function_name = '', callback = function() end}",
        "'q', function() end) redis.register_function('q', function() end",
    ] {
        commands.push(named(what));
    }
    commands.extend([
        load(
            "#!lua name=flags\nredis.register_function{function_name = 'fl', callback = function() return \
             redis.call('set', 'a', 'b') end, flags = {'no-writes', 'allow-oom', 'allow-stale', 'no-cluster', \
             'allow-cross-slot-keys'}, description = 'hello'}",
        ),
        words!["FUNCTION", "LIST", "LIBRARYNAME", "flags"],
        words!["FCALL", "fl", "0"],
        words!["FCALL_RO", "fl", "0"],
        words!["FUNCTION", "FLUSH", "ASYNC"],
        words!["FUNCTION", "LIST"],
    ]);
    compare_all(&commands);
}

#[test]
fn names_of_functions_are_the_same_in_any_case_and_those_of_libraries_are_not() {
    let registers =
        |library: &str, what: &str| format!("#!lua name={library}\nredis.register_function({what})");
    compare_all(&[
        load(&registers("lib", "'Foo', function() return 1 end")),
        words!["FCALL", "foo", "0"],
        words!["FCALL_RO", "FOO", "0"],
        load(&registers("other", "'foo', function() return 2 end")),
        load(&registers("Other", "'FOO', function() return 2 end")),
        load(&registers("Other", "'Bar', function() error('x') end")),
        words!["FCALL", "bAR", "0"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "other"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "L*"],
        words!["FUNCTION", "LOAD", "REPLACE", registers("lib", "'FOO', function() return 3 end")],
        words!["FCALL", "foo", "0"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "lib"],
        words!["FUNCTION", "STATS"],
        words!["FUNCTION", "DELETE", "LIB"],
        load(&registers("LIB", "'lib', function() return 4 end")),
        words!["FUNCTION", "DELETE", "lib"],
        words!["FCALL", "LIB", "0"],
        words!["FCALL", "foo", "0"],
    ]);
}

#[test]
fn functions_are_called_as_redis_does() {
    let library = "#!lua name=lib\n\
        local count = 0\n\
        local function counted(keys, args) count = count + 1 return count end\n\
        redis.register_function('counted', counted)\n\
        redis.register_function('given', function(keys, args) return {keys, args, #keys, #args} end)\n\
        redis.register_function('set', function(keys, args) return redis.call('set', keys[1], args[1]) end)\n\
        redis.register_function('late', function() redis.register_function('x', function() end) end)\n\
        redis.register_function('missing', function() return foo end)\n\
        redis.register_function('keys', function() return KEYS end)\n\
        redis.register_function('global', function() foo = 1 end)\n\
        redis.register_function('unknown', function() return redis.call('foo') end)\n\
        redis.register_function('fails', function() error('in it') end)\n\
        redis.register_function('table', function() error({err = 'MY error'}) end)\n\
        redis.register_function('json', function(k, a) return cjson.encode(cjson.decode(a[1])) end)\n\
        redis.register_function('names', function() local t = {} for k in pairs(_G) do t[#t + 1] = k end \
            table.sort(t) return t end)\n\
        redis.register_function('api', function() local t = {} for k in pairs(redis) do t[#t + 1] = k end \
            table.sort(t) return t end)\n\
        redis.register_function{function_name = 'reads', callback = function(keys) return \
            redis.call('get', keys[1]) end, flags = {'no-writes'}}\n";
    let mut commands = vec![
        load(library),
        words!["FCALL", "counted", "0"],
        words!["FCALL", "counted", "0"],
        words!["FCALL", "given", "1", "a", "b", "c"],
        words!["FCALL", "given", "2", "a"],
        words!["FCALL", "given", "x", "a"],
        words!["FCALL", "given", "-1", "a"],
        words!["FCALL", "what", "x"],
        words!["FCALL", "given"],
        words!["FCALL", "set", "1", "a", "b"],
        words!["FCALL_RO", "set", "1", "a", "c"],
        words!["FCALL", "reads", "1", "a"],
        words!["FCALL_RO", "reads", "1", "a"],
        words!["FCALL", "json", "0", "{\"a\":[1,2,null]}"],
        words!["EVAL", "return redis.call('fcall', 'counted', 0)", "0"],
        words!["EVAL", "return x", "0"],
        words!["MULTI"],
        words!["FCALL", "set", "1", "a", "d"],
        words!["GET", "a"],
        words!["EXEC"],
    ];
    for name in ["late", "missing", "keys", "global", "unknown", "fails", "table", "names", "api"] {
        commands.push(words!["FCALL", name, "0"]);
    }
    compare_all(&commands);
}

/// A store and a server, asked the same.
struct Both {
    redis: Redis,
    session: Session,
}

impl Both {
    /// Asks both, who must agree.
    fn ask(&mut self, words: &Words) {
        let reply = answer(&mut self.session, words);
        let (ours, theirs) = (self.session.encode(&reply), self.redis.ask(words));
        let command = crate::wire::script(std::slice::from_ref(words));
        assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{command}");
    }

    /// What both dump.
    fn dump(&mut self, words: &Words) -> [Vec<u8>; 2] {
        let reply = answer(&mut self.session, words);
        [self.session.encode(&reply), self.redis.ask(words)].map(|reply| match Value::parse(&reply) {
            Some(Value::One(b'$', payload)) => payload,
            other => panic!("no payload: {other:?}"),
        })
    }
}

#[test]
fn libraries_are_restored_from_each_others_payloads() {
    let library = |name: &str, function: &str, more: &str| {
        load(&format!(
            "#!lua name={name}\nredis.register_function('{function}', function() return '{function}' end)\n{more}"
        ))
    };
    let (flush, dump) = (words!["FUNCTION", "FLUSH"], words!["FUNCTION", "DUMP"]);
    let restore = |payload: &[u8], how: &str| words!["FUNCTION", "RESTORE", payload, how];
    for server in Server::each() {
        let redis = Redis::connect(server.port(), Protocol::Resp2);
        let session = Store::builder().seed(7).build().session().compat(redis.compat);
        let mut both = Both { redis, session };
        let [empty, theirs] = both.dump(&dump);
        assert_eq!(empty, theirs);
        both.ask(&library("two", "g", ""));
        let [two, theirs] = both.dump(&dump);
        assert_eq!(two, theirs);
        both.ask(&library("one", "f", &format!("--{}", "long ".repeat(100))));
        both.ask(&words!["SET", "key", "value"]);
        let [ours, theirs] = both.dump(&dump);
        let [value, _] = both.dump(&words!["DUMP", "key"]);
        for payload in [&ours, &theirs] {
            both.ask(&restore(payload, "FLUSH"));
            both.ask(&words!["FCALL", "f", "0"]);
            both.ask(&words!["FUNCTION", "LIST", "LIBRARYNAME", "one", "WITHCODE"]);
            both.ask(&words!["FUNCTION", "LIST", "LIBRARYNAME", "two", "WITHCODE"]);
            both.ask(&restore(payload, "replace"));
            both.ask(&words!["FCALL", "g", "0"]);
            both.ask(&flush);
            both.ask(&restore(payload, "APPEND"));
            both.ask(&words!["FUNCTION", "STATS"]);
        }
        both.ask(&words!["FUNCTION", "RESTORE", two]);
        both.ask(&restore(&two, "what"));
        both.ask(&words!["FUNCTION", "RESTORE", two, "FLUSH", "x"]);
        both.ask(&words!["FUNCTION", "RESTORE"]);
        both.ask(&words!["FUNCTION", "DUMP", "x"]);
        both.ask(&flush);
        both.ask(&library("other", "g", ""));
        both.ask(&words!["FUNCTION", "RESTORE", two]);
        both.ask(&restore(&two, "REPLACE"));
        both.ask(&words!["FCALL", "g", "0"]);
        for bad in [&ours[..9], &ours[1..], &value[..], &[]] {
            both.ask(&restore(bad, "FLUSH"));
        }
        both.ask(&words!["FUNCTION", "STATS"]);
        both.ask(&restore(&empty, "FLUSH"));
        both.ask(&words!["FUNCTION", "STATS"]);
    }
}

/// The call comes before what it calls, whatever becomes of it.
#[test]
fn a_monitor_is_shown_calls_of_scripts_and_functions() {
    let store = Store::new();
    let mut monitor = store.session();
    monitor.call(["MONITOR"]);
    let mut session = store.session();
    let code = "#!lua name=l\nredis.register_function('f', function() return redis.call('incr', 'n') end)";
    let script = "return redis.call('set', 'k', 'v')";
    for words in [
        &["EVAL", script, "0"][..],
        &["EVALSHA", "abc", "0"],
        &["EVAL", "bad(", "0"],
        &["EVAL", script],
        &["EVAL_RO", script, "0"],
        &["FUNCTION", "LOAD", code],
        &["FCALL", "f", "0"],
        &["MULTI"],
        &["EVAL", script, "0"],
        &["EXEC"],
    ] {
        session.call(words.iter().copied());
    }
    let shown: Vec<String> = std::iter::from_fn(|| monitor.try_message())
        .map(|line| {
            let Reply::Status(line) = line else { panic!("no line: {line:?}") };
            line.split_once(" [0 ").unwrap().1.replace('"', "")
        })
        .collect();
    let script = script.to_owned();
    let calls = |name: &str| format!("?:0] {name} {script} 0");
    let expected = [
        &calls("EVAL"),
        "lua] set k v",
        "?:0] EVALSHA abc 0",
        "?:0] EVAL bad( 0",
        &calls("EVAL_RO"),
        &format!("?:0] FUNCTION LOAD {}", code.replace('\n', "\\n")),
        "?:0] FCALL f 0",
        "lua] incr n",
        "?:0] MULTI",
        &calls("EVAL"),
        "lua] set k v",
        "?:0] EXEC",
    ];
    assert_eq!(shown, expected);
}
