//! A server over a store that is kept in a folder.

use std::time::Duration;

use ::redis::{Client, Commands, Connection, cmd, pipe};
use larder::{Store, SyncPolicy};

use crate::support::Folder;

fn client(server: &larder::Server) -> Connection {
    Client::open(server.url()).unwrap().get_connection().unwrap()
}

fn open(folder: &Folder) -> Store {
    Store::builder().sync_policy(SyncPolicy::Always).open(folder.path()).unwrap()
}

#[test]
fn what_a_client_was_told_is_on_the_disk() {
    let folder = Folder::new();
    let store = open(&folder);
    let server = store.serve().unwrap();
    std::thread::scope(|scope| {
        for client_number in 0..8 {
            let mut con = client(&server);
            let store = &store;
            scope.spawn(move || {
                for number in 0..50 {
                    let _: () = con.rpush(format!("list:{client_number}"), number).unwrap();
                    let mut fields = pipe();
                    (0..10).for_each(|at| _ = fields.hset("hash", at, number).ignore());
                    let _: () = fields.query(&mut con).unwrap();
                }
                // What this client has done is, whatever the others are at.
                assert!(store.sync().is_ok());
            });
        }
    });
    assert_eq!(store.journal_stats().unwrap().unsynced_bytes, 0);
    let info: String = cmd("INFO").arg("persistence").query(&mut client(&server)).unwrap();
    assert!(info.contains("aof_enabled:1") && info.contains("aof_last_write_status:ok"), "{info}");
    let waited: (i64, i64) = cmd("WAITAOF").arg(1).arg(0).arg(0).query(&mut client(&server)).unwrap();
    assert_eq!(waited, (1, 0));
    let said: String = cmd("BGREWRITEAOF").query(&mut client(&server)).unwrap();
    assert_eq!(said, "Background append only file rewriting started");
    drop(server);
    drop(store);
    let store = open(&folder);
    for client_number in 0..8 {
        assert_eq!(
            store.list::<u32>(format!("list:{client_number}")).to_vec().unwrap(),
            (0..50).collect::<Vec<_>>()
        );
    }
    assert_eq!(store.hash::<u32, u32>("hash").len().unwrap(), 10);
}

#[test]
fn who_waits_gets_what_stays_popped() {
    let folder = Folder::new();
    let store = open(&folder);
    let server = store.serve().unwrap();
    std::thread::scope(|scope| {
        let mut waits = client(&server);
        let waiting = scope.spawn(move || waits.blpop::<_, (String, String)>("jobs", 0.0).unwrap());
        assert!(store.wait_for_blocked(1, Duration::from_secs(60)));
        let _: () = client(&server).rpush("jobs", "write").unwrap();
        assert_eq!(waiting.join().unwrap(), ("jobs".into(), "write".into()));
    });
    assert_eq!(store.journal_stats().unwrap().unsynced_bytes, 0);
    drop(server);
    drop(store);
    assert!(open(&folder).is_empty().unwrap());
}
