//! Taking records over from an earlier server, again and again.

use crate::support::{DAY, Server, body, kai, new_piece};
use haumana_app::Phones as _;
use haumana_app::wire::{AppPiece, AppSession};
use haumana_app::{Earlier, EarlierRecord};
use haumana_sync::Store;
use haumana_sync::engine::{EditTimes, ErrorKind};
use haumana_sync::engine::{Push, PushOp, PushOutcome};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::record::Value as Field;
use haumana_sync::repertoire::Piece;
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};

const LYRICS: &str = "E ala ē\nka lā i ka hikina\ni ka moana\nka moana hōhonu";
/// Longer than anything is retained.
const LONG_SECS: i64 = 200 * 86_400;

/// An item as the earlier server held it, written `minute` minutes into the day before.
fn item(minute: u32, change: impl FnOnce(&mut Value)) -> Earlier {
    let mut json = new_piece(1, "E Ala Ē", LYRICS);
    let at = format!("2026-11-22T01:{minute:02}:00Z");
    json["modifiedAt"] = json!(at);
    json["version"] = json!(7);
    change(&mut json);
    let raw = serde_json::value::to_raw_value(&json).unwrap();
    Earlier {
        item: json["pieceId"].as_str().unwrap().to_owned(),
        written_at: UnixMillis::parse(&at),
        record: EarlierRecord::Piece(Box::new(AppPiece::read(&raw, &kai()).unwrap())),
    }
}

fn key() -> Key {
    Key::piece(RecordId::parse("5EED0000-0000-4000-8000-000000000001").unwrap())
}

fn edit(base: u32, name: &str, value: &str) -> Push {
    let set = [(name.to_owned(), Field::Text(value.to_owned()))].into();
    let edited_at = EditTimes::One(UnixMillis(DAY));
    Push { key: key(), base: Some(base), edited_at, op: PushOp::Set(set) }
}

async fn import(server: &Server, item: Earlier) -> PushOutcome {
    let results = server.engine.take_over(&kai(), &[item]).await.unwrap();
    results[0].outcome
}

/// The piece with its version; `None` if it is deleted.
async fn piece(server: &Server) -> (u32, Option<Piece>) {
    let found = server.memory.read(&kai(), &[key()]).await.unwrap().remove(0).unwrap();
    let live = (!found.deleted).then(|| serde_json::from_str(&found.content).unwrap());
    (found.version, live)
}

async fn revision(server: &Server) -> u64 {
    server.memory.head(&kai()).await.unwrap().unwrap().revision.0
}

#[tokio::test]
async fn an_item_that_is_as_it_was_changes_nothing_whatever_became_of_its_record() {
    let server = Server::new();
    assert_eq!(PushOutcome::Applied, import(&server, item(0, |_| {})).await);
    server.engine.push(&kai(), "ipad", &[edit(1, "title", "E Ala E")]).await.unwrap();
    server.pass_secs(LONG_SECS);
    // Whatever is past its retention is forgotten at the next push; what was imported is not.
    let edited = copy(|json| {
        json["title"] = json!("E Ala E");
        json["author"] = json!("Pualani Kanahele");
        json["locallyModified"] = json!(true);
    });
    server.post_pieces(&kai(), &body(&[edited], None)).await;
    let before = (revision(&server).await, piece(&server).await);

    assert_eq!(PushOutcome::Unchanged, import(&server, item(0, |_| {})).await);

    assert_eq!(before, (revision(&server).await, piece(&server).await), "nothing may be written");
    assert_eq!("E Ala E", before.1.1.unwrap().title);
}

#[tokio::test]
async fn an_item_that_is_as_it_was_does_not_bring_a_deleted_piece_back_after_any_time() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    let delete = Push { op: PushOp::Delete, ..edit(1, "title", "") };
    server.engine.push(&kai(), "ipad", &[delete]).await.unwrap();
    server.pass_secs(LONG_SECS);

    assert_eq!(PushOutcome::Unchanged, import(&server, item(0, |_| {})).await);

    assert_eq!((2, None), piece(&server).await);
}

#[tokio::test]
async fn an_item_that_changed_is_merged_as_an_edit_of_what_was_imported() {
    let server = Server::new();
    import(&server, item(0, |json| json["tempo"] = json!(1.5))).await;
    let line = LYRICS.replace("i ka moana\n", "i ka moana nui\n");
    let pushes = [edit(1, "lyrics", &line), edit(1, "title", "Chant")];
    server.engine.push(&kai(), "ipad", &pushes).await.unwrap();

    let newer = item(30, |json| {
        json["lyrics"] = json!(LYRICS.replace("E ala ē\n", "E ala ē, e ala ē\n"));
        json["notes"] = json!("Kaulana nā pua");
        json["tempo"] = json!(2);
    });
    let outcome = import(&server, newer).await;

    assert_eq!(PushOutcome::Merged, outcome);
    let merged = piece(&server).await.1.unwrap();
    assert_eq!(
        "E ala ē, e ala ē\nka lā i ka hikina\ni ka moana nui\nka moana hōhonu",
        merged.lyrics
    );
    assert_eq!("Chant", merged.title, "the item did not change the title");
    assert_eq!(Some("Kaulana nā pua"), merged.notes.as_deref());
    assert_eq!("2", merged.unknown["tempo"].as_str());
}

