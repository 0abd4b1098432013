//! Schemas that follow each other on the data of one store.

use haumana_sync::repertoire;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};
use haumana_sync::store::{MemoryStore, Operate};
use haumana_sync::succession::{
    Succession, SuccessionError, keep_retention_days, retention_days, succeed,
};

/// A schema with one kind for each name; each has one field, which is a text or lines.
fn schema(kinds: &[(u8, &'static str, FieldType)]) -> Schema {
    let kind = |(number, name, field_type): &(u8, &'static str, FieldType)| {
        Kind::new(*number, *name).field(Field::new(1, "title", field_type.clone()))
    };
    Schema::new(kinds.iter().map(kind)).unwrap()
}

fn text() -> FieldType {
    FieldType::text(200)
}

fn notes() -> Schema {
    schema(&[(3, "note", text())])
}

fn notes_and_books() -> Schema {
    schema(&[(3, "note", text()), (4, "book", text())])
}

#[tokio::test]
async fn a_schema_that_succeeds_the_last_is_the_last_from_then_on() {
    let store = MemoryStore::new();
    let more = schema(&[(3, "note", text()), (4, "book", text()), (5, "shelf", text())]);

    let mut said = Vec::new();
    for schema in [notes(), notes(), notes_and_books(), notes_and_books(), more.clone(), more] {
        said.push(succeed(&store, &schema, None).await.unwrap());
    }

    let each = [Succession::New, Succession::Same];
    assert_eq!(each.repeat(3), said);
}

#[tokio::test]
async fn the_schema_before_the_last_may_start_again_and_no_other_may() {
    let store = MemoryStore::new();
    let other = schema(&[(3, "note", text()), (5, "shelf", text())]);
    for schema in [notes(), notes_and_books()] {
        succeed(&store, &schema, None).await.unwrap();
    }

    let earlier = succeed(&store, &notes(), None).await.unwrap();
    let refused = succeed(&store, &other, None).await.unwrap_err();

    assert_eq!(Succession::Earlier, earlier);
    assert!(refused.to_string().starts_with("kind book: "), "{refused}");
    let last = succeed(&store, &notes_and_books(), None).await.unwrap();
    assert_eq!(Succession::Same, last, "the last stays the last");
}

#[tokio::test]
async fn a_schema_that_is_refused_changes_nothing() {
    let store = MemoryStore::new();
    succeed(&store, &notes(), None).await.unwrap();
    let before = store.kept_schema().await.unwrap();

    let lines = schema(&[(3, "note", FieldType::lines(200))]);
    let refused = succeed(&store, &lines, None).await.unwrap_err();

    assert!(matches!(refused, SuccessionError::Refused(_)));
    assert_eq!("kind note, field title: a field keeps its type", refused.to_string());
    assert_eq!(before, store.kept_schema().await.unwrap());
}

#[tokio::test]
async fn records_without_a_kept_schema_have_the_one_that_is_presumed() {
    let (store, pieces) = (MemoryStore::new(), repertoire::schema());

    let refused = succeed(&store, &notes(), Some(&pieces)).await.unwrap_err();
    let first = succeed(&store, &pieces, Some(&pieces)).await.unwrap();
    let again = succeed(&store, &pieces, Some(&notes())).await.unwrap();

    assert!(refused.to_string().contains("the schema no longer has it"), "{refused}");
    assert_eq!((Succession::New, Succession::Same), (first, again), "what is kept counts");
}

#[tokio::test]
async fn what_a_newer_program_has_kept_is_left_alone() {
    let newer = [r#"{"schema":{"kind":[]},"island":"Maui"}"#, r#"{"schema":{"isle":1}}"#, "?"];
    for text in newer {
        let store = MemoryStore::new();
        store.keep_schema(None, text).await.unwrap();

        let refused = succeed(&store, &notes(), None).await.unwrap_err();

        assert!(matches!(refused, SuccessionError::Newer(_)), "{text}: {refused}");
        assert_eq!(Some(text), store.kept_schema().await.unwrap().as_deref());
    }
}

#[tokio::test]
async fn the_retention_stays_with_the_data_whatever_schema_follows() {
    let store = MemoryStore::new();
    keep_retention_days(&store, 7).await.unwrap();
    assert_eq!(None, retention_days(&store).await.unwrap(), "there is no data yet");
    succeed(&store, &notes(), None).await.unwrap();

    keep_retention_days(&store, 365).await.unwrap();
    let said = succeed(&store, &notes_and_books(), None).await.unwrap();

    assert_eq!((Succession::New, Some(365)), (said, retention_days(&store).await.unwrap()));
    keep_retention_days(&store, 30).await.unwrap();
    assert_eq!(Succession::Same, succeed(&store, &notes_and_books(), None).await.unwrap());
    assert_eq!(Succession::Earlier, succeed(&store, &notes(), None).await.unwrap());
    assert_eq!(Some(30), retention_days(&store).await.unwrap());
}
