//! What the model must show, one story each. Behind every step stand the checks of the random runs.

use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_sim::content::{FAVORITE, LANGUAGE, LYRICS, NOTES, TITLE};
use haumana_sim::profile::{ACCOUNTS, CUT_REPLIES};
use haumana_sim::reply::decode;
use haumana_sim::story::STORY;
use haumana_sim::{InMemory, Profile, World};
use haumana_sync::id::RecordId;

const SONG: &str = "Haʻaheo ka ua\nHaʻina ʻia mai\nKe nihi aʻela\nHaʻina ʻia mai\nE hahai ana";

/// Asserts that every step was allowed.
macro_rules! ok {
    ($step:expr) => {
        $step.unwrap_or_else(|violation| panic!("{}", violation.text))
    };
}

/// Two phones that hold the same piece.
async fn two_phones(backend: &mut InMemory) -> (World<'_>, RecordId) {
    let mut world = World::story(STORY, 2, backend);
    let id = world.write_piece(0, "Aloha ʻOe", SONG);
    ok!(world.sync_all(2).await);
    (world, id)
}

#[tokio::test]
async fn a_repertoire_of_1200_pieces_appears_whole_on_a_second_phone_at_its_first_sync() {
    let mut backend = InMemory::default();
    let mut world = World::story(STORY, 2, &mut backend);
    for number in 0..1200 {
        world.write_piece(0, &format!("Oli {number}"), &SONG.repeat(3));
    }
    ok!(world.sync(0).await);

    ok!(world.sync(1).await);

    assert_eq!(1200, world.phones[1].pieces.len());
}

#[tokio::test]
async fn a_repertoire_larger_than_a_reply_appears_in_as_many_syncs_as_the_replies_need() {
    let mut backend = InMemory::default();
    let mut world = World::story(Profile { small_replies: true, ..CUT_REPLIES }, 2, &mut backend);
    (world.profile.losses, world.reply_limit) = (0, 60_000);
    for number in 0..300 {
        world.write_piece(0, &format!("Oli {number}"), "Aloha");
    }

    let mut syncs = 0;
    while world.phones[1].pieces.len() < 300 {
        ok!(world.sync(0).await);
        ok!(world.sync(1).await);
        syncs += 1;
        assert!(syncs < 10, "each sync makes progress");
    }

    assert!(1 < syncs, "the replies are cut");
    assert!(world.phones[0].pieces.iter().all(|piece| !piece.flagged), "each push is answered");
}

#[tokio::test]
async fn different_fields_survive_on_both() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;

    world.write(0, id, TITLE, "Aloha ʻOe (Liliʻuokalani)");
    world.write(1, id, NOTES, "Kāpena Boyd");
    ok!(world.sync_all(2).await);

    for phone in 0..2 {
        assert_eq!("Aloha ʻOe (Liliʻuokalani)", world.text(phone, id, TITLE));
        assert_eq!("Kāpena Boyd", world.text(phone, id, NOTES));
    }
}

#[tokio::test]
async fn different_lines_of_the_lyrics_survive_on_both() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;

    world.write(0, id, LYRICS, &SONG.replace("ka ua", "ka ua i nā pali"));
    world.write(1, id, LYRICS, &SONG.replace("E hahai ana", "E hahai ana paha"));
    ok!(world.sync_all(2).await);

    let both = SONG.replace("ka ua", "ka ua i nā pali") + " paha";
    for phone in 0..2 {
        assert_eq!(both, world.text(phone, id, LYRICS));
    }
}

#[tokio::test]
async fn practising_a_copy_many_versions_old_overwrites_nothing() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    for number in 0..5 {
        world.write(0, id, TITLE, &format!("Aloha ʻOe {number}"));
        ok!(world.sync(0).await);
    }

    for _ in 0..9 {
        world.practise(1, id);
    }
    ok!(world.sync_all(1).await);

    assert_eq!("Aloha ʻOe 4", world.text(1, id, TITLE));
    assert_eq!(6, world.version(0, id), "practising makes no version");
}

#[tokio::test]
async fn an_edit_of_an_old_copy_on_a_restarted_phone_loses_nobodys_edit() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.write(0, id, TITLE, "Aloha ʻOe, lua");
    ok!(world.sync(0).await);

    world.write(1, id, NOTES, "pāʻina");
    world.phones[1].restart();
    ok!(world.sync_all(2).await);

    for phone in 0..2 {
        assert_eq!("Aloha ʻOe, lua", world.text(phone, id, TITLE));
        assert_eq!("pāʻina", world.text(phone, id, NOTES));
    }
}

