//! Part 1 at the engine, by example.

use crate::support::{SeededRandom, Server, body, kai, new_piece, ready};
use haumana_app::Phones as _;
use haumana_app::wire::PiecesRequest;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::{Fault, Faults, FaultyStore, Generation, MemoryStore, Store};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Applies a reply as the app does.
fn apply(local: &mut Vec<Value>, reply: &Value) {
    for theirs in reply["serverPieces"].as_array().unwrap() {
        match local.iter_mut().find(|ours| ours["pieceId"] == theirs["pieceId"]) {
            None => local.push(theirs.clone()),
            Some(ours) if ours["version"].as_u64() < theirs["version"].as_u64() => {
                let flagged = ours["locallyModified"].clone();
                *ours = theirs.clone();
                ours["locallyModified"] = flagged;
            }
            Some(_) => {}
        }
    }
    for theirs in reply["updatedPieces"].as_array().unwrap() {
        for ours in local.iter_mut().filter(|ours| ours["pieceId"] == theirs["pieceId"]) {
            for key in ["version", "modifiedAt", "locallyModified"] {
                ours[key] = theirs[key].clone();
            }
        }
    }
}

async fn sync(server: &Server, local: &mut Vec<Value>) {
    let reply = server.post_pieces(&kai(), &body(local, None)).await;
    apply(local, &reply);
}

fn edit(piece: &mut Value, key: &str, value: Value) {
    piece[key] = value;
    piece["locallyModified"] = json!(true);
    piece["modifiedAt"] = json!("2026-11-23T00:00:00Z");
}

#[tokio::test]
async fn two_devices_edit_different_fields_and_both_survive_on_both() {
    let server = Server::new();
    let mut a = vec![new_piece(1, "Aloha", "Haʻaheo\nKe nihi")];
    sync(&server, &mut a).await;
    let mut b = Vec::new();
    sync(&server, &mut b).await;

    edit(&mut a[0], "title", json!("Aloha ʻOe"));
    edit(&mut b[0], "author", json!("Queen Liliʻuokalani"));
    for _ in 0..2 {
        sync(&server, &mut a).await;
        sync(&server, &mut b).await;
    }

    for device in [&a, &b] {
        assert_eq!("Aloha ʻOe", device[0]["title"]);
        assert_eq!("Queen Liliʻuokalani", device[0]["author"]);
        assert_eq!(3, device[0]["version"].as_u64().unwrap() >> 32);
    }
}

#[tokio::test]
async fn star_set_reply_lost_star_taken_off_is_off_everywhere() {
    let server = Server::new();
    let mut a = vec![new_piece(1, "Aloha", "")];
    sync(&server, &mut a).await;

    edit(&mut a[0], "isFavorite", json!(true));
    a[0]["version"] = json!(a[0]["version"].as_u64().unwrap() + 1);
    for _ in 0..5 {
        server.post_pieces(&kai(), &body(&a, None)).await;
    }
    edit(&mut a[0], "isFavorite", json!(false));
    a[0]["version"] = json!(a[0]["version"].as_u64().unwrap() + 1);
    sync(&server, &mut a).await;

    let mut b = Vec::new();
    sync(&server, &mut b).await;
    assert_eq!(json!(false), b[0]["isFavorite"]);
    assert_eq!(3, b[0]["version"].as_u64().unwrap() >> 32, "five repeats raise k once");
}

#[tokio::test]
async fn no_op_sync_reads_one_head_and_answers_empty_lists() {
    let server = Server::new();
    let mut a: Vec<Value> = (0..20).map(|id| new_piece(id, "Oli", "Lyrics")).collect();
    sync(&server, &mut a).await;
    server.store.take();

    let reply = server.post_pieces(&kai(), &body(&a, Some("2026-11-23T00:00:00Z"))).await;

    let calls = server.store.take();
    assert_eq!(1, calls.head);
    assert_eq!((0, 0, 0, 0), (calls.read, calls.index, calls.changes, calls.commit));
    for list in ["serverPieces", "uploadedPieces", "updatedPieces"] {
        assert_eq!(json!([]), reply[list]);
    }
}

/// A server and two phones that hold the same 20 pieces, with `lastSyncedAt` behind all of it.
async fn two_phones() -> (Server, Vec<Value>, Vec<Value>, String) {
    let server = Server::new();
    let mut a: Vec<Value> = (0..20).map(|id| new_piece(id, "Oli", "Lyrics")).collect();
    sync(&server, &mut a).await;
    let mut b = Vec::new();
    sync(&server, &mut b).await;
    server.pass_secs(60);
    server.store.take();
    (server, a, b, "2026-11-23T00:00:30Z".to_owned())
}