#[tokio::test]
async fn a_third_state_of_an_item_is_measured_against_the_second() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    server.engine.push(&kai(), "ipad", &[edit(1, "title", "Chant")]).await.unwrap();
    // The title here is edited later than the item's, so the item's loses, and is kept.
    let second = |json: &mut Value| json["title"] = json!("Second");
    assert_eq!(PushOutcome::Merged, import(&server, item(10, second)).await);

    let third = item(20, |json| {
        second(json);
        json["author"] = json!("Pualani Kanahele");
    });
    import(&server, third).await;

    let merged = piece(&server).await.1.unwrap();
    assert_eq!("Chant", merged.title, "the item has not changed the title again");
    assert_eq!(Some("Pualani Kanahele"), merged.author.as_deref());
    let inbox = server.engine.history_of(&kai(), key(), None, 10, 1 << 20).await.unwrap();
    let lost = inbox.versions.iter().flat_map(|version| &version.lost);
    assert_eq!(1, lost.count(), "the title lost once and is kept");
}

#[tokio::test]
async fn an_older_export_changes_nothing() {
    cov_mark::check!(older_export_changes_nothing);
    let server = Server::new();
    import(&server, item(30, |json| json["notes"] = json!("new"))).await;

    // The phone whose clock is ahead wrote the older state; the server's time decides.
    let older = item(0, |json| {
        json["notes"] = json!("old");
        json["modifiedAt"] = json!("2026-11-22T09:00:00Z");
    });
    assert_eq!(PushOutcome::Unchanged, import(&server, older).await);

    assert_eq!(Some("new"), piece(&server).await.1.unwrap().notes.as_deref());
}

#[tokio::test]
async fn a_state_that_was_imported_before_changes_nothing_even_without_any_time() {
    let undated =
        |notes: &str| Earlier { written_at: None, ..item(0, |json| json["notes"] = json!(notes)) };
    let server = Server::new();
    import(&server, undated("first")).await;
    import(&server, undated("second")).await;

    assert_eq!(PushOutcome::Unchanged, import(&server, undated("first")).await);

    assert_eq!(Some("second"), piece(&server).await.1.unwrap().notes.as_deref());
}

#[tokio::test]
async fn a_newer_item_brings_a_deleted_piece_back_and_says_so() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    let delete = Push { op: PushOp::Delete, ..edit(1, "title", "") };
    server.engine.push(&kai(), "ipad", &[delete]).await.unwrap();

    let newer = item(30, |json| json["notes"] = json!("new"));
    let results = server.engine.take_over(&kai(), &[newer]).await.unwrap();

    assert_eq!(1, results[0].conflicts.len(), "the delete lost");
    let back = piece(&server).await.1.unwrap();
    assert_eq!((LYRICS, Some("new")), (back.lyrics.as_str(), back.notes.as_deref()));
}

#[tokio::test]
async fn two_items_of_one_record_are_both_kept() {
    let server = Server::new();
    let upper = item(0, |json| json["title"] = json!("Upper"));
    let lower = item(10, |json| {
        json["pieceId"] = json!("5eed0000-0000-4000-8000-000000000001");
        json["title"] = json!("Lower");
        json["notes"] = json!("of the second");
    });
    let both = [upper, lower];

    let results = server.engine.take_over(&kai(), &both).await.unwrap();

    assert_eq!(PushOutcome::Merged, results[1].outcome);
    let mut lost: Vec<_> =
        results[1].conflicts.iter().filter_map(|lost| lost.field.as_deref()).collect();
    lost.sort_unstable();
    assert_eq!(vec!["notes", "title"], lost, "what the other item had is in the inbox");
    let before = revision(&server).await;
    server.engine.take_over(&kai(), &both).await.unwrap();
    assert_eq!(before, revision(&server).await, "a repeat changes nothing");
}

#[tokio::test]
async fn a_piece_that_a_phone_brought_first_gets_its_base_from_the_import() {
    cov_mark::check!(base_is_what_was_imported);
    let server = Server::new();
    server.post_pieces(&kai(), &body(&[new_piece(1, "E Ala Ē", LYRICS)], None)).await;
    let outcome = import(&server, item(0, |_| {})).await;
    assert_eq!((PushOutcome::Unchanged, 1), (outcome, piece(&server).await.0));
    server.engine.push(&kai(), "ipad", &[edit(1, "title", "Chant")]).await.unwrap();

    let newer = item(30, |json| json["notes"] = json!("new"));
    let results = server.engine.take_over(&kai(), &[newer]).await.unwrap();

    assert!(results[0].conflicts.is_empty(), "nothing clashes");
    let merged = piece(&server).await.1.unwrap();
    assert_eq!(("Chant", Some("new")), (merged.title.as_str(), merged.notes.as_deref()));
}

