//! What the engine keeps beside a record's fields, stored as the envelope's `meta`.

use crate::digest::Digest;
use crate::engine::edit::packed::{self, Packed, step, stepped};
use crate::engine::edit::record::to_json;
use crate::engine::edit::slot::Slot;
use crate::limits;
use crate::merge::element_hash;
use crate::record::{Content, Value};
use crate::schema::elements;
use crate::store::{Generation, Version};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format of content and meta that this code writes.
pub const FORMAT: u16 = 1;

/// The last change of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The version that changed it.
    #[serde(rename = "v")]
    pub version: Version,
    /// The edit time: the claim, clamped to the server's time when it first arrived.
    #[serde(rename = "e")]
    pub edited_at: UnixMillis,
    /// When the device said that it was edited.
    #[serde(rename = "c")]
    pub claimed_at: UnixMillis,
    /// The device that set the current value, if known.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// An earlier value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The version that had set it.
    #[serde(rename = "v")]
    pub version: Version,
    /// Its [`crate::schema::Field::hash`].
    #[serde(rename = "h")]
    pub hash: u64,
    /// When it was superseded.
    #[serde(rename = "t")]
    pub until: UnixMillis,
    /// Whether the commit that set it also superseded it. Then no version holds it, and only the
    /// device that set it ever knew it.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_gone: bool,
}

/// A change of a new client that was seen. It is remembered in case it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Hash of (device, base, edit time, field, value).
    #[serde(rename = "h")]
    pub hash: u64,
    /// When it arrived.
    #[serde(rename = "t")]
    pub at: UnixMillis,
}

/// The newest change of a field that a device sent. It is remembered in case an older one arrives
/// late. It is kept even if the record had that value already, under another device's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Hash of device and field.
    #[serde(rename = "f")]
    pub of: u64,
    /// The version that it was edited on; `None` if the device did not know the record.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Version>,
    /// When the device said that it was edited.
    #[serde(rename = "c")]
    pub claimed_at: UnixMillis,
    /// When it arrived.
    #[serde(rename = "t")]
    pub at: UnixMillis,
}

impl Claim {
    /// Names a field of a device.
    pub fn of(device: Option<&str>, field: &str) -> u64 {
        Digest::of([device.unwrap_or_default().as_bytes(), b"\0", field.as_bytes()]).short()
    }

    /// Names the whole record, for deletes. No device's name contains this byte.
    pub fn of_record(device: Option<&str>) -> u64 {
        Digest::of([device.unwrap_or_default().as_bytes(), b"\xff"]).short()
    }

    /// Whether its device had edited the field again by `newer`, as the device saw it.
    ///
    /// The time alone does not show that. A device that has seen a newer version since has edited
    /// later, whatever its clock said.
    pub fn is_before(&self, newer: &Claim) -> bool {
        let is_on_older = match (self.base, newer.base) {
            (Some(base), Some(newer)) => base <= newer,
            (base, newer) => base == newer,
        };
        self.of == newer.of && is_on_older && self.claimed_at < newer.claimed_at
    }
}

impl Packed for Past {
    type Row = (i64, [u8; 8], i64, bool);

    fn to_row(&self, before: Option<&Self>) -> Self::Row {
        let version = step(self.version.into(), before.map(|past| past.version.into()));
        let until = step(self.until.0, before.map(|past| past.until.0));
        (version, self.hash.to_le_bytes(), until, self.is_gone)
    }

    fn of_row((version, hash, until, is_gone): Self::Row, before: Option<&Self>) -> Option<Self> {
        let version = stepped(version, before.map(|past| past.version.into())).try_into().ok()?;
        let until = UnixMillis(stepped(until, before.map(|past| past.until.0)));
        Some(Self { version, hash: u64::from_le_bytes(hash), until, is_gone })
    }
}

impl Packed for Seen {
    type Row = ([u8; 8], i64);

    fn to_row(&self, before: Option<&Self>) -> Self::Row {
        (self.hash.to_le_bytes(), step(self.at.0, before.map(|seen| seen.at.0)))
    }

    fn of_row((hash, at): Self::Row, before: Option<&Self>) -> Option<Self> {
        let at = UnixMillis(stepped(at, before.map(|seen| seen.at.0)));
        Some(Self { hash: u64::from_le_bytes(hash), at })
    }
}

impl Packed for Claim {
    /// The claimed time is usually near the time of arrival.
    type Row = ([u8; 8], Option<Version>, i64, i64);

    fn to_row(&self, before: Option<&Self>) -> Self::Row {
        let at = step(self.at.0, before.map(|claim| claim.at.0));
        (self.of.to_le_bytes(), self.base, step(self.claimed_at.0, Some(self.at.0)), at)
    }

