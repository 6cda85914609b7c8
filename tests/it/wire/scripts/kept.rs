//! Libraries of functions are a part of what a store holds: in its files, its forks and its checkpoints.

use larder::{Compat, Reply, Session, Store};

use crate::support::Folder;

fn library(name: &str, reply: u8) -> String {
    format!("#!lua name={name}\nredis.register_function('{name}', function() return {reply} end)")
}

fn load(store: &Store, name: &str, reply: u8) {
    let reply = store.session().call(["FUNCTION", "LOAD", "REPLACE", &library(name, reply)]);
    assert_eq!(reply, Reply::Bulk(name.into()));
}

/// What a function gives, if there is one of that name.
fn call(store: &Store, name: &str) -> Option<i64> {
    match store.session().call(["FCALL", name, "0"]) {
        Reply::Integer(reply) => Some(reply),
        Reply::Error(error) => {
            assert_eq!(error, larder::ErrorReply::new("ERR Function not found"));
            None
        }
        other => panic!("{other:?}"),
    }
}

/// How many libraries and functions are told of.
fn counts(session: &mut Session) -> [String; 2] {
    let Reply::Verbatim(_, info) = session.call(["INFO", "memory"]) else { panic!("no text") };
    let info = String::from_utf8_lossy(&info).into_owned();
    ["number_of_libraries:", "number_of_functions:"]
        .map(|name| info.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned())
}

#[test]
fn a_fork_has_the_same_libraries_and_goes_its_own_way() {
    let store = Store::new();
    load(&store, "one", 1);
    let fork = store.fork().unwrap();
    assert_eq!(counts(&mut fork.session()), ["1", "1"]);
    assert_eq!(call(&fork, "one"), Some(1));
    load(&fork, "one", 2);
    load(&store, "two", 3);
    assert_eq!([call(&store, "one"), call(&store, "two")], [Some(1), Some(3)]);
    assert_eq!([call(&fork, "one"), call(&fork, "two")], [Some(2), None]);
    store.session().call(["FUNCTION", "FLUSH"]);
    assert_eq!([call(&store, "one"), call(&fork, "one")], [None, Some(2)]);
    // A fork of it, none of whose functions was ever called.
    assert_eq!(call(&fork.fork().unwrap().fork().unwrap(), "one"), Some(2));
}

#[test]
fn a_checkpoint_has_the_libraries_too() {
    let store = Store::new();
    let empty = store.checkpoint().unwrap();
    load(&store, "one", 1);
    let one = store.checkpoint().unwrap();
    load(&store, "one", 2);
    load(&store, "two", 3);
    store.roll_back(&one).unwrap();
    assert_eq!([call(&store, "one"), call(&store, "two")], [Some(1), None]);
    // What comes behind it goes on from there.
    load(&store, "three", 4);
    assert_eq!(counts(&mut store.session()), ["2", "2"]);
    store.roll_back(&empty).unwrap();
    assert_eq!(counts(&mut store.session()), ["0", "0"]);
    assert_eq!([call(&store, "one"), call(&store, "three")], [None, None]);
    store.roll_back(&one).unwrap();
    assert_eq!(store.session().call(["FUNCTION", "DELETE", "one"]), Reply::OK);
}

#[test]
fn a_snapshot_holds_the_libraries() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let store = Store::new();
    store.insert("key", "value").unwrap();
    let before = store.stats().unwrap().writes;
    load(&store, "one", 1);
    load(&store, "two", 2);
    // Only Valkey knows it by that name.
    let code = "#!lua name=three\nserver.register_function('three', function() return 3 end)";
    let mut valkey = store.session().compat(Compat::Valkey9);
    assert_eq!(valkey.call(["FUNCTION", "LOAD", code]), Reply::Bulk("three".into()));
    assert_eq!(store.stats().unwrap().writes, before + 3, "there is something to save");
    store.save(&path).unwrap();

    let back = Store::load(&path).unwrap();
    let mut session = back.session().compat(Compat::Valkey9);
    assert_eq!(counts(&mut session), ["3", "3"]);
    let list = ["FUNCTION", "LIST", "WITHCODE"];
    assert_eq!(session.call(list), valkey.call(list));
    for (name, reply) in [("one", 1), ("two", 2), ("three", 3)] {
        assert_eq!(session.call(["FCALL", name, "0"]), Reply::Integer(reply));
    }
    // As another server it cannot load one of them: it stays, and the others can be called.
    let back = Store::load(&path).unwrap();
    assert_eq!(["one", "two", "three"].map(|name| call(&back, name)), [Some(1), Some(2), None]);
    assert_eq!(back.session().call(["FUNCTION", "DELETE", "one"]), Reply::OK);
    back.save(&path).unwrap();
    let mut session = Store::load(&path).unwrap().session().compat(Compat::Valkey9);
    assert_eq!(session.call(["FCALL", "three", "0"]), Reply::Integer(3));
    assert_eq!(counts(&mut session), ["2", "2"]);
}

#[test]
#[cfg(feature = "server")]
fn a_store_that_is_emptied_or_reloaded_keeps_its_libraries() {
    let store = Store::new();
    load(&store, "one", 1);
    store.clear_all().unwrap();
    assert_eq!(call(&store, "one"), Some(1));
    store.insert("key", "value").unwrap();
    let mut config = larder::ServerConfig::new(Compat::default());
    config.set("enable-debug-command", "yes").unwrap();
    let _server = config.server().unwrap().start(&store).unwrap();
    assert_eq!(store.session().call(["DEBUG", "RELOAD"]), Reply::OK);
    assert_eq!(call(&store, "one"), Some(1));
}

#[test]
#[cfg(feature = "journal")]
fn a_folder_holds_the_libraries() {
    let folder = Folder::new();
    let path = folder.join("store");
    let open = || Store::open(&path).unwrap();
    load(&open(), "one", 1);
    let store = open();
    assert_eq!(call(&store, "one"), Some(1));
    let mut session = store.session();
    let (two, three) = (library("two", 2), library("three", 3));
    for words in [vec!["MULTI"], vec!["FUNCTION", "LOAD", &two], vec!["SET", "key", "value"], vec!["EXEC"]] {
        session.call(words);
    }
    drop((session, store));
    let store = open();
    assert_eq!([call(&store, "one"), call(&store, "two")], [Some(1), Some(2)]);
    store.rewrite_journal().unwrap();
    store.session().call(["FUNCTION", "DELETE", "one"]);
    store.session().call(["FUNCTION", "LOAD", &three]);
    drop(store);
    let store = open();
    assert_eq!(["one", "two", "three"].map(|name| call(&store, name)), [None, Some(2), Some(3)]);
    store.session().call(["FUNCTION", "FLUSH"]);
    store.rewrite_journal().unwrap();
    drop(store);
    let store = open();
    assert_eq!(counts(&mut store.session()), ["0", "0"]);
    // What goes back is written down too.
    load(&store, "one", 1);
    let one = store.checkpoint().unwrap();
    load(&store, "one", 2);
    store.roll_back(&one).unwrap();
    drop((one, store));
    assert_eq!(call(&open(), "one"), Some(1));
}
