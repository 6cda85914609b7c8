//! Scripts that ask for more than there is, and such as try to get out of what they are given.

use std::thread;

use larder::{Compat, Error, Reply, Session, Store};

use super::kill::{start, text};
use super::{compare_all, compare_scripts};
use crate::wire::words;

/// The reply of a script to a store of its own.
fn eval(script: &str) -> Reply {
    Store::new().session().call(["EVAL", script, "0"])
}

fn fails(script: &str, with: &str) {
    let error = text(eval(script));
    assert!(error.contains(with), "{script}: {error}");
}

/// As the thread of a test or of a program has it.
fn on_a_small_stack<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(2 << 20).spawn(task).unwrap().join().unwrap()
}

#[test]
fn large_tables_become_json_messages_and_replies() {
    compare_scripts([
        "local t = {} for i = 1, 9000 do t[i] = 'v' .. i end return cjson.encode(t)",
        "local t = {} for i = 1, 9000 do t[i] = {i, {}} end return cjson.encode(t)",
        "local t = {} for i = 1, 9000 do t['k' .. i] = 'v' .. i end return #cjson.encode(t)",
        "local t = {} for i = 1, 9000 do t['k' .. i] = {i} end \
         local n = 0 for k, v in pairs(cjson.decode(cjson.encode(t))) do n = n + v[1] end return n",
        "local t = {} for i = 1, 9000 do t['k' .. i] = {v = 'v' .. i} end return #cmsgpack.pack({t})",
        "local t = {} for i = 1, 9000 do t[i] = 'v' .. i end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 20000 do t[i] = {'v' .. i} end return {t}",
        "local t = {} for i = 1, 7890 do t[i] = 'v' .. i end return redis.call('rpush', 'list', unpack(t))",
        "for i = 1, 20000 do redis.call('rpush', 'many', i) end return #redis.call('lrange', 'many', 0, -1)",
        "for i = 1, 9000 do redis.call('hset', 'hash', i, 'v' .. i) end return #redis.call('hgetall', 'hash')",
        "return cjson.encode({[4e9] = 1})",
        "cjson.encode_sparse_array(false, 0) local s = cjson.encode({[1e12] = 1}) \
         cjson.encode_sparse_array(false, 2, 10) return s",
    ]);
}

#[test]
fn what_is_nested_too_deep_or_gives_too_much_is_an_error_of_its_own() {
    for (script, expected) in [
        ("local t = {} for i = 1, 20000 do t = {t} end return cjson.encode(t)", "excessive nesting (7802)"),
        (
            "local t = {} for i = 1, 5000 do t = {a = t} end return cjson.encode(t)",
            "excessive nesting (3902)",
        ),
        ("return cjson.decode(string.rep('[', 20000))", "Found too many nested data structures (7802)"),
        ("return cjson.decode(string.rep('{\"a\":', 5000))", "Found too many nested data structures (3902)"),
        ("return {cmsgpack.unpack(string.rep(cmsgpack.pack('x'), 9000))}", "stack overflow (too many return"),
        (
            "return {struct.unpack(string.rep('c1', 9000), string.rep('x', 9000))}",
            "stack overflow (too many res",
        ),
    ] {
        fails(&format!("cjson.encode_max_depth(1e9) cjson.decode_max_depth(1e9) {script}"), expected);
    }
    let script = "cjson.decode_max_depth(1e9) cjson.encode_max_depth(1e9) \
                  local s = string.rep('[', 7000) .. string.rep(']', 7000) \
                  return cjson.encode(cjson.decode(s)) == string.rep('[', 6999) .. '{}' .. string.rep(']', 6999)";
    assert_eq!(eval(script), Reply::Integer(1));
}

