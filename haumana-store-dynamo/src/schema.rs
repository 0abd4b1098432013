//! The tables, their keys, and the order of places in the stream. Everything in this file must
//! never change while there is data. `tables.json` is printed from it.
//!
//! # Items and their keys
//!
//! | item | table | partition | sort key |
//! |---|---|---|---|
//! | head | `pieces` | `HEAD`, a tab, user | `HEAD` |
//! | piece | `pieces` | user | id |
//! | other record | `sessions` | `USER#user` | `KIND#id` |
//! | history entry | `history` | `USER#user` | `KIND#id#version#side` |
//! | slip | `history` | `USER#user` | `DUE#time#commit` |
//! | packed copy | `history` | `USER#user` | `COPY#kind#epoch#generation#from` |
//! | journal of erasures | `history` | `ERASED`, a tab | hash, `KEY`, or `USER.` and a hash |
//! | kept schema | `history` | `SCHEMA`, a tab | `KEPT`, or a part |
//! | generation | `history` | `LIFE`, a tab | `GENERATION` |
//!
//! Numbers in sort keys are padded with zeros, because DynamoDB compares them as text. Versions and
//! sides have ten decimal digits, epochs and generations are hexadecimal.
//!
//! The head has a partition of its own. So queries for a user's pieces do not read it, and it is
//! outside the limit of 10 GB for a partition with an index.
//!
//! # Places in the stream
//!
//! The sort key of the index has 11 digits for the revision, one for the kind (three for kinds
//! above 2) and 22 characters for the id. The characters are the 64 of Base64 in the order of their
//! codes, so the texts sort like the ids. A record has one place, that of its latest change: a new
//! revision moves its entry.

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use haumana_sync::id::{Key, KindNumber, RecordId, UserId};
use haumana_sync::store::{HistoryKey, Revision};
use serde_json::{Value, json};

/// The prefix of the tables' names unless an operator chooses another.
pub const DEFAULT_PREFIX: &str = "haumana-";

/// The local secondary index that has a user's records in the order of the stream.
pub(crate) const INDEX: &str = "by-revision";
/// The place of a record in the stream: the sort key of [`INDEX`].
///
/// This name and the five below have one letter, because a name is in every entry of the index, and
/// costs money whenever an entry is read.
pub(crate) const PLACE: &str = "_p";
/// The version of a record.
pub(crate) const VERSION: &str = "_k";
/// Whether a record is a tombstone; absent from live ones.
pub(crate) const DELETED: &str = "_d";
/// How many bytes of content a record has.
pub(crate) const SIZE: &str = "_s";
/// The hash of a record's content.
pub(crate) const HASH: &str = "_h";
/// The stamp of a record's last commit.
pub(crate) const STAMP: &str = "_t";
/// When DynamoDB may delete an item of the history, in seconds since 1970.
///
/// Only items of the history that may be deleted have it.
pub(crate) const EXPIRES: &str = "_expires";
/// The attributes in [`INDEX`] besides the keys. No query asks it for anything else.
///
/// They are enough to answer `index`, and to decide which records of a page are fetched.
pub(crate) const PROJECTED: [&str; 5] = [VERSION, DELETED, SIZE, HASH, STAMP];

/// The required definition of one table.
///
/// A definition never changes for tables that have data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableSchema {
    /// Its name without the prefix.
    pub suffix: &'static str,
    /// Its partition key, a string.
    pub partition: &'static str,
    /// Its sort key, a string.
    pub sort: &'static str,
    /// The sort key of its local index, if it has one.
    pub place: Option<&'static str>,
    /// The attribute by which DynamoDB deletes its items, if it does.
    pub expires: Option<&'static str>,
}

/// Pieces; and the heads, under partition keys that cannot be user ids.
pub(crate) const PIECES: TableSchema = TableSchema {
    suffix: "pieces",
    partition: "userId",
    sort: "pieceId",
    place: Some(PLACE),
    expires: None,
};

/// Sessions, and the conflicts of the inbox.
pub(crate) const SESSIONS: TableSchema = TableSchema {
    suffix: "sessions",
    partition: "pk",
    sort: "sk",
    place: Some(PLACE),
    expires: None,
};

/// Superseded versions and sides, and nothing that must stay: DynamoDB deletes only here.
pub(crate) const HISTORY: TableSchema = TableSchema {
    suffix: "history",
    partition: "pk",
    sort: "sk",
    place: None,
    expires: Some(EXPIRES),
};

/// Every table.
pub const TABLES: [TableSchema; 3] = [PIECES, SESSIONS, HISTORY];

