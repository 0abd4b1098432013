//! Items of every kind, odd and hostile ones among them.

use crate::support::{content, engine, piece, piece_key, read, run_items, session, session_key};
use crate::support::{uuid, with};
use haumana_import::Table;
use haumana_sync::store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;

async fn imported(item: Value) -> Value {
    let store = Arc::new(MemoryStore::new());
    let (counts, lines) = run_items(&engine(store.clone()), Table::Pieces, &[item]).await;
    assert_eq!((1, 0), (counts.created, counts.refused), "{lines:?}");
    content(&*store, "kai", piece_key(1)).await
}

/// The code and message with which an item is refused, with nothing stored.
async fn refused(table: Table, item: Value) -> (String, String) {
    let store = Arc::new(MemoryStore::new());
    let (counts, lines) = run_items(&engine(store.clone()), table, &[item]).await;
    assert_eq!((1, 1), (counts.read, counts.refused), "{lines:?}");
    let text = |name: &str| lines[0][name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

async fn is_refused(code: &str, table: Table, changes: Value) {
    let item = if table == Table::Pieces { piece("kai", 1) } else { session("kai", 1) };
    assert_eq!(code, refused(table, with(item, changes.clone())).await.0, "{changes}");
}

#[tokio::test]
async fn a_plain_item_becomes_version_one_of_its_record() {
    let store = Arc::new(MemoryStore::new());
    let items = [with(piece("kai", 1), json!({"notes": {"S": "Kūpuna"}}))];
    run_items(&engine(store.clone()), Table::Pieces, &items).await;

    assert_eq!(1, read(&*store, "kai", piece_key(1)).await.unwrap().version);
    let expected = json!({
        "title": "Mele 1", "category": "mele",
        "lyrics": "Haʻaheo ka ua i nā pali\nKe nihi aʻela i ka nahele",
        "notes": "Kūpuna", "includeInPractice": true, "isFavorite": false,
        "createdAt": "2025-06-18T12:00:00.000Z",
    });
    assert_eq!(expected, content(&*store, "kai", piece_key(1)).await);
}

#[tokio::test]
async fn unknown_attributes_are_kept_to_the_digit() {
    let digits = "12345678901234567890123456789012345678";
    let got = {
        let store = Arc::new(MemoryStore::new());
        let unknown = json!({
            "tempo": {"N": digits},
            "tags": {"SS": ["hula", "oli"]},
            "beats": {"NS": ["1", "2.50"]},
            "cover": {"B": "AAEC"},
            "nested": {"M": {"list": {"L": [{"N": "1.0"}, {"NULL": true}, {"M": {}}]}, "odd \"key\"": {"BOOL": false}}},
            "nothing": {"NULL": true},
        });
        let items = [with(piece("kai", 1), unknown)];
        run_items(&engine(store.clone()), Table::Pieces, &items).await;
        read(&*store, "kai", piece_key(1)).await.unwrap().content
    };

    for kept in [
        &format!(r#""tempo":{digits}"#),
        r#""tags":["hula","oli"]"#,
        r#""beats":[1,2.50]"#,
        r#""cover":"AAEC""#,
        r#""nested":{"list":[1.0,null,{}],"odd \"key\"":false}"#,
    ] {
        assert!(got.contains(kept), "{kept} in {got}");
    }
    assert!(!got.contains("nothing"));
}

#[tokio::test]
async fn odd_types_are_read_as_what_they_mean() {
    let got = imported(with(
        piece("kai", 1),
        json!({
            "title": {"N": "108"},
            "includeInPractice": {"S": "false"},
            "isFavorite": {"N": "1"},
            "createdAt": {"N": "1750248000"},
            "modifiedAt": {"S": "1750248000123"},
            "version": {"S": "four"},
            "notes": {"NULL": true},
            "language": {"S": ""},
        }),
    ))
    .await;

    assert_eq!("108", got["title"]);
    assert_eq!(
        (json!(false), json!(true)),
        (got["includeInPractice"].clone(), got["isFavorite"].clone())
    );
    assert_eq!("2025-06-18T12:00:00.000Z", got["createdAt"]);
    assert_eq!(None, got.get("notes"));
}

#[tokio::test]
async fn missing_required_keys_are_filled() {
    let item = json!({"userId": {"S": "kai"}, "pieceId": {"S": uuid(1)}, "title": {"NULL": true}});

    let got = imported(item).await;

    let filled = json!({"title": "", "category": "oli", "lyrics": "", "includeInPractice": true,
        "isFavorite": false, "createdAt": "1970-01-01T00:00:00.000Z"});
    assert_eq!(filled, got);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_its_code() {
    let pieces = [
        ("too_large", json!({"title": {"S": "a".repeat(4097)}})),
        ("too_large", json!({"lyrics": {"S": "a".repeat(200_001)}})),
        ("too_large", json!({"a": {"S": "a".repeat(150_000)}, "b": {"S": "b".repeat(150_001)}})),
        ("too_large", json!({"n".repeat(257): {"S": "x"}})),
        ("invalid_id", json!({"pieceId": {"S": "17"}})),
        ("invalid_id", json!({"pieceId": {"N": "17"}})),
        ("invalid_id", json!({"pieceId": null})),
        ("invalid_user", json!({"userId": null})),
        ("invalid_user", json!({"userId": {"S": ""}})),
        ("invalid_user", json!({"userId": {"S": "k".repeat(256)}})),
        ("invalid_user", json!({"pk": {"S": "USER#kai"}, "sk": {"S": "SESSION#2025#x"}})),
        ("invalid_field", json!({"title": {"M": {}}})),
        ("invalid_field", json!({"notes": {"SS": ["a"]}})),
        ("invalid_field", json!({"isFavorite": {"S": "perhaps"}})),
        ("invalid_field", json!({"createdAt": {"S": "yesterday"}})),
        ("invalid_field", json!({"odd": {"X": 1}})),
        ("invalid_field", json!({"odd": 5})),
    ];
    for (code, changes) in pieces {
        is_refused(code, Table::Pieces, changes).await;
    }
    let sessions = [
        ("invalid_user", json!({"pk": {"S": "kai"}})),
        ("wrong_user", json!({"userId": {"S": "lani"}})),
        ("invalid_field", json!({"pieceId": null})),
        ("invalid_field", json!({"endedAtSource": {"S": "somebody"}})),
        ("invalid_field", json!({"startedAt": {"BOOL": true}})),
        ("invalid_id", json!({"sessionId": null, "sk": {"S": "PROFILE"}})),
        ("too_large", json!({"a": {"S": "a".repeat(300_001)}})),
    ];
    for (code, changes) in sessions {
        is_refused(code, Table::Sessions, changes).await;
    }
}

#[tokio::test]
async fn what_is_said_of_a_refused_item_holds_nothing_of_its_content() {
    let item = with(piece("kai", 1), json!({"kaona": {"X": "secret"}, "title": {"S": "secret"}}));

    let (_, message) = refused(Table::Pieces, item).await;

    assert_eq!("an unknown attribute has the wrong type", message);
}

#[tokio::test]
async fn one_bad_item_blocks_nobody() {
    let store = Arc::new(MemoryStore::new());
    let bad = with(piece("kai", 2), json!({"notes": {"BOOL": true}}));
    let items = [piece("kai", 1), bad, piece("kai", 3), piece("lani", 2)];

    let (counts, lines) = run_items(&engine(store.clone()), Table::Pieces, &items).await;

    assert_eq!((4, 3, 1), (counts.read, counts.created, counts.refused));
    let refused: Vec<_> = lines.iter().filter(|line| line["outcome"] == "refused").collect();
    let key = json!({"userId": "kai", "pieceId": uuid(2)});
    assert_eq!((1, &key), (refused.len(), &refused[0]["key"]));
}

#[tokio::test]
async fn a_session_is_found_by_its_id_whatever_its_keys_look_like() {
    let store = Arc::new(MemoryStore::new());
    let from_key = with(session("kai", 2), json!({"sessionId": null, "startedAt": null}));
    let ended = with(
        session("kai", 1),
        json!({
            "sk": {"S": format!("SESSION#2025-06-19T08:00:01Z#{}", uuid(1).to_lowercase())},
            "sessionId": {"S": uuid(1).to_lowercase()},
            "startedAt": {"S": "2025-06-19T08:00:01Z"},
            "endedAt": {"S": "2025-06-19T08:20:00Z"},
            "endedAtSource": {"S": "manual"},
            "mood": {"S": "ʻoluʻolu"},
        }),
    );

    let items = [session("kai", 1), from_key, ended];
    let (counts, lines) = run_items(&engine(store.clone()), Table::Sessions, &items).await;

    assert_eq!((2, 1, 0), (counts.created, counts.merged, counts.refused), "{lines:?}");
    let one = content(&*store, "kai", session_key(1)).await;
    assert_eq!(("2025-06-19T08:20:00.000Z", "manual"), {
        (one["endedAt"].as_str().unwrap(), one["endedAtSource"].as_str().unwrap())
    });
    assert_eq!("ʻoluʻolu", one["mood"]);
    assert!(one.get("sk").is_none() && one.get("syncedAt").is_none(), "{one}");
    let two = content(&*store, "kai", session_key(2)).await;
    assert_eq!("2025-06-19T08:00:00.000Z", two["startedAt"]);
}
