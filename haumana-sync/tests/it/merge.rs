//! The laws of the merge: exhaustively on a domain so small that ties are everywhere, and at random
//! on songs with refrains.

use haumana_sync::id::RecordId;
use haumana_sync::json::JsonText;
use haumana_sync::limits;
use haumana_sync::merge::{Base, FieldMerge, Reason, Side, Winner, merge_field};
use haumana_sync::record::{Content, Value};
use haumana_sync::repertoire::{EndedAtSource, Session};
use haumana_sync::schema::{Field, FieldType};
use haumana_sync::time::UnixMillis;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Edit = (Value, i64);

fn values() -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![Value::Null, text(""), text("a"), text("b")]
}

/// Every value at every one of three times.
fn edits() -> Vec<Edit> {
    let at = |value: &Value| (0..3).map(|time| (value.clone(), time)).collect::<Vec<_>>();
    values().iter().flat_map(at).collect()
}

fn merge(field: &Field, base: Base<'_>, server: &Edit, pushed: &Edit) -> FieldMerge {
    let side = |edit: &Edit| UnixMillis(edit.1);
    merge_field(
        field,
        base,
        Side { value: &server.0, edited_at: side(server) },
        Side { value: &pushed.0, edited_at: side(pushed) },
    )
}

fn short(base: Base<'_>, server: &Edit, pushed: &Edit) -> FieldMerge {
    merge(&Field::new(1, "title", FieldType::text(100)), base, server, pushed)
}

/// Both sides changed the field since this value.
pub(crate) fn moved(value: Option<&Value>) -> Base<'_> {
    static NONE: BTreeMap<u64, u32> = BTreeMap::new();
    Base::Moved { value, added_since: &NONE }
}

/// The value that the merge left out, if it left one out.
fn loser(merged: &FieldMerge, server: &Edit, pushed: &Edit) -> Option<Value> {
    let (winner, _) = merged.lost?;
    Some(if winner == Winner::Server { server.0.clone() } else { pushed.0.clone() })
}

#[test]
fn merge_of_short_fields_is_symmetric() {
    for a in edits() {
        for b in edits() {
            let one = short(moved(None), &a, &b);
            let other = short(moved(None), &b, &a);

            assert_eq!((&one.value, one.edited_at), (&other.value, other.edited_at));
            assert_eq!(loser(&one, &a, &b), loser(&other, &b, &a), "{a:?} {b:?}");
        }
    }
}

#[test]
fn merge_of_short_fields_does_not_depend_on_the_order_of_arrival() {
    let edits = edits();
    for a in &edits {
        for b in &edits {
            for c in &edits {
                let orders = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]];
                let ends: Vec<Edit> = orders.into_iter().map(|order| fold(&order).0).collect();

                assert!(ends.iter().all(|end| *end == ends[0]), "{a:?} {b:?} {c:?}: {ends:?}");
            }
        }
    }
}

#[test]
fn merge_of_short_fields_loses_nothing_without_saying_so() {
    let edits = edits();
    for a in &edits {
        for b in &edits {
            for c in &edits {
                let (end, lost) = fold(&[a, b, c]);

                for edit in [a, b, c] {
                    let is_kept = edit.0 == end.0 || lost.contains(&edit.0);
                    assert!(is_kept, "{edit:?} is neither kept nor reported");
                }
            }
        }
    }
}

/// Merges edits of one base in their order of arrival; what is left, and what lost.
fn fold(edits: &[&Edit]) -> (Edit, Vec<Value>) {
    let mut lost = Vec::new();
    let mut server = edits[0].clone();
    for pushed in &edits[1..] {
        let merged = short(moved(None), &server, pushed);
        lost.extend(loser(&merged, &server, pushed));
        server = (merged.value, merged.edited_at.0);
    }
    (server, lost)
}

#[test]
fn what_only_the_pusher_changed_is_taken_whatever_the_clocks_say() {
    cov_mark::check!(only_the_pusher_changed_it);

    let merged = short(Base::Unmoved, &(Value::Null, 9), &(Value::Flag(true), 1));

    assert_eq!((Value::Flag(true), None), (merged.value, merged.lost));
}

#[test]
fn the_same_value_on_both_sides_is_no_conflict_and_keeps_the_later_time() {
    cov_mark::check!(both_sides_agree);

    let merged = short(moved(None), &(Value::Flag(true), 1), &(Value::Flag(true), 5));

    assert_eq!((UnixMillis(5), Winner::Both), (merged.edited_at, merged.winner));
    assert_eq!(None, merged.lost);
}

#[test]
fn the_later_edit_wins_and_the_servers_value_is_reported() {
    cov_mark::check!(later_push_wins);

    let merged = short(moved(None), &(Value::Flag(true), 1), &(Value::Flag(false), 2));

    assert_eq!(Some((Winner::Server, Reason::LaterEdit)), merged.lost);
}

