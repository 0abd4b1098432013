//! Lives of the data: restored backups and erased accounts, as phones meet them (G14).

use crate::import::{exported, import};
use crate::phone::{Phone, edit, practise};
use crate::support::{Server, body, kai, new_piece};
use haumana_sync::engine::{Clock as _, Engine, EngineConfig, ErrorKind, OtherLife};
use haumana_sync::merge::Reason;
use haumana_sync::record::Value;
use haumana_sync::store::{Generation, MemoryStore, Operate, Store};
use haumana_sync::time::UnixMillis;
use serde_json::json;
use std::sync::Arc;

impl Server {
    /// The backup `of` this server, put back under a higher generation, as another process.
    fn restored(&self, backup: &haumana_sync::store::MemoryStore, generation: u32) -> Self {
        let memory = Arc::new(backup.snapshot());
        let mut server = Self::on(memory, Generation(generation));
        server.clock.set(self.clock.now());
        // Another process draws other numbers.
        let random = crate::support::SeededRandom::starting_at(u64::from(generation * 1000));
        let config = EngineConfig::new(Generation(generation));
        let store: Arc<dyn Store> = server.store.clone();
        server.engine = Engine::new(store, server.clock.clone(), Arc::new(random), config);
        server
    }
}

impl Server {
    /// This server with its data put back to `backup`; the journal of erasures is as it was.
    async fn put_back(&self, backup: &MemoryStore, generation: u32) -> Self {
        self.memory.restore(backup);
        self.memory.replay_erasures().await.unwrap();
        let server = Self::on(self.memory.clone(), Generation(generation));
        server.clock.set(self.clock.now());
        for user in self.memory.erasing(10).await.unwrap() {
            server.engine.erase(&user).await.unwrap();
        }
        server
    }
}

fn k(piece: &serde_json::Value) -> u64 {
    piece["version"].as_u64().unwrap() >> 32
}

#[tokio::test]
async fn two_lives_of_one_backup_do_not_give_the_same_version() {
    let server = Server::new();
    let mut phone = Phone::with_song("Aloha", "one");
    phone.sync(&server).await;
    let backup = server.memory.snapshot();
    let mut lives = Vec::new();

    for generation in 1..=20 {
        let server = server.restored(&backup, generation);
        let mut phone = phone.clone();
        edit(&mut phone.pieces[0], "author", json!(format!("life {generation}")), &server);
        phone.sync(&server).await;
        lives.push(k(&phone.pieces[0]));
    }

    let first = lives.iter().min().unwrap();
    assert!(1024 < *first, "above what the lost life may have given");
    lives.sort_unstable();
    lives.dedup();
    assert_eq!(20, lives.len(), "twenty lives, twenty versions");
}

#[tokio::test]
async fn what_a_phone_holds_of_another_life_does_not_overwrite_silently() {
    let server = Server::new();
    let mut mine = Phone::with_song("Aloha", "one");
    mine.sync(&server).await;
    let mut theirs = Phone::default();
    theirs.sync(&server).await;
    let backup = server.memory.snapshot();
    let first = server.restored(&backup, 1);
    edit(&mut mine.pieces[0], "author", json!("first life"), &first);
    mine.sync(&first).await;

    let second = server.restored(&backup, 2);
    second.pass_secs(60);
    edit(&mut theirs.pieces[0], "author", json!("second life"), &second);
    theirs.sync(&second).await;
    practise(&mut mine.pieces[0], &second);
    mine.sync(&second).await;

    let stands = second.post_pieces(&kai(), &body(&[], None)).await["serverPieces"][0].clone();
    let (lost, _) = second.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    assert_eq!(1, lost.len(), "one of both authors lost: {lost:?}");
    assert_eq!(Reason::OtherLife, lost[0].reason);
    let lost = lost[0].lost.as_ref().and_then(Value::as_text).unwrap().to_owned();
    let mut both = [lost, stands["author"].as_str().unwrap().to_owned()];
    both.sort();
    assert_eq!(["first life", "second life"], both.each_ref().map(String::as_str));
}

/// Found by a tester.
#[tokio::test]
async fn a_copy_of_another_life_that_comes_again_undoes_nothing() {
    for slow_secs in [0, 6 * 3600] {
        let server = Server::new();
        let mut mine = Phone::with_song("T1", "one");
        mine.sync(&server).await;
        let mut theirs = Phone::default();
        theirs.sync(&server).await;
        let backup = server.memory.snapshot();
        server.pass_secs(60);
        edit(&mut mine.pieces[0], "title", json!("T2"), &server);
        mine.sync(&server).await;
        theirs.sync(&server).await;
        let restored = server.restored(&backup, 1);
        restored.pass_secs(60);
        theirs.sync(&restored).await;
        // What it sends is what is there. The reply is lost.
        mine.lose_reply(&restored).await;
        restored.pass_secs(60);
        edit(&mut theirs.pieces[0], "title", json!("T3"), &restored);
        let at = restored.now().plus_ms(-1000 * slow_secs);
        theirs.pieces[0]["modifiedAt"] = json!(UnixMillis::from_secs(at.secs()).to_string());
        theirs.sync(&restored).await;
        let open = restored.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap().0;

        mine.sync(&restored).await;

        assert_eq!("T3", mine.pieces[0]["title"], "{slow_secs}");
        let now = restored.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap().0;
        assert_eq!(open.len(), now.len(), "nothing new is in the inbox: {now:?}");
    }
}

