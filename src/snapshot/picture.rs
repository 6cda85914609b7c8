//! All keys of one instant, shared with the store, on their way to a file.
//!
//! Writers copy the pages that they write to meanwhile. What of a picture has been read is let go of at once, and what they have
//! copied is read next: see [`handover`](crate::keyspace::handover).

#[cfg(feature = "commands")]
use std::collections::BTreeMap;

use super::Moment;
use crate::Result;
use crate::keyspace::Keyspace;
use crate::keyspace::handover::{Handover, Marks};
use crate::keyspace::libraries::Codes;
use crate::keyspace::table::{Contents, Entry, Leaving, Table};
use crate::sync::Arc;

/// See the [module](self).
pub(crate) struct Picture {
    pub(super) tables: Vec<Shown>,
    pub moment: Moment,
    /// Whether the values of caches are in it, encoded.
    natives: bool,
    /// How many entries are shown, where that is known without a look at them.
    pub(super) count: Option<usize>,
    handover: Ending,
    /// The code of the libraries that there are.
    pub libraries: Codes,
}

/// A table's part of a picture.
pub(super) struct Shown {
    pub db: u16,
    pub contents: Contents,
    marks: Marks,
    /// How many keys have a deadline.
    #[cfg(feature = "commands")]
    timed: usize,
}

/// A handover that ends however its picture does.
#[derive(Default)]
struct Ending(Arc<Handover>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The contents of all tables at this instant. Writers wait while the tables are shared, which takes a step for each chunk of
/// pages of keys, and then copy the pages they write to.
pub(crate) fn collect(space: &Keyspace) -> Result<Picture> {
    let mut picture = share(space, || {})?;
    if space.caches().has_any() {
        picture.tables.iter_mut().for_each(|table| table.contents.decide_natives());
    }
    picture.natives = true;
    Ok(picture)
}

/// The same without what caches hold. While nothing can change, `at` is run.
pub(crate) fn share(space: &Keyspace, at: impl FnOnce()) -> Result<Picture> {
    space.read_all(|shards| {
        let moment = Moment::of(space.clock());
        let handover = Ending::default();
        let tables = || shards.iter().flat_map(|shard| shard.tables());
        // Of a cache's value, only itself knows until when it is shown.
        let is_countable = !space.caches().has_any();
        let count = tables().map(|(_, table)| table.count_live(moment.now).filter(|_| is_countable)).sum();
        let numbered = (0..).zip(tables());
        let tables: Vec<_> =
            numbered.map(|(number, (db, table))| Shown::of(db, table, &handover.0, number)).collect();
        at();
        // Behind that: who changes them meanwhile may be in both.
        let libraries = space.libraries().codes();
        Picture { tables, moment, natives: false, count, handover, libraries }
    })
}

impl Shown {
    fn of(db: u16, table: &Table, handover: &Arc<Handover>, number: u32) -> Self {
        Shown {
            db,
            contents: table.picture(),
            marks: table.hand_over(handover, number),
            #[cfg(feature = "commands")]
            timed: table.expiring(),
        }
    }
}

impl Picture {
    /// How many entries are shown. O(tables), O(n) if there are caches, or hashes with a field that had expired.
    pub(crate) fn count(&self) -> u64 {
        let is_shown = is_shown(self.moment, self.natives);
        let count = || self.tables.iter().flat_map(|table| table.contents.iter()).filter(&is_shown).count();
        self.count.unwrap_or_else(count) as u64
    }

    /// How many keys each database has that has any, and how many of them have a deadline; those count that had expired.
    /// O(tables)
    #[cfg(feature = "commands")]
    pub(crate) fn sizes(&self) -> BTreeMap<u16, (u64, u64)> {
        let mut sizes = BTreeMap::new();
        for table in &self.tables {
            let (keys, timed) = sizes.entry(table.db).or_default();
            *keys += table.contents.len() as u64;
            *timed += table.timed as u64;
        }
        sizes
    }

    /// Reads each entry that is shown once, and lets go of it: what somebody has written to meanwhile as soon as that is told,
    /// the rest in its order, one database behind the other. O(n)
    ///
    /// # Errors
    /// That of the first `read` that gives one.
    pub(crate) fn consume<E>(self, mut read: impl FnMut(u16, &Entry<'_>) -> Result<(), E>) -> Result<(), E> {
        let Picture { tables, moment, natives, handover: Ending(ref handover), .. } = self;
        let is_shown = is_shown(moment, natives);
        let mut read_page = |(db, leaving): &mut (u16, Leaving), page, is_asked| {
            leaving.read(page, is_asked, |entry| if is_shown(&entry) { read(*db, &entry) } else { Ok(()) })
        };
        let leave = |table: Shown| (table.db, Leaving::of(table.contents, table.marks));
        let mut tables: Vec<_> = tables.into_iter().map(leave).collect();
        let mut order: Vec<_> = (0..tables.len()).collect();
        order.sort_by_key(|number| tables[*number].0);
        for number in order {
            for page in 0..tables[number].1.pages() {
                // The numbers are those that the tables were given.
                while let Some(asked) = handover.take() {
                    for (number, page) in asked {
                        read_page(&mut tables[number as usize], page, true)?;
                    }
                }
                read_page(&mut tables[number], page, false)?;
            }
        }
        Ok(())
    }
}

/// Whether an entry had not expired by then, and is not for its cache alone.
fn is_shown(moment: Moment, natives: bool) -> impl Fn(&Entry<'_>) -> bool {
    move |entry| !entry.is_expired(|_| moment.now) && (natives || !entry.value.is_native())
}
