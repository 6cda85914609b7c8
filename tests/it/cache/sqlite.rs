//! Caches that follow a SQLite connection: what each kind of change removes, when, and two processes that write.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use larder::sqlite::{Followed, Hooks};
use larder::{Cache, CacheState, Load, Store};
use rusqlite::{Connection, params};

use crate::support::Folder;

const MODES: [&str; 2] = ["wal", "delete"];

const SCHEMA: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, v INTEGER);
    INSERT INTO t VALUES (1, 'one', 0), (2, 'two', 0);
    CREATE TABLE child (id INTEGER PRIMARY KEY, of INTEGER REFERENCES t ON DELETE CASCADE);
    INSERT INTO child VALUES (5, 1);
    CREATE TABLE keyed (name TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID;
    INSERT INTO keyed VALUES ('a', 0), ('b', 0);
    CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
    CREATE TABLE noted (id INTEGER PRIMARY KEY);
    CREATE TRIGGER note AFTER INSERT ON noted BEGIN INSERT INTO log VALUES (3, 'noted'); END;
    CREATE VIRTUAL TABLE place USING rtree(id, low, high);
";

/// Tags of which there is a value each.
const TAGS: [&str; 11] =
    ["t", "t:1", "t:2", "t:9", "child", "child:5", "keyed", "keyed:a", "log", "log:3", "another"];

/// Which tags it had, and when it was loaded, nobody knows.
#[test]
fn what_stands_there_as_bytes_goes_when_a_connection_is_followed() {
    let store = Store::new();
    let names: Cache<u64, String> = store.cache("names").shared().build().unwrap();
    // As they come back from a snapshot: one that is asked for before, and one after that.
    store.insert("names:1", "one").unwrap();
    store.insert("names:2", "two").unwrap();
    assert!(names.peek(&1).unwrap().is_some());
    let _followed = Followed::new(&store, Connection::open_in_memory().unwrap()).unwrap();
    assert_eq!((names.peek(&1).unwrap(), names.peek(&2).unwrap()), (None, None));
    assert_eq!(names.explain(&2).unwrap().state, CacheState::Cleared);
    let loaded = names.get_or_load(&2, || Ok::<_, String>("of the database".to_owned())).unwrap();
    assert_eq!(names.peek(&2).unwrap(), loaded);
}

struct Shop {
    _folder: Folder,
    path: PathBuf,
    store: Store,
    values: Cache<String, u32>,
}

fn open(path: &Path, mode: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection.pragma_update(None, "foreign_keys", "on").unwrap();
    connection
}

impl Shop {
    fn new(mode: &str) -> (Self, Followed) {
        Shop::with_hooks(mode, Hooks::default())
    }

    fn with_hooks(mode: &str, hooks: Hooks) -> (Self, Followed) {
        let folder = Folder::new();
        let path = folder.join("shop.db");
        open(&path, mode).execute_batch(SCHEMA).unwrap();
        let store = Store::new();
        let values = store.cache("values").build().unwrap();
        let db = Followed::with_hooks(&store, open(&path, mode), hooks).unwrap();
        (Shop { _folder: folder, path, store, values }, db)
    }

    fn load(&self, tag: &str) {
        self.values.get_or_load(tag, || Ok::<_, String>(Load::value(1).tag(tag))).unwrap();
    }

    fn is_there(&self, tag: &str) -> bool {
        self.values.peek(tag).unwrap().is_some()
    }

    /// Those of the tags whose value has gone when `change` has ended. None of them is there before.
    fn gone_after(&self, change: impl FnOnce()) -> BTreeSet<&'static str> {
        TAGS.iter().for_each(|tag| self.load(tag));
        assert!(TAGS.iter().all(|tag| self.is_there(tag)));
        change();
        TAGS.into_iter().filter(|tag| !self.is_there(tag)).collect()
    }
}

