//! Rust structs as kinds of record.

use haumana_sync::Record;
use haumana_sync::id::{Key, KindNumber, RecordId};
use haumana_sync::json::JsonText;
use haumana_sync::record::{Content, Counter, Value};
use haumana_sync::schema::{
    Deletes, Element, Field, FieldType, Group, Kind, Merge, Schema, UnknownKeys,
};
use haumana_sync::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Record, Serialize, Deserialize)]
#[record(kind = "setlist", number = 3)]
#[serde(rename_all = "camelCase")]
struct Setlist {
    #[record(trimmed, max_chars = 200)]
    title: String,
    #[record(lines, max_bytes = 5_000)]
    #[serde(default)]
    long_notes: Option<String>,
    #[record(list, max_elements = 50)]
    pieces: Vec<RecordId>,
    tags: BTreeSet<String>,
    #[record(counter)]
    performed: i64,
    #[record(number = 10, merge = "greatest", indexed)]
    rating: Option<i64>,
    #[record(words("open", "closed"), merge = "greatest")]
    state: String,
    #[record(merge = "fixed")]
    created_at: UnixMillis,
    #[serde(rename = "leader")]
    led_by: Option<RecordId>,
    #[record(name = "isPublic", default = true)]
    public: bool,
    #[record(skip)]
    is_open_in_the_editor: bool,
}

fn kind() -> Arc<haumana_sync::schema::Kind> {
    Schema::new([Setlist::kind()]).unwrap().named("setlist").unwrap().clone()
}

#[test]
fn a_struct_declares_its_kind() {
    let kind = kind();

    let declared: Vec<_> = kind
        .fields()
        .iter()
        .map(|field| (field.number(), field.name(), field.field_type().name(), field.policy()))
        .collect();

    assert_eq!(
        vec![
            (1, "title", "text", Merge::Later),
            (2, "longNotes", "lines", Merge::Later),
            (3, "pieces", "list", Merge::Later),
            (4, "tags", "set", Merge::Later),
            (5, "performed", "counter", Merge::Later),
            (10, "rating", "integer", Merge::Greatest),
            (11, "state", "enum", Merge::Greatest),
            (12, "createdAt", "time", Merge::Fixed),
            (13, "leader", "id", Merge::Later),
            (14, "isPublic", "flag", Merge::Later),
        ],
        declared
    );
    assert_eq!(KindNumber::new(3), kind.number());
}

#[test]
fn limits_defaults_and_indexes_are_those_of_the_attributes() {
    let kind = kind();
    let field = |name: &str| kind.named(name);

    assert_eq!(FieldType::text(200), *field("title").field_type());
    assert_eq!(FieldType::lines(5_000), *field("longNotes").field_type());
    assert_eq!(FieldType::List { of: Element::Id, max: 50 }, *field("pieces").field_type());
    assert_eq!(Value::Flag(true), field("isPublic").default_at(UnixMillis(0)));
    assert_eq!(Value::Text("open".to_owned()), field("state").default_at(UnixMillis(0)));
    assert!(field("createdAt").is_edit_time() && !field("leader").is_required());
    assert!(field("rating").is_indexed() && !field("title").is_indexed());
}

#[test]
fn a_record_that_was_written_is_read_as_it_was() {
    let id = RecordId::from_bits(7);
    let written = Setlist {
        title: "Merrie Monarch".to_owned(),
        long_notes: Some("one\ntwo\n".to_owned()),
        pieces: vec![id, id],
        tags: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
        rating: Some(-3),
        state: "closed".to_owned(),
        created_at: UnixMillis(1_795_392_000_000),
        led_by: Some(id),
        ..Setlist::default()
    };
    let mut content = Content::new(&kind(), UnixMillis(1));

    for (name, value) in written.to_fields() {
        content.set(&name, value);
    }

    assert_eq!(written, Setlist::from_content(&content));
    let parsed = Content::parse(&kind(), &content.to_json()).unwrap();
    assert_eq!(written, Setlist::from_content(&parsed));
    assert_eq!(Key { kind: KindNumber::new(3), id }, Setlist::key(id));
}