#[tokio::test]
async fn the_same_push_five_times_with_lost_replies_raises_the_version_once() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.write(0, id, TITLE, "Aloha nō");

    let (mut request, _) = ok!(world.send(0).await);
    for _ in 0..4 {
        ok!(world.repeat(&mut request).await);
    }

    assert_eq!(2, world.version(0, id));
}

#[tokio::test]
async fn a_star_set_then_lost_then_taken_off_is_off_everywhere() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;

    world.toggle(0, id, FAVORITE);
    ok!(world.send(0).await);
    world.toggle(0, id, FAVORITE);
    ok!(world.sync_all(2).await);

    assert_eq!([false, false], [world.has_star(0, id), world.has_star(1, id)]);
}

#[tokio::test]
async fn a_star_set_while_a_reply_is_on_its_way_reaches_the_other_phone() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.write(0, id, TITLE, "Aloha nō");

    let (request, answer) = ok!(world.send(0).await);
    world.toggle(0, id, FAVORITE);
    ok!(world.deliver(&request, Some(answer)).await);
    assert!(!world.phones[0].pieces[0].flagged, "the app forgets that it was edited");
    ok!(world.sync_all(1).await);

    assert!(world.has_star(1, id));
}

#[tokio::test]
async fn a_title_saved_again_without_its_blank_overwrites_nobody() {
    let mut backend = InMemory::default();
    let mut world = World::story(STORY, 2, &mut backend);
    let id = world.write_piece(0, "Aloha ʻOe ", SONG);
    ok!(world.sync_all(1).await);

    world.write(0, id, TITLE, "Aloha nō");
    ok!(world.sync(0).await);
    world.write(1, id, NOTES, "pāʻina");
    assert_eq!("Aloha ʻOe", world.text(1, id, TITLE), "the form trims");
    ok!(world.sync_all(1).await);

    assert_eq!("Aloha nō", world.text(1, id, TITLE));
}

#[tokio::test]
async fn a_piece_deleted_on_the_phone_does_not_pop_back_while_the_app_runs() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    ok!(world.sync(1).await);

    world.delete(1, id);
    ok!(world.sync_all(3).await);
    assert_eq!(0, world.phones[1].pieces.len());

    world.phones[1].restart();
    ok!(world.sync(1).await);
    assert_eq!(1, world.phones[1].pieces.len(), "the app never tells the server");
}

#[tokio::test]
async fn pieces_pushed_with_another_accounts_token_are_rejected_and_leak_nothing() {
    let mut backend = InMemory::default();
    let mut world =
        World::story(Profile { losses: 0, invalid: false, ..ACCOUNTS }, 1, &mut backend);
    let mine = world.write_piece(0, "Na Kai", SONG);
    world.phones[0].token = 1;

    let (request, answer) = ok!(world.send(0).await);

    let wrong = [(mine.to_string(), "wrong_user".to_owned())];
    assert_eq!(wrong.as_slice(), answer.reply.rejected);
    assert!(answer.reply.server.is_empty() && answer.reply.updated.is_empty());
    ok!(world.deliver(&request, Some(answer)).await);
    assert!(world.phones[0].pieces[0].flagged, "the edit waits for the right token");
    assert_eq!(0, world.ledgers[1].tracks.len());
}

#[tokio::test]
async fn two_users_who_push_the_same_id_never_see_each_other() {
    let mut backend = InMemory::default();
    let mut world =
        World::story(Profile { losses: 0, invalid: false, ..ACCOUNTS }, 2, &mut backend);
    (world.phones[1].account, world.phones[1].token) = (1, 1);
    let id = world.write_piece(0, "~u0w1~", SONG);
    world.write_piece_as(1, id, "~u1w1~", SONG);

    ok!(world.sync_all(3).await);

    assert_eq!(("~u0w1~", "~u1w1~"), (world.text(0, id, TITLE), world.text(1, id, TITLE)));
}

#[tokio::test]
async fn a_piece_of_600_kb_among_good_ones_is_rejected_and_the_good_ones_arrive() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    let other = world.write_piece(0, "Oli Aloha", SONG);
    world.overfill(0, id, 600_000);
    world.write(1, id, TITLE, "Aloha nō");
    ok!(world.sync(1).await);

    ok!(world.sync_all(2).await);

    assert_eq!("Oli Aloha", world.text(1, other, TITLE));
    assert_eq!(600_000, world.text(0, id, NOTES).len(), "the refused edit stays where it is");
    assert!(world.phones[0].piece(id).is_some_and(|piece| piece.flagged));
}

