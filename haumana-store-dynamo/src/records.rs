//! Records as items, and as entries of the index.
//!
//! # Attributes
//!
//! Names with an underscore are the store's own. All others are fields of the record.
//!
//! | attribute | what | in the index |
//! |---|---|---|
//! | `_p` | place: revision, kind, id | as its sort key |
//! | `_k`, `_t`, `_s`, `_h` | version, stamp, size, hash | yes |
//! | `_d` | present if deleted | yes |
//! | `_modified`, `_format`, `_meta` | time, format, meta | no |
//! | fields with a column | texts and booleans | no |
//! | `extra` | the other fields, as one JSON object | no |
//! | `_content` | the whole content, if it cannot be split | no |
//!
//! A field with the name of a key attribute, or with an underscore in front, never becomes a
//! column. So content cannot overwrite the store's own attributes.

use crate::columns::{self, Cell, EXTRA};
use crate::error::Bad;
use crate::items::{Item, bits, digest, key_item, n, number, sort_of, text};
use crate::options::{Columns, is_free};
use crate::pack::{pack, unpack};
use crate::schema::{
    DELETED, HASH, PLACE, SIZE, STAMP, TableSchema, VERSION, place, record_key, record_of,
    revision_of,
};
use aws_sdk_dynamodb::types::AttributeValue;
use haumana_sync::digest::Digest;
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::{Envelope, IndexEntry, Revision, Stamp, Version};
use haumana_sync::time::UnixMillis;

/// The attribute with content that could not be split.
///
/// It replaces columns and `extra`; it never exists beside them.
const WHOLE: &str = "_content";
/// LIMIT: longer content is compressed, because otherwise its item could exceed DynamoDB's 400 kB.
const PLAIN_BYTES: usize = 250_000;

/// One record in the index.
///
/// It is the result of a query on the index. The content needs a read of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub key: Key,
    pub version: Version,
    pub revision: Revision,
    pub stamp: Stamp,
    pub deleted: bool,
    pub size_bytes: u32,
    pub hash: Digest,
}

impl Listed {
    /// Its place in the stream.
    pub(crate) fn place(&self) -> (Revision, Key) {
        (self.revision, self.key)
    }

    /// Returns the entry for [`haumana_sync::Store::index`].
    pub(crate) fn entry(&self) -> IndexEntry {
        IndexEntry {
            id: self.key.id,
            version: self.version,
            stamp: self.stamp,
            deleted: self.deleted,
            size_bytes: self.size_bytes,
            hash: self.hash,
        }
    }
}

/// Returns the item of a record.
///
/// The same content and the same columns always make the same item.
pub(crate) fn encode(user: &UserId, record: &Envelope, columns: &Columns) -> Item {
    let mut item = key_item(&record_key(user, record.key));
    let size = u32::try_from(record.content.len()).unwrap_or(u32::MAX);
    let own = [
        (PLACE, AttributeValue::S(place(record.revision, record.key))),
        (VERSION, n(record.version)),
        (STAMP, n(record.stamp.0)),
        ("_modified", n(record.modified_at.0)),
        (SIZE, n(size)),
        (HASH, bits(record.hash.bits())),
        ("_format", n(record.format)),
        ("_meta", pack(&record.meta)),
    ];
    item.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if record.deleted {
        // Not written for live records: most are live, and every byte of the index costs money.
        item.insert(DELETED.to_owned(), AttributeValue::Bool(true));
    }
    put_content(&mut item, &record.content, columns.of_kind(record.key.kind));
    item
}

/// Reads the item of a record. If somebody has changed it by hand, it is set aside. `None`: it is
/// not a record.
///
/// The item may have been written with other columns; see [`content`].
pub(crate) fn read(table: TableSchema, item: &Item, columns: &Columns) -> Option<Envelope> {
    if let Ok(record) = decode(table, item, columns) {
        return Some(record);
    }
    let key = record_of(table, sort_of(table, item).ok()?)?;
    let place = text(item, PLACE).ok().and_then(revision_of);
    Some(Envelope {
        revision: place.unwrap_or_default(),
        stamp: Stamp(number(item, STAMP).unwrap_or_default()),
        modified_at: UnixMillis(number(item, "_modified").unwrap_or_default()),
        deleted: item.contains_key(DELETED),
        hash: digest(item, HASH).unwrap_or_default(),
        ..Envelope::unreadable(key, number(item, VERSION).unwrap_or_default())
    })
}

fn decode(table: TableSchema, item: &Item, columns: &Columns) -> Result<Envelope, Bad> {
    let listed = decode_listed(table, item)?;
    // Its size and hash may differ from those written: if somebody has edited a text in the
    // console, that text is the content.
    let content = content(item, listed.key.kind, columns)?;
    Ok(Envelope {
        key: listed.key,
        version: listed.version,
        revision: listed.revision,
        stamp: listed.stamp,
        modified_at: UnixMillis(number(item, "_modified")?),
        deleted: listed.deleted,
        hash: listed.hash,
        format: number(item, "_format")?,
        content,
        meta: item.get("_meta").and_then(unpack).ok_or(Bad("_meta"))?,
    })
}