#[tokio::test]
async fn a_push_among_the_whole_repertoire_reads_the_head_and_what_was_pushed() {
    let (server, mut a, b, last) = two_phones().await;
    for piece in &mut a[..3] {
        edit(piece, "title", json!("Oli Aloha"));
    }

    let reply = server.post_pieces(&kai(), &body(&a, Some(&last))).await;

    let calls = server.store.take();
    assert_eq!((1, 1, 3, 1), (calls.head, calls.read, calls.records_read, calls.commit));
    assert_eq!((0, 0, 0), (calls.index, calls.changes, calls.history));
    assert_eq!(
        (3, json!([])),
        (list(&reply, "updatedPieces").len(), reply["serverPieces"].clone())
    );

    // The other phone sends everything too: what changed is read, and nothing else.
    server.pass_secs(60);
    let pulled = server.post_pieces(&kai(), &body(&b, Some(&last))).await;
    let calls = server.store.take();
    assert_eq!((1, 1, 3), (calls.head, calls.changes, calls.records_read));
    assert_eq!((0, 0, 0), (calls.index, calls.read, calls.commit));
    assert_eq!(3, list(&pulled, "serverPieces").len());
}

#[tokio::test]
async fn an_edit_without_its_flag_is_found_whatever_else_is_in_the_request() {
    // What a phone may send beside it: nothing, a flagged edit, a new piece; and what may have
    // happened meanwhile: nothing, an edit of another piece, a new one.
    for beside in 0..3 {
        for meanwhile in 0..3 {
            let (server, mut a, mut b, last) = two_phones().await;
            match meanwhile {
                1 => edit(&mut b[7], "notes", json!("of the other phone")),
                2 => b.push(new_piece(700, "Other", "Lyrics")),
                _ => {}
            }
            server.post_pieces(&kai(), &body(&b, Some(&last))).await;
            edit(&mut a[4], "title", json!("Edited"));
            a[4]["locallyModified"] = json!(false);
            match beside {
                1 => edit(&mut a[5], "title", json!("Flagged")),
                2 => a.push(new_piece(500, "New", "Lyrics")),
                _ => {}
            }

            let reply = server.post_pieces(&kai(), &body(&a, Some(&last))).await;

            let mut all = Vec::new();
            sync(&server, &mut all).await;
            let case = format!("beside {beside}, meanwhile {meanwhile}");
            let titles: Vec<&str> =
                all.iter().filter_map(|piece| piece["title"].as_str()).collect();
            assert!(titles.contains(&"Edited"), "{case}: the edit is in the record");
            assert_eq!(beside == 1, titles.contains(&"Flagged"), "{case}");
            assert_eq!(beside == 2, titles.contains(&"New"), "{case}");
            let server_pieces = list(&reply, "serverPieces");
            assert_eq!(
                usize::from(0 < meanwhile),
                server_pieces.len(),
                "{case}: {server_pieces:?}"
            );
            assert_eq!(1 + usize::from(0 < beside), list(&reply, "updatedPieces").len(), "{case}");
        }
    }
}

fn list(reply: &Value, name: &str) -> Vec<Value> {
    reply[name].as_array().unwrap().clone()
}

#[tokio::test]
async fn sessions_are_joined_and_come_back() {
    let server = Server::new();
    let session = json!({
        "sessionId": "5eed0000-0000-4000-8000-0000000000aa", "userId": "kai",
        "pieceId": "5EED0000-0000-4000-8000-000000000001",
        "startedAt": "2026-11-23T00:00:00Z", "createdAt": "2026-11-23T00:00:00Z",
    });

    let reply = server.post_sessions(&kai(), &json!({"sessions": [session]})).await;

    assert_eq!(json!(["5EED0000-0000-4000-8000-0000000000AA"]), reply["uploadedSessions"]);
    let back = &reply["serverSessions"][0];
    assert_eq!("5EED0000-0000-4000-8000-0000000000AA", back["sessionId"]);
    assert_eq!("2026-11-23T00:00:00.000Z", back["startedAt"]);
}

/// A piece on a server, and the phone that made it, its reply seen.
async fn one_piece(lyrics: &str) -> (Server, Vec<Value>) {
    let server = Server::new();
    let mut phone = vec![new_piece(1, "Aloha", lyrics)];
    sync(&server, &mut phone).await;
    (server, phone)
}

/// What a phone that has nothing is given.
async fn fresh(server: &Server) -> Vec<Value> {
    let mut phone = Vec::new();
    sync(server, &mut phone).await;
    phone
}

fn practise(piece: &mut Value) {
    piece["version"] = json!(piece["version"].as_u64().unwrap() + 1);
    piece["locallyModified"] = json!(true);
}