#[tokio::test]
async fn where_the_backup_is_to_win_later_content_goes_to_the_inbox() {
    cov_mark::check!(content_of_another_life_is_put_aside);
    let server = Server::new();
    let mut phone = Phone::with_song("Aloha", "one");
    phone.sync(&server).await;
    let backup = server.memory.snapshot();
    server.pass_secs(60);
    edit(&mut phone.pieces[0], "author", json!("after the backup"), &server);
    phone.sync(&server).await;

    let mut restored = server.restored(&backup, 1);
    restored.engine = restored.engine.with_other_life(OtherLife::Discarded);
    phone.sync(&restored).await;

    assert_eq!(json!(null), phone.pieces[0]["author"]);
    let (lost, _) = restored.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    let lost: Vec<_> = lost.iter().map(|lost| (lost.reason, lost.lost.clone())).collect();
    let wanted = Value::Text("after the backup".to_owned());
    assert_eq!(vec![(Reason::OtherLife, Some(wanted))], lost);
}

/// A server on which everything was just erased, and a phone that does not know.
async fn erased() -> (Server, Phone) {
    let server = Server::new();
    let mut phone = Phone::with_song("Aloha", "one");
    phone.sync(&server).await;
    for note in 0..4 {
        server.pass_secs(60);
        edit(&mut phone.pieces[0], "notes", json!(format!("note {note}")), &server);
        phone.sync(&server).await;
    }
    server.engine.erase(&kai()).await.unwrap();
    (server, phone)
}

#[tokio::test]
async fn a_phone_from_before_an_erasure_brings_nothing_back() {
    cov_mark::check!(piece_of_an_erased_life_is_answered_as_deleted);
    // In the very second of the erasure, later, and after somebody has begun anew.
    for (secs, has_begun) in [(0, false), (3600, false), (0, true), (3600, true)] {
        let (server, mut phone) = erased().await;
        server.pass_secs(secs);
        if has_begun {
            let mut other = Phone { pieces: vec![new_piece(2, "New", "life")] };
            other.sync(&server).await;
        }
        edit(&mut phone.pieces[0], "author", json!("of the old life"), &server);

        let reply = phone.sync(&server).await;
        let again = phone.sync(&server).await;

        let case = format!("after {secs} s, begun anew: {has_begun}");
        assert_eq!(1, reply["updatedPieces"].as_array().unwrap().len(), "{case}");
        assert_eq!(json!([]), again["updatedPieces"], "{case}: it is acknowledged once");
        let all = server.post_pieces(&kai(), &body(&[], None)).await;
        let titles: Vec<_> = all["serverPieces"].as_array().unwrap().iter().collect();
        assert_eq!(usize::from(has_begun), titles.len(), "{case}: {titles:?}");
        assert_eq!(usize::from(has_begun), phone.pieces.len() - 1, "{case}: the new life arrives");
    }
}

/// Backups of before the account was made, and of when its pieces had smaller numbers; the phone is
/// sent as it is, and edited. It was erased once, or in two lives.
#[tokio::test]
async fn a_phone_from_before_an_erasure_brings_nothing_back_after_a_restore() {
    cov_mark::check!(user_whom_a_backup_lacks_is_erased_still);
    for (n_synced, n_lives, is_edited) in
        [(0, 1, false), (0, 1, true), (1, 1, false), (1, 1, true), (0, 2, false), (1, 2, false)]
    {
        let case = format!("backup after {n_synced}, {n_lives} lives, edited: {is_edited}");
        let server = Server::new();
        let mut phone = Phone::with_song("Aloha", "one");
        let mut backup = server.memory.snapshot();
        for note in 0..4 {
            if note == n_synced {
                backup = server.memory.snapshot();
            }
            server.pass_secs(60);
            edit(&mut phone.pieces[0], "notes", json!(format!("note {note}")), &server);
            phone.sync(&server).await;
        }
        server.engine.erase(&kai()).await.unwrap();
        for _ in 1..n_lives {
            phone = Phone { pieces: vec![new_piece(2, "New", "life")] };
            phone.sync(&server).await;
            server.engine.erase(&kai()).await.unwrap();
        }

        let restored = server.put_back(&backup, 1).await;
        if is_edited {
            edit(&mut phone.pieces[0], "author", json!("of the old life"), &server);
        }
        phone.sync(&restored).await;
        let again = phone.sync(&restored).await;

        assert_eq!(json!([]), again["updatedPieces"], "{case}: it is acknowledged");
        assert_eq!(json!([]), again["uploadedPieces"], "{case}: it is not taken");
        let all = restored.post_pieces(&kai(), &body(&[], None)).await;
        assert_eq!(json!([]), all["serverPieces"], "{case}");
        phone.pieces = vec![new_piece(3, "After", "all")];
        phone.sync(&restored).await;
        let all = restored.post_pieces(&kai(), &body(&[], None)).await;
        assert_eq!("After", all["serverPieces"][0]["title"], "{case}: a new life is taken");
    }
}

