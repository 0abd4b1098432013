//! Whether a push did what the contract says, and nothing else.
//!
//! # The question
//!
//! A phone pushed a piece. Before, the server had a value with some edits in it (*ours*). The phone
//! sends a value with others (*theirs*). Afterwards the server has a third. Which results are
//! right? For each aspect that follows from three sets of edits:
//!
//! | the push has a new edit | ours has one that the push has not seen | what is right |
//! |---|---|---|
//! | no | any | the server's value stays |
//! | yes | no | the pushed value is stored |
//! | yes | yes | either may win; the other must leave a trace ([`traces`](crate::traces)) |
//!
//! A long text may also be made of both. In no case may a value appear that nobody typed.
//!
//! # Where less can be required
//!
//! The protocol does not name devices or edits, so a server cannot always know the base. [`Leeway`]
//! says where. The judge first decides strictly. If something would be wrong then, but is excused,
//! it marks the aspect with an edit of nobody, so that later checks do not build on it.

use super::content::{
    ASPECTS, Content, FIELDS, Val, aspect_name, is_in_form, is_long, is_unchanged,
};
use super::guest::extra_of;
use super::ledger::{KnownPush, Ledger, Stored, Track};
use super::leeway::{Leeway, delivery, known_push, leeway};
use super::lines;
use super::phone::{LocalPiece, Request};
use super::words::marks;
use haumana_sync::id::RecordId;

/// Something that must not happen.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The piece, if it is about one.
    pub piece: Option<RecordId>,
    /// What happened.
    pub text: String,
}

impl Violation {
    /// Makes one about a piece.
    pub fn of(piece: RecordId, text: impl Into<String>) -> Self {
        Self { piece: Some(piece), text: text.into() }
    }

    /// Makes one that is not about a piece.
    pub fn general(text: impl Into<String>) -> Self {
        Self { piece: None, text: text.into() }
    }
}

/// How many edits of one aspect users make at most. The other bits are for edits of nobody.
///
/// After that many edits the model stops following the aspect, and users no longer edit it.
pub const TYPED_EDITS: usize = 112;

/// The delivery of pushes that have no relation to other pushes.
///
/// No number has it, since a delivery has 52 bits.
const NO_DELIVERY: u64 = u64::MAX;

/// The result of a check, or a violation.
///
/// An `Err` ends the run, and its story is printed.
pub type Checked<T = ()> = Result<T, Violation>;

/// The circumstances of a push.
///
/// The same for all pieces of one request.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The true time.
    pub now_ms: i64,
    /// The life of the server.
    pub life: u32,
    /// How long the server keeps history.
    pub retention_ms: i64,
    /// Whether the lyrics are followed line by line.
    pub by_line: bool,
    /// Whether the server said that it accepted the push, or must have accepted it.
    pub is_taken: bool,
    /// Whether the request carries a number whose delivery has ended: then it comes from a copy.
    pub is_copy: bool,
    /// Whether phones are set up from backups of others.
    pub has_copies: bool,
    /// Whether a push may have been accepted in parts.
    pub in_parts: bool,
}