#[test]
fn a_table_takes_what_is_put_before_its_first() {
    let show = |insert: &str| {
        format!(
            "local t = {{1, 2}} {insert} local r = {{}} for i = -9, 9 do r[#r + 1] = tostring(t[i]) end return r"
        )
    };
    let inserts = [
        "-3, 'x'",
        "0, 'x'",
        "'-2', 'x'",
        "-0.5, 'x'",
        "0.5, 'x'",
        "-1.5, 'x'",
        "1, 'x'",
        "-1, nil",
        "2^32 - 2, 'x'",
    ];
    let scripts = inserts.map(|given| show(&format!("table.insert(t, {given})")));
    compare_scripts(scripts.iter().map(String::as_str));
}

#[test]
fn a_reply_that_a_script_has_no_room_for_is_an_error() {
    let store = Store::new();
    let mut session = store.session();
    for name in ["x", "y", "z"] {
        session.call(["SET".into(), name.into(), name.repeat(90 << 20)]);
    }
    // What is not kept makes room again.
    let once = "for i = 1, 3 do for name in ('xyz'):gmatch('.') do redis.call('get', name) end end \
                return #redis.call('get', 'x')";
    assert_eq!(session.call(["EVAL", once, "0"]), Reply::Integer(90 << 20));
    let kept = "local t = {} for name in ('xyz'):gmatch('.') do t[name] = redis.call('get', name) end";
    assert!(text(session.call(["EVAL", kept, "0"])).contains("not enough memory"));
    let together = "return #redis.call('mget', 'x', 'y', 'z')";
    assert!(text(session.call(["EVAL", together, "0"])).contains("not enough memory"));
    // Each of them is small.
    for number in 0..25_000 {
        session.call(["RPUSH".into(), "list".into(), format!("{number:05}").repeat(790)]);
    }
    let many =
        "local x, y = redis.call('get', 'x'), redis.call('get', 'y') redis.call('lrange', 'list', 0, -1)";
    assert!(text(session.call(["EVAL", many, "0"])).contains("not enough memory"));
    assert_eq!(session.call(["EVAL", "return redis.call('strlen', 'x')", "0"]), Reply::Integer(90 << 20));
}

/// mlua cannot hold so many, and panics. The script fails, and nothing else.
#[test]
fn a_call_with_more_arguments_than_can_be_held_fails_by_itself() {
    let store = Store::builder().seed(7).build();
    let mut session = store.session();
    let grow = "local function grow(n, ...) if n == 0 then return redis.call('rpush', 'list', ...) end \
                return grow(n - 1, 'v' .. n, ...) end return grow(9000)";
    let draw = ["EVAL", "return math.random(1000000)", "0"];
    let mut drawn = Store::builder().seed(7).build().session();
    assert_eq!(session.call(draw), drawn.call(draw));
    assert_eq!(text(session.call(["EVAL", grow, "0"])), "ERR C stack overflow");
    // A state that is made anew goes on with the numbers.
    assert_eq!(session.call(draw), drawn.call(draw));
    assert_eq!(session.call(["EVAL", "return redis.call('llen', 'list')", "0"]), Reply::Integer(0));
}

#[test]
fn scripts_and_functions_are_as_many_as_one_likes() {
    let store = Store::new();
    let mut session = store.session();
    for number in 0..9_000 {
        assert!(matches!(session.call(["SCRIPT", "LOAD", &format!("return {number}")]), Reply::Bulk(_)));
    }
    let all =
        "local t = {} for i = 1, 7890 do t[i] = 'v' .. i end return redis.call('rpush', 'list', unpack(t))";
    assert_eq!(session.call(["EVAL", all, "0"]), Reply::Integer(7890));
    let first = store.script("return 0").unwrap();
    assert_eq!(first.call(), Ok(Reply::Integer(0)));

    let register = "for i = 1, 9000 do redis.register_function('f' .. i, function() return i end) end";
    let code = format!("#!lua name=many\n{register}");
    let loaded = session.call(["FUNCTION", "LOAD", &code]);
    assert_eq!(loaded, Reply::Bulk("many".into()));
    let Reply::Bulk(dump) = session.call(["FUNCTION", "DUMP"]) else { panic!("no dump") };
    assert_eq!(session.call(["FUNCTION", "FLUSH"]), Reply::OK);
    assert!(text(session.call(["FCALL", "f1", "0"])).contains("not found"));
    assert_eq!(session.call([&b"FUNCTION"[..], b"RESTORE", &dump]), Reply::OK);
    assert_eq!(session.call(["FCALL", "F9000", "0"]), Reply::Integer(9000));
    assert_eq!(session.call(["FUNCTION", "DELETE", "many"]), Reply::OK);
    assert!(text(session.call(["FCALL", "f9000", "0"])).contains("not found"));
}

