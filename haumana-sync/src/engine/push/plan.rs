//! Plans a push of a new client: which base it has, and what it changes.

use crate::digest::Digest;
use crate::engine::OtherLife;
use crate::engine::Refusal;
use crate::engine::edit::meta::{AtVersion, Claim, Past};
use crate::engine::edit::record::Record;
use crate::engine::edit::{Against, Change, Doubt, Edit, MergeContext};
use crate::engine::push::delete::{is_of_deleted, plan_delete};
use crate::engine::push::pusher::{Life, Own, Pusher};
use crate::engine::push::{EditTimes, Push, PushOp};
use crate::limits;
use crate::merge::Reason;
use crate::record::{Content, Value};
use crate::schema::{Field, FieldType, Kind, Merge, Schema};
use crate::store::{HistoryKey, Version};
use crate::time::UnixMillis;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Returns the edit for a push; `None` if there is nothing to do. `before` are the accepted pushes
/// of the same device on the same record and base, the latest first.
pub(crate) fn plan(
    (push, before): (&Push, &[&Push]),
    kind: &Arc<Kind>,
    pusher: &mut Pusher<'_>,
    record: Option<&Record>,
    context: MergeContext,
) -> Result<Option<Edit>, Refusal> {
    if !push.has_possible_base(record.map(|record| record.version)) {
        return Err(Refusal::InvalidField);
    }
    match &push.op {
        PushOp::Delete | PushOp::OfferDelete => Ok(plan_delete(push, pusher, record, context)),
        PushOp::Set(set) | PushOp::Offer(set) => {
            plan_set((push, set, before), kind, pusher, record, context)
        }
    }
}

/// The value as it is whether or not its field is declared: the value of a name that the schema does
/// not have is JSON. A push that is repeated after a change of the schema is still the same.
fn undeclared(value: &Value) -> Cow<'_, Value> {
    let Value::Json(json) = value else { return Cow::Borrowed(value) };
    let known = match json.as_str() {
        "true" => Some(Value::Flag(true)),
        "false" => Some(Value::Flag(false)),
        text if text.starts_with('"') => serde_json::from_str(text).ok().map(Value::Text),
        _ => None,
    };
    known.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// Whether a device can name `base` for a record of this version. Numbers above the record's own
/// are from another life, which skipped some. A wrong number must not use up all numbers that are
/// left.
pub(crate) fn is_possible_base(base: Option<Version>, version: Version) -> bool {
    let Some(base) = base else { return true };
    let above = base.saturating_sub(version);
    above == 0 || (above <= limits::VERSION_AHEAD && base <= limits::VERSION_CLAIMED)
}

