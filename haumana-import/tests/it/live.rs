//! Live tables on the emulator: scanned, written, and moved there and back.

use crate::back::export;
use crate::support::{content, engine, found, piece, piece_key, post_pieces, read, run};
use crate::support::{run_items, session, session_key, uuid, with};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use haumana_import::{
    Attribute, Chain, Found, Item, LiveTable, LiveTables, ScanOptions, Service, Sink, Source, Table,
};
use haumana_store_dynamo::testing::{FaultyHttp, Storm, Tables, client, http};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two empty tables in the earlier server's shape.
struct Old {
    pieces: String,
    sessions: String,
    service: Service,
}

impl Old {
    async fn create(tables: &Tables, stage: &str) -> Self {
        let options = tables.options();
        let client = client(&options);
        let name = |table: Table| format!("{}{}-{stage}", tables.prefix(), table.as_str());
        for table in [Table::Pieces, Table::Sessions] {
            make(&client, table, &name(table)).await;
        }
        let service = Service {
            region: options.region,
            endpoint: options.endpoint,
            credentials: options.credentials,
            http: Some(http()),
        };
        Self { pieces: name(Table::Pieces), sessions: name(Table::Sessions), service }
    }

    fn sink(&self) -> LiveTables {
        LiveTables::new(&self.service, &self.pieces, &self.sessions)
    }

    fn source(&self, table: Table, segments: u16, read_units: Option<u32>) -> LiveTable {
        let name = if table == Table::Pieces { &self.pieces } else { &self.sessions };
        let service = self.service.clone();
        LiveTable::new(table, ScanOptions { service, name: name.clone(), segments, read_units })
    }

    fn both(&self) -> Chain {
        let sources = [Table::Pieces, Table::Sessions].map(|table| self.source(table, 3, None));
        Chain(sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>).collect())
    }

    /// Everything that a table holds, by sort key.
    async fn held(&self, table: Table) -> BTreeMap<String, Value> {
        let mut source = self.source(table, 1, None);
        let mut held = BTreeMap::new();
        while let Some(page) = source.next().await.unwrap() {
            for Found { item, .. } in page {
                let item = item.unwrap();
                let key = item[table.key_names()[1]].as_text().unwrap().to_owned();
                held.insert(key, serde_json::to_value(&item).unwrap());
            }
        }
        held
    }
}

async fn make(client: &Client, table: Table, name: &str) {
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let [partition, sort] = table.key_names();
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(partition, KeyType::Hash))
        .key_schema(key(sort, KeyType::Range));
    for name in [partition, sort] {
        let text = ScalarAttributeType::S;
        let text = AttributeDefinition::builder().attribute_name(name).attribute_type(text);
        request = request.attribute_definitions(text.build().unwrap());
    }
    request.send().await.unwrap();
}

fn items(table: Table, json: &[Value]) -> Vec<Item> {
    json.iter().map(|json| found(table, json).item.unwrap()).collect()
}

fn pieces(numbers: std::ops::Range<u32>) -> Vec<Value> {
    numbers.map(|number| piece("kai", number)).collect()
}

#[tokio::test]
async fn a_table_is_read_whole_in_segments_and_within_its_rate() {
    let tables = Tables::named();
    let old = Old::create(&tables, "prod").await;
    // More than one page of 1 MB.
    let long: Vec<Value> = pieces(1..400)
        .into_iter()
        .map(|item| with(item, json!({"notes": {"S": "a".repeat(5000)}})))
        .collect();
    old.sink().put(Table::Pieces, items(Table::Pieces, &long)).await.unwrap();

    let started = Instant::now();
    let mut source = old.source(Table::Pieces, 4, Some(1000));
    let mut keys = Vec::new();
    while let Some(page) = source.next().await.unwrap() {
        keys.extend(page.iter().map(|found| found.item.clone().unwrap()["pieceId"].clone()));
    }

    let elapsed = started.elapsed();
    assert_eq!(399, keys.len());
    keys.sort_by_key(|key| key.as_text().unwrap().to_owned());
    keys.dedup();
    assert_eq!(399, keys.len(), "each item once");
    // 2 MB are 525 units.
    assert!(
        Duration::from_millis(450) <= elapsed,
        "{elapsed:?} is faster than 1,000 units a second"
    );
}

#[tokio::test]
async fn every_kind_of_attribute_comes_back_from_a_table_as_it_went_in() {
    let tables = Tables::named();
    let old = Old::create(&tables, "prod").await;
    let odd = json!({
        "n": {"N": "12345678901234567890123456789012345678"}, "b": {"B": "AAEC"},
        "ss": {"SS": ["a"]}, "ns": {"NS": ["1.5"]}, "bs": {"BS": ["AAEC"]}, "null": {"NULL": true},
        "m": {"M": {"l": {"L": [{"BOOL": false}]}}},
    });
    let item = with(piece("kai", 1), odd);

    old.sink().put(Table::Pieces, items(Table::Pieces, std::slice::from_ref(&item))).await.unwrap();

    assert_eq!(item, old.held(Table::Pieces).await[&uuid(1)]);
}

