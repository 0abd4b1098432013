//! Where the protocol itself cannot know better.
//!
//! # What a number says
//!
//! The app sends one number with each piece, and the server reads three from it:
//!
//! | bits | what |
//! |---|---|
//! | 32 and above | the version that the phone received last: the base |
//! | 12 to 31 | how often that version was sent to phones; with the bits above, the *delivery* |
//! | 0 to 11 | steps: how often the app itself raised the number |
//!
//! Two pushes of one delivery come from one phone, or from a phone and its copy. If they come from
//! one phone, and the reply to the first was lost, the second is based on what the first sent. If
//! the second comes from a copy, it is not. Nothing in the request says which.
//!
//! # What follows
//!
//! If it cannot be known, either reading may be right, and the judge accepts the results of both.
//! It never accepts that a value is gone without a trace, except where a flag here says so.

use super::content::{
    ASPECTS, CATEGORY, Class, Content, FAVORITE, FIELDS, LANGUAGE, PRACTICE, is_long, is_unchanged,
};
use super::judge::Setting;
use super::ledger::{KnownPush, Track};
use super::phone::{LocalPiece, Request};
use haumana_sync::limits;

/// Where the protocol itself cannot know better.
///
/// All `false` is the strict case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leeway {
    /// The base is not known: either side may win anything.
    pub any: bool,
    /// The base may be past its retention: the server's value may stay.
    pub stay: bool,
    /// A form was open too long, or looks like it.
    pub form: bool,
    /// Nothing can be said of its result, for another reason than its life.
    pub unknown: bool,
    /// A push that left no trace, or that came from a clock that was set back, has overtaken it.
    pub overtaken: bool,
    /// It is of another life of the server, which has no base for it.
    pub apart: bool,
    /// The push is older than another one from the same delivery: nothing may change.
    pub older: bool,
    /// The phone is known to be a copy: its base is the version that its number names.
    pub copy: bool,
    /// An earlier push of the delivery may be its own, with a lost reply, or that of the phone of
    /// which it is a copy. A value that it changes back may win.
    pub may_return: bool,
    /// It has edits that another phone sent too. One phone is a copy of the other, made before they
    /// were sent.
    pub unsent: bool,
    /// An earlier push of the delivery had an edit that was undone, and so left no trace.
    pub untold: bool,
    /// It may be a copy. Nobody can tell whether a value that an earlier push of the delivery also
    /// has comes from that push.
    pub may_repeat: bool,
    /// Nothing in it shows that it is not a copy. A value that it changes back may lose.
    pub may_be_copy: bool,
}

/// Returns what the protocol cannot know about a push.
///
/// It reads the ledger before the push is added to it.
pub fn leeway(track: &Track, sent: &LocalPiece, request: &Request, setting: Setting) -> Leeway {
    let push = known_push(sent, request, setting.now_ms);
    let is_issued = (1 << 32) <= sent.version;
    let is_expired = |at_ms: i64| at_ms + setting.retention_ms < setting.now_ms;
    let is_settled = sent.life == Some(setting.life) && request.life == setting.life;
    let of_delivery = || {
        track
            .pushes
            .iter()
            .filter(|known| known.delivery == push.delivery && !is_expired(known.at_ms))
    };
    let is_tie =
        of_delivery().any(|known| known.order == push.order && known.content != push.content);
    let is_overtaken = track.overtaken.contains(&push.delivery)
        || of_delivery().any(|known| {
            push.sent_ms < known.sent_ms && (!known.left_trace || known.order < push.order)
        });
    let is_legacy = !is_issued && sent.synced_secs.is_some();
    // A merged push with a lost reply, of a piece that was deleted since: what the phone holds is
    // in no version, so no number can name it.
    let is_of_tombstone = track.tombstones.contains(&((sent.version >> 32) as u32));
    let lives_apart = track.travelled && !is_settled;
    let open: Vec<&KnownPush> =
        of_delivery().filter(|known| known.left_trace && known.content != push.content).collect();
    let latest = open.iter().max_by_key(|known| known.order);
    let is_known_copy = setting.is_copy
        || open.iter().any(|known| known.ended)
        || latest.is_some_and(|latest| cannot_follow(&push, latest));
    // Nothing is known of what a phone held before it sent a new piece for the first time.
    let is_first = !is_issued && !is_legacy && !open.is_empty();
    let is_open = !is_known_copy && !open.is_empty();
    let is_shown = latest.is_some_and(|latest| shows(track, sent, &latest.content));
    let is_expired = is_expired(sent.given_ms) || is_expired(request.at_ms);
    Leeway {
        copy: is_known_copy,
        may_return: is_open || is_first,
        unsent: setting.has_copies && has_unsent(track, sent),
        untold: setting.has_copies
            && of_delivery().any(|known| !known.left_trace && known.content != push.content),
        may_repeat: setting.has_copies && is_open,
        may_be_copy: (is_open && !is_shown) || (is_first && is_known_copy),
        unknown: is_legacy || is_tie || is_overtaken || is_expired || is_of_tombstone,
        any: is_legacy
            || is_of_tombstone
            || lives_apart
            || is_tie
            || is_overtaken
            || (is_expired && !is_issued),
        // A push that agreed with the server may have left a trace besides the content.
        stay: is_expired || of_delivery().any(|known| push.order < known.order),
        apart: lives_apart,
        overtaken: is_overtaken,
        form: looks_like_old_form(track, sent, setting),
        older: of_delivery().any(|known| known.left_trace && push.order < known.order)
            && !of_delivery().any(|known| known.left_trace && contradicts(&push, known))
            && !is_legacy,
    }
}

