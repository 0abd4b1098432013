//! Which record a person means.

use crate::answer::{short, table};
use crate::naming::{target, title_field};
use crate::problem::Problem;
use haumana_replica::{Replica, View};
use haumana_sync::id::{Key, RecordId};
use haumana_sync::schema::Kind;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// How many candidates are listed.
const LISTED: usize = 10;
/// The fewest digits that count as the beginning of an id.
const ID_DIGITS: usize = 4;

/// The last form in which titles are compared: composed, without case, kahakō and ʻokina.
pub(crate) fn folded(text: &str) -> String {
    let is_mark = |letter: &char| matches!(*letter, '\u{2BB}' | '\u{304}');
    with_okina(text).nfd().filter(|letter| !is_mark(letter)).nfc().collect()
}

/// Composed, without case, and with a real ʻokina in place of an apostrophe from the keyboard.
fn with_okina(text: &str) -> String {
    let okina = |character| match character {
        '\'' | '`' | '\u{2018}' | '\u{2019}' => '\u{2BB}',
        other => other,
    };
    without_case(text).chars().map(okina).collect()
}

fn without_case(text: &str) -> String {
    composed(text).to_lowercase().nfc().collect()
}

fn composed(text: &str) -> String {
    text.trim().nfc().collect()
}

fn as_it_is(text: &str) -> String {
    text.to_owned()
}

type Fold = fn(&str) -> String;
/// Whether the typed text means a record with this title.
type Match<'m> = &'m dyn Fn(&View, &str, &str) -> bool;

/// The forms in which a title is compared with a typed text, the closest first.
const WHOLE: [Fold; 5] = [as_it_is, composed, without_case, with_okina, folded];
/// For a part of a title, case is ignored.
const PART: [Fold; 2] = [with_okina, folded];

/// The title of a record; empty if its kind has no text field.
pub(crate) fn title(view: &View) -> String {
    let field = title_field(view.content.kind());
    let text = field.and_then(|field| view.content.text(field.name()));
    text.unwrap_or_default().to_owned()
}

/// Finds the record that `text` names: by its id, its title, or a part of one of them.
pub(crate) async fn record(replica: &Replica, kind: &Kind, text: &str) -> Result<View, Problem> {
    let views = replica.records(kind.number()).await.map_err(Problem::local)?;
    choose(views, text, kind.name())
}

/// The kind with this name.
pub(crate) async fn kind(replica: &Replica, name: &str) -> Result<Arc<Kind>, Problem> {
    let schema = replica.schema().await;
    let known = || schema.kinds().iter().map(|kind| kind.name()).collect::<Vec<&str>>().join(", ");
    let found = schema.named(name).cloned();
    found.ok_or_else(|| Problem::NoSuchKind { name: name.to_owned(), known: known() })
}

/// Like [`record`], for pieces.
pub(crate) async fn piece(replica: &Replica, text: &str) -> Result<View, Problem> {
    record(replica, &*kind(replica, "piece").await?, text).await
}

