//! What must hold when all devices have synced.
//!
//! # Order of the checks
//!
//! First: devices agree; deletes and edits have met as they must; each edit is in the record or
//! kept; the stored data agrees with itself. Then, for a live record: lines, winners, and parts of
//! lists, sets and counters.
//!
//! # Where it requires less
//!
//! A copy has its original's name until the server notices. Until then nobody can know which of two
//! edits of that name is the later one, so winners are not compared. After a restore several parts
//! have an edit that nobody typed.

use super::client::{LEAST, MOST};
use super::ledger::{Edit, NAME, REST, STAR, Sort, WORDS};
use super::scene::{Device, Scene};
use super::{LYRICS, at_once};
use crate::ledger::everything_of;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

type Checked = Result<(), String>;

fn ensure(holds: bool, text: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(text()) }
}

/// Checks everything.
///
/// It stops at the first fault.
///
/// # Errors
///
/// The first fault.
pub(super) fn look(scene: &Scene) -> Checked {
    let stored = scene.record().ok_or("the record is gone from the store")?;
    let value: Map<String, Json> =
        serde_json::from_str(&stored.raw).map_err(|error| error.to_string())?;
    check_devices(scene, stored.deleted, &value)?;
    check_life(scene, stored.deleted)?;
    check_traces(scene, stored.deleted, &value)?;
    check_stored(scene)?;
    if stored.deleted {
        return Ok(());
    }
    check_lines(scene, text(&value, "lyrics"))?;
    check_winners(scene, &value)?;
    check_parts(scene, &value)
}

fn text<'v>(value: &'v Map<String, Json>, name: &str) -> &'v str {
    value.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// Checks that every client holds the record. Phones are checked whenever they receive a reply.
fn check_devices(scene: &Scene, is_deleted: bool, value: &Map<String, Json>) -> Checked {
    for device in &scene.devices {
        let Device::Client(client) = device else { continue };
        let held = client.value.as_ref();
        let is_same = |held: &Map<String, Json>| {
            value.iter().all(|(name, one)| held.get(name) == Some(one) || name == "createdAt")
        };
        let agrees = held.is_none_or(is_same) && held.is_none() == is_deleted;
        ensure(agrees, || format!("{} holds {held:?}, the server {value:?}", client.id))?;
    }
    Ok(())
}

/// An edit that a delete did not know beats the delete, unless that edit has lost before and is in
/// the inbox. A delete of what its user saw deletes.
///
/// - If a user who saw an edit replaced it, it is not looked for; the replacing edit is.
/// - A restore is an edit of the parts that it changes, and of nothing else. A restored value has
///   lost if it is in the inbox, or if the deleting device had shown just that value, and its user
///   replaced it.
///
/// Each part is decided separately: one edit that the delete did not know is enough to keep the
/// record.
fn check_life(scene: &Scene, is_deleted: bool) -> Checked {
    let ledger = &scene.ledger;
    let Some(delete) = ledger.delete() else {
        return ensure(!is_deleted, || "nobody has deleted the record".to_owned());
    };
    // For two deletes or edits under one device id, a copy's clock decides which one is later.
    if scene.has_copy {
        return Ok(());
    }
    let inbox = inbox(scene)?;
    let unseen = |of: usize| {
        let arrived = ledger.arrived(of).into_iter();
        arrived.filter(move |number| delete.seen[of] >> number & 1 == 0).collect::<Vec<_>>()
    };
    // Other policies ask nobody, so nothing of them is in the inbox.
    let beats = |of: usize, asked: Option<(&str, &str)>| {
        let unseen = unseen(of);
        let has_lost = |number: &usize| match (&ledger.edits[*number], asked) {
            (Edit { sort: Sort::Restore, restored, .. }, _) if !restored[of] => true,
            (_, None) => false,
            (restore @ Edit { sort: Sort::Restore, .. }, Some((_, first))) => {
                inbox.contains(&format!("{first:?}"))
                    || ledger.has_replaced_first(of, delete, restore)
            }
            (_, Some((marks, _))) => {
                marks.chars().all(|mark| inbox.contains(&format!("{mark}{number}")))
            }
        };
        let is_replaced = |number: &usize| {
            let replaces = |later: &Edit| later.seen[of] >> number & 1 == 1 && later.sets(of);
            unseen.iter().any(|later| replaces(&ledger.edits[*later]))
        };
        unseen.iter().any(|number| !is_replaced(number) && !has_lost(number))
    };
    let by_name = beats(NAME, Some(("t", "t")));
    if by_name || beats(WORDS, Some(("mx", LYRICS))) || beats(REST, None) {
        return ensure(!is_deleted, || "a delete beat an edit that it did not know of".to_owned());
    }
    // A star that is toggled twice before a sync is no edit.
    let is_certain = [NAME, WORDS, STAR].into_iter().all(|of| unseen(of).is_empty());
    ensure(is_deleted || !is_certain, || "a delete of what its user saw is undone".to_owned())
}

