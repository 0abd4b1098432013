//! The laws of [`UserDirectory`]: one function for each promise in its docs.
//!
//! An implementation calls [`directory_tests!`](crate::directory_tests) once and gets one test per
//! law, each on an empty directory of its own. A law panics where a promise is broken.

// A law panics where a promise is broken, so it may unwrap.
#![allow(clippy::unwrap_used)]

use super::{Profile, UserDirectory};
use futures_util::future::join_all;

/// A directory that shows its entries.
#[async_trait::async_trait]
pub trait Inspect: UserDirectory {
    /// Returns the entry with this name.
    async fn entry(&self, username: &str) -> Option<Profile>;
}

#[async_trait::async_trait]
impl Inspect for super::MemoryDirectory {
    async fn entry(&self, username: &str) -> Option<Profile> {
        Self::entry(self, username)
    }
}

/// Makes one test per law for the empty directory that the expression makes, or for a guard that
/// derefs to one. The caller's crate needs tokio with its macros.
#[macro_export]
macro_rules! directory_tests {
    (@each $open:expr; $($law:ident)*) => { $(
        #[tokio::test]
        async fn $law() {
            let opened = $open;
            $crate::directory::conformance::$law(&*opened).await;
        }
    )* };
    ($open:expr) => { $crate::directory_tests! { @each $open;
        the_first_sign_in_makes_an_entry
        a_later_sign_in_updates_the_entry
        the_same_sign_in_again_changes_nothing
        what_a_token_does_not_say_stays
        an_entry_needs_no_more_than_an_address
        first_sign_ins_at_once_make_one_entry
        users_with_one_address_have_their_own_entries
        profiles_come_back_as_they_were
        a_removed_entry_is_gone
        removing_again_changes_nothing
        removing_one_leaves_the_others
        a_sign_in_after_removal_starts_anew
        sign_ins_and_removals_at_once_all_succeed
    } };
}

const KAI: &str = "google_110248495921238986420";
const KALA: &str = "google_110248495921238986421";

fn profile(email: &str, name: Option<&str>, picture: Option<&str>) -> Profile {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Profile { email: email.into(), name: owned(name), picture: owned(picture) }
}

fn kai() -> Profile {
    profile("kai@example.org", Some("Kai"), Some("https://example.org/kai.png"))
}

/// `put` makes an entry.
pub async fn the_first_sign_in_makes_an_entry(directory: &dyn Inspect) {
    assert!(directory.entry(KAI).await.is_none(), "the directory must be empty");

    directory.put(KAI, &kai()).await.unwrap();

    assert!(directory.entry(KAI).await == Some(kai()), "the entry holds what was put");
}

/// `put` updates the entry that is there.
pub async fn a_later_sign_in_updates_the_entry(directory: &dyn Inspect) {
    directory.put(KAI, &kai()).await.unwrap();
    let later = profile("kai@example.com", Some("Kai K."), Some("https://example.org/2.png"));

    directory.put(KAI, &later).await.unwrap();

    assert!(directory.entry(KAI).await == Some(later), "everything is new");
}

/// `put` is idempotent.
pub async fn the_same_sign_in_again_changes_nothing(directory: &dyn Inspect) {
    for _ in 0..3 {
        directory.put(KAI, &kai()).await.unwrap();
    }

    assert!(directory.entry(KAI).await == Some(kai()));
}

/// A `put` leaves what its profile does not contain.
pub async fn what_a_token_does_not_say_stays(directory: &dyn Inspect) {
    directory.put(KAI, &kai()).await.unwrap();

    directory.put(KAI, &profile("new@example.org", None, None)).await.unwrap();

    let expected = Profile { email: "new@example.org".into(), ..kai() };
    assert!(directory.entry(KAI).await == Some(expected));
}

/// Name and picture are optional.
pub async fn an_entry_needs_no_more_than_an_address(directory: &dyn Inspect) {
    let least = profile("kai@example.org", None, None);

    directory.put(KAI, &least).await.unwrap();

    assert!(directory.entry(KAI).await == Some(least));
}

/// Two first sign-ins at once both succeed, and leave one entry.
pub async fn first_sign_ins_at_once_make_one_entry(directory: &dyn Inspect) {
    let profile = kai();

    let put = join_all((0..8).map(|_| directory.put(KAI, &profile))).await;

    assert!(put.iter().all(Result::is_ok), "nobody hears of the others: {put:?}");
    assert!(directory.entry(KAI).await == Some(kai()));
    directory.remove(KAI).await.unwrap();
    assert!(directory.entry(KAI).await.is_none(), "there was no more than one");
}

/// No other entry changes, whatever the profiles have in common.
pub async fn users_with_one_address_have_their_own_entries(directory: &dyn Inspect) {
    let kala = Profile { name: Some("Kala".into()), ..kai() };
    directory.put(KAI, &kai()).await.unwrap();

    directory.put(KALA, &kala).await.unwrap();
    directory.put("apple_001", &kai()).await.unwrap();

    assert!(directory.entry(KAI).await == Some(kai()));
    assert!(directory.entry(KALA).await == Some(kala));
}

/// Text comes back as it was, whatever its alphabet.
pub async fn profiles_come_back_as_they_were(directory: &dyn Inspect) {
    let odd = profile("o'hana+hula@example.org", Some("Kaʻahumanu \u{1f33a} \"'; --"), Some("x"));

    directory.put(KAI, &odd).await.unwrap();

    assert!(directory.entry(KAI).await == Some(odd));
}

/// `remove` removes.
pub async fn a_removed_entry_is_gone(directory: &dyn Inspect) {
    directory.put(KAI, &kai()).await.unwrap();

    directory.remove(KAI).await.unwrap();

    assert!(directory.entry(KAI).await.is_none());
}

/// `remove` is idempotent.
pub async fn removing_again_changes_nothing(directory: &dyn Inspect) {
    directory.remove(KAI).await.unwrap();
    directory.put(KAI, &kai()).await.unwrap();

    directory.remove(KAI).await.unwrap();
    directory.remove(KAI).await.unwrap();

    assert!(directory.entry(KAI).await.is_none());
}

/// `remove` concerns one user.
pub async fn removing_one_leaves_the_others(directory: &dyn Inspect) {
    directory.put(KAI, &kai()).await.unwrap();
    directory.put(KALA, &kai()).await.unwrap();

    directory.remove(KAI).await.unwrap();

    assert!(directory.entry(KALA).await == Some(kai()));
}

/// A later `put` makes a new entry, with nothing of the old one.
pub async fn a_sign_in_after_removal_starts_anew(directory: &dyn Inspect) {
    directory.put(KAI, &kai()).await.unwrap();
    directory.remove(KAI).await.unwrap();
    let least = profile("kai@example.org", None, None);

    directory.put(KAI, &least).await.unwrap();

    assert!(directory.entry(KAI).await == Some(least), "the old name is not back");
}

/// Calls of one user at once do not fail one another.
pub async fn sign_ins_and_removals_at_once_all_succeed(directory: &dyn Inspect) {
    let profile = kai();
    let both = join_all((0..6).map(async |n| match n % 3 {
        0 => directory.remove(KAI).await,
        _ => directory.put(KAI, &profile).await,
    }));

    let done = both.await;

    assert!(done.iter().all(Result::is_ok), "{done:?}");
    directory.put(KAI, &profile).await.unwrap();
    assert!(directory.entry(KAI).await == Some(kai()), "the last call decides");
}
