//! One field that a device has pushed, and that the server may have changed meanwhile.
//!
//! [`merge_field`] decides every concurrent edit of a field, for each protocol. Before that, the
//! engine finds the base. Afterwards, it writes what lost.

use super::elements::{join_counters, merge_lists, merge_sets};
use super::rank::preference;
use crate::schema::{FieldType, Merge, Unit, elements};
use crate::text::{Later, TextMerge, merge_text};
use crate::time::UnixMillis;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value and when it was edited.
///
/// The value is in its field's normal form: the bytes decide ties, and equal bytes are equal
/// values.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The value.
    pub value: &'a Value,
    /// When it was edited. Devices claim this time; it is clamped to the server's time when it
    /// first arrives.
    pub edited_at: UnixMillis,
}

/// Whether the server's value has changed since the version that the pusher edited.
///
/// The engine finds this out from versions, not from values.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// The server's value has not changed since.
    ///
    /// This is the usual case: the pushed value applies, except under [`Merge::Fixed`].
    Unmoved,
    /// The server's value has changed: the edits were concurrent.
    Moved {
        /// The value of the base, if known.
        value: Option<&'a Value>,
        /// Elements of a set that were added after the base, by hash, with the version that added
        /// them.
        added_since: &'a BTreeMap<u64, u32>,
    },
    /// The server's value has changed, and the content of the base is past its retention.
    ///
    /// A set merges without a base, as the union. Another field with the policy [`Merge::Later`]
    /// keeps the server's value.
    Gone,
    /// The pusher itself has pushed something newer since.
    ///
    /// The push is late: a retry, or a request that was overtaken.
    Outdated,
}

/// Whose value is in the record after the merge.
///
/// [`FieldMerge::lost`] says who lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// Both sides had the same value.
    Both,
    /// The server's value.
    Server,
    /// The pusher's value.
    Pushed,
    /// A value with edits of both sides.
    Blend,
}

/// Why a value lost.
///
/// It is in the history beside the value. People read it as [`Reason::message`]. Its name on the
/// wire is the variant in `snake_case`. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The other value was edited later.
    ///
    /// Devices claim their edit times, so a device whose clock is ahead wins more often. Therefore
    /// the value that lost is in the inbox.
    LaterEdit,
    /// Two texts or lists changed the same place, and the other one was edited later.
    ///
    /// Edits of the losing side that did not clash are in the result, unless they would exceed the
    /// field's limit.
    TextClash,
    /// The record was deleted on one side and edited on the other.
    ///
    /// Under [`Deletes::LoseToEdits`](crate::schema::Deletes::LoseToEdits) the delete lost; under
    /// `Stick` the edit lost.
    EditBeatsDelete,
    /// The content of the base is past its retention.
    ///
    /// The device was offline for longer than the history is kept.
    BaseGone,
    /// A form that had been open since an earlier version saved it.
    ///
    /// Only the dialect of the first app finds this out; its pushes name no fields.
    StaleForm,
    /// Its base belongs to an earlier epoch or generation.
    ///
    /// A backup was restored, or the account was erased or imported.
    OtherLife,
    /// The field's merge policy prefers the other value.
    ///
    /// Such a value is in the history, not in the inbox.
    Policy,
    /// As `Policy`; only in exports of older servers. Of two records of one session, the one that
    /// was made earlier gave the value.
    EarlierRecord,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 8] = [
        Reason::LaterEdit,
        Reason::TextClash,
        Reason::EditBeatsDelete,
        Reason::BaseGone,
        Reason::StaleForm,
        Reason::OtherLife,
        Reason::Policy,
        Reason::EarlierRecord,
    ];

    /// Returns the reason as text for people.
    pub fn message(self) -> &'static str {
        match self {
            Reason::LaterEdit => "The other value was edited later",
            Reason::TextClash => {
                "Both texts changed the same place, and the other one was edited later"
            }
            Reason::EditBeatsDelete => {
                "One device deleted the record and another one edited it; the edit stays"
            }
            Reason::BaseGone => "The content of the base is past its retention",
            Reason::StaleForm => {
                "It was saved by a form that had been open since an earlier version"
            }
            Reason::OtherLife => {
                "Its base is from before a restored backup, an import or an erasure"
            }
            Reason::Policy => "The merge policy of the field prefers the other value",
            Reason::EarlierRecord => "As `policy`; only in exports of older servers",
        }
    }
}