#[tokio::test]
async fn unprocessed_items_are_sent_again_and_a_bad_one_refuses_only_itself() {
    let tables = Tables::named();
    let mut old = Old::create(&tables, "prod").await;
    let storm = Storm { partial: 60, throttled: 10, failed: 5, ..Storm::CALM };
    let faulty = FaultyHttp::new(http(), storm, 11);
    old.service.http = Some(faulty.clone().into());
    let mut all = items(Table::Pieces, &pieces(1..101));
    // Too large for DynamoDB.
    all[40].insert("notes".to_owned(), Attribute::S("a".repeat(420_000)));

    let refused = old.sink().put(Table::Pieces, all).await.unwrap();

    let refused: Vec<_> = refused.iter().map(|(item, _)| item["pieceId"].clone()).collect();
    assert_eq!(vec![Attribute::S(uuid(41))], refused);
    assert!(0 < faulty.struck()["partial"], "{:?}", faulty.struck());
    old.service.http = Some(http());
    assert_eq!(99, old.held(Table::Pieces).await.len());
}

#[tokio::test]
async fn what_moves_there_and_back_is_what_the_functions_would_hold() {
    let tables = Tables::create().await;
    let old = Old::create(&tables, "prod").await;
    let (mut all, practices) = (pieces(1..61), [session("kai", 70), session("lani", 71)]);
    all.push(piece("lani", 1));
    old.sink().put(Table::Pieces, items(Table::Pieces, &all)).await.unwrap();
    old.sink().put(Table::Sessions, items(Table::Sessions, &practices)).await.unwrap();

    let store = Arc::new(tables.store());
    let engine = engine(store.clone());
    let (counts, lines) = run(&engine, &mut old.both()).await;
    assert_eq!((63, 63, 0), (counts.read, counts.created, counts.refused), "{lines:?}");
    let (counts, _) = run(&engine, &mut old.both()).await;
    assert_eq!((63, 63), (counts.read, counts.left));

    let text = |name: &str| all[0][name]["S"].clone();
    let edited = json!({
        "pieceId": uuid(1), "userId": "kai", "title": "Edited", "category": text("category"),
        "lyrics": text("lyrics"), "includeInPractice": true, "isFavorite": false,
        "createdAt": text("createdAt"), "modifiedAt": "2026-11-22T12:00:00Z",
        "lastSyncedAt": "2025-06-18T12:30:06Z", "version": 5, "locallyModified": true,
    });
    post_pieces(&engine, "kai", &[edited]).await;
    assert_eq!("Edited", content(&*store, "kai", piece_key(1)).await["title"]);

    let back = Old::create(&tables, "back").await;
    back.sink().check_empty().await.unwrap();
    for owner in ["kai", "lani"] {
        export(&engine, owner, &mut back.sink()).await;
    }

    let own = |version: u64| {
        json!({
            "modifiedAt": {"S": "2026-11-23T00:00:00Z"},
            "lastSyncedAt": {"S": "2026-11-24T00:00:00.000Z"},
            "version": {"N": (version << 32).to_string()},
            "locallyModified": {"BOOL": false},
        })
    };
    let mut expected: BTreeMap<String, Value> =
        (2..61).map(|number| (uuid(number), with(piece("kai", number), own(2)))).collect();
    let first = with(piece("kai", 1), json!({"title": {"S": "Edited"}}));
    let held = back.held(Table::Pieces).await;
    // Two users have a piece of this id; the map keeps one of them.
    expected.insert(uuid(1), held[&uuid(1)].clone());
    assert_eq!(expected, held);
    let mut source = back.source(Table::Pieces, 1, None);
    let mut firsts = Vec::new();
    while let Some(page) = source.next().await.unwrap() {
        let found = page.into_iter().filter_map(|found| serde_json::to_value(found.item?).ok());
        firsts.extend(found.filter(|item| item["pieceId"]["S"] == uuid(1)));
    }
    assert_eq!(2, firsts.len());
    assert!(firsts.contains(&with(first, own(3))), "{firsts:?}");
    assert!(firsts.contains(&with(piece("lani", 1), own(2))), "{firsts:?}");
    assert_eq!(2, back.held(Table::Sessions).await.len());
    assert!(back.sink().check_empty().await.is_err(), "it is not empty any more");
}

#[tokio::test]
async fn an_import_that_was_killed_at_any_moment_is_finished_by_the_next_one() {
    let tables = Tables::create().await;
    let old = Old::create(&tables, "prod").await;
    let all = pieces(1..401);
    old.sink().put(Table::Pieces, items(Table::Pieces, &all)).await.unwrap();
    let options = tables.options();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haumana-import"));
        command
            .args(["--to", "dynamodb", "--pieces-table", &old.pieces])
            .args(["--prefix", tables.prefix(), "--region", &options.region])
            .args(["--endpoint", options.endpoint.as_deref().unwrap()])
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stderr(Stdio::piped());
        command
    };
    let store = tables.store();

    // Killed as soon as something is there, so that the rest is not.
    let mut running = program().spawn().unwrap();
    for _ in 0..10_000 {
        if read(&store, "kai", piece_key(1)).await.is_some()
            || running.try_wait().unwrap().is_some()
        {
            break;
        }
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let output = program().output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("400 read") && said.contains("0 refused"), "{said}");
    for number in 1..401 {
        let record = read(&store, "kai", piece_key(number)).await.unwrap();
        assert_eq!(1, record.version, "piece {number} is taken once");
    }
    let (counts, _) = run_items(&engine(Arc::new(store)), Table::Pieces, &all).await;
    assert_eq!(400, counts.left);
    assert!(read(&tables.store(), "kai", session_key(1)).await.is_none());
}