/// Reads the entry of a record in the index.
pub(crate) fn decode_listed(table: TableSchema, item: &Item) -> Result<Listed, Bad> {
    Ok(Listed {
        key: record_of(table, sort_of(table, item)?).ok_or(Bad("sort key"))?,
        version: number(item, VERSION)?,
        revision: revision_of(text(item, PLACE)?).ok_or(Bad(PLACE))?,
        stamp: Stamp(number(item, STAMP)?),
        deleted: item.contains_key(DELETED),
        size_bytes: number(item, SIZE)?,
        hash: digest(item, HASH)?,
    })
}

/// Content longer than [`PLAIN_BYTES`] is kept whole and compressed, without columns.
fn put_content(item: &mut Item, content: &str, columns: &[String]) {
    let parts = match content.len() {
        ..=PLAIN_BYTES => columns::split(content, columns),
        _ => None,
    };
    let Some(parts) = parts else {
        item.insert(WHOLE.to_owned(), pack(content));
        return;
    };
    for (name, cell) in parts.cells {
        let value = match cell {
            Cell::Text(text) => AttributeValue::S(text),
            Cell::Flag(flag) => AttributeValue::Bool(flag),
        };
        item.insert(name, value);
    }
    if let Some(extra) = parts.extra {
        item.insert(EXTRA.to_owned(), AttributeValue::S(extra));
    }
}

/// Known columns come first, in their order. Attributes of other columns follow, by name. So the
/// bytes are exact if the columns are the same, and the fields are the same with any columns.
fn content(item: &Item, kind: KindNumber, columns: &Columns) -> Result<String, Bad> {
    if let Some(whole) = item.get(WHOLE) {
        return unpack(whole).ok_or(Bad(WHOLE));
    }
    let columns = columns.of_kind(kind);
    let known = columns.iter().filter_map(|name| Some((name, item.get(name)?)));
    // The item may have been written with other columns: those of a later schema, or of an earlier
    // one.
    let is_other = |name: &&String| is_free(kind, name) && !columns.contains(name);
    let mut others: Vec<_> = item.keys().filter(is_other).collect();
    others.sort_unstable();
    let others = others.into_iter().filter_map(|name| Some((name, item.get(name)?)));
    let cells: Vec<_> = known.chain(others).filter_map(cell).collect();
    columns::join(&cells, text(item, EXTRA).ok()).ok_or(Bad(EXTRA))
}

fn cell((name, value): (&String, &AttributeValue)) -> Option<(String, Cell)> {
    match value {
        AttributeValue::S(text) => Some((name.clone(), Cell::Text(text.clone()))),
        AttributeValue::Bool(flag) => Some((name.clone(), Cell::Flag(*flag))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::entry_bytes;
    use crate::schema::PIECES;
    use haumana_sync::id::RecordId;
    use haumana_sync::repertoire;
    use haumana_sync::schema::{Field, FieldType, Kind, Schema};
    use serde_json::Value;

    #[test]
    fn an_entry_of_the_index_is_short_with_a_user_id_as_long_as_googles() {
        let google = user();
        let record = letter(&format!(r#"{{"title":"{}"}}"#, "ʻ".repeat(600)));

        let live = encode(&google, &record, &Columns::of(&repertoire::schema()));
        let deleted = Envelope { deleted: true, ..record };
        let deleted = encode(&google, &deleted, &Columns::of(&repertoire::schema()));

        // 1,000 of 151 bytes are 37 units: with two heads and a piece those of a first sync.
        assert_eq!(Some(141), entry_bytes(PIECES, &live));
        assert_eq!(Some(144), entry_bytes(PIECES, &deleted));
    }

    /// A schema of one kind with texts of these names, and a list after the first.
    fn schema(names: &[&str]) -> Schema {
        let mut kind = Kind::new(1, "letter");
        for (number, name) in (1..).zip(names) {
            kind = kind.field(Field::new(number, (*name).to_owned(), FieldType::text(100)));
        }
        Schema::new([kind]).unwrap()
    }

    #[test]
    fn what_was_written_with_some_columns_is_read_with_any() {
        let all = ["to", "body", "extra", "pieceId", "sent"];
        let mut members: Vec<String> =
            all.iter().map(|name| format!(r#""{name}":"{name}, and so on""#)).collect();
        members.push(r#""pages":[1,2]"#.to_owned());
        let content = format!("{{{}}}", members.join(","));
        let columns = [&all[..], &all[..1], &[], &["sent", "body", "to"], &["body", "new"]]
            .map(|names| Columns::of(&schema(names)));

        for written in &columns {
            let item = encode(&user(), &letter(&content), written);

            for read in &columns {
                let found = decode(PIECES, &item, read).unwrap().content;
                assert_eq!(parsed(&content), parsed(&found), "{written:?} {read:?}");
            }
            let found = decode(PIECES, &item, written).unwrap().content;
            assert_eq!(content, found, "the same columns, the same bytes");
        }
    }

    fn user() -> UserId {
        UserId::verified_by_caller("100000000000000000001").unwrap()
    }

    fn letter(content: &str) -> Envelope {
        Envelope {
            key: Key::piece(RecordId::from_bits(u128::MAX)),
            version: 12,
            revision: Revision(99_999),
            stamp: Stamp(1_799_999_999),
            modified_at: UnixMillis(1_799_999_999_123),
            deleted: false,
            hash: Digest::from_bits(u128::MAX),
            format: 1,
            content: content.to_owned(),
            meta: "{}".to_owned(),
        }
    }

    fn parsed(content: &str) -> Value {
        serde_json::from_str(content).unwrap()
    }
}