impl TableSchema {
    /// Returns its name with `prefix`.
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.suffix)
    }

    /// Returns the key attributes: the table's, then the index's.
    pub(crate) fn key_attributes(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.partition), Some(self.sort), self.place].into_iter().flatten()
    }

    /// Returns the definition in the words of `CreateTable`, with the time to live beside it.
    ///
    /// Billing is by request, so no capacity has to be planned.
    fn definition(&self, prefix: &str) -> Value {
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let keys = |sort: &str| {
            json!([
                { "AttributeName": self.partition, "KeyType": "HASH" },
                { "AttributeName": sort, "KeyType": "RANGE" },
            ])
        };
        let mut table = json!({
            "TableName": self.name(prefix),
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": self.key_attributes().map(attribute).collect::<Vec<_>>(),
            "KeySchema": keys(self.sort),
        });
        if let Some(place) = self.place {
            table["LocalSecondaryIndexes"] = json!([{
                "IndexName": INDEX,
                "KeySchema": keys(place),
                "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": PROJECTED },
            }]);
        }
        if let Some(attribute) = self.expires {
            table["TimeToLiveSpecification"] =
                json!({ "AttributeName": attribute, "Enabled": true });
        }
        table
    }
}

/// Returns the definitions of all tables as JSON, for the program that makes them.
///
/// `tables.json` of the crate is what it returns for [`DEFAULT_PREFIX`].
///
/// ```
/// use haumana_store_dynamo::{DEFAULT_PREFIX, definitions};
///
/// let tables: serde_json::Value = serde_json::from_str(&definitions(DEFAULT_PREFIX))?;
///
/// assert_eq!("haumana-pieces", tables["Tables"][0]["TableName"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn definitions(prefix: &str) -> String {
    let tables: Vec<Value> = TABLES.iter().map(|table| table.definition(prefix)).collect();
    format!("{:#}\n", json!({ "Tables": tables }))
}

/// Names one item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ItemKey {
    pub table: TableSchema,
    pub partition: String,
    pub sort: String,
}

/// The prefix before a user id in the partition of a head. A user id cannot contain a tab, so no
/// user's pieces are in that partition.
const HEAD_PARTITION: &str = "HEAD\t";
/// The sort key of a head.
const HEAD_SORT: &str = "HEAD";

/// Names the head of a user.
pub(crate) fn head_key(user: &UserId) -> ItemKey {
    let partition = format!("{HEAD_PARTITION}{}", user.as_str());
    ItemKey { table: PIECES, partition, sort: HEAD_SORT.to_owned() }
}

/// Returns the table of a kind of record.
pub(crate) fn table_of(kind: KindNumber) -> TableSchema {
    match kind {
        KindNumber::PIECE => PIECES,
        _ => SESSIONS,
    }
}

/// Returns the partition of a user's records, or of their history.
pub(crate) fn partition(table: TableSchema, user: &UserId) -> String {
    if table == PIECES { user.as_str().to_owned() } else { format!("USER#{}", user.as_str()) }
}

/// Names the item of a record.
pub(crate) fn record_key(user: &UserId, key: Key) -> ItemKey {
    let table = table_of(key.kind);
    let sort = match key.kind {
        KindNumber::PIECE => key.id.to_string(),
        kind => format!("{}#{}", kind.code().to_uppercase(), key.id),
    };
    ItemKey { table, partition: partition(table, user), sort }
}

/// Returns the record whose item in `table` has this sort key.
///
/// `None` for anything else in the table, such as a head.
pub(crate) fn record_of(table: TableSchema, sort: &str) -> Option<Key> {
    if table == PIECES {
        return RecordId::parse(sort).map(Key::piece);
    }
    let (kind, id) = sort.split_once('#')?;
    let kind = KindNumber::from_code(&kind.to_lowercase())?;
    (kind != KindNumber::PIECE).then_some(Key { kind, id: RecordId::parse(id)? })
}

/// The prefix of the sort keys of one record's history.
pub(crate) fn history_prefix(key: Key) -> String {
    format!("{}#{}#", key.kind.code().to_uppercase(), key.id)
}

/// Names an entry of the history; versions and sides sort as numbers.
///
/// Ten digits hold any `u32`.
pub(crate) fn history_key(user: &UserId, key: HistoryKey) -> ItemKey {
    let sort = format!("{}{:010}#{:010}", history_prefix(key.key), key.version, key.side);
    ItemKey { table: HISTORY, partition: partition(HISTORY, user), sort }
}

/// The partition of the journal of erasures. A user id cannot contain a tab, so it is no user's.
pub(crate) const ERASURES: &str = "ERASED\t";
/// The sort key of the key under which the journal hashes.
pub(crate) const ERASURES_KEY: &str = "KEY";

/// Names an item of the journal of erasures.
pub(crate) fn erasure_key(sort: &str) -> ItemKey {
    ItemKey { table: HISTORY, partition: ERASURES.to_owned(), sort: sort.to_owned() }
}

/// The partition of the kept schema. It is no user's either.
pub(crate) const KEPT: &str = "SCHEMA\t";
/// The sort key of the item that says which text is kept.
pub(crate) const KEPT_SORT: &str = "KEPT";