/// Judges one pushed piece, and updates the ledger.
///
/// It is called once for each piece of a request that the store has, with the record as it is after
/// the call. It checks in order: the version, then deletes, then `createdAt` and unknown keys, then
/// lines, then each aspect. Then the ledger learns what the server knows from now on.
///
/// # Errors
///
/// If an edit was lost, or something was overwritten by a value that is no edit.
pub fn judge(
    ledger: &mut Ledger,
    sent: &LocalPiece,
    request: &Request,
    after: &Stored,
    setting: Setting,
) -> Checked {
    let id = sent.id;
    let is_new = !ledger.tracks.contains_key(&id);
    let mut track = ledger.tracks.remove(&id).unwrap_or_default();
    track.travelled |= is_new && ledger.forgotten.contains(&id);
    let before = track.last.clone();
    let was_deleted = !is_new && track.content.is_none();
    let has_changed = track.raw != after.raw || track.k != after.k;
    if !has_changed && !setting.is_taken {
        track.update(after, setting.life);
        ledger.tracks.insert(id, track);
        return Ok(());
    }
    check_version(&track, sent, after, setting)?;
    let leeway = leeway(&track, sent, request, setting);
    let Some((content, created)) = track.read(after) else {
        check_stays_deleted(&track, sent, was_deleted, leeway)?;
        track.pushes.push(known_push(sent, request, setting.now_ms));
        track.update(after, setting.life);
        ledger.tracks.insert(id, track);
        return Ok(());
    };
    let news = (0..ASPECTS).any(|aspect| is_news(&track, sent, aspect));
    let held = track.held(sent);
    // A value that differs from the version that its number names is an edit, no matter who has
    // seen it (rule 3).
    let differs = held.is_some_and(|held| {
        let (ours, theirs) = (&sent.content, &held.content);
        (0..FIELDS.len()).any(|at| !is_unchanged(at, &ours.0[at], &theirs.0[at]))
    });
    if was_deleted && !news && !differs && !leeway.any && !leeway.stay {
        return Err(Violation::of(id, "what is no edit brought a deleted piece back"));
    }
    // An edit from a clock that was set back is acknowledged and kept, but this model forgets it.
    // It comes again, as a difference from its version.
    let is_overlooked = was_deleted && !news && differs;
    let is_gone = was_deleted && is_forgotten(&track, setting);
    let is_unknown = is_overlooked || is_gone || (was_deleted && track.blurred);
    let leeway = Leeway { any: leeway.any || is_unknown, ..leeway };
    // The tombstone of a piece that the server never had has no `createdAt`.
    if !is_new && !track.created.is_null() && created != track.created {
        return Err(Violation::of(id, "createdAt changed"));
    }
    // The content of a deleted piece is kept for the retention time. Then only the phone's copy is
    // left.
    let is_as_before = track.raw == after.raw;
    if !is_new && !is_gone && !is_as_before && track.extra != extra_of(&after.raw) {
        return Err(Violation::of(id, "a phone's push changed a key that it does not know"));
    }
    let has_edit = (0..ASPECTS).any(|aspect| is_news(&track, sent, aspect));
    let mut seen = track.seen.clone();
    for aspect in 0..ASPECTS {
        seen.0[aspect] |= sent.seen.0[aspect];
    }
    if let Some(before) = &before {
        check_lines(&track, sent, before, &content, leeway)?;
    }
    for aspect in aspects(setting.by_line) {
        let was = before.as_ref().map(|before| before.aspect(aspect));
        let is = content.aspect(aspect);
        let pushed = sent.content.aspect(aspect);
        let values = (was.as_ref(), &pushed, &is);
        if !(was_deleted && track.blurred) {
            check_aspect(&track, sent, aspect, values, leeway)?;
        }
        let arrived = is == pushed;
        let strictly = match leeway == Leeway::default() && !(was_deleted && track.blurred) {
            true => Ok(()),
            false => check_aspect(&track, sent, aspect, values, Leeway::default()),
        };
        if strictly.is_err() {
            // The other side's edits are undone, and nobody has seen the result.
            let kept = if arrived { &sent.seen } else { &track.seen };
            seen.0[aspect] = kept.0[aspect] | phantom(seen.0[aspect]);
        }
    }
    for aspect in 0..FIELDS.len() {
        if is_news(&track, sent, aspect) && !is_back_at_base(&track, sent, aspect, leeway) {
            let accepted = marks(sent.content.0[aspect].text());
            ledger.owed.extend(accepted.into_iter().map(|mark| (id, mark)));
        }
    }
    // An older push is no edit, whatever its user meant.
    for aspect in (0..ASPECTS).filter(|_| !leeway.older) {
        track.seen.0[aspect] = seen.0[aspect];
    }
    track.tainted |= leeway.any || leeway.stay || leeway.form || leeway.older;
    if leeway.overtaken {
        track.overtaken.insert(delivery(sent.version));
    }
    let is_in_inbox = after.has_lost(&sent.content);
    let push = known_push(sent, request, setting.now_ms);
    // What a copy changes back may be in the inbox alone. The server remembers the push all the
    // same.
    let left_trace = has_changed || track.revision != after.revision;
    let push = KnownPush { left_trace, is_in_inbox, ..push };
    if has_edit || left_trace {
        track.pushes.push(push);
    } else if is_in_inbox && track.pushes.iter().all(|known| known.content != push.content) {
        // It came late and has nothing new. But the server knows its long texts all the same.
        track.pushes.push(KnownPush { delivery: NO_DELIVERY, ..push });
    }
    track.update(after, setting.life);
    ledger.tracks.insert(id, track);
    Ok(())
}