/// The closest match counts. If several are equally close, it fails and lists them.
fn choose(views: Vec<View>, text: &str, what: &str) -> Result<View, Problem> {
    let digits = text.trim().to_uppercase();
    let is_id = |view: &View| view.key.id.to_string() == digits;
    let begins_id =
        |view: &View| ID_DIGITS <= digits.len() && view.key.id.to_string().starts_with(&digits);
    let ways: [(Match<'_>, &[Fold]); 4] = [
        (&|view, _, _| is_id(view), &[as_it_is]),
        (&|_, title, typed| title == typed, &WHOLE),
        (&|view, title, typed| title.starts_with(typed) || begins_id(view), &PART),
        (&|_, title, typed| title.contains(typed), &PART),
    ];
    for (is_meant, folds) in ways {
        for fold in folds {
            let typed = fold(text);
            // Every title begins with an empty text.
            if typed.trim().is_empty() {
                continue;
            }
            let is_meant = |view: &&View| is_meant(view, &fold(&title(view)), &typed);
            let meant: Vec<&View> = views.iter().filter(is_meant).collect();
            match meant[..] {
                [] => {}
                [one] => return Ok(one.clone()),
                _ => return Err(ambiguous(&meant, text, what)),
            }
        }
    }
    Err(Problem::NotFound { what: what.to_owned(), text: text.to_owned() })
}

fn ambiguous(meant: &[&View], text: &str, what: &str) -> Problem {
    let row = |view: &&View| vec![format!("  {}", short(view.key.id)), title(view)];
    let mut rows: Vec<Vec<String>> = meant.iter().take(LISTED).map(row).collect();
    if LISTED < meant.len() {
        rows.push(vec![format!("  … {} more", meant.len() - LISTED)]);
    }
    Problem::Ambiguous { what: what.to_owned(), text: text.to_owned(), list: table(&rows) }
}

/// Finds the record for a call to the server. A whole id may name a record that is deleted here.
pub(crate) async fn key(replica: &Replica, kind: &Kind, text: &str) -> Result<Key, Problem> {
    match RecordId::parse(text.trim()) {
        Some(id) => Ok(Key { kind: kind.number(), id }),
        None => record(replica, kind, text).await.map(|view| view.key),
    }
}

/// The title of a record for people; its id if the device does not have the record.
pub(crate) async fn title_of(replica: &Replica, key: Key) -> String {
    let view = replica.record(key).await.ok().flatten();
    let title = match &view {
        Some(view) => title_in(replica, view).await,
        None => None,
    };
    title.unwrap_or_else(|| key.id.to_string())
}

/// The title of a record. If its kind has no titles, it is the title of the record that it belongs
/// to.
pub(crate) async fn title_in(replica: &Replica, view: &View) -> Option<String> {
    if title_field(view.content.kind()).is_some() {
        return Some(title(view));
    }
    let owner = owner(replica, view).await?;
    let owner = replica.record(owner).await.ok().flatten()?;
    title_field(owner.content.kind()).map(|_| title(&owner))
}

/// The first record that the fields of a record name.
async fn owner(replica: &Replica, view: &View) -> Option<Key> {
    let schema = replica.schema().await;
    view.content.kind().fields().iter().find_map(|field| {
        let kind = target(&schema, field)?.number();
        let id = view.content.text(field.name()).and_then(RecordId::parse)?;
        Some(Key { kind, id })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use haumana_replica::Content;

    fn view(id: u128, title: &str) -> View {
        let text = serde_json::json!({
            "title": title, "lyrics": "", "category": "oli", "includeInPractice": true,
            "isFavorite": false, "createdAt": "2026-11-23T00:00:00.000Z",
        });
        View {
            key: Key::piece(RecordId::from_bits(id << 64)),
            content: Content::parse(haumana_sync::repertoire::piece_kind(), &text.to_string())
                .unwrap(),
            version: Some(1),
            is_pending: false,
            refused: None,
            explanation: None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let views = vec![
            view(0xAAAA_0000_0000_0000, "Aloha ʻOe"),
            view(0xAAAB_0000_0000_0000, "Aloha ʻOe Hou"),
            view(0xBBBB_0000_0000_0000, "Kaulana Nā Pua"),
            view(0xCCCC_0000_0000_0000, "E Ala E\u{304}"),
        ];
        let found = choose(views, text, "piece");
        assert_eq!(expected, found.as_ref().map(title).ok().as_deref(), "{text} {found:?}");
    }

    #[test]
    fn a_piece_is_found_by_title_id_or_the_beginning_of_one() {
        check("Aloha ʻOe", Some("Aloha ʻOe"));
        check("aloha ʻoe h", Some("Aloha ʻOe Hou"));
        check("KAULANA NĀ", Some("Kaulana Nā Pua"));
        check("kaulana na\u{304} pua", Some("Kaulana Nā Pua"));
        check("e ala ē", Some("E Ala E\u{304}"));
        check("aloha 'oe", Some("Aloha ʻOe"));
        check("bbbb", Some("Kaulana Nā Pua"));
        check("BBBB0000-0000-0000-0000-000000000000", Some("Kaulana Nā Pua"));
    }

    #[test]
    fn what_names_none_or_several_is_said_so() {
        check("Aloha", None);
        check("aaa", None);
        check("nowhere", None);
        let two = vec![view(1, "Aloha ʻOe"), view(2, "Aloha ʻOe")];
        let Err(Problem::Ambiguous { list, .. }) = choose(two, "aloha", "piece") else {
            panic!("two match")
        };
        assert_eq!(2, list.lines().count());
    }

    #[test]
    fn the_closest_title_wins() {
        let titles =
            ["kawika", "Kāwika", "Ka\u{304}wika", "KĀWIKA", "Kawika ʻEhu", "He Inoa No Kalani"];
        for (typed, expected) in [
            ("Kāwika", "Kāwika"),
            ("Ka\u{304}wika", "Ka\u{304}wika"),
            ("KĀWIKA", "KĀWIKA"),
            ("kawika", "kawika"),
            ("Kawika", "kawika"),
            ("KAWIKA 'EHU", "Kawika ʻEhu"),
            ("kawika ehu", "Kawika ʻEhu"),
            ("kāwika e", "Kawika ʻEhu"),
            ("no kalani", "He Inoa No Kalani"),
            ("Kālani", "He Inoa No Kalani"),
        ] {
            let views = titles.iter().zip(1..).map(|(title, id)| view(id, title)).collect();
            let found = choose(views, typed, "piece").map(|view| title(&view));
            assert_eq!(Some(expected), found.as_deref().ok(), "{typed}: {found:?}");
        }
    }

    #[test]
    fn nothing_typed_names_nothing() {
        for typed in ["", " ", "\u{304}"] {
            let found = choose(vec![view(1, "Aloha ʻOe")], typed, "piece");
            assert!(matches!(found, Err(Problem::NotFound { .. })), "{typed:?} {found:?}");
        }
    }
}
