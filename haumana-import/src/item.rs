//! Reads an item of the earlier server's tables as a record of the app.
//!
//! The earlier server stored what phones sent, nearly unchanged. An unusual type is accepted if its
//! meaning is clear. Everything that the app's reader then refuses is refused here, by the same
//! code.
//!
//! The steps are: find the user in the partition key; find the id; write the other attributes as
//! the JSON that the app would send; give that JSON to the reader of the app's requests. So the
//! code that checks phones checks limits and forms here too, and an item cannot bring in what a
//! phone could not.
//!
//! Values that the earlier server kept for itself, such as its version numbers, are left out,
//! because they counted states of another server.

use crate::attribute::{Attribute, Item, quoted};
use haumana_app::wire::{AppPiece, AppSession};
use haumana_app::{Earlier, EarlierRecord};
use haumana_app::{FieldClass, field_spec};
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::time::UnixMillis;
use haumana_sync::wire::Rejected;
use serde_json::value::RawValue;

/// The earlier server's two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Partition `userId`, sort `pieceId`; the app's keys as attributes.
    Pieces,
    /// Partition `pk` = `USER#<userId>`, sort `sk` = `SESSION#<startedAt>#<sessionId>`.
    Sessions,
}

impl Table {
    /// Returns its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Pieces => "pieces",
            Table::Sessions => "sessions",
        }
    }

    /// Returns the names of its key attributes: partition, then sort.
    ///
    /// Together they name an item. They are all that a report shows of it.
    pub fn key_names(self) -> [&'static str; 2] {
        match self {
            Table::Pieces => ["userId", "pieceId"],
            Table::Sessions => ["pk", "sk"],
        }
    }
}

/// Why an item cannot be imported. It contains nothing of the item's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A stable code: one of the wire, or `invalid_user`, `unreadable`, `gone` or `internal`.
    pub code: &'static str,
    /// Why, for people.
    pub message: String,
}

impl Refused {
    /// Makes one.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        Self { code: rejected.refusal.code(), message: rejected.message }
    }
}

/// Reads an item: its user, and the record for the engine.
///
/// # Errors
///
/// [`Refused`] if the item cannot be imported.
pub fn read(table: Table, item: &Item) -> Result<(UserId, Earlier), Refused> {
    let user = user(table, item)?;
    let id = id(table, item)?;
    let mut object = Object::default();
    for (name, value) in item.iter().filter(|(_, value)| !value.is_null()) {
        object.take(table, name, value)?;
    }
    let written_at = item.get("lastSyncedAt").and_then(instant);
    let record = match table {
        Table::Pieces => {
            object.add("pieceId", quoted(&id));
            object.date(written_at, item.get("createdAt").and_then(instant));
            let piece = AppPiece::read(&object.finish()?, &user)?;
            EarlierRecord::Piece(Box::new(piece))
        }
        Table::Sessions => {
            object.add("sessionId", quoted(&id));
            object.start(item);
            EarlierRecord::Session(Box::new(AppSession::read(&object.finish()?, &user)?))
        }
    };
    Ok((user, Earlier { item: id, written_at, record }))
}

/// The user of the item, from its partition key.
///
/// Only the key decides. If a session has an attribute `userId` that says something else, the
/// reader refuses it, as in a phone's request.
fn user(table: Table, item: &Item) -> Result<UserId, Refused> {
    let refused = || Refused::new("invalid_user", "the partition key is missing or no user's");
    // A practice session has a user id and the id of a piece as well: without this it would become
    // a piece without a title, and the true one would be older.
    if table == Table::Pieces
        && Table::Sessions.key_names().iter().all(|key| item.contains_key(*key))
    {
        let message = "this is a practice session: are the two tables swapped?";
        return Err(Refused::new("invalid_user", message));
    }
    let [partition, _] = table.key_names();
    let text = item.get(partition).and_then(Attribute::as_text);
    let text = match table {
        Table::Pieces => text,
        Table::Sessions => text.and_then(|text| text.strip_prefix("USER#")),
    };
    text.and_then(UserId::verified_by_caller).ok_or_else(refused)
}

/// The id of the item. For a session without one it is the end of the sort key.
fn id(table: Table, item: &Item) -> Result<String, Refused> {
    let refused = |message| Refused::new("invalid_id", message);
    let name = if table == Table::Pieces { "pieceId" } else { "sessionId" };
    let sort = item.get("sk").and_then(Attribute::as_text).unwrap_or_default();
    let at_end = sort.strip_prefix("SESSION#").and_then(|rest| rest.rsplit('#').next());
    let text = match item.get(name) {
        Some(value) if !value.is_null() => value.as_text(),
        _ => at_end.filter(|_| table == Table::Sessions),
    };
    let text = text.ok_or_else(|| refused(format!("{name} is missing or not text")))?;
    match RecordId::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(refused(format!("{name} is not a UUID"))),
    }
}

/// A JSON object that is being written, from left to right.
///
/// A name is never written twice, since an item has each name once.
#[derive(Default)]
struct Object {
    json: String,
    /// Whether `modifiedAt` is in it.
    is_dated: bool,
    /// Whether `startedAt` is in it.
    is_started: bool,
}

