//! A store that has no more room for a user: records that would grow are refused one by one, and
//! everything else goes on.

use crate::support::{DAY, SeededRandom, Server, body, kai, new_piece};
use haumana_sync::engine::{
    Asked, EditTimes, Engine, EngineConfig, ErrorKind, Push, PushOp, PushOutcome,
};
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::record::Value;
use haumana_sync::store::{
    Batch, ErrorKind as StoreErrorKind, Fault, Faults, FaultyStore, Generation, MemoryStore, Store,
    Version,
};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::Refusal;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// What a store does whose place for records of some kinds is full: as DynamoDB, it refuses a
/// commit in which one of them grows.
#[derive(Clone, Debug, Default)]
struct Cramped(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    full: Vec<KindNumber>,
    sizes: HashMap<Key, usize>,
    n_commits: usize,
}

impl Cramped {
    fn fill(&self, full: &[KindNumber]) {
        let mut state = self.0.lock().unwrap();
        state.full = full.to_vec();
        state.n_commits = 0;
    }

    fn n_commits(&self) -> usize {
        self.0.lock().unwrap().n_commits
    }
}

impl Faults for Cramped {
    fn next(&self, _op: &'static str) -> Option<Fault> {
        None
    }

    fn next_commit(&self, batch: &Batch) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        state.n_commits += 1;
        let size = |key: &Key| state.sizes.get(key).copied().unwrap_or(0);
        let mut bounded = batch.records.iter().filter(|one| state.full.contains(&one.key.kind));
        if bounded.any(|record| size(&record.key) < record.size_bytes()) {
            return Some(Fault::Before(StoreErrorKind::Full));
        }
        let sizes = batch.records.iter().map(|record| (record.key, record.size_bytes()));
        state.sizes.extend(sizes);
        None
    }
}

/// A server on such a store, which has room at first.
fn cramped() -> (Server, Cramped) {
    let faults = Cramped::default();
    let memory = Arc::new(MemoryStore::new());
    let store = Arc::new(FaultyStore::new(memory.clone(), faults.clone()));
    let server = Server::on(memory, Generation(0));
    let config = EngineConfig::new(Generation(0));
    let engine =
        Engine::new(store, server.clock.clone(), Arc::new(SeededRandom::starting_at(7)), config);
    (Server { engine, ..server }, faults)
}

fn piece(n: u128) -> Key {
    Key::piece(RecordId::from_bits(n))
}

fn set(key: Key, base: Option<Version>, secs: i64, lyrics: &str) -> Push {
    let fields = [("title", "Oli"), ("lyrics", lyrics)];
    let fields = fields.map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())));
    let edited_at = EditTimes::One(UnixMillis(DAY - 86_400_000 + secs * 1000));
    Push { key, base, edited_at, op: PushOp::Set(BTreeMap::from(fields)) }
}

fn delete(key: Key, base: Version) -> Push {
    let edited_at = EditTimes::One(UnixMillis(DAY - 1000));
    Push { key, base: Some(base), edited_at, op: PushOp::Delete }
}

fn session(n: u128) -> Push {
    let fields = [
        ("pieceId", "5EED0000-0000-4000-8000-000000000001"),
        ("startedAt", "2026-11-22T00:00:00Z"),
    ];
    let fields = fields.map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())));
    let key = Key::session(RecordId::from_bits(n));
    let edited_at = EditTimes::Unknown;
    Push { key, base: None, edited_at, op: PushOp::Set(BTreeMap::from(fields)) }
}

const NO_ROOM: PushOutcome = PushOutcome::Rejected(Refusal::QuotaExceeded);

async fn outcomes(server: &Server, pushes: &[Push]) -> Vec<(PushOutcome, Option<Version>)> {
    let results = server.engine.push(&kai(), "phone", pushes).await.unwrap();
    results.iter().map(|result| (result.outcome, result.version)).collect()
}

#[tokio::test]
async fn pushes_that_grow_are_refused_and_deletes_and_shorter_ones_go_through() {
    let (server, faults) = cramped();
    let long = "a".repeat(5_000);
    let first: Vec<Push> = (1..=4).map(|n| set(piece(n), None, 1, &long)).collect();
    outcomes(&server, &first).await;
    faults.fill(&[KindNumber::PIECE]);
    let longer = "b".repeat(9_000);

    let pushes = [
        set(piece(1), Some(1), 2, &longer),
        set(piece(2), Some(1), 2, "short"),
        delete(piece(3), 1),
        set(piece(5), None, 2, "new"),
        session(6),
        set(piece(4), Some(1), 2, &longer),
    ];
    let results = outcomes(&server, &pushes).await;

    let done = |version| (PushOutcome::Applied, Some(version));
    let refused = |version| (NO_ROOM, version);
    let due =
        [refused(Some(1)), done(2), done(2), refused(None), done(1), refused(Some(1))].to_vec();
    assert_eq!(due, results);
    let found = server.memory.read(&kai(), &[piece(1), piece(5)]).await.unwrap();
    assert!(found[0].as_ref().unwrap().content.contains(&long), "it is as it was");
    assert_eq!(None, found[1], "nothing is there");
    let head = server.engine.store().head(&kai()).await.unwrap().unwrap();
    assert_eq!(5, head.records, "what was refused is not counted");

    faults.fill(&[]);
    let again = outcomes(&server, &[pushes[0].clone(), pushes[3].clone()]).await;
    assert_eq!(vec![done(2), done(1)], again, "with room they are taken");
}

