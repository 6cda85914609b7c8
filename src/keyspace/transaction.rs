//! Several operations as one: the shards of the declared keys, or all of them, are held until the end.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Keyspace;
use super::held::{Holding, PutOff};
use super::shard::Shard;
use super::view::View;
use super::watch::Watch;
use super::writer::{Effects, Writer};
use crate::clock::Still;
use crate::key::KeyRef;
use crate::sync::{Mutex, RwLockWriteGuard};
use crate::{Bytes, Error, Result};

/// A transaction under way: what its handles reach the store through.
pub(crate) struct Transaction {
    space: Arc<Keyspace>,
    /// Where keys were declared; nothing else may be used then.
    declared: Option<Declared>,
    /// What is held; nothing once the transaction has ended.
    held: Mutex<Option<Held>>,
    /// Whether what was committed is written down, once it has ended.
    committed: Mutex<Result<()>>,
    /// When it began: all that it does is done at that moment.
    still: Still,
}

struct Declared {
    db: u16,
    /// In order.
    names: Vec<Bytes>,
}

#[cfg(feature = "commands")]
/// Keys that are watched, and since when nothing may have happened to them.
pub(crate) struct Watched {
    pub db: u16,
    pub names: Vec<Bytes>,
    pub watch: Arc<Watch>,
}

struct Held {
    /// The shards themselves, taken out from under their locks, which stay locked meanwhile.
    shards: SmallVec<[(u32, Shard); 2]>,
    effects: Effects,
}

impl Transaction {
    /// Runs `body` with the declared keys held. What it did is taken back if it gives an error or
    /// panics; `None` without running it if `watch` has seen a change.
    ///
    /// # Errors
    /// Those of `body`; [`Error::InTransaction`] if this thread already is in one of this store's.
    pub(crate) fn run<R, E: From<Error>>(
        space: &Arc<Keyspace>,
        db: u16,
        mut declared: Vec<Bytes>,
        watch: Option<&Watch>,
        body: impl FnOnce(&Arc<Transaction>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        space.check_may_write()?;
        declared.sort_unstable();
        let (guards, still) = {
            let keys: Vec<KeyRef<'_>> = declared.iter().map(|name| space.key_ref(name)).collect();
            let guards = space.lock(db, &keys);
            let still = Still::of(space.clock());
            if let Some(watch) = watch {
                let shards = guards.iter().map(|(index, guard)| (*index, &**guard)).collect();
                let view = View::new(space, db, shards).at(still.now());
                if watch.is_changed() || keys.iter().any(|key| view.is_overdue(*key)) {
                    return Ok(None);
                }
            }
            (guards, still)
        };
        let declared = Some(Declared { db, names: declared });
        let mut session = Session::start(space, declared, guards, still, Effects::undoable());
        let result = body(&session.transaction)?;
        session.commits = true;
        session.end()?;
        Ok(Some(result))
    }

    /// Runs `body` with all shards held: nobody else does anything meanwhile, and what it did stays, whatever
    /// becomes of it. A limit in bytes refuses nothing of it. `None` without running it if anything has happened to what is `watched`.
    ///
    /// # Errors
    /// [`Error::InTransaction`] if this thread already is in a transaction of this store.
    #[cfg(feature = "commands")]
    pub(crate) fn run_exclusive<R>(
        space: &Arc<Keyspace>,
        watched: &[Watched],
        body: impl FnOnce(&Arc<Transaction>) -> R,
    ) -> Result<Option<R>> {
        space.check_may_write()?;
        let guards: SmallVec<[_; 2]> = (0..).zip(space.lock_all()).collect();
        let still = Still::of(space.clock());
        let is_overdue = |Watched { db, names, .. }: &Watched| {
            let shards = guards.iter().map(|(index, guard)| (*index, &**guard)).collect();
            let view = View::new(space, *db, shards).at(still.now());
            names.iter().any(|name| view.is_overdue(space.key_ref(name)))
        };
        if watched.iter().any(|watched| watched.watch.is_changed() || is_overdue(watched)) {
            return Ok(None);
        }
        let mut session = Session::start(space, None, guards, still, Effects::whole());
        session.commits = true;
        let result = body(&session.transaction);
        session.end()?;
        Ok(Some(result))
    }

    /// Runs an operation that reads the given keys.
    ///
    /// # Errors
    /// [`Error::Undeclared`]; [`Error::InTransaction`] if the transaction has ended.
    pub(crate) fn read<R>(&self, db: u16, keys: &[KeyRef<'_>], op: impl FnOnce(&View<'_>) -> R) -> Result<R> {
        self.check_declared(db, keys)?;
        let mut held = self.held.lock();
        let held = held.as_mut().ok_or(Error::InTransaction)?;
        Ok(op(&held.view_of(&self.space, db, keys).at(self.still.now())))
    }

    /// Runs an operation that may change the given keys.
    ///
    /// # Errors
    /// [`Error::Undeclared`]; [`Error::InTransaction`] if the transaction has ended.
    pub(crate) fn write<R>(
        &self,
        db: u16,
        keys: &[KeyRef<'_>],
        op: impl FnOnce(&mut Writer<'_>) -> R,
    ) -> Result<R> {
        self.check_declared(db, keys)?;
        let mut held = self.held.lock();
        let held = held.as_mut().ok_or(Error::InTransaction)?;
        Ok(op(&mut held.writer_of(&self.space, db, keys).at(self.still.now())))
    }

    /// The moment at which time stands still in it.
    pub(super) fn still(&self) -> &Still {
        &self.still
    }

    /// Runs a task with the shards that are held, if those are all there are.
    ///
    /// # Errors
    /// [`Error::InTransaction`] if they are not, or the transaction has ended.
    pub(super) fn with_all<R>(&self, task: impl FnOnce(&mut [(u32, Shard)]) -> R) -> Result<R> {
        match (&self.declared, self.held.lock().as_mut()) {
            (None, Some(held)) => Ok(task(&mut held.shards)),
            _ => Err(Error::InTransaction),
        }
    }

    fn check_declared(&self, db: u16, keys: &[KeyRef<'_>]) -> Result<()> {
        let Some(declared) = &self.declared else { return Ok(()) };
        match keys.iter().find(|key| !declared.has(db, key.bytes)) {
            Some(key) => Err(Error::Undeclared(Bytes::from(key.bytes))),
            None => Ok(()),
        }
    }
}

impl Declared {
    fn has(&self, db: u16, key: &[u8]) -> bool {
        self.db == db && self.names.binary_search_by(|name| name.as_slice().cmp(key)).is_ok()
    }
}

impl Held {
    /// Read access to some keys.
    fn view_of<'v>(&'v mut self, space: &'v Keyspace, db: u16, keys: &[KeyRef<'_>]) -> View<'v> {
        let view = match keys {
            [key] => View::of_one(space, db, &self.shards[self.place(space, *key)].1),
            _ => View::new(space, db, self.shards.iter().map(|(index, shard)| (*index, shard)).collect()),
        };
        self.effects.have_told(view)
    }

    /// Write access to some keys. Where they have to make room for each other it is to all that is held.
    fn writer_of<'w>(&'w mut self, space: &'w Keyspace, db: u16, keys: &[KeyRef<'_>]) -> Writer<'w> {
        match keys {
            [key] if !space.is_bounded() => {
                let place = self.place(space, *key);
                let (index, shard) = &mut self.shards[place];
                Writer::of_one(space, db, *index, shard, &mut self.effects)
            }
            _ => self.writer(space, db),
        }
    }

    /// Where the shard of a key stands: at its index if all are held. A key that may be used is in one that is.
    fn place(&self, space: &Keyspace, key: KeyRef<'_>) -> usize {
        let index = space.shard_of(key.hash);
        if self.shards.get(index as usize).is_some_and(|(of, _)| *of == index) {
            return index as usize;
        }
        self.shards.iter().position(|(of, _)| *of == index).unwrap_or(0)
    }

    fn writer<'w>(&'w mut self, space: &'w Keyspace, db: u16) -> Writer<'w> {
        let shards = self.shards.iter_mut().map(|(index, shard)| (*index, shard)).collect();
        Writer::new(space, db, shards, &mut self.effects)
    }
}

