//! A lock with an owner's token and a deadline: what Redis's users do with SET NX PX and a script.

use super::keys::{self, ExpireIf};
use super::string::{self, Condition};
use crate::key::KeyRef;
use crate::keyspace::writer::{Deadline, Writer};
use crate::{Bytes, Result};

/// Whether the lock was free, and is the token's now.
pub(crate) fn acquire(writer: &mut Writer<'_>, key: KeyRef<'_>, token: Bytes, deadline: u64) -> Result<bool> {
    string::set_if(writer, key, token, &Condition::Absent, Deadline::At(deadline))
}

/// Whether the lock is the token's, and has the new deadline now.
pub(crate) fn extend(writer: &mut Writer<'_>, key: KeyRef<'_>, token: &Bytes, deadline: u64) -> Result<bool> {
    let is_held = writer.find::<Bytes>(key)?.is_some_and(|held| *token == *held);
    Ok(is_held && keys::expire(writer, key, deadline, ExpireIf::Always))
}

/// Whether the lock was the token's, and is free now.
pub(crate) fn release(writer: &mut Writer<'_>, key: KeyRef<'_>, token: &Bytes) -> Result<bool> {
    string::remove_if(writer, key, &Condition::Equal(token.clone()))
}
