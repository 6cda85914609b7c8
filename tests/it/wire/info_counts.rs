//! What INFO counts: that it does, from the beginning or the last `CONFIG RESETSTAT` on.

use std::thread;
use std::time::Duration;

use larder::{Compat, Eviction, ManualClock, Store, Sweeping};

use super::info::{fact, fact_of};

const MINUTE: Duration = Duration::from_secs(60);

fn manual_store() -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    (clock, store)
}

fn call(store: &Store, line: &str) {
    let reply = store.session().compat(Compat::Valkey9).call(line.split(' '));
    assert!(!matches!(reply, larder::Reply::Error(_)), "{line}: {reply:?}");
}

fn count(store: &Store, name: &str) -> u64 {
    fact(store, name).parse().unwrap()
}

#[test]
fn fields_that_expire_are_counted_and_are_no_keys() {
    let (clock, store) = manual_store();
    let told = || {
        let of_valkey = fact_of(&store, Compat::Valkey9, "expired_fields").unwrap();
        assert_eq!(of_valkey, fact(&store, "expired_subkeys"));
        assert_eq!(fact_of(&store, Compat::Redis70, "expired_subkeys"), None);
        (count(&store, "expired_subkeys"), count(&store, "expired_keys"))
    };
    call(&store, "HSET part a 1 b 2 c 3");
    call(&store, "HPEXPIRE part 10 FIELDS 2 a b");
    call(&store, "HSET whole a 1 b 2 c 3");
    call(&store, "HPEXPIRE whole 10 FIELDS 3 a b c");
    call(&store, "SET key 1 PX 10");
    assert_eq!(told(), (0, 0));
    clock.advance(MINUTE);
    store.sweep().unwrap();
    assert_eq!(told(), (5, 1));
    assert_eq!(store.stats().unwrap().expired_fields, 5);
    call(&store, "HPEXPIRE part 0 FIELDS 1 c");
    assert_eq!(told(), (6, 1));

    // What a transaction that fails has found expired is there again.
    call(&store, "HSET part a 1 b 2");
    call(&store, "HPEXPIRE part 10 FIELDS 1 a");
    clock.advance(MINUTE);
    let hash = |tx: &larder::Tx| tx.hash::<String, u32>("part").insert("b", 3);
    let failed = store.transaction(["part"], |tx| {
        hash(tx)?;
        Err::<(), _>(larder::Error::WrongType)
    });
    assert!(failed.is_err());
    assert_eq!(told().0, 6);
    store.transaction(["part"], |tx| hash(tx).map(drop)).unwrap();
    assert_eq!(told().0, 7);
    call(&store, "CONFIG RESETSTAT");
    assert_eq!(told(), (0, 0));
}

#[test]
fn who_waits_for_a_time_is_told_apart_from_who_waits_for_ever() {
    let store = Store::new();
    let waiting: Vec<_> = ["0", "1000", "2000"]
        .into_iter()
        .map(|timeout| {
            let mut session = store.session();
            thread::spawn(move || session.call(["BLPOP", "list", timeout]))
        })
        .collect();
    assert!(store.wait_for_blocked(3, MINUTE));
    assert_eq!((count(&store, "blocked_clients"), count(&store, "clients_in_timeout_table")), (3, 2));
    call(&store, "RPUSH list 1 2 3");
    waiting.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    assert_eq!(count(&store, "clients_in_timeout_table"), 0);
}

#[test]
fn valkey_tells_of_a_pause() {
    let (clock, store) = manual_store();
    let told = || {
        ["reason", "actions", "timeout_milliseconds"]
            .map(|name| fact_of(&store, Compat::Valkey9, &format!("paused_{name}")).unwrap())
    };
    assert_eq!(told(), ["none", "none", "0"]);
    let mut session = store.session();
    session.call(["CLIENT", "PAUSE", "50000", "WRITE"]);
    clock.advance(Duration::from_secs(10));
    assert_eq!(told(), ["client_pause", "write", "40000"]);
    clock.advance(MINUTE);
    assert_eq!(told(), ["none", "none", "0"]);
    assert_eq!(fact_of(&store, Compat::Redis82, "paused_reason"), None);
}