/// Checks that each edit, unless a user who saw it replaced it, is in the record or in the inbox.
/// If another policy than the later edit decides, or a delete knew of it, the history is enough.
///
/// Marks are letters with the number of the edit: `t` for the short field, `m` and `x` for lines,
/// `f` for the fields of other policies.
fn check_traces(scene: &Scene, is_deleted: bool, value: &Map<String, Json>) -> Checked {
    let ledger = &scene.ledger;
    let everything = at_once(everything_of(&*scene.store, &scene.user, scene.id));
    let inbox = inbox(scene)?;
    for (of, field, marks) in
        [(NAME, "title", "t"), (WORDS, "lyrics", "mx"), (REST, "earliest", "f")]
    {
        for number in ledger.standing(of) {
            if ledger.edits[number].sort == Sort::Restore {
                continue;
            }
            for mark in marks.chars().map(|mark| format!("{mark}{number}")) {
                let is_there = !is_deleted && text(value, field).contains(&mark);
                let is_known =
                    ledger.delete().is_some_and(|delete| delete.seen[of] >> number & 1 == 1);
                let kept = if is_known || of == REST { &everything } else { &inbox };
                ensure(is_there || kept.contains(&mark), || {
                    format!("{mark} is gone without a trace: {value:?}, inbox {inbox}")
                })?;
            }
        }
    }
    Ok(())
}

/// Every value in the inbox, as text.
fn inbox(scene: &Scene) -> Result<String, String> {
    let engine = scene.engine();
    let page = at_once(engine.conflict_page(&scene.user, None, 500, usize::MAX));
    let (conflicts, _) = page.map_err(|error| error.to_string())?;
    let values = conflicts.iter().filter_map(|conflict| conflict.lost.as_ref());
    Ok(values.map(|value| format!("{value:?} ")).collect())
}

/// Checks that the stored data agrees with itself.
fn check_stored(scene: &Scene) -> Checked {
    let verified = at_once(scene.engine().verify(&*scene.store, &scene.user));
    let findings = verified.map_err(|error| error.to_string())?.findings;
    ensure(findings.is_empty(), || format!("what is stored disagrees: {findings:?}"))
}

/// Lines that nobody edits are there once (G16); no line is there twice, and each was typed.
fn check_lines(scene: &Scene, lyrics: &str) -> Checked {
    let lines: Vec<&str> = lyrics.lines().collect();
    let unique: BTreeSet<&str> = lines.iter().copied().collect();
    ensure(unique.len() == lines.len(), || format!("a line is doubled: {lyrics:?}"))?;
    let is_kept = ["a", "b", "d", "e"].iter().all(|line| unique.contains(line));
    ensure(is_kept, || format!("a line that nobody edited is gone: {lyrics:?}"))?;
    let typed = scene.ledger.arrived(WORDS);
    let is_typed = |line: &&str| {
        let number = line.get(1..).and_then(|number| number.parse().ok());
        "abcde".contains(line) || number.is_some_and(|number| typed.contains(&number))
    };
    ensure(lines.iter().all(is_typed), || format!("a line is garbled: {lyrics:?}"))
}

