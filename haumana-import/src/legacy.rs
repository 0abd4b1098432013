//! The way back: live records as items of the earlier server's tables.
//!
//! It is for the case that a move must be undone. Only what the old functions understand is
//! written. They know no tombstones, history or inbox; these stay in haumana-sync's own tables.
//!
//! Phones must accept what the old functions then send. A phone accepts a piece only if its version
//! is greater than the phone's own, and the functions send only pieces that were written after the
//! phone's last sync. So `version` is above every number that a phone was given, and `lastSyncedAt`
//! is the time of the export.

use crate::attribute::{Attribute, Item};
use crate::error::{Error, ErrorKind, Result};
use crate::item::{Refused, Table};
use haumana_app::WireVersion;
use haumana_sync::engine::{self, Changed, Engine};
use haumana_sync::id::{KindNumber, UserId};
use haumana_sync::record::Value;
use haumana_sync::repertoire::{Piece, Session};
use haumana_sync::time::UnixMillis;
use std::collections::BTreeMap;
use std::fmt;

/// How many records a page has at most. It also has a limit of bytes.
///
/// A page ends at the limit that is reached first.
const PAGE_RECORDS: usize = 500;
const PAGE_BYTES: usize = 8 << 20;

/// The target of the items.
///
/// The items of one call are of one table. A sink may buffer them until `finish` is called.
#[async_trait::async_trait]
pub trait Sink: Send {
    /// Puts `items`. Each replaces the item with its keys. Returns those that the table refuses,
    /// with the reason. Putting the same items again is harmless.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Target`] if nothing more can be written.
    async fn put(&mut self, table: Table, items: Vec<Item>) -> Result<Vec<(Item, Refused)>>;

    /// Makes sure that everything has arrived.
    ///
    /// # Errors
    ///
    /// Those of [`Sink::put`].
    async fn finish(&mut self) -> Result<()>;
}

/// The progress of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Users looked at.
    pub users: u64,
    /// Users without data here.
    pub empty: u64,
    /// Pieces put.
    pub pieces: u64,
    /// Sessions put.
    pub sessions: u64,
    /// Records that cannot be put.
    pub refused: u64,
    /// Accounts that cannot be read now, or not completely: one that is being imported or erased, and
    /// one with records that cannot be read.
    pub incomplete: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, empty, pieces, sessions, refused, incomplete } = self;
        write!(
            f,
            "{users} users ({empty} with nothing), {pieces} pieces and {sessions} sessions "
        )?;
        write!(f, "written, {refused} refused")?;
        match incomplete {
            0 => Ok(()),
            n => write!(f, ", {n} accounts incomplete"),
        }
    }
}

/// Puts the live pieces and sessions of `user` into `sink`, without tombstones, history and
/// conflicts. `each_refused` is called for each item that the sink refuses.
///
/// `written_at` becomes `lastSyncedAt` of each item: give all users of a run the same time. The
/// counts are added to `exported`, so it can count a whole run. If an account changes meanwhile,
/// its export is not one consistent state; freeze the API first.
///
/// Returns why the account is not complete in the sink, if it is not. Others are not held up by it.
///
/// # Errors
///
/// [`Error`] if the store or the sink cannot go on. Repeating is harmless.
pub async fn export_user(
    engine: &Engine,
    user: &UserId,
    written_at: UnixMillis,
    sink: &mut dyn Sink,
    exported: &mut Exported,
    each_refused: &mut (dyn FnMut(Table, &Item, &Refused) -> Result<()> + Send),
) -> Result<Option<&'static str>> {
    let unanswered = || Error::new(ErrorKind::Source, "the store does not answer");
    let (mut cursor, mut n_live) = (None, 0);
    loop {
        let page = engine.pull(user, cursor.as_deref(), PAGE_RECORDS, PAGE_BYTES).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let why = match error.kind() {
                    engine::ErrorKind::Importing => "an import is not finished",
                    engine::ErrorKind::Erasing => "an erasure is not finished",
                    _ => return Err(unanswered().because(error)),
                };
                exported.users += 1;
                exported.incomplete += 1;
                return Ok(Some(why));
            }
        };
        let mut items: BTreeMap<Table, Vec<Item>> = BTreeMap::new();
        for change in &page.changes {
            if let Some((table, item)) = item_of(user, change, written_at)? {
                items.entry(table).or_default().push(item);
            }
        }
        for (table, items) in items {
            let n_items = items.len() as u64;
            let refused = sink.put(table, items).await?;
            let n_refused = refused.len() as u64;
            for (item, why) in &refused {
                each_refused(table, item, why)?;
            }
            n_live += n_items;
            exported.refused += n_refused;
            match table {
                Table::Pieces => exported.pieces += n_items - n_refused,
                Table::Sessions => exported.sessions += n_items - n_refused,
            }
        }
        if !page.more {
            exported.users += 1;
            exported.empty += u64::from(n_live == 0);
            // Without a digest, something of the account is in none of its pages.
            let is_whole = page.digest.is_some();
            exported.incomplete += u64::from(!is_whole);
            return Ok((!is_whole).then_some("some of its records cannot be read"));
        }
        cursor = page.cursor;
    }
}

