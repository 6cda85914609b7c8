//! The interleavings find the bugs that they are for.

use crate::planted::{Bug, expect_caught_by};

#[test]
fn an_old_version_that_is_kept_is_found() {
    expect_caught_by("shuttle_tests::loads::a_removal_fences_loads", Bug::IgnoredFence);
}

#[test]
fn who_is_not_woken_is_found() {
    expect_caught_by(
        "shuttle_tests::waiters::each_who_waits_is_served_an_element_of_its_own",
        Bug::LostWakeUp,
    );
}

#[test]
fn who_takes_a_store_for_full_is_found() {
    expect_caught_by("shuttle_tests::bounded::nobody_is_refused_where_something_can_go", Bug::TakenForStuck);
}

#[cfg(feature = "journal")]
#[test]
fn what_is_acknowledged_too_soon_is_found() {
    expect_caught_by("shuttle_tests::journal::what_is_acknowledged_is_on_the_disk", Bug::SkippedSync);
}
