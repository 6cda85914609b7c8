//! What a connection has changed in its transaction, as tags that are held until that has ended.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use crate::cache::tags::Hold;
use crate::keyspace::Keyspace;
use crate::sync::{Mutex, MutexGuard};

/// Of so many rows of a table it is noted which they are; of more, that all are changed.
const MOST_ROWS: usize = 1000;

/// See the [module](self).
pub(super) struct Changes {
    space: Arc<Keyspace>,
    /// The tables whose rows are told by their rowids.
    with_rowids: HashSet<String>,
    now: Transaction,
    /// One of the hooks was displaced: what is changed is not told any more.
    is_deaf: bool,
}

/// The changes of one transaction, or of several that ended one after the other. Dropped, they have been observed.
#[derive(Default)]
pub(super) struct Transaction {
    tables: HashMap<String, Table>,
    /// It has got as far as the commit hook.
    pub has_committed: bool,
}

/// The changes of a table.
struct Table {
    _table: Hold,
    rows: HashMap<i64, Hold>,
    all_rows: Option<Hold>,
}

impl Changes {
    pub(super) fn new(space: &Arc<Keyspace>) -> Self {
        Changes {
            space: Arc::clone(space),
            with_rowids: HashSet::new(),
            now: Transaction::default(),
            is_deaf: false,
        }
    }

    pub(super) fn tables_with_rowids(&mut self, names: HashSet<String>) {
        self.with_rowids = names;
    }

    /// A row is about to change, which has or gets these rowids. O(1)
    pub(super) fn row(&mut self, table: &str, rows: [Option<i64>; 2]) {
        let Changes { space, with_rowids, now, .. } = self;
        if !now.tables.contains_key(table) {
            let held =
                Table { _table: Hold::of(space, table.as_bytes()), rows: HashMap::new(), all_rows: None };
            now.tables.insert(table.to_owned(), held);
        }
        let Some(held) = now.tables.get_mut(table) else { return };
        if held.all_rows.is_some() {
            return;
        }
        for row in rows.into_iter().flatten() {
            let name = || format!("{table}:{row}");
            held.rows.entry(row).or_insert_with(|| Hold::of(space, name().as_bytes()));
        }
        let is_told = rows != [None, None] && with_rowids.contains(table);
        if !is_told || held.rows.len() > MOST_ROWS {
            held.all_rows = Some(Hold::of(space, format!("{table}:").as_bytes()));
            held.rows = HashMap::new();
        }
    }

    /// A transaction is about to commit.
    pub(super) fn commits(&mut self) {
        self.now.has_committed = true;
    }

    /// What was changed, of a connection that is in no transaction.
    pub(super) fn take(&mut self) -> Transaction {
        if self.is_deaf {
            self.remove_every();
        }
        mem::take(&mut self.now)
    }

    /// Removes all tags of the store. O(1)
    pub(super) fn remove_every(&self) {
        self.space.caches().remove_every_tag();
    }
}

/// A hook's way to the changes. When it goes, the hook has.
pub(super) struct Token(Arc<Mutex<Changes>>);

impl Token {
    pub(super) fn new(changes: &Arc<Mutex<Changes>>) -> Self {
        Token(Arc::clone(changes))
    }

    pub(super) fn changes(&self) -> MutexGuard<'_, Changes> {
        self.0.lock()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.changes().is_deaf = true;
    }
}
