//! DEBUG CHECKPOINT and DEBUG ROLLBACK: a state to begin each test with.

use std::sync::Arc;

use crate::api::Store;
use crate::reply::{ErrorReply, Reply};
use crate::table::call::{Answer, Call};

const NONE: ErrorReply = ErrorReply::known("ERR there is no checkpoint: DEBUG CHECKPOINT makes one");

/// Keeps what the store holds, in place of what was kept before. O(pages)
pub(super) fn keep(call: &Call<'_>) -> Answer {
    let checkpoint = store(call).checkpoint()?;
    let before = call.shared().checkpoint.lock().replace(checkpoint);
    drop(before);
    Ok(Reply::OK)
}

/// Puts the store back to it, as often as wanted.
pub(super) fn roll_back(call: &Call<'_>) -> Answer {
    let checkpoint = call.shared().checkpoint.lock().clone();
    store(call).roll_back(&checkpoint.ok_or(NONE)?)?;
    Ok(Reply::OK)
}

fn store(call: &Call<'_>) -> Store {
    Store::of(Arc::clone(call.db().space()))
}
