//! Stored records that somebody has changed by hand: what cannot be read is set aside and reported,
//! and everything else goes on.

use crate::support::{Server, body, kai, new_piece};
use haumana_sync::Store;
use haumana_sync::engine::{Asked, EngineConfig, ErrorKind, Unreadable, Witness};
use haumana_sync::engine::{Engine, Random};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::store::{Batch, CommitId, Envelope, Generation, HistoryKey, Revision};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const BROKEN: &str = "5EED0000-0000-4000-8000-000000000001";
const SOUND: &str = "5EED0000-0000-4000-8000-000000000002";

/// Writes down what is reported.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<Unreadable>>);

impl Witness for Notebook {
    fn unreadable(&self, user: &UserId, what: Unreadable) {
        assert_eq!(&kai(), user);
        self.0.lock().unwrap().push(what);
    }
}

/// A server with two pieces, of which the first is changed by hand.
struct Mishap {
    server: Server,
    notebook: Arc<Notebook>,
}

impl Mishap {
    async fn new(change: impl Fn(&mut Envelope)) -> Self {
        let mishap = Self::calm().await;
        mishap.plant(key(BROKEN), change).await;
        mishap
    }

    async fn calm() -> Self {
        let server = Server::new();
        let notebook = Arc::new(Notebook::default());
        let config = EngineConfig::new(Generation(0));
        let random: Arc<dyn Random> = Arc::new(crate::support::SeededRandom::starting_at(7));
        let engine = Engine::new(server.store.clone(), server.clock.clone(), random, config);
        let server = Server { engine: engine.with_witness(notebook.clone()), ..server };
        let pieces = [new_piece(1, "Aloha ʻOe", "one"), new_piece(2, "Hiʻilawe", "two")];
        server.post_pieces(&kai(), &body(&pieces, None)).await;
        // Each has a history, too.
        for id in [BROKEN, SOUND] {
            server.pass_secs(60);
            let edit = json!({"kind": "piece", "id": id, "base": 1, "set": {"notes": "once"},
                "editedAt": "2026-11-23T00:00:30Z"});
            let reply = sync(&server, &Value::Null, &[edit]).await;
            assert_eq!("applied", reply["results"][0]["outcome"]);
        }
        server.pass_secs(60);
        Self { server, notebook }
    }

    async fn plant(&self, key: Key, change: impl Fn(&mut Envelope)) {
        let store = &self.server.memory;
        let mut envelope = store.read(&kai(), &[key]).await.unwrap().remove(0).unwrap();
        change(&mut envelope);
        self.commit(vec![envelope], Vec::new()).await;
    }

    async fn commit(
        &self,
        mut records: Vec<Envelope>,
        history: Vec<haumana_sync::store::HistoryEntry>,
    ) {
        let old = self.server.memory.head(&kai()).await.unwrap().unwrap();
        let mut head = old.clone();
        (head.revision, head.commit) = (Revision(old.revision.0 + 1), CommitId(77));
        for record in &mut records {
            (record.revision, record.stamp) = (head.revision, head.stamp);
        }
        let batch = Batch { head, records, history };
        self.server.memory.commit(&kai(), Some(&old), &batch).await.unwrap();
    }

    fn has_told(&self, id: &str) -> bool {
        let told = self.notebook.0.lock().unwrap();
        told.iter().any(|what| what.key == key(id))
    }
}

fn key(id: &str) -> Key {
    Key::piece(RecordId::parse(id).unwrap())
}

async fn sync(server: &Server, cursor: &Value, push: &[Value]) -> Value {
    let text = json!({"deviceId": "a", "cursor": cursor, "push": push}).to_string();
    let request = SyncRequest::from_json(text.as_bytes()).unwrap();
    let reply = server.engine.sync(&kai(), &request, server.reply_limit_bytes).await.unwrap();
    serde_json::from_slice(&reply.into_json()).unwrap()
}

async fn export(server: &Server) -> Value {
    let mut export = server.engine.export(&kai()).await.unwrap();
    let mut text = String::new();
    while let Some(part) = server.engine.export_more(&mut export).await.unwrap() {
        text.push_str(&part);
    }
    serde_json::from_str(&text).unwrap()
}