#[tokio::test]
async fn the_same_request_again_changes_nothing() {
    cov_mark::check!(exact_repeat_changes_nothing);
    let (server, mut a) = one_piece("").await;
    edit(&mut a[0], "title", json!("Aloha ʻOe"));
    let request = body(&a, None);
    server.post_pieces(&kai(), &request).await;
    let head = server.engine.store().head(&kai()).await.unwrap();

    let again = server.post_pieces(&kai(), &request).await;

    assert_eq!(head, server.engine.store().head(&kai()).await.unwrap());
    assert_eq!(json!([a[0]["pieceId"]]), again["uploadedPieces"]);
    assert_eq!(json!([]), again["serverPieces"]);
}

#[tokio::test]
async fn an_edit_after_a_lost_reply_is_based_on_the_push_before() {
    cov_mark::check!(base_is_the_push_whose_reply_was_lost);
    let (server, mut a) = one_piece("").await;
    let mut b = fresh(&server).await;
    edit(&mut a[0], "title", json!("by A"));
    server.post_pieces(&kai(), &body(&a, None)).await;
    sync(&server, &mut b).await;
    edit(&mut b[0], "title", json!("by B"));
    sync(&server, &mut b).await;

    edit(&mut a[0], "author", json!("too by A"));
    a[0]["modifiedAt"] = json!("2026-11-23T00:00:01Z");
    sync(&server, &mut a).await;

    assert_eq!(
        ("by B", "too by A"),
        (a[0]["title"].as_str().unwrap(), a[0]["author"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_push_that_its_phone_has_outdated_changes_nothing_and_is_kept() {
    cov_mark::check!(older_push_changes_nothing);
    let (server, a) = one_piece("").await;
    let (mut earlier, mut later) = (a.clone(), a.clone());
    edit(&mut earlier[0], "title", json!("earlier"));
    edit(&mut later[0], "title", json!("later"));
    practise(&mut later[0]);
    server.post_pieces(&kai(), &body(&later, None)).await;

    server.post_pieces(&kai(), &body(&earlier, None)).await;

    assert_eq!("later", fresh(&server).await[0]["title"]);
    let (open, _) = server.engine.conflict_page(&kai(), None, 9, usize::MAX).await.unwrap();
    assert_eq!("Text(\"earlier\")", format!("{:?}", open[0].lost.clone().unwrap()));
}

#[tokio::test]
async fn a_form_that_was_open_during_a_sync_takes_nothing_back() {
    cov_mark::check!(stale_form_is_reported);
    let (server, mut a) = one_piece("old words").await;
    let form = a[0].clone();
    let mut b = fresh(&server).await;
    edit(&mut b[0], "lyrics", json!("new words"));
    edit(&mut b[0], "title", json!("new title"));
    sync(&server, &mut b).await;
    sync(&server, &mut a).await;

    for key in ["title", "lyrics"] {
        edit(&mut a[0], key, form[key].clone());
    }
    edit(&mut a[0], "notes", json!("mine"));
    sync(&server, &mut a).await;

    let now = &fresh(&server).await[0];
    assert_eq!(
        ("new title", "new words"),
        (now["title"].as_str().unwrap(), now["lyrics"].as_str().unwrap())
    );
    assert_eq!("mine", now["notes"]);
    assert_eq!("new words", a[0]["lyrics"], "the phone that had the form open is told");
}

#[tokio::test]
async fn content_of_another_life_of_the_server_is_merged_by_time_and_numbered_above() {
    cov_mark::check!(base_is_of_another_life);
    let (server, mut a) = one_piece("").await;
    let backup = server.memory.snapshot();
    for title in ["1", "2", "3"] {
        edit(&mut a[0], "title", json!(title));
        sync(&server, &mut a).await;
    }
    server.memory.restore(&backup);

    sync(&server, &mut a).await;

    let now = &fresh(&server).await[0];
    assert_eq!("3", now["title"]);
    assert!(4 < now["version"].as_u64().unwrap() >> 32);
}

#[tokio::test]
async fn a_copy_from_before_this_server_is_based_on_what_it_resembles_most() {
    cov_mark::check!(base_is_guessed_for_a_copy_from_before);
    let (server, mut a) = one_piece("one\ntwo").await;
    edit(&mut a[0], "lyrics", json!("one\nTWO"));
    sync(&server, &mut a).await;
    let mut old = new_piece(1, "Aloha ʻOe", "one\ntwo");
    old["version"] = json!(7);
    old["lastSyncedAt"] = json!("2026-01-01T00:00:00Z");

    let mut b = vec![old];
    sync(&server, &mut b).await;

    assert_eq!(
        ("Aloha ʻOe", "one\nTWO"),
        (b[0]["title"].as_str().unwrap(), b[0]["lyrics"].as_str().unwrap())
    );
}

#[tokio::test]
async fn the_largest_n_leads_to_a_version_of_its_own() {
    let (server, mut a) = one_piece("words").await;
    let k = a[0]["version"].as_u64().unwrap() >> 32;
    a[0]["version"] = json!((k << 32) | (0xF_FFFF << 12));
    edit(&mut a[0], "lyrics", json!("words "));

    let reply = server.post_pieces(&kai(), &body(&a, None)).await;

    let theirs = &reply["serverPieces"][0];
    assert!(a[0]["version"].as_u64() < theirs["version"].as_u64());
    assert_eq!("words", theirs["lyrics"]);
}

/// A phone asks for what changed after the time that the last reply told.
#[tokio::test]
async fn a_reply_that_is_cut_tells_a_time_after_which_the_next_one_goes_on() {
    for secs_apart in [0, 1, 7] {
        let mut server = Server::new();
        for n in 1..=20 {
            let made = new_piece(n, "Aloha ʻOe", &"words ".repeat(50));
            server.post_pieces(&kai(), &body(&[made], None)).await;
            server.pass_secs(secs_apart);
        }
        server.pass_secs(60);
        // Room for a few pieces.
        server.reply_limit_bytes = 5000;

        let (mut phone, mut last) = (Vec::new(), None::<String>);
        for _ in 0..20 {
            let reply = server.post_pieces(&kai(), &body(&phone, last.as_deref())).await;
            apply(&mut phone, &reply);
            last = reply["syncedAt"].as_str().map(str::to_owned);
            server.pass_secs(10);
        }

        assert_eq!(20, phone.len(), "pieces that were made {secs_apart} s apart");
    }
}

#[tokio::test]
async fn a_list_of_sessions_that_is_cut_has_those_that_changed_last() {
    let mut server = Server::new();
    for n in 0..9 {
        let session = json!({
            "sessionId": format!("5EED0000-0000-4000-8000-{n:012}"), "userId": "kai",
            "pieceId": "5EED0000-0000-4000-8000-000000000001",
            "startedAt": "2026-11-23T00:00:00Z", "createdAt": "2026-11-23T00:00:00Z",
        });
        server.post_sessions(&kai(), &json!({"sessions": [session]})).await;
        server.pass_secs(10);
    }
    // Room for a few sessions.
    server.reply_limit_bytes = 2500;

    // One is answered from packed copies, the other from the index.
    let whole = json!({"sessions": []});
    let since = json!({"sessions": [], "lastSyncedAt": "2026-11-22T00:00:00Z"});
    for request in [whole, since] {
        let reply = server.post_sessions(&kai(), &request).await;
        let sent = list(&reply, "serverSessions");
        let last = |session: &Value| session["sessionId"].as_str().unwrap().chars().last();
        let numbers: String = sent.iter().filter_map(last).collect();

        assert!(numbers.len() < 9 && "876543210".starts_with(&numbers), "{numbers:?}");
        assert!(!numbers.is_empty());
    }
}

/// Lets a phone sync in the middle of the first commit, which takes long.
#[derive(Debug)]
struct SlowCommit {
    other: Server,
    synced_at: Arc<Mutex<Option<Value>>>,
}

impl Faults for SlowCommit {
    fn next(&self, op: &'static str) -> Option<Fault> {
        let mut synced_at = self.synced_at.lock().unwrap();
        if op == "commit" && synced_at.is_none() {
            self.other.pass_secs(10);
            let reply = ready(self.other.post_pieces(&kai(), &body(&[], None)));
            assert_eq!(json!([]), reply["serverPieces"]);
            *synced_at = Some(reply["syncedAt"].clone());
            self.other.pass_secs(10);
        }
        None
    }
}

/// A piece has the time of its commit, and a phone asks for what is newer than its last reply.
#[tokio::test]
async fn a_phone_that_syncs_while_another_ones_commit_takes_long_gets_the_piece_later() {
    let memory = Arc::new(MemoryStore::new());
    let (other, synced_at) = (Server::on(memory.clone(), Generation(0)), Arc::default());
    let clock = other.clock.clone();
    let slow = SlowCommit { other, synced_at: Arc::clone(&synced_at) };
    let store: Arc<dyn Store> = Arc::new(FaultyStore::new(memory.clone(), slow));
    let random = Arc::new(SeededRandom::starting_at(8));
    let engine = Engine::new(store, clock, random, EngineConfig::new(Generation(0)));
    let sent = body(&[new_piece(1, "Aloha ʻOe", "")], None).to_string();
    let sent = PiecesRequest::from_json(sent.as_bytes()).unwrap();
    engine.sync_pieces(&kai(), &sent, 1 << 20).await.unwrap();

    let later = Server::on(memory, Generation(0));
    later.pass_secs(60);
    let last = synced_at.lock().unwrap().take().unwrap();
    let reply = later.post_pieces(&kai(), &body(&[], last.as_str())).await;

    assert_eq!("Aloha ʻOe", reply["serverPieces"][0]["title"], "{reply}");
}