/// The result of merging one field.
///
/// If `lost` is `None`, both edits are in the value, or there was only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMerge {
    /// The value.
    pub value: Value,
    /// The edit time of that value.
    pub edited_at: UnixMillis,
    /// Where the value comes from.
    pub winner: Winner,
    /// Whose value lost, wholly or in part, and why.
    pub lost: Option<(Winner, Reason)>,
}

/// Decides a field that the pusher changed.
///
/// Swapping the two sides of a [`Base::Moved`] gives the same value: ties of time are broken by
/// value, never by who came first. There are two exceptions: under [`Merge::Fixed`] the server's
/// value stays, and `added_since` is about the server's side only.
///
/// The result depends on the arguments alone: there is no clock, no store and no device. So a
/// second implementation can be compared with it case by case; `vectors/` in the repository has
/// such cases.
///
/// ```
/// use haumana_sync::merge::{Base, Reason, Side, Winner, merge_field};
/// use haumana_sync::record::Value;
/// use haumana_sync::schema::{Field, FieldType};
/// use haumana_sync::time::UnixMillis;
/// use std::collections::BTreeMap;
///
/// let title = Field::new(1, "title", FieldType::text(100));
/// let [base, server, pushed] = ["Hula", "Kahiko", "ʻAuana"].map(|text| Value::Text(text.into()));
/// let none = BTreeMap::new();
/// let moved = Base::Moved { value: Some(&base), added_since: &none };
/// let side = |value, at| Side { value, edited_at: UnixMillis(at) };
///
/// let merged = merge_field(&title, moved, side(&server, 1_000), side(&pushed, 2_000));
///
/// assert_eq!((&pushed, Winner::Pushed), (&merged.value, merged.winner));
/// assert_eq!(Some((Winner::Server, Reason::LaterEdit)), merged.lost);
/// ```
pub fn merge_field<'u>(
    unit: impl Into<Unit<'u>>,
    base: Base<'_>,
    server: Side<'_>,
    pushed: Side<'_>,
) -> FieldMerge {
    let field = unit.into();
    let later = server.edited_at.max(pushed.edited_at);
    if server.value == pushed.value {
        crate::mark::hit!(both_sides_agree);
        let edited_at = match field.policy() {
            // The first time at which either side had this value.
            Merge::First => server.edited_at.min(pushed.edited_at),
            _ => later,
        };
        return keep(Winner::Both, server, edited_at, None);
    }
    if field.field_type() == Some(&FieldType::Counter) {
        crate::mark::hit!(counters_are_joined);
        let value = join_counters(server.value, pushed.value);
        return blend(value, later, server, pushed, None);
    }
    if field.policy() == Merge::Fixed {
        crate::mark::hit!(fixed_value_stays);
        return keep(
            Winner::Server,
            server,
            server.edited_at,
            Some((Winner::Pushed, Reason::Policy)),
        );
    }
    match base {
        Base::Unmoved => {
            crate::mark::hit!(only_the_pusher_changed_it);
            keep(Winner::Pushed, pushed, pushed.edited_at, None)
        }
        Base::Outdated => {
            crate::mark::hit!(outdated_push_is_kept_aside);
            let lost = Some((Winner::Pushed, Reason::LaterEdit));
            keep(Winner::Server, server, server.edited_at, lost)
        }
        Base::Gone
            if field.policy().asks()
                && !matches!(field.field_type(), Some(FieldType::Set { .. })) =>
        {
            crate::mark::hit!(base_is_past_retention);
            let lost = Some((Winner::Pushed, Reason::BaseGone));
            keep(Winner::Server, server, server.edited_at, lost)
        }
        Base::Gone => merge_moved(field, None, &BTreeMap::new(), server, pushed),
        Base::Moved { value, added_since } => {
            merge_moved(field, value, added_since, server, pushed)
        }
    }
}

