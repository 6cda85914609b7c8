//! SQLite tells the caches: what a connection changes is removed from them by its tags (feature `rusqlite`).
//!
//! A loader tags its value with the tables and rows that it has read, and the connection that writes is
//! [`Followed`]:
//!
//! ```
//! use larder::{Cache, Load, Store, sqlite::Followed};
//! use rusqlite::Connection;
//!
//! # let folder = std::env::temp_dir().join(format!("larder-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("shop.db");
//! # let _ = std::fs::remove_file(&path);
//! let store = Store::new();
//! let names: Cache<i64, String> = store.cache("names").build()?;
//!
//! let mut db = Followed::new(&store, Connection::open(&path)?)?;
//! db.lend().execute_batch(
//!     "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO products VALUES (7, 'tea');",
//! )?;
//!
//! let reader = Connection::open(&path)?;
//! let find = |id: i64| {
//!     reader
//!         .query_row("SELECT name FROM products WHERE id = ?", [id], |row| row.get::<_, String>(0))
//!         .map(|name| Load::value(name).tag(format!("products:{id}")))
//! };
//! assert_eq!(*names.get_or_load(&7, || find(7))?.unwrap(), "tea");
//!
//! db.lend().execute("UPDATE products SET name = 'green tea' WHERE id = 7", [])?;
//! assert_eq!(*names.get_or_load(&7, || find(7))?.unwrap(), "green tea");
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which tags
//!
//! | what changes | what is removed |
//! | --- | --- |
//! | a row, by whatever statement, trigger, foreign key, `REPLACE` or incremental blob | `table` and `table:rowid` |
//! | a row of a `WITHOUT ROWID` table, or over a thousand of one table in a transaction | `table` and all `table:...` |
//! | the schema | all tags of the store |
//! | anything, by another connection: see [`Followed::check`] | all tags of the store |
//!
//! An `INTEGER PRIMARY KEY` is the rowid. Names of tables are spelled as they were when they were made. A bare
//! `DELETE FROM t` is carried out row by row on a followed connection, and told so.
//!
//! # When
//!
//! From the first change of a transaction until its end has been observed, values with these tags are loaded and served,
//! but not stored, as by a [`Writing`](crate::Writing). The end is observed when the guard that
//! [`lend`](Followed::lend) gives is dropped and the connection is in no transaction. It is not taken from SQLite's commit
//! hook: in WAL mode others read the old rows while that runs, and the commit can fail after it. What is rolled back, a
//! savepoint among it, counts as changed. A change of the schema is told at the end alone.
//!
//! # What is not seen
//!
//! - Commits of connections that are not followed and of other processes, before [`check`](Followed::check) was called.
//! - A loader that reads in a transaction which began before the change: let it begin its own.
//! - Changes to virtual tables, by their own name: those of an FTS5 table `docs` are told as changes of `docs_content`
//!   and its like.
//! - The schema of an attached database; and tables that another process has made anew without rowid, before `check`.
//! - `VACUUM`, where it numbers rows anew: in tables that have no `INTEGER PRIMARY KEY`.
//! - `PRAGMA writable_schema`, what is written into the file by other means than SQLite, and a file that is put in its
//!   place.
//!
//! The hooks that larder sets are the preupdate and the commit hook; those of your own go with them by [`Hooks`]. One
//! that is set on the connection itself displaces larder's: all tags of the store are removed then each time the
//! connection was lent.

mod changes;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rusqlite::hooks::{Action, PreUpdateCase};
use rusqlite::{Connection, Result};

use crate::Database;
use crate::sync::Mutex;
use changes::{Changes, Token};

/// A connection whose changes the caches of a store follow: see the [module](self).
pub struct Followed {
    connection: Connection,
    /// Shared with the hooks.
    changes: Arc<Mutex<Changes>>,
    /// As they were when they were last looked at.
    data_version: i64,
    schema_version: i64,
}

/// A [`Followed`] connection, lent to be used. When it is dropped, what was committed has been observed.
#[must_use = "the connection is used through it"]
pub struct Lent<'f>(&'f mut Followed);

type OnPreupdate = Box<dyn FnMut(Action, &str, &str, &PreUpdateCase) + Send>;
type OnCommit = Box<dyn FnMut() -> bool + Send>;

/// Hooks of your own for a connection that is [`Followed`]: they are called after larder's.
#[derive(Default)]
pub struct Hooks {
    preupdate: Option<OnPreupdate>,
    commit: Option<OnCommit>,
}

impl Hooks {
    /// As [`Connection::preupdate_hook`]. O(1)
    pub fn on_preupdate(
        mut self,
        hook: impl FnMut(Action, &str, &str, &PreUpdateCase) + Send + 'static,
    ) -> Self {
        self.preupdate = Some(Box::new(hook));
        self
    }

    /// As [`Connection::commit_hook`]: true has the transaction rolled back. O(1)
    pub fn on_commit(mut self, hook: impl FnMut() -> bool + Send + 'static) -> Self {
        self.commit = Some(Box::new(hook));
        self
    }
}

