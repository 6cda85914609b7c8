//! Several operations as one: the shards of the declared keys are held until the end.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Keyspace;
use super::held::{Holding, PutOff};
use super::shard::Shard;
use super::view::View;
use super::watch::Watch;
use super::writer::{Effects, Writer};
use crate::key::KeyRef;
use crate::sync::{Mutex, RwLockWriteGuard};
use crate::{Bytes, Error, Result};

/// A transaction under way: what its handles reach the store through.
pub(crate) struct Transaction {
    space: Arc<Keyspace>,
    db: u16,
    /// In order.
    declared: Vec<Bytes>,
    /// What is held; nothing once the transaction has ended.
    held: Mutex<Option<Held>>,
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
        space.check_not_in_transaction()?;
        declared.sort_unstable();
        let mut guards = {
            let keys: Vec<KeyRef<'_>> = declared.iter().map(|name| space.key_ref(name)).collect();
            let guards = space.lock(&keys);
            if let Some(watch) = watch {
                let shards = guards.iter().map(|(index, guard)| (*index, &**guard)).collect();
                let view = View::new(space, db, shards);
                if watch.is_changed() || keys.iter().any(|key| view.is_overdue(*key)) {
                    return Ok(None);
                }
            }
            guards
        };
        let shards = guards.iter_mut().map(|(index, guard)| (*index, std::mem::take(&mut **guard))).collect();
        let held = Mutex::new(Some(Held { shards, effects: Effects::undoable() }));
        let transaction = Arc::new(Transaction { space: Arc::clone(space), db, declared, held });
        let holding = Some(space.hold());
        let mut session = Session { transaction, guards, holding, commits: false, _put_off: PutOff };
        let result = body(&session.transaction)?;
        session.commits = true;
        Ok(Some(result))
    }

    /// Runs an operation that reads the given keys.
    ///
    /// # Errors
    /// [`Error::Undeclared`]; [`Error::InTransaction`] if the transaction has ended.
    pub(crate) fn read<R>(&self, keys: &[KeyRef<'_>], op: impl FnOnce(&View<'_>) -> R) -> Result<R> {
        self.write(keys, |writer| op(&writer.view()))
    }

    /// Runs an operation that may change the given keys.
    ///
    /// # Errors
    /// [`Error::Undeclared`]; [`Error::InTransaction`] if the transaction has ended.
    pub(crate) fn write<R>(&self, keys: &[KeyRef<'_>], op: impl FnOnce(&mut Writer<'_>) -> R) -> Result<R> {
        if let Some(key) = keys.iter().find(|key| !self.declares(key.bytes)) {
            return Err(Error::Undeclared(Bytes::from(key.bytes)));
        }
        let mut held = self.held.lock();
        let held = held.as_mut().ok_or(Error::InTransaction)?;
        Ok(op(&mut held.writer(&self.space, self.db)))
    }

    fn declares(&self, key: &[u8]) -> bool {
        self.declared.binary_search_by(|name| name.as_slice().cmp(key)).is_ok()
    }
}

impl Held {
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

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let Transaction { space, db, held, .. } = &*self.transaction;
        let Some(mut held) = held.lock().take() else { return };
        let mut writer = held.writer(space, *db);
        if self.commits {
            writer.commit();
            writer.serve_waiters();
        } else {
            writer.roll_back();
        }
        writer.keep_within(0, &[]);
        drop(writer);
        let Held { shards, mut effects } = held;
        for ((_, guard), (_, shard)) in self.guards.iter_mut().zip(shards) {
            **guard = shard;
        }
        self.guards.clear();
        self.holding = None;
        space.settle(&mut effects);
    }
}