#[test]
fn the_peak_has_a_time_and_so_has_what_is_over_the_limit() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).max_bytes(8 << 20).eviction(Eviction::Refuse).build();
    store.insert("large", "x".repeat(4 << 20)).unwrap();
    let over = || ["total", "current"].map(|of| count(&store, &format!("{of}_eviction_exceeded_time")));
    clock.advance(MINUTE);
    assert_eq!(fact(&store, "used_memory_peak_time"), "946684860");
    clock.advance(MINUTE);
    assert_eq!((fact(&store, "used_memory_peak_time"), over()), ("946684860".into(), [0, 0]));
    assert_eq!(fact_of(&store, Compat::Redis72, "used_memory_peak_time"), None);

    call(&store, "CONFIG SET maxmemory 2mb");
    over();
    clock.advance(MINUTE);
    assert_eq!(over(), [60_000, 60_000]);
    store.remove("large").unwrap();
    assert_eq!(over(), [60_000, 0]);
    clock.advance(MINUTE);
    assert_eq!(over(), [60_000, 0]);
    call(&store, "CONFIG RESETSTAT");
    assert_eq!(over(), [0, 0]);
}

#[test]
fn memory_is_that_of_the_data_and_of_the_process() {
    let store = Store::new();
    store.insert("key", 1).unwrap();
    let [allocated, active, resident] =
        ["allocated", "active", "resident"].map(|of| count(&store, &format!("allocator_{of}")));
    assert_eq!(allocated, count(&store, "used_memory"));
    // Other tests' memory comes and goes.
    assert!(active > allocated && resident > allocated);
    let before = count(&store, "mem_clients_normal");
    let _session = store.session();
    assert!(count(&store, "mem_clients_normal") > before);
}

#[test]
fn who_sends_much_has_the_largest_input_buffer() {
    let store = Store::new();
    let mut session = store.session();
    let before = count(&store, "client_recent_max_input_buffer");
    session.call(["MULTI"]);
    session.call(["SET", "key", &"x".repeat(10_000)]);
    assert!(before < 10_000 && count(&store, "client_recent_max_input_buffer") >= 10_000);
    session.call(["EXEC"]);
    session.call(["PING"]);
    assert!(count(&store, "client_recent_max_input_buffer") < 10_000);
}