impl Object {
    /// `json` must be JSON. It is checked when the object is finished, not here.
    fn add(&mut self, name: &str, json: String) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.json.push_str(&quoted(name));
        self.json.push(':');
        self.json.push_str(&json);
    }

    fn finish(mut self) -> Result<Box<RawValue>, Refused> {
        self.json.push('}');
        RawValue::from_string(self.json)
            .map_err(|_| Refused::new("unreadable", "the item cannot be written as JSON"))
    }

    /// Adds one attribute in the type that the app would send.
    ///
    /// # Errors
    ///
    /// `invalid_field` if the value cannot be read as the type of the field.
    fn take(&mut self, table: Table, name: &str, value: &Attribute) -> Result<(), Refused> {
        let json = match (table, name) {
            // The keys are read elsewhere. The others numbered states of another server.
            (Table::Pieces, "userId" | "pieceId" | "version" | "locallyModified") => return Ok(()),
            (Table::Sessions, "pk" | "sk" | "sessionId" | "syncedAt" | "version") => return Ok(()),
            (_, "lastSyncedAt") => return Ok(()),
            (Table::Pieces, "createdAt" | "modifiedAt")
            | (Table::Sessions, "createdAt" | "startedAt" | "endedAt") => {
                if value.as_text() == Some("") {
                    return Ok(());
                }
                self.is_dated |= name == "modifiedAt";
                self.is_started |= name == "startedAt";
                instant(value).map(|at| quoted(&at.to_string()))
            }
            (Table::Pieces, _) => of_class(field_spec(name).class, value),
            (Table::Sessions, "endedAtSource") if value.as_text() == Some("") => return Ok(()),
            (Table::Sessions, "userId" | "pieceId" | "endedAtSource") => value.to_json(),
            (Table::Sessions, _) => value.to_json(),
        };
        let refused = || Refused::new("invalid_field", wrong_type(table, name));
        self.add(name, json.ok_or_else(refused)?);
        Ok(())
    }

    /// If a piece does not say when it was edited, the time of the edit is that of the write, or
    /// else that of its creation. If it has none of these, it counts as older than any edit.
    fn date(&mut self, written_at: Option<UnixMillis>, created_at: Option<UnixMillis>) {
        if !self.is_dated {
            let at = written_at.or(created_at).unwrap_or_default();
            self.add("modifiedAt", quoted(&at.to_string()));
        }
    }

    /// If a session does not say when it began, its sort key does.
    fn start(&mut self, item: &Item) {
        let sort = item.get("sk").and_then(Attribute::as_text).unwrap_or_default();
        let at = sort.split('#').find_map(UnixMillis::parse);
        if let Some(at) = at.filter(|_| !self.is_started) {
            self.add("startedAt", quoted(&at.to_string()));
        }
    }
}

/// Names the attribute if the app knows it. Other names may come from a user and are not shown.
fn wrong_type(table: Table, name: &str) -> String {
    let is_known = match table {
        Table::Pieces => {
            !field_spec(name).name.is_empty() || ["createdAt", "modifiedAt"].contains(&name)
        }
        Table::Sessions => {
            ["userId", "pieceId", "startedAt", "endedAt", "endedAtSource", "createdAt"]
                .contains(&name)
        }
    };
    let name = if is_known { name } else { "an unknown attribute" };
    format!("{name} has the wrong type")
}

/// Flags and texts are read generously, see `flag`. An attribute that the app does not know is kept
/// unchanged, whatever its type.
fn of_class(class: FieldClass, value: &Attribute) -> Option<String> {
    match (class, value) {
        (FieldClass::Flag, value) => {
            flag(value).map(|flag| if flag { "true" } else { "false" }.to_owned())
        }
        (FieldClass::Short | FieldClass::Long, Attribute::S(text) | Attribute::N(text)) => {
            Some(quoted(text))
        }
        (FieldClass::Short | FieldClass::Long, _) => None,
        (FieldClass::Unknown, value) => value.to_json(),
    }
}

/// Numbers and words are accepted too, if their meaning is clear. An empty text is "no".
fn flag(value: &Attribute) -> Option<bool> {
    match value {
        Attribute::Bool(flag) => Some(*flag),
        Attribute::N(text) | Attribute::S(text) => match text.as_str() {
            "1" | "true" | "True" | "TRUE" => Some(true),
            "0" | "false" | "False" | "FALSE" | "" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// An instant in any form that the tables contain: RFC 3339, or seconds or milliseconds since 1970.
///
/// A number tells its unit by its size: below 100,000,000,000 it is seconds, from there on
/// milliseconds. Fractions are cut off. A time before 1970 that is a number is refused.
fn instant(value: &Attribute) -> Option<UnixMillis> {
    /// As seconds this is the year 5138; as milliseconds it is the year 1973.
    const FIRST_MS: i64 = 100_000_000_000;
    let (Attribute::S(text) | Attribute::N(text)) = value else {
        return None;
    };
    let since_1970 = |number: i64| match number {
        secs if (0..FIRST_MS).contains(&secs) => Some(UnixMillis::from_secs(secs)),
        ms => (FIRST_MS..FIRST_MS * 1000).contains(&ms).then_some(UnixMillis(ms)),
    };
    UnixMillis::parse(text).or_else(|| {
        let whole = text.split('.').next().unwrap_or_default();
        whole.parse().ok().and_then(since_1970)
    })
}
