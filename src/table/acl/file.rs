//! ACL LOAD and ACL SAVE: the users in the file that `aclfile` names.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::all_channels;
use super::users::Loaded;
use crate::disk::Real;
use crate::keyspace::Keyspace;
use crate::reply::{ErrorReply, Reply};
use crate::snapshot::Draft;
use crate::table::Compat;
use crate::table::call::{Answer, Call};
use crate::table::config::value;

/// The users of the file take the place of those that there are: all of them, or none.
pub(in crate::table) fn load(call: &mut Call<'_>) -> Answer {
    let path = path(call)?;
    let all_channels = all_channels(call.space());
    let read = read(call.space(), &path, all_channels, call.compat()).map_err(ErrorReply::new)?;
    call.session.end_sessions_of(&read.gone);
    Ok(Reply::OK)
}

/// Reads the users of a file into a store.
///
/// # Errors
/// Redis's text for a file that cannot be read, or does not make sense.
fn read(space: &Keyspace, path: &str, all_channels: bool, compat: Compat) -> Result<Loaded, String> {
    let text = fs::read(place(space, path)).map_err(|error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or_default().to_owned();
        format!("ERR Error loading ACLs, opening file '{path}': {why}")
    })?;
    space.shared().users.load(&text, path, all_channels, compat).map_err(|errors| {
        format!(
            "ERR {errors}WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        )
    })
}

/// The users go into the file, in one step.
pub(in crate::table) fn save(call: &mut Call<'_>) -> Answer {
    let path = path(call)?;
    let mut text = Vec::new();
    for line in call.shared().users.lines(call.compat()) {
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    let failed = ErrorReply::known(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
    );
    let mut draft = Draft::create(&Real, &place(call.space(), &path)).map_err(|_| failed.clone())?;
    draft.keep_permissions().map_err(|_| failed.clone())?;
    draft.write_all(&text).map_err(|_| failed.clone())?;
    draft.commit().map_err(|_| failed)?;
    Ok(Reply::OK)
}

/// The users of the file that a server is started with, if that names one; gives whether the default user is among them.
///
/// # Errors
/// Redis's text for a file that cannot be read, or does not make sense.
#[cfg(feature = "server")]
pub(crate) fn read_at_start(space: &Keyspace, compat: Compat) -> Result<bool, String> {
    let path = value(space, "aclfile");
    if path.is_empty() {
        return Ok(false);
    }
    let path = String::from_utf8_lossy(&path);
    let failed = |why: String| {
        let server = if compat == Compat::Valkey9 { "Valkey" } else { "Redis" };
        let why = why.strip_prefix("ERR ").unwrap_or(&why);
        format!("Aborting {server} startup because of ACL errors: {why}")
    };
    read(space, &path, all_channels(space), compat).map(|read| read.has_default).map_err(failed)
}

/// Where a file is, from the folder `dir` on.
fn place(space: &Keyspace, path: &str) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&value(space, "dir")).into_owned()).join(path)
}

fn path(call: &Call<'_>) -> Result<String, ErrorReply> {
    let path = value(call.space(), "aclfile");
    if path.is_empty() {
        return Err(ErrorReply::known(match call.compat() {
            Compat::Valkey9 => {
                "ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL \
                 SETUSER command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in \
                 order to store users in the configuration."
            }
            _ => {
                "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the \
                 ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file \
                 set) in order to store users in the Redis configuration."
            }
        }));
    }
    Ok(String::from_utf8_lossy(&path).into_owned())
}
