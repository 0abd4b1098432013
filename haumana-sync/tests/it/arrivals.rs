//! Records of declared kinds that several devices make and edit: the order in which their pushes
//! arrive makes no difference.

use crate::kinds::{ID, ask, engine, notes, push, read};
use haumana_sync::engine::Engine;
use haumana_sync::limits;
use haumana_sync::schema::{Field, FieldType, Group, Kind, Merge, Schema};
use haumana_sync::store::MemoryStore;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// What a record has after three devices have edited it on one base, in every order of arrival.
async fn arrivals(schema: &Schema, edits: [(u32, Json); 3]) -> Vec<Json> {
    let mut all = Vec::new();
    for order in ORDERS {
        let engine = engine(&Arc::new(MemoryStore::new()), schema.clone());
        push(&engine, "a", None, 0, json!({ "title": "Aloha" })).await;
        for at in order {
            let (minute, set) = edits[at].clone();
            push(&engine, &format!("device {at}"), Some(1), minute, set).await;
        }
        all.push(read(&engine).await);
    }
    all
}

#[tokio::test]
async fn three_edits_of_one_base_give_one_value_in_every_order_of_arrival() {
    for (policy, _) in Merge::ALL.into_iter().filter(|(policy, _)| *policy != Merge::Fixed) {
        let schema = notes([Field::new(2, "word", FieldType::text(9)).merge(policy)]);
        // Two of them set the same, and two are edited at the same time.
        for words in [["a", "b", "c"], ["b", "a", "b"], ["a", "b", "a"]] {
            for times in [[1, 3, 2], [3, 2, 1], [1, 1, 2], [2, 1, 1]] {
                let edit = |at: usize| (times[at], json!({ "word": words[at] }));

                let all = arrivals(&schema, [edit(0), edit(1), edit(2)]).await;

                let same = vec![all[0].clone(); all.len()];
                assert_eq!(same, all, "{policy:?} {words:?} {times:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_first_of_three_edits_of_a_group_stays() {
    let title = Field::new(1, "title", FieldType::text(100)).required("");
    let kind = Kind::new(3, "note")
        .field(title)
        .field(Field::new(2, "who", FieldType::text(9)))
        .field(Field::new(3, "seat", FieldType::Integer))
        .group(Group::new("seat", ["seat", "who"]).merge(Merge::First));
    let schema = Schema::new([kind]).unwrap();
    let edit = |minute: u32| (minute, json!({ "seat": minute, "who": minute.to_string() }));

    let all = arrivals(&schema, [edit(1), edit(3), edit(2)]).await;

    let first = json!({ "title": "Aloha", "seat": 1, "who": "1" });
    assert_eq!(vec![first; all.len()], all);
}

#[tokio::test]
async fn what_was_first_is_corrected_by_who_has_seen_it() {
    let schema = notes([Field::new(2, "word", FieldType::text(9)).merge(Merge::First)]);
    let engine = engine(&Arc::new(MemoryStore::new()), schema);
    push(&engine, "a", None, 0, json!({})).await;
    push(&engine, "b", Some(1), 5, json!({ "word": "mine" })).await;
    push(&engine, "b", Some(2), 6, json!({ "word": "corrected" })).await;

    push(&engine, "c", Some(1), 1, json!({ "word": "mine" })).await;

    assert_eq!("corrected", read(&engine).await["word"]);
    let push = json!({ "kind": "note", "id": ID, "base": 3, "set": { "word": "again" } });
    ask(&engine, &json!({ "deviceId": "c", "push": [push] })).await;
    assert_eq!("again", read(&engine).await["word"]);
}

/// A push of the note, with any times.
fn sent(base: Option<u32>, edited_at: Json, set: Json) -> Json {
    json!({ "kind": "note", "id": ID, "base": base, "editedAt": edited_at, "set": set })
}

async fn from(engine: &Engine, device: &str, pushes: &[Json]) -> Json {
    ask(engine, &json!({ "deviceId": device, "push": pushes })).await
}

fn at(second: u32) -> String {
    format!("2026-11-22T10:00:{second:02}.000Z")
}

#[tokio::test]
async fn two_creations_with_a_time_for_each_field_give_one_record_in_either_order() {
    let field = |number, name: &'static str| Field::new(number, name, FieldType::text(9));
    let kind = ["a", "b", "x", "y"].into_iter().zip(2..).fold(
        Kind::new(3, "note").field(Field::new(1, "title", FieldType::text(9)).required("")),
        |kind, (name, number)| kind.field(field(number, name)),
    );
    let schema = Schema::new([kind.group(Group::new("x", ["x", "y"]))]).unwrap();
    let one = sent(
        None,
        json!({ "a": at(0), "b": at(5), "x": at(1), "y": at(1) }),
        json!({ "a": "A", "b": "B", "x": "X", "y": "Y" }),
    );
    let other = sent(None, json!(at(2)), json!({ "a": "a", "b": "b", "x": "x", "y": "y" }));

    for (first, second) in [(&one, &other), (&other, &one)] {
        let engine = engine(&Arc::new(MemoryStore::new()), schema.clone());
        from(&engine, "a", std::slice::from_ref(first)).await;
        from(&engine, "b", std::slice::from_ref(second)).await;

        let later = json!({ "title": "", "a": "a", "b": "B", "x": "x", "y": "y" });
        assert_eq!(later, read(&engine).await);
    }
}

#[tokio::test]
async fn a_field_without_a_time_in_a_creation_counts_as_edited_when_it_arrives() {
    let field = |number, name: &'static str| Field::new(number, name, FieldType::text(9));
    let fields = [field(2, "a"), field(3, "b")];
    let engine = engine(&Arc::new(MemoryStore::new()), notes(fields));
    let untimed = sent(None, json!({ "a": at(0) }), json!({ "a": "A", "b": "B" }));
    from(&engine, "a", &[untimed]).await;

    from(&engine, "b", &[sent(None, json!(at(2)), json!({ "a": "a", "b": "b" }))]).await;

    assert_eq!(json!({ "title": "", "a": "a", "b": "B" }), read(&engine).await);
}

#[tokio::test]
async fn a_record_of_nothing_but_defaults_is_made_when_its_device_says() {
    let made = Field::new(2, "made", FieldType::Time).required_edit_time().merge(Merge::Fixed);
    let schema = notes([made, Field::new(3, "word", FieldType::text(9))]);
    for times in [json!(at(0)), json!({ "word": at(0) })] {
        let engine = engine(&Arc::new(MemoryStore::new()), schema.clone());
        let empty = sent(None, times.clone(), json!({}));
        let edit = sent(None, json!(at(1)), json!({ "title": "Aloha", "word": "one" }));

        let reply = from(&engine, "a", &[empty, edit]).await;
        from(&engine, "b", &[sent(None, json!(at(3)), json!({ "word": "two" }))]).await;

        assert_eq!(json!([]), reply["conflicts"], "a device's own edit loses to nothing");
        let expected = json!({ "title": "Aloha", "word": "two", "made": at(0) });
        assert_eq!(expected, read(&engine).await, "{times}");
    }
}

#[tokio::test]
async fn a_creation_without_a_time_does_not_overtake_an_edit_of_what_it_did_not_set() {
    let schema = notes([Field::new(2, "word", FieldType::text(9))]);
    let engine = engine(&Arc::new(MemoryStore::new()), schema);
    let made = sent(None, json!(null), json!({ "title": "Aloha" }));
    let edit = sent(None, json!(at(1)), json!({ "word": "one" }));

    let reply = from(&engine, "a", &[made, edit]).await;

    assert_eq!(json!([]), reply["conflicts"]);
    assert_eq!(json!({ "title": "Aloha", "word": "one" }), read(&engine).await);
}

#[tokio::test]
async fn what_is_mandatory_is_asked_of_creations_and_not_of_what_follows_without_a_base() {
    let song = Field::new(2, "song", FieldType::text(9)).mandatory();
    let schema = notes([song, Field::new(3, "word", FieldType::text(9))]);
    let made = sent(None, json!(at(0)), json!({ "song": "Poli" }));
    let edit = sent(None, json!(at(1)), json!({ "word": "one" }));

    let one = engine(&Arc::new(MemoryStore::new()), schema.clone());
    let together = from(&one, "a", &[made.clone(), edit.clone()]).await;
    let other = engine(&Arc::new(MemoryStore::new()), schema.clone());
    from(&other, "a", std::slice::from_ref(&made)).await;
    let apart = from(&other, "a", &[made, edit.clone()]).await;

    for (engine, reply) in [(one, together), (other, apart)] {
        assert_eq!("applied", reply["results"][1]["outcome"], "{reply}");
        assert_eq!(json!({ "title": "", "song": "Poli", "word": "one" }), read(&engine).await);
    }
    let nothing = engine(&Arc::new(MemoryStore::new()), schema);
    let reply = from(&nothing, "a", &[edit]).await;
    assert_eq!("song is missing", reply["results"][0]["error"]["message"]);
    assert_eq!(json!(null), reply["results"][0]["version"]);
}

#[tokio::test]
async fn a_group_with_a_mandatory_field_is_pushed_whole_without_a_base() {
    let field = |number, name: &'static str| Field::new(number, name, FieldType::text(9));
    let kind = Kind::new(3, "note")
        .field(field(1, "title").required(""))
        .field(field(2, "song").mandatory())
        .field(field(3, "by"))
        .group(Group::new("song", ["song", "by"]));
    let engine = engine(&Arc::new(MemoryStore::new()), Schema::new([kind]).unwrap());
    from(&engine, "a", &[sent(None, json!(at(0)), json!({ "song": "Poli" }))]).await;

    let part = from(&engine, "b", &[sent(None, json!(at(1)), json!({ "by": "me" }))]).await;

    assert_eq!("song is missing", part["results"][0]["error"]["message"]);
    assert_eq!(json!({ "title": "", "song": "Poli" }), read(&engine).await);
}

#[tokio::test]
async fn a_rejected_push_says_the_version_of_its_record() {
    let schema = notes([Field::new(2, "n", FieldType::Integer)]);
    let engine = engine(&Arc::new(MemoryStore::new()), schema);
    from(&engine, "a", &[sent(None, json!(at(0)), json!({}))]).await;
    let good = |base, set| sent(base, json!(at(1)), set);
    let mut bad = vec![
        good(Some(1), json!({ "n": "x" })),
        good(Some(1), json!({ "title": "x".repeat(101) })),
        good(Some(1), json!({ "title": null })),
        good(Some(1), json!({ "version": 1 })),
        good(Some(limits::VERSION), json!({ "n": 1 })),
        sent(Some(1), json!("soon"), json!({ "n": 1 })),
    ];
    bad.push(json!({ "kind": "note", "id": ID, "base": 1 }));

    let reply = from(&engine, "a", &bad).await;

    for (push, result) in bad.iter().zip(reply["results"].as_array().unwrap()) {
        let (outcome, version) = (&result["outcome"], &result["version"]);
        assert_eq!((&json!("rejected"), &json!(1)), (outcome, version), "{push}");
    }
}