    fn of_row((of, base, claimed_at, at): Self::Row, before: Option<&Self>) -> Option<Self> {
        let at = stepped(at, before.map(|claim| claim.at.0));
        let claimed_at = UnixMillis(stepped(claimed_at, Some(at)));
        Some(Self { of: u64::from_le_bytes(of), base, claimed_at, at: UnixMillis(at) })
    }
}

/// What the engine keeps beside a record's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// The creation, which touched every field.
    pub created: Touch,
    /// Fields touched since.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub touched: BTreeMap<String, Touch>,
    /// Earlier values of fields, oldest first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", with = "packed::by_name")]
    pub past: BTreeMap<String, Vec<Past>>,
    /// What a dialect keeps.
    #[serde(rename = "receipts", skip_serializing_if = "Slot::is_empty")]
    pub slot: Slot,
    /// Changes of new clients, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "packed")]
    pub seen: Vec<Seen>,
    /// The newest changes of new clients, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "packed")]
    pub claims: Vec<Claim>,
    /// For sets: the elements that were added after the record was made, by hash, with the version
    /// that added them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub adds: BTreeMap<String, BTreeMap<u64, Version>>,
    /// How many sides the history of this record has.
    #[serde(skip_serializing_if = "is_zero")]
    pub sides: u32,
    /// Ranges of versions that this life of the account skipped, because another life may have used
    /// them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<(Version, Version)>,
    /// The generation in which the record was written last.
    pub generation: Generation,
    /// The device that made the current version, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The fields that the current version changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The edit that brought the record back after a delete, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revived: Option<Touch>,
    /// For a tombstone: the hashes of its last content.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub last: BTreeMap<String, u64>,
    /// For a tombstone: the version that holds its last content.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_version: Version,
    /// For a tombstone: its last `createdAt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_created_at: Option<UnixMillis>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What is known of the value of a field at some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtVersion {
    /// It has not changed since.
    Current,
    /// It had this hash until it was superseded. The last version with that value is named.
    Past {
        /// The hash.
        hash: u64,
        /// When it was superseded.
        until: UnixMillis,
        /// The last version that had it.
        last_version: Version,
    },
    /// It has changed since, so long ago that the value is forgotten.
    Unknown,
}

impl Meta {
    /// Returns the last change of the field.
    pub fn touch(&self, name: &str) -> &Touch {
        self.touched.get(name).unwrap_or(&self.created)
    }

    /// Whether this life of the account skipped `version`.
    pub fn is_foreign(&self, version: Version) -> bool {
        self.foreign.iter().any(|(from, to)| (*from..=*to).contains(&version))
    }

    /// If `version` was skipped, returns the last version of the skipped range without a gap.
    pub fn foreign_end(&self, version: Version) -> Option<Version> {
        let ranges = self.foreign.iter().filter(|(from, to)| (*from..=*to).contains(&version));
        ranges.map(|(_, to)| *to).max()
    }

    /// Returns the last version up to `version` that was not skipped. The history has no skipped
    /// versions.
    pub fn written(&self, version: Version) -> Version {
        let mut version = version;
        let skipped = |version: Version| {
            self.foreign.iter().find(|(from, to)| (*from..=*to).contains(&version))
        };
        // Each round goes below a range, so this ends.
        while let Some((from, _)) = skipped(version).filter(|(from, _)| 0 < *from) {
            version = from - 1;
        }
        version
    }

    /// Returns what is known of the field's value at `version`.
    pub fn at_version(&self, name: &str, version: Version) -> AtVersion {
        let current = self.touch(name).version;
        if current <= version {
            return AtVersion::Current;
        }
        let past = self.past.get(name).map(Vec::as_slice).unwrap_or_default();
        let Some(at) = past.iter().rposition(|past| past.version <= version) else {
            return AtVersion::Unknown;
        };
        let next = past.get(at + 1).map_or(current, |next| next.version);
        let last_version = self.written(next - 1);
        AtVersion::Past { hash: past[at].hash, until: past[at].until, last_version }
    }

    /// Returns the version that set the value that the field had at `version`, if it is known.
    pub(crate) fn set_at(&self, name: &str, version: Version) -> Option<Version> {
        let current = self.touch(name).version;
        if current <= version {
            return Some(current);
        }
        let past = self.past.get(name).map(Vec::as_slice).unwrap_or_default();
        past.iter().rev().map(|past| past.version).find(|past| *past <= version)
    }

    /// Remembers the value that a field had, and the new change of the field.
    pub fn supersede(&mut self, name: &str, old_hash: u64, touch: Touch, now: UnixMillis) {
        let version = self.touch(name).version;
        let past = Past { version, hash: old_hash, until: now, is_gone: false };
        let trail = self.past.entry(name.to_owned()).or_default();
        trail.push(past);
        if limits::TRAIL < trail.len() {
            trail.remove(0);
        }
        self.touched.insert(name.to_owned(), touch);
    }

