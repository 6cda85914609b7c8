//! Libraries of functions, which are written down beside the keys.

use super::*;
use crate::Reply;

fn library(name: &str, reply: u8) -> [String; 4] {
    let code = format!("#!lua name={name}\nredis.register_function('{name}', function() return {reply} end)");
    ["FUNCTION", "LOAD", "REPLACE", &code].map(String::from)
}

/// Whatever a crash leaves now of what was not synced, these functions are there, with these replies.
#[track_caller]
fn assert_kept(disk: &Simulated, clock: &ManualClock, expected: [Option<i64>; 2]) {
    for seed in 0..8 {
        let store = open_on(&disk.after_crash(seed), clock).expect("a folder of ours");
        let mut session = store.session();
        let found = ["one", "two"].map(|name| match session.call(["FCALL", name, "0"]) {
            Reply::Integer(reply) => Some(reply),
            Reply::Error(_) => None,
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected, "{seed}\n{disk}");
    }
}

#[test]
fn what_was_told_of_a_library_holds_after_a_crash() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).expect("an empty folder");
    let mut session = store.session();
    assert_eq!(session.call(library("one", 1)), Reply::Bulk("one".into()));
    assert_kept(&disk, &clock, [Some(1), None]);
    session.call(["MULTI"]);
    session.call(library("two", 2));
    assert_eq!(session.call(["EXEC"]), Reply::Array(vec![Reply::Bulk("two".into())]));
    assert_kept(&disk, &clock, [Some(1), Some(2)]);
    store.rewrite_journal().expect("the disk is well");
    assert_kept(&disk, &clock, [Some(1), Some(2)]);
    session.call(library("one", 3));
    assert_kept(&disk, &clock, [Some(3), Some(2)]);
    let before = store.checkpoint().expect("in no transaction");
    assert_eq!(session.call(["FUNCTION", "DELETE", "two"]), Reply::OK);
    assert_kept(&disk, &clock, [Some(3), None]);
    store.rewrite_journal().expect("the disk is well");
    assert_eq!(session.call(["FUNCTION", "FLUSH"]), Reply::OK);
    assert_kept(&disk, &clock, [None, None]);
    store.roll_back(&before).expect("its own");
    assert_kept(&disk, &clock, [Some(3), Some(2)]);
}
