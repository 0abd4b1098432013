//! A push of a new client as the judge sees it.
//!
//! It joins the push with the answer to it, so that each check asks one thing.

use crate::content::{FIELDS, Val};
use crate::guest::{GuestField, GuestPush, GuestSet};
use crate::ledger::Track;
use crate::watch::Lost;
use haumana_sync::record::Value;
use haumana_sync::repertoire::Piece;
use haumana_sync::time::UnixMillis;

/// A push, and what became of it.
#[derive(Clone, Copy)]
pub(super) struct Pushed<'a> {
    pub(super) push: &'a GuestPush,
    /// Whether it was taken; `None` if nobody heard.
    pub(super) taken: Option<bool>,
    /// Whether the protocol cannot know its base.
    pub(super) is_loose: bool,
    /// Whether nothing can be said of what it meets, not even that it leaves a trace.
    pub(super) is_unknown: bool,
}

impl<'a> Pushed<'a> {
    /// Nothing, if the server refused it.
    pub(super) fn set(&self) -> Option<&'a GuestSet> {
        self.push.set.as_ref().filter(|_| self.taken != Some(false))
    }

    pub(super) fn field(&self, aspect: usize) -> Option<&'a GuestField> {
        self.set()?.fields.iter().find(|field| field.aspect == aspect)
    }

    /// Whether it offers a copy: what it is a copy of was seen by whoever replaced it.
    pub(super) fn is_loose_copy(&self) -> bool {
        self.push.offered && !self.is_loose
    }

    pub(super) fn deletes(&self) -> bool {
        self.push.set.is_none() && self.taken != Some(false)
    }

    /// Everything that its user had seen of a field.
    ///
    /// Base, earlier pushes of the device, and the edit itself.
    pub(super) fn seen(&self, field: &GuestField, track: &Track) -> u128 {
        let base = self.push.base.and_then(|base| track.named(base));
        base.map_or(0, |base| base.seen.0[field.aspect]) | field.own | field.edit.unwrap_or(0)
    }
}

/// Whether the edit is not in what the server had.
pub(super) fn is_news(field: &GuestField, track: &Track) -> bool {
    field.edit.is_some_and(|edit| edit & track.seen.0[field.aspect] == 0)
}

/// Whether the server has had a value that is pushed without a base: such a one is a copy.
pub(super) fn is_copy_of_past(pushed: &Pushed<'_>, field: &GuestField, track: &Track) -> bool {
    let mut contents = track.versions.values().map(|known| &known.content).chain(&track.last);
    let was_there = contents.any(|content| content.aspect(field.aspect) == field.value);
    // What was made and deleted in one request nobody has seen.
    let is_blurred = track.content.is_none() && track.blurred;
    pushed.push.base.is_none() && (was_there || is_blurred)
}

/// Whether the server's value is what a new piece has by itself, and has been so since: nobody
/// chose it, and its own device makes the piece without a base.
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

/// Whether an entry of the inbox holds the value of a pushed field.
pub(super) fn is_of(lost: &Lost, field: &GuestField) -> bool {
    lost.field.as_deref() == Some(FIELDS[field.aspect].0)
        && lost.shown(field.aspect).is_some_and(|value| value == field.value)
}