/// The item for a record, in the earlier server's form; `None` for a tombstone.
///
/// # Errors
///
/// [`ErrorKind::Source`] if the stored record cannot be read.
pub fn item_of(
    user: &UserId,
    change: &Changed,
    written_at: UnixMillis,
) -> Result<Option<(Table, Item)>> {
    let Some(json) = &change.value else { return Ok(None) };
    let corrupt = |error: serde_json::Error| {
        Error::new(ErrorKind::Source, "a stored record cannot be read").because(error)
    };
    let (table, item) = match change.key.kind {
        KindNumber::PIECE => {
            let piece: Piece = serde_json::from_str(json).map_err(corrupt)?;
            (Table::Pieces, piece_item(user, change, &piece, written_at))
        }
        KindNumber::SESSION => {
            let session: Session = serde_json::from_str(json).map_err(corrupt)?;
            (Table::Sessions, session_item(user, change, &session, written_at))
        }
        _ => return Ok(None),
    };
    Ok(Some((table, item)))
}

/// A null value is left out of the item. Unknown keys are written back as attributes.
fn piece_item(user: &UserId, change: &Changed, piece: &Piece, written_at: UnixMillis) -> Item {
    let mut item = Item::new();
    for name in piece.names() {
        let value = match piece.get(name) {
            Value::Null => continue,
            Value::Flag(flag) => Attribute::Bool(flag),
            Value::Text(text) => Attribute::S(text),
            Value::Json(json) => unknown(json.as_str()),
            // Pieces have no groups.
            Value::Group(_) => continue,
        };
        item.insert(name.to_owned(), value);
    }
    let text = |text: String| Attribute::S(text);
    item.extend([
        ("userId".to_owned(), text(user.as_str().to_owned())),
        ("pieceId".to_owned(), text(change.key.id.to_string())),
        ("createdAt".to_owned(), text(app_time(piece.created_at))),
        ("modifiedAt".to_owned(), text(app_time(change.modified_at))),
        ("lastSyncedAt".to_owned(), text(written_at.to_string())),
        ("version".to_owned(), Attribute::N(version(change.version).to_string())),
        ("locallyModified".to_owned(), Attribute::Bool(false)),
    ]);
    item
}

/// The sort key is made of start and id, as the old functions made it. So if a session is written
/// again, it replaces itself.
fn session_item(
    user: &UserId,
    change: &Changed,
    session: &Session,
    written_at: UnixMillis,
) -> Item {
    let mut item: Item =
        session.unknown.iter().map(|(name, json)| (name.clone(), unknown(json.as_str()))).collect();
    let (id, started_at) = (change.key.id.to_string(), app_time(session.started_at));
    let mut put = |name: &str, text: String| item.insert(name.to_owned(), Attribute::S(text));
    put("pk", format!("USER#{}", user.as_str()));
    put("sk", format!("SESSION#{started_at}#{id}"));
    put("userId", user.as_str().to_owned());
    put("sessionId", id);
    put("pieceId", session.piece_id.to_string());
    put("startedAt", started_at);
    put("createdAt", app_time(session.created_at));
    put("syncedAt", written_at.to_string());
    if let Some(at) = session.ended_at {
        put("endedAt", app_time(at));
    }
    if let Some(source) = session.ended_at_source {
        put("endedAtSource", source.as_str().to_owned());
    }
    item
}

/// The number of an item, for version k of its record.
///
/// For version k each phone holds a number of its own, `k·2^32` and something. A phone accepts only
/// an item with a greater number. This number is above every number for version k. So all phones
/// get the same number again, and see each other's edits.
fn version(version: u32) -> u64 {
    WireVersion::issue(version.saturating_add(1), 0).0
}

/// A time in the form of the app: without milliseconds if they are zero.
fn app_time(at: UnixMillis) -> String {
    let text = at.to_string();
    text.strip_suffix(".000Z").map_or(text.clone(), |secs| format!("{secs}Z"))
}

/// An unknown key. It was JSON when it was imported.
fn unknown(json: &str) -> Attribute {
    Attribute::of_json(json).unwrap_or_else(|| Attribute::S(json.to_owned()))
}