#[test]
fn a_counter_is_read_as_its_sum_and_what_does_not_fit_as_absent() {
    let mut counter = Counter::default();
    counter.add("a", 5);
    counter.add("b", -2);
    let Value::Json(entries) = counter.to_value() else { panic!("a counter is JSON") };
    let stored = format!(
        r#"{{"title":7,"pieces":["no id"],"performed":{},"state":"unheard of"}}"#,
        entries.as_str()
    );

    let read = Setlist::from_content(&Content::parse(&kind(), &stored).unwrap());

    assert_eq!(("", 0, 3), (read.title.as_str(), read.pieces.len(), read.performed));
    assert_eq!("open", read.state);
}

#[derive(Record)]
#[record(kind = "anything", number = 250, rename_all = "PascalCase")]
struct Anything {
    r#type: Option<JsonText>,
    last_share: f64,
    small: Option<u32>,
    #[record(time)]
    seen_at: Option<String>,
    #[record(id)]
    of: Option<String>,
    #[record(words("a", "b"), open)]
    word: Option<String>,
}

#[test]
fn every_type_can_be_declared_and_the_macros_own_spelling_goes_first() {
    let schema = Schema::new([Anything::kind()]).unwrap();
    let kind = schema.named("anything").unwrap();

    let declared: Vec<_> =
        kind.fields().iter().map(|field| (field.name(), field.field_type().name())).collect();

    assert_eq!(
        vec![
            ("Type", "json"),
            ("LastShare", "number"),
            ("Small", "integer"),
            ("SeenAt", "time"),
            ("Of", "id"),
            ("Word", "enum"),
        ],
        declared
    );
}

#[test]
fn an_index_is_said_in_schema_files_and_refused_where_there_is_no_order() {
    let schema = Schema::new([Setlist::kind()]).unwrap();

    let read = Schema::from_json(&schema.to_json()).unwrap();

    assert_eq!(schema, read);
    assert!(read.named("setlist").unwrap().named("rating").is_indexed());
    let tags = r#"{"kind":[{"name":"a","number":3,"field":[
        {"name":"tags","number":1,"type":"set","of":"text","indexed":true}]}]}"#;
    assert_eq!(
        "kind a, field tags: set cannot be indexed",
        Schema::from_json(tags).unwrap_err().to_string()
    );
}

#[derive(Record)]
#[record(
    kind = "rehearsal",
    number = 9,
    rename_all = "camelCase",
    id_key = "rehearsalId",
    deletes = "stick",
    unknown_keys = "smallest",
    group(leading = "ended_at", fields("end_source", "ended_at"), merge = "greatest"),
    group(leading = "room", fields("room", "floor"))
)]
struct Rehearsal {
    #[record(mandatory, merge = "fixed")]
    begun_at: UnixMillis,
    #[record(default_is_field = "begun_at", merge = "least")]
    heard_at: UnixMillis,
    ended_at: Option<UnixMillis>,
    #[record(words("guess", "clock"))]
    end_source: Option<String>,
    room: Option<String>,
    #[record(name = "storey")]
    floor: Option<i64>,
}

#[test]
fn a_struct_declares_groups_deletes_and_what_a_new_record_needs() {
    let begun = Field::new(1, "begunAt", FieldType::Time);
    let heard = Field::new(2, "heardAt", FieldType::Time);
    let words =
        FieldType::Enum { words: vec!["guess".to_owned(), "clock".to_owned()], open: false };
    let by_hand = Kind::new(9, "rehearsal")
        .id_key("rehearsalId")
        .deletes(Deletes::Stick)
        .unknown_keys(UnknownKeys::Smallest)
        .field(begun.mandatory().merge(Merge::Fixed))
        .field(heard.required_as("begunAt").merge(Merge::Least))
        .field(Field::new(3, "endedAt", FieldType::Time))
        .field(Field::new(4, "endSource", words))
        .field(Field::new(5, "room", FieldType::text(4_096)))
        .field(Field::new(6, "storey", FieldType::Integer))
        .group(Group::new("endedAt", ["endSource", "endedAt"]).merge(Merge::Greatest))
        .group(Group::new("room", ["room", "storey"]));

    let derived = Schema::new([Rehearsal::kind()]).unwrap();

    assert_eq!(Schema::new([by_hand]).unwrap().to_json(), derived.to_json());
}
