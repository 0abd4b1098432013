//! Records as values of Rust types, and what is said of edits that cannot be made.

use crate::kinds::{AnyServer, Setlist};
use crate::support::{fields, text};
use haumana_replica::storage::MemoryStorage;
use haumana_replica::{Error, ErrorKind, Reason};
use haumana_sync::Record;
use haumana_sync::id::RecordId;
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};

#[tokio::test]
async fn a_record_is_added_read_listed_edited_and_deleted() {
    let server = AnyServer::setlists();
    let device = server.device().await;
    let made = Setlist { title: "one".to_owned(), performed: 3, ..Setlist::default() };

    let id = device.add(&made).await.unwrap();
    device.edit(id, |set: &mut Setlist| set.title.push('!')).await.unwrap();

    let read: Setlist = device.get(id).await.unwrap().unwrap();
    assert_eq!(("one!", 3), (read.title.as_str(), read.performed));
    assert_ne!(made.created_at, read.created_at, "it is the time of the edit that made it");
    assert_eq!(vec![(id, read)], device.list::<Setlist>().await.unwrap());
    device.delete(Setlist::key(id)).await.unwrap();
    assert_eq!(None, device.get::<Setlist>(id).await.unwrap());
    let gone = device.edit(id, |set: &mut Setlist| set.performed += 1).await.unwrap_err();
    assert_eq!(ErrorKind::NotFound, gone.kind());
}

#[tokio::test]
async fn only_fields_that_became_another_value_are_edited() {
    let server = AnyServer::setlists();
    let (a, b) = (server.device().await, server.device().await);
    let id = a.add(&Setlist { title: "0".to_owned(), ..Setlist::default() }).await.unwrap();
    server.sync(&a).await;
    server.sync(&b).await;
    server.clock.pass_ms(1000);
    a.edit(id, |set: &mut Setlist| set.title = "a".to_owned()).await.unwrap();
    server.sync(&a).await;

    b.edit(id, |set: &mut Setlist| {
        set.title = "0".to_owned();
        set.leader = Some("Kai".to_owned());
    })
    .await
    .unwrap();
    b.edit(id, |_: &mut Setlist| {}).await.unwrap();
    server.sync(&b).await;

    let set = b.get::<Setlist>(id).await.unwrap().unwrap();
    assert_eq!(("a", Some("Kai")), (set.title.as_str(), set.leader.as_deref()));
    let transport = server.transport();
    assert!(b.conflicts(&transport, None, 9).await.unwrap().conflicts.is_empty());
}

#[track_caller]
fn check(error: Error, field: Option<&str>, reason: Reason, text: &str) {
    let flaw = error.flaw().unwrap();
    assert_eq!(ErrorKind::Invalid, error.kind());
    assert_eq!((field, reason), (flaw.field.as_deref(), flaw.reason));
    assert_eq!(text, error.to_string());
}

#[tokio::test]
async fn an_edit_that_cannot_be_made_names_the_kind_the_field_and_the_reason() {
    let server = AnyServer::setlists();
    let device = server.device().await;
    let id = device.add(&Setlist::default()).await.unwrap();
    let key = Setlist::key(id);
    let set = async |name: &str, value: Value| {
        device.set(key, fields([(name, value)])).await.unwrap_err()
    };

    check(
        set("tilte", text("x")).await,
        Some("tilte"),
        Reason::NoSuchField,
        "edit failed: Invalid: kind setlist, field tilte: there is no such field; there are title, \
         notes, pieces, tags, performed, rating, leader, created_at",
    );
    check(
        set("title", text(&"x".repeat(4097))).await,
        Some("title"),
        Reason::TooLarge,
        "edit failed: Invalid: kind setlist, field title: it is too large; the limit is 4096 \
         characters",
    );
    check(
        set("title", Value::Flag(true)).await,
        Some("title"),
        Reason::WrongType,
        "edit failed: Invalid: kind setlist, field title: the value is not text",
    );
    check(
        set("title", Value::Null).await,
        Some("title"),
        Reason::Missing,
        "edit failed: Invalid: kind setlist, field title: it cannot be without a value",
    );
    let typed = device.edit(id, |set: &mut Setlist| set.title = "x".repeat(4097)).await;
    assert_eq!(Some(Reason::TooLarge), typed.unwrap_err().flaw().map(|flaw| flaw.reason));
    assert_eq!("", device.get::<Setlist>(id).await.unwrap().unwrap().title, "nothing has changed");
}

#[tokio::test]
async fn a_flaw_names_the_words_and_the_limits_of_its_field() {
    let kind = Kind::new(3, "x")
        .field(Field::new(1, "level", FieldType::one_of(["easy", "hard"])))
        .field(Field::new(2, "real", FieldType::Number))
        .field(Field::new(3, "notes", FieldType::lines(9)))
        .field(Field::new(4, "tags", FieldType::set_of_texts(1)));
    let schema = Schema::new([kind]).unwrap();
    let server = AnyServer::new(schema.clone());
    let device = server.open(MemoryStorage::new(), schema).await.unwrap();
    let said = async |name: &str, value: Value| {
        let error = device.create("x", fields([(name, value)])).await.unwrap_err();
        error.flaw().unwrap().to_string()
    };
    let json = |json: &str| Value::Json(JsonText::parse(json).unwrap());

    assert_eq!(
        "kind x, field level: the value is not one of easy, hard",
        said("level", text("harder")).await
    );
    assert_eq!("kind x, field real: the value is not a number", said("real", text("1")).await);
    assert_eq!("kind x, field real: the value is not a number", said("real", json("null")).await);
    assert_eq!(
        "kind x, field notes: it is too large; the limit is 9 bytes",
        said("notes", text("0123456789")).await
    );
    assert_eq!(
        "kind x, field tags: it is too large; the limit is 1 elements of 1024 characters",
        said("tags", json(r#"["a","b"]"#)).await
    );
}

#[derive(Debug, Record)]
#[record(kind = "setlist", number = 3)]
struct Otherwise {
    #[record(lines)]
    title: String,
}

#[derive(Debug, Record)]
#[record(kind = "venue", number = 4)]
struct Venue {
    name: String,
}

#[tokio::test]
async fn a_type_that_the_schema_does_not_have_is_refused() {
    let server = AnyServer::setlists();
    let device = server.device().await;
    let id = RecordId::from_bits(1);

    check(
        device.get::<Otherwise>(id).await.unwrap_err(),
        Some("title"),
        Reason::OtherDeclaration,
        "get failed: Invalid: kind setlist, field title: it is declared otherwise in the schema",
    );
    check(
        device.add(&Venue { name: String::new() }).await.unwrap_err(),
        None,
        Reason::NoSuchKind,
        "add failed: Invalid: kind venue: the schema has no such kind; there are setlist",
    );
}
