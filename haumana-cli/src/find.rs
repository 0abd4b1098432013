//! Which piece somebody means.

use crate::answer::{short, table};
use crate::problem::Problem;
use haumana_replica::{Replica, View};
use haumana_sync::id::{Key, KindNumber, RecordId};
use unicode_normalization::UnicodeNormalization;

/// How many candidates are listed.
const LISTED: usize = 10;
/// The fewest digits that are taken for the beginning of an id.
const ID_DIGITS: usize = 4;

/// A text as titles are compared at last: composed, without case, kahakō and ʻokina.
pub(crate) fn folded(text: &str) -> String {
    let is_mark = |letter: &char| matches!(*letter, '\u{2BB}' | '\u{304}');
    with_okina(text).nfd().filter(|letter| !is_mark(letter)).nfc().collect()
}

/// … composed, without case, and with a real ʻokina for whatever mark the keyboard had.
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
/// Whether a record with this title is meant by what was typed.
type Match<'m> = &'m dyn Fn(&View, &str, &str) -> bool;

/// The ways in which a title is compared with what somebody typed, the closest first.
const WHOLE: [Fold; 5] = [as_it_is, composed, without_case, with_okina, folded];
/// Of a part of a title the case says nothing.
const PART: [Fold; 2] = [with_okina, folded];

pub(crate) fn title(view: &View) -> String {
    view.content.get("title").as_text().unwrap_or_default().to_owned()
}

/// Finds the piece that `text` names: by its id, its title, or a part of one of them.
pub(crate) async fn piece(replica: &Replica, text: &str) -> Result<View, Problem> {
    let views = replica.records(KindNumber::PIECE).await.map_err(Problem::local)?;
    choose(views, text)
}

/// The closest match counts; where several are equally close, nobody is chosen.
fn choose(views: Vec<View>, text: &str) -> Result<View, Problem> {
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
            // Every title begins with nothing.
            if typed.trim().is_empty() {
                continue;
            }
            let is_meant = |view: &&View| is_meant(view, &fold(&title(view)), &typed);
            let meant: Vec<&View> = views.iter().filter(is_meant).collect();
            match meant[..] {
                [] => {}
                [one] => return Ok(one.clone()),
                _ => return Err(ambiguous(&meant, text)),
            }
        }
    }
    Err(Problem::NotFound { what: "piece", text: text.to_owned() })
}

fn ambiguous(meant: &[&View], text: &str) -> Problem {
    let row = |view: &&View| vec![format!("  {}", short(view.key.id)), title(view)];
    let mut rows: Vec<Vec<String>> = meant.iter().take(LISTED).map(row).collect();
    if LISTED < meant.len() {
        rows.push(vec![format!("  … {} more", meant.len() - LISTED)]);
    }
    Problem::Ambiguous { what: "piece", text: text.to_owned(), list: table(&rows) }
}

/// Finds the piece for a call to the server, where a whole id may name one that is deleted here.
pub(crate) async fn piece_id(replica: &Replica, text: &str) -> Result<RecordId, Problem> {
    match RecordId::parse(text.trim()) {
        Some(id) => Ok(id),
        None => piece(replica, text).await.map(|view| view.key.id),
    }
}

/// The title of a record for people; its id where the device does not have it.
pub(crate) async fn title_of(replica: &Replica, key: Key) -> String {
    let piece = match (key.kind, replica.record(key).await) {
        (KindNumber::SESSION, Ok(Some(session))) => {
            let id = session.content.get("pieceId").as_text().and_then(RecordId::parse);
            id.map(Key::piece)
        }
        _ => Some(key),
    };
    let view = match piece {
        Some(key) => replica.record(key).await.ok().flatten(),
        None => None,
    };
    view.map_or_else(|| key.id.to_string(), |view| title(&view))
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
        let found = choose(views, text);
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
        let Err(Problem::Ambiguous { list, .. }) = choose(two, "aloha") else {
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
            let found = choose(views, typed).map(|view| title(&view));
            assert_eq!(Some(expected), found.as_deref().ok(), "{typed}: {found:?}");
        }
    }

    #[test]
    fn nothing_typed_names_nothing() {
        for typed in ["", " ", "\u{304}"] {
            let found = choose(vec![view(1, "Aloha ʻOe")], typed);
            assert!(matches!(found, Err(Problem::NotFound { .. })), "{typed:?} {found:?}");
        }
    }
}
