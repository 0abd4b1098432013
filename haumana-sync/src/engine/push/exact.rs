//! Which pushed records need not be sent back, because their device has them to the byte.

use crate::engine::edit::record::parse;
use crate::engine::push::{Push, PushOp};
use crate::record::Value;
use crate::store::Envelope;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Whether the record is, to the byte, what its device makes from its base and its push. The caller
/// knows that the base is of this life of the account.
pub(crate) fn is_exact(push: &Push, old: Option<&Envelope>, new: &Envelope) -> bool {
    if push.base != old.map(|old| old.version) {
        return false;
    }
    let is_live = old.is_some_and(|old| !old.deleted);
    match &push.op {
        PushOp::Delete => new.deleted && is_live,
        PushOp::Set(set) if is_live || old.is_none() => {
            let before = old.map_or("{}", |old| &old.content);
            !new.deleted && makes(before, set, &new.content).unwrap_or(false)
        }
        _ => false,
    }
}

/// Whether `set` turns `before` into `after`.
fn makes(before: &str, set: &BTreeMap<String, Value>, after: &str) -> Option<bool> {
    let mut fields: BTreeMap<String, Box<RawValue>> = parse(before).ok()?;
    for (name, value) in set {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), serde_json::value::to_raw_value(value).ok()?);
        }
    }
    let after: BTreeMap<String, Box<RawValue>> = parse(after).ok()?;
    let is_same = fields.len() == after.len()
        && fields
            .iter()
            .zip(&after)
            .all(|((name, raw), (other, stored))| name == other && raw.get() == stored.get());
    Some(is_same)
}