#[test]
fn who_unpacks_too_much_is_told() {
    for script in [
        "local a = unpack({}, 0, 2147483647)",
        "local a = unpack({}, -2147483648, 2147483647)",
        "local a = unpack({1}, -2147483648)",
        "local a = unpack({}, 4294967296, 2147483647)",
        "local a = unpack({}, 0/0, 2147483647)",
        "local a = unpack({}, 1, 1e9)",
        "local a = unpack({}, '1', '9000')",
    ] {
        fails(script, "user_script:1: too many results to unpack script: ");
    }
    compare_scripts([
        "local t = {} for i = 1, 8005 do t[i] = i end local a = unpack(t)",
        "local a = unpack()",
        "local a = unpack(5)",
        "local a = unpack({}, {})",
        "local a = unpack({}, 'x')",
        "local a = unpack({}, 1, false)",
        "local f = unpack local a = f({}, 1, 'x')",
        "return {unpack({1, 2, 3}, '2', 3.7)}",
        "return {unpack({1, 2, 3}, nil, 2)}",
        "return {unpack({1, 2, 3}, 2, nil)}",
        "return #{unpack({1, 2, 3}, 0/0, 3)}",
        "return #{unpack({1, 2, 3}, -1e300, 3)}",
        "return #{unpack({1, 2, 3}, 1, 1e300)}",
        "return #{unpack({1, 2, 3}, 1, -1)}",
        "return #{unpack({1, 2, 3}, 2^31, 2^31 + 1)}",
    ]);
}

#[test]
fn patterns_do_not_take_all_of_the_stack() {
    on_a_small_stack(|| {
        for call in [
            "string.find('a', p)",
            "('a'):find(p)",
            "('a'):match(p)",
            "('a'):gsub(p, '')",
            "for x in ('a'):gmatch(p) do end",
            "for x in string.gfind('a', p) do end",
            "pcall(string.find, 'a', p); ('a'):find(p)",
        ] {
            for item in ["a*", "a?", "a-", "%w+", "[a]*", "%b(*"] {
                // Plain searches know no items.
                let script = format!("local p = string.rep('{item}', 50000); ('a'):find(p, 1, true); {call}");
                if item != "%b(*" {
                    fails(&script, "user_script:1: pattern too complex script: ");
                }
            }
        }
        let deepest = "local p = string.rep('a?', 500) return (('a'):rep(500):find(p))";
        assert_eq!(eval(deepest), Reply::Integer(1));
        // Not what is said by an escape.
        let long = "local p = string.rep('%-x', 2000) return (string.rep('-x', 2000):find(p))";
        assert_eq!(eval(long), Reply::Integer(1));
    });
}