fn plan_set(
    (push, set, before): (&Push, &BTreeMap<String, Value>, &[&Push]),
    kind: &Arc<Kind>,
    pusher: &mut Pusher<'_>,
    record: Option<&Record>,
    context: MergeContext,
) -> Result<Option<Edit>, Refusal> {
    set.iter().try_for_each(|(name, value)| check_field(kind, name, value))?;
    let is_missing = kind.missing(|name| set.contains_key(name)).is_some();
    // A part of a record is no record. A device that had the record sends the whole, without a
    // base.
    if record.is_none() && push.base.is_some() && (is_missing || !kind.has_mandatory()) {
        return Err(Refusal::BaseGone);
    }
    if push.missing(kind, set, record).is_some() {
        return Err(Refusal::InvalidField);
    }
    let device = Some(pusher.device.to_owned());
    let is_offer = matches!(push.op, PushOp::Offer(_));
    let is_foreign = |base: Version| {
        pusher.life == Life::Other
            || record.is_some_and(|record| record.version < base || record.meta.is_foreign(base))
    };
    let other_life = is_offer || push.base.is_some_and(is_foreign);
    let mut changes = Vec::new();
    let (mut seen, mut claims) = (Vec::new(), Vec::new());
    for mut unit in units_of(push, device.as_deref(), (kind, set), context.now) {
        let (name, claimed_at) = (unit.name, unit.claimed_at);
        let hash = unit.identity;
        let is_seen = record.is_some_and(|record| record.meta.has_seen(hash, context.oldest));
        let of = Claim::of(device.as_deref(), name);
        let claim = Claim { of, base: push.base, claimed_at, at: context.now };
        let (against, doubt) = match record {
            None => (Against::Unmoved, Doubt::None),
            Some(_) if other_life => (without_base(context), Doubt::None),
            Some(record) => against(record, name, (claim, &unit.value), pusher, context),
        };
        if push.base.is_none() && unit.parts.is_some() {
            // What its device set before is the rest of a group. Otherwise the push is the whole
            // record, so a field that it leaves out is empty.
            let own = record.filter(|_| against == Against::Unmoved);
            let own = own.and_then(|record| record.content.as_ref()).map(|own| own.unit(name));
            let rest = own.unwrap_or_else(|| push.whole(kind, set, context.now).unit(name));
            unit.complete(kind, &rest);
        }
        let value = &unit.value;
        let is_known = record.is_some_and(|record| {
            push.base.is_none() && is_copy(record, name, value, claim, is_offer)
        });
        pusher.tell((push.key, kind), name, claimed_at, value);
        if is_seen {
            continue;
        }
        if is_known {
            crate::mark::hit!(copy_without_a_base_is_no_edit);
            // It may come again when the record has another value. Its time alone could not
            // identify it then.
            let is_told_by_time = unit.is_timed && claimed_at <= context.now;
            let is_there = record.is_some_and(|record| record.content.is_some());
            seen.extend((is_there && !is_told_by_time).then_some(hash));
            continue;
        }
        seen.push(hash);
        let edited_at = claimed_at.min(context.now);
        claims.extend((unit.is_timed && !other_life).then_some(claim));
        let is_counter = kind.unit(name).field_type() == Some(&FieldType::Counter);
        let is_on = match record.filter(|_| !other_life) {
            Some(record) if is_counter => has_counted_before(record, of, context.now),
            record => record.is_some() && matches!(against, Against::Moved(_)),
        };
        let on = is_on.then(|| before_it(kind, name, before)).flatten();
        let (name, value, parts) = (name.to_owned(), unit.value, unit.parts);
        changes.push(Change { name, value, parts, edited_at, claimed_at, against, on, doubt });
    }
    if changes.is_empty() && seen.is_empty() && record.is_some() {
        return Ok(None);
    }
    let knows_delete = !other_life
        && record.is_some_and(|record| {
            record.content.is_none() && push.base.is_some_and(|base| record.version <= base)
        });
    Ok(Some(Edit {
        device,
        base: push.base,
        changes,
        whole: Some(push.whole(kind, set, context.now)),
        created: Some(push.created(set, context.now)),
        reason: other_life.then_some(Reason::OtherLife),
        above: push.base.filter(|base| record.is_none_or(|record| record.version < *base)),
        seen,
        claims,
        knows_delete,
        ..Edit::default()
    }))
}

/// The value that the latest of these pushes gave to a field: the user edited that value.
/// Otherwise, if one push added something and the next removed it, a merge with the base would
/// bring it back.
fn before_it(kind: &Kind, name: &str, before: &[&Push]) -> Option<Value> {
    let field = kind.group_named(name).is_none().then(|| kind.named(name))?;
    let sets = before.iter().map_while(|push| match &push.op {
        PushOp::Set(set) => Some(set),
        _ => None,
    });
    let value = sets.filter_map(|set| set.get(name)).next()?;
    Some(field.normal(value.clone()))
}

/// Whether the record remembers a count of the device from an earlier request.
///
/// If it does not, another device may have brought back what the device has counted. Then the
/// record's count is no count of another installation, to which this one is added.
fn has_counted_before(record: &Record, of: u64, now: UnixMillis) -> bool {
    record.meta.claims.iter().any(|old| old.of == of && old.at < now)
}

/// What a push sets in one unit.
#[derive(Clone)]
struct SetUnit<'a> {
    name: &'a str,
    value: Value,
    /// For a group that was not pushed as a whole, the fields that were pushed.
    parts: Option<BTreeMap<String, Value>>,
    /// When the latest of its fields was edited.
    claimed_at: UnixMillis,
    is_timed: bool,
    /// A repeat has the same identity only if all of its fields are the same.
    identity: u64,
}