#[test]
fn the_earlier_push_loses_and_is_reported() {
    cov_mark::check!(earlier_push_loses);

    let merged = short(moved(None), &(Value::Flag(true), 2), &(Value::Flag(false), 1));

    assert_eq!(Value::Flag(true), merged.value);
    assert_eq!(Some((Winner::Pushed, Reason::LaterEdit)), merged.lost);
}

#[test]
fn a_push_on_a_base_past_retention_goes_aside() {
    cov_mark::check!(base_is_past_retention);

    let merged = short(Base::Gone, &(Value::Flag(true), 1), &(Value::Flag(false), 9));

    assert_eq!(Value::Flag(true), merged.value);
    assert_eq!(Some((Winner::Pushed, Reason::BaseGone)), merged.lost);
}

#[test]
fn a_push_that_its_own_device_has_outdated_goes_aside() {
    cov_mark::check!(outdated_push_is_kept_aside);

    let merged = short(Base::Outdated, &(Value::Flag(true), 1), &(Value::Flag(false), 9));

    assert_eq!(Value::Flag(true), merged.value);
    assert_eq!(Some((Winner::Pushed, Reason::LaterEdit)), merged.lost);
}

fn long(base: &str, server: (&str, i64), pushed: (&str, i64)) -> FieldMerge {
    let edit = |(text, at): (&str, i64)| (Value::Text(text.to_owned()), at);
    let lyrics = Field::new(1, "lyrics", FieldType::lines(limits::LONG_TEXT_BYTES));
    let base = Value::Text(base.to_owned());
    merge(&lyrics, moved(Some(&base)), &edit(server), &edit(pushed))
}

#[test]
fn different_lines_of_the_lyrics_both_survive() {
    cov_mark::check!(texts_merge_cleanly);
    let base = "Haʻaheo ka ua\ni nā pali\nKe nihi aʻela\ni ka nahele";

    let merged = long(
        base,
        ("Haʻaheo ka ua\ni nā pali\nKe nihi aʻela\ni ka nahele ē", 1),
        ("Haʻaheo ka ua ē\ni nā pali\nKe nihi aʻela\ni ka nahele", 2),
    );

    let both = "Haʻaheo ka ua ē\ni nā pali\nKe nihi aʻela\ni ka nahele ē";
    assert_eq!((Value::Text(both.to_owned()), None), (merged.value, merged.lost));
    assert_eq!(Winner::Blend, merged.winner);
}

#[test]
fn the_same_word_of_the_lyrics_is_a_clash_and_the_later_side_is_shown() {
    cov_mark::check!(texts_clash);

    let merged = long("Aloha ʻoe", ("Aloha kāua", 1), ("Aloha kākou", 2));

    assert_eq!(Value::Text("Aloha kākou".to_owned()), merged.value);
    assert_eq!(Some((Winner::Server, Reason::TextClash)), merged.lost);
}

#[test]
fn a_side_that_a_clash_ends_with_has_lost_nothing() {
    let verse = "Hui e ka pua\n\nNani ka lei aloha o ka lani\n\nHui e ka pua";
    let more = format!("{verse}\n\n");
    let base = "lani\n\nHui e ka pua";

    let of_server = long(base, (&more, 1), (verse, 2));
    let of_pushed = long(base, (verse, 2), (&more, 1));

    let value = Value::Text(more.clone());
    assert_eq!((value.clone(), Winner::Server), (of_server.value, of_server.winner));
    assert_eq!(Some((Winner::Pushed, Reason::TextClash)), of_server.lost);
    assert_eq!((value, Winner::Pushed), (of_pushed.value, of_pushed.winner));
    assert_eq!(Some((Winner::Server, Reason::TextClash)), of_pushed.lost);
}

/// A song: verses with the same refrain after each, as a list of lines.
fn song() -> impl Strategy<Value = Vec<String>> {
    // Few different lines make repeats likely; repeats are where line merges go wrong.
    let verse = prop::collection::vec("[a-c]{1,2}", 1..3);
    (prop::collection::vec(verse, 1..4), "[h-i]", "[h-i]").prop_map(|(verses, hui, hui2)| {
        let with_hui = |verse: Vec<String>| {
            verse.into_iter().chain([String::new(), hui.clone(), hui2.clone(), String::new()])
        };
        verses.into_iter().flat_map(with_hui).collect()
    })
}

/// Edits of a song that a person makes: each inserts, replaces or takes out one line.
fn line_edits() -> impl Strategy<Value = Vec<(u8, usize, String)>> {
    prop::collection::vec((0..3_u8, 0..20_usize, "[a-ch-i]{1,2}|NEW[0-9]"), 0..3)
}

fn edited(song: &[String], edits: &[(u8, usize, String)]) -> String {
    let mut lines = song.to_vec();
    for (what, at, line) in edits {
        let at = at % (lines.len() + 1);
        match what {
            0 => lines.insert(at, line.clone()),
            1 if at < lines.len() => lines[at] = line.clone(),
            _ if at < lines.len() => drop(lines.remove(at)),
            _ => {}
        }
    }
    lines.join("\n")
}

