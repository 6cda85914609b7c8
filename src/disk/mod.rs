//! Files and folders: the one door through which what must outlive a crash goes.
//!
//! [`Real`] is the machine's; tests have one that fails and crashes where they say.

#[cfg(all(any(test, fuzzing), not(shuttle)))]
#[cfg_attr(not(test), allow(dead_code, reason = "what fails in tests"))]
pub(crate) mod simulated;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// What a crash leaves of a disk is what was synced: a file's bytes and length by [`DiskFile::sync`], which names a
/// folder holds by [`sync_folder`](Disk::sync_folder). All else may be there, wholly or in part, or not.
pub(crate) trait Disk: Send + Sync {
    /// A new file to write; it must not be there yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A file to read from its beginning.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// A file to go on writing, which is cut to `length` bytes first; it must have as many.
    #[cfg_attr(not(test), allow(dead_code, reason = "a journal's"))]
    fn open_at(&self, path: &Path, length: u64) -> io::Result<Box<dyn DiskFile>>;

    /// The names in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// How long ago a file was last written.
    fn age(&self, path: &Path) -> io::Result<Duration>;

    /// A new folder, in one that is there.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Gives a file another name in its folder, in one step; what had that name is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which names a folder holds.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that is being written, at its end and by nobody else.
pub(crate) trait DiskFile: Write + Send {
    /// Makes the file's bytes and length durable. If it fails, nothing is known of what was written since the last
    /// sync, and no later sync tells: the system may have dropped it and forgotten that it did.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder and those above it, made where they are missing, and durable.
#[cfg_attr(not(test), allow(dead_code, reason = "a journal's"))]
pub(crate) fn create_folders(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let is_new = match disk.create_folder(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder != folder_of(folder) => {
            create_folders(disk, folder_of(folder))?;
            disk.create_folder(folder).map(|()| true)?
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        created => created.map(|()| true)?,
    };
    // Also if it was there: who has made it may have been stopped before this.
    match disk.sync_folder(folder_of(folder)) {
        Err(error) if !is_new && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// The folder that a path's last name stands in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        None if path.has_root() => path,
        _ => Path::new("."),
    }
}

/// The machine's files.
pub(crate) struct Real;

impl Disk for Real {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open_at(&self, path: &Path, length: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        match file.metadata()?.len() {
            is if is == length => {}
            is if is > length => file.set_len(length)?,
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        file.seek(SeekFrom::Start(length))?;
        Ok(Box::new(file))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn age(&self, path: &Path) -> io::Result<Duration> {
        let written = fs::metadata(path)?.modified()?;
        written.elapsed().map_err(io::Error::other)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Only Unix lets a folder be synced; elsewhere the file system sees to it.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

impl DiskFile for File {
    /// The times of a file need not be durable, its length is.
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