/// Whether the last content of a deleted piece may be gone.
pub(super) fn is_forgotten(track: &Track, setting: Setting) -> bool {
    track.deleted_ms + setting.retention_ms < setting.now_ms
}

/// A push never deletes, and a deleted piece comes back if the push has an edit (G6).
///
/// A deleted piece may stay deleted only if every edit of the push is in its base or in the
/// tombstone.
fn check_stays_deleted(
    track: &Track,
    sent: &LocalPiece,
    was_deleted: bool,
    leeway: Leeway,
) -> Checked {
    if !was_deleted {
        return Err(Violation::of(sent.id, "a push deleted the piece"));
    }
    let base = (sent.version >> 32) as u32;
    let is_acknowledged = track.tombstones.contains(&base);
    let held = track.versions.get(&base).map(|held| &held.content);
    let differs = |from: Option<&Content>, aspect: usize| {
        from.is_none_or(|from| {
            !is_unchanged(aspect, &sent.content.aspect(aspect), &from.aspect(aspect))
        })
    };
    let is_edit = (0..ASPECTS).any(|aspect| {
        is_news(track, sent, aspect)
            && differs(held, aspect)
            && differs(track.last.as_ref(), aspect)
            // A copy that was acknowledged after the delete may be of any version.
            && (!is_acknowledged || track.versions.values().all(|old| differs(Some(&old.content), aspect)))
    });
    if is_edit && !leeway.any && !leeway.stay && !leeway.older && !leeway.form {
        return Err(Violation::of(sent.id, "an edit did not bring a deleted piece back"));
    }
    Ok(())
}

/// The bit of an edit of no user: the next one that is free.
///
/// There are 16 such bits. If all are used, it returns none, and the next check is stricter.
pub(super) fn phantom(seen: u128) -> u128 {
    let bits = (TYPED_EDITS..128).map(|bit| 1 << bit);
    bits.into_iter().find(|bit| seen & bit == 0).unwrap_or(0)
}

/// The followed aspects. If lines are followed, they replace the lyrics.
fn aspects(by_line: bool) -> impl Iterator<Item = usize> {
    let end = if by_line { ASPECTS } else { FIELDS.len() };
    (0..end).filter(move |aspect| !by_line || *aspect != super::content::LYRICS)
}

