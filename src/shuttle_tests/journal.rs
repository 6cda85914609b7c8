//! The journal's commits: what is acknowledged is on the disk, one sync serves many, and nobody waits for ever.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shuttle::thread;

use super::{builder, explore, join, with};
use crate::disk::{Disk, DiskFile};
use crate::{Error, ManualClock, Store, Sweeping, SyncPolicy};

const FOLDER: &str = "/data";

/// Files in memory, which know how much of them was synced. Threads may be switched at each step; the lock is not the model's, as it
/// is never held meanwhile.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    files: Vec<(PathBuf, Vec<u8>, usize)>,
    syncs: usize,
    /// From which sync on they fail.
    fails_at: Option<usize>,
}

struct OpenFile(Files, usize);

impl Files {
    fn with<R>(&self, act: impl FnOnce(&mut Known) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a text is in a file, where a crash would leave it.
    fn is_safe(&self, text: &str) -> bool {
        let is_in = |(_, bytes, synced): &(PathBuf, Vec<u8>, usize)| {
            bytes[..*synced].windows(text.len()).any(|part| part == text.as_bytes())
        };
        self.with(|known| known.files.iter().any(is_in))
    }
}

impl Disk for Files {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let at = self.with(|known| {
            known.files.push((path.into(), Vec::new(), 0));
            known.files.len() - 1
        });
        Ok(Box::new(OpenFile(self.clone(), at)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let found = self.with(|known| {
            let file = known.files.iter().rfind(|(name, ..)| name == path)?;
            Some(file.1.clone())
        });
        found.map(|bytes| Box::new(io::Cursor::new(bytes)) as _).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open_at(&self, _: &Path, _: u64) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let name = |(path, ..): &(PathBuf, Vec<u8>, usize)| {
            path.strip_prefix(folder).ok().map(|name| name.as_os_str().to_owned())
        };
        Ok(self.with(|known| known.files.iter().filter_map(name).collect()))
    }

    fn age(&self, _: &Path) -> io::Result<Duration> {
        Ok(Duration::ZERO)
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|known| {
            known.files.iter_mut().filter(|file| file.0 == from).for_each(|file| file.0 = to.into())
        });
        Ok(())
    }

    /// Keeps the bytes, under no name: open files are told apart by their place.
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.rename(path, Path::new("removed"))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::yield_now();
        self.0.with(|known| known.files[self.1].1.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        thread::yield_now();
        let length = self.0.with(|known| {
            known.syncs += 1;
            match known.fails_at {
                Some(at) if known.syncs >= at => Err(io::Error::other("planned")),
                _ => Ok(known.files[self.1].1.len()),
            }
        })?;
        thread::yield_now();
        self.0.with(|known| known.files[self.1].2 = length);
        Ok(())
    }
}

fn open(policy: SyncPolicy) -> (ManualClock, Files, Store) {
    let ((clock, builder), files) = (builder(), Files::default());
    let store = builder.sweeping(Sweeping::ByHand).build();
    let disk: Arc<dyn Disk> = Arc::new(files.clone());
    crate::journal::open(store.space(), disk, Path::new(FOLDER), policy, None).unwrap();
    store.space().journal().unwrap().start(&Arc::downgrade(store.space())).unwrap();
    (clock, files, store)
}

/// Writes by a plain call and in a transaction, while the journal begins anew and time goes on: each is on the disk when its call
/// has returned. Then the last handle goes, and all threads end.
#[test]
fn what_is_acknowledged_is_on_the_disk() {
    explore(500, || {
        let (clock, files, store) = open(SyncPolicy::Always);
        let write = |name: &'static str| {
            let files = files.clone();
            with(&store, move |store| {
                let [first, second] = [1, 2].map(|number| format!("{name}-{number}"));
                store.insert(name, &first).unwrap();
                assert!(files.is_safe(&first), "{first} is lost");
                store.transaction([name], |tx| tx.insert(name, &second)).unwrap();
                assert!(files.is_safe(&second), "{second} is lost");
            })
        };
        let threads = [write("ann"), write("bob"), write("eve")];
        let anew = with(&store, |store| store.rewrite_journal().unwrap());
        let time = with(&store, move |_| clock.advance(Duration::from_secs(1)));
        drop(store);
        join(threads);
        join([anew, time]);
        // Each of six waits for one; what was begun with takes three at the most.
        assert!(files.with(|known| known.syncs) <= 12);
    });
}

/// What nobody waits for is written by the journal's thread, which is woken for it.
#[test]
fn what_nobody_waits_for_is_synced_in_time() {
    explore(300, || {
        let (clock, files, store) = open(SyncPolicy::Every(Duration::from_secs(1)));
        let write =
            |name: &'static str| with(&store, move |store| store.insert(name, format!("{name}-1")).unwrap());
        join([write("ann"), write("bob")]);
        clock.advance(Duration::from_secs(1));
        // Without an end, if the thread sleeps on: that is a failure, too.
        while !files.is_safe("ann-1") || !files.is_safe("bob-1") {
            thread::yield_now();
        }
        store.insert("eve", "eve-1").unwrap();
        drop(store);
        assert!(files.is_safe("eve-1"), "the end syncs what is left");
    });
}

/// A sync that fails is told to each who waits for it, and to all who come later.
#[test]
fn a_sync_that_fails_leaves_nobody_waiting() {
    explore(500, || {
        let (_clock, files, store) = open(SyncPolicy::Always);
        files.with(|known| known.fails_at = Some(known.syncs + 2));
        let write = |name: &'static str| {
            let files = files.clone();
            with(&store, move |store| {
                let written = [1, 2].map(|number| (number, store.insert(name, format!("{name}-{number}"))));
                for (number, written) in written {
                    match written {
                        Ok(()) => assert!(files.is_safe(&format!("{name}-{number}"))),
                        Err(error) => assert!(matches!(error, Error::Journal(_)), "{error}"),
                    }
                }
            })
        };
        join([write("ann"), write("bob"), write("eve")]);
        assert!(store.insert("late", 1).is_err(), "nothing more is taken");
    });
}
