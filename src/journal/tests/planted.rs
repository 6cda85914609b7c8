//! Each check of these tests finds the bug that it is for.

use super::a_session;
use super::crashes::{any_history, any_step, killed_at_any_step};
use super::damage::{each_bit, each_place};
use crate::planted::Bug::*;
use crate::planted::expect_caught;

#[test]
fn a_disk_that_fails_finds_what_is_not_safe() {
    for bug in [SkippedSync, SkippedFolderSync, DroppedRecord, RemovedTooSoon] {
        expect_caught(bug, any_step);
    }
    expect_caught(TrustedNames, killed_at_any_step);
    let histories = || (0..20).for_each(|seed| any_history(seed, &[(20 + 5 * seed, seed), (30, seed)]));
    for bug in [SkippedSync, DroppedRecord] {
        expect_caught(bug, histories);
    }
}

#[test]
fn random_commands_find_what_is_not_written() {
    let sessions = || (0..10).for_each(a_session);
    for bug in [DroppedRecord, ForgottenPart] {
        expect_caught(bug, sessions);
    }
}

#[test]
fn damaged_files_find_what_is_not_checked() {
    expect_caught(UncheckedRecord, each_bit);
    expect_caught(UncheckedPlace, each_place);
}

#[test]
fn what_is_written_though_it_was_taken_back_is_found() {
    expect_caught(WrittenThoughTakenBack, super::crashes::taken_back);
}
