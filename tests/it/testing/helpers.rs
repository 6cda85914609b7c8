//! What the tests of faults, the log and strict modes share.

use std::panic::{AssertUnwindSafe, catch_unwind};

use larder::{Reply, Session};

/// What a session is answered, errors and statuses as their text.
pub(super) fn ask(session: &mut Session, command: &str) -> String {
    match session.call(command.split(' ')) {
        Reply::Error(error) => error.to_string(),
        Reply::Status(text) => text.into_owned(),
        Reply::Integer(value) => value.to_string(),
        Reply::Nil | Reply::NilArray => "nil".to_owned(),
        Reply::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

/// What a task panics with.
pub(super) fn panic_of(task: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(task)).expect_err("it panics");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).expect("a text")
}
