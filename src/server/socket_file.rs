//! The file of a Unix socket: made with its listener, gone with it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf, absolute};

use socket2::{Domain, SockAddr, Socket, Type};

/// A socket's file, which goes when this does; one that stands in its place by then stays.
pub(super) struct SocketFile {
    /// As it was given.
    name: String,
    path: PathBuf,
    /// Its device and its number there.
    identity: (u64, u64),
}

/// Listens on a socket at a path. A socket that nobody listens on any more is replaced.
///
/// # Errors
/// `AddrInUse` if somebody listens there, or it is no socket; those of the system else.
pub(super) fn listen(path: &Path, permissions: Option<u32>) -> io::Result<(UnixListener, SocketFile)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }?;
    let found = fs::symlink_metadata(path)?;
    let (name, identity) = (path.to_string_lossy().into_owned(), (found.dev(), found.ino()));
    let file = SocketFile { name, path: absolute(path)?, identity };
    if let Some(permissions) = permissions {
        fs::set_permissions(path, fs::Permissions::from_mode(permissions))?;
    }
    listener.set_nonblocking(true)?;
    Ok((listener, file))
}

fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refuses = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    // Whoever listens need not take it at once.
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    is_socket && connect().err().is_some_and(refuses)
}

impl SocketFile {
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = |found: fs::Metadata| (found.dev(), found.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            // It may have gone by itself.
            let _ = fs::remove_file(&self.path);
        }
    }
}
