//! Beginning anew: a snapshot in the place of all that led to it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use super::open::{Folder, snapshot_name};
use super::state::{Rewriting, Shared};
use super::{JournalError, log};
use crate::disk::Disk;
use crate::keyspace::Keyspace;
use crate::planted::{Bug, is_planted};
use crate::{Result, rng, snapshot, trace};

/// Takes a picture of all keys and has records go to another file at the same instant; writes the picture, and removes what
/// is older. Whatever fails on the way, the files that are there add up to the store.
///
/// # Errors
/// [`Error::Journal`](crate::Error::Journal), [`Error::Snapshot`](crate::Error::Snapshot)
pub(super) fn rewrite(rewriting: Rewriting, space: &Weak<Keyspace>) -> Result<()> {
    let outcome = space.upgrade().map_or(Ok(()), |space| {
        let _one_at_a_time = rewriting.shared().rewriting.lock();
        write_anew(rewriting.shared(), space)
    });
    rewriting.end(&outcome);
    outcome
}

fn write_anew(shared: &Shared, space: Arc<Keyspace>) -> Result<()> {
    // The last handle may go meanwhile, and nobody else is at the folder before this has ended.
    let _lock = shared.keep_lock();
    shared.check()?;
    let (id, mut turned) = (rng::unseeded().max(1), (0, 0));
    let mut picture = snapshot::share(&space, || turned = shared.turn(id))?;
    let (number, place) = turned;
    picture.moment = shared.at(picture.moment.now);
    // While the picture is written, nothing keeps the store alive.
    drop(space);
    shared.wait_turned()?;
    if is_planted(Bug::RemovedTooSoon) {
        let _ = remove_older(&*shared.disk, &shared.folder, number);
    }
    let path = shared.folder.join(snapshot_name(number));
    let progress = snapshot::save_picture(&*shared.disk, &path, id, picture, |_| {})?;
    shared.goes_on_from(progress.bytes, place);
    trace::snapshot("rewritten", &path, progress);
    let removed = remove_older(&*shared.disk, &shared.folder, number);
    removed.map_err(|error| JournalError::io("remove older files of", &shared.folder, error))
}

/// Removes the files that nothing needs which begins at a number.
pub(super) fn remove_older(disk: &dyn Disk, folder: &Path, number: u64) -> io::Result<()> {
    let files = Folder::read(disk, folder)?;
    let older = |numbers: Vec<u64>| numbers.into_iter().filter(move |old| *old < number);
    // The snapshots go first: without their journals they would be taken for a store that has lost some.
    let names = older(files.snapshots).map(snapshot_name).chain(older(files.journals).map(log::name));
    // Nobody else writes here: what was not finished is nobody's.
    let names: Vec<_> = names.chain(files.drafts).collect();
    names.iter().try_for_each(|name| disk.remove(&folder.join(name)))?;
    if names.is_empty() { Ok(()) } else { disk.sync_folder(folder) }
}