/// Both sides changed it since the base.
fn merge_moved(
    field: Unit<'_>,
    base: Option<&Value>,
    added_since: &BTreeMap<u64, u32>,
    server: Side<'_>,
    pushed: Side<'_>,
) -> FieldMerge {
    let edited_at = server.edited_at.max(pushed.edited_at);
    let sides = ((server.value, server.edited_at), (pushed.value, pushed.edited_at));
    let pushed_is_preferred = preference(field, sides.0, sides.1) == Ordering::Less;
    let (later, loser) = match pushed_is_preferred {
        true => (Later::Pushed, Winner::Server),
        false => (Later::Server, Winner::Pushed),
    };
    match field.field_type() {
        Some(FieldType::Lines { max_bytes }) => {
            // A base text that was absent is an empty one; one that is not found is unknown.
            let base = base.map(|value| value.as_text().unwrap_or_default());
            let texts = (base, server.value.as_text(), pushed.value.as_text());
            if let (Some(base), Some(ours), Some(theirs)) = texts {
                let merge = merge_text(base, ours, theirs, later, *max_bytes);
                return merge_lines(merge, edited_at, server, pushed, loser);
            }
        }
        Some(FieldType::List { max, .. }) => {
            if let Some(base) = base {
                crate::mark::hit!(lists_are_merged);
                let (value, has_clash) = merge_lists(base, server.value, pushed.value, later);
                if elements(&value).len() <= *max {
                    let lost = has_clash.then_some((loser, Reason::TextClash));
                    return blend(value, edited_at, server, pushed, lost);
                }
            }
        }
        Some(FieldType::Set { max, .. }) => {
            crate::mark::hit!(sets_are_merged);
            let (value, has_lost) = merge_sets(base, server.value, pushed.value, added_since);
            if elements(&value).len() <= *max {
                let lost = has_lost.then_some((Winner::Pushed, Reason::LaterEdit));
                return blend(value, edited_at, server, pushed, lost);
            }
        }
        _ => {}
    }
    let reason = if field.policy().asks() { Reason::LaterEdit } else { Reason::Policy };
    let edited_at = match (field.policy(), pushed_is_preferred) {
        // With the time of the loser, a third edit in between would win.
        (Merge::First, true) => pushed.edited_at,
        (Merge::First, false) => server.edited_at,
        _ => edited_at,
    };
    if pushed_is_preferred {
        crate::mark::hit!(later_push_wins);
        keep(Winner::Pushed, pushed, edited_at, Some((Winner::Server, reason)))
    } else {
        crate::mark::hit!(earlier_push_loses);
        keep(Winner::Server, server, edited_at, Some((Winner::Pushed, reason)))
    }
}

fn keep(
    winner: Winner,
    side: Side<'_>,
    edited_at: UnixMillis,
    lost: Option<(Winner, Reason)>,
) -> FieldMerge {
    FieldMerge { value: side.value.clone(), edited_at, winner, lost }
}

fn merge_lines(
    merge: TextMerge,
    edited_at: UnixMillis,
    server: Side<'_>,
    pushed: Side<'_>,
    loser: Winner,
) -> FieldMerge {
    let (text, lost) = match merge {
        TextMerge::Clean(text) => {
            crate::mark::hit!(texts_merge_cleanly);
            (text, None)
        }
        TextMerge::Clash(text) => {
            crate::mark::hit!(texts_clash);
            (text, Some((loser, Reason::TextClash)))
        }
    };
    blend(Value::Text(text), edited_at, server, pushed, lost)
}

/// A value that may have parts of both sides.
fn blend(
    value: Value,
    edited_at: UnixMillis,
    server: Side<'_>,
    pushed: Side<'_>,
    lost: Option<(Winner, Reason)>,
) -> FieldMerge {
    let winner = match &value {
        value if value == pushed.value => Winner::Pushed,
        value if value == server.value => Winner::Server,
        _ => Winner::Blend,
    };
    // A clash may end with all that one side has. Then the other side is the one that lost something,
    // whichever is later.
    let lost = lost.map(|(loser, reason)| match winner {
        Winner::Pushed => (Winner::Server, reason),
        Winner::Server => (Winner::Pushed, reason),
        Winner::Blend | Winner::Both => (loser, reason),
    });
    FieldMerge { value, edited_at, winner, lost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_reason_says_something_else() {
        let messages: BTreeSet<&str> = Reason::ALL.into_iter().map(Reason::message).collect();

        assert_eq!(Reason::ALL.len(), messages.len());
    }
}