impl Followed {
    /// Has the caches of a store follow a connection. What has any tag is removed from them, since nothing is known of
    /// what was written before. O(tables)
    ///
    /// # Errors
    /// SQLite's, such as that the file is no database.
    pub fn new(store: &Database, connection: Connection) -> Result<Self> {
        Followed::with_hooks(store, connection, Hooks::default())
    }

    /// The same with hooks of your own. O(tables)
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_hooks(store: &Database, connection: Connection, hooks: Hooks) -> Result<Self> {
        let Hooks { preupdate: mut on_preupdate, commit: mut on_commit } = hooks;
        // What was prepared without the hook may delete all rows of a table with no word of it.
        connection.flush_prepared_statement_cache();
        let changes = Arc::new(Mutex::new(Changes::new(store.space())));
        let token = Token::new(&changes);
        connection.preupdate_hook(Some(
            move |action: Action, database: &str, table: &str, case: &PreUpdateCase| {
                token.changes().row(table, rows_of(case));
                if let Some(hook) = &mut on_preupdate {
                    hook(action, database, table, case);
                }
            },
        ));
        let token = Token::new(&changes);
        connection.commit_hook(Some(move || {
            token.changes().commits();
            on_commit.as_mut().is_some_and(|hook| hook())
        }));
        let (data_version, schema_version) =
            (pragma(&connection, "data_version")?, pragma(&connection, "schema_version")?);
        let followed = Followed { connection, changes, data_version, schema_version };
        followed.look_at_tables();
        followed.changes.lock().remove_every();
        Ok(followed)
    }

    /// Lends the connection out, to be read and written by. What is changed is observed as soon as the guard is dropped,
    /// so do not keep it longer than a transaction. O(1), and what was changed at its end
    ///
    /// After a commit, its end reads the schema's version: one look at the file, which waits as long as
    /// [`busy_timeout`](Connection::busy_timeout) says if another process locks it.
    pub fn lend(&mut self) -> Lent<'_> {
        Lent(self)
    }

    /// Looks whether another connection has committed since the last time, in this process or another, and removes all
    /// tags of the store if one has; true if so. What is asked for after that is no older than those commits.
    ///
    /// It is one `PRAGMA data_version`: some microseconds, in a rollback journal with the file's lock taken for
    /// reading. Call it before what must be current, or on a timer: then answers are at most that much older. SQLite
    /// says that something has changed and not what; so follow all connections of your own process that write, and call
    /// it for those of others: it cannot tell one from the other.
    ///
    /// Within a transaction SQLite shows the state that it began with, and this tells nothing.
    ///
    /// ```
    /// use larder::{Store, sqlite::Followed};
    /// use rusqlite::Connection;
    ///
    /// let mut db = Followed::new(&Store::new(), Connection::open_in_memory()?)?;
    /// assert!(!db.check()?, "nobody else can write to it");
    /// # Ok::<(), rusqlite::Error>(())
    /// ```
    ///
    /// # Errors
    /// SQLite's, such as that the file is locked for longer than the connection waits. Nothing is known then, and
    /// nothing removed.
    pub fn check(&mut self) -> Result<bool> {
        let version = pragma(&self.connection, "data_version")?;
        if version == self.data_version {
            return Ok(false);
        }
        self.changes.lock().remove_every();
        self.data_version = version;
        self.look_at_schema();
        Ok(true)
    }

    /// Lets go what was changed, if the transaction has ended: committed, rolled back, or never begun.
    fn settle(&mut self) {
        if !self.connection.is_autocommit() {
            return;
        }
        let ended = self.changes.lock().take();
        if ended.has_committed && self.look_at_schema() {
            self.changes.lock().remove_every();
        }
        drop(ended);
    }

    /// Looks at the schema's version, and at its tables if that has changed; true if so, or if nobody can tell.
    fn look_at_schema(&mut self) -> bool {
        match pragma(&self.connection, "schema_version") {
            Ok(version) if version == self.schema_version => false,
            Ok(version) => {
                self.schema_version = version;
                self.look_at_tables();
                true
            }
            Err(_) => true,
        }
    }

    /// Notes which tables have rowids. Of those that are not known to, all rows count as changed.
    fn look_at_tables(&self) {
        let names = || {
            let sql = "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT wr";
            let mut statement = self.connection.prepare(sql)?;
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            names.collect::<Result<_>>()
        };
        self.changes.lock().tables_with_rowids(names().unwrap_or_default());
    }
}

/// The rowids that a change is about, before and after it.
fn rows_of(case: &PreUpdateCase) -> [Option<i64>; 2] {
    match case {
        PreUpdateCase::Insert(new) => [None, Some(new.get_new_row_id())],
        PreUpdateCase::Delete(old) => [Some(old.get_old_row_id()), None],
        PreUpdateCase::Update { old_value_accessor: old, new_value_accessor: new } => {
            [Some(old.get_old_row_id()), Some(new.get_new_row_id())]
        }
        PreUpdateCase::Unknown => [None, None],
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<i64> {
    connection.prepare_cached(&format!("PRAGMA main.{name}"))?.query_row([], |row| row.get(0))
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0.connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0.connection
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lent").field(&self.0.connection).finish()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hooks { preupdate, commit } = self;
        let mut text = f.debug_struct("Hooks");
        text.field("preupdate", &preupdate.is_some()).field("commit", &commit.is_some()).finish()
    }
}
