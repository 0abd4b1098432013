//! Finding records by indexed fields; both storages answer the same.

use crate::kinds::{AnyServer, Setlist, setlists};
use haumana_replica::storage::{MemoryStorage, SqliteStorage, Storage};
use haumana_replica::{ErrorKind, Filter, Reason, Replica};
use haumana_sync::Record;
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use haumana_sync::schema::{Field, FieldType, Kind, Schema};

async fn titles(device: &Replica, filter: Filter) -> Vec<String> {
    let found = device.list_where::<Setlist>(filter).await.unwrap();
    found.into_iter().map(|(_, set)| set.title).collect()
}

fn set(title: &str, rating: Option<i64>, leader: Option<&str>) -> Setlist {
    let leader = leader.map(str::to_owned);
    Setlist { title: title.to_owned(), rating, leader, ..Setlist::default() }
}

async fn records_are_found_by_value(storage: impl Storage) {
    let server = AnyServer::setlists();
    let device = server.open(storage, setlists()).await.unwrap();
    for (title, rating, leader) in [
        ("c", Some(5), Some("Uka")),
        ("a", Some(-1), None),
        ("b", Some(3), Some("Kai")),
        ("none", None, Some("Kaipo")),
    ] {
        device.add(&set(title, rating, leader)).await.unwrap();
    }

    assert_eq!(["a", "b", "c"], *titles(&device, Filter::range::<i64>("rating", ..)).await);
    assert_eq!(["b", "c"], *titles(&device, Filter::range("rating", 3..)).await);
    assert_eq!(["a"], *titles(&device, Filter::range("rating", ..3)).await);
    assert_eq!(["b"], *titles(&device, Filter::equals("rating", 3)).await);
    assert_eq!(["none"], *titles(&device, Filter::absent("rating")).await);
    assert_eq!(["b", "none"], *titles(&device, Filter::range("leader", "K".."L")).await);
    assert_eq!(["a"], *titles(&device, Filter::absent("leader")).await);
}

async fn what_is_found_follows_edits_syncs_and_deletes(storage: impl Storage) {
    let server = AnyServer::setlists();
    let device = server.open(storage, setlists()).await.unwrap();
    let other = server.device().await;
    let id = device.add(&set("a", Some(1), None)).await.unwrap();
    let gone = device.add(&set("b", Some(1), None)).await.unwrap();
    server.sync(&device).await;
    server.sync(&other).await;

    device.edit(id, |set: &mut Setlist| set.rating = Some(2)).await.unwrap();
    assert_eq!(["b"], *titles(&device, Filter::equals("rating", 1)).await);
    server.sync(&device).await;
    server.sync(&other).await;
    other.edit(id, |set: &mut Setlist| set.rating = Some(7)).await.unwrap();
    other.delete(Setlist::key(gone)).await.unwrap();
    server.sync(&other).await;
    server.sync(&device).await;

    assert_eq!(["a"], *titles(&device, Filter::range("rating", 1..)).await);
    assert_eq!(["a"], *titles(&device, Filter::equals("rating", 7)).await);
    device.delete(Setlist::key(id)).await.unwrap();
    assert!(titles(&device, Filter::range("rating", 1..)).await.is_empty());
}

/// The bounds of a filter are Rust's numbers, of whichever type.
async fn numbers_are_compared_as_numbers(storage: impl Storage) {
    let kind = Kind::new(3, "x")
        .field(Field::new(1, "real", FieldType::Number).indexed())
        .field(Field::new(2, "whole", FieldType::Integer).indexed());
    let schema = Schema::new([kind]).unwrap();
    let server = AnyServer::new(schema.clone());
    let device = server.open(storage, schema).await.unwrap();
    let number = |json: &str| Value::Json(JsonText::parse(json).unwrap());
    for (real, whole) in [("4.0", "4"), ("4.5", "5")] {
        let fields = [("real", number(real)), ("whole", number(whole))];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        device.create("x", fields.into()).await.unwrap();
    }
    let count = async |filter| device.records_where("x", filter).await.unwrap().len();

    for (field, n_up_to_4, n_from_5) in [("real", 1, 0), ("whole", 1, 1)] {
        assert_eq!(1, count(Filter::equals(field, 4)).await, "{field}");
        assert_eq!(1, count(Filter::equals(field, 4.0)).await, "{field}");
        assert_eq!(n_up_to_4, count(Filter::range(field, ..=4)).await, "{field}");
        assert_eq!(n_from_5, count(Filter::range(field, 5.0..)).await, "{field}");
        assert_eq!(1, count(Filter::range(field, 4.25..)).await, "{field}");
    }
}