#[test]
fn what_calls_back_does_not_either() {
    on_a_small_stack(|| {
        for within in ["redis.call('get', 'a')", "cjson.encode({{{1}}})", "('a'):find(('a?'):rep(500))"] {
            let script = format!(
                "local n = 0 local function f(s) n = n + 1 {within} return (s:gsub('.', f)) end \
                 local ok, error = pcall(f, 'x') return {{n, error}}"
            );
            let Reply::Array(got) = eval(&script) else { panic!("no array") };
            assert_eq!(got[1], Reply::Bulk("user_script:1: C stack overflow".into()));
            let Reply::Integer(depth) = got[0] else { panic!("no number") };
            assert!(depth > 40, "{depth}");
        }
        let table = "local t = setmetatable({}, {}) \
                     getmetatable(t).__index = function(t, s) return (s:gsub('.', t)) end \
                     return {pcall(string.gsub, 'x', '.', t)}";
        assert!(matches!(eval(table), Reply::Array(got) if got[0] == Reply::Nil));
    });
}

#[test]
fn errors_of_matching_are_those_of_lua() {
    compare_scripts([
        "local a = string.find()",
        "local a = string.find('x')",
        "local a = string.find({}, 'x')",
        "local a = ('x'):find()",
        "local a = ('x'):match({})",
        "local a = ('x'):find('[')",
        "local a = ('x'):find('%')",
        "local a = ('x'):find('(')",
        "local a = ('x'):find('%1')",
        "local a = string.gmatch('x')",
        "local a = ('x'):gsub('x')",
        "local a = ('x'):gsub('x', true)",
        "local a = ('x'):gsub('x', function() return {} end)",
        "local a = ('x'):gsub('x', function() error('in it') end)",
        "local a = ('x'):gsub('x', function() error({err = 'OWN one'}) end)",
        "local f = string.find f(nil)",
        "return {pcall(string.find, 'x', '[')}",
        "return {pcall(string.gsub, 'x', 'x', function() return {} end)}",
        "return {string.find(15, 5), string.match(15, '%d'), string.gsub(151, 1, 2, 1)}",
        "return {('a,b'):find(',', 1, true), ('a.b'):find('.', -1), ('a'):find('', 10)}",
        "return {('abc'):gsub('%w', '%0%0'), ('abc'):gsub('%w', {a = 'x'}), ('abc'):gsub('', '-')}",
        "local p = ('a'):rep(600) .. '(b*)' return {(p:sub(1, 600) .. 'bb'):match(p)}",
    ]);
}

/// Lua 5.1 holds the name by nothing while it asks for a piece again that was empty (CVE-2025-49844).
#[test]
fn the_name_of_a_chunk_is_there_as_long_as_it_is_compiled() {
    let long = "x".repeat(30);
    for (name, source, digits) in [
        ("", "(load)", 7),
        (", 'a\\0b'", "[string \"a\"]", 1),
        (&format!(", '@' .. ('x'):rep({}) .. '\\0'", long.len()), &long, 31),
    ] {
        let script = format!(
            "local parts, n, junk = {{'', 'return function()', ' error(\"in it\") ', 'end'}}, 0, {{}} \
             local chunk = load(function() n = n + 1 \
             if n == 2 then collectgarbage() for i = 1, 5000 do junk[i] = ('%0{digits}d'):format(i) end end \
             return parts[n] end{name}) return {{pcall(chunk())}}"
        );
        let Reply::Array(got) = eval(&script) else { panic!("{script}") };
        let Reply::Bulk(error) = &got[1] else { panic!("{got:?}") };
        assert_eq!(String::from_utf8_lossy(error), format!("{source}:1: in it"), "{script}");
    }
}

#[test]
fn no_script_takes_a_name_under_which_it_cannot_be_killed() {
    for chunk in [
        "loadstring('while true do end', '=sandbox')()",
        "loadstring('while true do end', '=sandbox\\0')()",
        "local n = 0 load(function() n = n + 1 return ({'while true do end'})[n] end, '=sandbox')()",
        "local n = 0 load(function() n = n + 1 return ({'while true do end'})[n] end, '=sandbox\\0x')()",
    ] {
        let store = Store::new();
        let runs = start(&store, vec!["EVAL", chunk, "0"]);
        assert_eq!(store.session().call(["SCRIPT", "KILL"]), Reply::OK);
        assert!(text(runs.join().unwrap()).starts_with("ERR Script killed"));
    }
}