/// What a change removes, in both journal modes; afterwards all is stored again.
fn check(what: &str, gone: &[&str], change: fn(&mut Followed)) {
    for mode in MODES {
        let (shop, mut db) = Shop::new(mode);
        let found = shop.gone_after(|| change(&mut db));
        assert_eq!(found, gone.iter().copied().collect(), "{what}, {mode}");
        assert!(shop.gone_after(|| ()).is_empty(), "{what}, {mode}: something is still held");
    }
}

fn check_sql(sql: &'static str, gone: &[&str]) {
    for mode in MODES {
        let (shop, mut db) = Shop::new(mode);
        let found = shop.gone_after(|| db.lend().execute_batch(sql).unwrap());
        assert_eq!(found, gone.iter().copied().collect(), "{sql}, {mode}");
        assert!(shop.gone_after(|| ()).is_empty(), "{sql}, {mode}: something is still held");
    }
}

#[test]
fn each_kind_of_change_removes_its_rows() {
    check_sql("SELECT * FROM t", &[]);
    check_sql("UPDATE t SET v = 1 WHERE id = 1", &["t", "t:1"]);
    check_sql("UPDATE t SET v = 1 WHERE id = 100", &[]);
    check_sql("INSERT INTO t VALUES (9, 'nine', 0)", &["t", "t:9"]);
    check_sql("DELETE FROM t WHERE id = 2", &["t", "t:2"]);
    check_sql("UPDATE t SET id = 9 WHERE id = 2", &["t", "t:2", "t:9"]);
    // Row 2 has the name, and goes.
    check_sql("REPLACE INTO t VALUES (9, 'two', 1)", &["t", "t:2", "t:9"]);
    check_sql("UPDATE OR REPLACE t SET u = 'two' WHERE id = 1", &["t", "t:1", "t:2"]);
    check_sql("INSERT INTO t VALUES (2, 'two', 1) ON CONFLICT DO UPDATE SET v = 2", &["t", "t:2"]);
    check_sql("DELETE FROM log; DELETE FROM child", &["child", "child:5"]);
    check_sql("DELETE FROM t", &["t", "t:1", "t:2", "child", "child:5"]);
    check_sql("INSERT INTO noted VALUES (1)", &["log", "log:3"]);
    check_sql("UPDATE keyed SET v = 1 WHERE name = 'b'", &["keyed", "keyed:a"]);
    check_sql("INSERT INTO place VALUES (1, 0, 1)", &[]);
    check_sql("BEGIN; UPDATE t SET v = 1 WHERE id = 1; ROLLBACK", &["t", "t:1"]);
    check_sql(
        "BEGIN; UPDATE t SET v = 1 WHERE id = 1; SAVEPOINT s; UPDATE t SET v = 1 WHERE id = 2; ROLLBACK TO s; COMMIT",
        &["t", "t:1", "t:2"],
    );
}

#[test]
fn a_change_of_the_schema_removes_all() {
    for sql in [
        "DROP TABLE log",
        "ALTER TABLE t ADD COLUMN w INTEGER DEFAULT 3",
        "BEGIN; UPDATE t SET v = 1 WHERE id = 1; ALTER TABLE log RENAME COLUMN what TO why; COMMIT",
    ] {
        check_sql(sql, &TAGS);
    }
}

/// What is known of the tables follows their making.
#[test]
fn the_rows_of_a_new_table_are_told() {
    let (shop, mut db) = Shop::new("wal");
    let made = "CREATE TABLE another (id INTEGER PRIMARY KEY); CREATE TABLE more (id TEXT PRIMARY KEY) WITHOUT ROWID";
    db.lend().execute_batch(made).unwrap();
    ["another:1", "another:2", "more:1"].into_iter().for_each(|tag| shop.load(tag));
    db.lend().execute("INSERT INTO another VALUES (1)", []).unwrap();
    assert_eq!(["another:1", "another:2", "more:1"].map(|tag| shop.is_there(tag)), [false, true, true]);
    db.lend().execute("INSERT INTO more VALUES ('x')", []).unwrap();
    assert!(!shop.is_there("more:1"));
}