#[tokio::test]
async fn a_form_that_was_open_during_a_sync_takes_nothing_back() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;

    world.open_form(1, id);
    world.write(0, id, LYRICS, "Haʻaheo ʻē ka ua");
    ok!(world.sync_all(1).await);
    world.save_with(1, &[(NOTES, "pāʻina")]);
    assert_eq!(SONG, world.text(1, id, LYRICS), "the form saves what it was opened with");
    ok!(world.sync_all(2).await);

    for phone in 0..2 {
        assert_eq!("Haʻaheo ʻē ka ua", world.text(phone, id, LYRICS));
        assert_eq!("pāʻina", world.text(phone, id, NOTES));
    }
}

#[tokio::test]
async fn a_form_that_was_open_during_a_sync_and_a_lost_reply_takes_nothing_back() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;

    world.open_form(1, id);
    world.write(0, id, LYRICS, "Haʻaheo ʻē ka ua");
    ok!(world.sync_all(1).await);
    world.toggle(1, id, FAVORITE);
    ok!(world.send(1).await);
    world.save_with(1, &[]);
    ok!(world.sync_all(2).await);

    assert_eq!("Haʻaheo ʻē ka ua", world.text(0, id, LYRICS));
}

/// Found by `own_lines`, seed 6963: the second lost reply made the base of the lyrics unknown.
#[tokio::test]
async fn two_lost_replies_in_a_row_keep_the_base_of_a_text_that_others_edit() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.write(0, id, LYRICS, &SONG.replace("ka ua", "ka ua i nā pali"));
    ok!(world.sync(0).await);

    world.toggle(1, id, FAVORITE);
    ok!(world.send(1).await);
    world.write(1, id, TITLE, "Aloha nō");
    ok!(world.send(1).await);
    world.write(1, id, LYRICS, &SONG.replace("E hahai ana", "E hahai ana paha"));
    ok!(world.sync_all(2).await);

    let both = SONG.replace("ka ua", "ka ua i nā pali") + " paha";
    assert_eq!([both.as_str(); 2], [world.text(0, id, LYRICS), world.text(1, id, LYRICS)]);
}

/// Found by `everyday`, seed 84: without the flag `modifiedAt` is the server's, and no phone whose
/// clock is behind gets past it.
#[tokio::test]
async fn a_request_from_before_an_edit_comes_late_and_undoes_nothing_although_the_clock_is_behind()
{
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.phones[1].skew_ms = -86_400_000;
    let (mut before, _) = ok!(world.send(1).await);

    world.write(1, id, TITLE, "Aloha nō");
    ok!(world.send(1).await);
    ok!(world.repeat(&mut before).await);
    ok!(world.sync_all(2).await);

    assert_eq!("Aloha nō", world.text(0, id, TITLE));
}

/// Found by `backups`, seed 99: an idle phone kept the number of the other life, and its untouched
/// copy later won against an edit from a phone whose clock is behind.
#[tokio::test]
async fn an_idle_phone_overwrites_nobody_after_a_restored_backup() {
    let mut backend = InMemory::default();
    let mut world = World::story(STORY, 3, &mut backend);
    world.phones[2].skew_ms = -86_400_000;
    let id = world.write_piece(0, "Aloha ʻOe", SONG);
    ok!(world.sync_all(1).await);
    world.take_backup().await;
    world.write(0, id, TITLE, "Aloha nō");
    ok!(world.sync_all(2).await);

    world.restore().await;
    ok!(world.sync_all(1).await);
    world.write(2, id, TITLE, "Aloha kākou");
    ok!(world.sync(2).await);
    ok!(world.sync_all(2).await);

    for phone in 0..3 {
        assert_eq!("Aloha kākou", world.text(phone, id, TITLE));
    }
}

/// Found by `silent_restores`, seed 13000000000120, in which the model took the piece for one that has
/// never been elsewhere: the backup before the last has none.
#[tokio::test]
async fn a_version_from_before_two_restored_backups_is_of_another_life() {
    let mut backend = InMemory::default();
    let profile = Profile { forgotten_generations: true, ..STORY };
    let mut world = World::story(profile, 2, &mut backend);
    world.take_backup().await;
    let id = world.write_piece(0, "Aloha ʻOe", SONG);
    ok!(world.sync_all(1).await);
    world.take_backup().await;
    world.write(0, id, LYRICS, "Haʻaheo ʻē ka ua");
    ok!(world.sync(0).await);

    world.restore_from(0).await;
    world.restore_from(1).await;
    world.phones[0].skew_ms = -86_400_000;
    world.write(0, id, NOTES, "pāʻina");
    ok!(world.sync_all(2).await);

    assert_eq!([SONG; 2], [world.text(0, id, LYRICS), world.text(1, id, LYRICS)]);
}