#[tokio::test]
async fn a_full_store_is_not_asked_about_each_of_many_records() {
    let (server, faults) = cramped();
    let long = "a".repeat(5_000);
    outcomes(&server, &[set(piece(1), None, 1, &long)]).await;
    faults.fill(&[KindNumber::PIECE]);
    let new = (1_000..1_400).map(|n| set(piece(n), None, 2, "new"));

    let pushes: Vec<Push> = new.chain([delete(piece(1), 1)]).collect();
    let results = outcomes(&server, &pushes).await;

    let (last, refused) = results.split_last().unwrap();
    assert_eq!(&(PushOutcome::Applied, Some(2)), last, "the delete behind them goes through");
    assert!(refused.iter().all(|result| *result == (NO_ROOM, None)));
    assert!(faults.n_commits() < 70, "{} commits", faults.n_commits());
}

#[tokio::test]
async fn a_phone_is_told_which_pieces_have_no_room_and_keeps_them() {
    let (server, faults) = cramped();
    let long = "a".repeat(5_000);
    let mut phone: Vec<_> = (1..=3).map(|n| new_piece(n, "Oli", &long)).collect();
    let first = server.post_pieces(&kai(), &body(&phone, None)).await;
    for (held, updated) in phone.iter_mut().zip(first["updatedPieces"].as_array().unwrap()) {
        held["version"] = updated["version"].clone();
    }
    faults.fill(&[KindNumber::PIECE]);
    server.pass_secs(60);
    phone[0]["lyrics"] = json!("b".repeat(9_000));
    phone[1]["lyrics"] = json!("short");
    phone[0]["modifiedAt"] = json!("2026-11-23T00:00:30Z");
    phone[1]["modifiedAt"] = json!("2026-11-23T00:00:30Z");
    phone[2]["locallyModified"] = json!(false);

    let reply = server.post_pieces(&kai(), &body(&phone, None)).await;

    let rejected = reply["rejectedPieces"].as_array().unwrap();
    assert_eq!(1, rejected.len(), "{reply}");
    assert_eq!("quota_exceeded", rejected[0]["code"]);
    assert_eq!(phone[0]["pieceId"], rejected[0]["pieceId"]);
    let updated = reply["updatedPieces"].as_array().unwrap();
    assert_eq!(
        [&phone[1]["pieceId"]],
        *updated.iter().map(|one| &one["pieceId"]).collect::<Vec<_>>()
    );
    assert_eq!(json!([]), reply["serverPieces"], "the edit that was refused is not overwritten");
}

#[tokio::test]
async fn a_phone_is_told_which_sessions_have_no_room() {
    let (server, faults) = cramped();
    let sessions: Vec<_> = (1..=3)
        .map(|n| {
            json!({
                "sessionId": format!("5EED0000-0000-4000-8000-00000000000{n}"), "userId": "kai",
                "pieceId": "5EED0000-0000-4000-8000-0000000000AA",
                "startedAt": "2026-11-22T00:00:00Z", "createdAt": "2026-11-22T00:00:00Z",
            })
        })
        .collect();
    server.post_sessions(&kai(), &json!({"sessions": sessions[..1]})).await;
    faults.fill(&[KindNumber::SESSION]);

    let reply = server.post_sessions(&kai(), &json!({ "sessions": sessions })).await;

    assert_eq!(json!([sessions[0]["sessionId"]]), reply["uploadedSessions"]);
    let rejected = reply["rejectedSessions"].as_array().unwrap();
    assert_eq!(2, rejected.len(), "{reply}");
    assert!(rejected.iter().all(|one| one["code"] == "quota_exceeded"), "{reply}");
}

#[tokio::test]
async fn a_version_for_which_there_is_no_room_is_not_restored() {
    let (server, faults) = cramped();
    outcomes(&server, &[set(piece(1), None, 1, &"a".repeat(5_000))]).await;
    outcomes(&server, &[set(piece(1), Some(1), 2, "short")]).await;
    faults.fill(&[KindNumber::PIECE]);

    let refused =
        server.engine.restore_record(&kai(), piece(1), 1, &Asked::default()).await.unwrap_err();

    assert_eq!(ErrorKind::Invalid, refused.kind());
    assert_eq!("there is no room left for this user", refused.to_string());
    faults.fill(&[]);
    assert_eq!(
        3,
        server.engine.restore_record(&kai(), piece(1), 1, &Asked::default()).await.unwrap().version
    );
}
