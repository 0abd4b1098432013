//! Forms that were open too long: they are saved after a sync has brought something newer. So they
//! revert fields that their user did not want to change.
//!
//! A long text reveals such a form: it is byte for byte what it was before the base, at an older
//! version or in an earlier push. Nobody types a song again to the letter.
//!
//! # An example
//!
//! A form shows version 3. While it is open, a sync brings version 5, with other lyrics. Its user
//! changes the title and saves. The app sends all fields under the number of version 5. By that
//! number, the push would revert the lyrics to version 3. But the lyrics are those of version 3,
//! byte for byte. So version 3 is the base of all of the form's fields, and only the title is an
//! edit.
//!
//! Values that the form would have reverted are reported as `stale_form`.

use crate::base::{AppBase, base_hash, differs, is_in_form};
use crate::keys::{FieldClass, PIECE_FIELDS, field_spec};
use crate::receipts::AppRecord;
use crate::receipts::Receipt;
use crate::versions::{distance, is_retained, record_versions};
use crate::wire::AppPiece;
use haumana_sync::record::Value;
use haumana_sync::store::Version;
use haumana_sync::transaction::{Against, MergeContext};

/// What a form showed when it was opened.
///
/// A form may also show a push whose text became no version, because it was merged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    /// A version.
    Version(Version),
    /// A push of the phone, before the merged result came back.
    Pushed(&'a Receipt),
}

impl<'a> Form<'a> {
    /// Returns it as a base.
    pub(crate) fn base(self) -> AppBase<'a> {
        match self {
            Form::Version(version) => AppBase::Version(version),
            Form::Pushed(receipt) => AppBase::Receipt(receipt),
        }
    }

    /// The version on which it was opened, or that the push became.
    pub(crate) fn version(self) -> Version {
        match self {
            Form::Version(version) => version,
            Form::Pushed(receipt) => receipt.version,
        }
    }

    /// The form for one of its fields: each old text is compared with a version that had it.
    ///
    /// Fields may have changed at different versions, so each field has its own.
    pub(crate) fn of_field(
        self,
        record: &AppRecord,
        push: &AppPiece,
        name: &str,
        base: AppBase<'_>,
        context: MergeContext,
    ) -> Self {
        let old_text = || older_text(record, push, name, held_version(push, base)?, context);
        match self {
            Form::Version(version) => {
                let old_text = old_text();
                Form::Version(old_text.map_or(version, |(first, last)| version.clamp(first, last)))
            }
            // The push had another text than this old one.
            Form::Pushed(_) if self.differs_in(record, push, name) => {
                old_text().map_or(self, |(_, last)| Form::Version(last))
            }
            Form::Pushed(_) => self,
        }
    }

    fn differs_in(self, record: &AppRecord, push: &AppPiece, name: &str) -> bool {
        base_hash(record, self.base(), name)
            .is_none_or(|hash| differs(name, &push.piece.get(name), hash))
    }

    /// In how many fields the form differs from what it showed when it was opened. Switches do not
    /// count, since a form has none.
    ///
    /// The smaller, the likelier.
    fn distance(self, record: &AppRecord, push: &AppPiece) -> usize {
        match self {
            Form::Version(version) => distance(record, push, version, is_in_form),
            Form::Pushed(_) => {
                let names = PIECE_FIELDS.iter().map(|spec| spec.name);
                let of_form = names.filter(|name| push.touches(name) && is_in_form(name));
                of_form.filter(|name| self.differs_in(record, push, name)).count()
            }
        }
    }
}

/// Finds what the form showed when it was opened, if it was open too long. If a version and a push
/// are equally likely, it is the push: the app shows what its user saved last.
///
/// It is `None` in nearly all pushes.
pub(crate) fn stale_form<'a>(
    record: &'a AppRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    changed: &[(String, Against)],
    context: MergeContext,
) -> Option<Form<'a>> {
    let version = stale_version(record, push, base, changed, context).map(Form::Version);
    let pushed = stale_push(record, push, base, changed, context).map(Form::Pushed);
    pushed.into_iter().chain(version).min_by_key(|form| form.distance(record, push))
}