#[test]
fn what_was_prepared_is_told_each_time() {
    check("DELETE, prepared", &["t", "t:1", "t:2", "child", "child:5"], |db| {
        let empty = |db: &Connection| db.prepare_cached("DELETE FROM t").unwrap().execute([]).unwrap();
        assert_eq!(empty(&db.lend()), 2);
        db.lend().execute_batch("INSERT INTO t VALUES (1, 'one', 0), (2, 'two', 0)").unwrap();
        assert_eq!(empty(&db.lend()), 2);
    });
}

#[test]
fn many_rows_are_the_table() {
    check("many rows", &["log", "log:3"], |db| {
        let many = "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
                    INSERT INTO log SELECT i, '' FROM n";
        db.lend().execute(many, []).unwrap();
    });
}

#[test]
fn from_the_first_change_to_the_end_nothing_is_stored() {
    for mode in MODES {
        let (shop, mut db) = Shop::new(mode);
        let mut lent = db.lend();
        let tx = lent.transaction().unwrap();
        shop.load("t:1");
        assert!(shop.is_there("t:1"), "nothing has been changed yet");
        tx.execute("UPDATE t SET v = 1 WHERE id = 1", []).unwrap();
        for tag in ["t", "t:1"] {
            shop.load(tag);
            assert!(!shop.is_there(tag), "what was loaded may be taken back");
        }
        shop.load("t:2");
        assert!(shop.is_there("t:2"));
        tx.commit().unwrap();
        shop.load("t:1");
        assert!(!shop.is_there("t:1"), "its end has not been observed");
        drop(lent);
        shop.load("t:1");
        assert!(shop.is_there("t:1"));
        assert!(shop.store.len().unwrap() > 0);
    }
}

#[test]
fn a_transaction_over_several_guards_ends_with_the_last() {
    let (shop, mut db) = Shop::new("wal");
    db.lend().execute_batch("BEGIN; UPDATE t SET v = 1 WHERE id = 1").unwrap();
    shop.load("t:1");
    assert!(!shop.is_there("t:1"));
    db.lend().execute_batch("COMMIT").unwrap();
    shop.load("t:1");
    assert!(shop.is_there("t:1"));
}

/// In WAL mode others read the old row while the commit hook runs: it is what larder's own must not end with.
#[test]
fn what_is_read_inside_the_commit_hook_is_not_kept() {
    let (asks, asked) = channel::<()>();
    let (answers, answered) = channel::<()>();
    let answered = Mutex::new(answered);
    let hooks = Hooks::default().on_commit(move || {
        let _ends = asks.send(()).map(|()| answered.lock().unwrap().recv());
        false
    });
    let (shop, db) = Shop::with_hooks("wal", hooks);
    let values: Cache<i64, i64> = shop.store.cache("v").build().unwrap();
    let reader = Mutex::new(open(&shop.path, "wal"));
    let ask = || {
        let loader = || {
            let read = reader.lock().unwrap().query_row("SELECT v FROM t WHERE id = 1", [], |row| row.get(0));
            read.map(|v: i64| Load::value(v).tag("t:1"))
        };
        *values.get_or_load(&1, loader).unwrap().unwrap()
    };
    assert_eq!(ask(), 0);
    thread::scope(|scope| {
        // In here, as its hook lets the thread go.
        let mut db = db;
        let (values, ask) = (&values, &ask);
        scope.spawn(move || {
            asked.recv().unwrap();
            assert_eq!(ask(), 0, "the commit cannot be seen yet");
            assert_eq!(values.peek(&1).unwrap(), None);
            answers.send(()).unwrap();
        });
        db.lend().execute("UPDATE t SET v = 1 WHERE id = 1", []).unwrap();
        assert_eq!(ask(), 1);
        assert!(values.peek(&1).unwrap().is_some());
    });
}