#[test]
fn what_scripts_share_none_can_change() {
    let store = Store::new();
    let mut session = store.session().compat(Compat::Redis810);
    for script in [
        "cjson.array_mt.x = 1",
        "rawset(cjson.array_mt, 'x', 1)",
        "setmetatable(cjson.array_mt, {})",
        "table.insert(cjson.array_mt, 1)",
        "cjson.new().array_mt.x = 1",
        "getmetatable(setmetatable({}, cjson.array_mt)).x = 1",
        "cjson.decode_array_with_array_mt(true) getmetatable(cjson.decode('[]')).x = 1",
    ] {
        let error = text(session.call(["EVAL", script, "0"]));
        assert!(error.contains("Attempt to modify a readonly table"), "{script}: {error}");
    }
    let script = "return {next(cjson.array_mt) == nil, getmetatable(cjson.array_mt) == nil, \
                  cjson.encode(setmetatable({}, cjson.array_mt)), cjson.encode(cjson.decode('[]')), cjson.array_mt.x}";
    let expected = [Reply::Integer(1), Reply::Integer(1), Reply::Bulk("[]".into()), Reply::Bulk("[]".into())];
    assert_eq!(session.call(["EVAL", script, "0"]), Reply::Array(expected.to_vec()));
}

#[test]
fn what_rust_builds_for_a_script_has_an_end() {
    let tree = "local t = ('x'):rep(1e5) for i = 1, 40 do t = {t, t} end";
    let out_of_memory = "ERR not enough memory: the scripts of a store have 256 MB";
    for script in [
        format!("{tree} return cjson.encode(t)"),
        format!("{tree} return t"),
        "local t = ('x'):rep(1e5) for i = 1, 15 do local u = {} for n = 1, 40 do u[n] = t end t = u end \
         return cmsgpack.pack(t)"
            .into(),
        "cjson.encode_sparse_array(false, 0) return cjson.encode({[2e9] = 1})".into(),
    ] {
        let error = text(eval(&script));
        assert!(error.starts_with(out_of_memory), "{script}: {error}");
    }
    // It can be caught, and what comes next is not in its way.
    let caught = format!("{tree} return {{pcall(cjson.encode, t), cjson.encode({{1}})}}");
    let Reply::Array(got) = eval(&caught) else { panic!("no array") };
    assert_eq!(got.last(), Some(&Reply::Bulk("[1]".into())));
}

#[test]
fn what_rust_builds_for_a_script_ends_when_that_is_killed() {
    let tree = "local t = {} for i = 1, 40 do t = {t, t} end";
    for script in [format!("{tree} return cjson.encode(t)"), format!("{tree} return t")] {
        let store = Store::new();
        let runs = start(&store, vec!["EVAL".to_owned(), script, "0".to_owned()]);
        let killed = store.session().call(["SCRIPT", "KILL"]);
        let error = text(runs.join().unwrap());
        assert_eq!(killed, Reply::OK);
        assert!(error.starts_with("ERR Script killed by user"), "{error}");
    }
}

#[test]
fn chunks_see_the_globals_of_who_compiles_them() {
    let library = "#!lua name=env\n\
                   redis.register_function('keys', function() return loadstring('return KEYS[1]')() end)\n\
                   redis.register_function('call', function() return loadstring('return type(redis.call)')() end)\n\
                   redis.register_function('set', function() return loadstring('x = 1')() end)\n\
                   redis.register_function('fn', function() local n = 0 return load(function() n = n + 1 \
                   return ({'return type(redis.breakpoint)'})[n] end)() end)";
    compare_all(&[
        words!["FUNCTION", "LOAD", library],
        words!["EVAL", "return 1", "1", "secret"],
        words!["FCALL", "keys", "0"],
        words!["FCALL", "call", "0"],
        words!["FCALL", "set", "0"],
        words!["FCALL", "fn", "0"],
        words![
            "EVAL",
            "return {loadstring('return KEYS[1]')(), type(loadstring('return redis.breakpoint')())}",
            "1",
            "k"
        ],
    ]);
}