    /// Merges the versions after `found` into one write. The history keeps only the versions in
    /// `kept`.
    ///
    /// A change counts as made in the version right after its base, so that the base is the
    /// previous value of the field. A value that only a dropped version had was on no other device.
    /// So if another device pushes the same value, that is a new edit.
    pub fn fold(&mut self, found: Version, kept: &BTreeSet<Version>) {
        for (name, trail) in &mut self.past {
            let mut end = self.touched.get(name).unwrap_or(&self.created).version;
            for past in trail.iter_mut().rev() {
                if found < past.version && kept.range(past.version..end).next().is_none() {
                    past.is_gone = true;
                }
                end = past.version;
            }
        }
        let made = self.created.version;
        let versions = self.past.values_mut().flatten().map(|past| &mut past.version);
        let touches = self.touched.values_mut().map(|touch| &mut touch.version);
        for version in versions.chain(touches).filter(|version| found < **version) {
            let before = kept.range(..*version).next_back().copied().unwrap_or(found);
            // If the account was begun anew, its records have no version near 1. Devices may hold
            // such versions of the record from before.
            *version = (before.max(found) + 1).max(made);
        }
    }

    /// Returns the elements of a set that were added after `version`.
    pub fn added_since(&self, name: &str, version: Version) -> BTreeMap<u64, Version> {
        let adds = self.adds.get(name).into_iter().flatten();
        adds.filter(|(_, added)| version < **added).map(|(hash, added)| (*hash, *added)).collect()
    }

    /// Remembers which elements `new` has and `old` does not. Forgets those that are gone.
    pub fn note_adds(&mut self, name: &str, old: &Value, new: &Value, version: Version) {
        let hashes = |value: &Value| -> BTreeSet<u64> {
            elements(value).iter().map(|element| element_hash(element)).collect()
        };
        let (old, new) = (hashes(old), hashes(new));
        let adds = self.adds.entry(name.to_owned()).or_default();
        adds.retain(|hash, _| new.contains(hash));
        adds.extend(new.difference(&old).map(|hash| (*hash, version)));
    }

    /// Whether a change with this hash was seen after `oldest`.
    pub fn has_seen(&self, hash: u64, oldest: UnixMillis) -> bool {
        self.seen.iter().any(|seen| seen.hash == hash && oldest <= seen.at)
    }

    /// Whether the device of `claim` has sent a newer change of the field since `oldest`.
    pub fn is_overtaken(&self, claim: &Claim, oldest: UnixMillis) -> bool {
        self.claims.iter().any(|known| oldest <= known.at && claim.is_before(known))
    }

    /// Adds claims. Forgets claims that are older than `oldest`, replaced, or too many.
    pub fn claim(&mut self, claims: &[Claim], oldest: UnixMillis) {
        for claim in claims {
            let is_repeated = |old: &Claim| {
                (old.of, old.base, old.claimed_at) == (claim.of, claim.base, claim.claimed_at)
            };
            self.claims
                .retain(|old| oldest <= old.at && !old.is_before(claim) && !is_repeated(old));
            if !self.is_overtaken(claim, oldest) {
                self.claims.push(*claim);
            }
        }
        let surplus = self.claims.len().saturating_sub(limits::RECEIPTS);
        self.claims.drain(..surplus);
    }

    /// Forgets the oldest entries until the JSON has at most `limit_bytes`: hashes of earlier
    /// values, then changes and claims that may come again. That never loses an edit: a base that
    /// is forgotten counts as past its retention. Returns whether the JSON fits.
    pub fn fit(&mut self, limit_bytes: usize) -> bool {
        loop {
            if to_json(self).len() <= limit_bytes {
                return true;
            }
            let longest = self.past.values().map(Vec::len).max().unwrap_or(0);
            let (seen, claims) = (self.seen.len(), self.claims.len());
            // INVARIANT: each round halves one of the lists, so this ends.
            match longest {
                0 if seen == 0 && claims == 0 => return false,
                0 => {
                    self.seen.drain(..seen.div_ceil(2));
                    self.claims.drain(..claims.div_ceil(2));
                }
                _ => self.past.values_mut().for_each(|trail| {
                    trail.drain(..trail.len().saturating_sub(longest / 2));
                }),
            }
            self.past.retain(|_, trail| !trail.is_empty());
        }
    }

    /// Returns the hashes of the current content, by field.
    pub fn hashes_of(content: &Content) -> BTreeMap<String, u64> {
        let kind = content.kind();
        let hash = |name: &str| (name.to_owned(), kind.unit(name).hash(&content.unit(name)));
        content.names().map(hash).collect()
    }
}
