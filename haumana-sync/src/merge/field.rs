//! One field, changed by a pusher and perhaps by the server's other devices.

use crate::limits;
use crate::record::{FieldClass, Value};
use crate::text::{Later, TextMerge, merge_text};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A value and when it was edited.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The value.
    pub value: &'a Value,
    /// When it was edited: a claim, clamped to the server's time when first seen.
    pub edited_at: UnixMillis,
}

/// What is known of the server's side since the version that the pusher edited.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// The server's value has not changed since.
    Unmoved,
    /// It has; this is the text it had then, where known.
    Moved(Option<&'a str>),
    /// It has, so long ago that the content of the base is past its retention.
    Gone,
    /// The pusher itself has pushed something newer in the meantime.
    Outdated,
}

/// Whose value is in the record after the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// Both had the same.
    Both,
    /// The server's.
    Server,
    /// The pusher's.
    Pushed,
    /// A text with edits of both.
    Blend,
}

/// Why a value lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The other value was edited later.
    LaterEdit,
    /// Two texts changed the same place, and the other one was edited later.
    TextClash,
    /// The record was deleted on one side and edited on the other.
    EditBeatsDelete,
    /// The content of the base is past its retention.
    BaseGone,
    /// It was saved by a form that had been open since an earlier version.
    StaleForm,
    /// Its base belongs to another life of the server.
    OtherLife,
    /// Two records of one session; the earlier made one gives the value.
    EarlierRecord,
}

/// What becomes of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMerge {
    /// The value.
    pub value: Value,
    /// When it counts as edited.
    pub edited_at: UnixMillis,
    /// Where the value comes from.
    pub winner: Winner,
    /// Whose value lost, wholly or in part, and why.
    pub lost: Option<(Winner, Reason)>,
}

/// Decides a field that the pusher changed.
///
/// Swapping the two sides of a [`Base::Moved`] gives the same value: ties of time are broken by
/// value, never by who came first.
pub fn merge_field(
    class: FieldClass,
    base: Base<'_>,
    server: Side<'_>,
    pushed: Side<'_>,
) -> FieldMerge {
    let later = server.edited_at.max(pushed.edited_at);
    let keep = |winner, edited_at, lost| {
        let side = if winner == Winner::Pushed { pushed } else { server };
        FieldMerge { value: side.value.clone(), edited_at, winner, lost }
    };
    if server.value == pushed.value {
        cov_mark::hit!(both_sides_agree);
        return keep(Winner::Both, later, None);
    }
    match base {
        Base::Unmoved => {
            cov_mark::hit!(only_the_pusher_changed_it);
            keep(Winner::Pushed, pushed.edited_at, None)
        }
        Base::Gone => {
            cov_mark::hit!(base_is_past_retention);
            let lost = Some((Winner::Pushed, Reason::BaseGone));
            keep(Winner::Server, server.edited_at, lost)
        }
        Base::Outdated => {
            cov_mark::hit!(outdated_push_is_kept_aside);
            let lost = Some((Winner::Pushed, Reason::LaterEdit));
            keep(Winner::Server, server.edited_at, lost)
        }
        Base::Moved(text) => {
            let pushed_is_later = (server.edited_at, server.value.canonical())
                < (pushed.edited_at, pushed.value.canonical());
            let texts = (text, server.value.as_text(), pushed.value.as_text());
            if let (FieldClass::Long, (Some(base), Some(ours), Some(theirs))) = (class, texts) {
                return merge_long(base, ours, theirs, pushed_is_later, later);
            }
            if pushed_is_later {
                cov_mark::hit!(later_push_wins);
                keep(Winner::Pushed, later, Some((Winner::Server, Reason::LaterEdit)))
            } else {
                cov_mark::hit!(earlier_push_loses);
                keep(Winner::Server, later, Some((Winner::Pushed, Reason::LaterEdit)))
            }
        }
    }
}

fn merge_long(
    base: &str,
    server: &str,
    pushed: &str,
    pushed_is_later: bool,
    edited_at: UnixMillis,
) -> FieldMerge {
    let (later, loser) = if pushed_is_later {
        (Later::Pushed, Winner::Server)
    } else {
        (Later::Server, Winner::Pushed)
    };
    let (text, lost) = match merge_text(base, server, pushed, later, limits::LONG_TEXT_BYTES) {
        TextMerge::Clean(text) => {
            cov_mark::hit!(texts_merge_cleanly);
            (text, None)
        }
        TextMerge::Clash(text) => {
            cov_mark::hit!(texts_clash);
            (text, Some((loser, Reason::TextClash)))
        }
    };
    let winner = match text.as_str() {
        text if text == pushed => Winner::Pushed,
        text if text == server => Winner::Server,
        _ => Winner::Blend,
    };
    FieldMerge { value: Value::Text(text), edited_at, winner, lost }
}