#[test]
fn functions_are_registered_while_a_library_is_loaded_alone() {
    let library = "#!lua name=late\nlocal register = redis.register_function\n\
                   redis.register_function('late', function() return register('later', function() end) end)\n\
                   redis.register_function('bad', function() return register() end)";
    compare_all(&[
        words!["FUNCTION", "LOAD", library],
        words!["FCALL", "late", "0"],
        words!["FCALL", "bad", "0"],
        words!["FCALL", "later", "0"],
    ]);
}

#[test]
fn a_coroutine_of_wrap_gives_its_errors_as_they_are() {
    compare_scripts([
        "local c local w = coroutine.wrap(function() c = coroutine.running() coroutine.yield(1) redis.call('foo') end) \
         w() local ok, error = coroutine.resume(c) return {ok, type(error), error.err}",
        "local c local w = coroutine.wrap(function() c = coroutine.running() coroutine.yield(1) return 2, 3 end) \
         w() return {coroutine.resume(c)}",
    ]);
}

#[test]
fn what_only_reads_is_not_to_be_replicated() {
    let script = "return redis.call(unpack(ARGV))";
    let pcall = "#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV))";
    let mut commands = Vec::new();
    for words in [
        words!["PUBLISH", "a", "b"],
        words!["SPUBLISH", "a", "b"],
        words!["PFCOUNT", "a"],
        words!["SET", "a", "b"],
    ] {
        for (command, script) in [("EVAL_RO", script), ("EVAL", pcall), ("EVAL", script)] {
            let mut whole = words![command, script, "0"];
            whole.extend(words.iter().cloned());
            commands.push(whole);
        }
    }
    compare_all(&commands);
}

#[test]
fn a_status_is_one_line_and_a_big_number_its_bytes() {
    compare_scripts([
        "return {ok = 'a\\r\\nb'}",
        "return {ok = 'a\\0b'}",
        "return {err = 'a\\0b'}",
        "error('a\\0b')",
        "error({err = 'a\\0b'})",
        "return redis.status_reply('a\\0b')",
        "local t = {} table.insert(t, -0.5, 'x') return tostring(next(t))",
        "local t = {} table.insert(t, '-0', 'x') return tostring(next(t))",
        "return {big_number = '12\\r\\n3\\255'}",
        "return {ok = 'caf\\195\\169'}",
    ]);
}

