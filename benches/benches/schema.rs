//! A sync in which nothing changed, of a small schema and of the largest: what a schema has costs who
//! does not use it nothing.

use criterion::{Criterion, criterion_group, criterion_main};
use haumana_api::{SystemClock, SystemRandom};
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::UserId;
use haumana_sync::limits;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use haumana_sync::store::{Generation, MemoryStore};
use haumana_sync::wire::sync::SyncRequest;
use serde_json::{Value, json};
use std::sync::Arc;

/// The lowest number of an app's own kinds.
const FIRST_KIND: u8 = 3;
/// How many kinds, and how many fields of each.
const SIZES: [(u8, u16); 2] = [(1, 8), (64, limits::FIELDS as u16)];

fn schema(n_kinds: u8, n_fields: u16) -> Schema {
    let kind = |number: u8| {
        let kind = Kind::new(number, format!("kind{number}"));
        let field = |number| Field::new(number, format!("field{number}"), FieldType::text(200));
        (1..=n_fields).map(field).fold(kind, Kind::field)
    };
    let schema = Schema::new((FIRST_KIND..FIRST_KIND + n_kinds).map(kind));
    schema.unwrap_or_else(|error| panic!("{error}"))
}

fn no_op(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let kai = UserId::verified_by_caller("kai").unwrap_or_else(|| panic!("a user id"));
    for (n_kinds, n_fields) in SIZES {
        let (store, config) = (Arc::new(MemoryStore::new()), EngineConfig::new(Generation(0)));
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let engine = Engine::of(schema(n_kinds, n_fields), store, clock, random, config);
        let ask = |body: &[u8]| {
            let request = SyncRequest::from_json(body).unwrap_or_else(|error| panic!("{error:?}"));
            let answer = runtime.block_on(engine.sync(&kai, &request, 1 << 20));
            answer.unwrap_or_else(|error| panic!("{error}")).into_json()
        };
        let push = json!({"deviceId": "phone", "push": [{
            "kind": "kind3", "base": null, "id": "5EED0000-0000-4000-8000-000000000001",
            "set": {"field1": "Aloha ʻOe"},
        }]});
        ask(push.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&ask(br#"{"deviceId":"phone"}"#))
            .unwrap_or_else(|error| panic!("{error}"));
        let nothing = json!({"deviceId": "phone", "cursor": answer["cursor"]}).to_string();
        c.bench_function(&format!("no_op/{n_kinds}x{n_fields}"), |b| {
            b.iter(|| ask(nothing.as_bytes()));
        });
    }
}

criterion_group!(benches, no_op);
criterion_main!(benches);
