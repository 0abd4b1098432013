//! The laws of [`Store`](crate::Store): one async function for each promise in its docs.
//!
//! A backend calls [`conformance_tests!`](crate::conformance_tests) once and gets one test per
//! law, each on a store of its own:
//!
//! ```ignore
//! haumana_sync::conformance_tests!(MyStore::new());
//! // For storage that several handles or processes may use at the same time:
//! haumana_sync::conformance_tests!(shared (MyStore::open(&place), MyStore::open(&place)));
//! // For storage that somebody must set up, and that several may set up at the same time:
//! haumana_sync::conformance_tests!(opening Place::empty(), |place| MyStore::open(place));
//! ```
//!
//! The expression may also make a guard that derefs to the store, such as a temporary directory
//! with the store in it. A law panics if the store breaks its promise. The failure names the law,
//! the case, and what was expected. A law that does not end is broken, too.
//!
//! [`guide`] leads from an empty crate to a store that keeps every law.
//!
//! [`sample`] has the data that the laws write, for a backend's own tests. [`SetClock`] and
//! [`SeededRandom`] are the clock and the random bits of an engine in tests.

// A law panics if the store breaks its promise.
#![allow(clippy::unwrap_used)]

mod between;
mod cases;
mod chance;
mod changes;
mod commit;
mod device;
mod dropped;
mod engine;
mod erase;
mod head;
mod history;
mod index;
mod kept;
mod largest;
mod opening;
mod operate;
mod owned;
mod planted;
mod purge;
mod races;
mod read;
pub mod sample;
mod script;
mod shared;
mod threads;
mod users;
mod watched;

pub use between::*;
pub use cases::*;
pub use chance::{SeededRandom, SetClock};
pub use changes::*;
pub use commit::*;
pub use device::Device;
pub use dropped::*;
pub use engine::*;
pub use erase::*;
pub use head::*;
pub use history::*;
pub use index::*;
pub use kept::*;
pub use largest::*;
pub use opening::*;
pub use operate::*;
pub use owned::*;
pub use planted::*;
pub use purge::*;
pub use races::*;
pub use read::*;
pub use sample::KINDS;
pub use script::*;
pub use shared::*;
pub use threads::*;
pub use users::*;
pub use watched::*;

// `examples/store` compiles its samples, because it has their dependencies.
#[cfg_attr(not(doctest), doc = include_str!("../../docs/write-a-store.md"))]
#[cfg_attr(doctest, doc = "How to write a store.")]
pub mod guide {}