fn copies(text: &str) -> BTreeMap<&str, i64> {
    let mut count = BTreeMap::new();
    for line in text.split('\n') {
        *count.entry(line).or_insert(0) += 1;
    }
    count
}

proptest! {
    #![proptest_config(crate::support::cases(2000))]

    #[test]
    fn merge_of_songs_is_symmetric(song in song(), a in line_edits(), b in line_edits(), tie: bool) {
        let base = song.join("\n");
        let (a, b) = ((edited(&song, &a), 1), (edited(&song, &b), if tie { 1 } else { 2 }));

        let one = long(&base, (&a.0, a.1), (&b.0, b.1));
        let other = long(&base, (&b.0, b.1), (&a.0, a.1));

        prop_assert_eq!(one.value, other.value);
        prop_assert_eq!(one.lost.is_some(), other.lost.is_some());
    }

    #[test]
    fn a_clean_merge_of_songs_has_every_copy_of_a_line_that_either_side_added(
        song in song(), a in line_edits(), b in line_edits(),
    ) {
        let base = song.join("\n");
        let (a, b) = (edited(&song, &a), edited(&song, &b));

        let merged = long(&base, (&a, 1), (&b, 2));

        let (was, result) = (copies(&base), merged.value.as_text().unwrap_or_default().to_owned());
        let is = copies(&result);
        for side in [&a, &b] {
            for (line, n) in copies(side) {
                let added = n - was.get(line).unwrap_or(&0);
                // A copy that the other side took out may be missing; an added one may not.
                let other = if side == &a { copies(&b) } else { copies(&a) };
                let removed = was.get(line).unwrap_or(&0) - other.get(line).unwrap_or(&0);
                let least = n - removed.max(0);
                let has = *is.get(line).unwrap_or(&0);
                let is_fine = added <= 0 || least <= has || merged.lost.is_some();
                prop_assert!(is_fine, "{line:?}: {has} of {least} in {result:?}");
            }
        }
    }

    #[test]
    fn a_side_that_did_not_change_leaves_the_other_to_the_byte(song in song(), a in line_edits()) {
        let base = song.join("\n");
        let a = edited(&song, &a);

        for (server, pushed) in [((&*a, 1), (&*base, 2)), ((&*base, 2), (&*a, 1))] {
            let merged = long(&base, server, pushed);
            prop_assert_eq!((Value::Text(a.clone()), None), (merged.value, merged.lost));
        }
    }
}

/// Sessions that differ in as little as possible.
fn sessions() -> Vec<Session> {
    let sources = [None, Some(EndedAtSource::Estimated), Some(EndedAtSource::Manual)];
    let mut all = Vec::new();
    for created in 0..2 {
        for (piece, key) in [(1, None), (2, Some("1")), (2, Some("2"))] {
            for (at, source) in [None, Some(1), Some(2)]
                .into_iter()
                .flat_map(|at| sources.into_iter().map(move |source| (at, source)))
            {
                let unknown = key.map(|text| ("k".to_owned(), JsonText::parse(text).unwrap()));
                all.push(Session {
                    piece_id: RecordId::from_bits(piece),
                    started_at: UnixMillis(0),
                    ended_at: at.map(UnixMillis),
                    ended_at_source: source,
                    created_at: UnixMillis(created),
                    unknown: unknown.into_iter().collect(),
                });
            }
        }
    }
    all
}

/// Joins two records of one session of which neither knew the other.
fn join(a: &Session, b: &Session) -> Content {
    let (mut joined, b) = (a.content(), b.content());
    let kind = b.kind().clone();
    for name in b.names() {
        let (ours, theirs) = (joined.unit(name), b.unit(name));
        let side = |value| Side { value, edited_at: UnixMillis(0) };
        let merged = merge_field(kind.unit(name), moved(None), side(&ours), side(&theirs));
        joined.set_unit(name, merged.value);
    }
    joined
}

fn join_with(a: &Content, b: &Session) -> Content {
    let a: Session = serde_json::from_str(&a.to_json()).unwrap();
    join(&a, b)
}

#[test]
fn join_of_sessions_is_commutative_and_idempotent() {
    for a in sessions() {
        assert_eq!(a.content(), join(&a, &a));
        for b in sessions() {
            assert_eq!(join(&a, &b), join(&b, &a), "{a:?} {b:?}");
        }
    }
}

#[test]
fn join_of_sessions_is_associative() {
    let all = sessions();
    for a in &all {
        for b in all.iter().step_by(2) {
            let ab = join(a, b);
            for c in all.iter().step_by(3) {
                assert_eq!(join_with(&ab, c), join_with(&join(b, c), a));
            }
        }
    }
}

#[test]
fn an_end_that_the_student_gave_beats_a_later_guess() {
    let mut manual = sessions().remove(0);
    (manual.ended_at, manual.ended_at_source) = (Some(UnixMillis(5)), Some(EndedAtSource::Manual));
    let mut guess = manual.clone();
    (guess.ended_at, guess.ended_at_source) = (Some(UnixMillis(9)), Some(EndedAtSource::Estimated));

    assert_eq!(manual.content(), join(&guess, &manual));
}