fn units_of<'a>(
    push: &Push,
    device: Option<&str>,
    (kind, set): (&'a Kind, &'a BTreeMap<String, Value>),
    now: UnixMillis,
) -> Vec<SetUnit<'a>> {
    let mut units: Vec<SetUnit<'a>> = Vec::with_capacity(set.len());
    for (field, value) in set.iter().filter(|(name, _)| is_weighed(kind, name)) {
        let claimed_at = push.time_of(field, now);
        let identity = push.identity(device, claimed_at, field, value);
        let value = kind.named(field).normal(value.clone());
        let name = kind.unit_of(field);
        let is_timed = push.is_timed(field);
        let unit = SetUnit { name, value, parts: None, claimed_at, is_timed, identity };
        let known = units.iter_mut().find(|known| known.name == name);
        match known {
            Some(known) => known.add(field, unit),
            None if kind.group_named(name).is_none() => units.push(unit),
            None => {
                let mut group = SetUnit { value: Value::Null, identity: 0, ..unit.clone() };
                group.add(field, unit);
                units.push(group);
            }
        }
    }
    units
}

impl SetUnit<'_> {
    /// Adds a field of the group.
    fn add(&mut self, field: &str, part: SetUnit<'_>) {
        self.claimed_at = self.claimed_at.max(part.claimed_at);
        self.is_timed |= part.is_timed;
        let both = [self.identity.to_be_bytes(), part.identity.to_be_bytes()];
        self.identity = Digest::of(both.iter().map(<[u8; 8]>::as_slice)).short();
        self.parts.get_or_insert_default().insert(field.to_owned(), part.value);
    }

    /// Makes the value of a group whole. What was not pushed is as in `rest`.
    fn complete(&mut self, kind: &Kind, rest: &Value) {
        let parts = self.parts.take();
        if let Some((group, parts)) = kind.group_named(self.name).zip(parts) {
            self.value = group.completed(&parts, rest);
        }
    }
}

/// Whether a value that is pushed without a base is a copy: the record has this value, or had it at
/// the claimed edit time. Then the device's user has edited nothing.
fn is_copy(record: &Record, name: &str, value: &Value, claim: Claim, is_offer: bool) -> bool {
    let is_counter = record.unit(name).field_type() == Some(&FieldType::Counter);
    // Unless it set the field before: then its user goes back to an older value.
    let is_edited = || {
        let mut claims = record.meta.claims.iter().filter(|old| old.of == claim.of);
        // A device whose clock is behind may have counted to the same number.
        claims.any(|old| {
            old.claimed_at < claim.claimed_at || (is_counter && old.claimed_at != claim.claimed_at)
        })
    };
    let is_current = record.content.as_ref().is_some_and(|content| content.unit(name) == *value);
    if is_current {
        return is_offer || !is_edited();
    }
    if !is_offer && is_edited() {
        return false;
    }
    let hash = record.unit(name).hash(value);
    let is_last = record.content.is_none()
        && claim.claimed_at <= record.modified_at
        && record.hash(name) == hash
        && 0 < record.meta.last_version;
    let past = record.meta.past.get(name).map(Vec::as_slice).unwrap_or_default();
    let is_own = || record.meta.claims.iter().any(|old| old.of == claim.of);
    let is_past = |past: &Past| {
        past.hash == hash && claim.claimed_at <= past.until && (!past.is_gone || is_own())
    };
    is_last || past.iter().any(is_past)
}

/// What is known of a field if the push is of another life of the account.
fn without_base(context: MergeContext) -> Against {
    match context.other_life {
        OtherLife::Merged => Against::Moved(Vec::new()),
        OtherLife::Discarded => Against::Outdated,
    }
}