/// Makes one test per law for the store that the expression makes.
///
/// - `conformance_tests!(open())` takes an expression that makes an empty store, or a guard that
///   derefs to one.
/// - `conformance_tests!(shared open_two())` takes an expression that makes a pair of handles on
///   the same empty storage.
/// - `conformance_tests!(opening empty_place(), open)` takes an expression that makes a place where
///   nothing was ever stored, and an async closure. The closure takes a reference to the place and
///   opens a handle.
///
/// Expressions may await. Their values are used on several threads: stores, guards and places are
/// `Send`, `Sync` and `'static`. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    (shared $open:expr) => {
        $crate::__laws! { shared [$crate::conformance_tests] @two $open }
        $crate::__laws! { shared_owned [$crate::conformance_tests] @two_owned $open }
    };
    (opening $place:expr, $open:expr) => {
        #[test]
        fn handles_that_open_empty_storage_at_once_work_together() {
            $crate::conformance::run(
                "handles_that_open_empty_storage_at_once_work_together",
                || async {
                    let place = $place;
                    let open = $open;
                    let opening = (0..4).map(|_| $crate::conformance::sample::task(open(&place)));
                    let opened = $crate::conformance::sample::together(opening.collect()).await;
                    let stores: Vec<&dyn $crate::Store> = opened
                        .iter()
                        .map(|opened| {
                            use $crate::conformance::AsStore as _;
                            opened.as_store()
                        })
                        .collect();
                    $crate::conformance::handles_that_open_empty_storage_at_once_work_together(
                        &stores,
                    )
                    .await;
                },
            );
        }

        #[test]
        fn handles_that_open_empty_storage_on_threads_at_once_work_together() {
            $crate::conformance::run(
                "handles_that_open_empty_storage_on_threads_at_once_work_together",
                || async {
                    let place = std::sync::Arc::new($place);
                    let opening = (0..4).map(|_| {
                        let place = std::sync::Arc::clone(&place);
                        move || async move {
                            let open = $open;
                            open(&place).await
                        }
                    });
                    let opened = $crate::conformance::on_threads(opening.collect()).await;
                    let stores = opened.into_iter().map(|opened| {
                        use $crate::conformance::AsStore as _;
                        let store =
                            $crate::conformance::Owned::new(opened, |opened| opened.as_store());
                        std::sync::Arc::new(store) as std::sync::Arc<dyn $crate::Store>
                    });
                    $crate::conformance
                        ::handles_that_open_empty_storage_on_threads_at_once_work_together(
                            stores.collect(),
                        )
                        .await;
                },
            );
        }
    };
    (@one $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(stringify!($law), || async {
                use $crate::conformance::AsStore as _;
                let opened = $open;
                $crate::conformance::$law(opened.as_store()).await;
            });
        }
    )* };
    (@owned $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(stringify!($law), || async {
                use $crate::conformance::AsStore as _;
                let store = $crate::conformance::Owned::new($open, |opened| opened.as_store());
                $crate::conformance::$law(std::sync::Arc::new(store)).await;
            });
        }
    )* };
    (@two $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(stringify!($law), || async {
                use $crate::conformance::AsStore as _;
                let opened = $open;
                $crate::conformance::$law(opened.0.as_store(), opened.1.as_store()).await;
            });
        }
    )* };
    (@two_owned $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(stringify!($law), || async {
                use $crate::conformance::{AsStore as _, Owned};
                let opened = std::sync::Arc::new($open);
                let one = Owned::new(std::sync::Arc::clone(&opened), |both| both.0.as_store());
                let other = Owned::new(opened, |both| both.1.as_store());
                $crate::conformance::$law(std::sync::Arc::new(one), std::sync::Arc::new(other))
                    .await;
            });
        }
    )* };
    ($open:expr) => {
        $crate::__laws! { one [$crate::conformance_tests] @one $open }
        $crate::__laws! { owned [$crate::conformance_tests] @owned $open }
    };
}

/// Makes one test per law of [`Operate`](crate::store::Operate). The expression makes an empty
/// store that implements it, or a guard that derefs to one.
#[macro_export]
macro_rules! operate_tests {
    (@one $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(stringify!($law), || async {
                use $crate::conformance::{AsOperate as _, AsStore as _};
                let opened = $open;
                $crate::conformance::$law(opened.as_store(), opened.as_operate()).await;
            });
        }
    )* };
    (@owned $open:expr; $($law:ident)*) => { $(
        #[test]
        fn $law() {
            $crate::conformance::run(stringify!($law), || async {
                use $crate::conformance::{AsOperate as _, AsStore as _};
                let store = $crate::conformance::Owned::new($open, |opened| opened.as_store());
                let store = std::sync::Arc::new(store);
                $crate::conformance::$law(store.clone(), store.opened().as_operate()).await;
            });
        }
    )* };
    ($open:expr) => {
        $crate::operate_tests! { @owned $open;
            // Verifying and repairing.
            an_account_that_is_written_as_it_was_is_whole
            each_planted_fault_is_found_and_mended_if_it_can_be
            a_change_of_the_schema_is_no_change_by_hand
        }
        $crate::operate_tests! { @one $open;
        // Retention.
        a_sweep_deletes_what_purges_of_all_users_would
        a_sweep_of_any_size_is_bounded_and_complete
        a_sweep_is_complete_while_others_commit
        a_sweep_of_nothing_comes_to_its_end
        // The journal of erasures.
        an_erased_account_that_is_back_is_emptied
        an_account_that_is_back_is_erased_with_its_largest_version
        the_journal_knows_how_far_the_versions_of_a_user_went
        an_account_that_was_begun_anew_stays
        replaying_touches_only_who_was_erased
        replaying_again_finds_nothing
        erasures_that_are_not_finished_are_listed
        // Lists.
        everybody_with_a_head_is_listed_once
        a_list_of_users_is_complete_while_others_come
        the_whole_history_of_a_user_is_listed_once
        // The schema.
        a_kept_schema_comes_back_byte_for_byte
        of_two_that_keep_a_schema_one_is_refused
        the_same_schema_kept_again_changes_nothing
        a_kept_schema_is_apart_from_users
        }
    };
}