/// The version rises by one if the content changed, and only then.
///
/// There are two exceptions: in another life each record leaps over the numbers of the earlier
/// life, and a number whose middle part is used up forces a new version.
fn check_version(track: &Track, sent: &LocalPiece, after: &Stored, setting: Setting) -> Checked {
    if after.k < track.k {
        return Err(Violation::of(sent.id, format!("the version fell to {}", after.k)));
    }
    let claimed = (sent.version >> 32) as u32;
    // Each record leaps over the numbers of the earlier life.
    let has_leaped = track.k < claimed || 0 < setting.life;
    let last_n = (sent.version >> 12) % (1 << 20) == (1 << 20) - 1;
    if track.raw == after.raw && after.k != track.k && !has_leaped && !last_n {
        return Err(Violation::of(sent.id, "the version was raised without a change"));
    }
    // A part changes at least one field.
    let most = if setting.in_parts { FIELDS.len() as u32 } else { 1 };
    let is_next = track.k < after.k && after.k <= track.k + most;
    if track.raw != after.raw && !is_next && !has_leaped {
        let text = format!("the version went from {} to {}", track.k, after.k);
        return Err(Violation::of(sent.id, text));
    }
    if after.k <= claimed && track.raw != after.raw {
        return Err(Violation::of(sent.id, "the new version is not above the phone's"));
    }
    Ok(())
}

/// `was` is `None` for a new piece, which must equal the pushed one.
fn check_aspect(
    track: &Track,
    sent: &LocalPiece,
    aspect: usize,
    (was, pushed, is): (Option<&Val>, &Val, &Val),
    leeway: Leeway,
) -> Checked {
    let (theirs, ours) = (sent.seen.0[aspect], track.seen.0[aspect]);
    let wrong = |what: &str| {
        let text = format!(
            "{}: {what}\n  before {was:?} (edits {ours:b})\n  pushed {pushed:?} (edits {theirs:b}), number {:x}{}\n  after  {is:?}",
            aspect_name(aspect),
            sent.version,
            if sent.flagged { ", flagged" } else { "" },
        );
        Err(Violation::of(sent.id, text))
    };
    let Some(was) = was else {
        return if is == pushed { Ok(()) } else { wrong("a new piece is not what was pushed") };
    };
    let (stays, arrives) = (is == was, is == pushed);
    let is_loose = leeway.any || (leeway.form && is_in_form(aspect));
    let is_news = is_news(track, sent, aspect);
    let may_be_meant = may_be_meant(track, sent, aspect, leeway);
    let blends = is_long(aspect) && (is_loose || is_news || leeway.may_return || may_be_meant);
    if !stays && !arrives && !blends {
        return wrong("the result is neither side's value");
    }
    if leeway.older && !leeway.any {
        return if stays { Ok(()) } else { wrong("an older push changed something") };
    }
    let held = track.held(sent);
    let is_rewritten = held.is_some_and(|held| {
        held.seen.0[aspect] & !theirs != 0
            && !is_unchanged(aspect, pushed, &held.content.aspect(aspect))
    });
    let may_return = leeway.may_return && is_return(track, sent, aspect);
    if is_news && stays && leeway.may_be_copy {
        return Ok(());
    }
    if !is_news && (may_return || may_be_meant) && (arrives || is_long(aspect)) {
        return Ok(());
    }
    // A value that a backup had forgotten and a form brings back counts as typed.
    let is_sure = !leeway.any && !leeway.stay && !track.travelled;
    let is_kept_form = leeway.form && is_sure && is_long(aspect) && is_rewritten;
    if is_loose && !is_kept_form {
        return Ok(());
    }
    if !is_news {
        return if stays { Ok(()) } else { wrong("what is no edit overwrote the server's value") };
    }
    if ours & !theirs == 0 {
        // A value that the app counts as equal may stay.
        let is_same = is_unchanged(aspect, pushed, was);
        let is_kept = leeway.copy && is_back_at_base(track, sent, aspect, leeway);
        let may_stay =
            is_same || leeway.stay || is_kept || is_unsent(track, sent, aspect, was, leeway);
        return if arrives || (stays && may_stay) { Ok(()) } else { wrong("an edit was lost") };
    }
    Ok(())
}

/// If the base and both sides have a line equally often, the result has it as often (G16).
fn check_lines(
    track: &Track,
    sent: &LocalPiece,
    before: &Content,
    after: &Content,
    leeway: Leeway,
) -> Checked {
    // If the base is not certain, nothing is known about its lines.
    let Some(base) = track.held(sent).filter(|_| leeway == Leeway::default()) else {
        return Ok(());
    };
    match lines::check_all(&base.content, [before, &sent.content], after) {
        Some(text) => Err(Violation::of(sent.id, text)),
        None => Ok(()),
    }
}

