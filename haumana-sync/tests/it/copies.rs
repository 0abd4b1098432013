//! Phones that were set up from another's backup, or restored from their own (G13), by example.

use crate::phone::{Phone, edit, flip, practise};
use crate::support::{Server, kai};
use haumana_sync::engine::{Conflict, Resolution};
use haumana_sync::record::Value;
use serde_json::json;

const SONG: &str = "one\ntwo\nthree\nfour\nfive";

/// A phone that holds one piece which the server has.
async fn phone(server: &Server) -> Phone {
    let mut phone = Phone::with_song("Aloha", SONG);
    phone.sync(server).await;
    server.pass_secs(86_400);
    phone
}

/// What a phone without anything downloads.
async fn seen_by_a_new_phone(server: &Server) -> serde_json::Value {
    let mut phone = Phone::default();
    phone.sync(server).await;
    phone.pieces.first().cloned().unwrap_or_default()
}

async fn inbox(server: &Server) -> Vec<Conflict> {
    server.engine.conflict_page(&kai(), None, 100, usize::MAX).await.unwrap().0
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The old phone's edits of the last days, seen to have arrived.
async fn edits_of_ten_days(server: &Server, old: &mut Phone) {
    edit(&mut old.pieces[0], "lyrics", json!("ONE\ntwo\nthree\nfour\nfive"), server);
    edit(&mut old.pieces[0], "author", json!("old phone"), server);
    for _ in 0..5 {
        old.sync(server).await;
        server.pass_secs(2 * 86_400);
    }
}

#[tokio::test]
async fn a_copy_that_edits_is_merged_as_a_phone_that_downloaded() {
    cov_mark::check!(number_of_an_ended_delivery_comes_from_a_copy);
    let server = Server::new();
    let mut old = phone(&server).await;
    let mut copy = old.clone();
    edits_of_ten_days(&server, &mut old).await;

    edit(&mut copy.pieces[0], "lyrics", json!("one\ntwo\nthree\nfour\nFIVE"), &server);
    copy.sync(&server).await;
    old.sync(&server).await;

    for phone in [&old, &copy] {
        assert_eq!("ONE\ntwo\nthree\nfour\nFIVE", phone.pieces[0]["lyrics"]);
        assert_eq!("old phone", phone.pieces[0]["author"]);
    }
    assert!(inbox(&server).await.is_empty(), "nothing lost");
}

#[tokio::test]
async fn a_copy_that_practises_or_sets_its_star_undoes_nothing() {
    for is_starred in [false, true] {
        let server = Server::new();
        let mut old = phone(&server).await;
        let mut copy = old.clone();
        edits_of_ten_days(&server, &mut old).await;

        match is_starred {
            true => flip(&mut copy.pieces[0], "isFavorite", &server),
            false => practise(&mut copy.pieces[0], &server),
        }
        copy.sync(&server).await;

        let piece = seen_by_a_new_phone(&server).await;
        assert_eq!("ONE\ntwo\nthree\nfour\nfive", piece["lyrics"]);
        assert_eq!("old phone", piece["author"]);
        assert_eq!(is_starred, piece["isFavorite"]);
        assert!(inbox(&server).await.is_empty(), "nothing lost");
    }
}

#[tokio::test]
async fn a_phone_restored_from_last_night_that_practises_first_undoes_nothing() {
    // The edits of today as the form, the switches or both make them, seen to have arrived or not.
    for (with_text, with_star) in [(true, false), (false, true), (true, true)] {
        for n_syncs in [1, 2] {
            let server = Server::new();
            let mut phone = phone(&server).await;
            let backup = phone.clone();
            if with_text {
                edit(&mut phone.pieces[0], "author", json!("of today"), &server);
            }
            if with_star {
                flip(&mut phone.pieces[0], "isFavorite", &server);
            }
            for _ in 0..n_syncs {
                phone.sync(&server).await;
            }

            let mut restored = backup;
            server.pass_secs(3600);
            practise(&mut restored.pieces[0], &server);
            restored.sync(&server).await;

            let piece = seen_by_a_new_phone(&server).await;
            let case = format!("text {with_text}, star {with_star}, {n_syncs} syncs");
            let author = if with_text { json!("of today") } else { json!(null) };
            assert_eq!(author, piece["author"], "{case}");
            assert_eq!(with_star, piece["isFavorite"], "{case}");
        }
    }
}

#[tokio::test]
async fn what_a_copy_may_have_taken_back_is_in_the_inbox_where_nobody_can_know() {
    let server = Server::new();
    let mut old = phone(&server).await;
    let mut copy = old.clone();
    edit(&mut old.pieces[0], "lyrics", json!("ONE\ntwo\nthree\nfour\nfive"), &server);
    edit(&mut old.pieces[0], "author", json!("old phone"), &server);
    old.sync(&server).await;

    // The old phone's reply may have been lost, for all that is known.
    edit(&mut copy.pieces[0], "lyrics", json!("one\ntwo\nthree\nfour\nFIVE"), &server);
    copy.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!("ONE\ntwo\nthree\nfour\nFIVE", piece["lyrics"]);
    assert_eq!("old phone", piece["author"]);
    let lost: Vec<_> =
        inbox(&server).await.into_iter().map(|lost| (lost.field, lost.lost)).collect();
    let author = (Some("author".to_owned()), Some(Value::Null));
    assert!(lost.contains(&author), "a person may have cleared it: {lost:?}");
    let lyrics = (Some("lyrics".to_owned()), Some(text("one\ntwo\nthree\nfour\nFIVE")));
    assert!(lost.contains(&lyrics), "a person may have typed `one` again: {lost:?}");
}

#[tokio::test]
async fn a_lost_reply_is_still_a_lost_reply() {
    let server = Server::new();
    let mut phone = phone(&server).await;
    edit(&mut phone.pieces[0], "author", json!("draft"), &server);
    edit(&mut phone.pieces[0], "notes", json!("kept"), &server);
    phone.lose_reply(&server).await;
    server.pass_secs(60);

    edit(&mut phone.pieces[0], "author", json!("second draft"), &server);
    edit(&mut phone.pieces[0], "lyrics", json!("one\ntwo"), &server);
    phone.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!(
        ("second draft", "one\ntwo", "kept"),
        (
            piece["author"].as_str().unwrap(),
            piece["lyrics"].as_str().unwrap(),
            piece["notes"].as_str().unwrap(),
        )
    );
    let lost: Vec<_> = inbox(&server).await.into_iter().map(|lost| lost.lost).collect();
    assert_eq!(vec![Some(text("draft"))], lost, "a copy may have had the notes, unsent");
}

#[tokio::test]
async fn a_copy_with_an_edit_that_was_not_sent_yet_keeps_what_the_other_did() {
    cov_mark::check!(doubtful_change_keeps_what_it_replaces);
    // The edits of the old phone are seen to have arrived, or not.
    for n_syncs in [1, 2] {
        let server = Server::new();
        let mut old = phone(&server).await;
        edit(&mut old.pieces[0], "notes", json!("not sent yet"), &server);
        let mut copy = old.clone();
        edit(&mut old.pieces[0], "author", json!("old phone"), &server);
        for _ in 0..n_syncs {
            old.sync(&server).await;
        }
        server.pass_secs(60);

        edit(&mut copy.pieces[0], "sourceUrl", json!("https://example.org"), &server);
        copy.sync(&server).await;

        let piece = seen_by_a_new_phone(&server).await;
        assert_eq!("not sent yet", piece["notes"]);
        assert_eq!("https://example.org", piece["sourceUrl"]);
        let lost: Vec<_> = inbox(&server).await.into_iter().map(|lost| lost.lost).collect();
        match n_syncs {
            1 => assert_eq!(vec![Some(text("old phone"))], lost),
            _ => assert_eq!(("old phone", 0), (piece["author"].as_str().unwrap(), lost.len())),
        }
    }
}

/// Found by `copied_lines`, seed 246.
#[tokio::test]
async fn an_unsent_edit_of_a_backup_does_not_replace_what_its_phone_went_on_to_make_of_it() {
    cov_mark::check!(what_the_original_had_pushed_replaces_nothing);
    let server = Server::new();
    let mut old = phone(&server).await;
    edit(&mut old.pieces[0], "author", json!("unsent"), &server);
    flip(&mut old.pieces[0], "isFavorite", &server);
    let mut copy = old.clone();
    old.sync(&server).await;
    edit(&mut old.pieces[0], "author", json!("after"), &server);
    flip(&mut old.pieces[0], "isFavorite", &server);
    old.sync(&server).await;
    old.sync(&server).await;

    server.pass_secs(3600);
    edit(&mut copy.pieces[0], "notes", json!("of the copy"), &server);
    copy.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!(
        (json!("after"), json!(false)),
        (piece["author"].clone(), piece["isFavorite"].clone())
    );
    assert_eq!("of the copy", piece["notes"]);
    let open = inbox(&server).await;
    let lost: Vec<_> = open.iter().map(|open| (open.field.as_deref(), open.lost.clone())).collect();
    assert_eq!(vec![(Some("isFavorite"), Some(Value::Flag(true)))], lost, "it may be a second one");
}

/// Found by `asks`, seed 76.
#[tokio::test]
async fn a_phone_that_takes_its_text_back_after_a_lost_reply_undoes_nothing_else() {
    let server = Server::new();
    let mut mine = phone(&server).await;
    let mut theirs = Phone::default();
    theirs.sync(&server).await;
    edit(&mut mine.pieces[0], "lyrics", json!("another song"), &server);
    edit(&mut mine.pieces[0], "language", json!("en"), &server);
    mine.lose_reply(&server).await;
    theirs.sync(&server).await;
    edit(&mut theirs.pieces[0], "language", json!("haw"), &server);
    theirs.sync(&server).await;
    theirs.sync(&server).await;

    server.pass_secs(60);
    edit(&mut mine.pieces[0], "lyrics", json!(SONG), &server);
    mine.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!("haw", piece["language"], "its user had left that alone");
}

#[tokio::test]
async fn a_star_that_two_copies_change_is_the_later_ones_and_the_other_is_kept() {
    let server = Server::new();
    let mut phone = phone(&server).await;
    flip(&mut phone.pieces[0], "isFavorite", &server);
    phone.lose_reply(&server).await;
    server.pass_secs(60);

    flip(&mut phone.pieces[0], "isFavorite", &server);
    phone.sync(&server).await;

    assert_eq!(json!(false), seen_by_a_new_phone(&server).await["isFavorite"]);
    let inbox = inbox(&server).await;
    assert_eq!(Some(Value::Flag(true)), inbox[0].lost, "it may have been a copy's star");
}

#[tokio::test]
async fn a_copy_made_before_the_first_sync_of_a_piece_undoes_nothing() {
    let server = Server::new();
    let mut old = Phone::with_song("Aloha", SONG);
    let mut copy = old.clone();
    old.sync(&server).await;
    server.pass_secs(60);
    edits_of_ten_days(&server, &mut old).await;

    edit(&mut copy.pieces[0], "lyrics", json!("one\ntwo\nthree\nfour\nFIVE"), &server);
    copy.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!("ONE\ntwo\nthree\nfour\nFIVE", piece["lyrics"]);
    assert_eq!("old phone", piece["author"]);
}

#[tokio::test]
async fn a_sync_writes_at_most_once_after_a_push_and_then_reads_one_item() {
    let server = Server::new();
    let mut phone = phone(&server).await;
    edit(&mut phone.pieces[0], "author", json!("kumu"), &server);
    phone.sync(&server).await;
    let revision = server.engine.store().head(&kai()).await.unwrap().unwrap().revision;
    server.store.take();

    phone.sync(&server).await;
    let first = server.store.take();
    phone.sync(&server).await;
    let second = server.store.take();

    assert_eq!((1, 0, 1), (first.head, first.read, first.commit));
    assert_eq!((1, 0, 0), (second.head, second.read, second.commit));
    let pulled = server.engine.pull(&kai(), None, 10, 1 << 20).await.unwrap();
    server.store.take();
    server.engine.pull(&kai(), pulled.cursor.as_deref(), 10, 1 << 20).await.unwrap();
    let calls = server.store.take();
    assert_eq!((1, 0), (calls.head, calls.changes), "new clients read no more than before");
    let now = server.engine.store().head(&kai()).await.unwrap().unwrap();
    assert_eq!(revision.0 + 1, now.revision.0);
}

#[tokio::test]
async fn fewer_steps_with_a_later_time_are_no_late_push_of_the_same_phone() {
    cov_mark::check!(times_and_steps_that_contradict_are_no_late_push);
    let server = Server::new();
    let mut old = phone(&server).await;
    let mut copy = old.clone();
    (0..3).for_each(|_| practise(&mut old.pieces[0], &server));
    edit(&mut old.pieces[0], "author", json!("old phone"), &server);
    old.sync(&server).await;
    old.sync(&server).await;
    server.pass_secs(60);

    edit(&mut copy.pieces[0], "lyrics", json!("one\ntwo\nthree\nfour\nFIVE"), &server);
    copy.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!(
        ("old phone", "one\ntwo\nthree\nfour\nFIVE"),
        (piece["author"].as_str().unwrap(), piece["lyrics"].as_str().unwrap(),)
    );
}

#[tokio::test]
async fn a_form_that_shows_what_its_phone_had_pushed_is_an_old_form() {
    let server = Server::new();
    let mut mine = phone(&server).await;
    let mut theirs = Phone::default();
    theirs.sync(&server).await;
    edit(&mut theirs.pieces[0], "lyrics", json!("one\ntwo\nthree\nfour\nFIVE"), &server);
    theirs.sync(&server).await;

    // The form is opened on what its user had saved, and saved after the merged text came.
    edit(&mut mine.pieces[0], "lyrics", json!("ONE\ntwo\nthree\nfour\nfive"), &server);
    let form = mine.pieces[0]["lyrics"].clone();
    mine.sync(&server).await;
    mine.sync(&server).await;
    server.pass_secs(60);
    edit(&mut mine.pieces[0], "lyrics", form, &server);
    edit(&mut mine.pieces[0], "author", json!("typed in the form"), &server);
    mine.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!("ONE\ntwo\nthree\nfour\nFIVE", piece["lyrics"], "the other phone's line stays");
    assert_eq!("typed in the form", piece["author"]);
    let inbox = inbox(&server).await;
    let stale: Vec<_> = inbox.iter().map(|lost| (lost.reason, lost.lost.clone())).collect();
    let wanted =
        (haumana_sync::merge::Reason::StaleForm, Some(text("ONE\ntwo\nthree\nfour\nfive")));
    assert_eq!(vec![wanted], stale);
}

#[tokio::test]
async fn an_acknowledged_copy_of_a_deleted_piece_is_the_base_of_its_next_edit() {
    cov_mark::check!(copy_of_a_deleted_piece_is_remembered_under_its_number);
    let server = Server::new();
    let mut mine = phone(&server).await;
    let mut theirs = Phone::default();
    theirs.sync(&server).await;
    edit(&mut theirs.pieces[0], "author", json!("theirs"), &server);
    theirs.sync(&server).await;
    // Merged: the later author stands, and the reply is lost.
    edit(&mut mine.pieces[0], "author", json!("mine"), &server);
    mine.pieces[0]["modifiedAt"] = json!("2026-11-20T00:00:00Z");
    mine.lose_reply(&server).await;
    let id = mine.pieces[0]["pieceId"].as_str().unwrap().to_owned();
    server.delete(&id).await;
    mine.sync(&server).await;

    // Somebody brings it back and goes on.
    server.pass_secs(60);
    edit(&mut theirs.pieces[0], "notes", json!("back"), &server);
    theirs.sync(&server).await;
    edit(&mut mine.pieces[0], "sourceUrl", json!("https://example.org"), &server);
    mine.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!("theirs", piece["author"], "the old author is no edit of today");
    assert_eq!("https://example.org", piece["sourceUrl"]);
    assert_eq!("back", piece["notes"]);
}

/// Found by `asks`, among seeds 275 to 500.
#[tokio::test]
async fn an_old_form_that_a_delete_met_is_the_base_of_its_next_edit() {
    let server = Server::new();
    let mut mine = phone(&server).await;
    let mut theirs = Phone::default();
    theirs.sync(&server).await;
    let form = mine.pieces[0].clone();
    edit(&mut theirs.pieces[0], "lyrics", json!("ONE\ntwo\nthree\nfour\nfive"), &server);
    edit(&mut theirs.pieces[0], "author", json!("theirs"), &server);
    theirs.sync(&server).await;
    mine.sync(&server).await;
    let id = mine.pieces[0]["pieceId"].as_str().unwrap().to_owned();
    server.delete(&id).await;
    edit(&mut mine.pieces[0], "lyrics", form["lyrics"].clone(), &server);
    edit(&mut mine.pieces[0], "author", form["author"].clone(), &server);
    mine.sync(&server).await;
    assert!(seen_by_a_new_phone(&server).await.is_null(), "an old form brings nothing back");

    server.pass_secs(60);
    edit(&mut mine.pieces[0], "lyrics", json!("one\ntwo\nthree\nfour\nFIVE"), &server);
    mine.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!("theirs", piece["author"], "the form had no newer one");
}

/// Found by `rewinds`, seed 17000000001815. The latest push by the phone's times was not what the
/// phone held.
#[tokio::test]
async fn what_a_phone_whose_clock_was_set_back_holds_of_a_deleted_piece_is_no_edit() {
    let server = Server::new();
    let mut mine = Phone::with_song("Aloha", SONG);
    edit(&mut mine.pieces[0], "author", json!("first"), &server);
    mine.lose_reply(&server).await;
    let id = mine.pieces[0]["pieceId"].as_str().unwrap().to_owned();
    server.pass_secs(60);
    server.delete(&id).await;
    for (key, value) in [("author", "second"), ("notes", "notes")] {
        edit(&mut mine.pieces[0], key, json!(value), &server);
    }
    mine.pieces[0]["modifiedAt"] = json!("2026-11-01T00:00:00Z");
    mine.sync(&server).await;
    assert!(seen_by_a_new_phone(&server).await.is_null());

    let inbox = inbox(&server).await;
    let notes = inbox.iter().find(|lost| lost.field.as_deref() == Some("notes")).unwrap();
    server.engine.resolve(&kai(), notes.id, &Resolution::Restore).await.unwrap();
    server.pass_secs(60);
    mine.sync(&server).await;

    let piece = seen_by_a_new_phone(&server).await;
    assert_eq!((&json!("first"), &json!("notes")), (&piece["author"], &piece["notes"]));
}

#[tokio::test]
async fn a_copy_that_has_practised_says_nothing_new_when_its_request_comes_again() {
    cov_mark::check!(copy_that_only_practised_before_says_nothing);
    for is_at_once in [false, true] {
        let server = Server::new();
        let mut old = phone(&server).await;
        let mut copy = old.clone();
        practise(&mut copy.pieces[0], &server);
        if !is_at_once {
            server.pass_secs(60);
        }
        copy.lose_reply(&server).await;
        edit(&mut old.pieces[0], "category", json!("mele"), &server);
        edit(&mut old.pieces[0], "lyrics", json!("ONE\ntwo\nthree\nfour\nfive"), &server);
        server.pass_secs(60);
        old.sync(&server).await;

        copy.sync(&server).await;

        assert!(inbox(&server).await.is_empty(), "nobody has edited what the copy was given");
        assert_eq!(
            ("mele", "ONE\ntwo\nthree\nfour\nfive"),
            (
                copy.pieces[0]["category"].as_str().unwrap(),
                copy.pieces[0]["lyrics"].as_str().unwrap(),
            )
        );
    }
}