/// A value that a test opened, as [`Operate`](crate::store::Operate). It is found through `Deref`,
/// too.
#[doc(hidden)]
pub trait AsOperate {
    /// Returns the store.
    fn as_operate(&self) -> &dyn crate::store::Operate;
}

impl<S: crate::store::Operate> AsOperate for S {
    fn as_operate(&self) -> &dyn crate::store::Operate {
        self
    }
}

/// The list of laws, passed to another macro. It exists only here.
#[doc(hidden)]
#[macro_export]
macro_rules! __laws {
    (shared [$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! { $($arguments)*;
            what_one_handle_commits_the_other_reads
            of_two_handles_on_one_head_at_most_one_commits
            writers_on_two_handles_lose_nothing
            what_one_handle_erases_is_gone_for_the_other
        }
    };
    (shared_owned [$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! { $($arguments)*;
            of_commits_on_threads_of_two_handles_on_one_head_exactly_one_succeeds
            writers_on_threads_of_two_handles_lose_nothing
        }
    };
    (owned [$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! { $($arguments)*;
            a_sync_dropped_at_any_point_and_sent_again_loses_nothing
            an_erasure_dropped_at_any_point_is_finished_by_the_same_call
            the_engine_hands_throttling_to_its_caller
            // Threads.
            of_commits_on_threads_on_one_head_exactly_one_succeeds
            writers_on_threads_lose_nothing
            readers_on_threads_see_all_of_a_commit_or_nothing
            accounts_on_threads_do_not_disturb_each_other
            a_purge_beside_commits_on_threads_moves_no_head
        }
    };
    (one [$($then:tt)*] $($arguments:tt)*) => {
        $($then)*! { $($arguments)*;
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
            what_is_live_is_what_the_index_and_the_records_say
            // Changes.
            a_user_without_commits_has_no_changes
            changes_are_ordered_by_revision_then_kind_then_id
            a_record_changed_again_appears_once_at_its_latest_change
            pages_of_any_size_deliver_the_same_stream
            a_page_holds_at_most_its_limit
            a_place_within_a_commit_continues_behind_its_record
            a_place_continues_although_its_record_moved_on
            a_place_behind_a_revision_is_behind_records_of_all_kinds
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
            a_history_entry_written_again_is_replaced_whole
            history_is_fresh
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
            // Reads during which somebody commits.
            a_page_has_all_records_up_to_its_head_whoever_commits_meanwhile
            each_record_is_read_whole_whoever_commits_meanwhile
            a_head_is_one_commits_whoever_commits_meanwhile
            // Dropped calls.
            a_dropped_commit_is_settled_by_the_identical_call
            a_dropped_commit_is_in_or_leaves_no_trace
            dropped_calls_block_nobody_and_change_nothing
            a_dropped_purge_or_erasure_is_finished_by_the_same_call
            // The largest batch.
            the_largest_commit_is_atomic_for_readers
            // Scripts.
            the_same_script_gets_the_same_answers_as_the_model
        }
    };
}