/// The locks of a transaction: however its body ends, the shards go back under them first.
struct Session<'s> {
    transaction: Arc<Transaction>,
    guards: SmallVec<[(u32, RwLockWriteGuard<'s, Shard>); 2]>,
    holding: Option<Holding>,
    commits: bool,
    /// Dropped after all else, and even if a waker panics in the drop of this.
    _put_off: PutOff,
}

impl<'s> Session<'s> {
    /// Takes the shards out from under their locks.
    fn start(
        space: &Arc<Keyspace>,
        declared: Option<Declared>,
        mut guards: SmallVec<[(u32, RwLockWriteGuard<'s, Shard>); 2]>,
        still: Still,
        effects: Effects,
    ) -> Self {
        let shards = guards.iter_mut().map(|(index, guard)| (*index, std::mem::take(&mut **guard))).collect();
        let held = Mutex::new(Some(Held { shards, effects }));
        let committed = Mutex::new(Ok(()));
        let transaction =
            Arc::new(Transaction { space: Arc::clone(space), declared, held, committed, still });
        let holding = Some(space.hold());
        Session { transaction, guards, holding, commits: false, _put_off: PutOff }
    }

    /// Ends the transaction; gives whether what was committed is written down.
    fn end(self) -> Result<()> {
        let transaction = Arc::clone(&self.transaction);
        drop(self);
        std::mem::replace(&mut *transaction.committed.lock(), Ok(()))
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let Transaction { space, declared, held, committed, still } = &*self.transaction;
        let Some(mut held) = held.lock().take() else { return };
        let db = declared.as_ref().map_or(0, |declared| declared.db);
        let mut writer = held.writer(space, db).at(still.now());
        if self.commits {
            writer.commit();
        } else {
            writer.roll_back();
        }
        writer.end();
        drop(writer);
        let Held { shards, mut effects } = held;
        for ((_, guard), (_, shard)) in self.guards.iter_mut().zip(shards) {
            **guard = shard;
        }
        self.guards.clear();
        self.holding = None;
        *committed.lock() = space.settle(&mut effects);
    }
}
