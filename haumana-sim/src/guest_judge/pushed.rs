//! A push of a new client in the form that the judge needs.
//!
//! It joins the push with its answer, so that each check is about one thing.

use crate::content::{FIELDS, Val};
use crate::guest::{GuestField, GuestPush, GuestSet};
use crate::ledger::Track;
use crate::watch::Lost;
use haumana_sync::record::Value;
use haumana_sync::repertoire::Piece;
use haumana_sync::time::UnixMillis;

/// A push and its outcome.
#[derive(Clone, Copy)]
pub(super) struct Pushed<'a> {
    pub(super) push: &'a GuestPush,
    /// Whether it was accepted; `None` without a reply.
    pub(super) taken: Option<bool>,
    /// Whether the protocol cannot know its base.
    pub(super) is_loose: bool,
    /// Whether nothing can be said about its result, not even that it leaves a trace.
    pub(super) is_unknown: bool,
}

impl<'a> Pushed<'a> {
    /// What it sets; nothing if the server refused it.
    pub(super) fn set(&self) -> Option<&'a GuestSet> {
        self.push.set.as_ref().filter(|_| self.taken != Some(false))
    }

    pub(super) fn field(&self, aspect: usize) -> Option<&'a GuestField> {
        self.set()?.fields.iter().find(|field| field.aspect == aspect)
    }

    /// Whether it offers a copy. The user who replaced the original value had seen it.
    pub(super) fn is_loose_copy(&self) -> bool {
        self.push.offered && !self.is_loose
    }

    pub(super) fn deletes(&self) -> bool {
        self.push.set.is_none() && self.taken != Some(false)
    }

    /// Everything of a field that its user had seen: the base, earlier pushes of the device, and
    /// the edit itself.
    pub(super) fn seen(&self, field: &GuestField, track: &Track) -> u128 {
        let base = self.push.base.and_then(|base| track.named(base));
        base.map_or(0, |base| base.seen.0[field.aspect]) | field.own | field.edit.unwrap_or(0)
    }
}

/// Whether the edit is missing in the server's value.
pub(super) fn is_news(field: &GuestField, track: &Track) -> bool {
    field.edit.is_some_and(|edit| edit & track.seen.0[field.aspect] == 0)
}

/// Whether a value is pushed without a base, but the server has had it. Then it is a copy.
pub(super) fn is_copy_of_past(pushed: &Pushed<'_>, field: &GuestField, track: &Track) -> bool {
    let mut contents = track.versions.values().map(|known| &known.content).chain(&track.last);
    let was_there = contents.any(|content| content.aspect(field.aspect) == field.value);
    // If a value was made and deleted in one request, nobody has seen it.
    let is_blurred = track.content.is_none() && track.blurred;
    pushed.push.base.is_none() && (was_there || is_blurred)
}

/// Whether the server's value is still the default of a new piece. Nobody chose it, and the piece's
/// own device makes the piece without a base.
pub(super) fn is_untouched_default(pushed: &Pushed<'_>, aspect: usize, track: &Track) -> bool {
    let new = Piece::new(UnixMillis(0));
    let default = match new.get(FIELDS[aspect].0) {
        Value::Text(text) => Val::Text(text),
        Value::Flag(flag) => Val::Flag(flag),
        _ => Val::Nil,
    };
    let mut contents = track.versions.values().map(|known| &known.content);
    pushed.push.base.is_none() && contents.all(|content| content.aspect(aspect) == default)
}

/// Whether an entry of the inbox has the value of a pushed field.
pub(super) fn is_of(lost: &Lost, field: &GuestField) -> bool {
    lost.field.as_deref() == Some(FIELDS[field.aspect].0)
        && lost.shown(field.aspect).is_some_and(|value| value == field.value)
}