/// Names an item of the kept schema.
pub(crate) fn kept_key(sort: &str) -> ItemKey {
    ItemKey { table: HISTORY, partition: KEPT.to_owned(), sort: sort.to_owned() }
}

/// Names the item with the generation of the tables. It is no user's either.
pub(crate) fn life_key() -> ItemKey {
    ItemKey { table: HISTORY, partition: "LIFE\t".to_owned(), sort: "GENERATION".to_owned() }
}

/// Returns the user whose head is in a partition of the pieces; `None` if it has no head.
///
/// It is for scans of all users. No request uses it.
pub(crate) fn head_user(partition: &str) -> Option<UserId> {
    UserId::verified_by_caller(partition.strip_prefix(HEAD_PARTITION)?)
}

/// Returns the user whose history is in a partition; `None` if it has no user's history.
pub(crate) fn history_user(partition: &str) -> Option<UserId> {
    UserId::verified_by_caller(partition.strip_prefix("USER#")?)
}

/// Returns the entry of the history that has this sort key.
pub(crate) fn history_of(sort: &str) -> Option<HistoryKey> {
    let mut parts = sort.split('#');
    let kind = KindNumber::from_code(&parts.next()?.to_lowercase())?;
    let id = RecordId::parse(parts.next()?)?;
    let (version, side) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(HistoryKey { key: Key { kind, id }, version, side })
}

/// LIMIT: the largest revision that fits into a place: a commit a second for 3,000 years. More
/// digits would cost money in every read of the index.
pub(crate) const LAST_REVISION: u64 = 99_999_999_999;

/// 64 characters in the order of their codes, so that ids as text sort like ids as numbers.
const ALPHABET: &str = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

fn id_text(id: RecordId) -> String {
    // 64 different ASCII characters are a valid alphabet; a test makes one of them.
    #[allow(clippy::expect_used, reason = "the line above")]
    let alphabet = Alphabet::new(ALPHABET).expect("an alphabet");
    let config = GeneralPurposeConfig::new().with_encode_padding(false);
    GeneralPurpose::new(&alphabet, config).encode(id.bits().to_be_bytes())
}

/// Returns the place of a record: revision, kind, id. Places sort in the order of the stream.
///
/// Revisions above [`LAST_REVISION`] are refused when a batch is written, so the bound here never
/// acts on a stored record.
pub(crate) fn place(revision: Revision, key: Key) -> String {
    let (revision, id) = (revision.0.min(LAST_REVISION), id_text(key.id));
    match key.kind.get() {
        kind @ 0..=2 => format!("{revision:011}{kind}{id}"),
        // Sorts after those. More digits would cost money.
        kind => format!("{revision:011}3{kind:02x}{id}"),
    }
}

/// Returns a text behind every place of `revision` and before those of the next.
///
/// `~` has a higher code than any character of a place.
pub(crate) fn place_after(revision: Revision) -> String {
    format!("{:011}~", revision.0.min(LAST_REVISION))
}

/// Returns the revision of a place.
pub(crate) fn revision_of(place: &str) -> Option<Revision> {
    place.get(..11)?.parse().ok().map(Revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_sync::conformance::KINDS;

    #[test]
    fn places_sort_as_revision_then_kind_then_id() {
        let ids = [0, 1, 9, 10, 255, 256, 1 << 64, 1 << 127, u128::MAX].map(RecordId::from_bits);
        let keys = KINDS.map(|kind| ids.map(|id| Key { kind, id })).concat();
        let revisions = [0, 1, 9, 10, 4_000_000_000, LAST_REVISION].map(Revision);

        let mut places = Vec::new();
        for revision in revisions {
            places.extend(keys.iter().map(|key| place(revision, *key)));
            places.push(place_after(revision));
        }

        assert!(places.is_sorted_by(|one, other| one < other), "each place is later: {places:?}");
        for revision in revisions {
            assert_eq!(Some(revision), revision_of(&place(revision, keys[0])));
        }
    }

    #[test]
    fn keys_of_items_name_the_record_that_they_are_of() {
        let user = UserId::verified_by_caller("kai").unwrap();
        for kind in KINDS {
            let key = Key { kind, id: RecordId::from_bits(u128::MAX - 1) };
            let item = record_key(&user, key);
            let entry = HistoryKey { key, version: 3, side: u32::MAX };

            assert_eq!(Some(key), record_of(item.table, &item.sort));
            assert_eq!(Some(entry), history_of(&history_key(&user, entry).sort));
        }
    }

    #[test]
    fn the_printed_definitions_are_those_of_this_file() {
        let printed = include_str!("../tables.json");

        let hint = "cargo run -p haumana-store-dynamo --example tables > …/tables.json";
        assert_eq!(definitions(DEFAULT_PREFIX), printed, "print them again: {hint}");
    }
}
