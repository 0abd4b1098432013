//! Records of declared kinds that several devices make and edit: the order in which their pushes
//! arrive makes no difference.

use crate::kinds::{ID, ask, engine, notes, push, read};
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
        for words in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "b"], ["a", "b", "a"]] {
            for times in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [3, 2, 1], [1, 1, 2], [2, 1, 1]] {
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