#[test]
fn a_commit_that_fails_after_the_hook_is_no_end() {
    // Refused by a hook of the user's.
    let refuses = std::sync::Arc::new(AtomicBool::new(true));
    let asked = std::sync::Arc::clone(&refuses);
    let (shop, mut db) =
        Shop::with_hooks("wal", Hooks::default().on_commit(move || asked.load(Ordering::Relaxed)));
    let gone = shop.gone_after(|| {
        assert!(db.lend().execute("UPDATE t SET v = 1 WHERE id = 1", []).is_err());
    });
    assert_eq!(gone, BTreeSet::from(["t", "t:1"]));
    refuses.store(false, Ordering::Relaxed);
    assert!(shop.gone_after(|| ()).is_empty());

    // The file is read by another: the transaction stays open, and commits later.
    let (shop, mut db) = Shop::new("delete");
    db.lend().busy_timeout(Duration::ZERO).unwrap();
    let reader = open(&shop.path, "delete");
    reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();
    db.lend().execute_batch("BEGIN; UPDATE t SET v = 1 WHERE id = 1").unwrap();
    assert!(db.lend().execute_batch("COMMIT").is_err());
    shop.load("t:1");
    assert!(!shop.is_there("t:1"));
    reader.execute_batch("COMMIT").unwrap();
    db.lend().execute_batch("COMMIT").unwrap();
    shop.load("t:1");
    assert!(shop.is_there("t:1"));
}

#[test]
fn hooks_of_ones_own_are_called_and_those_set_past_it_cost_precision() {
    let (rows, told) = channel();
    let hooks = Hooks::default().on_preupdate(move |_, _, table, _| rows.send(table.to_owned()).unwrap());
    let (shop, mut db) = Shop::with_hooks("wal", hooks);
    let gone = shop.gone_after(|| drop(db.lend().execute("UPDATE t SET v = 1 WHERE id = 1", [])));
    assert_eq!(gone, BTreeSet::from(["t", "t:1"]));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["t"]);

    db.lend().commit_hook(Some(|| false));
    let gone = shop.gone_after(|| drop(db.lend().execute("UPDATE t SET v = 1 WHERE id = 1", [])));
    assert_eq!(gone, TAGS.into_iter().collect());
}

#[test]
fn a_panic_ends_the_transaction() {
    let (shop, mut db) = Shop::new("wal");
    let gone = shop.gone_after(|| {
        let panics = std::panic::AssertUnwindSafe(|| {
            let mut lent = db.lend();
            let tx = lent.transaction().unwrap();
            tx.execute("UPDATE t SET v = 1 WHERE id = 1", []).unwrap();
            panic!("the repository's own");
        });
        assert!(std::panic::catch_unwind(panics).is_err());
    });
    assert_eq!(gone, BTreeSet::from(["t", "t:1"]));
    assert!(shop.gone_after(|| ()).is_empty());
}

#[test]
fn another_connections_commits_are_seen_when_asked_for() {
    for mode in MODES {
        let (shop, mut db) = Shop::new(mode);
        assert!(!db.check().unwrap());
        let gone = shop.gone_after(|| {
            db.lend().execute("UPDATE t SET v = 1 WHERE id = 1", []).unwrap();
            assert!(!db.check().unwrap(), "its own commits are none of another's");
        });
        assert_eq!(gone, BTreeSet::from(["t", "t:1"]));
        let other = open(&shop.path, mode);
        other.execute("UPDATE t SET v = 2 WHERE id = 2", []).unwrap();
        assert_eq!(shop.gone_after(|| assert!(db.check().unwrap())), TAGS.into_iter().collect());
        assert!(!db.check().unwrap());
    }
}

/// How long two processes write.
const WHILE: Duration = Duration::from_millis(1200);
const ROWS: usize = 3;
const WRITES_TO: &str = "LARDER_TEST_WRITES_TO";
const IN_MODE: &str = "LARDER_TEST_IN_MODE";

fn bump(connection: &mut Connection, row: usize) -> i64 {
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    tx.execute("UPDATE n SET n = n + 1 WHERE id = ?", params![row as i64]).unwrap();
    let now = read(&tx, row);
    tx.commit().unwrap();
    now
}