/// Whether the server must take a value for an edit although somebody had seen and replaced it.
///
/// A value that was not sent when a phone was copied, or lost when it arrived, was never in the
/// record. A user who sends it may mean it, and the replaced value is in the inbox. An edit that
/// was undone before it was sent leaves no trace. A copy of the phone from in between may still
/// have that edit.
///
/// It applies only to runs in which phones are copied.
fn may_be_meant(track: &Track, sent: &LocalPiece, aspect: usize, leeway: Leeway) -> bool {
    let is_it = |content: &Content| {
        is_unchanged(aspect, &sent.content.aspect(aspect), &content.aspect(aspect))
    };
    let was_taken = || track.versions.values().any(|known| is_it(&known.content));
    let mut untold = track.pushes.iter().filter(|known| {
        !known.left_trace && known.delivery == delivery(sent.version) && !is_it(&known.content)
    });
    let is_taken_back = |known: &KnownPush| {
        track.base(sent).is_some_and(|base| {
            is_unchanged(aspect, &known.content.aspect(aspect), &base.content.aspect(aspect))
        })
    };
    (leeway.unsent && (leeway.copy || leeway.may_return) && !was_taken())
        || (leeway.untold && untold.any(is_taken_back))
}

/// Whether a phone and its copy both have edits that were not sent when it was copied, and the
/// value `was` comes from the other one. Then the server cannot know that this phone had seen it.
fn is_unsent(track: &Track, sent: &LocalPiece, aspect: usize, was: &Val, leeway: Leeway) -> bool {
    let mut own = track.pushes.iter().filter(|known| known.delivery == delivery(sent.version));
    let is_own = own.any(|known| known.left_trace && known.content.aspect(aspect) == *was);
    let held = track.held(sent).map_or(0, |held| held.seen.0[aspect]);
    let unsent = sent.seen.0[aspect] & track.seen.0[aspect] & !held;
    leeway.unsent && unsent != 0 && (leeway.copy || !is_own)
}

/// Whether a field is the same as in the version that the number names, or the number names none.
fn is_return(track: &Track, sent: &LocalPiece, aspect: usize) -> bool {
    let held = track.held(sent);
    held.is_none_or(|held| {
        is_unchanged(aspect, &sent.content.aspect(aspect), &held.content.aspect(aspect))
    })
}

/// Whether a field was changed back to the value of its base. That is no change (rule 2), and is
/// owed no longer than the base itself.
///
/// For a copy that holds even if its own earlier push was not answered, because nobody can know
/// whose push that was.
pub(super) fn is_back_at_base(
    track: &Track,
    sent: &LocalPiece,
    aspect: usize,
    leeway: Leeway,
) -> bool {
    let of_delivery = delivery(sent.version);
    let is_same = |content: &Content| {
        is_unchanged(aspect, &sent.content.aspect(aspect), &content.aspect(aspect))
    };
    // After a push whose reply was lost, that push is the base.
    let mut pushes = track.pushes.iter().filter(|known| known.delivery == of_delivery);
    let mut is_same_in_pushes = || pushes.all(|known| is_same(&known.content));
    track.base(sent).is_some_and(|base| is_same(&base.content))
        && (leeway.copy || is_same_in_pushes())
}

/// Whether it has an edit that is neither in the server's value nor in the phone's version.
///
/// This is the model's idea of an edit. The server must reach the same result by comparing texts.
pub(super) fn is_news(track: &Track, sent: &LocalPiece, aspect: usize) -> bool {
    let held = track.held(sent);
    let known = track.seen.0[aspect] | held.map_or(0, |held| held.seen.0[aspect]);
    sent.seen.0[aspect] & !known != 0
}