/// A phone's copy from the earlier server.
fn copy(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = new_piece(1, "E Ala Ē", LYRICS);
    json["modifiedAt"] = json!("2026-11-22T01:00:00Z");
    json["lastSyncedAt"] = json!("2026-11-22T01:00:05Z");
    json["version"] = json!(9);
    json["locallyModified"] = json!(false);
    change(&mut json);
    json
}

#[tokio::test]
async fn an_unchanged_copy_on_a_phone_changes_nothing_after_an_import() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    let before = revision(&server).await;

    let reply = server.post_pieces(&kai(), &body(&[copy(|_| {})], None)).await;

    assert_eq!(before, revision(&server).await);
    assert_eq!((0, 1), {
        let count = |name: &str| reply[name].as_array().unwrap().len();
        (count("rejectedPieces"), count("updatedPieces"))
    });
}

#[tokio::test]
async fn a_copy_edited_on_a_phone_is_an_edit_of_the_imported_version() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    server.engine.push(&kai(), "ipad", &[edit(1, "title", "Chant")]).await.unwrap();

    let edited = copy(|json| {
        json["notes"] = json!("from the phone");
        json["modifiedAt"] = json!("2026-11-22T05:00:00Z");
        json["locallyModified"] = json!(true);
    });
    let reply = server.post_pieces(&kai(), &body(&[edited], None)).await;

    let merged = piece(&server).await.1.unwrap();
    assert_eq!(("Chant", Some("from the phone")), (merged.title.as_str(), merged.notes.as_deref()));
    assert_eq!("Chant", reply["serverPieces"][0]["title"]);
}

#[tokio::test]
async fn a_stale_copy_on_a_phone_gets_what_was_imported_and_overwrites_nothing() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    import(&server, item(30, |json| json["title"] = json!("Second"))).await;

    let reply = server.post_pieces(&kai(), &body(&[copy(|_| {})], None)).await;

    assert_eq!("Second", reply["serverPieces"][0]["title"]);
    assert_eq!("Second", piece(&server).await.1.unwrap().title);
}

#[tokio::test]
async fn an_erased_account_is_not_brought_back() {
    let server = Server::new();
    import(&server, item(0, |_| {})).await;
    server.engine.erase(&kai()).await.unwrap();

    let refused = server.engine.take_over(&kai(), &[item(30, |_| {})]).await.unwrap_err();

    assert_eq!(ErrorKind::Gone, refused.kind());
    let found = server.memory.read(&kai(), &[key()]).await.unwrap();
    assert_eq!(vec![None], found);
}

fn session(item: &str, change: impl FnOnce(&mut Value)) -> Earlier {
    let mut json = json!({
        "sessionId": "5EED0000-0000-4000-8000-00000000000A",
        "pieceId": "5EED0000-0000-4000-8000-000000000001",
        "startedAt": "2026-11-22T01:00:00Z",
        "createdAt": "2026-11-22T01:00:00Z",
    });
    change(&mut json);
    let raw = serde_json::value::to_raw_value(&json).unwrap();
    let session = Box::new(AppSession::read(&raw, &kai()).unwrap());
    let record = EarlierRecord::Session(session);
    Earlier { item: item.to_owned(), written_at: None, record }
}

#[tokio::test]
async fn a_session_that_stands_twice_in_the_table_is_one_with_the_end_that_one_of_them_has() {
    let server = Server::new();
    let open = session("a", |_| {});
    let ended = session("b", |json| {
        json["endedAt"] = json!("2026-11-22T01:20:00Z");
        json["endedAtSource"] = json!("manual");
    });
    let both = [open, ended];

    let results = server.engine.take_over(&kai(), &both).await.unwrap();

    let outcomes: Vec<_> = results.iter().map(|result| result.outcome).collect();
    assert_eq!(vec![PushOutcome::Applied, PushOutcome::Merged], outcomes);
    let before = revision(&server).await;
    let again = server.engine.take_over(&kai(), &both).await.unwrap();
    assert!(again.iter().all(|result| result.outcome == PushOutcome::Unchanged));
    assert_eq!(before, revision(&server).await);
    server.clock.pass_ms(LONG_SECS * 1000);
    let reply = server.post_sessions(&kai(), &json!({"sessions": []})).await;
    assert_eq!("manual", reply["serverSessions"][0]["endedAtSource"]);
}