#[test]
fn messages_that_nobody_takes_are_output_until_they_are_too_many() {
    let store = Store::new();
    let mut session = store.session();
    session.call(["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut listener = store.session();
    listener.call(["SUBSCRIBE", "channel"]);
    let told = || {
        (
            count(&store, "client_recent_max_output_buffer"),
            count(&store, "client_output_buffer_limit_disconnections"),
        )
    };
    assert_eq!(told(), (0, 0));
    let page = "x".repeat(100_000);
    (0..10).for_each(|_| drop(session.call(["PUBLISH", "channel", &page])));
    assert!(told().0 >= 1_000_000 && told().1 == 0, "{:?}", told());
    (0..2).for_each(|_| drop(session.call(["PUBLISH", "channel", &page])));
    assert_eq!(told(), (0, 1));
}

#[cfg(feature = "lua")]
#[test]
fn scripts_and_functions_take_memory() {
    let store = Store::new();
    let mut session = store.session();
    let bytes = |name: &str| count(&store, &format!("used_memory_{name}"));
    let all = ["lua", "vm_eval", "vm_total", "scripts_eval", "functions", "scripts"];
    assert_eq!(all.map(bytes), [0; 6]);
    let script = format!("return 1 --{}", "x".repeat(10_000));
    session.call(["EVAL", &script, "0"]);
    let [lua, eval, total, scripts, functions, both] = all.map(bytes);
    assert!(lua > 10_000 && eval == lua && total == lua, "{lua}");
    assert!(scripts > 10_000 && functions == 0 && both == scripts, "{scripts}");
    session.call(["EVAL", "x = string.rep('x', 1000000) return 1", "0"]);
    session.call(["EVAL", "local t = {} for i = 1, 100000 do t[i] = i end return 1", "0"]);
    assert!(bytes("lua") > lua);

    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    session.call(["FUNCTION", "LOAD", library]);
    let functions = bytes("functions");
    assert!(functions > library.len() as u64);
    assert_eq!(bytes("scripts"), bytes("scripts_eval") + functions);
    session.call(["SCRIPT", "FLUSH"]);
    session.call(["FUNCTION", "FLUSH"]);
    assert_eq!([bytes("scripts_eval"), bytes("functions")], [0, 0]);

    // Scripts that make room for others leave none of theirs behind.
    (0..600).for_each(|number| drop(session.call(["EVAL", &format!("return {}", 1_000 + number), "0"])));
    let full = bytes("scripts_eval");
    (0..600).for_each(|number| drop(session.call(["EVAL", &format!("return {}", 2_000 + number), "0"])));
    assert_eq!(bytes("scripts_eval"), full);
    let engine = fact_of(&store, Compat::Valkey9, "engine_0").unwrap();
    assert!(engine.starts_with("name=LUA,module=built-in,abi_version=0,used_memory="), "{engine}");
}

#[test]
fn the_keys_of_the_file_that_a_store_was_made_from_are_counted() {
    let folder = crate::support::Folder::new();
    let (snapshot, rdb) = (folder.join("snapshot"), folder.join("rdb"));
    let told =
        |store: &Store| ["loaded", "expired"].map(|of| count(store, &format!("rdb_last_load_keys_{of}")));
    let clock = ManualClock::new();
    let old = Store::builder().clock(&clock).build();
    (0..5).for_each(|key| drop(old.insert(key, key)));
    (5..8).for_each(|key| drop(old.insert_ex(key, key, Duration::from_secs(1))));
    old.save(&snapshot).unwrap();
    old.save_rdb(&rdb, Compat::Redis82).unwrap();
    assert_eq!(told(&old), [0, 0]);
    clock.advance(MINUTE);
    let builder = || Store::builder().clock(&clock);
    assert_eq!(told(&builder().load(&snapshot).unwrap()), [5, 3]);
    assert_eq!(told(&builder().load_rdb(&rdb).unwrap()), [5, 3]);
}

#[cfg(feature = "journal")]
#[test]
fn a_journal_that_begins_anew_is_counted() {
    let folder = crate::support::Folder::new();
    let open = || Store::open(folder.join("store")).unwrap();
    let store = open();
    (0..5).for_each(|key| drop(store.insert(key, key)));
    assert_eq!((count(&store, "aof_rewrites"), fact(&store, "aof_last_rewrite_time_sec")), (0, "-1".into()));
    call(&store, "BGREWRITEAOF");
    crate::support::until("it has begun anew", || {
        count(&store, "aof_rewrite_in_progress") == 0 && count(&store, "aof_rewrites") == 1
    });
    assert!(count(&store, "aof_last_rewrite_time_sec") < 60);
    assert_eq!(fact(&store, "aof_current_rewrite_time_sec"), "-1");
    assert_eq!(count(&store, "aof_rewrites_consecutive_failures"), 0);
    call(&store, "CONFIG RESETSTAT");
    assert_eq!(count(&store, "aof_rewrites"), 0);
    store.sync().unwrap();
    assert_eq!((count(&store, "aof_buffer_length"), count(&store, "mem_aof_buffer")), (0, 0));
    drop(store);
    assert_eq!(count(&open(), "rdb_last_load_keys_loaded"), 5);
}
