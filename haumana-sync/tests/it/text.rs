//! The text merge: its arms by example, its laws exhaustively on tiny texts and at random on songs.

mod arms;
mod bytes;
mod copies;
mod forms;
mod laws;
mod moves;
mod songs;
mod whole_words;

use haumana_sync::text::{Later, TextMerge, merge_text};

const MAX_BYTES: usize = 200_000;

const ALOHA_OE: &str = "Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele\n\
    E hahai ana paha i ka liko\nPua ʻāhihi lehua o uka\n\nAloha ʻoe, aloha ʻoe\n\
    E ke onaona noho i ka lipo\nOne fond embrace, a hoʻi aʻe au\nUntil we meet again\n\n\
    ʻO ka haliʻa aloha i hiki mai\nKe hone aʻe nei i kuʻu manawa\n\nAloha ʻoe, aloha ʻoe\n\
    E ke onaona noho i ka lipo\nOne fond embrace, a hoʻi aʻe au\nUntil we meet again";

fn merge(base: &str, server: &str, pushed: &str, later: Later) -> TextMerge {
    merge_text(base, server, pushed, later, MAX_BYTES)
}

fn swapped(later: Later) -> Later {
    match later {
        Later::Server => Later::Pushed,
        Later::Pushed => Later::Server,
    }
}

fn text(merge: &TextMerge) -> &str {
    match merge {
        TextMerge::Clean(text) | TextMerge::Clash(text) => text,
    }
}

#[track_caller]
fn check_clean(base: &str, server: &str, pushed: &str, expected: &str) {
    for later in [Later::Server, Later::Pushed] {
        let merged = merge(base, server, pushed, later);
        assert_eq!(TextMerge::Clean(expected.into()), merged, "{later:?} is later");
        let merged = merge(base, pushed, server, later);
        assert_eq!(TextMerge::Clean(expected.into()), merged, "swapped, {later:?} is later");
    }
}

#[track_caller]
fn check_clash(base: &str, server: &str, pushed: &str, if_server: &str, if_pushed: &str) {
    for (later, expected) in [(Later::Server, if_server), (Later::Pushed, if_pushed)] {
        let expected = TextMerge::Clash(expected.into());
        assert_eq!(expected, merge(base, server, pushed, later), "{later:?} is later");
        let merged = merge(base, pushed, server, swapped(later));
        assert_eq!(expected, merged, "swapped, {later:?} is later");
    }
}