/// Finds the push whose text the form still shows, and which became a version only after a merge.
///
/// Only pushes up to the version that the phone holds can have been shown.
fn stale_push<'a>(
    record: &'a AppRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    changed: &[(String, Against)],
    context: MergeContext,
) -> Option<&'a Receipt> {
    if !push.version.is_issued() {
        return None;
    }
    let held = held_version(push, base)?;
    let long = changed.iter().filter(|(name, _)| field_spec(name).class == FieldClass::Long);
    let texts = long.map(|(name, _)| (name.as_str(), push.piece.get(name)));
    let texts: Vec<(&str, Value)> = texts.filter(|(_, value)| has_words(value)).collect();
    if texts.is_empty() {
        return None;
    }
    let shows = |old: &&Receipt, (name, value): &(&str, Value)| {
        old.diverged.get(*name).is_some_and(|hash| !differs(name, value, *hash))
    };
    let receipts = record
        .receipts
        .iter()
        .filter(|old| context.oldest <= old.at && !old.is_held && old.version <= held);
    let candidates = receipts.filter(|old| texts.iter().any(|text| shows(old, text)));
    // If several are equal, the newest is taken.
    candidates.rev().min_by_key(|old| Form::Pushed(old).distance(record, push))
}

/// Empty texts are too often equal by chance.
fn has_words(value: &Value) -> bool {
    value.as_text().is_some_and(|text| !text.trim().is_empty())
}

/// Finds the version on which a form was opened, if the form was saved after a sync had brought a
/// newer version. Such a form has a long text from before the base.
///
/// The version must have had all of the old texts, if there is such a version. Of several, the one
/// with the fewest differences is taken.
fn stale_version(
    record: &AppRecord,
    push: &AppPiece,
    base: AppBase<'_>,
    changed: &[(String, Against)],
    context: MergeContext,
) -> Option<Version> {
    let base = held_version(push, base)?;
    // The form was opened on a version that had all of its old texts, if there is one.
    let old_texts =
        changed.iter().filter_map(|(name, _)| older_text(record, push, name, base, context));
    let (first, last) = old_texts.reduce(|common, range| {
        let both = (common.0.max(range.0), common.1.min(range.1));
        if both.0 <= both.1 { both } else { common }
    })?;
    let versions = record_versions(record).into_iter().filter(|v| first < *v && *v <= last);
    // If several are equal, the newest is taken: a form is rarely open for long.
    let candidates = versions.chain([first]);
    // The last version with the text is retained as long as the text is.
    let candidates = candidates.filter(|version| is_retained(record, *version, context));
    candidates
        .chain([last])
        .min_by_key(|version| (distance(record, push, *version, is_in_form), u32::MAX - version))
}

/// The version that the phone held when the form was saved. A sync brought it last, perhaps after
/// the form was opened.
fn held_version(push: &AppPiece, base: AppBase<'_>) -> Option<Version> {
    match base {
        AppBase::Version(version) => Some(version),
        AppBase::Receipt(_) if push.version.is_issued() => Some(push.version.version()),
        AppBase::Receipt(_) | AppBase::Unknown => None,
    }
}

/// The versions, first and last, that had the long text of `push` before `base` had another one.
///
/// If the text came and went several times, the last such range counts.
fn older_text(
    record: &AppRecord,
    push: &AppPiece,
    name: &str,
    base: Version,
    context: MergeContext,
) -> Option<(Version, Version)> {
    let spec = field_spec(name);
    if spec.class != FieldClass::Long {
        return None;
    }
    let past = record.meta.past.get(name)?;
    let value = push.piece.get(name);
    if !has_words(&value) {
        return None;
    }
    let hash = spec.app_hash(&value);
    let ends = past.iter().skip(1).map(|next| next.version);
    let ends = ends.chain([record.meta.touch(name).version]);
    let older = past.iter().zip(ends).filter(|(past, end)| {
        // No form was opened on a value that was in no version.
        let is_older = *end <= base && context.oldest <= past.until && !past.is_gone;
        past.hash == hash && is_older
    });
    older.last().map(|(past, end)| (past.version, end.saturating_sub(1)))
}