async fn what_has_no_index_is_refused(storage: impl Storage) {
    let server = AnyServer::setlists();
    let device = server.open(storage, setlists()).await.unwrap();

    let refused = device.list_where::<Setlist>(Filter::equals("title", "a")).await.unwrap_err();

    assert_eq!(Some(Reason::NotIndexed), refused.flaw().map(|flaw| flaw.reason));
    assert_eq!(
        "find failed: Invalid: kind setlist, field title: the field is not indexed; there are \
         rating, leader",
        refused.to_string()
    );
}

async fn a_value_that_the_field_cannot_hold_is_refused(storage: impl Storage) {
    let kind = Kind::new(3, "x")
        .field(Field::new(1, "year", FieldType::Integer).indexed())
        .field(Field::new(2, "real", FieldType::Number).indexed())
        .field(Field::new(3, "flag", FieldType::Flag).indexed())
        .field(Field::new(4, "at", FieldType::Time).indexed())
        .field(Field::new(5, "text", FieldType::text(9)).indexed())
        .field(Field::new(6, "of", FieldType::Id).indexed());
    let schema = Schema::new([kind]).unwrap();
    let server = AnyServer::new(schema.clone());
    let device = server.open(storage, schema).await.unwrap();
    let reason = async |filter| {
        let refused = device.records_where("x", filter).await.err();
        refused.map(|error| (error.kind(), error.flaw().unwrap().reason))
    };
    let wrong = Some((ErrorKind::Invalid, Reason::WrongType));

    for field in ["year", "real", "flag", "at"] {
        assert_eq!(wrong, reason(Filter::equals(field, "2025")).await, "{field}");
        assert_eq!(wrong, reason(Filter::range(field, .."2025")).await, "{field}");
        assert_eq!(None, reason(Filter::equals(field, 1)).await, "{field}");
    }
    for field in ["text", "of"] {
        assert_eq!(wrong, reason(Filter::equals(field, 1)).await, "{field}");
        assert_eq!(wrong, reason(Filter::range(field, 1.5..)).await, "{field}");
        assert_eq!(None, reason(Filter::equals(field, "2025")).await, "{field}");
    }
    for field in ["flag", "at"] {
        assert_eq!(wrong, reason(Filter::equals(field, 1.5)).await, "{field}");
    }
    for field in ["year", "real", "flag", "at", "text", "of"] {
        assert_eq!(None, reason(Filter::absent(field)).await, "{field}");
        assert_eq!(None, reason(Filter::range::<i64>(field, ..)).await, "{field}");
    }
}

macro_rules! on_both {
    ($($law:ident)*) => { $(
        mod $law {
            #[tokio::test]
            async fn in_memory() {
                super::$law(super::MemoryStorage::new()).await;
            }

            #[tokio::test]
            async fn in_a_file() {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("replica.db");
                super::$law(super::SqliteStorage::open(&path).unwrap()).await;
            }
        }
    )* };
}

on_both! {
    numbers_are_compared_as_numbers
    records_are_found_by_value
    what_is_found_follows_edits_syncs_and_deletes
    what_has_no_index_is_refused
    a_value_that_the_field_cannot_hold_is_refused
}

#[tokio::test]
async fn an_index_that_is_declared_later_has_the_records_of_before() {
    let kind = |is_indexed| {
        let n = Field::new(1, "n", FieldType::Integer);
        let n = if is_indexed { n.indexed() } else { n };
        Schema::new([Kind::new(3, "tally").field(n)]).unwrap()
    };
    let server = AnyServer::new(kind(false));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    let open = async |is_indexed| {
        server.open(SqliteStorage::open(&path).unwrap(), kind(is_indexed)).await.unwrap()
    };
    let n = |n: &str| {
        let json = haumana_sync::json::JsonText::parse(n).unwrap();
        crate::support::fields([("n", haumana_sync::record::Value::Json(json))])
    };
    let before = open(false).await;
    before.create("tally", n("1")).await.unwrap();
    before.create("tally", n("2")).await.unwrap();
    drop(before);

    let now = open(true).await;

    assert_eq!(1, now.records_where("tally", Filter::range("n", 2..)).await.unwrap().len());
}