/// Checks that each policy chose the right one of the edits that nobody replaced.
///
/// For "the later edit wins", the claimed time decides, not the order of arrival.
fn check_winners(scene: &Scene, value: &Map<String, Json>) -> Checked {
    let ledger = &scene.ledger;
    ensure(text(value, "fixed") == "once", || "a fixed field has changed".to_owned())?;
    // A copy counts as the device of which it is a copy, and its later edit as that device's.
    if scene.has_copy {
        return Ok(());
    }
    let latest = |of: usize| {
        // A restore is an edit of the parts that it changes, and only of these.
        let standing = ledger.standing(of);
        let is_plain = ledger.is_plain(of) && (standing.len() == 1 || !ledger.has_restore());
        let edit = |number: usize| (number, &ledger.edits[number]);
        let certain = standing.into_iter().map(edit).filter(|_| is_plain);
        certain.max_by_key(|(_, edit)| edit.at_ms)
    };
    let is = |field: &str, wanted: Json| {
        ensure(value.get(field) == Some(&wanted), || {
            format!("{field} is to be {wanted}: {value:?}")
        })
    };
    if let Some((number, Edit { sort, .. })) = latest(NAME) {
        let is_restore = *sort == Sort::Restore;
        is("title", json!(if is_restore { "t".to_owned() } else { format!("t{number}") }))?;
    }
    if let Some((_, edit)) = latest(STAR) {
        is("isFavorite", json!(edit.star))?;
    }
    let standing = ledger.standing(REST);
    if ledger.has_restore() || !ledger.is_plain(REST) || standing.is_empty() {
        return Ok(());
    }
    let values = |of: [i64; 4]| standing.iter().map(move |number| of[number % 4]);
    is("most", json!(values(MOST).max()))?;
    is("least", json!(values(LEAST).min()))?;
    let first = standing.iter().min_by_key(|number| ledger.edits[**number].at_ms);
    is("earliest", json!(first.map(|number| format!("f{number}"))))
}

/// Checks that every added element is there once, and that the counter is right. If two elements
/// were added at one place of a list, one may be in the inbox. A copy may be the device whose reply
/// was lost. Then its edit replaces that device's, and the replaced set is in the inbox.
///
/// A list keeps its order; only its elements are compared here.
fn check_parts(scene: &Scene, value: &Map<String, Json>) -> Checked {
    let ledger = &scene.ledger;
    if ledger.has_restore() || ledger.delete().is_some() {
        return Ok(());
    }
    let (added, inbox) = (ledger.arrived(REST), inbox(scene)?);
    for (field, mark) in [("list", "l"), ("set", "s")] {
        let of_edits = added.iter().map(|number| format!("{mark}{number}"));
        let wanted: BTreeSet<String> = of_edits.chain([mark.to_owned()]).collect();
        let elements = value.get(field).and_then(Json::as_array).cloned().unwrap_or_default();
        let are: BTreeSet<String> =
            elements.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect();
        let may_lose = field == "list" || scene.has_copy;
        let is_kept = |one: &String| may_lose && inbox.contains(one.as_str());
        let is_right = are.is_subset(&wanted)
            && elements.len() == are.len()
            && wanted.difference(&are).all(is_kept);
        ensure(is_right, || format!("{field} is to hold {wanted:?}: {elements:?}, inbox {inbox}"))?;
    }
    let entries = value.get("count").and_then(Json::as_object);
    let sum: u64 = entries
        .iter()
        .flat_map(|entries| entries.values())
        .filter_map(|entry| entry.get(0)?.as_u64())
        .sum();
    // Until a copy learns that it is one, both count under one name.
    let is_right = sum == added.len() as u64 || scene.has_copy;
    ensure(is_right, || format!("{} were counted: {value:?}", added.len()))
}