/// Found by `restores`, seed 12000000001475: the piece is stamped before the phone's `lastSyncedAt`,
/// which is of a life that did not have it. Only until the app starts anew is it missing there.
#[tokio::test]
async fn a_piece_of_a_restored_backup_reaches_a_phone_that_knew_another_life_when_its_app_starts() {
    let mut backend = InMemory::default();
    let mut world = World::story(STORY, 2, &mut backend);
    world.take_backup().await;
    let id = world.write_piece(0, "Aloha ʻOe", SONG);
    ok!(world.sync(0).await);
    world.take_backup().await;
    world.restore_from(0).await;
    ok!(world.sync(1).await);
    world.restore_from(1).await;

    ok!(world.sync(1).await);
    assert!(world.phones[1].piece(id).is_none(), "it did not ask for it");
    world.phones[1].restart();
    ok!(world.sync_all(1).await);

    assert_eq!([SONG; 2], [world.text(0, id, LYRICS), world.text(1, id, LYRICS)]);
    ok!(world.come_to_rest().await);
}

/// Found by `own_fields`, seed 1000000000117, in which the model took a language for a text that shows
/// whose push it is (ADR 0018).
#[tokio::test]
async fn a_language_does_not_show_that_a_title_was_taken_back_by_its_own_phone() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.open_form(0, id);
    world.save_with(0, &[(TITLE, "Aloha nō"), (LANGUAGE, "en")]);
    ok!(world.send(0).await);

    world.open_form(0, id);
    world.save_with(0, &[(TITLE, "Aloha ʻOe"), (NOTES, "pāʻina")]);
    ok!(world.sync_all(2).await);

    for phone in 0..2 {
        assert_eq!("Aloha nō", world.text(phone, id, TITLE), "the other one is in the inbox");
        assert_eq!("pāʻina", world.text(phone, id, NOTES));
    }
}

#[tokio::test]
async fn what_the_server_forgot_comes_back_from_a_phone_that_still_has_it() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.take_backup().await;
    world.write(0, id, TITLE, "Aloha nō");
    let new = world.write_piece(0, "Oli Aloha", SONG);
    ok!(world.sync(0).await);

    world.restore().await;
    ok!(world.sync_all(3).await);

    assert_eq!(("Aloha nō", "Oli Aloha"), (world.text(1, id, TITLE), world.text(1, new, TITLE)));
}

#[tokio::test]
async fn a_stale_copy_does_not_bring_a_deleted_piece_back() {
    let mut backend = InMemory::default();
    let (mut world, id) = two_phones(&mut backend).await;
    world.write(0, id, TITLE, "Aloha nō");
    ok!(world.sync(0).await);
    ok!(world.delete_on_a_new_client(0, id, 2).await);

    world.practise(1, id);
    ok!(world.sync_all(3).await);
    assert!(world.ledgers[0].tracks[&id].content.is_none());

    world.write(1, id, NOTES, "pāʻina");
    ok!(world.sync_all(2).await);
    assert_eq!("pāʻina", world.text(0, id, NOTES), "an edit does");
}

#[tokio::test]
async fn ten_thousand_pieces_appear_within_as_many_syncs_as_the_replies_need() {
    let mut backend = InMemory::default();
    let mut world = World::story(STORY, 2, &mut backend);
    for number in 0..10_000 {
        world.write_piece(0, &format!("Oli {number}"), "Aloha");
    }
    let body = world.request(0).body;
    let (user, engine) = (world.users[0].clone(), world.engines[0].clone());
    engine.sync_pieces(&user, &PiecesRequest::from_json(&body).unwrap(), 1 << 30).await.unwrap();

    // Without the ledger, which looks at every piece for every piece.
    let mut syncs = 0;
    while world.phones[1].pieces.len() < 10_000 {
        let sent = world.request(1);
        let request = PiecesRequest::from_json(&sent.body).unwrap();
        let reply = engine.sync_pieces(&user, &request, 3_000_000).await.unwrap();
        let reply = decode(&reply.into_json()).unwrap();
        world.phones[1].take_over(&sent, &reply, 0, &|_| 0).unwrap();
        world.phones[1].last_synced = Some((reply.synced_secs, 0));
        syncs += 1;
        assert!(syncs < 6, "each sync makes progress");
    }

    assert!(1 < syncs, "the replies are cut");
}