fn read(connection: &Connection, row: usize) -> i64 {
    let mut statement = connection.prepare_cached("SELECT n FROM n WHERE id = ?").unwrap();
    statement.query_row(params![row as i64], |row| row.get(0)).unwrap()
}

/// The other process of the test below: this test binary again. By itself it does nothing.
#[test]
fn the_other_process() {
    let (Ok(path), Ok(mode)) = (std::env::var(WRITES_TO), std::env::var(IN_MODE)) else { return };
    let mut connection = open(Path::new(&path), &mode);
    let (ended, has_ended) = channel();
    // It ends when the other does, however that ends.
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.send(()).unwrap();
    });
    for row in (0..ROWS).cycle() {
        if has_ended.recv_timeout(Duration::from_millis(2)) != Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            break;
        }
        bump(&mut connection, row);
    }
}

/// Two processes write, one of them through a connection that is followed. No answer is older than a commit that
/// was observed before the question: this process's own when the guard has gone, the other's when `check` has returned.
#[test]
fn no_answer_is_older_than_what_was_observed() {
    for mode in MODES {
        let folder = Folder::new();
        let path = folder.join("n.db");
        let schema = "CREATE TABLE n (id INTEGER PRIMARY KEY, n INTEGER);
                      INSERT INTO n VALUES (0, 0), (1, 0), (2, 0)";
        open(&path, mode).execute_batch(schema).unwrap();
        let store = Store::new();
        let rows: Cache<usize, i64> = store.cache("n").build().unwrap();
        let db = Mutex::new(Followed::new(&store, open(&path, mode)).unwrap());
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args(["cache::sqlite::the_other_process", "--exact"])
            .env(WRITES_TO, &path)
            .env(IN_MODE, mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let observed: [AtomicI64; ROWS] = Default::default();
        let others = AtomicI64::new(0);
        let has_all = || {
            let stats = rows.stats();
            stats.hits > 0 && stats.fenced > 0 && others.load(Ordering::Relaxed) > 0
        };
        // On a machine with much else to do, until there was something of everything.
        let (end, latest) = (Instant::now() + WHILE, Instant::now() + 30 * WHILE);
        let is_over = || Instant::now() >= end && (has_all() || Instant::now() >= latest);
        let pause = || thread::park_timeout(Duration::from_micros(300));
        thread::scope(|scope| {
            scope.spawn(|| {
                for row in (0..ROWS).cycle().take_while(|_| !is_over()) {
                    let now = bump(&mut db.lock().unwrap().lend(), row);
                    observed[row].fetch_max(now, Ordering::SeqCst);
                    pause();
                }
            });
            scope.spawn(|| {
                let plain = open(&path, mode);
                while !is_over() {
                    let seen: [i64; ROWS] = std::array::from_fn(|row| read(&plain, row));
                    others.fetch_add(db.lock().unwrap().check().unwrap().into(), Ordering::Relaxed);
                    for (observed, seen) in observed.iter().zip(seen) {
                        observed.fetch_max(seen, Ordering::SeqCst);
                    }
                    pause();
                }
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    let reader = open(&path, mode);
                    for row in (0..ROWS).cycle().take_while(|_| !is_over()) {
                        let least = observed[row].load(Ordering::SeqCst);
                        let loader = || {
                            let n = read(&reader, row);
                            // Long enough for a write to end within the load.
                            thread::yield_now();
                            Ok::<_, String>(Load::value(n).tag(format!("n:{row}")))
                        };
                        let answer = *rows.get_or_load(&row, loader).unwrap().unwrap();
                        assert!(answer >= least, "{mode}: row {row} was {least} already, and is {answer}");
                    }
                });
            }
        });
        drop(other.stdin.take());
        assert!(other.wait().unwrap().success());
        assert!(has_all(), "{mode}: {:?}, {others:?}", rows.stats());
    }
}