fn ids(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    let mut ids: Vec<String> = list.map(|one| one[name].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids
}

type Change = fn(&mut Envelope);

/// What can be done to a record, and whether its content can still be read.
const CHANGES: [(&str, Change, bool); 7] = [
    ("cut text", |one| one.content.truncate(20), false),
    ("a list", |one| one.content = "[]".to_owned(), false),
    ("no text", |one| one.content.clear(), false),
    ("nothing that the store can read", aside, false),
    ("cut meta", |one| one.meta.truncate(9), true),
    ("meta that is a list", |one| one.meta = "[]".to_owned(), true),
    ("meta of another shape", |one| one.meta = r#"{"past":7}"#.to_owned(), true),
];

fn aside(one: &mut Envelope) {
    let (revision, stamp, hash) = (one.revision, one.stamp, one.hash);
    *one = Envelope { revision, stamp, hash, ..Envelope::unreadable(one.key, one.version) };
}

/// What replies to a phone cannot hold, and others can.
const MISFITS: [(&str, Change); 2] = [
    ("a number for the title", |one| one.content = one.content.replace("\"Aloha ʻOe\"", "5")),
    ("no lyrics", |one| one.content = one.content.replace("\"lyrics\":\"one\",", "")),
];

#[tokio::test]
async fn a_phone_is_answered_with_everything_else_and_only_an_edit_of_the_broken_piece_is_refused()
{
    cov_mark::check!(record_that_the_app_cannot_read_is_set_aside);
    cov_mark::check!(push_to_an_unreadable_piece_is_refused_alone);
    let misfits = MISFITS.into_iter().map(|(name, change)| (name, change, false));
    for (name, change, is_read) in CHANGES.into_iter().chain(misfits) {
        let mishap = Mishap::new(change).await;
        let server = &mishap.server;

        let edits = [
            new_piece(1, "Mine", "one"),
            new_piece(2, "Hiʻilawe", "two, edited"),
            new_piece(3, "Kaulana", "three"),
        ];
        let fresh = server.post_pieces(&kai(), &body(&[], None)).await;
        let reply = server.post_pieces(&kai(), &body(&edits, None)).await;

        let both = [BROKEN, SOUND].map(str::to_owned);
        let delivered = ids(&fresh["serverPieces"], "pieceId");
        assert_eq!(both[usize::from(!is_read)..], delivered, "{name}");
        let refused = &reply["rejectedPieces"];
        assert_eq!(vec![BROKEN.to_owned()], ids(refused, "pieceId"), "{name}: {reply}");
        assert_eq!("unreadable", refused[0]["code"], "{name}");
        assert_eq!(2, reply["uploadedPieces"].as_array().unwrap().len(), "{name}: {reply}");
        assert!(mishap.has_told(BROKEN) && !mishap.has_told(SOUND), "{name}");
    }
}

#[tokio::test]
async fn a_phones_untouched_copy_of_a_broken_piece_stays_and_is_no_error() {
    let mishap = Mishap::calm().await;
    let phone = mishap.server.post_pieces(&kai(), &body(&[], None)).await;
    mishap.plant(key(BROKEN), |one| one.content = "{".to_owned()).await;
    let mut held: Vec<Value> = phone["serverPieces"].as_array().unwrap().clone();
    held[0]["notes"] = "of before".into();

    let reply = mishap.server.post_pieces(&kai(), &body(&held, None)).await;

    assert_eq!(json!([]), reply["rejectedPieces"]);
    assert!(!ids(&reply["serverPieces"], "pieceId").contains(&BROKEN.to_owned()));
}

#[tokio::test]
async fn a_new_client_is_answered_with_everything_else_and_only_a_push_to_it_is_refused() {
    cov_mark::check!(push_to_an_unreadable_record_is_refused_alone);
    cov_mark::check!(account_with_an_unreadable_record_has_no_digest);
    for (name, change, is_read) in CHANGES {
        let mishap = Mishap::new(change).await;
        let edit = |id: &str| {
            json!({"kind": "piece", "id": id, "base": 2, "set": {"title": "Edited"},
                "editedAt": "2026-11-23T00:02:00Z"})
        };

        let reply = sync(&mishap.server, &Value::Null, &[edit(BROKEN), edit(SOUND)]).await;
        let again = sync(&mishap.server, &reply["cursor"], &[]).await;

        assert_eq!("rejected", reply["results"][0]["outcome"], "{name}");
        assert_eq!("unreadable", reply["results"][0]["error"]["code"], "{name}");
        assert_eq!("applied", reply["results"][1]["outcome"], "{name}");
        let brought = ids(&reply["changes"], "id").contains(&BROKEN.to_owned());
        assert_eq!(is_read, brought, "{name}: neither changed nor deleted");
        assert_eq!(is_read, !reply["digest"].is_null(), "{name}: nobody can compare by it");
        assert_eq!(is_read, !again["digest"].is_null(), "{name}: nor later");
    }
}

#[tokio::test]
async fn an_account_is_compared_by_digest_again_once_its_record_is_repaired() {
    let mishap = Mishap::new(|one| one.content.clear()).await;
    sync(&mishap.server, &Value::Null, &[]).await;
    let sound = r#"{"title":"Repaired","category":"oli","lyrics":"","includeInPractice":true,"isFavorite":false,"createdAt":"2026-11-22T00:00:00.000Z"}"#;
    mishap.plant(key(BROKEN), |one| one.content = sound.to_owned()).await;

    let reply = sync(&mishap.server, &Value::Null, &[]).await;

    assert_eq!([BROKEN, SOUND].map(str::to_owned).to_vec(), ids(&reply["changes"], "id"));
    assert!(!reply["digest"].is_null());
}

#[tokio::test]
async fn an_export_has_everything_else() {
    cov_mark::check!(unreadable_record_is_set_aside);
    for (name, change, is_read) in CHANGES {
        let mishap = Mishap::new(change).await;

        let document = export(&mishap.server).await;

        let both = [BROKEN, SOUND].map(str::to_owned);
        assert_eq!(both[usize::from(!is_read)..], ids(&document["pieces"], "pieceId"), "{name}");
        assert!(ids(&document["history"], "id").contains(&SOUND.to_owned()), "{name}");
        assert_eq!(json!([]), document["tombstones"], "{name}: it is not deleted");
    }
}

#[tokio::test]
async fn an_exported_record_without_readable_meta_can_be_imported() {
    let mishap = Mishap::new(|one| one.meta.clear()).await;
    let document = export(&mishap.server).await.to_string();
    let other = Server::new();

    let request = haumana_sync::wire::import::ImportRequest::from_json(document.as_bytes());
    let import = other.engine.check_import(&kai(), request.unwrap()).unwrap();
    let imported = other.engine.import(&import).await.unwrap();

    assert_eq!(2, imported.pieces);
}

#[tokio::test]
async fn histories_and_the_inbox_answer_and_a_restore_is_refused_for_that_record_alone() {
    for (name, change, is_read) in CHANGES {
        let mishap = Mishap::new(change).await;
        let engine = &mishap.server.engine;

        let history = |id| engine.history_of(kai_now(), key(id), None, 10, 1 << 20);
        let (broken, sound) = (history(BROKEN).await.unwrap(), history(SOUND).await.unwrap());
        let inbox = engine.conflict_page(&kai(), None, 10, 1 << 20).await.unwrap();
        let restored = engine.restore_record(&kai(), key(BROKEN), 1, &Asked::default()).await;
        let other = engine.restore_record(&kai(), key(SOUND), 1, &Asked::default()).await;

        assert_eq!(2, sound.versions.len(), "{name}");
        assert_eq!(vec![1], broken.versions.iter().map(|one| one.version).collect::<Vec<_>>());
        assert!(inbox.0.is_empty(), "{name}");
        assert_eq!(ErrorKind::Unreadable, restored.unwrap_err().kind(), "{name} {is_read}");
        assert!(!other.unwrap().is_unchanged, "{name}");
    }
}

fn kai_now() -> &'static UserId {
    static KAI: std::sync::OnceLock<UserId> = std::sync::OnceLock::new();
    KAI.get_or_init(kai)
}

#[tokio::test]
async fn a_broken_entry_of_the_history_is_passed_over_and_counts_as_gone() {
    cov_mark::check!(unreadable_history_is_passed_over);
    let mishap = Mishap::calm().await;
    let engine = &mishap.server.engine;
    let at = HistoryKey { key: key(BROKEN), version: 1, side: 0 };
    let entry = mishap.server.memory.history(&kai(), &[at]).await.unwrap().remove(0).unwrap();
    for broken in ["", "{", "[]"] {
        let content = haumana_sync::store::HistoryEntry { content: broken.into(), ..entry.clone() };
        let meta = haumana_sync::store::HistoryEntry { meta: "7".into(), ..entry.clone() };
        for entry in [content, meta] {
            mishap.commit(Vec::new(), vec![entry]).await;

            let page = engine.history_of(&kai(), key(BROKEN), None, 10, 1 << 20).await.unwrap();
            let document = export(&mishap.server).await;
            let restored = engine.restore_record(&kai(), key(BROKEN), 1, &Asked::default()).await;

            assert_eq!(1, page.versions.len());
            assert_eq!(vec![SOUND.to_owned()], ids(&document["history"], "id"));
            assert_eq!(ErrorKind::PastRetention, restored.unwrap_err().kind());
        }
    }
    let told = mishap.notebook.0.lock().unwrap();
    assert!(told.iter().all(|what| what.history == Some((1, 0)) && what.key == key(BROKEN)));
}

#[tokio::test]
async fn a_broken_entry_of_the_inbox_is_left_out_and_the_others_are_listed() {
    let mishap = Mishap::calm().await;
    // Two clashes.
    for id in [BROKEN, SOUND] {
        let late = json!({"kind": "piece", "id": id, "base": 1, "set": {"notes": "late"},
            "editedAt": "2026-11-22T00:00:30Z"});
        let reply = sync(&mishap.server, &Value::Null, &[late]).await;
        assert_eq!("merged", reply["results"][0]["outcome"], "{reply}");
    }
    let engine = &mishap.server.engine;
    let (open, _) = engine.conflict_page(&kai(), None, 10, 1 << 20).await.unwrap();
    assert_eq!(2, open.len());
    mishap.plant(Key::conflict(open[0].id), |one| one.content = r#"{"key":1}"#.to_owned()).await;

    let (left, next) = engine.conflict_page(&kai(), None, 10, 1 << 20).await.unwrap();
    let document = export(&mishap.server).await;

    assert_eq!((1, None), (left.len(), next));
    assert_eq!(open[1].id, left[0].id);
    assert_eq!(1, document["conflicts"].as_array().unwrap().len());
}

#[tokio::test]
async fn a_broken_session_is_left_out_and_the_others_come() {
    let mishap = Mishap::calm().await;
    let session = |n: u32| {
        json!({"sessionId": format!("5EED0000-0000-4000-8000-00000000010{n}"), "pieceId": SOUND,
            "startedAt": "2026-11-22T00:00:00Z", "createdAt": "2026-11-22T00:00:00Z"})
    };
    let all = json!({"sessions": [session(1), session(2)]});
    mishap.server.post_sessions(&kai(), &all).await;
    let broken = RecordId::parse("5EED0000-0000-4000-8000-000000000101").unwrap();
    for content in ["{", r#"{"pieceId":3}"#] {
        mishap.plant(Key::session(broken), |one| one.content = content.to_owned()).await;

        let more = json!({"sessions": [session(1), session(3)]});
        let reply = mishap.server.post_sessions(&kai(), &more).await;

        let there = ids(&reply["serverSessions"], "sessionId");
        assert_eq!(2, there.len(), "{reply}");
        assert_eq!(broken.to_string(), reply["rejectedSessions"][0]["sessionId"]);
        assert_eq!("unreadable", reply["rejectedSessions"][0]["code"]);
        assert_eq!(1, reply["uploadedSessions"].as_array().unwrap().len());
    }
}

#[tokio::test]
async fn a_lyric_that_was_mended_by_hand_is_served_as_it_is_and_an_edit_keeps_it() {
    let mishap =
        Mishap::new(|one| one.content = one.content.replace("\"one\"", "\"mended\"")).await;

    let fresh = sync(&mishap.server, &Value::Null, &[]).await;
    let edit = json!({"kind": "piece", "id": BROKEN, "base": 2, "set": {"title": "Edited"},
        "editedAt": "2026-11-23T00:05:00Z"});
    let edited = sync(&mishap.server, &fresh["cursor"], &[edit]).await;
    let after = sync(&mishap.server, &Value::Null, &[]).await;

    let lyrics = |reply: &Value| {
        let changes = reply["changes"].as_array().unwrap().iter();
        let found = changes.clone().find(|one| one["id"] == BROKEN).unwrap();
        found["value"]["lyrics"].as_str().unwrap().to_owned()
    };
    assert_eq!("mended", lyrics(&fresh));
    assert_eq!("applied", edited["results"][0]["outcome"]);
    assert_eq!("mended", lyrics(&after));
}

#[tokio::test]
async fn a_mended_lyric_that_is_accepted_reaches_the_devices_as_a_later_version() {
    let mishap = Mishap::calm().await;
    let server = &mishap.server;
    let phone = server.post_pieces(&kai(), &body(&[], None)).await;
    let held: Vec<Value> = phone["serverPieces"].as_array().unwrap().clone();
    let device = sync(server, &Value::Null, &[]).await;
    let mend = |one: &mut Envelope| one.content = one.content.replace("\"one\"", "\"mended\"");
    mishap.plant(key(BROKEN), mend).await;
    server.pass_secs(60);

    let accepted = server.engine.accept_record(&kai(), key(BROKEN)).await.unwrap();
    let again = server.engine.accept_record(&kai(), key(BROKEN)).await.unwrap();
    let untouched = server.engine.accept_record(&kai(), key(SOUND)).await.unwrap();

    assert_eq!((3, false), (accepted.version, accepted.is_unchanged));
    assert!(again.is_unchanged && untouched.is_unchanged);
    let news = sync(server, &device["cursor"], &[]).await;
    assert_eq!("mended", news["changes"][0]["value"]["lyrics"]);
    assert!(!news["digest"].is_null());
    let told = server.post_pieces(&kai(), &body(&held, None)).await;
    assert_eq!(vec![BROKEN.to_owned()], ids(&told["serverPieces"], "pieceId"), "{told}");
    assert_eq!("mended", told["serverPieces"][0]["lyrics"]);
}