/// What the server did to a field since the named base, and whether the value that the push
/// replaces may be another installation's.
fn against(
    record: &Record,
    name: &str,
    (claim, value): (Claim, &Value),
    pusher: &Pusher<'_>,
    context: MergeContext,
) -> (Against, Doubt) {
    let sure = |against| (against, Doubt::None);
    let mut doubt = Doubt::None;
    let is_counter = record.unit(name).field_type() == Some(&FieldType::Counter);
    if record.meta.is_overtaken(&claim, context.oldest) {
        crate::mark::hit!(late_change_loses_to_a_newer_one_that_changed_nothing);
        // The clocks of two installations do not show what either has counted.
        let doubt = if is_counter { Doubt::Replaced } else { Doubt::None };
        return (Against::Outdated, doubt);
    }
    if is_of_deleted(record, pusher.device, claim, context) {
        crate::mark::hit!(late_change_does_not_undo_its_devices_newer_delete);
        return sure(Against::Outdated);
    }
    let touch = record.meta.touch(name);
    let past = claim.base.map(|base| record.meta.at_version(name, base));
    if matches!(past, Some(AtVersion::Current)) {
        return sure(Against::Unmoved);
    }
    let is_own = touch.device.as_deref() == Some(pusher.device);
    if is_counter {
        doubt = pusher.counted(record, name, (&claim, value));
        if is_own && matches!(doubt, Doubt::Own | Doubt::Replaced) {
            return (Against::Unmoved, doubt);
        }
    }
    // The value is this device's own, as it pushed it. The times that the device claims show which
    // change came first. With clamped times, a late request from a clock that is ahead would look
    // like the newest.
    if is_own && !is_counter {
        if claim.claimed_at < touch.claimed_at && !pusher.is_unsaid(record, name, touch) {
            crate::mark::hit!(late_change_of_one_device_loses_to_its_newer);
            return sure(Against::Outdated);
        }
        match pusher.own(record, name, touch) {
            Own::Told => {
                crate::mark::hit!(later_change_of_one_device_replaces_its_earlier);
                return sure(Against::Unmoved);
            }
            Own::Unsure => {
                crate::mark::hit!(later_change_of_one_name_keeps_the_earlier_aside);
                return (Against::Unmoved, Doubt::Replaced);
            }
            Own::Elsewhere => {
                crate::mark::hit!(change_of_another_installation_is_another_devices);
                doubt = Doubt::Apart;
            }
        }
    }
    let against = match past {
        None => Against::Moved(Vec::new()),
        Some(AtVersion::Past { until, .. }) if until < context.oldest => Against::Gone,
        Some(AtVersion::Past { last_version, .. }) => {
            let key = HistoryKey { key: record.key(), version: last_version, side: 0 };
            Against::Moved(vec![key])
        }
        Some(AtVersion::Current | AtVersion::Unknown) => Against::Gone,
    };
    (against, doubt)
}

/// What the server did to a field since the version that a person saw before asking for a value.
pub(crate) fn since(
    record: &Record,
    name: &str,
    base: Option<Version>,
    context: MergeContext,
) -> Against {
    match base.map(|base| record.meta.at_version(name, base)) {
        None | Some(AtVersion::Current) => Against::Unmoved,
        Some(AtVersion::Past { until, last_version, .. }) if context.oldest <= until => {
            let key = HistoryKey { key: record.key(), version: last_version, side: 0 };
            Against::Moved(vec![key])
        }
        Some(AtVersion::Past { .. } | AtVersion::Unknown) => Against::Moved(Vec::new()),
    }
}

/// Whether two values of a field compete. The creation time of a record does not: the first one
/// stays, and no trace of another one is kept.
fn is_weighed(kind: &Kind, name: &str) -> bool {
    let field = kind.named(name);
    field.policy() != Merge::Fixed || !field.is_edit_time()
}

/// Checks a value for a field.
pub(crate) fn check_field(kind: &Kind, name: &str, value: &Value) -> Result<(), Refusal> {
    let field = kind.named(name);
    if !field.is_declared() && kind.reserved_key(name).is_some() {
        return Err(Refusal::InvalidField);
    }
    if limits::UNKNOWN_KEY_BYTES < name.len() {
        return Err(Refusal::TooLarge);
    }
    field.check(value).map_err(Refusal::from)
}

impl Push {
    /// Whether this server can have given its base to a record of this version.
    pub(crate) fn has_possible_base(&self, version: Option<Version>) -> bool {
        match version {
            Some(version) => is_possible_base(self.base, version),
            // It may be of another life.
            None => self.base.is_none_or(|base| base <= limits::VERSION_CLAIMED),
        }
    }