/// A cursor of before the erasure is refused after a restore too, whatever the backup has.
#[tokio::test]
async fn a_cursor_from_before_an_erasure_is_gone_after_a_restore() {
    for has_account in [false, true] {
        let server = Server::new();
        let mut backup = server.memory.snapshot();
        let mut phone = Phone::with_song("Aloha", "one");
        phone.sync(&server).await;
        if has_account {
            backup = server.memory.snapshot();
        }
        let pulled = server.engine.pull(&kai(), None, 10, 1 << 20).await.unwrap();
        server.engine.erase(&kai()).await.unwrap();

        let restored = server.put_back(&backup, 1).await;
        let cursor = pulled.cursor.as_deref();
        let refused = restored.engine.pull(&kai(), cursor, 10, 1 << 20).await.unwrap_err();

        assert_eq!(ErrorKind::Gone, refused.kind(), "in the backup: {has_account}");
        let fresh = restored.engine.pull(&kai(), None, 10, 1 << 20).await.unwrap();
        assert!(fresh.changes.is_empty(), "in the backup: {has_account}");
    }
}

/// The piece was erased before the import and is not in it; then a request from the first life makes it
/// anew. What another phone has of the first life is no edit of that.
#[tokio::test]
async fn a_number_from_before_an_import_does_not_overwrite_silently() {
    let server = Server::new();
    Phone { pieces: vec![new_piece(2, "Mele", "b")] }.sync(&server).await;
    let export = exported(&server.engine, &kai()).await;
    let mut late = Phone::with_song("Aloha", "one");
    edit(&mut late.pieces[0], "author", json!("sent first"), &server);
    let mut phone = late.clone();
    edit(&mut phone.pieces[0], "author", json!("of the erased life"), &server);
    phone.sync(&server).await;
    server.engine.erase(&kai()).await.unwrap();
    import(&server.engine, &kai(), &export).await.unwrap();
    late.lose_reply(&server).await;

    phone.sync(&server).await;

    let all = server.post_pieces(&kai(), &body(&[], None)).await;
    let pieces = all["serverPieces"].as_array().unwrap().iter();
    let stands = pieces.filter(|piece| piece["pieceId"] == late.pieces[0]["pieceId"]);
    let stands: Vec<_> = stands.map(|piece| piece["author"].as_str().unwrap()).collect();
    let (lost, _) = server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
    let reasons: Vec<_> = lost.iter().map(|lost| lost.reason).collect();
    let lost = lost.iter().filter_map(|lost| lost.lost.as_ref()?.as_text());
    let mut both: Vec<&str> = stands.into_iter().chain(lost).collect();
    both.sort_unstable();
    assert_eq!(vec!["of the erased life", "sent first"], both);
    assert_eq!(vec![Reason::OtherLife], reasons);
}

#[tokio::test]
async fn a_phone_that_begins_anew_after_an_erasure_is_taken() {
    let (server, mut phone) = erased().await;

    phone.pieces.push(new_piece(2, "New", "life"));
    phone.sync(&server).await;
    edit(&mut phone.pieces[1], "author", json!("kumu"), &server);
    phone.sync(&server).await;

    let all = server.post_pieces(&kai(), &body(&[], None)).await;
    assert_eq!("New", all["serverPieces"][0]["title"]);
    assert_eq!("kumu", all["serverPieces"][0]["author"]);
    assert!(5 < k(&all["serverPieces"][0]), "above every version of the old life");
}

#[tokio::test]
async fn a_number_that_was_never_given_is_refused_and_changes_nothing() {
    let server = Server::new();
    let mut phone = Phone::with_song("Aloha", "one");
    phone.sync(&server).await;
    let mut careless = phone.clone();
    careless.pieces[0]["version"] = json!(1_966_079_u64 << 32);
    edit(&mut careless.pieces[0], "author", json!("careless"), &server);

    let refused = careless.sync(&server).await;
    edit(&mut phone.pieces[0], "author", json!("careful"), &server);
    phone.sync(&server).await;

    assert_eq!("invalid_field", refused["rejectedPieces"][0]["code"]);
    assert_eq!(2, k(&phone.pieces[0]), "no version was skipped");
    assert_eq!("careful", phone.pieces[0]["author"]);
}