/// Whether the server has edits of the push that are not in the version that its number names.
fn has_unsent(track: &Track, sent: &LocalPiece) -> bool {
    let held = |aspect: usize| track.held(sent).map_or(0, |held| held.seen.0[aspect]);
    (0..ASPECTS).any(|aspect| sent.seen.0[aspect] & track.seen.0[aspect] & !held(aspect) != 0)
}

/// Whether fewer steps came with a later time. On one phone both grow together.
///
/// A clock that was set back makes such a pair, too.
fn contradicts(push: &KnownPush, earlier: &KnownPush) -> bool {
    push.order.0 < earlier.order.0 && earlier.order.1 < push.order.1 && earlier.order.1 != i64::MIN
}

/// Whether the phone that made `earlier` cannot have made `push`, because each toggle is a step.
///
/// That proves a copy.
fn cannot_follow(push: &KnownPush, earlier: &KnownPush) -> bool {
    let is_switched = |at: &usize| push.content.0[*at] != earlier.content.0[*at];
    let n_switched = [PRACTICE, FAVORITE].iter().filter(|at| is_switched(at)).count() as u64;
    let steps = push.order.0.saturating_sub(earlier.order.0);
    contradicts(push, earlier) || steps < n_switched
}

/// Whether a push has a text that only `earlier` had. A boolean, a choice or a removed text proves
/// nothing, because two people may do the same (ADR 0018).
///
/// Then the push is based on what `earlier` had sent, so both come from one phone.
fn shows(track: &Track, sent: &LocalPiece, earlier: &Content) -> bool {
    let held = track.base(sent);
    let is_same =
        |at: usize, content: &Content| is_unchanged(at, &sent.content.0[at], &content.0[at]);
    let is_choice = |at: usize| [CATEGORY, LANGUAGE].contains(&at);
    (0..FIELDS.len()).any(|at| {
        FIELDS[at].1 != Class::Flag
            && !is_choice(at)
            && !sent.content.0[at].text().is_empty()
            && is_same(at, earlier)
            && held.is_none_or(|held| !is_same(at, &held.content))
    })
}

/// Whether a long text is that of a version before the phone's version (rule 4), or a text that a
/// phone had pushed before it received that version.
///
/// The server sees an old long text and takes the whole form for old. Then it may take the short
/// fields for old as well.
fn looks_like_old_form(track: &Track, sent: &LocalPiece, setting: Setting) -> bool {
    let base = (sent.version >> 32) as u32;
    let Some(held) = track.versions.get(&base) else { return false };
    let is_old = |aspect: usize| {
        let pushed = &sent.content.0[aspect];
        let equals = |content: &Content| is_unchanged(aspect, pushed, &content.0[aspect]);
        !pushed.text().trim().is_empty()
            && !equals(&held.content)
            && (has_unseen_version(track, base)
                || track.versions.range(..base).any(|(_, old)| equals(&old.content))
                || track.pushed_since(setting.now_ms - setting.retention_ms).any(equals))
    };
    (0..FIELDS.len()).any(|aspect| is_long(aspect) && is_old(aspect))
}

/// Whether one request made several versions up to `base`. The model has not seen those in between.
///
/// It happens if commits are so small that one push is accepted in parts.
fn has_unseen_version(track: &Track, base: u32) -> bool {
    let mut before = 0;
    let mut steps = track.versions.range(..=base).map(|(version, _)| {
        let step = version - before;
        before = *version;
        step
    });
    // A greater step is a leap, with no versions in between.
    steps.any(|step| 1 < step && step <= limits::VERSION_LEAP)
}

/// The delivery that a number names; 0 for numbers that the app made by itself.
pub fn delivery(version: u64) -> u64 {
    if version < 1 << 32 { 0 } else { version >> 12 }
}

/// What the server remembers of a push.
///
/// Steps and edit time order the pushes of one delivery.
pub fn known_push(sent: &LocalPiece, request: &Request, now_ms: i64) -> KnownPush {
    let is_issued = (1 << 32) <= sent.version;
    KnownPush {
        delivery: delivery(sent.version),
        order: (
            if is_issued { sent.version % (1 << 12) } else { sent.version },
            // Without the flag `modifiedAt` is the server's.
            if sent.flagged { sent.modified_ms.div_euclid(1000) } else { i64::MIN },
        ),
        content: sent.content.clone(),
        at_ms: now_ms,
        sent_ms: request.at_ms,
        left_trace: false,
        is_in_inbox: false,
        given: 0,
        ended: false,
    }
}