    /// Returns the first field that cannot be accepted or is missing, the refusal, and a text for
    /// people that says what is wrong with it.
    pub(crate) fn flaw(&self, schema: &Schema) -> Option<(String, Refusal, Cow<'static, str>)> {
        let (PushOp::Set(set) | PushOp::Offer(set)) = &self.op else { return None };
        let kind = schema.kind(self.key.kind)?;
        let refused = set.iter().find_map(|(name, value)| {
            let refusal = check_field(kind, name, value).err()?;
            let field = kind.named(name);
            let what = match refusal {
                Refusal::TooLarge => Cow::Borrowed("is too large"),
                _ if !field.is_declared() => Cow::Borrowed("is not content and cannot be set"),
                _ if value.is_null() => Cow::Borrowed("cannot be cleared"),
                _ if field.is_absent(value) => Cow::Borrowed("cannot be empty"),
                _ => field.expectation(),
            };
            Some((name.clone(), refusal, what))
        });
        refused.or_else(|| {
            let name = self.missing(kind, set, None)?.name().to_owned();
            Some((name, Refusal::InvalidField, Cow::Borrowed("is missing")))
        })
    }

    /// Returns the first mandatory field that the push has to set and does not.
    ///
    /// A creation sets all of them. A push without a base for an existing record is an edit, often
    /// the second one of a device that has seen no reply to the first. But a group is whole: if
    /// such a push sets a part of a group, it sets the group's mandatory fields.
    fn missing<'k>(
        &self,
        kind: &'k Kind,
        set: &BTreeMap<String, Value>,
        record: Option<&Record>,
    ) -> Option<&'k Field> {
        let is_there =
            record.is_some_and(|record| record.content.is_some() || 0 < record.meta.last_version);
        let is_set = |name: &str| set.contains_key(name);
        let is_asked = |name: &str| match kind.group_named(kind.unit_of(name)) {
            Some(group) if is_there => group.fields().any(is_set),
            _ => !is_there,
        };
        let missing = kind.missing(|name| is_set(name) || !is_asked(name));
        missing.filter(|_| self.base.is_none())
    }

    /// Whether it sets too few fields to be a whole record.
    pub(crate) fn is_part(&self, kind: &Kind) -> bool {
        let (PushOp::Set(set) | PushOp::Offer(set)) = &self.op else { return false };
        kind.missing(|name| set.contains_key(name)).is_some()
    }

    pub(crate) fn time_of(&self, name: &str, now: UnixMillis) -> UnixMillis {
        match &self.edited_at {
            EditTimes::One(at) => *at,
            // A delete, or a record that has only defaults, concerns no single field.
            EditTimes::PerField(times) if name.is_empty() => {
                times.values().max().copied().unwrap_or(now)
            }
            EditTimes::PerField(times) => times.get(name).copied().unwrap_or(now),
            EditTimes::Unknown => now,
        }
    }

    /// Whether the device says when it edited the field.
    pub(crate) fn is_timed(&self, name: &str) -> bool {
        match &self.edited_at {
            EditTimes::One(_) => true,
            EditTimes::PerField(times) if name.is_empty() => !times.is_empty(),
            EditTimes::PerField(times) => times.contains_key(name),
            EditTimes::Unknown => false,
        }
    }

    /// The hash that identifies a change.
    pub(crate) fn identity(
        &self,
        device: Option<&str>,
        claimed_at: UnixMillis,
        name: &str,
        value: &Value,
    ) -> u64 {
        // The server's own time would differ when the push comes again.
        let time = match self.is_timed(name) {
            true => claimed_at.0.to_string(),
            false => String::new(),
        };
        let text = format!("{}\0{:?}\0{time}\0{name}\0", device.unwrap_or_default(), self.base);
        let value = undeclared(value);
        let (tag, bytes) = value.canonical();
        Digest::of([text.as_bytes(), &[tag], bytes]).short()
    }

    /// When the record that this push makes was created, and the time that the device claims for
    /// it.
    fn created(&self, set: &BTreeMap<String, Value>, now: UnixMillis) -> (UnixMillis, UnixMillis) {
        let times = set.keys().map(|name| self.time_of(name, now));
        // A record with only defaults has the time of the push, as a delete has.
        let claimed_at = times.max().unwrap_or_else(|| self.time_of("", now));
        (claimed_at.min(now), claimed_at)
    }

    /// The record that this push makes if there is none.
    fn whole(&self, kind: &Arc<Kind>, set: &BTreeMap<String, Value>, now: UnixMillis) -> Content {
        let (edited_at, _) = self.created(set, now);
        let mut content = Content::new(kind, edited_at);
        for (name, value) in set {
            content.set(name, value.clone());
        }
        content.fill();
        content
    }
}