#[test]
fn a_script_is_not_made_within_a_transaction() {
    let store = Store::new();
    let script = store.script("return 1").unwrap();
    let refused = larder::ErrorReply::from(Error::InTransaction);
    store
        .transaction(["key"], |_| {
            assert_eq!(store.script("return 1").err(), Some(refused.clone()));
            assert_eq!(script.call(), Err(refused));
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(script.call(), Ok(Reply::Integer(1)));
}

/// Whether a command is carried out at once while those that write are held back.
fn is_held(session: &mut Session, store: &Store, words: &[&str]) -> bool {
    assert_eq!(store.session().call(["CLIENT", "PAUSE", "100000", "WRITE"]), Reply::OK);
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let mut held = false;
    thread::scope(|scope| {
        let runs = scope.spawn(|| session.call(words.iter().map(String::as_str)));
        let waits = || match store.session().call(["CLIENT", "LIST"]) {
            Reply::Bulk(list) | Reply::Verbatim(_, list) => String::from_utf8_lossy(&list)
                .split_whitespace()
                .any(|fact| fact.strip_prefix("flags=").is_some_and(|flags| flags.contains('b'))),
            other => panic!("no text: {other:?}"),
        };
        while !runs.is_finished() && !held {
            held = waits();
            thread::yield_now();
        }
        assert_eq!(store.session().call(["CLIENT", "UNPAUSE"]), Reply::OK);
        runs.join().unwrap();
    });
    held
}

/// What is expected was asked of the live servers, which are alike.
#[test]
fn a_pause_of_what_writes_lets_pass_what_says_that_it_does_not() {
    let store = Store::new();
    let mut session = store.session();
    let library = "#!lua name=lib\n\
                   redis.register_function('plain', function() return 1 end)\n\
                   redis.register_function{function_name = 'reads', callback = function() return 1 end, flags = {'no-writes'}}";
    session.call(["FUNCTION", "LOAD", library]);
    let [reads, plain, says] = ["#!lua flags=no-writes\nreturn 1", "return 1", "#!lua\nreturn 1"]
        .map(|text| (text, store.script(text).unwrap()));
    for (words, expected) in [
        (["EVAL", reads.0, "0"], false),
        (["EVALSHA", reads.1.sha(), "0"], false),
        (["FCALL", "reads", "0"], false),
        (["EVAL_RO", plain.0, "0"], false),
        (["EVAL", plain.0, "0"], true),
        (["EVAL", says.0, "0"], true),
        (["EVAL_RO", says.0, "0"], true),
        (["EVALSHA", says.1.sha(), "0"], true),
        (["EVALSHA", plain.1.sha(), "0"], true),
        (["FCALL", "plain", "0"], true),
        (["FCALL_RO", "plain", "0"], true),
        (["FCALL", "none", "0"], true),
    ] {
        assert_eq!(is_held(&mut session, &store, &words), expected, "{words:?}");
        assert_eq!(session.call(["MULTI"]), Reply::OK);
        assert_eq!(session.call(words), Reply::Status("QUEUED".into()));
        assert_eq!(is_held(&mut session, &store, &["EXEC"]), expected, "{words:?} in a transaction");
    }
}

/// As suites do that begin each test with nothing.
#[test]
fn scripts_are_forgotten_as_often_as_wanted() {
    let mut session = Store::new().session();
    for n in 0..9_000 {
        let script = format!("return {n}");
        assert_eq!(session.call(["EVAL", &script, "0"]), Reply::Integer(n));
        assert_eq!(session.call([["SCRIPT", "FUNCTION"][n as usize % 2], "FLUSH"]), Reply::OK);
    }
}

/// What is large is no larger for having been there before.
#[test]
fn large_values_are_read_again_and_again() {
    let store = Store::new();
    store.insert("page", vec![b'x'; 60 << 20]).unwrap();
    let mut session = store.session();
    for _ in 0..12 {
        let length = session.call(["EVAL", "return #redis.call('get', KEYS[1])", "1", "page"]);
        assert_eq!(length, Reply::Integer(60 << 20));
    }
}

/// One string may be many.
#[test]
fn copies_of_one_string_are_counted() {
    let mut session = Store::new().session();
    for script in [
        "local e = {err = ('x'):rep(1e6)} local t = {} for i = 1, 1e4 do t[i] = e end return t",
        "local e = {ok = ('x'):rep(1e6)} local t = {} for i = 1, 1e4 do t[i] = e end return t",
        "local x, t = ('x'):rep(1e6), {} for i = 1, 7000 do t[i] = x end return struct.pack(('s'):rep(7000), unpack(t))",
        "local x, t = ('x'):rep(1e6), {} for i = 1, 7000 do t[i] = x end return redis.call('rpush', 'l', unpack(t))",
    ] {
        let Reply::Error(error) = session.call(["EVAL", script, "0"]) else { panic!("{script}") };
        assert!(error.to_string().contains("ERR not enough memory"), "{error}");
        assert!(!error.to_string().contains("ERR ERR"), "{error}");
        assert_eq!(session.call(["EVAL", "return 1", "0"]), Reply::Integer(1));
    }
}
