//! Accepts content that somebody has changed by hand in the store, as an ordinary later version.

use crate::digest::Digest;
use crate::engine::commit::Draft;
use crate::engine::edit::Edit;
use crate::engine::edit::apply::parts::apply_within;
use crate::engine::edit::bases::needed;
use crate::engine::edit::meta::{Meta, Touch};
use crate::engine::edit::record::{Record, parse, to_json};
use crate::engine::history::restore::Restored;
use crate::engine::{Engine, Error, ErrorKind, Result};
use crate::id::{Key, UserId};
use crate::schema::{ContentHash, Field, Kind};
use crate::store::{Envelope, Version};
use crate::time::UnixMillis;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

impl Engine {
    /// Accepts the content of a record that was changed by hand. It becomes a later version, as if
    /// it were edited now, and devices get it. A record that is unchanged stays as it is.
    ///
    /// It is not known which fields were changed, so all count as edited. Concurrent edits by
    /// devices are merged by time, and values that lose are in the inbox.
    ///
    /// It is for an operator who has repaired a record with the database's own tools.
    /// [`Engine::verify`] finds such records, and [`Engine::repair`] accepts all of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such record; [`ErrorKind::Unreadable`] if its content
    /// cannot be read; others as [`Engine::restore_record`].
    pub async fn accept_record(&self, user: &UserId, key: Key) -> Result<Restored> {
        let mut attempts = self.attempts(user);
        loop {
            let transaction = attempts.next().await?;
            let context = transaction.context();
            let (envelope, record) = transaction.open_one(key).await?;
            let version = record.version;
            if is_as_written(&envelope, &record) {
                return Ok(Restored { version, is_unchanged: true });
            }
            let edit = Edit { base: Some(version), above: Some(version), ..Edit::default() };
            let keys = needed(Some(&record), &edit).into_iter().collect();
            let bases = self.read_bases(user, keys, context.oldest).await?;
            let (target, old) = ((&record.kind, record.id), Some((&envelope, &record)));
            let limits = self.store.batch_limits();
            let refused = |_| Error::new(ErrorKind::Invalid, "the record cannot take this");
            let mut applied =
                apply_within(target, old, &edit, &bases, (context, limits)).map_err(refused)?;
            let accepted = applied.record.version;
            touch_all(&mut applied.record, accepted, context.now);
            applied.envelope.meta = to_json(&applied.record.meta);
            let drafts = Draft::all_of(applied, Some(&envelope), context.now).map_err(refused)?;
            let committed = self.commit(user, transaction.into_head(), drafts).await;
            match committed.stopped_whole() {
                None => return Ok(Restored { version: accepted, is_unchanged: false }),
                Some(stopped) => attempts.start_over(stopped)?,
            }
        }
    }
}

/// Whether the content has the hash that was stored with it.
///
/// An earlier schema may have written it. Then the hash is that of the stored text: under the
/// present schema the record also has defaults of newer fields, and its fields may be in another
/// order.
pub(crate) fn is_as_written(envelope: &Envelope, record: &Record) -> bool {
    let Some(content) = &record.content else { return true };
    if *record.kind.hashed() != ContentHash::Stored {
        return content.content_hash(record.id, &content.to_json()) == envelope.hash;
    }
    let is_written = |text: &str| Digest::of([text.as_bytes()]) == envelope.hash;
    is_written(&envelope.content)
        || is_written(&content.to_json())
        || orders(&record.kind, &envelope.content).iter().any(|text| is_written(text))
}

/// Writes a stored object in the orders in which an earlier schema may have written it: fields in
/// the order of the kind, then the other members. One of the others may have been a field, in any
/// place.
///
/// DYNAMODB: fields are attributes, which have no order. A field that is no longer declared is read
/// after the others.
fn orders(kind: &Kind, stored: &str) -> Vec<String> {
    let Ok(members) = parse::<BTreeMap<String, Box<RawValue>>>(stored) else { return Vec::new() };
    let fields = kind.fields().iter().map(Field::name);
    let fields: Vec<&str> = fields.filter(|name| members.contains_key(*name)).collect();
    let others = members.keys().map(String::as_str);
    let others: Vec<&str> = others.filter(|name| kind.place(name).is_none()).collect();
    let write = |names: &[&str]| {
        let member = |name: &&str| Some(format!("{}:{}", to_json(name), members.get(*name)?.get()));
        let members: Vec<String> = names.iter().filter_map(member).collect();
        format!("{{{}}}", members.join(","))
    };
    let mut orders = vec![write(&[fields.as_slice(), &others].concat())];
    for other in &others {
        let rest: Vec<&str> = others.iter().copied().filter(|name| name != other).collect();
        for at in 0..=fields.len() {
            let (before, behind) = fields.split_at(at);
            orders.push(write(&[before, &[other], behind, &rest].concat()));
        }
    }
    orders
}

/// Every field counts as edited now. The hashes of earlier values are dropped.
fn touch_all(record: &mut Record, version: Version, now: UnixMillis) {
    let names = record.content.iter().flat_map(|content| content.names());
    let touch = Touch { version, edited_at: now, claimed_at: now, device: None };
    let touched = names.map(|name| (name.to_owned(), touch.clone())).collect();
    let changed = record.content.iter().flat_map(|content| content.all_names());
    let changed = changed.map(str::to_owned).collect();
    record.meta = Meta {
        touched,
        changed,
        past: Default::default(),
        adds: Default::default(),
        ..std::mem::take(&mut record.meta)
    };
}
