//! The laws of [`Store`]: one async function for each promise in its docs.
//!
//! A backend calls [`conformance_tests!`](crate::conformance_tests) once and gets one test per
//! law, each on a store of its own:
//!
//! ```ignore
//! haumana_sync::conformance_tests!(MyStore::new());
//! // For storage that several handles or processes may use at the same time:
//! haumana_sync::conformance_tests!(shared (MyStore::open(&place), MyStore::open(&place)));
//! ```
//!
//! The expression may also make a guard that derefs to the store, such as a temporary directory
//! with the store in it. A law panics where the store breaks its promise.

// A law that cannot go on has found what it looks for: a store that breaks its promise.
#![allow(clippy::unwrap_used)]

mod changes;
mod commit;
mod erase;
mod head;
mod history;
mod index;
mod purge;
mod races;
mod read;
mod sample;
mod script;
mod shared;
mod users;

pub use changes::*;
pub use commit::*;
pub use erase::*;
pub use head::*;
pub use history::*;
pub use index::*;
pub use purge::*;
pub use races::*;
pub use read::*;
pub use sample::KINDS;
pub use script::*;
pub use shared::*;
pub use users::*;

use crate::Store;

/// Makes one test per law for the store that the expression makes.
///
/// `conformance_tests!(open())` takes an expression that makes an empty store, or a guard that
/// derefs to one. `conformance_tests!(shared open_two())` takes one that makes a pair of handles
/// on the same empty storage. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    (shared $open:expr) => { $crate::conformance_tests! { @two $open;
        what_one_handle_commits_the_other_reads
        of_two_handles_on_one_head_at_most_one_commits
        writers_on_two_handles_lose_nothing
        what_one_handle_erases_is_gone_for_the_other
    } };
    (@one $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(async {
                use $crate::conformance::AsStore as _;
                let opened = $open;
                $crate::conformance::$law(opened.as_store()).await;
            });
        }
    )* };
    (@two $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(async {
                use $crate::conformance::AsStore as _;
                let opened = $open;
                $crate::conformance::$law(opened.0.as_store(), opened.1.as_store()).await;
            });
        }
    )* };
    ($open:expr) => { $crate::conformance_tests! { @one $open;
        // Heads.
        a_user_without_commits_has_no_head
        the_head_is_exactly_what_the_last_commit_wrote
        the_head_is_fresh
        // Reading by key.
        records_are_read_in_the_order_of_the_keys
        records_that_do_not_exist_are_read_as_none
        a_read_is_fresh
        records_come_back_byte_for_byte
        envelopes_come_back_with_extreme_numbers
        one_id_names_a_record_of_each_kind
        thousands_of_records_are_read_at_once
        // The index.
        the_index_lists_each_record_of_a_kind_once_by_id
        the_index_is_complete_beyond_any_page
        the_index_tells_of_each_record_what_its_envelope_says
        the_index_is_fresh
        // Changes.
        a_user_without_commits_has_no_changes
        changes_are_ordered_by_revision_then_kind_then_id
        a_record_changed_again_appears_once_at_its_latest_change
        pages_of_any_size_deliver_the_same_stream
        a_page_holds_at_most_its_limit
        a_place_within_a_commit_continues_behind_its_record
        a_place_continues_although_its_record_moved_on
        a_place_at_or_beyond_the_head_has_nothing_behind_it
        a_stamp_has_behind_it_exactly_what_is_stamped_later
        a_page_behind_a_stamp_is_continued_by_place
        changes_are_fresh
        changes_come_with_the_head_and_nothing_beyond_it
        // History.
        history_is_read_in_the_order_of_the_keys
        history_comes_back_byte_for_byte
        history_of_a_record_is_newest_first_and_sides_ascend
        history_of_a_record_is_paged_by_whole_versions
        history_of_a_version_beyond_the_limit_is_cut
        history_of_a_record_holds_no_other_records
        // Commits.
        the_first_commit_expects_no_head
        a_commit_on_another_head_conflicts_and_changes_nothing
        a_first_commit_after_another_conflicts_and_changes_nothing
        a_commit_on_a_head_that_never_was_conflicts_and_changes_nothing
        heads_are_compared_by_epoch_revision_and_commit
        the_identical_commit_again_is_ok_and_changes_nothing
        an_identical_commit_after_another_conflicts_and_changes_nothing
        a_commit_with_too_many_items_is_too_large_and_changes_nothing
        a_commit_with_too_many_bytes_is_too_large_and_changes_nothing
        a_commit_of_exactly_the_limit_is_written
        a_commit_without_records_moves_the_head_alone
        a_commit_replaces_records_whole
        a_new_epoch_continues_the_stream
        // Purging.
        purging_deletes_older_history_and_nothing_else
        purging_touches_only_its_user
        purging_a_user_without_commits_does_nothing
        // Erasing.
        erasing_leaves_the_head_and_nothing_else
        erasing_touches_only_its_user
        erasing_again_changes_nothing
        erasing_a_user_without_commits_does_nothing
        an_erased_user_starts_again
        // Users.
        users_with_the_same_keys_are_apart
        users_whose_ids_look_alike_are_apart
        a_commit_of_one_user_does_not_conflict_with_anothers
        // Races.
        of_many_commits_on_one_head_exactly_one_succeeds
        many_writers_lose_nothing
        a_follower_skips_nothing_while_writers_commit
        readers_see_all_of_a_commit_or_nothing
        // Scripts.
        the_same_script_gets_the_same_answers_as_the_model
    } };
}

/// Whatever a test opens, as a store; found through `Deref` as well.
#[doc(hidden)]
pub trait AsStore {
    /// Returns the store.
    fn as_store(&self) -> &dyn Store;
}

impl<S: Store> AsStore for S {
    fn as_store(&self) -> &dyn Store {
        self
    }
}

impl AsStore for dyn Store {
    fn as_store(&self) -> &dyn Store {
        self
    }
}

/// Runs one law to its end on a runtime of its own.
#[doc(hidden)]
pub fn run(law: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(law);
}
